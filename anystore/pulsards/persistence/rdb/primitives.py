"""What RDB files and DUMP payloads are made of: lengths, strings, doubles and times, in a buffer."""

from __future__ import annotations

import zlib
from math import inf, nan
from struct import Struct
from typing import Final

from anystore.pulsards.numbers import parse_integer, parse_score
from anystore.pulsards.persistence import lzf

UINT16 = Struct("<H")
UINT32 = Struct("<I")
INT64 = Struct("<q")
UINT64 = Struct("<Q")
DOUBLE = Struct("<d")
_BIG_UINT32 = Struct(">I")
_BIG_UINT64 = Struct(">Q")

# The first byte of a length: two bits of kind, six of content; or one of these.
_LENGTH_32: Final = 0x80
_LENGTH_64: Final = 0x81
_INT_8, _INT_16, _INT_32, _COMPRESSED = 0xC0, 0xC1, 0xC2, 0xC3

# Redis tries numbers up to this length, and compresses strings beyond the other.
_LONGEST_NUMBER: Final = 11
_BEYOND_DIGITS: Final = b":"
_SHORTEST_COMPRESSED: Final = 21

# Where compression is to be worth its time, strings are to be so long, and shrink to this part of them.
_SHORTEST_WORTHWHILE: Final = 512
_WORTHWHILE: Final = 0.4

# Longer than any value that Redis takes (proto-max-bulk-len); a longer one can only be meant to exhaust
# memory.
MAX_STRING: Final = 512 * 1024 * 1024


class RdbError(ValueError):
    """The data is not what an RDB file or a DUMP payload may hold at that place; the message says why.

    `offset` is the byte of the file at which reading failed; None for a payload.
    """

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason if offset is None else f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class Shortage(RdbError):
    """The data ends too early: more of it may make sense, where there is more to come."""


class EmptyValue(RdbError):
    """A value without elements, read to its end: some versions of Redis left such keys behind."""

    def __init__(self) -> None:
        super().__init__("the value is empty")


