"""From folders as people have them to manifests, with answers known by hand."""

import json
from pathlib import Path

import pytest

from benchmark_folders import PretendDecoder, kinetics_csv, touch, youtube_id
from openmov.data.coverage import coverage_path, load_coverage
from openmov.data.manifest import Manifest, load_manifest
from openmov.datasets.builder import Built, build
from openmov.datasets.catalogue import DATASETS
from openmov.datasets.three_splits import official_list
from openmov.errors import ManifestError
from openmov.shapesav.vocabulary import base_novel_split
from openmov.text.label_sets import load_label_set
from openmov.text.vocabulary import load_vocabulary

A, B, C = (youtube_id(number) for number in range(3))
K700 = (f"abseiling,{A},10,20,validate", f'"air drumming",{B},5,15,validate', f"abseiling,{C},0,10,train")


def built(
    name: str, root: Path, *annotations: Path, seconds: float = 10.0, opened: bool = True
) -> tuple[Built, Manifest]:
    made = build(
        DATASETS.get(name),
        root / "videos",
        annotations,
        root / "out",
        decoder=PretendDecoder(seconds),
        opened=opened,
    )
    vocabulary = load_vocabulary(root / "out" / "vocabulary.json")
    assert vocabulary == made.vocabulary
    return made, load_manifest(root / "out" / "manifest.csv", vocabulary=vocabulary)


def rows_of(manifest: Manifest) -> list[tuple[str, str | None, str]]:
    return [(record.video_id, record.label, record.split) for record in manifest.records]


@pytest.fixture
def k700(tmp_path: Path) -> Path:
    return kinetics_csv(tmp_path / "annotations.csv", *K700)


KINETICS_LAYOUTS = {
    "class folders": (
        f"abseiling/{A}_000010_000020.mp4",
        f"air drumming/{B}_000005_000015.mp4",
        f"abseiling/{C}_000000_000010.mp4",
    ),
    "split and class folders": (
        f"val/abseiling/{A}_000010_000020.mp4",
        f"val/air_drumming/{B}_000005_000015.mp4",
        f"train/abseiling/{C}_000000_000010.mp4",
    ),
    "flat": (f"{A}_000010_000020.mp4", f"{B}_000005_000015.mkv", f"{C}_000000_000010.webm"),
    "start alone": (f"{A}_000010.mp4", f"{B}_5.avi", f"{C}_000000.MP4"),
    "milliseconds": (f"{A}_10000_20000.mp4", f"{B}_5000_15000.mp4", f"{C}_0_10000.mp4"),
    "ids": (f"{A}.mp4", f"{B}.mp4", f"{C}.mp4"),
}


