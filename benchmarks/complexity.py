"""Time against size, for the commands that would be the first to show a worse complexity than Redis documents.

What a command takes is measured without sockets, in the processor's time of this process: commands go into a session
of an engine, replies come out. A line that is level, or rises with the logarithm of the size, is as Redis documents
it; LINDEX and LINSERT in the middle of a list may rise with the size, as Redis' do.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import hiredis

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from benchmarks.report import Report
from benchmarks.running import descriptors, running

#: Commands per measurement, made in batches as a pipeline sends them.
_COMMANDS: Final = 2000
_BATCH: Final = 50

Arguments = tuple[bytes | str | int | float, ...]


@dataclass(frozen=True)
class Sizes:
    """The most elements, and how many keys, subscribers and connections."""

    largest: int = 1_000_000
    expiring: int = 100_000
    subscribers: int = 1000
    connections: int = 5000


FULL = Sizes()
SMALL = Sizes(1000, 1000, 20, 20)


class Server:
    """An engine with one client, without sockets."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.engine = Engine(clock=self.clock)
        self.session = self.engine.connect()

    def run(self, commands: Iterable[Arguments]) -> int:
        """Run commands; the bytes of their replies."""
        self.session.receive(b"".join(hiredis.pack_command(command) for command in commands))
        self.engine.flush()
        return len(self.session.take_output())

    def time(self, commands: Iterable[Arguments]) -> float:
        """Microseconds of computing for each of the commands: the least of three measurements."""
        listed = list(commands)
        batches = [
            b"".join(hiredis.pack_command(command) for command in listed[start : start + _BATCH])
            for start in range(0, len(listed), _BATCH)
        ]
        taken = []
        for _ in range(3):
            begun = time.process_time()
            for batch in batches:
                self.session.receive(batch)
                self.engine.flush()
                self.session.take_output()
            taken.append(time.process_time() - begun)
        return min(taken) / len(listed) * 1e6


def _filled(commands: Callable[[range], Arguments], size: int) -> Server:
    server = Server()
    for start in range(0, size, 1000):
        server.run([commands(range(start, min(start + 1000, size)))])
    return server


def _sorted_sets(size: int) -> dict[str, float]:
    server = _filled(lambda part: ("ZADD", "z", *(word for n in part for word in (n, f"m{n}"))), size)
    chance = random.Random(1)
    places = [chance.randrange(size) for _ in range(_COMMANDS)]
    return {
        "ZADD": server.time(("ZADD", "z", place + 0.5, f"m{place}") for place in places),
        "ZRANK": server.time(("ZRANK", "z", f"m{place}") for place in places),
        "ZRANGE of 10": server.time(("ZRANGE", "z", place, place + 9) for place in places),
    }


def _lists(size: int) -> dict[str, float]:
    server = _filled(lambda part: ("RPUSH", "l", *part), size)
    middle = size // 2
    few = range(_COMMANDS // 20)
    return {
        "LINDEX in the middle": server.time(("LINDEX", "l", middle) for _ in few),
        "LINSERT in the middle": server.time(("LINSERT", "l", "BEFORE", middle, "x") for _ in few),
        "LRANGE of 10 in the middle": server.time(("LRANGE", "l", middle, middle + 9) for _ in few),
    }


def _streams(size: int) -> dict[str, float]:
    server = Server()
    for start in range(1, size + 1, 1000):
        server.run(("XADD", "x", f"{number}-1", "f", "v") for number in range(start, start + 1000))
    chance = random.Random(1)
    return {
        "XADD": server.time(("XADD", "x", "*", "f", "v") for _ in range(_COMMANDS)),
        "XRANGE of 10": server.time(
            ("XRANGE", "x", chance.randrange(1, size), "+", "COUNT", 10) for _ in range(_COMMANDS)
        ),
    }


def _scans(size: int) -> dict[str, float]:
    """Steps of a SCAN, a key written and a key removed after each; the index is there."""
    server = _filled(lambda part: ("MSET", *(word for n in part for word in (f"k{n}", n))), size)
    server.run([("SCAN", 0)])
    chance = random.Random(1)
    commands: list[Arguments] = []
    for number in range(_COMMANDS // 2):
        commands.append(("SCAN", chance.randrange(1, size)))
        commands.append(("SET", f"new{number}", "x"))
        commands.append(("DEL", f"k{chance.randrange(size)}"))
    return {"SCAN, SET and DEL, each": server.time(commands)}


def longest_expiry_pause(size: int) -> float:
    """Milliseconds that the longest turn takes while `size` keys expire in one second."""
    server = Server()
    for start in range(0, size, 1000):
        server.run(
            ("SET", f"k{number}", "x", "PX", 10_000 + number * 1000 // size)
            for number in range(start, start + 1000)
        )
    longest = 0.0
    server.clock.advance(11)
    while server.engine.keyspace.databases[0].expires:
        begun = time.process_time()
        server.engine.run_due()
        server.engine.flush()
        longest = max(longest, time.process_time() - begun)
    return longest * 1e3


def fan_out(size: int) -> float:
    """Microseconds of computing for a message to each of `size` subscribers, per subscriber."""
    server = Server()
    subscribers = [server.engine.connect() for _ in range(size)]
    for session in subscribers:
        session.receive(hiredis.pack_command(("SUBSCRIBE", "c")))
        session.take_output()
    begun = time.process_time()
    for _ in range(20):
        server.run([("PUBLISH", "c", "x" * 100)])
        for session in subscribers:
            session.take_output()
    return (time.process_time() - begun) / 20 / size * 1e6


def idle_connections(count: int) -> dict[str, float]:
    """Kilobytes of memory that each of `count` idle connections takes, in servers of their own."""
    most = descriptors() - 200
    if count > most:
        raise SystemExit(f"{count} connections: the system allows only {most} (ulimit -n)")
    found = {}
    for name in ("Redis", "pulsards"):
        with running(name) as server, ExitStack() as stack:
            before = server.process.memory_info().rss
            for _ in range(count):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                connection.sendall(b"PING\r\n")
                if connection.recv(100) != b"+PONG\r\n":
                    raise AssertionError("a wrong answer")
            found[name] = (server.process.memory_info().rss - before) / count / 1024
    return found


def measure(largest: int) -> Report:
    """Microseconds of computing per command, by the number of elements there."""
    report = Report("complexity", "processor's time of a command, µs, by the elements there", "µs")
    size = 1000
    while size <= largest:
        for part in (_sorted_sets, _lists, _streams, _scans):
            for row, taken in part(size).items():
                report.add(row, f"{size:,}", taken)
        size *= 10
    return report


def run(sizes: Sizes) -> list[Report]:
    """Measure all of it, once."""
    scale = Report("scale", "many at once", "")
    row = f"{sizes.expiring:,} keys that expire in one second, longest turn, ms"
    scale.add(row, "pulsards", longest_expiry_pause(sizes.expiring))
    row = f"message to {sizes.subscribers:,} subscribers, for each, µs"
    scale.add(row, "pulsards", fan_out(sizes.subscribers))
    for name, taken in idle_connections(sizes.connections).items():
        scale.add(f"{sizes.connections:,} idle connections, each, KiB", name, taken)
    return [measure(sizes.largest), scale]
