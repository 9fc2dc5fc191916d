"""Members with their scores as replies, made from pairs `(score, member)` as the data type has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anystore.pulsards.context import Context

Pairs = Iterable[tuple[float, bytes]]


def flat(pairs: Pairs) -> list[bytes | float]:
    """`[member, score, member, score, …]`."""
    reply: list[bytes | float] = []
    for score, member in pairs:
        reply.append(member)
        reply.append(score)
    return reply


def nested(pairs: Pairs) -> list[tuple[bytes, float]]:
    """`[[member, score], …]`."""
    return [(member, score) for score, member in pairs]


def scored(ctx: Context, pairs: Pairs) -> list[Any]:
    """What WITHSCORES replies: flat in RESP2, nested in RESP3 (where a map would lose the order)."""
    return flat(pairs) if ctx.protocol == 2 else nested(pairs)
