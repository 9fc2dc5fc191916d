"""The table itself: `commands.json` read on first use, and looking things up in it."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from types import MappingProxyType
from typing import Final

from anystore.spec.keys import Positions, flags_in_call, parts_of
from anystore.spec.model import KeySpec
from anystore.spec.row import CommandSpec

_NO_SUBCOMMANDS: Final[Mapping[str, CommandSpec]] = MappingProxyType({})

# Filled by `_load`, each at one stroke: servers in threads of their own look things up at the same time.
_by_name: dict[str, CommandSpec] = {}
# In upper and in lower case, so that what clients send is found at once.
_by_bytes: dict[bytes, CommandSpec] = {}
_view: Final[Mapping[str, CommandSpec]] = MappingProxyType(_by_name)
_loading: Final = Lock()


def specs() -> Mapping[str, CommandSpec]:
    """Every command and subcommand of the table by its name ("get", "config|get"), sorted.

    The first call reads the table (some milliseconds); later ones cost nothing.
    """
    if not _by_name:
        _load()
    return _view


def lookup(name: bytes | str) -> CommandSpec | None:
    """The row of the command `name`, in any case, "config|get" for a subcommand; None without one. O(1)."""
    if not _by_bytes:
        _load()
    if isinstance(name, str):
        name = name.encode()
    return _by_bytes.get(name) or _by_bytes.get(name.lower())


def lookup_arguments(args: Sequence[bytes]) -> CommandSpec | None:
    """The row for a call: the subcommand's where the command has subcommands. O(1).

    A container without a subcommand gives the container; an unknown command or subcommand gives None.
    """
    if not args:
        return None
    spec = lookup(args[0])
    if spec is None or not spec.subcommands or len(args) == 1:
        return spec
    return spec.subcommands.get(args[1].decode("latin-1").lower())


def key_positions(args: Sequence[bytes]) -> list[int]:
    """The indexes in `args` of the keys that the call names, `args[0]` being the command. O(N).

    They are those that the command itself will use, for SORT's STORE, XREADGROUP's STREAMS and the like as
    well; not the channels of SPUBLISH and SSUBSCRIBE, which are no keys. An unknown command has none.

    Source: COMMAND GETKEYS, 2.8.13. It goes by the first STORE of a GEORADIUS where the last one counts, and
    by the first "streams" of an XREADGROUP though a consumer may be called that: here both are right.
    """
    spec = lookup_arguments(args)
    return [] if spec is None else spec.key_positions(args)


def key_flags(args: Sequence[bytes]) -> list[tuple[int, frozenset[str]]]:
    """The indexes of a call's keys, each with what the call does with it: see `KeySpec.flags`. O(N).

    Source: COMMAND GETKEYSANDFLAGS, 7.0.0, but for what `key_positions` does better.
    """
    spec = lookup_arguments(args)
    return [] if spec is None else flagged_keys(spec, args)


def flagged_keys(spec: CommandSpec, args: Sequence[bytes]) -> list[tuple[int, frozenset[str]]]:
    """`key_flags` of a call whose row is known, whatever name it was called by. O(N)."""
    return [
        (position, flags_in_call(spec.name, args, key_spec))
        for key_spec, positions in _parts(spec)
        for position in positions(args)
    ]


@cache
def _parts(spec: CommandSpec) -> list[tuple[KeySpec, Positions]]:
    """The specifications of a row that are about keys, each with the function that finds them."""
    return [part for part in parts_of(spec.name, spec.key_specs) if "not_key" not in part[0].flags]


def _load() -> None:
    with _loading:
        if _by_name:
            return
        data = pkgutil.get_data("anystore.spec", "commands.json")
        assert data is not None, "only loaders that cannot read files give None"
        found = _build_all(data.decode())
        both = {name.encode(): spec for name, spec in found.items()}
        both |= {name.upper(): spec for name, spec in both.items()}
        _by_bytes.update(both)
        _by_name.update(found)


_SYNTAX: Final = ',"arguments":'
"""What comes last in the line of a command that has arguments; no string of JSON can hold it."""


def _build_all(text: str) -> dict[str, CommandSpec]:
    """All rows of the table's text, a line each, sorted by name; containers know their subcommands.

    The syntax stays text: it is two thirds of it all, and hardly anybody asks for it.
    """
    parts = [line.rstrip(",").partition(_SYNTAX) for line in text.splitlines()[1:-1]]
    rows = json.loads("[" + ",".join([head + "}" if mark else head for head, mark, _ in parts]) + "]")
    children: dict[str, dict[str, CommandSpec]] = {}
    containers = []
    found: dict[str, CommandSpec] = {}
    for row, (_, _, rest) in zip(rows, parts, strict=True):
        syntax = rest.removesuffix("}") or "[]"
        name, _, child = row["name"].partition("|")
        if child:
            spec = CommandSpec.of_row(row, syntax, _NO_SUBCOMMANDS)
            found[row["name"]] = children.setdefault(name, {})[child] = spec
        else:
            containers.append((name, row, syntax))
    for name, row, syntax in containers:
        subcommands = MappingProxyType(children[name]) if name in children else _NO_SUBCOMMANDS
        found[name] = CommandSpec.of_row(row, syntax, subcommands)
    return {name: found[name] for name in sorted(found)}
