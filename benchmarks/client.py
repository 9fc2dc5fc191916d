"""The client beside its peers, on one real server: `python -m benchmarks.client [--rounds N] [--json FILE]`.

Each round measures every client on every backend once, one after the other, so that a machine whose speed
drifts does so for all of them; the table shows medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from benchmarks.clients import ASYNCIO_ONLY, CLIENTS, Subject
from benchmarks.report import Report
from tests.servers import redis_binary, run_server, valkey_binary

BACKENDS = {"asyncio": ("asyncio", {}), "uvloop": ("asyncio", {"use_uvloop": True}), "trio": ("trio", {})}
VALUE = b"x" * 32
LARGE = b"x" * 2**20


async def one_task(subject: Subject) -> float:
    count = 3000
    began = time.perf_counter()
    for _ in range(count):
        if await subject.get("bench:0") != VALUE:
            raise AssertionError("a wrong answer")
    return count / (time.perf_counter() - began)


async def hundred_tasks(subject: Subject) -> float:
    each = 100

    async def task(number: int) -> None:
        expected = VALUE if number % 2 else None
        key = f"bench:{number}" if number % 2 else f"nope:{number}"
        for _ in range(each):
            if await subject.get(key) != expected:
                raise AssertionError("a wrong answer")

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(task, number)
    return 100 * each / (time.perf_counter() - began)


async def pipeline_of_100(subject: Subject) -> float:
    count = 60
    items = [(f"bench:{number}", VALUE) for number in range(100)]
    expected = [subject.ok] * 100
    began = time.perf_counter()
    for _ in range(count):
        if list(await subject.set_many(items)) != expected:
            raise AssertionError("a wrong answer")
    return 100 * count / (time.perf_counter() - began)


async def four_tasks_of_1_mib(subject: Subject) -> float:
    each = 10

    async def task() -> None:
        for _ in range(each):
            if await subject.get("bench:large") != LARGE:
                raise AssertionError("a wrong answer")

    await subject.set_many([("bench:large", LARGE)])
    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(task)
    return 4 * each / (time.perf_counter() - began)


WORKLOADS: dict[str, Callable[[Subject], Awaitable[float]]] = {
    "GET, 1 task": one_task,
    "GET, 100 tasks": hundred_tasks,
    "pipeline of 100 SET": pipeline_of_100,
    "GET of 1 MiB, 4 tasks": four_tasks_of_1_mib,
}


def measure(name: str, backend: str, port: int, report: Report) -> None:
    async def main() -> None:
        async with CLIENTS[name](port) as subject:
            await pipeline_of_100(subject)  # fills the keys, and warms up
            await hundred_tasks(subject)
            for workload, run in WORKLOADS.items():
                report.add(f"{workload}, {backend}", name, await run(subject))

    loop, options = BACKENDS[backend]
    anyio.run(main, backend=loop, backend_options=options)


def run(rounds: int) -> Report:
    """Measure every client on every backend, `rounds` times."""
    report = Report("client, operations a second")
    with run_server(redis_binary() or valkey_binary()) as server:
        for _ in range(rounds):
            for backend in BACKENDS:
                for name in CLIENTS:
                    if backend != "trio" or name not in ASYNCIO_ONLY:
                        measure(name, backend, server.port, report)
    report.sort()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = run(arguments.rounds)
    print(report.table(CLIENTS))
    print()
    print(report.ratios("anystore", [name for name in CLIENTS if name != "anystore"]))
    if arguments.json:
        report.save(arguments.json)


if __name__ == "__main__":
    main()
