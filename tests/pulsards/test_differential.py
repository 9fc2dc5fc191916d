"""Made-up calls of every command that pulsards has, on pulsards and on real servers: they come to the same.

The calls are made from the table's syntax (`calls`), so a command that is new to the table takes part at once. What
may differ stands in `differences`, and nowhere else. `PULSARDS_DIFFERENTIAL=2000` makes that many examples of each
kind instead of some hundred, and `ANYSTORE_EXPLORE=1` other ones each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anystore import spec
from anystore.spec import Argument
from tests.pulsards.call_values import commands_of_pulsards
from tests.pulsards.calls import Call, CallMaker
from tests.pulsards.differences import DIFFERENCES, Difference, calls_of, reason_for
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.sides import CHANGE_MODE, Side
from tests.pulsards.waiting import play
from tests.servers import SERVERS, RealServer

#: How many examples of each kind.
EXAMPLES: Final = int(os.environ.get("PULSARDS_DIFFERENTIAL", "200"))


@cache
def numbers_below(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


@st.composite
def sequences(draw: st.DrawFn, side: Side, group: str | None = None) -> list[Call]:
    """Some calls, mostly of one group of commands; at times inside a transaction, or made by a script."""
    maker = CallMaker(lambda count: draw(numbers_below(count)), side.commands, without_tokens=side.without)
    group = group or maker.group()
    calls = []
    for _ in range(draw(st.integers(1, 10))):
        call = maker.call(group)
        calls.append(maker.passed_on(call) if maker.chance(4) else call)
    if maker.chance(5):
        calls = [[b"MULTI"], *(call for call in calls if call[0] not in CHANGE_MODE), [b"EXEC"]]
    return calls


_SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    print_blob=False,
)


class TestMadeUpCalls:
    @pytest.mark.timeout(3600)
    def test_s20_they_do_the_same(self, side: Side) -> None:
        @_SETTINGS
        @given(st.data())
        def run(data: st.DataObject) -> None:
            calls = data.draw(sequences(side))
            side.trial.run(calls)

        run()


_WAIT_FOR_EVER: Final = {
    "timeout": (b"0",),
    "score": (b"1", b"2", b"inf"),
    "increment": (b"1", b"-1"),
    "xread:milliseconds": (b"0",),
    "xreadgroup:milliseconds": (b"0",),
    "xreadgroup:id": (b">",),
    "xread:id": (b"$", b"0", b"2-0"),
}
_WAITED_FOR: Final = {
    "list": (b"l", b"m"),
    "sorted-set": (b"z", b"y"),
    "stream": (b"s", b"t"),
    "generic": (b"l", b"z", b"s"),
    "string": (b"l", b"z", b"s"),
}
#: What may serve a client that waits, or take away what it waits for, beside what does so by its flags.
_HAPPENS: Final = ("del", "rename", "copy", "set", "expire")


def is_old(since: str | None) -> bool:
    """Whether Redis 7.0, and so every server here, has what there is since a version."""
    return since is None or tuple(map(int, since.split("."))) < (7, 0, 99)


#: Keywords of which the table does not say since when there are: XADD's and XTRIM's.
_OF_REDIS_8: Final = {"KEEPREF", "DELREF", "ACKED"}


def new_tokens(nodes: Sequence[Argument]) -> Iterator[str]:
    for node in nodes:
        if node.token is not None and (not is_old(node.since) or node.token in _OF_REDIS_8):
            yield node.token
        yield from new_tokens(node.arguments)


@st.composite
def scenes(draw: st.DrawFn, groups: tuple[str, ...]) -> list[tuple[str, Call]]:
    """What several clients do, some of which wait for ever for keys that others change."""
    there = set(commands_of_pulsards())
    rows = [
        row
        for name, row in spec.specs().items()
        if name in there and not row.subcommands and is_old(row.since) and row.origin == "redis"
    ]
    waiting = [row.name for row in rows if row.is_blocking and row.group in groups]
    changing = [row.name for row in rows if row.is_write and row.group in groups]
    maker = CallMaker(
        lambda count: draw(numbers_below(count)),
        [*waiting, *waiting, *changing, *_HAPPENS, *(["xgroup|create"] if "stream" in groups else [])],
        ordinary=_WAIT_FOR_EVER,
        keys={group: keys for group, keys in _WAITED_FOR.items() if group in (*groups, "generic", "string")},
        without_tokens={
            ("xadd", "*"),
            *((row.name, token) for row in rows for token in new_tokens(row.arguments)),
        },
        hostility=0,
    )
    steps = []
    for _ in range(draw(st.integers(2, 20))):
        row = maker.choice(maker.rows)
        steps.append((str(maker.choice("abcd")), maker.call_of(row)))
    return steps


class TestClientsThatWait:
    """Who gets what at which step of a scene."""

    @pytest.mark.parametrize("protocol", [2, 3])
    @_SETTINGS
    @given(data=st.data())
    def test_s8_for_lists_and_sorted_sets(
        self, protocol: int, valkey: RealServer, redis_server: RealServer | None, data: st.DataObject
    ) -> None:
        play(data.draw(scenes(("list", "sorted-set"))), valkey, redis_server, protocol)

    @pytest.mark.parametrize("protocol", [2, 3])
    @_SETTINGS
    @given(data=st.data())
    def test_s8_for_streams(self, protocol: int, valkey: RealServer, data: st.DataObject) -> None:
        """Redis 7.0 has other words for who waits for a group that goes, and does not tell everybody."""
        play(data.draw(scenes(("stream",))), valkey, None, protocol)


@pytest.mark.parametrize(
    ("server", "row"),
    [
        pytest.param(server, row, id=f"{server}-{row.example[-1][:40]}")
        for row in DIFFERENCES
        for server in SERVERS
        if row.server in (server, "both")
    ],
)
def test_a_difference_is_there(ports: dict[str, int | None], server: str, row: Difference) -> None:
    """A row that is not true any more has to go."""
    port = ports[server]
    assert port is not None
    ours, theirs = EngineClient(), RealClient(port)
    theirs.execute("FLUSHALL")
    calls = calls_of(row)
    replies = [[client.execute(*call) for call in calls] for client in (ours, theirs)]
    theirs.close()
    mine, other = replies[0][-1], replies[1][-1]
    assert mine != other
    assert reason_for(server, calls[-1], mine, other, calls[:-1]) == row.reason
