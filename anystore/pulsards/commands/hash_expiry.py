"""Times to live of single fields of a hash. Since 7.4.

Each command takes fields as `FIELDS count field [field …]` and replies with one number a field, -2 standing
for a field that is not there, of whatever reason.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.expiry import CONDITIONS, permitted
from anystore.pulsards.commands.hashes import modify_hash, read_hash
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.errors import CommandError, invalid_expire
from anystore.pulsards.notifications import HASH
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command

#: The last moment that Redis can note down for a field, in milliseconds since 1970.
LAST_MOMENT: Final = 2**46 - 1
_NO_FIELD: Final = -2
_NO_EXPIRY: Final = -1
_FORBIDDEN: Final = 0
_DONE: Final = 1
_REMOVED: Final = 2


@command("hexpire", "hpexpire", "hexpireat", "hpexpireat")
def hexpire(ctx: Context, args: list[bytes]) -> list[int]:
    """HEXPIRE key seconds [NX | XX | GT | LT] FIELDS n field …; HPEXPIRE in ms; …AT since 1970. O(N).

    → for each field 1; 0 where the condition forbids; 2 where the time is past and the field removed.
    """
    key = args[1]
    value = modify_hash(ctx, key)
    now = ctx.engine.keyspace.now
    when = _moment(args[0].lower(), args[2], now)
    condition = CONDITIONS.get(args[3].lower(), 0)
    fields = _fields(args, 4 if condition else 3, b"ERR Parameter `numFields` should be greater than 0")
    if value is None:
        return [_NO_FIELD] * len(fields)
    db = ctx.db
    past = db.keyspace.is_past(when)
    replies = [_expire(value, field, condition, when, past) for field in fields]
    if _REMOVED in replies:
        db.changed(key, b"hdel", HASH)
        if not value:
            db.drop_empty(key)
    elif _DONE in replies:
        db.schedule_fields(key, value)
        db.changed(key, b"hexpire", HASH)
    return replies


def _moment(name: bytes, text: bytes, now: int) -> int:
    time = integer(text)
    if time < 0:
        raise CommandError(b"ERR invalid expire time, must be >= 0")
    when = time if name.startswith(b"hp") else time * 1000
    if not name.endswith(b"at"):
        when += now
    if when > LAST_MOMENT:
        raise invalid_expire(name)
    return when


def _fields(args: list[bytes], position: int, not_positive: bytes) -> list[bytes]:
    if args[position].lower() != b"fields":
        raise CommandError(b"ERR Mandatory argument FIELDS is missing or not at the right position")
    count = parse_integer(args[position + 1]) if position + 1 < len(args) else None
    if count is None or count < 1:
        raise CommandError(not_positive)
    fields = args[position + 2 :]
    if count != len(fields):
        raise CommandError(b"ERR The `numfields` parameter must match the number of arguments")
    return fields


def _expire(value: HashValue, field: bytes, condition: int, when: int, past: bool) -> int:
    if field not in value:
        return _NO_FIELD
    current = None if value.expires is None else value.expires.get(field)
    if condition and not permitted(condition, current, when):
        return _FORBIDDEN
    if past:
        value.remove(field)
        return _REMOVED
    value.expire_at(field, when)
    return _DONE


@command("hpersist")
def hpersist(ctx: Context, args: list[bytes]) -> list[int]:
    """HPERSIST key FIELDS n field … → for each field 1, or -1 where it has no time to live. O(N)."""
    key = args[1]
    value = modify_hash(ctx, key)
    fields = _fields(args, 2, _NOT_POSITIVE)
    if value is None:
        return [_NO_FIELD] * len(fields)
    replies = [
        (_DONE if value.persist(field) else _NO_EXPIRY) if field in value else _NO_FIELD for field in fields
    ]
    if _DONE in replies:
        ctx.db.changed(key, b"hpersist", HASH)
    return replies


_NOT_POSITIVE: Final = b"ERR Number of fields must be a positive integer"


@command("httl", "hpttl", "hexpiretime", "hpexpiretime")
def httl(ctx: Context, args: list[bytes]) -> list[int]:
    """HTTL key FIELDS n field …; HPTTL in ms; HEXPIRETIME, HPEXPIRETIME since 1970. O(N).

    → for each field the time, seconds rounded up, or -1 where it has no time to live.
    """
    name = args[0].lower()
    value = read_hash(ctx, args[1])
    fields = _fields(args, 2, _NOT_POSITIVE)
    since = 0 if name.endswith(b"time") else ctx.engine.keyspace.now
    in_seconds = not name.startswith(b"hp")
    replies = []
    for field in fields:
        if value is None or field not in value:
            replies.append(_NO_FIELD)
        elif value.expires is None or (when := value.expires.get(field)) is None:
            replies.append(_NO_EXPIRY)
        else:
            # To whoever says what has expired, what is past is there, with no time left.
            left = max(when - since, 0)
            replies.append((left + 999) // 1000 if in_seconds else left)
    return replies
