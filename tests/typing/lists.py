"""What type checkers make of the results of `commands.lists`; never run."""

from __future__ import annotations

from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.blpop(["a", b"b"], 1.5), tuple[bytes, bytes] | None)
    assert_type(await c.brpop("a"), tuple[bytes, bytes] | None)
    assert_type(await c.brpoplpush("a", "b", 1), bytes | None)
    assert_type(await c.blmove("a", "b", 1, "LEFT", "RIGHT"), bytes | None)
    assert_type(await c.blmpop(1, 1, "a", direction="LEFT"), tuple[bytes, list[bytes]] | None)
    assert_type(await c.lmpop(1, "a", direction="LEFT", count=2), tuple[bytes, list[bytes]] | None)
    assert_type(await c.lindex("a", 0), bytes | None)
    assert_type(await c.linsert("a", "BEFORE", "x", 1), int)
    assert_type(await c.llen("a"), int)
    assert_type(await c.lmove("a", "b"), bytes | None)
    assert_type(await c.lpop("a"), bytes | None)
    assert_type(await c.lpop("a", 2), list[bytes] | None)
    assert_type(await c.lpush("a", 1, "x"), int)
    assert_type(await c.lpushx("a", 1), int)
    assert_type(await c.lrange("a", 0, -1), list[bytes])
    assert_type(await c.lrem("a", 0, "x"), int)
    assert_type(await c.lset("a", 0, "x"), bool)
    assert_type(await c.ltrim("a", 0, 1), bool)
    assert_type(await c.rpop("a"), bytes | None)
    assert_type(await c.rpop("a", count=2), list[bytes] | None)
    assert_type(await c.rpoplpush("a", "b"), bytes | None)
    assert_type(await c.rpush("a", b"x"), int)
    assert_type(await c.rpushx("a", 1.5), int)
    assert_type(await c.lpos("a", "x"), int | None)
    assert_type(await c.lpos("a", "x", count=0), list[int])


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.blpop(["a", b"b"], 1.5), tuple[str, str] | None)
    assert_type(await c.brpop("a"), tuple[str, str] | None)
    assert_type(await c.brpoplpush("a", "b", 1), str | None)
    assert_type(await c.blmove("a", "b", 1, "LEFT", "RIGHT"), str | None)
    assert_type(await c.blmpop(1, 1, "a", direction="LEFT"), tuple[str, list[str]] | None)
    assert_type(await c.lmpop(1, "a", direction="LEFT", count=2), tuple[str, list[str]] | None)
    assert_type(await c.lindex("a", 0), str | None)
    assert_type(await c.linsert("a", "BEFORE", "x", 1), int)
    assert_type(await c.llen("a"), int)
    assert_type(await c.lmove("a", "b"), str | None)
    assert_type(await c.lpop("a"), str | None)
    assert_type(await c.lpop("a", 2), list[str] | None)
    assert_type(await c.lpush("a", 1, "x"), int)
    assert_type(await c.lpushx("a", 1), int)
    assert_type(await c.lrange("a", 0, -1), list[str])
    assert_type(await c.lrem("a", 0, "x"), int)
    assert_type(await c.lset("a", 0, "x"), bool)
    assert_type(await c.ltrim("a", 0, 1), bool)
    assert_type(await c.rpop("a"), str | None)
    assert_type(await c.rpop("a", count=2), list[str] | None)
    assert_type(await c.rpoplpush("a", "b"), str | None)
    assert_type(await c.rpush("a", b"x"), int)
    assert_type(await c.rpushx("a", 1.5), int)
    assert_type(await c.lpos("a", "x"), int | None)
    assert_type(await c.lpos("a", "x", count=0), list[int])
