"""The commands about replication, of a server that has none: it is a primary without replicas, for good."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer, integer_between, not_negative
from anystore.pulsards.context import Context
from anystore.pulsards.errors import NEGATIVE_TIMEOUT, SYNTAX, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import NO_REPLY, OK, SimpleString

_NO_REPLICATION: Final = (
    b"ERR pulsards does not replicate: it can neither follow another server nor be followed"
)
_NOT_A_TIMEOUT: Final = b"ERR timeout is not an integer or out of range"
#: What a replica says of itself before it asks for the data.
_REPLICA_OPTIONS: Final = frozenset(
    (b"listening-port", b"ip-address", b"capa", b"version", b"rdb-only", b"rdb-filter-only")
)


@command("replicaof", "slaveof")
def replicaof(ctx: Context, args: list[bytes]) -> SimpleString:
    """REPLICAOF NO ONE → OK; REPLICAOF host port — an error. O(1). Since 5.0, SLAVEOF since 1.0."""
    if args[1].lower() == b"no" and args[2].lower() == b"one":
        return OK
    port = parse_integer(args[2])
    if port is None or not 0 <= port <= 65535:
        raise CommandError(b"ERR Invalid master port")
    raise CommandError(_NO_REPLICATION)


@command("failover")
def failover(ctx: Context, args: list[bytes]) -> SimpleString:
    """FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms] — an error: there is no replica. O(1). Since 6.2."""
    if len(args) == 2 and args[1].lower() == b"abort":
        raise CommandError(b"ERR No failover in progress.")
    words = iter(args[1:])
    for word in words:
        option = word.lower()
        if option == b"timeout" and (value := next(words, None)) is not None:
            if integer(value) <= 0:
                raise CommandError(b"ERR FAILOVER timeout must be greater than 0")
        elif option == b"to" and next(words, None) is not None and (port := next(words, None)) is not None:
            integer(port)
        elif option != b"force":
            raise CommandError(SYNTAX)
    raise CommandError(b"ERR FAILOVER requires connected replicas.")


@command("sync", "psync")
def sync(ctx: Context, args: list[bytes]) -> Any:
    """SYNC | PSYNC replicationid offset — an error: what a replica would ask for. Since 1.0; PSYNC 2.8."""
    raise CommandError(_NO_REPLICATION)


@command("replconf")
def replconf(ctx: Context, args: list[bytes]) -> Any:
    """REPLCONF option value … → OK, as to any replica that introduces itself; it comes to nothing. O(N). Since 3.0."""
    if len(args) % 2 == 0:
        raise CommandError(SYNTAX)
    for option in args[1::2]:
        if option.lower() in (b"ack", b"getack"):
            return NO_REPLY
        if option.lower() not in _REPLICA_OPTIONS:
            raise CommandError(b"ERR Unrecognized REPLCONF option: %b" % option)
    return OK


@command("waitaof")
def waitaof(ctx: Context, args: list[bytes]) -> Any:
    """WAITAOF numlocal numreplicas timeout → [0, 0]: nothing is written to a file, here or elsewhere. Since 7.2."""
    local = integer_between(args[1], 0, 1)
    replicas = not_negative(args[2])
    timeout = integer(args[3], _NOT_A_TIMEOUT)
    if timeout < 0:
        raise CommandError(NEGATIVE_TIMEOUT)
    if local:
        raise CommandError(b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    if replicas and ctx.can_block:
        return ctx.block((), timeout, lambda session, key: None, timeout_reply=[0, 0])
    return [0, 0]
