"""Hashes: setting, reading, counting and removing fields."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.commands.arguments import integer, integer_between
from anystore.pulsards.commands.random_members import random_members
from anystore.pulsards.commands.scan import parse_cursor, parse_options
from anystore.pulsards.commands.strings import add_floats
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.errors import (
    NOT_A_FLOAT,
    OUT_OF_RANGE,
    OVERFLOW,
    SYNTAX,
    WRONG_TYPE,
    CommandError,
    wrong_arity,
)
from anystore.pulsards.notifications import HASH
from anystore.pulsards.numbers import INT64_MAX, INT64_MIN, parse_integer, parse_long_double
from anystore.pulsards.registry import command
from anystore.resp.types import OK, StringsReply


def read_hash(ctx: Context, key: bytes) -> HashValue | None:
    """The hash under `key` for a command that reads, or None; without the fields whose time is up."""
    value = ctx.db.read_as(key, HashValue)
    return value if value is None or value.expires is None else ctx.db.live_fields(key, value)


def modify_hash(ctx: Context, key: bytes) -> HashValue | None:
    """The hash under `key` for a command that changes it, or None; without the fields whose time is up."""
    value = ctx.db.modify_as(key, HashValue)
    return value if value is None or value.expires is None else ctx.db.live_fields(key, value, True)


def hash_to_fill(ctx: Context, key: bytes) -> HashValue:
    """The hash under `key` for a command that sets fields, created empty where there is none."""
    value = ctx.db.modify_or_create(key, HashValue)
    if value.expires is None or ctx.db.live_fields(key, value, True) is not None:
        return value
    return ctx.db.modify_or_create(key, HashValue)


# Reading


@command("hget")
def hget(ctx: Context, args: list[bytes]) -> bytes | None:
    """HGET key field → its value, null without one. O(1)."""
    value = ctx.db.read(args[1])
    if value is None:
        return None
    if type(value) is not HashValue:
        raise CommandError(WRONG_TYPE)
    if value.expires is not None:
        value = ctx.db.live_fields(args[1], value)
    return None if value is None else value.get(args[2])


@command("hmget")
def hmget(ctx: Context, args: list[bytes]) -> list[bytes | None]:
    """HMGET key field [field …] → their values, null for each that is not there. O(N)."""
    value = read_hash(ctx, args[1])
    if value is None:
        return [None] * (len(args) - 2)
    return list(map(value.get, args[2:]))


@command("hgetall")
def hgetall(ctx: Context, args: list[bytes]) -> dict[bytes, bytes]:
    """HGETALL key → every field with its value. O(N)."""
    value = read_hash(ctx, args[1])
    return {} if value is None else dict(value)


@command("hkeys")
def hkeys(ctx: Context, args: list[bytes]) -> StringsReply:
    """HKEYS key → every field. O(N)."""
    value = read_hash(ctx, args[1])
    return StringsReply() if value is None else StringsReply(value)


@command("hvals")
def hvals(ctx: Context, args: list[bytes]) -> StringsReply:
    """HVALS key → every field's value. O(N)."""
    value = read_hash(ctx, args[1])
    return StringsReply() if value is None else StringsReply(value.values())


@command("hlen")
def hlen(ctx: Context, args: list[bytes]) -> int:
    """HLEN key → the number of fields. O(1)."""
    value = read_hash(ctx, args[1])
    return 0 if value is None else len(value)


@command("hstrlen")
def hstrlen(ctx: Context, args: list[bytes]) -> int:
    """HSTRLEN key field → the length of its value in bytes, 0 without one. O(1). Since 3.2."""
    value = read_hash(ctx, args[1])
    return 0 if value is None else len(value.get(args[2], b""))


@command("hexists")
def hexists(ctx: Context, args: list[bytes]) -> int:
    """HEXISTS key field → 1 or 0. O(1)."""
    value = read_hash(ctx, args[1])
    return int(value is not None and args[2] in value)


@command("hrandfield")
def hrandfield(ctx: Context, args: list[bytes]) -> Any:
    """HRANDFIELD key [count [WITHVALUES]] → a field, or fields (and values) at random. O(N). Since 6.2.

    A negative count may repeat fields. With values, RESP3 replies pairs, RESP2 a flat array.
    """
    if len(args) == 2:
        value = read_hash(ctx, args[1])
        return None if value is None else value.random_member()
    count = integer_between(args[2], -INT64_MAX, INT64_MAX)
    with_values = len(args) == 4
    if len(args) > 4 or (with_values and args[3].lower() != b"withvalues"):
        raise CommandError(SYNTAX)
    if with_values and not -INT64_MAX // 2 <= count <= INT64_MAX // 2:
        raise CommandError(OUT_OF_RANGE)
    value = read_hash(ctx, args[1])
    if value is None:
        return []
    fields = random_members(value, count)
    if not with_values:
        return fields
    pairs = [[field, value[field]] for field in fields]
    return pairs if ctx.protocol == 3 else _flat(pairs)


