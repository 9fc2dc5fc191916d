"""Point-in-time images of all data, written in slices while the server goes on: no fork, no second copy.

An image is of the moment at which it is begun. Its keys are written one after the other, in the order of their hashes;
a key that is about to be changed before its turn has come is written first (copy before write). So what is kept twice
are only those values, already serialised, that wait to be taken away. A large value is written a piece at a time, and is
only referred to until it is about to be changed: then the references to its elements are copied.

How a change is noticed: while there is an image, every `Database` knows it, and its methods that change something tell
the images before they do. Several images may be written at the same time, each of its own moment.

The keys that wait for their turn are in buckets, by their hashes; a key that is written leaves its bucket, be it in its turn
or ahead of it. So whether a key waits is told without a set of all that have been written, and no table of keys is large:
a large one takes long, all at once, whenever it grows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.database import Database
from anystore.pulsards.persistence.overlay import Overlay
from anystore.pulsards.persistence.rdb import is_large

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

#: Keys in a bucket, on average.
_BUCKET: Final = 256
_MOST_BUCKETS: Final = 2**16
#: Up to so many keys are listed in one go. More are listed in slices, behind an `Overlay`.
LISTED_AT_ONCE: Final = 10_000
#: The least number of keys that are sorted into buckets in one slice.
_SORTED_AT_ONCE: Final = 500
#: Sorting a key takes about as long as writing so many bytes of a small one.
_BYTES_PER_SORTED: Final = 8


class LargeEntry(Protocol):
    """A key with a large value that is written piece by piece, and whether that has begun and ended."""

    begun: bool
    ended: bool

    def freeze(self) -> None:
        """The value is about to be changed: go on with it as it is now."""


class Writer(Protocol):
    """What turns an image into bytes: see `anystore.pulsards.persistence.rdb.FileWriter`.

    Its `LargeEntry` is its own, and no other is handed to `piece`.
    """

    def header(self, aux: Mapping[bytes, bytes]) -> bytes: ...

    def function(self, source: bytes) -> bytes: ...

    def database(self, index: int, keys: int, expires: int) -> bytes: ...

    def entry(
        self,
        key: bytes,
        value: Any,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> bytes: ...

    def large_entry(
        self,
        key: bytes,
        value: Any,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> LargeEntry: ...

    def piece(self, entry: Any) -> bytes: ...

    def end(self) -> bytes: ...


class Snapshot:
    """An image of all data of an engine, of the moment at which it is made.

    It must be ended: by taking slices until it is `finished`, or by `cancel`; until then changes cost more.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        aux: Mapping[bytes, bytes],
        *,
        keys: bool = True,
        functions: bool = True,
    ) -> None:
        """Begin an image, without the `keys` or the `functions` where these are not wanted.

        O(databases), and the number of buckets.
        """
        self._engine = engine
        self._writer = writer
        keyspace = engine.keyspace
        #: The seconds since 1970 that idle times are counted from, where eviction goes by them.
        self._moment = keyspace.now // 1000
        policy = engine.eviction.policy
        self._keeps_idle = policy.endswith("lru")
        self._keeps_frequency = policy.endswith("lfu")
        self._out = [writer.header(aux)]
        if functions:
            self._out += [writer.function(library.code) for library in engine.libraries]
        self._waiting = sum(map(len, self._out))
        self._selected = -1
        #: By the index of the database that has these data now: SWAPDB moves them.
        self.parts: dict[int, Part] = {}
        for database in keyspace.databases:
            # Another image's listing has to come to its end first.
            for image in keyspace.images:
                image.settle(database)
            if keys and database.data:
                self.parts[database.index] = Part(database)
        #: Parts that no database has any more, or that were not yet looked at, in order.
        self._left = list(self.parts.values())
        #: Large values that are to be written next, the first of them perhaps in part already; and the one among them,
        #: with its key, that the walk has come to, which is not frozen yet.
        self._large: deque[tuple[Part, LargeEntry]] = deque()
        self._walked: tuple[Part, bytes, LargeEntry] | None = None
        self.total = sum(len(part.data) for part in self._left)
        self.written = 0
        #: Bytes of values that were written ahead of their turn, because they were about to change.
        self.written_ahead = 0
        self.finished = False
        keyspace.begin_image(self)

    def next_slice(self, limit_bytes: int) -> bytes:
        """The next bytes of the image: about `limit_bytes`, more where a single value is larger.

        b"" at the end, and for a slice that went into preparing: so ask `finished`. How long a slice takes goes by
        `limit_bytes`, which the caller adapts to the time that it has.
        """
        if self.finished:
            return b""
        while self._waiting < limit_bytes and (self._left or self._large):
            if self._large:
                self._write_piece()
                continue
            part = self._left[-1]
            if part.unsorted is not None:
                if part.sort(max(_SORTED_AT_ONCE, limit_bytes // _BYTES_PER_SORTED)):
                    break  # sorting yields no bytes, and has taken a slice's time
                self._uncover(part)
                continue
            if not self._walk(part, limit_bytes):
                self._left.pop()
        if not self._left and not self._large:
            self._finish()
        data = b"".join(self._out)
        self._out.clear()
        self._waiting = 0
        return data

    def cancel(self) -> None:
        """Give the image up; safe to call at any time."""
        if not self.finished:
            self.finished = True
            for part in self._left:
                self._uncover(part)
            self._left.clear()
            self._large.clear()
            self._walked = None
            self.parts.clear()
            self._out.clear()
            self._engine.keyspace.end_image(self)

    def _finish(self) -> None:
        self._out.append(self._writer.end())
        self.finished = True
        self.parts.clear()
        self._engine.keyspace.end_image(self)

    def settle(self, database: Database) -> None:
        """List what is left of a database's keys at once."""
        part = self.parts.get(database.index)
        if part is not None and part.overlay is not None:
            part.sort(len(part.data) + 1)
            self._uncover(part)

    def _uncover(self, part: Part) -> None:
        """The keys are listed, or not wanted any more: let them change again."""
        overlay, part.overlay = part.overlay, None
        if overlay is not None:
            for database in self._engine.keyspace.databases:
                # Since it began, the database may have been exchanged with another one, or emptied.
                if database.data is overlay:
                    database.data = overlay.merge()

    def _walk(self, part: Part, limit_bytes: int) -> bool:
        """Write keys of a part until so many bytes wait; whether there are more."""
        buckets = part.buckets
        while part.cursor < len(buckets):
            bucket = buckets[part.cursor]
            while bucket:
                if self._waiting >= limit_bytes or self._large:
                    return True
                key, is_settled = bucket.popitem()
                if not is_settled:
                    self._write(part, key)
            bucket.clear()  # it keeps its room otherwise
            part.cursor += 1
        return False

    def _write(self, part: Part, key: bytes, ahead: bool = False) -> int:
        """Write one key, or have it written next where its value is large; the bytes that it took."""
        idle = frequency = None
        accessed = part.accessed
        if self._keeps_frequency:
            if isinstance(accessed, AccessFrequencies):
                frequency = accessed.frequency(key)
        elif self._keeps_idle and not isinstance(accessed, AccessFrequencies):
            idle = max(0, self._moment - accessed.get(key, self._moment))
        value = part.data[key]
        if is_large(value):
            large = self._writer.large_entry(key, value, part.expires.get(key), idle, frequency)
            self._large.append((part, large))
            if ahead:
                large.freeze()
            else:
                self._walked = (part, key, large)
            return 0
        self._select(part)
        entry = self._writer.entry(key, value, part.expires.get(key), idle, frequency)
        self._out.append(entry)
        self._waiting += len(entry)
        self.written += 1
        return len(entry)

    def _select(self, part: Part) -> None:
        if self._selected != part.index:
            self._out.append(self._writer.database(part.index, *part.counts))
            self._selected = part.index

    def _write_piece(self) -> None:
        """Write some more of the large value whose turn it is."""
        part, large = self._large[0]
        if not large.begun:
            self._select(part)
        piece = self._writer.piece(large)
        self._out.append(piece)
        self._waiting += len(piece)
        if large.ended:
            self._large.popleft()
            self.written += 1
            if self._walked is not None and self._walked[2] is large:
                self._walked = None

    # What the databases tell

    def before_change(self, database: Database, key: bytes) -> None:
        """A key is about to be changed, removed or created."""
        part = self.parts.get(database.index)
        if part is None:
            return
        if part.claim(key):
            self.written_ahead += self._write(part, key, ahead=True)
        elif self._walked is not None and self._walked[:2] == (part, key):
            self._walked[2].freeze()

    def before_flush(self, database: Database) -> None:
        """A database is about to be emptied: it gets new tables, and the old ones are the image's alone."""
        self.parts.pop(database.index, None)

    def after_swap(self, first: int, second: int) -> None:
        """Two databases have exchanged their data."""
        parts = self.parts
        one, two = parts.pop(first, None), parts.pop(second, None)
        if one is not None:
            parts[second] = one
        if two is not None:
            parts[first] = two


class Part:
    """What one database held when the image was begun, and how far it is written."""

    __slots__ = (
        "accessed",
        "buckets",
        "counts",
        "cursor",
        "data",
        "expires",
        "index",
        "mask",
        "overlay",
        "unsorted",
    )

    def __init__(self, database: Database) -> None:
        self.index = database.index  # as it was when the image was begun
        self.data = database.data
        self.expires = database.expires
        self.accessed = database.accessed
        self.counts = (len(self.data), len(self.expires))
        size = len(self.data)
        #: What stands in for the data while they are listed in slices.
        self.overlay: Overlay | None = None
        if size > LISTED_AT_ONCE:
            self.overlay = database.data = Overlay(self.data)
        #: Keys that are not in their buckets yet; None once all are.
        self.unsorted: Iterator[bytes] | None = iter(list(self.data) if self.overlay is None else self.data)
        count = min(1 << max(0, (size // _BUCKET).bit_length()), _MOST_BUCKETS)
        self.mask = count - 1
        #: Keys that wait to be written, and, while there are `unsorted` ones, with True, keys that do not: they were
        #: written ahead of their turn, or are new. As dicts of bytes, since these are no business of the garbage collector:
        #: it would walk a million keys in lists, in 50 ms.
        self.buckets: list[dict[bytes, bool]] = [{} for _ in range(count)]
        self.cursor = 0

    def sort(self, count: int) -> bool:
        """Put some more keys in their buckets; whether any are left."""
        buckets, mask = self.buckets, self.mask
        found = 0
        for key in islice(self.unsorted or (), count):
            buckets[hash(key) & mask].setdefault(key, False)
            found += 1
        if found < count:
            self.unsorted = None
        return self.unsorted is not None

    def claim(self, key: bytes) -> bool:
        """Take a key out of the walk, as it is about to change; whether it is to be written now.

        It is not where the image has it already, or never will. O(1).
        """
        bucket = self.buckets[hash(key) & self.mask]
        if self.unsorted is None:
            return not bucket.pop(key, True)
        if bucket.get(key):
            return False
        bucket[key] = True
        return key in self.data
