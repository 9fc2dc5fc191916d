from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anystore.exceptions import ResponseError, WrongType

pytestmark = pytest.mark.anyio


async def test_set_and_get(client: Any) -> None:
    assert await client.get("a") is None
    assert await client.set("a", b"\x00\xff") is True
    assert await client.get("a") == b"\x00\xff"
    assert await client.set("a", 1, nx=True) is None
    assert await client.set("b", 1, xx=True) is None
    assert await client.set("a", 1.5, xx=True) is True
    assert await client.set("a", "ü", get=True) == b"1.5"
    assert await client.set("b", memoryview(b"x"), get=True) is None
    assert await client.set("a", 2, nx=True, get=True) == "ü".encode()
    assert await client.getset("b", "y") == b"x"
    assert await client.getset("c", "y") is None
    assert await client.getdel("c") == b"y"
    assert await client.getdel("c") is None
    assert await client.setnx("b", 1) is False
    assert await client.setnx("c", 1) is True
    await client.rpush("l", 1)
    for call in (client.get, client.getdel, client.getex, client.strlen):
        with pytest.raises(WrongType, match=r"^WRONGTYPE "):
            await call("l")
    with pytest.raises(WrongType):
        await client.set("l", 1, get=True)
    assert await client.set("l", 1) is True


@pytest.mark.needs("delifeq", "msetex")
async def test_what_depends_on_the_value(client: Any) -> None:
    await client.set("a", "x")
    assert await client.set("a", "y", ifeq="z") is None
    assert await client.set("a", "y", ifeq="x") is True
    assert await client.set("a", "z", ifeq="y", get=True) == b"y"
    assert await client.set("a", "q", ifeq="y", get=True) == b"z"
    assert await client.set("no", "q", ifeq="y") is None
    assert await client.delifeq("a", "y") == 0
    assert await client.delifeq("a", "z") == 1
    assert await client.delifeq("a", "z") == 0
    await client.lpush("list", 1)
    for call in (client.set("list", 1, ifeq=1), client.delifeq("list", 1)):
        with pytest.raises(WrongType):
            await call


@pytest.mark.needs("delifeq", "msetex")
async def test_msetex(client: Any) -> None:
    assert await client.msetex({"a": 1, "b": "x"}, ex=100) == 1
    assert 99 <= await client.ttl("a") <= 100
    assert await client.msetex({"a": 2, "c": 3}, "NX") == 0
    assert await client.msetex({"a": 2, "c": 3}, "XX") == 0
    assert await client.mget("a", "b", "c") == [b"1", b"x", None]
    assert await client.msetex({"a": 2, "b": 3}, "XX", keepttl=True) == 1
    assert 99 <= await client.ttl("b") <= 100
    assert await client.msetex({"c": 2, "d": 3}, "NX") == 1
    assert await client.msetex({"a": 5}) == 1
    assert await client.ttl("a") == -1
    assert await client.mget("a", "b", "c", "d") == [b"5", b"3", b"2", b"3"]


async def test_set_with_expiry(client: Any) -> None:
    await client.set("a", 1, ex=100)
    assert 99 <= await client.ttl("a") <= 100
    await client.set("a", 2, keepttl=True)
    assert 99 <= await client.ttl("a") <= 100
    await client.set("a", 3)
    assert await client.ttl("a") == -1
    await client.set("a", 1, px=timedelta(seconds=50))
    assert 49_000 < await client.pttl("a") <= 50_000
    moment = datetime(2040, 1, 1, tzinfo=UTC)
    await client.set("a", 1, exat=moment)
    assert await client.expiretime("a") == 2_208_988_800
    await client.set("a", 1, pxat=2_208_988_800_001)
    assert await client.pexpiretime("a") == 2_208_988_800_001
    assert await client.setex("a", timedelta(minutes=1), 1) is True
    assert 59 <= await client.ttl("a") <= 60
    assert await client.psetex("a", 50_000, 1) is True
    assert 49_000 < await client.pttl("a") <= 50_000
    assert await client.getex("a", ex=100) == b"1"
    assert 99 <= await client.ttl("a") <= 100
    assert await client.getex("a", px=1000_000) == b"1"
    assert await client.getex("a", pxat=2_208_988_800_001) == b"1"
    assert await client.getex("a", exat=2_208_988_800) == b"1"
    assert await client.expiretime("a") == 2_208_988_800
    assert await client.getex("a") == b"1"
    assert await client.expiretime("a") == 2_208_988_800
    assert await client.getex("a", persist=True) == b"1"
    assert await client.ttl("a") == -1
    assert await client.getex("no", ex=1) is None
    for wrong in (0, -1):
        with pytest.raises(ResponseError, match="invalid expire time"):
            await client.set("a", 1, ex=wrong)
        with pytest.raises(ResponseError, match="invalid expire time"):
            await client.setex("a", wrong, 1)


