from __future__ import annotations

from typing import Any

import anyio
import pytest

from anystore.exceptions import InvalidArgument, ResponseError, WrongType

pytestmark = pytest.mark.anyio

FIRST, SECOND, THIRD = (b"1-1", {b"a": b"1", b"b": b"x"}), (b"2-0", {b"a": b"2"}), (b"3-0", {b"\xff": b""})


async def fill(client: Any, name: str = "s") -> None:
    assert await client.xadd(name, {"a": 1, "b": "x"}, id="1-1") == b"1-1"
    assert await client.xadd(name, {b"a": 2}, id="2") == b"2-0"
    assert await client.xadd(name, {b"\xff": ""}, id=b"3-*") == b"3-0"


async def test_adding(client: Any) -> None:
    chosen = await client.xadd("s", {"a": 1})
    assert await client.xrange("s") == [(chosen, {b"a": b"1"})]
    assert await client.xadd("no", {"a": 1}, nomkstream=True) is None
    assert await client.exists("no") == 0
    await fill(client, "t")
    assert await client.xadd("t", {"a": 4}, id="4", maxlen=2, approximate=False) == b"4-0"
    assert await client.xlen("t") == 2
    assert await client.xadd("t", {"a": 5}, id="5", minid="5", approximate=False) == b"5-0"
    assert await client.xadd("t", {"a": 6}, id="6", maxlen=1, limit=10) == b"6-0"
    assert await client.xlen("t") == 2
    with pytest.raises(ResponseError, match="equal or smaller than the target stream top item"):
        await client.xadd("t", {"a": 1}, id="1-1")
    await client.set("x", 1)
    for call in (client.xadd("x", {"a": 1}), client.xlen("x"), client.xrange("x"), client.xread({"x": 0})):
        with pytest.raises(WrongType):
            await call


async def test_ranges(client: Any) -> None:
    assert await client.xrange("s") == []
    assert await client.xrevrange("s") == []
    await fill(client)
    assert await client.xrange("s") == [FIRST, SECOND, THIRD]
    assert await client.xrange("s", "(1-1", 2) == [SECOND]
    assert await client.xrange("s", count=1) == [FIRST]
    assert await client.xrevrange("s") == [THIRD, SECOND, FIRST]
    assert await client.xrevrange("s", max="2", min="1", count=1) == [SECOND]
    assert await client.xlen("s") == 3
    with pytest.raises(ResponseError, match="Invalid stream ID"):
        await client.xrange("s", "x")


async def test_removing(client: Any) -> None:
    await fill(client)
    assert await client.xdel("s", "1-1", "9-9", b"3") == 2
    assert await client.xtrim("s", maxlen=0, approximate=False) == 1
    assert await client.xlen("s") == 0
    assert await client.exists("s") == 1
    await fill(client, "t")
    assert await client.xtrim("t", minid=2, approximate=False) == 1
    assert await client.xtrim("t", maxlen=1) == 0
    assert await client.xtrim("t", maxlen=1, limit=5) == 0
    assert await client.xsetid("t", "9-9") is True
    assert await client.xsetid("t", "9-10", entries_added=5, max_deleted_id="9-9") is True
    assert await client.xadd("t", {"a": 1}, id="9-*") == b"9-11"
    with pytest.raises(ResponseError, match="ID specified in XSETID is smaller than"):
        await client.xsetid("t", "1")


@pytest.mark.needs("xdelex", "xackdel")
async def test_removing_with_regard_to_groups(client: Any) -> None:
    await fill(client)
    await client.xgroup_create("s", "g", 0)
    await client.xreadgroup("g", "c", {"s": ">"}, count=2)
    assert await client.xdelex("s", "1-1", "3", "9", ref_policy="ACKED") == [2, 2, 2]
    assert await client.xdelex("s", "1-1", "9") == [1, -1]
    assert await client.xackdel("s", "g", "1-1", "2", "3", ref_policy="DELREF") == [1, 1, -1]
    assert await client.xtrim("s", maxlen=0, approximate=False, ref_policy="ACKED") == 0
    assert (
        await client.xadd("s", {"a": 1}, id="9", maxlen=0, approximate=False, ref_policy="DELREF") == b"9-0"
    )


async def test_reading(client: Any) -> None:
    assert await client.xread({"s": 0}) == []
    await fill(client)
    await client.xadd("t", {"c": 3}, id="7")
    assert await client.xread({"s": "1-1", "t": 0}) == [
        (b"s", [SECOND, THIRD]),
        (b"t", [(b"7-0", {b"c": b"3"})]),
    ]
    assert await client.xread({"s": 0, "t": "$"}, count=1) == [(b"s", [FIRST])]
    assert await client.xread({"s": "$"}, block=10) == []
    assert await client.xread({"s": 2}, block=10) == [(b"s", [THIRD])]


async def test_waiting_for_entries(client: Any) -> None:
    found: list[Any] = []

    async def read() -> None:
        found.append(await client.xread({"s": "0", "t": 0}, block=0))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        while not found:
            await client.xadd("s", {"a": 1})
    assert [name for name, _ in found[0]] == [b"s"]


async def test_what_is_known_of_a_stream(client: Any) -> None:
    await fill(client)
    info = await client.xinfo_stream("s")
    assert (info["length"], info["last-generated-id"], info["groups"]) == (3, b"3-0", 0)
    assert (info["first-entry"], info["last-entry"]) == (FIRST, THIRD)
    await client.xgroup_create("s", "g", 0)
    await client.xreadgroup("g", "c", {"s": ">"}, count=1)
    full = await client.xinfo_stream("s", full=True)
    assert full["entries"] == dict([FIRST, SECOND, THIRD])
    [group] = full["groups"]
    assert (group["name"], group["pel-count"], group["entries-read"]) == (b"g", 1, 1)
    [(number, name, _, count)] = group["pending"]
    assert (number, name, count) == (b"1-1", b"c", 1)
    [consumer] = group["consumers"]
    assert (consumer["name"], consumer["pending"][0][0]) == (b"c", b"1-1")
    assert len((await client.xinfo_stream("s", full=True, count=2))["entries"]) == 2
    await client.xtrim("s", maxlen=0, approximate=False)
    info = await client.xinfo_stream("s")
    assert (info["first-entry"], info["last-entry"]) == (None, None)
    assert (await client.xinfo_stream("s", full=True))["entries"] == {}
    with pytest.raises(ResponseError, match="no such key"):
        await client.xinfo_stream("no")


async def test_text(text_client: Any) -> None:
    assert await text_client.xadd("s", {"ü": "ä"}, id="1-1") == "1-1"
    entry = ("1-1", {"ü": "ä"})
    assert await text_client.xrange("s") == [entry]
    assert await text_client.xread({"s": 0}) == [("s", [entry])]
    info = await text_client.xinfo_stream("s")
    assert (info["first-entry"], info["last-generated-id"]) == (entry, "1-1")
    await text_client.xgroup_create("s", "g", 0)
    assert await text_client.xreadgroup("g", "c", {"s": ">"}) == [("s", [entry])]
    assert (await text_client.xinfo_stream("s", full=True))["groups"][0]["consumers"][0]["name"] == "c"
    assert (await text_client.xpending("s", "g"))["consumers"] == [{"name": "c", "pending": 1}]


async def test_what_cannot_be_right_is_not_sent(client: Any) -> None:
    with pytest.raises(InvalidArgument, match="only one of maxlen, minid"):
        client.xadd("s", {"a": 1}, maxlen=1, minid=1)
