"""A training sees base classes, and says before it begins what it cannot see."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from openmov.build import build_components
from openmov.config.load import load_recipe
from openmov.data.loader import Unreadable
from openmov.errors import DecodeError, ManifestError, RecipeError, RunFolderError, VocabularyError
from openmov.prepare.video import Prepared
from openmov.runtime.run_folder import RunFolder
from openmov.text.vocabulary import Vocabulary
from openmov.training.calibrate import held_out, rehearsal_split
from openmov.training.data import TrainingData, load_base, write_data_facts
from tiny_world import BASE, COUNTS, TinyWorld


@pytest.fixture
def data(tiny_world: TinyWorld) -> TrainingData:
    return load_base(tiny_world.manifest, tiny_world.vocabulary, seed=0)


def lost(data: TrainingData, *parts: str) -> Prepared:
    records = [record for part in parts for record in getattr(data, part)]
    return Prepared((), tuple(Unreadable(one, DecodeError(one.path, "an empty file")) for one in records))


class TestLoadBase:
    def test_holds_training_and_validation_clips_of_base_classes(self, data: TrainingData) -> None:
        assert data.vocabulary == Vocabulary(BASE, ())
        for records, split in ((data.train, "train"), (data.val, "val")):
            assert sorted({str(record.label) for record in records}) == sorted(BASE)
            assert {record.split for record in records} == {split}
            assert len(records) == COUNTS[split] * len(BASE)

    def test_holds_some_out_where_no_clip_is_for_validation(self, tiny_world: TinyWorld, tmp_path: Path) -> None:
        rows = [line for line in tiny_world.manifest.read_text().splitlines() if not line.endswith(",val")]
        path = tiny_world.root / f"{tmp_path.name}.csv"
        path.write_text("\n".join(rows))
        data = load_base(path, tiny_world.vocabulary, seed=0)
        assert (len(data.train), len(data.val)) == (3, 6)
        assert not {one.video_id for one in data.train} & {one.video_id for one in data.val}

    def test_needs_a_base_class(self, tiny_world: TinyWorld, tmp_path: Path) -> None:
        names = tmp_path / "names.json"
        names.write_text(json.dumps({"base": [], "novel": ["star"]}))
        with pytest.raises(VocabularyError, match="names no base class"):
            load_base(tiny_world.manifest, names, seed=0)


class TestWithout:
    def test_leaves_out_what_cannot_be_read(self, data: TrainingData) -> None:
        some = lost(replace(data, train=data.train[:2]), "train")
        kept = data.without(some)
        assert kept.train == data.train[2:]
        assert kept.val == data.val

    @pytest.mark.parametrize(("part", "name"), [("train", "training"), ("val", "validation")])
    def test_needs_something_of_both(self, data: TrainingData, part: str, name: str) -> None:
        with pytest.raises(ManifestError, match=rf"none of its {name} videos .* an empty file"):
            data.without(lost(data, part))


class TestFacts:
    def test_are_written_and_must_not_change(self, data: TrainingData, tmp_path: Path) -> None:
        folder = RunFolder.create(tmp_path / "run", {"name": "x"}, "f")
        one = lost(replace(data, train=data.train[:1]), "train")
        write_data_facts(folder, data.without(one), one, contents=False)
        written = json.loads((folder.path / "data.json").read_text())
        assert (written["train_clips"], written["validation_clips"]) == (8, 3)
        assert written["unreadable"][0]["file"] == str(data.train[0].path)
        write_data_facts(folder, data.without(one), one, contents=False)
        with pytest.raises(RunFolderError, match="began with other readable videos"):
            write_data_facts(folder, data, Prepared((), ()), contents=False)

    def test_a_video_that_is_another_one_now_is_named(self, data: TrainingData, tmp_path: Path) -> None:
        """Same name, same number of clips: other weights without a word, if nobody looked."""
        folder = RunFolder.create(tmp_path / "run", {"name": "x"}, "f")
        own = tmp_path / "own.mp4"
        own.write_bytes(data.train[0].path.read_bytes())
        data = replace(data, train=(replace(data.train[0], path=own), *data.train[1:]))
        write_data_facts(folder, data, Prepared((), ()), contents=True)
        os.utime(own)  # copied, or moved to another disk: the bytes are what counts
        write_data_facts(folder, data, Prepared((), ()), contents=True)
        own.write_bytes(data.train[1].path.read_bytes())
        with pytest.raises(RunFolderError, match=r"began with another video under this name: .*own\.mp4; put the"):
            write_data_facts(folder, data, Prepared((), ()), contents=True, writes=False)
        write_data_facts(folder, data, Prepared((), ()), contents=False)  # from shards or stored features: not opened

    @pytest.mark.parametrize("name", ["data.json", "videos.json"])
    @pytest.mark.parametrize("content", ["", "[1]", "{}", "{", "[" * 100_000])
    def test_a_damaged_file_is_named(self, data: TrainingData, tmp_path: Path, name: str, content: str) -> None:
        """As a power cut leaves it: there, and empty."""
        folder = RunFolder.create(tmp_path / "run", {"name": "x"}, "f")
        write_data_facts(folder, data, Prepared((), ()), contents=True)
        (folder.path / name).write_text(content)
        with pytest.raises(RunFolderError, match=name if content != "{}" or name == "data.json" else "another video"):
            write_data_facts(folder, data, Prepared((), ()), contents=True)
        (folder.path / name).unlink()
        write_data_facts(folder, data, Prepared((), ()), contents=True)


class TestRehearsal:
    def test_splits_the_base_classes_alone(self, tiny_world: TinyWorld, data: TrainingData) -> None:
        pseudo = rehearsal_split(build_components(load_recipe(tiny_world.recipe), None), data)
        assert set(pseudo.base) | set(pseudo.novel) == set(BASE)
        assert not set(pseudo.base) & set(pseudo.novel)
        part = data.of_classes(pseudo)
        assert part.vocabulary == Vocabulary(pseudo.base, ())
        assert {record.label for record in (*part.train, *part.val)} == set(pseudo.base)
        unseen = held_out(data, pseudo)
        assert {record.label for record in unseen} == set(pseudo.novel)
        assert len(unseen) + len(part.train) + len(part.val) == len(data.train) + len(data.val)

    def test_needs_clips_on_both_sides(self, tiny_world: TinyWorld, data: TrainingData) -> None:
        components = build_components(load_recipe(tiny_world.recipe), None)
        pseudo = rehearsal_split(components, data)
        without_novel, without_base = (
            replace(
                data,
                train=tuple(one for one in data.train if one.label in names),
                val=tuple(one for one in data.val if one.label in names),
            )
            for names in (pseudo.base, pseudo.novel)
        )
        with pytest.raises(ManifestError, match="no readable video of the held-out base classes"):
            rehearsal_split(components, without_novel)
        with pytest.raises(ManifestError, match="too few classes"):
            rehearsal_split(components, without_base)

    def test_is_for_the_whole_model(self, tiny_world: TinyWorld, data: TrainingData) -> None:
        single = ["model.method=flow_only", "model.modalities=[flow]"]
        with pytest.raises(RecipeError, match="nothing to calibrate"):
            rehearsal_split(build_components(load_recipe(tiny_world.recipe, single), None), data)
