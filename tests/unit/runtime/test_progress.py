"""One line where nobody watches, a bar where somebody does, nothing where nothing is to be seen."""

import io

import pytest

from openmov.runtime.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No variable of this machine decides what a terminal is."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_without_a_terminal_one_line_says_how_far_it_came(
    plain: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar("preparing", 7) as show:
        for done in range(1, 6):
            show(done)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("preparing: 5 of 7, ")
    assert err.endswith(" s\n")
    assert err.count("\n") == 1


def test_a_long_title_stays_on_its_line(plain: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("a" * 200, 1) as show:
        show(1)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("total", "shown"), [(0, True), (3, False), (0, False)])
def test_nothing_is_said_where_nothing_is_to_be_seen(
    plain: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int, shown: bool
) -> None:
    with progress_bar("preparing", total, shown=shown) as show:
        show(total)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(plain: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    plain.setattr("sys.stderr", terminal)
    with progress_bar("preparing", 7) as show:
        show(5)
    drawn = terminal.getvalue()
    assert "preparing" in drawn
    assert "5/7" in drawn
    assert "5 of 7" not in drawn


def test_a_hidden_bar_leaves_a_terminal_alone(plain: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    plain.setattr("sys.stderr", terminal)
    with progress_bar("preparing", 7, shown=False) as show:
        show(5)
    assert terminal.getvalue() == ""


def test_an_error_passes_without_a_closing_line(plain: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), progress_bar("preparing", 7) as show:
        show(1 // 0)
    assert capsys.readouterr().err == ""


def test_a_line_now_and_then_where_nobody_watches(
    plain: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    plain.setattr("openmov.runtime.progress.time.monotonic", lambda: clock[0])
    with progress_bar("preparing", 600) as show:
        for done in range(600):
            clock[0] = float(done)
            show(done)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "preparing: 10 of 600, 10 s, 590 s left"
    assert [line.split()[1] for line in lines[:-1]] == ["10", "30", "70", "150", "310"]
