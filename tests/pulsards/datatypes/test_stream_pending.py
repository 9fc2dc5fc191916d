from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedList

from anystore.pulsards.datatypes.stream_groups import Consumer, Group
from anystore.pulsards.datatypes.stream_pending import Delivery, PendingEntries

SOMEBODY = Consumer(b"c", 0)


def delivery() -> Delivery:
    return Delivery(SOMEBODY, 0)


class TestBesideADict:
    @given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 30))))
    def test_any_changes(self, steps: list[tuple[bool, int, int]]) -> None:
        pending = PendingEntries()
        model: set[int] = set()
        for add, number, start in steps:
            if add:
                pending.add(number, delivery())
                model.add(number)
            else:
                assert (pending.discard(number) is not None) == (number in model)
                model.discard(number)
            assert list(pending.ids_from(start)) == sorted(one for one in model if one >= start)
            assert set(pending) == model
            if model:
                assert pending.highest() == max(model)

    @pytest.mark.parametrize("seed", range(3))
    def test_many(self, seed: int) -> None:
        """In an order that makes it change how it keeps them."""
        chance = random.Random(seed)
        pending = PendingEntries()
        model = list(range(6000))
        chance.shuffle(model)
        for number in model:
            pending.add(number, delivery())
        assert isinstance(pending._order, SortedList)
        assert list(pending.ids_from(2500)) == list(range(2500, 6000))
        for number in model[:5000]:
            pending.discard(number)
        assert list(pending.ids_from()) == sorted(model[5000:])
        assert len(pending._order) <= 2 * len(pending) + 64
        for number in model[:100]:
            pending.add(number, delivery())
        assert list(pending.ids_from()) == sorted(model[5000:] + model[:100])
        assert pending.highest() == max(model[5000:] + model[:100])

    def test_in_a_large_order_an_id_comes_back(self) -> None:
        pending = PendingEntries()
        for number in [*range(3000, 6000), *range(3000)]:
            pending.add(number, delivery())
        pending.discard(7)
        pending.add(7, delivery())
        assert list(pending.ids_from())[:10] == list(range(10))

    def test_discarding_on_the_way(self) -> None:
        pending = PendingEntries()
        for number in range(1000):
            pending.add(number, delivery())
        seen = []
        for number in pending.ids_from():
            seen.append(number)
            pending.discard(number)
            pending.discard(number + 1)
        assert seen == list(range(0, 1000, 2))
        assert not pending
        assert list(pending.ids_from()) == []


class TestGroups:
    def test_an_entry_belongs_to_one_consumer(self) -> None:
        group = Group(0)
        first, second = (group.consumers.setdefault(name, Consumer(name, 5)) for name in (b"a", b"b"))
        group.deliver(7, first, 10)
        group.deliver(7, second, 20)
        assert (list(first.pending), list(second.pending)) == ([], [7])
        assert (group.pending[7].consumer, group.pending[7].time, group.pending[7].count) == (second, 20, 1)
        group.claim(7, group.pending[7], first)
        group.claim(7, group.pending[7], first)
        assert (list(first.pending), list(second.pending)) == ([7], [])
        assert group.acknowledge(7)
        assert not group.acknowledge(7)
        assert not first.pending

    def test_removing_a_consumer(self) -> None:
        group = Group(0)
        consumer = group.consumers[b"a"] = Consumer(b"a", 5)
        for number in range(5):
            group.deliver(number, consumer, 0)
        assert group.remove_consumer(b"a") == 5
        assert group.remove_consumer(b"a") is None
        assert not group.pending

    def test_copies_are_independent(self) -> None:
        group = Group(3, 2)
        consumer = group.consumers[b"a"] = Consumer(b"a", 5)
        consumer.active_time = 6
        group.deliver(1, consumer, 7)
        twin = group.copy()
        group.acknowledge(1)
        assert (twin.last_id, twin.entries_read) == (3, 2)
        other = twin.consumers[b"a"]
        assert (other.seen_time, other.active_time, list(other.pending)) == (5, 6, [1])
        assert twin.pending[1].consumer is other
        assert other.pending[1] is twin.pending[1]
