"""The list commands that wait for an element.

Source: the pages of the "list" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from typing import Any

from anystore.pulsards.commands.arguments import timeout_ms
from anystore.pulsards.commands.lists import ENDS, is_left, move, pop_first
from anystore.pulsards.commands.multi_pop import parse_multi_pop
from anystore.pulsards.commands.waiting import serve_or_wait
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import ListValue
from anystore.pulsards.notifications import LIST
from anystore.pulsards.registry import command
from anystore.resp.types import NULL_ARRAY


@command("blpop", "brpop")
def blpop(ctx: Context, args: list[bytes]) -> Any:
    """BLPOP|BRPOP key [key …] timeout: the key and its head (tail), from the first list that exists. O(N keys).

    Waits `timeout` seconds (a fraction since 6.0; 0 for ever) where none exists, then replies null.
    """
    left = args[0].lower() == b"blpop"
    keys = args[1:-1]
    timeout = timeout_ms(args[-1], ctx.engine.keyspace.now)

    def serve(ctx: Context) -> list[bytes] | None:
        db = ctx.db
        for key in keys:
            value = db.modify_as(key, ListValue)
            if value is not None:
                element = value.popleft() if left else value.pop()
                db.changed(key, b"lpop" if left else b"rpop", LIST)
                if not value:
                    db.drop_empty(key)
                return [key, element]
        return None

    return serve_or_wait(ctx, keys, ListValue, timeout, serve, NULL_ARRAY)


@command("blmpop")
def blmpop(ctx: Context, args: list[bytes]) -> Any:
    """BLMPOP timeout numkeys key [key …] LEFT|RIGHT [COUNT count]: LMPOP that waits (7.0). O(N+M)."""
    asked = parse_multi_pop(args[2:], ENDS)
    timeout = timeout_ms(args[1], ctx.engine.keyspace.now)
    return serve_or_wait(
        ctx, asked.keys, ListValue, timeout, lambda ctx: pop_first(ctx.db, asked), NULL_ARRAY
    )


@command("blmove")
def blmove(ctx: Context, args: list[bytes]) -> Any:
    """BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout: LMOVE that waits for an element (6.2). O(1)."""
    from_left, to_left = is_left(args[3]), is_left(args[4])
    return _move(ctx, args[1], args[2], from_left, to_left, args[5])


@command("brpoplpush")
def brpoplpush(ctx: Context, args: list[bytes]) -> Any:
    """BRPOPLPUSH source destination timeout: BLMOVE source destination RIGHT LEFT timeout. O(1)."""
    return _move(ctx, args[1], args[2], False, True, args[3])


def _move(
    ctx: Context, source: bytes, destination: bytes, from_left: bool, to_left: bool, timeout: bytes
) -> Any:
    limit = timeout_ms(timeout, ctx.engine.keyspace.now)
    nothing = NULL_ARRAY if ctx.can_block else None
    return serve_or_wait(
        ctx,
        [source],
        ListValue,
        limit,
        lambda ctx: move(ctx.db, source, destination, from_left, to_left),
        nothing,
    )
