"""CLIENT PAUSE and CLIENT UNPAUSE."""

from __future__ import annotations

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.errors import NEGATIVE_TIMEOUT, TIMEOUT_OUT_OF_RANGE, CommandError
from anystore.pulsards.numbers import INT64_MAX
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString


@command("client|pause")
def client_pause(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT PAUSE timeout [WRITE | ALL] — keep commands for so many milliseconds. O(1). Since 2.9.50."""
    engine = ctx.engine
    mode = args[3].lower() if len(args) == 4 else b"all"
    if len(args) > 4:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try CLIENT HELP." % args[1]
        )
    if mode not in (b"write", b"all"):
        raise CommandError(b"ERR CLIENT PAUSE mode must be WRITE or ALL")
    timeout = integer(args[2], b"ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError(NEGATIVE_TIMEOUT)
    if timeout > INT64_MAX - engine.keyspace.now:
        raise CommandError(TIMEOUT_OUT_OF_RANGE)
    engine.pause.start(engine.keyspace.now + timeout, mode == b"all")
    return OK


@command("client|unpause")
def client_unpause(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT UNPAUSE — run what was kept. O(N) in the clients that wait. Since 6.2."""
    ctx.engine.pause.stop()
    return OK
