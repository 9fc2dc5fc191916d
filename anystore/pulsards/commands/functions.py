"""FUNCTION, FCALL and FCALL_RO. What libraries are made of is in `anystore.pulsards.scripting`. Since Redis 7.0."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.scripting import command_runner
from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.glob import matcher
from anystore.pulsards.monitors import feed_monitors
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.persistence.rdb import PayloadMismatch, RdbError
from anystore.pulsards.registry import command
from anystore.pulsards.scripting import Library, ScriptError
from anystore.pulsards.scripting.library_payload import dump_libraries, load_libraries
from anystore.resp.types import OK, ErrorReply, SetReply, SimpleString

_HELP: Final = (
    b"FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DELETE <library>",
    b"    Forget a library and its functions.",
    b"DUMP",
    b"    All libraries in one payload, for RESTORE.",
    b"FLUSH [ASYNC|SYNC]",
    b"    Forget every library.",
    b"KILL",
    b"    End the function that is running.",
    b"LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    b"    The libraries and their functions.",
    b"LOAD [REPLACE] <code>",
    b"    Keep the functions that a library registers.",
    b"RESTORE <payload> [FLUSH|APPEND|REPLACE]",
    b"    Bring back the libraries of a payload.",
    b"STATS",
    b"    How many libraries and functions there are.",
    b"HELP",
    b"    This text.",
)


@command("fcall")
def fcall(ctx: Context, args: list[bytes]) -> Any:
    """FCALL function numkeys [key …] [arg …] → what the function returns."""
    return _run(ctx, args, read_only=False)


@command("fcall_ro")
def fcall_ro(ctx: Context, args: list[bytes]) -> Any:
    """FCALL_RO function numkeys [key …] [arg …] → what the function returns, which must be one of no-writes."""
    return _run(ctx, args, read_only=True)


def _run(ctx: Context, args: list[bytes], *, read_only: bool) -> Any:
    engine = ctx.engine
    if engine.monitors:  # before its commands
        feed_monitors(engine, ctx, args)
    function = engine.libraries.find(args[1])
    if function is None:
        raise CommandError(b"ERR Function not found")
    count = parse_integer(args[2])
    if count is None:
        raise CommandError(b"ERR Bad number of keys provided")
    if count > len(args) - 3:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    may_write = not function.declares(b"no-writes")
    if read_only and may_write:
        raise CommandError(b"ERR Can not execute a script with write flag using *_ro command.")
    entry = engine.commands[args[0].lower()]
    call = command_runner(ctx, read_only=not may_write, allow_oom=function.declares(b"allow-oom"))
    engine.busy.begin(ctx.session, args, b"FUNCTION")
    try:
        reply = engine.libraries.run(function, args[3 : 3 + count], args[3 + count :], call)
    except ScriptError as error:
        if not error.counted:
            raise
        entry.failed += 1
        return ErrorReply(error.message)
    finally:
        engine.busy.end()
    for message, counted in engine.libraries.errors:
        entry.failed += 1
        if not counted:
            engine.count_error(message)
    return reply


@command("function|load")
def function_load(ctx: Context, args: list[bytes]) -> bytes:
    """FUNCTION LOAD [REPLACE] code → the library's name. O(N) in the code, which runs once."""
    for option in args[2:-1]:
        if option.lower() != b"replace":
            raise CommandError(b"ERR Unknown option given: %b" % option)
    library = ctx.engine.libraries.load(args[-1], replace=len(args) > 3)
    ctx.db.count_change()
    return library.name


@command("function|list")
def function_list(ctx: Context, args: list[bytes]) -> list[dict[bytes, Any]]:
    """FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE] → a map of each library. O(N) in the functions."""
    pattern, with_code, position = None, False, 2
    while position < len(args):
        option = args[position].lower()
        if option == b"withcode" and not with_code:
            with_code = True
        elif option == b"libraryname" and pattern is None:
            position += 1
            if position == len(args):
                raise CommandError(b"ERR library name argument was not given")
            pattern = args[position]
        else:
            raise CommandError(b"ERR Unknown argument %b" % args[position])
        position += 1
    wanted = matcher(pattern, ignore_case=True) if pattern is not None else None
    return [
        _description(library, with_code=with_code)
        for library in ctx.engine.libraries
        if wanted is None or wanted(library.name)
    ]


def _description(library: Library, *, with_code: bool) -> dict[bytes, Any]:
    functions = [
        {
            b"name": function.name,
            b"description": function.description,
            b"flags": SetReply(SimpleString(flag) for flag in function.flags),
        }
        for function in library.functions
    ]
    found = {b"library_name": library.name, b"engine": b"LUA", b"functions": functions}
    if with_code:
        found[b"library_code"] = library.code
    return found


@command("function|delete")
def function_delete(ctx: Context, args: list[bytes]) -> SimpleString:
    """FUNCTION DELETE library — O(N) in its functions."""
    ctx.engine.libraries.delete(args[2])
    ctx.db.count_change()
    return OK


@command("function|flush")
def function_flush(ctx: Context, args: list[bytes]) -> SimpleString:
    """FUNCTION FLUSH [ASYNC|SYNC] — the same either way."""
    if len(args) > 3:
        raise _wrong_count(args)
    if len(args) == 3 and args[2].lower() not in (b"sync", b"async"):
        raise CommandError(b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    ctx.engine.libraries.flush()
    ctx.db.count_change()
    return OK


@command("function|stats")
def function_stats(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """FUNCTION STATS → the function that has run for too long, or None, and how much each engine holds. O(1)."""
    libraries = ctx.engine.libraries
    counts = {b"libraries_count": len(libraries), b"functions_count": libraries.function_count}
    return {b"running_script": ctx.engine.busy.running_function(), b"engines": {b"LUA": counts}}


@command("function|kill")
def function_kill(ctx: Context, args: list[bytes]) -> SimpleString:
    """FUNCTION KILL — end the function that has run for too long. O(1). See `anystore.pulsards.busy_script`."""
    ctx.engine.busy.kill(b"FUNCTION")
    return OK


@command("function|dump")
def function_dump(ctx: Context, args: list[bytes]) -> bytes:
    """FUNCTION DUMP → all libraries in one payload, which Redis and Valkey restore, too. O(N) in their code."""
    return dump_libraries([library.code for library in ctx.engine.libraries])


@command("function|restore")
def function_restore(ctx: Context, args: list[bytes]) -> SimpleString:
    """FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE] — all of its libraries, or none. O(N) in their code."""
    if len(args) > 4:
        raise _wrong_count(args)
    policy = args[3].lower() if len(args) == 4 else b"append"
    if policy not in (b"flush", b"append", b"replace"):
        raise CommandError(
            b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
        )
    try:
        codes = load_libraries(args[2])
    except PayloadMismatch:
        raise CommandError(b"ERR DUMP payload version or checksum are wrong") from None
    except RdbError:
        raise CommandError(b"ERR failed loading functions payload") from None
    ctx.engine.libraries.restore(codes, policy)
    ctx.db.count_change()
    return OK


@command("function|help")
def function_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """FUNCTION HELP → the subcommands."""
    return [SimpleString(line) for line in _HELP]


def _wrong_count(args: list[bytes]) -> CommandError:
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try FUNCTION HELP." % args[1]
    )
