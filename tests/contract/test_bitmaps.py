from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import ResponseError, WrongType

pytestmark = pytest.mark.anyio


async def test_bits(client: Any) -> None:
    assert await client.setbit("a", 7, 1) == 0
    assert await client.setbit("a", 7, 0) == 1
    assert await client.setbit("a", 100, True) == 0
    assert (await client.getbit("a", 100), await client.getbit("a", 101), await client.getbit("no", 5)) == (
        1,
        0,
        0,
    )
    assert await client.strlen("a") == 13
    with pytest.raises(ResponseError, match="bit offset"):
        await client.setbit("a", -1, 1)
    await client.rpush("l", 1)
    for call in (client.getbit("l", 0), client.setbit("l", 0, 1), client.bitcount("l")):
        with pytest.raises(WrongType):
            await call


async def test_bitcount_and_bitpos(client: Any) -> None:
    await client.set("a", b"\xff\xf0\x00")
    assert await client.bitcount("a") == 12
    assert await client.bitcount("a", 1, 1) == 4
    assert await client.bitcount("a", -2, -1) == 4
    assert await client.bitcount("a", 5, 9, "BIT") == 5
    assert await client.bitcount("a", 0, 1, "byte") == 12
    assert await client.bitcount("no") == 0
    assert await client.bitpos("a", 0) == 12
    assert await client.bitpos("a", 1, 2) == -1
    assert await client.bitpos("a", 0, 0, 0) == -1
    assert await client.bitpos("a", 1, 7, 15, "BIT") == 7
    await client.set("ones", b"\xff")
    assert await client.bitpos("ones", 0) == 8


async def test_bitop(client: Any) -> None:
    await client.mset({"a": b"\x0f\xff", "b": b"\xf1"})
    assert await client.bitop("AND", "d", "a", "b") == 2
    assert await client.get("d") == b"\x01\x00"
    assert await client.bitop("or", "d", "a", "b") == 2
    assert await client.get("d") == b"\xff\xff"
    assert await client.bitop("XOR", "d", "a", "b") == 2
    assert await client.get("d") == b"\xfe\xff"
    assert await client.bitop("NOT", "d", "a") == 2
    assert await client.get("d") == b"\xf0\x00"
    with pytest.raises(ResponseError, match="BITOP NOT must be called with a single source key"):
        await client.bitop("NOT", "d", "a", "b")


async def test_bitfield(client: Any) -> None:
    operation = client.bitfield("a").set("u8", 0, 255).get("u8", 0).incrby("u8", "#1", 300)
    assert await operation.execute() == [0, 255, 44]
    assert await operation.get("u8", "#1").execute() == [44]
    sat = client.bitfield("a", "SAT").incrby("u8", 0, 10)
    assert await sat.incrby("i8", 0, 1, overflow="FAIL").execute() == [255, 0]
    assert await client.bitfield("b").incrby("u2", 0, 5, "FAIL").get("u2", 0).execute() == [None, 0]
    assert await client.bitfield_ro("a", "u8", 8, [("u4", 0), ("i4", "#1")]) == [44, 0, 0]
    with pytest.raises(ResponseError, match="Invalid bitfield type"):
        await client.bitfield_ro("a", "u64", 0)
