from __future__ import annotations

from typing import Any

import anyio
import pytest

from anystore.exceptions import ResponseError

pytestmark = pytest.mark.anyio

ENTRIES = [(b"%d-0" % number, {b"n": b"%d" % number}) for number in range(1, 6)]


async def fill(client: Any) -> None:
    for number in range(1, 6):
        await client.xadd("s", {"n": number}, id=number)
    assert await client.xgroup_create("s", "g", 0) is True


async def test_groups(client: Any) -> None:
    with pytest.raises(ResponseError, match="requires the key to exist"):
        await client.xgroup_create("s", "g")
    assert await client.xgroup_create("s", "g", mkstream=True) is True
    with pytest.raises(ResponseError) as caught:
        await client.xgroup_create("s", b"g", mkstream=True)
    assert caught.value.code == "BUSYGROUP"
    assert await client.xgroup_create("s", "h", "5", entries_read=2) is True
    assert await client.xgroup_createconsumer("s", "g", "c") == 1
    assert await client.xgroup_createconsumer("s", "g", "c") == 0
    groups = await client.xinfo_groups("s")
    assert [(one["name"], one["consumers"], one["pending"]) for one in groups] == [(b"g", 1, 0), (b"h", 0, 0)]
    assert groups[1]["last-delivered-id"] == b"5-0"
    assert await client.xgroup_setid("s", "h", "$") is True
    assert await client.xgroup_setid("s", "h", 7, entries_read=3) is True
    assert (await client.xinfo_groups("s"))[1]["entries-read"] == 3
    assert await client.xgroup_delconsumer("s", "g", "c") == 0
    assert await client.xgroup_destroy("s", "g") is True
    assert await client.xgroup_destroy("s", "g") is False


async def test_reading_and_acknowledging(client: Any) -> None:
    await fill(client)
    assert await client.xreadgroup("g", "c", {"s": ">"}, count=2) == [(b"s", ENTRIES[:2])]
    assert await client.xreadgroup("g", b"d", {"s": ">"}, count=1) == [(b"s", ENTRIES[2:3])]
    assert await client.xreadgroup("g", "c", {"s": 0}) == [(b"s", ENTRIES[:2])]
    assert await client.xreadgroup("g", "e", {"s": 0}) == [(b"s", [])]
    await client.xdel("s", 1)
    assert await client.xreadgroup("g", "c", {"s": 0}) == [(b"s", [(b"1-0", {}), ENTRIES[1]])]
    assert await client.xack("s", "g", 1, "2-0", 9) == 2
    assert await client.xreadgroup("g", "f", {"s": ">"}, noack=True) == [(b"s", ENTRIES[3:])]
    assert await client.xreadgroup("g", "f", {"s": ">"}, block=10) == []
    assert (await client.xpending("s", "g"))["pending"] == 1
    [consumer] = [one for one in await client.xinfo_consumers("s", "g") if one["name"] == b"d"]
    assert consumer["pending"] == 1
    with pytest.raises(ResponseError) as caught:
        await client.xreadgroup("no", "c", {"s": ">"})
    assert caught.value.code == "NOGROUP"


async def test_what_is_pending(client: Any) -> None:
    await fill(client)
    assert await client.xpending("s", "g") == {"pending": 0, "min": None, "max": None, "consumers": []}
    await client.xreadgroup("g", "c", {"s": ">"}, count=2)
    await client.xreadgroup("g", "d", {"s": ">"}, count=1)
    assert await client.xpending("s", "g") == {
        "pending": 3,
        "min": b"1-0",
        "max": b"3-0",
        "consumers": [{"name": b"c", "pending": 2}, {"name": b"d", "pending": 1}],
    }
    found = await client.xpending_range("s", "g", "-", "+", 10)
    assert [(one["message_id"], one["consumer"], one["times_delivered"]) for one in found] == [
        (b"1-0", b"c", 1),
        (b"2-0", b"c", 1),
        (b"3-0", b"d", 1),
    ]
    assert all(one["time_since_delivered"] >= 0 for one in found)
    assert [one["message_id"] for one in await client.xpending_range("s", "g", "(1", 3, 10, "c")] == [b"2-0"]
    assert await client.xpending_range("s", "g", "-", "+", 10, idle=600_000) == []
    assert await client.xpending_range("s", "g", "-", "+", 10, "nobody") == []


async def test_claiming(client: Any) -> None:
    await fill(client)
    await client.xreadgroup("g", "c", {"s": ">"}, count=4)
    assert await client.xclaim("s", "g", "d", 0, [1, "2-0"]) == ENTRIES[:2]
    assert await client.xclaim("s", "g", "d", 0, ("3", "4"), justid=True, idle=900_000) == [b"3-0", b"4-0"]
    assert await client.xclaim("s", "g", "c", 600_000, [1, 3], retrycount=7, time=1000) == ENTRIES[2:3]
    assert await client.xclaim("s", "g", "c", 0, [5]) == []
    assert await client.xclaim("s", "g", "c", 0, [5], force=True) == ENTRIES[4:]
    [third] = await client.xpending_range("s", "g", 3, 3, 1)
    assert third["times_delivered"] == 7
    assert await client.xautoclaim("s", "g", "e", 600_000, count=1) == (b"4-0", [ENTRIES[2]], [])
    assert await client.xautoclaim("s", "g", "e", 0, "4", count=9, justid=True) == [b"4-0", b"5-0"]
    await client.xdel("s", 1)
    assert await client.xautoclaim("s", "g", "f", 0, 0, count=2) == (b"3-0", [ENTRIES[1]], [b"1-0"])
    with pytest.raises(ResponseError) as caught:
        await client.xclaim("s", "no", "c", 0, [1])
    assert caught.value.code == "NOGROUP"


async def test_entries_go_to_one_consumer_each(client: Any) -> None:
    await client.xgroup_create("s", "g", mkstream=True)
    found: dict[str, list[Any]] = {"a": [], "b": []}

    async def consume(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                for _, entries in await client.xreadgroup("g", name, {"s": ">"}, count=1, block=0):
                    found[name] += entries
                    await client.xack("s", "g", entries[0][0])

    scopes = [anyio.CancelScope() for _ in found]
    async with anyio.create_task_group() as group:
        for name, scope in zip(found, scopes, strict=True):
            group.start_soon(consume, name, scope)
        sent = [await client.xadd("s", {"n": number}) for number in range(20)]
        while len(found["a"]) + len(found["b"]) < 20 or (await client.xpending("s", "g"))["pending"]:
            await anyio.lowlevel.checkpoint()
        for scope in scopes:
            scope.cancel()
    assert sorted(number for number, _ in found["a"] + found["b"]) == sorted(sent)
