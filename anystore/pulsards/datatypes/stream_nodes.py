"""The parts that a stream is made of: runs of entries, as many in each as Redis keeps in one listpack.

A run is what Redis trims at once where it may trim approximately, so it has to end where Redis would end it:
by the number of entries and by the bytes that they would take in Redis, removed ones included.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from anystore.pulsards.datatypes.limits import EncodingLimits
from anystore.pulsards.datatypes.listpack_size import entry_size, integer_size
from anystore.pulsards.datatypes.stream_ids import MAX_PART

#: An entry as it is replied: its ID as text, and fields and values in turn.
Entry: TypeAlias = tuple[bytes, list[bytes]]

# Redis' own limit, whatever the setting.
_LARGEST_NODE: Final = 1 << 30
# Six bytes of head, the end, and the zero that ends what the entries have in common.
_FRAME: Final = 6 + 1 + 2


def signed(number: int) -> int:
    """The low 64 bits of a number as a signed one, which is how differences of IDs are kept."""
    number &= MAX_PART
    return number - (1 << 64) if number >> 63 else number


class StreamNode:
    """A run of entries in the order of their IDs.

    `master` is the ID that the run began with, `names` are the fields of that entry, which the others need
    not repeat, `highest` is the ID that was added last. `deleted` counts entries that were removed and still
    take space in Redis; `size` is all that space in bytes, but for two counters. A run that is `shared` is part of
    an image, too, and never changed again: a copy takes its place in the stream.
    """

    __slots__ = ("deleted", "entries", "highest", "ids", "master", "names", "shared", "size")

    def __init__(self, master: int, names: list[bytes]) -> None:
        self.master = self.highest = master
        self.names = names
        self.ids: list[int] = []
        self.entries: list[Entry] = []
        self.deleted = 0
        self.shared = False
        self.size = _FRAME + integer_size(len(names)) + sum(map(entry_size, names))

    def has_room(self, added: int, limits: EncodingLimits) -> bool:
        """Whether Redis would put another entry of `added` bytes here, and not begin a new run. O(1)."""
        most_bytes = limits.stream_node_max_bytes
        if not 0 < most_bytes < _LARGEST_NODE:
            most_bytes = _LARGEST_NODE
        count, deleted = len(self.ids), self.deleted
        size = (
            self.size + added + (4 if count < 128 > deleted else integer_size(count) + integer_size(deleted))
        )
        return size < most_bytes and not 0 < limits.stream_node_max_entries <= count + deleted

    def append(self, number: int, text: bytes, fields: list[bytes]) -> None:
        """Add an entry after all others; `fields` is owned by the stream from here on. O(len(fields))."""
        names = fields[::2]
        count = len(names)
        master = self.master
        size = (
            2 + integer_size(signed((number >> 64) - (master >> 64))) + integer_size(signed(number - master))
        )
        if names == self.names:
            fields[::2] = self.names  # the same bytes objects, kept once
            size += sum(map(entry_size, fields[1::2])) + integer_size(count + 3)
        else:
            size += sum(map(entry_size, fields)) + integer_size(count) + integer_size(2 * count + 4)
        self.size += size
        self.ids.append(number)
        self.entries.append((text, fields))
        self.highest = number

    def find(self, number: int) -> int:
        """Where the entry of this ID is, or -1. O(log n)."""
        place = bisect_left(self.ids, number)
        return place if place < len(self.ids) and self.ids[place] == number else -1

    def remove(self, start: int, stop: int) -> None:
        """Remove the entries from place `start` to before `stop`. O(n), n being small."""
        del self.ids[start:stop]
        del self.entries[start:stop]
        self.deleted += stop - start

    def copy(self) -> StreamNode:
        """An independent copy, which shares the entries: these never change. O(n)."""
        twin = StreamNode(self.master, self.names)
        twin.highest = self.highest
        twin.ids, twin.entries = self.ids.copy(), self.entries.copy()
        twin.deleted, twin.size = self.deleted, self.size
        return twin


def tree_size(masters: Sequence[int]) -> int:
    """The nodes of the radix tree in which Redis keeps runs with these first IDs, in order. O(n).

    Such a tree has a node for each ID, one for each place where IDs part, and one for each longer stretch of
    bytes that has no such place.
    """
    if not masters:
        return 1
    count = 2
    parts: list[int] = []  # the places, on the way to the ID before, where IDs part
    for before, number in pairwise(masters):
        place = (128 - (before ^ number).bit_length()) // 8
        below = 16
        while parts and parts[-1] > place:
            below = parts.pop()
        if not parts or parts[-1] < place:
            above = parts[-1] + 1 if parts else 0
            # What was one stretch from `above` to `below` is parted at `place`.
            count += (place > above) + (below > place + 1) - (below > above) + 1
            parts.append(place)
        count += 1 + (place < 15)
    return count
