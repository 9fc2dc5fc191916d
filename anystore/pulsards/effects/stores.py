"""Effects of what stores a result in an order, or of a choice, that is each server's own: told as what was stored.

That is the order of what SORT finds to be equal, the places that ANY finds first, and the last digits of distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from anystore.pulsards.datatypes import ListValue, SortedSetValue
from anystore.pulsards.effects.table import MOST_ARGUMENTS, Call, Commands, effect
from anystore.pulsards.numbers import format_double

#: Options of SORT and of GEORADIUS with so many arguments, which are not to be taken for options themselves.
_WIDTHS: Final = {b"by": 1, b"get": 1, b"limit": 2, b"count": 1, b"store": 1, b"storedist": 1}


def _target(arguments: list[bytes], position: int) -> bytes:
    """The key behind the last STORE or STOREDIST among the options from `position` on."""
    target = b""
    while position < len(arguments):
        option = arguments[position].lower()
        if option in (b"store", b"storedist"):
            target = arguments[position + 1]
        position += 1 + _WIDTHS.get(option, 0)
    return target


@effect("sort")
def sorting(call: Call) -> Commands:
    return list(_contents(call, _target(call.arguments, 2)))


@effect("georadius")
def searching_around_a_place(call: Call) -> Commands:
    return list(_contents(call, _target(call.arguments, 6)))


@effect("georadiusbymember")
def searching_around_a_member(call: Call) -> Commands:
    return list(_contents(call, _target(call.arguments, 5)))


@effect("geosearchstore")
def searching(call: Call) -> Commands:
    return list(_contents(call, call.key))


def _contents(call: Call, key: bytes) -> Iterator[list[bytes]]:
    """What a key holds, which it held nothing of before."""
    yield [b"DEL", key]
    value = call.context.db.peek(key)
    if isinstance(value, ListValue):
        elements, name = list(value), b"RPUSH"
    elif isinstance(value, SortedSetValue):
        pairs = value.items_slice(0, len(value))
        elements, name = [part for score, member in pairs for part in (format_double(score), member)], b"ZADD"
    else:
        return
    for start in range(0, len(elements), MOST_ARGUMENTS):
        yield [name, key, *elements[start : start + MOST_ARGUMENTS]]
