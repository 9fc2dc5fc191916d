"""One definition of each method serves client and pipeline: queued, they give what they give when awaited."""

from __future__ import annotations

from typing import Any

import pytest

from anystore import RedisScript, Store
from anystore.exceptions import StoreError, WrongType

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transaction", [True, False])
async def test_results_are_those_of_the_client(store: Store[bytes], transaction: bool) -> None:
    async with store.pipeline(transaction=transaction) as pipe:
        handles: list[tuple[Any, Any]] = [
            (pipe.set("a", "x"), True),
            (pipe.set("a", "y", nx=True), None),
            (pipe.set("a", "z", get=True), b"x"),
            (pipe.incrbyfloat("n", 1.5), 1.5),
            (pipe.mget([]), []),
            (pipe.hset("h", mapping={"f": 1}), 1),
            (pipe.hgetall("h"), {b"f": b"1"}),
            (pipe.hscan("h"), (0, {b"f": b"1"})),
            (pipe.hexists("h", "f"), True),
            (pipe.sadd("s", "m"), 1),
            (pipe.smembers("s"), {b"m"}),
            (pipe.zadd("z", {"m": 1, "n": 2.5}), 2),
            (pipe.zrange("z", 0, -1, withscores=True), [(b"m", 1.0), (b"n", 2.5)]),
            (pipe.zpopmin("z"), [(b"m", 1.0)]),
            (pipe.zscore("z", "n"), 2.5),
            (pipe.rpush("l", 1, 2), 2),
            (pipe.blpop("l", 1), (b"l", b"1")),
            (pipe.lmpop(1, "l", direction="LEFT"), (b"l", [b"2"])),
            (pipe.bitfield("b").set("u8", 0, 9).get("u8", 0).execute(), [0, 9]),
            (pipe.expire("a", 100), True),
            (pipe.config_get("timeout"), {"timeout": "0"}),
            (pipe.type("z"), b"zset"),
            (pipe.wait(0, 100), 0),
        ]
        dump = pipe.dump("a")
        info = pipe.info("keyspace")
        assert await pipe.commit() is not None
        assert [await handle for handle, _ in handles] == [expected for _, expected in handles]
        assert isinstance(await dump, bytes)
        assert (await info)["db0"]["keys"] >= 3


async def test_errors_are_the_handles(store: Store[bytes]) -> None:
    async with store.pipeline() as pipe:
        good = pipe.set("a", 1)
        bad = pipe.lpush("a", 1)
        results = await pipe.commit(raise_on_error=False)
        assert results[0] is True
        assert isinstance(results[1], WrongType)
        assert await good is True
        with pytest.raises(WrongType):
            await bad


async def test_handles_have_no_result_before_the_commit(store: Store[bytes]) -> None:
    async with store.pipeline() as pipe:
        with pytest.raises(StoreError):
            await pipe.get("a")
        with pytest.raises(StoreError):
            async for _ in pipe.scan_iter():
                raise AssertionError("no page can have arrived")


async def test_scripts(store: Store[bytes]) -> None:
    script = RedisScript("return {KEYS[1], ARGV[1]}", tuple)
    client = store.client()
    await client.script_flush()
    for transaction in (True, False):
        async with store.pipeline(transaction=transaction) as pipe:
            first, second = script(pipe, ["a"], [1]), script(pipe, ["b"], [2])
            await pipe.commit()
            assert (await first, await second) == ((b"a", b"1"), (b"b", b"2"))
        await client.script_flush()
