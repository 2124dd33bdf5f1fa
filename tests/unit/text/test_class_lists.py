"""Lists of class names in the forms that data sets publish: what is certain is understood, what is not is refused."""

import json
import os
import threading
from pathlib import Path

import pytest

from openmov.errors import VocabularyError
from openmov.text.class_lists import ClassList, read_class_list

LABELS = Path(os.environ.get("OPENMOV_LABELS", "no such folder"))


def read(folder: Path, content: str | bytes, name: str = "names.txt") -> ClassList:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_class_list(path)


def refusal(folder: Path, content: str | bytes, name: str = "names.txt") -> str:
    with pytest.raises(VocabularyError) as caught:
        read(folder, content, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


TWO = ("archery", "bird chirping, tweeting")


@pytest.mark.parametrize(
    ("name", "content", "names", "understood"),
    [
        ("a.txt", "archery\nbird chirping, tweeting\n", TWO, ""),
        ("a.txt", "\n archery \r\n\r\nbird chirping, tweeting", TWO, ""),
        ("a.txt", 'archery\n"bird chirping, tweeting"\n', TWO, ""),
        ("a.txt", "'archery',\n'bird chirping, tweeting'\n", TWO, ""),
        ("a.txt", '"archery",\n"bird chirping, tweeting"\n', TWO, ""),
        ("a.txt", "archery,\nbiking,\n", ("archery", "biking"), ""),
        ("a.txt", "push/pull\nit's raining\nC# lesson\n", ("push/pull", "it's raining", "C# lesson"), ""),
        ("a.txt", "1 archery\n2 bird chirping, tweeting\n", TWO, "2 names behind the ids 1 to 2"),
        ("a.txt", "0. archery\n1. bird chirping, tweeting\n", TWO, "2 names behind the ids 0 to 1"),
        ("a.txt", "1: bird chirping, tweeting\n0: archery\n", TWO[::-1], "2 names behind the ids 0 to 1"),
        ("a.txt", "archery 0\nbird chirping, tweeting 1\n", TWO, "2 names before the ids 0 to 1"),
        ("a.txt", "id name\n0 archery\n1 biking\n", ("archery", "biking"), "2 names behind the ids 0 to 1"),
        ("a.txt", "archery\t17\nbird chirping, tweeting\t3\n", TWO, "2 names from column 1 of 2"),
        ("a.txt", "17,archery\n3,bird chirping, tweeting\n", TWO, "2 names behind the ids 17 to 3"),
        ("a.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish\n", ("tench, Tinca tinca", "goldfish"), None),
        ("a.csv", "name\narchery\nbiking\n", ("archery", "biking"), "2 names under the heading 'name'"),
        ("a.csv", 'id,name\n0,archery\n1,"bird chirping, tweeting"\n', TWO, "2 names from the column `name`"),
        ("a.csv", "id,name\n0,archery\n1,bird chirping, tweeting\n", TWO, "2 names from the column `name`"),
        ("a.csv", "name,id\narchery,0\nbird chirping, tweeting,1\n", TWO, "2 names from the column `name`"),
        ("a.txt", "id;name\n0;archery\n1;bird chirping, tweeting\n", TWO, "2 names from the column `name`"),
        ("a.csv", "index,mid,display_name\n0,/m/09x0r,Speech\n1,/m/05zppz,Song\n", ("Speech", "Song"), None),
        ("a.csv", "path,label\na.mp4,x\nb.mp4,x\nc.mp4,y\n", ("x", "y"), "2 names from the column `label`, each once "
         "(3 rows)"),
        ("a.csv", 'name,clips,group\n"bird chirping, tweeting",1050,animals\n', TWO[1:], None),
        ("a.json", '["archery", "bird chirping, tweeting"]', TWO, ""),
        ("a.txt", '["archery", "bird chirping, tweeting"]', TWO, ""),
        ("a.json", '{"bird chirping, tweeting": 1, "archery": 0}', TWO, "2 names with their ids"),
        ("a.json", '{"bird chirping, tweeting": "1", "archery": "0"}', TWO, "2 names with their ids"),
        ("a.json", r'{"\"bird chirping, tweeting\"": 1, "archery": 0}', TWO, "2 names with their ids"),
        ("a.json", '{"10": "bird chirping, tweeting", "2": "archery"}', TWO, "2 names by their ids"),
        ("a.json", '[{"id": 0, "name": "archery"}, {"id": 1, "name": "biking"}]', ("archery", "biking"), None),
        ("a.json", '[["archery", 0], ["bird chirping, tweeting", 1]]', TWO, "2 names with their ids"),
        ("a.json", '{"classes": ["archery", "bird chirping, tweeting"]}', TWO, "2 names from `classes`"),
        ("a.json", '{"id2label": {"0": "archery", "1": "biking"}, "dim": 7}', ("archery", "biking"), None),
        ("a.json", '{"x": {"annotations": {"label": "b"}}, "y": {"annotations": {"label": "a"}}}', ("a", "b"), None),
        ("a.json", '{"database": {"x": {"annotations": [{"label": "b"}, {"label": "a"}]}}}', ("a", "b"), None),
        ("a.jsonl", '"archery"\n"bird chirping, tweeting"\n', TWO, ""),
        ("a.yaml", "- archery\n- bird chirping, tweeting\n- no\n", (*TWO, "no"), ""),
        ("a.yml", "names:\n  1: bird chirping, tweeting\n  0: archery\n", TWO, "2 names from `names` (by their ids)"),
        ("a.pbtxt", 'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\n', ("bend/bow (at the waist)",), None),
    ],
)  # fmt: skip
def test_forms(tmp_path: Path, name: str, content: str, names: tuple[str, ...], understood: str | None) -> None:
    found = read(tmp_path, content, name)
    assert found.names == names
    if understood is not None:
        assert found.understood == understood
    else:
        assert found.understood.startswith(f"{len(names)} name")


@pytest.mark.parametrize(
    "names",
    [
        ("gesture 1", "gesture 2"),  # a number is a part of the name
        ("100 metres", "200 metres", "400 metres"),
        ("2 fast", "running", "3 people"),
        ("YouTube", "running"),  # too few to say that a list is written in one word
        ("ApplyEyeMakeup and wait", "BabyCrawling now", "HandStand still"),
    ],
)
def test_names_that_are_no_table_stay_as_they_are(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert read(tmp_path, "\n".join(names)) == ClassList(names, "")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "3 archery\n7 biking\n", "('3 archery', '7 biking'): every line begins with a number"),
        ("a.txt", "Apollo 11\nBoeing 747\nFormula 1\nrun 9\n", "('Apollo 11', 'Boeing 747', 'Formula 1' ...)"),
        ("a.txt", "archery,biking,running\n", "('archery,biking,running'): every line holds ','"),
        ("a.csv", "archery,sport\nbiking,sport\n", "('archery,sport', 'biking,sport'): every line holds ','"),
        ("a.csv", "class,label\na,b\n", "`class` and `label` may both be the names"),
        ("a.csv", "id,name,clips\n0,bird chirping, tweeting,5\n", "line 2 has 4 cells, not 3"),
        ("a.csv", "id,name\n", "no rows"),
        ("a.csv", "id,name\n0,\n", "name 1 of 1 is empty"),
        ("a.txt", "a.avi 0\nb.avi 1\nc.avi 1\n", "lists clips, not classes"),
        ("a.txt", "x/v_1\nx/v_2\nx/v_3\ny/v_4\n", "lists clips, not classes"),
        ("a.json", '{"x": ["a", "b"], "y": ["c"]}', "in a form that is known (x: ['a', 'b'], y: ['c'])"),
        ("a.json", "[1, 2]", "in a form that is known (1, 2)"),
        ("a.json", "[" * 100_000 + "]" * 100_000, "nests too deeply"),
        ("a.yaml", "[" * 5000, "is not YAML"),
        ("a.yaml", "a: !!python/object/apply:os.system [ls]", "is not YAML"),
        ("a.txt", "x" * 2000, "2000 characters long"),
        ("a.txt", b"\x00\x01\x02\x03binary", "is not text"),
        ("a.txt", "Caf\u00e9\n".encode("latin-1"), "it may be Windows-1252 (Latin-1), 'Caf\u00e9'"),
        ("a.txt", "\u9a91\u81ea\u884c\u8f66\n".encode("gbk"), "GBK, '\u9a91\u81ea\u884c\u8f66'"),
    ],
)  # fmt: skip
def test_what_is_uncertain_is_refused_in_one_line(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    assert says in refusal(tmp_path, content, name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_encodings_that_are_certain(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "archery\nfly fishing\n".encode(encoding)).names == ("archery", "fly fishing")


def test_a_hash_is_a_name_unless_the_file_has_comments(tmp_path: Path) -> None:
    assert read(tmp_path, "#selfie\n#ootd\nbiking\n") == ClassList(("#selfie", "#ootd", "biking"))
    found = read(tmp_path, "# made by me\n#archery\nbiking\nrunning\n")
    assert found == ClassList(("biking", "running"), "2 names without 2 lines that begin with #")


def test_lists_written_in_one_word_are_read_as_words_and_quoted_ones_are_not(tmp_path: Path) -> None:
    found = read(tmp_path, "1 ApplyEyeMakeup\n2 Archery\n3 BabyCrawling\n4 HandStand_Pushups\n")
    assert found.names == ("apply eye makeup", "archery", "baby crawling", "hand stand pushups")
    said = "4 names behind the ids 1 to 4, read as words (ApplyEyeMakeup as 'apply eye makeup')"
    assert found.understood == said
    quoted = read(tmp_path, '"YouTube"\n"PlayStation"\n"FaceTime"\n')
    assert quoted.names == ("YouTube", "PlayStation", "FaceTime")


def test_what_looks_the_same_is_written_the_same(tmp_path: Path) -> None:
    assert read(tmp_path, "cafe\u0301 \nfly\u00a0\u3000fishing\n").names == ("caf\u00e9", "fly fishing")


def test_a_pipe_is_read_and_a_device_is_not(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(writing, b"archery\nbiking\n"), os.close(writing)))
    writer.start()
    assert read_class_list(Path(f"/dev/fd/{reading}")).names == ("archery", "biking")
    writer.join()
    os.close(reading)
    with pytest.raises(VocabularyError, match="is a device"):
        read_class_list(Path("/dev/zero"))


def test_too_many_lines_are_refused(tmp_path: Path) -> None:
    assert "more than a list of names can have" in refusal(tmp_path, "a\n" * 2_000_001)


@pytest.mark.skipif(not LABELS.is_dir(), reason="no class lists of data sets here")
@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("kinetics400_classes.txt", 400, "abseiling"),
        ("ucf101_classes.txt", 101, "apply eye makeup"),
        ("hmdb51_classes.txt", 51, "brush hair"),
        ("vggsound_classes.csv", 309, "ambulance siren"),
        ("protocols/labels/ssv2_labels.csv", 174, "Approaching something with your camera"),
        ("protocols/labels/ucf_101_base_labels.csv", 51, "typing"),
        ("protocols/labels/hmdb_51_novel_labels.csv", 25, "brush hair"),
        ("protocols/labels/kinetics_400_base_labels.csv", 200, "getting a tattoo"),
        ("protocols/labels/ZS_split1_K600.csv", 160, "acting in play"),
    ],
)
def test_lists_of_data_sets(name: str, count: int, first: str) -> None:
    found = read_class_list(LABELS / name)
    assert (len(found.names), found.names[0]) == (count, first)


def test_json_that_says_everything_twice_is_read_once(tmp_path: Path) -> None:
    both = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    assert read(tmp_path, json.dumps(both), "config.json").names == ("a", "b")
