"""The stream type."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from anystore.pulsards.datatypes.limits import EncodingLimits
from anystore.pulsards.datatypes.stream_groups import UNKNOWN, Group
from anystore.pulsards.datatypes.stream_ids import MAX_ID, format_id
from anystore.pulsards.datatypes.stream_nodes import Entry, StreamNode, tree_size


class Excess(NamedTuple):
    """What a trim removes: so many runs, then `rest` entries of the next one; how many `entries` that is."""

    runs: int
    rest: int
    entries: int


class StreamValue:
    """A stream: entries in the order of their IDs, and consumer groups by name.

    `last_id` is the highest ID ever given, `max_deleted_id` the highest one of an entry removed by XDEL (0
    for none), `entries_added` how many entries there ever were. A stream may be empty.
    """

    __slots__ = ("_length", "_masters", "entries_added", "groups", "last_id", "max_deleted_id", "nodes")

    type_name: ClassVar[bytes] = b"stream"

    def __init__(self) -> None:
        self.last_id = 0
        self.max_deleted_id = 0
        self.entries_added = 0
        self.groups: dict[bytes, Group] = {}
        #: For those who write a stream out; not to be changed from outside.
        self.nodes: list[StreamNode] = []
        self._masters: list[int] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    # Adding

    def append(self, number: int, fields: list[bytes], size: int, limits: EncodingLimits) -> bytes:
        """Add an entry, whose ID must be above `last_id`; its ID as text. O(len(fields)).

        `fields` has fields and values in turn, `size` bytes of them, and is owned by the stream from here on.
        """
        text = format_id(number)
        nodes = self.nodes
        if nodes and nodes[-1].has_room(size, limits):
            node = nodes[-1]
            if node.shared:
                node = self._own(-1)
        else:
            node = StreamNode(number, fields[::2])
            nodes.append(node)
            self._masters.append(number)
        node.append(number, text, fields)
        self._length += 1
        self.entries_added += 1
        self.last_id = number
        return text

    def adopt(self, node: StreamNode) -> None:
        """Add a run after all others, as part of a stream that is being read from a payload. O(1)."""
        self.nodes.append(node)
        self._masters.append(node.master)
        self._length += len(node.ids)

    # Reading

    def first(self) -> Entry | None:
        """The entry with the lowest ID. O(1)."""
        return next((node.entries[0] for node in self.nodes if node.entries), None)

    def last(self) -> Entry | None:
        """The entry with the highest ID. O(1)."""
        return next((node.entries[-1] for node in reversed(self.nodes) if node.entries), None)

    def first_id(self) -> int:
        """The lowest ID of an entry, 0 where there is none. O(1)."""
        return next((node.ids[0] for node in self.nodes if node.ids), 0)

    def top_id(self) -> int:
        """The highest ID of an entry, 0 where there is none. O(1)."""
        return next((node.ids[-1] for node in reversed(self.nodes) if node.ids), 0)

    def _node_at(self, number: int) -> int:
        """The place of the node where the entry of this ID would be. O(log n)."""
        return max(bisect_right(self._masters, number) - 1, 0)

    def get(self, number: int) -> Entry | None:
        """The entry of this ID. O(log n)."""
        if not self.nodes:
            return None
        node = self.nodes[self._node_at(number)]
        place = node.find(number)
        return None if place < 0 else node.entries[place]

    def _spans(self, start: int, end: int, count: int) -> Iterator[tuple[StreamNode, int, int]]:
        """Where the first `count` entries (0: all) from `start` to `end` inclusive are: node, from, to."""
        nodes = self.nodes
        left = count or self._length
        for index in range(self._node_at(start), len(nodes)):
            node = nodes[index]
            if node.master > end or not left:
                return
            low = bisect_left(node.ids, start) if node.master < start else 0
            high = len(node.ids) if node.highest <= end else bisect_right(node.ids, end)
            high = min(high, low + left)
            if high > low:
                left -= high - low
                yield node, low, high

    def range(self, start: int, end: int = MAX_ID, count: int = 0) -> list[Entry]:
        """Up to `count` entries (0: all) whose IDs are from `start` to `end` inclusive. O(log n + m)."""
        found: list[Entry] = []
        for node, low, high in self._spans(start, end, count):
            found += node.entries[low:high]
        return found

    def ids(self, start: int, end: int = MAX_ID, count: int = 0) -> list[int]:
        """The IDs of the same entries as `range`. O(log n + m)."""
        found: list[int] = []
        for node, low, high in self._spans(start, end, count):
            found += node.ids[low:high]
        return found

    def range_back(self, start: int, end: int, count: int = 0) -> list[Entry]:
        """As `range`, from the highest ID down. O(log n + m)."""
        found: list[Entry] = []
        nodes = self.nodes
        left = count or self._length
        for index in range(min(self._node_at(end), len(nodes) - 1), -1, -1):
            node = nodes[index]
            if node.highest < start or not left:
                break
            low = bisect_left(node.ids, start) if node.master < start else 0
            high = len(node.ids) if node.highest <= end else bisect_right(node.ids, end)
            low = max(low, high - left)
            if high > low:
                left -= high - low
                found += node.entries[low:high][::-1]
        return found

    # Removing

    def delete(self, number: int) -> bool:
        """Remove an entry, as XDEL does; whether it was there. O(log n)."""
        if not self.nodes:
            return False
        index = self._node_at(number)
        place = self.nodes[index].find(number)
        if place < 0:
            return False
        node = self._own(index)
        node.remove(place, place + 1)
        if not node.ids:
            self._drop_nodes(index, index + 1)
        self._length -= 1
        if number > self.max_deleted_id:
            self.max_deleted_id = number
        return True

    def _own(self, index: int) -> StreamNode:
        """A run that may be changed, images or not. O(1), or O(its entries)."""
        node = self.nodes[index]
        if node.shared:
            node = self.nodes[index] = node.copy()
        return node

    def _drop_nodes(self, start: int, stop: int) -> None:
        del self.nodes[start:stop]
        del self._masters[start:stop]

    def beyond_length(self, length: int, approximate: bool, limit: int = 0) -> Excess:
        """What to remove for `length` entries to be left, the lowest ones. O(runs removed).

        Where `approximate`, only whole runs go, and no more than `limit` entries (0: any number).
        """
        runs = removed = 0
        for node in self.nodes:
            count = len(node.ids)
            rest = self._length - removed - length
            if rest <= 0 or count > rest or (limit and removed + count > limit):
                break
            runs += 1
            removed += count
        rest = 0 if approximate else max(self._length - removed - length, 0)
        return Excess(runs, rest, removed + rest)

    def below(self, lowest: int, approximate: bool, limit: int = 0) -> Excess:
        """What to remove for no ID below `lowest` to be left. Otherwise as `beyond_length`."""
        runs = removed = rest = 0
        for node in self.nodes:
            if node.highest >= lowest or (limit and removed + len(node.ids) > limit):
                break
            runs += 1
            removed += len(node.ids)
        if runs < len(self.nodes) and not approximate:
            rest = bisect_left(self.nodes[runs].ids, lowest)
        return Excess(runs, rest, removed + rest)

    def trim(self, excess: Excess) -> None:
        """Remove what is in excess, as XTRIM does. O(number removed)."""
        self._drop_nodes(0, excess.runs)
        if excess.rest:
            self._own(0).remove(0, excess.rest)
        self._length -= excess.entries

    def trim_acknowledged(self, length: int, lowest: int, approximate: bool, limit: int = 0) -> int:
        """Remove entries below `lowest` that every group is done with, until `length` are left; how many.

        Where `approximate`, only runs that go as a whole. O(n) in the entries that are looked at.
        """
        removed = 0
        for node in tuple(self.nodes):
            spare = self._length - length
            if spare <= 0 or (node.ids and node.ids[0] >= lowest):
                break
            if limit and removed + len(node.ids) > limit:
                break
            stop = bisect_left(node.ids, lowest)
            places = [place for place in range(stop) if not self.is_referenced(node.ids[place])][:spare]
            if approximate and len(places) < len(node.ids):
                break
            if places:
                node = self._own(self._node_at(node.master))
            for place in reversed(places):
                node.remove(place, place + 1)
            self._length -= len(places)
            removed += len(places)
            if not node.ids and (places or node.highest < lowest):
                index = self._node_at(node.master)
                self._drop_nodes(index, index + 1)
        return removed

    # Groups

    def groups_by_name(self) -> list[tuple[bytes, Group]]:
        """The groups in the order of their names. O(n log n)."""
        return sorted(self.groups.items())

    def is_referenced(self, number: int) -> bool:
        """Whether a group has yet to get the entry of this ID, or to acknowledge it. O(groups)."""
        return any(number > group.last_id or number in group.pending for group in self.groups.values())

    def forget(self, number: int) -> None:
        """Let no group wait any longer for an entry to be acknowledged. O(groups)."""
        for group in self.groups.values():
            group.acknowledge(number)

    def _has_gap_from(self, number: int) -> bool:
        """Whether an entry that was removed by XDEL may be missing among those from this ID on."""
        return bool(self._length and self.max_deleted_id) and number <= self.max_deleted_id

    def entries_up_to(self, number: int) -> int:
        """How many entries up to this ID were ever added; `UNKNOWN` where the stream cannot tell. O(1)."""
        if not self.entries_added:
            return 0
        if not self._length and number <= self.last_id:
            return self.entries_added
        if number and number < self.max_deleted_id:
            return UNKNOWN
        if number >= self.last_id:
            return self.entries_added if number == self.last_id else UNKNOWN
        first = self.first_id()
        if number > first or (self.max_deleted_id and self.max_deleted_id >= first):
            return UNKNOWN
        return self.entries_added - self._length + (number == first)

    def lag(self, group: Group) -> int | None:
        """How many entries the group has not been given yet; None where the stream cannot tell. O(1)."""
        if not self.entries_added or not self._length:
            return 0
        first = self.first_id()
        if group.last_id < first and self.max_deleted_id < first:
            return self._length
        if group.entries_read != UNKNOWN and not self._has_gap_from(group.last_id):
            return self.entries_added - group.entries_read
        read = self.entries_up_to(group.last_id)
        return None if read == UNKNOWN else self.entries_added - read

    def advance(self, group: Group, numbers: list[int]) -> None:
        """Note that a group was given the entries of these IDs, in order, which it had not got yet. O(n)."""
        for position, number in enumerate(numbers):
            if (
                group.entries_read != UNKNOWN
                and group.last_id >= self.first_id()
                and not self._has_gap_from(group.last_id)
            ):
                group.entries_read += len(numbers) - position
                group.last_id = numbers[-1]
                return
            group.entries_read = self.entries_up_to(number)
            group.last_id = number

    def copy(self) -> StreamValue:
        """An independent copy, groups included. O(n)."""
        twin = StreamValue()
        twin.last_id, twin.max_deleted_id = self.last_id, self.max_deleted_id
        twin.entries_added, twin._length = self.entries_added, self._length
        twin.nodes = [node.copy() for node in self.nodes]
        twin._masters = self._masters.copy()
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        return twin

    def image(self) -> StreamValue:
        """The stream as it is now, for reading only: what it shares with this one is copied when this one changes it.

        O(runs + pending entries), some ns each. Of its deliveries, consumers are not to be asked for.
        """
        twin = StreamValue()
        twin.last_id, twin.max_deleted_id = self.last_id, self.max_deleted_id
        twin.entries_added, twin._length = self.entries_added, self._length
        for node in self.nodes:
            node.shared = True
        twin.nodes, twin._masters = self.nodes.copy(), self._masters.copy()
        twin.groups = {name: group.image() for name, group in self.groups.items()}
        return twin

    # What Redis tells of its own structures

    def tree_size(self) -> int:
        """The nodes of the radix tree that Redis would keep. O(n / 100)."""
        return tree_size(self._masters)

    def encoding(self, limits: EncodingLimits) -> bytes:
        """What OBJECT ENCODING answers."""
        return b"stream"
