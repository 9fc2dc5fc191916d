"""What type checkers make of the results of `commands.streams` and `commands.stream_groups`; never run."""

from __future__ import annotations

from typing import Any, assert_type

from anystore.redis.client import Client
from anystore.redis.commands.stream_replies import PendingEntry, PendingSummary
from anystore.redis.pipeline import Pipeline

BytesEntry = tuple[bytes, dict[bytes, bytes]]
TextEntry = tuple[str, dict[str, str]]


async def as_bytes(c: Client[bytes] | Pipeline[bytes]) -> None:
    assert_type(await c.xadd("s", {"a": 1, b"b": b"x"}), bytes)
    assert_type(await c.xadd("s", {"a": 1.5}, id="1-*", maxlen=5, limit=2), bytes)
    assert_type(await c.xadd("s", {"a": 1}, nomkstream=True), bytes | None)
    assert_type(await c.xdel("s", 1, "2-0"), int)
    assert_type(await c.xdelex("s", 1, ref_policy="ACKED"), list[int])
    assert_type(await c.xinfo_stream("s"), dict[str, Any])
    assert_type(await c.xinfo_stream("s", full=True, count=5), dict[str, Any])
    assert_type(await c.xlen("s"), int)
    assert_type(await c.xrange("s"), list[BytesEntry])
    assert_type(await c.xrevrange("s", "+", 5, count=3), list[BytesEntry])
    assert_type(await c.xread({"s": 0, b"t": "$"}, block=5), list[tuple[bytes, list[BytesEntry]]])
    assert_type(await c.xsetid("s", "5", entries_added=5), bool)
    assert_type(await c.xtrim("s", minid=b"5"), int)
    assert_type(await c.xack("s", "g", 1), int)
    assert_type(await c.xackdel("s", "g", 1), list[int])
    assert_type(await c.xautoclaim("s", "g", "c", 5), tuple[bytes, list[BytesEntry], list[bytes]])
    assert_type(await c.xautoclaim("s", "g", "c", 5, justid=True), list[bytes])
    assert_type(await c.xclaim("s", "g", "c", 5, [1, "2"]), list[BytesEntry])
    assert_type(await c.xclaim("s", "g", "c", 5, ("1-0",), justid=True), list[bytes])
    assert_type(await c.xgroup_create("s", "g", mkstream=True), bool)
    assert_type(await c.xgroup_createconsumer("s", "g", "c"), int)
    assert_type(await c.xgroup_delconsumer("s", "g", "c"), int)
    assert_type(await c.xgroup_destroy("s", "g"), bool)
    assert_type(await c.xgroup_setid("s", "g", 0), bool)
    assert_type(await c.xinfo_consumers("s", "g"), list[dict[str, Any]])
    assert_type(await c.xinfo_groups("s"), list[dict[str, Any]])
    assert_type(await c.xpending("s", "g"), PendingSummary[bytes])
    assert_type((await c.xpending("s", "g"))["min"], bytes | None)
    assert_type(await c.xpending_range("s", "g", "-", "+", 5, "c"), list[PendingEntry[bytes]])
    assert_type((await c.xpending_range("s", "g", "-", "+", 5))[0]["times_delivered"], int)
    assert_type(await c.xreadgroup("g", "c", {"s": ">"}), list[tuple[bytes, list[BytesEntry]]])


async def as_text(c: Client[str]) -> None:
    assert_type(await c.xadd("s", {"a": 1}), str)
    assert_type(await c.xrange("s"), list[TextEntry])
    assert_type(await c.xread({"s": 0}), list[tuple[str, list[TextEntry]]])
    assert_type(await c.xreadgroup("g", "c", {"s": ">"}), list[tuple[str, list[TextEntry]]])
    assert_type(await c.xautoclaim("s", "g", "c", 5), tuple[str, list[TextEntry], list[str]])
    assert_type((await c.xpending("s", "g"))["consumers"][0]["name"], str)
    assert_type(await c.xclaim("s", "g", "c", 5, [1, "2"]), list[TextEntry])
    assert_type(await c.xclaim("s", "g", "c", 5, ("1-0",), justid=True), list[str])
    assert_type(await c.xpending_range("s", "g", "-", "+", 5), list[PendingEntry[str]])
