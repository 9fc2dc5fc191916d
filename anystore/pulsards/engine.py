"""A whole server without I/O: databases, clients, subscriptions, scripts, settings and counters.

Drivers (see `anystore.pulsards.server`) make a `Session` for each connection, feed it, and after every turn
call `flush`, which hands what other sessions got to their own drivers. `next_due` says when `run_due` has
work without any client asking: a key expires, a parked command times out.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from itertools import count
from typing import Any

from anystore.pulsards.acl import AccessControl, load_configured_users
from anystore.pulsards.applying import Applier
from anystore.pulsards.busy_script import BusyScript
from anystore.pulsards.client_memory import ClientMemory
from anystore.pulsards.clock import Clock, SystemClock
from anystore.pulsards.command_logs import CommandLogs, log_slow
from anystore.pulsards.commands import load as load_commands
from anystore.pulsards.config import Config
from anystore.pulsards.context import Context
from anystore.pulsards.database import Database
from anystore.pulsards.debugging import Debugging
from anystore.pulsards.ending import Ending
from anystore.pulsards.errors import CommandError
from anystore.pulsards.eviction import Eviction
from anystore.pulsards.keyspace import NEVER, Keyspace
from anystore.pulsards.latency import FINE_SHIFT, LatencyMonitor, count_duration
from anystore.pulsards.leavings import Leavings
from anystore.pulsards.migration import Migrations
from anystore.pulsards.monitors import feed_monitors
from anystore.pulsards.notifications import KEYEVENT, KEYSPACE
from anystore.pulsards.pausing import Pause
from anystore.pulsards.persistence.aof import AppendOnly
from anystore.pulsards.persistence.loading import Progress
from anystore.pulsards.persistence.saving import Saver
from anystore.pulsards.persistence.storage import Storage
from anystore.pulsards.propagation import Propagation
from anystore.pulsards.pubsub import Broker
from anystore.pulsards.refusals import may_refuse
from anystore.pulsards.registry import CommandEntry, build_table, every_entry, rename_commands, resolve
from anystore.pulsards.replication import Replication
from anystore.pulsards.scripting import Libraries, ScriptRuntime
from anystore.pulsards.session import Session
from anystore.pulsards.statistics import Statistics
from anystore.pulsards.tracking import TrackingTable
from anystore.pulsards.waiting_clients import WaitingClients
from anystore.resp.types import NO_REPLY, ErrorReply

logger = logging.getLogger("anystore.pulsards")


class Engine:
    """The state of one server."""

    def __init__(self, config: Config | None = None, clock: Clock | None = None) -> None:
        load_commands()
        self.config = config if config is not None else Config()
        self.clock: Clock = clock if clock is not None else SystemClock()
        #: Measures durations, in nanoseconds.
        self.elapsed_ns: Callable[[], int] = self.clock.elapsed_ns
        self._time_us = self.clock.time_us
        self.keyspace = Keyspace(self.config.databases, self._publish_event)
        self.keyspace.set_time(self.clock.time_us() // 1000)
        self.broker = Broker()
        self.commands = build_table()
        #: Every command by the name that it has everywhere, whatever `rename-command` says.
        self.plain_commands = dict(self.commands)
        self._applier: Applier | None = None
        self.acl = AccessControl(self)
        #: What a driver has for clients to be heard while a script runs for long; None where it cannot hear any.
        self.serve_while_busy: Callable[[], None] | None = None
        self.busy = BusyScript(self)
        self.scripts = ScriptRuntime(
            should_stop=self.busy.should_stop, check_permission=self.permits, log=log_script
        )
        self.libraries = Libraries(
            should_stop=self.busy.should_stop, check_permission=self.permits, log=log_script
        )
        #: The session whose script runs, or was the last one to run.
        self.script_caller: Session | None = None
        self.sessions: dict[int, Session] = {}
        self.monitors: dict[Session, None] = {}
        self.tracking = TrackingTable(self)
        self.propagation = Propagation(self)
        #: `call` has more to do than to run and to count: see `update_attention`.
        self.attentive = False
        #: There are clients under MONITOR or CLIENT TRACKING: commands that only read are looked at twice, too.
        self.observed = False
        self.statistics = Statistics(self.keyspace.now, self._count_calls)
        self.logs = CommandLogs()
        self.random = random.Random()
        self.run_id = b"%040x" % self.random.getrandbits(160)
        #: Sessions with output that none of their own commands caused, to be delivered by `flush`.
        self.outbox: dict[Session, None] = {}
        #: Replies leave at the end of a turn only, all of them: what they acknowledge has to be on disk first.
        self.holds_replies = False
        #: A driver that serves each client in a task will call `flush` for all that have run.
        self.turn_is_ending = False
        #: Called at the end of a turn, before anything that is in the outbox leaves. False: it must not leave at all.
        self.end_turn: Callable[[], bool] | None = None
        #: Sessions no longer parked, whose backlog is to be run.
        self.resumed: list[Session] = []
        #: Sessions with more commands than fit in a turn, in the order in which they are to go on: see `go_on`.
        self.unfinished: dict[Session, None] = {}
        #: The first TCP port listened on, for INFO; 0 where there is none.
        self.port = 0
        #: What is listened on, as INFO shows it.
        self.listening: tuple[str, ...] = ()
        #: The memory of the process before there was anything to serve, in bytes; 0 where nobody looked.
        self.startup_memory = 0
        #: Where files are kept, handed in by whoever drives the engine; None keeps nothing.
        self.storage: Storage | None = None
        #: How far loading has come while it goes on; nearly every command is refused then.
        self.loading: Progress | None = None
        self.saver = Saver(self)
        self.append_only = AppendOnly(self)
        self.pause = Pause(self)
        self.migrations = Migrations(self)
        self.debugging = Debugging(self, log_script)
        self.ending = Ending(self)
        self.waiting = WaitingClients(self)
        self.eviction = Eviction(self)
        self.leavings = Leavings(self.elapsed_ns)
        self.replication = Replication(self)
        self.client_memory = ClientMemory(self)
        self.latency = LatencyMonitor(self.elapsed_ns, lambda: self.keyspace.now)
        #: Whether the durations of commands are counted one by one, for LATENCY HISTOGRAM.
        self.counts_durations = True
        #: Nanoseconds from which on the slow log or the latency monitor wants to know of a command.
        self.slow_ns = 0
        #: Commands may have to be refused or kept: see `update_guard`.
        self.guarded = False
        #: Ends the server that drives this engine; None where SHUTDOWN is not to end it.
        self.stopper: Callable[[], None] | None = None
        #: Told when something falls due earlier than `announce_due` said.
        self.due_watchers: dict[Callable[[], None], None] = {}
        self._announced_due = NEVER
        #: Milliseconds after which an idle client is closed; 0 never closes one.
        self.idle_timeout = 0
        self._client_ids = count(1)
        #: The moment at which the last command had ended, or the turn began: see `elapsed_ns`.
        self.turn_mark = 0
        self.parked = 0
        self.config.apply(self)
        rename_commands(self.commands, self.config.renames)
        load_configured_users(self.acl, self.config)
        if primary := self.config.values["replicaof"]:
            host, port = primary.split()
            self.replication.follow(host, int(port))

    # Clients

    def next_client_id(self) -> int:
        return next(self._client_ids)

    def connect(self, address: str = "", local_address: str = "") -> Session:
        """A session for a new connection."""
        self.start_turn()
        session = Session(self, address, local_address)
        self.sessions[session.id] = session
        self.statistics.connections_received += 1
        if self.idle_timeout:
            self.keyspace.falls_due(self.keyspace.now + self.idle_timeout)
        return session

    def forget_session(self, session: Session) -> None:
        """The last step of `Session.close`."""
        self.sessions.pop(session.id, None)
        self.stop_monitoring(session)
        self.tracking.disable(session)
        self.client_memory.forget(session)
        self.replication.forget(session)
        self.outbox.pop(session, None)
        self.unfinished.pop(session, None)

    def stop_monitoring(self, session: Session) -> None:
        """Show a client no more of what others do."""
        if self.monitors.pop(session, session) is None:
            self.update_attention()

    def close_session(self, session: Session) -> None:
        """Have a client's connection closed by its driver at the end of this turn, whatever is still queued."""
        session.closing = session.aborted = True
        if session.waiter is not None:
            # At once: the next element is for whoever waits behind, not for a client on its way out.
            session.waiter.leave()
            session.waiter = None
        self.outbox[session] = None

    # Turns

    def start_turn(self) -> None:
        """Read the clock: everything until the next call happens at this moment, as in Redis."""
        now = self._time_us() // 1000
        keyspace = self.keyspace
        if now != keyspace.now:
            keyspace.set_time(now)
        self.turn_mark = self.elapsed_ns()

    def flush(self) -> None:
        """End a turn: resume who was unparked, and hand queued output to the drivers of other sessions."""
        while self.resumed:
            resumed, self.resumed = self.resumed, []
            for session in resumed:
                session.resume()
        if self.tracking.waiting:
            # Those who have changed something come behind those who are told.
            outbox, self.outbox = self.outbox, {}
            self.tracking.send_waiting()
            self.outbox.update(outbox)
        if self.replication.followers.ask:
            self.replication.end_turn()
        if self.keyspace.now >= self.statistics.rates_due:
            self.statistics.read_rates(self.keyspace.now)
        if self.keyspace.now >= self.saver.watch_from and self.debugging.synchronous is None:
            self.saver.look(at_rest=False)
        self.deliver_outbox()
        if self.replication.waits.waiting and self.replication.waits.try_all():
            return self.flush()
        if self.keyspace.nearest < self._announced_due:
            self._announced_due = self.keyspace.nearest
            for earlier in tuple(self.due_watchers):
                earlier()

    def go_on(self) -> None:
        """Give the session among the `unfinished` that has waited for longest, if any, a turn; follow with `flush`.

        Drivers that limit `Session.turn_ns` call it between turns, as long as there are any, and read no more from such
        a client meanwhile.
        """
        session = next(iter(self.unfinished), None)
        if session is None:
            return
        del self.unfinished[session]
        self.start_turn()
        session.last_active = self.keyspace.now
        session.resume(session.turn_ns)
        self.outbox[session] = None

    def deliver_outbox(self) -> None:
        """Hand queued output to the drivers of its sessions, once what it acknowledges is where it has to be."""
        if self.end_turn is not None and not self.end_turn():
            # What these clients would be told is not on disk, and nobody can take it back: they get no answer.
            for session in tuple(self.outbox):
                self.close_session(session)
        while self.outbox:
            outbox, self.outbox = self.outbox, {}
            for session in outbox:
                session.deliver()

    def next_due(self) -> int | None:
        """When `run_due` has something to do, in milliseconds since 1970; None when nothing is due ever."""
        if self.debugging.synchronous is not None:
            return None
        due = [self.keyspace.next_expiry() if self.keyspace.expires_by_itself else None]
        due.append(self.waiting.next_deadline())
        due.append(self.pause.until)
        due.append(self.saver.due)
        due.append(self.replication.next_due())
        due.append(self.ending.deadline)
        due.append(self.append_only.log.next_due())
        if self.leavings.behind or (self.eviction.behind and self.pause.until is None):
            due.append(self.keyspace.now)
        if self.idle_timeout:
            active = (session.last_active for session in self.sessions.values() if session.can_idle_out)
            due.append(min((when + self.idle_timeout for when in active), default=None))
        return min((when for when in due if when is not None), default=None)

    def announce_due(self) -> int | None:
        """`next_due`, remembered: the `due_watchers` are told once something falls due before it."""
        due = self.next_due()
        self._announced_due = self.keyspace.nearest = NEVER if due is None else due
        return due

    def run_due(self) -> None:
        """Do what has fallen due, a bounded amount of it; follow with `flush`."""
        self.start_turn()
        if self.debugging.synchronous is not None:
            return  # a script is under the debugger, and stands for a moment that has no end yet
        now = self.keyspace.now
        if self.keyspace.expires_by_itself:
            begun = self.elapsed_ns()
            if self.keyspace.expire_due():
                self.statistics.expiries_cut_short += 1
            elapsed = self.elapsed_ns() - begun
            self.statistics.expiry_ns += elapsed
            self.latency.note(b"expire-cycle", elapsed // 1_000_000)
        self.waiting.end_overdue(now)
        if self.keyspace.ready:
            self.waiting.serve()
        self.pause.lapse()
        self.replication.run_due()
        self.ending.run_due()
        if self.eviction.behind and self.pause.until is None:
            self.eviction.make_room()
        if self.leavings.behind:
            self.leavings.free_some()
        if self.saver.due is not None and self.saver.due <= now:
            self.saver.look(at_rest=True)
        log_due = self.append_only.log.next_due()
        if log_due is not None and log_due <= now:
            self.append_only.log.run_due()
        if self.idle_timeout:
            for session in tuple(self.sessions.values()):
                if session.can_idle_out and session.last_active + self.idle_timeout <= now:
                    self.close_session(session)

    # Commands

    def resolve(self, arguments: list[bytes]) -> CommandEntry:
        """The entry of a command or subcommand, with its arity checked; `CommandError` where there is none."""
        return resolve(self.commands, arguments)

    def resolve_plainly(self, arguments: list[bytes]) -> CommandEntry:
        """`resolve` by the name that a command has everywhere, whatever it has been renamed to here."""
        return resolve(self.plain_commands, arguments)

    def call(
        self, context: Context, entry: CommandEntry, arguments: list[bytes], attended: bool = False
    ) -> Any:
        """Run a command that may run, and count it. The reply, an `ErrorReply` where it refuses.

        One that waits is counted when that ends: see `WaitingClients.count`.
        `plain_runs` does the same for runs of simple commands.
        """
        if self.attentive and not attended:
            return self._call_attentively(context, entry, arguments)
        context.session.last_entry = entry
        try:
            reply = entry.function(context, arguments)  # type: ignore[misc]
        except Exception as error:
            reply = self.failure(entry, error)
        mark = self.elapsed_ns()
        elapsed = mark - self.turn_mark
        self.turn_mark = mark
        if reply is NO_REPLY and (waiter := context.session.waiter) is not None:
            waiter.entry, waiter.elapsed_ns = entry, elapsed  # it is counted when it ends
            return reply
        entry.calls += 1
        entry.elapsed_ns += elapsed
        if self.counts_durations:
            try:
                entry.durations[elapsed >> FINE_SHIFT] += 1
            except IndexError:
                count_duration(entry, elapsed)
        if elapsed >= self.slow_ns:
            log_slow(self, context.session, entry, arguments, elapsed)
        return reply

    def apply(self, database: int, arguments: list[bytes]) -> Any:
        """Run a command that a file or a primary says was run: its reply, an `ErrorReply` where it fails.

        See `Applier`, of which each source that speaks at the same time as others needs one of its own.
        """
        if self._applier is None:
            self._applier = Applier(self)
        return self._applier.run(arguments, database)

    def failure(self, entry: CommandEntry, error: Exception) -> ErrorReply:
        """The reply to a command that has raised this: it is counted, and logged where it is nobody's refusal."""
        entry.failed += 1
        if isinstance(error, CommandError):
            self.count_error(error.message)
            return ErrorReply(error.message)
        logger.error("command %r failed", entry.name, exc_info=error)
        self.count_error(b"ERR")
        return ErrorReply(b"ERR internal error in '%b', see the server's log" % entry.name)

    def update_attention(self) -> None:
        """Decide anew what commands are watched for: not for each command, but when somebody begins or ends it."""
        tracking = self.tracking.clients > 0
        self.observed = tracking or bool(self.monitors)
        self.attentive = self.observed or self.propagation.active
        watchers: list[Callable[[Database, bytes], None]] = []
        if self.keyspace.accounted:
            watchers.append(self.keyspace.count_memory)
        if tracking:
            watchers.append(self.tracking.touched)
        self.keyspace.touch_watchers = tuple(watchers)

    def _call_attentively(self, context: Context, entry: CommandEntry, arguments: list[bytes]) -> Any:
        """`call` while there are clients under MONITOR or CLIENT TRACKING, or somebody keeps a copy of the data."""
        if not self.observed:
            return self.propagation.run(context, entry, arguments)
        tracking = self.tracking
        caller, tracking.current = tracking.current, context.session
        try:
            if self.propagation.active:
                reply = self.propagation.run(context, entry, arguments)
            else:
                reply = self.call(context, entry, arguments, True)
            if entry.is_tracked and context.session.tracking is not None:
                tracking.remember(context.session, entry, arguments)
        finally:
            tracking.current = caller
        if self.monitors and entry.is_monitored:
            feed_monitors(self, context, arguments)
        return reply

    def permits(self, arguments: list[bytes]) -> bool | None:
        """Whether the user may run a command, for redis.acl_check_cmd; None where there is no such command."""
        entry = self.commands.get(arguments[0].lower())
        if entry is not None and entry.subcommands and len(arguments) > 1:
            entry = entry.subcommands.get(arguments[1].lower())
        if entry is None:
            return None
        caller = self.script_caller
        return caller is None or self.acl.allows(caller.user, entry, arguments)

    def update_guard(self) -> None:
        """Decide anew whether commands need to be checked against the state of the server as a whole."""
        self.guarded = may_refuse(self)

    def start_loading(self, progress: Progress) -> None:
        """Refuse nearly every command from now on: what the data will be is being loaded."""
        self.loading = progress
        self.update_guard()

    def stop_loading(self) -> None:
        """The data are complete."""
        self.loading = None
        self.update_guard()

    def update_slowness(self) -> None:
        """Decide anew from which duration on a command is slow to anybody who asked."""
        threshold = self.latency.threshold * 1_000_000
        self.slow_ns = min(self.logs.slow.threshold, threshold or self.logs.slow.threshold)

    def _count_calls(self) -> int:
        return sum(entry.calls for entry in every_entry(self.commands))

    def count_error(self, message: bytes) -> None:
        """Count an error reply under its code, as INFO's errorstats show it."""
        self.statistics.count_error(message)

    def log(self, text: str) -> None:
        """Write a line to the server's log."""
        logger.warning("%s", text)

    # Events

    def _publish_event(self, database: Database, key: bytes, event: bytes, kind: int) -> None:
        classes = self.keyspace.notify_classes
        if classes & KEYSPACE:
            self.broker.publish(b"__keyspace@%d__:%b" % (database.index, key), event)
        if classes & KEYEVENT:
            self.broker.publish(b"__keyevent@%d__:%b" % (database.index, event), key)


def log_script(level: int, text: bytes) -> None:
    """redis.log: its levels are debug, verbose, notice and warning."""
    severity = (logging.DEBUG, logging.DEBUG, logging.INFO, logging.WARNING)[level]
    logger.log(severity, "%s", text.decode(errors="backslashreplace"))
