"""A manifest is read whole or refused whole, with every fault."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmov.data.manifest import Manifest, Record, find_faults, load_manifest, write_manifest
from openmov.data.records import Fault, FaultKind, FaultyManifest, summary
from openmov.errors import ManifestError, StorageError
from openmov.text.labels import tidy
from openmov.text.vocabulary import Vocabulary

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a manifest of this text beside two files, a.mp4 and sub/b.mp4."""
    (tmp_path / "sub").mkdir()
    for name in ("a.mp4", "sub/b.mp4"):
        (tmp_path / name).write_bytes(b"x")

    def _write(text: str | bytes, name: str = "list.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return _write


def kinds(path: Path, **options: object) -> list[tuple[int, str, FaultKind]]:
    return [(fault.row, fault.field, fault.kind) for fault in find_faults(path, **options)]  # type: ignore[arg-type]


class TestReading:
    def test_csv(self, write: Write, tmp_path: Path) -> None:
        manifest = load_manifest(
            write("path,label,id,start,end,split\na.mp4,archery,x,1.5,3,train\nsub/b.mp4,,,,,\n\n")
        )
        assert manifest.records == (
            Record("x", tmp_path / "a.mp4", "archery", 1.5, 3.0, "train"),
            Record("sub/b.mp4", tmp_path / "sub" / "b.mp4", None, None, None, "test"),
        )
        assert (len(manifest), manifest.root, manifest.labels) == (2, tmp_path, ("archery",))

    def test_jsonl_says_the_same(self, write: Write) -> None:
        table = write('path,label,start,split\na.mp4,"bird chirping, tweeting",1.5,val\nsub/b.mp4,,,\n')
        rows = [{"path": "a.mp4", "label": "bird chirping, tweeting", "start": 1.5, "split": "val"}]
        rows.append({"path": "sub/b.mp4", "label": None})
        lines = write("\n\n".join(json.dumps(row) for row in rows), "list.jsonl")
        assert load_manifest(lines).records == load_manifest(table).records
        assert load_manifest(lines).identity == load_manifest(table).identity

    def test_byte_order_mark_and_windows_line_ends(self, write: Write) -> None:
        manifest = load_manifest(write(b"\xef\xbb\xbfpath, label\r\na.mp4, archery \r\n"))
        assert [record.label for record in manifest.records] == ["archery"]

    def test_segments_of_one_file_have_ids_of_their_own(self, write: Write) -> None:
        path = write("path,label,start,end\na.mp4,x,0,1\na.mp4,y,1,2.5\na.mp4,z,,\n")
        assert [record.video_id for record in load_manifest(path).records] == ["a.mp4#t=0,1", "a.mp4#t=1,2.5", "a.mp4"]

    def test_another_root_and_absolute_paths_inside_it(self, write: Write, tmp_path: Path) -> None:
        path = write(f"path,label\nb.mp4,x\n{tmp_path}/sub/../sub/b.mp4,y\n")
        found = load_manifest(path, root=tmp_path / "sub")
        assert {record.path for record in found.records} == {tmp_path / "sub" / "b.mp4"}

    def test_files_are_looked_for_only_if_asked(self, write: Write) -> None:
        path = write("path,label\nnowhere.mp4,x\n")
        assert len(load_manifest(path, check_files=False)) == 1
        assert kinds(path) == [(2, "path", FaultKind.MISSING_FILE)]


class TestSelect:
    @pytest.fixture
    def manifest(self, write: Write) -> Manifest:
        rows = ("one,x,train", "two,y,train", "three,x,test", "four,,test")
        text = "id,label,split,path\n" + "".join(f"{row},a.mp4\n" for row in rows)
        return load_manifest(write(text))

    @pytest.mark.parametrize(
        ("options", "ids"),
        [
            ({}, ["one", "two", "three", "four"]),
            ({"split": "train"}, ["one", "two"]),
            ({"labels": ("x",)}, ["one", "three"]),
            ({"split": "test", "labels": ("x", "y")}, ["three"]),
            ({"split": "val"}, []),
            ({"labels": ()}, []),
        ],
    )
    def test_by_split_and_label(self, manifest: Manifest, options: dict[str, object], ids: list[str]) -> None:
        assert [record.video_id for record in manifest.select(**options).records] == ids  # type: ignore[arg-type]

    def test_identity_is_of_what_is_listed(self, manifest: Manifest) -> None:
        other = [replace(manifest.records[0], label="z"), *manifest.records[1:]]
        assert manifest.identity == manifest.select().identity
        assert manifest.identity != manifest.select("train").identity
        assert manifest.identity != replace(manifest, records=tuple(other)).identity

    def test_identity_knows_no_root(self, manifest: Manifest, tmp_path: Path) -> None:
        moved = [replace(record, path=Path("/elsewhere") / record.path.name) for record in manifest.records]
        assert replace(manifest, records=tuple(moved), root=Path("/elsewhere")).identity == manifest.identity


class TestFaults:
    @pytest.mark.parametrize(
        ("row", "field", "kind"),
        [
            ("a.mp4,x,,,,", "", None),
            ("c.mp4,x,,,,", "path", FaultKind.MISSING_FILE),
            ("sub,x,,,,", "path", FaultKind.MISSING_FILE),
            (f"{'n' * 5000},x,,,,", "path", FaultKind.MISSING_FILE),
            (",x,,,,", "path", FaultKind.EMPTY_PATH),
            ("../a.mp4,x,,,,", "path", FaultKind.OUTSIDE_ROOT),
            ("sub/../../a.mp4,x,,,,", "path", FaultKind.OUTSIDE_ROOT),
            ("/etc/passwd,x,,,,", "path", FaultKind.OUTSIDE_ROOT),
            ("a.mp4,,,,,", "label", FaultKind.NO_LABEL),
            ("a.mp4,z,,,,", "label", FaultKind.UNKNOWN_LABEL),
            ("a.mp4,x,,one,,", "start", FaultKind.BAD_NUMBER),
            ("a.mp4,x,,,inf,", "end", FaultKind.BAD_NUMBER),
            ("a.mp4,x,,-1,,", "start", FaultKind.NEGATIVE_START),
            ("a.mp4,x,,2,2,", "end", FaultKind.EMPTY_SEGMENT),
            ("a.mp4,x,,,0,", "end", FaultKind.EMPTY_SEGMENT),
            ("a.mp4,x,,,,validation", "split", FaultKind.UNKNOWN_SPLIT),
            ("a.mp4,x", "", FaultKind.UNREADABLE_ROW),
            ("a.mp4,x,,,,,,", "", FaultKind.UNREADABLE_ROW),
        ],
    )
    def test_one_of_each(self, write: Write, row: str, field: str, kind: FaultKind | None) -> None:
        path = write(f"path,label,id,start,end,split\nsub/b.mp4,y,,,,\n{row}\n")
        found = kinds(path, vocabulary=Vocabulary(("x",), ("y",)))
        assert found == ([] if kind is None else [(3, field, kind)])

    def test_links_are_followed(self, write: Write, tmp_path: Path) -> None:
        outside = tmp_path.parent / f"{tmp_path.name}-outside"
        outside.mkdir()
        (outside / "c.mp4").write_bytes(b"x")
        (tmp_path / "link.mp4").symlink_to(outside / "c.mp4")
        (tmp_path / "linked").symlink_to(outside)
        (tmp_path / "inner.mp4").symlink_to(tmp_path / "a.mp4")
        (tmp_path / "circle").symlink_to(tmp_path / "circle")
        path = write("path,label\ninner.mp4,x\nlink.mp4,x\nlinked/c.mp4,x\ncircle,x\n")
        assert kinds(path) == [
            (3, "path", FaultKind.OUTSIDE_ROOT),
            (4, "path", FaultKind.OUTSIDE_ROOT),
            (5, "path", FaultKind.MISSING_FILE),
        ]

    def test_a_root_that_is_itself_a_link(self, write: Write, tmp_path: Path) -> None:
        write("path,label\na.mp4,x\n")
        link = tmp_path.parent / f"{tmp_path.name}-link"
        link.symlink_to(tmp_path)
        assert load_manifest(link / "list.csv").records[0].path == tmp_path / "a.mp4"

    def test_doubled_ids(self, write: Write) -> None:
        path = write("path,label,id\na.mp4,x,one\nsub/b.mp4,x,one\na.mp4,x,\na.mp4,y,\n")
        assert kinds(path) == [(3, "id", FaultKind.DUPLICATE_ID), (5, "id", FaultKind.DUPLICATE_ID)]

    def test_columns_are_said_once(self, write: Write) -> None:
        path = write("paths,lable,start,start\na.mp4,x,1,2\na.mp4,x,1,2\n")
        found = find_faults(path)
        assert [fault.kind for fault in found] == [
            FaultKind.UNKNOWN_COLUMN,
            FaultKind.UNKNOWN_COLUMN,
            FaultKind.DOUBLED_COLUMN,
            FaultKind.MISSING_COLUMN,
            FaultKind.MISSING_COLUMN,
            FaultKind.DUPLICATE_ID,
        ]
        assert found[1].value == "'lable', did you mean label?"

    @pytest.mark.parametrize(
        "line",
        [
            "{",
            "[1]",
            '{"path": ["a.mp4"], "label": "x"}',
            '{"path": "a.mp4", "label": true}',
            '{"path": "a.mp4", "path": "b.mp4", "label": "x"}',
            '{"path": "\\ud800", "label": "x"}',
            "[" * 100_000,
        ],
    )
    def test_lines_that_are_no_row(self, write: Write, line: str) -> None:
        path = write('{"path": "a.mp4", "label": "x"}\n' + line, "list.jsonl")
        assert kinds(path) == [(2, "", FaultKind.UNREADABLE_ROW)]

    @pytest.mark.parametrize(
        ("content", "name", "says"),
        [
            (b"", "list.csv", "holds no video"),
            (b"path,label\n", "list.csv", "holds no video"),
            (b"\n\n", "list.jsonl", "holds no video"),
            ("path,label\nZürich,x\n".encode("latin-1"), "list.csv", "is not UTF-8 (byte 12)"),
            (b"path,label\na\0.mp4,x\n", "list.csv", "is not text: it holds zero bytes"),
            (b"path\tlabel\n", "list.tsv", "is neither .csv nor .jsonl"),
            (b'path,label\n"a.mp4', "list.csv", "1 cells, not 2"),
        ],
    )
    def test_files_that_are_no_manifest(self, write: Write, content: bytes, name: str, says: str) -> None:
        path = write(content, name)
        with pytest.raises(ManifestError) as caught:
            load_manifest(path)
        assert says in str(caught.value)

    def test_a_missing_manifest(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="FileNotFoundError"):
            load_manifest(tmp_path / "list.csv")


class TestOwnColumns:
    def test_they_are_kept_written_again_and_named_once(self, write: Write, tmp_path: Path) -> None:
        said: list[str] = []
        path = write("path,label,fold,split,Camera\na.mp4,x,1,train,left\nsub/b.mp4,y,2,test,\n")
        found = load_manifest(path, say=said.append)
        assert said == [f"{path}: columns kept, of no meaning here: fold, Camera"]
        assert found.records[0].extra == (("fold", "1"), ("Camera", "left"))
        write_manifest(tmp_path / "again.csv", found.records)
        assert load_manifest(tmp_path / "again.csv").records == found.records
        assert found.identity == load_manifest(write("path,label,split\na.mp4,x,train\nsub/b.mp4,y,test\n")).identity

    def test_nothing_is_said_of_known_ones_whatever_their_capitals(self, write: Write) -> None:
        said: list[str] = []
        found = load_manifest(write("Path,LABEL,Split,group\na.mp4,x,val,7\n"), say=said.append)
        assert (found.records[0].label, found.records[0].split, found.records[0].group, said) == ("x", "val", "7", [])

    @pytest.mark.parametrize("column", ["spilt", "starts", "groups", "SPLITS"])
    def test_one_that_is_like_a_known_one_is_misspelt(self, write: Write, column: str) -> None:
        assert kinds(write(f"path,label,{column}\na.mp4,x,1\n")) == [(1, column, FaultKind.UNKNOWN_COLUMN)]


class TestGroups:
    def test_none_stands_on_two_sides(self, write: Write) -> None:
        rows = "a.mp4,x,train,1,p\na.mp4,x,train,1,q\nsub/b.mp4,y,test,2,r\n"
        assert len(load_manifest(write("path,label,split,group,id\n" + rows))) == 3
        path = write("path,label,split,group,id\n" + rows + "a.mp4,x,test,1,s\na.mp4,x,test,1,t\nsub/b.mp4,x,val,2,u\n")
        with pytest.raises(FaultyManifest, match=r"2 groups on two sides of the split \(1 \(train and test\), 2 "):
            load_manifest(path)
        assert kinds(path) == [(5, "group", FaultKind.DIVIDED_GROUP), (7, "group", FaultKind.DIVIDED_GROUP)]

    def test_they_are_a_part_of_what_is_listed(self, write: Write) -> None:
        one, two = (load_manifest(write(f"path,label,group\na.mp4,x,{group}\n")) for group in "12")
        assert one.identity != two.identity


class TestRoot:
    def test_paths_outside_are_named_once_with_the_folder_that_holds_them(self, write: Write, tmp_path: Path) -> None:
        other = tmp_path.parent / f"{tmp_path.name}-videos"
        other.mkdir()
        rows = ""
        for number in range(9):
            (other / f"{number}.mp4").write_bytes(b"x")
            rows += f"{other}/{number}.mp4,x\n"
        path = write("path,label\n" + rows)
        with pytest.raises(FaultyManifest) as caught:
            load_manifest(path)
        assert "9 faults: 9 paths outside the root" in str(caught.value)
        assert str(caught.value).endswith(f"--root {other}")
        assert len(load_manifest(path, root=other)) == 9

    def test_a_root_that_is_none(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="is not a folder"):
            load_manifest(write("path,label\na.mp4,x\n"), root=tmp_path / "nowhere")


class TestLooks:
    def test_labels_are_spelt_as_the_vocabulary_spells_them(self, write: Write) -> None:
        names = Vocabulary(("apply eye makeup", "caf\u00e9"), ("brush_hair",))
        path = write("path,label,id\na.mp4,ApplyEyeMakeup,1\na.mp4,cafe\u0301\u00a0,2\na.mp4,brush hair,3\n")
        found = load_manifest(path, vocabulary=names)
        assert [one.label for one in found.records] == ["apply eye makeup", "caf\u00e9", "brush_hair"]

    def test_files_whose_names_are_composed_otherwise_are_found(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "cafe\u0301.mp4").write_bytes(b"x")
        assert load_manifest(write("path,label\ncaf\u00e9.mp4,x\n")).records[0].path == tmp_path / "cafe\u0301.mp4"


class TestFaultyManifest:
    def test_one_line_for_all_and_each_in_the_value(self, write: Write) -> None:
        rows = "".join(f"missing{i}.mp4,x\n" for i in range(5))
        path = write(f"path,label\n{rows}../up.mp4,x\n")
        with pytest.raises(FaultyManifest) as caught:
            load_manifest(path)
        line = str(caught.value)
        assert "6 faults: 5 missing files (missing0.mp4, missing1.mp4, missing2.mp4 ...), " in line
        assert "1 path outside the root (../up.mp4)" in line
        assert "\n" not in line
        assert caught.value.faults == find_faults(path)

    def test_a_fault_is_a_sentence(self) -> None:
        assert str(Fault(3, "path", FaultKind.MISSING_FILE, "a.mp4")) == "line 3, path: missing file: a.mp4"
        assert summary([Fault(3, "path", FaultKind.MISSING_FILE, "a.mp4")]) == "1 missing file (a.mp4)"

    def test_travels_between_processes(self) -> None:
        error = FaultyManifest("list.csv", [Fault(3, "path", FaultKind.MISSING_FILE, "a.mp4")])
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.faults) == (str(error), error.faults)


