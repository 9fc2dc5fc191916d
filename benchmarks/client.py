"""The client beside its peers, on one real server.

Each round measures every client on every backend once, one after the other, so that a machine whose speed
drifts does so for all of them; the tables show medians.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import anyio

from benchmarks.bare import bare_protocol
from benchmarks.clients import ASYNCIO_ONLY, CLIENTS, Following, Subject
from benchmarks.report import Report
from benchmarks.running import running

BACKENDS = {"asyncio": ("asyncio", {}), "uvloop": ("asyncio", {"use_uvloop": True}), "trio": ("trio", {})}
BARE = "bare Protocol"
VALUE = b"x" * 32
LARGE = b"x" * 2**20
#: Seconds after which a client that does not answer any more ends the run.
_PATIENCE = 120


@dataclass(frozen=True)
class Sizes:
    """How much of everything there is in a round."""

    rounds: int = 5
    alone: int = 3000
    each: int = 100
    pipelines: int = 60
    large: int = 10
    subscribers: int = 100
    #: So many that the one full collection of garbage that may fall into a run is a small part of it.
    messages: int = 200


SMALL = Sizes(rounds=1, alone=20, each=2, pipelines=2, large=1, subscribers=5, messages=3)
FULL = Sizes()


async def one_task(subject: Subject, sizes: Sizes) -> float:
    began = time.perf_counter()
    for _ in range(sizes.alone):
        if await subject.get("bench:0") != VALUE:
            raise AssertionError("a wrong answer")
    return sizes.alone / (time.perf_counter() - began)


async def hundred_tasks(subject: Subject, sizes: Sizes) -> float:
    async def task(number: int) -> None:
        expected = VALUE if number % 2 else None
        key = f"bench:{number}" if number % 2 else f"nope:{number}"
        for _ in range(sizes.each):
            if await subject.get(key) != expected:
                raise AssertionError("a wrong answer")

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(task, number)
    return 100 * sizes.each / (time.perf_counter() - began)


async def pipeline_of_100(subject: Subject, sizes: Sizes) -> float:
    items = [(f"bench:{number}", VALUE) for number in range(100)]
    expected = [subject.ok] * 100
    began = time.perf_counter()
    for _ in range(sizes.pipelines):
        if list(await subject.set_many(items)) != expected:
            raise AssertionError("a wrong answer")
    return 100 * sizes.pipelines / (time.perf_counter() - began)


async def four_tasks_of_1_mib(subject: Subject, sizes: Sizes) -> float:
    async def task() -> None:
        for _ in range(sizes.large):
            if await subject.get("bench:large") != LARGE:
                raise AssertionError("a wrong answer")

    await subject.set_many([("bench:large", LARGE)])
    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(task)
    return 4 * sizes.large / (time.perf_counter() - began)


async def a_hundred_subscribers(subject: Subject, sizes: Sizes) -> float:
    """Messages that arrive a second, each of one publisher at all of the subscribers."""
    assert subject.publish is not None
    assert subject.subscriber is not None
    messages = [b"message %d" % number for number in range(sizes.messages)]

    async def listen(following: Following) -> None:
        for expected in messages:
            if await following() != expected:
                raise AssertionError("a wrong message")

    async with AsyncExitStack() as stack:
        subscribers = [
            await stack.enter_async_context(subject.subscriber("bench")) for _ in range(sizes.subscribers)
        ]
        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for following in subscribers:
                group.start_soon(listen, following)
            for message in messages:
                # To the server they are one, where they share a connection.
                if await subject.publish("bench", message) not in (1, sizes.subscribers):
                    raise AssertionError("a subscriber is missing")
        return sizes.messages * sizes.subscribers / (time.perf_counter() - began)


WORKLOADS: dict[str, Callable[[Subject, Sizes], Awaitable[float]]] = {
    "GET, 1 task": one_task,
    "GET, 100 tasks": hundred_tasks,
    "pipeline of 100 SET": pipeline_of_100,
    "GET of 1 MiB, 4 tasks": four_tasks_of_1_mib,
    "message to 100 subscribers": a_hundred_subscribers,
}


async def _measure(name: str, backend: str, port: int, report: Report, sizes: Sizes) -> None:
    with anyio.fail_after(_PATIENCE):
        async with CLIENTS[name](port) as subject:
            await pipeline_of_100(subject, sizes)  # fills the keys, and warms up
            await hundred_tasks(subject, sizes)
            for workload, run_it in WORKLOADS.items():
                report.add(f"{workload}, {backend}", name, await run_it(subject, sizes))


async def _measure_bare(backend: str, port: int, report: Report, sizes: Sizes) -> None:
    with anyio.fail_after(_PATIENCE):
        async with bare_protocol(port) as subject:
            await hundred_tasks(subject, sizes)
            for workload in ("GET, 1 task", "GET, 100 tasks"):
                report.add(f"{workload}, {backend}", BARE, await WORKLOADS[workload](subject, sizes))


def run(sizes: Sizes) -> list[Report]:
    """Measure every client on every backend, and the bare protocol where there is one, in turns."""
    report = Report("client", "client, operations a second")
    with running("Redis") as server:
        for _ in range(sizes.rounds):
            for backend, (loop, options) in BACKENDS.items():
                for name in (*CLIENTS, BARE):
                    if backend == "trio" and (name in ASYNCIO_ONLY or name == BARE):
                        continue
                    measure = _measure_bare if name == BARE else partial(_measure, name)
                    anyio.run(
                        measure, backend, server.port, report, sizes, backend=loop, backend_options=options
                    )
    report.sort()
    return [report]
