from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import hyperloglog
from anystore.pulsards.datatypes.hyperloglog import murmur, register_of
from anystore.pulsards.datatypes.hyperloglog_sparse import (
    CorruptHyperLogLogError,
    Place,
    decode,
    set_register,
)


@given(element=st.binary(max_size=40))
def test_hashes_are_64_bits(element: bytes) -> None:
    assert 0 <= murmur(element) < 2**64
    index, rank = register_of(element)
    assert 0 <= index < 16384
    assert 1 <= rank <= 51


@given(registers=st.lists(st.integers(0, 63), min_size=1, max_size=40))
def test_dense_registers_there_and_back(registers: list[int]) -> None:
    value = hyperloglog.create()
    hyperloglog.make_dense(value)
    every = bytes((registers * 16384)[:16384])
    hyperloglog.write_dense(value, every)
    assert hyperloglog.read_registers(value) == every
    assert len(value) == hyperloglog.DENSE_SIZE


@pytest.mark.parametrize("seed", range(4))
def test_sparse_registers_beside_a_plain_array(seed: int) -> None:
    """In any order, without limit, so that a value gets as long as it can."""
    chance = random.Random(seed)
    value = hyperloglog.create()
    model = bytearray(16384)
    for _ in range(3000):
        index = chance.choice([chance.randrange(16384), chance.randrange(300), 0, 16383])
        rank = min(int(chance.expovariate(0.6)) + 1, 32)
        changed = set_register(value, index, rank, 1 << 20, Place())
        assert changed == (rank > model[index])
        model[index] = max(model[index], rank)
    assert decode(value) == model


@pytest.mark.parametrize("seed", range(4))
def test_ascending_registers_give_the_same_bytes_as_single_ones(seed: int) -> None:
    chance = random.Random(seed)
    first, second = hyperloglog.create(), hyperloglog.create()
    for _ in range(chance.choice([50, 1000])):
        index, rank = chance.randrange(16384), chance.randint(1, 3)
        for value in (first, second):
            set_register(value, index, rank, 1 << 20, Place())
    place = Place()
    for index in sorted(chance.sample(range(16384), 1500)):
        rank = chance.randint(1, 3)
        set_register(first, index, rank, 1 << 20, place)
        set_register(second, index, rank, 1 << 20, Place())
        assert first == second


def test_a_value_that_is_too_large_for_the_sparse_form() -> None:
    value = hyperloglog.create()
    assert set_register(value, 5, 33, 3000, Place()) is None
    assert set_register(value, 5, 32, 19, Place()) is None
    assert set_register(value, 5, 32, 3000, Place()) is True


@pytest.mark.parametrize("runs", [b"", b"\x40", b"\x00\x40", b"\x83" * 2000, b"\x83" * 1500 + b"\x40"])
def test_registers_that_are_not_there(runs: bytes) -> None:
    with pytest.raises(CorruptHyperLogLogError):
        set_register(bytearray(hyperloglog.create()[:16] + runs), 16000, 1, 3000, Place())


@pytest.mark.parametrize("count", [0, 1, 100, 10_000])
def test_estimates(count: int) -> None:
    value = hyperloglog.create()
    hyperloglog.add(value, [b"%d" % number for number in range(count)], 3000)
    assert abs(hyperloglog.estimate(hyperloglog.read_registers(value)) - count) <= count * 0.03
