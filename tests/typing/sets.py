"""What type checkers make of the results of `commands.sets`; never run."""

from __future__ import annotations

from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.sadd("s", 1, "x"), int)
    assert_type(await c.scard("s"), int)
    assert_type(await c.sdiff("s", "t"), set[bytes])
    assert_type(await c.sdiffstore("d", ["s"]), int)
    assert_type(await c.sinter(["s", "t"]), set[bytes])
    assert_type(await c.sintercard(1, ["s"], limit=1), int)
    assert_type(await c.sinterstore("d", "s"), int)
    assert_type(await c.sunion("s"), set[bytes])
    assert_type(await c.sunionstore("d", "s"), int)
    assert_type(await c.sismember("s", 1), int)
    assert_type(await c.smembers("s"), set[bytes])
    assert_type(await c.smismember("s", ["x", 1]), list[int])
    assert_type(await c.smove("s", "t", 1), bool)
    assert_type(await c.spop("s"), bytes | None)
    assert_type(await c.spop("s", 2), list[bytes])
    assert_type(await c.srandmember("s"), bytes | None)
    assert_type(await c.srandmember("s", -2), list[bytes])
    assert_type(await c.srem("s", "x"), int)
    assert_type(await c.sscan("s"), tuple[int, list[bytes]])
    async for item in c.sscan_iter("s"):
        assert_type(item, bytes)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.sadd("s", 1, "x"), int)
    assert_type(await c.scard("s"), int)
    assert_type(await c.sdiff("s", "t"), set[str])
    assert_type(await c.sdiffstore("d", ["s"]), int)
    assert_type(await c.sinter(["s", "t"]), set[str])
    assert_type(await c.sintercard(1, ["s"], limit=1), int)
    assert_type(await c.sinterstore("d", "s"), int)
    assert_type(await c.sunion("s"), set[str])
    assert_type(await c.sunionstore("d", "s"), int)
    assert_type(await c.sismember("s", 1), int)
    assert_type(await c.smembers("s"), set[str])
    assert_type(await c.smismember("s", ["x", 1]), list[int])
    assert_type(await c.smove("s", "t", 1), bool)
    assert_type(await c.spop("s"), str | None)
    assert_type(await c.spop("s", 2), list[str])
    assert_type(await c.srandmember("s"), str | None)
    assert_type(await c.srandmember("s", -2), list[str])
    assert_type(await c.srem("s", "x"), int)
    assert_type(await c.sscan("s"), tuple[int, list[str]])
    async for pair in c.sscan_iter("s"):
        assert_type(pair, str)
