"""Calls made up from the table's syntax: of every command that there is, right ones, odd ones, hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from anystore import spec
from anystore.spec import Argument, CommandSpec
from tests.pulsards.call_values import ABSENT, EVERY_KEY, HOSTILE, KEYS, ORDINARY, PASS_ON, Pool, pool

Call = list[bytes]
#: A number from 0 to `count` - 1, given `count`; 0 is the simplest.
Draw = Callable[[int], int]

#: Arguments that say how many of what follows there are.
_COUNTS: Final = {"numkeys", "numfields", "numids", "num-vertices"}
#: Commands whose last two arguments are lists of the same length.
_PAIRED: Final = {"xread", "xreadgroup"}
_GENERIC: Final = ("generic", "transactions", "scripting")


class CallMaker:
    """Makes calls of some commands, one choice after the other."""

    def __init__(
        self,
        draw: Draw,
        commands: Iterable[str],
        *,
        ordinary: Mapping[str, Pool] | None = None,
        hostile: Mapping[str, Pool] | None = None,
        keys: Mapping[str, Pool] | None = None,
        without_tokens: Collection[tuple[str, str]] = (),
        hostility: int = 8,
    ) -> None:
        """`commands` by their names in the table. `hostility` is in percent, for each argument and each call.

        `ordinary` and `hostile` add to the values of `call_values`; `keys` by the group of commands that they are
        for take the place of all keys there; `without_tokens` are (command, keyword)
        that no call is to contain; one for every command has the command "*".
        """
        self._index = draw
        self.rows = [
            row for name in commands if (row := spec.lookup(name)) is not None and not row.subcommands
        ]
        self.by_group: dict[str, list[CommandSpec]] = {}
        for row in self.rows:
            self.by_group.setdefault(row.group, []).append(row)
        self._ordinary = {**ORDINARY, **(ordinary or {})}
        self._hostile = {**HOSTILE, **(hostile or {})}
        self._without = frozenset(without_tokens)
        self._keys = KEYS if keys is None else keys
        self._every_key = (
            EVERY_KEY if keys is None else tuple(key for group in keys.values() for key in group)
        )
        self._hostility = hostility

    # Choices

    def choice(self, items: Sequence[Any]) -> Any:
        return items[self._index(len(items))] if len(items) > 1 else items[0]

    def chance(self, percent: int) -> bool:
        """True that often; False is the simpler."""
        return self._index(100) >= 100 - percent

    # Calls

    def group(self) -> str:
        """A group of commands, to make several calls of."""
        return str(self.choice(sorted(self.by_group)))

    def call(self, group: str | None = None) -> Call:
        """A call: mostly of the group's commands, at times of any other, or wrapped in a script."""
        rows = self.rows
        if group is not None and not self.chance(20):
            rows = self.by_group[group]
        return self.call_of(self.choice(rows))

    def call_of(self, row: CommandSpec) -> Call:
        """A call of one command, mostly as its syntax has it."""
        words = [part.encode() for part in row.name.split("|")]
        call = words + self._nodes(row, row.arguments)
        return self._spoil(call, len(words)) if self.chance(self._hostility) else call

    def passed_on(self, call: Call) -> Call:
        """The call, made by a script."""
        return [b"eval", self.choice(PASS_ON), b"0", *call]

    # Syntax

    def _nodes(self, row: CommandSpec, nodes: Sequence[Argument]) -> Call:
        found: list[bytes | None] = []
        counter = ""
        times = 0
        for node in nodes:
            if node.name in _COUNTS and node.type == "integer":
                counter = node.name
                found += [None] if node.token is None else [self._token(node.token), None]
                continue
            same = times if row.name in _PAIRED and node.name == "id" and node.multiple else 0
            words, times = self._node(row, node, same)
            found += words
            if counter and node.multiple:
                found[found.index(None)] = self._count(row, counter, times)
                counter = ""
        return [self._count(row, counter, times) if word is None else word for word in found]

    def _count(self, row: CommandSpec, name: str, times: int) -> bytes:
        if self.chance(self._hostility):
            return self._hostile_value(row, name, "integer")
        return b"%d" % times

    def _node(self, row: CommandSpec, node: Argument, same: int = 0) -> tuple[list[bytes], int]:
        """The words for a node, and how often it is there."""
        if self._unwanted(row, node) or (node.optional and self.chance(55)):
            return [], 0
        times = 1
        if node.multiple:
            times = same if same and not self.chance(5) else 1 + self._index(3)
        token = [] if node.token is None else [self._token(node.token)]
        found: list[bytes] = []
        for turn in range(times):
            if turn == 0 or "multiple_token" in node.flags:
                found += token
            if node.type == "oneof":
                choices = [child for child in node.arguments if not self._unwanted(row, child)]
                if choices:
                    found += self._node(row, self.choice(choices))[0]
            elif node.type == "block":
                found += self._nodes(row, node.arguments)
            elif node.type == "key":
                found.append(self._key(row))
            elif node.type != "pure-token":
                found.append(self._value(row, node.name, node.type))
        return found, times

    def _unwanted(self, row: CommandSpec, node: Argument) -> bool:
        if node.token is not None and {(row.name, node.token), ("*", node.token)} & self._without:
            return True
        parts = node.arguments if node.type == "block" else ()
        return any(self._unwanted(row, part) for part in parts if not part.optional)

    def _token(self, token: str) -> bytes:
        return (token.lower() if self.chance(10) else token).encode()

    def _key(self, row: CommandSpec) -> bytes:
        fitting = self._keys.get(row.group)
        if fitting is not None and not self.chance(25):
            return bytes(self.choice(fitting))
        if self._keys is KEYS and self.chance(20):
            return bytes(self.choice(ABSENT))
        return bytes(self.choice(self._every_key))

    def _value(self, row: CommandSpec, name: str, kind: str) -> bytes:
        if self.chance(self._hostility):
            return self._hostile_value(row, name, kind)
        return bytes(self.choice(pool(self._ordinary, row.name, name, kind)))

    def _hostile_value(self, row: CommandSpec, name: str, kind: str) -> bytes:
        return bytes(self.choice(pool(self._hostile, row.name, name, kind)))

    # What is wrong with a call

    def _spoil(self, call: Call, fixed: int) -> Call:
        """The call with something wrong: an argument too many or too few, in the wrong place, or strange."""
        if len(call) == fixed:
            return [*call, self.choice((b"extra", b"", b"1"))]
        place = fixed + self._index(len(call) - fixed)
        how = self._index(5)
        if how == 0:
            return call[:place] + call[place + 1 :]
        if how == 1:
            return [*call, self.choice((b"extra", b"1", b"GET", b"WITHSCORES", b"COUNT"))]
        if how == 2:
            return [*call[:place], call[place], *call[place:]]
        if how == 3:
            other = fixed + self._index(len(call) - fixed)
            call[place], call[other] = call[other], call[place]
            return call
        return call[:place]
