"""Listpacks: the compact sequence of strings and integers which Redis 7 keeps small values in.

Six bytes of head (size in bytes, number of elements), the elements, and a byte 255. An element is an encoding
with its content, and then the length of both, seven bits a byte, to be read from its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.persistence.rdb.primitives import UINT16, UINT32, RdbError

_HEAD: Final = 6
_UNKNOWN_COUNT: Final = 65535
# Encodings with a fixed first byte: a string with four bytes of length, and integers by their width.
_LONG_STRING: Final = 0xF0
_WIDTHS: Final = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}
_END: Final = 0xFF


def pack(elements: Iterable[bytes]) -> bytes:
    """A listpack of `elements`; those that are the text of a 64-bit integer are stored as one. O(n)."""
    entries = [entry(element) for element in elements]
    return join(entries)


def join(entries: list[bytes]) -> bytes:
    """A listpack of elements that `entry` has encoded."""
    body = b"".join(entries)
    size = _HEAD + len(body) + 1
    return UINT32.pack(size) + UINT16.pack(min(len(entries), _UNKNOWN_COUNT)) + body + b"\xff"


def entry(element: bytes) -> bytes:
    """One element, encoded."""
    size = len(element)
    if size <= 20 and (number := parse_integer(element)) is not None:
        return integer_entry(number)
    if size < 64:
        content = bytes((0x80 | size,)) + element
    elif size < 4096:
        content = bytes((0xE0 | size >> 8, size & 255)) + element
    else:
        content = b"\xf0" + UINT32.pack(size) + element
    return content + _backlen(len(content))


def integer_entry(number: int) -> bytes:
    """One element that is a signed 64-bit integer, encoded."""
    if 0 <= number <= 127:
        return bytes((number, 1))
    if -4096 <= number <= 4095:
        number &= 0x1FFF
        return bytes((0xC0 | number >> 8, number & 255, 2))
    first, width = next(
        (first, width)
        for first, width in _WIDTHS.items()
        if -(1 << width * 8 - 1) <= number < 1 << width * 8 - 1
    )
    return bytes((first,)) + number.to_bytes(width, "little", signed=True) + bytes((width + 1,))


def _backlen(size: int) -> bytes:
    if size <= 127:
        return bytes((size,))
    count = _backlen_size(size)
    groups = [size >> 7 * place & 127 | 128 for place in range(count - 1, -1, -1)]
    groups[0] &= 127
    return bytes(groups)


def _backlen_size(size: int) -> int:
    # The limits are Redis' own, one below what seven bits a byte would hold.
    return 1 if size <= 127 else 2 if size < 16383 else 3 if size < 2097151 else 4 if size < 268435455 else 5


def unpack(data: bytes) -> list[bytes]:
    """The elements of a listpack, integers as text; RdbError when anything about it is wrong. O(n)."""
    size = len(data)
    if size < _HEAD + 1 or UINT32.unpack_from(data)[0] != size or data[-1] != _END:
        raise RdbError("a listpack's size is wrong")
    found: list[bytes] = []
    position = _HEAD
    last = size - 1
    while position < last:
        first = data[position]
        if first < 0x80:
            found.append(b"%d" % first)
            stop = position + 1
        elif first < 0xC0:
            stop = position + 1 + (first & 0x3F)
            found.append(data[position + 1 : stop])
        else:
            start, stop = _content(data, position, first)
            if stop > last:
                raise RdbError("a listpack's element is longer than the listpack")
            found.append(_long_element(data, first, start, stop))
        length = stop - position
        if length <= 127:
            if stop >= last or data[stop] != length:
                raise RdbError("a listpack's element is damaged")
            position = stop + 1
        else:
            position = stop + _backlen_size(length)
            if position > last or data[stop:position] != _backlen(length):
                raise RdbError("a listpack's element is damaged")
    count = UINT16.unpack_from(data, 4)[0]
    if count not in (len(found), _UNKNOWN_COUNT):
        raise RdbError("a listpack's number of elements is wrong")
    return found


def _content(data: bytes, position: int, first: int) -> tuple[int, int]:
    """From where to where the content of a long element goes (which may be beyond the data)."""
    if first < 0xE0:
        return position, position + 2
    if first < 0xF0:
        # The byte 255 at the end makes sure that there is a next byte.
        return position + 2, position + 2 + ((first & 15) << 8 | data[position + 1])
    if first == _LONG_STRING:
        if position + 5 > len(data):
            raise RdbError("a listpack's element is longer than the listpack")
        return position + 5, position + 5 + int(UINT32.unpack_from(data, position + 1)[0])
    width = _WIDTHS.get(first)
    if width is None:
        raise RdbError(f"{first:#x} does not begin an element of a listpack")
    return position + 1, position + 1 + width


def _long_element(data: bytes, first: int, start: int, stop: int) -> bytes:
    if first < 0xE0:
        number = (data[start] & 0x1F) << 8 | data[start + 1]
        return b"%d" % (number - 0x2000 if number >= 0x1000 else number)
    if first <= _LONG_STRING:
        return data[start:stop]
    return b"%d" % int.from_bytes(data[start:stop], "little", signed=True)
