"""What the tests of images share: a writer that remembers what it was told, and the data of an engine to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.rdb import dump_payload

#: By database and key: the value as DUMP shows it, and when it expires.
Data = dict[tuple[int, bytes], tuple[bytes, int | None]]


def data_of(engine: Engine) -> Data:
    """All data, without looking at them in any way that changes something."""
    return {
        (database.index, key): (dump_payload(value), database.expires.get(key))
        for database in engine.keyspace.databases
        for key, value in database.data.items()
    }


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
