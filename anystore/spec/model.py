"""What the command table says of a command: frozen values, built from the rows of `commands.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

#: Finds the indexes of a call's keys; the call is the command's name (and subcommand) and its arguments.
KeyFinder = Callable[[Sequence[bytes]], list[int]]


@dataclass(frozen=True, slots=True)
class IndexSearch:
    """The keys begin at the argument `index`, the command's name being argument 0."""

    index: int


@dataclass(frozen=True, slots=True)
class KeywordSearch:
    """The keys begin after the argument `keyword`, looked for from `startfrom` on.

    A negative `startfrom` counts from the end of the call and searches backwards.
    """

    keyword: str
    startfrom: int


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys are every `keystep`-th argument from the first one to `lastkey`.

    `lastkey` counts from the first key; if negative, from the end of the call (-1 is the last argument), or,
    with a `limit` of n, from the end of the first n-th of what follows the first key.
    """

    lastkey: int
    keystep: int
    limit: int


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """An argument says how many keys there are.

    It is `keynumidx` after where the keys were said to begin; the first key is `firstkey` after there.
    """

    keynumidx: int
    firstkey: int
    keystep: int


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A group of a command's keys: where it is, and what is done with it.

    `flags` are those of COMMAND INFO: RO, RW, OW, RM, access, update, insert, delete, not_key, incomplete,
    variable_flags. `begin_search` and `find_keys` are None where no rule can tell ("unknown").
    """

    flags: frozenset[str]
    begin_search: IndexSearch | KeywordSearch | None
    find_keys: KeyRange | KeyNumber | None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """A node of a command's syntax, as in COMMAND DOCS.

    `type` is string, integer, double, key, pattern, unix-time, pure-token, oneof or block; the last two have
    `arguments` of their own. `flags` are optional, multiple, multiple_token. `key_spec_index` says which of
    the command's key specifications finds it.
    """

    name: str
    type: str
    token: str | None = None
    flags: frozenset[str] = frozenset()
    key_spec_index: int | None = None
    since: str | None = None
    deprecated_since: str | None = None
    display_text: str | None = None
    arguments: tuple[Argument, ...] = ()

    @property
    def optional(self) -> bool:
        return "optional" in self.flags

    @property
    def multiple(self) -> bool:
        return "multiple" in self.flags


@dataclass(frozen=True, slots=True, eq=False)
class CommandSpec:
    """A command or subcommand. There is one object per row of the table: compare by identity.

    * `name` is in lower case, "config|get" for a subcommand.
    * `since` is a version of Redis, or of Valkey where `origin` is "valkey".
    * `arity` counts the command's name; a negative one is a minimum.
    * `flags` and `doc_flags` are those of COMMAND INFO and COMMAND DOCS; `categories` are ACL's, without `@`.
    * `subcommands` by their own name ("get"), empty but for containers.
    * `first_key`, `last_key`, `key_step` are COMMAND INFO's older form of the key positions; 0, 0, 0 if none.
    * `single_key` is True where the keys of every call are exactly its argument 1.
    * `key_positions(args)` finds a call's keys: see `anystore.spec.key_positions`.
    """

    name: str
    group: str
    since: str
    arity: int
    flags: frozenset[str]
    categories: frozenset[str]
    tips: tuple[str, ...]
    key_specs: tuple[KeySpec, ...]
    subcommands: Mapping[str, CommandSpec]
    origin: str
    complexity: str | None
    summary: str | None
    doc_flags: frozenset[str]
    deprecated_since: str | None
    replaced_by: str | None
    is_write: bool
    is_readonly: bool
    is_blocking: bool
    single_key: bool
    first_key: int
    last_key: int
    key_step: int
    key_positions: KeyFinder = field(repr=False)
    _arguments: Sequence[Any] = field(repr=False)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The syntax: the nodes that follow the command's name. Built when first asked for."""
        if not isinstance(self._arguments, tuple):
            object.__setattr__(self, "_arguments", tuple(map(_argument, self._arguments)))
        return cast("tuple[Argument, ...]", self._arguments)

    @property
    def is_container(self) -> bool:
        """Whether the work is in the subcommands."""
        return bool(self.subcommands)

    @property
    def is_deprecated(self) -> bool:
        return "deprecated" in self.doc_flags


_NOTHING: Final[tuple[Any, ...]] = ()


def _argument(node: Mapping[str, Any]) -> Argument:
    rest = {key: value for key, value in node.items() if key not in ("flags", "arguments")}
    return Argument(
        **rest,
        flags=frozenset(node.get("flags", _NOTHING)),
        arguments=tuple(map(_argument, node.get("arguments", _NOTHING))),
    )
