"""The commands by which servers follow one another, and by which they are told to."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer, integer_between
from anystore.pulsards.config_types import split_words
from anystore.pulsards.context import Context
from anystore.pulsards.errors import NOT_AN_INTEGER, SYNTAX, CommandError
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.pulsards.replication import Follower
from anystore.resp.types import NO_REPLY, OK, SimpleString

_BAD_OFFSET: Final = b"ERR value is not an integer or out of range"
_FORCE_NEEDS: Final = b"ERR FAILOVER with force option requires both a timeout and target HOST and IP."


@command("replicaof", "slaveof")
def replicaof(ctx: Context, args: list[bytes]) -> SimpleString:
    """REPLICAOF host port → OK, and the data become those of that server; REPLICAOF NO ONE → OK, and they stay.

    O(1): what follows happens by and by. Since 5.0, SLAVEOF since 1.0.
    """
    replication = ctx.engine.replication
    if replication.failover.in_progress:
        raise CommandError(b"ERR REPLICAOF not allowed while failing over.")
    if args[1].lower() == b"no" and args[2].lower() == b"one":
        replication.stop_following()
        return OK
    if ctx.session.follower is not None and ctx.session.follower.attached:
        raise CommandError(b"ERR Command is not valid when client is a replica.")
    port = parse_integer(args[2])
    if port is None or not 0 <= port <= 65535:
        raise CommandError(b"ERR Invalid master port")
    host = args[1].decode("utf-8", "surrogateescape")
    following = replication.following
    if following is not None and (following.host.lower(), following.port) == (host.lower(), port):
        return SimpleString(b"OK Already connected to specified master")
    replication.follow(host, port)
    return OK


@command("failover")
def failover(ctx: Context, args: list[bytes]) -> SimpleString:
    """FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms] → OK; INFO tells when places have been changed. Since 6.2."""
    progress = ctx.engine.replication.failover
    if len(args) == 2 and args[1].lower() == b"abort":
        progress.abort()
        return OK
    target: tuple[str, int] | None = None
    timeout: int | None = None
    force = False
    words = iter(args[1:])
    for word in words:
        option = word.lower()
        if option == b"timeout" and timeout is None and (value := next(words, None)) is not None:
            timeout = integer(value)
            if timeout <= 0:
                raise CommandError(b"ERR FAILOVER timeout must be greater than 0")
        elif (
            option == b"to"
            and target is None
            and (host := next(words, None)) is not None
            and (port := next(words, None)) is not None
        ):
            target = (host.decode("utf-8", "surrogateescape"), integer(port))
        elif option == b"force" and not force:
            force = True
        else:
            raise CommandError(SYNTAX)
    if not progress.in_progress and ctx.engine.replication.following is None:
        if not len(ctx.engine.replication.followers):
            raise CommandError(b"ERR FAILOVER requires connected replicas.")
        if force and (target is None or timeout is None):
            raise CommandError(_FORCE_NEEDS)
    progress.start(target, timeout, force)
    return OK


@command("sync")
def sync(ctx: Context, args: list[bytes]) -> Any:
    """SYNC → an image of all data, then the stream of what changes them. O(N) in the data, in slices. Since 1.0."""
    return ctx.engine.replication.synchronise(ctx.session, b"?", -1, failover=False, old=True)


@command("psync")
def psync(ctx: Context, args: list[bytes]) -> Any:
    """PSYNC replicationid offset [FAILOVER] → CONTINUE and the stream from there, or FULLRESYNC and an image first.

    O(N) in what is missing. Since 2.8.
    """
    offset = integer(args[2], _BAD_OFFSET)
    failover = len(args) > 3 and args[3].lower() == b"failover"
    if len(args) > 4 or (len(args) == 4 and not failover):
        raise CommandError(SYNTAX)
    return ctx.engine.replication.synchronise(ctx.session, args[1], offset, failover=failover, old=False)


@command("replconf")
def replconf(ctx: Context, args: list[bytes]) -> Any:
    """REPLCONF option value … → OK: a replica says of itself where it is and what it can do. O(N). Since 3.0.

    To ACK, by which it says how far it is, there is no reply.
    """
    if len(args) % 2 == 0:
        raise CommandError(SYNTAX)
    session = ctx.session
    if session.follower is None:
        session.follower = Follower(session)
    follower = session.follower
    for position in range(1, len(args), 2):
        option, value = args[position].lower(), args[position + 1]
        if option == b"ack":
            _acknowledge(ctx, follower, args[position:])
            return NO_REPLY
        if option == b"getack":
            return NO_REPLY  # a primary's question to its replica, not to be asked by a client
        _introduce(follower, option, value, args[position])
    return OK


def _acknowledge(ctx: Context, follower: Follower, words: list[bytes]) -> None:
    offset = parse_integer(words[1])
    fsynced = parse_integer(words[3]) if len(words) > 3 and words[2].lower() == b"fack" else None
    if follower.attached and offset is not None:
        ctx.engine.replication.followers.acknowledge(follower, offset, fsynced)


def _introduce(follower: Follower, option: bytes, value: bytes, given: bytes) -> None:
    if option == b"listening-port":
        port = parse_integer(value)
        if port is None:
            raise CommandError(NOT_AN_INTEGER)
        follower.port = port
    elif option == b"ip-address":
        follower.address = value.decode("utf-8", "surrogateescape")
    elif option == b"capa":
        # Of the others none changes what a replica gets; unknown ones are none of a primary's business.
        follower.takes_marks = follower.takes_marks or value.lower() == b"eof"
    elif option == b"version":
        follower.version = value
    elif option == b"rdb-only":
        follower.image_only = bool(integer_between(value, 0, 1))
    elif option == b"rdb-filter-only":
        _choose_parts(follower, value)
    else:
        raise CommandError(b"ERR Unrecognized REPLCONF option: %b" % given)


def _choose_parts(follower: Follower, value: bytes) -> None:
    """Take what the image is to hold: nothing but what is named, of which there are the functions."""
    try:
        names = split_words(value.decode("utf-8", "surrogateescape"))
    except ValueError:
        raise CommandError(b"ERR Missing rdb-filter-only values") from None
    follower.wants_keys = follower.wants_functions = False
    for name in names:
        if name.lower() != "functions":
            given = name.encode("utf-8", "surrogateescape")
            raise CommandError(b"ERR Unsupported rdb-filter-only option: %b" % given)
        follower.wants_functions = True


@command("role")
def role(ctx: Context, args: list[bytes]) -> list[Any]:
    """ROLE → of a primary: "master", its offset, and [host, port, offset] of each replica; of a replica: "slave", the
    primary's host and port, the state of the link, and its offset. O(replicas). Since 2.8.12.
    """
    replication = ctx.engine.replication
    following = replication.following
    offset = replication.history.offset
    if following is not None:
        host = following.host.encode("utf-8", "surrogateescape")
        connected = following.connected
        return [b"slave", host, following.port, following.state.encode(), offset if connected else -1]
    replicas = [
        [item.host.encode("utf-8", "surrogateescape"), b"%d" % item.port, b"%d" % item.acked]
        for item in replication.followers
        if item.is_online
    ]
    return [b"master", offset, replicas]
