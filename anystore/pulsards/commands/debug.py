"""The harmless half of DEBUG.

What crashes or stalls a real server is refused like any unknown subcommand.
"""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.access import AccessFrequencies
from anystore.pulsards.addresses import is_local
from anystore.pulsards.context import Context
from anystore.pulsards.errors import NO_SUCH_KEY, NOT_AN_INTEGER, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.persistence.aof import LogError
from anystore.pulsards.persistence.loading import CannotLoad, FileLoading
from anystore.pulsards.registry import command
from anystore.resp.types import (
    OK,
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
            b"string|integer|double|null|array|set|map|attrib|push|verbatim|true|false"
        )
    return samples[kind]


def _debug_object(ctx: Context, args: list[bytes]) -> SimpleString:
    value = ctx.db.peek(args[2])
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    accessed = ctx.db.accessed
    seconds = ctx.engine.keyspace.now // 1000
    if isinstance(accessed, AccessFrequencies):
        idle = seconds - accessed.minute_of(args[2]) * 60
    else:
        idle = seconds - accessed.get(args[2], 0)
    return SimpleString(b"Value at:0x%x refcount:1 lru_seconds_idle:%d" % (id(value), max(0, idle)))


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
        engine.log(f"DEBUG RELOAD: {error}".encode())
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
        ctx.engine.log(f"DEBUG LOADAOF: {error}".encode())
        raise CommandError(b"ERR Error trying to load the AOF files, check server logs.") from None
    finally:
        ctx.engine.tracking.flushed()
    return OK


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
        ctx.engine.log(b"DEBUG LOG: " + args[2])
        return OK
    if subcommand == b"reload":
        return _reload(ctx, args)
    if subcommand == b"loadaof" and len(args) == 2:
        return _load_log(ctx)
    if subcommand == b"help" and len(args) == 2:
        return _HELP
    raise CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP." % args[1]
    )


_HELP = [
    SimpleString(line)
    for line in (
        b"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        b"ERROR <string>",
        b"    Reply with an error of this text.",
        b"LOG <message>",
        b"    Write a message to the server's log.",
        b"OBJECT <key>",
        b"    What the server knows of a value.",
        b"PROTOCOL <type>",
        b"    Reply with a sample of a type of the protocol.",
        b"LOADAOF",
        b"    Write the append-only file out, forget all data, and load it.",
        b"RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        b"    Save all data, forget them, and load them; with MERGE over what is there.",
        b"SET-ACTIVE-EXPIRE <0|1>",
        b"    Whether keys are removed when they expire, or only when they are next asked for.",
        b"HELP",
        b"    This text.",
    )
]
