from __future__ import annotations

import hashlib
from typing import Any

import pytest

from anystore.exceptions import NoScript, NotBusy, ResponseError, WrongType

pytestmark = pytest.mark.anyio

ECHO = "return {KEYS[1], ARGV[1], 3.7, false, {1, 'two'}, redis.status_reply('FINE')}"


async def test_eval(client: Any, text_client: Any) -> None:
    assert await client.eval(ECHO, 1, "k", b"\xff") == [b"k", b"\xff", 3, None, [1, b"two"], b"FINE"]
    assert await text_client.eval(ECHO, 1, "k", "ü") == ["k", "ü", 3, None, [1, "two"], "FINE"]
    assert await client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "a", 5) == b"OK"
    assert await client.eval_ro("return redis.call('GET', KEYS[1])", 1, "a") == b"5"
    with pytest.raises(ResponseError, match="Write commands are not allowed from read-only scripts"):
        await client.eval_ro("return redis.call('SET', KEYS[1], 1)", 1, "a")
    with pytest.raises(ResponseError, match="my own error"):
        await client.eval("return redis.error_reply('ERR my own error')", 0)
    with pytest.raises(ResponseError, match="compil"):
        await client.eval("return (", 0)
    with pytest.raises(WrongType):
        await client.eval("return redis.call('LPUSH', KEYS[1], 1)", 1, "a")


async def test_evalsha(client: Any) -> None:
    await client.script_flush()
    script = "return ARGV[1]"
    sha = hashlib.sha1(script.encode()).hexdigest()
    with pytest.raises(NoScript):
        await client.evalsha(sha, 0, "x")
    assert await client.script_exists(sha, "0" * 40) == [False, False]
    assert await client.script_load(script) == sha
    assert await client.script_exists(sha, "0" * 40) == [True, False]
    assert await client.evalsha(sha, 0, "x") == b"x"
    assert await client.evalsha_ro(sha, 0, "x") == b"x"
    assert await client.script_flush("ASYNC") is True
    assert await client.script_flush("SYNC") is True
    assert await client.script_exists(sha) == [False]
    with pytest.raises(NotBusy):
        await client.script_kill()


async def test_register_script(client: Any) -> None:
    await client.script_flush()
    script = client.register_script("return {KEYS[1], ARGV[1]}")
    assert await script(keys=["k"], args=[1]) == [b"k", b"1"]
    assert await client.script_exists(script.sha) == [True]
    assert await script(["k"], ["x"], client) == [b"k", b"x"]


@pytest.mark.needs("script|show")
async def test_the_text_of_a_script(client: Any) -> None:
    sha = await client.script_load("return 'seen'")
    assert await client.script_show(sha) == b"return 'seen'"
    with pytest.raises(NoScript):
        await client.script_show("0" * 40)
