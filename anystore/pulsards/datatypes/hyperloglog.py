"""HyperLogLogs: how many different elements were added, to within 0.81 %, in a string of 12 KiB at most.

The string is Redis' own, to the byte: "HYLL", the form (0 is dense, 1 sparse), three zero bytes, the last
count as eight bytes (of which the highest bit says that it is out of date), and the registers: six bits each,
or as `hyperloglog_sparse` has them.

Source: the page of PFCOUNT, and the comments on the format in Redis' and Valkey's `hyperloglog.c`; the
estimate is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
(arXiv:1702.01284).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, sqrt
from typing import Final

from anystore.pulsards.datatypes.hyperloglog_sparse import (
    HEADER_SIZE,
    REGISTERS,
    CorruptHyperLogLogError,
    Place,
    decode,
    set_register,
)

DENSE, SPARSE = 0, 1
DENSE_SIZE: Final = HEADER_SIZE + REGISTERS * 6 // 8

_MAGIC: Final = b"HYLL"
_ENCODING: Final = 4
_COUNT: Final = slice(8, 16)
_LAST_COUNT_BYTE: Final = 15
_OUT_OF_DATE: Final = 0x80

_INDEX_BITS: Final = 14
_RANK_BITS: Final = 64 - _INDEX_BITS
_ALPHA: Final = 0.721347520444481703680  # 0.5 / ln 2

_MASK: Final = 2**64 - 1
_MULTIPLIER: Final = 0xC6A4A7935BD1E995
_SEED: Final = 0xADC83B19


# Single elements


def murmur(element: bytes) -> int:
    """MurmurHash64A with the seed that Redis takes. O(len)."""
    size = len(element)
    value = _SEED ^ (size * _MULTIPLIER & _MASK)
    whole = size & ~7
    for start in range(0, whole, 8):
        part = int.from_bytes(element[start : start + 8], "little") * _MULTIPLIER & _MASK
        part = (part ^ part >> 47) * _MULTIPLIER & _MASK
        value = (value ^ part) * _MULTIPLIER & _MASK
    if size & 7:
        value = (value ^ int.from_bytes(element[whole:], "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 47) * _MULTIPLIER & _MASK
    return value ^ value >> 47


def register_of(element: bytes) -> tuple[int, int]:
    """The register that an element counts in, and what it sets it to at least. O(len)."""
    value = murmur(element)
    rest = value >> _INDEX_BITS | 1 << _RANK_BITS
    return value & (REGISTERS - 1), (rest & -rest).bit_length()


# Values


def create() -> bytearray:
    """The value that counts nothing yet."""
    return bytearray(_MAGIC + bytes((SPARSE,)) + bytes(11) + b"\x7f\xff")


def is_hyperloglog(value: bytes | bytearray) -> bool:
    """Whether a string claims to be one; its registers may be damaged still. O(1)."""
    if len(value) < HEADER_SIZE or value[:4] != _MAGIC or value[_ENCODING] > SPARSE:
        return False
    return value[_ENCODING] == SPARSE or len(value) == DENSE_SIZE


def is_sparse(value: bytes | bytearray) -> bool:
    """Whether a value is in the sparse form."""
    return value[_ENCODING] == SPARSE


def cached_count(value: bytes | bytearray) -> int | None:
    """The count that the value carries, None where it is out of date."""
    if value[_LAST_COUNT_BYTE] & _OUT_OF_DATE:
        return None
    return int.from_bytes(value[_COUNT], "little")


def cache_count(value: bytearray, count: int) -> None:
    """Let the value carry its count."""
    value[_COUNT] = count.to_bytes(8, "little")


def outdate(value: bytearray) -> None:
    """Note that the count that the value carries is out of date."""
    value[_LAST_COUNT_BYTE] |= _OUT_OF_DATE


def add(value: bytearray, elements: Iterable[bytes], sparse_limit: int) -> int:
    """Add elements; how many registers changed. O(N) in the elements, and the size of a sparse value each.

    A value that would be longer than `sparse_limit` bytes becomes dense. Raises `CorruptHyperLogLogError`.
    """
    return sum(_raise_register(value, *register_of(element), sparse_limit, None) for element in elements)


def raise_registers(value: bytearray, registers: bytes | bytearray, sparse_limit: int) -> None:
    """Set each register to at least what it is in `registers`, a byte each; otherwise as `add`. O(16384)."""
    place = Place()
    for index, rank in enumerate(registers):
        if rank:
            _raise_register(value, index, rank, sparse_limit, place)


def _raise_register(value: bytearray, index: int, rank: int, sparse_limit: int, place: Place | None) -> bool:
    if is_sparse(value):
        changed = set_register(value, index, rank, sparse_limit, place or Place())
        if changed is not None:
            if changed:
                outdate(value)
            return changed
        make_dense(value)
    return _raise_dense(value, index, rank)


def _raise_dense(value: bytearray, index: int, rank: int) -> bool:
    position, shift = divmod(index * 6, 8)
    position += HEADER_SIZE
    word = int.from_bytes(value[position : position + 2], "little")
    if rank <= word >> shift & 63:
        return False
    word = word & ~(63 << shift) | rank << shift
    value[position : position + 2] = word.to_bytes(2 if position + 1 < len(value) else 1, "little")
    return True


def make_dense(value: bytearray) -> bool:
    """Bring a value into the dense form; whether it was sparse. O(16384)."""
    if not is_sparse(value):
        return False
    registers = decode(value)
    value[_ENCODING] = DENSE
    write_dense(value, registers)
    return True


# Registers: four in three bytes, the first one in the lowest bits

_LOW_6, _HIGH_2 = bytes(byte & 63 for byte in range(256)), bytes(byte >> 6 for byte in range(256))
_LOW_4, _HIGH_4 = bytes((byte & 15) << 2 for byte in range(256)), bytes(byte >> 4 for byte in range(256))
_LOW_2, _HIGH_6 = bytes((byte & 3) << 4 for byte in range(256)), bytes(byte >> 2 for byte in range(256))
_TO_HIGH_2, _TO_LOW_4 = bytes((byte & 3) << 6 for byte in range(256)), bytes(byte >> 2 for byte in range(256))
_TO_HIGH_4, _TO_LOW_2 = (
    bytes((byte & 15) << 4 for byte in range(256)),
    bytes(byte >> 4 for byte in range(256)),
)
_TO_HIGH_6: Final = bytes(byte << 2 & 255 for byte in range(256))


def _either(left: bytes | bytearray, right: bytes | bytearray) -> bytes:
    """The bits that are set in one of two strings of the same length."""
    both = int.from_bytes(left, "little") | int.from_bytes(right, "little")
    return both.to_bytes(len(left), "little")


def read_registers(value: bytes | bytearray) -> bytearray:
    """The registers, a byte each. O(16384). Raises `CorruptHyperLogLogError`."""
    if is_sparse(value):
        return decode(value)
    first, second, third = (value[HEADER_SIZE + place :: 3] for place in range(3))
    registers = bytearray(REGISTERS)
    registers[0::4] = first.translate(_LOW_6)
    registers[1::4] = _either(first.translate(_HIGH_2), second.translate(_LOW_4))
    registers[2::4] = _either(second.translate(_HIGH_4), third.translate(_LOW_2))
    registers[3::4] = third.translate(_HIGH_6)
    return registers


def write_dense(value: bytearray, registers: bytes | bytearray) -> None:
    """Give a value these registers, in the dense form; its head stays. O(16384)."""
    packed = bytearray(DENSE_SIZE - HEADER_SIZE)
    packed[0::3] = _either(registers[0::4], registers[1::4].translate(_TO_HIGH_2))
    packed[1::3] = _either(registers[1::4].translate(_TO_LOW_4), registers[2::4].translate(_TO_HIGH_4))
    packed[2::3] = _either(registers[2::4].translate(_TO_LOW_2), registers[3::4].translate(_TO_HIGH_6))
    value[HEADER_SIZE:] = packed


def union(values: Iterable[bytes | bytearray]) -> bytearray:
    """The registers of all that any of the values counts. O(16384) each."""
    registers = bytearray(REGISTERS)
    for value in values:
        registers[:] = map(max, registers, read_registers(value))
    return registers


def describe(value: bytes | bytearray) -> bytes:
    """The runs of a sparse value in words: z and Z for short and long ones of zeros, v for values. O(runs)."""
    words: list[bytes] = []
    position, size = HEADER_SIZE, len(value)
    while position < size:
        byte = value[position]
        if byte & 0x80:
            words.append(b"v:%d,%d" % ((byte >> 2 & 0x1F) + 1, (byte & 3) + 1))
        elif byte & 0x40:
            position += 1
            low = value[position] if position < size else 0
            words.append(b"Z:%d" % (((byte & 0x3F) << 8 | low) + 1))
        else:
            words.append(b"z:%d" % (byte + 1))
        position += 1
    return b" ".join(words)


# Counting


def estimate(registers: bytes | bytearray) -> int:
    """How many different elements registers stand for; as Redis counts, to the last one. O(16384)."""
    total = float(REGISTERS)
    z = total * _tau((total - registers.count(_RANK_BITS + 1)) / total)
    for rank in range(_RANK_BITS, 0, -1):
        z += registers.count(rank)
        z *= 0.5
    z += total * _sigma(registers.count(0) / total)
    if z == 0:
        return 1 << 63  # of registers that no elements lead to; what Redis makes of infinity
    number = _ALPHA * total * total / z
    whole = int(number)
    return whole + (number - whole >= 0.5)


def _sigma(x: float) -> float:
    if x == 1:
        return inf
    y, z, before = 1.0, x, -1.0
    while before != z:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while before != z:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


__all__ = (
    "DENSE_SIZE",
    "CorruptHyperLogLogError",
    "add",
    "cache_count",
    "cached_count",
    "create",
    "describe",
    "estimate",
    "is_hyperloglog",
    "is_sparse",
    "make_dense",
    "outdate",
    "raise_registers",
    "read_registers",
    "union",
    "write_dense",
)
