"""What type checkers make of pub/sub and channels; never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

from anystore import Gap, Json, Message, create_store
from anystore.redis.channels import Channel, Channels
from anystore.redis.lock import Lock
from anystore.redis.pubsub import PubSub


async def as_bytes() -> None:
    async with create_store("redis://localhost") as store, store.pubsub(Json()) as pubsub:
        assert_type(pubsub, PubSub[bytes])
        assert_type(await pubsub.subscribe("a", b"b", ["c"], d=print), None)
        assert_type(await pubsub.get_message(timeout=1), Message[bytes] | Gap | None)
        assert_type(await pubsub.count("a"), dict[bytes, int])
        assert_type(await pubsub.channels(), list[bytes])
        assert_type(await pubsub.publish("a", {"any": "thing"}), int)
        async for message in pubsub:
            assert_type(message, Message[bytes] | Gap)
            assert_type(message.kind, str)
            assert_type(message.data, Any)
            if not isinstance(message, Gap):
                assert_type(message.channel, bytes)
                assert_type(message.pattern, bytes | None)
            else:
                assert_type(message.lost, int | None)


async def as_text() -> None:
    async with create_store("redis://localhost", decode_responses=True) as store:
        pubsub = store.pubsub(buffer_size=1_000, overflow="block")
        assert_type(pubsub, PubSub[str])
        assert_type(await pubsub.count("a"), dict[str, int])
        async with store.channels(namespace="n") as channels:
            assert_type(channels, Channels[str])
            assert_type(await channels.register("a", "*", on_event), Channel)
            assert_type(await channels.unregister("a", "*", on_event), Channel | None)
            assert_type(await channels.publish("a", "event", 1), int)
            assert_type(channels.lock("l"), Lock)


async def on_event(channel: Channel, event: str, data: Any) -> None:
    assert_type(channel.name, str)
