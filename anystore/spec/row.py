"""A row of the command table.

What every server and client asks of every command is read when the table is; the rest, which is most of it, when somebody
asks for it. So the table costs little at the start.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final, Self

from anystore.spec.keys import compile_finder, is_single_key, legacy_range
from anystore.spec.model import (
    Argument,
    IndexSearch,
    KeyFinder,
    KeyNumber,
    KeyRange,
    KeySpec,
    KeywordSearch,
)

__all__ = ("CommandSpec",)


@dataclass(frozen=True, eq=False)
class CommandSpec:
    """A command or subcommand. There is one object per row of the table: compare by identity.

    * `name` is in lower case, "config|get" for a subcommand.
    * `since` is a version of Redis, or of Valkey where `origin` is "valkey".
    * `arity` counts the command's name; a negative one is a minimum.
    * `flags` and `doc_flags` are those of COMMAND INFO and COMMAND DOCS; `categories` are ACL's, without `@`.
    * `summary` is a sentence of this project's own; the servers' are others.
    * `subcommands` by their own name ("get"), empty but for containers.
    * `first_key`, `last_key`, `key_step` are COMMAND INFO's older form of the key positions; 0, 0, 0 if none.
    * `single_key` is True where the keys of every call are exactly its argument 1.
    * `key_positions(args)` finds a call's keys: see `anystore.spec.key_positions`.
    """

    name: str
    group: str
    arity: int
    flags: frozenset[str]
    categories: frozenset[str]
    subcommands: Mapping[str, CommandSpec]
    is_write: bool
    is_readonly: bool
    is_blocking: bool
    _row: Mapping[str, Any] = field(repr=False)
    _syntax: str = field(repr=False)

    @classmethod
    def of_row(cls, row: Mapping[str, Any], syntax: str, subcommands: Mapping[str, CommandSpec]) -> Self:
        """What a row of `commands.json` says; `syntax` is its arguments, still in JSON."""
        flags = _names(row.get("flags", ()))
        return cls(
            row["name"],
            row["group"],
            row["arity"],
            flags,
            _names(row["categories"]),
            subcommands,
            "write" in flags,
            "readonly" in flags,
            "blocking" in flags,
            row,
            syntax,
        )

    @property
    def since(self) -> str:
        return str(self._row["since"])

    @property
    def origin(self) -> str:
        return str(self._row.get("origin", "redis"))

    @property
    def complexity(self) -> str | None:
        return self._row.get("complexity")

    @property
    def summary(self) -> str:
        return _summaries()[self.name]

    @property
    def tips(self) -> tuple[str, ...]:
        return tuple(self._row.get("tips", ()))

    @property
    def doc_flags(self) -> frozenset[str]:
        return _names(self._row.get("doc_flags", ()))

    @property
    def deprecated_since(self) -> str | None:
        return self._row.get("deprecated_since")

    @property
    def replaced_by(self) -> str | None:
        return self._row.get("replaced_by")

    @cached_property
    def key_specs(self) -> tuple[KeySpec, ...]:
        return tuple(map(_key_spec, self._row.get("key_specs", ())))

    @cached_property
    def single_key(self) -> bool:
        return is_single_key(self.key_specs)

    @cached_property
    def key_positions(self) -> KeyFinder:
        return compile_finder(self.name, self.key_specs)

    @property
    def first_key(self) -> int:
        return legacy_range(self.key_specs)[0]

    @property
    def last_key(self) -> int:
        return legacy_range(self.key_specs)[1]

    @property
    def key_step(self) -> int:
        return legacy_range(self.key_specs)[2]

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The syntax: the nodes that follow the command's name."""
        return tuple(map(_argument, json.loads(self._syntax)))

    @property
    def is_container(self) -> bool:
        """Whether the work is in the subcommands."""
        return bool(self.subcommands)

    @property
    def is_deprecated(self) -> bool:
        return "deprecated" in self.doc_flags


@cache
def _summaries() -> Mapping[str, str]:
    """What each command does, in a sentence, by its name: read when the first one is asked for."""
    data = pkgutil.get_data("anystore.spec", "summaries.txt")
    assert data is not None, "only loaders that cannot read files give None"
    lines = (line.partition(": ") for line in data.decode().splitlines())
    return {name: sentence for name, _, sentence in lines}


_NOTHING: Final[tuple[Any, ...]] = ()


def _argument(node: Mapping[str, Any]) -> Argument:
    rest = {key: value for key, value in node.items() if key not in ("flags", "arguments")}
    return Argument(
        **rest,
        flags=frozenset(node.get("flags", _NOTHING)),
        arguments=tuple(map(_argument, node.get("arguments", _NOTHING))),
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
