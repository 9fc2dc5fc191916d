"""What values take in memory: the sizes that Python reports of the objects that they are made of.

Collections are measured whole, or by some of their elements: then what these take on average is taken for all.
Objects that values share (small integers, say) count for each of them; what the allocator rounds up does not.

Source: the page of MEMORY USAGE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from sys import getsizeof
from typing import Any, Final

from anystore.pulsards.datatypes import (
    Collection,
    Deadlines,
    HashValue,
    ListValue,
    ScanIndex,
    SetValue,
    SortedSetValue,
    StreamValue,
)

#: What an entry of a dict takes on average, empty places included.
TABLE_ENTRY: Final = getsizeof(dict.fromkeys(range(1000))) // 1000
#: An integer such as a time or a place in a list.
_NUMBER: Final = getsizeof(2**40)
_POINTER: Final = 8
#: A float, and the pair of it and the member with its place in the order.
_RANKED: Final = getsizeof(1.5) + getsizeof((1.5, b"")) + _POINTER
#: A delivery that waits for its acknowledgement: one object, entered in two tables.
_PENDING: Final = 2 * (TABLE_ENTRY + _POINTER) + _NUMBER + 48
#: What every key takes beside its name and its value: a place in the tables of values and of accesses.
PER_KEY: Final = 2 * TABLE_ENTRY + _NUMBER
#: What a key with a time to live takes more: a place in the table and in the order of expiries.
PER_EXPIRY: Final = TABLE_ENTRY + getsizeof((0, b"")) + _NUMBER + _POINTER


def size_of(value: Any, samples: int = 0) -> int:
    """The bytes that a value takes. O(samples) for a collection, O(n) where `samples` is 0."""
    if isinstance(value, bytes | bytearray):
        return getsizeof(value)
    count = len(value)
    if not count:
        return frame_size(value)
    some = count if not samples else min(samples, count)
    return frame_size(value) + elements_size(value, some, newest=False) * count // some


def frame_size(value: Any) -> int:
    """What a collection takes without its elements. O(1), or O(g) in the groups of a stream."""
    if isinstance(value, Collection):
        size = getsizeof(value) + _index_size(value._index)
        if isinstance(value, HashValue) and value.expires is not None:
            size += _deadlines_size(value.expires)
        return size
    if isinstance(value, StreamValue):
        return getsizeof(value) + sum(map(_group_size, value.groups.values()))
    return getsizeof(value)


def _index_size(index: ScanIndex | None) -> int:
    if index is None:
        return 0
    return len(index) * (_POINTER + TABLE_ENTRY + _NUMBER)


def _deadlines_size(deadlines: Deadlines) -> int:
    return getsizeof(deadlines) + len(deadlines) * (getsizeof((0, b"")) + _NUMBER + _POINTER)


def _group_size(group: Any) -> int:
    return getsizeof(group) + len(group.pending) * _PENDING + len(group.consumers) * 4 * TABLE_ENTRY


def elements_size(value: Any, count: int, *, newest: bool) -> int:
    """What `count` elements of a collection take: the oldest ones, or those added last. O(count)."""
    return _ELEMENTS[type(value)](value, count, newest)


def _some(items: Any, count: int, newest: bool) -> Iterable[Any]:
    if count >= len(items):
        return items  # type: ignore[no-any-return]
    return islice(reversed(items) if newest else items, count)


def _hash_elements(value: HashValue, count: int, newest: bool) -> int:
    if count >= len(value):
        return sum(map(getsizeof, value)) + sum(map(getsizeof, value.values()))
    return sum(getsizeof(field) + getsizeof(value[field]) for field in _some(value, count, newest))


def _set_elements(value: SetValue, count: int, newest: bool) -> int:
    return sum(map(getsizeof, _some(value, count, newest)))


def _sorted_set_elements(value: SortedSetValue, count: int, newest: bool) -> int:
    return _set_elements(value, count, newest) + count * _RANKED  # type: ignore[arg-type]


def _list_elements(value: ListValue, count: int, newest: bool) -> int:
    """The elements at the left end, or those at the right end as the newest ones."""
    return sum(map(getsizeof, _some(value, count, newest)))


def _stream_elements(value: StreamValue, count: int, newest: bool) -> int:
    nodes = reversed(value.nodes) if newest else iter(value.nodes)
    size = 0
    for node in nodes:
        entries = node.entries if len(node.entries) <= count else node.entries[-count:]
        for text, fields in entries:
            # The names of fields are kept once for the entries that have the same ones.
            size += getsizeof(text) + getsizeof(fields) + sum(map(getsizeof, fields[1::2]))
        size += len(entries) * (getsizeof((b"", b"")) + getsizeof(2**100) + 2 * _POINTER)
        count -= len(entries)
        if not count:
            break
    return size


_ELEMENTS: Final[dict[type, Callable[[Any, int, bool], int]]] = {
    HashValue: _hash_elements,
    SetValue: _set_elements,
    SortedSetValue: _sorted_set_elements,
    ListValue: _list_elements,
    StreamValue: _stream_elements,
}
