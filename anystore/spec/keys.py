"""Finding the keys of a call: key specifications compiled to functions, and the few that need their own.

Where a call is not well-formed (a count that is no number, a range beyond the last argument) the
specification at fault contributes no keys: the server refuses such a call.

Source: https://redis.io/docs/latest/develop/reference/key-specs/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from anystore.spec.model import IndexSearch, KeyFinder, KeyNumber, KeyRange, KeySpec

Positions = Callable[[Sequence[bytes]], Sequence[int]]


def compile_finder(name: str, specs: Sequence[KeySpec]) -> KeyFinder:
    """The function that finds the keys of a call of the command `name`."""
    parts = [part for spec, part in parts_of(name, specs) if "not_key" not in spec.flags]
    if not parts:
        return _no_keys
    if len(parts) == 1:
        only = parts[0]
        if is_single_key(specs):
            return _first_argument
        return lambda args: list(only(args))

    def find(args: Sequence[bytes]) -> list[int]:
        return [position for part in parts for position in part(args)]

    return find


def parts_of(name: str, specs: Sequence[KeySpec]) -> list[tuple[KeySpec, Positions]]:
    """Each specification of the command with the function that finds its keys."""
    own = _OWN.get(name, {})
    return [(spec, own.get(number) or _positions(spec)) for number, spec in enumerate(specs)]


def flags_in_call(name: str, args: Sequence[bytes], spec: KeySpec) -> frozenset[str]:
    """What a call does with the keys of `spec`, where that depends on the call ("variable_flags")."""
    if "variable_flags" not in spec.flags:
        return spec.flags - _ABOUT_THE_SPECIFICATION
    if name == "set":
        return _READ_AND_UPDATE if any(arg.lower() == b"get" for arg in args[3:]) else _OVERWRITE
    return _READ if _only_gets(args) else _READ_AND_UPDATE


_ABOUT_THE_SPECIFICATION: Final = frozenset({"incomplete"})
_READ: Final = frozenset({"RO", "access"})
_READ_AND_UPDATE: Final = frozenset({"RW", "access", "update"})
_OVERWRITE: Final = frozenset({"OW", "update"})


def _only_gets(args: Sequence[bytes]) -> bool:
    """Whether a BITFIELD changes nothing."""
    place = 2
    while place < len(args):
        operation, rest = args[place].lower(), len(args) - place - 1
        if operation == b"get" and rest >= 2:
            place += 3
        elif operation == b"overflow" and rest >= 1:
            place += 2
        else:
            return False
    return True


def is_single_key(specs: Sequence[KeySpec]) -> bool:
    """Whether the keys of every call are exactly its argument 1."""
    return (
        len(specs) == 1
        and "not_key" not in specs[0].flags
        and specs[0].begin_search == IndexSearch(1)
        and isinstance(specs[0].find_keys, KeyRange)
        and specs[0].find_keys.lastkey == 0
    )


def legacy_range(specs: Sequence[KeySpec]) -> tuple[int, int, int]:
    """COMMAND INFO's older first key, last key and step: one range over the specifications that join up."""
    first = last = step = 0
    for spec in specs:
        begin, find = spec.begin_search, spec.find_keys
        if not isinstance(begin, IndexSearch) or not isinstance(find, KeyRange):
            continue
        if first and (find.keystep != 1 or step != 1 or last != begin.index - 1):
            break
        first, step = first or begin.index, find.keystep
        last = begin.index + find.lastkey if find.lastkey >= 0 else find.lastkey
    return first, last, step


def _no_keys(args: Sequence[bytes]) -> list[int]:
    return []


def _first_argument(args: Sequence[bytes]) -> list[int]:
    return [1] if len(args) > 1 else []


def _positions(spec: KeySpec) -> Positions:
    """The function for a specification."""
    begin, find = spec.begin_search, spec.find_keys
    if begin is None or find is None:
        return _no_keys
    extent = _range(find) if isinstance(find, KeyRange) else _number(find)
    if isinstance(begin, IndexSearch):
        index = begin.index
        return lambda args: extent(args, index)
    keyword, start = begin.keyword.lower().encode(), begin.startfrom

    def search(args: Sequence[bytes]) -> Sequence[int]:
        count = len(args)
        places = range(start, count - 1) if start > 0 else range(count + start, 1, -1)
        for place in places:
            if args[place].lower() == keyword:
                return extent(args, place + 1)
        return ()

    return search


