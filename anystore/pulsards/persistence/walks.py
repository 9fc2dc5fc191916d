"""Walks over values that are written out a piece at a time, each as its value was when the walk began.

Before the value is changed, `freeze` lets a walk go on over a copy of what is left: of the references, not of the elements.
So nothing is copied where nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.stream_nodes import StreamNode
from anystore.pulsards.datatypes.stream_pending import Delivery

#: Pending entries of a stream that are read at once.
_AT_ONCE: Final = 100


class ElementWalk:
    """Rows of elements: of iterators side by side, none of which is asked again once the value may have changed."""

    __slots__ = ("_columns", "_frozen", "_rows")

    def __init__(self, *columns: Iterator[Any]) -> None:
        self._columns = columns
        self._rows: Iterator[tuple[Any, ...]] = zip(*columns, strict=False)
        self._frozen = False

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """The next rows, at most so many; none at the end. O(count)."""
        return list(islice(self._rows, count))

    def freeze(self) -> None:
        """The value is about to be changed. O(what is left) the first time, some ns an element."""
        if not self._frozen:
            self._frozen = True
            self._rows = zip(*[list(column) for column in self._columns], strict=False)


class StreamWalk:
    """A stream: `stream` is as it was when the walk began, and so is whatever is asked of it at any time."""

    __slots__ = ("_frozen", "stream")

    def __init__(self, stream: StreamValue) -> None:
        self.stream = stream
        self._frozen = False

    def freeze(self) -> None:
        """The stream is about to be changed. O(runs + pending entries) the first time, some ns each."""
        if not self._frozen:
            self._frozen = True
            self.stream = self.stream.image()

    def count_runs(self) -> int:
        """How many runs `runs` has. O(runs)."""
        return sum(1 for node in self.stream.nodes if node.ids)

    def runs(self) -> Iterator[StreamNode]:
        """The runs that have any entries; the walk may be frozen between two of them."""
        place = 0
        while place < len(self.stream.nodes):
            node = self.stream.nodes[place]
            place += 1
            if node.ids:
                yield node

    def pending(self, group: bytes, consumer: bytes | None = None) -> Iterator[list[tuple[int, Delivery]]]:
        """What a group, or one of its consumers, has pending, in order and some at a time.

        The walk may be frozen between two portions. Of the deliveries only time and count are as they were.
        """
        start = 0
        while True:
            known = self.stream.groups[group]
            entries = known.pending if consumer is None else known.consumers[consumer].pending
            found = [(number, entries[number]) for number in islice(entries.ids_from(start), _AT_ONCE)]
            if not found:
                return
            yield found
            start = found[-1][0] + 1
