"""How long a server, or a program's event loop, is held up.

Each server gets many keys, and then a load of writes to all of them, over a connection that waits for every reply. Its
longest waits are looked at for some seconds in which nothing else happens, while BGSAVE runs, while the append-only file
is rewritten, while keys expire that all do so within a second, and while another client's long pipeline is carried out.
What was saved is loaded by a fresh Redis, and compared. Beside it, without any socket, how much time of the processor the
slices of an image take, which does not depend on what else the machine does; and a ticker beside a long pipeline, in the
program that sends it and in one that has the server in it.
"""

from __future__ import annotations

import gc
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import hiredis

from anystore.pulsards import PulsarDS
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.keeping import next_limit
from anystore.pulsards.persistence.rdb import FileWriter
from anystore.pulsards.persistence.snapshot import Snapshot
from benchmarks.client import BACKENDS
from benchmarks.report import Report
from benchmarks.running import Running, check_strings, fill, running, string_key, string_value, strings
from tests.pulsards.peers import RealClient

SERVERS = ("Redis", "asyncio", "uvloop", "trio")
#: Only these get all the keys; the rest is measured on every backend.
LARGE_SERVERS = ("Redis", "asyncio")
SAVING, REWRITING, EXPIRING = "while BGSAVE runs", "while the AOF is rewritten", "while keys expire"
QUIET, PIPELINED = "with nothing else", "beside a pipeline of another client"
_PATIENCE = 240
_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Sizes:
    """How much of everything there is."""

    rounds: int = 3
    keys: int = 1_000_000
    seconds: float = 4.0
    expiring: int = 100_000
    pipeline: int = 200_000


FULL = Sizes()
SMALL = Sizes(1, 2000, 0.1, 1000, 2000)


class Waits:
    """A client that writes all the time, and how long it waited for each reply, in seconds."""

    def __init__(self, port: int, keys: int) -> None:
        self._client = RealClient(port, timeout=_PATIENCE)
        self._keys = keys
        self._random = random.Random(1)
        self.times: list[float] = []

    def write(self) -> None:
        number = int(self._random.random() * self._keys)
        begun = time.perf_counter()
        reply = self._client.execute("SET", string_key(number), string_value(number))
        self.times.append(time.perf_counter() - begun)
        if reply != b"OK":
            raise AssertionError(f"a wrong answer: {reply!r}")

    def during(self, goes_on: Callable[[], bool], times: int = 100) -> list[float]:
        """Write while something goes on, which is asked after every so many writes; the waits in order of length."""
        while True:
            for _ in range(times):
                self.write()
            if not goes_on():
                break
        found, self.times = sorted(self.times), []
        return found

    def close(self) -> None:
        self._client.close()


