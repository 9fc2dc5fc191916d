"""The harmless half of DEBUG.

What crashes a real server, or looks into how it lays out its memory, is refused like any unknown subcommand.
"""

from __future__ import annotations

import math
from typing import Any, Final

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.addresses import is_local
from anystore.pulsards.commands.arguments import double, not_negative
from anystore.pulsards.commands.objects import encoding_of
from anystore.pulsards.context import Context
from anystore.pulsards.digests import digest_of_all, digest_of_value
from anystore.pulsards.errors import NO_SUCH_KEY, NOT_AN_INTEGER, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.persistence.aof import LogError
from anystore.pulsards.persistence.loading import LOADING, CannotLoad, FileLoading
from anystore.pulsards.persistence.rdb import dump_payload
from anystore.pulsards.registry import command
from anystore.resp.types import (
    OK,
    AttributedReply,
    BigNumber,
    ErrorReply,
    MapReply,
    PushReply,
    SetReply,
    SimpleString,
    VerbatimString,
)

_NOT_ALLOWED: Final = (
    b'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a '
    b"local connection, otherwise you need to set this option in the configuration file, and then restart the server."
)


def _protocol_sample(ctx: Context, kind: bytes) -> Any:
    """DEBUG PROTOCOL: a reply of each type, for authors of clients."""
    samples: dict[bytes, Any] = {
        b"string": b"Hello World",
        b"integer": 12345,
        b"double": 3.141,
        b"null": None,
        b"array": [0, 1, 2],
        b"set": SetReply([0, 1, 2]),
        b"map": MapReply([(0, False), (1, True), (2, False)]),
        b"bignum": BigNumber(b"1234567999999999999999999999999999999"),
        b"attrib": AttributedReply(
            {b"key-popularity": [b"key:123", 90]}, b"Some real reply following the attribute"
        ),
        b"true": True,
        b"false": False,
        b"verbatim": VerbatimString(b"This is a verbatim\nstring"),
    }
    if kind == b"push":
        ctx.session.push_reply(PushReply([b"server-cpu-usage", 42]))
        return SimpleString(b"Some real reply following the push reply")
    if kind not in samples:
        raise CommandError(
            b"ERR Wrong protocol type name. Please use one of the following: "
            b"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    return samples[kind]


def _debug_object(ctx: Context, args: list[bytes]) -> SimpleString:
    """DEBUG OBJECT key: how a value is kept, how long it is in a file, and when it was asked for. O(N) in the value."""
    value = ctx.db.peek(args[2])
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    accessed = ctx.db.accessed
    kept = accessed.get(args[2], 0)
    seconds = ctx.engine.keyspace.now // 1000
    idle = seconds - (accessed.minute_of(args[2]) * 60 if isinstance(accessed, AccessFrequencies) else kept)
    # As long as in a file: a payload without the type in front of it, and the version and check sum behind it.
    length = len(dump_payload(value, ctx.engine.config.encoding_limits)) - 11
    return SimpleString(
        b"Value at:0x%x refcount:1 encoding:%b serializedlength:%d lru:%d lru_seconds_idle:%d"
        % (id(value), encoding_of(ctx, value), length, kept & 0xFFFFFF, max(0, idle))
    )


def _set_active_expire(ctx: Context, args: list[bytes]) -> SimpleString:
    flag = parse_integer(args[2])
    if flag is None:
        raise CommandError(NOT_AN_INTEGER)
    keyspace = ctx.engine.keyspace
    keyspace.active_expiry = bool(flag)
    keyspace.falls_due(keyspace.now)
    return OK


_RELOAD_OPTIONS: Final = frozenset((b"merge", b"noflush", b"nosave"))


def _reload(ctx: Context, args: list[bytes]) -> SimpleString:
    """DEBUG RELOAD: save all data, forget them, and load them. O(N), while nobody is served."""
    options = {word.lower() for word in args[2:]}
    if options - _RELOAD_OPTIONS:
        raise CommandError(b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    engine = ctx.engine
    storage = engine.saver.storage()
    if b"nosave" not in options:
        engine.saver.save()
    name = engine.config.values["dbfilename"]
    try:
        file = storage.read(name)
        if file is None:
            raise CannotLoad(f"{name} is not there")
        keep, replace = b"noflush" in options, b"merge" in options
        loading = FileLoading(engine, storage, name, file, keep=keep, replace=replace)
        while not loading.finished:
            loading.step()
    except (OSError, CannotLoad) as error:
        engine.log(f"DEBUG RELOAD: {error}")
        raise CommandError(b"ERR Error trying to load the RDB dump, check server logs.") from None
    finally:
        engine.tracking.flushed()
        engine.append_only.restart()  # which tells of what was there before
    return OK


def _load_log(ctx: Context) -> SimpleString:
    """DEBUG LOADAOF: forget all data, and load the append-only file. O(N), while nobody is served."""
    try:
        ctx.engine.append_only.reload()
    except (OSError, LogError) as error:
        ctx.engine.log(f"DEBUG LOADAOF: {error}")
        raise CommandError(b"ERR Error trying to load the AOF files, check server logs.") from None
    finally:
        ctx.engine.tracking.flushed()
    return OK


#: Redis makes the names of POPULATE in a buffer of 128 bytes, with a zero at the end.
_LONGEST_NAME: Final = 127


def _populate(ctx: Context, args: list[bytes]) -> SimpleString:
    """DEBUG POPULATE count [prefix [size]]: strings by the names prefix:0, prefix:1 …; those that exist stay. O(count).

    As in Redis neither files nor replicas are told, and nobody is served meanwhile.
    """
    count = not_negative(args[2])
    if ctx.engine.loading is not None:
        raise CommandError(LOADING)
    prefix = args[3] if len(args) > 3 else b"key"
    size = not_negative(args[4]) if len(args) > 4 else 0
    db, keyspace = ctx.db, ctx.engine.keyspace
    for number in range(count):
        key = (b"%b:%d" % (prefix, number))[:_LONGEST_NAME]
        if db.modify(key) is not None:
            continue
        value = b"value:%d" % number
        db.set_value(key, value[:size].ljust(size, b"\0") if size else value)
        db.touch(key)
        # Watching clients are told, but it is no change that files or replicas are told of.
        keyspace.dirty -= 1
    return OK


_LONGEST_SLEEP: Final = 2**31  # seconds


def _sleep(ctx: Context, args: list[bytes]) -> Any:
    """DEBUG SLEEP seconds: no client is answered for so long, the caller included. O(1).

    Only clients are held: replication, timers, and a program that the server is part of go on.
    """
    seconds = double(args[2])
    if not seconds <= _LONGEST_SLEEP:
        raise CommandError(b"ERR value is out of range")
    if not ctx.can_block:
        raise CommandError(b"ERR DEBUG SLEEP holds its caller, which a transaction cannot be")
    milliseconds = math.ceil(max(seconds, 0) * 1000)
    if not milliseconds:
        return OK
    ctx.engine.pause.sleep(milliseconds)
    return ctx.block((), milliseconds, _nothing_ends_it, OK)


def _nothing_ends_it(session: Any, key: bytes) -> None:
    """A sleep waits for no key."""


def _data(ctx: Context, subcommand: bytes, args: list[bytes]) -> Any:
    """The subcommands about all data, or None for another one."""
    count = len(args)
    if subcommand == b"digest" and count == 2:
        return SimpleString(digest_of_all(ctx.engine.keyspace.databases))
    if subcommand == b"digest-value":
        return [SimpleString(digest_of_value(ctx.db, key)) for key in args[2:]]
    if subcommand == b"populate" and 3 <= count <= 5:
        return _populate(ctx, args)
    if subcommand == b"reload":
        return _reload(ctx, args)
    if subcommand == b"loadaof" and count == 2:
        return _load_log(ctx)
    return None


@command("debug")
def debug(ctx: Context, args: list[bytes]) -> Any:
    """DEBUG subcommand … — for the test suites of clients. Since 1.0."""
    allowed = ctx.engine.config.values["enable-debug-command"]
    if allowed == "no" or (allowed == "local" and not is_local(ctx.session.address)):
        raise CommandError(_NOT_ALLOWED)
    subcommand = args[1].lower()
    if subcommand == b"object" and len(args) == 3:
        return _debug_object(ctx, args)
    if subcommand == b"protocol" and len(args) == 3:
        return _protocol_sample(ctx, args[2].lower())
    if subcommand == b"set-active-expire" and len(args) == 3:
        return _set_active_expire(ctx, args)
    if subcommand == b"error" and len(args) == 3:
        return ErrorReply(args[2])
    if subcommand == b"log" and len(args) == 3:
        ctx.engine.log("DEBUG LOG: " + args[2].decode("utf-8", "backslashreplace"))
        return OK
    if subcommand == b"sleep" and len(args) == 3:
        return _sleep(ctx, args)
    if subcommand == b"change-repl-id" and len(args) == 2:
        history = ctx.engine.replication.history
        history.begin(ctx.engine.replication.new_id())
        return OK
    if subcommand == b"help" and len(args) == 2:
        return _HELP
    if (reply := _data(ctx, subcommand, args)) is not None:
        return reply
    raise CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP." % args[1]
    )


_HELP = [
    SimpleString(line)
    for line in (
        b"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        b"CHANGE-REPL-ID",
        b"    Begin a history of its own name, which no replica has: for tests of replication.",
        b"DIGEST",
        b"    A digest of all data, the same on every server that has the same data.",
        b"DIGEST-VALUE <key> [<key> ...]",
        b"    A digest of each of these values; all 0 where there is none.",
        b"ERROR <string>",
        b"    Reply with an error of this text.",
        b"LOG <message>",
        b"    Write a message to the server's log.",
        b"OBJECT <key>",
        b"    What the server knows of a value.",
        b"POPULATE <count> [<prefix>] [<size>]",
        b"    Make strings, key:0 and on, without telling files or replicas; nobody is served meanwhile.",
        b"PROTOCOL <type>",
        b"    Reply with a sample of a type of the protocol.",
        b"LOADAOF",
        b"    Write the append-only file out, forget all data, and load it.",
        b"RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        b"    Save all data, forget them, and load them; with MERGE over what is there.",
        b"SET-ACTIVE-EXPIRE <0|1>",
        b"    Whether keys are removed when they expire, or only when they are next asked for.",
        b"SLEEP <seconds>",
        b"    Answer nobody for so long.",
        b"HELP",
        b"    This text.",
    )
]
