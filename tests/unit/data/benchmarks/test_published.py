"""What ships with the package: class names, base / novel splits, official lists."""

import hashlib
import json
from collections import Counter
from importlib import resources

import pytest

from openmov.data.split import GENERATOR
from openmov.datasets.benchmark import ClassNames, fold
from openmov.datasets.published import NUM_BASE, PUBLISHED_SEED, all_novel, draw_split, published_split
from openmov.datasets.three_splits import list_sha256, official_list
from openmov.text.label_sets import LABEL_SETS, load_label_set
from openmov.text.vocabulary import names_sha256

PUBLISHED = {
    "kinetics700": (400, 300, "5a30cdd4690ce3d092af820dff3c81b73a05f9936a89c546cda2deb194c20ff7"),
    "vggsound": (154, 155, "c065458eb9059e7c86e4565c5d876d5fa6a981d1a4024bfcc2b031f381490234"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_base_and_novel_classes_are_the_published_ones(name: str) -> None:
    found = published_split(name)
    base, novel, sha256 = PUBLISHED[name]
    assert (len(found.base), len(found.novel)) == (base, novel)
    assert names_sha256(found.base, found.novel) == sha256
    assert set(found.names) == set(load_label_set(name).readable)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_draw_can_be_repeated_from_what_its_file_says(name: str) -> None:
    text = (resources.files("openmov.datasets") / "lists" / f"{name}-split.json").read_text(encoding="utf-8")
    fields = json.loads(text)
    assert (fields["seed"], fields["generator"]) == (PUBLISHED_SEED, GENERATOR)
    assert "never released" in fields["note"]
    import numpy

    names, seed, num_base = load_label_set(name).readable, fields["seed"], NUM_BASE[name]
    order = eval(fields["generator"].replace("num_base", str(num_base)), {"numpy": numpy, "seed": seed, "names": names})
    assert {names[i] for i in order[:num_base]} == set(fields["base"])
    assert draw_split(name) == published_split(name)


def test_data_sets_that_are_only_tested_on_have_no_base_class() -> None:
    assert all_novel("hmdb51").base == ()
    assert len(all_novel("ucf101").novel) == 101


@pytest.mark.parametrize("name", LABEL_SETS)
def test_a_class_is_found_however_its_folder_is_written(name: str) -> None:
    labels = load_label_set(name)
    names = ClassNames(labels)
    assert len({fold(one) for one in labels.original}) == len(labels.original)
    for original, plain in zip(labels.original, labels.readable, strict=True):
        bare = original.translate(str.maketrans("", "", "\"'()"))
        for written in (original, original.replace(" ", "_"), bare.replace(" ", "_"), plain):
            assert names.find(written) == plain
    assert names.find("no such class") is None


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("ucf101", ((9537, 3783), (9586, 3734), (9624, 3696))), ("hmdb51", ((3570, 1530),) * 3)],
)
def test_official_splits_have_their_published_sizes(name: str, sizes: tuple[tuple[int, int], ...]) -> None:
    rows = official_list(name)
    assert len({clip for clip, _ in rows}) == len(rows)
    for place, expected in enumerate(sizes):
        count = Counter(parts[place] for _, parts in rows)
        assert (count["1"], count["2"]) == expected
    assert {clip.partition("/")[0] for clip, _ in rows} == set(load_label_set(name).original)


def test_known_lines_of_the_official_splits() -> None:
    ucf101, hmdb51 = dict(official_list("ucf101")), dict(official_list("hmdb51"))
    assert ucf101["ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01"] == "211"  # group 1 is tested in split 1
    assert ucf101["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01"] == "121"
    assert hmdb51["brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0"] == "112"


def test_the_test_list_of_vggsound() -> None:
    rows = official_list("vggsound-test")
    assert len(rows) == len(set(rows)) == 15_446
    assert {label for _, label in rows} == set(load_label_set("vggsound").original)
    assert dict(rows)["glLQrEijrKg_000300"] == "playing hammond organ"


def test_lists_bear_the_hash_of_their_text() -> None:
    text = "".join(f"{clip}\t{parts}\n" for clip, parts in official_list("hmdb51"))
    assert list_sha256("hmdb51") == ("hmdb51, as packaged", hashlib.sha256(text.encode()).hexdigest())


def test_the_packaged_lists_stay_small() -> None:
    lists = resources.files("openmov.datasets") / "lists"
    assert sum(len(one.read_bytes()) for one in lists.iterdir()) < 300_000
