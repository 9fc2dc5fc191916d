"""What type checkers make of stores, clients, pipelines and what they hand out; never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, assert_type

from anystore import RedisScript, Store, create_store
from anystore.redis.client import Client
from anystore.redis.lock import Lock
from anystore.redis.pipeline import Pipeline
from anystore.redis.pubsub import PubSub


async def as_bytes() -> None:
    async with create_store("redis://localhost") as store:
        assert_type(store, Store[bytes])
        assert_type(store.client(), Client[bytes])
        assert_type(await store.client().get("a"), bytes | None)
        assert_type(await store.execute("GET", "a"), Any)
        async with store.pipeline() as pipe:
            assert_type(pipe, Pipeline[bytes])
            handle = pipe.get("a")
            assert_type(handle, Awaitable[bytes | None])
            assert_type(await handle, bytes | None)
            assert_type(RedisScript("return 1", int)(pipe), Awaitable[int])


async def as_text() -> None:
    async with create_store("redis://localhost", decode_responses=True) as store:
        assert_type(store, Store[str])
        assert_type(store.client(), Client[str])
        assert_type(await store.client().get("a"), str | None)
        async with store.pipeline(transaction=False) as pipe:
            assert_type(pipe, Pipeline[str])
            assert_type(pipe.hgetall("h"), Awaitable[dict[str, str]])
        assert_type(store.client().pipeline(), Pipeline[str])
        assert_type(store.client().pubsub(), PubSub[str])


async def locks(client: Client[str]) -> None:
    lock = client.lock("l", timeout=5, renew=True)
    assert_type(lock, Lock)
    async with lock as entered:
        assert_type(entered, Lock)
    assert_type(await lock.acquire(), bool)
    assert_type(await lock.owned(), bool)
    assert_type(lock.fence, int | None)


async def scripts(client: Client[bytes]) -> None:
    assert_type(RedisScript("return 1"), RedisScript[Any])
    assert_type(RedisScript("return 1", str), RedisScript[str])


async def mistakes(client: Client[bytes]) -> None:
    """Each of these is an error, which the checkers would miss if the arguments were not typed."""
    await client.get(5)  # type: ignore[arg-type]
    await client.expire("a", 1.5)  # type: ignore[arg-type]
    await client.mset({5: "x"})  # type: ignore[type-var]
    await client.lpop("a", "2")  # type: ignore[call-overload]
    await client.hset("h", "f", None, mapping={"a": object()})  # type: ignore[dict-item]
    await client.zrange("z", 0, 1, withscore=True)  # type: ignore[call-overload]
