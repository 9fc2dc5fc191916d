"""Streams beside a plain list of their entries. What Redis makes of the same is in the tests of the commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import DEFAULT_LIMITS, EncodingLimits, StreamValue
from anystore.pulsards.datatypes.stream_groups import Group
from anystore.pulsards.datatypes.stream_ids import MAX_ID, format_id, parse_id, parse_open_id
from anystore.pulsards.datatypes.stream_nodes import tree_size

SMALL = EncodingLimits(stream_node_max_entries=3)


def stream(count: int, limits: EncodingLimits = SMALL) -> StreamValue:
    """Entries of the IDs 10, 20, 30 …"""
    value = StreamValue()
    for number in range(10, 10 * count + 1, 10):
        value.append(number, [b"n", b"%d" % number], 3, limits)
    return value


def numbers(entries: list[tuple[bytes, list[bytes]]]) -> list[int]:
    return [int(fields[1]) for _, fields in entries]


bounds = st.integers(0, 170)


class TestBesideAList:
    @given(
        gone=st.lists(st.integers(1, 16)),
        low=bounds,
        high=st.one_of(bounds, st.just(MAX_ID)),
        count=st.integers(0, 20),
    )
    def test_ranges(self, gone: list[int], low: int, high: int, count: int) -> None:
        value = stream(16)
        kept = list(range(10, 170, 10))
        for number in gone:
            assert value.delete(number * 10) == (number * 10 in kept)
            kept = [one for one in kept if one != number * 10]
        within = [number for number in kept if low <= number <= high]
        limit = count or None
        assert numbers(value.range(low, high, count)) == within[:limit]
        assert value.ids(low, high, count) == within[:limit]
        assert numbers(value.range_back(low, high, count)) == within[::-1][:limit]
        assert len(value) == len(kept)
        assert (value.first_id(), value.top_id()) == ((kept[0], kept[-1]) if kept else (0, 0))
        ends = [value.get(kept[0]), value.get(kept[-1])] if kept else [None, None]
        assert [value.first(), value.last()] == ends
        assert (value.get(low) is not None) == (low in kept)

    @given(
        gone=st.lists(st.integers(1, 16)),
        steps=st.lists(st.tuples(st.booleans(), st.booleans(), bounds, st.integers(0, 9)), max_size=6),
    )
    def test_trims(self, gone: list[int], steps: list[tuple[bool, bool, int, int]]) -> None:
        value = stream(16)
        for number in gone:
            value.delete(number * 10)
        kept = value.ids(0)
        for by_length, approximate, threshold, most in steps:
            limit = most if approximate else 0
            if by_length:
                excess = value.beyond_length(threshold // 10, approximate, limit)
                wanted = kept[max(len(kept) - threshold // 10, 0) :]
            else:
                excess = value.below(threshold, approximate, limit)
                wanted = [number for number in kept if number >= threshold]
            value.trim(excess)
            left = value.ids(0)
            assert left == kept[excess.entries :]
            assert len(left) == len(value) >= len(wanted)
            assert approximate or left == wanted
            assert not limit or excess.entries <= limit
            kept = left

    def test_copies_are_independent(self) -> None:
        value = stream(5)
        twin = value.copy()
        value.delete(10)
        twin.append(60, [b"n", b"60"], 3, DEFAULT_LIMITS)
        assert value.ids(0) == [20, 30, 40, 50]
        assert twin.ids(0) == [10, 20, 30, 40, 50, 60]
        assert (value.max_deleted_id, twin.max_deleted_id, value.last_id, twin.last_id) == (10, 0, 50, 60)


class TestIds:
    @given(number=st.integers(0, MAX_ID))
    def test_there_and_back(self, number: int) -> None:
        assert parse_id(format_id(number)) == number

    @pytest.mark.parametrize(
        ("text", "number"), [(b"5", 5 << 64 | 7), (b"5-1", 5 << 64 | 1), (b"0-0", 0), (b"x", None)]
    )
    def test_a_missing_sequence(self, text: bytes, number: int | None) -> None:
        assert parse_id(text, 7) == number

    @pytest.mark.parametrize(
        ("text", "number"), [(b"5-*", 5), (b"5", None), (b"*", None), (b"1-2-*", None), (b"-*", None)]
    )
    def test_an_open_sequence(self, text: bytes, number: int | None) -> None:
        assert parse_open_id(text) == number


@pytest.mark.parametrize(
    ("masters", "count"),
    [
        ([], 1),
        ([5], 2),
        ([1, 2], 4),
        ([1 << 127, 1], 5),
        ([1 << 64, 2 << 64, 3 << 64], 8),
        ([1, 256, 257], 7),
    ],
)
def test_nodes_of_a_radix_tree(masters: list[int], count: int) -> None:
    """Counted by hand; the tests of XINFO compare with real ones."""
    assert tree_size(sorted(masters)) == count


def test_fields_that_repeat_are_kept_once() -> None:
    value = StreamValue()
    for number in (1, 2):
        value.append(number, [bytes(bytearray(b"a long name")), b"x"], 12, DEFAULT_LIMITS)
    first, second = (fields for _, fields in value.range(0))
    assert first[0] is second[0]


def test_numbers_of_entries_nobody_can_tell() -> None:
    value = stream(5)
    assert [value.entries_up_to(number) for number in (0, 5, 10, 20, 50, 60)] == [0, 0, 1, -1, 5, -1]
    value.delete(30)
    assert [value.entries_up_to(number) for number in (0, 10, 30, 50)] == [-1, -1, -1, 5]
    value.trim(value.beyond_length(0, False))
    assert [value.entries_up_to(number) for number in (0, 50, 60)] == [5, 5, -1]
    assert StreamValue().entries_up_to(7) == 0


def test_approximate_trims_of_what_is_acknowledged() -> None:
    value = stream(9)
    group = value.groups[b"g"] = Group(60)
    assert value.trim_acknowledged(0, MAX_ID + 1, True, limit=2) == 0
    assert value.trim_acknowledged(0, MAX_ID + 1, True, limit=3) == 3
    assert value.trim_acknowledged(0, 60, True) == 0
    assert value.trim_acknowledged(0, 61, True) == 3
    group.last_id = 90
    assert value.trim_acknowledged(2, MAX_ID + 1, False) == 1
    assert value.ids(0) == [80, 90]
    assert value.delete(1) is False
    assert StreamValue().delete(1) is False
    assert StreamValue().get(1) is None
