"""The compact encodings before listpacks: intsets (which stayed), ziplists and zipmaps."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Final

from anystore.pulsards.persistence.rdb.primitives import UINT16, UINT32, RdbError

_END: Final = 0xFF
_ZIPLIST_HEAD: Final = 10
_ZIPLIST_WIDTHS: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}
_UNKNOWN_COUNT: Final = 65535
# A length of a ziplist or a zipmap that does not fit one byte is announced by this one, and takes four more.
_LONG: Final = 254


def pack_intset(members: Collection[bytes]) -> bytes:
    """A sorted array of integers, as wide as the widest needs. O(n log n)."""
    numbers = sorted(map(int, members))
    width = next(
        width
        for width in (2, 4, 8)
        if -(1 << width * 8 - 1) <= numbers[0] and numbers[-1] < 1 << width * 8 - 1
    )
    body = b"".join([number.to_bytes(width, "little", signed=True) for number in numbers])
    return UINT32.pack(width) + UINT32.pack(len(numbers)) + body


def unpack_intset(data: bytes) -> list[bytes]:
    """The integers of an intset, as text, in order; RdbError when it is damaged. O(n)."""
    if len(data) < 8:
        raise RdbError("an intset is too short")
    width, count = UINT32.unpack_from(data)[0], UINT32.unpack_from(data, 4)[0]
    if width not in (2, 4, 8) or count == 0 or len(data) != 8 + width * count:
        raise RdbError("an intset's size is wrong")
    numbers = [
        int.from_bytes(data[start : start + width], "little", signed=True)
        for start in range(8, len(data), width)
    ]
    if any(left >= right for left, right in pairwise(numbers)):
        raise RdbError("an intset is out of order")
    return [b"%d" % number for number in numbers]


def unpack_ziplist(data: bytes) -> list[bytes]:
    """The elements of a ziplist, integers as text; RdbError when anything about it is wrong. O(n).

    Head: size in bytes, offset of the last element, number of elements. An element begins with the size of
    the one before, so that the list can be walked backwards.
    """
    size = len(data)
    if size < _ZIPLIST_HEAD + 1 or UINT32.unpack_from(data)[0] != size or data[-1] != _END:
        raise RdbError("a ziplist's size is wrong")
    found: list[bytes] = []
    position = _ZIPLIST_HEAD
    tail = _ZIPLIST_HEAD
    before = 0
    last = size - 1
    while position < last:
        start = position
        announced = data[position]
        position += 1
        if announced >= _LONG:
            if announced == _END or position + 4 > last:
                raise RdbError("a ziplist's element is damaged")
            announced = UINT32.unpack_from(data, position)[0]
            position += 4
        if announced != before or position >= last:
            raise RdbError("a ziplist's element is damaged")
        element, position = _ziplist_element(data, position, last)
        found.append(element)
        tail = start
        before = position - start
    if UINT32.unpack_from(data, 4)[0] != tail:
        raise RdbError("a ziplist's last element is elsewhere")
    if UINT16.unpack_from(data, 8)[0] not in (len(found), _UNKNOWN_COUNT):
        raise RdbError("a ziplist's number of elements is wrong")
    return found


def _ziplist_element(data: bytes, position: int, last: int) -> tuple[bytes, int]:
    """The element whose encoding is at `position`, and where it ends."""
    first = data[position]
    start = position + 1
    if first < 0xC0:
        if first < 0x40:
            length = first
        elif first < 0x80:
            # The byte 255 at the end makes sure that there is a next byte.
            length = (first & 0x3F) << 8 | data[start]
            start += 1
        else:
            length = int.from_bytes(data[start : start + 4], "big")
            start += 4
        stop = start + length
        if stop > last:
            raise RdbError("a ziplist's element is longer than the ziplist")
        return data[start:stop], stop
    if 0xF1 <= first <= 0xFD:
        return b"%d" % (first - 0xF1), start
    width = _ZIPLIST_WIDTHS.get(first)
    if width is None or start + width > last:
        raise RdbError("a ziplist's element is damaged")
    return b"%d" % int.from_bytes(data[start : start + width], "little", signed=True), start + width


def unpack_zipmap(data: bytes) -> list[bytes]:
    """The keys and values of a zipmap, alternating; RdbError when anything about it is wrong. O(n).

    Each key and value is preceded by its length; a value's, by the number of unused bytes after it, too.
    """
    if len(data) < 2 or data[-1] != _END:
        raise RdbError("a zipmap's size is wrong")
    found: list[bytes] = []
    position = 1  # the first byte is a count that may be unknown
    last = len(data) - 1
    while position < last:
        length = data[position]
        position += 1
        if length == _END:
            raise RdbError("a zipmap ends before its data")
        if length == _LONG:
            if position + 4 > last:
                raise RdbError("a zipmap's element is damaged")
            length = UINT32.unpack_from(data, position)[0]
            position += 4
        unused = 0
        if len(found) % 2:
            unused = data[position]
            position += 1
        stop = position + length
        if stop + unused > last:
            raise RdbError("a zipmap's element is longer than the zipmap")
        found.append(data[position:stop])
        position = stop + unused
    if len(found) % 2:
        raise RdbError("a zipmap's last key has no value")
    if data[0] < _LONG and data[0] != len(found) // 2:
        raise RdbError("a zipmap's number of fields is wrong")
    return found
