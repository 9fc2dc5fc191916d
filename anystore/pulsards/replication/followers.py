"""The replicas of this server: what each of them has, and what it is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from anystore.pulsards.replication.transfer import Transfer
from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

_PING: Final = pack_command([b"PING"])
_GETACK: Final = pack_command([b"REPLCONF", b"GETACK", b"*"])


class Follower:
    """One replica: what it said of itself, how far it is, and what it is still to get."""

    __slots__ = (
        *("acked", "acked_at", "address", "fsynced", "image_only", "is_online", "moved_at", "pending"),
        *("pending_bytes", "port", "session", "syncing", "takes_marks", "transfer", "version", "waiting"),
        *("wants_functions", "wants_keys"),
    )

    def __init__(self, session: Session) -> None:
        self.session = session
        #: Where it says that it listens, 0 and "" where it does not.
        self.port = 0
        self.address = ""
        self.version = b""
        #: It wants an image and nothing after it.
        self.image_only = False
        #: What the image is to hold.
        self.wants_keys = self.wants_functions = True
        #: Whether it can do with an image whose size is not said before.
        self.takes_marks = False
        #: The offsets up to which it has said that it has the stream in its data, and on its disk; -1 for never.
        self.acked = 0
        self.fsynced = -1
        self.acked_at = session.engine.keyspace.now
        #: It gets an image, or has got one and has not said that it is through with it.
        self.syncing = False
        #: It gets the stream.
        self.is_online = False
        #: It has asked for an image, and that has not begun yet; the image while it is under way.
        self.waiting = False
        self.transfer: Transfer | None = None
        #: What came of the stream since the image.
        self.pending: list[bytes] = []
        self.pending_bytes = 0
        #: When something of the image was sent last.
        self.moved_at = 0

    @property
    def attached(self) -> bool:
        """Whether it follows this server: it may as well be about to."""
        return self.syncing or self.is_online

    @property
    def state(self) -> str:
        """What INFO says of it."""
        if self.is_online:
            return "online"
        return "wait_bgsave" if self.is_promised else "send_bulk"

    @property
    def is_promised(self) -> bool:
        """Whether it is to get an image of which nothing has been sent yet."""
        return self.waiting or (self.transfer is not None and self.transfer.gathers)

    @property
    def host(self) -> str:
        """Where it is: what it said, or where its connection comes from."""
        if self.address:
            return self.address
        host, _, _ = self.session.address.rpartition(":")
        return host.strip("[]")

    def lag(self, now: int) -> int:
        """Seconds since it was heard of."""
        return max(0, now - self.acked_at) // 1000

    def feed(self, data: bytes) -> None:
        """The stream goes on."""
        if self.is_online:
            self.session.feed(data)
        elif not self.waiting:
            self.pending.append(data)
            self.pending_bytes += len(data)

    def go_online(self) -> None:
        """It has the image: from now on it gets the stream."""
        self.syncing, self.is_online = False, True
        if self.pending:
            self.session.feed(b"".join(self.pending))
            self.pending.clear()
            self.pending_bytes = 0

    def drop(self) -> None:
        """Forget what it was to get."""
        transfer, self.transfer = self.transfer, None
        if transfer is not None:
            transfer.remove(self)
        self.waiting = False
        self.pending.clear()
        self.pending_bytes = 0


class Followers:
    """All replicas of one server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._attached: dict[Follower, None] = {}
        #: When the last one left, in milliseconds since 1970; None while there is one, or has never been.
        self.left_at: int | None = None
        #: Told whenever one says how far it is.
        self.on_ack: Callable[[], None] = _nobody
        #: Whether they are to be asked how far they are, at the end of this turn.
        self.ask = False
        self._pinged_at = 0

    def __len__(self) -> int:
        return len(self._attached)

    def __iter__(self) -> Iterator[Follower]:
        return iter(tuple(self._attached))

    def add(self, follower: Follower) -> None:
        """One begins to follow."""
        if not self._attached:
            self._pinged_at = self._engine.keyspace.now
        self._attached[follower] = None
        self.left_at = None
        now = self._engine.keyspace.now
        follower.acked_at = follower.moved_at = now
        self._engine.keyspace.falls_due(now)

    def remove(self, follower: Follower) -> None:
        """One has gone; nothing happens if it did not follow."""
        if self._attached.pop(follower, follower) is None:
            self._engine.statistics.bytes_to_replicas -= follower.session.unsent_bytes
            follower.drop()
            logger.info("the replica %s:%d has gone", follower.host, follower.port)
            if not self._attached:
                self.left_at = self._engine.keyspace.now
                self._engine.keyspace.falls_due(self.left_at)  # from now on the backlog has an end

    def feed(self, data: bytes) -> None:
        """Send the next bytes of the stream to all of them."""
        limit = self._engine.config.output_limits["slave"][0]
        for follower in self._attached:
            follower.feed(data)
            if limit and follower.pending_bytes > limit:
                logger.warning("%r closed: a replica has fallen too far behind", follower.session)
                self._engine.statistics.output_limit_disconnections += 1
                self._engine.close_session(follower.session)

    @property
    def bytes_sent(self) -> int:
        """How many bytes of images and of the stream they have taken. O(replicas)."""
        unsent = sum(follower.session.unsent_bytes for follower in self._attached)
        return max(0, self._engine.statistics.bytes_to_replicas - unsent)

    def disconnect(self) -> None:
        """Close the connection to each of them, so that they ask anew what there is."""
        for follower in self:
            self._engine.close_session(follower.session)

    def acknowledge(self, follower: Follower, offset: int, fsynced: int | None) -> None:
        """One says how far it is."""
        follower.acked = max(follower.acked, offset)
        if fsynced is not None:
            follower.fsynced = max(follower.fsynced, fsynced)
        follower.acked_at = self._engine.keyspace.now
        if follower.syncing and not follower.waiting and follower.transfer is None:
            follower.go_online()
        self.on_ack()

    def count_acked(self, offset: int) -> int:
        """How many have the stream up to this offset in their data."""
        return sum(follower.is_online and follower.acked >= offset for follower in self._attached)

    def count_fsynced(self, offset: int) -> int:
        """How many have the stream up to this offset on their disks."""
        return sum(follower.is_online and follower.fsynced >= offset for follower in self._attached)

    def count_prompt(self, max_lag: int) -> int:
        """How many were heard of within so many seconds."""
        now = self._engine.keyspace.now
        return sum(follower.is_online and follower.lag(now) <= max_lag for follower in self._attached)

    # What falls due

    def next_due(self, pings: bool) -> int | None:
        """When `run_due` has something to do, in milliseconds since 1970. `pings`: whether it is for this server to ping."""
        if not self._attached:
            return None
        values = self._engine.config.values
        due: list[int] = [] if not pings else [self._pinged_at + values["repl-ping-replica-period"] * 1000]
        for follower in self._attached:
            if follower.session.closing or follower.waiting:
                continue
            if follower.transfer is not None and follower.transfer.wants_slice:
                return self._engine.keyspace.now
            due.append(self._heard_of(follower) + values["repl-timeout"] * 1000 + 1)
        return min(due, default=None)

    def run_due(self) -> None:
        """Send slices of images, and close those that were not heard of for too long."""
        now = self._engine.keyspace.now
        timeout = self._engine.config.values["repl-timeout"] * 1000
        transfers = dict.fromkeys(item.transfer for item in self if not item.session.closing)
        for transfer in transfers:
            if transfer is not None and transfer.wants_slice:
                transfer.send_slice()
        for follower in self:
            if follower.session.closing or follower.waiting:
                continue
            if follower.transfer is not None and follower.transfer.can_take(follower):
                follower.moved_at = now  # it is not for this one that the image does not go on
            elif now - self._heard_of(follower) > timeout:
                logger.warning(
                    "the replica %s:%d was not heard of and is let go", follower.host, follower.port
                )
                self._engine.close_session(follower.session)

    def take_ping(self) -> bytes | None:
        """The sign of life that is due now, as bytes of the stream; None while it is not."""
        now = self._engine.keyspace.now
        period = self._engine.config.values["repl-ping-replica-period"] * 1000
        if not self._attached or now - self._pinged_at < period:
            return None
        self._pinged_at = now
        for follower in self._attached:
            if follower.is_promised:
                follower.session.feed(b"\n")
        return _PING

    def take_question(self) -> bytes | None:
        """The question how far they are, as bytes of the stream, where it is to be asked now."""
        asked, self.ask = self.ask, False
        return _GETACK if asked and self._attached else None

    @staticmethod
    def _heard_of(follower: Follower) -> int:
        return max(follower.acked_at, follower.moved_at, follower.session.last_active)


def _nobody() -> None:
    """Nobody waits."""
