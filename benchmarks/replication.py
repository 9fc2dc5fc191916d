"""How long a replica takes to have everything: beside Redis, each following a server of its own kind.

At first it has nothing, and gets an image of all keys. Then its link is taken away, commands are written meanwhile, and
once it may follow again it gets what it has missed from the backlog; that it was so is told by INFO, and the data is
compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.report import Report
from benchmarks.running import Running, check_strings, fill, running, string_key, string_value, strings
from tests.servers import free_port

SERVERS = ("Redis", "pulsards")
#: A backlog that holds what is missed; and Redis does not wait for more replicas, which pulsards never does.
_OPTIONS = {
    "Redis": ("--repl-backlog-size", "64mb", "--repl-diskless-sync-delay", "0"),
    "pulsards": ("--repl-backlog-size", "64mb"),
}
_PATIENCE = 240


@dataclass(frozen=True)
class Sizes:
    """How many keys, and how many commands are missed, how often."""

    rounds: int = 3
    keys: int = 1_000_000
    missed: int = 100_000


FULL = Sizes()
SMALL = Sizes(1, 2000, 500)


def _wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is the case."""
    begun = time.perf_counter()
    while not condition():
        if time.perf_counter() > begun + _PATIENCE:
            raise AssertionError("the replica does not come to follow")
        time.sleep(0.002)


def _follow(replica: Running, port: int) -> None:
    if replica.client.execute("REPLICAOF", "127.0.0.1", port) != b"OK":
        raise AssertionError("REPLICAOF was refused")


def _caught_up(primary: Running, replica: Running) -> bool:
    """Whether the replica has everything that its primary has written."""
    found = replica.info("replication")
    if found["master_link_status"] != "up":
        return False
    return int(found["slave_repl_offset"]) >= int(primary.info("replication")["master_repl_offset"])


def _syncs(primary: Running, kind: str) -> int:
    return int(primary.info("stats")[f"sync_{kind}"])


def _measure(report: Report, name: str, sizes: Sizes) -> None:
    with running(name, *_OPTIONS[name]) as primary, running(name, *_OPTIONS[name]) as replica:
        fill(primary.client, strings(range(sizes.keys)), b"OK")
        begun = time.perf_counter()
        _follow(replica, primary.port)
        _wait_for(lambda: _caught_up(primary, replica))
        report.add(f"full sync of {sizes.keys:,} keys", name, 1000 * (time.perf_counter() - begun))
        check_strings(replica.client, sizes.keys)
        for _ in range(sizes.rounds):
            full, partial = _syncs(primary, "full"), _syncs(primary, "partial_ok")
            _follow(replica, free_port())  # nobody listens there
            _wait_for(lambda: primary.info("replication")["connected_slaves"] == "0")
            missed = (
                (b"SET", string_key(number), string_value(number + 1)) for number in range(sizes.missed)
            )
            fill(primary.client, missed, b"OK")
            begun = time.perf_counter()
            _follow(replica, primary.port)
            _wait_for(lambda: _caught_up(primary, replica))
            report.add(f"{sizes.missed:,} missed commands", name, 1000 * (time.perf_counter() - begun))
            if (_syncs(primary, "full"), _syncs(primary, "partial_ok")) != (full, partial + 1):
                raise AssertionError(f"{name} has not gone on from where the replica was")
            last = sizes.missed - 1
            if replica.client.execute("GET", string_key(last)) != string_value(last + 1):
                raise AssertionError(f"{name}'s replica lacks the last write")


def run(sizes: Sizes) -> list[Report]:
    """Measure Redis, then pulsards."""
    report = Report("replication", "a replica has everything after, ms", "ms")
    for name in SERVERS:
        _measure(report, name, sizes)
    return [report]
