"""What type checkers make of the results of `commands.geo` and `commands.hyperloglog`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.geoadd("g", [1, 2.5, "a"], ch=True), int)
    assert_type(await c.geodist("g", "a", b"b", "km"), float | None)
    assert_type(await c.geohash("g", "a"), list[bytes | None])
    assert_type(await c.geopos("g", "a"), list[tuple[float, float] | None])
    assert_type(await c.georadius("g", 1, 2, 3), Any)
    assert_type(await c.georadius_ro("g", 1, 2, 3), list[Any])
    assert_type(await c.georadiusbymember("g", "a", 3, store="d"), Any)
    assert_type(await c.georadiusbymember_ro("g", "a", 3), list[Any])
    assert_type(await c.geosearch("g", "a", radius=1), list[bytes])
    assert_type(await c.geosearch("g", "a", radius=1, withdist=True), list[Any])
    assert_type(await c.geosearchstore("d", "g", "a", radius=1), int)
    assert_type(await c.pfadd("h", 1, "a"), int)
    assert_type(await c.pfcount("h", "i"), int)
    assert_type(await c.pfmerge("d", "h"), bool)


async def as_text(c: Client[str]) -> None:
    assert_type(await c.geohash("g", "a"), list[str | None])
    assert_type(await c.geosearch("g", longitude=1, latitude=2, width=3, height=4), list[str])
