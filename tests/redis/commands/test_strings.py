from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.append("a", "x"), "APPEND", "a", "x"),
        sends(lambda c: c.decr("a"), "DECRBY", "a", 1),
        sends(lambda c: c.decrby("a", 3), "DECRBY", "a", 3),
        sends(lambda c: c.incr("a", 2), "INCRBY", "a", 2),
        sends(lambda c: c.incrby("a"), "INCRBY", "a", 1),
        sends(lambda c: c.incrbyfloat("a", 1.5), "INCRBYFLOAT", "a", 1.5),
        sends(lambda c: c.get("a"), "GET", "a"),
        sends(lambda c: c.getdel("a"), "GETDEL", "a"),
        sends(lambda c: c.getex("a"), "GETEX", "a"),
        sends(lambda c: c.getex("a", ex=timedelta(minutes=1)), "GETEX", "a", "EX", 60),
        sends(lambda c: c.getex("a", px=10), "GETEX", "a", "PX", 10),
        sends(lambda c: c.getex("a", exat=10), "GETEX", "a", "EXAT", 10),
        sends(lambda c: c.getex("a", pxat=10), "GETEX", "a", "PXAT", 10),
        sends(lambda c: c.getex("a", persist=True), "GETEX", "a", "PERSIST"),
        sends(lambda c: c.getrange("a", 0, -1), "GETRANGE", "a", 0, -1),
        sends(lambda c: c.substr("a", 2), "SUBSTR", "a", 2, -1),
        sends(lambda c: c.getset("a", 1), "GETSET", "a", 1),
        sends(lambda c: c.lcs("a", "b"), "LCS", "a", "b"),
        sends(lambda c: c.lcs("a", "b", True), "LCS", "a", "b", "LEN"),
        sends(
            lambda c: c.lcs("a", "b", idx=True, minmatchlen=4, withmatchlen=True),
            *("LCS", "a", "b", "IDX", "MINMATCHLEN", 4, "WITHMATCHLEN"),
        ),
        sends(lambda c: c.mget("a", "b"), "MGET", "a", "b"),
        sends(lambda c: c.mget(["a", b"b"]), "MGET", "a", b"b"),
        sends(lambda c: c.mget(["a"], "b"), "MGET", "a", "b"),
        sends(lambda c: c.mset({"a": 1, "b": 2.5}), "MSET", "a", 1, "b", 2.5),
        sends(lambda c: c.msetnx({b"a": b"1"}), "MSETNX", b"a", b"1"),
        sends(lambda c: c.set("a", "x"), "SET", "a", "x"),
        sends(lambda c: c.set("a", "x", 10, nx=True), "SET", "a", "x", "NX", "EX", 10),
        sends(lambda c: c.set("a", "x", px=10, xx=True), "SET", "a", "x", "XX", "PX", 10),
        sends(lambda c: c.set("a", "x", keepttl=True, get=True), "SET", "a", "x", "GET", "KEEPTTL"),
        sends(lambda c: c.set("a", "x", exat=10), "SET", "a", "x", "EXAT", 10),
        sends(lambda c: c.set("a", "x", pxat=10), "SET", "a", "x", "PXAT", 10),
        sends(lambda c: c.set("a", "x", ifeq="", get=True), "SET", "a", "x", "IFEQ", "", "GET"),
        sends(lambda c: c.msetex({"a": 1, "b": 2}), "MSETEX", 2, "a", 1, "b", 2),
        sends(lambda c: c.msetex({"a": 1}, "NX", ex=5), "MSETEX", 1, "a", 1, "NX", "EX", 5),
        sends(lambda c: c.msetex({"a": 1}, "XX", keepttl=True), "MSETEX", 1, "a", 1, "XX", "KEEPTTL"),
        sends(lambda c: c.delifeq("a", "x"), "DELIFEQ", "a", "x"),
        sends(lambda c: c.setex("a", timedelta(seconds=5), "x"), "SETEX", "a", 5, "x"),
        sends(lambda c: c.psetex("a", 5, "x"), "PSETEX", "a", 5, "x"),
        sends(lambda c: c.setnx("a", "x"), "SETNX", "a", "x"),
        sends(lambda c: c.setrange("a", 3, "x"), "SETRANGE", "a", 3, "x"),
        sends(lambda c: c.strlen("a"), "STRLEN", "a"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.set("a", "x", ex=1, px=1), "only one of ex, px, exat, pxat, keepttl .* not ex and px"),
        (lambda c: c.set("a", "x", ex=1, keepttl=True), "ex and keepttl"),
        (lambda c: c.set("a", "x", nx=True, xx=True), "nx and xx"),
        (lambda c: c.set("a", "x", nx=True, ifeq="y"), "nx and ifeq"),
        (lambda c: c.msetex({}), "MSETEX needs at least one pair"),
        (lambda c: c.msetex({"a": 1}, "FNX"), "must be one of NX, XX"),
        (lambda c: c.msetex({"a": 1}, ex=1, keepttl=True), "ex and keepttl"),
        (lambda c: c.set("a", "x", ex=1.5), "ex must be a whole number of seconds"),
        (lambda c: c.getex("a", ex=1, persist=True), "ex and persist"),
        (lambda c: c.lcs("a", "b", len=True, idx=True), "len and idx"),
        (lambda c: c.mset({}), "MSET needs at least one pair"),
        (lambda c: c.msetnx({}), "MSETNX needs at least one pair"),
        (lambda c: c.setrange("a", -1, "x"), "offset must not be negative"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.set("a", "x"), b"OK", "OK", None) == [True, True, None]
    assert results(lambda c: c.set("a", "x", get=True), b"OK", None) == [b"OK", None]
    assert results(lambda c: c.incrbyfloat("a"), b"3.5", "1e3", 2.0) == [3.5, 1000.0, 2.0]
    assert results(lambda c: c.msetnx({"a": 1}), 1, 0) == [True, False]


def test_lcs_matches() -> None:
    flat = [b"matches", [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], b"len", 6]
    as_map = {"matches": flat[1], "len": 6}
    expected = {"matches": [[(4, 7), (5, 8), 4], [(2, 3), (0, 1), 2]], "len": 6}
    assert results(lambda c: c.lcs("a", "b", idx=True), flat, as_map) == [expected, expected]


def test_mget_of_nothing_keeps_its_place() -> None:
    # As in redis-py an empty list is no error; a pipeline still has a reply for each command.
    check(lambda c: c.mget([]), ("ECHO", ""), {})
    assert results(lambda c: c.mget([]), b"") == [[]]