class TestKinetics:
    @pytest.mark.parametrize("layout", KINETICS_LAYOUTS)
    def test_every_layout_gives_the_same_clips(self, layout: str, tmp_path: Path, k700: Path) -> None:
        touch(tmp_path / "videos", *KINETICS_LAYOUTS[layout])
        made, manifest = built("kinetics700", tmp_path, k700)
        assert rows_of(manifest) == [
            (f"{A}_000010_000020", "abseiling", "test"),
            (f"{B}_000005_000015", "air drumming", "test"),
            (f"{C}_000000_000010", "abseiling", "train"),
        ]
        assert {record.start_seconds for record in manifest.records} == {None}
        assert (made.coverage.missing, made.coverage.broken, made.strangers) == ((), (), ())
        assert (len(made.vocabulary.base), len(made.vocabulary.novel)) == (400, 300)

    def test_a_whole_video_is_cut_and_a_clip_is_not(self, tmp_path: Path, k700: Path) -> None:
        touch(tmp_path / "videos", *KINETICS_LAYOUTS["ids"])
        _, manifest = built("kinetics700", tmp_path, k700, seconds=200.0)
        assert [(record.start_seconds, record.end_seconds) for record in manifest.records] == [
            (10, 20),
            (5, 15),
            (0, 10),
        ]

    def test_missing_broken_doubled_and_strange_files_are_counted(self, tmp_path: Path, k700: Path) -> None:
        videos = tmp_path / "videos"
        touch(videos, f"abseiling/{A}_000010_000020.mp4", f"other/{A}_000010_000020.mp4", "holiday.mp4")
        (videos / f"{C}_000000_000010.mp4").write_text("broken")
        made, manifest = built("kinetics700", tmp_path, k700)
        assert rows_of(manifest) == [(f"{A}_000010_000020", "abseiling", "test")]
        assert manifest.records[0].path.parent.name == "abseiling"
        assert [one.clip_id for one in made.coverage.missing] == [f"{B}_000005_000015"]
        assert [(one.clip_id, one.reason) for one in made.coverage.broken] == [
            (f"{C}_000000_000010", f"{C}_000000_000010.mp4: no media file")
        ]
        assert made.doubled == (f"other/{A}_000010_000020.mp4",)
        assert made.strangers == ("holiday.mp4",)
        assert made.coverage.said("test") == "1 of 2 test clips present"
        assert made.coverage.said("train") == "0 of 1 train clips present"
        assert len(made.coverage.empty_classes) == 699

    def test_an_empty_file_is_broken_without_opening(self, tmp_path: Path, k700: Path) -> None:
        touch(tmp_path / "videos", f"{A}_000010_000020.mp4")
        (tmp_path / "videos" / f"{B}_000005_000015.mp4").touch()
        (tmp_path / "videos" / f"{C}_000000_000010.mp4").write_text("broken")
        made, manifest = built("kinetics700", tmp_path, k700, opened=False)
        assert len(manifest.records) == 2  # the broken one is found out when it is read
        assert [one.reason for one in made.coverage.broken] == [f"{B}_000005_000015.mp4: is empty"]

    def test_the_held_out_test_list_is_not_used_beside_the_public_one(self, tmp_path: Path, k700: Path) -> None:
        touch(tmp_path / "videos", f"{A}_000010_000020.mp4")
        held_out = kinetics_csv(tmp_path / "test.csv", f",{B},1,11,test")
        made, manifest = built("kinetics700", tmp_path, k700, held_out)
        assert len(manifest.records) == 1
        assert "1 clips of the held-out test list are not used" in made.coverage.notes
        with pytest.raises(ManifestError, match="1 clips without a label"):
            built("kinetics700", tmp_path, held_out)

    def test_json_annotations_say_the_same(self, tmp_path: Path) -> None:
        entry = {"annotations": {"label": "abseiling", "segment": [10.0, 20.0]}, "duration": 10.0, "subset": "validate"}
        path = tmp_path / "validate.json"
        path.write_text(json.dumps({A: {**entry, "url": f"https://youtube.com/watch?v={A}"}}))
        touch(tmp_path / "videos", f"{A}_000010_000020.mp4")
        assert rows_of(built("kinetics700", tmp_path, path)[1]) == [(f"{A}_000010_000020", "abseiling", "test")]

    def test_class_folders_are_a_list_themselves(self, tmp_path: Path) -> None:
        names = (
            "train/abseiling/x.mp4",
            "val/passing_american_football_in_game/y.mp4",
            "test/abseiling/z.mp4",
            "w.mp4",
        )
        touch(tmp_path / "videos", *names)
        made, manifest = built("kinetics700", tmp_path)
        assert rows_of(manifest) == [
            ("train/abseiling/x.mp4", "abseiling", "train"),
            ("val/passing_american_football_in_game/y.mp4", "passing American football (in game)", "test"),
        ]
        assert "what is missing cannot be known" in " ".join(made.coverage.notes)
        assert made.strangers == ("test/abseiling/z.mp4", "w.mp4")

    def test_kinetics400_has_no_published_draw(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "abseiling/x.mp4")
        made, _ = built("kinetics400", tmp_path)
        assert (len(made.vocabulary.base), len(made.vocabulary.novel)) == (0, 400)


