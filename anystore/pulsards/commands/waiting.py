"""How the blocking pops wait.

Whoever waits longest is served first. A command that has been waiting is tried anew as a whole, with all of
its keys in their order (as Redis does from 7.2 on): what it gets is what it would get if it came now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anystore.pulsards.context import Context


def serve_or_wait(
    ctx: Context, keys: list[bytes], kind: type, timeout: int, serve: Callable[[Context], Any], nothing: Any
) -> Any:
    """What `serve` replies, at once or as soon as one of `keys` holds a `kind` and `serve` does not reply None.

    `nothing` is the reply after `timeout` milliseconds (0 waits for ever).
    """

    def attempt(ctx: Context, key: bytes) -> Any:
        return serve(ctx) if type(ctx.db.peek(key)) is kind else None

    reply = serve(ctx)
    return ctx.block(keys, timeout, attempt, nothing) if reply is None else reply
