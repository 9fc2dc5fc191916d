"""Strings as arrays of bits: bit 0 is the highest bit of the first byte, bits beyond the end are 0."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial, reduce
from operator import and_, or_, xor
from typing import Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.strings import to_mutable
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.notifications import GENERIC, STRING
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command

_BAD_OFFSET: Final = b"ERR bit offset is not an integer or out of range"
_BAD_BIT: Final = b"ERR bit is not an integer or out of range"

_NOT_ALL_CLEAR: Final = re.compile(rb"[^\x00]")
_NOT_ALL_SET: Final = re.compile(rb"[^\xff]")
_COMPLEMENT: Final = bytes(range(255, -1, -1))


def _one(numbers: Iterable[int]) -> int:
    """The bits that are set in exactly one of the numbers. O(N)."""
    once = more = 0
    for number in numbers:
        more |= once & number
        once = (once ^ number) & ~more
    return once


def _diff(numbers: Iterable[int]) -> int:
    first, *others = numbers
    return first & ~reduce(or_, others)


def _diff1(numbers: Iterable[int]) -> int:
    first, *others = numbers
    return reduce(or_, others) & ~first


def _andor(numbers: Iterable[int]) -> int:
    first, *others = numbers
    return first & reduce(or_, others)


_OPERATIONS: Final[dict[bytes, Callable[[Iterable[int]], int]]] = {
    b"and": partial(reduce, and_),
    b"or": partial(reduce, or_),
    b"xor": partial(reduce, xor),
    b"one": _one,
    b"diff": _diff,
    b"diff1": _diff1,
    b"andor": _andor,
}
#: These hold the first string against all others: there must be some.
_AGAINST_OTHERS: Final = frozenset((b"diff", b"diff1", b"andor"))


def bit_offset(ctx: Context, text: bytes, width: int = 0) -> int:
    """A position in bits, within the size that a string may have; `#n` is n times `width`, where there is one."""
    if width and text[:1] == b"#":
        number = parse_integer(text[1:])
        offset = None if number is None else number * width
    else:
        offset = parse_integer(text)
    if offset is None or offset < 0 or offset >> 3 >= ctx.engine.config.proto_max_bulk_len:
        raise CommandError(_BAD_OFFSET)
    return offset


def grown(ctx: Context, key: bytes, size: int) -> tuple[bytearray, bool]:
    """The string under `key`, to be changed in place and at least `size` bytes long; whether it became longer."""
    value = ctx.db.modify_string(key)
    target = to_mutable(ctx, key, value)
    missing = size - len(target)
    if missing > 0:
        target.extend(bytes(missing))
    return target, missing > 0


@command("setbit")
def setbit(ctx: Context, args: list[bytes]) -> int:
    """SETBIT key offset 0|1 → the bit before. O(1), but for the bytes that the string grows by."""
    offset = bit_offset(ctx, args[2])
    bit = args[3]
    if bit != b"0" and bit != b"1":
        raise CommandError(_BAD_BIT)
    key = args[1]
    value, longer = grown(ctx, key, (offset >> 3) + 1)
    index, shift = offset >> 3, 7 - (offset & 7)
    old = value[index] >> shift & 1
    differs = old != (bit == b"1")
    if differs:
        value[index] ^= 1 << shift
    if differs or longer:
        ctx.db.changed(key, b"setbit", STRING)
    return old


@command("getbit")
def getbit(ctx: Context, args: list[bytes]) -> int:
    """GETBIT key offset → the bit. O(1)."""
    offset = bit_offset(ctx, args[2])
    value = ctx.db.read_string(args[1])
    if value is None or offset >> 3 >= len(value):
        return 0
    return value[offset >> 3] >> (7 - (offset & 7)) & 1


@command("bitcount")
def bitcount(ctx: Context, args: list[bytes]) -> int:
    """BITCOUNT key [start end [BYTE | BIT]] → the number of bits set, both ends inclusive. O(N).

    The units since 7.0.
    """
    start, end, by_bit = 0, -1, False
    if len(args) in (4, 5):
        start, end = integer(args[2]), integer(args[3])
        by_bit = len(args) == 5 and _counts_bits(args[4])
    elif len(args) != 2:
        raise CommandError(SYNTAX)
    value = ctx.db.read_string(args[1])
    if value is None or (start < 0 and end < 0 and start > end):
        return 0
    start, end = _bounds(start, end, len(value) * 8 if by_bit else len(value))
    if start > end:
        return 0
    if not by_bit:
        return int.from_bytes(value[start : end + 1], "big").bit_count()
    number = int.from_bytes(value[start >> 3 : (end >> 3) + 1], "big") >> (7 - (end & 7))
    return (number & ((1 << (end - start + 1)) - 1)).bit_count()


def _counts_bits(unit: bytes) -> bool:
    unit = unit.lower()
    if unit not in (b"bit", b"byte"):
        raise CommandError(SYNTAX)
    return unit == b"bit"


def _bounds(start: int, end: int, size: int) -> tuple[int, int]:
    """Positions from the end made positive, and both within the string."""
    if start < 0:
        start = max(start + size, 0)
    if end < 0:
        end = max(end + size, 0)
    return start, min(end, size - 1)


@command("bitpos")
def bitpos(ctx: Context, args: list[bytes]) -> int:
    """BITPOS key 0|1 [start [end [BYTE | BIT]]] → the first such bit's position, -1 without one. O(N).

    Where no end is given, the string is taken to go on in 0 for ever. The units since 7.0.
    """
    bit = integer(args[2])
    if bit not in (0, 1):
        raise CommandError(b"ERR The bit argument must be 1 or 0.")
    if len(args) > 6:
        raise CommandError(SYNTAX)
    start = integer(args[3]) if len(args) > 3 else 0
    by_bit = len(args) == 6 and _counts_bits(args[5])
    end = integer(args[4]) if len(args) > 4 else -1
    value = ctx.db.read_string(args[1])
    if value is None:
        return -1 if bit else 0
    start, end = _bounds(start, end, len(value) * 8 if by_bit else len(value))
    if start > end:
        return -1
    if not by_bit:
        start, end = start * 8, end * 8 + 7
    position = _find(value, bit, start, end)
    if position < 0 and not bit and len(args) < 5:
        return len(value) * 8
    return position


def _find(value: bytes | bytearray, bit: int, start: int, end: int) -> int:
    """The position of the first bit that is `bit` from bit `start` to bit `end`, which are in `value`; or -1."""
    index = start >> 3
    # The bits looked for, in the byte where the range begins.
    found = (value[index] if bit else ~value[index]) & (0xFF >> (start & 7))
    if not found:
        pattern = _NOT_ALL_CLEAR if bit else _NOT_ALL_SET
        match = pattern.search(value, index + 1, (end >> 3) + 1)
        if match is None:
            return -1
        index = match.start()
        found = (value[index] if bit else ~value[index]) & 0xFF
    position = index * 8 + 8 - found.bit_length()
    return position if position <= end else -1


@command("bitop")
def bitop(ctx: Context, args: list[bytes]) -> int:
    """BITOP AND | OR | XOR | NOT | ONE destination key [key …] → the length of the result. O(N).

    ONE sets the bits that exactly one of them has; BITOP DIFF | DIFF1 | ANDOR destination x y [y …] the bits of x that no y
    has, those of any y that x has not, and those of x that any y has. (The latter four are of Redis 8.2.)
    Shorter strings are taken to go on in 0; an empty result removes the destination.
    """
    name = args[1].lower()
    operation = _OPERATIONS.get(name)
    if operation is None and name != b"not":
        raise CommandError(SYNTAX)
    if operation is None and len(args) != 4:
        raise CommandError(b"ERR BITOP NOT must be called with a single source key.")
    if name in _AGAINST_OTHERS and len(args) < 5:
        raise CommandError(b"ERR BITOP %b must be called with at least two source keys." % name.upper())
    db = ctx.db
    sources = [db.read_string(key) or b"" for key in args[3:]]
    size = max(map(len, sources))
    target = args[2]
    if not size:
        if db.remove(target):
            db.changed(target, b"del", GENERIC)
        return 0
    if operation is None:
        result = bytearray(sources[0].translate(_COMPLEMENT))
    else:
        # Little-endian, so that shorter strings need no padding.
        numbers = (int.from_bytes(source, "little") for source in sources)
        result = bytearray(operation(numbers).to_bytes(size, "little"))
    db.set_value(target, result)
    db.changed(target, b"set", STRING)
    return size
