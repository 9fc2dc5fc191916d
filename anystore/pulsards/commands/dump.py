"""DUMP and RESTORE: a value as bytes, in Redis' own format, from one server to another."""

from __future__ import annotations

from typing import Final, NamedTuple

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.errors import SYNTAX, CommandError, invalid_expire
from anystore.pulsards.notifications import GENERIC
from anystore.pulsards.numbers import INT64_MAX
from anystore.pulsards.persistence.rdb import PayloadMismatch, RdbError, dump_payload, load_payload
from anystore.pulsards.registry import command
from anystore.resp.types import OK

BUSY_KEY: Final = b"BUSYKEY Target key name already exists."
INVALID_TTL: Final = b"ERR Invalid TTL value, must be >= 0"
INVALID_IDLE_TIME: Final = b"ERR Invalid IDLETIME value, must be >= 0"
INVALID_FREQUENCY: Final = b"ERR Invalid FREQ value, must be >= 0 and <= 255"
MISMATCH: Final = b"ERR DUMP payload version or checksum are wrong"
BAD_DATA: Final = b"ERR Bad data format"


@command("dump")
def dump(ctx: Context, args: list[bytes]) -> bytes | None:
    """DUMP key → the value as RESTORE takes it, without its time to live; null without a key. O(N)."""
    db = ctx.db
    value = db.read(args[1])
    if type(value) is HashValue:
        value = db.live_fields(args[1], value)
    if value is None:
        return None
    config = ctx.engine.config
    return dump_payload(value, config.encoding_limits, config.for_valkey)


class _Options(NamedTuple):
    replace: bool
    absolute: bool
    idle: int | None
    frequency: int | None


def _options(args: list[bytes]) -> _Options:
    replace = absolute = False
    idle: int | None = None
    frequency: int | None = None
    position = 4
    while position < len(args):
        word = args[position].upper()
        more = position + 1 < len(args)
        if word == b"REPLACE":
            replace = True
        elif word == b"ABSTTL":
            absolute = True
        elif word == b"IDLETIME" and more and frequency is None:
            position += 1
            idle = integer(args[position])
            if idle < 0:
                raise CommandError(INVALID_IDLE_TIME)
        elif word == b"FREQ" and more and idle is None:
            position += 1
            frequency = integer(args[position])
            if not 0 <= frequency <= 255:
                raise CommandError(INVALID_FREQUENCY)
        else:
            raise CommandError(SYNTAX)
        position += 1
    return _Options(replace, absolute, idle, frequency)


@command("restore", "restore-asking")
def restore(ctx: Context, args: list[bytes]) -> bytes:
    """RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] → OK. O(N).

    `ttl` is in milliseconds, 0 for none; with ABSTTL it is the moment since 1970, and one in the past leaves no
    key. BUSYKEY where the key exists, unless it may be replaced. Nothing in the payload is trusted.
    """
    key = args[1]
    db = ctx.db
    options = _options(args)
    if not options.replace and db.modify(key) is not None:
        raise CommandError(BUSY_KEY)
    ttl = integer(args[2])
    if ttl < 0:
        raise CommandError(INVALID_TTL)
    try:
        value = load_payload(args[3])
    except PayloadMismatch:
        raise CommandError(MISMATCH) from None
    except RdbError:
        raise CommandError(BAD_DATA) from None
    now = db.keyspace.now
    when = ttl if options.absolute or not ttl else now + ttl
    if when > INT64_MAX:
        raise invalid_expire(b"restore")
    # Removed and not overwritten, so that subscribers are told of a new key, as Redis tells them.
    replaced = db.remove(key)
    if when and db.keyspace.is_past(when):
        if replaced:
            db.changed(key, b"del", GENERIC)
        return OK
    db.set_value(key, value)
    if when:
        db.set_expiry(key, when)
    db.schedule_fields(key, value)
    # Each is kept only where it is what eviction goes by, and not looked at otherwise.
    if isinstance(db.accessed, AccessFrequencies):
        if options.frequency is not None:
            db.accessed.put(key, options.frequency)
    elif options.idle is not None:
        db.accessed[key] = now // 1000 - options.idle
    db.changed(key, b"restore", GENERIC)
    return OK
