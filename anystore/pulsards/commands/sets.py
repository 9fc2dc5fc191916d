"""The set commands on one set, and moving between two; those that combine sets are in `set_operations`.

Source: the pages of the "set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any

from anystore.pulsards.commands.arguments import integer_between, not_negative
from anystore.pulsards.commands.random_members import random_members
from anystore.pulsards.commands.scan import parse_cursor, parse_options
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import SetValue
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.notifications import SET
from anystore.pulsards.numbers import INT64_MAX
from anystore.pulsards.registry import command
from anystore.resp.types import SetReply

# Changing


@command("sadd")
def sadd(ctx: Context, args: list[bytes]) -> int:
    """SADD key member [member …]: the number of members that are new. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_or_create(key, SetValue)
    if len(args) == 3:
        added = 1 if value.add(args[2]) else 0
    else:
        there = bool(value)
        if there:
            value.make_room(len(args) - 2)
        added = value.add_many(args[2:])
        if not there:
            value.make_room(len(args) - 2)
    if added:
        db.changed(key, b"sadd", SET)
    return added


@command("srem")
def srem(ctx: Context, args: list[bytes]) -> int:
    """SREM key member [member …]: the number of members that were there. O(M)."""
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, SetValue)
    if value is None:
        return 0
    if len(args) == 3:
        removed = 1 if value.remove(args[2]) else 0
    else:
        removed = value.remove_many(args[2:])
    if removed:
        db.changed(key, b"srem", SET)
        if not value:
            db.drop_empty(key)
    return removed


@command("smove")
def smove(ctx: Context, args: list[bytes]) -> int:
    """SMOVE source destination member: 1 when it was in the source, else 0. O(1)."""
    _, source, destination, member = args
    db = ctx.db
    value = db.modify_as(source, SetValue)
    if value is None:
        return 0  # whatever the destination is
    target = db.modify_as(destination, SetValue)
    if value is target:
        return int(member in value)
    if not value.remove(member):
        return 0
    db.changed(source, b"srem", SET)
    if not value:
        db.drop_empty(source)
    if target is None:
        target = db.modify_or_create(destination, SetValue)
    if target.add(member):
        db.changed(destination, b"sadd", SET)
    return 1


@command("spop")
def spop(ctx: Context, args: list[bytes]) -> Any:
    """SPOP key [count]: remove one member at random, or up to `count` (3.2), and reply them. O(count)."""
    if len(args) > 2:
        return _pop_counted(ctx, args)
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, SetValue)
    if value is None:
        return None
    member = value.random_member()
    value.remove(member)
    db.changed(key, b"spop", SET)
    if not value:
        db.drop_empty(key)
    return member


def _pop_counted(ctx: Context, args: list[bytes]) -> SetReply:
    if len(args) > 3:
        raise CommandError(SYNTAX)
    count = not_negative(args[2])
    key = args[1]
    db = ctx.db
    value = db.modify_as(key, SetValue)
    if value is None or not count:
        return SetReply()
    members = SetReply(value.pop_random(count))
    db.changed(key, b"spop", SET)
    if not value:
        db.drop_empty(key)
    return members


# Reading


@command("scard")
def scard(ctx: Context, args: list[bytes]) -> int:
    """SCARD key: the number of members, 0 without a set. O(1)."""
    value = ctx.db.read_as(args[1], SetValue)
    return 0 if value is None else len(value)


@command("sismember")
def sismember(ctx: Context, args: list[bytes]) -> int:
    """SISMEMBER key member: 1 or 0. O(1)."""
    value = ctx.db.read_as(args[1], SetValue)
    return 1 if value is not None and args[2] in value else 0


@command("smismember")
def smismember(ctx: Context, args: list[bytes]) -> list[int]:
    """SMISMEMBER key member [member …]: 1 or 0 for each (6.2). O(M)."""
    value = ctx.db.read_as(args[1], SetValue) or ()
    return [1 if member in value else 0 for member in args[2:]]


@command("smembers")
def smembers(ctx: Context, args: list[bytes]) -> SetReply:
    """SMEMBERS key: every member; integers in order as long as there is nothing else. O(N)."""
    value = ctx.db.read_as(args[1], SetValue)
    if value is None:
        return SetReply()
    limits = ctx.engine.config.encoding_limits
    return SetReply(value.members(limits) if value.is_intset(limits) else value)


@command("srandmember")
def srandmember(ctx: Context, args: list[bytes]) -> Any:
    """SRANDMEMBER key [count]: one member at random, or `count` different ones. O(count).

    With a negative count, as many as that, perhaps one several times.
    """
    if len(args) == 2:
        value = ctx.db.read_as(args[1], SetValue)
        return None if value is None else value.random_member()
    if len(args) > 3:
        raise CommandError(SYNTAX)
    count = integer_between(args[2], -INT64_MAX, INT64_MAX)
    value = ctx.db.read_as(args[1], SetValue)
    return [] if value is None else random_members(value, count)


@command("sscan")
def sscan(ctx: Context, args: list[bytes]) -> list[Any]:
    """SSCAN key cursor [MATCH pattern] [COUNT n]: the cursor to go on with (0 at the end), and members.

    O(count), but for the first call on a large set, which indexes it in O(N). Since 2.8.
    """
    cursor = parse_cursor(args[2])
    value = ctx.db.read_as(args[1], SetValue)
    if value is None:
        return [b"0", []]
    options = parse_options(args, 3)
    cursor, members = value.scan(cursor, options.step, value.is_compact(ctx.engine.config.encoding_limits))
    if options.matches is not None:
        members = list(filter(options.matches, members))
    return [b"%d" % cursor, members]
