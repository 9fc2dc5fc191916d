"""The peers behind one small face: connect, GET, a pipeline of SETs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Subject:
    """One client, connected."""

    get: Callable[[str], Awaitable[Any]]
    set_many: Callable[[Sequence[tuple[str, bytes]]], Awaitable[Sequence[Any]]]
    #: What a successful SET answers here.
    ok: Any


@asynccontextmanager
async def anystore(port: int) -> AsyncIterator[Subject]:
    from anystore import create_store

    async with create_store(f"redis://127.0.0.1:{port}/0") as store:
        client = store.client()

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            async with store.pipeline(transaction=False) as pipe:
                for key, value in items:
                    pipe.set(key, value)
                return await pipe.commit()

        yield Subject(client.get, set_many, True)


@asynccontextmanager
async def redis_py(port: int) -> AsyncIterator[Subject]:
    from redis import asyncio as redis

    async with redis.Redis(host="127.0.0.1", port=port, max_connections=200) as client:

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            pipe = client.pipeline(transaction=False)
            for key, value in items:
                pipe.set(key, value)
            return await pipe.execute()

        yield Subject(client.get, set_many, True)


@asynccontextmanager
async def coredis(port: int) -> AsyncIterator[Subject]:
    from coredis import Redis

    async with Redis(host="127.0.0.1", port=port) as client:

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            async with client.pipeline(transaction=False) as pipe:
                queued = [pipe.set(key, value) for key, value in items]
            return [await reply for reply in queued]

        yield Subject(client.get, set_many, True)


@asynccontextmanager
async def valkey_glide(port: int) -> AsyncIterator[Subject]:
    from glide import Batch, GlideClient, GlideClientConfiguration, NodeAddress

    addresses = [NodeAddress("127.0.0.1", port)]
    client = await GlideClient.create(GlideClientConfiguration(addresses, request_timeout=10_000))
    try:

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            batch = Batch(is_atomic=False)
            for key, value in items:
                batch.set(key, value)
            replies = await client.exec(batch, raise_on_error=True)
            return replies or []

        yield Subject(client.get, set_many, "OK")
    finally:
        await client.close()


CLIENTS = {"anystore": anystore, "redis-py": redis_py, "coredis": coredis, "valkey-glide": valkey_glide}
#: redis-py has no trio.
ASYNCIO_ONLY = {"redis-py"}
