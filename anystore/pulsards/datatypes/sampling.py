"""Random members and SCAN for the collection types, which share one base: a dict keyed by member.

A collection has no index until one is needed; from then on every change keeps it up to date. Small
collections, which Redis keeps in a compact encoding, need none: one call of the SCAN family returns them
whole.
"""

from __future__ import annotations

from itertools import islice
from random import random, sample
from typing import Generic, TypeVar

from anystore.pulsards.datatypes.scan_index import ScanIndex

V = TypeVar("V")

# Up to this size, walking a dict to a random member costs less than keeping an index.
_WALKED = 32


class Collection(dict[bytes, V], Generic[V]):
    """A dict from member to what belongs to it; the base of hashes, sets and sorted sets.

    Read it as a dict (`get`, `in`, `len`, iteration, views: all at C speed, in order of insertion). Change it
    only by the methods of the subclasses: the dict's own writing methods know nothing of the index.
    """

    __slots__ = ("_index",)

    _index: ScanIndex | None  # None until it is needed

    def _indexed(self) -> ScanIndex:
        index = self._index
        if index is None:
            index = self._index = ScanIndex(self)
        return index

    def random_member(self) -> bytes:
        """One member, each equally likely; the collection must not be empty. O(1) once the index is built."""
        if self._index is None and len(self) <= _WALKED:
            return next(islice(self, int(random() * len(self)), None))
        return self._indexed().random()

    def random_sample(self, count: int) -> list[bytes]:
        """Up to `count` distinct members at random, all when there are no more. O(count) once indexed."""
        size = len(self)
        if count >= size:
            return list(self)
        if self._index is None and size <= max(_WALKED, 2 * count):
            return sample(list(self), count)
        return self._indexed().sample(count)

    def random_choices(self, count: int) -> list[bytes]:
        """`count` members at random, perhaps one several times; none of an empty collection. O(count)."""
        size = len(self)
        if not size:
            return []
        if self._index is None and size <= max(_WALKED, count):
            members = list(self)
            return [members[int(random() * size)] for _ in range(count)]
        pick = self._indexed().random
        return [pick() for _ in range(count)]

    def scan(self, cursor: int, count: int, compact: bool) -> tuple[int, list[bytes]]:
        """One step of HSCAN, SSCAN or ZSCAN: the cursor to go on with (0 at the end), and members.

        `compact` tells whether the encoding is one of the compact ones: then all members come at once, unless
        a scan of the collection may be under way since it was larger. A member that is there throughout a
        scan is returned at least once. O(count), after O(n) for the first scan.
        """
        if compact and self._index is None:
            return 0, list(self)
        return self._indexed().scan(cursor, count)
