"""Fields of a hash read or set together with their times to live, or with their removal. Since Redis 8.0, Valkey 9.0.

The two agree about what the commands do, and disagree about the texts of errors: here they are Valkey's.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.hash_expiry import LAST_MOMENT
from anystore.pulsards.commands.hashes import hash_to_fill, modify_hash, read_hash
from anystore.pulsards.commands.set_options import (
    FNX,
    FXX,
    GETEX_OPTIONS,
    HSETEX_OPTIONS,
    KEEPTTL,
    NX,
    PERSIST,
    XX,
    Options,
    moment,
    parse_options,
)
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.errors import SYNTAX, CommandError, invalid_expire
from anystore.pulsards.notifications import HASH
from anystore.pulsards.registry import command

_WRONG_COUNT: Final = b"ERR numfields should be greater than 0 and match the provided number of fields"


@command("hgetex")
def hgetex(ctx: Context, args: list[bytes]) -> list[bytes | None]:
    """HGETEX key [EX seconds | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS n field … → their values. O(N).

    Null for each that is not there. A time that is past removes the fields, after they have been read.
    """
    flags, time, fields = _parse(args, GETEX_OPTIONS, 1)
    key = args[1]
    changing = time is not None or flags & PERSIST
    value = modify_hash(ctx, key) if changing else read_hash(ctx, key)
    when = None if time is None else _moment(ctx, args, flags, time)
    if value is None:
        return [None] * len(fields)
    if when is not None:
        return _read_and_expire(ctx, key, value, fields, when)
    found = list(map(value.get, fields))
    if flags & PERSIST and sum(map(value.persist, fields)):
        ctx.db.changed(key, b"hpersist", HASH)
    return found


def _read_and_expire(
    ctx: Context, key: bytes, value: HashValue, fields: list[bytes], when: int
) -> list[bytes | None]:
    if not ctx.engine.keyspace.is_past(when):
        found = list(map(value.get, fields))
        if _expire(ctx, key, value, fields, when):
            ctx.db.changed(key, b"hexpire", HASH)
        return found
    # A field that is named twice has gone by the second time.
    found = []
    for field in fields:
        found.append(value.get(field))
        value.remove(field)
    if any(item is not None for item in found):
        _say_expired(ctx, key, value)
    return found


def _say_expired(ctx: Context, key: bytes, value: HashValue) -> None:
    ctx.db.changed(key, b"hexpired", HASH)
    if not value:
        ctx.db.drop_empty(key)


@command("hsetex")
def hsetex(ctx: Context, args: list[bytes]) -> int:
    """HSETEX key [NX | XX] [FNX | FXX] [EX seconds | … | KEEPTTL] FIELDS n field value [field value …]. O(N).

    → 1, or 0 where nothing was set: NX and XX ask for the key, FNX and FXX whether none or all of the fields are
    there. Without KEEPTTL or a time the fields lose the one that they had. (NX and XX are Valkey's.)
    """
    flags, time, pairs = _parse(args, HSETEX_OPTIONS, 2)
    key, fields = args[1], pairs[::2]
    value = modify_hash(ctx, key)
    if (flags & NX and value is not None) or (flags & XX and value is None):
        return 0
    when = None if time is None else _moment(ctx, args, flags, time)
    if not _fields_suit(flags, value, fields):
        return 0
    value = hash_to_fill(ctx, key)
    if when is not None and ctx.engine.keyspace.is_past(when):
        value.remove_many(fields)
        db = ctx.db
        db.notify(key, b"hset", HASH)
        db.notify(key, b"hexpire", HASH)
        _say_expired(ctx, key, value)
        return 1
    _put(ctx, key, value, pairs, bool(flags & KEEPTTL))
    if when is not None:
        _expire(ctx, key, value, fields, when)
        ctx.db.notify(key, b"hexpire", HASH)
    return 1


def _put(ctx: Context, key: bytes, value: HashValue, pairs: list[bytes], keeping: bool) -> None:
    """Set fields, which lose the time to live that they had unless it is to be kept."""
    kept = dict(value.expires) if keeping and value.expires is not None else {}
    value.put_many(pairs)
    for field in pairs[::2]:
        if field in kept:
            value.expire_at(field, kept[field])
    ctx.db.schedule_fields(key, value)
    ctx.db.changed(key, b"hset", HASH)


def _fields_suit(flags: int, value: HashValue | None, fields: list[bytes]) -> bool:
    """Whether what FNX and FXX ask for is so."""
    if flags & FNX:
        return value is None or not any(field in value for field in fields)
    if flags & FXX:
        return value is not None and all(field in value for field in fields)
    return True


def _expire(ctx: Context, key: bytes, value: HashValue, fields: list[bytes], when: int) -> bool:
    """Let those of `fields` that are there go at `when`; whether there are any."""
    there = [field for field in fields if field in value]
    for field in there:
        value.expire_at(field, when)
    ctx.db.schedule_fields(key, value)
    return bool(there)


@command("hgetdel")
def hgetdel(ctx: Context, args: list[bytes]) -> list[bytes | None]:
    """HGETDEL key FIELDS n field [field …] → the values that were there, null for each that was not. O(N)."""
    if args[2].lower() != b"fields":
        raise CommandError(SYNTAX)
    fields = _counted(args, 3, 1)
    key = args[1]
    value = modify_hash(ctx, key)
    if value is None:
        return [None] * len(fields)
    found = []
    for field in fields:
        found.append(value.get(field))
        value.remove(field)
    if any(item is not None for item in found):
        ctx.db.changed(key, b"hdel", HASH)
        if not value:
            ctx.db.drop_empty(key)
    return found


def _parse(args: list[bytes], known: Options, width: int) -> tuple[int, bytes | None, list[bytes]]:
    """The options before FIELDS as flags, the time that one of them gives, and what follows FIELDS and its count."""
    position = 2
    while position < len(args) and args[position].lower() != b"fields":
        position += 1
    if position >= len(args) - 1:
        raise CommandError(_WRONG_COUNT)
    flags, time, _ = parse_options(args[:position], 2, known)
    return flags, time, _counted(args, position + 1, width)


def _counted(args: list[bytes], position: int, width: int) -> list[bytes]:
    """What follows a count at `position`, which says how many groups of `width` arguments they are."""
    count = integer(args[position])
    rest = args[position + 1 :]
    if count < 1 or count * width != len(rest):
        raise CommandError(_WRONG_COUNT)
    return rest


def _moment(ctx: Context, args: list[bytes], flags: int, time: bytes) -> int:
    when = moment(ctx, args[0], flags, time, 0)
    if when > LAST_MOMENT:
        raise invalid_expire(args[0].lower())
    return when
