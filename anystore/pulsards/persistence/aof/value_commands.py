"""Values as the commands that make them, some at a time: what the base of a log holds where it is no image.

Each function is a generator of packed commands that can be paused between any two: the value may change then, once its walk
has been frozen. Elements come 64 to a command, as in Redis.

Of a stream Redis' commands have no way to make what is pending of entries that are there no more: here these entries are put
in first, given to their consumers, and trimmed away, before those that are there follow.

Source: the command form of logs that Redis 7.0 and Valkey 9.1 write with ``aof-use-rdb-preamble no``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import Any, Final

from anystore.pulsards.datatypes import HashValue, ListValue, SortedSetValue, StreamValue
from anystore.pulsards.datatypes.stream_ids import format_id
from anystore.pulsards.datatypes.stream_pending import Delivery
from anystore.pulsards.persistence.rdb import Value
from anystore.pulsards.persistence.walks import ElementWalk, StreamWalk
from anystore.resp.pack import pack_command

#: Elements in a command, at most.
_ELEMENTS: Final = 64
#: Bytes of a string that are written between two pauses.
_TEXT: Final = 16 * 1024
#: The fields of an entry that only stands for one that has gone.
_NOTHING: Final = (b"x", b"y")

Packed = Iterator[bytes]


class ValueCommands:
    """A value that is being written as commands."""

    def __init__(self, key: bytes, value: Value) -> None:
        """Nothing is written yet. O(1)."""
        self._key = key
        self._frozen = False
        self._text: bytes | bytearray = b""
        self._walks: list[ElementWalk | StreamWalk] = []
        self.pieces = self._begin(value)

    def freeze(self) -> None:
        """The value is about to be changed: go on with it as it is now. O(what is left), some ns an element."""
        if not self._frozen:
            self._frozen = True
            self._text = bytes(self._text)
            for walk in self._walks:
                walk.freeze()

    def _begin(self, value: Value) -> Packed:
        if isinstance(value, bytes | bytearray):
            self._text = value
            return self._string()
        if isinstance(value, StreamValue):
            stream = StreamWalk(value)
            self._walks.append(stream)
            return _StreamCommands(self._key, stream).pieces()
        if isinstance(value, HashValue):
            fields = self._walk(iter(value.keys()), iter(value.values()))
            return self._hash(
                fields, None if value.expires is None else self._walk(iter(value.expires.items()))
            )
        if isinstance(value, SortedSetValue):
            return self._elements(b"ZADD", self._walk(value.descending()), chain.from_iterable)
        return self._elements(
            b"RPUSH" if isinstance(value, ListValue) else b"SADD", self._walk(iter(value)), iter
        )

    def _walk(self, *columns: Iterator[Any]) -> ElementWalk:
        walk = ElementWalk(*columns)
        self._walks.append(walk)
        return walk

    def _string(self) -> Packed:
        size, key = len(self._text), self._key
        yield b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n" % (len(key), key, size)
        for start in range(0, size, _TEXT):
            yield bytes(self._text[start : start + _TEXT])
        yield b"\r\n"

    def _elements(
        self, name: bytes, walk: ElementWalk, flat: Callable[[Iterator[Any]], Iterator[Any]]
    ) -> Packed:
        while rows := walk.take(_ELEMENTS):
            yield pack_command((name, self._key, *flat(row[0] for row in rows)))

    def _hash(self, fields: ElementWalk, expires: ElementWalk | None) -> Packed:
        while rows := fields.take(_ELEMENTS):
            yield pack_command((b"HMSET", self._key, *chain.from_iterable(rows)))
        while expires is not None and (rows := expires.take(_ELEMENTS)):
            moments: dict[int, list[bytes]] = {}
            for ((field, when),) in rows:
                moments.setdefault(when, []).append(field)
            for when, names in moments.items():
                yield pack_command((b"HPEXPIREAT", self._key, when, b"FIELDS", len(names), *names))


class _StreamCommands:
    """A stream that is being written as commands."""

    def __init__(self, key: bytes, walk: StreamWalk) -> None:
        self._key = key
        self._walk = walk
        #: IDs of entries that are pending and have gone.
        self._lost: set[int] = set()

    def pieces(self) -> Packed:
        for name in sorted(self._walk.stream.groups):
            for entries in self._walk.pending(name):
                get = self._walk.stream.get
                self._lost.update(number for number, _ in entries if get(number) is None)
                yield b""
        if self._lost:
            yield from self._put_lost()
        yield from self._entries()
        stream = self._walk.stream
        yield pack_command(
            (
                *(b"XSETID", self._key, format_id(stream.last_id), b"ENTRIESADDED", stream.entries_added),
                *(b"MAXDELETEDID", format_id(stream.max_deleted_id)),
            )
        )
        for name in sorted(stream.groups):
            group = self._walk.stream.groups[name]
            action = b"SETID" if self._lost else b"CREATE"
            position = (format_id(group.last_id), b"ENTRIESREAD", group.entries_read)
            yield pack_command((b"XGROUP", action, self._key, name, *position))
            yield from self._consumers(name, lost=False)

    def _put_lost(self) -> Packed:
        for number in sorted(self._lost):
            yield pack_command((b"XADD", self._key, format_id(number), *_NOTHING))
        for name in sorted(self._walk.stream.groups):
            yield pack_command((b"XGROUP", b"CREATE", self._key, name, b"0-0"))
            yield from self._consumers(name, lost=True)
        yield pack_command((b"XTRIM", self._key, b"MAXLEN", 0))
        yield pack_command((b"XSETID", self._key, b"0-0"))

    def _entries(self) -> Packed:
        for node in self._walk.runs():
            yield b"".join(
                [pack_command((b"XADD", self._key, text, *fields)) for text, fields in node.entries]
            )
        if not len(self._walk.stream) and not self._lost:
            # The only way to make one that is empty, and has no group.
            place = format_id(self._walk.stream.last_id or 1)
            yield pack_command((b"XADD", self._key, b"MAXLEN", 0, place, *_NOTHING))

    def _consumers(self, group: bytes, lost: bool) -> Packed:
        """What the consumers of a group have pending of entries that have gone, or of the others."""
        for consumer in sorted(self._walk.stream.groups[group].consumers):
            if not lost:
                yield pack_command((b"XGROUP", b"CREATECONSUMER", self._key, group, consumer))
            for entries in self._walk.pending(group, consumer):
                yield self._claims(
                    group, consumer, [one for one in entries if (one[0] in self._lost) == lost]
                )

    def _claims(self, group: bytes, consumer: bytes, entries: Collection[tuple[int, Delivery]]) -> bytes:
        deliveries: dict[tuple[int, int], list[bytes]] = {}
        for number, delivery in entries:
            deliveries.setdefault((delivery.time, delivery.count), []).append(format_id(number))
        who = (b"XCLAIM", self._key, group, consumer, 0)
        return b"".join(
            pack_command((*who, *places, b"TIME", time, b"RETRYCOUNT", count, b"JUSTID", b"FORCE"))
            for (time, count), places in deliveries.items()
        )
