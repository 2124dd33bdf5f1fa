"""What numba keeps on disk belongs to the sources there are now; who waits for the compiler is told."""

import sys
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core import event
from numba.core.registry import cpu_target

from openmov.tvl1 import flow as tvl1_solve
from openmov.tvl1.flow import SOURCES, kept, stamp_of


def key_on_disk(function: Any) -> tuple[object, ...]:
    """What numba finds a compiled function by, beside the date of its file."""
    signature = (numba.types.int64,)
    key: tuple[object, ...] = function._cache._index_key(signature, cpu_target.target_context.codegen())
    return key


def test_every_source_is_in_the_stamp(tmp_path: Path) -> None:
    names = {"kernels.py", "lanes.py", "median.py", "pyramid.py"}
    assert names <= {path.name for path in SOURCES}
    copies = [tmp_path / path.name for path in SOURCES]
    for copy, path in zip(copies, SOURCES, strict=True):
        copy.write_bytes(path.read_bytes())
    as_it_is = stamp_of(copies)
    assert as_it_is == stamp_of(SOURCES)
    for copy, path in zip(copies, SOURCES, strict=True):
        copy.write_bytes(path.read_bytes() + b"\n")
        assert stamp_of(copies) != as_it_is, path
        copy.write_bytes(path.read_bytes())


def test_another_stamp_is_another_entry_on_disk() -> None:
    assert key_on_disk(kept(1)) == key_on_disk(kept(1))
    assert key_on_disk(kept(1)) != key_on_disk(kept(2))
    assert key_on_disk(tvl1_solve.solve) == key_on_disk(kept(stamp_of(SOURCES)))


def test_the_one_who_waits_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    said = []
    for function in (kept(1), tvl1_solve.solve):
        with event.trigger_event("numba:compile", data={"dispatcher": function}):
            pass
        said.append(capsys.readouterr().err)
    assert said[0] == ""
    assert "compiling optical flow, once" in said[1]


def test_no_terminal_no_remark(capsys: pytest.CaptureFixture[str]) -> None:
    with event.trigger_event("numba:compile", data={"dispatcher": tvl1_solve.solve}):
        pass
    assert capsys.readouterr().err == ""
