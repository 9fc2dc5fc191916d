"""Times to live: setting, reading and dropping them.

Times are kept in milliseconds since 1970 whatever the unit of the command.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.errors import CommandError, invalid_expire
from anystore.pulsards.notifications import GENERIC
from anystore.pulsards.numbers import INT64_MAX, INT64_MIN
from anystore.pulsards.registry import command

_NX: Final = 1
_XX: Final = 2
_GT: Final = 4
_LT: Final = 8
CONDITIONS: Final = {b"nx": _NX, b"xx": _XX, b"gt": _GT, b"lt": _LT}


@command("expire", "pexpire", "expireat", "pexpireat")
def expire(ctx: Context, args: list[bytes]) -> int:
    """EXPIRE key seconds [NX | XX | GT | LT]; PEXPIRE in ms; EXPIREAT, PEXPIREAT since 1970. O(1).

    → 1, or 0 where there is no such key or the condition forbids (conditions since 7.0). A time that is past
    already removes the key.
    """
    name = args[0].lower()
    conditions = _conditions(args) if len(args) > 3 else 0
    when = to_milliseconds(args[2], name, ctx.engine.keyspace.now, relative=not name.endswith(b"at"))
    db = ctx.db
    key = args[1]
    if db.modify(key) is None or (conditions and not permitted(conditions, db.expiry(key), when)):
        return 0
    set_or_remove(db, key, when)
    return 1


def _conditions(args: list[bytes]) -> int:
    conditions = 0
    for argument in args[3:]:
        condition = CONDITIONS.get(argument.lower())
        if condition is None:
            raise CommandError(b"ERR Unsupported option %b" % argument)
        conditions |= condition
    if conditions & _NX and conditions != _NX:
        raise CommandError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if conditions & _GT and conditions & _LT:
        raise CommandError(b"ERR GT and LT options at the same time are not compatible")
    return conditions


def to_milliseconds(text: bytes, name: bytes, now: int, relative: bool) -> int:
    """A time argument as milliseconds since 1970; its unit goes by the command's name (a leading p: ms)."""
    when = integer(text)
    if b"pexpire" not in name:
        when *= 1000
    if INT64_MIN <= when <= INT64_MAX:
        if relative:
            when += now
        if when <= INT64_MAX:
            return when
    raise invalid_expire(name)


def permitted(conditions: int, current: int | None, when: int) -> bool:
    """Whether NX, XX, GT and LT allow to replace the expiry `current`; None is later than any."""
    if conditions & _NX and current is not None:
        return False
    if conditions & _XX and current is None:
        return False
    if conditions & _GT and (current is None or when <= current):
        return False
    return not (conditions & _LT and current is not None and when >= current)


def set_or_remove(db: Database, key: bytes, when: int) -> None:
    """Let a key expire at `when`, or remove it where that is not in the future, and say so."""
    if db.keyspace.is_past(when):
        db.remove(key)
        db.changed(key, b"del", GENERIC)
    else:
        db.set_expiry(key, when)
        db.changed(key, b"expire", GENERIC)


@command("persist")
def persist(ctx: Context, args: list[bytes]) -> int:
    """PERSIST key → 1, or 0 where there is no key or it has no time to live. O(1)."""
    db = ctx.db
    key = args[1]
    if db.modify(key) is None or db.expiry(key) is None:
        return 0
    db.set_expiry(key, None)
    db.changed(key, b"persist", GENERIC)
    return 1


@command("ttl")
def ttl(ctx: Context, args: list[bytes]) -> int:
    """TTL key → seconds left, rounded; -1 without a time to live, -2 without a key. O(1)."""
    left = _left(ctx, args[1])
    return (left + 500) // 1000 if left >= 0 else left


@command("pttl")
def pttl(ctx: Context, args: list[bytes]) -> int:
    """PTTL key → milliseconds left; -1 without a time to live, -2 without a key. O(1)."""
    return _left(ctx, args[1])


@command("expiretime")
def expiretime(ctx: Context, args: list[bytes]) -> int:
    """EXPIRETIME key → when it expires, in seconds since 1970, rounded; -1 and -2 as TTL. O(1). Since 7.0."""
    when = _moment(ctx, args[1])
    return (when + 500) // 1000 if when >= 0 else when


@command("pexpiretime")
def pexpiretime(ctx: Context, args: list[bytes]) -> int:
    """PEXPIRETIME key → when it expires, in milliseconds since 1970; -1 and -2 as TTL. O(1). Since 7.0."""
    return _moment(ctx, args[1])


def _left(ctx: Context, key: bytes) -> int:
    when = _moment(ctx, key)
    return max(when - ctx.engine.keyspace.now, 0) if when >= 0 else when


def _moment(ctx: Context, key: bytes) -> int:
    db = ctx.db
    if db.glance(key) is None:
        return -2
    when = db.expiry(key)
    return -1 if when is None else when
