"""How much memory the keys take, kept up to date with every change: what `maxmemory` is held against.

The figure is an estimate made of the sizes that Python reports: of each key, its name, its value, and its places
in the tables (`memory_usage`). A string is measured whenever it changes. A collection is measured whole at first;
from then on what is added to it is measured, what is taken from it counts as much as its elements do on average,
and it is measured whole again once half of the figure, or as many changes as it has elements, rest on that: so a
change costs amortised O(1). What clients, scripts and the process itself take is not in it.

There is an account only while there is a limit. Without one nobody counts, and this costs nothing.
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.datatypes import ListValue
from anystore.pulsards.memory_usage import PER_EXPIRY, PER_KEY, elements_size, frame_size

if TYPE_CHECKING:
    from anystore.pulsards.database import Database

#: Collections up to this size are measured whole every time.
_SMALL: Final = 16
#: The added elements that are looked at, of many added at once.
_LOOKED_AT: Final = 64


class _Ledger:
    """What is known of the elements of one collection."""

    __slots__ = ("added", "changes", "count", "guessed", "last", "measured", "rewritten", "size")

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self.measured = -1  # how many there were when all were measured
        #: The part of the size, in bytes, that has changed without having been measured.
        self.guessed = 0
        self.changes = 0
        self.added = 0  # of a stream: its `entries_added`
        self.rewritten = 0  # of a hash or a list: its `rewritten`
        self.last: bytes | None = None  # of a list: its last element


class Account:
    """The memory of one database's keys, in bytes, together and by key."""

    __slots__ = ("_ledgers", "sizes", "total")

    def __init__(self) -> None:
        self.total = 0
        self.sizes: dict[bytes, int] = {}
        self._ledgers: dict[bytes, _Ledger] = {}

    def update(self, database: Database, key: bytes) -> int:
        """A key has changed, or gone; by how many bytes the total grew. Amortised O(1)."""
        value = database.data.get(key)
        sizes = self.sizes
        if value is None:
            self._ledgers.pop(key, None)
            size = 0
            growth = -sizes.pop(key, 0)
        else:
            if type(value) is bytes or type(value) is bytearray:
                size = getsizeof(value)
            else:
                size = self._collection(key, value)
            size += PER_KEY + TABLE_OF_SIZES + getsizeof(key)
            if database.expires and key in database.expires:
                size += PER_EXPIRY
            growth = size - sizes.get(key, 0)
            sizes[key] = size
        self.total += growth
        return growth

    def _collection(self, key: bytes, value: Any) -> int:
        count = len(value)
        ledger = self._ledgers.get(key)
        if ledger is None:
            ledger = self._ledgers[key] = _Ledger()
        ledger.changes += 1
        rewritten = getattr(value, "rewritten", 0)
        ledger.guessed += rewritten - ledger.rewritten
        ledger.rewritten = rewritten
        if count <= _SMALL or 2 * ledger.guessed > ledger.size or ledger.changes > ledger.measured:
            ledger.size = elements_size(value, count, newest=False)
            ledger.guessed = ledger.changes = 0
            ledger.measured = count
        else:
            self._adjust(ledger, value, count)
        ledger.count = count
        ledger.added = getattr(value, "entries_added", 0)
        ledger.last = value[-1] if type(value) is ListValue and count else None
        return ledger.size + frame_size(value)

    def _adjust(self, ledger: _Ledger, value: Any, count: int) -> None:
        added = max(count - ledger.count, getattr(value, "entries_added", 0) - ledger.added)
        removed = ledger.count + added - count
        if removed > 0:
            part = ledger.size * min(removed, ledger.count) // max(ledger.count, 1)
            ledger.size -= part
            ledger.guessed += part
        if added > 0:
            some = min(added, count, _LOOKED_AT)
            # A list whose last element is still the same has grown at its left end.
            at_left = type(value) is ListValue and value[-1] is ledger.last
            ledger.size += elements_size(value, some, newest=not at_left) * added // some


#: What the account itself keeps of each key: a place in its table and a number.
TABLE_OF_SIZES: Final = PER_KEY // 2
