"""What the rows of the command table consist of: frozen values, built from those of `commands.json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
