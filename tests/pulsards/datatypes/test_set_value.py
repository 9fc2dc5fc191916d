from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import (
    DEFAULT_LIMITS,
    EncodingLimits,
    SetValue,
    SortedSetValue,
    difference,
    intersection,
    intersection_size,
    union,
)

members = st.one_of(
    st.integers(-5, 20).map(lambda number: b"%d" % number), st.sampled_from([b"a", b"b", b"01"])
)
operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "add_many", "remove_many", "pop", "scan"]),
        st.lists(members, max_size=5),
    ),
    max_size=30,
)


@given(operations)
def test_it_behaves_as_a_set(steps: list[tuple[str, list[bytes]]]) -> None:
    value, model = SetValue(), set[bytes]()
    for name, names in steps:
        if name == "add":
            for member in names:
                assert value.add(member) == (member not in model)
                model.add(member)
        elif name == "remove":
            for member in names:
                assert value.remove(member) == (member in model)
                model.discard(member)
        elif name == "add_many":
            assert value.add_many(names) == len(set(names) - model)
            model |= set(names)
        elif name == "remove_many":
            assert value.remove_many(names) == len(set(names) & model)
            model -= set(names)
        elif name == "pop":
            popped = value.pop_random(len(names))
            assert len(popped) == min(len(names), len(model))
            assert set(popped) <= model
            model -= set(popped)
        else:
            assert Counter(value.scan(0, 100, compact=False)[1]) == Counter(model)
        assert set(value) == model
        assert len(value) == len(model)
    assert value.copy() == value
    assert set(value.members(DEFAULT_LIMITS)) == model


class TestEncoding:
    def test_integers_are_sorted_until_something_else_comes(self) -> None:
        value = SetValue([b"10", b"9", b"-1"])
        assert value.encoding(DEFAULT_LIMITS) == b"intset"
        assert value.members(DEFAULT_LIMITS) == [b"-1", b"9", b"10"]
        value.add(b"x")
        value.remove(b"x")
        assert value.encoding(DEFAULT_LIMITS) == b"listpack"
        assert value.members(DEFAULT_LIMITS) == [b"10", b"9", b"-1"]

    @pytest.mark.parametrize("many", [True, False])
    def test_limits(self, many: bool) -> None:
        limits = EncodingLimits(
            set_max_intset_entries=4, set_max_listpack_entries=2, set_max_listpack_value=3
        )

        def built(*names: bytes) -> SetValue:
            value = SetValue()
            if many:
                value.add_many(names)
            else:
                for name in names:
                    value.add(name)
            return value

        assert built(b"1", b"2", b"3", b"4").encoding(limits) == b"intset"
        assert built(b"1", b"2", b"3", b"4", b"5").encoding(limits) == b"hashtable"
        assert built(b"a", b"b").encoding(limits) == b"listpack"
        assert built(b"a", b"b", b"c").encoding(limits) == b"hashtable"
        assert built(b"1", b"2", b"3", b"a").encoding(limits) == b"hashtable"
        assert built(b"1", b"a").encoding(limits) == b"listpack"
        assert built(b"abcd").encoding(limits) == b"hashtable"
        # What had outgrown the integer encoding before the first other member is in a hash table for good.
        outgrown = built(b"1", b"2", b"3", b"4", b"5", b"a")
        outgrown.remove_many([b"1", b"2", b"3", b"4", b"5"])
        assert outgrown.encoding(limits) == b"hashtable"
        assert outgrown.copy().encoding(DEFAULT_LIMITS) == b"hashtable"

    def test_a_long_intset_that_shrank_becomes_a_listpack(self) -> None:
        value = SetValue(b"%d" % number for number in range(300))
        value.remove_many([b"%d" % number for number in range(290)])
        value.add(b"a")
        assert value.encoding(DEFAULT_LIMITS) == b"listpack"


sets = st.lists(st.sets(members), min_size=1, max_size=4)


@given(sets, st.integers(0, 5))
def test_the_algebra(plain: list[set[bytes]], limit: int) -> None:
    values = [SetValue(one) for one in plain]
    assert union(values) == set().union(*plain)
    common = plain[0].intersection(*plain[1:])
    assert intersection(values) == common
    assert intersection_size(values) == len(common)
    assert intersection_size(values, limit) == (min(limit, len(common)) if limit else len(common))
    assert difference(values[0], values[1:]) == plain[0].difference(*plain[1:])


def test_sorted_sets_take_part_in_the_algebra() -> None:
    scores = SortedSetValue({b"a": 1.0, b"b": 2.0})
    assert union([SetValue([b"c"]), scores]) == {b"a", b"b", b"c"}
    assert intersection([scores, SetValue([b"b", b"c", b"d"])]) == {b"b"}
    assert difference(scores, [SetValue([b"b"])]) == {b"a"}


def test_differences_with_larger_sets() -> None:
    large = SetValue(b"%d" % number for number in range(1000))
    assert difference(SetValue([b"1", b"x"]), [large]) == {b"x"}
    assert difference(SetValue([b"1"]), [large, large]) == set()
    assert intersection([SetValue([b"1"]), SetValue([b"2"]), large]) == set()
