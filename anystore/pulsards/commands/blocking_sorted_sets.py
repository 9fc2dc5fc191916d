"""The sorted set commands that wait for a member.

Source: the pages of the "sorted-set" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any

from anystore.pulsards.commands.arguments import timeout_ms
from anystore.pulsards.commands.multi_pop import parse_multi_pop
from anystore.pulsards.commands.sorted_sets import ENDS, pop_first, pop_pairs
from anystore.pulsards.commands.waiting import serve_or_wait
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import SortedSetValue
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY


@command("bzpopmin", "bzpopmax")
def bzpopmin(ctx: Context, args: list[bytes]) -> Any:
    """BZPOPMIN|BZPOPMAX key [key …] timeout: key, member and score, from the first that exists. O(log N).

    Waits `timeout` seconds (a fraction since 6.0; 0 for ever) where none exists, then replies null. Since 5.0.
    """
    lowest = args[0].lower() == b"bzpopmin"
    keys = args[1:-1]
    timeout = timeout_ms(args[-1], ctx.engine.keyspace.now)

    def serve(ctx: Context) -> list[Any] | None:
        for key in keys:
            value = ctx.db.modify_as(key, SortedSetValue)
            if value is not None:
                ((score, member),) = pop_pairs(ctx.db, key, value, lowest, 1)
                return [key, member, score]
        return None

    return serve_or_wait(ctx, keys, SortedSetValue, timeout, serve, NULL_ARRAY)


@command("bzmpop")
def bzmpop(ctx: Context, args: list[bytes]) -> Any:
    """BZMPOP timeout numkeys key [key …] MIN|MAX [COUNT count]: ZMPOP that waits (7.0)."""
    asked = parse_multi_pop(args[2:], ENDS)
    timeout = timeout_ms(args[1], ctx.engine.keyspace.now)
    return serve_or_wait(
        ctx, asked.keys, SortedSetValue, timeout, lambda ctx: pop_first(ctx.db, asked), NULL_ARRAY
    )
