"""The CLIENT commands: what the server knows of its connections, and what one may ask of them."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.commands.client_filters import flags_of, parse_filters
from anystore.pulsards.commands.connection import checked_client_name, is_one_word
from anystore.pulsards.context import Context
from anystore.pulsards.errors import NOT_AN_INTEGER, SYNTAX, CommandError, wrong_subcommand
from anystore.pulsards.migration import MigrationWaiter
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.pausing import HeldCommand
from anystore.pulsards.registry import command
from anystore.pulsards.session import Session
from anystore.resp.types import NO_REPLY, OK, ErrorReply, SimpleString, VerbatimString


@command("client|id")
def client_id(ctx: Context, args: list[bytes]) -> int:
    """CLIENT ID — O(1). Since 5.0."""
    return ctx.session.id


@command("client|getname")
def client_getname(ctx: Context, args: list[bytes]) -> bytes | None:
    """CLIENT GETNAME — O(1). Null for a client without a name. Since 2.6.9."""
    return ctx.session.name or None


@command("client|setname")
def client_setname(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT SETNAME connection-name — O(1). Since 2.6.9."""
    ctx.session.name = checked_client_name(args[2])
    return OK


@command("client|setinfo")
def client_setinfo(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT SETINFO LIB-NAME name | LIB-VER version — O(1). Since 7.2."""
    attribute = args[2].lower()
    if attribute not in (b"lib-name", b"lib-ver"):
        raise CommandError(b"ERR Unrecognized option '%b'" % args[2])
    if not is_one_word(args[3]):
        raise CommandError(b"ERR %b cannot contain spaces, newlines or special characters." % args[2])
    if attribute == b"lib-name":
        ctx.session.library_name = args[3]
    else:
        ctx.session.library_version = args[3]
    return OK


def _events(session: Session) -> bytes:
    """The file events of the connection: it is always read, and written to while something is left."""
    return b"rw" if session.has_output() or session.unsent_bytes else b"r"


def _queued(session: Session) -> int:
    """How many commands its transaction has, be it still open or on its way; -1 without one."""
    if session.exec_replies is not None:
        return session.exec_count
    return -1 if session.queue is None else len(session.queue)


def _command(session: Session) -> bytes:
    """What it has called last; what a transaction or a script runs is not that."""
    if session.exec_replies is not None:
        return b"exec"
    busy = session.engine.busy
    entry = busy.entry if busy.session is session else session.last_entry
    return b"NULL" if entry is None else entry.name


def describe(session: Session) -> bytes:
    """One client's line in CLIENT LIST. What pulsards does not have of a Redis client is left out."""
    now = session.engine.keyspace.now
    fields = (
        (b"id", b"%d" % session.id),
        (b"addr", session.address.encode("utf-8", "surrogateescape")),
        (b"laddr", session.local_address.encode("utf-8", "surrogateescape")),
        (b"name", session.name),
        (b"age", b"%d" % ((now - session.connected_at) // 1000)),
        (b"idle", b"%d" % ((now - session.last_active) // 1000)),
        (b"flags", flags_of(session)),
        (b"db", b"%d" % session.db.index),
        (b"sub", b"%d" % len(session.channels)),
        (b"psub", b"%d" % len(session.patterns)),
        (b"ssub", b"%d" % len(session.shard_channels)),
        (b"multi", b"%d" % _queued(session)),
        (b"watch", b"%d" % len(session.watching)),
        (b"qbuf", b"%d" % session.parser.buffered),
        (b"multi-mem", b"%d" % session.queued_bytes),
        # There is one buffer, of any size, and no list of further ones; who wants to know what it takes looks at `omem`.
        (b"obl", b"%d" % session.unsent_bytes),
        (b"oll", b"0"),
        (b"omem", b"%d" % session.unsent_bytes),
        (b"tot-mem", b"%d" % session.footprint),
        (b"events", _events(session)),
        (b"cmd", _command(session)),
        (b"user", session.user.name),
        (b"redir", b"-1" if session.tracking is None else b"%d" % session.tracking.redirect),
        (b"resp", b"%d" % session.protocol),
        (b"lib-name", session.library_name),
        (b"lib-ver", session.library_version),
    )
    return b" ".join(name + b"=" + value for name, value in fields)


@command("client|info")
def client_info(ctx: Context, args: list[bytes]) -> VerbatimString:
    """CLIENT INFO — this client's line of CLIENT LIST. Since 6.2."""
    return VerbatimString(describe(ctx.session) + b"\n")


@command("client|list")
def client_list(ctx: Context, args: list[bytes]) -> VerbatimString:
    """CLIENT LIST [filter value …] — O(N) in the clients. Since 2.4; the filters are those of CLIENT KILL.

    Redis 7 has TYPE type or ID id [id …] only, Valkey 9 has them all.
    """
    sessions = list(ctx.engine.sessions.values())
    if len(args) >= 4 and args[2].lower() == b"id" and (len(args) == 4 or all(map(_is_number, args[3:]))):
        wanted = [_client_id(text) for text in args[3:]]
        sessions = [ctx.engine.sessions[number] for number in wanted if number in ctx.engine.sessions]
    else:
        filters, skip_me = parse_filters(ctx, args[2:])
        sessions = [
            session
            for session in sessions
            if all(test(session) for test in filters) and not (skip_me and session is ctx.session)
        ]
    return VerbatimString(b"".join(describe(session) + b"\n" for session in sessions))


def _is_number(text: bytes) -> bool:
    return parse_integer(text) is not None


def _client_id(text: bytes) -> int:
    number = parse_integer(text)
    if number is None or number <= 0:
        raise CommandError(b"ERR Invalid client ID")
    return number


@command("client|kill")
def client_kill(ctx: Context, args: list[bytes]) -> Any:
    """CLIENT KILL addr | filter value … — O(N) in the clients. Since 2.4.

    With one address: OK, or an error when there is no such client. With filters: how many were closed.
    """
    session = ctx.session
    if len(args) == 3:
        address = args[2].decode("utf-8", "surrogateescape")
        victims = [other for other in ctx.engine.sessions.values() if other.address == address]
        if not victims:
            raise CommandError(b"ERR No such client")
        victims[0].kill()
        return OK
    tests, skip_me = parse_filters(ctx, args[2:])
    victims = [
        other
        for other in ctx.engine.sessions.values()
        if all(test(other) for test in tests) and not (skip_me is not False and other is session)
    ]
    for victim in victims:
        victim.kill()
    return len(victims)


@command("client|unblock")
def client_unblock(ctx: Context, args: list[bytes]) -> int:
    """CLIENT UNBLOCK client-id [TIMEOUT | ERROR] — O(log N). 1 when it was blocked, else 0. Since 5.0."""
    if len(args) > 4:
        raise wrong_subcommand(args)
    how = args[3].lower() if len(args) == 4 else b"timeout"
    if how not in (b"timeout", b"error"):
        raise CommandError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    number = parse_integer(args[2])
    if number is None:
        raise CommandError(NOT_AN_INTEGER)
    session = ctx.engine.sessions.get(number)
    if session is None or session.waiter is None or isinstance(session.waiter, HeldCommand | MigrationWaiter):
        return 0
    reply = session.waiter.timeout_reply
    if how == b"error":
        reply = ErrorReply(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
        ctx.engine.count_error(reply)
    session.unpark(reply)
    return 1


@command("client|reply")
def client_reply(ctx: Context, args: list[bytes]) -> Any:
    """CLIENT REPLY ON | OFF | SKIP — O(1). Since 3.2."""
    session = ctx.session
    mode = args[2].lower()
    if mode == b"on":
        session.muted, session.skip_replies = False, 0
        return OK
    if mode == b"off":
        session.muted, session.skip_replies = True, 0
    elif mode == b"skip":
        if not session.muted:
            session.muted, session.skip_replies = True, 1
    else:
        raise CommandError(SYNTAX)
    return NO_REPLY


@command("client|capa")
def client_capa(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT CAPA capability … → OK. O(1). Valkey 8.0.

    What a client says it can do: `redirect` is the one there is, to another node, of which there is none here.
    """
    if b"redirect" in map(bytes.lower, args[2:]):
        ctx.session.redirects = True
    return OK


@command("client|import-source")
def client_import_source(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT IMPORT-SOURCE ON | OFF → OK. O(1). Valkey 8.1.

    To a client that brings data in, keys whose time is up are there until it removes them. ON is an error unless the
    directive `import-mode` is on; when that ends, so does what this does.
    """
    if not ctx.engine.config.values["import-mode"] and args[2].lower() != b"off":
        raise CommandError(b"ERR Server is not in import mode")
    ctx.session.import_source = _on_off(args[2])
    ctx.session.update_guard()
    return OK


def _on_off(value: bytes) -> bool:
    if value.lower() not in (b"on", b"off"):
        raise CommandError(SYNTAX)
    return value.lower() == b"on"


@command("client|no-evict")
def client_no_evict(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT NO-EVICT ON | OFF — O(1). Since 7.0."""
    ctx.session.no_evict = _on_off(args[2])
    return OK


@command("client|no-touch")
def client_no_touch(ctx: Context, args: list[bytes]) -> SimpleString:
    """CLIENT NO-TOUCH ON | OFF — O(1). Since 7.2."""
    ctx.session.no_touch = _on_off(args[2])
    ctx.session.update_guard()
    return OK


@command("client|help")
def client_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """CLIENT HELP — what the subcommands are. Since 5.0."""
    return [SimpleString(b"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"), *_HELP]


_HELP = [
    SimpleString(line)
    for line in (
        b"CACHING (YES|NO)",
        b"    Whether the keys of the next command are tracked, under OPTIN or OPTOUT.",
        b"CAPA <capability> [<capability> ...]",
        b"    Say what this client can do.",
        b"GETNAME",
        b"    The name of this connection.",
        b"GETREDIR",
        b"    The connection that is told what this one tracks.",
        b"ID",
        b"    The number of this connection.",
        b"IMPORT-SOURCE (ON|OFF)",
        b"    Say that this client brings data in.",
        b"INFO",
        b"    This connection's line of LIST.",
        b"KILL <ip:port> | <filter> <value> [<filter> <value> ...]",
        b"    Close connections. Filters: ADDR, LADDR, IP, ID, TYPE, USER, NAME, DB, FLAGS, LIB-NAME, LIB-VER, CAPA,",
        b"    each of these with NOT- in front as well; MAXAGE, IDLE, SKIPME.",
        b"LIST [<filter> <value> [<filter> <value> ...]]",
        b"    A line for each connection, or for those that all filters fit.",
        b"NO-EVICT (ON|OFF)",
        b"    Keep this connection when memory runs short.",
        b"NO-TOUCH (ON|OFF)",
        b"    Do not count this connection's reads as use of a key.",
        b"PAUSE <timeout> [WRITE|ALL]",
        b"    Keep commands for so many milliseconds.",
        b"REPLY (ON|OFF|SKIP)",
        b"    Send replies to this connection, or not, or not the next one.",
        b"SETINFO (LIB-NAME|LIB-VER) <value>",
        b"    Say which client library this is.",
        b"SETNAME <name>",
        b"    Name this connection.",
        b"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
        b"    Tell this connection, or another one, when keys change that this one has read.",
        b"TRACKINGINFO",
        b"    How this connection tracks.",
        b"UNBLOCK <id> [TIMEOUT|ERROR]",
        b"    End the wait of a blocked connection.",
        b"UNPAUSE",
        b"    Run what was kept.",
        b"HELP",
        b"    This text.",
    )
]
