"""A line an epoch where there is no terminal, a bar where there is one, nothing where nobody asked."""

import io

import pytest
from rich.console import Console

from openmov.training import progress
from openmov.training.progress import StepPace, TrainingProgress, duration

PACE = StepPace(seconds=0.1, clips_per_second=12.0, data_wait_share=0.25, memory_bytes=3_200_000_000)


def run(console: Console | None, shown: bool = True) -> None:
    with TrainingProgress(2, 3, shown, console) as display:
        for step in range(1, 7):
            display.step(step, 1.5, PACE)
            if step % 3 == 0:
                display.epoch(step // 3 - 1, 1.5, 0.75, best=step == 3)


def test_a_line_an_epoch_without_a_terminal() -> None:
    out = io.StringIO()
    run(Console(file=out, force_terminal=False))
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  loss 1.500  validation 0.7500 (best)")
    assert lines[1].startswith("epoch 2/2  loss 1.500  validation 0.7500  ")


def test_a_line_a_minute_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    out = io.StringIO()
    run(Console(file=out, force_terminal=False))
    lines = out.getvalue().splitlines()
    assert len(lines) == 8  # six steps, two epochs
    assert lines[1] == "epoch 1/2  step 2/3  loss 1.500  12.0 clips/s  waiting for data 25%  3.2 GB  0:00 left"


def test_a_bar_on_a_terminal() -> None:
    out = io.StringIO()
    run(Console(file=out, force_terminal=True, width=140, color_system=None, legacy_windows=False))
    assert "loss 1.500  12.0 clips/s  waiting for data 25%  3.2 GB  0:00 left" in out.getvalue()
    assert "epoch 2/2" in out.getvalue()


def test_everything_goes_to_stderr_or_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    run(None)
    shown = capsys.readouterr()
    run(None, shown=False)
    silent = capsys.readouterr()
    assert shown.out == silent.out == silent.err == ""
    assert "epoch 1/2" in shown.err


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (123.0, "2:03"), (3723.0, "1:02:03")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
