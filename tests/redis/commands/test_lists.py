from __future__ import annotations

from math import inf
from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.blpop("a"), "BLPOP", "a", 0, block=inf),
        sends(lambda c: c.blpop(["a", "b"], 1.5), "BLPOP", "a", "b", 1.5, block=1.5),
        sends(lambda c: c.blpop("a", None), "BLPOP", "a", 0, block=inf),
        sends(lambda c: c.brpop("a", 2), "BRPOP", "a", 2, block=2),
        sends(lambda c: c.brpoplpush("a", "b", 2), "BRPOPLPUSH", "a", "b", 2, block=2),
        sends(lambda c: c.blmove("a", "b", 0), "BLMOVE", "a", "b", "LEFT", "RIGHT", 0, block=inf),
        sends(
            lambda c: c.blmove("a", "b", 1, "right", "left"),
            *("BLMOVE", "a", "b", "RIGHT", "LEFT", 1),
            block=1,
        ),
        sends(lambda c: c.blmpop(1, 1, "a", direction="left"), "BLMPOP", 1, 1, "a", "LEFT", block=1),
        sends(
            lambda c: c.lmpop(2, "a", "b", direction="RIGHT", count=3),
            *("LMPOP", 2, "a", "b", "RIGHT", "COUNT", 3),
        ),
        sends(lambda c: c.lindex("a", -1), "LINDEX", "a", -1),
        sends(lambda c: c.linsert("a", "before", "x", 1), "LINSERT", "a", "BEFORE", "x", 1),
        sends(lambda c: c.llen("a"), "LLEN", "a"),
        sends(lambda c: c.lmove("a", "b", "LEFT", "LEFT"), "LMOVE", "a", "b", "LEFT", "LEFT"),
        sends(lambda c: c.lpop("a"), "LPOP", "a"),
        sends(lambda c: c.lpop("a", 0), "LPOP", "a", 0),
        sends(lambda c: c.lpush("a", 1, "x"), "LPUSH", "a", 1, "x"),
        sends(lambda c: c.lpushx("a", 1), "LPUSHX", "a", 1),
        sends(lambda c: c.lrange("a", 0, -1), "LRANGE", "a", 0, -1),
        sends(lambda c: c.lrem("a", -1, "x"), "LREM", "a", -1, "x"),
        sends(lambda c: c.lset("a", 0, "x"), "LSET", "a", 0, "x"),
        sends(lambda c: c.ltrim("a", 0, 9), "LTRIM", "a", 0, 9),
        sends(lambda c: c.rpop("a", 2), "RPOP", "a", 2),
        sends(lambda c: c.rpop("a"), "RPOP", "a"),
        sends(lambda c: c.rpoplpush("a", "b"), "RPOPLPUSH", "a", "b"),
        sends(lambda c: c.rpush("a", b"x"), "RPUSH", "a", b"x"),
        sends(lambda c: c.rpushx("a", b"x"), "RPUSHX", "a", b"x"),
        sends(lambda c: c.lpos("a", "x"), "LPOS", "a", "x"),
        sends(
            lambda c: c.lpos("a", "x", -1, 0, 100),
            *("LPOS", "a", "x", "RANK", -1, "COUNT", 0, "MAXLEN", 100),
        ),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.blpop([]), "BLPOP needs"),
        (lambda c: c.blpop("a", -1), "timeout must be a number of seconds"),
        (lambda c: c.blpop("a", inf), "timeout must be a number of seconds, 0 to wait for ever, not inf"),
        (lambda c: c.blpop("a", float("nan")), "timeout must be"),
        (lambda c: c.blpop("a", "b"), "timeout must be"),
        (lambda c: c.blmove("a", "b", 1, "UP"), "src must be one of LEFT, RIGHT, not 'UP'"),
        (lambda c: c.lmove("a", "b", dest="DOWN"), "dest must be one of"),
        (lambda c: c.lmpop(2, "a", direction="LEFT"), "numkeys is 2, but there are 1"),
        (lambda c: c.lmpop(0, direction="LEFT"), "LMPOP needs"),
        (lambda c: c.blmpop(1, 1, "a", direction="IN"), "direction must be one of"),
        (lambda c: c.linsert("a", "AROUND", "x", "y"), "where must be one of"),
        (lambda c: c.lpush("a"), "LPUSH needs"),
        (lambda c: c.lpushx("a"), "LPUSHX needs"),
        (lambda c: c.rpush("a"), "RPUSH needs"),
        (lambda c: c.rpushx("a"), "RPUSHX needs"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.blpop("a"), [b"a", b"x"], None) == [(b"a", b"x"), None]
    assert results(lambda c: c.lmpop(1, "a", direction="LEFT"), [b"a", [b"x"]], None) == [
        (b"a", [b"x"]),
        None,
    ]
    assert results(lambda c: c.lset("a", 0, 1), b"OK") == [True]
