"""Streams, as RDB files and DUMP payloads have them.

Entries are in listpacks, as many in each as `StreamNode` holds. One begins with what its entries have in common:

    live entries, removed entries, number of fields, those fields, 0

and then has for each entry, the removed ones included until their listpack goes as a whole:

    flags, milliseconds and sequence less the listpack's, [number of fields,] values or fields and values,
    how many elements these were

Source: the comments on the format in Redis' and Valkey's `t_stream.c` and `rdb.c`; for what Redis 8.6 added, the payloads
that it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from anystore.pulsards.datatypes import StreamValue
from anystore.pulsards.datatypes.listpack_size import integer_size
from anystore.pulsards.datatypes.stream_groups import NEVER_ACTIVE, Consumer, Group
from anystore.pulsards.datatypes.stream_ids import MAX_PART, format_id
from anystore.pulsards.datatypes.stream_nodes import StreamNode, signed
from anystore.pulsards.datatypes.stream_pending import Delivery
from anystore.pulsards.numbers import INT64_MAX, parse_integer
from anystore.pulsards.persistence.rdb import listpack
from anystore.pulsards.persistence.rdb.primitives import RdbError, RdbReader, RdbWriter, Shortage
from anystore.pulsards.persistence.walks import StreamWalk

_DELETED, _SAME_FIELDS = 1, 2
_ID_BYTES: Final = 16


# Writing


def write_stream(writer: RdbWriter, value: StreamValue, active_times: bool = False) -> None:
    """Write a stream as Redis 7.0 does, with what its groups are and have pending. O(n).

    `active_times`: as Redis 7.2 does, when each consumer last got an entry; otherwise that is taken to be when it
    last asked.
    """
    for _ in write_content(writer, StreamWalk(value), active_times):
        pass


def write_content(writer: RdbWriter, walk: StreamWalk, active_times: bool) -> Iterator[None]:
    """As `write_stream`, in a generator that pauses every now and then; the walk may be frozen meanwhile."""
    writer.length(walk.count_runs())
    for node in walk.runs():
        write_node(writer, node)
        yield
    yield from write_state(writer, walk, active_times)


def write_node(writer: RdbWriter, node: StreamNode) -> None:
    """Write a run of entries, one of as many as were announced. O(n)."""
    writer.blob(node.master.to_bytes(_ID_BYTES, "big"))
    writer.blob(_pack(node))


def write_state(writer: RdbWriter, walk: StreamWalk, active_times: bool) -> Iterator[None]:
    """Write what stands behind the entries: counters and groups. A generator that pauses every now and then."""
    value = walk.stream
    writer.length(len(value))
    for number in (value.last_id, value.first_id(), value.max_deleted_id):
        _write_id(writer, number)
    writer.length(value.entries_added)
    writer.length(len(value.groups))
    for name in sorted(value.groups):
        writer.string(name)
        yield from _write_group(writer, walk, name, active_times)


def _write_id(writer: RdbWriter, number: int) -> None:
    writer.length(number >> 64)
    writer.length(number & MAX_PART)


def _pack(node: StreamNode) -> bytes:
    count = len(node.names)
    number = listpack.integer_entry
    entries = [number(len(node.ids)), number(0), number(count)]
    entries += map(listpack.entry, node.names)
    entries.append(number(0))
    for place, (_, fields) in zip(node.ids, node.entries, strict=True):
        same = fields[::2] == node.names
        entries.append(number(_SAME_FIELDS if same else 0))
        entries.append(number(signed((place >> 64) - (node.master >> 64))))
        entries.append(number(signed(place - node.master)))
        if same:
            entries += map(listpack.entry, fields[1::2])
            entries.append(number(count + 3))
        else:
            entries.append(number(len(fields) // 2))
            entries += map(listpack.entry, fields)
            entries.append(number(len(fields) + 4))
    return listpack.join(entries)


def _write_group(writer: RdbWriter, walk: StreamWalk, name: bytes, active_times: bool) -> Iterator[None]:
    group = walk.stream.groups[name]
    _write_id(writer, group.last_id)
    writer.length(group.entries_read & MAX_PART)
    writer.length(len(group.pending))
    for entries in walk.pending(name):
        for number, delivery in entries:
            writer.buffer += number.to_bytes(_ID_BYTES, "big")
            writer.milliseconds(delivery.time)
            writer.length(delivery.count)
        yield
    writer.length(len(walk.stream.groups[name].consumers))
    for consumer_name in sorted(walk.stream.groups[name].consumers):
        consumer = walk.stream.groups[name].consumers[consumer_name]
        writer.string(consumer.name)
        writer.milliseconds(consumer.seen_time)
        if active_times:
            writer.milliseconds(consumer.active_time)
        writer.length(len(consumer.pending))
        for entries in walk.pending(name, consumer_name):
            for number, _ in entries:
                writer.buffer += number.to_bytes(_ID_BYTES, "big")
            yield


# Reading


def stream_reader(version: int) -> Callable[[RdbReader], StreamValue]:
    """The function that reads the 1st (Redis 5), 2nd (7.0), 3rd (7.2), 4th (8.6) or 5th version (8.8) of the format. O(n).

    Of the 4th, what Redis remembers of producers that repeat themselves (`XADD … IDMP`) is passed over: there is no
    such thing here. Of the 5th, entries that have been given back (`XNACK`) are refused, since nobody has them.
    """

    def read(reader: RdbReader) -> StreamValue:
        value = StreamValue()
        for _ in range(_count(reader, _ID_BYTES)):
            value.adopt(_read_node(reader, value))
        _read_counters(reader, value, version)
        for _ in range(_count(reader)):
            name = reader.string()
            if name in value.groups:
                raise RdbError("a group of a stream repeats")
            value.groups[name] = _read_group(reader, value, version)
        if version > 3:
            _pass_over_producers(reader)
        return value

    return read


def _count(reader: RdbReader, least: int = 1) -> int:
    """A number of items of at least so many bytes each, which may be 0."""
    number = reader.length()
    if number * least > reader.remaining:
        raise Shortage(f"{number} items are announced and {reader.remaining} bytes are left")
    return number


def _positive(number: int, what: str) -> int:
    if not 0 <= number <= INT64_MAX:
        raise RdbError(f"{what} of a stream is {number}")
    return number


def _read_id(reader: RdbReader) -> int:
    first = reader.length()
    return first << 64 | reader.length()


def _read_node(reader: RdbReader, value: StreamValue) -> StreamNode:
    key = reader.string()
    if len(key) != _ID_BYTES:
        raise RdbError("a run of a stream has no ID")
    packed = reader.string()
    master = int.from_bytes(key, "big")
    if value.nodes and master <= value.nodes[-1].highest:
        raise RdbError("the runs of a stream are out of order")
    items = iter(listpack.unpack(packed))
    try:
        node = _unpack(items, master)
    except StopIteration:
        raise RdbError("a run of a stream ends early") from None
    if next(items, None) is not None:
        raise RdbError("a run of a stream has more entries than it says")
    node.size = len(packed) - integer_size(len(node.ids)) - integer_size(node.deleted)
    return node


def _number(items: Iterator[bytes]) -> int:
    number = parse_integer(next(items))
    if number is None:
        raise RdbError("a run of a stream has text for a number")
    return number


def _take(items: Iterator[bytes], count: int) -> list[bytes]:
    # Not by range(): a hostile count is anything, and the items are what they are.
    if count < 0:
        raise RdbError("an entry of a stream has a negative number of fields")
    taken: list[bytes] = []
    while len(taken) < count:
        taken.append(next(items))
    return taken


def _unpack(items: Iterator[bytes], master: int) -> StreamNode:
    live, deleted = _number(items), _number(items)
    node = StreamNode(master, _take(items, _number(items)))
    if _number(items) or live < 0 or deleted < 0 or not live + deleted:
        raise RdbError("a run of a stream begins wrongly")
    node.highest = -1
    for _ in range(live + deleted):
        _unpack_entry(items, node)
    if len(node.ids) != live:
        raise RdbError("a run of a stream has another number of entries than it says")
    return node


def _unpack_entry(items: Iterator[bytes], node: StreamNode) -> None:
    flags = _number(items)
    milliseconds = (node.master >> 64) + _number(items) & MAX_PART
    number = milliseconds << 64 | (node.master + _number(items) & MAX_PART)
    if number <= node.highest or number < node.master or not number:
        raise RdbError("the entries of a stream are out of order")
    if flags & _SAME_FIELDS:
        count = len(node.names)
        fields = node.names * 2
        fields[::2] = node.names
        fields[1::2] = _take(items, count)
        size = count + 3
    else:
        fields = _take(items, 2 * _number(items))
        size = len(fields) + 4
    if _number(items) != size:
        raise RdbError("an entry of a stream has another size than it says")
    node.highest = number
    if flags & _DELETED:
        node.deleted += 1
    else:
        node.ids.append(number)
        node.entries.append((format_id(number), fields))


def _read_counters(reader: RdbReader, value: StreamValue, version: int) -> None:
    length = reader.length()
    value.last_id = _read_id(reader)
    if version > 1:
        first = _read_id(reader)
        value.max_deleted_id = _read_id(reader)
        value.entries_added = _positive(reader.length(), "the number of entries added")
    else:
        first = value.first_id()
        value.entries_added = length
    if length != len(value) or first != value.first_id() or value.last_id < value.top_id():
        raise RdbError("a stream says something else of its entries than they do")


def _read_group(reader: RdbReader, value: StreamValue, version: int) -> Group:
    group = Group(_read_id(reader))
    group.entries_read = signed(reader.length()) if version > 1 else value.entries_up_to(group.last_id)
    nobody = Consumer(b"", 0)
    for _ in range(_count(reader, _ID_BYTES + 9)):
        number = int.from_bytes(reader.take(_ID_BYTES), "big")
        if number in group.pending:
            raise RdbError("a pending entry of a stream repeats")
        time = _positive(reader.milliseconds(), "the time of a delivery")
        group.pending.add(
            number, Delivery(nobody, time, _positive(reader.length(), "the number of deliveries"))
        )
    for _ in range(_count(reader, 10)):
        consumer = _read_consumer(reader, group, nobody, version)
        if group.consumers.setdefault(consumer.name, consumer) is not consumer:
            raise RdbError("a consumer of a stream repeats")
    if version > 4 and reader.length():
        raise RdbError("entries of a stream have been given back (XNACK), which cannot be kept here")
    if sum(len(consumer.pending) for consumer in group.consumers.values()) != len(group.pending):
        raise RdbError("a pending entry of a stream has no consumer")
    return group


def _read_consumer(reader: RdbReader, group: Group, nobody: Consumer, version: int) -> Consumer:
    name = reader.string()
    consumer = Consumer(name, _positive(reader.milliseconds(), "the time of a consumer"))
    consumer.active_time = reader.milliseconds() if version > 2 else consumer.seen_time
    if consumer.active_time != NEVER_ACTIVE:
        _positive(consumer.active_time, "the time of a consumer")
    for _ in range(_count(reader, _ID_BYTES)):
        number = int.from_bytes(reader.take(_ID_BYTES), "big")
        delivery = group.pending.get(number)
        if delivery is None or delivery.consumer is not nobody:
            raise RdbError("a consumer of a stream has an entry that is not its own")
        delivery.consumer = consumer
        consumer.pending.add(number, delivery)
    return consumer


def _pass_over_producers(reader: RdbReader) -> None:
    """How long and how many, the producers with the IDs that each has used and for which entry, and two counters."""
    reader.length()
    reader.length()
    for _ in range(_count(reader, 2)):
        reader.string()
        for _ in range(_count(reader, 3)):
            reader.string()
            _read_id(reader)
    reader.length()
    reader.length()
