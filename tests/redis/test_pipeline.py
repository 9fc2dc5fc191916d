from __future__ import annotations

from typing import Any

import anyio
import pytest

from anystore import create_store
from anystore.exceptions import (
    CommandTimeout,
    ExecAbort,
    InvalidArgument,
    ResponseError,
    StoreError,
    WatchError,
    WrongType,
)
from anystore.redis.pipeline import Pipeline, Queued
from anystore.redis.store import RedisStore
from tests.faultproxy import FaultProxy
from tests.redis.test_faults import store_at
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
async def store(request: pytest.FixtureRequest, valkey: RealServer) -> Any:
    async with store_at(valkey.dsn, protocol=request.param) as store:
        await store.flush()
        yield store


@pytest.fixture(params=[True, False], ids=["transaction", "pipeline"])
def transaction(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestCommit:
    async def test_results_come_in_order_and_by_handle(
        self, store: RedisStore[bytes], transaction: bool
    ) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            handles = [
                pipe.set("key", 1),
                pipe.incr("key"),
                pipe.hset("hash", "a", "b"),
                pipe.hgetall("hash"),
            ]
            assert len(pipe) == 4
            assert pipe
            assert repr(handles[0]) == "<Queued SET>"
            results = await pipe.commit()
        assert results == [True, 2, 1, {b"a": b"b"}]
        assert [await handle for handle in handles] == results
        assert isinstance(handles[1], Queued)
        assert handles[1].done
        assert handles[1].result() == 2

    async def test_execute_is_the_same(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            pipe.set("key", 1)
            assert await pipe.execute() == [True]

    async def test_nothing_to_do(self, store: RedisStore[bytes], transaction: bool) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            assert await pipe.commit() == []

    async def test_without_a_block(self, store: RedisStore[bytes], transaction: bool) -> None:
        pipe = store.pipeline(transaction=transaction)
        pipe.set("key", 1)
        assert await pipe.commit() == [True]

    async def test_leaving_without_a_commit_sends_nothing(
        self, store: RedisStore[bytes], transaction: bool
    ) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            handle = pipe.set("key", 1)
        assert await store.client().exists("key") == 0
        with pytest.raises(StoreError, match="SET is queued"):
            await handle
        with pytest.raises(KeyError):
            async with store.pipeline(transaction=transaction) as pipe:
                pipe.set("key", 1)
                raise KeyError
        assert await store.client().exists("key") == 0

    async def test_a_handle_has_no_result_before_the_commit(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            handle = pipe.get("key")
            assert isinstance(handle, Queued)
            assert not handle.done
            with pytest.raises(StoreError, match="GET is queued; its result is there after"):
                await handle

    async def test_raw_commands(self, store: RedisStore[bytes], transaction: bool) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            pipe.execute_command("set", "key", "value")
            pipe.execute_command(b"GET", "key")
            pipe.execute_command("object encoding", "key")
            assert await pipe.commit() == [b"OK", b"value", b"embstr"]

    async def test_arguments_are_taken_as_they_are_when_queued(self, store: RedisStore[bytes]) -> None:
        value = bytearray(b"before")
        async with store.pipeline() as pipe:
            pipe.set("key", memoryview(value))
            value[:] = b"after!"
            pipe.get("key")
            assert await pipe.commit() == [True, b"before"]

    async def test_what_cannot_be_sent_is_refused_at_once(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            with pytest.raises(TypeError, match="argument 2 of SET"):
                pipe.execute_command("SET", "key", None)  # type: ignore[arg-type]
            with pytest.raises(InvalidArgument, match="SUBSCRIBE is not for a connection that tasks share"):
                pipe.execute_command("SUBSCRIBE", "channel")
            assert len(pipe) == 0

    async def test_many_commands(self, store: RedisStore[bytes], transaction: bool) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            for number in range(5_500):
                pipe.rpush("list", number)
            assert await pipe.commit() == list(range(1, 5_501))

    async def test_a_cancelled_commit_leaves_the_shared_connection_in_order(
        self, valkey: RealServer, transaction: bool
    ) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            await store.flush()
            proxy.pause()

            async def commit() -> None:
                async with store.pipeline(transaction=transaction) as pipe:
                    for number in range(100):
                        pipe.rpush("list", number)
                    await pipe.commit()

            async with anyio.create_task_group() as group:
                group.start_soon(commit)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            proxy.resume()
            assert await store.client().llen("list") == 100
            assert proxy.accepted == 1


class TestErrors:
    async def test_the_first_error_is_raised_and_says_where(
        self, store: RedisStore[bytes], transaction: bool
    ) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            pipe.set("key", "a")
            bad = pipe.lpush("key", "secret")
            pipe.incr("key")
            last = pipe.set("other", "b")
            with pytest.raises(WrongType) as caught:
                await pipe.commit()
        assert caught.value.__notes__ == ["command 2 of the pipeline: LPUSH"]
        assert await store.client().get("other") == b"b"
        assert await last is True
        with pytest.raises(WrongType):
            await bad

    async def test_errors_in_place(self, store: RedisStore[bytes], transaction: bool) -> None:
        async with store.pipeline(transaction=transaction) as pipe:
            pipe.set("key", "a")
            pipe.lpush("key", 1)
            pipe.get("key")
            done, error, value = await pipe.commit(raise_on_error=False)
        assert (done, value) == (True, b"a")
        assert isinstance(error, WrongType)

    async def test_a_transaction_with_a_command_that_cannot_be_queued(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            pipe.set("key", 1)
            pipe.execute_command("GET")
            pipe.set("key", 2)
            with pytest.raises(ResponseError, match="wrong number of arguments") as caught:
                await pipe.commit()
            assert caught.value.__notes__ == ["command 2 of the pipeline: GET"]
        async with store.pipeline() as pipe:
            pipe.set("key", 1)
            pipe.execute_command("GET")
            first, second = await pipe.commit(raise_on_error=False)
        assert isinstance(first, ExecAbort)
        assert isinstance(second, ResponseError)
        assert not isinstance(second, ExecAbort)
        assert await store.client().exists("key") == 0

    async def test_when_a_transaction_is_refused(self, valkey: RealServer) -> None:
        for forbidden in ("-multi", "-exec"):
            async with store_at(valkey.dsn) as admin:
                await admin.execute("ACL", "SETUSER", "none", "reset", "on", ">x", "~*", "+@all", forbidden)
            async with store_at(valkey.dsn, user="none", password="x") as store:
                async with store.pipeline() as pipe:
                    pipe.get("key")
                    with pytest.raises(ResponseError, match="NOPERM"):
                        await pipe.commit()
                assert await store.ping() is True

    async def test_an_error_of_the_converter_is_the_commands(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            pipe.execute_command("ECHO", "x", reply=int)
            pipe.ping()
            error, pong = await pipe.commit(raise_on_error=False)
        assert isinstance(error, ValueError)
        assert pong is True


class TestWatching:
    async def test_immediate_mode(self, store: RedisStore[bytes]) -> None:
        client = store.client()
        await client.set("key", 1)
        async with store.pipeline() as pipe:
            assert await pipe.watch("key") is True
            now = int(await pipe.get("key") or 0)
            with pytest.raises(WrongType):
                await pipe.llen("key")
            pipe.multi()
            pipe.set("key", now + 1)
            pipe.get("key")
            assert await pipe.commit() == [True, b"2"]
        assert store.statistics().pool.idle == 1

    async def test_a_change_meanwhile(self, store: RedisStore[bytes]) -> None:
        client = store.client()
        async with store.pipeline() as pipe:
            await pipe.watch("key", "other")
            await client.set("other", 1)
            pipe.multi()
            pipe.set("key", 1)
            with pytest.raises(WatchError, match="a watched key was changed"):
                await pipe.commit()
        assert await client.exists("key") == 0
        assert store.statistics().pool.idle == 1

    async def test_a_transaction_of_nothing_tells_as_well(self, store: RedisStore[bytes]) -> None:
        client = store.client()
        async with store.pipeline() as pipe:
            await pipe.watch("key")
            assert await pipe.commit() == []
        async with store.pipeline() as pipe:
            await pipe.watch("key")
            await client.set("key", 1)
            with pytest.raises(WatchError):
                await pipe.commit()

    async def test_unwatching(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            assert await pipe.unwatch() is True
            await pipe.watch("key")
            assert store.statistics().pool.leased == 1
            await pipe.unwatch()
            assert store.statistics().pool.leased == 0
            await store.client().set("key", 1)
            pipe.get("key")
            assert await pipe.commit() == [b"1"]

    async def test_leaving_gives_up_the_watch_and_keeps_the_connection(
        self, store: RedisStore[bytes]
    ) -> None:
        async with store.pipeline() as pipe:
            await pipe.watch("key")
        async with store.pipeline() as pipe:
            await pipe.watch("other")
            await store.client().set("key", 1)
            pipe.multi()
            pipe.get("key")
            assert await pipe.commit() == [b"1"]
        assert store.statistics().pool.idle == 1

    async def test_misuse(self, store: RedisStore[bytes]) -> None:
        pipe = store.pipeline()
        with pytest.raises(StoreError, match="use the pipeline in 'async with'"):
            await pipe.watch("key")
        async with store.pipeline() as pipe:
            pipe.multi()
            with pytest.raises(StoreError, match="was called already"):
                pipe.multi()
            with pytest.raises(StoreError, match="before commands are queued"):
                await pipe.watch("key")
        async with store.pipeline() as pipe:
            pipe.get("key")
            with pytest.raises(StoreError, match="comes before the commands"):
                pipe.multi()
            with pytest.raises(StoreError, match="before commands are queued"):
                await pipe.watch("key")
        async with store.pipeline() as pipe:
            await pipe.watch("key")
            late = pipe.get("key")
            await pipe.unwatch()
            with pytest.raises(StoreError, match="not watching any more"):
                await late

    async def test_reset_begins_anew(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            await pipe.watch("key")
            pipe.multi()
            pipe.set("key", 1)
            await pipe.reset()
            assert len(pipe) == 0
            pipe.set("key", 2)
            assert await pipe.commit() == [True]
            await pipe.reset()
            pipe.get("key")
            assert await pipe.commit() == [b"2"]

    async def test_a_lost_connection_loses_the_watch(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn) as store:
            async with store.pipeline() as pipe:
                await pipe.watch("key")
                await proxy.cut()
                with pytest.raises(StoreError, match="the connection was lost"):
                    await pipe.get("key")
            async with store.pipeline() as pipe:
                await pipe.watch("key")
                pipe.multi()
                pipe.set("key", 1)
                await proxy.cut()
                with pytest.raises(StoreError, match="the connection was lost"):
                    await pipe.commit()
            async with store.pipeline() as pipe:
                await pipe.watch("key")
                proxy.down.cut_after = 0
                with pytest.raises(StoreError, match="the connection was lost"):
                    await pipe.set("key", 1)
            async with store.pipeline() as pipe:
                await pipe.watch("key")
                pipe.multi()
                pipe.set("key", 1)
                proxy.down.cut_after = 0
                with pytest.raises(StoreError, match="may have carried out the pipeline"):
                    await pipe.commit()
            assert store.statistics().pool.leased == 0

    async def test_time_limits_hold_in_it(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy, store_at(proxy.dsn, command_timeout=0.1) as store:
            async with store.pipeline() as pipe:
                await pipe.watch("key")
                proxy.pause()
                with pytest.raises(CommandTimeout):
                    await pipe.get("key")
                proxy.resume()


class TestTransaction:
    async def test_it_is_tried_until_nobody_interferes(self, store: RedisStore[bytes]) -> None:
        async def add(pipe: Pipeline[bytes]) -> None:
            now = int(await pipe.get("counter") or 0)
            await anyio.sleep(0.001)
            pipe.multi()
            pipe.set("counter", now + 1)

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(store.transaction, add, "counter")
        assert await store.client().get("counter") == b"8"

    async def test_results(self, store: RedisStore[bytes]) -> None:
        def queue(pipe: Pipeline[bytes]) -> str:
            pipe.multi()
            pipe.set("key", 1)
            pipe.incr("key")
            return "value"

        assert await store.transaction(queue, "key") == [True, 2]
        assert await store.transaction(queue) == [True, 2]
        assert await store.transaction(queue, "key", value_from_callable=True) == "value"
        assert await store.transaction(lambda pipe: pipe.incr("key")) == [3]

    async def test_a_limit_of_tries(self, store: RedisStore[bytes]) -> None:
        tries = 0

        async def interfere(pipe: Pipeline[bytes]) -> None:
            nonlocal tries
            tries += 1
            await store.client().incr("key")
            pipe.multi()
            pipe.get("key")

        for run in (store.transaction, store.client().transaction):
            tries = 0
            with pytest.raises(WatchError):
                await run(interfere, "key", attempts=3, watch_delay=0.001)
            assert tries == 3

    @pytest.mark.parametrize("ends", ["reset", "commit"])
    async def test_cancelled_before_anything_is_sent_it_leaves_no_watched_key(
        self, store: RedisStore[bytes], ends: str
    ) -> None:
        """Or the next user of the pool's connection would lose a race of somebody else."""
        client = store.client()
        async with store.pipeline() as pipe:
            await pipe.watch("key")
            pipe.multi()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await (pipe.reset() if ends == "reset" else pipe.commit())
            assert scope.cancelled_caught
        await client.incr("key")
        async with store.pipeline() as pipe:
            await pipe.watch("other")
            pipe.multi()
            pipe.get("key")
            assert await pipe.commit() == [b"1"]

    async def test_nothing_queued_behind_a_watch_without_a_transaction(
        self, store: RedisStore[bytes]
    ) -> None:
        async with store.pipeline(transaction=False) as pipe:
            await pipe.watch("key")
            assert await pipe.get("key") is None
            with anyio.fail_after(10):
                assert await pipe.commit() == []
        async with store.pipeline() as pipe:
            await pipe.watch("other")
            await store.client().incr("key")
            pipe.multi()
            pipe.get("key")
            assert await pipe.commit() == [b"1"]

    async def test_an_error_of_the_function_is_not_swallowed(self, store: RedisStore[bytes]) -> None:
        def fail(pipe: Pipeline[bytes]) -> None:
            pipe.multi()
            pipe.set("key", 1)
            raise KeyError

        with pytest.raises(KeyError):
            await store.transaction(fail, "key")
        assert await store.client().exists("key") == 0
        assert store.statistics().pool.leased == 0


class TestBlocking:
    async def test_in_a_transaction_nothing_blocks(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            pipe.blpop("nothing")
            pipe.rpush("list", 1)
            pipe.blpop("list")
            assert await pipe.commit() == [None, 1, (b"list", b"1")]

    async def test_in_a_pipeline_it_does_not_block_others(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, command_timeout=0.2) as store, anyio.create_task_group() as group:
            await store.flush()

            async def pop() -> None:
                async with store.pipeline(transaction=False) as pipe:
                    pipe.blpop("list")
                    pipe.execute_command("BLPOP", "nothing", 0.3)
                    assert await pipe.commit() == [(b"list", b"1"), None]

            group.start_soon(pop)
            while not (await store.client().info("clients"))["blocked_clients"]:
                continue
            assert await store.ping()
            await store.client().rpush("list", 1)

    async def test_in_immediate_mode(self, store: RedisStore[bytes]) -> None:
        async with store.pipeline() as pipe:
            await pipe.watch("key")
            assert await pipe.blpop("nothing", timeout=0.01) is None


class TestDecoding:
    async def test_each_command_is_decoded_as_it_wants(self, valkey: RealServer, transaction: bool) -> None:
        async with create_store(valkey.dsn, decode_responses=True) as store:
            await store.flush()
            await store.client().set("key", "é")
            async with store.pipeline(transaction=transaction) as pipe:
                pipe.get("key")
                pipe.dump("key")
                pipe.execute_command("GET", "key", decode=False)
                text, dump, raw = await pipe.commit()
        assert text == "é"
        assert isinstance(dump, bytes)
        assert raw == "é".encode()

    async def test_what_cannot_be_decoded_is_that_commands_error(
        self, valkey: RealServer, transaction: bool
    ) -> None:
        async with create_store(valkey.dsn, decode_responses=True) as store:
            await store.client().set("key", b"\xff")
            async with store.pipeline(transaction=transaction) as pipe:
                pipe.get("key")
                pipe.set("other", 1)
                pipe.get("other")
                error, done, value = await pipe.commit(raise_on_error=False)
        assert isinstance(error, UnicodeDecodeError)
        assert (done, value) == (True, "1")

    async def test_other_encodings(self, valkey: RealServer) -> None:
        async with create_store(valkey.dsn, decode_responses=True, encoding="latin-1") as store:
            async with store.pipeline() as pipe:
                pipe.set("é", "é")
                pipe.get("é")
                await pipe.commit()
                await pipe.reset()
                await pipe.watch("é")
                assert await pipe.get("é") == "é"
        async with create_store(valkey.dsn) as store:
            assert await store.client().get(b"\xe9") == b"\xe9"


class TestNamespace:
    async def test_names_are_prefixed_and_bare_again(self, valkey: RealServer, transaction: bool) -> None:
        async with store_at(valkey.dsn, namespace="ns:") as store, store_at(valkey.dsn) as bare:
            await bare.flush()
            async with store.pipeline(transaction=transaction) as pipe:
                pipe.set("key", 1)
                pipe.keys("*")
                pipe.rpush("list", 1)
                pipe.execute_command("LMPOP", 1, "list", "LEFT")
                assert await pipe.commit() == [True, [b"key"], 1, [b"list", [b"1"]]]
            async with store.pipeline() as pipe:
                await pipe.watch("key")
                await bare.client().set("ns:key", 2)
                assert await pipe.get("key") == b"2"
                pipe.multi()
                pipe.set("key", 3)
                with pytest.raises(WatchError):
                    await pipe.commit()
            assert await bare.client().keys("*") == [b"ns:key"]
