from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import WrongType

pytestmark = pytest.mark.anyio


async def test_members(client: Any) -> None:
    assert await client.smembers("s") == set()
    assert await client.sadd("s", "a", 1, b"\xff", "a") == 3
    assert await client.sadd("s", "a") == 0
    assert await client.smembers("s") == {b"a", b"1", b"\xff"}
    assert await client.scard("s") == 3
    assert await client.sismember("s", 1) == 1
    assert await client.sismember("s", 2) == 0
    assert await client.smismember("s", "a", "no", 1) == [1, 0, 1]
    assert await client.smismember("no", ["a"]) == [0]
    assert await client.srem("s", "a", "no") == 1
    assert await client.smove("s", "t", 1) is True
    assert await client.smove("s", "t", 1) is False
    assert await client.smembers("t") == {b"1"}
    assert await client.srem("s", b"\xff") == 1
    assert await client.exists("s") == 0
    await client.set("x", 1)
    for call in (client.sadd("x", 1), client.smembers("x"), client.sunion("t", "x"), client.spop("x")):
        with pytest.raises(WrongType):
            await call


async def test_random_members(client: Any) -> None:
    assert await client.spop("s") is None
    assert await client.spop("s", 2) == []
    assert await client.srandmember("s") is None
    assert await client.srandmember("s", 2) == []
    members = {b"a", b"b", b"c", b"d"}
    await client.sadd("s", *members)
    assert await client.srandmember("s") in members
    assert set(await client.srandmember("s", 9)) == members
    assert len(set(await client.srandmember("s", 2))) == 2
    assert len(await client.srandmember("s", -9)) == 9
    first = await client.spop("s")
    rest = await client.spop("s", 9)
    assert isinstance(rest, list)
    assert {first, *rest} == members
    assert await client.exists("s") == 0


async def test_combinations(client: Any) -> None:
    await client.sadd("a", "x", "y", "z")
    await client.sadd("b", "y", "z")
    await client.sadd("c", "z")
    assert await client.sdiff("a", "b") == {b"x"}
    assert await client.sdiff(["a", "b", "no"]) == {b"x"}
    assert await client.sinter("a", "b", "c") == {b"z"}
    assert await client.sinter("a", "no") == set()
    assert await client.sunion(["b", "c"], "no") == {b"y", b"z"}
    assert await client.sintercard(2, ["a", "b"]) == 2
    assert await client.sintercard(2, ["a", "b"], limit=1) == 1
    assert await client.sdiffstore("d", "a", "c") == 2
    assert await client.smembers("d") == {b"x", b"y"}
    assert await client.sinterstore("d", ["a", "b"]) == 2
    assert await client.sunionstore("d", "a", "b") == 3
    assert await client.sinterstore("d", "a", "no") == 0
    assert await client.exists("d") == 0


async def test_sscan(client: Any) -> None:
    assert await client.sscan("no") == (0, [])
    await client.sadd("s", *range(300))
    assert {member async for member in client.sscan_iter("s", count=40)} == {b"%d" % n for n in range(300)}
    assert {member async for member in client.sscan_iter("s", "1?")} == {b"%d" % n for n in range(10, 20)}
    await client.sadd("t", "a")
    assert await client.sscan("t") == (0, [b"a"])


async def test_text(text_client: Any) -> None:
    await text_client.sadd("s", "ü")
    assert await text_client.smembers("s") == {"ü"}
    assert await text_client.spop("s", 1) == ["ü"]
