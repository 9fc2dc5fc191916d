"""What is in an RDB file, counted while it is read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from anystore.pulsards.datatypes import HashValue
from anystore.pulsards.persistence.rdb import Aux, Entry, Event, FunctionSource, Header, Skipped

#: So many of the largest keys of each type are told.
_LARGEST: Final = 3
#: So much of a long name or text is shown.
_SHOWN: Final = 60


class _Key(NamedTuple):
    stored_bytes: int
    elements: int
    database: int
    name: bytes


class _Tally:
    """What one database has of one type."""

    def __init__(self) -> None:
        self.keys = 0
        self.elements = 0
        self.stored_bytes = 0
        self.expiring = 0
        self.with_expiring_fields = 0


class Contents:
    """Counts what the events of a `FileReader` bring. It keeps numbers and the largest keys' names, not values."""

    def __init__(self) -> None:
        self.header: Header | None = None
        self.aux: dict[bytes, bytes] = {}
        self.functions: list[bytes] = []
        self.skipped: dict[str, int] = {}
        self.keys = 0
        #: The key that was read last.
        self.last_key: bytes | None = None
        self._tallies: dict[tuple[int, str], _Tally] = {}
        self._largest: dict[str, list[_Key]] = {}

    def take(self, event: Event) -> None:
        """Count an event. O(1)."""
        if type(event) is Entry:
            self._count(event)
        elif type(event) is Header:
            self.header = event
        elif type(event) is Aux:
            self.aux[event.name] = event.value
        elif type(event) is FunctionSource:
            self.functions.append(event.source)
        elif type(event) is Skipped:
            self.skipped[event.what] = self.skipped.get(event.what, 0) + 1

    def _count(self, event: Entry) -> None:
        value: Any = event.value
        is_string = isinstance(value, bytes | bytearray)
        kind = "string" if is_string else value.type_name.decode()
        elements = 1 if is_string else len(value)
        tally = self._tallies.get((event.database, kind))
        if tally is None:
            tally = self._tallies[event.database, kind] = _Tally()
        tally.keys += 1
        tally.elements += elements
        tally.stored_bytes += event.stored_bytes
        tally.expiring += event.expires_at is not None
        tally.with_expiring_fields += type(value) is HashValue and bool(value.expires)
        self.keys += 1
        self.last_key = event.key
        largest = self._largest.setdefault(kind, [])
        key = _Key(event.stored_bytes, elements, event.database, event.key)
        if len(largest) < _LARGEST:
            heapq.heappush(largest, key)
        elif key > largest[0]:
            heapq.heapreplace(largest, key)

    # As text

    def report(self) -> Iterator[str]:
        """Lines that say what there is, without an end of line."""
        for name, value in self.aux.items():
            yield f"  {shown(name)}: {shown(value)}"
        for source in self.functions:
            yield f"  library of functions: {shown(source.partition(bytes([10]))[0])}"
        for what, count in self.skipped.items():
            yield f"  passed over: {what}" + (f" ({count} times)" if count > 1 else "")
        for database in sorted({database for database, _ in self._tallies}):
            yield from self._of_database(database)
        if self._largest:
            yield "largest keys, by what they take in the file:"
        for kind, keys in sorted(self._largest.items()):
            for key in sorted(keys, reverse=True):
                size = "" if kind == "string" else f"{_number(key.elements, 'element')}, "
                yield f"  {kind:<7} db{key.database} {shown(key.name)}: {size}{_number(key.stored_bytes, 'byte')}"

    def _of_database(self, database: int) -> Iterator[str]:
        tallies = {kind: tally for (index, kind), tally in self._tallies.items() if index == database}
        keys = sum(tally.keys for tally in tallies.values())
        expiring = sum(tally.expiring for tally in tallies.values())
        yield f"database {database}: {_number(keys, 'key')}, {expiring:,} with a time to live"
        for kind, tally in sorted(tallies.items()):
            line = f"  {kind:<7} {_number(tally.keys, 'key')}, {_number(tally.stored_bytes, 'byte')}"
            if kind != "string":
                line += f", {_number(tally.elements, 'element')}"
            if tally.with_expiring_fields:
                line += f", {tally.with_expiring_fields:,} with fields that expire"
            yield line


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def shown(text: bytes) -> str:
    """Bytes for people: quoted and escaped where they are not plain text, and cut where they are long."""
    cut = text[:_SHOWN]
    plain = cut.decode("ascii", "replace")
    if not plain.isprintable() or "\ufffd" in plain or not plain:
        plain = repr(cut)[1:]
    return plain + (f"… ({len(text):,} bytes)" if len(text) > _SHOWN else "")
