"""The table of effects: by the name of a command, what it is told as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from anystore.pulsards.context import Context

Commands = Sequence[list[bytes]]


class Call(NamedTuple):
    """A command that has run: who called it, its name in the table, its arguments, and what it replied.

    `name` is in lower case, and the first of `arguments` the same in any case, whatever name the command goes by here.
    """

    context: Context
    name: bytes
    arguments: list[bytes]
    reply: Any

    @property
    def key(self) -> bytes:
        """The first key, for commands that begin with one."""
        return self.arguments[1]

    def moment(self, option: bytes, time: bytes) -> int:
        """A time given with EX, PX, EXAT or PXAT, in milliseconds since 1970."""
        option = option.lower()
        when = int(time) * (1000 if option in (b"ex", b"exat") else 1)
        return when + self.context.engine.keyspace.now if option in (b"ex", b"px") else when

    def is_past(self, when: int) -> bool:
        """Whether a command that lets something expire at `when` has removed it instead."""
        return self.context.engine.keyspace.is_past(when)


Function = Callable[[Call], Commands]


class Effect(NamedTuple):
    """`function` gives the commands that are to be told; `always`, not only where the command has changed something.

    It is not asked about calls of fewer than `fewest` arguments, the name included: they are told as they came.
    """

    function: Function
    always: bool
    fewest: int


#: As many elements go into one command, an even number, which bounds what has to be read at once.
MOST_ARGUMENTS: Final = 1024
#: The options that give a time, in lower case.
TIMED: Final = frozenset((b"ex", b"px", b"exat", b"pxat"))
_effects: dict[bytes, Effect] = {}


def effect(*names: str, always: bool = False, fewest: int = 0) -> Callable[[Function], Function]:
    """Register a function as what the commands of these names come to; a subcommand is named as in "xgroup|setid"."""

    def register(function: Function) -> Function:
        for name in names:
            if name.encode() in _effects:
                raise ValueError(f"two effects of the command {name!r}")
            _effects[name.encode()] = Effect(function, always, fewest)
        return function

    return register


def effects() -> Mapping[bytes, Effect]:
    """Every effect by its command's name; a command without one is told as it came, if it writes."""
    return _effects


def absolute(call: Call, position: int) -> tuple[list[bytes], int | None]:
    """The arguments with the time among the options from `position` on given as PXAT, and that time, if there is one."""
    arguments = call.arguments
    for place in range(position, len(arguments) - 1):
        if arguments[place].lower() in TIMED:
            when = call.moment(arguments[place], arguments[place + 1])
            return [*arguments[:place], b"PXAT", b"%d" % when, *arguments[place + 2 :]], when
    return arguments, None
