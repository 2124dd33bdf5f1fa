"""Whatever is handed in wrongly: one line that says where, what and what to do; code 2; nothing half-written."""

import errno
import json
import shutil
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from openmov.cli import run
from openmov.media.encode import write_clip
from openmov.runtime.checkpoint import load_tensors, save_tensors
from tiny_backbones import make_tiny_clip_folder
from tiny_media import block_over_texture
from tiny_world import BASE, NOVEL, TinyWorld

LABELS = ",".join(BASE)


@dataclass(frozen=True)
class Place:
    """Where a case may write, beside what it may read."""

    world: TinyWorld
    run: Path
    """A trained run; to be copied before it is spoiled."""
    folder: Path
    """Empty."""

    @property
    def out(self) -> Path:
        """What the verb is told to write."""
        return self.folder / "out"

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def spoiled_run(self, name: str, old: str, new: str) -> Path:
        """A copy of the run, a text replaced in one of its files."""
        copy = self.folder / "copy"
        shutil.copytree(self.run, copy)
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(text.replace(old, new))
        return copy

    def predict(self, *files: Path, more: tuple[str, ...] = ("--views", "1x1")) -> list[str]:
        return ["predict", *map(str, files), "--labels", LABELS, "--backbone", str(self.world.backbone), *more]

    def train(self, *more: str, manifest: Path | None = None, vocabulary: Path | None = None) -> list[str]:
        lists = ["--manifest", str(manifest or self.world.manifest)]
        names = ["--vocabulary", str(vocabulary or self.world.vocabulary)]
        rest = ["--out", str(self.out), "--cache", str(self.world.cache), "--workers", "1"]
        return ["train", "--recipe", str(self.world.recipe), *lists, *names, *rest, *more]

    def manifest(self, *rows: str, header: str = "path,label,split", vocabulary: str | None = None) -> list[str]:
        """A training on a manifest of these rows, which lies beside the clips."""
        path = self.world.root / f"manifest-{self.folder.name}.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return self.train(manifest=path)

    def row(self, name: str = BASE[0], number: int = 0, split: str = "train") -> str:
        return f"{self.world.clip(name, split, number).relative_to(self.world.root)},{name},{split}"


def garbage(place: Place) -> list[str]:
    return place.predict(place.file("a.mp4", bytes(range(256)) * 40))


def cut_before_its_index(place: Place) -> list[str]:
    return place.predict(place.file("a.mp4", place.world.clip(BASE[0]).read_bytes()[:400]))


def silence_of_no_length(place: Place) -> list[str]:
    path = place.folder / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
    return place.predict(path, more=("--modalities", "video,audio"))


def sound_alone(place: Place) -> list[str]:
    path = place.folder / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32_000))
    return place.predict(path)


def a_label_file_of_100_mb(place: Place) -> list[str]:
    path = place.folder / "names.txt"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    return labels(str(path))(place)


def several_faults_in_a_manifest(place: Place) -> list[str]:
    return place.manifest(place.row(), place.row(), "nowhere.mp4,star moving left,train", "../a.mp4,singing,dev")


def another_format_version(place: Place) -> list[str]:
    copy = place.spoiled_run("checkpoints/best/checkpoint.json", '"format_version": 1', '"format_version": 99')
    return place.predict(place.world.clip(BASE[0]), more=("--run", str(copy)))


def another_backbone(place: Place) -> list[str]:
    other = make_tiny_clip_folder(place.folder / "clip", image_size=64, patch_size=16, open_vocabulary=True, seed=1)
    command = place.predict(place.world.clip(BASE[0]), more=("--run", str(place.run)))
    return [str(other) if word == str(place.world.backbone) else word for word in command]


def another_vocabulary(place: Place) -> list[str]:
    names = place.file("names.json", json.dumps({"base": [*BASE[:2], NOVEL[0]], "novel": [BASE[2], NOVEL[1]]}))
    command = place.world.evaluate(place.run)
    return [str(names) if word == str(place.world.vocabulary) else word for word in command]


def a_recipe_of_another_release(place: Place) -> list[str]:
    copy = place.spoiled_run("checkpoints/best/checkpoint.json", '"trainable_layers"', '"trained_layers"')
    return place.predict(place.world.clip(BASE[0]), more=("--run", str(copy)))


