"""What the tests of images share: a writer that remembers what it was told, and the data of an engine to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anystore.pulsards.datatypes import HashValue, ListValue, StreamValue
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.rdb import Value, dump_payload

#: By database and key: the value as DUMP shows it, and when it expires.
Data = dict[tuple[int, bytes], tuple[bytes, int | None]]


def data_of(engine: Engine) -> Data:
    """All data, without looking at them in any way that changes something."""
    return {
        (database.index, key): (dump_payload(value), database.expires.get(key))
        for database in engine.keyspace.databases
        for key, value in database.data.items()
    }


def contents_of(engine: Engine) -> dict[tuple[int, bytes], tuple[object, ...]]:
    """All data, whatever way they are encoded in: by database and key, the type, the content and when it expires."""
    return {
        (database.index, key): (
            getattr(value, "type_name", b"string"),
            *_content(value),
            database.expires.get(key),
        )
        for database in engine.keyspace.databases
        for key, value in database.data.items()
    }


def _content(value: Value) -> tuple[object, ...]:
    if isinstance(value, bytes | bytearray):
        return (bytes(value),)
    if isinstance(value, StreamValue):
        return (dump_payload(value),)
    if isinstance(value, HashValue):
        return dict(value), dict(value.expires or {})
    return (list(value),) if isinstance(value, ListValue) else (dict(value),)


class Recorder:
    """Takes the place of the writer of files: remembers each key as it was when it was handed over."""

    def __init__(self) -> None:
        self.data: Data = {}
        self.functions: list[bytes] = []
        self.announced: dict[int, tuple[int, int]] = {}
        self.steps: list[str] = []
        self._index = -1

    def header(self, aux: Mapping[bytes, bytes]) -> bytes:
        self.steps.append("header")
        return b"header"

    def function(self, source: bytes) -> bytes:
        self.functions.append(source)
        return source

    def database(self, index: int, keys: int, expires: int) -> bytes:
        self._index = index
        self.announced[index] = (keys, expires)
        return b"database"

    def entry(
        self,
        key: bytes,
        value: Any,
        expires_at: int | None,
        idle_seconds: int | None = None,
        frequency: int | None = None,
    ) -> bytes:
        place = (self._index, key)
        assert place not in self.data, f"{place} is written twice"
        payload = dump_payload(value)
        self.data[place] = (payload, expires_at)
        return payload

    def end(self) -> bytes:
        self.steps.append("end")
        return b"end"
