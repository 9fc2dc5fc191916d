"""One client's socket in the reactor: what is read is run, and what comes of it is sent.

It is what each request goes through, and stands by itself so that it can be compiled; see `anystore.pulsards.reactor`.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

from anystore.pulsards.session import Session

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

#: Bytes that are read at a time: commands of so many are parsed in a fraction of a turn. Of a large value more are read.
_READ_BYTES: Final = 16 * 1024
_READ_BYTES_OF_LARGE: Final = 64 * 1024
#: How long one client's commands may run before others have their turn, in nanoseconds.
TURN_NS: Final = 1_000_000
RETRY: Final = (BlockingIOError, InterruptedError)
#: Linux' numbers, which this module is read with where there is no epoll, too.
IN: Final[int] = getattr(select, "EPOLLIN", 1)
OUT: Final[int] = getattr(select, "EPOLLOUT", 4)


class Poll(Protocol):
    """What a connection asks of an epoll object, which is a type that is not there on every system."""

    def modify(self, fd: int, eventmask: int, /) -> None:
        """Be told of these events of a descriptor from now on, instead of others."""


class Connection:
    """One client's socket, its session, and what the socket would not take yet."""

    __slots__ = ("behind", "connections", "epoll", "fd", "room", "session", "sock", "unsent")

    def __init__(
        self, sock: socket.socket, session: Session, epoll: Poll, connections: dict[int, Connection]
    ) -> None:
        """A connection that `connections` is to have by its descriptor, and `epoll` is asked about."""
        self.sock = sock
        self.epoll = epoll
        self.connections = connections
        self.fd = sock.fileno()
        self.session = session
        self.room = _READ_BYTES
        self.unsent: memoryview | None = None
        self.behind: list[bytes] = []  # what was queued since, to be sent after it

    def readable(self) -> None:
        """The socket has something: read it, run it, and send the replies."""
        session = self.session
        engine = session.engine
        if engine.unfinished and session in engine.unfinished:
            return
        try:
            data = self.sock.recv(self.room)
        except RETRY:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        statistics, size = engine.statistics, len(data)
        statistics.bytes_received += size
        statistics.reads += 1
        # Who tracks what this client changes hears of it no later than this client of its reply.
        waits = engine.holds_replies or engine.observed or self.unsent is not None
        if waits:
            session.receive(data)
        elif data := session.answer(data):
            self._send(data)
        if size >= _READ_BYTES:
            is_large = session.parser.buffered >= _READ_BYTES // 2
            self.room = _READ_BYTES_OF_LARGE if is_large else _READ_BYTES
        # Replies may be held from here on, or no longer: a command decides that.
        if waits or engine.holds_replies or self.unsent is not None or session.closing:
            self._settle()

    def _settle(self) -> None:
        """What has come of a request may have to wait, or is the last."""
        session = self.session
        engine = session.engine
        if not (engine.holds_replies or engine.observed):
            self.deliver()
        elif session.has_output() or session.closing:
            engine.outbox[session] = None

    def deliver(self) -> None:
        """Send what the session has queued; the rest goes when the socket takes more."""
        session = self.session
        if session.aborted:
            self.close()
            return
        if self.unsent is None:
            if session.has_output() and not self._send(session.take_output()):
                return
            if session.closing:
                self.close()
        elif session.has_output():
            data = session.take_output()
            self.behind.append(data)
            session.hold(session.unsent_bytes + len(data))

    def _send(self, data: bytes) -> bool:
        """Send while nothing else waits to be sent; whether all of it has gone. What has not, waits from now on."""
        try:
            sent = self.sock.send(data)
        except RETRY:
            sent = 0
        except OSError:
            self.close()
            return False
        session = self.session
        statistics = session.engine.statistics
        statistics.bytes_sent += sent
        statistics.writes += 1
        if sent == len(data):
            return True
        self.unsent = memoryview(data)[sent:]
        session.hold(len(self.unsent))
        self.epoll.modify(self.fd, IN | OUT)
        return False

    def writable(self) -> None:
        """The socket takes more: send what waits, then what was queued since."""
        if self.unsent is None:
            return
        try:
            sent = self.sock.send(self.unsent)
        except RETRY:
            return
        except OSError:
            self.close()
            return
        session = self.session
        session.engine.statistics.bytes_sent += sent
        session.engine.statistics.writes += 1
        session.unsent_bytes -= sent
        if sent < len(self.unsent):
            self.unsent = self.unsent[sent:]
        elif self.behind:
            self.unsent = memoryview(b"".join(self.behind))
            self.behind.clear()
        else:
            self.unsent = None
            session.hold(0)
            self.epoll.modify(self.fd, IN)
            if session.engine.holds_replies:
                session.engine.outbox[session] = None
            else:
                self.deliver()

    def close(self) -> None:
        """Close the socket and the session; safe to call twice."""
        if self.connections.pop(self.fd, None) is None:
            return
        self.session.deliver = _nothing
        self.session.close()
        # Closing the descriptor takes it out of the epoll set by itself.
        self.sock.close()


def serve(
    connections: dict[int, Connection], events: Iterator[tuple[int, int]], engine: Engine, until: int
) -> list[int]:
    """Do what epoll says that there is to do; the descriptors in `events` that are no connection's. O(N) in these.

    Once it is `until`, by `Engine.elapsed_ns`, what is left in `events` stays there.
    """
    others: list[int] = []
    for fd, mask in events:
        try:
            connection = connections[fd]
        except KeyError:
            others.append(fd)
            continue
        if mask != OUT:  # readable, an error, or hung up: reading tells which
            connection.readable()
        if mask & OUT:
            connection.writable()
        if engine.turn_mark >= until:
            break
    return others


def _nothing() -> None:
    """A closed connection delivers nothing."""
