"""The pool: who gets what and when, and that a slot always comes back.

Most tests run on connections that only pretend, so that they can fail, hang and be cancelled at every single step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
import pytest
import uvloop
from anyio.lowlevel import checkpoint

from anystore.exceptions import CommandTimeout, ConnectionFailed, StoreError
from anystore.redis.connection import Connection
from anystore.redis.pool import Pool
from tests.faultproxy import FaultProxy
from tests.redis.test_faults import store_at
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


class FakeConnection:
    """As much of a connection as the pool sees."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True
        self.reusable = True
        self.closed = False

    async def is_alive(self) -> bool:
        await checkpoint()
        return self.alive

    def close(self) -> None:
        self.closed = True
        self.reusable = False


class Opener:
    """Opens fake connections, taking a few steps for it; what is in `failures` is raised instead."""

    def __init__(self) -> None:
        self.opened: list[FakeConnection] = []
        self.failures: list[Exception] = []
        self.gate: anyio.Event | None = None

    async def __call__(self) -> Connection:
        if self.gate is not None:
            await self.gate.wait()
        for _ in range(3):
            await checkpoint()
        if self.failures:
            raise self.failures.pop(0)
        self.opened.append(FakeConnection(len(self.opened)))
        return cast(Connection, self.opened[-1])


@pytest.fixture
def opener() -> Opener:
    return Opener()


def make(opener: Opener, limit: int = 2, timeout: float | None = 5.0) -> Pool:
    return Pool(opener, limit=limit, timeout=timeout)


def counts(pool: Pool) -> tuple[int, int, int, int]:
    found = pool.statistics()
    assert found.leased + found.idle + found.connecting <= found.limit
    return found.leased, found.idle, found.connecting, found.waiting


class TestLeasing:
    async def test_a_connection_is_used_again(self, opener: Opener) -> None:
        pool = make(opener)
        async with pool.lease() as first:
            assert counts(pool) == (1, 0, 0, 0)
        assert counts(pool) == (0, 1, 0, 0)
        async with pool.lease() as second:
            assert second is first
        assert len(opener.opened) == 1

    async def test_one_that_died_while_idle_is_replaced(self, opener: Opener) -> None:
        """B9: a connection is checked when it is leased."""
        pool = make(opener)
        async with pool.lease():
            pass
        opener.opened[0].alive = False
        async with pool.lease() as second:
            assert second is cast(Any, opener.opened[1])
        assert opener.opened[0].closed
        assert counts(pool) == (0, 1, 0, 0)

    async def test_one_with_a_reply_to_come_is_closed(self, opener: Opener) -> None:
        pool = make(opener)
        async with pool.lease():
            opener.opened[0].reusable = False
        assert opener.opened[0].closed
        assert counts(pool) == (0, 0, 0, 0)

    async def test_the_one_used_last_is_used_first(self, opener: Opener) -> None:
        pool = make(opener)
        async with pool.lease() as first, pool.lease() as second:
            pass
        async with pool.lease() as third:
            assert third is first
            assert third is not second

    async def test_giving_back_twice_does_no_harm(self, opener: Opener) -> None:
        pool = make(opener)
        connection = await pool.acquire()
        pool.release(connection)
        pool.release(connection)
        assert counts(pool) == (0, 1, 0, 0)

    async def test_an_error_in_the_block_gives_the_connection_back(self, opener: Opener) -> None:
        pool = make(opener)
        with pytest.raises(KeyError):
            async with pool.lease():
                raise KeyError
        assert counts(pool) == (0, 1, 0, 0)


