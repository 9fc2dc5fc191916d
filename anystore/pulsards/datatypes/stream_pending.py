"""What a consumer group has delivered and nobody has acknowledged yet, in the order of the entries' IDs."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedList

if TYPE_CHECKING:
    from anystore.pulsards.datatypes.stream_groups import Consumer

# A plain list is quicker up to about this size; beyond it, moving its tail for an insertion would show.
_LIST_LIMIT = 2000
# Removed IDs that may stay in the order, beside as many as there are live ones.
_STALE_LIMIT = 64


class Delivery:
    """That an entry was delivered: to whom, when for the last time (milliseconds since 1970), and how often.

    Time and count never change, as images may share them: a new one takes its place.
    """

    __slots__ = ("consumer", "count", "time")

    def __init__(self, consumer: Consumer, time: int, count: int = 1) -> None:
        self.consumer = consumer
        self.time = time
        self.count = count


class PendingEntries(dict[int, Delivery]):
    """A dict from ID to delivery that can be walked in the order of IDs.

    Entries mostly come with ever higher IDs and go from the lowest: so the order is a list that is appended
    to, and an ID that is removed stays in it until there are more of those than of live ones. Change it only
    by `add` and `discard`.
    """

    __slots__ = ("_order",)

    def __init__(self) -> None:
        self._order: list[int] | SortedList = []

    def add(self, number: int, delivery: Delivery) -> None:
        """Put an entry, or replace what is known of it. O(1) for the highest ID so far, else O(log n)."""
        if number not in self:
            order: Any = self._order
            if not isinstance(order, list):
                if number not in order:
                    order.add(number)
            elif not order or number > order[-1]:
                order.append(number)
            elif order[bisect_left(order, number)] != number:
                insort(order, number)
                if len(order) > _LIST_LIMIT:
                    self._order = SortedList(order)
        self[number] = delivery

    def discard(self, number: int) -> Delivery | None:
        """Remove an entry; what was known of it, None where it was not there. Amortised O(1)."""
        delivery = self.pop(number, None)
        if delivery is not None and len(self._order) > 2 * len(self) + _STALE_LIMIT:
            self._order = [number for number in self._order if number in self]
        return delivery

    def copy(self) -> PendingEntries:
        """A copy that has the same deliveries. O(n), some ns each."""
        twin = PendingEntries()
        twin.update(self)
        twin._order = self._order.copy()
        return twin

    def ids_from(self, start: int = 0) -> Iterator[int]:
        """The IDs from `start` on in order; entries may be discarded on the way. O(log n), then O(1) each."""
        order: Any = self._order
        stale = 0
        for number in order:
            if number in self:
                break
            stale += 1
        if stale:
            del order[:stale]
        position = bisect_left(order, start) if isinstance(order, list) else order.bisect_left(start)
        for place in range(position, len(order)):
            if (number := order[place]) in self:
                yield number

    def highest(self) -> int:
        """The highest ID; there must be an entry. Amortised O(1)."""
        order: Any = self._order
        while order[-1] not in self:
            order.pop()
        return int(order[-1])
