"""A test suite that needs a Redis, and has one: installing anystore gives pytest two fixtures.

    python -m pytest examples/test_with_fixtures.py

`pulsards` is the address of a server of the test's own, for any client, blocking ones included; `pulsards_store` is an
open store on a server in the process, for asynchronous tests, which run on asyncio and on trio. Both are empty when
the test begins and gone when it ends. Where a test is about time, it moves the server's clock instead of waiting.
"""

from __future__ import annotations

import socket

import anyio
import pytest

from anystore import Store, create_store
from anystore.pulsards import ManualClock, PulsarDS


async def allow(store: Store[bytes], user: str, limit: int = 3, seconds: int = 60) -> bool:
    """What is tested here: whether a user may do one more thing within this minute."""
    async with store.pipeline() as pipe:
        used = pipe.incr(f"rate:{user}")
        pipe.expire(f"rate:{user}", seconds, nx=True)
        await pipe.commit()
    return await used <= limit


@pytest.mark.anyio
async def test_the_limit_is_each_users_own(pulsards_store: Store[bytes]) -> None:
    assert [await allow(pulsards_store, "emma") for _ in range(4)] == [True, True, True, False]
    assert await allow(pulsards_store, "knightley")


@pytest.mark.anyio
async def test_nobody_gets_more_by_asking_all_at_once(pulsards_store: Store[bytes]) -> None:
    answers: list[bool] = []

    async def ask() -> None:
        answers.append(await allow(pulsards_store, "emma"))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
    assert answers.count(True) == 3


@pytest.mark.anyio
async def test_the_limit_ends_with_the_minute() -> None:
    clock = ManualClock()
    async with PulsarDS("127.0.0.1:0", clock=clock) as server, create_store(server.dsn) as store:
        while await allow(store, "emma"):
            pass
        clock.advance(59)
        assert not await allow(store, "emma")
        clock.advance(1)
        assert await allow(store, "emma")


def test_blocking_programs_can_use_the_server_too(pulsards: str) -> None:
    host, _, port = pulsards.removeprefix("pulsar://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"INCR visits\r\n")
        assert connection.recv(100) == b":1\r\n"
