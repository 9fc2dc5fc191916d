"""Checking and arranging arguments, the same way for every command.

All of it happens before anything is sent; what cannot be right raises `InvalidArgument`. What only the
server can judge (a key's type, a number's range) is left to the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from anystore.exceptions import InvalidArgument
from anystore.redis.commands.base import FOREVER, AbsExpiryT, Argument, ExpiryT, KeyT, ValueT

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


def flatten(first: ValueT | Iterable[ValueT], more: Iterable[ValueT] = ()) -> list[Argument]:
    """One list of arguments from `f(a, b, c)` and `f([a, b, c])` alike. O(N)."""
    if isinstance(first, (bytes, str, int, float, memoryview)):
        one: Any = first  # checkers see a memoryview as an Iterable of something, too
        return [one, *more]
    return [*first, *more]


def pairs(mapping: Mapping[Any, ValueT], command: str) -> list[Argument]:
    """A mapping as key, value, key, value …; an empty one is refused. O(N)."""
    if not mapping:
        raise InvalidArgument(f"{command} needs at least one pair, and the mapping is empty")
    arguments: list[Argument] = []
    for pair in mapping.items():
        arguments += pair
    return arguments


def fields_and_values(
    command: str,
    key: ValueT | None,
    value: ValueT | None,
    mapping: Mapping[Any, ValueT] | None,
    items: Sequence[ValueT] | None,
) -> list[Argument]:
    """What is given as for HSET, as field, value, field, value …; nothing at all is refused. O(N)."""
    args: list[Argument] = list(items or ())
    if len(args) % 2:
        raise InvalidArgument("items must alternate between fields and values, and the last value is missing")
    if key is not None:
        if value is None:
            raise InvalidArgument("key needs a value")
        args += (key, value)
    if mapping:
        args += pairs(mapping, command)
    some(args, command, "fields")
    return args


def some(arguments: Sized, command: str, what: str) -> None:
    """Refuse an empty list of `what` (keys, members …): the server would answer with an arity error only."""
    if not len(arguments):
        raise InvalidArgument(f"{command} needs at least one of its {what}")


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """`value` in capitals, when it is one of `allowed`."""
    word = value.upper() if isinstance(value, str) else value
    if word not in allowed:
        raise InvalidArgument(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return word


def exclusive(**flags: object) -> None:
    """Refuse more than one argument that is neither None nor False."""
    given = [name for name, value in flags.items() if value is not None and value is not False]
    if len(given) > 1:
        raise InvalidArgument(f"only one of {', '.join(flags)} may be given, not {' and '.join(given)}")


def limit(
    offset: int | None, num: int | None, names: tuple[str, str] = ("start", "num")
) -> tuple[Argument, ...]:
    """`LIMIT offset count`, or nothing; one without the other is refused."""
    if offset is None and num is None:
        return ()
    if offset is None or num is None:
        raise InvalidArgument(f"{names[0]} and {names[1]} must be given together, or neither")
    return ("LIMIT", offset, num)


def keys_and_count(command: str, numkeys: int, keys: Sequence[KeyT]) -> list[Argument]:
    """`numkeys key …` where the caller names the number too, as redis-py's users do."""
    some(keys, command, "keys")
    if numkeys != len(keys):
        raise InvalidArgument(f"{command}: numkeys is {numkeys}, but there are {len(keys)} keys")
    return [numkeys, *keys]


def blocking(timeout: float | None) -> tuple[float, float]:
    """(what to send, the `block` for `execute_command`) for a wait in seconds; 0 or None is for ever."""
    seconds = 0 if timeout is None else timeout
    if isinstance(seconds, (str, bytes)) or not 0 <= seconds < FOREVER:
        raise InvalidArgument(f"timeout must be a number of seconds, 0 to wait for ever, not {timeout!r}")
    return seconds, seconds or FOREVER


def seconds(name: str, span: ExpiryT) -> int:
    """A time span in whole seconds. A `timedelta` is rounded up, so that nothing expires too early."""
    if isinstance(span, timedelta):
        return -(-span // _SECOND)
    return _whole(name, span, "seconds or a timedelta")


def milliseconds(name: str, span: ExpiryT) -> int:
    """A time span in whole milliseconds. A `timedelta` is rounded up."""
    if isinstance(span, timedelta):
        return -(-span // _MILLISECOND)
    return _whole(name, span, "milliseconds or a timedelta")


def unix_seconds(name: str, when: AbsExpiryT) -> int:
    """A point in time in Unix seconds, rounded up; a naive `datetime` is local time."""
    if isinstance(when, datetime):
        return -(-(when.astimezone(UTC) - _EPOCH) // _SECOND)
    return _whole(name, when, "Unix seconds or a datetime")


def unix_milliseconds(name: str, when: AbsExpiryT) -> int:
    """A point in time in Unix milliseconds, rounded up; a naive `datetime` is local time."""
    if isinstance(when, datetime):
        return -(-(when.astimezone(UTC) - _EPOCH) // _MILLISECOND)
    return _whole(name, when, "Unix milliseconds or a datetime")


def _whole(name: str, value: object, unit: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"{name} must be a whole number of {unit}, not {value!r}")
    return value


def expiry(
    ex: ExpiryT | None, px: ExpiryT | None, exat: AbsExpiryT | None, pxat: AbsExpiryT | None
) -> tuple[Argument, ...]:
    """`EX n`, `PX n`, `EXAT n`, `PXAT n`, or nothing; the caller has checked that one at most is given."""
    if ex is not None:
        return ("EX", seconds("ex", ex))
    if px is not None:
        return ("PX", milliseconds("px", px))
    if exat is not None:
        return ("EXAT", unix_seconds("exat", exat))
    if pxat is not None:
        return ("PXAT", unix_milliseconds("pxat", pxat))
    return ()


def expiry_condition(nx: bool, xx: bool, gt: bool, lt: bool) -> tuple[Argument, ...]:
    """When an EXPIRE may change what is there: XX goes with GT or LT, nothing else goes together."""
    if nx and (xx or gt or lt):
        raise InvalidArgument("nx cannot be combined with xx, gt or lt")
    if gt and lt:
        raise InvalidArgument("gt and lt cannot be combined")
    flags = (("NX", nx), ("XX", xx), ("GT", gt), ("LT", lt))
    return tuple(word for word, given in flags if given)


def matching(
    cursor: int, match: KeyT | None, count: int | None, more: Sequence[Argument] = ()
) -> list[Argument]:
    """The arguments that all commands of the SCAN family share."""
    arguments: list[Argument] = [cursor]
    if match is not None:
        arguments += ("MATCH", match)
    if count is not None:
        arguments += ("COUNT", count)
    return [*arguments, *more]
