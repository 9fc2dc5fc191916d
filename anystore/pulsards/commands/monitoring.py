"""Looking at a running server: SLOWLOG, MONITOR, TIME."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString


@command("time")
def time_(ctx: Context, args: list[bytes]) -> list[bytes]:
    """TIME — seconds since 1970 and the microseconds of the current one. O(1). Since 2.6."""
    now = ctx.engine.clock.time_us()
    return [b"%d" % (now // 1_000_000), b"%d" % (now % 1_000_000)]


@command("monitor")
def monitor(ctx: Context, args: list[bytes]) -> SimpleString:
    """MONITOR — every command that runs is shown to this client from now on, until RESET."""
    if not ctx.can_block:
        raise CommandError(b"ERR MONITOR isn't allowed for DENY BLOCKING client")
    ctx.session.monitoring = True
    ctx.engine.monitors[ctx.session] = None
    ctx.engine.update_attention()
    return OK


@command("slowlog|get")
def slowlog_get(ctx: Context, args: list[bytes]) -> list[Any]:
    """SLOWLOG GET [count] — the newest entries, 10 without a count, all of them for -1. O(N). Since 2.2.12."""
    count = 10
    if len(args) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try SLOWLOG HELP." % args[1]
        )
    if len(args) == 3:
        wanted = parse_integer(args[2])
        if wanted is None or wanted < -1:
            raise CommandError(b"ERR count should be greater than or equal to -1")
        count = wanted
    entries = list(ctx.engine.slowlog.entries)
    return [
        [entry.id, entry.when, entry.microseconds, entry.arguments, entry.address.encode(), entry.client_name]
        for entry in (entries if count == -1 else entries[:count])
    ]


@command("slowlog|len")
def slowlog_len(ctx: Context, args: list[bytes]) -> int:
    """SLOWLOG LEN — O(1). Since 2.2.12."""
    return len(ctx.engine.slowlog.entries)


@command("slowlog|reset")
def slowlog_reset(ctx: Context, args: list[bytes]) -> SimpleString:
    """SLOWLOG RESET — O(N). Since 2.2.12."""
    ctx.engine.slowlog.entries.clear()
    return OK
