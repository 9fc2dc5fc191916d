from __future__ import annotations

from math import inf
from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.zadd("a", {"x": 1, b"y": 2.5}), "ZADD", "a", 1, "x", 2.5, b"y"),
        sends(lambda c: c.zadd("a", {"x": 1}, nx=True, ch=True), "ZADD", "a", "NX", "CH", 1, "x"),
        sends(
            lambda c: c.zadd("a", {"x": "+inf"}, xx=True, gt=True, incr=True),
            *("ZADD", "a", "XX", "INCR", "GT", "+inf", "x"),
        ),
        sends(lambda c: c.zadd("a", {"x": 1}, lt=True), "ZADD", "a", "LT", 1, "x"),
        sends(lambda c: c.zcard("a"), "ZCARD", "a"),
        sends(lambda c: c.zincrby("a", 1.5, "x"), "ZINCRBY", "a", 1.5, "x"),
        sends(lambda c: c.zscore("a", "x"), "ZSCORE", "a", "x"),
        sends(lambda c: c.zmscore("a", ["x", 1]), "ZMSCORE", "a", "x", 1),
        sends(lambda c: c.zrem("a", "x", 1), "ZREM", "a", "x", 1),
        sends(lambda c: c.zdiff(["a", "b"]), "ZDIFF", 2, "a", "b"),
        sends(lambda c: c.zdiff(["a", "b"], True), "ZDIFF", 2, "a", "b", "WITHSCORES"),
        sends(lambda c: c.zdiffstore("d", ["a"]), "ZDIFFSTORE", "d", 1, "a"),
        sends(lambda c: c.zinter(["a", "b"]), "ZINTER", 2, "a", "b"),
        sends(
            lambda c: c.zinter({"a": 2, "b": 0.5}, "max", True),
            *("ZINTER", 2, "a", "b", "WEIGHTS", 2, 0.5, "AGGREGATE", "MAX", "WITHSCORES"),
        ),
        sends(lambda c: c.zinterstore("d", {"a": 2}), "ZINTERSTORE", "d", 1, "a", "WEIGHTS", 2),
        sends(lambda c: c.zintercard(1, ["a"]), "ZINTERCARD", 1, "a", "LIMIT", 0),
        sends(lambda c: c.zunion(("a", "b")), "ZUNION", 2, "a", "b"),
        sends(lambda c: c.zunion(["a"], withscores=True), "ZUNION", 1, "a", "WITHSCORES"),
        sends(lambda c: c.zunionstore("d", ["a"], "MIN"), "ZUNIONSTORE", "d", 1, "a", "AGGREGATE", "MIN"),
        sends(lambda c: c.zpopmax("a"), "ZPOPMAX", "a"),
        sends(lambda c: c.zpopmin("a", 2), "ZPOPMIN", "a", 2),
        sends(lambda c: c.bzpopmax(["a", "b"], 0.5), "BZPOPMAX", "a", "b", 0.5, block=0.5),
        sends(lambda c: c.bzpopmin("a"), "BZPOPMIN", "a", 0, block=inf),
        sends(lambda c: c.zmpop(1, ["a"], min=True), "ZMPOP", 1, "a", "MIN"),
        sends(lambda c: c.zmpop(1, ["a"], max=True, count=5), "ZMPOP", 1, "a", "MAX", "COUNT", 5),
        sends(lambda c: c.bzmpop(2, 1, ["a"], max=True), "BZMPOP", 2, 1, "a", "MAX", block=2),
        sends(lambda c: c.zrandmember("a"), "ZRANDMEMBER", "a"),
        sends(lambda c: c.zrandmember("a", 2), "ZRANDMEMBER", "a", 2),
        sends(lambda c: c.zrandmember("a", -2, True), "ZRANDMEMBER", "a", -2, "WITHSCORES"),
        sends(lambda c: c.zscan("a", 1, "x*", 2), "ZSCAN", "a", 1, "MATCH", "x*", "COUNT", 2),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.zadd("a", {}), "the mapping is empty"),
        (lambda c: c.zadd("a", {"x": 1}, nx=True, xx=True), "nx and xx"),
        (lambda c: c.zadd("a", {"x": 1}, nx=True, gt=True), "nx and gt"),
        (lambda c: c.zadd("a", {"x": 1}, lt=True, gt=True), "gt and lt"),
        (lambda c: c.zadd("a", {"x": 1, "y": 2}, incr=True), "incr is for one member, not 2"),
        (lambda c: c.zmscore("a", []), "ZMSCORE needs"),
        (lambda c: c.zrem("a"), "ZREM needs"),
        (lambda c: c.zdiff([]), "ZDIFF needs"),
        (lambda c: c.zunion(["a"], "avg"), "aggregate must be one of SUM, MIN, MAX, not 'avg'"),
        (lambda c: c.zpopmin("a", -1), "count must not be negative"),
        (lambda c: c.zmpop(1, ["a"]), "ZMPOP needs min or max"),
        (lambda c: c.zmpop(1, ["a"], True, True), "ZMPOP needs min or max"),
        (lambda c: c.bzmpop(1, 2, ["a"], min=True), "numkeys is 2, but there are 1"),
        (lambda c: c.bzpopmin([]), "BZPOPMIN needs"),
        (lambda c: c.zrandmember("a", withscores=True), "withscores needs a count"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


FLAT = [b"x", b"1", b"y", b"2.5"]
NESTED = [[b"x", 1.0], [b"y", 2.5]]
SCORED = [(b"x", 1.0), (b"y", 2.5)]


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.zdiff(["a"], True),
        lambda c: c.zinter(["a"], withscores=True),
        lambda c: c.zunion(["a"], withscores=True),
        lambda c: c.zrandmember("a", 2, True),
        lambda c: c.zpopmin("a", 2),
        lambda c: c.zpopmax("a", 2),
    ],
)
def test_scores_in_both_protocols(call: Call) -> None:
    assert results(call, FLAT, NESTED, []) == [SCORED, SCORED, []]


def test_results() -> None:
    assert results(lambda c: c.zpopmin("a"), [b"x", b"1"], [b"x", 1.0], []) == [[(b"x", 1.0)]] * 2 + [[]]
    assert results(lambda c: c.zadd("a", {"x": 1}, incr=True), b"2.5", 2.5, None) == [2.5, 2.5, None]
    assert results(lambda c: c.zscore("a", "x"), b"-inf", -inf, None) == [-inf, -inf, None]
    assert results(lambda c: c.zincrby("a", 1, "x"), "1.5") == [1.5]
    assert results(lambda c: c.zmscore("a", ["x", "y"]), [b"1", None], [1.0, None]) == [[1.0, None]] * 2
    popped = (b"a", [(b"x", 1.0)])
    multi = lambda c: c.zmpop(1, ["a"], min=True)  # noqa: E731
    assert results(multi, [b"a", [[b"x", b"1"]]], [b"a", [[b"x", 1.0]]], None) == [popped, popped, None]
    taken = (b"a", b"x", 1.0)
    assert results(lambda c: c.bzpopmin("a"), [b"a", b"x", b"1"], [b"a", b"x", 1.0], None) == [
        taken,
        taken,
        None,
    ]
    assert results(lambda c: c.zscan("a"), [b"3", FLAT]) == [(3, SCORED)]
    assert results(lambda c: c.zscan("a", score_cast_func=int), [b"0", FLAT]) == [(0, [(b"x", 1), (b"y", 2)])]
    cast = lambda c: c.zunion(["a"], withscores=True, score_cast_func=str)  # noqa: E731
    assert results(cast, FLAT, NESTED) == [[(b"x", "1.0"), (b"y", "2.5")]] * 2
