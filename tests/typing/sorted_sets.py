"""What type checkers make of the results of `commands.sorted_sets`; never run."""

from __future__ import annotations

from typing import assert_type

from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.zadd("z", {"x": 1}), int)
    assert_type(await c.zadd("z", {b"x": 1.5}, xx=True), int)
    assert_type(await c.zadd("z", {"x": 1}, incr=True), float | None)
    assert_type(await c.zcard("z"), int)
    assert_type(await c.zincrby("z", 1.5, "x"), float)
    assert_type(await c.zscore("z", "x"), float | None)
    assert_type(await c.zmscore("z", ["x"]), list[float | None])
    assert_type(await c.zrem("z", "x"), int)
    assert_type(await c.zdiff(["z"]), list[bytes])
    assert_type(await c.zdiff(["z"], withscores=True), list[tuple[bytes, float]])
    assert_type(await c.zdiffstore("d", ["z"]), int)
    assert_type(await c.zinter(["z"]), list[bytes])
    assert_type(await c.zinter({"z": 2.0}, "MAX", withscores=True), list[tuple[bytes, float]])
    assert_type(await c.zinterstore("d", ["z"]), int)
    assert_type(await c.zintercard(1, ["z"]), int)
    assert_type(await c.zunion(["z"]), list[bytes])
    assert_type(await c.zunion(["z"], withscores=True), list[tuple[bytes, float]])
    assert_type(await c.zunion(["z"], withscores=True, score_cast_func=int), list[tuple[bytes, int]])
    assert_type(await c.zunionstore("d", {"z": 2}), int)
    assert_type(await c.zpopmax("z"), list[tuple[bytes, float]])
    assert_type(await c.zpopmin("z", 2), list[tuple[bytes, float]])
    assert_type(await c.bzpopmax("z", 1), tuple[bytes, bytes, float] | None)
    assert_type(await c.bzpopmin(["z"]), tuple[bytes, bytes, float] | None)
    assert_type(await c.zmpop(1, ["z"], min=True), tuple[bytes, list[tuple[bytes, float]]] | None)
    assert_type(await c.bzmpop(1, 1, ["z"], max=True), tuple[bytes, list[tuple[bytes, float]]] | None)
    assert_type(await c.zrandmember("z"), bytes | None)
    assert_type(await c.zrandmember("z", 2), list[bytes])
    assert_type(await c.zrandmember("z", 2, withscores=True), list[tuple[bytes, float]])
    assert_type(await c.zscan("z"), tuple[int, list[tuple[bytes, float]]])
    assert_type(await c.zscan("z", score_cast_func=int), tuple[int, list[tuple[bytes, int]]])
    async for item in c.zscan_iter("z"):
        assert_type(item, tuple[bytes, float])
    async for pair in c.zscan_iter("z", score_cast_func=str):
        assert_type(pair, tuple[bytes, str])
    assert_type(await c.zrange("z", 0, -1), list[bytes])
    assert_type(await c.zrange("z", 0, -1, withscores=True), list[tuple[bytes, float]])
    assert_type(
        await c.zrange("z", "-inf", "(5", byscore=True, withscores=True, score_cast_func=int),
        list[tuple[bytes, int]],
    )
    assert_type(await c.zrangestore("d", "z", 0, -1), int)
    assert_type(await c.zrevrange("z", 0, -1), list[bytes])
    assert_type(await c.zrevrange("z", 0, -1, True), list[tuple[bytes, float]])
    assert_type(await c.zrevrange("z", 0, -1, withscores=True, score_cast_func=int), list[tuple[bytes, int]])
    assert_type(await c.zrangebyscore("z", 0, "+inf"), list[bytes])
    assert_type(await c.zrangebyscore("z", 0, 1, withscores=True), list[tuple[bytes, float]])
    assert_type(
        await c.zrangebyscore("z", 0, 1, withscores=True, score_cast_func=int), list[tuple[bytes, int]]
    )
    assert_type(await c.zrevrangebyscore("z", 1, 0), list[bytes])
    assert_type(await c.zrevrangebyscore("z", 1, 0, withscores=True), list[tuple[bytes, float]])
    assert_type(
        await c.zrevrangebyscore("z", 1, 0, withscores=True, score_cast_func=int), list[tuple[bytes, int]]
    )
    assert_type(await c.zrangebylex("z", "-", "+"), list[bytes])
    assert_type(await c.zrevrangebylex("z", "+", "-"), list[bytes])
    assert_type(await c.zcount("z", 0, "(1"), int)
    assert_type(await c.zlexcount("z", "-", "+"), int)
    assert_type(await c.zremrangebylex("z", "-", "+"), int)
    assert_type(await c.zremrangebyrank("z", 0, 1), int)
    assert_type(await c.zremrangebyscore("z", 0, 1), int)
    assert_type(await c.zrank("z", "x"), int | None)
    assert_type(await c.zrank("z", "x", withscore=True), tuple[int, float] | None)
    assert_type(await c.zrank("z", "x", withscore=True, score_cast_func=int), tuple[int, int] | None)
    assert_type(await c.zrevrank("z", "x"), int | None)
    assert_type(await c.zrevrank("z", "x", withscore=True), tuple[int, float] | None)
    assert_type(await c.zrevrank("z", "x", withscore=True, score_cast_func=int), tuple[int, int] | None)


