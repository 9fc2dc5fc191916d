"""Made-up calls by several clients, while time passes: a copy that is kept by what they come to is the same."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.pulsards.call_values import NOT_CALLED, commands_of_pulsards, world
from tests.pulsards.calls import Call, CallMaker
from tests.pulsards.copying import Copied, contents
from tests.pulsards.peers import EngineClient

#: How many examples; the ones of CI are the same each time.
EXAMPLES: Final = int(os.environ.get("PULSARDS_COPYING", "100"))
IN_CI: Final = "PULSARDS_COPYING" not in os.environ

_SOON: Final = (b"1", b"2", b"5", b"100")
_SOON_MS: Final = (b"1", b"700", b"1500", b"100000")
_ORDINARY: Final = {
    "seconds": _SOON,
    "milliseconds": _SOON_MS,
    "ttl": (b"0", *_SOON_MS),
    "unix-time-seconds": (b"1700000002", b"1700000100", b"1"),
    "unix-time-milliseconds": (b"1700000001500", b"1700000100000", b"1"),
    "min-idle-time": (b"0", b"500", b"1500"),
    "timeout": (b"0", b"1", b"2"),
    "xreadgroup:milliseconds": (b"0", b"1500"),
    "xread:milliseconds": (b"0", b"1500"),
}
_CALLED: Final = [
    name
    for name in commands_of_pulsards()
    if not any(fnmatchcase(name, pattern) for patterns in NOT_CALLED for pattern in patterns.split())
]
#: What moves the clock, by so many seconds.
_MOVES: Final = (0.4, 1.0, 3.0, 200.0)
Step = tuple[str, Call] | float


@st.composite
def programs(draw: st.DrawFn) -> list[Step]:
    """What several clients do, in which order, and how long it takes."""

    def choose(count: int) -> int:
        return draw(st.integers(0, count - 1))

    maker = CallMaker(choose, _CALLED, ordinary=_ORDINARY, hostility=3)
    group = maker.group()
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 25))):
        if maker.chance(20):
            steps.append(maker.choice(_MOVES))
            continue
        who = maker.choice("abc")
        if maker.chance(6):
            steps.append((who, [maker.choice((b"MULTI", b"EXEC"))]))
            continue
        call = maker.call(group)
        steps.append((who, maker.passed_on(call) if maker.chance(8) else call))
    return [*steps, *(("abc"[place], [b"EXEC"]) for place in range(3))]


class Play:
    """A program on a server with a copy."""

    def __init__(self, **settings: str) -> None:
        self.copied = Copied(**settings)
        self.clients = {name: EngineClient(self.copied.engine) for name in "abc"}
        for command in world(_CALLED):
            self.copied.client.execute(*command)

    def run(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, float):
                self.copied.clock.advance(step)  # type: ignore[attr-defined]
                self.copied.engine.run_due()
                self.copied.engine.flush()
            else:
                client = self.clients[step[0]]
                client.send(*step[1])
                client.session.take_output()
            told = self.copied.bring_up_to_date()
            ours, theirs = contents(self.copied.engine), contents(self.copied.copy)
            assert theirs == ours, f"after {step}, told as {told}"


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    derandomize=IN_CI,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    print_blob=False,
)
@given(steps=programs())
def test_a_copy_is_the_same(steps: list[Step]) -> None:
    Play().run(steps)