def weights_of_another_network(place: Place) -> list[str]:
    more = ("--run", str(place.run), "--set", "model.temporal_layers=2")
    return place.predict(place.world.clip(BASE[0]), more=more)


def a_run_of_nested_brackets(place: Place) -> list[str]:
    copy = place.spoiled_run("checkpoints/best/checkpoint.json", '"format_version"', '"format_version"')
    (copy / "checkpoints" / "best" / "checkpoint.json").write_text("[" * 200_000 + "]" * 200_000)
    return place.predict(place.world.clip(BASE[0]), more=("--run", str(copy)))


def a_run_of_no_numbers(place: Place) -> list[str]:
    copy = place.spoiled_run("checkpoints/best/checkpoint.json", '"format_version"', '"format_version"')
    (weights,) = (copy / "checkpoints" / "best").glob("weights*")
    save_tensors(weights, {name: tensor * float("nan") for name, tensor in load_tensors(weights).items()})
    return place.predict(place.world.clip(BASE[0]), more=("--run", str(copy)))


def a_damaged_calibration(place: Place) -> list[str]:
    copy = place.spoiled_run("calibration.json", '"chosen"', '"chose"')
    return place.predict(place.world.clip(BASE[0]), more=("--run", str(copy)))


def another_run_is_there(place: Place) -> list[str]:
    shutil.copytree(place.run, place.out)
    return place.train("--set", "training.epochs=3")


def this_run_is_there(place: Place) -> list[str]:
    shutil.copytree(place.run, place.out)
    return place.train()


def other_files_are_there(place: Place) -> list[str]:
    place.out.mkdir()
    (place.out / "thesis.txt").write_text("precious")
    return place.train("--resume")


def a_file_is_there(place: Place) -> list[str]:
    place.out.write_text("precious")
    return place.train()


def another_pool_is_there(place: Place) -> list[str]:
    place.out.mkdir()
    (place.out / "pool.json").write_text("{}")
    return ["shapesav", "write", str(place.out), "--train", "1", "--workers", "1"]


def both_roles(place: Place) -> list[str]:
    names = place.file("names.json", json.dumps({"base": BASE, "novel": [BASE[1], *NOVEL]}))
    return place.train(vocabulary=names)


def no_names(place: Place) -> list[str]:
    return place.train(vocabulary=place.file("names.json", '{"base": [], "novel": []}'))


def only_novel_names(place: Place) -> list[str]:
    return place.train(vocabulary=place.file("names.txt", "\n".join(BASE + NOVEL)))


def labels(text: str) -> Callable[[Place], list[str]]:
    def case(place: Place) -> list[str]:
        command = place.predict(place.world.clip(BASE[0]))
        return [text if word == LABELS else word for word in command]

    return case


def predicted(*more: str) -> Callable[[Place], list[str]]:
    return lambda place: place.predict(place.world.clip(BASE[0]), more=more)


def trained(*more: str) -> Callable[[Place], list[str]]:
    return lambda place: place.train(*more)


def said(*words: str) -> Callable[[Place], list[str]]:
    return lambda place: [word.replace("OUT", str(place.out)) for word in words]


def misspelt_recipe(place: Place) -> list[str]:
    return ["recipe", str(place.file("mine.yaml", "training: {learning_rat: 0.1}\n"))]


def one_class_cannot_be_calibrated(place: Place) -> list[str]:
    path = place.file("names.json", json.dumps({"base": BASE[:1], "novel": (*BASE[1:], *NOVEL)}))
    return place.train("--calibrate", vocabulary=path)


