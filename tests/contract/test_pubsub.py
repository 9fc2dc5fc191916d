from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_without_subscribers(client: Any) -> None:
    assert await client.publish("channel", "x") == 0
    assert await client.spublish("channel", b"x") == 0
    assert await client.pubsub_channels() == []
    assert await client.pubsub_shardchannels("a*") == []
    assert await client.pubsub_numpat() == 0
    assert await client.pubsub_numsub("a", "b") == [(b"a", 0), (b"b", 0)]
    assert await client.pubsub_numsub() == []
    assert await client.pubsub_shardnumsub("a") == [(b"a", 0)]