async def as_text(c: Client[str] | Pipeline[str]) -> None:
    assert_type(await c.zadd("z", {"x": 1}), int)
    assert_type(await c.zadd("z", {b"x": 1.5}, xx=True), int)
    assert_type(await c.zadd("z", {"x": 1}, incr=True), float | None)
    assert_type(await c.zcard("z"), int)
    assert_type(await c.zincrby("z", 1.5, "x"), float)
    assert_type(await c.zscore("z", "x"), float | None)
    assert_type(await c.zmscore("z", ["x"]), list[float | None])
    assert_type(await c.zrem("z", "x"), int)
    assert_type(await c.zdiff(["z"]), list[str])
    assert_type(await c.zdiff(["z"], withscores=True), list[tuple[str, float]])
    assert_type(await c.zdiffstore("d", ["z"]), int)
    assert_type(await c.zinter(["z"]), list[str])
    assert_type(await c.zinter({"z": 2.0}, "MAX", withscores=True), list[tuple[str, float]])
    assert_type(await c.zinterstore("d", ["z"]), int)
    assert_type(await c.zintercard(1, ["z"]), int)
    assert_type(await c.zunion(["z"]), list[str])
    assert_type(await c.zunion(["z"], withscores=True), list[tuple[str, float]])
    assert_type(await c.zunion(["z"], withscores=True, score_cast_func=int), list[tuple[str, int]])
    assert_type(await c.zunionstore("d", {"z": 2}), int)
    assert_type(await c.zpopmax("z"), list[tuple[str, float]])
    assert_type(await c.zpopmin("z", 2), list[tuple[str, float]])
    assert_type(await c.bzpopmax("z", 1), tuple[str, str, float] | None)
    assert_type(await c.bzpopmin(["z"]), tuple[str, str, float] | None)
    assert_type(await c.zmpop(1, ["z"], min=True), tuple[str, list[tuple[str, float]]] | None)
    assert_type(await c.bzmpop(1, 1, ["z"], max=True), tuple[str, list[tuple[str, float]]] | None)
    assert_type(await c.zrandmember("z"), str | None)
    assert_type(await c.zrandmember("z", 2), list[str])
    assert_type(await c.zrandmember("z", 2, withscores=True), list[tuple[str, float]])
    assert_type(await c.zscan("z"), tuple[int, list[tuple[str, float]]])
    assert_type(await c.zscan("z", score_cast_func=int), tuple[int, list[tuple[str, int]]])
    async for another in c.zscan_iter("z"):
        assert_type(another, tuple[str, float])
    async for more in c.zscan_iter("z", score_cast_func=str):
        assert_type(more, tuple[str, str])
    assert_type(await c.zrange("z", 0, -1), list[str])
    assert_type(await c.zrange("z", 0, -1, withscores=True), list[tuple[str, float]])
    assert_type(
        await c.zrange("z", "-inf", "(5", byscore=True, withscores=True, score_cast_func=int),
        list[tuple[str, int]],
    )
    assert_type(await c.zrangestore("d", "z", 0, -1), int)
    assert_type(await c.zrevrange("z", 0, -1), list[str])
    assert_type(await c.zrevrange("z", 0, -1, True), list[tuple[str, float]])
    assert_type(await c.zrevrange("z", 0, -1, withscores=True, score_cast_func=int), list[tuple[str, int]])
    assert_type(await c.zrangebyscore("z", 0, "+inf"), list[str])
    assert_type(await c.zrangebyscore("z", 0, 1, withscores=True), list[tuple[str, float]])
    assert_type(await c.zrangebyscore("z", 0, 1, withscores=True, score_cast_func=int), list[tuple[str, int]])
    assert_type(await c.zrevrangebyscore("z", 1, 0), list[str])
    assert_type(await c.zrevrangebyscore("z", 1, 0, withscores=True), list[tuple[str, float]])
    assert_type(
        await c.zrevrangebyscore("z", 1, 0, withscores=True, score_cast_func=int), list[tuple[str, int]]
    )
    assert_type(await c.zrangebylex("z", "-", "+"), list[str])
    assert_type(await c.zrevrangebylex("z", "+", "-"), list[str])
    assert_type(await c.zcount("z", 0, "(1"), int)
    assert_type(await c.zlexcount("z", "-", "+"), int)
    assert_type(await c.zremrangebylex("z", "-", "+"), int)
    assert_type(await c.zremrangebyrank("z", 0, 1), int)
    assert_type(await c.zremrangebyscore("z", 0, 1), int)
    assert_type(await c.zrank("z", "x"), int | None)
    assert_type(await c.zrank("z", "x", withscore=True), tuple[int, float] | None)
    assert_type(await c.zrank("z", "x", withscore=True, score_cast_func=int), tuple[int, int] | None)
    assert_type(await c.zrevrank("z", "x"), int | None)
    assert_type(await c.zrevrank("z", "x", withscore=True), tuple[int, float] | None)
    assert_type(await c.zrevrank("z", "x", withscore=True, score_cast_func=int), tuple[int, int] | None)
