"""The table of effects: by the name of a command, what it is told as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from anystore.pulsards.context import Context


class Call(NamedTuple):
    """A command that has run: who called it, its name in the table, its arguments, and what it replied.

    `name` is in lower case, and the first of `arguments` the same in any case, whatever name the command goes by here.
    """

    context: Context
    name: bytes
    arguments: list[bytes]
    reply: Any

    @property
    def now(self) -> int:
        """The moment that the command ran at, in milliseconds since 1970."""
        return self.context.engine.keyspace.now


class Effect(NamedTuple):
    """`function` gives the commands that are to be told; `always`, not only where the command has changed something."""

    function: Callable[[Call], Sequence[list[bytes]]]
    always: bool


_effects: dict[bytes, Effect] = {}


def effect(
    *names: str, always: bool = False
) -> Callable[[Callable[[Call], Sequence[list[bytes]]]], Callable[[Call], Sequence[list[bytes]]]]:
    """Register a function as what the commands of these names come to; a subcommand is named as in "xgroup|setid"."""

    def register(
        function: Callable[[Call], Sequence[list[bytes]]],
    ) -> Callable[[Call], Sequence[list[bytes]]]:
        for name in names:
            if name.encode() in _effects:
                raise ValueError(f"two effects of the command {name!r}")
            _effects[name.encode()] = Effect(function, always)
        return function

    return register


def find_effect(name: bytes) -> Effect | None:
    """The effect of a command; None where it is told as it came, if it writes. O(1)."""
    return _effects.get(name)


def effects() -> Mapping[bytes, Effect]:
    """Every effect by its command's name."""
    return _effects
