from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anystore import Store
from anystore.exceptions import ResponseError, Unblocked, WrongType

pytestmark = pytest.mark.anyio


async def test_ends(client: Any) -> None:
    assert await client.lpop("l") is None
    assert await client.rpop("l", 2) is None
    assert await client.lpushx("l", 1) == 0
    assert await client.rpush("l", "a", b"\xff", 3) == 3
    assert await client.lpush("l", "y", "x") == 5
    assert await client.rpushx("l", 4.5) == 6
    assert await client.lpushx("l", "w") == 7
    assert await client.lrange("l", 0, -1) == [b"w", b"x", b"y", b"a", b"\xff", b"3", b"4.5"]
    assert await client.lrange("l", 5, 2) == []
    assert await client.llen("l") == 7
    assert await client.lpop("l") == b"w"
    assert await client.lpop("l", 2) == [b"x", b"y"]
    assert await client.lpop("l", 0) == []
    assert await client.rpop("l", 1) == [b"4.5"]
    assert await client.rpop("l", 9) == [b"3", b"\xff", b"a"]
    assert await client.exists("l") == 0
    with pytest.raises(ResponseError, match="out of range"):
        await client.lpop("l", -1)
    await client.set("s", 1)
    for call in (client.lpush("s", 1), client.lrange("s", 0, 1), client.rpop("s"), client.lpos("s", 1)):
        with pytest.raises(WrongType):
            await call


async def test_by_index(client: Any) -> None:
    await client.rpush("l", "a", "b", "c", "b", "d")
    assert await client.lindex("l", 1) == b"b"
    assert await client.lindex("l", -1) == b"d"
    assert await client.lindex("l", 9) is None
    assert await client.lset("l", 0, "A") is True
    with pytest.raises(ResponseError, match="index out of range"):
        await client.lset("l", 9, "x")
    with pytest.raises(ResponseError, match="no such key"):
        await client.lset("no", 0, "x")
    assert await client.linsert("l", "BEFORE", "b", "1") == 6
    assert await client.linsert("l", "after", "d", "2") == 7
    assert await client.linsert("l", "AFTER", "none", "2") == -1
    assert await client.linsert("no", "AFTER", "a", "2") == 0
    assert await client.lrange("l", 0, -1) == [b"A", b"1", b"b", b"c", b"b", b"d", b"2"]
    assert await client.lrem("l", 1, "b") == 1
    assert await client.lrem("l", 0, "none") == 0
    assert await client.ltrim("l", 1, 3) is True
    assert await client.lrange("l", 0, -1) == [b"1", b"c", b"b"]
    assert await client.ltrim("l", 5, 9) is True
    assert await client.exists("l") == 0


async def test_lpos(client: Any) -> None:
    await client.rpush("l", *"abcabcabc")
    assert await client.lpos("l", "b") == 1
    assert await client.lpos("l", "none") is None
    assert await client.lpos("no", "b") is None
    assert await client.lpos("l", "b", rank=2) == 4
    assert await client.lpos("l", "b", rank=-1) == 7
    assert await client.lpos("l", "b", count=0) == [1, 4, 7]
    assert await client.lpos("l", "b", rank=-1, count=2) == [7, 4]
    assert await client.lpos("l", "c", maxlen=2) is None
    assert await client.lpos("l", "none", count=1) == []
    with pytest.raises(ResponseError, match="RANK can't be zero"):
        await client.lpos("l", "b", rank=0)


async def test_moves(client: Any) -> None:
    await client.rpush("l", "a", "b", "c")
    assert await client.lmove("l", "m") == b"a"
    assert await client.lmove("l", "m", "right", "left") == b"c"
    assert await client.lrange("m", 0, -1) == [b"c", b"a"]
    assert await client.rpoplpush("m", "m") == b"a"
    assert await client.lmove("no", "m") is None
    assert await client.rpoplpush("no", "m") is None
    assert await client.lmpop(2, "no", "m", direction="LEFT", count=5) == (b"m", [b"a", b"c"])
    assert await client.lmpop(2, "no", "m", direction="RIGHT") is None
    assert await client.lmpop(1, "l", direction="RIGHT") == (b"l", [b"b"])
    await client.rpush("l", 1)
    await client.set("s", 1)
    with pytest.raises(WrongType):
        await client.lmove("l", "s")
    assert await client.llen("l") == 1


async def test_blocking_commands_find_something_at_once(client: Any) -> None:
    await client.rpush("l", *"abcdefg")
    assert await client.blpop(["no", "l"], timeout=1) == (b"l", b"a")
    assert await client.blpop("l") == (b"l", b"b")
    assert await client.brpop("l", 0.5) == (b"l", b"g")
    assert await client.brpoplpush("l", "m", 1) == b"f"
    assert await client.blmove("l", "m", 1, "LEFT", "RIGHT") == b"c"
    assert await client.blmpop(1, 2, "no", "l", direction="LEFT", count=5) == (b"l", [b"d", b"e"])
    assert await client.lrange("m", 0, -1) == [b"f", b"c"]
    await client.set("s", 1)
    with pytest.raises(WrongType):
        await client.blpop(["s", "m"], 1)


async def test_blocking_commands_come_back_when_the_time_is_up(client: Any) -> None:
    calls = (
        client.blpop(["a", "b"], 0.01),
        client.brpop("a", 0.01),
        client.brpoplpush("a", "b", 0.01),
        client.blmove("a", "b", 0.01),
        client.blmpop(0.01, 1, "a", direction="RIGHT"),
    )
    results: list[Any] = []

    async def collect(call: Any) -> None:
        results.append(await call)

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(collect, call)
    assert results == [None] * 5


async def waiting(client: Any, count: int) -> list[dict[str, str]]:
    """The connections that wait in the server, once there are so many."""
    with anyio.fail_after(20):
        while True:
            clients = [fields for fields in await client.client_list() if "b" in fields["flags"]]
            if len(clients) == count:
                return clients
            await anyio.lowlevel.checkpoint()


async def test_blocking_commands_wait_while_others_go_on(store: Store[bytes], client: Any) -> None:
    popped: list[Any] = []

    async def pop() -> None:
        popped.append(await client.blpop("l", 0))

    async def unblocked() -> None:
        with pytest.raises(Unblocked):
            await client.brpop("m", 0)

    async with anyio.create_task_group() as group:
        group.start_soon(pop)
        await waiting(client, 1)
        group.start_soon(unblocked)
        clients = await waiting(client, 2)
        other = next(fields for fields in clients if fields["cmd"] == "brpop")
        assert await client.client_unblock(int(other["id"]), error=True) is True
        assert await client.rpush("l", "x") == 1
    assert popped == [(b"l", b"x")]


async def test_text(text_client: Any) -> None:
    await text_client.rpush("l", "ü", "b", "c")
    assert await text_client.blpop("l", 1) == ("l", "ü")
    assert await text_client.lmpop(1, "l", direction="LEFT", count=9) == ("l", ["b", "c"])
