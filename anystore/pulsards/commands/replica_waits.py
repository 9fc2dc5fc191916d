"""WAIT and WAITAOF: until replicas, or disks, have what the caller wrote."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer, integer_between, not_negative
from anystore.pulsards.context import Context
from anystore.pulsards.errors import NEGATIVE_TIMEOUT, CommandError
from anystore.pulsards.registry import command

_NOT_A_TIMEOUT: Final = b"ERR timeout is not an integer or out of range"
_ON_REPLICA: Final = (
    b"ERR %b cannot be used with replica instances. Please also note that %bwrites to replicas are just local and "
    b"are not propagated."
)
_SINCE_4: Final = b"since Redis 4.0 if a replica is configured to be writable (which is not the default) "


@command("wait")
def wait(ctx: Context, args: list[bytes]) -> Any:
    """WAIT numreplicas timeout → how many replicas have what this client wrote. Since 3.0."""
    replication = ctx.engine.replication
    if replication.following is not None:
        raise CommandError(_ON_REPLICA % (b"WAIT", _SINCE_4))
    wanted = integer(args[1])
    timeout = _timeout(args[2])
    offset = ctx.session.written_offset
    return replication.waits.reply_or_wait(
        ctx,
        timeout,
        lambda: replication.followers.count_acked(offset),
        lambda reached: bool(reached >= wanted),
    )


@command("waitaof")
def waitaof(ctx: Context, args: list[bytes]) -> Any:
    """WAITAOF numlocal numreplicas timeout → [1 if it is on this server's disk, on how many replicas']. Since 7.2."""
    replication = ctx.engine.replication
    local = integer_between(args[1], 0, 1)
    replicas = not_negative(args[2])
    timeout = _timeout(args[3])
    if replication.following is not None:
        raise CommandError(_ON_REPLICA % (b"WAITAOF", b""))
    append_only = ctx.engine.append_only
    log = append_only.log
    if local and append_only.state == "off":
        raise CommandError(b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    offset = ctx.session.written_offset
    # What others have written since is waited for, too: the log does not tell whose is what.
    written = log.appended

    def reached() -> list[int]:
        here = append_only.state == "on" and log.synced >= written
        return [int(here), replication.followers.count_fsynced(offset)]

    return replication.waits.reply_or_wait(
        ctx, timeout, reached, lambda now: bool(now[0] >= local and now[1] >= replicas)
    )


def _timeout(text: bytes) -> int:
    timeout = integer(text, _NOT_A_TIMEOUT)
    if timeout < 0:
        raise CommandError(NEGATIVE_TIMEOUT)
    return timeout
