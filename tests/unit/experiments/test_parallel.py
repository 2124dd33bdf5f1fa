"""Jobs side by side come to the same as one after the other, and say what went wrong."""

import os

import pytest

from openmov.errors import RecipeError, StorageError
from openmov.experiments.parallel import _each


def _square(number: int) -> int:
    return number * number


def _refuse(number: int) -> int:
    raise RecipeError("number", f"{number} is refused")


def _die(number: int) -> int:
    os._exit(number)


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_every_job_once_with_its_result(at_a_time: int) -> None:
    assert dict(_each(_square, (3, 1, 2), at_a_time)) == {3: 9, 1: 1, 2: 4}


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_what_a_job_raises_is_raised(at_a_time: int) -> None:
    with pytest.raises(RecipeError, match="number: 7 is refused"):
        list(_each(_refuse, (7,), at_a_time))


def test_a_process_ended_from_outside_is_one_line() -> None:
    with pytest.raises(StorageError, match=r"ended from outside .*; run it again"):
        list(_each(_die, (3,), 2))
