"""The list type."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import ClassVar, NamedTuple

from anystore.pulsards.datatypes.limits import EncodingLimits
from anystore.pulsards.datatypes.listpack_size import entry_size

# Below this many elements, indexing each one of a slice far from both ends beats walking up to it: a deque
# finds an index by blocks of 64 elements, an iterator walks element by element.
_INDEXED_SLICE = 48


class _Settled(NamedTuple):
    """Whether a list is no listpack, and the mark that it had when that was decided."""

    spilled: bool
    mark: tuple[int, ...]


class ListValue(deque[bytes]):
    """A list: a deque of elements.

    The deque's own methods serve directly: `append`, `appendleft`, `extend`, `extendleft`, `pop`, `popleft`,
    `len()`, indexing. O(1) at the ends, O(n / 64) by index.
    """

    __slots__ = ("_rewritten", "_spilled")

    type_name: ClassVar[bytes] = b"list"

    _rewritten: int
    _spilled: bool | _Settled

    def pop_many(self, count: int, left: bool) -> list[bytes]:
        """Remove and return up to `count` elements from the left or right end, outermost first. O(count)."""
        pop = self.popleft if left else self.pop
        return [pop() for _ in range(min(count, len(self)))]

    def _bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Redis' inclusive range, negative numbers counting from the end, as a half-open one."""
        size = len(self)
        if start < 0:
            start = max(start + size, 0)
        if stop < 0:
            stop += size
        stop = min(stop + 1, size)
        return (start, stop) if start < stop else (0, 0)

    def range(self, start: int, stop: int) -> list[bytes]:
        """LRANGE: the elements from `start` to `stop` inclusive, negative numbers counting from the end.

        O(m) near the ends, O(m + distance to the nearer end) otherwise.
        """
        start, stop = self._bounds(start, stop)
        size = len(self)
        count = stop - start
        after = size - stop
        if start <= 64 or (start <= after and count >= _INDEXED_SLICE):
            return list(islice(self, start, stop))
        if count < _INDEXED_SLICE:
            return [self[i] for i in range(start, stop)]
        found = list(islice(reversed(self), after, after + count))
        found.reverse()
        return found

    def trim(self, start: int, stop: int) -> None:
        """LTRIM: keep only the elements from `start` to `stop` inclusive. O(number removed)."""
        start, stop = self._bounds(start, stop)
        if start == stop:
            self.clear()
            return
        for _ in range(len(self) - stop):
            self.pop()
        for _ in range(start):
            self.popleft()

    @property
    def rewritten(self) -> int:
        """The bytes of elements put in elsewhere than at the ends, for whoever keeps account of memory."""
        return getattr(self, "_rewritten", 0)

    def replace(self, index: int, element: bytes) -> None:
        """LSET: put `element` in the place of the one at `index`, which must be there. O(n / 64)."""
        self[index] = element
        self._rewritten = self.rewritten + len(element)

    def insert_beside(self, pivot: bytes, element: bytes, before: bool) -> bool:
        """LINSERT: put `element` before or after the first `pivot`; False when there is none. O(n)."""
        try:
            position = self.index(pivot)
        except ValueError:
            return False
        self.insert(position if before else position + 1, element)
        self._rewritten = self.rewritten + len(element)
        return True

    def remove_matching(self, element: bytes, count: int) -> int:
        """LREM: remove elements equal to `element`, and return how many.

        The first `count` ones; the last `-count` ones when it is negative; all when it is 0. O(n).
        """
        doomed = set(self.positions(element, rank=-1 if count < 0 else 1, count=abs(count)))
        if doomed:
            kept = [item for position, item in enumerate(self) if position not in doomed]
            self.clear()
            self.extend(kept)
        return len(doomed)

    def positions(self, element: bytes, rank: int = 1, count: int = 1, maxlen: int = 0) -> list[int]:
        """LPOS: the indexes of the elements equal to `element`.

        Starts at the `rank`-th match, from the end and backwards when it is negative (never 0); at most
        `count` indexes, and no more than `maxlen` comparisons, 0 meaning no limit in both. O(n).
        """
        size = len(self)
        backwards = rank < 0
        skipped = abs(rank) - 1
        items = islice(reversed(self) if backwards else self, maxlen or None)
        found: list[int] = []
        for position, item in enumerate(items):
            if item == element:
                if skipped:
                    skipped -= 1
                    continue
                found.append(size - 1 - position if backwards else position)
                if len(found) == count:
                    break
        return found

    def copy(self) -> ListValue:
        """An independent copy. O(n)."""
        twin = ListValue(self)
        twin._spilled = getattr(self, "_spilled", False)
        return twin

    def is_compact(self, limits: EncodingLimits) -> bool:
        """Whether Redis would keep the list as one listpack.

        A list that has been found to be larger returns to a listpack only at half the limit, as in Redis;
        what it was between two questions is not known. O(1) for long lists, else O(n).
        """
        state: bool | _Settled = getattr(self, "_spilled", False)
        if isinstance(state, _Settled):
            if state.mark == self._mark():
                return not state.spilled
            state = state.spilled
        share = 2 if state else 1
        room = limits.list_listpack_bytes
        most = limits.list_listpack_entries
        compact = (most is None or len(self) <= most // share) and self._listpack_size(room) <= room // share
        self._spilled = not compact
        return compact

    def settle(self, limits: EncodingLimits) -> None:
        """Keep what these limits have made of the list until it is written to, whatever the limits are then.

        O(1) for long lists, else O(n).
        """
        spilled = not self.is_compact(limits)
        self._spilled = _Settled(spilled, self._mark())

    def _mark(self) -> tuple[int, ...]:
        """What is another after a write; most of them go past this class. O(bytes of the ends), once an element."""
        return (len(self), self.rewritten, hash(self[0]), hash(self[-1])) if self else (0,)

    def _listpack_size(self, enough: int) -> int:
        """The bytes of a listpack of the elements, or some number above `enough`."""
        # The least element takes two bytes; a listpack has seven more at its ends.
        if len(self) * 2 + 7 > enough:
            return enough + 1
        size = 7
        for item in self:
            size += entry_size(item)
            if size > enough:
                break
        return size

    def encoding(self, limits: EncodingLimits) -> bytes:
        """What OBJECT ENCODING answers."""
        return b"listpack" if self.is_compact(limits) else b"quicklist"
