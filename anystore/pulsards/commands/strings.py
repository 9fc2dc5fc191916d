"""Strings: reading and writing whole values, parts of them, and counting.

A string is `bytes`; once APPEND, SETRANGE, SETBIT or BITFIELD has changed it in place it is a `bytearray`,
which these go on changing without copying it. What is replied is always `bytes`: a reply inside a
transaction is written out only after later commands have run.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.set_options import (
    CONDITION,
    EX,
    EXAT,
    GET,
    GETEX_OPTIONS,
    IFEQ,
    KEEPTTL,
    MSETEX_OPTIONS,
    NX,
    PERSIST,
    PX,
    PXAT,
    SET_OPTIONS,
    deadline,
    parse_options,
)
from anystore.pulsards.context import Context
from anystore.pulsards.errors import (
    NOT_A_FLOAT,
    NOT_AN_INTEGER,
    OVERFLOW,
    SYNTAX,
    TOO_LONG_A_STRING,
    WRONG_TYPE,
    CommandError,
    wrong_arity,
)
from anystore.pulsards.notifications import GENERIC, STRING
from anystore.pulsards.numbers import (
    INT64_MAX,
    INT64_MIN,
    LongDouble,
    format_long_double,
    parse_integer,
    parse_long_double,
)
from anystore.pulsards.registry import command
from anystore.resp.types import OK

# Whole values


@command("get")
def get(ctx: Context, args: list[bytes]) -> Any:
    """GET key → the value, null without one. O(1)."""
    value = ctx.db.read(args[1])
    kind = type(value)
    if kind is bytes or value is None:
        return value
    if kind is bytearray:
        return bytes(value)
    raise CommandError(WRONG_TYPE)


@command("set")
def set_(ctx: Context, args: list[bytes]) -> Any:
    """SET key value [NX | XX | IFEQ old] [GET] [EX seconds | PX ms | EXAT seconds | PXAT ms | KEEPTTL]. O(1).

    → OK; null where NX, XX or IFEQ forbids; with GET, the value before (7.0: together with NX as well). IFEQ is
    Valkey's, since 8.1: the key has to hold this very string.
    """
    if len(args) == 3:
        ctx.db.store(args[1], args[2], b"set", STRING)
        return OK
    flags, time, compared = parse_options(args, 3, SET_OPTIONS)
    when = None if time is None else deadline(ctx, args, flags, time)
    if not flags & GET:
        return OK if _store(ctx, args[1], args[2], flags, when, compared) else None
    old = ctx.db.read_string(args[1])
    if isinstance(old, bytearray):
        old = bytes(old)
    _store(ctx, args[1], args[2], flags, when, compared)
    return old


def _store(
    ctx: Context, key: bytes, value: bytes, flags: int, when: int | None, compared: bytes | None = None
) -> bool:
    """Set a key under the conditions in `flags`; whether they held."""
    db = ctx.db
    if flags & CONDITION:
        if flags & IFEQ:
            if (old := db.modify_string(key)) is None or old != compared:
                return False
        elif (db.modify(key) is None) != bool(flags & NX):
            return False
    db.set_value(key, value, bool(flags & KEEPTTL))
    db.changed(key, b"set", STRING)
    if when is not None:
        db.set_expiry(key, when)
        db.notify(key, b"expire", GENERIC)
    return True


@command("setnx")
def setnx(ctx: Context, args: list[bytes]) -> int:
    """SETNX key value → 1, or 0 where the key is there. O(1)."""
    return int(_store(ctx, args[1], args[2], NX, None))


@command("setex", "psetex")
def setex(ctx: Context, args: list[bytes]) -> Any:
    """SETEX key seconds value; PSETEX key ms value → OK. O(1)."""
    flags = EX if len(args[0]) == 5 else PX
    _store(ctx, args[1], args[3], flags, deadline(ctx, args, flags, args[2]))
    return OK


@command("getset")
def getset(ctx: Context, args: list[bytes]) -> bytes | None:
    """GETSET key value → the value before, null without one. O(1)."""
    old = ctx.db.read_string(args[1])
    _store(ctx, args[1], args[2], 0, None)
    return bytes(old) if isinstance(old, bytearray) else old


@command("getdel")
def getdel(ctx: Context, args: list[bytes]) -> bytes | None:
    """GETDEL key → the value that was there, null without one. O(1). Since 6.2."""
    db = ctx.db
    old = db.read_string(args[1])
    # What is past may be kept: it is not to be had, but it goes.
    if (old is not None or db.keyspace.keeps_past) and db.remove(args[1]):
        db.changed(args[1], b"del", GENERIC)
    return None if old is None else bytes(old)


@command("delifeq")
def delifeq(ctx: Context, args: list[bytes]) -> int:
    """DELIFEQ key value → 1 where the key held this very string and is removed, else 0. O(1). Valkey's, since 9.0."""
    db = ctx.db
    key = args[1]
    value = db.modify_string(key)
    if value is None or value != args[2]:
        return 0
    db.remove(key)
    db.changed(key, b"del", GENERIC)
    return 1


