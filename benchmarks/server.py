"""pulsards beside Redis and fakeredis: `python -m benchmarks.server [--rounds N] [--json FILE]`.

The load comes from `redis-benchmark`, 50 connections; the answers are looked at afterwards, through a client.
`memory://` is measured beside fakeredis' asynchronous client, one task.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import geometric_mean

import anyio

from benchmarks.client import BACKENDS
from benchmarks.report import Report
from tests.pulsards.peers import RealClient
from tests.servers import free_port, redis_binary, run_server, valkey_binary

TESTS = ("set", "get", "incr", "lpush", "rpop", "sadd", "hset", "zadd", "lrange_100", "mset")
#: What fakeredis' server gets through in bearable time.
FAKEREDIS_TESTS = TESTS[:7]


@contextmanager
def reference() -> Iterator[int]:
    with run_server(redis_binary() or valkey_binary()) as server:
        yield server.port


@contextmanager
def spawned(*command: str) -> Iterator[int]:
    """A server of Python's in a process of its own, by a command that takes the port last."""
    port = free_port()
    process = subprocess.Popen([sys.executable, *command, str(port)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                RealClient(port).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command} did not start") from None
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


FAKEREDIS = """
import sys
from fakeredis import TcpFakeServer
TcpFakeServer(("127.0.0.1", int(sys.argv[1]))).serve_forever()
"""


def check_answers(port: int, requests: int) -> None:
    """Whether the load left behind what it should: a server that answered nonsense does not count."""
    client = RealClient(port)
    assert client.execute("SET", "check", "value") == b"OK"
    assert client.execute("GET", "check") == b"value"
    assert client.execute("TYPE", "mylist") in (b"list", b"none", "list", "none")
    counter = client.execute("GET", "counter:__rand_int__")
    assert counter is not None, "INCR left no counter"
    assert int(counter) >= requests, "INCR was not carried out as often as it was answered"
    client.close()


def load(port: int, pipeline: int, requests: int, test: str) -> float:
    """Requests a second of one of redis-benchmark's tests."""
    output = subprocess.run(
        [
            *("redis-benchmark", "-p", str(port), "-n", str(requests), "-P", str(pipeline), "-t", test),
            "--csv",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # The last row: LRANGE comes after the LPUSH that fills its list.
    return float(list(csv.DictReader(io.StringIO(output)))[-1]["rps"])


def measure_servers(report: Report, rounds: int) -> None:
    with (
        reference() as redis,
        spawned("-m", "anystore.pulsards", "--backend", "asyncio", "--port") as on_asyncio,
        spawned("-m", "anystore.pulsards", "--backend", "uvloop", "--port") as on_uvloop,
        spawned("-m", "anystore.pulsards", "--backend", "trio", "--port") as on_trio,
        spawned("-c", FAKEREDIS) as fake,
    ):
        ports = {
            "Redis": redis,
            "asyncio": on_asyncio,
            "uvloop": on_uvloop,
            "trio": on_trio,
            "fakeredis": fake,
        }
        counts = {name: {1: 20_000, 16: 100_000} for name in ports} | {"fakeredis": {1: 1_000, 16: 1_000}}
        for _ in range(rounds):
            for pipeline in (1, 16):
                for port in ports.values():
                    RealClient(port).execute("FLUSHALL")
                # The servers take turns with each test, so that what is compared was measured within seconds.
                for test in TESTS:
                    for name, port in ports.items():
                        if name != "fakeredis" or test in FAKEREDIS_TESTS:
                            rate = load(port, pipeline, counts[name][pipeline], test)
                            report.add(f"{test.upper()} -P {pipeline}", name, rate)
                for name, port in ports.items():
                    check_answers(port, counts[name][pipeline])


def geometric_means(report: Report) -> str:
    lines = []
    for pipeline in (1, 16):
        for backend in ("asyncio", "uvloop", "trio"):
            rows = [row for row in report.rates if row.endswith(f"-P {pipeline}")]
            ratios = [report.ratio(row, backend, "Redis") for row in rows]
            lines.append(f"| -P {pipeline}, {backend} | {geometric_mean(filter(None, ratios)):.2f} |")
    return "\n".join(["| pulsards ÷ Redis, geometric mean | |", "| --- | ---: |", *lines])


async def _memory() -> float:
    from anystore import create_store

    async with create_store("memory://") as store:
        client = store.client()
        await client.set("key", b"value")
        return await _gets(client.get)


async def _fakeredis() -> float:
    from fakeredis import FakeAsyncRedis

    async with FakeAsyncRedis() as client:
        await client.set("key", b"value")
        return await _gets(client.get)


async def _gets(get) -> float:  # type: ignore[no-untyped-def]
    count = 5000
    began = time.perf_counter()
    for _ in range(count):
        if await get("key") != b"value":
            raise AssertionError("a wrong answer")
    return count / (time.perf_counter() - began)


def measure_memory(report: Report, rounds: int) -> None:
    for _ in range(rounds):
        for backend, (loop, options) in BACKENDS.items():
            rate = anyio.run(_memory, backend=loop, backend_options=options)
            report.add(f"GET in process, 1 task, {backend}", "memory://", rate)
            if backend != "trio":
                rate = anyio.run(_fakeredis, backend=loop, backend_options=options)
                report.add(f"GET in process, 1 task, {backend}", "fakeredis", rate)


def reference_name() -> str:
    """Which real server is the reference, as it says itself."""
    binary = redis_binary() or valkey_binary()
    words = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return f"{words[0]} {words[2].removeprefix('v=')}"


def run(rounds: int) -> tuple[Report, Report]:
    """Measure the servers, and `memory://`, `rounds` times."""
    if shutil.which("redis-benchmark") is None:
        raise SystemExit("redis-benchmark is not on PATH; Debian has it in the package redis-tools")
    report, memory = Report("server, requests a second"), Report("in process, operations a second")
    measure_servers(report, rounds)
    measure_memory(memory, rounds)
    return report, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report, memory = run(arguments.rounds)
    print(report.table(["Redis", "asyncio", "uvloop", "trio", "fakeredis"]))
    print()
    print(geometric_means(report))
    print()
    print(memory.table(["memory://", "fakeredis"]))
    print()
    print(memory.ratios("memory://", ["fakeredis"]))
    if arguments.json:
        report.rates.update(memory.rates)
        report.save(arguments.json)


if __name__ == "__main__":
    main()
