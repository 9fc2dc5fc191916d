"""The replicas of this server: what each of them has, and what it is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

#: Bytes of an image that are made in one turn at first, at least and at most, and how long that may take.
_SLICE: Final = 16 * 1024
_SMALLEST: Final = 1024
_LARGEST: Final = 256 * 1024
_SLICE_NS: Final = 2_000_000
#: Bytes that may wait for the replica to take them.
_AHEAD: Final = 1024 * 1024
_PING: Final = pack_command([b"PING"])
_GETACK: Final = pack_command([b"REPLCONF", b"GETACK", b"*"])


class Image(Protocol):
    """All data as they were at one moment, in the form of an RDB file, handed out in slices."""

    @property
    def finished(self) -> bool:
        """Whether everything has been handed out."""

    def next_slice(self, limit_bytes: int) -> bytes:
        """The next bytes, about so many."""

    def cancel(self) -> None:
        """It is not needed any more."""


class Follower:
    """One replica: what it said of itself, how far it is, and what it is still to get."""

    __slots__ = (
        *("acked", "acked_at", "address", "fsynced", "gathered", "image", "image_only", "is_online"),
        *(
            "mark",
            "moved_at",
            "pending",
            "slice_bytes",
            "pending_bytes",
            "port",
            "session",
            "syncing",
            "takes_marks",
            "version",
        ),
    )

    def __init__(self, session: Session) -> None:
        self.session = session
        #: Where it says that it listens, 0 and "" where it does not.
        self.port = 0
        self.address = ""
        self.version = b""
        #: It wants an image and nothing after it.
        self.image_only = False
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
        self.image: Image | None = None
        self.slice_bytes = _SLICE
        #: What follows the image, where its size was not said; and the slices so far, where it has to be.
        self.mark: bytes | None = None
        self.gathered: list[bytes] | None = None
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
        return "send_bulk" if self.gathered is None else "wait_bgsave"

    @property
    def host(self) -> str:
        """Where it is: what it said, or where its connection comes from."""
        if self.address:
            return self.address
        host, _, _ = self.session.address.rpartition(":")
        return host.strip("[]")

    @property
    def wants_slice(self) -> bool:
        """Whether there is more of the image, and it can take it."""
        return self.image is not None and self.session.unsent_bytes < _AHEAD

    def lag(self, now: int) -> int:
        """Seconds since it was heard of."""
        return max(0, now - self.acked_at) // 1000

    def feed(self, data: bytes) -> None:
        """The stream goes on."""
        if self.is_online:
            self.session.feed(data)
        else:
            self.pending.append(data)
            self.pending_bytes += len(data)

    def go_online(self) -> None:
        """It has the image: from now on it gets the stream."""
        self.syncing, self.is_online = False, True
        if self.pending:
            self.session.feed(b"".join(self.pending))
            self.pending.clear()
            self.pending_bytes = 0

    def start_image(self, image: Image, mark: bytes | None) -> None:
        """Send an image, with a `mark` of 40 bytes behind it, or its size in front of it."""
        self.syncing, self.image, self.mark = True, image, mark
        self.gathered = [] if mark is None else None
        self.moved_at = self.session.engine.keyspace.now
        if mark is not None:
            self.session.feed(b"$EOF:%b\r\n" % mark)

    def send_slice(self) -> None:
        """Make the next slice of the image, and send it unless all has to be there first."""
        image = self.image
        if image is None:
            return
        engine = self.session.engine
        begun = engine.elapsed_ns()
        data = image.next_slice(self.slice_bytes)
        # Everybody else waits for it: what a slice can hold is what fits in the time.
        fitting = self.slice_bytes * _SLICE_NS // max(1, engine.elapsed_ns() - begun)
        self.slice_bytes = max(_SMALLEST, self.slice_bytes // 2, min(fitting, 2 * self.slice_bytes, _LARGEST))
        self.moved_at = engine.keyspace.now
        if self.gathered is not None:
            self.gathered.append(data)
        elif data:
            self.session.feed(data)
        if not image.finished:
            return
        self.image = None
        if self.image_only:
            self.session.closing = True
        if self.gathered is not None:
            whole, self.gathered = b"".join(self.gathered), None
            self.session.feed(b"$%d\r\n" % len(whole))
            self.session.feed(whole)
            self.go_online()
        elif self.mark is not None:
            # It looks for the mark at the end of what it reads: nothing may follow until it has said that it found it.
            self.session.feed(self.mark)

    def drop(self) -> None:
        """Forget what it was to get."""
        if self.image is not None:
            self.image.cancel()
            self.image = None
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
        if follower.syncing and follower.image is None and follower.gathered is None:
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
            if follower.session.closing:
                continue
            if follower.wants_slice:
                return self._engine.keyspace.now
            due.append(self._heard_of(follower) + values["repl-timeout"] * 1000 + 1)
        return min(due, default=None)

    def run_due(self) -> None:
        """Send slices of images, and close those that were not heard of for too long."""
        now = self._engine.keyspace.now
        timeout = self._engine.config.values["repl-timeout"] * 1000
        for follower in self:
            if follower.session.closing:
                continue
            if follower.wants_slice:
                follower.send_slice()
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
            if follower.gathered is not None:
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
