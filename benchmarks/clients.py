"""The peers behind one small face: connect, GET, a pipeline of SETs, publish, subscribe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

#: Enough for every subscriber to have one.
CONNECTIONS = 200

#: The bytes of the next message to a subscriber.
Following = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Subject:
    """One client, connected."""

    get: Callable[[str], Awaitable[Any]]
    set_many: Callable[[Sequence[tuple[str, bytes]]], Awaitable[Sequence[Any]]]
    #: What a successful SET answers here.
    ok: Any
    #: A message, and the number of subscribers that it went to; None where this is not measured.
    publish: Callable[[str, bytes], Awaitable[Any]] | None = None
    #: One more subscriber to a channel, subscribed once the block is entered.
    subscriber: Callable[[str], AbstractAsyncContextManager[Following]] | None = None


@asynccontextmanager
async def anystore(port: int) -> AsyncIterator[Subject]:
    from anystore import create_store

    async with create_store(f"redis://127.0.0.1:{port}/0", max_connections=CONNECTIONS) as store:
        client = store.client()

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            async with store.pipeline(transaction=False) as pipe:
                for key, value in items:
                    pipe.set(key, value)
                return await pipe.commit()

        @asynccontextmanager
        async def subscriber(channel: str) -> AsyncIterator[Following]:
            async with store.pubsub() as pubsub:
                await pubsub.subscribe(channel)
                messages = aiter(pubsub)

                async def following() -> Any:
                    return (await anext(messages)).data

                yield following

        yield Subject(client.get, set_many, True, client.publish, subscriber)


@asynccontextmanager
async def redis_py(port: int) -> AsyncIterator[Subject]:
    from redis import asyncio as redis

    async with redis.Redis(host="127.0.0.1", port=port, max_connections=CONNECTIONS) as client:

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            pipe = client.pipeline(transaction=False)
            for key, value in items:
                pipe.set(key, value)
            return await pipe.execute()

        @asynccontextmanager
        async def subscriber(channel: str) -> AsyncIterator[Following]:
            async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(channel)
                if await pubsub.get_message(timeout=None) is not None:
                    raise AssertionError("a message instead of the confirmation")
                messages = pubsub.listen()

                async def following() -> Any:
                    return (await anext(messages))["data"]

                yield following

        yield Subject(client.get, set_many, True, client.publish, subscriber)


@asynccontextmanager
async def coredis(port: int) -> AsyncIterator[Subject]:
    from coredis import Redis

    async with Redis(host="127.0.0.1", port=port, max_connections=CONNECTIONS) as client:

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            async with client.pipeline(transaction=False) as pipe:
                queued = [pipe.set(key, value) for key, value in items]
            return [await reply for reply in queued]

        @asynccontextmanager
        async def subscriber(channel: str) -> AsyncIterator[Following]:
            async with client.pubsub(channels=[channel], ignore_subscribe_messages=True) as pubsub:

                async def following() -> Any:
                    while (message := await pubsub.get_message()) is None:
                        pass
                    return message["data"]

                yield following

        yield Subject(client.get, set_many, True, client.publish, subscriber)


@asynccontextmanager
async def valkey_glide(port: int) -> AsyncIterator[Subject]:
    from glide import Batch, GlideClient, GlideClientConfiguration, NodeAddress

    async def connected() -> GlideClient:
        addresses = [NodeAddress("127.0.0.1", port)]
        return await GlideClient.create(GlideClientConfiguration(addresses, request_timeout=10_000))

    async with AsyncExitStack() as stack:
        client = await connected()
        stack.push_async_callback(client.close)

        async def set_many(items: Sequence[tuple[str, bytes]]) -> Sequence[Any]:
            batch = Batch(is_atomic=False)
            for key, value in items:
                batch.set(key, value)
            replies = await client.exec(batch, raise_on_error=True)
            return replies or []

        async def publish(channel: str, message: bytes) -> int:
            return await client.publish(message, channel)

        @asynccontextmanager
        async def subscriber(channel: str) -> AsyncIterator[Following]:
            # A client has one queue of messages, so each subscriber is a client.
            listening = await connected()
            try:
                await listening.subscribe({channel}, timeout_ms=10_000)

                async def following() -> Any:
                    return (await listening.get_pubsub_message()).message

                yield following
            finally:
                await listening.close()

        yield Subject(client.get, set_many, "OK", publish, subscriber)


CLIENTS = {"anystore": anystore, "redis-py": redis_py, "coredis": coredis, "valkey-glide": valkey_glide}
#: redis-py has no trio.
ASYNCIO_ONLY = {"redis-py"}
