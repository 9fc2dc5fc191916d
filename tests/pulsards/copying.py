"""A server and a copy of it that is kept by what it tells, and what both hold, so that it can be compared."""

from __future__ import annotations

from typing import Any

from anystore.pulsards.applying import Applier
from anystore.pulsards.clock import Clock, ManualClock
from anystore.pulsards.datatypes import HashValue, ListValue, SetValue, SortedSetValue, StreamValue
from anystore.pulsards.engine import Engine
from anystore.pulsards.propagation import Unit, encode_unit
from anystore.resp.requests import RequestParser
from anystore.resp.types import ErrorReply
from tests.pulsards.peers import EngineClient


class Copied:
    """An engine, what it has told, and a copy that is brought up to date by that."""

    def __init__(self, clock: Clock | None = None, **settings: str) -> None:
        self.clock = clock if clock is not None else ManualClock()
        self.client = EngineClient(clock=self.clock, **settings)
        self.engine = self.client.engine
        self.units: list[Unit] = []
        self.engine.propagation.add_sink(self.units.append)
        self.copy = Engine(clock=self.clock)
        self.copy.keyspace.follows = True
        self._applier = Applier(self.copy)
        self._selected = -1

    def bring_up_to_date(self) -> list[str]:
        """Carry out on the copy what was told since; what was told, each unit as one text.

        What is told goes over the wire in between.
        """
        parser = RequestParser()
        self.copy.start_turn()
        for unit in self.units:
            data, self._selected = encode_unit(unit, self._selected)
            for arguments in parser.feed(data):
                reply = self._applier.run(arguments)
                replies = reply if arguments == [b"EXEC"] and isinstance(reply, list) else [reply]
                for one in replies:
                    assert not isinstance(one, ErrorReply), f"{arguments} of {unit}: {one!r}"
        self.copy.flush()
        told = list(map(text_of_unit, self.units))
        self.units.clear()
        return told


def text_of_unit(unit: Unit) -> str:
    return "; ".join(f"{index}: {b' '.join(command).decode('latin-1')}" for index, command in unit)


def contents(engine: Engine) -> dict[Any, Any]:
    """Everything that an engine holds, as values that can be compared."""
    found: dict[Any, Any] = {}
    for database in engine.keyspace.databases:
        for key, value in database.data.items():
            found[database.index, key] = (plain(value), database.expiry(key))
    found["functions"] = sorted((library.name, library.code) for library in engine.libraries)
    return found


def plain(value: Any) -> Any:
    """A value without the form that it is kept in."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, HashValue):
        return ("hash", dict(value), dict(value.expires or {}))
    if isinstance(value, ListValue):
        return ("list", list(value))
    if isinstance(value, SetValue):
        return ("set", set(value))
    if isinstance(value, SortedSetValue):
        return ("sorted set", value.items_slice(0, len(value)))
    assert isinstance(value, StreamValue)
    counters = (value.last_id, value.max_deleted_id, value.entries_added)
    return ("stream", value.range(0), counters, {name: _group(group) for name, group in value.groups.items()})


def _group(group: Any) -> Any:
    """A group, without when its consumers have been seen: that is told to nobody, as in Redis."""
    pending = {
        number: (group.pending[number].consumer.name, group.pending[number].time, group.pending[number].count)
        for number in group.pending.ids_from()
    }
    consumers = {name: list(consumer.pending.ids_from()) for name, consumer in group.consumers.items()}
    return (group.last_id, group.entries_read, pending, consumers)
