from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anystore.exceptions import ResponseError, WrongType

pytestmark = pytest.mark.anyio


async def test_fields(client: Any) -> None:
    assert await client.hgetall("h") == {}
    assert await client.hset("h", "f", 1) == 1
    assert await client.hset("h", "f", 2, mapping={"g": 2.5, 3: b"\xff"}, items=["k", "x"]) == 3
    assert await client.hgetall("h") == {b"f": b"2", b"g": b"2.5", b"3": b"\xff", b"k": b"x"}
    assert await client.hget("h", "g") == b"2.5"
    assert await client.hget("h", "no") is None
    assert await client.hmget("h", "f", "no", 3) == [b"2", None, b"\xff"]
    assert await client.hmget("no", ["f"]) == [None]
    assert await client.hexists("h", "f") is True
    assert await client.hexists("h", "no") is False
    assert await client.hlen("h") == 4
    assert await client.hstrlen("h", "g") == 3
    assert set(await client.hkeys("h")) == {b"f", b"g", b"3", b"k"}
    assert set(await client.hvals("h")) == {b"2", b"2.5", b"\xff", b"x"}
    assert await client.hsetnx("h", "f", 9) == 0
    assert await client.hsetnx("h", "new", 9) == 1
    assert await client.hmset("h", {"f": "z"}) is True
    assert await client.hdel("h", "f", "g", "no") == 2
    assert await client.hdel("h", "3", "k", "new") == 3
    assert await client.exists("h") == 0
    await client.set("s", 1)
    for call in (client.hget("s", "f"), client.hset("s", "f", 1), client.hgetall("s"), client.hscan("s")):
        with pytest.raises(WrongType):
            await call


async def test_numbers(client: Any) -> None:
    assert await client.hincrby("h", "n") == 1
    assert await client.hincrby("h", "n", -5) == -4
    assert await client.hincrbyfloat("h", "n", 0.5) == -3.5
    assert await client.hincrbyfloat("h", "m") == 1.0
    await client.hset("h", "word", "x")
    with pytest.raises(ResponseError, match="hash value is not an integer"):
        await client.hincrby("h", "word")
    with pytest.raises(ResponseError, match="hash value is not a float"):
        await client.hincrbyfloat("h", "word")


async def test_hrandfield(client: Any) -> None:
    assert await client.hrandfield("no") is None
    assert await client.hrandfield("no", 2) == []
    assert await client.hrandfield("no", 2, withvalues=True) == []
    pairs = {b"a": b"1", b"b": b"2", b"c": b"3"}
    await client.hset("h", mapping=pairs)
    assert await client.hrandfield("h") in pairs
    assert sorted(await client.hrandfield("h", 10)) == [b"a", b"b", b"c"]
    assert len(await client.hrandfield("h", -10)) == 10
    assert dict(await client.hrandfield("h", 10, withvalues=True)) == pairs
    assert len(set(await client.hrandfield("h", 2, withvalues=True))) == 2


async def test_hscan(client: Any, text_client: Any) -> None:
    assert await client.hscan("no") == (0, {})
    pairs = {f"f{number}": f"{number}" for number in range(300)}
    await client.hset("h", mapping=pairs)
    some = {item async for item in text_client.hscan_iter("h", "f1?")}
    assert some == {(f"f1{number}", f"1{number}") for number in range(10)}
    assert dict([item async for item in text_client.hscan_iter("h", count=50)]) == pairs
    cursor, page = await client.hscan("h", count=1)
    assert isinstance(cursor, int)
    assert isinstance(page, dict)
    await client.hset("small", "f", "v")
    assert await client.hscan("small", match="f") == (0, {b"f": b"v"})
    assert await client.hscan("small", match="g") == (0, {})


@pytest.mark.since("7.4.0")
async def test_hscan_without_values(client: Any) -> None:
    await client.hset("h", mapping={"f": 1, "g": 2})
    cursor, fields = await client.hscan("h", no_values=True)
    assert (cursor, sorted(fields)) == (0, [b"f", b"g"])
    assert {field async for field in client.hscan_iter("h", no_values=True)} == {b"f", b"g"}


@pytest.mark.since("7.4.0")
async def test_expiry_of_fields(client: Any) -> None:
    await client.hset("h", mapping={"f": 1, "g": 2})
    assert await client.hexpire("h", 100, "f", "no") == [1, -2]
    assert await client.httl("h", "g", "no") == [-1, -2]
    (left,) = await client.httl("h", "f")
    assert 99 <= left <= 100
    (left,) = await client.hpttl("h", "f")
    assert 99_000 < left <= 100_000
    (when,) = await client.hexpiretime("h", "f")
    assert time.time() + 98 < when <= time.time() + 102
    (when,) = await client.hpexpiretime("h", "f")
    assert (time.time() + 98) * 1000 < when <= (time.time() + 102) * 1000
    assert await client.hexpire("h", 100, "f", nx=True) == [0]
    assert await client.hexpire("h", 50, "f", gt=True) == [0]
    assert await client.hpexpire("h", timedelta(seconds=50), "f", lt=True) == [1]
    assert await client.hexpireat("h", datetime(2040, 1, 1, tzinfo=UTC), "g") == [1]
    assert await client.hexpiretime("h", "g") == [2_208_988_800]
    assert await client.hpexpireat("h", 2_208_988_800_001, "g", xx=True) == [1]
    assert await client.hpexpiretime("h", "g") == [2_208_988_800_001]
    assert await client.hpersist("h", "g", "no") == [1, -2]
    assert await client.hpersist("h", "g") == [-1]
    assert await client.hexpire("h", 0, "f") == [2]
    assert await client.hgetall("h") == {b"g": b"2"}
    assert await client.httl("no", "f") == [-2]
    await client.set("s", 1)
    with pytest.raises(WrongType):
        await client.hexpire("s", 1, "f")


async def test_text(text_client: Any) -> None:
    await text_client.hset("h", mapping={"ü": "ß"})
    assert await text_client.hgetall("h") == {"ü": "ß"}
    assert await text_client.hrandfield("h", 1, withvalues=True) == [("ü", "ß")]
    assert await text_client.hincrbyfloat("h", "n", 1.5) == 1.5


@pytest.mark.needs("hgetex", "hsetex", "hgetdel")
async def test_fields_with_their_times(client: Any) -> None:
    assert await client.hsetex("h", "f", 1, {"g": 2}, ex=100) == 1
    assert await client.httl("h", "f", "g") == [100, 100]
    assert await client.hsetex("h", "f", 5, data_persist_option="FNX") == 0
    assert await client.hsetex("h", mapping={"f": 5, "new": 5}, data_persist_option="FXX") == 0
    assert await client.hsetex("h", "f", 3, keepttl=True) == 1
    assert await client.hgetex("h", "f", "no") == [b"3", None]
    assert await client.httl("h", "f") == [100]
    assert await client.hgetex("h", "f", "no", persist=True) == [b"3", None]
    assert await client.httl("h", "f") == [-1]
    assert await client.hgetex("h", "f", pxat=datetime(2040, 1, 1, tzinfo=UTC)) == [b"3"]
    assert await client.hpexpiretime("h", "f") == [2_208_988_800_000]
    assert await client.hgetdel("h", "f", "no", "f") == [b"3", None, None]
    assert await client.hgetdel("h", "g") == [b"2"]
    assert await client.exists("h") == 0
    assert await client.hgetdel("h", "g") == [None]
    await client.set("s", 1)
    for call in (client.hsetex("s", "f", 1), client.hgetex("s", "f"), client.hgetdel("s", "f")):
        with pytest.raises(WrongType):
            await call
