"""Other clients of the protocol, in Python, on Node.js and on the shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.anyio]

NODE = Path(__file__).parent / "node"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def test_redis_py(url: str) -> None:
    import redis

    client = redis.Redis.from_url(url, protocol=3, decode_responses=True)
    assert client.set("a", 1) is True
    with client.pipeline() as pipe:
        assert pipe.incr("a").get("a").execute() == [2, "2"]
    with client.lock("lock", timeout=5):
        assert client.exists("lock")
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"  # type: ignore[index]
    client.publish("news", "hello")
    assert pubsub.get_message(timeout=5)["data"] == "hello"  # type: ignore[index]
    pubsub.close()
    client.xadd("stream", {"field": "value"})
    client.xgroup_create("stream", "group", "0")
    assert client.xreadgroup("group", "me", {"stream": ">"})
    client.close()


def test_redis_py_with_client_side_caching(url: str) -> None:
    import redis
    from redis.cache import CacheConfig

    writer = redis.Redis.from_url(url)
    client = redis.Redis.from_url(url, protocol=3, cache_config=CacheConfig())
    writer.set("a", "1")
    assert client.get("a") == b"1"
    assert client.get_cache().size == 1
    writer.set("a", "2")
    assert client.get("a") == b"2"
    client.close()
    writer.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_coredis(url: str) -> None:
    import coredis

    async with coredis.Redis.from_url(url, decode_responses=True) as client:
        assert await client.set("a", "1")
        async with client.pipeline(transaction=True) as pipe:
            replies = [pipe.incr("a"), pipe.get("a")]
        assert [await reply for reply in replies] == [2, "2"]
        await client.zadd("z", {"one": 1, "two": 2})
        assert await client.zrange("z", 0, -1) == ("one", "two")
        assert await client.hset("h", {"f": "v"}) == 1
        assert await client.hgetall("h") == {"f": "v"}


async def test_valkey_glide(url: str) -> None:
    from glide import Batch, GlideClient, GlideClientConfiguration, NodeAddress

    client = await GlideClient.create(GlideClientConfiguration([NodeAddress("127.0.0.1", port_of(url))]))
    assert await client.set("a", "1") == "OK"
    batch = Batch(is_atomic=True)
    batch.incr("a")
    batch.get("a")
    assert await client.exec(batch, raise_on_error=True) == [2, b"2"]
    assert await client.custom_command(["LPUSH", "l", "x", "y"]) == 2
    await client.close()


@pytest.mark.parametrize("script", ["ioredis.js", "node-redis.js", "bullmq.js"])
def test_node(url: str, script: str) -> None:
    node = shutil.which("node")
    assert node is not None, "Node.js is missing"
    result = subprocess.run(
        [node, str(NODE / script), url], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == {"ok": True}


@pytest.mark.parametrize("redis_cli", filter(None, [shutil.which("redis-cli")]))
def test_redis_cli(url: str, redis_cli: str) -> None:
    def cli(*arguments: str, given: str = "") -> str:
        return subprocess.run(
            [redis_cli, "-p", str(port_of(url)), *arguments],
            capture_output=True,
            text=True,
            input=given,
            timeout=60,
            check=True,
        ).stdout

    loaded = cli("--pipe", given="".join(f"SET key:{number} {number}\r\n" for number in range(1000)))
    assert "errors: 0, replies: 1000" in loaded
    cli("RPUSH", "list", "a", "b", "c")
    assert len(cli("--scan", "--pattern", "key:*").splitlines()) == 1000
    assert "has 3 items" in cli("--bigkeys")
    assert "Sampled 1001 keys" in cli("--memkeys")
    assert cli("LRANGE", "list", "0", "-1").split() == ["a", "b", "c"]
    assert cli("-3", "HELLO", "3").startswith("server redis")
