"""How the cost of a request grows: with the connections, the size of a value, and the number of keys.

pulsards beside Redis, in turns, under redis-benchmark. The answers are looked at through a client: every server has
to hold the very values that it was sent, and as many requests as it was sent have to have been counted.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.loads import redis_benchmark
from benchmarks.report import Report
from benchmarks.running import Running, check_strings, descriptors, fill, running, string_value, strings

SERVERS = ("Redis", "asyncio", "uvloop", "trio")


@dataclass(frozen=True)
class Sizes:
    """How much of everything there is."""

    rounds: int = 2
    requests: int = 20_000
    connections: tuple[int, ...] = (1, 10, 100, 1000, 5000)
    values: tuple[int, ...] = (10, 100, 1024, 10 * 1024, 100 * 1024, 1024 * 1024)
    #: Bytes that are moved at most for a size of values.
    moved: int = 500 * 2**20
    keys: tuple[int, ...] = (1000, 10_000, 100_000, 1_000_000)


FULL = Sizes()
SMALL = Sizes(1, 200, (1, 20), (10, 10 * 1024), 2**20, (100, 1000))


def counted(server: Running) -> int:
    return int(server.info("stats")["total_commands_processed"])


def load(server: Running, requests: int, *arguments: str) -> float:
    """Requests a second, all of which the server has to have carried out."""
    before = counted(server)
    rate = redis_benchmark(server.port, "-n", str(requests), *arguments)
    # redis-benchmark asks for CONFIG, and our own INFO counts too, so there may be a few more.
    if counted(server) - before < requests:
        raise AssertionError("not every request was carried out")
    return rate


def _connections(servers: dict[str, Running], sizes: Sizes, report: Report) -> None:
    most = descriptors() - 200
    for count in sizes.connections:
        if count > most:
            raise SystemExit(f"{count} connections: the system allows only {most} (ulimit -n)")
        # A lone connection gets through a tenth of what many do.
        requests = sizes.requests if count > 1 else sizes.requests // 2
        for name, server in servers.items():
            rate = load(server, max(requests, 2 * count), "-c", str(count), "-t", "get")
            report.add(f"{count:,}", name, rate)


def _values(servers: dict[str, Running], sizes: Sizes, reports: dict[str, Report]) -> None:
    for size in sizes.values:
        requests = max(10, min(sizes.requests, sizes.moved // size))
        for name, server in servers.items():
            for test, report in reports.items():
                rate = load(server, requests, "-c", "50", "-d", str(size), "-t", test)
                report.add(f"{size:,}", name, rate)
            found = server.client.execute("GET", "key:__rand_int__")
            if len(found) != size:
                raise AssertionError(f"{name} holds {len(found)} bytes instead of {size}")


def _keys(sizes: Sizes, report: Report) -> None:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name)) for name in SERVERS[:2]}
        there = 0
        for count in sizes.keys:
            for server in servers.values():
                fill(server.client, strings(range(there, count)), b"OK")
            there = count
            for _ in range(sizes.rounds):
                for name, server in servers.items():
                    # Random ones of the keys that are there, so each GET finds one, and no SET makes one.
                    common = ("-c", "50", "-P", "16", "-r", str(count))
                    requests = 5 * sizes.requests
                    missed = server.info("stats")["keyspace_misses"]
                    rate = load(server, requests, *common, "GET", "key:__rand_int__")
                    if server.info("stats")["keyspace_misses"] != missed:
                        raise AssertionError(f"{name} did not find a key that is there")
                    report.add(f"{count:,}", f"GET, {name}", rate)
                    value = string_value(0).decode()
                    rate = load(server, requests, *common, "SET", "key:__rand_int__", value)
                    report.add(f"{count:,}", f"SET, {name}", rate)
                    if server.client.execute("DBSIZE") != count:
                        raise AssertionError(f"{name} has other keys than those that were set")
        for server in servers.values():
            fill(server.client, strings(range(there)), b"OK")
            check_strings(server.client, there)


def run(sizes: Sizes) -> list[Report]:
    """Measure all of it."""
    connections = Report("connections", "GET, requests a second, by connections")
    # In this order, so that there is something to get.
    values = {
        test: Report(
            f"{test}-size", f"{test.upper()}, requests a second of 50 connections, by the bytes of the value"
        )
        for test in ("set", "get")
    }
    keys = Report("database-size", "requests a second of 50 connections, -P 16, random ones of so many keys")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name)) for name in SERVERS}
        for server in servers.values():
            server.client.execute("SET", "key:__rand_int__", "xxx")
        for _ in range(sizes.rounds):
            _connections(servers, sizes, connections)
        for _ in range(sizes.rounds):
            _values(servers, sizes, values)
    _keys(sizes, keys)
    return [connections, *values.values(), keys]
