"""Whole databases: emptying and exchanging them."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.commands.arguments import integer_between
from anystore.pulsards.commands.keys import NO_SUCH_DATABASE
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.leavings import Leavings
from anystore.pulsards.registry import command
from anystore.resp.types import OK


@command("flushdb")
def flushdb(ctx: Context, args: list[bytes]) -> Any:
    """FLUSHDB [ASYNC | SYNC] → OK; the selected database is empty. O(N) in freeing the keys; ASYNC does it in slices."""
    ctx.engine.keyspace.flush((ctx.db,), _leavings(ctx, args))
    ctx.propagate_as_is()  # even of what is empty: a copy may still have what has expired here
    ctx.engine.tracking.flushed()
    return OK


@command("flushall")
def flushall(ctx: Context, args: list[bytes]) -> Any:
    """FLUSHALL [ASYNC | SYNC] → OK; every database is empty. O(N) in freeing the keys; ASYNC does it in slices."""
    ctx.engine.keyspace.flush_all(_leavings(ctx, args))
    ctx.propagate_as_is()
    ctx.engine.tracking.flushed()
    ctx.engine.saver.after_flush()
    return OK


def _leavings(ctx: Context, args: list[bytes]) -> Leavings | None:
    """What frees the keys, where they are not to be freed at once."""
    mode = args[1].lower() if len(args) == 2 else b"sync"
    if len(args) > 2 or mode not in (b"async", b"sync"):
        raise CommandError(SYNTAX)
    return ctx.engine.leavings if mode == b"async" else None


@command("swapdb")
def swapdb(ctx: Context, args: list[bytes]) -> Any:
    """SWAPDB index1 index2 → OK; whoever has selected one sees the other's keys. O(1). Since 4.0."""
    first = integer_between(args[1], -(2**31), 2**31 - 1, b"ERR invalid first DB index")
    second = integer_between(args[2], -(2**31), 2**31 - 1, b"ERR invalid second DB index")
    databases = ctx.engine.keyspace.databases
    if not (0 <= first < len(databases) and 0 <= second < len(databases)):
        raise CommandError(NO_SUCH_DATABASE)
    ctx.engine.keyspace.swap(first, second)
    ctx.db.count_change()
    return OK
