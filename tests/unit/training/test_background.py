"""One piece of work at a time, in order; what goes wrong comes out where the training next looks."""

import threading
from collections.abc import Callable

import pytest

from openmov.training.checkpoints import BackgroundWriter


def test_at_most_one_is_in_flight_and_they_come_in_order() -> None:
    gate, done = threading.Event(), []
    with BackgroundWriter() as writer:
        writer.submit(lambda: (gate.wait(5), done.append("first"))[1])
        writer.look()  # does not wait
        assert done == []
        threading.Timer(0.05, gate.set).start()
        writer.submit(lambda: done.append("second"))
        assert done[0] == "first"  # it waited for the one before
    assert done == ["first", "second"]  # and the end for all


def fail() -> None:
    raise ZeroDivisionError


def test_an_error_is_raised_once_at_the_next_look() -> None:
    def look_until_known(writer: BackgroundWriter) -> None:
        while True:
            writer.look()

    with BackgroundWriter() as writer:
        writer.submit(fail)
        with pytest.raises(ZeroDivisionError):
            look_until_known(writer)
        writer.look()
        writer.submit(lambda: None)


def left(work: Callable[[], None], error: type[Exception] | None) -> None:
    with BackgroundWriter() as writer:
        writer.submit(work)
        if error is not None:
            raise error


def test_the_end_raises_too_but_never_hides_another_error() -> None:
    with pytest.raises(ZeroDivisionError):
        left(fail, None)
    with pytest.raises(KeyError):
        left(fail, KeyError)


def test_an_error_on_the_way_out_still_waits_for_what_is_in_flight() -> None:
    done: list[int] = []
    gate = threading.Event()
    threading.Timer(0.05, gate.set).start()
    with pytest.raises(KeyError):
        left(lambda: (gate.wait(5), done.append(1))[1], KeyError)
    assert done == [1]
