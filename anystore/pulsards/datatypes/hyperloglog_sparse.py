"""The sparse form of a HyperLogLog: its 16384 registers run by run, in one or two bytes each.

    00xxxxxx            x + 1 registers are 0
    01xxxxxx yyyyyyyy   so many, up to 16384, are 0
    1vvvvvxx            x + 1 registers are v + 1

A register is set in place, and runs are joined afterwards as Redis joins them, so that the bytes are the same.

Source: the comments on the format in Redis' and Valkey's `hyperloglog.c`.
"""

from __future__ import annotations

import re
from typing import Final

REGISTERS: Final = 16384
HEADER_SIZE: Final = 16

# How many registers a run of one byte is about, or 0 for the first byte of a longer one.
_SPANS: Final = bytes(
    byte + 1 if byte < 0x40 else 0 if byte < 0x80 else (byte & 3) + 1 for byte in range(256)
)
_LARGEST_VALUE: Final = 32
_LONGEST_VALUE_RUN: Final = 4
_LONGEST_SHORT_GAP: Final = 64
# Runs looked at to be joined, from the one before the changed one.
_JOINED: Final = 5

# Beyond so many bytes, summing up what runs of one byte are about beats looking at each.
_SUMMED: Final = 1100
_LONG_GAP_OR_SHORT_RUNS = re.compile(rb"[\x40-\x7f][\x00-\xff]?|[^\x40-\x7f]+")


class CorruptHyperLogLogError(ValueError):
    """The runs are not about 16384 registers, or end in the middle of one."""


class Place:
    """Where a register is: the run at `position`, which begins at register `first`, and the runs before it.

    Positions count from the beginning of the value; -1 is no run. Registers that are set in ascending order
    find each other from here: `around` is a run that no change so far has moved.
    """

    __slots__ = ("around", "around_first", "before", "before_first", "first", "position")

    def __init__(self) -> None:
        self.position = self.around = HEADER_SIZE
        self.first = self.around_first = self.before_first = 0
        self.before = -1

    def find(self, data: bytearray, index: int) -> int:
        """Go to the run of a register; how many registers it is about. O(runs), much less if it is near."""
        if self.around_first > index or self.around == HEADER_SIZE:
            self.position, self.first, self.before = HEADER_SIZE, 0, -1
            if len(data) > _SUMMED:
                self._leap(data, index)
        else:
            self.position, self.first, self.before = self.around, self.around_first, -1
        return self._step(data, index)

    def _step(self, data: bytearray, index: int) -> int:
        """Go on run by run."""
        position, first = self.position, self.first
        before, before_first = self.before, self.before_first
        around, around_first = self.around, self.around_first
        size = len(data)
        while position < size:
            span = _SPANS[data[position]]
            width = 1
            if not span:
                if position + 1 == size:
                    break
                span = ((data[position] & 0x3F) << 8 | data[position + 1]) + 1
                width = 2
            if index < first + span:
                self.position, self.first, self.before, self.before_first = (
                    position,
                    first,
                    before,
                    before_first,
                )
                self.around, self.around_first = around, around_first
                return span
            if before >= 0:
                around, around_first = before, before_first
            before, before_first = position, first
            position += width
            first += span
        raise CorruptHyperLogLogError

    def _leap(self, data: bytearray, index: int) -> None:
        """Go to a run at least two before that of a register, by whole stretches of runs of one byte."""
        first = 0
        trail = [(HEADER_SIZE, 0)] * 2  # runs that came last, and where they begin
        for match in _LONG_GAP_OR_SHORT_RUNS.finditer(data, HEADER_SIZE):
            start, end = match.span()
            if not _SPANS[data[start]]:
                span = ((data[start] & 0x3F) << 8 | data[end - 1]) + 1
                last = [(start, first)]
            else:
                spans = match.group().translate(_SPANS)
                span = sum(spans)
                if index < first + span:
                    trail += _narrowed(spans, start, first, index)
                    break
                last = [(end - 1, first + span - spans[-1])]
                if end - start > 1:
                    last.insert(0, (end - 2, first + span - spans[-1] - spans[-2]))
            if index < first + span:
                trail.append((start, first))
                break
            trail += last
            first += span
        self.position, self.first = trail[-3]