CASES: dict[str, tuple[Callable[[Place], list[str]], str]] = {
    # media files
    "missing video": (lambda p: p.predict(p.folder / "a.mp4"), "a.mp4: no such file"),
    "empty video": (lambda p: p.predict(p.file("a.mp4", b"")), "a.mp4: an empty file"),
    "garbage video": (garbage, "a.mp4: no media file"),
    "truncated video": (cut_before_its_index, "a.mp4: no media file, or one that is damaged or cut off"),
    "text named mp4": (lambda p: p.predict(p.file("a.mp4", "dear diary\n" * 99)), "a.mp4: no media file"),
    "a folder": (lambda p: p.predict(p.folder), "a folder without a video"),
    "sound of no length": (silence_of_no_length, "neither pictures nor sound"),
    "sound where pictures are asked for": (
        lambda p: p.predict(p.file("a.wav", (Path(silence_of_no_length(p)[1])).read_bytes())),
        "neither pictures nor sound",
    ),
    # manifests
    "missing manifest": (lambda p: p.train(manifest=p.folder / "a.csv"), "a.csv: cannot be read"),
    "empty manifest": (lambda p: p.train(manifest=p.file("a.csv", "")), "a.csv: "),
    "manifest without a video": (lambda p: p.manifest(), "holds no video"),
    "misspelt columns": (
        lambda p: p.manifest(p.row() + ",x", header="path,label,splits,colour"),
        "misspelt column ('splits', did you mean split?)",
    ),
    "a group on two sides": (
        lambda p: p.manifest(p.row() + ",7", p.row(number=1, split="test") + ",7", header="path,label,split,group"),
        "1 group on two sides of the split (7 (train and test))",
    ),
    "a root that is none": (lambda p: p.train("--root", str(p.folder / "nowhere")), "nowhere: is not a folder"),
    "a novel class that is none": (
        lambda p: ["split", str(p.world.manifest), "--out", str(p.out), "--novel", "singing"],
        "'singing' is not among the",
    ),
    "missing files": (lambda p: p.manifest("no.mp4,star moving left,train"), "missing file (no.mp4)"),
    "duplicate ids": (lambda p: p.manifest(p.row(), p.row()), "duplicate id"),
    "label not in the vocabulary": (
        lambda p: p.manifest(p.row().replace(BASE[0], "singing")),
        "label not in the vocabulary (singing",
    ),
    "path out of the root": (
        lambda p: p.manifest("../a.mp4,star moving left,train"),
        "path outside the root (../a.mp4)",
    ),
    "all of these": (several_faults_in_a_manifest, "faults: "),
    "no training video of a base class": (
        lambda p: p.manifest(p.row(NOVEL[0]), p.row(split="test")),
        "lists no training video of a base class",
    ),
    "a split without videos": (
        lambda p: ["prepare", *p.manifest(p.row())[1:5], "--split", "val", "--cache", str(p.folder / "cache")],
        "lists no video in the split 'val'",
    ),
    # class names
    "no class name": (no_names, "names.json: holds no class name"),
    "empty label list": (labels(""), "labels: hold no class name"),
    "empty label": (labels("a,,b"), "labels: name 2 of 3 is empty"),
    "open quote": (labels('a,"b'), "double quote"),
    "a label twice": (labels("a,a"), "'a' stands there twice"),
    "a label twice but for capitals": (labels("Archery, archery"), "is 'Archery' but for capitals and spaces"),
    "a label of punctuation": (labels("archery, ?!"), "'?!' is not a class name"),
    "a label that is too long": (labels("a, " + "very " * 40 + "long"), "tokens"),
    "a label file of 100 MB": (a_label_file_of_100_mb, "names.txt: is larger than such a file can be (105 MB"),
    "a label file that is not text": (
        lambda p: labels(str(p.file("names.txt", bytes(range(128, 256)))))(p),
        "names.txt: is not UTF-8 (byte 0",
    ),
    "no labels": (lambda p: ["predict", str(p.world.clip(BASE[0]))], "labels: none are given; give --labels"),
    "labels and a vocabulary": (predicted("--vocabulary", "ucf101"), "--labels and --vocabulary are both given"),
    "unknown vocabulary": (
        lambda p: ["predict", str(p.world.clip(BASE[0])), "--vocabulary", "kinetic400"],
        "kinetic400: is not a bundled vocabulary; did you mean kinetics400?",
    ),
    "missing label file": (labels("nowhere.txt"), "nowhere.txt: cannot be read"),
    "base and novel at once": (both_roles, "both base and novel: 'circle moving right'"),
    "nothing but novel names": (only_novel_names, "names no base class"),
    "too few classes to calibrate": (one_class_cannot_be_calibrated, "1 base classes cannot give up"),
    "unknown prompts": (predicted("--prompts", "knetics700"), "did you mean kinetics700?"),
    "split without a size": (said("split", "pyproject.toml", "--out", "OUT"), "--base or by --fraction"),
    "split of nothing": (said("split", "nowhere.txt", "--out", "OUT", "--base", "2"), "nowhere.txt: cannot be read"),
    # recipes
    "misspelt key in a recipe": (misspelt_recipe, "did you mean training.learning_rate?"),
    "misspelt key in --set": (trained("--set", "training.epoch=3"), "did you mean training.epochs?"),
    "--set of nonsense": (trained("--set", "nonsense"), "--set 'nonsense' is not of the form section.field=value"),
    "--set of a wrong value": (trained("--set", "training.epochs=many"), "training.epochs should be a valid integer"),
    "--set without a recipe": (said("recipe", "--set", "a.b=1"), "--set: changes a recipe"),
    "unknown recipe": (said("recipe", "kinetics70"), "did you mean kinetics700?"),
    "heads that do not divide": (trained("--set", "model.num_heads=7"), "model.num_heads: 7 does not divide"),
    "more layers than there are": (trained("--set", "model.trainable_layers=9"), "model.trainable_layers: is 9"),
    "calibrating one modality": (
        trained("--calibrate", "--set", "model.method=flow_only", "--set", "model.modalities=[flow]"),
        "--calibrate: the method flow_only has nothing to calibrate",
    ),
    "no file": (lambda p: p.predict(), "predict: no file is named"),
    "a pattern nothing fits": (lambda p: p.predict(p.folder / "*.mp4"), "*.mp4: no file fits this pattern"),
    "sound alone without a run": (sound_alone, "a.wav: gives no video: it holds sound alone"),
    "two forms at once": (predicted("--json", "--csv"), "--csv: and --json are both asked for"),
    "a report of another kind": (predicted("--report", "out.pdf"), "out.pdf: is not a name of a page"),
    "a revision of a folder": (predicted("--revision", "main"), "is not a hub model, and has no revision of its own"),
    "an unknown cache": (said("cache", "clear", "films", "--cache", "OUT"), "'films' is not a kind of cache"),
    "a size of nonsense": (said("cache", "clear", "--keep", "lots", "--cache", "OUT"), "--keep: 'lots' is not a size"),
    "views by the thousand million": (predicted("--views", "1000000000x1"), "--views: '1000000000x1'"),
    "views beyond bounds": (predicted("--views", "1001x1"), "views.num_clips should be less than or equal to 1000"),
    "views that no memory holds": (predicted("--views", "900x3"), "are more than fit into memory"),
    "frames by the thousand million": (predicted("--set", "video.num_frames=1000000000"), "video.num_frames should be"),
    "workers by the thousand": (lambda p: ["prepare", *p.train()[1:5], "--workers", "100000"], "--workers"),
    "a hop of nothing": (predicted("--timeline", "--hop", "1e-300"), "--hop: 1e-300 s is less than"),
    "prompts without end": (predicted("--prompts", "/dev/zero"), "/dev/zero: is a device or socket"),
    "labels without end": (labels("/dev/zero"), "/dev/zero: is a device or socket"),
    "labels that may be ids": (
        lambda p: labels(str(p.file("names.txt", "3 archery\n9 biking\n")))(p),
        "may be read in more than one way ('3 archery', '9 biking')",
    ),
    "labels that look the same": (labels("caf\u00e9, cafe\u0301"), "stands there twice"),
    "a run that is a slip": (predicted("--run", "runs/mine"), "runs/mine: is not a folder here, and runs is no owner"),
    "a run with a secret": (predicted("--run", "https://me:hush@host/run?sig=hush"), "host/run?... holds no run"),
    "a run of nested brackets": (a_run_of_nested_brackets, "checkpoint.json: is not a header of a checkpoint"),
    "a run of no numbers": (a_run_of_no_numbers, "holds weights that are not finite numbers"),
    "epochs by the thousand million": (lambda p: p.train("--set", "training.epochs=9999999999"), "training.epochs"),
    "a seed beyond bounds": (lambda p: p.train("--set", f"training.seed={2**70}"), "training.seed"),
    "views of nonsense": (predicted("--views", "many"), "--views: 'many' is no clips x crops"),
    "views of two crops": (predicted("--views", "4x2"), "--views: '4x2'"),
    "unknown modality": (predicted("--modalities", "video,smell"), "--modalities: 'video,smell'"),
    "flow alone without a run": (predicted("--modalities", "flow"), "--modalities: 'flow'"),
    "unknown flow": (predicted("--flow", "farneback"), "--flow"),
    "flow for a network without": (predicted("--flow", "tvl1"), "--flow: this network looks at no flow"),
    # backbones
    "a hub out of reach": (
        trained("--set", "backbone.name=nobody/nothing"),
        "HF_HUB_OFFLINE forbids to ask the hub; give a local folder",
    ),
    "a folder without a backbone": (
        lambda p: p.train("--set", f"backbone.name={p.folder}"),
        "holds no config.json",
    ),
    # runs
    "missing run": (predicted("--run", "nowhere"), "nowhere: holds no run"),
    "missing run to evaluate": (lambda p: p.world.evaluate(p.folder / "nowhere"), "nowhere: holds no run"),
    "one run twice": (
        lambda p: ["compare", str(p.run), str(p.run), "--out", str(p.out)],
        "compare: one run is named twice",
    ),
    "a single run": (lambda p: ["compare", str(p.run), "--out", str(p.out)], "compare: takes at least two runs"),
    "two runs of a method": (lambda p: p.world.evaluate(p.run, p.run), "more than one run is of the method mov"),
    "another format version": (another_format_version, "has format version 99"),
    "another backbone": (another_backbone, "was trained with the backbone"),
    "another vocabulary": (another_vocabulary, "was trained on the vocabulary"),
    "a recipe of another release": (a_recipe_of_another_release, "its recipe is none of this release"),
    "weights of another network": (weights_of_another_network, "belong to another model"),
    "a damaged calibration": (a_damaged_calibration, "calibration.json: is damaged"),
    "modalities of a run": (
        lambda p: p.predict(p.world.clip(BASE[0]), more=("--run", str(p.run), "--modalities", "video")),
        "--modalities: a trained run has its own",
    ),
    "out holds another run": (another_run_is_there, "out: holds another run"),
    "out holds this run": (this_run_is_there, "out: already holds this run"),
    "out holds other files": (other_files_are_there, "out: holds other files (thesis.txt)"),
    "out is a file": (a_file_is_there, "out: is a file"),
    "out holds another pool": (another_pool_is_there, "holds another pool of clips"),
    # arguments
    "unknown verb": (said("prodict"), 'Unknown command "prodict". Did you mean "predict"?'),
    "unknown option": (predicted("--labls", "a"), "Unknown option: --labls. Did you mean --labels?"),
    "missing option": (said("train"), "openmov train --help"),
    "option without a value": (predicted("--run"), "--run requires an argument"),
    "option given twice": (predicted("--top", "1", "--top", "2"), "--top specified multiple times"),
    "a word for a number": (predicted("--top", "all"), 'unable to convert "all" into int'),
    "a number out of range": (predicted("--top", "0"), "--top. Must be >= 1"),
    "no worker": (trained("--workers", "0"), "--workers"),
    "an unknown choice": (said("prepare", "--recipe", "x", "--manifest", "y", "--split", "dev"), "Choose from"),
    "a word too many": (said("demo", "please"), "please"),
    "a pool of nothing": (
        said("shapesav", "write", "OUT", "--train", "0", "--val", "0", "--test", "0"),
        "would be a pool without clips",
    ),
    "fewer clips than none": (said("shapesav", "write", "OUT", "--train", "-1"), "--train. Must be >= 0"),
}


