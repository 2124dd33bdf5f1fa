"""Things read ahead by threads, and handed over in order.

The one who takes the results works on one while the next are being read. Knows nothing of what is read.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(read: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result, None, None]:
    """`read` of every item, in the items' order; with one worker each when it is asked for, in the caller's thread.

    With more, that many threads read ahead, and no more than that many results wait: memory does not grow with the
    number of items. What `read` raises comes out in its place. Closing the iterator waits for the reads begun only.
    """
    if workers <= 1:
        yield from map(read, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="openmov-read")
    try:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