class TestWaiting:
    async def test_b7_first_come_first_served(self, opener: Opener) -> None:
        pool = make(opener, limit=1)
        order: list[int] = []

        async def use(number: int) -> None:
            async with pool.lease():
                order.append(number)
                await checkpoint()

        async with anyio.create_task_group() as group:
            async with pool.lease():
                for number in range(20):
                    group.start_soon(use, number)
                    await anyio.wait_all_tasks_blocked()
                assert counts(pool) == (1, 0, 0, 20)
        assert order == list(range(20))
        assert len(opener.opened) == 1

    async def test_b7_no_lock_is_held_while_connecting(self, opener: Opener) -> None:
        """A connection that is given back is taken while others are still being opened."""
        pool = make(opener, limit=2)
        connection = await pool.acquire()
        opener.gate = anyio.Event()
        async with anyio.create_task_group() as group:
            got: list[str] = []

            async def use(name: str) -> None:
                async with pool.lease():
                    got.append(name)

            group.start_soon(use, "connecting")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(use, "waiting")
            await anyio.wait_all_tasks_blocked()
            assert counts(pool) == (1, 0, 1, 1)
            pool.release(connection)
            await anyio.wait_all_tasks_blocked()
            assert got == ["waiting"]
            opener.gate.set()
        assert sorted(got) == ["connecting", "waiting"]

    async def test_b8_waiting_is_limited_by_the_pools_timeout(self, opener: Opener) -> None:
        pool = make(opener, limit=1, timeout=0.01)
        async with pool.lease():
            with pytest.raises(CommandTimeout, match=r"none of the 1 connections .* within 0.01 seconds"):
                await pool.acquire()
            assert counts(pool) == (1, 0, 0, 0)
        async with pool.lease():
            assert counts(pool) == (1, 0, 0, 0)

    async def test_a_failure_to_open_lets_the_next_one_try(self, opener: Opener) -> None:
        pool = make(opener, limit=1)
        opener.failures = [ConnectionFailed("no"), ConnectionFailed("no")]
        outcomes: list[str] = []

        async def use() -> None:
            try:
                async with pool.lease():
                    outcomes.append("got")
            except ConnectionFailed:
                outcomes.append("failed")

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(use)
        assert sorted(outcomes) == ["failed", "failed", "got", "got"]
        assert counts(pool) == (0, 1, 0, 0)


class TestClosing:
    async def test_everything_is_closed(self, opener: Opener) -> None:
        pool = make(opener, limit=2)
        leased = await pool.acquire()
        async with pool.lease():
            pass
        pool.close()
        assert all(connection.closed for connection in opener.opened)
        pool.release(leased)
        assert counts(pool) == (0, 0, 0, 0)
        with pytest.raises(StoreError, match="closed"):
            await pool.acquire()
        pool.close()

    async def test_those_that_wait_or_connect_learn_it(self, opener: Opener) -> None:
        pool = make(opener, limit=2)
        await pool.acquire()
        opener.gate = anyio.Event()
        async with anyio.create_task_group() as group:
            refused: list[int] = []

            async def use(number: int) -> None:
                with pytest.raises(StoreError, match="closed"):
                    await pool.acquire()
                refused.append(number)

            for number in range(3):
                group.start_soon(use, number)
                await anyio.wait_all_tasks_blocked()
            pool.close()
            await anyio.wait_all_tasks_blocked()
            assert sorted(refused) == [1, 2]
            opener.gate.set()
        assert sorted(refused) == [0, 1, 2]
        assert all(connection.closed for connection in opener.opened)


class TestFailures:
    """B6: at whatever step something fails, or is cancelled, `leased + idle + connecting` comes back to what it was."""

    @pytest.mark.parametrize("steps", range(12))
    @pytest.mark.parametrize("idle", ["none", "alive", "dead"])
    async def test_b6_cancelled_at_every_step(self, opener: Opener, steps: int, idle: str) -> None:
        pool = make(opener, limit=1)
        if idle != "none":
            async with pool.lease():
                pass
            opener.opened[0].alive = idle == "alive"

        async def use(scope: anyio.CancelScope) -> None:
            with scope:
                async with pool.lease():
                    counts(pool)
                    await checkpoint()

        for _ in range(3):
            async with anyio.create_task_group() as group:
                scopes = [anyio.CancelScope() for _ in range(3)]
                for scope in scopes:
                    group.start_soon(use, scope)
                for _ in range(steps):
                    await checkpoint()
                    counts(pool)
                scopes[0].cancel()
                await checkpoint()
                scopes[1].cancel()
            leased, idle_now, connecting, waiting = counts(pool)
            assert (leased, connecting, waiting) == (0, 0, 0)
            assert idle_now <= 1
        with anyio.fail_after(10):
            async with pool.lease():
                assert counts(pool) == (1, 0, 0, 0)

    @pytest.mark.parametrize("steps", range(10))
    async def test_b6_timed_out_at_every_step(self, opener: Opener, steps: int) -> None:
        """A grant that comes in the turn in which the time is up is not lost."""
        pool = make(opener, limit=1, timeout=0)
        holder = await pool.acquire()

        async def use() -> None:
            try:
                async with pool.lease():
                    await checkpoint()
            except CommandTimeout:
                await checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(use)
            for _ in range(steps):
                await checkpoint()
            pool.release(holder)
        assert counts(pool) == (0, 1, 0, 0)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("idle", [False, True])
