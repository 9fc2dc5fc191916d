"""What is found in an RDB file, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from anystore.pulsards.persistence.rdb.types import Value


class Header(NamedTuple):
    """The file begins: its RDB version, and whether it is one of Valkey's own (from 80 on)."""

    version: int
    is_valkey: bool


class Aux(NamedTuple):
    """Something that the writer wanted to say of itself or of the data; unknown names are to be passed over."""

    name: bytes
    value: bytes


class FunctionSource(NamedTuple):
    """The text of a library of functions, with its first line."""

    source: bytes


@dataclass(frozen=True, slots=True)  # a tuple has an `index` of its own
class SelectedDatabase:
    """The entries from here on are of this database."""

    index: int


class Sizes(NamedTuple):
    """How many keys the database has, and how many of them with a time to live: hints, not to be relied on."""

    keys: int
    expires: int


class Entry(NamedTuple):
    """A key with its value.

    `expires_at` is in milliseconds since 1970. `idle_seconds` since the last access, or the `frequency` of accesses
    (0 to 255), are there if the writer's eviction went by them. `stored_bytes` is what the entry takes in the file.
    """

    database: int
    key: bytes
    value: Value
    expires_at: int | None = None
    idle_seconds: int | None = None
    frequency: int | None = None
    stored_bytes: int = 0


class Skipped(NamedTuple):
    """Something that is of no use here has been passed over: data of a module, slots of a cluster."""

    what: str


class End(NamedTuple):
    """The end of the file, and its check sum; 0 if it was written without one, or before there was one."""

    checksum: int


Event = Header | Aux | FunctionSource | SelectedDatabase | Sizes | Entry | Skipped | End
