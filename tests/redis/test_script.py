from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from anystore import RedisScript, Store, create_store
from anystore.exceptions import NoScript, ResponseError
from tests.redis.commands.recorder import Recorder
from tests.servers import RealServer

pytestmark = pytest.mark.anyio

TEXT = "return {KEYS[1], ARGV[1]}"
SHA = hashlib.sha1(TEXT.encode()).hexdigest()


@pytest.fixture
async def store(valkey: RealServer, anyio_backend: Any) -> AsyncIterator[Store[bytes]]:
    async with create_store(valkey.dsn) as store:
        await store.client().script_flush()
        yield store


class TestOnAServer:
    async def test_loads_itself_and_then_goes_by_its_name(self, store: Store[bytes]) -> None:
        client = store.client()
        script = RedisScript(TEXT)
        assert script.sha == SHA
        assert repr(script) == f"<RedisScript {SHA}>"
        assert await script(client, keys=["k"], args=[b"\xff"]) == [b"k", b"\xff"]
        assert await client.script_exists(SHA) == [True]
        await client.config_resetstat()
        assert await script(client, ["k"], [1]) == [b"k", b"1"]
        calls = await client.info("commandstats")
        assert "cmdstat_eval" not in calls
        assert calls["cmdstat_evalsha"]["calls"] == 1

    async def test_comes_back_after_the_server_forgot_it(self, store: Store[bytes]) -> None:
        client = store.client()
        script = RedisScript(TEXT)
        for _ in range(2):
            await client.script_flush()
            assert await script(client, ["k"], [1]) == [b"k", b"1"]

    async def test_runs_for_many_tasks_at_once(self, store: Store[bytes]) -> None:
        client = store.client()
        script = RedisScript("return tonumber(ARGV[1]) * 2", int)
        doubled: dict[int, int] = {}

        async def run(number: int) -> None:
            doubled[number] = await script(client, args=[number])

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(run, number)
        assert doubled == {number: 2 * number for number in range(50)}

    async def test_its_errors_are_the_servers(self, store: Store[bytes]) -> None:
        with pytest.raises(ResponseError, match="compil"):
            await RedisScript("return (")(store.client())
        with pytest.raises(ResponseError, match="mine"):
            await RedisScript("return redis.error_reply('ERR mine')")(store.client())


class TestWhatIsSent:
    async def test_the_name_first_and_the_text_when_it_is_unknown(self) -> None:
        client = Recorder(NoScript("NOSCRIPT No matching script."), b"17", b"18")
        script = RedisScript(TEXT.encode(), int)
        assert await script(client, keys=["k"], args=["x"]) == 17
        assert await script(client) == 18
        assert client.sent == [
            ("EVALSHA", SHA, 1, "k", "x"),
            ("EVAL", TEXT.encode(), 1, "k", "x"),
            ("EVALSHA", SHA, 0),
        ]

    async def test_in_a_pipeline_the_text_once(self) -> None:
        pipeline = Recorder(b"1", b"2", b"3")
        pipeline.queued_scripts = set()
        script = RedisScript(TEXT, int)
        for expected in (1, 2):
            assert await script(pipeline, ["k"], ["x"]) == expected
        pipeline.queued_scripts.clear()  # committed
        assert await script(pipeline) == 3
        assert client_words(pipeline) == ["EVAL", "EVALSHA", "EVAL"]

    async def test_a_registered_script_knows_its_client(self) -> None:
        client, another = Recorder(b"1"), Recorder(b"2")
        script = client.register_script(TEXT)
        assert (script.script, script.sha) == (TEXT, SHA)
        assert script.registered_client is client
        assert await script(keys=["k"], args=["x"]) == b"1"
        assert await script(client=another) == b"2"
        assert client.sent == [("EVALSHA", SHA, 1, "k", "x")]
        assert another.sent == [("EVALSHA", SHA, 0)]


def client_words(client: Recorder) -> list[str]:
    return [args[0] for args in client.sent]
