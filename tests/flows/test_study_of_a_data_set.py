"""What somebody with videos does first: a data set listed by `openmov dataset`, and a study of it, to its page."""

import json
from pathlib import Path

import pytest

from benchmark_folders import kinetics_csv, youtube_id
from openmov.cli import run
from openmov.data.split import pseudo_novel_split
from openmov.datasets.published import published_split
from tiny_world import BASE, NOVEL, TinyWorld

SMALL = (
    "video.num_frames=4",
    "video.stride_seconds=0.1",
    "video.short_side=64",
    "video.crop_size=64",
    "flow.short_side=64",
    "flow.tvl1.num_warps=2",
    "flow.tvl1.outer_iterations=2",
    "flow.tvl1.inner_iterations=5",
    "views.train_seeds=1",
    "views.num_clips=1",
    "views.num_crops=1",
    "model.temporal_layers=1",
    "training.epochs=1",
    "training.batch_size=4",
    "training.micro_batch_size=null",
)
TESTED = (5, 4, 3, 2)
"""Listed test clips of two base and two novel classes."""


def names_of_it() -> tuple[str, str, str, str]:
    """A base class that plays base in calibration, one that plays novel, and two novel ones."""
    split = published_split("kinetics700")
    pseudo = pseudo_novel_split(split, seed=0)
    return pseudo.base[0], pseudo.novel[0], split.novel[0], split.novel[1]


@pytest.fixture(scope="module")
def listed(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kinetics-700 as a user has it: a few classes, one test video missing, another broken off while downloading."""
    root = tmp_path_factory.mktemp("k700")
    rows, number = [], 0
    for name, stands, tested in zip(names_of_it(), (*BASE[:2], *NOVEL), TESTED, strict=True):
        for split in ["train"] * (3 if stands in BASE else 0) + ["validate"] * tested:
            number += 1
            rows.append(f'"{name}",{youtube_id(number)},0,10,{split}')
            clip = tiny_world.clip(stands, "train", number % 3)
            path = root / "videos" / name / f"{youtube_id(number)}_000000_000010.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(clip.read_bytes())
    videos = sorted((root / "videos").rglob("*.mp4"))
    last = [path for path in videos if path.parent.name == names_of_it()[0]][-1]
    last.write_bytes(last.read_bytes()[:200])
    next(path for path in videos if path.parent.name == names_of_it()[2]).unlink()
    csv = kinetics_csv(root / "annotations.csv", *rows)
    folders = ["--videos", str(root / "videos"), "--out", str(root / "lists")]
    assert run(["dataset", "kinetics700", *folders, "--annotations", str(csv)]) in (0, 2)
    _shorten_prompts(root / "lists" / "vocabulary.json")
    return root / "lists"


def _shorten_prompts(path: Path) -> None:
    """One sentence a name in place of 28: 700 names are embedded."""
    prompts = path.with_name("prompts.txt")
    prompts.write_text("a video of {}.\n")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompts": str(prompts)}))


def test_a_study_of_it_counts_what_is_missing_and_broken(
    listed: Path, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [word for one in (*SMALL, f"backbone.name={tiny_world.backbone}") for word in ("--set", one)]
    data = ["--data", "kinetics700", "--manifest", str(listed), "--cache", str(tmp_path / "cache")]
    assert run(["study", "table9", *data, "--out", str(tmp_path / "out"), "--workers", "1", *small]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "table9.html")
    fields = json.loads((tmp_path / "out" / "table9.json").read_text(encoding="utf-8"))["studies"]["table9"]
    asked = fields["made_of"]["clips"]["Kinetics-700"]
    assert asked["generalised"]["present"] == "12 of 14 test clips present"
    assert asked["base"]["present"] == "8 of 9 test clips present"
    assert asked["novel"]["present"] == "4 of 5 test clips present"
    cells = {row["title"]: row["cells"] for row in fields["parts"][0]["rows"]}
    assert [cell["clips"] for cell in cells["MOV"]] == [4, 12, 12, 12]
    page = (tmp_path / "out" / "table9.html").read_text(encoding="utf-8")
    assert "Kinetics-700: 12 of 14 test clips present." in page
    assert "696 classes have no test video and are possible answers all the same" in page
    assert "this project&#39;s own draw" in page