def snapshot(path: Path) -> dict[str, bytes] | None:
    """What lies there, hidden files too; None where nothing is."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return files or None  # an empty folder holds nothing half-written


@pytest.fixture
def place(tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path) -> Place:
    return Place(tiny_world, tiny_run, tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_one_line_code_2_and_nothing_half_written(place: Place, capsys: pytest.CaptureFixture[str], case: str) -> None:
    command_of, phrase = CASES[case]
    command = command_of(place)
    before, kept = snapshot(place.out), snapshot(place.run)
    capsys.readouterr()
    assert run(command) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("openmov: ")]
    assert len(lines) == 1
    assert phrase in lines[0]
    assert snapshot(place.out) == before
    assert snapshot(place.run) == kept


def test_the_right_commands_are_right(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What the cases above spoil."""
    assert run(place.predict(place.world.clip(BASE[0]))) == 0
    assert run(place.predict(place.world.clip(BASE[0]), more=("--run", str(place.run)))) == 0
    assert run(place.train()) == 0
    assert "openmov: " not in capsys.readouterr().err
    assert snapshot(place.out) is not None


class TestNoSpaceLeft:
    @pytest.fixture(autouse=True)
    def full_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: Path) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("openmov.runtime.atomic._make_file", full)

    @pytest.mark.parametrize(
        "command_of",
        [
            lambda p: p.train(),
            lambda p: p.train("--cache", "other")[:-2],
            lambda p: ["split", str(p.file("names.txt", "a\nb\nc\n")), "--out", str(p.out), "--base", "2"],
            lambda p: ["compare", str(p.run), str(shutil.copytree(p.run, p.folder / "b")), "--out", str(p.out)],
            lambda p: ["shapesav", "write", str(p.out), "--train", "1", "--workers", "1"],
            lambda p: ["prepare", *p.train()[1:5], "--cache", str(p.out), "--engine", "threads"],
        ],
        ids=["train", "train again", "split", "compare", "shapesav", "prepare"],
    )
    def test_is_said(
        self, place: Place, capsys: pytest.CaptureFixture[str], command_of: Callable[[Place], list[str]]
    ) -> None:
        command = command_of(place)
        assert run(command) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("openmov: ")]
        assert "no space left on the device; free some space" in line
        assert snapshot(place.out) is None


