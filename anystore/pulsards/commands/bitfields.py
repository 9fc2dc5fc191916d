"""BITFIELD: a string as an array of integers of any width up to 64 bits, at any bit."""

from __future__ import annotations

from typing import Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.bitmaps import bit_offset, grown
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.notifications import STRING
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command

_BAD_TYPE: Final = (
    b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
)
_OVERFLOWS: Final = (b"wrap", b"sat", b"fail")
#: The operations, and how many arguments each takes.
_ARGUMENTS: Final = {b"get": 2, b"set": 3, b"incrby": 3}


class _Operation(NamedTuple):
    name: bytes  # get, set or incrby
    signed: bool
    width: int  # in bits
    offset: int  # in bits
    operand: int
    overflow: bytes  # wrap, sat or fail


@command("bitfield", "bitfield_ro")
def bitfield(ctx: Context, args: list[bytes]) -> list[int | None]:
    """BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET … value | INCRBY … increment] … O(1) each.

    → what each GET reads, each SET replaced, each INCRBY came to; null where FAIL forbade. Since 3.2;
    BITFIELD_RO, with GET alone, since 6.0.
    """
    operations = _parse(ctx, args)
    key = args[1]
    written = [operation for operation in operations if operation.name != b"get"]
    if not written:
        value = ctx.db.read_string(key) or b""
        return [_read(value, operation) for operation in operations]
    if len(args[0]) > 8:
        raise CommandError(b"ERR BITFIELD_RO only supports the GET subcommand")
    size = (max(operation.offset + operation.width for operation in written) + 7) >> 3
    target, longer = grown(ctx, key, size)
    replies: list[int | None] = []
    changed = False
    for operation in operations:
        old = _read(target, operation)
        if operation.name == b"get":
            replies.append(old)
            continue
        new = _result(operation, old)
        if new is not None:
            changed = changed or longer or new != old
            _write(target, operation, new)
        replies.append(old if new is not None and operation.name == b"set" else new)
    if changed:
        ctx.db.changed(key, b"setbit", STRING)
    elif longer:
        ctx.db.count_change()  # a copy has to grow, too, though nobody else is told, as in Redis
    return replies


def _parse(ctx: Context, args: list[bytes]) -> list[_Operation]:
    operations = []
    overflow = b"wrap"
    position, end = 2, len(args)
    while position < end:
        name = args[position].lower()
        if name == b"overflow" and position + 1 < end:
            overflow = args[position + 1].lower()
            if overflow not in _OVERFLOWS:
                raise CommandError(b"ERR Invalid OVERFLOW type specified")
            position += 2
            continue
        count = _ARGUMENTS.get(name)
        if count is None or position + count >= end:
            raise CommandError(SYNTAX)
        signed, width = _type(args[position + 1])
        offset = bit_offset(ctx, args[position + 2], width)
        operand = integer(args[position + 3]) if count == 3 else 0
        operations.append(_Operation(name, signed, width, offset, operand, overflow))
        position += count + 1
    return operations


def _type(text: bytes) -> tuple[bool, int]:
    """A type such as i16 or u8: whether it is signed, and its width."""
    width = parse_integer(text[1:])
    signed = text[:1] == b"i"
    if width is None or not (signed or text[:1] == b"u") or not 1 <= width <= (64 if signed else 63):
        raise CommandError(_BAD_TYPE)
    return signed, width


def _read(value: bytes | bytearray, operation: _Operation) -> int:
    end = operation.offset + operation.width
    stop = (end + 7) >> 3
    chunk = value[operation.offset >> 3 : stop]
    number = int.from_bytes(chunk, "big") << 8 * (stop - (operation.offset >> 3) - len(chunk))
    number = number >> (stop * 8 - end) & ((1 << operation.width) - 1)
    if operation.signed and number >> (operation.width - 1):
        number -= 1 << operation.width
    return number


def _write(value: bytearray, operation: _Operation, number: int) -> None:
    end = operation.offset + operation.width
    start, stop = operation.offset >> 3, (end + 7) >> 3
    shift = stop * 8 - end
    mask = ((1 << operation.width) - 1) << shift
    chunk = int.from_bytes(value[start:stop], "big") & ~mask | (number << shift & mask)
    value[start:stop] = chunk.to_bytes(stop - start, "big")


def _result(operation: _Operation, old: int) -> int | None:
    """What SET or INCRBY writes; None where it does not fit and is to fail."""
    width = operation.width
    if operation.signed:
        low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    else:
        low, high = 0, (1 << width) - 1
    number = operation.operand
    if operation.name == b"incrby":
        number += old
    elif number < 0 and not operation.signed:
        number += 1 << 64  # as C converts it
    if low <= number <= high:
        return number
    if operation.overflow == b"fail":
        return None
    if operation.overflow == b"sat":
        return high if number > high else low
    number &= (1 << width) - 1
    return number - (1 << width) if number > high else number
