"""The transactions group: MULTI queues, EXEC runs what is queued unless a watched key has changed."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.registry import command
from anystore.resp.encode import encode_reply
from anystore.resp.types import NO_REPLY, NULL_ARRAY, OK, SimpleString


@command("multi")
def multi(ctx: Context, args: list[bytes]) -> SimpleString:
    """MULTI — O(1)."""
    session = ctx.session
    if session.queue is not None:
        raise CommandError(b"ERR MULTI calls can not be nested")
    session.queue = []
    session.update_guard()
    return OK


@command("discard")
def discard(ctx: Context, args: list[bytes]) -> SimpleString:
    """DISCARD — O(N) in the queued commands."""
    if ctx.session.queue is None:
        raise CommandError(b"ERR DISCARD without MULTI")
    ctx.session.leave_transaction()
    return OK


@command("exec")
def exec_(ctx: Context, args: list[bytes]) -> Any:
    """EXEC — the replies of the queued commands in order; null when a watched key has changed."""
    session = ctx.session
    queue = session.queue
    if queue is None:
        raise CommandError(b"ERR EXEC without MULTI")
    broken = session.queue_broken
    lost = session.lost_race or _watched_key_expired(ctx)
    session.leave_transaction()
    if broken:
        raise CommandError(b"EXECABORT Transaction discarded because of previous errors.")
    if lost:
        return NULL_ARRAY
    session.can_block = False
    engine, called = ctx.engine, session.last_entry
    replies: list[Any] = []
    session.exec_replies = replies
    session.exec_count = len(queue)
    run = session.call_without_touching if session.no_touch else engine.call
    try:
        for entry, arguments in queue:
            # A command before this one may have changed what is allowed: a password set, a user's rights.
            refusal = (
                engine.acl.refusal_in_exec(session, entry, arguments) if session.user.restricted else None
            )
            if refusal is not None:
                replies.append(session.rejection(entry, refusal))
            else:
                reply = run(session, entry, arguments)
                if reply is not NO_REPLY:
                    replies.append(reply)
    finally:
        session.can_block = True
        session.exec_replies = None
        session.last_entry = called
    # As in Redis, the array has as many items as there were commands: of a SUBSCRIBE of several channels there
    # are more than it holds, and what is over follows it.
    session.push_before_messages([encode_reply(reply, session.protocol) for reply in replies[len(queue) :]])
    return replies[: len(queue)]


def _watched_key_expired(ctx: Context) -> bool:
    now = ctx.engine.keyspace.now
    for (database, key), expired_before in ctx.session.watching.items():
        when = database.expiry(key)
        if when is not None and when <= now and not expired_before:
            return True
    return False


@command("watch")
def watch(ctx: Context, args: list[bytes]) -> SimpleString:
    """WATCH key [key …] — O(1) a key."""
    session = ctx.session
    if session.queue is not None:
        raise CommandError(b"ERR WATCH inside MULTI is not allowed")
    if session.lost_race:
        return OK  # the transaction is lost already: there is nothing left to watch for
    database = ctx.db
    now = ctx.engine.keyspace.now
    for key in args[1:]:
        if (database, key) not in session.watching:
            when = database.expiry(key)
            session.watching[(database, key)] = when is not None and when <= now
            database.watchers.setdefault(key, {})[session] = None
    return OK


@command("unwatch")
def unwatch(ctx: Context, args: list[bytes]) -> SimpleString:
    """UNWATCH — O(N) in the watched keys."""
    ctx.session.forget_watches()
    return OK
