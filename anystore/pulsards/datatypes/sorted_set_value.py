"""The sorted set type, and the ranges that its commands take."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from math import inf, nextafter
from typing import ClassVar, NamedTuple

from sortedcontainers import SortedList

from anystore.pulsards.datatypes.limits import EncodingLimits
from anystore.pulsards.datatypes.sampling import Collection
from anystore.pulsards.numbers import parse_bound

# A plain list with bisection is quicker up to about this size (measured), and much lighter when it is small.
_LIST_LIMIT = 2000


class ScoreRange(NamedTuple):
    """An interval of scores; an open end is exclusive."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def parse(cls, low: bytes, high: bytes) -> ScoreRange | None:
        """From arguments such as `-inf`, `(1.5`, `3`; None when one is not a float."""
        low_open, high_open = low[:1] == b"(", high[:1] == b"("
        start = parse_bound(low[1:] if low_open else low)
        stop = parse_bound(high[1:] if high_open else high)
        if start is None or stop is None:
            return None
        return cls(start, stop, low_open, high_open)


class LexRange(NamedTuple):
    """An interval of members in byte order; None is unbounded (`-` below, `+` above), an open end is
    exclusive.

    `empty` is an interval that cannot hold anything, such as from `+` to `-`.
    """

    low: bytes | None
    high: bytes | None
    low_open: bool = False
    high_open: bool = False
    empty: bool = False

    @classmethod
    def parse(cls, low: bytes, high: bytes) -> LexRange | None:
        """From arguments such as `-`, `+`, `[abc`, `(abc`; None when one is none of these."""
        for text in (low, high):
            if text not in (b"-", b"+") and text[:1] not in (b"[", b"("):
                return None
        if low == b"+" or high == b"-":
            return cls(None, None, empty=True)
        return cls(
            None if low == b"-" else low[1:],
            None if high == b"+" else high[1:],
            low[:1] == b"(",
            high[:1] == b"(",
        )

    def reaches(self, member: bytes) -> bool:
        """Whether `member` is not below the interval."""
        return self.low is None or (member > self.low if self.low_open else member >= self.low)

    def spans(self, member: bytes) -> bool:
        """Whether `member` is not above the interval."""
        return self.high is None or (member < self.high if self.high_open else member <= self.high)


