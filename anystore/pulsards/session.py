"""One client's state, without I/O: bytes in, commands run, bytes out.

The modes of a session, and what ends each:

=============  ==========================================  =====================================
mode           holds                                        ends with
=============  ==========================================  =====================================
normal         commands run as they come                    –
unidentified   only AUTH, HELLO, QUIT and RESET run         AUTH or HELLO … AUTH
queueing       commands are checked and queued              EXEC, DISCARD, RESET
subscribed     RESP2 only: nothing but (un)subscribing      the last subscription gone, RESET
parked         nothing runs, what arrives is kept           a key serves it, time-out, UNBLOCK
closing        nothing runs, what is queued still leaves    the driver closes the connection
=============  ==========================================  =====================================

A driver calls `receive` with what arrived, then `Engine.flush`, and sends what `take_output` hands over.
It gives the session a function `deliver`, called when there is output that no `receive` of this session
caused (a message, a parked command served), or when the session is to be closed from the outside: then
`closing` is set, and `aborted` where what is queued is not to be waited for (CLIENT KILL, an output limit).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.client_state import ClientState
from anystore.pulsards.errors import CommandError
from anystore.pulsards.plain_runs import run_alone, run_plain
from anystore.pulsards.refusals import refusal as refused_by_server
from anystore.pulsards.registry import CommandEntry, named
from anystore.resp.encode import encode_reply
from anystore.resp.types import NO_REPLY, QUEUED, ErrorReply, PushReply

if TYPE_CHECKING:
    from anystore.pulsards.context import Context
    from anystore.pulsards.engine import Engine

logger = logging.getLogger("anystore.pulsards")

_ENDLESS: Final = 2**60


class Session(ClientState):
    """The server's side of one connection."""

    __slots__ = (
        "_backlog",
        "_out",
        "_over_soft_limit_since",
        "_own_messages",
        "_receiving",
        "deliver",
        "turn_ns",
    )

    def __init__(self, engine: Engine, address: str = "", local_address: str = "") -> None:
        """`address` and `local_address` are what CLIENT LIST shows, as host:port or a socket's path."""
        super().__init__(engine, address, local_address)
        self.session = self
        self.deliver: Callable[[], None] = _nobody
        self._out: list[bytes] = []
        #: Messages that its own command sends a client; they leave after the command's reply.
        self._own_messages: list[bytes] = []
        self._over_soft_limit_since: int | None = None
        self._backlog: deque[list[bytes]] = deque()
        self._receiving = False
        #: How long its commands may run before others have their turn, in nanoseconds; a driver that can go on with
        #: them sets it: see `Engine.unfinished`.
        self.turn_ns = _ENDLESS

    def __repr__(self) -> str:
        return f"<Session id={self.id} addr={self.address} name={self.name!r}>"

    # Bytes in

    def receive(self, data: bytes) -> None:
        """Take what the client sent: run what is complete, queue the replies. Never blocks, never raises."""
        if self.closing:
            return
        self.engine.start_turn()
        self.last_active = self.engine.keyspace.now
        self._take(self.parser.feed(data))

    def answer(self, data: bytes) -> bytes:
        """`receive`, followed by `take_output`; one simple command goes no longer way than it has to.

        For a driver that has nothing else to send. Where it has to decide what comes of the output, for the session is
        closing or what is acknowledged has to be on disk before, that is left to `take_output`.
        """
        if self.closing:
            return b""
        engine = self.engine
        engine.start_turn()
        self.last_active = engine.keyspace.now
        command = self.parser.single(data)
        if command is None:
            self._take(self.parser.feed_others(data))
        else:
            if not (
                self.guarded
                or engine.guarded
                or engine.observed
                or engine.client_memory.limit
                or not engine.counts_durations
                or self.muted
                or self._out
                or self._backlog
                or self.waiter is not None
            ):
                reply = run_alone(self, command)
                if reply is not None:
                    return reply
            self._take([command])
        return b"" if self.closing or engine.holds_replies else self.take_output()

    def _take(self, commands: list[list[bytes]]) -> None:
        """Run commands that have come, or keep them for later; see whether what is not a whole one yet can be borne."""
        engine, parser = self.engine, self.parser
        if self.waiter is not None or self._backlog:
            self._backlog.extend(commands)
            if self.waiter is not None:
                self.waiter.hear(self._backlog, parser.error)
        else:
            self._run(commands, self.turn_ns)
        if engine.client_memory.limit:
            engine.client_memory.measure(self)
        if parser.partial and parser.buffered > engine.config.query_buffer_limit:
            logger.warning("%r closed: its unfinished command is over client-query-buffer-limit", self)
            engine.statistics.query_limit_disconnections += 1
            engine.close_session(self)
            return
        if parser.error is not None and not self.closing and self.waiter is None and not self._backlog:
            self._refuse_bytes()

    def _refuse_bytes(self) -> None:
        self.engine.count_error(b"ERR")
        self._out.append(b"-ERR " + (self.parser.error or b"") + b"\r\n")
        self.closing = True

    def _run(self, commands: list[list[bytes]], turn_ns: int) -> None:
        """Run commands until they are done, the session is parked, or it is closing, or its turn is over."""
        engine = self.engine
        rest = iter(commands)
        until = engine.turn_mark + turn_ns
        self._receiving = True
        try:
            while True:
                if (
                    self.guarded
                    or engine.guarded
                    or engine.observed
                    or self.muted
                    or not engine.counts_durations
                ):
                    arguments = next(rest, None)
                else:
                    arguments = run_plain(self, rest, self._out, until)
                if arguments is None:
                    return
                if engine.turn_mark >= until:
                    if not engine.holds_replies:
                        self._backlog.append(arguments)
                        self._backlog.extend(rest)
                        engine.unfinished[self] = None
                        return
                    # The end of a turn takes an fsync, which would hold others up for longer.
                    until = _ENDLESS
                self._run_one(arguments)
                if self.waiter is not None or self.closing:
                    if self.closing:
                        return
                    if self.waiter is not None:
                        self.waiter.arguments = arguments
                    self._backlog.extend(rest)
                    if self._backlog and self.waiter is not None:
                        self.waiter.hear(self._backlog, self.parser.error)
                    return
        finally:
            self._receiving = False

    def _run_one(self, arguments: list[bytes]) -> None:
        """Run one command of any kind, and queue its reply."""
        engine = self.engine
        entry = engine.commands.get(arguments[0])
        if (
            entry is None
            or self.guarded
            or engine.guarded
            or entry.function is None
            or not entry.minimum <= len(arguments) <= entry.maximum
        ):
            reply = self._run_guarded(arguments)
        else:
            reply = engine.call(self, entry, arguments)
        if reply is not NO_REPLY:
            if self.muted:
                self._leave_out()
            else:
                self._out.append(encode_reply(reply, self.protocol))
        if engine.keyspace.ready:
            engine.waiting.serve()
        if self._own_messages:  # also of what came of it for clients that were waiting
            self._out += self._own_messages
            self._own_messages.clear()

    def resume(self, turn_ns: int = _ENDLESS) -> None:
        """Run what arrived while the session was parked, or, for so many nanoseconds, what there was no time for."""
        unfinished = self.engine.unfinished
        while self._backlog and self.waiter is None and not self.closing and self not in unfinished:
            commands = list(self._backlog)
            self._backlog.clear()
            self._run(commands, turn_ns)
        if self.parser.error is not None and self.waiter is None and not (self.closing or self._backlog):
            self._refuse_bytes()

    # Running one command with all its checks

    def _run_guarded(self, arguments: list[bytes]) -> Any:
        """Look a command up, check whether it may run now, and run, keep or queue it."""
        reply = self._run_if_allowed(arguments)
        if self.tracking is not None:
            reply = self._reply_before_invalidations(arguments, reply)
        return self._reply_before_messages(reply) if self._own_messages else reply

    def _run_if_allowed(self, arguments: list[bytes]) -> Any:
        try:
            entry = self.engine.resolve(arguments)
        except CommandError as error:
            self.last_entry = named(self.engine.commands, arguments)
            return self.rejection(self.last_entry, error.message, arguments[0].lower() == b"exec")
        self.last_entry = entry  # CLIENT LIST shows what was tried, too
        refusal = self._refusal(entry, arguments)
        if refusal is not None:
            return self.rejection(entry, refusal, entry.name == b"exec")
        if self.engine.guarded and self.engine.pause.holds(self, entry, arguments):
            self._backlog.append(arguments)
            self.engine.pause.hold(self)
            return NO_REPLY
        if self.queue is not None and not entry.in_transaction:
            if not (self.queue_broken or self.lost_race):  # what will not run need not be kept
                self.queue.append((entry, arguments))
                self.queued_bytes += sum(map(len, arguments))
            return QUEUED
        keyspace = self.engine.keyspace
        before, keyspace.sees_past = keyspace.sees_past, self.import_source and keyspace.importing
        try:
            if self.no_touch:
                reply = self.call_without_touching(self, entry, arguments)
            else:
                reply = self.engine.call(self, entry, arguments)
        finally:
            keyspace.sees_past = before
        return self._reply_measured(entry, arguments, reply) if self.engine.logs.sizes else reply

    def _reply_measured(self, entry: CommandEntry, arguments: list[bytes], reply: Any) -> Any:
        """Look at the sizes of a command and its reply, which is encoded for that, and queued at once."""
        encoded = b"" if reply is NO_REPLY else encode_reply(reply, self.protocol)
        self.engine.logs.note_sizes(self, entry, arguments, len(encoded))
        if self.muted or reply is NO_REPLY:
            return reply
        self._out.append(encoded)
        return NO_REPLY

    def _reply_before_invalidations(self, arguments: list[bytes], reply: Any) -> Any:
        """What a client that tracks has invalidated itself, it hears after the reply."""
        if self.tracking is not None and self.queue is None and arguments[0].lower() != b"client":
            self.tracking.caching = False
        if reply is NO_REPLY or not self.engine.tracking.waiting:
            return reply
        if self.muted:
            self._leave_out()
        else:
            self._out.append(encode_reply(reply, self.protocol))
        self.engine.tracking.send_own(self)
        return NO_REPLY

    def _reply_before_messages(self, reply: Any) -> Any:
        """What a client's own command sends that client, it gets after the reply: never inside of one."""
        if self.muted:
            self._leave_out()
        elif reply is not NO_REPLY:
            self._out.append(encode_reply(reply, self.protocol))
        self._out += self._own_messages
        self._own_messages.clear()
        return NO_REPLY

    def call_without_touching(self, context: Context, entry: CommandEntry, arguments: list[bytes]) -> Any:
        """CLIENT NO-TOUCH: the keys keep the time of access that they had, but for TOUCH.

        Transactions and scripts leave it to the commands that they run, each of which is called so.
        """
        if entry.name == b"touch" or entry.spec.group in ("scripting", "transactions"):
            return self.engine.call(context, entry, arguments)
        accessed = context.db.accessed
        keys = [arguments[position] for position in entry.spec.key_positions(arguments)]
        before = {key: accessed[key] for key in keys if key in accessed}
        reply = self.engine.call(context, entry, arguments)
        accessed.update((key, when) for key, when in before.items() if key in accessed)
        return reply

    def _refusal(self, entry: CommandEntry, arguments: list[bytes]) -> bytes | None:
        if not entry.no_auth and self.needs_login:
            return b"NOAUTH Authentication required."
        if self.queue is not None and entry.no_multi:
            return b"ERR Command not allowed inside a transaction"
        if self.user.restricted:
            denied = self.engine.acl.refusal(self, entry, arguments)
            if denied is not None:
                return denied
        refusal = refused_by_server(self.engine, self, entry, arguments) if self.engine.guarded else None
        if refusal is not None:
            return refusal
        if self.protocol == 2 and self.subscriptions and not entry.while_subscribed:
            return (
                b"ERR Can't execute '%b': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                b"are allowed in this context" % entry.name
            )
        return None

    def rejection(self, entry: CommandEntry | None, message: bytes, is_exec: bool = False) -> ErrorReply:
        """The reply to a command that was not run; it is counted, and breaks a transaction being queued.

        An EXEC that is rejected ends the transaction.
        """
        if is_exec:
            self.leave_transaction()
            message = b"EXECABORT Transaction discarded because of: " + message.removeprefix(b"ERR ")
        elif self.queue is not None:
            self.queue_broken = True
        if entry is not None:
            entry.rejected += 1
        self.engine.count_error(message)
        return ErrorReply(message)

    # Bytes out

    def _leave_out(self) -> None:
        """A reply is not sent: CLIENT REPLY OFF asks for that with each one, SKIP with the next."""
        if self.skip_replies:
            self.skip_replies -= 1
            if not self.skip_replies:
                self.muted = False

    def push(self, data: bytes) -> None:
        """Queue an encoded message: at once, or after the reply where it is the session's own command that sends it."""
        if self._receiving:
            self._own_messages.append(data)
        else:
            self._out.append(data)
            self.engine.outbox[self] = None

    def hold(self, unsent: int) -> None:
        """Told by the driver how many bytes wait for the client to read; closes one that is over its limit.

        The limits are those of the directive client-output-buffer-limit, for the session's class.
        """
        self.unsent_bytes = unsent
        if self.engine.client_memory.limit:
            self.engine.client_memory.measure(self)
        limits = self.engine.config.output_limits
        kind = "pubsub" if self.subscriptions else "normal"
        if self.follower is not None and self.follower.attached:
            kind = "slave"
            self.engine.keyspace.falls_due(self.engine.keyspace.now)  # it may take more of its image
        hard, soft, seconds = limits[kind]
        now = self.engine.keyspace.now
        if not soft or unsent <= soft:
            self._over_soft_limit_since = None
        elif self._over_soft_limit_since is None:
            self._over_soft_limit_since = now
        over_soft = self._over_soft_limit_since
        if (hard and unsent > hard) or (over_soft is not None and now - over_soft > seconds * 1000):
            logger.warning("%r closed: it left %d bytes unread, over its limit", self, unsent)
            self.engine.statistics.output_limit_disconnections += 1
            self.engine.close_session(self)

    def feed(self, data: bytes) -> None:
        """Queue bytes that are no reply: a replica gets its image and its stream so."""
        self.engine.statistics.bytes_to_replicas += len(data)
        self._out.append(data)
        if not self._receiving:
            self.engine.outbox[self] = None

    def push_before_messages(self, data: list[bytes]) -> None:
        """Queue what is to follow the reply of the session's own command, before what that command has sent it."""
        self._own_messages[:0] = data

    def push_reply(self, reply: Any) -> None:
        """Queue a reply outside the order of the session's own commands."""
        self._out.append(encode_reply(reply, self.protocol))
        if not self._receiving:
            self.engine.outbox[self] = None

    def confirm(self, reply: PushReply) -> None:
        """Answer a command that has a message for each of its arguments; inside EXEC they are items of its reply."""
        if self.exec_replies is not None:
            self.exec_replies.append(reply)
            return
        if self.skip_replies:
            self._leave_out()  # confirmations leave all the same, and nothing else is left out in their place
        self.push_reply(reply)

    def unpark(self, reply: Any) -> None:
        """End the parked command with this reply, and run what arrived meanwhile."""
        waiter = self.waiter
        if waiter is None:
            return
        waiter.leave()
        self.waiter = None
        self.engine.waiting.count(waiter, type(reply) is ErrorReply)
        if self.muted:
            self._leave_out()
        else:
            self._out.append(encode_reply(reply, self.protocol))
        self.engine.outbox[self] = None
        self.engine.resumed.append(self)

    def has_output(self) -> bool:
        """Whether `take_output` would return anything."""
        return bool(self._out)

    def take_output(self) -> bytes:
        """Everything queued for the client, in order; the driver owns it from here."""
        out = self._out  # there may be nothing: b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # Ending

    def kill(self) -> None:
        """Have the connection closed: at once, or after the reply to the very command that this session is running."""
        if self._receiving:
            self.closing = True
        else:
            self.engine.close_session(self)

    def close(self) -> None:
        """The connection is gone: leave every list this session stands in. Safe to call twice."""
        self.closing = True
        if self.waiter is not None:
            self.waiter.leave()
            self.waiter = None
        self._backlog.clear()
        self.forget_watches()
        self.forget_subscriptions()
        self.engine.forget_session(self)


def _nobody() -> None:
    """Before a driver has taken the session over, and after it let go, nobody is to be told."""