def _note(report: Report, name: str, what: str, times: list[float]) -> None:
    report.add(f"longest, {what}", name, 1000 * times[-1])
    report.add(f"p99.9, {what}", name, 1000 * times[len(times) * 999 // 1000])


def _until(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() < deadline


def _flag(server: Running, *names: str) -> Callable[[], bool]:
    """Whether one of these fields of INFO is not 0; it is, for half a second, before that is asked for."""
    begun = time.monotonic()

    def goes_on() -> bool:
        if time.monotonic() - begun > _PATIENCE:
            raise AssertionError(f"{names[0]} does not end")
        if time.monotonic() < begun + 0.5:
            return True
        persistence = server.info("persistence")
        return any(persistence[name] != "0" for name in names)

    return goes_on


def resident(server: Running) -> int:
    """The memory of a process and its children, in bytes, as far as it is not shared between them."""
    found = server.process.memory_full_info().pss
    return int(found + sum(child.memory_full_info().pss for child in server.process.children()))


def _save(report: Report, name: str, server: Running, waits: Waits, folder: Path, keys: int) -> None:
    before = most = resident(server)
    looked = time.monotonic()
    if server.client.execute("BGSAVE") != b"Background saving started":
        raise AssertionError("BGSAVE was refused")
    saving = _flag(server, "rdb_bgsave_in_progress")

    def goes_on() -> bool:
        nonlocal most, looked
        if time.monotonic() > looked + 0.5:
            most, looked = max(most, resident(server)), time.monotonic()
        return saving()

    _note(report, name, SAVING, waits.during(goes_on))
    report.add("memory while BGSAVE runs, times that before", name, most / before)
    if server.info("persistence")["rdb_last_bgsave_status"] != "ok":
        raise AssertionError("BGSAVE failed")
    with running("Redis", folder=folder) as fresh:
        check_strings(fresh.client, keys)


def _expire(report: Report, name: str, server: Running, waits: Waits, sizes: Sizes) -> None:
    """Keys that all expire within one second, a few seconds from now."""
    seconds, microseconds = map(int, server.client.execute("TIME"))
    lead = 3000 if sizes.expiring > 10_000 else 300
    first = seconds * 1000 + microseconds // 1000 + lead
    commands = (
        (b"SET", b"gone:%d" % number, b"x", b"PXAT", b"%d" % (first + number * 1000 // sizes.expiring))
        for number in range(sizes.expiring)
    )
    fill(server.client, commands, b"OK")
    deadline = time.monotonic() + 60

    def goes_on() -> bool:
        if time.monotonic() > deadline:
            raise AssertionError("keys that have expired are still there")
        return bool(server.client.execute("DBSIZE") > sizes.keys)

    _note(report, name, EXPIRING, waits.during(goes_on, times=50))
    now, more = map(int, server.client.execute("TIME"))
    late = now * 1000 + more // 1000 - first - 1000
    report.add("all expired, after the last was due", name, max(0, late))


def _with_many_keys(report: Report, name: str, sizes: Sizes) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="as") as directory,
        running(name, folder=Path(directory)) as server,
    ):
        fill(server.client, strings(range(sizes.keys)), b"OK")
        waits = Waits(server.port, sizes.keys)
        waits.during(_until(sizes.seconds / 4))
        _note(report, name, QUIET, waits.during(_until(sizes.seconds)))
        _save(report, name, server, waits, Path(directory), sizes.keys)
        _expire(report, name, server, waits, sizes)
        # To begin an append-only file is to rewrite it: all keys go into its base.
        if server.client.execute("CONFIG", "SET", "appendonly", "yes") != b"OK":
            raise AssertionError("no append-only file")
        rewriting = _flag(server, "aof_rewrite_in_progress", "aof_rewrite_scheduled")
        _note(report, name, REWRITING, waits.during(rewriting))
        if server.info("persistence")["aof_last_bgrewrite_status"] != "ok":
            raise AssertionError("the rewrite failed")
        check_strings(server.client, sizes.keys)
        waits.close()


def _send_pipeline(port: int, commands: int) -> None:
    """Very many commands in one go, in a process of its own, and every answer read."""
    client = RealClient(port, timeout=_PATIENCE)
    packed = b"".join(hiredis.pack_command((b"SET", string_key(number), b"x")) for number in range(commands))
    sending = threading.Thread(target=client.send_packed, args=(packed,))
    sending.start()
    wrong = sum(client.receive_raw() != b"OK" for _ in range(commands))
    sending.join()
    if wrong:
        raise AssertionError("a wrong answer within the pipeline")


def _pipelined(report: Report, name: str, sizes: Sizes) -> None:
    """A client waits for its replies while another one sends very many commands in one go."""
    with running(name) as server:
        waits = Waits(server.port, 1000)
        for _ in range(sizes.rounds):
            waits.during(_until(sizes.seconds / 8))
            sender = _PROCESSES.Process(target=_send_pipeline, args=(server.port, sizes.pipeline))
            sender.start()
            try:
                _note(report, name, PIPELINED, waits.during(sender.is_alive))
            finally:
                sender.kill()
                sender.join()
            if sender.exitcode != 0:
                raise AssertionError("the pipeline was not answered as it should be")
        waits.close()


async def _anystore(port: int, commands: int, transaction: bool = False) -> list[Any]:
    from anystore import create_store

    async with (
        create_store(f"redis://127.0.0.1:{port}/0") as store,
        store.pipeline(transaction=transaction) as pipe,
    ):
        for number in range(commands):
            pipe.set(string_key(number), b"x")
            if number % 100 == 0:
                await anyio.lowlevel.checkpoint()
        return await pipe.commit()


async def _anystore_transaction(port: int, commands: int) -> list[Any]:
    return await _anystore(port, commands, transaction=True)


async def _redis_py(port: int, commands: int) -> list[Any]:
    from redis import asyncio as redis

    async with redis.Redis(host="127.0.0.1", port=port) as client:
        pipe = client.pipeline(transaction=False)
        for number in range(commands):
            pipe.set(string_key(number), b"x")
            if number % 100 == 0:
                await anyio.lowlevel.checkpoint()
        results: list[Any] = await pipe.execute()
        return results


async def _longest_turn(work: Callable[[], Awaitable[None]]) -> float:
    """The longest time, in ms, that a task beside this work waited for its next turn."""
    gc.collect()  # what was measured before has left something behind, which is not this one's
    longest, done = 0.0, False

    async def tick() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not done:
            await anyio.lowlevel.checkpoint()
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    with anyio.fail_after(_PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await work()
            done = True
    return 1000 * longest


async def _client_held(send: Callable[[int, int], Awaitable[list[Any]]], port: int, commands: int) -> float:
    """How long a client's loop was held, in ms, by a pipeline of its own."""

    answers: list[Any] = []

    async def work() -> None:
        answers.append(await send(port, commands))

    await send(port, 1)  # what is imported for the first one
    held = await _longest_turn(work)
    # Not before, as to compare so many takes a millisecond or two, which is not the client's.
    if answers != [[True] * commands]:
        raise AssertionError("a wrong answer within the pipeline")
    return held


async def _server_held(commands: int) -> tuple[float, float]:
    """How long the loop of a program that has pulsards in it was held, in ms, by the pipeline of another process.

    At first while all keys are new, and the dicts that have them grow; then while they are there already.
    """
    async with PulsarDS(bind="127.0.0.1:0") as server:
        port = int(server.dsn.rpartition(":")[2].partition("/")[0])

        async def send() -> None:
            sender = _PROCESSES.Process(target=_send_pipeline, args=(port, commands))
            sender.start()
            try:
                await anyio.to_thread.run_sync(sender.join)
            finally:
                sender.kill()
                sender.join()
            if sender.exitcode != 0:
                raise AssertionError("the pipeline was not answered as it should be")

        return await _longest_turn(send), await _longest_turn(send)


def _loops_held(sizes: Sizes) -> Report:
    report = Report("held", f"loop held by a pipeline of {sizes.pipeline:,} SET, ms", "ms")
    with running("Redis") as redis:
        for _ in range(sizes.rounds):
            for backend, (loop, options) in BACKENDS.items():
                senders = {"anystore": _anystore, "anystore, MULTI … EXEC": _anystore_transaction}
                if backend != "trio":
                    senders["redis-py"] = _redis_py
                for name, send in senders.items():
                    held = anyio.run(
                        *(_client_held, send, redis.port, sizes.pipeline),
                        backend=loop,
                        backend_options=options,
                    )
                    report.add(backend, name, held)
                new, known = anyio.run(_server_held, sizes.pipeline, backend=loop, backend_options=options)
                report.add(backend, "pulsards", known)
                report.add(backend, "pulsards, new keys", new)
    return report


def _slices(keys: int, rounds: int) -> Report:
    """The slices of images of so many keys, without any server: their time of the processor."""
    engine = Engine()
    database = engine.keyspace.databases[0]
    for number in range(keys):
        database.set_value(string_key(number), string_value(number))
    report = Report("slices", f"an image of {keys:,} keys, processor's time", "ms")
    for _ in range(rounds):
        _time_slices(report, engine)
    return report


def _time_slices(report: Report, engine: Engine) -> None:
    clock = time.thread_time_ns
    mark = clock()
    image = Snapshot(engine, FileWriter(), {})
    begun = clock() - mark
    limit, slices = 16 * 1024, []
    while not image.finished:
        mark = clock()
        image.next_slice(limit)
        slices.append(clock() - mark)
        limit = next_limit(limit, slices[-1])
    slices.sort()
    report.add("to begin it", "ms", begun / 1e6)
    report.add("a slice, in the middle", "ms", slices[len(slices) // 2] / 1e6)
    report.add("the longest slice", "ms", slices[-1] / 1e6)
    report.add("all of them", "ms", sum(slices) / 1e6)


def run(sizes: Sizes) -> list[Report]:
    """Measure all of it: what needs many keys once, the rest in turns."""
    report = Report("pauses", "waits of a client, ms", "ms")
    for name in LARGE_SERVERS:
        _with_many_keys(report, name, sizes)
    for name in SERVERS:
        _pipelined(report, name, sizes)
    return [report, _loops_held(sizes), _slices(sizes.keys, sizes.rounds)]