async def test_numbers(client: Any) -> None:
    assert await client.incr("a") == 1
    assert await client.incr("a", 5) == 6
    assert await client.incrby("a", 4) == 10
    assert await client.decr("a") == 9
    assert await client.decrby("a", 10) == -1
    assert await client.incrbyfloat("a", 1.5) == 0.5
    assert await client.incrbyfloat("b") == 1.0
    assert await client.incrbyfloat("c", 1e20) == 1e20
    with pytest.raises(ResponseError, match="not an integer"):
        await client.incr("a")
    await client.set("top", 2**63 - 1)
    with pytest.raises(ResponseError, match="overflow"):
        await client.incr("top")
    await client.set("word", "x")
    with pytest.raises(ResponseError, match="not a valid float"):
        await client.incrbyfloat("word")


async def test_several(client: Any) -> None:
    assert await client.mset({"a": 1, b"b": "x"}) is True
    await client.rpush("l", 1)
    assert await client.mget("a", "b", "no", "l") == [b"1", b"x", None, None]
    assert await client.mget(["a", "b"], "no") == [b"1", b"x", None]
    assert await client.mget([]) == []
    assert await client.msetnx({"c": 1, "a": 2}) is False
    assert await client.exists("c") == 0
    assert await client.msetnx({"c": 1, "d": 2}) is True


async def test_parts(client: Any) -> None:
    assert await client.append("a", "Hello ") == 6
    assert await client.append("a", "World") == 11
    assert await client.strlen("a") == 11
    assert await client.strlen("no") == 0
    assert await client.getrange("a", 0, 4) == b"Hello"
    assert await client.getrange("a", -5, -1) == b"World"
    assert await client.getrange("no", 0, -1) == b""
    assert await client.substr("a", 6) == b"World"
    assert await client.setrange("a", 6, "There") == 11
    assert await client.setrange("b", 3, "x") == 4
    assert await client.get("b") == b"\x00\x00\x00x"


async def test_lcs(client: Any, text_client: Any) -> None:
    await client.mset({"a": "ohmytext", "b": "mynewtext"})
    assert await client.lcs("a", "b") == b"mytext"
    assert await client.lcs("a", "b", len=True) == 6
    assert await client.lcs("a", "no") == b""
    expected = {"matches": [[(4, 7), (5, 8)], [(2, 3), (0, 1)]], "len": 6}
    assert await client.lcs("a", "b", idx=True) == expected
    assert await text_client.lcs("a", "b", idx=True) == expected
    long = await client.lcs("a", "b", idx=True, minmatchlen=4, withmatchlen=True)
    assert long == {"matches": [[(4, 7), (5, 8), 4]], "len": 6}
    await client.rpush("l", 1)
    with pytest.raises(ResponseError, match="must contain string values"):
        await client.lcs("a", "l")


async def test_text(text_client: Any) -> None:
    assert await text_client.set("a", "ü") is True
    assert await text_client.get("a") == "ü"
    assert await text_client.mget("a", "no") == ["ü", None]
    assert await text_client.set("a", 1, get=True) == "ü"
    assert await text_client.incrbyfloat("a", 0.5) == 1.5
