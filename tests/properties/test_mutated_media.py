"""The short form of the campaign on mutated media (`make fuzz` is the long one): all kinds of files and of harm."""

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parents[1] / "campaigns" / "media.py"


@pytest.mark.skipif(sys.platform == "win32", reason="limits on a child process are those of POSIX systems")
def test_mutated_files_are_read_or_named() -> None:
    command = [sys.executable, str(CAMPAIGN), "--count", "60", "--limit", "60", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 files" in done.stdout
