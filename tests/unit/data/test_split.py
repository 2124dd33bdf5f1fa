"""Splits are partitions that a seed decides and a file remembers."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.data.records import Record
from openmov.data.split import (
    GENERATOR,
    chosen_split,
    hold_out_validation,
    pseudo_novel_split,
    split_classes,
    split_clips,
    write_vocabulary,
)
from openmov.errors import ManifestError, VocabularyError
from openmov.text.vocabulary import Vocabulary, load_vocabulary

NAMES = tuple(f"class {i}" for i in range(10))


def records(*labels: str, split: str = "train") -> list[Record]:
    return [Record(f"{label}/{i}", Path(f"/v/{i}.mp4"), label, split=split) for i, label in enumerate(labels)]  # type: ignore[arg-type]


class TestSplitClasses:
    @settings(derandomize=True, deadline=None)
    @given(st.integers(2, 40), st.data())
    def test_is_a_partition_in_order(self, total: int, data: st.DataObject) -> None:
        names = [f"c{i}" for i in range(total)]
        num_base, seed = data.draw(st.integers(1, total - 1)), data.draw(st.integers(0, 2**32))
        split = split_classes(names, num_base=num_base, seed=seed)
        assert len(split.base) == num_base
        assert sorted(split.names) == sorted(names)
        assert list(split.base) == [name for name in names if name in split.base]
        assert list(split.novel) == [name for name in names if name in split.novel]

    def test_is_the_published_permutation(self) -> None:
        split = split_classes(NAMES, num_base=4, seed=2026)
        assert split.base == ("class 0", "class 1", "class 6", "class 9")
        order = eval(GENERATOR.replace("numpy", "np"), {"np": np, "seed": 2026, "names": NAMES, "num_base": 4})
        assert sorted(NAMES[i] for i in order) == sorted(split.base)

    def test_another_seed_is_another_split(self) -> None:
        assert len({split_classes(NAMES, num_base=5, seed=seed).base for seed in range(10)}) > 5

    @pytest.mark.parametrize(("fraction", "num_base"), [(0.25, 2), (0.35, 4), (0.5, 5), (0.94, 9)])
    def test_a_fraction_is_rounded(self, fraction: float, num_base: int) -> None:
        by_number = split_classes(NAMES, num_base=num_base, seed=1, prompts="none")
        assert split_classes(NAMES, base_fraction=fraction, seed=1, prompts="none") == by_number

    @pytest.mark.parametrize(
        ("names", "options"),
        [
            (NAMES, {}),
            (NAMES, {"num_base": 2, "base_fraction": 0.2}),
            (NAMES, {"num_base": 0}),
            (NAMES, {"num_base": 10}),
            (NAMES, {"base_fraction": 0.01}),
            (NAMES, {"base_fraction": float("nan")}),
            (NAMES, {"num_base": 2, "seed": -1}),
            (("a",), {"num_base": 1}),
            (("a", "b", "a"), {"num_base": 1}),
            ((), {"num_base": 1}),
        ],
    )
    def test_refused(self, names: tuple[str, ...], options: dict[str, float]) -> None:
        with pytest.raises(VocabularyError):
            split_classes(names, **{"seed": 0, **options})  # type: ignore[arg-type]


class TestPseudoNovel:
    def test_a_fifth_of_the_base_classes(self) -> None:
        split = pseudo_novel_split(Vocabulary(NAMES, ("novel",), "none"), seed=3)
        assert (len(split.base), len(split.novel), split.prompts) == (8, 2, "none")
        assert sorted(split.names) == sorted(NAMES)

    def test_novel_names_have_no_influence(self) -> None:
        with_novel = pseudo_novel_split(Vocabulary(NAMES, ("x", "y", "z")), seed=3)
        assert with_novel == pseudo_novel_split(Vocabulary(NAMES, ()), seed=3)

    def test_at_least_one_of_each(self) -> None:
        split = pseudo_novel_split(Vocabulary(("a", "b"), ()), 0.01, seed=0)
        assert (len(split.base), len(split.novel)) == (1, 1)
        assert len(pseudo_novel_split(Vocabulary(("a", "b"), ()), 0.99, seed=0).base) == 1

    @pytest.mark.parametrize(("base", "fraction"), [(("a",), 0.2), ((), 0.2), (NAMES, 0.0), (NAMES, 1.0)])
    def test_refused(self, base: tuple[str, ...], fraction: float) -> None:
        with pytest.raises(VocabularyError):
            pseudo_novel_split(Vocabulary(base, ("novel",)), fraction, seed=0)


class TestWriteVocabulary:
    def test_reads_back_equal(self, tmp_path: Path) -> None:
        split = split_classes(["tir à l'arc", "射箭", "x"], num_base=2, seed=7, prompts="ucf101")
        write_vocabulary(tmp_path / "split.json", split, seed=7)
        assert load_vocabulary(tmp_path / "split.json") == split
        fields = json.loads((tmp_path / "split.json").read_text())
        assert (fields["seed"], fields["generator"], len(fields["sha256"])) == (7, GENERATOR, 64)

    def test_a_name_changed_by_hand_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "split.json"
        write_vocabulary(path, Vocabulary(("a",), ("b",)))
        assert "seed" not in json.loads(path.read_text())
        path.write_text(path.read_text().replace('"b"', '"c"'))
        with pytest.raises(VocabularyError, match="sha256"):
            load_vocabulary(path)


class TestHoldOutValidation:
    def test_so_many_of_each_class(self) -> None:
        held = hold_out_validation(records(*"aaaabbbbbbb"), per_class=2, seed=0)
        assert Counter((record.label, record.split) for record in held) == {
            ("a", "val"): 2,
            ("a", "train"): 2,
            ("b", "val"): 2,
            ("b", "train"): 5,
        }

    def test_a_fraction_of_each_class(self) -> None:
        held = hold_out_validation(records(*"a" * 10, *"bb"), fraction=0.3, seed=0)
        assert Counter(record.label for record in held if record.split == "val") == {"a": 3, "b": 1}

    def test_nothing_but_the_split_changes(self) -> None:
        before = records(*"aaabbb")
        after = hold_out_validation(before, per_class=1, seed=0)
        assert [(r.video_id, r.path, r.label) for r in after] == [(r.video_id, r.path, r.label) for r in before]

    def test_test_videos_are_left_alone(self) -> None:
        held = hold_out_validation([*records(*"aaa"), *records(*"ccc", split="test")], per_class=1, seed=0)
        assert [record.split for record in held[3:]] == ["test"] * 3

    def test_a_class_keeps_its_last_training_video(self) -> None:
        held = hold_out_validation(records(*"abb"), per_class=5, seed=0)
        assert Counter((r.label, r.split) for r in held) == {("a", "train"): 1, ("b", "train"): 1, ("b", "val"): 1}

    def test_neither_order_nor_other_classes_matter(self) -> None:
        def validation(rows: list[Record]) -> set[str]:
            held = hold_out_validation(rows, per_class=3, seed=5)
            return {record.video_id for record in held if record.split == "val" and record.label == "a"}

        rows = records(*"a" * 12)
        assert validation(rows) == validation(rows[::-1]) == validation([*records(*"bbb"), *rows])
        assert len({frozenset(self._drawn(rows, seed)) for seed in range(8)}) > 4

    @staticmethod
    def _drawn(rows: list[Record], seed: int) -> list[str]:
        held = hold_out_validation(rows, per_class=3, seed=seed)
        return [record.video_id for record in held if record.split == "val"]

    def test_where_there_is_validation_already(self) -> None:
        with pytest.raises(ManifestError, match="already"):
            hold_out_validation(records(*"aaa", split="val"), per_class=1, seed=0)

    @pytest.mark.parametrize("rows", [[], records("a", "b")])
    def test_where_none_can_be_spared(self, rows: list[Record]) -> None:
        with pytest.raises(ManifestError, match="two training videos"):
            hold_out_validation(rows, per_class=1, seed=0)

    @pytest.mark.parametrize(
        "options", [{}, {"per_class": 1, "fraction": 0.1}, {"per_class": 0}, {"per_class": -1}, {"fraction": 1.0}]
    )
    def test_sizes_that_are_none(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="per_class"):
            hold_out_validation(records(*"aaa"), seed=0, **options)  # type: ignore[arg-type]


class TestChosen:
    def test_the_named_are_novel_and_all_others_base(self) -> None:
        found = chosen_split(("brush_hair", "clap", "jump", "run"), ("run", "brush hair"))
        assert (found.base, found.novel) == (("clap", "jump"), ("brush_hair", "run"))

    def test_one_that_is_not_there_names_the_nearest(self) -> None:
        with pytest.raises(VocabularyError, match="'jmup' and 1 more is not among the 3 classes; did you mean 'jump'"):
            chosen_split(("clap", "jump", "run"), ("jmup", "run", "fly"))

    @pytest.mark.parametrize("novel", [("clap", "jump"), ()])
    def test_no_role_is_left_without_a_class(self, novel: tuple[str, ...]) -> None:
        with pytest.raises(VocabularyError, match="no class is left"):
            chosen_split(("clap", "jump"), novel)


def grouped(count: int) -> list[Record]:
    """Two classes, five clips a group; a group of each class in three holds a clip of the other."""
    records = []
    for number in range(count):
        label = "ab"[number % 2]
        for clip in range(5):
            strange = clip == 4 and number % 3 == 0
            name = "ab"[number % 2 == 0] if strange else label
            records.append(Record(f"{number}-{clip}", Path("x.mp4"), name, split="train", group=str(number)))
    return records


def sides(records: Sequence[Record]) -> dict[str | None, set[str]]:
    found: dict[str | None, set[str]] = {}
    for record in records:
        found.setdefault(record.group, set()).add(record.split)
    return found


class TestGroups:
    @pytest.mark.parametrize("seed", range(5))
    def test_clips_are_split_by_groups(self, seed: int) -> None:
        records = split_clips(grouped(40), test_fraction=0.25, val_fraction=0.1, seed=seed)
        assert all(len(found) == 1 for found in sides(records).values())
        for label in "ab":
            parts = Counter(record.split for record in records if record.label == label)
            assert abs(parts["test"] / parts.total() - 0.25) < 0.06
            assert abs(parts["val"] / parts.total() - 0.1) < 0.06
        assert records == split_clips(grouped(40)[::-1], test_fraction=0.25, val_fraction=0.1, seed=seed)[::-1]

    def test_a_class_of_one_group_stays_for_training(self) -> None:
        records = [Record(str(i), Path("x.mp4"), "a", group="1") for i in range(4)]
        assert {one.split for one in split_clips(records, test_fraction=0.5, val_fraction=0.2, seed=0)} == {"train"}

    def test_records_without_a_group_are_split_one_by_one(self) -> None:
        records = [Record(str(i), Path("x.mp4"), "a") for i in range(10)]
        parts = Counter(one.split for one in split_clips(records, test_fraction=0.3, val_fraction=0.2, seed=0))
        assert parts == {"train": 5, "test": 3, "val": 2}

    def test_fractions_that_leave_nothing(self) -> None:
        with pytest.raises(ManifestError, match="leave none to train"):
            split_clips(grouped(4), test_fraction=0.6, val_fraction=0.4, seed=0)

    @pytest.mark.parametrize("seed", range(5))
    def test_validation_takes_whole_groups_and_leaves_every_class_one(self, seed: int) -> None:
        records = hold_out_validation(grouped(12), per_class=2, seed=seed)
        assert all(len(found) == 1 for found in sides(records).values())
        assert {record.label for record in records if record.split == "train"} == {"a", "b"}
        assert sum(record.split == "val" for record in records) in (
            5,
            10,
            15,
        )  # one clip of the other class, then a group of it

    def test_validation_where_no_group_can_be_spared(self) -> None:
        with pytest.raises(ManifestError, match="two groups"):
            hold_out_validation(
                [Record(str(i), Path("x"), "a", split="train", group="1") for i in range(4)], per_class=2, seed=0
            )
