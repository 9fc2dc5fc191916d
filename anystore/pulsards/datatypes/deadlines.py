"""Moments by name, with the earliest one at hand."""

from __future__ import annotations

import heapq
from collections.abc import Mapping


class Deadlines(dict[bytes, int]):
    """A dict from name to moment (milliseconds since 1970); `pop` and all reading methods of dict serve.

    Beside it stands a heap of the moments. A name that is moved or removed leaves its entry there behind,
    which is passed over when it comes up.
    """

    __slots__ = ("_heap",)

    def __init__(self, moments: Mapping[bytes, int] | None = None) -> None:
        """The deadlines in `moments`. O(n)."""
        super().__init__(moments or {})
        self._heap = [(when, name) for name, when in self.items()]
        heapq.heapify(self._heap)

    def put(self, name: bytes, when: int) -> None:
        """Let `name` be due at `when`, and no more at another moment. Amortised O(log n)."""
        self[name] = when
        heap = self._heap
        heapq.heappush(heap, (when, name))
        # Once what was left behind outnumbers what counts, building the heap anew costs less than it did.
        if len(heap) > 64 + 3 * len(self):
            self._heap = [(moment, key) for key, moment in self.items()]
            heapq.heapify(self._heap)

    def earliest(self) -> int | None:
        """The next moment at which a name is due, or None. Amortised O(log n)."""
        heap = self._heap
        while heap:
            when, name = heap[0]
            if self.get(name) == when:
                return when
            heapq.heappop(heap)
        return None

    def take_due(self, now: int, limit: int | None = None) -> list[bytes]:
        """Remove and return the names that are due at `now`, the earliest first, and at most `limit` of them.

        O(log n) each.
        """
        due: list[bytes] = []
        while (when := self.earliest()) is not None and when <= now and (limit is None or len(due) < limit):
            _, name = heapq.heappop(self._heap)
            del self[name]
            due.append(name)
        return due
