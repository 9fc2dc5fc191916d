"""SHUTDOWN."""

from __future__ import annotations

import logging
from typing import Any, Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import NO_REPLY, OK

logger = logging.getLogger("anystore.pulsards")

_OPTIONS: Final = frozenset((b"save", b"nosave", b"now", b"force", b"abort", b"safe", b"failover"))
_EMBEDDED: Final = b"ERR Errors trying to SHUTDOWN. This server is part of a program, and ends with it."
_NO_CLUSTER: Final = b"ERR SHUTDOWN FAILOVER is only supported in cluster mode."


@command("shutdown")
def shutdown(ctx: Context, args: list[bytes]) -> Any:
    """SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [SAFE] | ABORT — every connection is closed, and the server ends. Since 1.0.

    Replicas are waited for before, `shutdown-timeout` seconds at most, while writes are held back; NOW does not wait, and
    ABORT, from another client, gives it up. Data are saved then where there are rules for saving (`save`), or by SAVE; where
    that fails the server goes on, but for FORCE. There is no reply but an error; ABORT → OK. O(N) when it saves.
    SAFE and FAILOVER, Valkey's since 9.1, are about the slots of a cluster: without any the first changes nothing, and the
    second is refused.
    """
    options = {argument.lower() for argument in args[1:]}
    if options - _OPTIONS or options >= {b"save", b"nosave"} or (b"abort" in options and len(args) > 2):
        raise CommandError(SYNTAX)
    if b"failover" in options:
        raise CommandError(_NO_CLUSTER)
    engine = ctx.engine
    if b"abort" in options:
        engine.ending.abort()
        return OK
    if engine.stopper is None:
        raise CommandError(_EMBEDDED)
    logger.info("SHUTDOWN received: stopping")
    save = True if b"save" in options else False if b"nosave" in options else None
    if not engine.ending.begin(engine.stopper, save, force=b"force" in options, at_once=b"now" in options):
        engine.ending.wait(ctx.session)
    return NO_REPLY
