"""A real server, killed without warning at random moments under load, again and again, on one and the same directory.

The environment variable ANYSTORE_KILLS says how many times; `nox -s kills` does it hundreds of times.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.pulsards.persistence.killing import KILLS, Load, found, serving

#: Nothing older than this is lost with everysec, in seconds.
WINDOW = 3


@pytest.mark.timeout(60 + 20 * KILLS)
@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_s15_a_server_that_is_killed_loses_nothing_it_must_not_lose(policy: str, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    chance = random.Random()
    there: list[int] = []
    load: Load | None = None
    for kill in range(1 + (KILLS if policy == "always" else KILLS // 3)):
        with serving(directory, "--appendfsync", policy) as (process, client):
            left = found(client)
            assert left[: len(there)] == there
            if load is not None:
                new = left[len(there) :]
                first = load.acknowledged[0]
                assert new == list(range(first, first + len(new))), f"kill {kill}: in order, and none twice"
                # With everysec changes are written behind an fsync that runs, but two seconds later at most.
                lost = load.times[len(new) :]
                assert all(policy != "always" and when > load.killed - WINDOW for when in lost), (
                    f"kill {kill}"
                )
            there = left
            load = Load(client, 0 if load is None else load.next)
            lasting = WINDOW + 1 if policy == "everysec" and kill % 3 == 0 else 0
            count, end = chance.randint(1, 400), time.monotonic() + lasting

            def is_time(load: Load = load, count: int = count, end: float = end) -> bool:
                return len(load.acknowledged) >= count and time.monotonic() >= end

            rewrite = (b"BGREWRITEAOF",) if chance.random() < 0.5 else ()
            load.run(process, is_time, *rewrite, light=bool(lasting))
