"""Writing large values a piece at a time, so that nobody waits for the whole of one.

A `LargeValue` walks what it writes; before that is changed, `freeze` lets it walk a copy of what is left: see
`anystore.pulsards.persistence.walks`.

Each type is written in the encoding that Redis uses for large values, with the number of elements first. Lists are written
in the form of Redis before 3.2, which all readers take: the newer ones want to know beforehand into how many parts a list
falls, for which all of it would have to be walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from anystore.pulsards.datatypes import HashValue, ListValue, SortedSetValue, StreamValue
from anystore.pulsards.persistence.rdb.primitives import RdbError, RdbWriter
from anystore.pulsards.persistence.rdb.streams import write_content
from anystore.pulsards.persistence.rdb.types import (
    RDB_VERSION,
    RDB_VERSION_FIELD_EXPIRY,
    VALKEY_RDB_VERSION,
    Value,
    ValueType,
)
from anystore.pulsards.persistence.walks import ElementWalk, StreamWalk

#: A value is large that has more elements, or bytes of a string. No part of it is ever compressed.
LARGE_COUNT: Final = 256
LARGE_BYTES: Final = 64 * 1024
#: Elements that are written before it is looked whether that is enough for a piece, and the bytes that are.
_STEP: Final = 64
_PIECE: Final = 16 * 1024


def is_large(value: Value) -> bool:
    """Whether a value is better written as a `LargeValue`. O(1), for streams O(groups)."""
    size = len(value)
    if isinstance(value, bytes | bytearray):
        return size > LARGE_BYTES
    if size > LARGE_COUNT:
        return True
    return isinstance(value, StreamValue) and any(
        len(group.pending) > LARGE_COUNT for group in value.groups.values()
    )


class LargeValue:
    """A value that is being written: its type, with the writer's key, and its content."""

    def __init__(self, writer: RdbWriter, value: Value, version: int) -> None:
        """Nothing is written yet. `version` is the file's. O(1)."""
        self._writer = writer
        self._frozen = False
        self._walk: ElementWalk | StreamWalk | None = None
        #: A string; when the fields of a hash expire.
        self._text: bytes | bytearray = b""
        self._expires: dict[bytes, int] = {}
        self._steps = self._begin(value, version)

    def _begin(self, value: Value, version: int) -> Iterator[None]:
        size = len(value)
        if isinstance(value, bytes | bytearray):
            self._text = value
            return self._write_text()
        if isinstance(value, StreamValue):
            self._walk = stream = StreamWalk(value)
            return self._write_stream(stream, version > RDB_VERSION)
        if isinstance(value, HashValue):
            self._walk = walk = ElementWalk(iter(value.keys()), iter(value.values()))
            return self._write_hash(walk, value, version)
        if isinstance(value, SortedSetValue):
            self._walk = walk = ElementWalk(value.descending())
            return self._write_sorted_set(walk, size)
        self._walk = walk = ElementWalk(iter(value))
        kind = ValueType.LIST if isinstance(value, ListValue) else ValueType.SET
        return self._write_strings(walk, kind, size)

    def write_piece(self) -> bool:
        """Write some more to the writer's buffer; whether there is more. Raises `RdbError`, at the first piece only."""
        buffer = self._writer.buffer
        return any(len(buffer) >= _PIECE for _ in self._steps)

    def freeze(self) -> None:
        """The value is about to be changed: walk a copy of what is left. O(what is left), some ns an element."""
        if self._frozen:
            return
        self._frozen = True
        self._text = bytes(self._text)
        if self._expires:
            self._expires = dict(self._expires)
        if self._walk is not None:
            self._walk.freeze()

    # By type: generators that pause after each step

    def _write_text(self) -> Iterator[None]:
        writer = self._writer
        writer.kind(ValueType.STRING)
        size = len(self._text)
        writer.length(size)
        for start in range(0, size, _PIECE):
            writer.buffer += self._text[start : start + _PIECE]
            yield

    def _write_strings(self, walk: ElementWalk, kind: ValueType, count: int) -> Iterator[None]:
        writer = self._writer
        writer.kind(kind)
        writer.length(count)
        while rows := walk.take(_STEP):
            for (element,) in rows:
                writer.string(element)
            yield

    def _write_sorted_set(self, walk: ElementWalk, count: int) -> Iterator[None]:
        writer = self._writer
        writer.kind(ValueType.ZSET_2)
        writer.length(count)
        while rows := walk.take(_STEP):
            for ((score, member),) in rows:
                writer.string(member)
                writer.double(score)
            yield

    def _write_hash(self, walk: ElementWalk, value: HashValue, version: int) -> Iterator[None]:
        if value.expires is None:
            return self._write_pairs(walk, len(value))
        self._expires = value.expires
        first = value.expires.earliest()
        assert first is not None, "a hash without deadlines has no dict of them"
        if version >= VALKEY_RDB_VERSION:
            return self._write_valkey_fields(walk, len(value))
        return self._write_fields(walk, len(value), first, version)

    def _write_pairs(self, walk: ElementWalk, count: int) -> Iterator[None]:
        writer = self._writer
        writer.kind(ValueType.HASH)
        writer.length(count)
        while rows := walk.take(_STEP):
            for field, content in rows:
                writer.string(field)
                writer.string(content)
            yield

    def _write_fields(self, walk: ElementWalk, count: int, first: int, version: int) -> Iterator[None]:
        if version < RDB_VERSION_FIELD_EXPIRY:
            raise RdbError(f"version {version} has no way to write a hash whose fields expire")
        writer = self._writer
        writer.kind(ValueType.HASH_METADATA)
        writer.milliseconds(first)
        writer.length(count)
        while rows := walk.take(_STEP):
            expires = self._expires
            for field, content in rows:
                writer.length(expires[field] - first + 1 if field in expires else 0)
                writer.string(field)
                writer.string(content)
            yield

    def _write_valkey_fields(self, walk: ElementWalk, count: int) -> Iterator[None]:
        writer = self._writer
        writer.kind(ValueType.HASH_METADATA_PRE_GA)
        writer.length(count)
        while rows := walk.take(_STEP):
            expires = self._expires
            for field, content in rows:
                writer.string(field)
                writer.string(content)
                writer.milliseconds(expires.get(field, -1))
            yield

    def _write_stream(self, walk: StreamWalk, active_times: bool) -> Iterator[None]:
        self._writer.kind(ValueType.STREAM_LISTPACKS_3 if active_times else ValueType.STREAM_LISTPACKS_2)
        yield from write_content(self._writer, walk, active_times)
