"""Like messages are one line with a count and an example, and nothing in them is obeyed by a terminal."""

from openmov.cli.counted import counted, counted_errors
from openmov.errors import DecodeError


def test_like_ones_are_counted_and_one_is_named() -> None:
    messages = [(f"{number}.mp4", "no sound", "") for number in range(928)]
    messages.insert(3, ("b.mp4", "cut off: 2.0 s are promised, its data ends at 1 s", ""))
    messages.append(("c.mp4", "cut off: 7.5 s are promised, its data ends at 3.25 s", ""))
    assert list(counted(messages)) == [
        "928 files such as 0.mp4: no sound",
        "2 files such as b.mp4: cut off: 2.0 s are promised, its data ends at 1 s",
    ]
    assert len(list(counted(messages, each_up_to=len(messages)))) == 930


def test_kinds_that_are_given_and_one_file() -> None:
    messages = [("a.csv", f"line {number}: missing file: {name}", "missing") for number, name in enumerate("xyz")]
    assert list(counted(messages)) == ["a.csv: 3 like this: line 0: missing file: x"]


def test_a_single_one_is_said_as_it_is_and_errors_keep_their_advice() -> None:
    assert list(counted_errors([DecodeError("a\x1b.mp4", "is empty", "copy it again")])) == [
        "a\\x1b.mp4: is empty; copy it again"
    ]
