"""The driver for plain TCP and unix sockets: one task, and one epoll descriptor of its own.

The task waits for that descriptor alone, then reads, runs and answers every socket that is ready. So a
request costs its two system calls and no task switch, and the event loop's own selector is touched once a
batch, whatever the number of clients. Where there is no epoll, `anystore.pulsards.streams` serves instead.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import time
from collections.abc import Iterable
from typing import Final

import anyio
import anyio.lowlevel

from anystore.pulsards.engine import Engine
from anystore.pulsards.listeners import set_up_connection, shown_peer
from anystore.pulsards.session import Session

logger = logging.getLogger("anystore.pulsards")

available: Final = hasattr(select, "epoll")

_READ_BYTES: Final = 64 * 1024
#: Connections accepted in one go before the others are looked at again, as in Redis.
_ACCEPTS_PER_TURN: Final = 1000
#: So long are connections served before the program's other tasks have their turn, in nanoseconds: a turn of the event
#: loop costs as much as several requests do.
_TURNS: Final = 1_000_000
_RETRY: Final = (BlockingIOError, InterruptedError)

if available:
    _IN: Final = select.EPOLLIN
    _OUT: Final = select.EPOLLOUT


class _Connection:
    """One client's socket, its session, and what the socket would not take yet."""

    __slots__ = ("behind", "fd", "reactor", "session", "sock", "unsent")

    def __init__(self, reactor: Reactor, sock: socket.socket, session: Session) -> None:
        self.reactor = reactor
        self.sock = sock
        self.fd = sock.fileno()
        self.session = session
        self.unsent: memoryview | None = None
        self.behind: list[bytes] = []  # what was queued since, to be sent after it

    def readable(self) -> None:
        session = self.session
        try:
            data = self.sock.recv(_READ_BYTES)
        except _RETRY:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        statistics = session.engine.statistics
        statistics.bytes_received += len(data)
        statistics.reads += 1
        session.receive(data)
        if session.engine.holds_replies:
            if session.has_output() or session.closing:
                session.engine.outbox[session] = None
        elif self.unsent is not None or session.closing:
            self.deliver()
        elif data := session.take_output():
            self._send(data)

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
        except _RETRY:
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
        self.reactor.epoll.modify(self.fd, _IN | _OUT)
        return False

    def writable(self) -> None:
        """The socket takes more: send what waits, then what was queued since."""
        if self.unsent is None:
            return
        try:
            sent = self.sock.send(self.unsent)
        except _RETRY:
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
            self.reactor.epoll.modify(self.fd, _IN)
            if session.engine.holds_replies:
                session.engine.outbox[session] = None
            else:
                self.deliver()

    def close(self) -> None:
        """Close the socket and the session; safe to call twice."""
        if self.reactor.connections.pop(self.fd, None) is None:
            return
        self.session.deliver = _nothing
        self.session.close()
        # Closing the descriptor takes it out of the epoll set by itself.
        self.sock.close()


class Reactor:
    """Serves one engine on any number of listening sockets."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections: dict[int, _Connection] = {}
        self.epoll = select.epoll()
        self._listeners: dict[int, socket.socket] = {}
        # A descriptor in reserve: when the process has none left, it is given up for long enough to accept a
        # client and turn it away, which would otherwise stay in the backlog and keep the listener ready.
        self._reserve = os.open(os.devnull, os.O_RDONLY)

    async def run(self, listeners: Iterable[socket.socket]) -> None:
        """Serve until cancelled. The listeners stay the caller's; every connection is closed on the way out."""
        for listener in listeners:
            self.add_listener(listener)
        poll, clock = self.epoll.poll, time.perf_counter_ns
        epoll_fd = self.epoll.fileno()
        begun = clock()
        self.engine.serve_while_busy = self._serve_while_busy
        try:
            while True:
                events = poll(0)
                if events:
                    self._run_turn(events)
                    if clock() - begun < _TURNS:
                        continue
                    await anyio.lowlevel.checkpoint()
                else:
                    await anyio.wait_readable(epoll_fd)
                begun = clock()
        finally:
            self.engine.serve_while_busy = None
            self.close()

    def add_listener(self, listener: socket.socket) -> None:
        """Take connections on a further socket, which stays the caller's."""
        self._listeners[listener.fileno()] = listener
        self.epoll.register(listener.fileno(), _IN)

    def remove_listener(self, listener: socket.socket) -> None:
        """Take no more connections on this socket; to be called before it is closed."""
        del self._listeners[listener.fileno()]
        self.epoll.unregister(listener.fileno())

    def _run_turn(self, events: list[tuple[int, int]]) -> None:
        connections = self.connections
        for fd, mask in events:
            connection = connections.get(fd)
            if connection is None:
                listener = self._listeners.get(fd)
                if listener is not None:
                    self._accept(listener)
                continue
            if mask & ~_OUT:  # readable, an error, or hung up: reading tells which
                connection.readable()
            if mask & _OUT:
                connection.writable()
        self.engine.flush()

    def _serve_while_busy(self) -> None:
        """A turn from within a turn: a script runs in it, whose client is not heard before it has ended."""
        busy = self.engine.busy.session
        for fd, mask in self.epoll.poll(0):
            connection = self.connections.get(fd)
            if connection is None:
                if fd in self._listeners:
                    self._accept(self._listeners[fd])
                continue
            if mask & ~_OUT and connection.session is not busy:
                connection.readable()
            if mask & _OUT:
                connection.writable()
        if self.engine.holds_replies:
            self.engine.deliver_outbox()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = listener.accept()
            except _RETRY:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._turn_away(listener)
                else:
                    logger.warning("a connection could not be accepted: %s", error)
                return
            self._connected(sock, address)

    def _turn_away(self, listener: socket.socket) -> None:
        logger.error("a connection was turned away: the process has no file descriptor left")
        os.close(self._reserve)
        try:
            listener.accept()[0].close()
        except OSError:
            logger.warning("the connection to be turned away had gone already")
        finally:
            self._reserve = os.open(os.devnull, os.O_RDONLY)

    def _connected(self, sock: socket.socket, address: object) -> None:
        set_up_connection(sock, self.engine.config)
        peer = shown_peer(address, sock)
        refusal = self.engine.turn_away(peer)
        if refusal is not None:
            with sock:
                try:
                    sock.send(refusal)
                except OSError:
                    logger.debug("a client that was turned away left before it was told")
            return
        session = self.engine.connect(peer, shown_peer(sock.getsockname(), sock))
        connection = _Connection(self, sock, session)
        session.deliver = connection.deliver
        self.connections[connection.fd] = connection
        self.epoll.register(connection.fd, _IN)

    def close(self) -> None:
        """Close every connection, after a last try to send what is queued, and the epoll descriptor."""
        self.engine.flush()
        for connection in list(self.connections.values()):
            connection.session.closing = True
            connection.deliver()
            connection.close()
        self.epoll.close()
        os.close(self._reserve)


def _nothing() -> None:
    """A closed connection delivers nothing."""
