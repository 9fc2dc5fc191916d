from __future__ import annotations

from typing import Any

import pytest

from anystore.redis.commands import FOREVER
from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.xadd("s", {"a": 1, b"b": "x"}), "XADD", "s", "*", "a", 1, b"b", "x"),
        sends(
            lambda c: c.xadd("s", {"a": 1}, id="5-*", nomkstream=True),
            "XADD",
            "s",
            "NOMKSTREAM",
            "5-*",
            "a",
            1,
        ),
        sends(lambda c: c.xadd("s", {"a": 1}, maxlen=9), "XADD", "s", "MAXLEN", "~", 9, "*", "a", 1),
        sends(
            lambda c: c.xadd("s", {"a": 1}, maxlen=0, approximate=False),
            "XADD",
            "s",
            "MAXLEN",
            0,
            "*",
            "a",
            1,
        ),
        sends(
            lambda c: c.xadd("s", {"a": 1}, minid="7", limit=5, ref_policy="ACKED"),
            *("XADD", "s", "ACKED", "MINID", "~", "7", "LIMIT", 5, "*", "a", 1),
        ),
        sends(lambda c: c.xdel("s", 1, "2-0"), "XDEL", "s", 1, "2-0"),
        sends(lambda c: c.xdelex("s", 1, 2), "XDELEX", "s", "KEEPREF", "IDS", 2, 1, 2),
        sends(lambda c: c.xinfo_stream("s"), "XINFO", "STREAM", "s"),
        sends(lambda c: c.xinfo_stream("s", full=True), "XINFO", "STREAM", "s", "FULL"),
        sends(lambda c: c.xinfo_stream("s", full=True, count=0), "XINFO", "STREAM", "s", "FULL", "COUNT", 0),
        sends(lambda c: c.xlen("s"), "XLEN", "s"),
        sends(lambda c: c.xrange("s"), "XRANGE", "s", "-", "+"),
        sends(lambda c: c.xrange("s", "(1", 5, 3), "XRANGE", "s", "(1", 5, "COUNT", 3),
        sends(lambda c: c.xrevrange("s"), "XREVRANGE", "s", "+", "-"),
        sends(lambda c: c.xrevrange("s", "5", "1", count=3), "XREVRANGE", "s", "5", "1", "COUNT", 3),
        sends(lambda c: c.xread({"s": 0, b"t": "$"}), "XREAD", "STREAMS", "s", b"t", 0, "$", block=None),
        sends(
            lambda c: c.xread({"s": 0}, count=2, block=1500),
            *("XREAD", "COUNT", 2, "BLOCK", 1500, "STREAMS", "s", 0),
            block=1.5,
        ),
        sends(lambda c: c.xread({"s": 0}, block=0), "XREAD", "BLOCK", 0, "STREAMS", "s", 0, block=FOREVER),
        sends(lambda c: c.xsetid("s", "5-1"), "XSETID", "s", "5-1"),
        sends(
            lambda c: c.xsetid("s", 5, entries_added=7, max_deleted_id="3-1"),
            *("XSETID", "s", 5, "ENTRIESADDED", 7, "MAXDELETEDID", "3-1"),
        ),
        sends(lambda c: c.xtrim("s", maxlen=0), "XTRIM", "s", "MAXLEN", "~", 0),
        sends(
            lambda c: c.xtrim("s", minid=5, approximate=False, ref_policy="DELREF"),
            *("XTRIM", "s", "MINID", 5, "DELREF"),
        ),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.xadd("s", {}), "XADD needs at least one pair"),
        (lambda c: c.xadd("s", {"a": 1}, maxlen=1, minid=1), "only one of maxlen, minid"),
        (lambda c: c.xadd("s", {"a": 1}, maxlen=-1), "maxlen must not be negative"),
        (lambda c: c.xadd("s", {"a": 1}, limit=1), "limit needs maxlen or minid"),
        (lambda c: c.xadd("s", {"a": 1}, maxlen=1, ref_policy="FOO"), "ref_policy must be one of KEEPREF"),
        (lambda c: c.xdel("s"), "XDEL needs at least one of its IDs"),
        (lambda c: c.xdelex("s"), "XDELEX needs at least one of its IDs"),
        (lambda c: c.xinfo_stream("s", count=1), "count needs full=True"),
        (lambda c: c.xrange("s", count=0), "count must be at least 1"),
        (lambda c: c.xread({}), "XREAD needs at least one of its streams"),
        (lambda c: c.xread({"s": 0}, block=-1), "block must be a number of milliseconds"),
        (lambda c: c.xread({"s": 0}, block=1.5), "block must be a number of milliseconds"),
        (lambda c: c.xread({"s": 0}, block=True), "block must be a number of milliseconds"),
        (lambda c: c.xtrim("s"), "XTRIM needs maxlen or minid"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    entry = [b"1-0", [b"a", b"1", b"b", b"2", b"a", b"3"]]
    as_entry = (b"1-0", {b"a": b"3", b"b": b"2"})
    gone = [b"1-0", None]
    assert results(lambda c: c.xadd("s", {"a": 1}, nomkstream=True), b"1-0", None) == [b"1-0", None]
    assert results(lambda c: c.xrange("s"), [entry, gone], []) == [[as_entry, (b"1-0", {})], []]
    assert (
        results(lambda c: c.xread({"s": 0}), [[b"s", [entry]]], {b"s": [entry]}) == [[(b"s", [as_entry])]] * 2
    )
    assert results(lambda c: c.xsetid("s", 1), b"OK") == [True]
    flat = [b"length", 1, b"first-entry", entry, b"last-entry", None]
    mapped = dict(zip(flat[::2], flat[1::2], strict=True))
    expected = {"length": 1, "first-entry": as_entry, "last-entry": None}
    assert results(lambda c: c.xinfo_stream("s"), flat, mapped) == [expected] * 2


def test_all_that_is_known_of_a_stream() -> None:
    consumer = [b"name", b"c", b"pending", [[b"1-0", 5, 1]]]
    group = [b"name", b"g", b"pending", [[b"1-0", b"c", 5, 1]], b"consumers", [consumer]]
    flat = [b"length", 1, b"entries", [[b"1-0", [b"a", b"1"]]], b"groups", [group]]
    mapped = {
        b"length": 1,
        b"entries": [[b"1-0", [b"a", b"1"]]],
        b"groups": [
            {
                b"name": b"g",
                b"pending": [[b"1-0", b"c", 5, 1]],
                b"consumers": [{b"name": b"c", b"pending": [[b"1-0", 5, 1]]}],
            }
        ],
    }
    expected = {
        "length": 1,
        "entries": {b"1-0": {b"a": b"1"}},
        "groups": [
            {
                "name": b"g",
                "pending": [(b"1-0", b"c", 5, 1)],
                "consumers": [{"name": b"c", "pending": [(b"1-0", 5, 1)]}],
            }
        ],
    }
    assert results(lambda c: c.xinfo_stream("s", full=True), flat, mapped) == [expected] * 2
