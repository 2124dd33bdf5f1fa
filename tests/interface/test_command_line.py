"""The outside of the command line: help at once, exit codes, streams, interrupts."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from cyclopts import Parameter

import openmov.cli
from openmov.cli import app, main, run
from openmov.errors import DecodeError
from tiny_world import BASE, TinyWorld

HEAVY = ("torch", "transformers", "numba", "av", "numpy", "pydantic", "yaml", "PIL", "safetensors")
VERBS = (
    *(
        "cache clear",
        "cache show",
        "calibrate",
        "check",
        "compare",
        "dataset",
        "demo",
        "evaluate",
        "export",
        "models",
        "models check",
        "models fetch",
        "pack",
        "predict",
        "prepare",
        "recipe",
        "results",
    ),
    *("results", "shapesav write", "share", "split", "study", "train"),
)


def function_of(verb: str) -> object:
    found = app
    for word in verb.split():
        found = found[word]
    return found.default_command


def options_of(verb: str) -> list[str]:
    """What `--help` must list: one a parameter, by the name it has on the command line."""
    found = []
    for name, kind in _parameters(function_of(verb)).items():
        given = [extra.name for extra in get_args(kind) if isinstance(extra, Parameter) and extra.name]
        written = given[0] if get_origin(kind) is Annotated and given else (f"--{name}",)
        if name != "return":
            found += written
    return found


def _parameters(source: object) -> dict[str, object]:
    """Its annotations; a dataclass among them is a group of options."""
    found: dict[str, object] = {}
    for name, kind in get_type_hints(source, include_extras=True).items():
        found |= _parameters(kind) if is_dataclass(kind) else {name: kind}
    return found


def in_new_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


class TestHelp:
    def test_loads_nothing_heavy(self) -> None:
        """All verbs in one process; what one of them loaded would still be there after the last."""
        code = (
            "import sys\n"
            "from openmov.cli import run\n"
            "codes = [run([*verb.split(), '--help']) for verb in sys.argv[2:]] + [run(['--help'])]\n"
            "loaded = [name for name in sys.argv[1].split() if name in sys.modules]\n"
            "print('END', codes, loaded)"
        )
        done = in_new_process(code, " ".join(HEAVY), *VERBS)
        assert done.stdout.splitlines()[-1] == f"END {[0] * (len(VERBS) + 1)} []"
        assert done.stderr == ""

    def test_the_check_would_notice(self) -> None:
        code = "import sys, numpy\nprint([name for name in sys.argv[1].split() if name in sys.modules])"
        assert "numpy" in in_new_process(code, " ".join(HEAVY)).stdout

    @pytest.mark.parametrize("verb", VERBS)
    def test_lists_every_option(self, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run([*verb.split(), "--help"]) == 0
        shown = capsys.readouterr().out
        positional = {"--files", "--kind", "--runs", "--names", "--name"} | (
            {"shapesav write": {"--out"}, "share": {"--run"}, "export": {"--run"}, "calibrate": {"--manifest"}}.get(
                verb, set()
            )
        )
        for option in options_of(verb):
            wanted = option if option not in positional else option.removeprefix("--").upper()
            assert re.search(rf"{wanted}\b", shown), wanted
        assert options_of(verb)

    def test_lists_every_verb(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["--help"]) == 0
        shown = capsys.readouterr().out
        listed = {verb.split()[0] for verb in VERBS}
        assert set(re.findall(r"^│ ([a-z]+) ", shown, flags=re.MULTILINE)) == listed

    def test_is_quick(self) -> None:
        """Twice the aim of 0.3 s, in processor seconds, for the machine may be slow or busy."""
        code = "import time\nfrom openmov.cli import run\nrun(['train', '--help'])\nprint(time.process_time())"
        assert min(float(in_new_process(code).stdout.splitlines()[-1]) for _ in range(3)) < 0.6


class TestExitCodes:
    def test_a_bug_is_not_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken() -> None:
            raise ValueError("a bug")

        monkeypatch.setattr("openmov.config.load.bundled_recipes", broken)
        with pytest.raises(ValueError, match="a bug"):
            run(["recipe"])

    def test_a_fault_is_one_line_even_if_its_words_are_not(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken() -> None:
            raise DecodeError("a.mp4", "two\nlines", "hint\r\nit")

        monkeypatch.setattr("openmov.config.load.bundled_recipes", broken)
        assert run(["recipe"]) == 2
        assert capsys.readouterr().err == "openmov: a.mp4: two lines; hint it\n"

    def test_main_exits_with_the_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for arguments, code in ((["recipe"], 0), (["nonsense"], 2)):
            monkeypatch.setattr(sys, "argv", ["openmov", *arguments])
            with pytest.raises(SystemExit) as left:
                main()
            assert left.value.code == code

    def test_nobody_reading_on_is_no_fault(self) -> None:
        code = "import sys\nfrom openmov.cli import main\nsys.argv = ['openmov', 'recipe', 'kinetics700']\nmain()"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
        assert (process.returncode, said) == (0, b"")


class TestInterrupt:
    def test_in_process(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("openmov.config.load.bundled_recipes", interrupted)
        assert run(["recipe"]) == 130
        assert capsys.readouterr().err.splitlines() == ["openmov: interrupted; what was finished is kept"]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_ctrl_c_while_clips_are_written(self, tmp_path: Path, workers: int) -> None:
        """As a terminal sends it: to every process of the group. The pool can be finished afterwards."""
        command = ["shapesav", "write", str(tmp_path), "--train", "50", "--workers", str(workers)]
        code = "import sys\nfrom openmov.cli import main\nsys.argv[0] = 'openmov'\nmain()"
        with subprocess.Popen(
            [sys.executable, "-c", code, *command], stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            wait_for(lambda: len(list(tmp_path.glob("train/[0-9]*.mp4"))) >= 3, process)
            os.killpg(process.pid, signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.read()
        assert process.returncode == 130
        lines = [line for line in said.splitlines() if not line.startswith("writing clips")]
        assert lines == ["openmov: interrupted; what was finished is kept"]
        assert not list(tmp_path.glob("manifest-*.csv"))

    def test_ctrl_c_while_training(self, tiny_world: TinyWorld, tmp_path: Path) -> None:
        command = tiny_world.train(tmp_path / "run", "--set", "training.epochs=100000")
        code = "import sys\nfrom openmov.cli import main\nsys.argv[0] = 'openmov'\nmain()"
        with subprocess.Popen([sys.executable, "-c", code, *command], stderr=subprocess.PIPE, text=True) as process:
            wait_for((tmp_path / "run" / "checkpoints" / "last" / "checkpoint.json").is_file, process)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.read()
        assert process.returncode == 130
        assert said.splitlines()[-1] == "openmov: interrupted; what was finished is kept"
        assert "Traceback" not in said


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestJson:
    def test_stdout_holds_json_and_nothing_else(
        self, tiny_world: TinyWorld, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        prepare = ["prepare", "--recipe", str(tiny_world.recipe), *tiny_world.inputs()]
        place = prepare.index("--vocabulary")
        videos = tmp_path / "kinetics" / "air_drumming"
        videos.mkdir(parents=True)
        (videos / "a.mp4").symlink_to(shutil.copy(tiny_world.clip(BASE[0]), tmp_path / "kinetics" / "b.mp4"))
        dataset = ["dataset", "kinetics400", "--videos", str(videos.parent), "--out", str(tmp_path / "lists")]
        commands = {
            "dataset": (dataset, {"dataset", "listed", "present", "missing", "broken", "empty_classes", "manifest"}),
            "cache clear": (["cache", "clear", "--cache", str(tmp_path / "none")], {"folder", "kinds"}),
            "cache show": (["cache", "show", "--cache", str(tmp_path / "none")], {"folder", "kinds"}),
            "check": (["check", str(tiny_world.clip(BASE[0]))], {"checked", "faults", "notes"}),
            "prepare": ([*prepare[:place], *prepare[place + 2 :]], {"ready", "failed"}),
            "train": (
                tiny_world.train(tmp_path / "run"),
                {"run", "epochs", "steps", "best_epoch", "best_validation", "calibration", "unreadable"},
            ),
            "evaluate": (tiny_world.evaluate(tiny_run), {"rows", "evaluated", "failed"}),
            "models": (["models"], {"models"}),
            "models check": (["models", "check", str(tiny_world.backbone)], {"name", "loads", "format", "licence"}),
            "predict": (
                ["predict", str(tiny_world.clip(BASE[0])), "--labels", "a,b", "--run", str(tiny_run)],
                {"backbone", "vocabulary", "settings", "predictions", "failures"},
            ),
        }
        with_json = {verb for verb in VERBS if "--json" in options_of(verb)}
        asks_a_hub, needs_a_sound_tower = {"models fetch"}, {"calibrate"}  # test_models.py, flows/test_towers.py
        assert with_json == set(commands) | asks_a_hub | needs_a_sound_tower
        for verb, (command, keys) in commands.items():
            assert run([*command, "--json"]) == 0
            assert keys <= json.loads(capsys.readouterr().out).keys(), verb


class TestOrdinaryOutput:
    def test_recipes_can_be_used_again(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["recipe"]) == 0
        names = capsys.readouterr().out.split()
        assert {"kinetics700", "vggsound", "shapesav-motion"} <= set(names)
        for name in names:
            assert run(["recipe", name, "--set", "training.epochs=7"]) == 0
            printed = capsys.readouterr().out
            (tmp_path / "mine.yaml").write_text(printed)
            assert run(["recipe", str(tmp_path / "mine.yaml")]) == 0
            assert capsys.readouterr().out == printed
            assert "epochs: 7" in printed

    def test_split_is_drawn_and_read_back(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        names, out = tmp_path / "names.txt", tmp_path / "vocabulary.json"
        names.write_text("archery\nbowling\nyawning\n# not a class\nfencing\n")
        assert run(["split", str(names), "--out", str(out), "--fraction", "0.5", "--seed", "3"]) == 0
        assert capsys.readouterr().out == f"2 base and 2 novel classes in {out}\n"
        assert run(["check", str(out)]) == 0
        assert capsys.readouterr().out == "1 checked, 0 faults\n"

    def test_predictions_are_ranked_bars(
        self, tiny_world: TinyWorld, tiny_run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["predict", str(tiny_world.clip(BASE[0])), "--labels", ",".join(BASE), "--run", str(tiny_run)]
        assert run([*command, "--top", "2"]) == 0
        printed = capsys.readouterr()
        lines = printed.out.strip().splitlines()
        assert lines[0] == f"{tiny_world.clip(BASE[0])}  (saw video, saw motion, heard sound)"
        shares = [float(line.split("%")[0]) for line in lines[1:]]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 2
        assert re.fullmatch(
            rf"backbone: {tiny_world.backbone} \([0-9a-f]+, licence unknown\); "
            r"base path, tau 0\.05, 1x1 views, (bf16|fp32) on (cpu|cuda)\n",
            printed.err,
        )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_the_door_holds_what_is_used() -> None:
    assert set(openmov.cli.__all__) == {"app", "main", "run"}