@command("getex")
def getex(ctx: Context, args: list[bytes]) -> bytes | None:
    """GETEX key [EX seconds | PX ms | EXAT seconds | PXAT ms | PERSIST] → the value. O(1). Since 6.2."""
    flags, time, _ = parse_options(args, 2, GETEX_OPTIONS)
    db = ctx.db
    key = args[1]
    value = db.read_string(key)
    if value is None:
        return None
    if time is not None:
        when = deadline(ctx, args, flags, time)
        if flags & (EXAT | PXAT) and db.keyspace.is_past(when):
            db.remove(key)
            db.changed(key, b"del", GENERIC)
        else:
            db.set_expiry(key, when)
            db.changed(key, b"expire", GENERIC)
    elif flags & PERSIST and db.expiry(key) is not None:
        db.set_expiry(key, None)
        db.changed(key, b"persist", GENERIC)
    return bytes(value)


@command("mget")
def mget(ctx: Context, args: list[bytes]) -> list[bytes | None]:
    """MGET key [key …] → the values; null for what is not there or no string. O(N)."""
    read = ctx.db.read
    found: list[bytes | None] = []
    for key in args[1:]:
        value = read(key)
        kind = type(value)
        if kind is bytes:
            found.append(value)
        else:
            found.append(bytes(value) if kind is bytearray else None)
    return found


@command("mset")
def mset(ctx: Context, args: list[bytes]) -> Any:
    """MSET key value [key value …] → OK. O(N)."""
    if not len(args) % 2:
        raise wrong_arity(b"mset")
    ctx.db.set_many(args[1::2], args[2::2], b"set", STRING)
    return OK


@command("msetnx")
def msetnx(ctx: Context, args: list[bytes]) -> int:
    """MSETNX key value [key value …] → 1, or 0 where any of the keys is there; all or none. O(N)."""
    if not len(args) % 2:
        raise wrong_arity(b"msetnx")
    for key in args[1::2]:
        if ctx.db.modify(key) is not None:
            return 0
    mset(ctx, args)
    return 1


@command("msetex")
def msetex(ctx: Context, args: list[bytes]) -> int:
    """MSETEX numkeys key value [key value …] [NX | XX] [EX seconds | PX ms | EXAT … | PXAT … | KEEPTTL]. O(N).

    → 1, or 0 where NX or XX forbids it for any of the keys; all or none. Valkey's, since 9.1.
    """
    count = parse_integer(args[1])
    if count is None or not 0 < count <= _MOST_PAIRS:
        raise CommandError(b"ERR invalid numkeys value or out of range")
    end = 2 + 2 * count
    if end > len(args):
        raise CommandError(SYNTAX)
    flags, time, _ = parse_options(args, end, MSETEX_OPTIONS)
    when = None if time is None else deadline(ctx, args, flags, time)
    if flags & CONDITION:
        modify = ctx.db.modify
        if any((modify(key) is None) != bool(flags & NX) for key in args[2:end:2]):
            return 0
    for index in range(2, end, 2):
        _store(ctx, args[index], args[index + 1], flags & ~CONDITION, when)
    return 1


#: As many pairs as a 32-bit number can count twice, as in Valkey.
_MOST_PAIRS: Final = 2**30 - 1


# Parts of a value


@command("strlen")
def strlen(ctx: Context, args: list[bytes]) -> int:
    """STRLEN key → the length in bytes, 0 without a value. O(1)."""
    value = ctx.db.read_string(args[1])
    return 0 if value is None else len(value)


@command("append")
def append(ctx: Context, args: list[bytes]) -> int:
    """APPEND key value → the length after. Amortised O(len(value)), but for the first time."""
    db = ctx.db
    key, tail = args[1], args[2]
    value = db.modify_string(key)
    if value is None:
        db.set_value(key, tail)
        size = len(tail)
    else:
        size = len(value) + len(tail)
        check_length(ctx, size)
        to_mutable(ctx, key, value).extend(tail)
    db.changed(key, b"append", STRING)
    return size


