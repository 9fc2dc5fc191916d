"""pulsards beside Redis and fakeredis, and `memory://` beside fakeredis' asynchronous client.

The load on the servers comes from `redis-benchmark`, 50 connections; the answers are looked at afterwards, through a client.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import geometric_mean

import anyio

from benchmarks.client import BACKENDS
from benchmarks.loads import redis_benchmark
from benchmarks.report import Report
from benchmarks.running import running
from tests.pulsards.peers import RealClient

TESTS = ("set", "get", "incr", "lpush", "rpop", "sadd", "hset", "zadd", "lrange_100", "mset")
#: What fakeredis' server gets through in bearable time.
FAKEREDIS_TESTS = TESTS[:7]
SERVERS = ("Redis", "asyncio", "uvloop", "trio", "fakeredis")


@dataclass(frozen=True)
class Sizes:
    """How many requests there are in a round, by commands in a pipeline."""

    rounds: int = 4
    alone: int = 20_000
    pipelined: int = 100_000
    fakeredis: int = 1000
    in_process: int = 5000

    def requests(self, name: str, pipeline: int) -> int:
        if name == "fakeredis":
            return self.fakeredis
        return self.alone if pipeline == 1 else self.pipelined


FULL = Sizes()
SMALL = Sizes(rounds=1, alone=300, pipelined=4800, fakeredis=100, in_process=50)


def check_answers(client: RealClient, requests: int) -> None:
    """Whether the load left behind what it should: a server that answered nonsense does not count."""
    assert client.execute("SET", "check", "value") == b"OK"
    assert client.execute("GET", "check") == b"value"
    assert client.execute("TYPE", "mylist") in (b"list", b"none", "list", "none")
    counter = client.execute("GET", "counter:__rand_int__")
    assert counter is not None, "INCR left no counter"
    assert int(counter) >= requests, "INCR was not carried out as often as it was answered"


def measure_servers(
    report: Report, sizes: Sizes, names: Sequence[str] = SERVERS, pythons: Mapping[str, str] | None = None
) -> None:
    """The rates of servers, by name; `pythons` has whose pulsards it is, where that is not the one here."""
    places = pythons or {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name, python=places.get(name))) for name in names}
        for _ in range(sizes.rounds):
            for pipeline in (1, 16):
                for server in servers.values():
                    server.client.execute("FLUSHALL")
                # The servers take turns with each test, so that what is compared was measured within seconds.
                for test in TESTS:
                    for name, server in servers.items():
                        if name != "fakeredis" or test in FAKEREDIS_TESTS:
                            requests = str(sizes.requests(name, pipeline))
                            rate = redis_benchmark(
                                server.port, "-n", requests, "-P", str(pipeline), "-t", test
                            )
                            report.add(f"{test.upper()} -P {pipeline}", name, rate)
                for name, server in servers.items():
                    check_answers(server.client, sizes.requests(name, pipeline))


def mean_ratio(report: Report, pipeline: int, backend: str) -> float | None:
    """The geometric mean of pulsards' rates by Redis', over all tests; None where nothing was measured."""
    rows = [row for row in report.rates if row.endswith(f"-P {pipeline}")]
    ratios = [ratio for row in rows if (ratio := report.ratio(row, backend, "Redis")) is not None]
    return geometric_mean(ratios) if ratios else None


def geometric_means(report: Report, names: Sequence[str] = tuple(BACKENDS)) -> str:
    """A table of `mean_ratio`, of each of the servers."""
    lines = [
        f"| pulsards ÷ Redis, geometric mean | {' | '.join(names)} |",
        "| --- |" + " ---: |" * len(names),
    ]
    for pipeline in (1, 16):
        cells = [mean_ratio(report, pipeline, name) for name in names]
        texts = ["–" if cell is None else f"{cell:.2f}" for cell in cells]
        lines.append(f"| -P {pipeline} | {' | '.join(texts)} |")
    return "\n".join(lines)


async def _memory(count: int) -> float:
    from anystore import create_store

    async with create_store("memory://") as store:
        client = store.client()
        await client.set("key", b"value")
        return await _gets(client.get, count)


async def _fakeredis(count: int) -> float:
    from fakeredis import FakeAsyncRedis

    async with FakeAsyncRedis() as client:
        await client.set("key", b"value")
        return await _gets(client.get, count)


async def _gets(get, count: int) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    for _ in range(count):
        if await get("key") != b"value":
            raise AssertionError("a wrong answer")
    return count / (time.perf_counter() - began)


def measure_memory(report: Report, sizes: Sizes) -> None:
    for _ in range(sizes.rounds):
        for backend, (loop, options) in BACKENDS.items():
            row = f"GET in process, 1 task, {backend}"
            rate = anyio.run(_memory, sizes.in_process, backend=loop, backend_options=options)
            report.add(row, "memory://", rate)
            if backend != "trio":
                rate = anyio.run(_fakeredis, sizes.in_process, backend=loop, backend_options=options)
                report.add(row, "fakeredis", rate)


def run(sizes: Sizes) -> list[Report]:
    """Measure the servers, and `memory://`."""
    report = Report("server", "server, requests a second")
    memory = Report("memory", "in process, operations a second")
    measure_memory(memory, sizes)
    measure_servers(report, sizes)
    return [report, memory]
