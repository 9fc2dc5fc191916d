"""What a server takes beside time per request; less is better throughout.

The CPU time of a request, the memory of a key, and how long it is until the first answer. Starts are those of an
installed program: Python may keep its bytecode, and has done so in a first start that does not count.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.loads import redis_benchmark
from benchmarks.report import Report
from benchmarks.running import check_strings, fill, kept_bytecode, running, strings

SERVERS = ("Redis", "pulsards")
START = "start to first answer, ms"
IMPORT = "import anystore, ms"
FIRST = "memory://, all imported, to first answer, ms"
SMALL_STRING = "memory of a small string, bytes"
MEMBER = "memory of a member, bytes"


@dataclass(frozen=True)
class Sizes:
    """How many requests, and how many keys, and how often."""

    rounds: int = 5
    requests: int = 30_000
    keys: int = 1_000_000


FULL = Sizes()
SMALL = Sizes(1, 3000, 1000)

FIRST_ANSWER = """
import time, anyio, anystore, anystore.embedded
from anystore.pulsards.commands import load
load()
anyio.run(anyio.sleep, 0)  # which imports what anyio needs for asyncio, as any program has done
began = time.perf_counter()
async def main():
    async with anystore.create_store("memory://") as store:
        assert await store.client().set("key", "value") is True
anyio.run(main)
print(time.perf_counter() - began)
"""


def cpu_row(test: str, pipeline: int = 1) -> str:
    return f"CPU of a {test.upper()}, -P {pipeline}, µs"


def sorted_set(keys: int) -> Iterator[tuple[bytes, ...]]:
    """The commands that add so many members to one sorted set."""
    return (
        (b"ZADD", b"board", b"%d" % (number * 7919 % keys), b"member:%012d" % number)
        for number in range(keys)
    )


def _memory(report: Report, row: str, keys: int, commands: Callable[[], Iterator[tuple[bytes, ...]]]) -> None:
    """The bytes of resident memory that a server needs more for each key, by what the operating system says."""
    for name in SERVERS:
        with running(name) as server:
            before = server.process.memory_info().rss
            fill(server.client, commands(), b"OK" if row == SMALL_STRING else 1)
            report.add(row, name, (server.process.memory_info().rss - before) / keys)
            if row == SMALL_STRING:
                check_strings(server.client, keys)
            elif server.client.execute("ZCARD", "board") != keys:
                raise AssertionError("not every member is there")


def measure_cpu(
    report: Report,
    rounds: int,
    requests: int,
    names: Mapping[str, str],
    pythons: Mapping[str, str] | None = None,
    pipeline: int = 1,
) -> None:
    """The processor time of servers, user's and system's, for a SET and a GET, in turns.

    `names` has the servers by column, `pythons` whose pulsards one is, where that is not the one here.
    """
    places = pythons or {}
    with ExitStack() as stack:
        servers = {
            column: stack.enter_context(running(name, python=places.get(name)))
            for column, name in names.items()
        }
        for _ in range(rounds):
            for test in ("set", "get"):
                for column, server in servers.items():
                    before = server.cpu()
                    redis_benchmark(server.port, "-n", str(requests), "-P", str(pipeline), "-t", test)
                    report.add(cpu_row(test, pipeline), column, (server.cpu() - before) / requests * 1e6)
                    if server.client.execute("GET", "key:__rand_int__") is None:
                        raise AssertionError("SET stored nothing")


def _seconds_of(code: str, environment: Mapping[str, str]) -> float:
    """How long the interpreter takes for a piece of code, its own start left out."""
    spent = []
    for source in ("pass", code):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", source], check=True, env=environment)
        spent.append(time.perf_counter() - began)
    return spent[1] - spent[0]


def _first_answer(environment: Mapping[str, str]) -> float:
    """The seconds until a server in this process, all imported, anyio's part for asyncio too, has answered."""
    told = subprocess.run(
        [sys.executable, "-c", FIRST_ANSWER], check=True, capture_output=True, text=True, env=environment
    )
    return float(told.stdout)


def _starts(report: Report, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="as") as folder:
        environment = kept_bytecode(folder)
        names = (*SERVERS, "fakeredis")
        for count in range(rounds + 1):
            for name in names:
                with running(name, environment=environment) as server:
                    if count:
                        report.add(START, name, server.seconds * 1000)
            imported = _seconds_of("import anystore", environment) * 1000
            first = _first_answer(environment) * 1000
            if count:  # the first round is for the bytecode
                report.add(IMPORT, "pulsards", imported)
                report.add(FIRST, "pulsards", first)


def run(sizes: Sizes) -> list[Report]:
    """Measure everything; the memory of keys once, as it does not vary."""
    report = Report("resources", "what it takes", "")
    _starts(report, sizes.rounds)
    measure_cpu(report, sizes.rounds, sizes.requests, {name: name for name in SERVERS})
    _memory(report, SMALL_STRING, sizes.keys, lambda: strings(range(sizes.keys)))
    _memory(report, MEMBER, sizes.keys, lambda: sorted_set(sizes.keys))
    return [report]
