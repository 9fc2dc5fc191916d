"""LZF, the compression of strings in RDB files and DUMP payloads.

The format: a byte below 32 is followed by that many literal bytes and one more. Any other byte holds a length
in its upper three bits (7: one more byte adds to it) and, with the byte after, a distance back in 13 bits; it
stands for `length + 2` bytes which are already there, `distance + 1` bytes back.
"""

from __future__ import annotations

from typing import Final

_MAX_LITERALS: Final = 32
_MAX_DISTANCE: Final = 8192
_MAX_MATCH: Final = 264
# A search that finds nothing goes on in longer and longer strides: one byte longer after so many failures.
_PATIENCE: Final = 32


def compress(data: bytes) -> bytes | None:
    """The compressed form of `data`, or None when it would not be at least four bytes shorter. O(len).

    Whatever `decompress` (and Redis) makes of it is `data`; the bytes need not be those that Redis would
    choose.
    """
    size = len(data)
    limit = size - 4
    out = bytearray()
    last: dict[bytes, int] = {}  # where each three bytes were last seen
    literal = 0  # where the bytes begin that no match has covered
    position = 0
    failures = 0
    while position < size - 2:
        three = data[position : position + 3]
        reference = last.get(three, -1)
        last[three] = position
        if reference < 0 or position - reference > _MAX_DISTANCE:
            position += 1 + failures // _PATIENCE
            failures += 1
            continue
        failures = 0
        length = _match_length(data, reference, position)
        _put_literals(out, data[literal:position])
        distance = position - reference - 1
        if length < 9:
            out += bytes(((length - 2) << 5 | distance >> 8, distance & 255))
        else:
            out += bytes((7 << 5 | distance >> 8, length - 9, distance & 255))
        if len(out) >= limit:
            return None
        position += length
        literal = position
        # The last place within the match is the nearest for what comes next.
        last[data[position - 2 : position + 1]] = position - 2
    _put_literals(out, data[literal:])
    return bytes(out) if len(out) <= limit else None


def _match_length(data: bytes, reference: int, position: int) -> int:
    """How many bytes at `position` are those at `reference`: from three, which are known to be, up to 264."""
    most = min(_MAX_MATCH, len(data) - position)
    if data[reference : reference + most] == data[position : position + most]:
        return most
    low = 3
    high = most  # that many do not agree
    while high - low > 1:
        middle = (low + high) // 2
        if data[reference : reference + middle] == data[position : position + middle]:
            low = middle
        else:
            high = middle
    return low


def _put_literals(out: bytearray, literals: bytes) -> None:
    for start in range(0, len(literals), _MAX_LITERALS):
        run = literals[start : start + _MAX_LITERALS]
        out.append(len(run) - 1)
        out += run


def decompress(data: bytes, size: int) -> bytes | None:
    """The `size` bytes that `data` stands for, or None when it stands for anything else, or nothing. O(size).

    Never builds more than `size` bytes and one match; a `size` that `data` cannot reach is found out first.
    """
    if size > len(data) * _MAX_MATCH:
        return None
    out = bytearray()
    position = 0
    end = len(data)
    while position < end:
        control = data[position]
        position += 1
        if control < _MAX_LITERALS:
            stop = position + control + 1
            if stop > end:
                return None
            out += data[position:stop]
            position = stop
        else:
            length = (control >> 5) + 2
            if length == 9:
                if position >= end:
                    return None
                length += data[position]
                position += 1
            if position >= end:
                return None
            distance = ((control & 31) << 8 | data[position]) + 1
            position += 1
            reference = len(out) - distance
            if reference < 0:
                return None
            if distance >= length:
                out += out[reference : reference + length]
            else:
                # It overlaps itself: the last `distance` bytes again and again.
                pattern = out[reference:]
                out += (pattern * (length // distance + 1))[:length]
        if len(out) > size:
            return None
    return bytes(out) if len(out) == size else None
