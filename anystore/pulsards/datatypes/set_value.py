"""The set type, and the algebra of sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, ClassVar

from anystore.pulsards.datatypes.limits import EncodingLimits
from anystore.pulsards.datatypes.sampling import Collection
from anystore.pulsards.numbers import parse_integer

# What the algebra reads: a set, or anything else that is keyed by member (sorted sets take part in some
# commands).
Members = Mapping[bytes, Any]


class SetValue(Collection[None]):
    """A set: a dict from member to None, members in order of insertion.

    Redis keeps small sets of integers sorted; `members()` replies in that order.
    """

    __slots__ = ("_integers", "_integers_peak", "_peak", "_spilled", "_widest")

    type_name: ClassVar[bytes] = b"set"

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        """A set of `members`, which may repeat. O(n)."""
        # Not by super(): one frame less for each key that is created.
        self._index = None
        self._integers = True  # every member so far has been an integer
        self._integers_peak = 0  # the most members while that was so
        self._peak = 0  # the most members since
        self._widest = 0  # the longest member since
        self._spilled = False
        if members:
            self.add_many(members)

    def add(self, member: bytes) -> bool:
        """Add a member; whether it is new. O(1)."""
        if member in self:
            return False
        self[member] = None
        if self._index is not None:
            self._index.add(member)
        if self._integers:
            if parse_integer(member) is not None:
                if len(self) > self._integers_peak:
                    self._integers_peak = len(self)
                return True
            self._integers = False
        if len(self) > self._peak:
            self._peak = len(self)
        if len(member) > self._widest:
            self._widest = len(member)
        return True

    def add_many(self, members: Iterable[bytes]) -> int:
        """Add members; how many are new. O(len(members))."""
        before = len(self)
        added = dict.fromkeys(members)
        if not added:
            return 0
        if self._integers and None in map(parse_integer, added):
            # Redis leaves the integer encoding at the first member that is none, in the arguments' order.
            self._integers = False
            leading = takewhile(lambda member: parse_integer(member) is not None, added)
            count = before + sum(member not in self for member in leading)
            if count > self._integers_peak:
                self._integers_peak = count
        widest = 0
        if not self._integers:
            widest = max(map(len, added))
            if before and widest > self._widest:
                # What is here already is not added, so that it makes nothing of the set.
                widest = max((len(member) for member in added if member not in self), default=0)
        self.update(added)
        if self._index is not None:
            for member in added:
                self._index.add(member)
        size = len(self)
        if size == before:
            return 0
        if self._integers:
            if size > self._integers_peak:
                self._integers_peak = size
            return size - before
        if size > self._peak:
            self._peak = size
        if widest > self._widest:
            self._widest = widest
        return size - before

    def make_room(self, count: int) -> None:
        """Be told that so many members are to be added in one command: Redis makes room for all, new or not. O(1)."""
        if self._integers:
            if count > self._integers_peak:
                self._integers_peak = count
        elif count > self._peak:
            self._peak = count

    def remove(self, member: bytes) -> bool:
        """Remove a member; whether it was there. O(1)."""
        if member not in self:
            return False
        del self[member]
        if self._index is not None:
            self._index.discard(member)
        return True

    def remove_many(self, members: Iterable[bytes]) -> int:
        """Remove members; how many were there. O(len(members))."""
        return sum(map(self.remove, members))

    def pop_random(self, count: int) -> list[bytes]:
        """Remove and return up to `count` distinct members at random. O(count) once the index is built."""
        chosen = self.random_sample(count)
        for member in chosen:
            self.remove(member)
        return chosen

    def members(self, limits: EncodingLimits) -> list[bytes]:
        """All members in the order of Redis' reply: integers sorted while they are an intset."""
        if self.is_intset(limits):
            return sorted(self, key=int)
        return list(self)

    def copy(self) -> SetValue:
        """An independent copy. O(n)."""
        twin = SetValue()
        twin.update(self)
        twin._integers, twin._integers_peak = self._integers, self._integers_peak
        twin._peak, twin._widest, twin._spilled = self._peak, self._widest, self._spilled
        return twin

    def is_intset(self, limits: EncodingLimits) -> bool:
        """Whether Redis would keep the set as a sorted array of integers. O(1)."""
        return self._integers and self.is_compact(limits)

    def is_compact(self, limits: EncodingLimits) -> bool:
        """Whether Redis would keep the set as an intset or a listpack. It never returns to one. O(1)."""
        if self._spilled:
            return False
        if (
            self._integers_peak > limits.set_max_intset_entries
            or self._peak > limits.set_max_listpack_entries
            or self._widest > limits.set_max_listpack_value
        ):
            self._spilled = True
        return not self._spilled

    def settle(self, limits: EncodingLimits) -> None:
        """Keep what these limits have made of the set: only what is added from now on goes by others. O(1)."""
        self.is_compact(limits)
        self._integers_peak = self._peak = self._widest = 0

    def forget_widths(self) -> None:
        """Be taken for a listpack whatever the widths are so far: Redis looks at none in one that is read. O(1)."""
        self._widest = 0

    def encoding(self, limits: EncodingLimits) -> bytes:
        """What OBJECT ENCODING answers."""
        if not self.is_compact(limits):
            return b"hashtable"
        return b"intset" if self._integers else b"listpack"


def union(sets: Sequence[Members]) -> set[bytes]:
    """The members of any of `sets`. O(total)."""
    return set().union(*sets)


def intersection(sets: Sequence[Members]) -> set[bytes]:
    """The members that all of `sets` (at least one) have. O(size of the smallest * number of sets)."""
    by_size = sorted(sets, key=len)
    common = set(by_size[0])
    for other in by_size[1:]:
        if not common:
            break
        common &= other.keys()
    return common


def intersection_size(sets: Sequence[Members], limit: int = 0) -> int:
    """How many members all of `sets` have, counting no further than `limit` (0: no limit).

    O(size of the smallest * number of sets).
    """
    if not limit:
        return len(intersection(sets))
    smallest, *others = sorted(sets, key=len)
    count = 0
    for member in smallest:
        if all(member in other for other in others):
            count += 1
            if count == limit:
                break
    return count


def difference(first: Members, others: Sequence[Members]) -> set[bytes]:
    """The members of `first` that none of `others` has. O(size of first * number of others) at most."""
    rest = set(first)
    for other in others:
        if not rest:
            break
        if len(other) <= len(rest):
            rest.difference_update(other)
        else:
            rest = {member for member in rest if member not in other}
    return rest
