"""One client's socket: what leaves when."""

from __future__ import annotations

import select
import socket

import hiredis
import pytest

from anystore.pulsards.connections import Connection, serve
from anystore.pulsards.engine import Engine

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="connections are served by epoll")

ENDLESS = 2**60


class Recorded(socket.socket):
    """Tells in which order sockets send."""

    name = ""
    sends: list[tuple[str, bytes]]

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        self.sends.append((self.name, bytes(data)))
        return super().send(data, flags)


class Clients:
    """Clients of one engine, whose commands run when `turn` is called."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.sends: list[tuple[str, bytes]] = []
        self.ours: dict[str, socket.socket] = {}

    def connect(self, name: str) -> None:
        ours, theirs = socket.socketpair()
        sock = Recorded(fileno=theirs.detach())
        sock.setblocking(False)
        sock.name, sock.sends = name, self.sends
        session = self.engine.connect(name)
        connection = Connection(sock, session, self.epoll, self.connections)
        session.deliver = connection.deliver
        self.connections[connection.fd] = connection
        self.epoll.register(connection.fd, select.EPOLLIN)
        self.ours[name] = ours

    def turn(self, **commands: str) -> list[tuple[str, bytes]]:
        """Run each client's command in one turn; what left, in order."""
        for name, command in commands.items():
            self.ours[name].sendall(hiredis.pack_command(tuple(command.split())))
        self.sends.clear()
        serve(self.connections, iter(self.epoll.poll(0)), self.engine, ENDLESS)
        self.engine.flush()
        return list(self.sends)

    def close(self) -> None:
        for connection in list(self.connections.values()):
            connection.close()
        for sock in self.ours.values():
            sock.close()
        self.epoll.close()


@pytest.mark.parametrize("mode", ["", " BCAST"])
@pytest.mark.parametrize("writes_first", [False, True])
def test_who_tracks_a_key_is_told_before_who_changes_it_is_answered(mode: str, writes_first: bool) -> None:
    """Or a client that has seen its write done would still be shown the old value by its neighbour's cache."""
    clients = Clients()
    try:
        for name in ("writer", "reader") if writes_first else ("reader", "writer"):
            clients.connect(name)
        clients.turn(reader="HELLO 3")
        clients.turn(reader=f"CLIENT TRACKING ON{mode}")
        clients.turn(reader="GET key")
        invalidation = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n"
        assert clients.turn(writer="SET key 1") == [("reader", invalidation), ("writer", b"+OK\r\n")]
    finally:
        clients.close()


def test_without_tracking_a_reply_leaves_at_once() -> None:
    clients = Clients()
    try:
        clients.connect("one")
        clients.connect("two")
        assert sorted(clients.turn(one="SET key 1", two="PING")) == [
            ("one", b"+OK\r\n"),
            ("two", b"+PONG\r\n"),
        ]
    finally:
        clients.close()
