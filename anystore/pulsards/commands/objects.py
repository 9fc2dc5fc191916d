"""OBJECT: how a value is kept, and how long nobody has asked for it."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import SimpleString

#: The longest string that Redis keeps in one piece with its header.
_EMBEDDED: Final = 44
_SHARED_INTEGERS: Final = 10000
_SHARED: Final = 2**31 - 1

_ADJUST: Final = (
    b"Please note that when switching between policies at runtime LRU and LFU data will take some time "
    b"to adjust."
)
_NO_IDLE_TIME: Final = b"ERR An LFU maxmemory policy is selected, idle time not tracked. " + _ADJUST
_NO_FREQUENCY: Final = (
    b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. " + _ADJUST
)

_HELP: Final = (
    b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"ENCODING <key>",
    b"    The encoding that Redis would keep the value in.",
    b"FREQ <key>",
    b"    How often the key is asked for; kept under an LFU policy only.",
    b"IDLETIME <key>",
    b"    The seconds since the key was last read or changed.",
    b"REFCOUNT <key>",
    b"    How many references to the value there are.",
    b"HELP",
    b"    This text.",
)


def _looked_up(ctx: Context, key: bytes) -> Any:
    """The value, or None: counted as a hit or a miss, but neither taken as an access nor told as a miss."""
    value, keyspace = ctx.db.peek(key), ctx.engine.keyspace
    if value is None:
        keyspace.misses += 1
    else:
        keyspace.hits += 1
    return value


@command("object|encoding")
def object_encoding(ctx: Context, args: list[bytes]) -> bytes | None:
    """OBJECT ENCODING key → the encoding that Redis would have chosen, null without a key. O(1)."""
    value = _looked_up(ctx, args[2])
    return None if value is None else encoding_of(ctx, value)


def encoding_of(ctx: Context, value: Any) -> bytes:
    """The encoding that Redis would have chosen for a value. O(1)."""
    if isinstance(value, bytearray):
        return b"raw"
    if not isinstance(value, bytes):
        encoding: bytes = value.encoding(ctx.engine.config.encoding_limits)
        return encoding
    if parse_integer(value) is not None:
        return b"int"
    return b"embstr" if len(value) <= _EMBEDDED else b"raw"


@command("object|refcount")
def object_refcount(ctx: Context, args: list[bytes]) -> int | None:
    """OBJECT REFCOUNT key → 1, or Redis' mark of a shared object for a small integer; null without a key."""
    value = _looked_up(ctx, args[2])
    if value is None:
        return None
    number = parse_integer(value) if isinstance(value, bytes) else None
    return _SHARED if number is not None and 0 <= number < _SHARED_INTEGERS else 1


@command("object|idletime")
def object_idletime(ctx: Context, args: list[bytes]) -> int | None:
    """OBJECT IDLETIME key → seconds since the key was last read or changed, null without a key. O(1)."""
    db = ctx.db
    if _looked_up(ctx, args[2]) is None:
        return None
    if isinstance(db.accessed, AccessFrequencies):
        raise CommandError(_NO_IDLE_TIME)
    return max(ctx.engine.keyspace.now // 1000 - db.accessed[args[2]], 0)


@command("object|freq")
def object_freq(ctx: Context, args: list[bytes]) -> int | None:
    """OBJECT FREQ key → how often it was asked for, as a logarithmic counter; null without a key. O(1).

    An error without an LFU policy.
    """
    db = ctx.db
    if _looked_up(ctx, args[2]) is None:
        return None
    if not isinstance(db.accessed, AccessFrequencies):
        raise CommandError(_NO_FREQUENCY)
    return db.accessed.frequency(args[2])


@command("object|help")
def object_help(ctx: Context, args: list[bytes]) -> list[Any]:
    """OBJECT HELP → the subcommands."""
    return [SimpleString(line) for line in _HELP]
