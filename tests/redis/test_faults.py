"""The client's guarantees on a faulty network, group A: wrong answers, and commands carried out twice.

Each test names the guarantee that it holds (`test_a1_…`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystore import create_store
from anystore.exceptions import ConnectionFailed, OutcomeUnknown, StoreError
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.servers import RealServer

pytestmark = pytest.mark.anyio

AT_ONCE = 0.25


def store_at(dsn: str, **options: Any) -> RedisStore[bytes]:
    store = create_store(dsn, **{"reconnect_delay": 0.01, **options})
    assert isinstance(store, RedisStore)
    return store


@pytest.fixture
async def keys(valkey: RealServer) -> list[str]:
    """The names of keys that each hold their own name."""
    names = [f"key:{number}" for number in range(200)]
    async with store_at(valkey.dsn) as store:
        await store.flush()
        await store.client().mset({name: name for name in names})
    return names


async def seconds_until_cancelled(call: Callable[[], Awaitable[Any]]) -> float:
    """How long the call takes to give in when it is cancelled, at the best of three."""
    taken = []
    for _ in range(3):
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await call()

            group.start_soon(run)
            await anyio.sleep(0.02)
            start = anyio.current_time()
            group.cancel_scope.cancel()
        taken.append(anyio.current_time() - start)
    return min(taken)


class TestRepliesReachTheirRequests:
    @pytest.mark.parametrize("how", ["command", "pipeline", "transaction", "watched"])
    @pytest.mark.parametrize("tls_like", [False, True], ids=["socket", "stream"])
    async def test_a1_no_task_gets_the_reply_of_another(
        self, valkey: RealServer, keys: list[str], how: str, tls_like: bool
    ) -> None:
        rng = random.Random(how)
        wrong: list[Any] = []
        survived = 0

        async with FaultProxy(valkey.port) as proxy:
            proxy.down.delay = 0.01
            proxy.down.chunk = 7
            options = (
                {"connect_stream": lambda: anyio.connect_tcp("127.0.0.1", proxy.port)} if tls_like else {}
            )
            async with store_at(proxy.dsn, pool_size=20, **options) as store:

                async def get(key: str, limit: float) -> None:
                    nonlocal survived
                    with anyio.move_on_after(limit):
                        if how == "command":
                            got = [await store.client().get(key)] * 2
                        else:
                            async with store.pipeline(transaction=how != "pipeline") as pipe:
                                if how == "watched":
                                    await pipe.watch(key)
                                    pipe.multi()
                                pipe.get(key)
                                pipe.get(key)
                                got = await pipe.commit()
                        survived += 1
                        if got != [key.encode()] * 2:
                            wrong.append((key, got))

                for _ in range(3):
                    async with anyio.create_task_group() as group:
                        for key in keys[:60] if how == "watched" else keys:
                            group.start_soon(get, key, rng.choice([0, 0.002, 0.011, 0.03, 5]))
                assert wrong == []
                assert survived > 20
                assert await store.client().get(keys[0]) == keys[0].encode()
                assert store.statistics().pool.leased == 0
            # An ordinary command that is cancelled costs no connection.
            assert proxy.accepted == 1 or how == "watched"

    async def test_a1_errors_stay_with_their_command_too(self, valkey: RealServer, keys: list[str]) -> None:
        async with store_at(valkey.dsn) as store:
            client = store.client()

            async def bad() -> None:
                with pytest.raises(StoreError, match="WRONGTYPE"):
                    await client.llen(keys[0])

            async def good(key: str) -> None:
                assert await client.get(key) == key.encode()

            async with anyio.create_task_group() as group:
                for key in keys:
                    group.start_soon(good, key)
                    group.start_soon(bad)


class TestCancellation:
    @pytest.mark.parametrize("tls_like", [False, True], ids=["socket", "stream"])
    async def test_a2_cancelling_takes_effect_at_once(self, valkey: RealServer, tls_like: bool) -> None:
        async with FaultProxy(valkey.port) as proxy:
            options = (
                {"connect_stream": lambda: anyio.connect_tcp("127.0.0.1", proxy.port)} if tls_like else {}
            )
            async with store_at(proxy.dsn, **options) as store:
                client = store.client()
                # So that the pool has a connection; without one, the commands wait for the handshake.
                await client.blpop("nothing", timeout=0.01)
                proxy.pause()

                async def transact() -> None:
                    async with store.pipeline() as pipe:
                        await pipe.watch("key")

                async def monitor() -> None:
                    async with store.monitor() as commands:
                        await commands.next_command()

                calls: dict[str, Callable[[], Awaitable[Any]]] = {
                    "get": lambda: client.get("key"),
                    "blpop": lambda: client.blpop("nothing"),
                    "xread": lambda: client.execute("XREAD", "BLOCK", 0, "STREAMS", "stream", "$"),
                    "watch": transact,
                    "monitor": monitor,
                }
                for name, call in calls.items():
                    assert await seconds_until_cancelled(call) < AT_ONCE, name
                proxy.resume()
                assert await client.ping() is True
                assert store.statistics().pool.leased == store.statistics().pool.connecting == 0

    @pytest.mark.parametrize("scheme", ["redis", "rediss"])
    async def test_a2_cancelling_a_handshake(self, valkey: RealServer, scheme: str) -> None:
        async with FaultProxy(valkey.port) as proxy:
            proxy.pause()

            async def connect() -> None:
                async with store_at(f"{scheme}://127.0.0.1:{proxy.port}"):
                    raise AssertionError("it cannot be connected")

            assert await seconds_until_cancelled(connect) < AT_ONCE

    async def test_a2_a_scope_that_is_cancelled_already_sends_nothing(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            client = store.client()
            await client.set("key", 1)
            for _ in range(20):
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await client.incr("key")
                assert scope.cancelled_caught
            assert await client.get("key") == b"1"


class TestBlockingCommands:
    async def test_a3_a_cancelled_pop_takes_nothing(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            client = store.client()
            await client.delete("list")
            for _ in range(5):
                with anyio.move_on_after(0.02) as scope:
                    await client.blpop("list")
                assert scope.cancelled_caught
                while (await client.info("clients"))["blocked_clients"]:
                    continue
                await client.rpush("list", "element")
                assert await client.llen("list") == 1
                await client.delete("list")

    async def test_a3_a_move_loses_nothing_whenever_it_is_cancelled(self, valkey: RealServer) -> None:
        """What BLPOP has popped when it is cancelled is gone with its reply; BLMOVE is the form that keeps it."""
        rng = random.Random(3)
        async with store_at(valkey.dsn) as store:
            client = store.client()
            await client.delete("source", "target")
            for number in range(300):

                async def move(delay: float) -> None:
                    with anyio.move_on_after(delay):
                        await client.blmove("source", "target", 0)

                async with anyio.create_task_group() as group:
                    group.start_soon(move, rng.random() * 0.003)
                    await anyio.sleep(rng.random() * 0.002)
                    await client.rpush("source", number)
            elements = await client.lrange("source", 0, -1) + await client.lrange("target", 0, -1)
            assert sorted(map(int, elements)) == list(range(300))


class TestOutcomes:
    async def test_a4_what_may_have_been_carried_out_is_not_sent_again(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.delete("counter")
            proxy.down.cut_after = 0
            with pytest.raises(OutcomeUnknown):
                await client.incr("counter")
            assert await client.get("counter") == b"1"

    async def test_a4_a_part_of_the_reply_is_no_reply(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.delete("counter")
            for cut in range(1, 4):
                proxy.down.cut_after = cut
                with pytest.raises(OutcomeUnknown):
                    await client.incr("counter")
                assert await client.get("counter") == b"%d" % cut

    async def test_a4_what_only_reads_is_sent_again(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.set("key", "value")
            for cut in range(11):
                proxy.down.cut_after = cut
                assert await client.get("key") == b"value"
            proxy.down.cut_after = 3
            async with store.pipeline() as pipe:
                pipe.get("key")
                pipe.strlen("key")
                assert await pipe.commit() == [b"value", 5]

    async def test_a4_a_command_that_did_not_arrive_whole_was_not_carried_out(
        self, valkey: RealServer
    ) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.delete("counter")
            for cut in range(5):
                # The client cannot know what the proxy kept to itself: as far as it can tell, all of it was sent.
                await client.ping()
                proxy.up.cut_after = cut
                with pytest.raises(OutcomeUnknown):
                    await client.incr("counter")
            assert await client.get("counter") is None

    async def test_a4_what_was_never_written_is_sent_by_itself(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.delete("counter")
            for _ in range(10):
                await proxy.cut()
                await client.incr("counter")
            assert await client.get("counter") == b"10"

    async def test_a4_pipelines_say_so_too(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            for transaction in (True, False):
                await store.client().delete("counter")
                proxy.down.cut_after = 0
                async with store.pipeline(transaction=transaction) as pipe:
                    counter = pipe.incr("counter")
                    with pytest.raises(OutcomeUnknown):
                        await pipe.commit()
                    with pytest.raises(StoreError, match="queued"):
                        await counter
                assert await store.client().get("counter") == b"1"

    async def test_a4_a_blocking_pop_whose_reply_is_lost(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            client = store.client()
            await client.delete("list")
            await client.blpop("list", timeout=0.01)
            await client.rpush("list", 1, 2)
            proxy.down.cut_after = 0
            with pytest.raises(OutcomeUnknown):
                await client.blpop("list")
            assert await client.lrange("list", 0, -1) == [b"2"]
            assert store.statistics().pool.leased == 0

    async def test_a4_a_blocking_read_is_not_issued_again_either(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            read = ("XREAD", "BLOCK", 10, "STREAMS", "stream", "$")
            await store.execute(*read)
            proxy.down.cut_after = 0
            with pytest.raises(ConnectionFailed) as caught:
                await store.execute(*read)
            assert not isinstance(caught.value, OutcomeUnknown)

    async def test_a4_a_server_that_stays_away(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, reconnect_attempts=2) as store:
            proxy.refusing = True
            await proxy.cut()
            with pytest.raises(ConnectionFailed):
                await store.client().get("key")
            proxy.refusing = False
            assert await store.ping()


class TestPipelinesAreOneTasks:
    async def test_a5_interleaved_pipelines_keep_their_commands(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:

            async def run(number: int) -> None:
                for transaction in (True, False):
                    async with store.pipeline(transaction=transaction) as pipe:
                        handles = []
                        for step in range(20):
                            handles.append(pipe.set(f"{number}:{step}", step))
                            handles.append(pipe.get(f"{number}:{step}"))
                            if step % 5 == 0:
                                await checkpoint()
                        results = await pipe.commit()
                        assert results[1::2] == [b"%d" % step for step in range(20)]
                        assert [await handle for handle in handles] == results

            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(run, number)

    async def test_a5_misuse_is_refused(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            async with store.pipeline() as pipe:
                pipe.set("key", 1)

                async def use() -> None:
                    with pytest.raises(StoreError, match="belongs to another task"):
                        pipe.set("key", 2)
                    with pytest.raises(StoreError, match="belongs to another task"):
                        await pipe.commit()

                async with anyio.create_task_group() as group:
                    group.start_soon(use)
                await pipe.commit()
                with pytest.raises(StoreError, match="has run"):
                    pipe.set("key", 2)
                with pytest.raises(StoreError, match="has run"):
                    await pipe.commit()
            with pytest.raises(StoreError, match="has run"):
                pipe.get("key")
            assert await store.client().get("key") == b"1"
