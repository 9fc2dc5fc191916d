"""The table itself: `commands.json` read on first use, and looking things up in it."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

from anystore.spec.keys import (
    Positions,
    compile_finder,
    flags_in_call,
    is_single_key,
    legacy_range,
    parts_of,
)
from anystore.spec.model import CommandSpec, IndexSearch, KeyNumber, KeyRange, KeySpec, KeywordSearch

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
        found = _build_all(json.loads(data))
        both = {name.encode(): spec for name, spec in found.items()}
        both |= {name.upper(): spec for name, spec in both.items()}
        _by_bytes.update(both)
        _by_name.update(found)


def _build_all(rows: Iterable[Mapping[str, Any]]) -> dict[str, CommandSpec]:
    """All rows, sorted by name; containers know their subcommands."""
    children: dict[str, dict[str, CommandSpec]] = {}
    containers = []
    found: dict[str, CommandSpec] = {}
    for row in rows:
        name, _, child = row["name"].partition("|")
        if child:
            found[row["name"]] = children.setdefault(name, {})[child] = _build(row, _NO_SUBCOMMANDS)
        else:
            containers.append(row)
    for row in containers:
        name = row["name"]
        found[name] = _build(row, MappingProxyType(children[name]) if name in children else _NO_SUBCOMMANDS)
    return {name: found[name] for name in sorted(found)}


def _build(row: Mapping[str, Any], subcommands: Mapping[str, CommandSpec]) -> CommandSpec:
    name = row["name"]
    flags = _names(row.get("flags", ()))
    key_specs = tuple(map(_key_spec, row.get("key_specs", ())))
    first_key, last_key, key_step = legacy_range(key_specs)
    return CommandSpec(
        name=name,
        group=row["group"],
        since=row["since"],
        arity=row["arity"],
        flags=flags,
        categories=_names(row.get("categories", ())),
        tips=tuple(row.get("tips", ())),
        key_specs=key_specs,
        subcommands=subcommands,
        origin=row.get("origin", "redis"),
        complexity=row.get("complexity"),
        summary=row.get("summary"),
        doc_flags=_names(row.get("doc_flags", ())),
        deprecated_since=row.get("deprecated_since"),
        replaced_by=row.get("replaced_by"),
        is_write="write" in flags,
        is_readonly="readonly" in flags,
        is_blocking="blocking" in flags,
        single_key=is_single_key(key_specs),
        first_key=first_key,
        last_key=last_key,
        key_step=key_step,
        key_positions=compile_finder(name, key_specs),
        _arguments=row.get("arguments", ()),
    )


def _key_spec(row: Mapping[str, Any]) -> KeySpec:
    begin, find = row["begin_search"], row["find_keys"]
    begin_search: IndexSearch | KeywordSearch | None = None
    if begin:
        begin_search = IndexSearch(**begin) if "index" in begin else KeywordSearch(**begin)
    find_keys: KeyRange | KeyNumber | None = None
    if find:
        find_keys = KeyRange(**find) if "lastkey" in find else KeyNumber(**find)
    return KeySpec(_names(row["flags"]), begin_search, find_keys, row.get("notes"))


def _names(names: Iterable[str]) -> frozenset[str]:
    return _shared(tuple(names))


@cache
def _shared(names: tuple[str, ...]) -> frozenset[str]:
    """One set for all rows that have the same flags or categories."""
    return frozenset(names)
