"""Saving and loading beside Redis: `python -m benchmarks.persistence [--keys N] [--rounds N] [--json FILE]`.

Both servers hold the same keys: half of them strings, the rest hashes, lists, sets, sorted sets. Saved is by SAVE, loaded
by a start on the file, less the time that a start without one takes. Each loads what the other has saved, and the
answers are compared. Rates are keys a second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import Report
from benchmarks.server import reference_name
from tests.pulsards.peers import Argument, RealClient
from tests.servers import free_port, redis_binary, valkey_binary

#: How each server is started; the directory and the port follow.
SERVERS = {
    "Redis": (redis_binary() or valkey_binary(), "--save", "", "--bind", "127.0.0.1"),
    "pulsards": (sys.executable, "-m", "anystore.pulsards", "--save", ""),
}
_BATCH = 1000
_SAMPLE = 500
_PATIENCE = 600


@contextmanager
def running(name: str, folder: Path) -> Iterator[tuple[RealClient, float]]:
    """A server on a directory, a client of it, and the seconds until it had loaded what is there."""
    port = free_port()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*SERVERS[name], "--dir", str(folder), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        client = _connected(process, port)
        yield client, time.perf_counter() - begun
        client.close()
    finally:
        process.terminate()
        process.wait(timeout=60)


def _connected(process: subprocess.Popen[bytes], port: int) -> RealClient:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client = RealClient(port)
            if client.execute("PING") == "PONG" or client.execute("PING") == b"PONG":
                return client
            client.close()
        except OSError:
            pass
        time.sleep(0.005)
    raise RuntimeError("the server did not start")


def command_for(number: int) -> tuple[Argument, ...]:
    """What makes the key of this number."""
    text = f"value of the key {number}"
    match number % 8:
        case 1:
            return ("HSET", f"hash:{number}", "name", text, "number", number, "note", text * 3)
        case 3:
            return ("RPUSH", f"list:{number}", text, number, text)
        case 5:
            return ("SADD", f"set:{number}", number, number + 1, number + 2)
        case 7:
            return ("ZADD", f"zset:{number}", number, text, number + 0.5, "other")
    return ("SET", f"string:{number}", text)


def fill(client: RealClient, keys: int) -> None:
    for start in range(0, keys, _BATCH):
        client.run([command_for(number) for number in range(start, min(start + _BATCH, keys))])


def answers(client: RealClient, keys: int) -> list[object]:
    """The number of keys, and the values of some of them."""
    found: list[object] = [client.execute("DBSIZE")]
    for number in range(0, keys, max(1, keys // _SAMPLE) | 1):
        command = command_for(number)
        name = command[1]
        found.append(
            {
                "HSET": lambda name=name: sorted(client.execute("HGETALL", name)),
                "RPUSH": lambda name=name: client.execute("LRANGE", name, 0, -1),
                "SADD": lambda name=name: sorted(client.execute("SMEMBERS", name)),
                "ZADD": lambda name=name: client.execute("ZRANGE", name, 0, -1, "WITHSCORES"),
                "SET": lambda name=name: client.execute("GET", name),
            }[str(command[0])]()
        )
    return found


def run(keys: int, rounds: int) -> Report:
    """Measure both servers in turns. Raises where one does not answer what was saved."""
    report = Report("keys a second")
    with tempfile.TemporaryDirectory(prefix="as") as root:
        folders = {name: Path(root) / name for name in SERVERS}
        expected: list[object] = []
        for name, folder in folders.items():
            folder.mkdir()
            with running(name, folder) as (client, _):
                fill(client, keys)
                expected = expected or answers(client, keys)
                for _ in range(rounds):
                    begun = time.perf_counter()
                    assert client.execute("SAVE") in (b"OK", "OK")
                    report.add("save", name, keys / (time.perf_counter() - begun))
        for _ in range(rounds):
            for name in SERVERS:
                _measure_loads(report, name, folders, keys, expected)
    return report


def _measure_loads(
    report: Report, name: str, folders: dict[str, Path], keys: int, expected: list[object]
) -> None:
    with tempfile.TemporaryDirectory(prefix="as") as empty, running(name, Path(empty)) as (_, idle):
        pass
    for writer, folder in folders.items():
        with running(name, folder) as (client, seconds):
            report.add(f"load what {writer} saved", name, keys / max(seconds - idle, 1e-3))
            found = answers(client, keys)
            if found != expected:
                raise RuntimeError(f"{name} answers something else than what {writer} has saved")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = run(arguments.keys, arguments.rounds)
    print(f"{arguments.keys:,} keys; {reference_name()}")
    print(report.table(SERVERS))
    print(report.ratios("pulsards", ["Redis"]))
    if arguments.json:
        report.save(arguments.json)


if __name__ == "__main__":
    main()
