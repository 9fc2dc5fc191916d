"""Load on a server: what redis-benchmark makes, and requests that come at their own pace, whatever the answers do."""

from __future__ import annotations

import csv
import io
import random
import select
import shutil
import socket
import subprocess
import time
from collections import deque

import hiredis

#: The longest wait for the last answers, in seconds.
_PATIENCE = 30.0


def redis_benchmark(port: int, *arguments: str) -> float:
    """Requests a second of the last of redis-benchmark's tests that are asked for."""
    if shutil.which("redis-benchmark") is None:
        raise SystemExit("redis-benchmark is not on PATH; Debian has it in the package redis-tools")
    output = subprocess.run(
        ["redis-benchmark", "-p", str(port), "--csv", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    # The last row: LRANGE comes after the LPUSH that fills its list.
    return float(list(csv.DictReader(io.StringIO(output)))[-1]["rps"])


class Arrivals:
    """Requests at random moments, so many a second, over so many connections, in turns; each of them has one answer.

    A request's time counts from the moment that it was due at, so that a server that stops for a while has all that should
    have come meanwhile on its account. Those that this generator itself sends late are in `late`.
    """

    def __init__(self, port: int, connections: int, request: tuple[bytes, ...], reply: bytes) -> None:
        self._request = hiredis.pack_command(request)
        self._reply = reply
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        self._due: dict[int, deque[float]] = {}
        self._rest: dict[int, bytes] = {}
        self._poll = select.epoll()
        for connection in self._sockets:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(connection, select.EPOLLIN)
            self._due[connection.fileno()] = deque()
            self._rest[connection.fileno()] = b""
        self._by_number = {connection.fileno(): connection for connection in self._sockets}
        self.times: list[float] = []
        self.late: list[float] = []

    def run(self, rate: float, seconds: float) -> None:
        """Send for so many seconds, and wait for all answers; `times` and `late` are in seconds then."""
        chance = random.Random(1)
        now = begun = time.perf_counter()
        due, number = begun + chance.expovariate(rate), 0
        while due < begun + seconds:
            while due <= now:
                connection = self._sockets[number % len(self._sockets)]
                connection.sendall(self._request)
                self._due[connection.fileno()].append(due)
                self.late.append(now - due)
                due += chance.expovariate(rate)
                number += 1
            self._receive(0.0)
            now = time.perf_counter()
        deadline = now + _PATIENCE
        while len(self.times) < number:
            self._receive(0.1)
            if time.perf_counter() > deadline:
                raise AssertionError(f"{number - len(self.times)} requests have no answer")

    def _receive(self, wait: float) -> None:
        for number, _ in self._poll.poll(wait):
            data = self._rest[number] + self._by_number[number].recv(65536)
            now = time.perf_counter()
            count = len(data) // len(self._reply)
            if not data or data[: count * len(self._reply)] != self._reply * count:
                raise AssertionError(f"a wrong answer: {data[:100]!r}")
            self._rest[number] = data[count * len(self._reply) :]
            waiting = self._due[number]
            self.times += [now - waiting.popleft() for _ in range(count)]

    def close(self) -> None:
        self._poll.close()
        for connection in self._sockets:
            connection.close()


def percentile(times: list[float], share: float) -> float:
    """What so many of a hundred are not above; in milliseconds, of seconds."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share / 100))] * 1000
