"""What was computed once and will be wanted again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Shelf:
    """Backbones and style targets of earlier paintings, for the next that needs the same; the oldest make room."""

    def __init__(self, room: int = 16) -> None:
        self.room = room
        self.things: OrderedDict[Hashable, Any] = OrderedDict()

    def take(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is kept under `key`, made first if it is not there."""
        if key not in self.things:
            self.things[key] = make()
        self.things.move_to_end(key)
        while len(self.things) > self.room:
            self.things.popitem(last=False)
        return self.things[key]
