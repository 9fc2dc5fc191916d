"""Random values of every type, and what they hold in plain Python."""

from __future__ import annotations

from math import inf
from typing import Any

from hypothesis import strategies as st

from anystore.pulsards.datatypes import HashValue, ListValue, SetValue, SortedSetValue
from anystore.pulsards.persistence.rdb import Value

integers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(
        [0, 12, 13, 127, 128, 4095, 4096, -4096, -4097, 32767, 32768, 8388607, 8388608, 2**31, -(2**31)]
    ),
).map(lambda number: b"%d" % number)
lengths = st.sampled_from([0, 11, 20, 21, 63, 64, 127, 128, 4095, 4096, 16382, 16384])
texts = st.one_of(
    integers,
    st.binary(max_size=30),
    st.builds(lambda part, length: (part * length)[:length], st.binary(min_size=1, max_size=12), lengths),
    st.builds(
        lambda seed, length: bytes(seed * place >> 3 & 255 for place in range(length)),
        st.integers(1),
        lengths,
    ),
)
scores = st.one_of(
    st.floats(allow_nan=False), st.integers(-9, 9).map(float), st.sampled_from([inf, -inf, 1e20])
)


def hash_of(fields: dict[bytes, bytes]) -> HashValue:
    value = HashValue()
    value.put_many([part for pair in fields.items() for part in pair])
    return value


lists = st.lists(texts, min_size=1, max_size=12).map(ListValue)
sets = st.one_of(st.sets(texts, min_size=1, max_size=12), st.sets(integers, min_size=1)).map(SetValue)
sorted_sets = st.dictionaries(texts, scores, min_size=1, max_size=12).map(SortedSetValue)
hashes = st.dictionaries(texts, texts, min_size=1, max_size=12).map(hash_of)
large = st.one_of(
    st.integers(130, 700).map(lambda size: ListValue(b"element %d" % number for number in range(size))),
    st.integers(130, 700).map(lambda size: SetValue(b"%d" % number for number in range(size))),
    st.integers(130, 700).map(lambda size: SetValue(b"m%d" % number for number in range(size))),
    st.integers(130, 700).map(lambda size: SortedSetValue({b"m%d" % n: n / 7 for n in range(size)})),
    st.integers(130, 700).map(lambda size: hash_of({b"f%d" % n: b"%d" % n for n in range(size)})),
)
values: st.SearchStrategy[Value] = st.one_of(texts, lists, sets, sorted_sets, hashes, large)


def content(value: Value) -> Any:
    """The value as something that can be compared: type and elements."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, ListValue):
        return list(value)
    if isinstance(value, SetValue):
        return set(value)
    if isinstance(value, SortedSetValue):
        return value.items_slice(0, len(value))
    return dict(value), value.expires
