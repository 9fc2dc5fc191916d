"""What a replica does with its primary's link: it introduces itself, takes the image over, and then goes with the stream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from anystore.pulsards.applying import Applier
from anystore.pulsards.identity import VALKEY_VERSION
from anystore.pulsards.persistence.loading import Progress
from anystore.pulsards.replication.incoming_image import IncomingImage
from anystore.pulsards.replication.link import (
    Continued,
    FullResync,
    ImageEnd,
    ImagePart,
    ImageSize,
    Introduction,
    Link,
    LinkError,
    LinkEvent,
    StreamCommand,
)
from anystore.pulsards.replication.stored_image import StoredImage
from anystore.resp.types import ErrorReply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anystore.pulsards.engine import Engine
    from anystore.pulsards.replication.replication import Replication
    from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

#: How often a replica says how far it is, or while everything comes that it is there, in milliseconds.
_ACK_PERIOD: Final = 1000


class Following:
    """One primary that is followed, as long as it is this one: its links come and go.

    The driver opens a connection, calls `begin`, then `receive` with what comes, and sends what `take_output` hands over,
    which `wake` tells it about; `lost` when the connection has gone.
    """

    def __init__(self, engine: Engine, replication: Replication, host: str, port: int) -> None:
        self._engine = engine
        self._replication = replication
        self.host = host
        self.port = port
        #: The other one is asked to become a primary first.
        self.failover = False
        self.link: Link | None = None
        #: Stands for the primary in CLIENT LIST, and can be killed.
        self.session: Session | None = None
        #: Called when there is something to send, or the link is to be closed.
        self.wake: Callable[[], None] = _nobody
        self.image: IncomingImage | StoredImage | None = None
        #: What the link has to say, as far as it was not asked for yet.
        self._events: Iterator[LinkEvent] = iter(())
        self.image_size: int | None = None
        self.image_read = 0
        #: When something came last, and since when there has been no link, in milliseconds since 1970.
        self.heard_at = engine.keyspace.now
        self.down_since = engine.keyspace.now
        self.selected = 0
        self._applier: Applier | None = None
        self._held: list[bytes] = []  # bytes of a transaction that has not ended yet
        self._acked_at = 0
        self._connecting = False
        #: The progress of an image for which everything else had to go; None where it comes beside that.
        self._loading: Progress | None = None

    @property
    def loads_beside(self) -> bool:
        """Whether an image is coming while the data of before are still there."""
        return isinstance(self.image, IncomingImage) and self._loading is None

    @property
    def loads(self) -> bool:
        """Whether an image is loaded from its file: nothing is received meanwhile, but `load_on` called."""
        return isinstance(self.image, StoredImage) and self.image.is_loading

    @property
    def connected(self) -> bool:
        """Whether the stream comes in."""
        return self.link is not None and self.link.stage == "stream" and self.image is None

    @property
    def pending_bytes(self) -> int:
        """What has come of the stream and does not count yet, in bytes: a command cut in two, an open transaction."""
        return (0 if self.link is None else self.link.pending) + sum(map(len, self._held))

    @property
    def state(self) -> str:
        """How far it has come, as ROLE says it."""
        if self.link is None:
            return "connecting" if self._connecting else "connect"
        if self.connected:
            return "connected"
        return "sync" if self.link.stage in ("announcement", "image", "stream") else "handshake"

    # The driver's part

    def connecting(self) -> None:
        """A connection is being opened."""
        self._connecting = True

    def begin(self, address: str, local_address: str) -> None:
        """A connection is open, from and to these addresses."""
        values = self._engine.config.values
        history = self._replication.history
        known = self._replication.has_history
        self._connecting = False
        self.link = Link(
            Introduction(
                user=values["masteruser"],
                password=values["masterauth"],
                port=values["replica-announce-port"] or self._engine.port,
                address=values["replica-announce-ip"],
                version=VALKEY_VERSION,
                history=history.id if known else None,
                offset=history.offset,
                failover=self.failover,
            )
        )
        session = self.session = self._engine.connect(address, local_address)
        session.is_primary = True
        session.deliver = self._session_changed
        self.heard_at = self._engine.keyspace.now
        self._engine.keyspace.falls_due(self.heard_at + values["repl-timeout"] * 1000 + 1)

    def receive(self, data: bytes) -> None:
        """Take what came. Follow with `Engine.flush`. Raises `LinkError`: the connection is to be closed, and `lost`."""
        link = self.link
        assert link is not None, "bytes come by a link"
        self._engine.start_turn()
        self._events = link.receive(data)
        self._engine.statistics.bytes_from_primary += len(data)
        self._take_events(link)

    def load_on(self) -> None:
        """Load some more of an image while `loads`; behind it comes what has been received with its end.

        Follow with `Engine.flush`. Raises `LinkError`, as `receive` does.
        """
        link, image = self.link, self.image
        assert link is not None, "an image came by a link"
        assert isinstance(image, StoredImage), "only those are loaded from a file"
        self._engine.start_turn()
        self.heard_at = self._engine.keyspace.now
        if image.step():
            self._taken_over(image)
            self._take_events(link)

    def _take_events(self, link: Link) -> None:
        self.heard_at = self._engine.keyspace.now
        if self.session is not None:
            self.session.last_active = self.heard_at
        try:
            for event in self._events:
                self._take(event)
                if self._replication.following is not self or self.loads:
                    return  # something that came has made an end of it, or takes its time
        except LinkError:
            if self.failover and link.stage == "asking":
                self._replication.failover.rejected()
            raise

    def take_output(self) -> bytes:
        """What is to be sent to the primary now."""
        return b"" if self.link is None else self.link.take_output()

    @property
    def is_over(self) -> bool:
        """Whether the link is to be closed: it was killed, or nothing came for too long, or another primary counts."""
        killed = self.session is not None and self.session.closing
        return killed or self._replication.following is not self

    def lost(self) -> None:
        """The connection has gone, or was not to be had. Safe to call twice."""
        self._connecting = False
        if self.link is None:
            return
        if self.connected:
            self.down_since = self._engine.keyspace.now
        self.link = None
        self._events = iter(())
        image, self.image = self.image, None
        if isinstance(image, StoredImage):
            image.cancel()
        self._end_loading()
        self._applier = None
        self._held.clear()
        if self.session is not None:
            self.session.deliver = _nobody
            self.session.close()
            self.session = None

    def _session_changed(self) -> None:
        if self.session is not None:
            self.session.take_output()
            if self.session.closing:
                self.wake()

    # What the primary says

    def _take(self, event: LinkEvent) -> None:
        if isinstance(event, StreamCommand):
            self._run(event)
        elif isinstance(event, ImagePart):
            assert self.image is not None, "an image begins before its parts come"
            self.image_read += len(event.data)
            if self._loading is not None:
                self._loading.advance(len(event.data))
            self.image.feed(event.data)
        elif isinstance(event, FullResync):
            logger.info("everything comes anew from %s:%d", self.host, self.port)
            stored = self._engine.config.values["repl-diskless-load"] == "disabled"
            self.image = (StoredImage if stored else IncomingImage)(self._engine, event.history, event.offset)
            self.image_size, self.image_read = None, 0
            self._acked_at = self._engine.keyspace.now
            self._engine.keyspace.falls_due(self._acked_at + _ACK_PERIOD)
        elif isinstance(event, ImageSize):
            self.image_size = event.size
            if isinstance(self.image, IncomingImage):
                self._make_room()
        elif isinstance(event, Continued):
            self._continue(event.history)
        elif isinstance(event, ImageEnd):
            self._take_over()

    def _continue(self, history: bytes | None) -> None:
        logger.info("the stream from %s:%d goes on where it was", self.host, self.port)
        self._replication.continued(history)
        self._begin_stream(self.selected)

    def _make_room(self) -> None:
        """Let what is here go before the image comes, where it has been asked for to have only one of them in memory."""
        engine = self._engine
        mode = engine.config.values["repl-diskless-load"]
        is_empty = not any(database.data for database in engine.keyspace.databases)
        if mode == "flush-before-load" or (mode == "on-empty-db" and is_empty):
            self._replication.empty()
            self._loading = Progress(engine, f"the data of {self.host}:{self.port}", self.image_size or 0)
            engine.start_loading(self._loading)

    def _end_loading(self) -> None:
        if self._loading is not None:
            self._loading = None
            self._engine.stop_loading()

    def _take_over(self) -> None:
        image = self.image
        assert image is not None, "an image ends after it began"
        image.finish()
        if isinstance(image, IncomingImage):
            self._taken_over(image)

    def _taken_over(self, image: IncomingImage | StoredImage) -> None:
        self.image = None
        self._end_loading()
        self._replication.replaced(image.history, image.offset)
        self._engine.waiting.serve()
        self._begin_stream(image.selected)
        self.acknowledge()

    def _begin_stream(self, selected: int) -> None:
        self.selected = selected
        self._applier = Applier(self._engine)
        self._applier.run([b"SELECT", b"%d" % selected])
        self._acked_at = self._engine.keyspace.now
        self._engine.keyspace.falls_due(self._acked_at + _ACK_PERIOD)

    def _run(self, command: StreamCommand) -> None:
        """Carry a command of the stream out; only then it counts, and is handed on to this server's own replicas."""
        applier = self._applier
        assert applier is not None, "a stream begins before its commands come"
        arguments = command.arguments
        self._held.append(command.raw)
        name = arguments[0].lower() if arguments else b""
        if name == b"replconf":
            if len(arguments) > 1 and arguments[1].lower() == b"getack":
                self._count()
                self.acknowledge()
                return
        elif name == b"select" and not self._has_database(arguments):
            # What follows would otherwise change another database than it is meant for.
            number = arguments[1].decode("ascii", "replace") if len(arguments) > 1 else ""
            raise LinkError(f"the stream is for database {number}, which is not here: raise 'databases'")
        elif name and name != b"ping":
            reply = applier.run(arguments)
            if type(reply) is ErrorReply:
                logger.error(
                    "the primary's command %r failed here: %s", name, reply.decode("utf-8", "replace")
                )
        self._count()

    def _has_database(self, arguments: list[bytes]) -> bool:
        number = arguments[1] if len(arguments) == 2 else b""
        return number.isdigit() and int(number) < len(self._engine.keyspace.databases)

    def _count(self) -> None:
        applier = self._applier
        assert applier is not None, "a stream begins before its commands come"
        if applier.queueing:
            return  # a transaction counts as a whole: cut within, it comes again
        self.selected = applier.selected
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._replication.passed(data)

    # What falls due

    def acknowledge(self) -> None:
        """Tell the primary how far this server is, and what of it is on its disk."""
        if self.link is None or self.link.stage != "stream":
            return
        offset = self._replication.history.offset
        fsynced = self._replication.fsynced_offset()
        extra: list[bytes | int] = [] if fsynced is None else [b"FACK", fsynced]
        self.link.send(b"REPLCONF", b"ACK", offset, *extra)
        self._acked_at = self._engine.keyspace.now
        self.wake()

    def next_due(self) -> int | None:
        """When `run_due` has something to do, in milliseconds since 1970; None without a link."""
        if self.link is None or self.is_over:
            return None
        silent = self.heard_at + self._engine.config.values["repl-timeout"] * 1000 + 1
        says = self.connected or self.image is not None
        return int(min(silent, self._acked_at + _ACK_PERIOD) if says else silent)

    def run_due(self) -> None:
        """Say how far this server is, once a second, and give up a primary that says nothing."""
        now = self._engine.keyspace.now
        if self.link is None or self.is_over:
            return
        if now - self.heard_at > self._engine.config.values["repl-timeout"] * 1000:
            logger.warning("the primary %s:%d says nothing: the link is closed", self.host, self.port)
            if self.session is not None:
                self._engine.close_session(self.session)
        elif now - self._acked_at >= _ACK_PERIOD:
            if self.connected:
                self.acknowledge()
            elif self.image is not None:
                self._acked_at = now
                self.link.send_sign_of_life()
                self.wake()


def _nobody() -> None:
    """No driver is there to be told."""


__all__ = ("Following", "LinkError")
