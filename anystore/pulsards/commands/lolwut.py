"""LOLWUT: a picture, and the version."""

from __future__ import annotations

from math import exp
from random import Random
from typing import Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.identity import PULSARDS_VERSION
from anystore.pulsards.registry import command
from anystore.resp.types import VerbatimString

_COLUMNS: Final = 72
_PULSES: Final = 14
#: Heights within one line of text, from its foot to its top.
_LEVELS: Final = "_.-'"


@command("lolwut")
def lolwut(ctx: Context, args: list[bytes]) -> VerbatimString:
    """LOLWUT [VERSION version [arg …]] → the pulses of a pulsar, one behind the other, and the version. Since 5.0."""
    if len(args) > 2 and args[1].lower() == b"version":
        integer(args[2])
    picture = _pulses(ctx.engine.random)
    return VerbatimString(
        picture.encode() + b"\nA pulsar, pulse by pulse. pulsards ver. %b\n" % PULSARDS_VERSION
    )


def _pulses(source: Random) -> str:
    """Pulses as lines of hills; what is behind a nearer hill is hidden by it."""
    height = _PULSES + 4
    canvas = [[" "] * _COLUMNS for _ in range(height)]
    for pulse in range(_PULSES):
        foot = height - _PULSES + pulse
        hills = [
            (_COLUMNS / 2 + source.gauss(0, _COLUMNS / 10), source.uniform(1, 3.5), source.uniform(2, 5))
            for _ in range(source.randrange(2, 5))
        ]
        for column in range(_COLUMNS):
            level = sum(top * exp(-(((column - middle) / width) ** 2)) for middle, top, width in hills)
            level += source.uniform(0, 0.3)
            row = max(0, foot - int(level))
            canvas[row][column] = _LEVELS[int(level * len(_LEVELS)) % len(_LEVELS)]
            for below in range(row + 1, foot + 1):
                canvas[below][column] = " "
    return "\n".join("".join(line).rstrip() for line in canvas) + "\n"
