"""A server's part in replication: whom it follows, who follows it, and the stream that runs through it.

A primary writes the stream: every change of its data, as commands. A replica gets it from its primary, carries it out, and
hands it on to its own replicas byte for byte, so that everybody counts the same offsets.

Source: "Redis replication" and redis.conf of Redis 7.4; behaviour held against Redis 7.0 and Valkey 9.1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.persistence.aof import LogError
from anystore.pulsards.persistence.place import Place
from anystore.pulsards.propagation import Unit, encode_unit
from anystore.pulsards.replication.disk_progress import DiskProgress
from anystore.pulsards.replication.failover import Failover
from anystore.pulsards.replication.followers import Follower, Followers
from anystore.pulsards.replication.following import Following
from anystore.pulsards.replication.history import History
from anystore.pulsards.replication.images import Images
from anystore.pulsards.replication.waiting import ReplicaWaits
from anystore.pulsards.script_flags import declared_flags
from anystore.resp.types import NO_REPLY, ErrorReply, SimpleString

if TYPE_CHECKING:
    from anystore.pulsards.context import ScriptContext
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

READ_ONLY: Final = b"READONLY You can't write against a read only replica."
PRIMARY_DOWN: Final = b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
NOT_ENOUGH: Final = b"NOREPLICAS Not enough good replicas to write."
_STALE_IN_SCRIPT: Final = b"ERR Can not execute the command on a stale replica"
_NO_LINK: Final = b"NOMASTERLINK Can't SYNC while not connected with my master"
_FORCED_OUT: Final = (
    b"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)


class Replication:
    """The part that one server has in replication."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.history = History(self.new_id())
        self.followers = Followers(engine)
        self.following: Following | None = None
        self.failover = Failover(engine, self)
        self.waits = ReplicaWaits(self)
        self.followers.on_ack = self._acknowledged
        self.images = Images(engine, self)
        #: The database that the stream has selected, as far as this server writes it; -1 for none yet.
        self.selected = -1
        #: Told when another primary is to be followed, or none: by whoever opens the connections.
        self.on_change: Callable[[], None] = _nobody
        self._disk = DiskProgress(engine)
        self.full_syncs = self.partial_syncs = self.partial_refused = 0
        self._min_replicas = 0
        self._max_lag = 10
        self._read_only = self._serves_stale = True

    def new_id(self) -> bytes:
        """A name for a history, or a mark, which nobody else has."""
        return b"%040x" % self._engine.random.getrandbits(160)

    def fsynced_offset(self) -> int | None:
        """Up to which offset the stream is on this server's disk; None where it keeps no log."""
        return self._disk.read(self.history.offset)

    # Settings

    def configure(self, values: dict[str, Any]) -> None:
        """Take the settings over."""
        self._min_replicas = values["min-replicas-to-write"]
        self._max_lag = values["min-replicas-max-lag"]
        self._read_only = values["replica-read-only"]
        self._serves_stale = values["replica-serve-stale-data"]
        backlog = self.history.backlog
        if backlog is not None and backlog.size != values["repl-backlog-size"]:
            backlog.resize(values["repl-backlog-size"])
        self._engine.keyspace.falls_due(self._engine.keyspace.now)
        self._engine.update_guard()

    # What clients may do

    @property
    def guards(self) -> bool:
        """Whether commands have to be checked against the state of replication."""
        return self.following is not None or (self._min_replicas > 0 and self._max_lag > 0)

    @property
    def spares_memory(self) -> bool:
        """Whether what is too much is left to the primary to evict."""
        return self.following is not None and bool(self._engine.config.values["replica-ignore-maxmemory"])

    def refusal(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bytes | None:
        """Why a command may not run, or be queued, because of replication; None where it may."""
        if self.following is None:
            if self._lacks_replicas() and self._writes(session, entry, arguments):
                return NOT_ENOUGH
            return None
        if self._read_only and self._writes(session, entry, arguments):
            return READ_ONLY
        if self._serves_stale or self.following.connected:
            return None
        flags = declared_flags(self._engine, entry, arguments)
        if "stale" not in entry.spec.flags or (flags is not None and b"allow-stale" not in flags):
            return PRIMARY_DOWN
        return None

    def refusal_in_script(self, context: ScriptContext, entry: CommandEntry) -> bytes | None:
        """Why a script may not call a command because of replication; None where it may."""
        if self.following is None:
            return NOT_ENOUGH if entry.writes and self._lacks_replicas() else None
        if self._read_only and entry.writes:
            return READ_ONLY
        stale = not self._serves_stale and not self.following.connected
        return _STALE_IN_SCRIPT if stale and "stale" not in entry.spec.flags else None

    def _writes(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bool:
        if entry.name == b"exec":
            return any(queued.writes for queued, _ in session.queue or ())
        if entry.writes:
            return True
        flags = declared_flags(self._engine, entry, arguments)
        return flags is not None and b"no-writes" not in flags

    def _lacks_replicas(self) -> bool:
        if not self._min_replicas or not self._max_lag:
            return False
        return self.followers.count_prompt(self._max_lag) < self._min_replicas

    @property
    def good_replicas(self) -> int | None:
        """How many replicas are there in the sense of min-replicas-to-write; None where that is not asked for."""
        return self.followers.count_prompt(self._max_lag) if self._min_replicas and self._max_lag else None

    # Following

    @property
    def has_history(self) -> bool:
        """Whether the offset says what is in the data: it has been counted."""
        return self.history.backlog is not None

    @property
    def place(self) -> Place | None:
        """Where in which history the data are, for a file that holds them; None where nobody has counted."""
        if not self.has_history:
            return None
        # A stream that goes on with a SELECT, as one that has not selected any database does, may as well say 0.
        selected = max(0, self.selected) if self.following is None else self.following.selected
        return Place(self.history.id, self.history.offset, selected)

    def resume(self, place: Place, removed: Sequence[tuple[int, bytes]] = ()) -> None:
        """The data were loaded from a file that says where they are: go on from there, if nobody has counted yet.

        A replica asks its primary for what follows. A primary begins a history of its own, but whoever has all that it
        has itself may go on with it: so the stream begins with what was `removed` since, keys by their database. O(N) in
        these.
        """
        if self.has_history or place.selected >= len(self._engine.keyspace.databases):
            return
        self.history.replace(place.id, place.offset)
        if self.following is not None:
            self.following.selected = place.selected
            self.history.keep(self._engine.config.values["repl-backlog-size"])
            return
        self.history.fork(self.new_id())
        self.history.keep(self._engine.config.values["repl-backlog-size"])
        self._engine.propagation.add_sink(self._write)
        self.selected = -1
        self.followers.left_at = self._engine.keyspace.now
        self._engine.keyspace.falls_due(self.followers.left_at)
        for database, key in removed:
            self._write([(database, [b"DEL", key])])

    def follow(self, host: str, port: int, *, failover: bool = False) -> None:
        """Become the replica of a server, with the data that there are until it says what it has.

        `failover`: it is asked to become a primary first.
        """
        former = self.following
        self._engine.propagation.remove_sink(self._write)
        self._engine.keyspace.follows = True
        self.followers.disconnect()
        self.following = Following(self._engine, self, host, port)
        self.following.failover = failover
        if former is None:
            self._unblock_clients()
        else:
            self.following.selected = former.selected
            former.lost()
            former.wake()
        logger.info("following %s:%d", host, port)
        self._changed(f"{host} {port}")

    def stop_following(self) -> None:
        """Become a primary, with the data that there are; nothing happens to one that is."""
        former = self.following
        if former is None:
            return
        self.following = None
        former.lost()
        former.wake()
        keyspace = self._engine.keyspace
        keyspace.follows = False
        keyspace.falls_due(keyspace.now)
        # Who follows here has to learn of the new name; whoever has the data so far goes on where it was.
        self.history.fork(self.new_id())
        self.followers.disconnect()
        self.followers.left_at = keyspace.now
        self.selected = -1
        if self.history.backlog is not None:
            self._engine.propagation.add_sink(self._write)
        logger.info("no longer following anybody: this server is a primary now")
        self._changed("")

    def _changed(self, replicaof: str) -> None:
        self._engine.config.assume({"replicaof": replicaof})
        self._engine.update_guard()
        self._engine.keyspace.falls_due(self._engine.keyspace.now)
        self.on_change()

    def _unblock_clients(self) -> None:
        """What clients wait for may not come to them any more: a replica does not let them take it."""
        for session in tuple(self._engine.sessions.values()):
            waiter = session.waiter
            if waiter is not None and waiter.keys:
                self._engine.count_error(_FORCED_OUT)
                session.unpark(ErrorReply(_FORCED_OUT))

    def continued(self, history: bytes | None) -> None:
        """The primary goes on where this server's data are; under a new name where `history` is not None."""
        if history is not None and history != self.history.id:
            self.history.fork(history)
            self.followers.disconnect()
        self.history.keep(self._engine.config.values["repl-backlog-size"])
        self._linked()

    def empty(self) -> None:
        """The data go, and with them what they were of a history: those of the primary are about to come."""
        engine = self._engine
        self.followers.disconnect()
        self.history.backlog = None
        engine.keyspace.flush_all(engine.leavings if engine.config.values["replica-lazy-flush"] else None)
        engine.libraries.flush()
        engine.tracking.flushed()

    def replaced(self, history: bytes, offset: int) -> None:
        """The data are now those of the primary, at this offset of its history."""
        self.followers.disconnect()
        self.history.replace(history, offset)
        self.history.keep(self._engine.config.values["repl-backlog-size"])
        self._linked()
        self._disk.restart()
        try:
            self._engine.append_only.restart()
        except (OSError, LogError) as error:
            logger.error("the append-only file cannot be begun anew with the primary's data: %s", error)

    def _linked(self) -> None:
        self.failover.linked()

    def passed(self, data: bytes) -> None:
        """The primary's stream went on with these bytes, and what they say is in the data."""
        self.history.append(data)
        self.followers.feed(data)

    # Being followed

    def _write(self, unit: Unit) -> None:
        """Something has changed: the stream goes on with it."""
        data, self.selected = encode_unit(unit, self.selected)
        self._feed(data)
        caller = self._engine.propagation.caller
        if caller is not None:
            caller.written_offset = self.history.offset

    def _feed(self, data: bytes) -> None:
        self.history.append(data)
        self.followers.feed(data)

    def synchronise(self, session: Session, history: bytes, offset: int, *, failover: bool, old: bool) -> Any:
        """A replica asks for the stream from `offset` on of a history. `old`: by SYNC, which knows no histories."""
        follower = session.follower
        if follower is not None and follower.attached:
            return NO_REPLY
        if failover:
            if self.following is None or history != self.history.id:
                raise CommandError(b"ERR PSYNC FAILOVER replid must match my replid.")
            self.stop_following()
        if self.following is not None and not self.following.connected:
            raise CommandError(_NO_LINK)
        if self.failover.in_progress:
            raise CommandError(b"NOMASTERLINK Can't SYNC while failover in progress")
        if session.unsent_bytes or session.has_output():
            raise CommandError(b"ERR SYNC and PSYNC are invalid with pending output")
        if follower is None:
            follower = session.follower = Follower(session)
        missing = None if old else self.history.continuation(history, offset)
        if missing is None:
            if not old and history != b"?":
                self.partial_refused += 1
            self._begin_full(follower, old)
        else:
            self._continue(follower, missing)
        return NO_REPLY

    def _continue(self, follower: Follower, missing: bytes) -> None:
        self.partial_syncs += 1
        logger.info("the replica %s:%d goes on where it was", follower.host, follower.port)
        self.followers.add(follower)
        follower.session.push_reply(SimpleString(b"CONTINUE " + self.history.id))
        follower.session.feed(missing)
        follower.acked = self.history.offset - len(missing)
        follower.go_online()

    def _begin_full(self, follower: Follower, old: bool) -> None:
        self.full_syncs += 1
        logger.info("the replica %s:%d gets everything", follower.host, follower.port)
        if self.history.backlog is None:
            # Nobody has counted what happened until now, so it is no history that anybody could go on with.
            self.history.begin(self.new_id())
            self.history.keep(self._engine.config.values["repl-backlog-size"])
            self._engine.propagation.add_sink(self._write)
        self.followers.add(follower)
        follower.syncing = True
        self.images.ask(follower, old)

    def forget(self, session: Session) -> None:
        """A client has gone, which may have been a replica."""
        if session.follower is not None and session.follower.attached:
            self.followers.remove(session.follower)
            session.follower.syncing = session.follower.is_online = False
            self._acknowledged()

    def _acknowledged(self) -> None:
        self.waits.try_all()
        self.failover.acknowledged()
        self._engine.ending.acknowledged()

    # What falls due

    def end_turn(self) -> None:
        """Ask the replicas how far they are, where somebody waits for that; at the end of a turn."""
        question = self.followers.take_question()
        if question is not None and self.following is None:
            self._feed(question)

    @property
    def _pings(self) -> bool:
        """Whether it is for this server to show that it is alive. A stream that is to come to its end does not go on so."""
        ends = self._engine.ending.in_progress or self.failover.in_progress
        return self.following is None and not ends

    def next_due(self) -> int | None:
        """When `run_due` has something to do, in milliseconds since 1970; None when nothing is due ever."""
        due = [self.followers.next_due(self._pings), self.failover.deadline, self.images.next_due()]
        if self.following is not None:
            due.append(self.following.next_due())
        else:
            due.append(self._backlog_ends())
        return min((when for when in due if when is not None), default=None)

    def _backlog_ends(self) -> int | None:
        """When the stream need not be kept any longer, for want of replicas."""
        ttl = self._engine.config.values["repl-backlog-ttl"]
        left_at = self.followers.left_at
        if not ttl or self.history.backlog is None or left_at is None or self.following is not None:
            return None
        return int(left_at + ttl * 1000)

    def run_due(self) -> None:
        """Do what has fallen due: pings, acknowledgements, slices of images, and what has been waited for too long."""
        if self.following is not None:
            self.following.run_due()
        else:
            ping = self.followers.take_ping() if self._pings else None
            if ping is not None:
                self._feed(ping)
            ends = self._backlog_ends()
            if ends is not None and ends <= self._engine.keyspace.now:
                self._engine.propagation.remove_sink(self._write)
                self.history.begin(self.new_id())
                self.history.backlog = None
        self.images.run_due()
        self.followers.run_due()
        self.failover.run_due()


def _nobody() -> None:
    """Nobody opens connections."""
