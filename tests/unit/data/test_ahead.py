"""Results in order, whatever the threads do; never far ahead; faults in their place."""

import threading
import time

import pytest

from openmov.data.loader import in_order


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_in_order_though_the_first_takes_longest(workers: int) -> None:
    def read(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(in_order(read, range(9), workers)) == [n * n for n in range(9)]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 3), (4, 5)])
def test_no_more_is_read_ahead_than_there_are_workers(workers: int, most: int) -> None:
    begun: list[int] = []
    results = in_order(begun.append, range(50), workers)
    next(results)
    time.sleep(0.05)
    assert begun == sorted(begun) or workers > 1
    assert len(begun) <= most
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= most


def test_with_one_worker_the_caller_reads() -> None:
    assert set(in_order(lambda _: threading.current_thread(), range(3), 1)) == {threading.current_thread()}
    assert threading.current_thread() not in set(in_order(lambda _: threading.current_thread(), range(3), 2))


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_raised_comes_out_in_its_place(workers: int) -> None:
    def read(number: int) -> float:
        return 1 / (3 - number)

    results = in_order(read, range(9), workers)
    assert [next(results) for _ in range(3)] == pytest.approx([1 / 3, 1 / 2, 1])
    with pytest.raises(ZeroDivisionError):
        next(results)
