"""The made-up calls reach all of every command's syntax, so that what compares them covers every command group."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from anystore import spec
from anystore.spec import Argument, CommandSpec
from tests.pulsards.call_values import commands_of_pulsards
from tests.pulsards.calls import Call, CallMaker

#: Calls of each command, which are the same ones every time.
EXAMPLES: Final = 200
EXAMPLES_PER_NODE: Final = 40
COMMANDS: Final = [
    row for name in commands_of_pulsards() if (row := spec.lookup(name)) is not None and not row.subcommands
]


class Observed(CallMaker):
    """Notes how often each argument was there in the call that is being made, once it was to be decided on."""

    def __init__(self, row: CommandSpec) -> None:
        super().__init__(random.Random(row.name).randrange, [row.name], hostility=0)
        self.times: dict[int, set[int]] = {}
        self.counted: set[str] = set()

    def _node(self, row: CommandSpec, node: Argument, same: int = 0) -> tuple[list[bytes], int]:
        words, times = super()._node(row, node, same)
        self.times.setdefault(id(node), set()).add(times)
        if times and node.token is not None:
            assert node.token.encode() in [word.upper() for word in words]
        return words, times

    def _count(self, row: CommandSpec, name: str, times: int) -> bytes:
        self.counted.add(name)
        return super()._count(row, name, times)


def nodes_of(arguments: Sequence[Argument], path: str = "") -> Iterator[tuple[str, Argument]]:
    for node in arguments:
        yield f"{path}{node.name}", node
        yield from nodes_of(node.arguments, f"{path}{node.name}/")


def observed(row: CommandSpec) -> tuple[Observed, list[Call]]:
    maker = Observed(row)
    count = max(EXAMPLES, EXAMPLES_PER_NODE * len(list(nodes_of(row.arguments))))
    return maker, [maker.call_of(row) for _ in range(count)]


def missed_of(row: CommandSpec) -> Iterator[str]:
    """What of a command's syntax the calls do not reach: each argument is there, is not there, is there several times."""
    maker, calls = observed(row)
    said = {word.upper() for call in calls for word in call}
    for path, node in nodes_of(row.arguments):
        if node.token is not None and node.token.encode() not in said:
            yield f"{row.name} {path}: {node.token} in no call"
        if node.name in maker.counted:
            continue
        wanted = {1} | ({0} if node.optional else set()) | ({2} if node.multiple else set())
        for times in sorted(wanted - maker.times.get(id(node), set())):
            yield f"{row.name} {path}: never {times} times"


@pytest.mark.parametrize("group", sorted({row.group for row in COMMANDS}))
def test_every_argument_of_a_groups_commands_is_reached(group: str) -> None:
    assert [missed for row in COMMANDS if row.group == group for missed in missed_of(row)] == []


def test_numbers_of_keys_and_the_like_are_those_of_what_follows() -> None:
    for row in COMMANDS:
        counters = [node.name for _, node in nodes_of(row.arguments) if node.name.startswith("num")]
        maker, _ = observed(row)
        assert maker.counted == {name for name in counters if name in _COUNTERS}, row.name


_COUNTERS: Final = {"numkeys", "numfields", "numids", "num-vertices"}


def test_what_is_not_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallMaker, "chance", lambda self, percent: percent == 55)
    row = spec.lookup("set")
    assert row is not None
    assert "set condition/nx: NX in no call" in list(missed_of(row))
