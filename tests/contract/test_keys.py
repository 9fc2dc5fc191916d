from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anystore.exceptions import BusyKey, ResponseError, WrongType

pytestmark = pytest.mark.anyio


async def test_delete_exists_touch_type(client: Any) -> None:
    await client.mset({"a": 1, "b": 2, "c": 3})
    assert await client.exists("a", "a", "b", "no") == 3
    assert await client.touch("a", "no") == 1
    assert await client.delete("a", "no") == 1
    assert await client.unlink("b", "c", "no") == 2
    assert await client.exists("a", "b", "c") == 0
    await client.set("s", "x")
    await client.rpush("l", "x")
    await client.sadd("t", "x")
    await client.zadd("z", {"x": 1})
    await client.hset("h", "x", 1)
    names = ("s", "l", "t", "z", "h", "no")
    assert [await client.type(name) for name in names] == [
        b"string",
        b"list",
        b"set",
        b"zset",
        b"hash",
        b"none",
    ]


async def test_expiry(client: Any) -> None:
    await client.set("a", "x")
    assert (await client.ttl("a"), await client.pttl("a"), await client.expiretime("a")) == (-1, -1, -1)
    assert (await client.ttl("no"), await client.pttl("no"), await client.pexpiretime("no")) == (-2, -2, -2)
    assert await client.expire("a", 100) is True
    assert await client.expire("no", 100) is False
    assert 99 <= await client.ttl("a") <= 100
    assert 99_000 < await client.pttl("a") <= 100_000
    now = time.time()
    assert now + 98 < await client.expiretime("a") <= now + 102
    assert (now + 98) * 1000 < await client.pexpiretime("a") <= (now + 102) * 1000
    assert await client.persist("a") is True
    assert await client.persist("a") is False
    assert await client.pexpire("a", timedelta(hours=1)) is True
    assert 3599 <= await client.ttl("a") <= 3600
    moment = datetime(2040, 1, 1, tzinfo=UTC)
    assert await client.expireat("a", moment) is True
    assert await client.expiretime("a") == 2_208_988_800
    assert await client.pexpireat("a", moment + timedelta(milliseconds=7)) is True
    assert await client.pexpiretime("a") == 2_208_988_800_007
    assert await client.expire("a", -1) is True
    assert await client.exists("a") == 0


async def test_expiry_conditions(client: Any) -> None:
    await client.set("a", "x")
    assert await client.expire("a", 100, xx=True) is False
    assert await client.expire("a", 100, gt=True) is False  # no expiry is the latest of all
    assert await client.expire("a", 100, nx=True) is True
    assert await client.expire("a", 100, nx=True) is False
    assert await client.expire("a", 50, gt=True) is False
    assert await client.expire("a", 200, gt=True) is True
    assert await client.pexpire("a", 300_000, lt=True) is False
    assert await client.pexpire("a", 100_000, lt=True) is True
    assert await client.pexpireat("a", 9_000_000_000_000, xx=True, gt=True) is True
    assert await client.expireat("a", 8_000_000_000, lt=True) is True
    with pytest.raises(ResponseError, match="invalid expire time"):
        await client.expire("a", 2**62)


async def test_copy_move_rename(client: Any) -> None:
    await client.set("a", "x", ex=100)
    assert await client.copy("a", "b") is True
    assert await client.copy("a", "b") is False
    assert await client.copy("a", "b", replace=True) is True
    assert await client.copy("no", "c") is False
    assert await client.copy("a", "a", destination_db=1) is True
    assert 99 <= await client.ttl("b") <= 100
    assert await client.move("a", 1) is False  # there already
    assert await client.move("b", 1) is True
    assert await client.exists("b") == 0
    assert await client.rename("a", "c") is True
    assert await client.get("c") == b"x"
    await client.set("d", "y")
    assert await client.renamenx("c", "d") is False
    assert await client.renamenx("c", "e") is True
    with pytest.raises(ResponseError, match="no such key"):
        await client.rename("no", "x")
    with pytest.raises(ResponseError, match="no such key"):
        await client.renamenx("no", "x")
    with pytest.raises(ResponseError, match="same"):
        await client.copy("d", "d")


async def test_dump_and_restore(client: Any, text_client: Any) -> None:
    await client.rpush("l", "a", b"\xff\x00", 3)
    payload = await client.dump("l")
    assert isinstance(payload, bytes)
    assert await text_client.dump("l") == payload
    assert await client.dump("no") is None
    assert await client.restore("copy", 0, payload) is True
    assert await client.lrange("copy", 0, -1) == [b"a", b"\xff\x00", b"3"]
    with pytest.raises(BusyKey):
        await client.restore("copy", 0, payload)
    assert await client.restore("copy", 50_000, payload, replace=True, idletime=5) is True
    assert 49_000 < await client.pttl("copy") <= 50_000
    assert await client.restore("until", 2_208_988_800_000, payload, absttl=True) is True
    assert await client.expiretime("until") == 2_208_988_800
    with pytest.raises(ResponseError, match=r"checksum|Bad data format"):
        await client.restore("bad", 0, payload[:-1] + bytes([payload[-1] ^ 1]))


