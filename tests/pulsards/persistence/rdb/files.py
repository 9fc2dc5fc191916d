"""RDB files for the tests: written by hand, and read in whatever pieces."""

from __future__ import annotations

from collections.abc import Iterable

from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb import Entry, Event, FileReader, Value, dump_payload


def signed_file(body: bytes, version: int = 10) -> bytes:
    """A file of any records, with its head, end and check sum."""
    magic = b"VALKEY%03d" % version if version >= 80 else b"REDIS%04d" % version
    data = magic + body + b"\xff"
    return data + crc64(data).to_bytes(8, "little") if version >= 5 else data


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def events_of(data: bytes, size: int = 1 << 20) -> list[Event]:
    """Everything that is in a file, read in pieces of `size` bytes."""
    reader = FileReader()
    found = [event for piece in pieces(data, size) for event in reader.feed(piece)]
    reader.finish()
    return found


def entries_of(data: bytes, size: int = 1 << 20) -> list[Entry]:
    return [event for event in events_of(data, size) if isinstance(event, Entry)]


def value_of(data: bytes) -> Value:
    """The value of the only key in a file."""
    [entry] = entries_of(data)
    return entry.value


def comparable(events: Iterable[Event]) -> list[object]:
    """Events with their values as payloads, so that they can be compared."""
    return [
        event._replace(value=dump_payload(event.value)) if isinstance(event, Entry) else event
        for event in events
    ]