class SortedSetValue(Collection[float]):
    """A sorted set: a dict from member to score, and the pairs `(score, member)` in order.

    Members of equal score are in byte order. Ranges are found first, as a half-open slice of ranks
    (`by_rank`, `by_score`, `by_lex`), then counted, narrowed by offset and limit, read (`items`) or removed
    (`remove_slice`). A score must not be NaN. A negative zero becomes 0, as in Redis' compact encoding.
    """

    __slots__ = ("_order", "_peak", "_spilled", "_widest")

    type_name: ClassVar[bytes] = b"zset"

    def __init__(self, scores: Mapping[bytes, float] | None = None) -> None:
        """A sorted set of `scores`, which maps members to scores. O(n log n)."""
        # Not by super(): one frame less for each key that is created.
        self._index = None
        self._peak = 0
        self._widest = 0
        self._spilled = False
        self._order: list[tuple[float, bytes]] | SortedList = []
        if scores:
            # Adding 0.0 turns a negative zero into 0.
            self.update(zip(scores, [score + 0.0 for score in scores.values()], strict=True))
            order = sorted(zip(self.values(), self, strict=True))
            self._order = order if len(order) <= _LIST_LIMIT else SortedList(order)
            self._peak = len(self)
            self._widest = max(map(len, self))

    def put(self, member: bytes, score: float) -> None:
        """Add a member, or move it to another score. O(log n)."""
        old = self.get(member)
        if old is None:
            if self._index is not None:
                self._index.add(member)
            if len(member) > self._widest:
                self._widest = len(member)
            size = len(self) + 1
            if size > self._peak:
                self._peak = size
        elif old == score:
            return
        else:
            self._unorder(old, member)
        score += 0.0  # a negative zero becomes 0
        self[member] = score
        order = self._order
        if isinstance(order, list):
            insort(order, (score, member))
            if len(order) > _LIST_LIMIT:
                self._order = SortedList(order)
        else:
            order.add((score, member))

    def remove(self, member: bytes) -> bool:
        """Remove a member; whether it was there. O(log n)."""
        score = self.pop(member, None)
        if score is None:
            return False
        self._unorder(score, member)
        if self._index is not None:
            self._index.discard(member)
        return True

    def _unorder(self, score: float, member: bytes) -> None:
        order = self._order
        if isinstance(order, list):
            del order[bisect_left(order, (score, member))]
        else:
            order.remove((score, member))

    def _position(self, bound: tuple[float] | tuple[float, bytes]) -> int:
        """How many pairs are below `bound`."""
        order = self._order
        if isinstance(order, list):
            return bisect_left(order, bound)
        return int(order.bisect_left(bound))

    def rank(self, member: bytes) -> int | None:
        """The position from the lowest, from 0, or None when there is no such member. O(log n)."""
        score = self.get(member)
        return None if score is None else self._position((score, member))

    def by_rank(self, start: int, stop: int) -> tuple[int, int]:
        """The slice from rank `start` to `stop` inclusive, negative ones counting from the highest."""
        size = len(self)
        if start < 0:
            start = max(start + size, 0)
        if stop < 0:
            stop += size
        return start, max(min(stop + 1, size), start)

    def by_score(self, scores: ScoreRange) -> tuple[int, int]:
        """The slice of the members whose scores are in the range. O(log n)."""
        low, high, low_open, high_open = scores
        # A pair of a score alone sorts before all pairs with that score and a member.
        if not low_open:
            start = self._position((low,))
        elif low == inf:
            start = len(self)
        else:
            start = self._position((nextafter(low, inf),))
        if high_open:
            stop = self._position((high,))
        elif high == inf:
            stop = len(self)
        else:
            stop = self._position((nextafter(high, inf),))
        return start, max(start, stop)

    def by_lex(self, members: LexRange, reverse: bool = False) -> tuple[int, int]:
        """The slice of the members in the range, which is meant for members of one and the same score. O(log
        n).

        With differing scores Redis' documentation leaves the result open; here it is what Redis' compact
        encoding gives: from the first member that reaches the range (from the last one, in reverse) as long
        as they are in it. O(n) then.
        """
        order = self._order
        if members.empty or not order:
            return 0, 0
        score = order[0][0]
        if order[-1][0] != score:
            return self._by_lex_mixed(members, reverse)
        start, stop = 0, len(order)
        # The least byte string above another one is that string and a zero byte.
        if members.low is not None:
            start = self._position((score, members.low + b"\0" if members.low_open else members.low))
        if members.high is not None:
            stop = self._position((score, members.high if members.high_open else members.high + b"\0"))
        return start, max(start, stop)

    def _by_lex_mixed(self, members: LexRange, reverse: bool) -> tuple[int, int]:
        names = [member for _, member in self._order]
        size = len(names)
        if not members.reaches(names[-1]) or not members.spans(names[0]):
            return 0, 0
        if reverse:
            stop = next((i + 1 for i in range(size - 1, -1, -1) if members.spans(names[i])), 0)
            start = next((i + 1 for i in range(stop - 1, -1, -1) if not members.reaches(names[i])), 0)
        else:
            start = next((i for i in range(size) if members.reaches(names[i])), size)
            stop = next((i for i in range(start, size) if not members.spans(names[i])), size)
        return start, stop

    def items_slice(self, start: int, stop: int, reverse: bool = False) -> list[tuple[float, bytes]]:
        """The pairs `(score, member)` of the ranks `start <= rank < stop`, from the highest when `reverse`.

        O(log n + m).
        """
        found: list[tuple[float, bytes]] = self._order[start:stop]
        if reverse:
            found.reverse()
        return found

    def descending(self) -> Iterator[tuple[float, bytes]]:
        """The pairs `(score, member)` from the highest, one by one; the sorted set may not change meanwhile."""
        return iter(reversed(self._order))

    def remove_slice(self, start: int, stop: int) -> list[tuple[float, bytes]]:
        """Remove and return the pairs `(score, member)` of the ranks `start <= rank < stop`. O(log n + m)."""
        found: list[tuple[float, bytes]] = self._order[start:stop]
        del self._order[start:stop]
        for _, member in found:
            del self[member]
        if self._index is not None:
            for _, member in found:
                self._index.discard(member)
        return found

    def pop_min(self, count: int = 1) -> list[tuple[float, bytes]]:
        """Remove and return up to `count` pairs `(score, member)`, the lowest first. O(log n + count)."""
        return self.remove_slice(0, count)

    def pop_max(self, count: int = 1) -> list[tuple[float, bytes]]:
        """Remove and return up to `count` pairs `(score, member)`, the highest first. O(log n + count)."""
        size = len(self)
        found = self.remove_slice(max(size - count, 0), size)
        found.reverse()
        return found

    def copy(self) -> SortedSetValue:
        """An independent copy. O(n)."""
        twin = SortedSetValue()
        twin.update(self)
        order = self._order
        twin._order = order.copy()
        twin._peak, twin._widest, twin._spilled = self._peak, self._widest, self._spilled
        return twin

    def is_compact(self, limits: EncodingLimits) -> bool:
        """Whether Redis would keep the sorted set as a listpack. It never returns to one. O(1)."""
        if self._spilled:
            return False
        if self._peak > limits.zset_max_listpack_entries or self._widest > limits.zset_max_listpack_value:
            self._spilled = True
        return not self._spilled

    def settle(self, limits: EncodingLimits) -> None:
        """Keep what these limits have made of the set: only what is added from now on goes by others. O(1)."""
        self.is_compact(limits)
        self._peak = self._widest = 0

    def make_room(self, count: int) -> None:
        """Be told that so many members are to be put in one command: Redis makes room for all, new or not. O(1)."""
        if count > self._peak:
            self._peak = count

    def spill(self) -> None:
        """Be no listpack any more, however small the set is. O(1)."""
        self._spilled = True

    def forget_widths(self) -> None:
        """Be taken for a listpack whatever the widths are so far: Redis looks at none in one that is read. O(1)."""
        self._widest = 0

    def encoding(self, limits: EncodingLimits) -> bytes:
        """What OBJECT ENCODING answers."""
        return b"listpack" if self.is_compact(limits) else b"skiplist"