async def test_keys_randomkey_scan(client: Any) -> None:
    assert await client.randomkey() is None
    assert await client.keys() == []
    assert await client.scan() == (0, [])
    names = {f"key:{number}".encode() for number in range(50)}
    await client.mset(dict.fromkeys(names, 1))
    await client.rpush("list", 1)
    assert set(await client.keys("key:*")) == names
    assert set(await client.keys("key:[1-3]")) == {b"key:1", b"key:2", b"key:3"}
    assert await client.randomkey() in names | {b"list"}
    cursor, page = await client.scan(count=1000)
    assert (cursor, set(page)) == (0, names | {b"list"})
    assert set((await client.scan(0, "key:?", 1000))[1]) == {f"key:{number}".encode() for number in range(10)}
    assert (await client.scan(count=1000, _type="list"))[1] == [b"list"]
    assert {key async for key in client.scan_iter("key:*", count=7)} == names
    async for key in client.scan_iter():
        assert isinstance(key, bytes)
        break


async def test_object(client: Any) -> None:
    await client.set("n", 17)
    await client.set("s", "short")
    assert await client.object_encoding("n") == "int"
    assert await client.object("encoding", "s") == b"embstr"
    assert isinstance(await client.object_refcount("s"), int)
    assert await client.object_idletime("s") in (0, 1, 2)
    assert await client.object_encoding("no") is None
    assert await client.object_refcount("no") is None
    with pytest.raises(ResponseError, match="LFU"):
        await client.object_freq("s")


async def test_wait(client: Any) -> None:
    assert await client.wait(0, 100) == 0
    assert await client.wait(1, 10) == 0


@pytest.mark.since("7.2.0")
@pytest.mark.needs("waitaof")
async def test_waitaof(client: Any) -> None:
    await client.set("a", 1)
    if await client.config_get("appendonly") == {"appendonly": "yes"}:
        assert await client.waitaof(1, 0, 20000) == [1, 0]
        return
    assert await client.waitaof(0, 0, 100) == [0, 0]
    with pytest.raises(ResponseError, match="WAITAOF cannot be used when numlocal is set but appendonly"):
        await client.waitaof(1, 0, 100)


@pytest.mark.needs("migrate")
async def test_migrate(client: Any) -> None:
    assert await client.migrate("127.0.0.1", 1, "no", 0, 100) == "NOKEY"
    await client.set("a", 1)
    with pytest.raises(ResponseError, match="IOERR"):
        await client.migrate("127.0.0.1", 1, "a", 0, 100, copy=True, replace=True)


async def test_sort(client: Any) -> None:
    await client.rpush("l", 3, 1, 10, 2)
    assert await client.sort("l") == [b"1", b"2", b"3", b"10"]
    assert await client.sort("l", desc=True, start=0, num=2) == [b"10", b"3"]
    assert await client.sort("l", alpha=True) == [b"1", b"10", b"2", b"3"]
    await client.mset({"w_1": 9, "w_2": 8, "w_3": 7, "w_10": 6, "d_1": "one", "d_2": "two"})
    await client.hset("o_3", "name", "three")
    assert await client.sort("l", by="w_*") == [b"10", b"3", b"2", b"1"]
    assert await client.sort("l", by="nosort") == [b"3", b"1", b"10", b"2"]
    assert await client.sort("l", get="d_*") == [b"one", b"two", None, None]
    pairs = await client.sort("l", get=["#", "d_*"], groups=True)
    assert pairs == [(b"1", b"one"), (b"2", b"two"), (b"3", None), (b"10", None)]
    assert await client.sort("l", get=["o_*->name"], start=2, num=1) == [b"three"]
    assert await client.sort("l", store="sorted") == 4
    assert await client.lrange("sorted", 0, -1) == [b"1", b"2", b"3", b"10"]
    assert await client.sort_ro("l", desc=True) == [b"10", b"3", b"2", b"1"]
    assert await client.sort("no") == []
    await client.sadd("t", "b", "a")
    assert await client.sort("t", alpha=True) == [b"a", b"b"]
    with pytest.raises(ResponseError, match="can't be converted into double"):
        await client.sort("t")
    await client.set("s", 1)
    with pytest.raises(WrongType):
        await client.sort("s")
