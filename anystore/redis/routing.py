"""Which connection a command goes over: the shared one, one of its own, or none because it would break either.

What the command table says decides; here is only how long a blocking command waits, which the table does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import inf
from typing import Any, Final

from anystore.exceptions import InvalidArgument
from anystore.redis.commands.connection import NOT_SHARED
from anystore.spec import CommandSpec, lookup, lookup_arguments, specs

__all__ = ("block_seconds", "is_read_only", "normalised", "plain_names", "refuse")

Arguments = Sequence[Any]

_ELSEWHERE: Final[Mapping[str, str]] = {
    **NOT_SHARED,
    **dict.fromkeys(
        ("MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"), "use store.pipeline() or store.transaction()"
    ),
    **dict.fromkeys(("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"), "use store.pubsub()"),
    **dict.fromkeys(("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"), "use store.pubsub()"),
    "MONITOR": "use store.monitor()",
    **dict.fromkeys(("SYNC", "PSYNC"), "a client is no replica"),
}
"""Commands that change what the connection is, and so cannot go over one that is shared."""

_CONTAINERS: Final = frozenset(name.partition(" ")[0] for name in _ELSEWHERE if " " in name)


def normalised(args: Arguments) -> tuple[Any, ...]:
    """A raw command with its name as an upper-case str, and "CONFIG GET" as the two arguments that it is."""
    if not args:
        raise InvalidArgument("a command begins with its name")
    name = args[0]
    if isinstance(name, (bytes, bytearray, memoryview)):
        name = bytes(name).decode("utf-8", "replace")
    if not isinstance(name, str) or not name.split():
        raise InvalidArgument(f"the command's name must be a text, not {name!r}")
    return (*name.upper().split(), *args[1:])


@cache
def plain_names() -> frozenset[str]:
    """The names, in upper case, of the commands that go over the shared connection whatever their arguments are."""
    return frozenset(
        name.upper()
        for name, spec in specs().items()
        if "|" not in name
        and not spec.is_blocking
        and name.upper() not in _ELSEWHERE
        and name.upper() not in _CONTAINERS
    )


def refuse(args: Arguments) -> None:
    """Raise `InvalidArgument` for a command that cannot go over a shared connection; `args` are normalised."""
    name = args[0]
    if name in _CONTAINERS and len(args) > 1:
        name = f"{name} {_word(args[1])}"
    hint = _ELSEWHERE.get(name)
    if hint is not None:
        raise InvalidArgument(f"{name} is not for a connection that tasks share: {hint}")


def is_read_only(args: Arguments) -> bool:
    """Whether the command may be carried out twice unnoticed, because it only reads. O(1)."""
    spec = lookup_arguments([_bytes(arg) for arg in args[:2]])
    return spec is not None and spec.is_readonly


def block_seconds(args: Arguments) -> float | None:
    """How long a call may block on the server, in seconds; None if it does not. Its arguments are normalised."""
    spec: CommandSpec | None = lookup(_bytes(args[0]))
    if spec is None or not spec.is_blocking:
        return None
    finder = _WAITS.get(args[0])
    return inf if finder is None else finder(args)


def _seconds(position: int, unit: float = 1.0) -> Callable[[Arguments], float | None]:
    def find(args: Arguments) -> float:
        try:
            return (float(_word(args[position])) * unit) or inf
        except (ValueError, IndexError):
            # The server will say what is wrong with it, at once.
            return 0.0

    return find


def _block_option(args: Arguments) -> float | None:
    """BLOCK of XREAD and XREADGROUP, in milliseconds, somewhere in front of STREAMS."""
    words = [_word(arg) for arg in args[1:]]
    if "STREAMS" in words:
        words = words[: words.index("STREAMS")]
    if "BLOCK" not in words:
        return None
    return _seconds(words.index("BLOCK") + 2, 0.001)(args)


_WAITS: Final[dict[str, Callable[[Arguments], float | None]]] = {
    **dict.fromkeys(("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX"), _seconds(-1)),
    **dict.fromkeys(("BLMPOP", "BZMPOP"), _seconds(1)),
    **dict.fromkeys(("WAIT", "WAITAOF"), _seconds(-1, 0.001)),
    **dict.fromkeys(("XREAD", "XREADGROUP"), _block_option),
}


def _bytes(arg: Any) -> bytes:
    if isinstance(arg, str):
        return arg.encode("utf-8", "surrogatepass")
    return bytes(arg) if isinstance(arg, (bytes, bytearray, memoryview)) else str(arg).encode()


def _word(arg: Any) -> str:
    return _bytes(arg).decode("latin-1").upper()
