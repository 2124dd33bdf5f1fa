"""Ctrl-C waits for the end of the block, and is not lost."""

import os
import signal

import pytest

from openmov.runtime.interrupts import interrupts_deferred


def test_ctrl_c_takes_effect_at_the_end_of_the_block() -> None:
    done: list[str] = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the whole block")

    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        work()
    assert done == ["the whole block"]


def test_without_ctrl_c_nothing_happens_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_deferred():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
