from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.hdel("a", "f", 1), "HDEL", "a", "f", 1),
        sends(lambda c: c.hexists("a", "f"), "HEXISTS", "a", "f"),
        sends(lambda c: c.hget("a", "f"), "HGET", "a", "f"),
        sends(lambda c: c.hgetall("a"), "HGETALL", "a"),
        sends(lambda c: c.hincrby("a", "f"), "HINCRBY", "a", "f", 1),
        sends(lambda c: c.hincrbyfloat("a", "f", 0.5), "HINCRBYFLOAT", "a", "f", 0.5),
        sends(lambda c: c.hkeys("a"), "HKEYS", "a"),
        sends(lambda c: c.hlen("a"), "HLEN", "a"),
        sends(lambda c: c.hmget("a", "f", "g"), "HMGET", "a", "f", "g"),
        sends(lambda c: c.hmget("a", ["f", 2], "g"), "HMGET", "a", "f", 2, "g"),
        sends(lambda c: c.hmset("a", {"f": 1}), "HMSET", "a", "f", 1),
        sends(lambda c: c.hrandfield("a"), "HRANDFIELD", "a"),
        sends(lambda c: c.hrandfield("a", -2), "HRANDFIELD", "a", -2),
        sends(lambda c: c.hrandfield("a", 2, True), "HRANDFIELD", "a", 2, "WITHVALUES"),
        sends(lambda c: c.hset("a", "f", 1), "HSET", "a", "f", 1),
        sends(
            lambda c: c.hset("a", "f", 0, mapping={"g": 2, 3: b"x"}, items=["h", 4]),
            *("HSET", "a", "h", 4, "f", 0, "g", 2, 3, b"x"),
        ),
        sends(lambda c: c.hsetnx("a", "f", 1), "HSETNX", "a", "f", 1),
        sends(lambda c: c.hstrlen("a", "f"), "HSTRLEN", "a", "f"),
        sends(lambda c: c.hvals("a"), "HVALS", "a"),
        sends(lambda c: c.hscan("a"), "HSCAN", "a", 0),
        sends(lambda c: c.hscan("a", 3, "f*", 9), "HSCAN", "a", 3, "MATCH", "f*", "COUNT", 9),
        sends(lambda c: c.hscan("a", no_values=True), "HSCAN", "a", 0, "NOVALUES"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.hdel("a"), "HDEL needs at least one of its fields"),
        (lambda c: c.hmget("a", []), "HMGET needs"),
        (lambda c: c.hmset("a", {}), "HMSET needs at least one pair"),
        (lambda c: c.hset("a"), "HSET needs"),
        (lambda c: c.hset("a", "f"), "key needs a value"),
        (lambda c: c.hset("a", items=["f"]), "items must alternate"),
        (lambda c: c.hrandfield("a", withvalues=True), "withvalues needs a count"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    pairs = [b"f", b"1", b"g", b"2"]
    expected = {b"f": b"1", b"g": b"2"}
    assert results(lambda c: c.hgetall("a"), pairs, dict(expected), [], {}) == [expected, expected, {}, {}]
    listed = [(b"f", b"1"), (b"g", b"2")]
    nested = [[b"f", b"1"], [b"g", b"2"]]
    assert results(lambda c: c.hrandfield("a", 2, True), pairs, nested, []) == [listed, listed, []]
    assert results(lambda c: c.hscan("a"), [b"0", pairs], ["5", pairs]) == [(0, expected), (5, expected)]
    assert results(lambda c: c.hscan("a", no_values=True), [b"0", [b"f"]]) == [(0, [b"f"])]
    assert results(lambda c: c.hincrbyfloat("a", "f"), b"2.5", 2.5) == [2.5, 2.5]
