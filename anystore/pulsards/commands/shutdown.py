"""SHUTDOWN."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import NO_REPLY

_OPTIONS: Final = frozenset((b"save", b"nosave", b"now", b"force", b"abort"))


@command("shutdown")
def shutdown(ctx: Context, args: list[bytes]) -> Any:
    """SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] | ABORT — every connection is closed, and the server ends. Since 1.0.

    Data are saved before where there are rules for saving (`save`), or by SAVE; where that fails the server goes on, but
    for FORCE. There is no reply but an error. NOW is about replicas, which there are none of. O(N) when it saves.
    """
    options = {argument.lower() for argument in args[1:]}
    if options - _OPTIONS or options >= {b"save", b"nosave"} or (b"abort" in options and len(args) > 2):
        raise CommandError(SYNTAX)
    if b"abort" in options:
        # A shutdown only ever waits for replicas.
        raise CommandError(b"ERR No shutdown in progress.")
    save = True if b"save" in options else False if b"nosave" in options else None
    ctx.engine.shut_down(save, b"force" in options)
    return NO_REPLY
