"""Several processes measure what one measures, to the last bit, and one of them writes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from openmov.runtime.distributed import ALONE, World
from openmov.scoring.embeddings import Embeddings, gathered, own_part
from openmov.types import JointEmbeddings, Modality
from tiny_processes import run_job
from tiny_world import TinyWorld

_PROGRAM = """
import sys
from openmov.runs import measure as measuring
from openmov.cli import run
measuring._BATCH = 3  # several batches of few clips
sys.exit(run(sys.argv[1:]))
"""


def without_times(value: Any) -> Any:
    """The same JSON without what a clock said."""
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if "seconds" not in key}
    if isinstance(value, list):
        return [without_times(one) for one in value if not (isinstance(one, list) and one[:1] == ["wall time"])]
    return value


def written(run: Path) -> dict[str, Any]:
    paths = {path.relative_to(run / "results"): path for path in sorted((run / "results").rglob("*.json"))}
    return {str(name): without_times(json.loads(path.read_text())) for name, path in paths.items()}


@pytest.mark.slow
def test_two_processes_measure_what_one_measures(tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path) -> None:
    found = {}
    for size in (1, 2):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(tiny_run, run)  # at the same place: results name it
        said = run_job(_PROGRAM, [*tiny_world.evaluate(run), "--out", str(run / "results/page")], size, timeout=280)
        assert [code for code, _ in said] == [0] * size, said
        found[size] = written(run)
    for name, expected in found[1].items():
        assert found[2][name] == expected, name
    assert len(found[1]) > 7
    assert found[2]["page/report.json"]["tasks"][0]["rows"]
    probabilities = [record["probabilities"] for record in found[1]["evaluations/mov-novel.json"]["records"]]
    assert len({tuple(row) for row in probabilities}) > 3


@pytest.mark.parametrize(("count", "size"), [(70, 2), (64, 3), (1, 2), (33, 4)])
def test_parts_are_whole_batches_and_cover_all(count: int, size: int) -> None:
    parts = [own_part(World(rank, size), count, 32) for rank in range(size)]
    assert [clip for part in parts for clip in part] == list(range(count))
    assert all(part.start % 32 == 0 for part in parts if len(part))


def recording(ids: str, modality: Modality) -> Embeddings:
    rows = torch.rand(2 * len(ids), 3, generator=torch.Generator().manual_seed(ord(ids[0])))
    present = torch.arange(2 * len(ids)) % 3 > 0
    embeddings = JointEmbeddings({modality: rows}, {modality: present}, rows if modality is Modality.VIDEO else None)
    return Embeddings(tuple(ids), tuple(f"label {one}" for one in ids), 2, embeddings)


def test_parts_come_together_in_order_and_lack_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = recording("abc", Modality.VIDEO), recording("d", Modality.FLOW)
    given: list[bytes] = []
    monkeypatch.setattr(World, "gather_bytes", lambda self, data: [given.append(data), data][1:])
    for part in (first, None, second):
        if part is None:
            with pytest.raises(ValueError, match="no clip"):
                gathered(ALONE, part)
        else:
            alone = gathered(ALONE, part)
            assert (alone.video_ids, alone.labels, alone.views) == (part.video_ids, part.labels, 2)
    monkeypatch.setattr(World, "gather_bytes", lambda self, data: given)
    whole = gathered(ALONE, first)
    assert whole.video_ids == ("a", "b", "c", "d")
    assert torch.equal(whole.embeddings.fused[Modality.VIDEO][:6], first.embeddings.fused[Modality.VIDEO])
    assert torch.equal(whole.embeddings.fused[Modality.FLOW][6:], second.embeddings.fused[Modality.FLOW])
    assert whole.embeddings.present[Modality.FLOW].tolist() == [False] * 6 + [False, True]
    assert whole.embeddings.frozen is not None
    assert not whole.embeddings.frozen[6:].any()