def _flat(pairs: list[list[bytes]]) -> list[bytes]:
    return [item for pair in pairs for item in pair]


@command("hscan")
def hscan(ctx: Context, args: list[bytes]) -> list[Any]:
    """HSCAN key cursor [MATCH pattern] [COUNT n] [NOVALUES] → cursor, and fields with values. O(count)."""
    cursor = parse_cursor(args[2])
    value = read_hash(ctx, args[1])
    if value is None:
        return [b"0", []]
    options = parse_options(args, 3, of_hash=True)
    cursor, fields = value.scan(cursor, options.step, value.is_compact(ctx.engine.config.encoding_limits))
    if options.matches is not None:
        fields = list(filter(options.matches, fields))
    if not options.no_values:
        fields = [item for field in fields for item in (field, value[field])]
    return [b"%d" % cursor, fields]


# Changing


@command("hset")
def hset(ctx: Context, args: list[bytes]) -> int:
    """HSET key field value [field value …] → the number of fields that are new. O(N)."""
    if len(args) % 2:
        raise wrong_arity(b"hset")
    db = ctx.db
    key = args[1]
    value = db.modify_or_create(key, HashValue)
    if value.expires is not None:
        value = hash_to_fill(ctx, key)
    if len(args) == 4:
        added = 1 if value.put(args[2], args[3]) else 0
    else:
        added = value.put_many(args[2:])
    db.changed(key, b"hset", HASH)
    return added


@command("hmset")
def hmset(ctx: Context, args: list[bytes]) -> Any:
    """HMSET key field value [field value …] → OK. O(N)."""
    if len(args) % 2:
        raise wrong_arity(b"hmset")
    hset(ctx, args)
    return OK


@command("hsetnx")
def hsetnx(ctx: Context, args: list[bytes]) -> int:
    """HSETNX key field value → 1, or 0 where the field is there. O(1)."""
    db = ctx.db
    key = args[1]
    value = modify_hash(ctx, key)
    if value is None:
        value = hash_to_fill(ctx, key)
    elif args[2] in value:
        return 0
    value.put(args[2], args[3])
    db.changed(key, b"hset", HASH)
    return 1


@command("hdel")
def hdel(ctx: Context, args: list[bytes]) -> int:
    """HDEL key field [field …] → how many there were. O(N)."""
    db = ctx.db
    key = args[1]
    value = modify_hash(ctx, key)
    if value is None:
        return 0
    removed = value.remove_many(args[2:])
    if removed:
        db.changed(key, b"hdel", HASH)
        if not value:
            db.drop_empty(key)
    return removed


@command("hincrby")
def hincrby(ctx: Context, args: list[bytes]) -> int:
    """HINCRBY key field increment → the number after. O(1)."""
    amount = integer(args[3])
    key, field = args[1], args[2]
    value = modify_hash(ctx, key)
    old = None if value is None else value.get(field)
    if old is not None:
        number = parse_integer(old)
        if number is None:
            raise CommandError(b"ERR hash value is not an integer")
        amount += number
        if not INT64_MIN <= amount <= INT64_MAX:
            raise CommandError(OVERFLOW)
    _replace(ctx, key, value, field, b"%d" % amount)
    ctx.db.changed(key, b"hincrby", HASH)
    return amount


@command("hincrbyfloat")
def hincrbyfloat(ctx: Context, args: list[bytes]) -> bytes:
    """HINCRBYFLOAT key field increment → the number after, as text. O(1). Since 2.6."""
    increment = parse_long_double(args[3])
    if increment is None:
        raise CommandError(NOT_A_FLOAT)
    if isinstance(increment, float):
        raise CommandError(b"ERR value is NaN or Infinity")
    key, field = args[1], args[2]
    value = modify_hash(ctx, key)
    old = None if value is None else value.get(field)
    total = add_floats(b"0" if old is None else old, args[3], b"ERR hash value is not a float")
    _replace(ctx, key, value, field, total)
    ctx.db.changed(key, b"hincrbyfloat", HASH)
    return total


def _replace(ctx: Context, key: bytes, value: HashValue | None, field: bytes, text: bytes) -> None:
    """Set a field whose time to live, if it has any, goes on."""
    if value is None:
        value = hash_to_fill(ctx, key)
    when = None if value.expires is None else value.expires.get(field)
    value.put(field, text)
    if when is not None:
        value.expire_at(field, when)