def _narrowed(spans: bytes, start: int, first: int, index: int) -> list[tuple[int, int]]:
    """Up to three runs in a row, the last of which begins no later than the register."""
    low, high = 0, len(spans)
    while high - low > 1:
        middle = (low + high) // 2
        half = sum(spans[low:middle])
        if index < first + half:
            high = middle
        else:
            low, first = middle, first + half
    found = [(start + low, first)]
    while low and len(found) < 3:
        low -= 1
        first -= spans[low]
        found.insert(0, (start + low, first))
    return found


def _gap(size: int) -> bytes:
    if size <= _LONGEST_SHORT_GAP:
        return bytes((size - 1,))
    return bytes((0x40 | (size - 1) >> 8, (size - 1) & 0xFF))


def _value_run(value: int, size: int) -> int:
    return 0x80 | (value - 1) << 2 | (size - 1)


def set_register(data: bytearray, index: int, value: int, limit: int, place: Place) -> bool | None:
    """Set a register of the value `data` where that makes it larger; whether it did.

    None where the sparse form cannot hold it, or would be longer than `limit` bytes. Raises
    `CorruptHyperLogLogError`.
    """
    if value > _LARGEST_VALUE:
        return None
    span = place.find(data, index)
    position, first = place.position, place.first
    byte = data[position]
    if byte & 0x80:
        old = (byte >> 2 & 0x1F) + 1
        if old >= value:
            return False
        before = bytes((_value_run(old, index - first),)) if index > first else b""
        after = bytes((_value_run(old, first + span - 1 - index),)) if index < first + span - 1 else b""
    else:
        before = _gap(index - first) if index > first else b""
        after = _gap(first + span - 1 - index) if index < first + span - 1 else b""
    width = 2 if 0x40 <= byte < 0x80 else 1
    runs = b"%b%c%b" % (before, _value_run(value, 1), after)
    if len(runs) > width and len(data) + len(runs) - width > limit:
        return None
    data[position : position + width] = runs
    _join(data, place.before if place.before >= 0 else HEADER_SIZE)
    return True


def _join(data: bytearray, position: int) -> None:
    """Join runs of one and the same value, looking at a few of them from `position` on."""
    for _ in range(_JOINED):
        if position >= len(data):
            return
        byte = data[position]
        if not byte & 0x80:
            position += 2 if byte & 0x40 else 1
            continue
        following = data[position + 1] if position + 1 < len(data) else 0
        size = (byte & 3) + (following & 3) + 2
        if byte >> 2 == following >> 2 and size <= _LONGEST_VALUE_RUN:
            data[position : position + 2] = bytes((_value_run((byte >> 2 & 0x1F) + 1, size),))
        else:
            position += 1


def decode(data: bytes | bytearray) -> bytearray:
    """The registers, a byte each. O(16384). Raises `CorruptHyperLogLogError`."""
    pieces: list[bytes] = []
    total = 0
    position, size = HEADER_SIZE, len(data)
    while position < size:
        byte = data[position]
        if byte & 0x80:
            run = (byte & 3) + 1
            pieces.append(bytes(((byte >> 2 & 0x1F) + 1,)) * run)
        elif byte & 0x40:
            position += 1
            # At the very end Redis reads the zero byte behind the string.
            run = ((byte & 0x3F) << 8 | (data[position] if position < size else 0)) + 1
            pieces.append(bytes(run))
        else:
            run = byte + 1
            pieces.append(bytes(run))
        position += 1
        total += run
        if total > REGISTERS:
            raise CorruptHyperLogLogError
    if total != REGISTERS:
        raise CorruptHyperLogLogError
    return bytearray().join(pieces)
