"""What web programs use a Redis for: caches, channels, sessions, rate limits."""

from __future__ import annotations

import anyio
import pytest

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.anyio]


async def test_channels_redis(url: str) -> None:
    from channels_redis.core import RedisChannelLayer
    from channels_redis.pubsub import RedisPubSubChannelLayer

    for kind in (RedisChannelLayer, RedisPubSubChannelLayer):
        layer = kind(hosts=[url])
        one, two = await layer.new_channel(), await layer.new_channel()
        await layer.group_add("group", one)
        await layer.group_add("group", two)
        await layer.group_send("group", {"type": "note", "number": 1})
        await layer.send(one, {"type": "note", "number": 2})
        with anyio.fail_after(10):
            assert (await layer.receive(two))["number"] == 1
            assert {(await layer.receive(one))["number"] for _ in range(2)} == {1, 2}
        await layer.group_discard("group", two)
        await layer.flush()


async def test_python_socketio_manager(url: str) -> None:
    import socketio

    manager, outside = socketio.AsyncRedisManager(url), socketio.AsyncRedisManager(url, write_only=True)
    server = socketio.AsyncServer(client_manager=manager)
    assert server.manager is manager
    heard: list[dict[str, object]] = []

    async def handle(message: dict[str, object]) -> None:
        heard.append(message)

    manager._handle_emit = handle
    manager.initialize()
    with anyio.fail_after(10):
        while not heard:  # what is emitted before the manager has subscribed is not heard
            await outside.emit("hello", {"a": 1})
            await anyio.sleep(0.05)
    assert heard[0]["event"] == "hello"
    manager.thread.cancel()


def test_django_cache(url: str) -> None:
    import django
    from django.conf import settings

    backend = "django.core.cache.backends.redis.RedisCache"
    settings.configure(CACHES={"default": {"BACKEND": backend, "LOCATION": url}})
    django.setup()
    from django.core.cache import cache

    cache.set("a", {"x": 1}, 30)
    assert cache.get("a") == {"x": 1}
    assert cache.add("a", 1) is False
    cache.set_many({"b": 1, "c": 2})
    assert cache.get_many(["b", "c", "nope"]) == {"b": 1, "c": 2}
    assert cache.incr("b", 5) == 6
    assert cache.touch("a", 5) is True
    cache.delete_many(["b"])
    assert cache.has_key("b") is False
    cache.clear()
    assert cache.get("a") is None


def test_limits(url: str) -> None:
    from limits import parse, storage, strategies

    store = storage.storage_from_string(url)
    for kind in (
        strategies.MovingWindowRateLimiter,
        strategies.FixedWindowRateLimiter,
        strategies.SlidingWindowCounterRateLimiter,
    ):
        limiter, limit = kind(store), parse("3/minute")
        assert [limiter.hit(limit, kind.__name__) for _ in range(4)] == [True, True, True, False]
        assert limiter.get_window_stats(limit, kind.__name__).remaining == 0
    store.reset()
