"""A job of two processes, killed as a whole at a random step and started again, ends in the same bits."""

from pathlib import Path
from random import Random

import pytest
import torch

from openmov.runtime.checkpoint import load_checkpoint, load_resume_state
from openmov.runtime.run_folder import RunFolder
from tiny_processes import kill_job, run_job
from tiny_training import metrics_of

pytestmark = pytest.mark.slow

_PROGRAM = """
import sys, time
from pathlib import Path
import test_processes as flow
from openmov.runtime.distributed import joined_world

path, parallel, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])

class Slow(flow.FewFlows):
    def batch(self, indices, epoch):
        time.sleep(seconds)
        return super().batch(indices, epoch)

with joined_world() as world:
    flow.run(path, Slow(flow.CLIPS), world, resume=True, parallel=parallel, dropout=0.2, clip=0.5)
"""
PROGRAM = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{_PROGRAM}"
STEPS = 9  # three epochs of 8, 8 and 1 clips; with the lines of the epochs, twelve lines of metrics


@pytest.fixture(scope="module", params=["replicate", "fsdp2"])
def straight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """How the job holds the network, and the run of one that nobody kills."""
    path = tmp_path_factory.mktemp(request.param) / "run"
    assert run_job(PROGRAM, [str(path), request.param, "0"], timeout=280) == [(0, ""), (0, "")]
    return request.param, path


def assert_same_bits(path: Path, straight: Path) -> None:
    assert metrics_of(RunFolder.open(path)) == metrics_of(RunFolder.open(straight))
    for name in ("last", "best"):
        mine, theirs = (load_checkpoint(one / "checkpoints" / name)[0] for one in (path, straight))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine), name
    state, expected = (load_resume_state(one / "checkpoints/last") for one in (path, straight))
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[key], expected[key]) for key in state)


@pytest.mark.parametrize("repetition", range(5))
def test_killed_at_a_random_step_and_gone_on_with_two_processes(
    tmp_path: Path, straight: tuple[str, Path], repetition: int
) -> None:
    (parallel, expected), path, random = straight, tmp_path / "run", Random(repetition)
    kill_job(
        PROGRAM, [str(path), parallel, "0.15"], path / "metrics.jsonl", random.randint(1, 9), random.uniform(0, 0.3)
    )
    step = load_checkpoint(path / "checkpoints/last")[1].step if (path / "checkpoints/last").exists() else 0
    assert step < STEPS
    with pytest.raises((AssertionError, FileNotFoundError)):  # it is not done yet
        assert_same_bits(path, expected)
    assert run_job(PROGRAM, [str(path), parallel, "0"], timeout=280) == [(0, ""), (0, "")]
    assert_same_bits(path, expected)
