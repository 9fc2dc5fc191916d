"""The shared connection: when another one takes its place. What happens when it is lost is in `test_faults`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from anystore.exceptions import ReadOnly
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.redis.test_faults import store_at
from tests.servers import RealServer, run_server, valkey_binary

pytestmark = pytest.mark.anyio


async def in_a_pipeline(store: RedisStore[bytes]) -> Any:
    async with store.pipeline(transaction=False) as pipe:
        pipe.get("key")
        pipe.set("key", "value")
        return await pipe.commit()


async def in_a_transaction(store: RedisStore[bytes]) -> Any:
    async with store.pipeline() as pipe:
        pipe.get("key")
        pipe.set("key", "value")
        return await pipe.commit()


async def while_watching(store: RedisStore[bytes]) -> Any:
    async with store.pipeline() as pipe:
        await pipe.watch("key")
        return await pipe.set("key", "value")


WRITES: list[Callable[[RedisStore[bytes]], Awaitable[Any]]] = [
    lambda store: store.client().set("key", "value"),
    lambda store: store.client().eval("return redis.call('SET', KEYS[1], 'value')", 1, "key"),
    lambda store: store.client().blpop("list", timeout=0.01),
    in_a_pipeline,
    in_a_transaction,
    while_watching,
]


@pytest.fixture(scope="module")
def old() -> Iterator[RealServer]:
    with run_server(valkey_binary()) as server:
        yield server


@pytest.fixture(scope="module")
def new() -> Iterator[RealServer]:
    with run_server(valkey_binary()) as server:
        yield server


@pytest.fixture
async def fail_over(old: RealServer, new: RealServer) -> Callable[[FaultProxy], Awaitable[None]]:
    """What makes the old primary a replica, to which connections stay, and the address lead to the new one."""

    async def give(port: int, *command: str) -> None:
        async with store_at(f"redis://127.0.0.1:{port}") as store:
            await store.execute(*command)

    async def change(proxy: FaultProxy) -> None:
        await give(old.port, "REPLICAOF", "127.0.0.1", str(new.port))
        proxy.target = new.port

    await give(old.port, "REPLICAOF", "NO", "ONE")
    return change


@pytest.mark.parametrize("write", WRITES)
async def test_f25_after_a_fail_over_the_address_is_asked_anew(
    old: RealServer,
    fail_over: Callable[[FaultProxy], Awaitable[None]],
    write: Callable[[RedisStore[bytes]], Awaitable[Any]],
) -> None:
    async with FaultProxy(old.port) as proxy, store_at(proxy.dsn, reconnect_max_delay=0) as store:
        client = store.client()
        await write(store)
        await client.blpop("nothing", timeout=0.01)  # leaves an idle connection in the pool
        await fail_over(proxy)
        with pytest.raises(ReadOnly):
            await write(store)
        await write(store)
        assert (await client.info("replication"))["role"] == "master"
        await client.blpop("nothing", timeout=0.01)


async def test_f25_what_is_under_way_is_not_disturbed(
    old: RealServer, fail_over: Callable[[FaultProxy], Awaitable[None]]
) -> None:
    async with FaultProxy(old.port) as proxy, store_at(proxy.dsn, reconnect_max_delay=0) as store:
        client = store.client()
        await client.set("key", "value" * 1000)
        pubsub = store.pubsub()
        await pubsub.subscribe("news")
        await fail_over(proxy)
        proxy.down.delay = 0.05
        values: list[Any] = []

        async def read() -> None:
            values.append(await client.get("key"))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(read)
            with pytest.raises(ReadOnly):
                await client.set("key", "other")
        assert values == [b"value" * 1000] * 50
        assert pubsub.connected


async def test_a_replica_is_not_connected_to_again_and_again(
    old: RealServer, fail_over: Callable[[FaultProxy], Awaitable[None]]
) -> None:
    async with FaultProxy(old.port) as proxy, store_at(proxy.dsn, reconnect_max_delay=30) as store:
        await fail_over(proxy)
        for _ in range(20):
            with pytest.raises(ReadOnly):
                await store.client().set("key", "value")
        assert proxy.accepted == 1
