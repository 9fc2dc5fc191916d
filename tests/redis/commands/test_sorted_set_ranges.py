from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.zrange("a", 0, -1), "ZRANGE", "a", 0, -1),
        sends(lambda c: c.zrange("a", 0, -1, True, True), "ZRANGE", "a", 0, -1, "REV", "WITHSCORES"),
        sends(
            lambda c: c.zrange("a", "(5", "-inf", desc=True, byscore=True, offset=1, num=2, withscores=True),
            *("ZRANGE", "a", "(5", "-inf", "BYSCORE", "REV", "LIMIT", 1, 2, "WITHSCORES"),
        ),
        sends(lambda c: c.zrange("a", "[a", "+", bylex=True), "ZRANGE", "a", "[a", "+", "BYLEX"),
        sends(
            lambda c: c.zrangestore("d", "a", 1, 2, byscore=True, desc=True, offset=0, num=-1),
            *("ZRANGESTORE", "d", "a", 1, 2, "BYSCORE", "REV", "LIMIT", 0, -1),
        ),
        sends(lambda c: c.zrevrange("a", 0, 1), "ZREVRANGE", "a", 0, 1),
        sends(lambda c: c.zrevrange("a", 0, 1, True), "ZREVRANGE", "a", 0, 1, "WITHSCORES"),
        sends(
            lambda c: c.zrangebyscore("a", 1, "(2", 0, 5, True),
            *("ZRANGEBYSCORE", "a", 1, "(2", "LIMIT", 0, 5, "WITHSCORES"),
        ),
        sends(lambda c: c.zrevrangebyscore("a", 2, 1), "ZREVRANGEBYSCORE", "a", 2, 1),
        sends(lambda c: c.zrangebylex("a", "-", "(c", 1, 2), "ZRANGEBYLEX", "a", "-", "(c", "LIMIT", 1, 2),
        sends(lambda c: c.zrevrangebylex("a", "+", "-"), "ZREVRANGEBYLEX", "a", "+", "-"),
        sends(lambda c: c.zcount("a", "-inf", 5), "ZCOUNT", "a", "-inf", 5),
        sends(lambda c: c.zlexcount("a", "-", "+"), "ZLEXCOUNT", "a", "-", "+"),
        sends(lambda c: c.zremrangebylex("a", "-", "+"), "ZREMRANGEBYLEX", "a", "-", "+"),
        sends(lambda c: c.zremrangebyrank("a", 0, 1), "ZREMRANGEBYRANK", "a", 0, 1),
        sends(lambda c: c.zremrangebyscore("a", 0, 1.5), "ZREMRANGEBYSCORE", "a", 0, 1.5),
        sends(lambda c: c.zrank("a", "x"), "ZRANK", "a", "x"),
        sends(lambda c: c.zrank("a", "x", True), "ZRANK", "a", "x", "WITHSCORE"),
        sends(lambda c: c.zrevrank("a", "x"), "ZREVRANK", "a", "x"),
        sends(lambda c: c.zrevrank("a", "x", withscore=True), "ZREVRANK", "a", "x", "WITHSCORE"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.zrange("a", 0, 1, byscore=True, bylex=True), "byscore and bylex"),
        (lambda c: c.zrange("a", 0, 1, byscore=True, offset=1), "offset and num must be given together"),
        (lambda c: c.zrange("a", 0, 1, offset=1, num=2), "offset and num need byscore or bylex"),
        (lambda c: c.zrange("a", "-", "+", bylex=True, withscores=True), "withscores cannot be combined"),
        (lambda c: c.zrangestore("d", "a", 0, 1, num=2), "offset and num must be given together"),
        (lambda c: c.zrangebyscore("a", 0, 1, start=1), "start and num must be given together"),
        (lambda c: c.zrevrangebylex("a", "+", "-", num=1), "start and num must be given together"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


FLAT = [b"x", b"1", b"y", b"2.5"]
NESTED = [[b"x", 1.0], [b"y", 2.5]]


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.zrange("a", 0, -1, withscores=True),
        lambda c: c.zrevrange("a", 0, -1, withscores=True),
        lambda c: c.zrangebyscore("a", 0, 9, withscores=True),
        lambda c: c.zrevrangebyscore("a", 9, 0, withscores=True),
    ],
)
def test_scores_in_both_protocols(call: Call) -> None:
    scored = [(b"x", 1.0), (b"y", 2.5)]
    assert results(call, FLAT, NESTED, []) == [scored, scored, []]


def test_results() -> None:
    cast = lambda c: c.zrange("a", 0, -1, withscores=True, score_cast_func=int)  # noqa: E731
    assert results(cast, FLAT, NESTED) == [[(b"x", 1), (b"y", 2)]] * 2
    assert results(lambda c: c.zrank("a", "x"), 3, None) == [3, None]
    ranked = lambda c: c.zrank("a", "x", withscore=True)  # noqa: E731
    assert results(ranked, [3, b"1.5"], [3, 1.5], None) == [(3, 1.5), (3, 1.5), None]
    assert results(lambda c: c.zrevrank("a", "x", True, int), [0, b"1.5"]) == [(0, 1)]
