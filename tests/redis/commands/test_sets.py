from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.sadd("a", 1, "x"), "SADD", "a", 1, "x"),
        sends(lambda c: c.scard("a"), "SCARD", "a"),
        sends(lambda c: c.sdiff("a", "b"), "SDIFF", "a", "b"),
        sends(lambda c: c.sdiff(["a", "b"]), "SDIFF", "a", "b"),
        sends(lambda c: c.sdiffstore("d", ["a"], "b"), "SDIFFSTORE", "d", "a", "b"),
        sends(lambda c: c.sinter("a"), "SINTER", "a"),
        sends(lambda c: c.sintercard(2, ["a", "b"], 5), "SINTERCARD", 2, "a", "b", "LIMIT", 5),
        sends(lambda c: c.sinterstore("d", "a", "b"), "SINTERSTORE", "d", "a", "b"),
        sends(lambda c: c.sunion(["a"]), "SUNION", "a"),
        sends(lambda c: c.sunionstore("d", ["a"]), "SUNIONSTORE", "d", "a"),
        sends(lambda c: c.sismember("a", "x"), "SISMEMBER", "a", "x"),
        sends(lambda c: c.smembers("a"), "SMEMBERS", "a"),
        sends(lambda c: c.smismember("a", ["x"], "y"), "SMISMEMBER", "a", "x", "y"),
        sends(lambda c: c.smismember("a", 5), "SMISMEMBER", "a", 5),
        sends(lambda c: c.smove("a", "b", "x"), "SMOVE", "a", "b", "x"),
        sends(lambda c: c.spop("a"), "SPOP", "a"),
        sends(lambda c: c.spop("a", 3), "SPOP", "a", 3),
        sends(lambda c: c.srandmember("a"), "SRANDMEMBER", "a"),
        sends(lambda c: c.srandmember("a", -3), "SRANDMEMBER", "a", -3),
        sends(lambda c: c.srem("a", "x", 2), "SREM", "a", "x", 2),
        sends(lambda c: c.sscan("a", 4, b"x*", 7), "SSCAN", "a", 4, "MATCH", b"x*", "COUNT", 7),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.sadd("a"), "SADD needs at least one of its members"),
        (lambda c: c.srem("a"), "SREM needs"),
        (lambda c: c.sunion([]), "SUNION needs"),
        (lambda c: c.sdiffstore("d", []), "SDIFFSTORE needs"),
        (lambda c: c.smismember("a", []), "SMISMEMBER needs"),
        (lambda c: c.sintercard(1, ["a", "b"]), "numkeys is 1, but there are 2"),
        (lambda c: c.spop("a", -1), "count must not be negative"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.smembers("a"), [b"x", b"y"], {b"x", b"y"}, []) == [
        {b"x", b"y"},
        {b"x", b"y"},
        set(),
    ]
    assert results(lambda c: c.spop("a", 2), [b"x"], {b"x"}) == [[b"x"], [b"x"]]
    assert results(lambda c: c.smove("a", "b", 1), 1, 0) == [True, False]
    assert results(lambda c: c.sscan("a"), [b"0", [b"x"]]) == [(0, [b"x"])]