class TestSeveralFiles:
    def test_the_others_are_answered_and_failures_come_last(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        good, other = place.world.clip(BASE[0]), place.world.clip(NOVEL[0])
        empty, text = place.file("empty.mp4", b""), place.file("text.mp4", "dear diary")
        assert run(place.predict(empty, good, text, other, more=("--views", "1x1", "--json"))) == 2
        printed = capsys.readouterr()
        shown = json.loads(printed.out)
        assert [one["path"] for one in shown["predictions"]] == [str(good), str(other)]
        assert [one["path"] for one in shown["failures"]] == [str(empty), str(text)]
        lines = printed.err.splitlines()
        faults = [line for line in lines if not line.startswith("answering: 4 of 4")]
        assert [line.split(": ")[1] for line in faults[:-1]] == [str(empty), str(text)]
        assert faults[-1] == "openmov: 2 of 4 files could not be read"

    def test_in_words(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        good, empty = place.world.clip(BASE[0]), place.file("empty.mp4", b"")
        assert run(place.predict(empty, good)) == 2
        printed = capsys.readouterr()
        assert str(good) in printed.out
        assert printed.err.splitlines()[-2].startswith(f"openmov: {empty}: an empty file")


class TestTruncatedVideo:
    @pytest.fixture
    def cut_off(self, place: Place) -> Path:
        """A Matroska file whose header promises more than there is."""
        clip, whole, path = (place.folder / name for name in ("clip.mp4", "whole.mkv", "cut.mkv"))
        write_clip(clip, block_over_texture(36, step_px=1), 10.0, None, keyframe_interval=6)
        with av.open(str(clip)) as source, av.open(str(whole), "w") as target:
            copy = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
        content = whole.read_bytes()
        path.write_bytes(content[: len(content) * 6 // 10])
        return path

    def test_is_answered_from_what_could_be_read_and_says_so(
        self, place: Place, cut_off: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        long_enough = ("--views", "1x1", "--set", "video.num_frames=12", "--set", "video.stride_seconds=0.3")
        assert run(place.predict(cut_off, more=long_enough)) == 0
        printed = capsys.readouterr()
        assert str(cut_off) in printed.out
        assert any(line.startswith(f"openmov: {cut_off}: cut off: 1.") for line in printed.err.splitlines())
        assert run(place.predict(cut_off, more=(*long_enough, "--json"))) == 0
        (prediction,) = json.loads(capsys.readouterr().out)["predictions"]
        assert any(note.startswith("cut off: ") for note in prediction["notes"])

    def test_an_avi_too_says_so_whether_asked_as_a_whole_or_along_its_time(
        self, place: Place, cut_off: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        avi = place.folder / "cut.avi"
        with av.open(str(avi), "w") as target:
            stream: Any = target.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 64, "yuv420p", 5
            for image in block_over_texture(40, step_px=1):
                target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            target.mux(stream.encode(None))
        content = avi.read_bytes()
        avi.write_bytes(content[: (content.index(b"movi") + len(content)) // 2])
        for more in (("--views", "1x1"), ("--timeline", "--window", "0.5")):
            assert run(place.predict(avi, more=more)) == 0
            lines = [line for line in capsys.readouterr().err.splitlines() if "cut off" in line]
            assert len(lines) == 1
            assert lines[0].startswith(f"openmov: {avi}: cut off: 4.0 s are promised, its data ends at ")

    def test_a_whole_one_says_nothing(self, place: Place, cut_off: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(place.predict(cut_off.with_name("whole.mkv"), more=("--views", "1x1"))) == 0
        assert "openmov: " not in capsys.readouterr().err


class TestTrainingThatFailsBeforeItsFirstStep:
    def test_leaves_the_folder_to_the_corrected_command(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        clips = [place.world.root / f"bad-{name.split()[0]}-{i}.mp4" for name in BASE for i in range(2)]
        for clip in clips:
            clip.write_bytes(b"no film")
        rows = [f"{clip.name},{name},train" for clip, name in zip(clips, [n for n in BASE for _ in "ab"], strict=True)]
        assert run(place.manifest(*rows)) == 2
        assert "none of its training videos of base classes can be read" in capsys.readouterr().err
        assert not place.out.exists()
        assert run(place.train()) == 0

    def test_without_a_readable_validation_video(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        (place.world.root / "bad.mp4").write_bytes(b"no film")
        rows = [*(place.row(name, i) for name in BASE for i in range(2)), f"bad.mp4,{BASE[0]},val"]
        assert run(place.manifest(*rows)) == 2
        assert "none of its validation videos" in capsys.readouterr().err
        assert not place.out.exists()


class TestCheck:
    def test_every_fault_has_its_line(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        several_faults_in_a_manifest(place)
        manifest = place.world.root / f"manifest-{place.folder.name}.csv"
        both = place.file("both.json", json.dumps({"base": ["a"], "novel": ["a"]}))
        files = [place.folder / "missing.mp4", place.file("empty.mp4", b""), place.world.clip(BASE[0])]
        command = ["check", str(manifest), str(both), *map(str, files), "--vocabulary", str(place.world.vocabulary)]
        assert run(command) == 2
        *faults, summary = capsys.readouterr().out.splitlines()
        for text in ("duplicate id", "missing file", "outside the root", "label not in", "unknown split"):
            assert sum(text in fault for fault in faults) == 1
        assert any(fault.startswith(f"{both}: both base and novel") for fault in faults)
        assert [f"{file}: " in "\n".join(faults) for file in files] == [True, True, False]
        assert summary == f"5 checked, {len(faults)} faults"

    def test_what_is_sound_passes(self, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
        names = str(place.world.vocabulary)
        assert run(["check", str(place.world.manifest), names, "--vocabulary", names, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"checked": 32, "faults": [], "notes": []}


def test_dis_is_another_flow(place: Place, tmp_path: Path) -> None:
    """Its entries lie beside those of TV-L1."""
    pytest.importorskip("cv2")
    cache = tmp_path / "cache"
    inputs = ["--recipe", str(place.world.recipe), "--manifest", str(place.world.manifest), "--cache", str(cache)]
    command = ["prepare", *inputs, "--split", "val", "--workers", "1"]
    assert run([*command, "--flow", "dis"]) == 0
    quick = {name for name in snapshot(cache) or {} if name.endswith(".safetensors")}
    assert run(command) == 0
    assert quick < {name for name in snapshot(cache) or {} if name.endswith(".safetensors")}


def test_another_decoder_is_an_extra(
    tiny_world: TinyWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    clip = next((tiny_world.root / "clips").rglob("*.mp4"))
    told = ["predict", str(clip), "--labels", "a, b", "--backbone", str(tiny_world.backbone), "--decoder", "torchcodec"]
    assert run(told) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "torchcodec" in line]
    assert "--decoder: torchcodec is not installed; pip install openmov[torchcodec]" in line
