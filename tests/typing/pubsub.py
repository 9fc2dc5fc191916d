"""What type checkers make of the results of `commands.pubsub`; never run."""

from __future__ import annotations

from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.publish("ch", "x"), int)
    assert_type(await c.spublish("ch", b"x"), int)
    assert_type(await c.pubsub_channels(), list[bytes])
    assert_type(await c.pubsub_shardchannels("a*"), list[bytes])
    assert_type(await c.pubsub_numpat(), int)
    assert_type(await c.pubsub_numsub("ch"), list[tuple[bytes, int]])
    assert_type(await c.pubsub_shardnumsub("ch"), list[tuple[bytes, int]])


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.publish("ch", "x"), int)
    assert_type(await c.spublish("ch", b"x"), int)
    assert_type(await c.pubsub_channels(), list[str])
    assert_type(await c.pubsub_shardchannels("a*"), list[str])
    assert_type(await c.pubsub_numpat(), int)
    assert_type(await c.pubsub_numsub("ch"), list[tuple[str, int]])
    assert_type(await c.pubsub_shardnumsub("ch"), list[tuple[str, int]])
