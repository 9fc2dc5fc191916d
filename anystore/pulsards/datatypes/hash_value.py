"""The hash type."""

from __future__ import annotations

from typing import ClassVar

from anystore.pulsards.datatypes.deadlines import Deadlines
from anystore.pulsards.datatypes.limits import EncodingLimits
from anystore.pulsards.datatypes.sampling import Collection


class HashValue(Collection[bytes]):
    """A hash: a dict from field to value, fields in the order in which they were first set.

    `expires` is None as long as no field has an expiry, else a dict from field to the millisecond of the
    epoch at which it goes; whoever reads fields by the clock looks there (the type has no clock). `rewritten`
    counts the bytes of values that took the place of others, for whoever keeps account of memory.
    """

    __slots__ = ("_peak", "_spilled", "_widest", "expires", "rewritten")

    type_name: ClassVar[bytes] = b"hash"

    def __init__(self) -> None:
        # Not by super(): one frame less for each key that is created.
        self._index = None
        self.expires: Deadlines | None = None
        self.rewritten = 0
        self._peak = 0
        self._widest = 0
        self._spilled = False

    def put(self, field: bytes, value: bytes) -> bool:
        """Set a field, and drop its expiry; whether it is new. O(1)."""
        size, width = len(self), len(value)
        self[field] = value
        if len(field) > width:
            width = len(field)
        if width > self._widest:
            self._widest = width
        if len(self) == size:
            self.rewritten += len(value)
            if size > self._peak:
                self._peak = size
            if self.expires is not None:
                self._unexpire(field)
            return False
        if self._index is not None:
            self._index.add(field)
        if size >= self._peak:
            self._peak = size + 1
        return True

    def put_many(self, pairs: list[bytes]) -> int:
        """Set fields from a flat list `[field, value, field, value, …]`; how many are new. O(len(pairs))."""
        before = len(self)
        fields = pairs[::2]
        self.update(zip(fields, pairs[1::2], strict=True))
        if self._index is not None:
            for field in fields:
                self._index.add(field)
        if self.expires is not None:
            for field in fields:
                self._unexpire(field)
        widest = max(map(len, pairs), default=0)
        if widest > self._widest:
            self._widest = widest
        if len(self) > self._peak:
            self._peak = len(self)
        new = len(self) - before
        if new < len(fields):
            self.rewritten += sum(map(len, pairs))
        return new

    def remove(self, field: bytes) -> bool:
        """Remove a field; whether it was there. O(1)."""
        if self.pop(field, None) is None:
            return False
        if self._index is not None:
            self._index.discard(field)
        if self.expires is not None:
            self._unexpire(field)
        return True

    def remove_many(self, fields: list[bytes]) -> int:
        """Remove fields; how many were there. O(len(fields))."""
        return sum(map(self.remove, fields))

    def expire_at(self, field: bytes, milliseconds: int) -> None:
        """Let an existing field go at this millisecond of the epoch. O(log n)."""
        if self.expires is None:
            self.expires = Deadlines()
        self.expires.put(field, milliseconds)

    def persist(self, field: bytes) -> bool:
        """Drop a field's expiry; whether it had one. O(1)."""
        if self.expires is None or field not in self.expires:
            return False
        self._unexpire(field)
        return True

    def _unexpire(self, field: bytes) -> None:
        expires = self.expires
        if expires is not None:
            expires.pop(field, None)
            if not expires:
                self.expires = None

    def copy(self) -> HashValue:
        """An independent copy, field expiry included. O(n)."""
        twin = HashValue()
        twin.update(self)
        twin.expires = None if self.expires is None else Deadlines(self.expires)
        twin._peak, twin._widest, twin._spilled = self._peak, self._widest, self._spilled
        return twin

    def is_compact(self, limits: EncodingLimits) -> bool:
        """Whether Redis would keep the hash as a listpack. It never returns to one. O(1)."""
        if self._spilled:
            return False
        if self._peak > limits.hash_max_listpack_entries or self._widest > limits.hash_max_listpack_value:
            self._spilled = True
        return not self._spilled

    def settle(self, limits: EncodingLimits) -> None:
        """Keep what these limits have made of the hash: only what is written from now on goes by others. O(1)."""
        self.is_compact(limits)
        self._peak = self._widest = 0

    def forget_widths(self) -> None:
        """Be taken for a listpack whatever the widths are so far: Redis looks at none in one that is read. O(1)."""
        self._widest = 0

    def encoding(self, limits: EncodingLimits) -> bytes:
        """What OBJECT ENCODING answers."""
        if self.is_compact(limits):
            return b"listpack" if self.expires is None else b"listpackex"
        return b"hashtable"
