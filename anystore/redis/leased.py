"""Carrying out commands on a connection that a task has for itself."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import anyio

from anystore.exceptions import CommandTimeout
from anystore.redis.connection import Connection
from anystore.redis.entries import Bundle, Packed

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore

__all__ = ("carry_out",)


async def carry_out(
    store: RedisStore[Any], connection: Connection, packed: Packed, bundle: Bundle, block: float | None
) -> Exception | None:
    """Carry out a bundle of commands on a leased connection; its replies are in the bundle afterwards.

    Out of time, or cancelled, the connection has a reply to come and is of no use to others: the pool closes it, and
    that ends a command that blocks on the server.

    Args:
        store: Its time limit for commands is counted from when the server may answer.
        connection: Leased by this task.
        packed: The commands.
        bundle: Takes the replies.
        block: How long the server may take by itself, in seconds, `inf` without limit.

    Returns:
        What went wrong: `CommandTimeout` or `ConnectionLost`; None if nothing did.
    """
    timeout = store.profile.command_timeout
    limit = None if timeout is None or block == inf else timeout + (block or 0)
    with anyio.move_on_after(limit):
        failure: Exception | None = await connection.request(packed, bundle)
        return failure
    return CommandTimeout(f"no reply within {limit} seconds")
