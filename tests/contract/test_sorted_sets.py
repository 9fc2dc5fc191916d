from __future__ import annotations

from math import inf
from typing import Any

import anyio
import pytest

from anystore.exceptions import ResponseError, WrongType

pytestmark = pytest.mark.anyio


async def test_zadd(client: Any) -> None:
    assert await client.zadd("z", {"a": 1, "b": 2.5, b"\xff": "-inf"}) == 3
    assert await client.zadd("z", {"a": 3, "c": 1}) == 1
    assert await client.zadd("z", {"a": 4, "d": 1}, ch=True) == 2
    assert await client.zadd("z", {"a": 9}, nx=True) == 0
    assert await client.zadd("z", {"new": 9}, xx=True) == 0
    assert await client.zadd("z", {"a": 3}, gt=True, ch=True) == 0
    assert await client.zadd("z", {"a": 3}, lt=True, ch=True) == 1
    assert await client.zadd("z", {"a": 0.5}, incr=True) == 3.5
    assert await client.zadd("z", {"a": 1}, incr=True, nx=True) is None
    assert await client.zscore("z", "a") == 3.5
    assert await client.zscore("z", b"\xff") == -inf
    assert await client.zscore("z", "no") is None
    assert await client.zmscore("z", ["a", "no", "b"]) == [3.5, None, 2.5]
    assert await client.zincrby("z", -1.5, "a") == 2.0
    assert await client.zincrby("z", 1, "fresh") == 1.0
    assert await client.zcard("z") == 6
    assert await client.zrem("z", "fresh", "no", b"\xff") == 2
    with pytest.raises(ResponseError, match="not a valid float"):
        await client.zadd("z", {"a": "x"})
    await client.zadd("z", {"top": inf})
    with pytest.raises(ResponseError, match="not a number"):
        await client.zincrby("z", -inf, "top")
    await client.set("s", 1)
    for call in (
        client.zadd("s", {"a": 1}),
        client.zrange("s", 0, 1),
        client.zscore("s", "a"),
        client.zpopmin("s"),
    ):
        with pytest.raises(WrongType):
            await call


async def test_ranges_by_rank(client: Any) -> None:
    await client.zadd("z", {"a": 1, "b": 2, "c": 2, "d": 3.5})
    assert await client.zrange("z", 0, -1) == [b"a", b"b", b"c", b"d"]
    assert await client.zrange("z", 0, 1, desc=True) == [b"d", b"c"]
    assert await client.zrange("z", -2, -1, withscores=True) == [(b"c", 2.0), (b"d", 3.5)]
    assert await client.zrange("z", 0, 0, withscores=True, score_cast_func=int) == [(b"a", 1)]
    assert await client.zrange("z", 5, 9, withscores=True) == []
    assert await client.zrevrange("z", 0, 1) == [b"d", b"c"]
    assert await client.zrevrange("z", 0, 0, withscores=True) == [(b"d", 3.5)]
    assert await client.zrank("z", "c") == 2
    assert await client.zrevrank("z", "c") == 1
    assert await client.zrank("z", "no") is None
    assert await client.zrangestore("to", "z", 1, 2) == 2
    assert await client.zrange("to", 0, -1, withscores=True) == [(b"b", 2.0), (b"c", 2.0)]
    assert await client.zremrangebyrank("z", 0, 1) == 2
    assert await client.zrange("z", 0, -1) == [b"c", b"d"]


@pytest.mark.since("7.2.0")
async def test_rank_with_score(client: Any) -> None:
    await client.zadd("z", {"a": 1, "b": 2.5})
    assert await client.zrank("z", "b", withscore=True) == (1, 2.5)
    assert await client.zrevrank("z", "b", withscore=True, score_cast_func=int) == (0, 2)
    assert await client.zrank("z", "no", withscore=True) is None


async def test_ranges_by_score(client: Any) -> None:
    await client.zadd("z", {"a": 1, "b": 2, "c": 3, "d": 4})
    assert await client.zrange("z", 2, "+inf", byscore=True) == [b"b", b"c", b"d"]
    assert await client.zrange("z", "(2", 3, byscore=True, withscores=True) == [(b"c", 3.0)]
    assert await client.zrange("z", 3, 1, byscore=True, desc=True, offset=1, num=5) == [b"b", b"a"]
    assert await client.zrangebyscore("z", "-inf", "(3") == [b"a", b"b"]
    assert await client.zrangebyscore("z", 1, 4, start=1, num=2, withscores=True) == [
        (b"b", 2.0),
        (b"c", 3.0),
    ]
    assert await client.zrevrangebyscore("z", 4, 2, start=0, num=2) == [b"d", b"c"]
    assert await client.zrevrangebyscore("z", 4, 4, withscores=True, score_cast_func=str) == [(b"d", "4.0")]
    assert await client.zcount("z", "(1", 3) == 2
    assert await client.zrangestore("to", "z", 2, 3, byscore=True) == 2
    assert await client.zrangestore("to", "z", 8, 9, byscore=True) == 0
    assert await client.zremrangebyscore("z", 1, "(3") == 2
    assert await client.zrange("z", 0, -1) == [b"c", b"d"]
    with pytest.raises(ResponseError, match="min or max is not a float"):
        await client.zcount("z", "x", 1)


