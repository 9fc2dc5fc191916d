"""What type checkers make of the results of `commands.bitmaps`; never run."""

from __future__ import annotations

from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.bitcount("a", 0, -1, "BIT"), int)
    assert_type(await c.bitfield("a").set("u8", 0, 1).get("u8", "#1").execute(), list[int | None])
    assert_type(await c.bitfield_ro("a", "u8", 0, [("u4", "#1")]), list[int])
    assert_type(await c.bitop("AND", "d", "a", "b"), int)
    assert_type(await c.bitpos("a", 1, 0, -1), int)
    assert_type(await c.getbit("a", 5), int)
    assert_type(await c.setbit("a", 5, True), int)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.bitcount("a", 0, -1, "BIT"), int)
    assert_type(await c.bitfield("a").set("u8", 0, 1).get("u8", "#1").execute(), list[int | None])
    assert_type(await c.bitfield_ro("a", "u8", 0, [("u4", "#1")]), list[int])
    assert_type(await c.bitop("AND", "d", "a", "b"), int)
    assert_type(await c.bitpos("a", 1, 0, -1), int)
    assert_type(await c.getbit("a", 5), int)
    assert_type(await c.setbit("a", 5, True), int)
