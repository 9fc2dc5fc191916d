"""BGREWRITEAOF."""

from __future__ import annotations

from typing import Final

from anystore.pulsards.context import Context
from anystore.pulsards.registry import command
from anystore.resp.types import SimpleString

_STARTED: Final = SimpleString(b"Background append only file rewriting started")


@command("bgrewriteaof")
def bgrewriteaof(ctx: Context, args: list[bytes]) -> SimpleString:
    """BGREWRITEAOF → a status; an image of the data takes the place of all commands in the log. O(1). Since 1.0.

    The rewrite begins between two turns of the loop, and goes on beside everything else: O(N) in all keys, in slices.
    """
    ctx.engine.append_only.request_rewrite()
    return _STARTED
