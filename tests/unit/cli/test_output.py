"""Names reach a terminal as escapes and programs as they are, whatever is in them."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from openmov.cli.output import csv_line, say
from openmov.printable import json_text, printable

NASTY = "a\x1b[2Jb\u202ec\x9b\u200e\x07,\"'\td"
NOT_UTF8 = os.fsdecode(b"caf\xe9.mp4")


@pytest.mark.parametrize("name", [NASTY, NOT_UTF8, "a\nb\r\nc", "\u2028\u00ad\ufeff", "\U000e0041"])
def test_nothing_hidden_is_left_and_json_and_csv_give_the_name_back(name: str) -> None:
    assert printable(name).isprintable()
    text = json_text({"path": name})
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == {"path": name}
    assert next(csv.reader(io.StringIO(csv_line([name, "x"]), newline=""))) == [name, "x"]


@pytest.mark.parametrize("name", ["naïve café", "骑自行车", "👨‍👩‍👧", "नमस्ते", "می‌خواهم", "a\u00a0b"])
def test_what_is_only_foreign_stays_as_it_is(name: str) -> None:
    assert printable(name) == name


def test_lines_are_kept_and_what_is_in_them_is_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"one\n{NASTY}")
    assert capsys.readouterr().out == f"one\n{printable(NASTY)}\n"
    assert printable("a\x1b\n\udcff\u202e") == "a\\x1b\\n\\xff\\u202e"


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        ("https://me:pass@host/pack: 404", "https://host/pack: 404"),
        ("(https://host/pack?sig=topsecret&x=1; try)", "(https://host/pack?...; try)"),
        ("s3://key:topsecret@bucket/a?token=topsecret is none", "s3://bucket/a?... is none"),
        ("who? a@b", "who? a@b"),
    ],
)
def test_secrets_in_addresses_are_never_shown(shown: str, left: str) -> None:
    assert printable(shown) == left


CODE = """
import sys
from openmov.cli.output import print_csv, print_json, say
name = sys.argv[1]
say(f"{name} \u2588")
print_json([name])
print_csv([[name, "x"]])
"""


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "latin"])
def test_names_survive_under_every_locale(locale: str) -> None:
    """A name that is not UTF-8 comes back from JSON and CSV as the same bytes."""
    more = {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C.UTF-8"} if locale == "latin" else {"LC_ALL": locale}
    command = [sys.executable, "-c", CODE, b"caf\xe9\x1b.mp4"]
    done = subprocess.run(command, capture_output=True, env=os.environ | more, check=True)
    shown, data, row = done.stdout.split(b"\n", 1)[0], done.stdout.split(b"\n", 1)[1], done.stdout.splitlines()[-1]
    assert b"\x1b" not in shown
    assert b"\\xe9" in shown
    assert os.fsencode(json.loads(data[: data.rindex(b"]") + 1])[0]) == b"caf\xe9\x1b.mp4"
    assert os.fsencode(next(csv.reader([row.decode("utf-8", "surrogateescape")]))[0]) == b"caf\xe9\x1b.mp4"
