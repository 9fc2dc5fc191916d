from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import DEFAULT_LIMITS, EncodingLimits, ListValue
from anystore.pulsards.persistence.rdb.listpack import pack
from tests.pulsards.persistence.rdb.values import texts

elements = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=12)


def redis_range(items: list[bytes], start: int, stop: int) -> list[bytes]:
    size = len(items)
    start = max(start + size, 0) if start < 0 else start
    stop = stop + size if stop < 0 else stop
    return items[start : stop + 1] if stop >= 0 else []


@given(elements, st.integers(-15, 15), st.integers(-15, 15))
def test_range_and_trim(items: list[bytes], start: int, stop: int) -> None:
    expected = redis_range(items, start, stop)
    assert ListValue(items).range(start, stop) == expected
    value = ListValue(items)
    value.trim(start, stop)
    assert list(value) == expected


@given(st.integers(0, 1000), st.integers(-1000, 1000))
def test_ranges_of_a_long_list(start: int, length: int) -> None:
    items = [b"%d" % number for number in range(1000)]
    assert ListValue(items).range(start, start + length) == redis_range(items, start, start + length)


@given(elements, st.sampled_from([b"a", b"b"]), st.booleans())
def test_insert_beside(items: list[bytes], pivot: bytes, before: bool) -> None:
    value = ListValue(items)
    found = value.insert_beside(pivot, b"new", before)
    assert found == (pivot in items)
    if found:
        items.insert(items.index(pivot) + (not before), b"new")
    assert list(value) == items


@given(elements, st.sampled_from([b"a", b"b"]), st.integers(-4, 4))
def test_remove_matching(items: list[bytes], element: bytes, count: int) -> None:
    value = ListValue(items)
    removed = value.remove_matching(element, count)
    expected = items[::-1] if count < 0 else list(items)
    left = min(abs(count) or len(items), items.count(element))
    assert removed == left
    for _ in range(left):
        expected.remove(element)
    assert list(value) == (expected[::-1] if count < 0 else expected)


@given(elements, st.integers(1, 4), st.booleans(), st.integers(0, 3), st.integers(0, 12))
def test_positions(items: list[bytes], rank: int, backwards: bool, count: int, maxlen: int) -> None:
    indexes = range(len(items))[::-1] if backwards else range(len(items))
    looked_at = list(indexes)[: maxlen or None]
    matches = [index for index in looked_at if items[index] == b"a"][rank - 1 :][: count or None]
    assert ListValue(items).positions(b"a", -rank if backwards else rank, count, maxlen) == matches


def test_the_ends() -> None:
    value = ListValue([b"1", b"2", b"3", b"4"])
    assert value.pop_many(2, left=True) == [b"1", b"2"]
    assert value.pop_many(9, left=False) == [b"4", b"3"]
    assert value.pop_many(1, left=False) == []
    twin = ListValue([b"1"])
    copied = twin.copy()
    copied.append(b"2")
    assert list(twin) == [b"1"]


class TestEncoding:
    def test_by_bytes(self) -> None:
        value = ListValue([b"x" * 1000] * 8)
        assert value.encoding(DEFAULT_LIMITS) == b"listpack"
        value.append(b"x" * 1000)
        assert value.encoding(DEFAULT_LIMITS) == b"quicklist"
        value.pop()
        assert value.encoding(DEFAULT_LIMITS) == b"quicklist"
        value.trim(0, 3)
        assert value.encoding(DEFAULT_LIMITS) == b"listpack"

    def test_many_small_ones(self) -> None:
        assert ListValue([b"1"] * 4000).encoding(DEFAULT_LIMITS) == b"listpack"
        assert ListValue([b"1"] * 5000).encoding(DEFAULT_LIMITS) == b"quicklist"

    @given(st.lists(texts, max_size=6))
    def test_the_bytes_are_those_of_a_listpack(self, items: list[bytes]) -> None:
        size = len(pack(items))
        filler = b"x" * 62  # 64 bytes with its ends
        items += [filler] * max((4096 - size) // 64, 0)
        compact = len(pack(items)) <= 4096
        assert ListValue(items).is_compact(EncodingLimits(list_max_listpack_size=-1)) == compact
        one_more = [*items, filler]
        assert ListValue(one_more).is_compact(EncodingLimits(list_max_listpack_size=-1)) == (
            len(pack(one_more)) <= 4096
        )

    @pytest.mark.parametrize(("size", "encoding"), [(3, b"listpack"), (4, b"quicklist")])
    def test_by_entries(self, size: int, encoding: bytes) -> None:
        limits = EncodingLimits(list_max_listpack_size=3)
        assert ListValue([b"1"] * size).encoding(limits) == encoding

    def test_by_entries_there_is_a_limit_of_bytes_too(self) -> None:
        limits = EncodingLimits(list_max_listpack_size=3)
        assert ListValue([b"x" * 9000]).encoding(limits) == b"quicklist"

    @pytest.mark.parametrize("fill", [-1, -2, -3, -4, -5, -6])
    def test_each_size(self, fill: int) -> None:
        limits = EncodingLimits(list_max_listpack_size=fill)
        size = 4096 << min(-fill - 1, 4)
        element = b"x" * 62  # 64 bytes with its ends
        assert ListValue([element] * (size // 64 - 1)).encoding(limits) == b"listpack"
        assert ListValue([element] * (size // 64)).encoding(limits) == b"quicklist"
