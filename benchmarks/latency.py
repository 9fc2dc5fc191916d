"""How long a request takes at half of what a server can do: percentiles, from requests that come at random moments.

What a server can do is measured first, by redis-benchmark with as many connections; then come GETs at half that rate, at
their own pace. Redis is also asked as seldom as pulsards, which is what a program that could do with either would see.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.loads import Arrivals, percentile, redis_benchmark
from benchmarks.report import Report
from benchmarks.running import Running, running

CONNECTIONS = 50
PERCENTILES = (50.0, 95.0, 99.0, 99.9)
SERVERS = ("Redis", "asyncio", "uvloop", "trio")
_VALUE = b"x" * 32


@dataclass(frozen=True)
class Sizes:
    """How often and how long each server is asked."""

    rounds: int = 3
    seconds: float = 3.0
    requests: int = 20_000


FULL = Sizes()
SMALL = Sizes(1, 0.2, 500)


def _ask(report: Report, column: str, server: Running, rate: float, seconds: float) -> None:
    arrivals = Arrivals(server.port, CONNECTIONS, (b"GET", b"latency"), b"$32\r\n%b\r\n" % _VALUE)
    try:
        arrivals.run(rate, seconds)
    finally:
        arrivals.close()
    for share in PERCENTILES:
        report.add(f"p{share:g}", column, percentile(arrivals.times, share))
    report.add("sent late by the generator, p99", column, percentile(arrivals.late, 99))
    report.add("requests a second", column, len(arrivals.times) / seconds)


def run(sizes: Sizes) -> list[Report]:
    """Measure every server, in turns."""
    report = Report("latency", "GET at half load, ms", "ms")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name)) for name in SERVERS}
        for server in servers.values():
            server.client.execute("SET", "latency", _VALUE)
        for _ in range(sizes.rounds):
            halves: dict[str, float] = {}
            for name, server in servers.items():
                # A third of it first, since a Python that has just begun is slower.
                redis_benchmark(server.port, "-n", str(sizes.requests // 3), "-t", "get")
                halves[name] = redis_benchmark(server.port, "-n", str(sizes.requests), "-t", "get") / 2
                _ask(report, name, server, halves[name], sizes.seconds)
            _ask(report, "Redis, as seldom as asyncio", servers["Redis"], halves["asyncio"], sizes.seconds)
    return [report]