class RdbReader:
    """Reads one item after the other from `data`, and raises RdbError where the data ends or makes no sense.

    Lengths are compared with what is left before anything is built, so that hostile data costs no more memory
    than its own size times what LZF can expand (88).
    """

    __slots__ = ("_data", "_end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        """Read `data` from `position` to `end` (default: all of it)."""
        self._data = data
        self._end = len(data) if end is None else end
        self.position = position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self.position

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self.position
        stop = start + size
        if stop > self._end:
            if size > MAX_STRING:
                raise RdbError(f"a string of {size} bytes is too long")
            raise Shortage(f"{size} bytes are announced and {self._end - start} are left")
        self.position = stop
        return self._data[start:stop]

    def byte(self) -> int:
        """The next byte."""
        position = self.position
        if position >= self._end:
            raise Shortage("the data ends where a byte is expected")
        self.position = position + 1
        return self._data[position]

    def length(self) -> int:
        """A length, which is also how small unsigned numbers are written."""
        position = self.position
        if position < self._end and (first := self._data[position]) < 0x40:  # most of them
            self.position = position + 1
            return first
        first = self.byte()
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | self.byte()
        return self._long_length(first)

    def _long_length(self, first: int) -> int:
        if first == _LENGTH_32:
            return int(_BIG_UINT32.unpack(self.take(4))[0])
        if first == _LENGTH_64:
            return int(_BIG_UINT64.unpack(self.take(8))[0])
        raise RdbError(f"{first:#x} does not begin a length")

    def count(self, least: int = 1) -> int:
        """A length that announces so many items of at least `least` bytes each; at least one of them."""
        number = self.length()
        if number == 0:
            raise EmptyValue
        if number * least > self.remaining:
            raise Shortage(f"{number} items are announced and {self.remaining} bytes are left")
        return number

    def string(self) -> bytes:
        """A string: literal, a number, or compressed."""
        position = self.position
        if position < self._end and (first := self._data[position]) < 0x40:  # most of them
            stop = position + 1 + first
            if stop <= self._end:
                self.position = stop
                return self._data[position + 1 : stop]
        first = self.byte()
        if first < 0x40:
            return self.take(first)
        if first < 0x80:
            return self.take((first & 0x3F) << 8 | self.byte())
        if first < 0xC0:
            return self.take(self._long_length(first))
        if first == _INT_8:
            return b"%d" % int.from_bytes(self.take(1), "little", signed=True)
        if first == _INT_16:
            return b"%d" % int.from_bytes(self.take(2), "little", signed=True)
        if first == _INT_32:
            return b"%d" % int.from_bytes(self.take(4), "little", signed=True)
        if first == _COMPRESSED:
            return self._compressed()
        raise RdbError(f"{first:#x} does not begin a string")

    def _compressed(self) -> bytes:
        stored, size = self.length(), self.length()
        if size > MAX_STRING:
            raise RdbError(f"a string of {size} bytes is too long")
        text = lzf.decompress(self.take(stored), size)
        if text is None:
            raise RdbError("a compressed string is damaged")
        return text

    def double(self) -> float:
        """A double of 8 bytes."""
        return float(DOUBLE.unpack(self.take(8))[0])

    def double_text(self) -> float:
        """A double as text, as the first versions wrote scores."""
        size = self.byte()
        if size == 255:
            return -inf
        if size == 254:
            return inf
        if size == 253:
            return nan
        number = parse_score(self.take(size))
        if number is None:
            raise RdbError("a score is not a number")
        return number

    def milliseconds(self) -> int:
        """A time in milliseconds of the epoch; -1 stands for none."""
        return int(INT64.unpack(self.take(8))[0])


class RdbWriter:
    """Appends one item after the other to `buffer`.

    `compression` is how many bytes of strings it may spend time on compressing, at about half a microsecond a
    byte: what comes after is written as it is, which every reader accepts. If `selective`, it is spent on long
    strings that become much smaller, and these also take the least time.
    """

    __slots__ = ("_compression", "_selective", "buffer", "key")

    def __init__(self, compression: int = 0, selective: bool = False) -> None:
        self.buffer = bytearray()
        self._compression = compression
        self._selective = selective
        #: In files, a value's key stands between its type and its content.
        self.key: bytes | None = None

    def kind(self, number: int) -> None:
        """The type of a value, with its key if there is one."""
        self.buffer.append(number)
        if self.key is not None:
            self.string(self.key)

    def byte(self, value: int) -> None:
        """One byte."""
        self.buffer.append(value)

    def length(self, number: int) -> None:
        """A length, or another unsigned number, in as few bytes as it takes."""
        if number < 0x40:
            self.buffer.append(number)
        elif number < 0x4000:
            self.buffer += bytes((0x40 | number >> 8, number & 255))
        elif number <= 0xFFFFFFFF:
            self.buffer.append(_LENGTH_32)
            self.buffer += _BIG_UINT32.pack(number)
        else:
            self.buffer.append(_LENGTH_64)
            self.buffer += _BIG_UINT64.pack(number)

    def string(self, text: bytes | bytearray) -> None:
        """A string: a number of up to 32 bits where it is the text of one, else compressed or literal."""
        if len(text) <= _LONGEST_NUMBER and text[:1] < _BEYOND_DIGITS:
            number = parse_integer(bytes(text))
            if number is not None and -(1 << 31) <= number < 1 << 31:
                self._number(number)
                return
        self.blob(text)

    def blob(self, text: bytes | bytearray) -> None:
        """A string that is never the text of a number."""
        size = len(text)
        if size < _SHORTEST_COMPRESSED:  # most of them
            self.buffer.append(size)
            self.buffer += text
            return
        if size <= self._compression and self._is_worthwhile(text):
            self._compression -= size
            packed = lzf.compress(bytes(text))
            if packed is not None:
                self.buffer.append(_COMPRESSED)
                self.length(len(packed))
                self.length(size)
                self.buffer += packed
                return
        self.length(size)
        self.buffer += text

    def _is_worthwhile(self, text: bytes | bytearray) -> bool:
        if not self._selective:
            return True
        # zlib is in C, and tells in no time what LZF will find.
        size = len(text)
        return size >= _SHORTEST_WORTHWHILE and len(zlib.compress(text, 1)) < _WORTHWHILE * size

    def _number(self, number: int) -> None:
        if -128 <= number <= 127:
            kind, width = _INT_8, 1
        elif -32768 <= number <= 32767:
            kind, width = _INT_16, 2
        else:
            kind, width = _INT_32, 4
        self.buffer.append(kind)
        self.buffer += number.to_bytes(width, "little", signed=True)

    def double(self, number: float) -> None:
        """A double of 8 bytes."""
        self.buffer += DOUBLE.pack(number)

    def milliseconds(self, time: int) -> None:
        """A time in milliseconds of the epoch."""
        self.buffer += INT64.pack(time)