@command("setrange")
def setrange(ctx: Context, args: list[bytes]) -> int:
    """SETRANGE key offset value → the length after; a gap is filled with zero bytes. O(offset + length)."""
    offset = integer(args[2])
    if offset < 0:
        raise CommandError(b"ERR offset is out of range")
    db = ctx.db
    key, patch = args[1], args[3]
    value = db.modify_string(key)
    if not patch:
        return 0 if value is None else len(value)
    end = offset + len(patch)
    check_length(ctx, end)
    target = to_mutable(ctx, key, value)
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    target[offset:end] = patch
    db.changed(key, b"setrange", STRING)
    return len(target)


@command("getrange", "substr")
def getrange(ctx: Context, args: list[bytes]) -> bytes:
    """GETRANGE key start end → the bytes between, both inclusive, negative ones from the end. O(length)."""
    start, end = integer(args[2]), integer(args[3])
    value = ctx.db.read_string(args[1])
    if not value or (start < 0 and end < 0 and start > end):
        return b""
    size = len(value)
    if start < 0:
        start = max(start + size, 0)
    if end < 0:
        end = max(end + size, 0)
    return bytes(value[start : end + 1])


def check_length(ctx: Context, size: int) -> None:
    """Refuse a string longer than `proto-max-bulk-len`."""
    if size > ctx.engine.config.proto_max_bulk_len:
        raise CommandError(TOO_LONG_A_STRING)


def to_mutable(ctx: Context, key: bytes, value: bytes | bytearray | None) -> bytearray:
    """The string under `key`, whose value is `value`, in the form that can be changed in place."""
    if type(value) is bytearray:
        return value
    target = bytearray() if value is None else bytearray(value)
    ctx.db.set_value(key, target, True)
    return target


# Counting

_ZERO: Final = 48  # as a digit


@command("incr")
def incr(ctx: Context, args: list[bytes]) -> int:
    """INCR key → the number after. O(1)."""
    db = ctx.db
    key = args[1]
    value = db.modify(key)
    # What `_add` does, for the usual counter: digits that do not begin with a zero, and far from an overflow.
    if type(value) is bytes and value.isdigit() and value[0] != _ZERO and len(value) < 18:
        number = int(value) + 1
        db.replace(key, b"%d" % number, b"incrby", STRING)
        return number
    return _add(ctx, key, 1)


@command("decr")
def decr(ctx: Context, args: list[bytes]) -> int:
    """DECR key → the number after. O(1)."""
    return _add(ctx, args[1], -1)


@command("incrby")
def incrby(ctx: Context, args: list[bytes]) -> int:
    """INCRBY key increment → the number after. O(1)."""
    return _add(ctx, args[1], integer(args[2]))


@command("decrby")
def decrby(ctx: Context, args: list[bytes]) -> int:
    """DECRBY key decrement → the number after. O(1)."""
    amount = integer(args[2])
    if amount == INT64_MIN:
        raise CommandError(b"ERR decrement would overflow")
    return _add(ctx, args[1], -amount)


def _add(ctx: Context, key: bytes, amount: int) -> int:
    db = ctx.db
    value = db.modify(key)
    if value is None:
        db.store(key, b"%d" % amount, b"incrby", STRING)
        return amount
    kind = type(value)
    if kind is bytearray:
        value = bytes(value)
    elif kind is not bytes:
        raise CommandError(WRONG_TYPE)
    number = parse_integer(value)
    if number is None:
        raise CommandError(NOT_AN_INTEGER)
    amount += number
    if not INT64_MIN <= amount <= INT64_MAX:
        raise CommandError(OVERFLOW)
    db.replace(key, b"%d" % amount, b"incrby", STRING)
    return amount


@command("incrbyfloat")
def incrbyfloat(ctx: Context, args: list[bytes]) -> bytes:
    """INCRBYFLOAT key increment → the number after, as text. O(1). Since 2.6."""
    db = ctx.db
    key = args[1]
    value = db.modify_string(key)
    total = add_floats(b"0" if value is None else bytes(value), args[2])
    db.set_value(key, total, True)
    db.changed(key, b"incrbyfloat", STRING)
    return total


def add_floats(value: bytes, increment: bytes, not_a_float: bytes = NOT_A_FLOAT) -> bytes:
    """The sum of two long doubles as text; `not_a_float` is the error reply where `value` is none."""
    first = parse_long_double(value)
    if first is None:
        raise CommandError(not_a_float)
    second = parse_long_double(increment)
    if second is None:
        raise CommandError(NOT_A_FLOAT)
    if isinstance(first, LongDouble) and isinstance(second, LongDouble):
        total = first.plus(second)
        if total is not None:
            return format_long_double(total)
    raise CommandError(b"ERR increment would produce NaN or Infinity")