def _range(find: KeyRange) -> Callable[[Sequence[bytes], int], Sequence[int]]:
    lastkey, step, limit = find.lastkey, find.keystep, find.limit

    def extent(args: Sequence[bytes], first: int) -> Sequence[int]:
        count = len(args)
        if lastkey >= 0:
            last = first + lastkey
        elif limit:
            last = first + (count - first) // limit + lastkey
        else:
            last = count + lastkey
        return range(first, last + 1, step) if last < count else ()

    return extent


def _number(find: KeyNumber) -> Callable[[Sequence[bytes], int], Sequence[int]]:
    index, offset, step = find.keynumidx, find.firstkey, find.keystep

    def extent(args: Sequence[bytes], begin: int) -> Sequence[int]:
        if begin + index >= len(args):
            return ()
        digits = args[begin + index]
        # As the server reads numbers: no sign, no space, no leading zero.
        if not digits.isdigit() or (len(digits) > 1 and digits.startswith(b"0")) or len(digits) > 18:
            return ()
        first = begin + offset
        end = first + int(digits) * step
        return range(first, end, step) if end - step < len(args) else ()

    return extent


def _sort_store(args: Sequence[bytes]) -> Sequence[int]:
    """SORT: where the result goes. STORE may come anywhere after the key, and the last one counts."""
    store: tuple[int, ...] = ()
    place = 2
    while place < len(args):
        option = args[place].lower()
        if option == b"store" and place + 1 < len(args):
            store = (place + 1,)
        place += _SORT_OPTIONS.get(option, 1)
    return store


_SORT_OPTIONS: Final = {b"limit": 3, b"get": 2, b"by": 2, b"store": 2}


def _radius_store(keyword: bytes, start: int) -> Positions:
    """GEORADIUS and GEORADIUSBYMEMBER: the keys after every STORE, for the last one counts."""

    def positions(args: Sequence[bytes]) -> Sequence[int]:
        found = []
        place = start
        while place + 1 < len(args):
            option = args[place].lower()
            if option == keyword:
                found.append(place + 1)
            place += 2 if option in (b"store", b"storedist", b"count") else 1
        return found

    return positions


def _streams(args: Sequence[bytes]) -> Sequence[int]:
    """XREADGROUP: the first half of what follows STREAMS, the option: a consumer may have that name."""
    place = 1
    while place < len(args):
        option = args[place].lower()
        if option == b"streams":
            first = place + 1
            return range(first, first + (len(args) - first) // 2)
        if option not in _STREAM_OPTIONS:
            break
        place += _STREAM_OPTIONS[option]
    return ()


_STREAM_OPTIONS: Final = {b"block": 2, b"count": 2, b"group": 3, b"noack": 1}


def _migrate_keys(args: Sequence[bytes]) -> Sequence[int]:
    """MIGRATE with KEYS: all that follows it."""
    place = 6
    while place < len(args):
        option = args[place].lower()
        if option == b"keys":
            return range(place + 1, len(args))
        place += _MIGRATE_OPTIONS.get(option, 1)
    return ()


_MIGRATE_OPTIONS: Final = {b"auth": 2, b"auth2": 3}


def _migrate_key(args: Sequence[bytes]) -> Sequence[int]:
    """MIGRATE without KEYS: its third argument, which is empty otherwise."""
    return (3,) if len(args) > 3 and args[3] and not _migrate_keys(args) else ()


# By command, then by the number of the specification: the functions that no specification can stand for.
_OWN: Final[Mapping[str, Mapping[int, Positions]]] = {
    "sort": {2: _sort_store},
    "migrate": {0: _migrate_key, 1: _migrate_keys},
    "xreadgroup": {0: _streams},
    "georadius": {1: _radius_store(b"store", 6), 2: _radius_store(b"storedist", 6)},
    "georadiusbymember": {1: _radius_store(b"store", 5), 2: _radius_store(b"storedist", 5)},
}
