"""What waits for another thread, up to a number, and stays whole when a signal comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from queue import SimpleQueue

Item = TypeVar("Item")


class Waiting(Generic[Item]):
    """Items on their way to one other thread, which goes through them until the end.

    Not :class:`queue.Queue`: what a signal raises in the middle of its ``put`` can cost the other
    thread a wakening, and then who waits for that thread does so for ever.

    Args:
        room: how many may wait.
    """

    def __init__(self, room: int) -> None:
        from queue import SimpleQueue  # a small run has no use for it

        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(room):
            self._room.put(None)

    def put(self, item: Item) -> None:
        """Adds an item, once there is room."""
        self._room.get()
        self._items.put(item)

    def end(self) -> None:
        """Nothing comes after this; does not wait."""
        self._items.put(None)

    def __iter__(self) -> Iterator[Item]:
        while (item := self._items.get()) is not None:
            self._room.put(None)
            yield item