class TestWrongInput:
    def test_annotations_of_another_kinetics(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "x.mp4")
        path = kinetics_csv(tmp_path / "val.csv", f"abseiling,{A},1,11,val", f"yarn spinning,{B},1,11,val")
        with pytest.raises(ManifestError, match=r"1 classes that Kinetics-400 has not, such as 'yarn spinning'.*600"):
            built("kinetics400", tmp_path, path)

    def test_annotations_of_another_data_set(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "x.mp4")
        path = tmp_path / "vggsound.csv"
        path.write_text(f"{A},30,people marching,train\n")
        with pytest.raises(ManifestError, match=r"has the columns .*not label, youtube_id"):
            built("kinetics700", tmp_path, path)
        csv = kinetics_csv(tmp_path / "val.csv", *K700)
        with pytest.raises(ManifestError, match=r"line 1 is 'label,youtube_id.*without a header"):
            built("vggsound", tmp_path, csv)

    @pytest.mark.parametrize("row", [f"abseiling,{A},20,10,val", f"abseiling,{A},x,10,val", "abseiling,short,0,10,val"])
    def test_a_line_that_is_no_clip_is_named(self, row: str, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "x.mp4")
        with pytest.raises(ManifestError, match="line 2 is not a clip"):
            built("kinetics700", tmp_path, kinetics_csv(tmp_path / "val.csv", row))

    def test_a_wrong_layout_is_described(self, tmp_path: Path, k700: Path) -> None:
        touch(tmp_path / "videos", "a/clip1.mp4", "b/clip2.mp4", "labels.txt")
        found = r"found 2 folders with videos \('a', 'b'\), 1 \.txt files"
        with pytest.raises(ManifestError, match=rf"no video is a listed clip of Kinetics-700: {found}; expected class"):
            built("kinetics700", tmp_path, k700)
        with pytest.raises(ManifestError, match=rf"no folder is named after a class of Kinetics-700: {found}"):
            built("kinetics700", tmp_path)
        assert not (tmp_path / "out").exists()

    def test_nothing_is_written_where_every_file_is_broken(self, tmp_path: Path, k700: Path) -> None:
        touch(tmp_path / "videos")
        (tmp_path / "videos").mkdir()
        (tmp_path / "videos" / f"{A}_000010_000020.mp4").write_text("broken")
        with pytest.raises(ManifestError, match=r"none of its 1 videos can be used, the first: .*no media file"):
            built("kinetics700", tmp_path, k700)
        assert not (tmp_path / "out").exists()

    def test_an_unknown_data_set_is_given_its_neighbour(self) -> None:
        with pytest.raises(ManifestError, match="did you mean hmdb51"):
            DATASETS.get("HMDB-51")


class TestVGGSound:
    def test_the_official_test_list_needs_no_annotation(self, tmp_path: Path) -> None:
        first, second, third = (clip for clip, _ in official_list("vggsound-test")[:3])
        touch(
            tmp_path / "videos",
            f"{first}.mp4",
            f"anywhere/{second}_{int(second[-6:]) + 10:06d}.mp4",
            f"{third[:11]}.mp4",
        )
        made, manifest = built("vggsound", tmp_path)
        assert {record.video_id for record in manifest.records} >= {first, second, third}
        assert made.coverage.listed == {"test": 15_446}
        assert made.coverage.present("test") == len(manifest.records)
        assert (len(made.vocabulary.base), len(made.vocabulary.novel)) == (154, 155)

    def test_the_annotation_file_brings_the_training_clips(self, tmp_path: Path) -> None:
        path = tmp_path / "vggsound.csv"
        path.write_text(f'{A},30,"bird chirping, tweeting",train\n{B},5,ambulance siren,test\n')
        touch(tmp_path / "videos", f"{A}_000030.mp4", f"{B}_000005.mp4")
        made, manifest = built("vggsound", tmp_path, path)
        assert rows_of(manifest) == [
            (f"{A}_000030", "bird chirping, tweeting", "train"),
            (f"{B}_000005", "ambulance siren", "test"),
        ]
        assert any("differ from the official list of 15446" in note for note in made.coverage.notes)

    def test_classes_of_another_list(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "x.mp4")
        path = tmp_path / "vggsound.csv"
        path.write_text(f"{A},30,a sound of its own,train\n")
        with pytest.raises(ManifestError, match="1 classes that VGGSound has not, such as 'a sound of its own'"):
            built("vggsound", tmp_path, path)


