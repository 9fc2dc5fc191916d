"""What a server takes beside time per request: `python -m benchmarks.resources [--rounds N] [--keys N] [--json FILE]`.

The CPU time of a request, the memory of a key, and how long it is until the first answer. Less is better throughout.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from hiredis import pack_command

from benchmarks.report import Report
from tests.pulsards.peers import RealClient
from tests.servers import free_port, redis_binary, valkey_binary

#: Commands sent before their answers are read.
_BATCH = 1000

PULSARDS = (sys.executable, "-m", "anystore.pulsards", "--port")
FAKEREDIS = (
    sys.executable,
    "-c",
    "import sys; from fakeredis import TcpFakeServer; TcpFakeServer(('127.0.0.1', int(sys.argv[1]))).serve_forever()",
)


def reference() -> tuple[str, ...]:
    return (redis_binary() or valkey_binary(), "--save", "", "--port")


@contextmanager
def started(command: Sequence[str]) -> Iterator[tuple[RealClient, psutil.Process, float]]:
    """A server by a command that takes the port last: a client, the process, and the seconds to the first answer."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                client = RealClient(port)
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - began > 30:
                    raise RuntimeError(f"{command} did not start") from None
                time.sleep(0.002)
        answer = client.execute("PING")
        seconds = time.perf_counter() - began
        if answer not in (b"PONG", "PONG"):
            raise AssertionError(f"a wrong answer: {answer!r}")
        yield client, psutil.Process(process.pid), seconds
        client.close()
    finally:
        process.terminate()
        process.wait(timeout=60)


def send_all(client: RealClient, commands: Iterator[tuple[bytes, ...]]) -> int:
    """Send commands in batches; the sum of their answers, which are to be numbers or OK."""
    total = 0
    sock = client._socket
    batch: list[bytes] = []

    def flush() -> int:
        sock.sendall(b"".join(batch))
        answers = [client.receive() for _ in batch]
        batch.clear()
        return sum(1 if answer == b"OK" else int(answer) for answer in answers)

    for command in commands:
        batch.append(pack_command(command))
        if len(batch) == _BATCH:
            total += flush()
    return total + flush() if batch else total


def memory_per_key(command: Sequence[str], keys: int, commands: Iterator[tuple[bytes, ...]]) -> float:
    """The bytes of resident memory that a server needs more for each of `keys`, by what the operating system says."""
    with started(command) as (client, process, _):
        before = process.memory_info().rss
        if send_all(client, commands) != keys:
            raise AssertionError("not everything was stored")
        return (process.memory_info().rss - before) / keys


def small_strings(keys: int) -> Iterator[tuple[bytes, ...]]:
    return ((b"SET", b"key:%012d" % number, b"value:%012d" % number) for number in range(keys))


def sorted_set(keys: int) -> Iterator[tuple[bytes, ...]]:
    return (
        (b"ZADD", b"board", b"%d" % (number * 7919 % keys), b"member:%012d" % number)
        for number in range(keys)
    )


def cpu_per_request(command: Sequence[str], requests: int) -> dict[str, float]:
    """Microseconds of a server's CPU time, user's and system's, for a SET and a GET without pipelining."""
    with started(command) as (client, process, _):
        found = {}
        for test in ("set", "get"):
            before = process.cpu_times()
            load = (
                "redis-benchmark",
                "-p",
                str(client.port),
                "-n",
                str(requests),
                "-P",
                "1",
                "-t",
                test,
                "-q",
            )
            subprocess.run(load, check=True, capture_output=True)
            after = process.cpu_times()
            spent = after.user + after.system - before.user - before.system
            found[test.upper()] = spent / requests * 1e6
        if client.execute("GET", "key:__rand_int__") is None:
            raise AssertionError("SET stored nothing")
        return found


FIRST_ANSWER = """
import time, anyio, anystore, anystore.embedded
from anystore.pulsards.commands import load
load()
began = time.perf_counter()
async def main():
    async with anystore.create_store("memory://") as store:
        assert await store.client().set("key", "value") is True
anyio.run(main)
print(time.perf_counter() - began)
"""


def seconds_of(code: str) -> float:
    """How long the interpreter takes for a piece of code, its own start left out."""
    spent = []
    for source in ("pass", code):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", source], check=True)
        spent.append(time.perf_counter() - began)
    return spent[1] - spent[0]


def run(rounds: int, keys: int = 1_000_000) -> Report:
    """Measure everything, `rounds` times; the memory of keys once, as it does not vary."""
    report = Report("what it takes", unit="")
    servers = {"Redis": reference(), "pulsards": PULSARDS}
    for _ in range(rounds):
        for name, command in (*servers.items(), ("fakeredis", FAKEREDIS)):
            with started(command) as (_, _, seconds):
                report.add("start to first answer, ms", name, seconds * 1000)
        report.add("import anystore, ms", "pulsards", seconds_of("import anystore") * 1000)
        first = subprocess.run(
            [sys.executable, "-c", FIRST_ANSWER], check=True, capture_output=True, text=True
        )
        report.add("memory://, all imported, to first answer, ms", "pulsards", float(first.stdout) * 1000)
        for name, command in servers.items():
            for test, spent in cpu_per_request(command, 50_000).items():
                report.add(f"CPU of a {test}, -P 1, µs", name, spent)
    for name, command in servers.items():
        report.add(
            "memory of a small string, bytes", name, memory_per_key(command, keys, small_strings(keys))
        )
        report.add("memory of a member, bytes", name, memory_per_key(command, keys, sorted_set(keys)))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = run(arguments.rounds, arguments.keys)
    print(report.table(["Redis", "pulsards", "fakeredis"]))
    print()
    print(report.ratios("pulsards", ["Redis", "fakeredis"]))
    if arguments.json:
        report.save(arguments.json)


if __name__ == "__main__":
    main()
