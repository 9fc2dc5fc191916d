"""Time against size: `python -m benchmarks.complexity [--largest 1000000] [--svg FILE]`, some three minutes.

What a command takes is measured without sockets, in the processor's time of this process: commands go into a session
of an engine, replies come out. A line that is level, or rises with the logarithm of the size, is as Redis documents
it; LINDEX and LINSERT in the middle of a list may rise with the size, as Redis' do.
"""

from __future__ import annotations

import argparse
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from html import escape
from math import log10
from pathlib import Path
from typing import Final

import hiredis
import psutil

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from benchmarks.report import Report
from tests.servers import free_port

#: Commands per measurement, made in batches as a pipeline sends them.
_COMMANDS: Final = 2000
_BATCH: Final = 50
_COLOURS: Final = (
    "#1b6ac9",
    "#c9481b",
    "#1b9c4b",
    "#8a3fc0",
    "#b58900",
    "#00838f",
    "#ad1457",
    "#5d4037",
    "#37474f",
)

Arguments = tuple[bytes | str | int | float, ...]


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


def idle_connections(count: int) -> float:
    """Kilobytes of memory that each of `count` idle connections takes, in a server of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "anystore.pulsards", "--port", str(port)])
    try:
        with ExitStack() as stack:
            first = _connected(port, stack)
            before = psutil.Process(process.pid).memory_info().rss
            for _ in range(count):
                _connected(port, stack)
            first.sendall(b"PING\r\n")
            first.recv(100)
            return float(psutil.Process(process.pid).memory_info().rss - before) / count / 1024
    finally:
        process.terminate()
        process.wait()


def _connected(port: int, stack: ExitStack) -> socket.socket:
    """A connection that has been answered once."""
    while True:
        try:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        connection.sendall(b"PING\r\n")
        connection.recv(100)
        return connection


def measure(largest: int) -> Report:
    """Microseconds of computing per command, by the number of elements there."""
    report = Report("microseconds, by size", "µs")
    size = 1000
    while size <= largest:
        for part in (_sorted_sets, _lists, _streams, _scans):
            for row, taken in part(size).items():
                report.add(row, f"{size:,}", taken)
        size *= 10
    return report


def plot(report: Report) -> str:
    """The report as an SVG: both axes logarithmic."""
    rows = {
        row: [(int(column.replace(",", "")), min(taken)) for column, taken in columns.items()]
        for row, columns in report.rates.items()
    }
    sizes = [size for line in rows.values() for size, _ in line]
    least, most = log10(min(sizes)), max(log10(max(sizes)), log10(min(sizes)) + 1)

    def place(size: int, taken: float) -> str:
        x = 60 + (log10(size) - least) / (most - least) * 380
        y = 330 - max(0.0, min(1.0, (log10(max(taken, 0.1)) + 1) / 6)) * 300
        return f"{x:.1f},{y:.1f}"

    found = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 370" font-family="sans-serif" font-size="11">'
    ]
    found.append('<rect width="660" height="370" fill="white"/>')
    for power in range(-1, 6):
        y = 330 - (power + 1) / 6 * 300
        found.append(
            f'<path d="M60 {y:.1f}H440" stroke="#ddd"/><text x="8" y="{y + 4:.1f}">{10.0**power:g} µs</text>'
        )
    for size in sorted(set(sizes)):
        x = place(size, 1).partition(",")[0]
        found.append(f'<text x="{x}" y="350" text-anchor="middle">{size:,}</text>')
    for number, (row, line) in enumerate(rows.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(place(size, taken) for size, taken in line)
        found.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        found.append(f'<text x="455" y="{40 + number * 18}" fill="{colour}">{escape(row)}</text>')
    return "\n".join([*found, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--largest", type=int, default=1_000_000, help="elements at most")
    parser.add_argument("--svg", type=Path, help="where to put the plot")
    arguments = parser.parse_args()
    report = measure(arguments.largest)
    sizes = list(next(iter(report.rates.values())))
    print(report.table(sizes))
    keys = min(100_000, arguments.largest)
    print(
        f"\n{keys:,} keys that expire in one second: the longest turn takes {longest_expiry_pause(keys):.1f} ms."
    )
    print(f"A message to 1,000 subscribers: {fan_out(1000):.1f} µs for each of them.")
    print(f"5,000 idle connections: {idle_connections(5000):.1f} KB each.")
    if arguments.svg is not None:
        arguments.svg.write_text(plot(report), "utf-8")


if __name__ == "__main__":
    main()
