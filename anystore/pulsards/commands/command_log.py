"""SLOWLOG, and Valkey's COMMANDLOG, which has two logs more."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.command_logs import CommandLog
from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString

_BAD_COUNT: Final = b"ERR count should be greater than or equal to -1"


def _entries(log: CommandLog, count: int) -> list[list[Any]]:
    entries = list(log.entries)
    return [
        [
            entry.id,
            entry.when,
            entry.measure,
            entry.arguments,
            entry.address.encode("utf-8", "surrogateescape"),
            entry.client_name,
        ]
        for entry in (entries if count == -1 else entries[:count])
    ]


def _count(text: bytes) -> int:
    count = parse_integer(text)
    if count is None or count < -1:
        raise CommandError(_BAD_COUNT)
    return count


def _log(ctx: Context, name: bytes) -> CommandLog:
    log = ctx.engine.logs.by_name.get(name.lower())
    if log is None:
        raise CommandError(b"ERR type should be one of the following: slow, large-request, large-reply")
    return log


@command("slowlog|get")
def slowlog_get(ctx: Context, args: list[bytes]) -> list[Any]:
    """SLOWLOG GET [count] — the newest entries, 10 without a count, all of them for -1. O(N). Since 2.2.12."""
    if len(args) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try SLOWLOG HELP." % args[1]
        )
    return _entries(ctx.engine.logs.slow, _count(args[2]) if len(args) == 3 else 10)


@command("slowlog|len")
def slowlog_len(ctx: Context, args: list[bytes]) -> int:
    """SLOWLOG LEN — O(1). Since 2.2.12."""
    return len(ctx.engine.logs.slow.entries)


@command("slowlog|reset")
def slowlog_reset(ctx: Context, args: list[bytes]) -> SimpleString:
    """SLOWLOG RESET — O(N). Since 2.2.12."""
    ctx.engine.logs.slow.entries.clear()
    return OK


@command("commandlog|get")
def commandlog_get(ctx: Context, args: list[bytes]) -> list[Any]:
    """COMMANDLOG GET count slow | large-request | large-reply — the newest entries, all for -1. O(N). Valkey 8.1."""
    count = _count(args[2])
    return _entries(_log(ctx, args[3]), count)


@command("commandlog|len")
def commandlog_len(ctx: Context, args: list[bytes]) -> int:
    """COMMANDLOG LEN type — O(1). Valkey 8.1."""
    return len(_log(ctx, args[2]).entries)


@command("commandlog|reset")
def commandlog_reset(ctx: Context, args: list[bytes]) -> SimpleString:
    """COMMANDLOG RESET type — O(N). Valkey 8.1."""
    _log(ctx, args[2]).entries.clear()
    return OK


_SLOWLOG_HELP: Final = (
    b"SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"GET [<count>]",
    b"    The newest entries (10; -1 is all): number, time, microseconds, arguments, client, its name.",
    b"LEN",
    b"    How many there are.",
    b"RESET",
    b"    Forget them.",
    b"HELP",
    b"    This text.",
)
_COMMANDLOG_HELP: Final = (
    b"COMMANDLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"GET <count> <type>",
    b"    The newest entries (-1 is all) of a log: slow, large-request or large-reply. Each has its number, time,",
    b"    microseconds or bytes, arguments, client, and the client's name.",
    b"LEN <type>",
    b"    How many there are.",
    b"RESET <type>",
    b"    Forget them.",
    b"HELP",
    b"    This text.",
)


@command("slowlog|help")
def slowlog_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """SLOWLOG HELP → the subcommands. Since 6.2."""
    return [SimpleString(line) for line in _SLOWLOG_HELP]


@command("commandlog|help")
def commandlog_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """COMMANDLOG HELP → the subcommands. Valkey 8.1."""
    return [SimpleString(line) for line in _COMMANDLOG_HELP]
