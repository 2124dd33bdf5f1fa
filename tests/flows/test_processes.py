"""Several processes train to what one process trains to, and none waits for one that died."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from openmov.runtime.checkpoint import load_checkpoint
from openmov.runtime.distributed import World
from openmov.runtime.run_folder import RunFolder
from openmov.training.loop import train
from openmov.types import ClipBatch, JointEmbeddings, Modality
from tiny_processes import run_job
from tiny_training import (
    PROVENANCE,
    TinyClips,
    TinyNet,
    metrics_of,
    tiny_config,
    tiny_folder,
    tiny_objective,
)

CLIPS = 17  # steps of 8, 8 and 1 clips: in the last one a process has none


class Selective(TinyNet):
    """Leaves its flow encoder alone where no clip has flow: then its weights get no gradient."""

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        embedded = super().forward(batch)
        if batch.present[Modality.FLOW].any():
            return embedded
        return replace(embedded, fused={Modality.VIDEO: embedded.fused[Modality.VIDEO]})


class FewFlows(TinyClips):
    """One clip in five has flow."""

    def batch(self, indices: list[int], epoch: int) -> ClipBatch:
        batch = super().batch(indices, epoch)
        has = torch.tensor([index % 5 == 0 for index in indices])
        return replace(batch, present={**batch.present, Modality.FLOW: has})


class Layered(Selective):
    """The same weights in a list of layers, which FSDP2 brings together one by one."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout=dropout)
        self.layers = nn.ModuleList([self.head, self.flow_encoder])
        del self.head, self.flow_encoder

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        video = self.frozen(batch.inputs[Modality.VIDEO][:, 0])
        fused = {Modality.VIDEO: video + self.layers[0](video)}
        if batch.present[Modality.FLOW].any():
            fused[Modality.FLOW] = self.layers[1](batch.inputs[Modality.FLOW][:, 0])
        return JointEmbeddings(fused, batch.present)


def run(
    path: Path,
    source: TinyClips,
    world: World,
    *,
    resume: bool = False,
    epochs: int = 3,
    parallel: str = "replicate",
    clip: float | None = None,
    dropout: float = 0.0,
) -> None:
    config = tiny_config(epochs=epochs, micro_batch_size=3, modality_dropout=0.0, parallel=parallel, gradient_clip=clip)
    if world.first:
        tiny_folder(path, resume=resume)
    world.wait()
    net = Layered(dropout)
    if not world.first:
        for weight in net.trained_state().values():
            weight.fill_(3.0)  # the first process decides where all begin
    folder = RunFolder.open(path)
    train(
        *(net, source, tiny_objective(), config, folder, PROVENANCE),
        validate=lambda model: validated(model, world),
        progress=False,
        resume=resume,
        checkpoint_seconds=0.0,
        world=world,
    )


def validated(model: Layered, world: World) -> float:
    """As a real one: inference, and only in the processes that have a clip."""
    value = 0.0
    if world.first:
        with torch.inference_mode():
            value = float(model(FewFlows(5).batch([0, 1, 2], 7)).fused[Modality.VIDEO].abs().sum())
    return world.sum_numbers([value])[0]


_PROGRAM = """
import json, os, sys
from pathlib import Path
import test_processes as flow
from openmov.errors import OpenMovError
from openmov.runtime.distributed import joined_world

path, dies_at, resume = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "resume"
parallel = sys.argv[4] if len(sys.argv) > 4 else "replicate"

class Source(flow.FewFlows):
    def batch(self, indices, epoch):
        if os.environ["RANK"] == "1" and len(self.seen) >= dies_at:
            os._exit(9)
        return super().batch(indices, epoch)

source = Source(flow.CLIPS)
try:
    with joined_world() as world:
        flow.run(path, source, world, resume=resume, parallel=parallel)
except OpenMovError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
(path.parent / f"seen{world.rank}.json").write_text(json.dumps(source.seen))
"""
PROGRAM = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{_PROGRAM}"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("alone") / "run"
    run(path, FewFlows(CLIPS), World())
    return RunFolder.open(path)


def assert_same(path: Path, straight: RunFolder, tolerance: float = 2e-6) -> None:
    mine, theirs = metrics_of(RunFolder.open(path)), metrics_of(straight)
    assert len(mine) == len(theirs)
    for line, expected in zip(mine, theirs, strict=True):
        line.pop("validation", None), expected.pop("validation", None)
        assert line == pytest.approx(expected, abs=1e-4)
    weights, expected_weights = load_checkpoint(path / "checkpoints/last")[0], load_checkpoint(straight.last)[0]
    assert weights.keys() == expected_weights.keys()
    assert max(float((weights[key] - expected_weights[key]).abs().max()) for key in weights) < tolerance


def test_two_processes_learn_what_one_learns(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    assert run_job(PROGRAM, [str(path), "999", "new"]) == [(0, ""), (0, "")]
    assert_same(path, straight)
    seen = [json.loads((tmp_path / f"seen{rank}.json").read_text()) for rank in (0, 1)]
    assert sorted(map(tuple, seen[0] + seen[1])) == [(epoch, clip) for epoch in range(3) for clip in range(CLIPS)]
    assert not set(map(tuple, seen[0])) & set(map(tuple, seen[1]))


def test_a_process_that_dies_ends_the_job_and_one_process_goes_on(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    (code, said), (died, _) = run_job(PROGRAM, [str(path), "14", "new"])
    assert (code, died) == (2, 9)
    assert "another process of the job has stopped" in said
    assert "--resume" in said
    assert 0 < load_checkpoint(path / "checkpoints/last")[1].step < 9
    with pytest.raises(AssertionError):
        assert_same(path, straight)
    run(path, FewFlows(CLIPS), World(), resume=True)
    assert_same(path, straight)


def test_two_processes_go_on_where_one_stopped(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    stopped = FewFlows(CLIPS)
    stopped.batch = lambda indices, epoch: interrupted(stopped, indices, epoch)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(path, stopped, World())
    assert run_job(PROGRAM, [str(path), "999", "resume"]) == [(0, ""), (0, "")]
    assert_same(path, straight)


def interrupted(source: FewFlows, indices: list[int], epoch: int) -> ClipBatch:
    if epoch == 1:
        raise KeyboardInterrupt
    return FewFlows.batch(source, indices, epoch)


def test_shares_of_the_network_learn_what_one_process_learns(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    assert run_job(PROGRAM, [str(path), "999", "new", "fsdp2"]) == [(0, ""), (0, "")]
    assert_same(path, straight)


def test_a_run_goes_on_between_whole_networks_and_shares(tmp_path: Path, straight: RunFolder) -> None:
    path = tmp_path / "run"
    stopped = FewFlows(CLIPS)
    stopped.batch = lambda indices, epoch: interrupted(stopped, indices, epoch)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(path, stopped, World())
    (code, said), (died, _) = run_job(PROGRAM, [str(path), "14", "resume", "fsdp2"])
    assert (code, died) == (2, 9)
    assert "another process of the job has stopped" in said
    assert 3 < load_checkpoint(path / "checkpoints/last")[1].step < 9  # what the shares wrote
    run(path, FewFlows(CLIPS), World(), resume=True)
    assert_same(path, straight)
