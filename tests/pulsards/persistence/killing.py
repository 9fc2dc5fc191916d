"""Servers that are killed without warning while somebody writes: started, written to, and asked for what is left."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import hiredis

from tests.servers import free_port

#: How often a server is killed in each test; `nox -s kills` has hundreds.
KILLS: Final = int(os.environ.get("ANYSTORE_KILLS", "20"))
#: Transactions that a client sends ahead of the replies.
AHEAD: Final = 40
#: How long to wait for anything, in seconds: far longer than it takes.
PATIENCE: Final = 60
#: What a complaint shows of a server's log, in characters.
_SHOWN: Final = 4000


@contextlib.contextmanager
def serving(directory: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A server on the directory, and a client's socket, once the data have been loaded.

    Its log is shown where it does not start, or takes too long to.
    """
    port = free_port()
    command = [sys.executable, "-m", "anystore.pulsards", "--port", str(port), "--dir", str(directory)]
    log = directory.parent / f"{directory.name}.log"
    with log.open("ab") as output:
        begun = output.tell()
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output)
    try:
        client = _connect(port, process, lambda: log.read_bytes()[begun:].decode(errors="replace")[-_SHOWN:])
        with client:
            yield process, client
    finally:
        process.kill()
        process.wait()


def _connect(port: int, process: subprocess.Popen[bytes], said: Callable[[], str]) -> socket.socket:
    begun = time.monotonic()
    while True:
        assert process.poll() is None, f"the server ended with {process.returncode}:\n{said()}"
        assert time.monotonic() < begun + PATIENCE, f"not ready in {PATIENCE} seconds:\n{said()}"
        with contextlib.suppress(OSError):
            client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            client.sendall(b"PING\r\n")
            if client.recv(100) == b"+PONG\r\n":
                return client
            client.close()
        time.sleep(0.02)


def port_of(client: socket.socket) -> int:
    """The port of the server that a client is connected to."""
    return int(client.getpeername()[1])


def ask(client: socket.socket, *commands: bytes) -> list[object]:
    """The replies to inline commands."""
    reader = hiredis.Reader()
    client.sendall(b"".join(command + b"\r\n" for command in commands))
    replies: list[object] = []
    while len(replies) < len(commands):
        while (reply := reader.gets()) is not False:
            replies.append(reply)
        if len(replies) < len(commands):
            data = client.recv(65536)
            assert data, "the server is gone"
            reader.feed(data)
    return replies


def transaction(number: int) -> bytes:
    """Something that is there as a whole or not at all."""
    commands = [
        (b"MULTI",),
        (b"RPUSH", b"numbers", b"%d" % number),
        (b"INCRBY", b"sum", b"%d" % number),
        (b"EXEC",),
    ]
    return b"".join(map(hiredis.pack_command, commands))


def found(client: socket.socket) -> list[int]:
    """The numbers that are there; both keys of a transaction agree."""
    listed, total = ask(client, b"LRANGE numbers 0 -1", b"GET sum")
    assert isinstance(listed, list)
    numbers = [int(number) for number in listed]
    assert int(total or 0) == sum(numbers)  # type: ignore[call-overload]
    return numbers


class Load:
    """A client that writes rising numbers, many ahead of the replies, until a server is killed."""

    def __init__(self, client: socket.socket, first: int) -> None:
        self.client = client
        self.next = first
        self.acknowledged: list[int] = []
        #: When each of them was acknowledged, and when the server was killed.
        self.times: list[float] = []
        self.killed = 0.0
        self._reader = hiredis.Reader()
        self._awaited: list[int] = []

    def _send(self, count: int) -> None:
        numbers = range(self.next, self.next + count)
        self.next += count
        self._awaited += numbers
        self.client.sendall(b"".join(map(transaction, numbers)))

    def _receive(self) -> bool:
        data = self.client.recv(65536)
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, list):  # EXEC's; the others are OK and QUEUED
                self.acknowledged.append(self._awaited.pop(0))
                self.times.append(time.monotonic())
        return bool(data)

    def run(
        self,
        process: subprocess.Popen[bytes],
        is_time: Callable[[], bool],
        *commands: bytes,
        light: bool = False,
        goes_on: bool = False,
    ) -> None:
        """Write until it is time to kill the process, and do. What the server has still said is taken.

        `commands` are sent first. `light`: a light load. `goes_on`: the server written to is another one, which lives.
        """
        self._send(AHEAD)
        for command in commands:
            self.client.sendall(command + b"\r\n")
        while not is_time():
            if light:
                time.sleep(0.02)
            before = len(self.acknowledged)
            assert self._receive()
            self._send(len(self.acknowledged) - before)
        self.killed = time.monotonic()
        process.kill()
        with contextlib.suppress(ConnectionResetError):
            while (self._awaited or not goes_on) and self._receive():
                pass