def test_b6_asyncios_own_way_to_cancel(run: Callable[[Any], Any], idle: bool) -> None:
    """It reaches a task whose grant is on its way already, which anyio's does not: the grant goes to the next one."""

    async def main() -> None:
        pool = make(Opener(), limit=1)
        first = await pool.acquire()
        waiting = [asyncio.ensure_future(pool.acquire()) for _ in range(2)]
        await asyncio.sleep(0.01)
        if not idle:
            cast(Any, first).reusable = False
        pool.release(first)
        waiting[0].cancel()
        second = await asyncio.wait_for(waiting[1], 1)
        assert (second is first) is idle
        assert waiting[0].cancelled()
        assert counts(pool) == (1, 0, 0, 0)

    run(main())


class TestOnAServer:
    @pytest.mark.parametrize("how", ["killed", "cut", "cancelled", "out of time", "refused", "garbled"])
    async def test_b6_the_pool_is_whole_after_any_failure(self, valkey: RealServer, how: str) -> None:
        rounds, limit = (5, 0.2) if how == "out of time" else (20, 5)
        async with (
            FaultProxy(valkey.port) as proxy,
            store_at(proxy.dsn, pool_size=3, reconnect_attempts=1, command_timeout=limit) as store,
            store_at(valkey.dsn) as other,
        ):
            client = store.client()
            await client.delete("list")

            async def pop() -> None:
                if how == "cancelled":
                    with anyio.move_on_after(0.005):
                        await client.blpop("list")
                else:
                    with pytest.raises((StoreError, OSError)):
                        await client.blpop("list", timeout=0.01 if how == "out of time" else 0)

            async def fail() -> None:
                if how in ("killed", "cut", "garbled"):
                    while (await other.client().info("clients"))["blocked_clients"] < 3:
                        continue
                if how == "killed":
                    await other.execute("CLIENT", "KILL", "TYPE", "normal")
                elif how == "cut":
                    await proxy.cut()
                elif how == "garbled":
                    for link in list(proxy.links):
                        await link.client.send(b"?\r\n")

            for _ in range(rounds):
                while (await other.client().info("clients"))["blocked_clients"]:
                    continue
                async with store.pool.lease(), store.pool.lease(), store.pool.lease():
                    assert store.statistics().pool.leased == 3
                if how == "refused":
                    await proxy.cut()
                    proxy.refusing = True
                proxy.down.swallow = how == "out of time"
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(pop)
                    group.start_soon(fail)
                proxy.refusing = proxy.down.swallow = False
                found = store.statistics().pool
                assert (found.leased, found.connecting) == (0, 0)
                assert found.idle <= 3
            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(client.execute, "PING")
                        group.start_soon(lambda: client.blpop("list", timeout=0.01))

    async def test_b6_watching_pipelines_give_their_connection_back(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, pool_size=1) as store:
            for steps in range(40):

                async def watch(scope: anyio.CancelScope) -> None:
                    with scope:
                        async with store.pipeline() as pipe:
                            await pipe.watch("key")
                            await pipe.get("key")
                            await pipe.unwatch()

                async with anyio.create_task_group() as group:
                    scope = anyio.CancelScope()
                    group.start_soon(watch, scope)
                    for _ in range(steps):
                        await checkpoint()
                    scope.cancel()
                found = store.statistics().pool
                assert (found.leased, found.connecting) == (0, 0), steps
            with anyio.fail_after(10):
                await store.client().blpop("nothing", timeout=0.01)

    async def test_b7_a_server_that_accepts_slowly(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, pool_size=5) as store:
            proxy.accept_delay = 0.1
            client = store.client()
            await client.delete("list")
            await client.rpush("list", *range(100))
            start = anyio.current_time()
            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(client.blpop, "list")
            # One after the other they would take ten seconds.
            assert anyio.current_time() - start < 5
            assert proxy.accepted <= 6

    async def test_b8_a_thousand_tasks_on_a_pool_of_two(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, pool_size=2) as store:
            client = store.client()
            await client.delete("list")
            await client.rpush("list", *range(1000))
            got: list[Any] = []

            async def use() -> None:
                await client.set("key", 1)
                got.append(await client.blpop("list"))

            tasks: Callable[[], Awaitable[None]] = use
            async with anyio.create_task_group() as group:
                for _ in range(1000):
                    group.start_soon(tasks)
            assert len({element for _, element in got}) == 1000
