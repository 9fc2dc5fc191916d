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

from anystore.pulsards.admission import turn_away
from anystore.pulsards.connections import IN, OUT, RETRY, TURN_NS, Connection, serve
from anystore.pulsards.engine import Engine
from anystore.pulsards.listeners import set_up_connection, shown_peer

logger = logging.getLogger("anystore.pulsards")

available: Final = hasattr(select, "epoll")

#: Connections accepted in one go before the others are looked at again, as in Redis.
_ACCEPTS_PER_TURN: Final = 1000
#: So long are connections served before the program's other tasks have their turn, in nanoseconds: a turn of the event
#: loop costs as much as several requests do.
_TURNS: Final = 1_000_000
_ENDLESS: Final = 2**60


class Reactor:
    """Serves one engine on any number of listening sockets."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections: dict[int, Connection] = {}
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
        engine = self.engine
        engine.serve_while_busy = self._serve_while_busy
        events: list[tuple[int, int]] = []
        try:
            while True:
                events = events or poll(0)
                if events or engine.unfinished:
                    # Where replies wait for the disk, one fsync is for all that is ready, however long that takes.
                    limit = _ENDLESS if engine.holds_replies else TURN_NS
                    events = self._run_turn(events, engine.elapsed_ns() + limit)
                    if clock() - begun < _TURNS:
                        continue
                    await anyio.lowlevel.checkpoint()
                else:
                    await anyio.wait_readable(epoll_fd)
                begun = clock()
        finally:
            engine.serve_while_busy = None
            self.close()

    def add_listener(self, listener: socket.socket) -> None:
        """Take connections on a further socket, which stays the caller's."""
        self._listeners[listener.fileno()] = listener
        self.epoll.register(listener.fileno(), IN)

    def remove_listener(self, listener: socket.socket) -> None:
        """Take no more connections on this socket; to be called before it is closed."""
        del self._listeners[listener.fileno()]
        self.epoll.unregister(listener.fileno())

    def _run_turn(self, events: list[tuple[int, int]], until: int) -> list[tuple[int, int]]:
        """Serve whose turn it is; the events that there was no time for, which are the first of the next turn."""
        engine = self.engine
        left = iter(events)
        for fd in serve(self.connections, left, engine, until):
            listener = self._listeners.get(fd)
            if listener is not None:
                self._accept(listener)
        if engine.unfinished:
            engine.go_on()
        engine.flush()
        return list(left)

    def _serve_while_busy(self) -> None:
        """A turn from within a turn: a script runs in it, whose client is not heard before it has ended."""
        busy = self.engine.busy.session
        for fd, mask in self.epoll.poll(0):
            connection = self.connections.get(fd)
            if connection is None:
                if fd in self._listeners:
                    self._accept(self._listeners[fd])
                continue
            if mask & ~OUT and connection.session is not busy:
                connection.readable()
            if mask & OUT:
                connection.writable()
        # What a client has sent already may be what ends the script.
        unfinished = bool(self.engine.unfinished)
        if unfinished:
            self.engine.go_on()
        if unfinished or self.engine.holds_replies:
            self.engine.deliver_outbox()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = listener.accept()
            except RETRY:
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
        refusal = turn_away(self.engine, peer)
        if refusal is not None:
            with sock:
                try:
                    sock.send(refusal)
                except OSError:
                    logger.debug("a client that was turned away left before it was told")
            return
        session = self.engine.connect(peer, shown_peer(sock.getsockname(), sock))
        connection = Connection(sock, session, self.epoll, self.connections)
        session.deliver = connection.deliver
        session.turn_ns = TURN_NS
        self.connections[connection.fd] = connection
        self.epoll.register(connection.fd, IN)

    def close(self) -> None:
        """Close every connection, after a last try to send what is queued, and the epoll descriptor.

        What has been read is run before, unless the data have been saved for good, by SHUTDOWN: then it goes unanswered.
        """
        while self.engine.unfinished and not self.engine.saver.decided:
            self.engine.go_on()
        self.engine.debugging.stop()  # or the scripts would go on, as they do without their clients
        self.engine.flush()
        for connection in list(self.connections.values()):
            connection.session.closing = True
            connection.deliver()
            connection.close()
        self.epoll.close()
        os.close(self._reserve)
