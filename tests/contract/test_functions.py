from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import NotBusy, ResponseError

pytestmark = pytest.mark.anyio

CODE = """#!lua name=contract
redis.register_function{
  function_name='echo', callback=function(keys, args) return {keys[1], args[1]} end, flags={'no-writes'}
}
redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
"""


async def test_libraries(client: Any, text_client: Any) -> None:
    assert await client.function_flush() is True
    assert await client.function_load(CODE) == "contract"
    with pytest.raises(ResponseError, match="already exists"):
        await client.function_load(CODE)
    assert await client.function_load(CODE, replace=True) == "contract"
    assert await client.fcall("echo", 1, "k", b"\xff") == [b"k", b"\xff"]
    assert await text_client.fcall_ro("echo", 1, "k", "ü") == ["k", "ü"]
    with pytest.raises(ResponseError, match="write flag"):
        await client.fcall_ro("put", 1, "k", 1)
    (library,) = await text_client.function_list("contr*", withcode=True)
    functions = library.pop("functions")
    assert library == {"library_name": "contract", "engine": "LUA", "library_code": CODE}
    flags = {function["name"]: (function["description"], function["flags"]) for function in functions}
    assert flags == {"echo": (None, {"no-writes"}), "put": (None, set())}
    assert (await client.function_stats())["engines"]["LUA"] == {"libraries_count": 1, "functions_count": 2}
    payload = await client.function_dump()
    assert await client.function_delete("contract") is True
    assert await client.function_list() == []
    assert await client.function_restore(payload) is True
    assert await client.function_restore(payload, "REPLACE") is True
    assert await client.fcall("echo", 1, "k", "a") == [b"k", b"a"]
    with pytest.raises(NotBusy):
        await client.function_kill()
    assert await client.function_flush("ASYNC") is True
