"""CRC-64 as Redis appends it to RDB files and DUMP payloads: the Jones polynomial, reflected, starting from
0.

`anycrc` computes it, at some 10 GB/s. Where that is not installed, Python does, at some 30 MB/s: eight bytes at a time
for short data, and many columns at once for long data.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5  # 0xAD93D23594C935A9 with its bits reversed
_WORD = Struct("<Q")

# From this size on the columns pay for their set-up; beyond the other, the state outgrows the caches
# (measured).
_COLUMNS_FROM: Final = 16_384
_PIECE: Final = 1 << 20
_STEPS: Final = 256  # bytes of each column


def crc64_in_python(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """`crc64`, without a library."""
    if len(data) < _COLUMNS_FROM:
        return _by_words(data, crc)
    view = memoryview(data)
    whole = len(view) - len(view) % _STEPS
    for start in range(0, whole, _PIECE):
        crc = _by_columns(view[start : min(start + _PIECE, whole)], crc)
    return _by_words(view[whole:], crc)


@cache
def _tables() -> tuple[tuple[int, ...], ...]:
    """`tables[k][byte]`: what a byte with k bytes after it contributes to the check sum."""
    first = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        first.append(byte)
    tables = [tuple(first)]
    for _ in range(7):
        tables.append(tuple(first[value & 255] ^ value >> 8 for value in tables[-1]))
    return tuple(tables)


def _by_words(data: bytes | bytearray | memoryview, crc: int) -> int:
    t0, t1, t2, t3, t4, t5, t6, t7 = _tables()
    whole = len(data) & ~7
    for (word,) in _WORD.iter_unpack(data[:whole]):
        a, b, c, d, e, f, g, h = (crc ^ word).to_bytes(8, "little")
        crc = t7[a] ^ t6[b] ^ t5[c] ^ t4[d] ^ t3[e] ^ t2[f] ^ t1[g] ^ t0[h]
    for byte in data[whole:]:
        crc = t0[(crc ^ byte) & 255] ^ crc >> 8
    return crc


@cache
def _planes() -> tuple[bytes, ...]:
    """The first table by bytes: `planes[k][byte]` is byte k of its entry, ready for `bytes.translate`."""
    return tuple(bytes(value >> 8 * k & 255 for value in _tables()[0]) for k in range(8))


@cache
def _advance() -> tuple[tuple[int, ...], ...]:
    """`tables[k][byte]`: what byte k of a check sum becomes when `_STEPS` zero bytes follow."""
    zeros = bytes(_STEPS)
    tables = []
    for k in range(8):
        # Check sums are linear: those of the eight single bits tell those of all bytes.
        table = [0]
        for bit in range(8):
            single = _by_words(zeros, 1 << (8 * k + bit))
            table += [value ^ single for value in table]
        tables.append(tuple(table))
    return tuple(tables)


def _by_columns(data: memoryview, crc: int) -> int:
    """The data is cut into columns of `_STEPS` bytes, whose check sums are computed side by side.

    The state is one long integer: eight planes, plane k holding byte k of each column's check sum. A step is
    a table look-up of all columns' bytes at once, which `bytes.translate` does, and one shift and exclusive
    or.
    """
    columns = len(data) // _STEPS
    planes = _planes()
    shift = 8 * columns
    lowest = (1 << shift) - 1
    state = 0
    for step in range(_STEPS):
        index = (state & lowest ^ int.from_bytes(data[step::_STEPS], "little")).to_bytes(columns, "little")
        looked_up = b"".join([index.translate(plane) for plane in planes])
        state = state >> shift ^ int.from_bytes(looked_up, "little")
    finished = state.to_bytes(8 * columns, "little")
    t0, t1, t2, t3, t4, t5, t6, t7 = _advance()
    for column in range(columns):
        a, b, c, d, e, f, g, h = crc.to_bytes(8, "little")
        crc = t0[a] ^ t1[b] ^ t2[c] ^ t3[d] ^ t4[e] ^ t5[f] ^ t6[g] ^ t7[h]
        crc ^= int.from_bytes(finished[column::columns], "little")
    return crc


def _chosen() -> Callable[[bytes | bytearray | memoryview, int], int]:
    try:
        from anycrc import Model
    except ImportError:
        return crc64_in_python
    calculate: Callable[[bytes | bytearray | memoryview, int], int] = Model("CRC64-REDIS").calc
    return calculate


_crc64: Final = _chosen()


def crc64(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """The check sum of `data`, going on from `crc`, that of what came before. O(len)."""
    return _crc64(data, crc)
