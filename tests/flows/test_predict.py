"""Predicting as people do it: folders and lists in, tables, CSV and pages out; from Python, and from many threads."""

import csv
import io
import json
import re
import shutil
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import openmov
from openmov.cli import run
from openmov.media.encode import write_clip
from openmov.text.label_choice import ONE_LABEL
from tiny_media import block_over_texture
from tiny_world import BASE, NOVEL, TinyWorld

LABELS = ",".join(BASE)


@pytest.fixture(scope="module")
def album(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos, a broken one in a folder of its own, and what is not a video."""
    folder = tmp_path_factory.mktemp("album")
    shutil.copy(tiny_world.clip(BASE[0]), folder / "b.mp4")
    (folder / "trip").mkdir()
    shutil.copy(tiny_world.clip(NOVEL[0]), folder / "trip" / "a.mp4")
    (folder / "trip" / "broken.mp4").write_bytes(b"no film")
    (folder / "diary.txt").write_text("dear diary")
    return folder


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> openmov.Predictor:
    return openmov.load(tiny_run)


def asked(world: TinyWorld, *more: str) -> list[str]:
    return ["predict", *more, "--labels", LABELS, "--backbone", str(world.backbone), "--views", "1x1"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class TestManyFiles:
    @pytest.mark.parametrize("workers", ["1", "3"])
    def test_a_folder_is_answered_in_order_and_its_broken_file_is_named(
        self, tiny_world: TinyWorld, album: Path, workers: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(asked(tiny_world, str(album), "--csv", "--top", "2", "--workers", workers)) == 2
        printed = capsys.readouterr()
        found = rows(printed.out)
        assert [row["path"] for row in found] == [str(album / "b.mp4")] * 2 + [str(album / "trip" / "a.mp4")] * 2 + [
            str(album / "trip" / "broken.mp4")
        ]
        assert [row["rank"] for row in found] == ["1", "2", "1", "2", ""]
        assert [bool(row["error"]) for row in found] == [False] * 4 + [True]
        assert printed.err.splitlines()[-1] == "openmov: 1 of 3 files could not be read"

    def test_answers_do_not_depend_on_workers(
        self, tiny_world: TinyWorld, album: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        printed = []
        for workers in ("1", "3"):
            run(asked(tiny_world, str(album), "--csv", "--workers", workers))
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]

    def test_a_list_on_standard_input(
        self,
        tiny_world: TinyWorld,
        album: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{album / 'trip' / 'a.mp4'}\n\n{album / 'b.mp4'}\n"))
        assert run(asked(tiny_world, "-", "--csv", "--top", "1")) == 0
        assert [Path(row["path"]).name for row in rows(capsys.readouterr().out)] == ["a.mp4", "b.mp4"]
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        assert run(asked(tiny_world, "-")) == 2
        assert "names no file" in capsys.readouterr().err

    def test_csv_quotes_what_holds_a_comma(
        self, tiny_world: TinyWorld, album: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = asked(tiny_world, str(album / "b.mp4"), "--csv")
        command[command.index(LABELS)] = '"bird chirping, tweeting", archery'
        assert run(command) == 0
        assert {row["label"] for row in rows(capsys.readouterr().out)} == {"bird chirping, tweeting", "archery"}


class TestOddInput:
    def test_one_label_is_answered_and_said_to_mean_nothing(
        self, tiny_world: TinyWorld, album: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = asked(tiny_world, str(album / "b.mp4"))
        command[command.index(LABELS)] = "archery"
        assert run(command) == 0
        printed = capsys.readouterr()
        assert "100.0%" in printed.out
        assert f"openmov: note: {ONE_LABEL}" in printed.err

    def test_a_picture_and_a_video_of_one_frame_say_so(
        self, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        images = block_over_texture(1, step_px=0)
        write_clip(tmp_path / "one.mp4", images, 10.0, None)
        Image.fromarray(images[0]).save(tmp_path / "a.png")
        write_clip(tmp_path / "two.mp4", block_over_texture(2, step_px=0), 10.0, None)
        files = [tmp_path / name for name in ("a.png", "one.mp4", "two.mp4")]
        assert run(asked(tiny_world, *map(str, files), "--json")) == 0
        notes = [one["notes"] for one in json.loads(capsys.readouterr().out)["predictions"]]
        assert notes == [["a single picture: nothing moves in it"]] * 2 + [[]]

    def test_sound_alone_is_answered_by_a_run_that_hears(self, tiny_run: Path, tmp_path: Path) -> None:
        path = tmp_path / "sounds" / "a.wav"
        path.parent.mkdir()
        noise = (np.random.default_rng(0).standard_normal(32_000) * 3000).astype("<i2")
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(16_000)
            sound.writeframes(noise.tobytes())
        (answer,) = openmov.predict(path.parent, BASE, run=tiny_run)
        assert isinstance(answer, openmov.Prediction)
        assert answer.modalities == ("audio",)
        assert set(answer.by_modality) == {"audio"}


class TestReport:
    def test_a_page_and_json_beside_it(
        self, tiny_world: TinyWorld, tiny_run: Path, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = tmp_path / "pages" / "album.html"
        command = ["predict", str(album), "--labels", LABELS, "--run", str(tiny_run), "--report", str(page), "--json"]
        assert run(command) == 2
        printed = json.loads(capsys.readouterr().out)
        assert json.loads(page.with_suffix(".json").read_text()) == {"made_by": "openmov"} | printed
        text = page.read_text()
        assert not re.findall(r'(?:src|href)="(?!data:|#)', text), "loads something from elsewhere"
        assert len(re.findall(r"<img ", text)) == 2 * 3, "frames, flow and sound of both"
        for one in printed["predictions"]:
            assert one["path"] in text
            assert one["answers"][0]["name"] in text
        for stream in ("frozen frames alone", "video alone", "motion alone", "sound alone", "the answer"):
            assert text.count(f"<h5>{stream}") == 2
        assert "broken.mp4" in text

    def test_names_are_escaped(self, tiny_world: TinyWorld, album: Path, tmp_path: Path) -> None:
        command = asked(tiny_world, str(album / "b.mp4"), "--report", str(tmp_path / "a.html"))
        command[command.index(LABELS)] = "<script>alert(1)</script>, archery"
        assert run(command) == 0
        text = (tmp_path / "a.html").read_text()
        assert "<script>" not in text
        assert "&lt;script&gt;" in text

    def test_the_same_answers_give_the_same_page(self, tiny_world: TinyWorld, album: Path, tmp_path: Path) -> None:
        pages = []
        for name in ("a", "b"):
            assert run(asked(tiny_world, str(album / "b.mp4"), "--report", str(tmp_path / name / "x.html"))) == 0
            pages.append((tmp_path / name / "x.html").read_bytes())
        assert pages[0] == pages[1]


class TestPython:
    def test_one_path_as_text(self, tiny_run: Path, album: Path) -> None:
        (answer,) = openmov.predict(str(album / "b.mp4"), labels=list(BASE), run=str(tiny_run), top=2)
        assert isinstance(answer, openmov.Prediction)
        assert (answer.label, answer.probability) == (answer.answers.names[0], answer.answers.probabilities[0])
        assert re.fullmatch(
            r"Prediction\('.*b\.mp4': [a-z ]+ \d+\.\d%, [a-z ]+ \d+\.\d%; from video, flow, audio\)", repr(answer)
        )

    def test_threads_get_the_serial_answers(self, predictor: openmov.Predictor, album: Path) -> None:
        """Two vocabularies at once, so that threads meet in the embedding of names as well as in the network."""
        files = [album / "b.mp4", album / "trip" / "a.mp4"]
        tasks = [(path, names) for path in files for names in (BASE, BASE + NOVEL)] * 3

        def answers(path: Path, names: tuple[str, ...]) -> list[object]:
            return list(predictor.predict([path], predictor.vocabulary(names)))

        expected = [answers(*task) for task in tasks]
        found: list[list[object]] = [[] for _ in tasks]

        def work(place: int) -> None:
            found[place] = answers(*tasks[place])

        threads = [threading.Thread(target=work, args=(place,)) for place in range(len(tasks))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == expected


class TestCaches:
    def test_names_are_kept_shown_and_cleared(
        self, tiny_world: TinyWorld, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cache = ("--cache", str(tmp_path))
        assert run([*asked(tiny_world, str(album / "b.mp4")), *cache]) == 0
        capsys.readouterr()

        def entries(*command: str) -> dict[str, int]:
            assert run(["cache", *command, *cache, "--json"]) == 0
            return {one["kind"]: one["num_entries"] for one in json.loads(capsys.readouterr().out)["kinds"]}

        assert entries("show") == {"labels": 1, "videos": 0}
        assert entries("clear", "videos") == {"videos": 0}
        assert entries("clear", "labels", "--keep", "1GB") == {"labels": 0}
        assert entries("show") == {"labels": 1, "videos": 0}
        assert entries("clear") == {"labels": 1, "videos": 0}
        assert entries("show") == {"labels": 0, "videos": 0}
