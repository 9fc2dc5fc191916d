"""Saving, loading and rewriting beside Redis, and what it costs to keep every write.

Both servers hold the same keys: half of them strings, the rest hashes, lists, sets, sorted sets. Saved is by SAVE,
rewritten by beginning an append-only file, loaded by a start on the files, less the time that a start without any takes.
Each loads what the other has saved, and the answers are compared. Rates are keys a second.

What it costs to keep every write is told by the rate of SET without an append-only file, with one that is written to the
disk every second, and with one that is written to it before any reply leaves.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loads import redis_benchmark
from benchmarks.report import Report
from benchmarks.running import Running, running
from tests.pulsards.peers import Argument, RealClient

SERVERS = ("Redis", "pulsards")
MODES = {
    "without": (),
    "everysec": ("--appendonly", "yes", "--appendfsync", "everysec"),
    "always": ("--appendonly", "yes", "--appendfsync", "always"),
}
_BATCH = 1000
_SAMPLE = 500
_PATIENCE = 300


@dataclass(frozen=True)
class Sizes:
    """How many keys, requests and rounds."""

    rounds: int = 1
    keys: int = 1_000_000
    kept_rounds: int = 3
    requests: int = 20_000


FULL = Sizes()
SMALL = Sizes(1, 2000, 1, 400)


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


def fill_mixed(client: RealClient, keys: int) -> None:
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


def _measure_writing(report: Report, name: str, server: Running, sizes: Sizes) -> None:
    for _ in range(sizes.rounds):
        begun = time.perf_counter()
        assert server.client.execute("SAVE") in (b"OK", "OK")
        report.add("save", name, sizes.keys / (time.perf_counter() - begun))
    begun = time.perf_counter()
    assert server.client.execute("CONFIG", "SET", "appendonly", "yes") == b"OK"
    while True:
        persistence = server.info("persistence")
        if persistence["aof_rewrite_in_progress"] == persistence["aof_rewrite_scheduled"] == "0":
            break
        if time.perf_counter() > begun + _PATIENCE:
            raise AssertionError("the rewrite does not end")
        time.sleep(0.01)
    report.add("rewrite", name, sizes.keys / (time.perf_counter() - begun))
    assert persistence["aof_last_bgrewrite_status"] == "ok", "the rewrite failed"


def _measure_loads(
    report: Report, name: str, folders: dict[str, Path], sizes: Sizes, expected: list[object]
) -> None:
    with running(name) as server:
        idle = server.seconds
    for writer, folder in folders.items():
        for what, options in (("saved", ()), ("rewritten", ("--appendonly", "yes"))):
            with running(name, *options, folder=folder) as server:
                report.add(
                    f"load what {writer} has {what}", name, sizes.keys / max(server.seconds - idle, 1e-3)
                )
                if answers(server.client, sizes.keys) != expected:
                    raise AssertionError(f"{name} answers something else than what {writer} has {what}")


def _measure_files(report: Report, sizes: Sizes) -> None:
    with tempfile.TemporaryDirectory(prefix="as") as root:
        folders = {name: Path(root) / name for name in SERVERS}
        expected: list[object] = []
        for name, folder in folders.items():
            folder.mkdir()
            with running(name, folder=folder) as server:
                fill_mixed(server.client, sizes.keys)
                expected = expected or answers(server.client, sizes.keys)
                _measure_writing(report, name, server, sizes)
        for _ in range(sizes.rounds):
            for name in SERVERS:
                _measure_loads(report, name, folders, sizes, expected)


def _measure_modes(report: Report, sizes: Sizes) -> None:
    with ExitStack() as stack:
        servers = {
            (name, mode): stack.enter_context(running(name, *options))
            for mode, options in MODES.items()
            for name in SERVERS
        }
        for _ in range(sizes.kept_rounds):
            for pipeline in (1, 16):
                for (name, mode), server in servers.items():
                    requests = sizes.requests * (5 if pipeline > 1 and mode != "always" else 1)
                    before = int(server.info("stats")["total_commands_processed"])
                    rate = redis_benchmark(server.port, "-n", str(requests), "-P", str(pipeline), "-t", "set")
                    report.add(f"SET -P {pipeline}, {mode}", name, rate)
                    done = int(server.info("stats")["total_commands_processed"]) - before
                    if done < requests or server.info("persistence")["aof_last_write_status"] != "ok":
                        raise AssertionError(f"{name} has not written what it was sent")


def run(sizes: Sizes) -> list[Report]:
    """Measure both servers in turns. Raises where one does not answer what was saved."""
    files = Report("persistence", f"keys a second, {sizes.keys:,} of all types")
    modes = Report("durability", "requests a second, by what keeps them")
    _measure_files(files, sizes)
    _measure_modes(modes, sizes)
    return [files, modes]