class TestThreeSplits:
    def test_ucf101_flat_and_in_folders(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "v_ApplyEyeMakeup_g01_c01.avi", "HandStandPushups/v_HandstandPushups_g01_c01.avi")
        made, manifest = built("ucf101", tmp_path)
        assert rows_of(manifest) == [
            ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01", "apply eye makeup", "test"),
            ("HandstandPushups/v_HandStandPushups_g01_c01", "handstand pushups", "test"),
        ]
        assert made.coverage.listed == {"test": 13_320}
        assert made.coverage.official_splits == tuple(f"manifest-split{k}.csv" for k in (1, 2, 3))
        first = load_manifest(tmp_path / "out" / "manifest-split1.csv")
        second = load_manifest(tmp_path / "out" / "manifest-split2.csv")
        assert [record.split for record in first.records] == ["test", "test"]
        assert [record.split for record in second.records] == ["train", "train"]
        account = load_coverage(tmp_path / "out" / "manifest-split2.csv")
        assert account is not None
        assert account.listed == {"train": 9586, "test": 3734}
        assert account.said("test") == "0 of 3,734 test clips present"

    def test_odd_letters_of_hmdb51_may_have_been_replaced(self, tmp_path: Path) -> None:
        odd = next(clip for clip, _ in official_list("hmdb51") if "#" in clip)
        folder, _, stem = odd.partition("/")
        touch(tmp_path / "videos", f"{folder}/{stem.replace('#', '_')}.avi")
        assert [record.video_id for record in built("hmdb51", tmp_path)[1].records] == [odd]

    def test_names_that_differ_in_odd_letters_alone_are_kept_apart(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "kiss/BestKisses_kiss_h_cm_np2_le_goo_8.avi")
        found = [record.video_id for record in built("hmdb51", tmp_path)[1].records]
        assert found == ["kiss/BestKisses_kiss_h_cm_np2_le_goo_8"]  # and not Best_kisses_...

    def test_clips_in_no_list_belong_to_the_full_set(self, tmp_path: Path) -> None:
        touch(
            tmp_path / "videos",
            "brush_hair/more_brush_hair.avi",
            "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
        )
        made, manifest = built("hmdb51", tmp_path)
        assert rows_of(manifest)[-1] == ("brush_hair/more_brush_hair.avi", "brush hair", "test")
        assert made.coverage.listed == {"test": 6372}
        assert len(load_manifest(tmp_path / "out" / "manifest-split1.csv").records) == 1

    def test_annotations_are_not_asked_for(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "x.avi")
        with pytest.raises(ManifestError, match="is not needed"):
            built("ucf101", tmp_path, tmp_path / "trainlist01.txt")