async def test_ranges_by_member(client: Any) -> None:
    await client.zadd("z", dict.fromkeys("abcde", 0))
    assert await client.zrange("z", "[b", "(d", bylex=True) == [b"b", b"c"]
    assert await client.zrange("z", "+", "-", bylex=True, desc=True, offset=0, num=2) == [b"e", b"d"]
    assert await client.zrangebylex("z", "-", "[b") == [b"a", b"b"]
    assert await client.zrangebylex("z", "-", "+", start=1, num=1) == [b"b"]
    assert await client.zrevrangebylex("z", "[c", "-") == [b"c", b"b", b"a"]
    assert await client.zlexcount("z", "-", "(c") == 2
    assert await client.zremrangebylex("z", "-", "[b") == 2
    with pytest.raises(ResponseError, match="not valid string range item"):
        await client.zrangebylex("z", "a", "b")


async def test_combinations(client: Any) -> None:
    await client.zadd("a", {"x": 1, "y": 2})
    await client.zadd("b", {"y": 3, "z": 4})
    await client.sadd("s", "y")
    assert await client.zdiff(["a", "b"]) == [b"x"]
    assert await client.zdiff(["a", "b"], withscores=True) == [(b"x", 1.0)]
    assert await client.zinter(["a", "b"]) == [b"y"]
    assert await client.zinter({"a": 10, "b": 1}, aggregate="MAX", withscores=True) == [(b"y", 20.0)]
    assert await client.zinter(["a", "s"], withscores=True) == [(b"y", 3.0)]
    assert await client.zunion(["a", "b"]) == [b"x", b"z", b"y"]
    union = [(b"x", 1.0), (b"y", 2.0), (b"z", 4.0)]
    assert await client.zunion(["a", "b"], aggregate="min", withscores=True) == union
    cast = await client.zunion(["a"], withscores=True, score_cast_func=int)
    assert cast == [(b"x", 1), (b"y", 2)]
    assert await client.zintercard(2, ["a", "b"]) == 1
    assert await client.zintercard(2, ["a", "a"], limit=1) == 1
    assert await client.zdiffstore("to", ["a", "b"]) == 1
    assert await client.zinterstore("to", ["a", "b"]) == 1
    assert await client.zunionstore("to", {"a": 1, "b": 2}) == 3
    assert await client.zrange("to", 0, -1, withscores=True) == [(b"x", 1.0), (b"y", 8.0), (b"z", 8.0)]
    assert await client.zinterstore("to", ["a", "no"]) == 0
    assert await client.exists("to") == 0


async def test_pops(client: Any) -> None:
    assert await client.zpopmin("z") == []
    await client.zadd("z", {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6})
    assert await client.zpopmin("z") == [(b"a", 1.0)]
    assert await client.zpopmax("z", 2) == [(b"f", 6.0), (b"e", 5.0)]
    assert await client.zpopmin("z", 0) == []
    assert await client.zmpop(2, ["no", "z"], min=True) == (b"z", [(b"b", 2.0)])
    assert await client.bzpopmin(["no", "z"], 1) == (b"z", b"c", 3.0)
    assert await client.zmpop(1, ["z"], max=True, count=9) == (b"z", [(b"d", 4.0)])
    assert await client.zmpop(1, ["z"], max=True) is None
    await client.zadd("z", {"a": 1, "b": 2})
    assert await client.bzpopmax("z") == (b"z", b"b", 2.0)
    assert await client.bzmpop(1, 1, ["z"], max=True, count=2) == (b"z", [(b"a", 1.0)])


async def test_blocking_pops_come_back_when_the_time_is_up(client: Any) -> None:
    calls = (
        client.bzpopmin("a", 0.01),
        client.bzpopmax(["a", "b"], 0.01),
        client.bzmpop(0.01, 1, ["a"], min=True),
    )
    results: list[Any] = []

    async def collect(call: Any) -> None:
        results.append(await call)

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(collect, call)
    assert results == [None] * 3


async def test_zrandmember(client: Any) -> None:
    assert await client.zrandmember("no") is None
    assert await client.zrandmember("no", 2) == []
    scores = {b"a": 1.0, b"b": 2.5}
    await client.zadd("z", scores)
    assert await client.zrandmember("z") in scores
    assert sorted(await client.zrandmember("z", 5)) == [b"a", b"b"]
    assert len(await client.zrandmember("z", -5)) == 5
    assert dict(await client.zrandmember("z", 5, withscores=True)) == scores


async def test_zscan(client: Any) -> None:
    assert await client.zscan("no") == (0, [])
    scores = {b"m%d" % number: number / 2 for number in range(300)}
    await client.zadd("z", scores)
    assert dict([pair async for pair in client.zscan_iter("z", count=50)]) == scores
    some = {pair async for pair in client.zscan_iter("z", "m1?", score_cast_func=int)}
    assert some == {(b"m1%d" % number, (10 + number) // 2) for number in range(10)}
    await client.zadd("one", {"a": 1e300})
    assert await client.zscan("one") == (0, [(b"a", 1e300)])


async def test_text(text_client: Any) -> None:
    await text_client.zadd("z", {"ü": 1, "b": 2})
    assert await text_client.zrange("z", 0, -1, withscores=True) == [("ü", 1.0), ("b", 2.0)]
    assert await text_client.zpopmin("z") == [("ü", 1.0)]
    assert await text_client.bzpopmin("z", 1) == ("z", "b", 2.0)
