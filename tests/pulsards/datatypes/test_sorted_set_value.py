from __future__ import annotations

from collections import Counter
from math import copysign, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import (
    DEFAULT_LIMITS,
    EncodingLimits,
    LexRange,
    ScoreRange,
    SortedSetValue,
    sorted_set_value,
)

names = st.integers(0, 12).map(lambda number: b"m%d" % number)
scores = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 2.0, inf, -inf, 5e-324, 1.7976931348623157e308]), st.floats(-3, 3)
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, scores),
        st.tuples(st.just("remove"), names, st.just(0.0)),
        st.tuples(
            st.sampled_from(["pop_min", "pop_max", "scan"]), st.just(b""), st.integers(0, 2).map(float)
        ),
    ),
    max_size=40,
)


@pytest.fixture(params=[2000, 3], ids=["list", "sorted list"])
def list_limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with either of the two representations."""
    monkeypatch.setattr(sorted_set_value, "_LIST_LIMIT", request.param)


def ordered(model: dict[bytes, float]) -> list[tuple[float, bytes]]:
    return sorted((score, member) for member, score in model.items())


@pytest.mark.usefixtures("list_limit")
class TestAgainstAModel:
    @given(steps=operations)
    def test_changes(self, steps: list[tuple[str, bytes, float]]) -> None:
        value, model = SortedSetValue(), dict[bytes, float]()
        for name, member, number in steps:
            if name == "put":
                value.put(member, number)
                model[member] = number
            elif name == "remove":
                assert value.remove(member) == (model.pop(member, None) is not None)
            elif name == "scan":
                assert Counter(value.scan(0, 99, compact=False)[1]) == Counter(list(model))
            else:
                pairs = ordered(model)
                popped = getattr(value, name)(int(number))
                pairs = pairs if name == "pop_min" else pairs[::-1]
                assert popped == pairs[: int(number)]
                for _, gone in popped:
                    del model[gone]
            assert value == model
            assert value.items_slice(0, len(value)) == ordered(model)
        assert value.copy() == value
        assert value.copy().items_slice(0, 99) == ordered(model)
        assert [value.rank(member) for _, member in ordered(model)] == list(range(len(model)))
        assert value.rank(b"nobody") is None

    @given(
        model=st.dictionaries(names, scores),
        low=scores,
        high=scores,
        low_open=st.booleans(),
        high_open=st.booleans(),
    )
    def test_ranges_of_scores(
        self, model: dict[bytes, float], low: float, high: float, low_open: bool, high_open: bool
    ) -> None:
        value = SortedSetValue(model)
        expected = [
            pair
            for pair in ordered(model)
            if (low < pair[0] if low_open else low <= pair[0])
            and (pair[0] < high if high_open else pair[0] <= high)
        ]
        start, stop = value.by_score(ScoreRange(low, high, low_open, high_open))
        assert value.items_slice(start, stop) == expected
        assert value.items_slice(start, stop, reverse=True) == expected[::-1]
        assert stop - start == len(expected)
        assert value.remove_slice(start, stop) == expected
        assert value.items_slice(0, 99) == [pair for pair in ordered(model) if pair not in expected]

    @given(model=st.dictionaries(names, st.just(1.0)), start=st.integers(-15, 15), stop=st.integers(-15, 15))
    def test_ranges_of_ranks(self, model: dict[bytes, float], start: int, stop: int) -> None:
        value = SortedSetValue(model)
        pairs = ordered(model)
        size = len(pairs)
        first = max(start + size, 0) if start < 0 else start
        last = stop + size if stop < 0 else stop
        assert value.items_slice(*value.by_rank(start, stop)) == (
            pairs[first : last + 1] if last >= 0 else []
        )

    @given(
        members=st.sets(st.binary(max_size=2)),
        low=st.binary(max_size=2),
        high=st.binary(max_size=2),
        ends=st.tuples(st.sampled_from([b"[", b"(", b"-", b"+"]), st.sampled_from([b"[", b"(", b"-", b"+"])),
    )
    def test_ranges_of_members(
        self, members: set[bytes], low: bytes, high: bytes, ends: tuple[bytes, bytes]
    ) -> None:
        value = SortedSetValue(dict.fromkeys(members, 1.5))
        arguments = [end if end in b"-+" else end + text for end, text in zip(ends, (low, high), strict=True)]
        interval = LexRange.parse(*arguments)
        assert interval is not None
        expected = [
            member
            for member in sorted(members)
            if ends[0] != b"+"
            and ends[1] != b"-"
            and (ends[0] == b"-" or member > low or (member == low and ends[0] == b"["))
            and (ends[1] == b"+" or member < high or (member == high and ends[1] == b"["))
        ]
        for reverse in (False, True):
            found = value.items_slice(*value.by_lex(interval, reverse))
            assert [member for _, member in found] == expected


class TestRanges:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (b"1", b"2", ScoreRange(1, 2)),
            (b"(1", b"(+inf", ScoreRange(1, inf, True, True)),
            (b"-inf", b"1e1", ScoreRange(-inf, 10)),
            (b"nan", b"2", None),
            (b"1", b"x", None),
            (b"1", b"", ScoreRange(1, 0)),
            (b"(", b"1", ScoreRange(0, 1, True)),
            (b"((1", b"1", None),
        ],
    )
    def test_parsing_scores(self, low: bytes, high: bytes, expected: ScoreRange | None) -> None:
        assert ScoreRange.parse(low, high) == expected

    @pytest.mark.parametrize(("low", "high"), [(b"a", b"+"), (b"-", b""), (b"-x", b"+"), (b"++", b"+")])
    def test_what_is_no_range_of_members(self, low: bytes, high: bytes) -> None:
        assert LexRange.parse(low, high) is None

    def test_infinite_scores_at_open_ends(self) -> None:
        value = SortedSetValue({b"low": -inf, b"mid": 0, b"high": inf})
        assert value.by_score(ScoreRange(inf, inf, low_open=True)) == (3, 3)
        assert value.by_score(ScoreRange(-inf, inf, True, True)) == (1, 2)
        assert value.by_score(ScoreRange(inf, -inf)) == (2, 2)

    def test_members_of_mixed_scores(self) -> None:
        value = SortedSetValue({b"c": 1, b"a": 2, b"b": 3})
        interval = LexRange.parse(b"[b", b"[c")
        assert interval is not None
        assert value.by_lex(interval) == (0, 3)
        assert value.by_lex(interval, reverse=True) == (2, 3)
        above = LexRange.parse(b"[x", b"+")
        assert above is not None
        assert value.by_lex(above) == (0, 0)


class TestEncoding:
    def test_it_never_returns_to_a_listpack(self) -> None:
        limits = EncodingLimits(zset_max_listpack_entries=2, zset_max_listpack_value=3)
        value = SortedSetValue({b"a": 1, b"b": 2})
        assert value.encoding(limits) == b"listpack"
        value.put(b"c", 1)
        value.pop_min(2)
        assert value.encoding(limits) == b"skiplist"
        assert value.copy().encoding(DEFAULT_LIMITS) == b"skiplist"

    def test_a_long_member(self) -> None:
        assert SortedSetValue({b"x" * 65: 1}).encoding(DEFAULT_LIMITS) == b"skiplist"
        value = SortedSetValue()
        value.put(b"x" * 65, 1)
        assert value.encoding(DEFAULT_LIMITS) == b"skiplist"


def test_a_negative_zero_becomes_zero() -> None:
    value = SortedSetValue({b"a": -0.0})
    value.put(b"b", -0.0)
    assert [copysign(1, score) for score in value.values()] == [1, 1]


def test_a_sorted_set_that_outgrows_the_list() -> None:
    value = SortedSetValue()
    for number in range(2500):
        value.put(b"%d" % number, float(-number))
    assert value.rank(b"0") == 2499
    assert value.items_slice(0, 2) == [(-2499.0, b"2499"), (-2498.0, b"2498")]
    value.put(b"0", -9999.0)
    assert value.rank(b"0") == 0
    assert value.remove(b"0")
    assert len(value.copy().items_slice(0, 9999)) == 2499
