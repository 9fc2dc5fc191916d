from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import ScanIndex

members = st.integers(0, 40).map(lambda number: b"%d" % number)
# Between two steps of a scan: members that come (True) and go (False).
changes = st.lists(st.tuples(st.booleans(), members), max_size=30)


@given(
    start=st.sets(members),
    steps=st.lists(st.tuples(st.integers(1, 7), changes), min_size=1, max_size=30),
)
def test_a_member_that_is_there_throughout_a_scan_is_returned(
    start: set[bytes], steps: list[tuple[int, list[tuple[bool, bytes]]]]
) -> None:
    index = ScanIndex(start)
    present = set(start)
    throughout = set(start)
    seen: set[bytes] = set()
    cursor = 0
    position = 0
    while True:
        count, between = steps[position] if position < len(steps) else (3, [])
        position += 1
        cursor, found = index.scan(cursor, count)
        assert len(found) <= count
        assert set(found) <= present
        seen.update(found)
        if cursor == 0:
            break
        for comes, member in between:
            if comes:
                index.add(member)
                present.add(member)
            else:
                index.discard(member)
                present.discard(member)
                throughout.discard(member)
        assert len(index) == len(present)
    assert throughout <= seen


@given(start=st.sets(members), count=st.integers(1, 50))
def test_without_changes_each_member_is_returned_once(start: set[bytes], count: int) -> None:
    index = ScanIndex(start)
    seen: Counter[bytes] = Counter()
    cursor, found = index.scan(0, count)
    seen.update(found)
    while cursor:
        cursor, found = index.scan(cursor, count)
        seen.update(found)
    assert seen == Counter(start)


@pytest.mark.parametrize("cursor", [3, 4, 2**64 - 1, 2**70])
def test_any_cursor_is_accepted(cursor: int) -> None:
    index = ScanIndex([b"a", b"b", b"c"])
    assert index.scan(cursor, 10) == (0, [b"a", b"b", b"c"])


def test_an_empty_index() -> None:
    index = ScanIndex()
    assert index.scan(0, 10) == (0, [])
    assert index.scan(7, 10) == (0, [])
    with pytest.raises(IndexError):
        index.random()


def test_adding_twice_and_discarding_what_is_not_there_changes_nothing() -> None:
    index = ScanIndex([b"a"])
    index.add(b"a")
    index.discard(b"b")
    assert len(index) == 1
    assert b"a" in index
    assert b"b" not in index
    index.clear()
    assert len(index) == 0


def test_random_members_are_spread_evenly() -> None:
    index = ScanIndex(b"%d" % number for number in range(10))
    index.discard(b"3")
    drawn = Counter(index.random() for _ in range(9000))
    assert len(drawn) == 9
    assert min(drawn.values()) > 700


def test_a_sample_is_distinct() -> None:
    index = ScanIndex(b"%d" % number for number in range(100))
    assert len(set(index.sample(60))) == 60
