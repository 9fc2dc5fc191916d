from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.publish("ch", b"x"), "PUBLISH", "ch", b"x"),
        sends(lambda c: c.spublish("ch", 1), "SPUBLISH", "ch", 1),
        sends(lambda c: c.pubsub_channels(), "PUBSUB", "CHANNELS", "*"),
        sends(lambda c: c.pubsub_shardchannels("a*"), "PUBSUB", "SHARDCHANNELS", "a*"),
        sends(lambda c: c.pubsub_numpat(), "PUBSUB", "NUMPAT"),
        sends(lambda c: c.pubsub_numsub("a", "b"), "PUBSUB", "NUMSUB", "a", "b"),
        sends(lambda c: c.pubsub_shardnumsub(), "PUBSUB", "SHARDNUMSUB"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


def test_counts() -> None:
    expected = [(b"a", 1), (b"b", 0)]
    assert (
        results(lambda c: c.pubsub_numsub("a", "b"), [b"a", 1, b"b", 0], {b"a": 1, b"b": 0}) == [expected] * 2
    )
