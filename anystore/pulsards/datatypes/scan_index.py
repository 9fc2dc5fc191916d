"""An index over a collection's members that makes random choice and stateless scanning cheap."""

from __future__ import annotations

from collections.abc import Iterable
from random import random, sample


class ScanIndex:
    """The members of some collection in an array, with each member's position.

    A random member is O(1), and so are `add` and `discard`: the last member moves into the hole. A scan walks
    from the end of the array down to 0, and its cursor is the upper bound of what it has not visited, so the
    server keeps no state per scan. A member that moves, moves downwards, from a part that the scan has
    visited or has still to visit into a part that it may have still to visit; hence SCAN's guarantee: a
    member that is there from the start of a scan to its end is returned at least once.
    """

    __slots__ = ("_members", "_positions")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        """Index `members`, which must be distinct. O(n)."""
        self._members = list(members)
        self._positions = dict(zip(self._members, range(len(self._members)), strict=True))

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, member: object) -> bool:
        return member in self._positions

    def add(self, member: bytes) -> None:
        """Add `member`, unless it is there. O(1)."""
        positions = self._positions
        if member not in positions:
            positions[member] = len(positions)
            self._members.append(member)

    def discard(self, member: bytes) -> None:
        """Remove `member`, if it is there. O(1)."""
        position = self._positions.pop(member, None)
        if position is not None:
            members = self._members
            last = members.pop()
            if position != len(members):
                members[position] = last
                self._positions[last] = position

    def clear(self) -> None:
        """Remove all members. O(n)."""
        self._members.clear()
        self._positions.clear()

    def random(self) -> bytes:
        """One member, each equally likely; IndexError when there is none. O(1)."""
        members = self._members
        return members[int(random() * len(members))]

    def sample(self, count: int) -> list[bytes]:
        """`count` distinct members in random order, of at least as many. O(count)."""
        return sample(self._members, count)

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next `count` members of a scan, and the cursor to go on with, 0 when the scan is complete.

        `cursor` is 0 to begin, and any number is accepted; `count` is at least 1. O(count).
        """
        size = len(self._members)
        stop = min(cursor, size) if cursor else size
        start = max(stop - count, 0)
        return start, self._members[start:stop]
