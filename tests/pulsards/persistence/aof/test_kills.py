"""A real server, killed without warning at random moments under load, again and again, on one and the same directory.

The environment variable ANYSTORE_KILLS says how many times; `nox -s kills` does it hundreds of times.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hiredis
import pytest

from tests.servers import free_port

KILLS = int(os.environ.get("ANYSTORE_KILLS", "20"))
#: Transactions that a client sends ahead of the replies.
AHEAD = 40
#: Nothing older than this is lost with everysec, in seconds.
WINDOW = 3
#: How long to wait for anything, in seconds: far longer than it takes.
PATIENCE = 60


@contextlib.contextmanager
def serving(directory: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A server on the directory, and a client's socket, once the data have been loaded."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "anystore.pulsards",
        "--port",
        str(port),
        "--dir",
        str(directory),
        *options,
    ]
    with (directory.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, (directory.parent / "log").read_text()
            assert time.monotonic() < deadline
            with contextlib.suppress(OSError):
                client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                client.sendall(b"PING\r\n")
                if client.recv(100) == b"+PONG\r\n":
                    break
                client.close()
            time.sleep(0.02)
        with client:
            yield process, client
    finally:
        process.kill()
        process.wait()


def transaction(number: int) -> bytes:
    commands = [
        (b"MULTI",),
        (b"RPUSH", b"numbers", b"%d" % number),
        (b"INCRBY", b"sum", b"%d" % number),
        (b"EXEC",),
    ]
    return b"".join(map(hiredis.pack_command, commands))


def found(client: socket.socket) -> list[int]:
    """The numbers that are there; both keys of a transaction agree."""
    reader = hiredis.Reader()
    client.sendall(b"LRANGE numbers 0 -1\r\nGET sum\r\n")
    replies: list[object] = []
    while len(replies) < 2:
        while (reply := reader.gets()) is not False:
            replies.append(reply)
        if len(replies) < 2:
            reader.feed(client.recv(65536))
    numbers = [int(number) for number in replies[0]]  # type: ignore[attr-defined]
    assert int(replies[1] or 0) == sum(numbers)  # type: ignore[call-overload]
    return numbers


class Load:
    """A client that writes rising numbers, many ahead of the replies, until the server is gone."""

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

    def run(self, process: subprocess.Popen[bytes], count: int, seconds: float, rewrites: bool) -> None:
        """Kill the server once so many numbers have been acknowledged, and so many seconds have gone by.

        What it has still said until then is taken.
        """
        end = time.monotonic() + seconds
        self._send(AHEAD)
        if rewrites:
            self.client.sendall(b"BGREWRITEAOF\r\n")
        while len(self.acknowledged) < count or time.monotonic() < end:
            if seconds:
                time.sleep(0.02)  # a light load, for as long
            before = len(self.acknowledged)
            assert self._receive()
            self._send(len(self.acknowledged) - before)
        self.killed = time.monotonic()
        process.kill()
        with contextlib.suppress(ConnectionResetError):
            while self._receive():
                pass


@pytest.mark.timeout(60 + 20 * KILLS)
@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_server_that_is_killed_loses_nothing_it_must_not_lose(policy: str, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    chance = random.Random()
    there: list[int] = []
    load: Load | None = None
    for kill in range(1 + (KILLS if policy == "always" else KILLS // 3)):
        with serving(directory, "--appendfsync", policy) as (process, client):
            left = found(client)
            assert left[: len(there)] == there
            if load is not None:
                new = left[len(there) :]
                first = load.acknowledged[0]
                assert new == list(range(first, first + len(new))), f"kill {kill}: in order, and none twice"
                # With everysec changes are written behind an fsync that runs, but two seconds later at most.
                lost = load.times[len(new) :]
                assert all(policy != "always" and when > load.killed - WINDOW for when in lost), (
                    f"kill {kill}"
                )
            there = left
            load = Load(client, 0 if load is None else load.next)
            lasting = WINDOW + 1 if policy == "everysec" and kill % 3 == 0 else 0
            load.run(process, chance.randint(1, 400), lasting, chance.random() < 0.5)
