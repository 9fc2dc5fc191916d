"""Looking at a running server: MONITOR, TIME."""

from __future__ import annotations

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
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
    ctx.session.update_guard()
    ctx.engine.monitors[ctx.session] = None
    ctx.engine.update_attention()
    return OK
