"""What type checkers make of the results of `commands.hashes`; never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.hdel("h", "f", 1), int)
    assert_type(await c.hexists("h", "f"), bool)
    assert_type(await c.hget("h", "f"), bytes | None)
    assert_type(await c.hgetall("h"), dict[bytes, bytes])
    assert_type(await c.hincrby("h", "f"), int)
    assert_type(await c.hincrbyfloat("h", "f", 0.5), float)
    assert_type(await c.hkeys("h"), list[bytes])
    assert_type(await c.hlen("h"), int)
    assert_type(await c.hmget("h", "f", "g"), list[bytes | None])
    assert_type(await c.hmget("h", ["f", 1]), list[bytes | None])
    assert_type(await c.hmset("h", {"f": 1}), bool)
    assert_type(await c.hrandfield("h"), bytes | None)
    assert_type(await c.hrandfield("h", 2), list[bytes])
    assert_type(await c.hrandfield("h", 2, withvalues=True), list[tuple[bytes, bytes]])
    assert_type(await c.hset("h", "f", 1), int)
    assert_type(await c.hset("h", mapping={"f": 1, "g": "x"}), int)
    assert_type(await c.hset("h", items=["f", 1]), int)
    assert_type(await c.hsetnx("h", "f", 1), int)
    assert_type(await c.hstrlen("h", "f"), int)
    assert_type(await c.hvals("h"), list[bytes])
    assert_type(await c.hscan("h"), tuple[int, dict[bytes, bytes]])
    assert_type(await c.hscan("h", no_values=True), tuple[int, list[bytes]])
    async for item in c.hscan_iter("h"):
        assert_type(item, tuple[bytes, bytes])
    async for pair in c.hscan_iter("h", no_values=True):
        assert_type(pair, bytes)
    assert_type(await c.hexpire("h", 5, "f", nx=True), list[int])
    assert_type(await c.hpexpire("h", timedelta(seconds=1), "f"), list[int])
    assert_type(await c.hexpireat("h", datetime.now(), "f"), list[int])
    assert_type(await c.hpexpireat("h", 5, "f"), list[int])
    assert_type(await c.hpersist("h", "f"), list[int])
    assert_type(await c.hexpiretime("h", "f"), list[int])
    assert_type(await c.hpexpiretime("h", "f"), list[int])
    assert_type(await c.httl("h", "f"), list[int])
    assert_type(await c.hpttl("h", "f"), list[int])
    assert_type(await c.hgetex("h", "f", ex=5), list[bytes | None])
    assert_type(await c.hsetex("h", "f", 1, ex=timedelta(seconds=1), data_persist_option="FNX"), int)
    assert_type(await c.hsetex("h", mapping={"f": 1}, keepttl=True), int)
    assert_type(await c.hgetdel("h", "f"), list[bytes | None])


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.hdel("h", "f", 1), int)
    assert_type(await c.hexists("h", "f"), bool)
    assert_type(await c.hget("h", "f"), str | None)
    assert_type(await c.hgetall("h"), dict[str, str])
    assert_type(await c.hincrby("h", "f"), int)
    assert_type(await c.hincrbyfloat("h", "f", 0.5), float)
    assert_type(await c.hkeys("h"), list[str])
    assert_type(await c.hlen("h"), int)
    assert_type(await c.hmget("h", "f", "g"), list[str | None])
    assert_type(await c.hmget("h", ["f", 1]), list[str | None])
    assert_type(await c.hmset("h", {"f": 1}), bool)
    assert_type(await c.hrandfield("h"), str | None)
    assert_type(await c.hrandfield("h", 2), list[str])
    assert_type(await c.hrandfield("h", 2, withvalues=True), list[tuple[str, str]])
    assert_type(await c.hset("h", "f", 1), int)
    assert_type(await c.hset("h", mapping={"f": 1, "g": "x"}), int)
    assert_type(await c.hset("h", items=["f", 1]), int)
    assert_type(await c.hsetnx("h", "f", 1), int)
    assert_type(await c.hstrlen("h", "f"), int)
    assert_type(await c.hvals("h"), list[str])
    assert_type(await c.hscan("h"), tuple[int, dict[str, str]])
    assert_type(await c.hscan("h", no_values=True), tuple[int, list[str]])
    async for another in c.hscan_iter("h"):
        assert_type(another, tuple[str, str])
    async for more in c.hscan_iter("h", no_values=True):
        assert_type(more, str)
    assert_type(await c.hexpire("h", 5, "f", nx=True), list[int])
    assert_type(await c.hpexpire("h", timedelta(seconds=1), "f"), list[int])
    assert_type(await c.hexpireat("h", datetime.now(), "f"), list[int])
    assert_type(await c.hpexpireat("h", 5, "f"), list[int])
    assert_type(await c.hpersist("h", "f"), list[int])
    assert_type(await c.hexpiretime("h", "f"), list[int])
    assert_type(await c.hpexpiretime("h", "f"), list[int])
    assert_type(await c.httl("h", "f"), list[int])
    assert_type(await c.hpttl("h", "f"), list[int])
    assert_type(await c.hgetex("h", "f", ex=5), list[str | None])
    assert_type(await c.hsetex("h", "f", 1, ex=timedelta(seconds=1), data_persist_option="FNX"), int)
    assert_type(await c.hsetex("h", mapping={"f": 1}, keepttl=True), int)
    assert_type(await c.hgetdel("h", "f"), list[str | None])
