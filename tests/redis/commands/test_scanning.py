from __future__ import annotations

from typing import Any

import pytest

from anystore.redis.commands.scanning import ScanIterator
from tests.redis.commands.recorder import Recorder

pytestmark = pytest.mark.anyio


async def collect(iterator: ScanIterator[Any]) -> list[Any]:
    return [item async for item in iterator]


class TestScanIterators:
    async def test_follow_the_cursor_over_empty_pages(self) -> None:
        client = Recorder([b"7", [b"a"]], [b"9", []], [b"0", [b"b", b"c"]])
        assert await collect(client.scan_iter("x*", 2, "hash")) == [b"a", b"b", b"c"]
        rest = ("MATCH", "x*", "COUNT", 2, "TYPE", "hash")
        assert client.sent == [("SCAN", cursor, *rest) for cursor in (0, 7, 9)]

    async def test_fetch_no_page_before_it_is_needed(self) -> None:
        client = Recorder([b"7", [b"a", b"b"]])
        async for key in client.scan_iter():
            assert key == b"a"
            break
        assert client.sent == [("SCAN", 0)]

    async def test_end_once_and_for_all(self) -> None:
        iterator = Recorder([b"0", []]).scan_iter()
        assert await collect(iterator) == []
        assert await collect(iterator) == []

    async def test_of_collections(self) -> None:
        client = Recorder([b"0", [b"m"]], [b"0", [b"f", b"1"]], [b"0", [b"f"]], [b"0", [b"m", b"1.5"]])
        assert await collect(client.sscan_iter("s")) == [b"m"]
        assert await collect(client.hscan_iter("h", "f*", 5)) == [(b"f", b"1")]
        assert await collect(client.hscan_iter("h", no_values=True)) == [b"f"]
        assert await collect(client.zscan_iter("z", score_cast_func=int)) == [(b"m", 1)]
        assert client.sent == [
            ("SSCAN", "s", 0),
            ("HSCAN", "h", 0, "MATCH", "f*", "COUNT", 5),
            ("HSCAN", "h", 0, "NOVALUES"),
            ("ZSCAN", "z", 0),
        ]
