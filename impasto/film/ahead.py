"""Work ahead: what comes next is made in a thread while what there is is used."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Generator[Item, None, None], count: int = 2) -> Generator[Item, None, None]:
    """The items, none of which may be None, in order; so many are made ahead, in a thread of their own.

    What making one raises is raised where it would have come. Closing waits for the one in hand and closes `items`.
    """
    thread = ThreadPoolExecutor(1, "ahead")
    waiting = deque(thread.submit(next, items, None) for _ in range(count))
    try:
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
        items.close()
