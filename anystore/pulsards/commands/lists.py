"""The list commands that never wait; those that do are in `blocking_lists`.

Source: the pages of the "list" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards.commands.arguments import integer, not_negative
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import ListValue
from anystore.pulsards.errors import wrong_arity
from anystore.pulsards.keyspace import Database
from anystore.pulsards.notifications import LIST
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY, _NullArray

_RANK_IS_ZERO: Final = (
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    b"or use negative to start from the end of the list"
)


# Pushing


@command("lpush")
def lpush(ctx: Context, args: list[bytes]) -> int:
    """LPUSH key element [element …]: put elements before the head one by one; the new length. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, ListValue)
    if len(args) == 3:
        value.appendleft(args[2])
    else:
        value.extendleft(args[2:])
    db.changed(key, b"lpush", LIST)
    return len(value)


@command("rpush")
def rpush(ctx: Context, args: list[bytes]) -> int:
    """RPUSH key element [element …]: put elements behind the tail; the new length. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, ListValue)
    if len(args) == 3:
        value.append(args[2])
    else:
        value.extend(args[2:])
    db.changed(key, b"rpush", LIST)
    return len(value)


@command("lpushx")
def lpushx(ctx: Context, args: list[bytes]) -> int:
    """LPUSHX key element [element …]: LPUSH to a list that exists, else 0. O(M)."""
    return 0 if ctx.db.modify_as(args[1], ListValue) is None else lpush(ctx, args)


@command("rpushx")
def rpushx(ctx: Context, args: list[bytes]) -> int:
    """RPUSHX key element [element …]: RPUSH to a list that exists, else 0. O(M)."""
    return 0 if ctx.db.modify_as(args[1], ListValue) is None else rpush(ctx, args)


# Popping


@command("lpop")
def lpop(ctx: Context, args: list[bytes]) -> bytes | list[bytes] | _NullArray | None:
    """LPOP key [count]: remove the head, or the first `count` elements. O(count)."""
    if len(args) > 2:
        return _pop_counted(ctx, args, True)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        return None
    element = value.popleft()
    db.changed(key, b"lpop", LIST)
    if not value:
        db.drop_empty(key)
    return element


@command("rpop")
def rpop(ctx: Context, args: list[bytes]) -> bytes | list[bytes] | _NullArray | None:
    """RPOP key [count]: remove the tail, or the last `count` elements, the last first. O(count)."""
    if len(args) > 2:
        return _pop_counted(ctx, args, False)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, ListValue)
    if value is None:
        return None
    element = value.pop()
    db.changed(key, b"rpop", LIST)
    if not value:
        db.drop_empty(key)
    return element


def _pop_counted(ctx: Context, args: list[bytes], left: bool) -> list[bytes] | _NullArray:
    if len(args) > 3:
        raise wrong_arity(args[0].lower())
    count = not_negative(args[2])
    value = ctx.db.modify_as(args[1], ListValue)
    if value is None:
        return NULL_ARRAY
    return pop_elements(ctx.db, args[1], value, left, count) if count else []


def pop_elements(db: Database, key: bytes, value: ListValue, left: bool, count: int) -> list[bytes]:
    """Remove up to `count` elements (at least one) from one end of the list at `key`, outermost first."""
    elements = value.pop_many(count, left)
    db.changed(key, b"lpop" if left else b"rpop", LIST)
    if not value:
        db.drop_empty(key)
    return elements


# Reading


@command("llen")
def llen(ctx: Context, args: list[bytes]) -> int:
    """LLEN key: the number of elements, 0 without a list. O(1)."""
    value = ctx.db.read_as(args[1], ListValue)
    return 0 if value is None else len(value)


@command("lrange")
def lrange(ctx: Context, args: list[bytes]) -> list[bytes]:
    """LRANGE key start stop: both ends included, negative ones counted from the tail. O(S+N)."""
    start = integer(args[2])
    stop = integer(args[3])
    value = ctx.db.read_as(args[1], ListValue)
    return [] if value is None else value.range(start, stop)


@command("lindex")
def lindex(ctx: Context, args: list[bytes]) -> bytes | None:
    """LINDEX key index: one element, or null out of range. O(N / 64), O(1) near the ends."""
    value = ctx.db.read_as(args[1], ListValue)
    if value is None:
        return None
    index = integer(args[2])
    return value[index] if -len(value) <= index < len(value) else None
