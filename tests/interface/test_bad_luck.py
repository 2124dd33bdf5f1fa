"""Accidents: what was there before is there, one line says what happened, and the exit code is 0, 2 or the signal's."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openmov.cli import run
from openmov.cli.bugs import without_secrets
from tiny_world import BASE, NOVEL, TinyWorld

MAIN = "import sys\nfrom openmov.cli import main\nsys.argv[0] = 'openmov'\n"
REMARK = """
import openmov.config.load as load
real = load.recipe_to_yaml
load.recipe_to_yaml = lambda recipe: (print("progress", file=sys.stderr, flush=True), real(recipe))[1]
"""
"""Something is said on stderr in the middle of a command."""


def openmov(*arguments: str, before: str = "", shell: str = "", **environment: str | None) -> tuple[int, str, str]:
    """Runs the command in a process of its own; `before` is Python that changes something first."""
    program = [sys.executable, "-c", f"{MAIN}{before}\nmain()", *arguments]
    command = ["sh", "-c", f'exec "$0" "$@" {shell}', *program] if shell else program
    given = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    done = subprocess.run(command, capture_output=True, text=True, env=given, check=False)
    return done.returncode, done.stdout, done.stderr


class TestNothingIsLost:
    @pytest.mark.parametrize("name", ["page.html", "page.json"])
    @pytest.mark.parametrize("more", [[], ["--timeline"]])
    def test_a_report_beside_a_file_of_ones_own(
        self, tiny_world: TinyWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, more: list[str]
    ) -> None:
        (tmp_path / name).write_text('["my own list"]')
        asked = ["predict", str(tiny_world.clip(BASE[0])), "--labels", ",".join((*BASE, *NOVEL)), *more]
        assert run([*asked, "--report", str(tmp_path / "page.html")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"openmov: {tmp_path / name}: is there, and does not say that openmov made it; ")
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, '["my own list"]')]

    @pytest.mark.parametrize(
        ("verb", "name"),
        [
            ("evaluate", "report.html"),
            ("evaluate", "report.json"),
            ("compare", "comparison.json"),
            ("results", "README.md"),
            ("demo", "report.html"),
            ("study", "table1.md"),
            ("split", "names.json"),
            ("split", "names.txt"),
            ("shapesav", "notes.txt"),
            ("prepare", "features.json"),
        ],
    )
    def test_nor_does_any_other_verb_write_over_it(
        self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path, verb: str, name: str
    ) -> None:
        mine, out = tmp_path / "mine" / name, str(tmp_path / "mine")
        mine.parent.mkdir()
        text = "a\nb\nc\n" if name == "names.txt" else '{"names": ["mine"]}'
        mine.write_text(text)
        (tmp_path / "classes.txt").write_text("a\nb\nc\n")
        names = mine if name == "names.txt" else tmp_path / "classes.txt"
        lists = ["--recipe", str(tiny_world.recipe), "--manifest", str(tiny_world.manifest)]
        command = {
            "evaluate": [*tiny_world.evaluate(tiny_run), "--out", out],
            "compare": ["compare", str(tiny_run), str(tiny_run / "calibration"), "--out", out],
            "results": ["results", "--out", out, "--work", str(tmp_path / "work")],
            "demo": ["demo", "--out", out, "--quick"],
            "study": ["study", "table1", "--out", out, "--work", str(tmp_path / "work"), "--quick"],
            "split": ["split", str(names), "--out", str(mine), "--base", "2"],
            "shapesav": ["shapesav", "write", out, "--train", "1"],
            "prepare": ["prepare", *lists, "--cache", str(tmp_path / "cache"), "--features", out],
        }[verb]
        assert run(command) == 2
        assert mine.read_text() == text
        assert [path.name for path in mine.parent.iterdir()] == [name]
        assert not (tmp_path / "work").exists()  # said before any work

    def test_what_openmov_made_is_written_anew(self, tmp_path: Path) -> None:
        (tmp_path / "names.txt").write_text("a\nb\nc\n")
        for seed in "01":
            command = ["split", str(tmp_path / "names.txt"), "--out", str(tmp_path / "v.json"), "--base", "2"]
            assert run([*command, "--seed", seed]) == 0
        assert json.loads((tmp_path / "v.json").read_text())["seed"] == 1


class TestStreams:
    def test_nobody_reads_on(self) -> None:
        for words in ("--help", "recipe kinetics700", "train --help"):
            reading, writing = os.pipe()
            os.close(reading)
            program = [sys.executable, "-c", f"{MAIN}main()", *words.split()]
            done = subprocess.run(program, stdout=writing, stderr=subprocess.PIPE, check=False)
            os.close(writing)
            assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.parametrize("shell", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
    def test_a_stream_that_is_closed(self, tmp_path: Path, shell: str) -> None:
        """The next file would get its number, and what a library prints would end up in the file."""
        (tmp_path / "names.txt").write_text("a\nb\nc\n")
        words = ("split", str(tmp_path / "names.txt"), "--out", str(tmp_path / "v.json"), "--base", "2")
        noise = "import os, openmov.data.splitting as at\nreal = at.load_prompts\n"
        noise += "at.load_prompts = lambda name: (os.write(1, b'noise'), os.write(2, b'noise'), real(name))[2]"
        code, _, said = openmov(*words, shell=shell, before=noise)
        assert (code, "Traceback" in said) == (0, False)
        assert json.loads((tmp_path / "v.json").read_text())["seed"] == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is full")
    def test_a_full_disk_behind_standard_output(self) -> None:
        for words in (("recipe", "kinetics700"), ("--help",)):
            code, _, said = openmov(*words, shell=">/dev/full")
            assert (code, len(said.splitlines())) == (2, 1)
            assert said.startswith("openmov: standard output: no space left on the device; ")

    def test_a_full_disk_behind_stderr_stops_nothing(self) -> None:
        code, out, _ = openmov("recipe", "kinetics700", before=REMARK, shell="2>/dev/full")
        assert (code, out.startswith("#")) == (0, True)


class TestTheMachine:
    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (f"OSError({errno.EIO}, 'Input/output error', '/disk/file')", "/disk/file: the system refuses: Input/outp"),
            (
                f"OSError({errno.ESTALE}, 'Stale', '/disk/file')",
                "/disk/file: the system refuses: Stale file handle; se",
            ),
            (f"OSError({errno.EMFILE}, 'x', '/disk/file')", "/disk/file: too many files are open; raise the limit (ul"),
            (f"FileNotFoundError({errno.ENOENT}, 'x', '/disk/file')", "/disk/file: is not there, or no longer; "),
            ("MemoryError()", "there is not enough memory; lower --workers"),
            ('RuntimeError("can\'t start new thread")', "the system starts no more threads; raise the limit"),
        ],
    )
    def test_what_it_refuses_anywhere_is_one_line(self, error: str, said: str) -> None:
        change = f"import openmov.config.load as load\ndef fails(): raise {error}\nload.bundled_recipes = fails"
        code, _, err = openmov("recipe", before=change)
        assert (code, len(err.splitlines())) == (2, 1)
        assert err.startswith(f"openmov: {said}")

    def test_without_a_home(self) -> None:
        nobody = "import pwd\ndef getpwuid(number): raise KeyError(number)\npwd.getpwuid = getpwuid"
        code, _, said = openmov("cache", "show", before=nobody, HOME=None, OPENMOV_CACHE=None)
        assert (code, len(said.splitlines())) == (2, 1)
        assert "there is no home folder to keep it in (HOME is not set); give --cache FOLDER" in said

    def test_a_bug_says_what_to_report(self, tmp_path: Path) -> None:
        change = "import openmov.config.load as load\ndef fails(): return 1 / 0\nload.bundled_recipes = fails"
        code, _, said = openmov("recipe", before=change, TMPDIR=str(tmp_path))
        first, second = said.splitlines()
        assert code == 1
        assert first == "openmov: ZeroDivisionError: division by zero; this is a fault of openmov, not of yours"
        (report,) = tmp_path.iterdir()
        assert second == f"openmov: please report it, with version, command and traceback: {report}"
        text = report.read_text()
        assert all(
            part in text for part in ("openmov recipe\n", "Traceback (most recent", "ZeroDivisionError", "Python 3")
        )

    def test_a_report_shows_no_secrets(self) -> None:
        text = "train --shards 'https://me:secret@host/pack?sig=secret&x=1' --out runs/what?no"
        assert without_secrets(text) == "train --shards 'https://...host/pack?...' --out runs/what?no"


class TestSignals:
    def test_a_job_manager_ends_a_training(self, tiny_world: TinyWorld, tmp_path: Path) -> None:
        command = tiny_world.train(
            tmp_path / "run", "--set", "training.epochs=100000", "--set", "training.keep_epochs=false"
        )
        program = [sys.executable, "-c", f"{MAIN}main()", *command]
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while not (tmp_path / "run" / "checkpoints" / "last" / "checkpoint.json").exists():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
        assert process.returncode == 143
        assert said.splitlines()[-1] == "openmov: ended by SIGTERM; what was finished is kept"
        assert not [path for path in (tmp_path / "run").rglob(".*") if path.name != ".lock"]

    def test_tests_that_send_ctrl_c_work_in_the_background_of_a_script(self) -> None:
        """There it is ignored, by inheritance: a child that waits for it would wait for ever."""
        code = (
            "import default_signals, subprocess, sys; "
            "child = [sys.executable, '-c', 'import os, signal, time; os.kill(os.getpid(), 2); time.sleep(60)']; "
            "sys.exit(subprocess.run(child, stderr=subprocess.DEVNULL).returncode)"
        )
        command = ["sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable, "-c", code]
        search = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": search}, timeout=50, check=False)
        assert done.returncode == (-signal.SIGINT) % 256
