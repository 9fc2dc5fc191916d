"""Where something in an RDB file ends, found out while its bytes come in.

A value can only be built once all of its bytes are there, and a large one comes in many pieces. Trying again with
each piece would take time that grows with the square of its size; so the extent is found first, by a walk that stops
where the bytes end and goes on from there. Small things never come here: see `file_reader`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from anystore.pulsards.persistence.rdb.file_format import (
    FIRST_VERSION_WITH_CHECKSUM,
    MAGIC_BYTES,
    ModulePart,
    Opcode,
)
from anystore.pulsards.persistence.rdb.primitives import MAX_STRING, RdbError
from anystore.pulsards.persistence.rdb.types import VALKEY_RDB_VERSION, ValueType

Walk = Generator[None, None, None]
Number = Generator[None, None, int]

# What values are made of, in letters: s a string, l a length, 8 eight bytes, t a double as text; what stands behind
# the star comes as often as a length says.
_LAYOUTS: Final[dict[int, str]] = {
    ValueType.STRING: "s",
    ValueType.LIST: "*s",
    ValueType.SET: "*s",
    ValueType.ZSET: "*st",
    ValueType.HASH: "*ss",
    ValueType.ZSET_2: "*s8",
    ValueType.HASH_ZIPMAP: "s",
    ValueType.LIST_ZIPLIST: "s",
    ValueType.SET_INTSET: "s",
    ValueType.ZSET_ZIPLIST: "s",
    ValueType.HASH_ZIPLIST: "s",
    ValueType.LIST_QUICKLIST: "*s",
    ValueType.HASH_LISTPACK: "s",
    ValueType.ZSET_LISTPACK: "s",
    ValueType.LIST_QUICKLIST_2: "*ls",
    ValueType.SET_LISTPACK: "s",
    ValueType.HASH_METADATA_PRE_GA: "*lss",
    ValueType.HASH_LISTPACK_EX_PRE_GA: "s",
    ValueType.HASH_METADATA: "8*lss",
    ValueType.HASH_LISTPACK_EX: "8s",
}
_VALKEY_HASH: Final = "*ss8"
_STREAM_VERSIONS: Final = {
    ValueType.STREAM_LISTPACKS: 1,
    ValueType.STREAM_LISTPACKS_2: 2,
    ValueType.STREAM_LISTPACKS_3: 3,
    ValueType.STREAM_LISTPACKS_4: 4,
    ValueType.STREAM_LISTPACKS_5: 5,
}
_OPERANDS: Final[dict[int, str]] = {
    Opcode.SLOT_INFO: "lll",
    Opcode.FUNCTION: "s",
    Opcode.IDLE: "l",
    Opcode.FREQUENCY: "1",
    Opcode.AUX: "ss",
    Opcode.SIZES: "ll",
    Opcode.EXPIRES_MILLISECONDS: "8",
    Opcode.EXPIRES_SECONDS: "4",
    Opcode.DATABASE: "l",
}


class Extent:
    """Collects the bytes of one record, whose first ones are there, until it is whole."""

    def __init__(self, data: bytes, version: int) -> None:
        """`version` is that of the file; 0 where its header is yet to come."""
        self.data = bytearray(data)
        #: Where the record ends, once it is whole.
        self.position = 0
        self.is_whole = False
        self._walk = self._header() if not version else self._record(version)
        self.add(b"")

    def add(self, data: bytes) -> bool:
        """Take what has come in; whether the record is whole. Amortised O(n).

        Raises RdbError for what begins no record at all, and for strings that are too long to be meant.
        """
        self.data += data
        # Nobody has to be asked again before what it waits for is there.
        if self.position <= len(self.data):
            try:
                next(self._walk)
            except StopIteration:
                self.is_whole = True
        return self.is_whole

    def _header(self) -> Walk:
        yield from self._skip(MAGIC_BYTES)

    def _record(self, version: int) -> Walk:
        kind = yield from self._byte()
        if kind in _OPERANDS:
            yield from self._parts(_OPERANDS[kind])
        elif kind == Opcode.END:
            yield from self._skip(8 if version >= FIRST_VERSION_WITH_CHECKSUM else 0)
        elif kind == Opcode.MODULE_AUX:
            yield from self._length()
            yield from self._module_parts()
        elif kind == Opcode.KEY_METADATA_OR_SLOT_IMPORT:
            yield from self._key_metadata_or_slot_import(version)
        elif kind in (ValueType.MODULE, ValueType.MODULE_2):
            yield from self._parts("sl")  # it is refused by its number, and never passed over
        else:
            layout = _LAYOUTS.get(kind)
            if kind == ValueType.HASH_METADATA_PRE_GA and version >= VALKEY_RDB_VERSION:
                layout = _VALKEY_HASH
            yield from self._string()
            if layout is not None:
                yield from self._parts(layout)
            elif kind in _STREAM_VERSIONS:
                yield from self._stream(_STREAM_VERSIONS[ValueType(kind)])

    def _parts(self, layout: str) -> Walk:
        single, star, repeated = layout.partition("*")
        yield from self._each(single)
        if star:
            for _ in _times((yield from self._length())):
                yield from self._each(repeated)

    def _each(self, parts: str) -> Walk:
        for part in parts:
            if part == "s":
                yield from self._string()
            elif part == "l":
                yield from self._length()
            elif part == "t":
                size = yield from self._byte()
                yield from self._skip(size if size < 253 else 0)
            else:
                yield from self._skip(int(part))

    def _skip(self, size: int) -> Walk:
        if size > MAX_STRING:
            raise RdbError(f"a string of {size} bytes is too long")
        self.position += size
        while self.position > len(self.data):
            yield

    def _byte(self) -> Number:
        while self.position >= len(self.data):
            yield
        byte = self.data[self.position]
        self.position += 1
        return byte

    def _length(self) -> Number:
        first = yield from self._byte()
        return (yield from self._length_from(first))

    def _length_from(self, first: int) -> Number:
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | (yield from self._byte())
        if first not in (0x80, 0x81):
            raise RdbError(f"{first:#x} does not begin a length")
        start = self.position
        yield from self._skip(8 if first & 1 else 4)
        return int.from_bytes(self.data[start : self.position], "big")

    def _string(self) -> Walk:
        first = yield from self._byte()
        if first < 0xC0:
            size = yield from self._length_from(first)
        elif first <= 0xC2:
            size = 1 << (first & 3)
        elif first == 0xC3:
            size = yield from self._length()
            yield from self._length()
        else:
            raise RdbError(f"{first:#x} does not begin a string")
        yield from self._skip(size)

    def _key_metadata_or_slot_import(self, version: int) -> Walk:
        if version >= VALKEY_RDB_VERSION:
            yield from self._parts("s*ll")
            return
        for _ in _times((yield from self._length())):
            yield from self._skip(4)
            yield from self._module_parts()

    def _module_parts(self) -> Walk:
        while (part := (yield from self._length())) != ModulePart.END:
            if part in (ModulePart.SIGNED, ModulePart.UNSIGNED):
                yield from self._length()
            elif part == ModulePart.STRING:
                yield from self._string()
            elif part in (ModulePart.FLOAT, ModulePart.DOUBLE):
                yield from self._skip(4 if part == ModulePart.FLOAT else 8)
            else:
                raise RdbError(f"{part} is no part of a module's data")

    def _stream(self, version: int) -> Walk:
        yield from self._parts("*ss")
        yield from self._each("lll" if version == 1 else "llllllll")
        for _ in _times((yield from self._length())):
            yield from self._each("sll" if version == 1 else "slll")
            for _ in _times((yield from self._length())):
                yield from self._skip(16 + 8)
                yield from self._length()
            for _ in _times((yield from self._length())):
                yield from self._each("s8" if version < 3 else "s88")
                for _ in _times((yield from self._length())):
                    yield from self._skip(16)
            if version > 4:
                for _ in _times((yield from self._length())):
                    yield from self._skip(16)
        if version > 3:
            yield from self._producers()

    def _producers(self) -> Walk:
        yield from self._each("ll")
        for _ in _times((yield from self._length())):
            yield from self._string()
            yield from self._parts("*sll")
        yield from self._each("ll")


def _times(count: int) -> Generator[None, None, None]:
    # Not range(): a hostile count may be beyond what it takes.
    while count > 0:
        count -= 1
        yield