class TestShapesAV:
    def test_a_pool_is_one_more_data_set(self, tmp_path: Path) -> None:
        base, novel = base_novel_split("motion")
        videos = tmp_path / "videos"
        touch(videos, "test/000000.mp4", "test/000001.mp4", "train/000000.mp4")
        rows = (f"test/000000,test/000000.mp4,{base[0]},test", f"test/000001,test/000001.mp4,{novel[0]},test")
        (videos / "manifest-motion.csv").write_text("\n".join(("id,path,label,split", *rows)) + "\n")
        (videos / "vocabulary-motion.json").write_text(json.dumps({"base": base, "novel": novel}))
        made, manifest = built("shapesav-motion", tmp_path)
        assert rows_of(manifest) == [("test/000000", base[0], "test"), ("test/000001", novel[0], "test")]
        assert made.strangers == ("train/000000.mp4",)
        with pytest.raises(ManifestError, match=r"is not a pool of ShapesAV: .*expected manifest-sound\.csv"):
            built("shapesav-sound", tmp_path)

    def test_scenes_are_two_data_sets_a_task(self, tmp_path: Path) -> None:
        base, novel = base_novel_split("sound")
        videos = tmp_path / "videos"
        touch(videos, "train/000000.mp4", "swapped/000000.mp4")
        for end, row in (("", f"train/000000,train/000000.mp4,{base[0]},train"), ("-swapped", "")):
            row = row or f"swapped/000000,swapped/000000.mp4,{novel[0]},test"
            (videos / f"manifest-sound{end}.csv").write_text(f"id,path,label,split\n{row}\n")
        (videos / "vocabulary-sound.json").write_text(json.dumps({"base": base, "novel": novel}))
        made, manifest = built("shapesav-scenes-sound", tmp_path)
        assert rows_of(manifest) == [("train/000000", base[0], "train")]
        assert made.coverage.title == "ShapesAV-Scenes, sound"
        _, manifest = built("shapesav-scenes-sound-swapped", tmp_path)
        assert rows_of(manifest) == [("swapped/000000", novel[0], "test")]
        with pytest.raises(ManifestError, match=r"expected manifest-motion\.csv; write one with .* --scenes motion"):
            built("shapesav-scenes-motion", tmp_path)


def test_every_data_set_has_a_list_of_readable_names() -> None:
    for name in DATASETS:
        benchmark = DATASETS.get(name)
        assert benchmark.name == name
        if not name.startswith("shapesav"):
            assert set(benchmark.vocabulary(Path()).names) == set(load_label_set(name).readable)


class TestAccount:
    @pytest.fixture
    def manifest(self, tmp_path: Path) -> Path:
        touch(tmp_path / "videos", "abseiling/x.mp4")
        built("kinetics400", tmp_path)
        return tmp_path / "out" / "manifest.csv"

    def test_lists_may_be_moved_with_their_videos(self, manifest: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        for name in ("videos", "out"):
            (tmp_path / name).rename(tmp_path / "elsewhere" / name)
        (record,) = load_manifest(tmp_path / "elsewhere" / "out" / "manifest.csv").records
        assert record.path == (tmp_path / "elsewhere" / "videos" / "abseiling" / "x.mp4").resolve()

    def test_videos_that_are_gone_are_an_error_of_the_folder(self, manifest: Path, tmp_path: Path) -> None:
        (tmp_path / "videos").rename(tmp_path / "gone")
        with pytest.raises(ManifestError, match=r"the folder of its videos, .*videos, is not there"):
            load_manifest(manifest)

    def test_paths_stay_inside_the_declared_folder(self, manifest: Path) -> None:
        manifest.write_text("path,label,split\n../out/vocabulary.json,abseiling,test\n")
        with pytest.raises(ManifestError, match="path outside the root"):
            load_manifest(manifest)

    @pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 1}', '{"format_version": 2}'])
    def test_a_damaged_account_is_named(self, text: str, manifest: Path) -> None:
        coverage_path(manifest).write_text(text)
        with pytest.raises(ManifestError, match=r"manifest\.dataset\.json: is (damaged|of format version 2)"):
            load_coverage(manifest)

    def test_an_account_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        touch(tmp_path / "videos", "abseiling/x.mp4")
        made, _ = built("kinetics400", tmp_path)
        manifest = tmp_path / "out" / "manifest.csv"
        assert load_coverage(manifest) == made.coverage
        assert load_coverage(manifest.with_name("none.csv")) is None
