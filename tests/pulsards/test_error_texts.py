"""Errors to the letter: every command, called wrongly in every place, refuses with the words of the real servers.

Random sequences (`test_differential`) come by these mistakes now and then; here each command gets them all: cut off
behind every argument, with one too many, with strange words in each place, with keys of every type.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from anystore import spec
from anystore.spec import CommandSpec
from tests.pulsards.call_values import KEYS
from tests.pulsards.calls import Call, CallMaker
from tests.pulsards.sides import CHANGE_MODE, Side

#: What the right calls are made from that are spoilt: one of each command by each of them.
SEEDS: Final = range(int(os.environ.get("PULSARDS_ERROR_SEEDS", "2")))
STRANGE: Final = (b"", b"-1", b"1.5x", b"99999999999999999999")
GROUPS: Final = sorted({row.group for row in spec.specs().values()})


def spoilt(call: Call, fixed: int, keys: Sequence[int]) -> Iterator[Call]:
    """The call with one thing wrong, in each way; its first `fixed` words are its name, `keys` the places of keys."""
    for length in range(fixed, len(call)):
        yield call[:length]
    yield [*call, b"extra"]
    yield [*call, b"1", b"2"]
    for place in range(fixed, len(call)):
        for word in STRANGE:
            yield [*call[:place], word, *call[place + 1 :]]
    for place in keys:
        for values in KEYS.values():
            yield [*call[:place], values[0], *call[place + 1 :]]


def run(side: Side, calls: Sequence[Call]) -> None:
    """Make the calls on both sides. A difference that has a reason ends a trial: what is left has others."""
    if side.trial.run(calls) is not None and len(calls) > 1:
        half = len(calls) // 2
        run(side, calls[:half])
        run(side, calls[half:])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", GROUPS)
def test_what_is_wrong_is_refused_in_the_same_words(side: Side, group: str) -> None:
    for seed in SEEDS:
        chance = random.Random(group if seed == 0 else f"{group} {seed}")
        maker = CallMaker(chance.randrange, side.commands, without_tokens=side.without, hostility=0)
        for row in maker.by_group.get(group, []):
            if row.name.encode() not in CHANGE_MODE:
                run(side, _spoilt_call_of(maker, row))


def _spoilt_call_of(maker: CallMaker, row: CommandSpec) -> list[Call]:
    call = maker.call_of(row)
    keys = row.key_positions(call) if len(call) >= abs(row.arity) else ()
    return list(spoilt(call, len(row.name.split("|")), keys))