class TestWriting:
    @settings(derandomize=True, deadline=None, max_examples=50)
    @given(
        records=st.lists(
            st.builds(
                Record,
                video_id=st.text("ab,\"'\n é", min_size=1).map(lambda text: f"i{text}i"),
                path=st.text("ab,\" '\r\né", min_size=1).map(lambda text: Path("/root/sub") / f"p{text}p"),
                label=st.none() | st.text("ab,\" \n'").map(lambda text: tidy(f"l{text}l")),
                start_seconds=st.none() | st.floats(0, 1e6),
                end_seconds=st.none() | st.floats(1.1e6, 1e9),
                split=st.just("val"),
                group=st.none() | st.sampled_from(["1", "a, b"]),
                extra=st.just((("fold", "1"), ("who's", 'a "b", c'))),
            ),
            min_size=1,
            unique_by=lambda record: record.video_id,
        )
    )
    def test_reads_back_equal(self, records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("manifest") / "list.csv"
        write_manifest(path, records, root=Path("/root"))
        assert load_manifest(path, root=Path("/root"), check_files=False).records == tuple(records)

    def test_optional_columns_only_where_used(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        write_manifest(path, [Record("a.mp4", tmp_path / "a.mp4", "x", end_seconds=2.0)])
        assert path.read_text() == "path,label,id,end,split\na.mp4,x,a.mp4,2.0,test\n"

    def test_a_file_outside_the_root(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="lies outside"):
            write_manifest(tmp_path / "list.csv", [Record("a", Path("/elsewhere/a.mp4"))])
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StorageError):
            write_manifest(tmp_path / "file" / "list.csv", [], root=tmp_path)
