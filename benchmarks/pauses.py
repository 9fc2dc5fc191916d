"""How long a background save holds up a server's clients: `python -m benchmarks.pauses [--keys N] [--seconds S]`.

Each server gets N keys, and then a load of writes to all of them, over a connection that waits for every reply. Its longest
waits are looked at for some seconds without a save, and while BGSAVE runs; what is saved is loaded by a fresh server, and
compared. Beside it, without any socket, how much time of the processor the slices of an image take, which does not depend
on what else the machine does.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.keeping import next_limit
from anystore.pulsards.persistence.rdb import FileWriter
from anystore.pulsards.persistence.snapshot import Snapshot
from tests.pulsards.peers import RealClient
from tests.servers import free_port, redis_binary, valkey_binary

VALUE = "value:%026d"


@contextmanager
def served(name: str, directory: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server that keeps its data in a directory, and saves them when told to only."""
    port = free_port()
    binary = redis_binary() or valkey_binary()
    start = [binary, "--bind", "127.0.0.1", "--appendonly", "no"]
    if name != "Redis":
        start = [sys.executable, "-m", "anystore.pulsards", "--backend", name]
    process = subprocess.Popen(
        [*start, "--port", str(port), "--dir", directory, "--save", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start")
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait(timeout=20)


def answers(port: int) -> bool:
    try:
        client = RealClient(port)
        try:
            return client.execute("PING") == b"PONG"
        finally:
            client.close()
    except OSError:
        return False


def resident(process: subprocess.Popen[bytes]) -> int:
    """The memory of a process and its children, in bytes, as far as it is not shared between them."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            parent = path.with_name("stat").read_text().rpartition(")")[2].split()[1]
            if str(process.pid) in (path.parent.name, parent):
                lines = dict(line.split(":", 1) for line in path.read_text().splitlines()[1:])
                found += int(lines["Pss"].split()[0]) * 1024
        except OSError:
            continue
    return found


class Waits:
    """A client that writes all the time, and how long it waited for each reply, in seconds."""

    def __init__(self, port: int, keys: int) -> None:
        self._client = RealClient(port)
        self._keys = keys
        self._random = random.Random(1)
        self.times: list[float] = []

    def write(self) -> None:
        number = int(self._random.random() * self._keys)
        begun = time.perf_counter()
        reply = self._client.execute("SET", f"key:{number:012d}", VALUE % number)
        self.times.append(time.perf_counter() - begun)
        assert reply == b"OK", reply

    def told(self) -> str:
        """The longest waits and the rate, and begin anew."""
        times, self.times = sorted(self.times), []
        rate = len(times) / sum(times)
        return f"longest {1000 * times[-1]:6.1f} ms, 99.9 % {1000 * times[len(times) * 999 // 1000]:6.1f} ms, {rate:8.0f}/s"


def measure(name: str, keys: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        with served(name, directory) as (process, port):
            client = RealClient(port)
            for start in range(0, keys, 1000):
                client.run(
                    [("SET", f"key:{n:012d}", VALUE % n) for n in range(start, min(start + 1000, keys))]
                )
            waits = Waits(port, keys)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                waits.write()
            print(f"{name:8} without a save: {waits.told()}")
            before = most = resident(process)
            begun = time.monotonic()
            assert client.execute("BGSAVE") == b"Background saving started"
            looked = begun
            while time.monotonic() < begun + 0.5 or b"rdb_bgsave_in_progress:1" in client.execute(
                "INFO", "persistence"
            ):
                for _ in range(100):
                    waits.write()
                if time.monotonic() > looked + 0.5:
                    most, looked = max(most, resident(process)), time.monotonic()
            took = time.monotonic() - begun
            print(
                f"{name:8} while saving:   {waits.told()}, {took:.1f} s, memory {most / before:.2f} times that before"
            )
            assert b"rdb_last_bgsave_status:ok" in client.execute("INFO", "persistence")
        with served(name, directory) as (_, port):
            client = RealClient(port)
            assert client.execute("DBSIZE") == keys
            for number in range(0, keys, max(1, keys // 1000)):
                assert client.execute("GET", f"key:{number:012d}") == (VALUE % number).encode()


def measure_slices(keys: int) -> None:
    """The slices of an image of so many keys, without any server: their time of the processor."""
    engine = Engine()
    database = engine.keyspace.databases[0]
    for number in range(keys):
        database.set_value(b"key:%012d" % number, (VALUE % number).encode())
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
    print(
        f"an image of {keys} keys: begun in {begun / 1e6:.1f} ms, {len(slices)} slices, in the middle "
        f"{slices[len(slices) // 2] / 1e6:.1f} ms, the longest {slices[-1] / 1e6:.1f} ms, {sum(slices) / 1e9:.1f} s in all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    measure_slices(arguments.keys)
    for name in ("Redis", "asyncio", "uvloop", "trio"):
        measure(name, arguments.keys, arguments.seconds)


if __name__ == "__main__":
    main()
