from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import ResponseError, WrongType

pytestmark = pytest.mark.anyio


async def test_counting(client: Any) -> None:
    assert await client.pfcount("h") == 0
    assert await client.pfadd("h", "a", 1, b"\xff", 2.5) == 1
    assert await client.pfadd("h", "a", 1) == 0
    assert await client.pfadd("empty") == 1
    assert await client.pfcount("h") == 4
    assert await client.pfadd("i", *range(1000)) == 1
    assert abs(await client.pfcount("i") - 1000) < 30
    assert await client.pfcount("h", "i", "no") == await client.pfcount("i") + 3
    assert await client.pfmerge("d", "h", "i") is True
    assert await client.pfcount("d") == await client.pfcount("h", "i")
    assert await client.pfmerge("h") is True
    await client.rpush("l", 1)
    with pytest.raises(WrongType):
        await client.pfadd("l", 1)
    await client.set("x", "text")
    with pytest.raises(ResponseError, match="not a valid HyperLogLog"):
        await client.pfcount("x")


async def test_the_value_is_a_string(client: Any) -> None:
    await client.pfadd("h", *range(50))
    value = await client.get("h")
    assert value.startswith(b"HYLL\x01")
    await client.set("copy", value)
    assert await client.pfcount("copy") == await client.pfcount("h")
