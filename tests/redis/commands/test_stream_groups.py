from __future__ import annotations

from typing import Any

import pytest

from anystore.redis.commands import FOREVER
from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.xack("s", "g", 1, "2-0"), "XACK", "s", "g", 1, "2-0"),
        sends(
            lambda c: c.xackdel("s", "g", 1, 2, ref_policy="ACKED"),
            "XACKDEL",
            "s",
            "g",
            "ACKED",
            "IDS",
            2,
            1,
            2,
        ),
        sends(lambda c: c.xautoclaim("s", "g", "c", 10), "XAUTOCLAIM", "s", "g", "c", 10, "0-0"),
        sends(
            lambda c: c.xautoclaim("s", "g", "c", 0, "5-1", count=3, justid=True),
            *("XAUTOCLAIM", "s", "g", "c", 0, "5-1", "COUNT", 3, "JUSTID"),
        ),
        sends(lambda c: c.xclaim("s", "g", "c", 10, [1, "2"]), "XCLAIM", "s", "g", "c", 10, 1, "2"),
        sends(
            lambda c: c.xclaim("s", "g", "c", 0, [1], idle=5, retrycount=2, force=True, justid=True),
            *("XCLAIM", "s", "g", "c", 0, 1, "IDLE", 5, "RETRYCOUNT", 2, "FORCE", "JUSTID"),
        ),
        sends(lambda c: c.xclaim("s", "g", "c", 0, [1], time=5), "XCLAIM", "s", "g", "c", 0, 1, "TIME", 5),
        sends(lambda c: c.xgroup_create("s", "g"), "XGROUP", "CREATE", "s", "g", "$"),
        sends(
            lambda c: c.xgroup_create("s", "g", 0, mkstream=True, entries_read=0),
            *("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM", "ENTRIESREAD", 0),
        ),
        sends(lambda c: c.xgroup_createconsumer("s", "g", "c"), "XGROUP", "CREATECONSUMER", "s", "g", "c"),
        sends(lambda c: c.xgroup_delconsumer("s", "g", "c"), "XGROUP", "DELCONSUMER", "s", "g", "c"),
        sends(lambda c: c.xgroup_destroy("s", "g"), "XGROUP", "DESTROY", "s", "g"),
        sends(lambda c: c.xgroup_setid("s", "g", "$"), "XGROUP", "SETID", "s", "g", "$"),
        sends(lambda c: c.xgroup_setid("s", "g", 5, 3), "XGROUP", "SETID", "s", "g", 5, "ENTRIESREAD", 3),
        sends(lambda c: c.xinfo_consumers("s", "g"), "XINFO", "CONSUMERS", "s", "g"),
        sends(lambda c: c.xinfo_groups("s"), "XINFO", "GROUPS", "s"),
        sends(lambda c: c.xpending("s", "g"), "XPENDING", "s", "g"),
        sends(lambda c: c.xpending_range("s", "g", "-", "+", 5), "XPENDING", "s", "g", "-", "+", 5),
        sends(
            lambda c: c.xpending_range("s", "g", 1, 2, 5, "c", idle=7),
            *("XPENDING", "s", "g", "IDLE", 7, 1, 2, 5, "c"),
        ),
        sends(
            lambda c: c.xreadgroup("g", "c", {"s": ">", "t": 0}),
            *("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "t", ">", 0),
            block=None,
        ),
        sends(
            lambda c: c.xreadgroup("g", "c", {"s": ">"}, count=1, block=0, noack=True),
            *("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "BLOCK", 0, "NOACK", "STREAMS", "s", ">"),
            block=FOREVER,
        ),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.xack("s", "g"), "XACK needs at least one of its IDs"),
        (lambda c: c.xackdel("s", "g"), "XACKDEL needs at least one of its IDs"),
        (lambda c: c.xautoclaim("s", "g", "c", -1), "XAUTOCLAIM: the least idle time must not be negative"),
        (lambda c: c.xautoclaim("s", "g", "c", 0, count=0), "count must be at least 1"),
        (lambda c: c.xclaim("s", "g", "c", 0, []), "XCLAIM needs at least one of its message_ids"),
        (lambda c: c.xclaim("s", "g", "c", 0, "1-0"), "must be a sequence of IDs"),
        (lambda c: c.xclaim("s", "g", "c", 0, [1], idle=1, time=1), "only one of idle, time"),
        (lambda c: c.xpending_range("s", "g", "-", "+", -1), "count must not be negative"),
        (lambda c: c.xreadgroup("g", "c", {}), "XREADGROUP needs at least one of its streams"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    entry, as_entry = [b"1-0", [b"a", b"1"]], (b"1-0", {b"a": b"1"})
    assert results(lambda c: c.xclaim("s", "g", "c", 0, [1]), [entry, None], []) == [[as_entry], []]
    assert results(lambda c: c.xclaim("s", "g", "c", 0, [1], justid=True), [b"1-0"]) == [[b"1-0"]]
    assert results(lambda c: c.xautoclaim("s", "g", "c", 0), [b"0-0", [entry], [b"2-0"]], [b"5-0", []]) == [
        (b"0-0", [as_entry], [b"2-0"]),
        (b"5-0", [], []),
    ]
    assert results(lambda c: c.xautoclaim("s", "g", "c", 0, justid=True), [b"0-0", [b"1-0"], []]) == [
        [b"1-0"]
    ]
    assert results(lambda c: c.xgroup_destroy("s", "g"), 1, 0) == [True, False]
    assert results(lambda c: c.xgroup_create("s", "g"), b"OK") == [True]
    assert results(lambda c: c.xgroup_setid("s", "g", 0), b"OK") == [True]
    assert results(
        lambda c: c.xpending("s", "g"), [0, None, None, None], [1, b"1-0", b"1-0", [[b"c", b"1"]]]
    ) == [
        {"pending": 0, "min": None, "max": None, "consumers": []},
        {"pending": 1, "min": b"1-0", "max": b"1-0", "consumers": [{"name": b"c", "pending": 1}]},
    ]
    assert results(lambda c: c.xpending_range("s", "g", "-", "+", 1), [[b"1-0", b"c", 5, 2]]) == [
        [{"message_id": b"1-0", "consumer": b"c", "time_since_delivered": 5, "times_delivered": 2}]
    ]
    maps = [[{"name": b"g", "pending": 1}]] * 2
    assert (
        results(
            lambda c: c.xinfo_groups("s"), [[b"name", b"g", b"pending", 1]], [{b"name": b"g", b"pending": 1}]
        )
        == maps
    )
    assert results(lambda c: c.xreadgroup("g", "c", {"s": ">"}), [[b"s", [entry]]], {b"s": []}) == [
        [(b"s", [as_entry])],
        [(b"s", [])],
    ]
