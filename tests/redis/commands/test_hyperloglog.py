from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.pfadd("h"), "PFADD", "h"),
        sends(lambda c: c.pfadd("h", "a", 1), "PFADD", "h", "a", 1),
        sends(lambda c: c.pfcount("h", b"i"), "PFCOUNT", "h", b"i"),
        sends(lambda c: c.pfmerge("d", "h", "i"), "PFMERGE", "d", "h", "i"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


def test_refusals() -> None:
    check_refused(lambda c: c.pfcount(), "PFCOUNT needs at least one of its keys")


def test_results() -> None:
    assert results(lambda c: c.pfmerge("d"), b"OK") == [True]
