"""The connection group: who the client is, which database and which protocol it speaks."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.commands.arguments import integer_between
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError, wrong_arity
from anystore.pulsards.identity import REDIS_NAME, REDIS_VERSION
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.registry import command
from anystore.resp.types import OK, PONG, SimpleString

_PRINTABLE: Final = bytes(range(33, 127))


@command("ping")
def ping(ctx: Context, args: list[bytes]) -> Any:
    """PING [message] — O(1). A RESP2 client with subscriptions gets the shape of a message."""
    if len(args) > 2:
        raise wrong_arity(b"ping")
    message = args[1] if len(args) == 2 else None
    if ctx.protocol == 2 and ctx is ctx.session and ctx.session.subscriptions:
        return [b"pong", message or b""]
    return PONG if message is None else message


@command("echo")
def echo(ctx: Context, args: list[bytes]) -> bytes:
    """ECHO message — O(1)."""
    return args[1]


@command("select")
def select(ctx: Context, args: list[bytes]) -> SimpleString:
    """SELECT index — O(1)."""
    index = integer_between(args[1], -(2**31), 2**31 - 1)
    databases = ctx.engine.keyspace.databases
    if not 0 <= index < len(databases):
        raise CommandError(b"ERR DB index is out of range")
    ctx.db = databases[index]
    return OK


@command("quit")
def quit_(ctx: Context, args: list[bytes]) -> SimpleString:
    """QUIT — O(1); deprecated since 7.2, clients just close."""
    ctx.session.closing = True
    return OK


@command("reset")
def reset(ctx: Context, args: list[bytes]) -> SimpleString:
    """RESET — back to what a fresh connection is, save that it keeps its id. Since 6.2."""
    session = ctx.session
    engine = ctx.engine
    session.leave_transaction()
    session.forget_subscriptions()
    engine.stop_monitoring(session)
    engine.tracking.disable(session)
    session.monitoring = False
    session.db = engine.keyspace.databases[0]
    session.protocol = 2
    session.name = b""
    session.muted = session.skip_replies > 0  # it is this reply that CLIENT REPLY SKIP leaves out
    session.no_evict = session.no_touch = session.redirects = session.import_source = False
    engine.acl.log_out(session)
    return SimpleString(b"RESET")


@command("auth")
def auth(ctx: Context, args: list[bytes]) -> SimpleString:
    """AUTH [username] password — O(1)."""
    if len(args) > 3:
        raise CommandError(SYNTAX)
    acl = ctx.engine.acl
    if len(args) == 2 and acl.default.no_password:
        raise CommandError(
            b"ERR AUTH <password> called without any password configured for the default user. "
            b"Are you sure your configuration is correct?"
        )
    acl.log_in(ctx.session, b"default" if len(args) == 2 else args[1], args[-1], args[0])
    return OK


@command("hello")
def hello(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """HELLO [protover [AUTH username password] [SETNAME clientname]] — O(1). Since 6.0."""
    session = ctx.session
    protocol = session.protocol
    if len(args) > 1:
        version = parse_integer(args[1])
        if version is None:
            raise CommandError(b"ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise CommandError(b"NOPROTO unsupported protocol version")
        protocol = version
    credentials, name = _hello_options(args[2:])
    if credentials is not None:
        ctx.engine.acl.log_in(session, *credentials, args[0])
    if session.needs_login:
        raise CommandError(
            b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
            b"AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
            b"version at the same time"
        )
    if name is not None:
        session.name = name
    session.protocol = protocol
    session.update_guard()
    told: dict[bytes, Any] = {
        b"server": REDIS_NAME,
        b"version": REDIS_VERSION,
        b"proto": protocol,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master" if ctx.engine.replication.following is None else b"replica",
        b"modules": [],
    }
    if zone := ctx.engine.config.values["availability-zone"]:
        told[b"availability_zone"] = zone.encode("utf-8", "surrogateescape")
    return told


def _hello_options(options: list[bytes]) -> tuple[tuple[bytes, bytes] | None, bytes | None]:
    credentials, name = None, None
    position = 0
    while position < len(options):
        option = options[position].upper()
        left = len(options) - position - 1
        if option == b"AUTH" and left >= 2:
            credentials = (options[position + 1], options[position + 2])
            position += 3
        elif option == b"SETNAME" and left >= 1:
            name = checked_client_name(options[position + 1])
            position += 2
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%b'" % options[position])
    return credentials, name


def is_one_word(text: bytes) -> bool:
    """Whether there is nothing in a text but printable ASCII without spaces. O(n), and quick for a hostile megabyte."""
    return not text.translate(None, _PRINTABLE)


def checked_client_name(name: bytes) -> bytes:
    """The name, refused where CLIENT LIST could not show it as one word."""
    if not is_one_word(name):
        raise CommandError(b"ERR Client names cannot contain spaces, newlines or special characters.")
    return name
