"""How each type of value is written to RDB files and DUMP payloads, and read from them.

Written is what Redis 7.0 writes (RDB version 10), which Redis 5 … 8 and Valkey read back as far as they know
the types; only hashes with field expiry need the type that came with version 12. Read is everything that
Redis up to 8 and Valkey up to 9 write for these types.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from anystore.pulsards.datatypes import (
    EncodingLimits,
    HashValue,
    ListValue,
    SetValue,
    SortedSetValue,
    StreamValue,
)
from anystore.pulsards.numbers import format_double, parse_score
from anystore.pulsards.persistence.rdb import legacy, listpack
from anystore.pulsards.persistence.rdb.primitives import EmptyValue, RdbError, RdbReader, RdbWriter
from anystore.pulsards.persistence.rdb.streams import stream_reader, write_stream

Value = bytes | bytearray | ListValue | SetValue | SortedSetValue | HashValue | StreamValue

RDB_VERSION: Final = 10
# Of values that version 10 cannot hold.
RDB_VERSION_FIELD_EXPIRY: Final = 12
VALKEY_RDB_VERSION: Final = 80


class ValueType(IntEnum):
    """The byte that says how a value is written."""

    STRING = 0
    LIST = 1
    SET = 2
    ZSET = 3
    HASH = 4
    ZSET_2 = 5
    MODULE = 6
    MODULE_2 = 7
    HASH_ZIPMAP = 9
    LIST_ZIPLIST = 10
    SET_INTSET = 11
    ZSET_ZIPLIST = 12
    HASH_ZIPLIST = 13
    LIST_QUICKLIST = 14
    STREAM_LISTPACKS = 15
    HASH_LISTPACK = 16
    ZSET_LISTPACK = 17
    LIST_QUICKLIST_2 = 18
    STREAM_LISTPACKS_2 = 19
    SET_LISTPACK = 20
    STREAM_LISTPACKS_3 = 21
    # Of release candidates of Redis 7.4; in Valkey 9's own numbering, HASH_2.
    HASH_METADATA_PRE_GA = 22
    HASH_LISTPACK_EX_PRE_GA = 23
    HASH_METADATA = 24
    HASH_LISTPACK_EX = 25
    STREAM_LISTPACKS_4 = 26
    STREAM_LISTPACKS_5 = 27


# The containers of a quicklist: one long element as it is, or a listpack.
_PLAIN, _PACKED = 1, 2
# Field expiry is kept in 48 bits; later times are refused.
_MAX_EXPIRE: Final = (1 << 48) - 1


def write_value(writer: RdbWriter, value: Value, limits: EncodingLimits, version: int | None = None) -> int:
    """Write a value's type and content; the RDB version that a reader must know at least. O(n).

    `version` is that of the file. Only hashes with field expiry need more than 10: 12 is Redis' way of writing them
    (7.4 and later), 80 Valkey's (9.0 and later), and neither reads the other's. RdbError where `version` has no
    way. Without `version`, as in DUMP payloads, it is 10, and 12 for such a hash alone.
    """
    if isinstance(value, bytes | bytearray):
        writer.kind(ValueType.STRING)
        writer.string(value)
    elif isinstance(value, HashValue):
        return _write_hash(writer, value, limits, version or RDB_VERSION_FIELD_EXPIRY)
    elif isinstance(value, ListValue):
        _write_list(writer, value, limits)
    elif isinstance(value, SetValue):
        _write_set(writer, value, limits)
    elif isinstance(value, StreamValue):
        keeps_active_times = version is not None and version > RDB_VERSION
        writer.kind(ValueType.STREAM_LISTPACKS_3 if keeps_active_times else ValueType.STREAM_LISTPACKS_2)
        write_stream(writer, value, keeps_active_times)
    else:
        _write_sorted_set(writer, value, limits)
    return RDB_VERSION


def _write_list(writer: RdbWriter, value: ListValue, limits: EncodingLimits) -> None:
    room = limits.list_listpack_bytes
    most = limits.list_listpack_entries
    nodes: list[list[bytes]] = []
    entries: list[bytes] = []
    size = 0
    for element in value:
        entry = listpack.entry(element)
        if not nodes or size + len(entry) > room or len(entries) == most:
            entries = []
            nodes.append(entries)
            size = 7
        entries.append(entry)
        size += len(entry)
    writer.kind(ValueType.LIST_QUICKLIST_2)
    writer.length(len(nodes))
    for entries in nodes:
        writer.length(_PACKED)
        writer.blob(listpack.join(entries))


def _write_set(writer: RdbWriter, value: SetValue, limits: EncodingLimits) -> None:
    if value.is_intset(limits):
        writer.kind(ValueType.SET_INTSET)
        writer.blob(legacy.pack_intset(value))
        return
    writer.kind(ValueType.SET)
    writer.length(len(value))
    for member in value:
        writer.string(member)


def _write_sorted_set(writer: RdbWriter, value: SortedSetValue, limits: EncodingLimits) -> None:
    pairs = value.items_slice(0, len(value))
    if value.is_compact(limits):
        writer.kind(ValueType.ZSET_LISTPACK)
        writer.blob(listpack.pack(part for score, member in pairs for part in (member, format_double(score))))
        return
    writer.kind(ValueType.ZSET_2)
    writer.length(len(pairs))
    # From the highest, which lets a skip list be built by adding at its head.
    for score, member in reversed(pairs):
        writer.string(member)
        writer.double(score)


def _write_hash(writer: RdbWriter, value: HashValue, limits: EncodingLimits, version: int) -> int:
    if value.expires:
        if version < RDB_VERSION_FIELD_EXPIRY:
            raise RdbError(f"version {version} has no way to write a hash whose fields expire")
        if version >= VALKEY_RDB_VERSION:
            return _write_valkey_hash(writer, value, value.expires)
        return _write_expiring_hash(writer, value, value.expires)
    if value.is_compact(limits):
        writer.kind(ValueType.HASH_LISTPACK)
        writer.blob(listpack.pack(part for pair in value.items() for part in pair))
        return RDB_VERSION
    writer.kind(ValueType.HASH)
    writer.length(len(value))
    for field, content in value.items():
        writer.string(field)
        writer.string(content)
    return RDB_VERSION


def _write_expiring_hash(writer: RdbWriter, value: HashValue, expires: dict[bytes, int]) -> int:
    writer.kind(ValueType.HASH_METADATA)
    first = min(expires.values())
    writer.milliseconds(first)
    writer.length(len(value))
    for field, content in value.items():
        # Relative to the first one, from 1; 0 is without expiry.
        writer.length(expires[field] - first + 1 if field in expires else 0)
        writer.string(field)
        writer.string(content)
    return RDB_VERSION_FIELD_EXPIRY


def _write_valkey_hash(writer: RdbWriter, value: HashValue, expires: dict[bytes, int]) -> int:
    writer.kind(ValueType.HASH_METADATA_PRE_GA)
    writer.length(len(value))
    for field, content in value.items():
        writer.string(field)
        writer.string(content)
        writer.milliseconds(expires.get(field, -1))
    return VALKEY_RDB_VERSION


def read_value(reader: RdbReader, version: int) -> Value:
    """Read a value's type and content, as written by a server of that RDB version. O(n).

    Raises RdbError for anything that Redis would not write: damaged encodings, members that repeat, empty
    collections, modules' own types.
    """
    return read_content(reader, reader.byte(), version)


def read_content(reader: RdbReader, number: int, version: int) -> Value:
    """Read a value whose type has been read already; otherwise as `read_value`. O(n)."""
    if number == ValueType.HASH_METADATA_PRE_GA and version >= VALKEY_RDB_VERSION:
        return _read_valkey_hash(reader)
    read = _READERS.get(number)
    if read is None:
        raise RdbError(f"values of type {number}{_UNREADABLE.get(number, '')} cannot be read")
    return read(reader)


def _read_list(reader: RdbReader) -> ListValue:
    return ListValue([reader.string() for _ in range(reader.count())])


def _read_ziplist_list(reader: RdbReader) -> ListValue:
    return _list_of(legacy.unpack_ziplist(reader.string()))


def _read_quicklist(reader: RdbReader) -> ListValue:
    value = ListValue()
    for _ in range(reader.count()):
        value.extend(legacy.unpack_ziplist(reader.string()))
    return _list_of(value)


def _read_quicklist_2(reader: RdbReader) -> ListValue:
    value = ListValue()
    for _ in range(reader.count(2)):
        container = reader.length()
        if container == _PACKED:
            value.extend(listpack.unpack(reader.string()))
        elif container == _PLAIN:
            value.append(reader.string())
        else:
            raise RdbError(f"{container} is no container of a quicklist")
    return _list_of(value)


def _list_of(elements: list[bytes] | ListValue) -> ListValue:
    if not elements:
        raise EmptyValue
    return elements if isinstance(elements, ListValue) else ListValue(elements)


def _read_set(reader: RdbReader) -> SetValue:
    return _set_of([reader.string() for _ in range(reader.count())])


def _read_intset(reader: RdbReader) -> SetValue:
    return _set_of(legacy.unpack_intset(reader.string()))


def _read_listpack_set(reader: RdbReader) -> SetValue:
    value = _set_of(listpack.unpack(reader.string()))
    value.forget_widths()
    return value


def _set_of(members: list[bytes]) -> SetValue:
    if not members:
        raise EmptyValue
    value = SetValue(members)
    if len(value) != len(members):
        raise RdbError("a member of a set repeats")
    return value


def _read_sorted_set(reader: RdbReader) -> SortedSetValue:
    return _sorted_set_of([(reader.string(), reader.double_text()) for _ in range(reader.count(2))])


def _read_sorted_set_2(reader: RdbReader) -> SortedSetValue:
    return _sorted_set_of([(reader.string(), reader.double()) for _ in range(reader.count(9))])


def _read_ziplist_sorted_set(reader: RdbReader) -> SortedSetValue:
    return _scored(legacy.unpack_ziplist(reader.string()))


def _read_listpack_sorted_set(reader: RdbReader) -> SortedSetValue:
    return _scored(listpack.unpack(reader.string()))


def _scored(parts: list[bytes]) -> SortedSetValue:
    if len(parts) % 2:
        raise RdbError("a member has no score")
    pairs: list[tuple[bytes, float]] = []
    for member, text in zip(parts[::2], parts[1::2], strict=True):
        score = parse_score(text)
        if score is None:
            raise RdbError("a score is not a number")
        pairs.append((member, score))
    value = _sorted_set_of(pairs)
    value.forget_widths()
    return value


def _sorted_set_of(pairs: list[tuple[bytes, float]]) -> SortedSetValue:
    if not pairs:
        raise EmptyValue
    scores = dict(pairs)
    if len(scores) != len(pairs):
        raise RdbError("a member of a sorted set repeats")
    if any(score != score for score in scores.values()):
        raise RdbError("a score is not a number")
    return SortedSetValue(scores)


def _read_hash(reader: RdbReader) -> HashValue:
    return _hash_of([reader.string() for _ in range(2 * reader.count(2))])


def _read_zipmap_hash(reader: RdbReader) -> HashValue:
    return _hash_of(legacy.unpack_zipmap(reader.string()))


def _read_ziplist_hash(reader: RdbReader) -> HashValue:
    return _packed_hash_of(legacy.unpack_ziplist(reader.string()))


def _read_listpack_hash(reader: RdbReader) -> HashValue:
    return _packed_hash_of(listpack.unpack(reader.string()))


def _packed_hash_of(parts: list[bytes]) -> HashValue:
    value = _hash_of(parts)
    value.forget_widths()
    return value


def _hash_of(parts: list[bytes]) -> HashValue:
    if len(parts) % 2:
        raise RdbError("a field has no value")
    if not parts:
        raise EmptyValue
    value = HashValue()
    if value.put_many(parts) * 2 != len(parts):
        raise RdbError("a field of a hash repeats")
    return value


def _expire(value: HashValue, field: bytes, time: int) -> None:
    if not 0 < time <= _MAX_EXPIRE:
        raise RdbError("a field expires at an impossible time")
    value.expire_at(field, time)


def _read_hash_metadata(reader: RdbReader) -> HashValue:
    return _read_expiring_hash(reader, reader.milliseconds() - 1)


def _read_hash_metadata_pre_ga(reader: RdbReader) -> HashValue:
    return _read_expiring_hash(reader, 0)


def _read_expiring_hash(reader: RdbReader, base: int) -> HashValue:
    value = HashValue()
    for _ in range(reader.count(3)):
        time = reader.length()
        field = reader.string()
        if not value.put(field, reader.string()):
            raise RdbError("a field repeats")
        if time:
            _expire(value, field, base + time)
    return value


def _read_hash_listpack_ex(reader: RdbReader) -> HashValue:
    reader.milliseconds()  # the first expiry, which the fields tell as well
    return _read_hash_listpack_ex_pre_ga(reader)


def _read_hash_listpack_ex_pre_ga(reader: RdbReader) -> HashValue:
    parts = listpack.unpack(reader.string())
    if not parts:
        raise EmptyValue
    if len(parts) % 3:
        raise RdbError("a field has no value or expiry")
    value = HashValue()
    for field, content, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if not value.put(field, content):
            raise RdbError("a field repeats")
        if not text.isdigit() or len(text) > 20:
            raise RdbError("a field expires at an impossible time")
        if time := int(text):
            _expire(value, field, time)
    value.forget_widths()
    return value


def _read_valkey_hash(reader: RdbReader) -> HashValue:
    value = HashValue()
    for _ in range(reader.count(10)):
        field = reader.string()
        if not value.put(field, reader.string()):
            raise RdbError("a field repeats")
        time = reader.milliseconds()
        if time != -1:
            _expire(value, field, time)
    return value


# What came with Redis 8.8 and later, by the names that those who have such a file will look for.
_UNREADABLE: Final = {
    28: " (arrays of Redis 8.8)",
    **dict.fromkeys((29, 30, 31, 32), " (compact hashes of Redis 8.10)"),
}

_READERS: Final[dict[int, Callable[[RdbReader], Value]]] = {
    ValueType.STRING: RdbReader.string,
    ValueType.LIST: _read_list,
    ValueType.SET: _read_set,
    ValueType.ZSET: _read_sorted_set,
    ValueType.HASH: _read_hash,
    ValueType.ZSET_2: _read_sorted_set_2,
    ValueType.HASH_ZIPMAP: _read_zipmap_hash,
    ValueType.LIST_ZIPLIST: _read_ziplist_list,
    ValueType.SET_INTSET: _read_intset,
    ValueType.ZSET_ZIPLIST: _read_ziplist_sorted_set,
    ValueType.HASH_ZIPLIST: _read_ziplist_hash,
    ValueType.LIST_QUICKLIST: _read_quicklist,
    ValueType.STREAM_LISTPACKS: stream_reader(1),
    ValueType.HASH_LISTPACK: _read_listpack_hash,
    ValueType.ZSET_LISTPACK: _read_listpack_sorted_set,
    ValueType.LIST_QUICKLIST_2: _read_quicklist_2,
    ValueType.STREAM_LISTPACKS_2: stream_reader(2),
    ValueType.SET_LISTPACK: _read_listpack_set,
    ValueType.STREAM_LISTPACKS_3: stream_reader(3),
    ValueType.HASH_METADATA_PRE_GA: _read_hash_metadata_pre_ga,
    ValueType.HASH_LISTPACK_EX_PRE_GA: _read_hash_listpack_ex_pre_ga,
    ValueType.HASH_METADATA: _read_hash_metadata,
    ValueType.HASH_LISTPACK_EX: _read_hash_listpack_ex,
    ValueType.STREAM_LISTPACKS_4: stream_reader(4),
    ValueType.STREAM_LISTPACKS_5: stream_reader(5),
}
