"""Workers on the machines of a Ray cluster (extra `cluster`): The only way to Ray.

Ray starts one process a worker, wherever a core is free, and says when one is lost. It is asked for nothing else: it
retries nothing, so that what is counted is counted by the crew alone. Every machine needs openmov, the videos and the
cache folder under the same paths, on a file system that keeps the promises of decision 19.

The cluster is the one named by RAY_ADDRESS (`auto` on one of its machines); without that, one is started here.
"""

import os
from typing import Any

from openmov.errors import OpenMovError, RecipeError
from openmov.prepare.video import Job, Outcome, Setup, do_in_child, load_bench
from openmov.runtime.workers import CallDiedError, CallOverTimeError

_START_SECONDS = 300.0


class Worker:
    """What Ray runs: a process that has loaded everything and does one job after the other."""

    def __init__(self, setup: Setup) -> None:
        self._frames = setup.frames
        load_bench(setup)

    def ready(self) -> bool:
        """Answers once everything is loaded."""
        return True

    def do(self, job: Job) -> Outcome:
        """As `do_in_child`."""
        return do_in_child(job.record, training=job.training, frames=self._frames)


class RayWorker:
    """One seat on the cluster. Raises RecipeError where Ray is missing or gives no seat, BackboneError."""

    def __init__(self, setup: Setup) -> None:
        self._ray = connected()
        # Cores are Ray's to give; that a process is lost is ours to notice and to answer.
        remote = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        self._seat = remote.remote(setup)
        try:
            self._answer(self._seat.ready.remote(), _START_SECONDS)
        except (CallOverTimeError, CallDiedError) as error:
            self.close()
            what = f"the cluster gives no worker ({error})"
            raise RecipeError("--engine ray", what, "start more nodes, or ask for fewer --workers") from error

    def do(self, job: Job, limit_seconds: float | None) -> Outcome:
        """Asks the seat. Raises CallOverTimeError, CallDiedError, StorageError."""
        outcome: Outcome = self._answer(self._seat.do.remote(job), limit_seconds)
        return outcome

    def close(self) -> None:
        """Kills its process."""
        self._ray.kill(self._seat, no_restart=True)

    def _answer(self, pending: Any, limit_seconds: float | None) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(pending, timeout=limit_seconds)
        except errors.GetTimeoutError as error:
            raise CallOverTimeError(f"not done after {limit_seconds:g} s") from error
        except (errors.RayActorError, errors.WorkerCrashedError) as error:
            raise CallDiedError(str(error).strip().splitlines()[0]) from error
        except errors.RayTaskError as error:
            if isinstance(error.cause, OpenMovError):
                raise error.cause from error
            raise


def connected() -> Any:
    """The library, connected to its cluster. Raises RecipeError where it is not installed, or cannot be reached."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that it was started
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise RecipeError("--engine ray", "Ray is not installed", "pip install 'openmov[cluster]'") from error
    try:
        if not ray.is_initialized():
            ray.init(logging_level="error", log_to_driver=False, include_dashboard=False, configure_logging=False)
    except ConnectionError as error:
        raise RecipeError("--engine ray", f"no cluster at {os.environ.get('RAY_ADDRESS')}", "start it") from error
    return ray
