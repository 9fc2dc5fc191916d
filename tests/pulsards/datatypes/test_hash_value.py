from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.datatypes import DEFAULT_LIMITS, EncodingLimits, HashValue

names = st.integers(0, 12).map(lambda number: b"f%d" % number)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, st.binary(max_size=4)),
        st.tuples(st.just("put_many"), st.lists(names, max_size=4), st.binary(max_size=4)),
        st.tuples(st.just("remove"), names, st.none()),
        st.tuples(st.just("remove_many"), st.lists(names, max_size=4), st.none()),
        st.tuples(st.just("expire_at"), names, st.integers(1, 9)),
        st.tuples(st.just("persist"), names, st.none()),
        st.tuples(st.just("scan"), st.just(b""), st.none()),
    ),
    max_size=40,
)


class Model:
    """The same by the simplest means."""

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.expires: dict[bytes, int] = {}

    def put(self, field: bytes, value: bytes) -> bool:
        new = field not in self.fields
        self.fields[field] = value
        self.expires.pop(field, None)
        return new

    def remove(self, field: bytes) -> bool:
        self.expires.pop(field, None)
        return self.fields.pop(field, None) is not None


@given(operations)
def test_it_behaves_as_the_model(steps: list[tuple[str, object, object]]) -> None:
    value, model = HashValue(), Model()
    for name, field, content in steps:
        match name, field, content:
            case "put", bytes(), bytes():
                assert value.put(field, content) == model.put(field, content)
            case "put_many", list(), bytes():
                pairs = [part for one in field for part in (one, content)]
                assert value.put_many(pairs) == sum([model.put(one, content) for one in field])
            case "remove", bytes(), _:
                assert value.remove(field) == model.remove(field)
            case "remove_many", list(), _:
                assert value.remove_many(field) == sum([model.remove(one) for one in field])
            case "expire_at", bytes(), int() if field in value:
                value.expire_at(field, content)
                model.expires[field] = content
            case "persist", bytes(), _:
                assert value.persist(field) == (model.expires.pop(field, None) is not None)
            case _:
                found = value.scan(0, 100, compact=False)[1]
                assert Counter(found) == Counter(list(model.fields))
        assert list(value.items()) == list(model.fields.items())
        assert (value.expires or {}) == model.expires
        assert value.expires is None or value.expires
    twin = value.copy()
    assert twin == value
    assert twin.expires == value.expires
    assert twin.encoding(DEFAULT_LIMITS) == value.encoding(DEFAULT_LIMITS)
    twin.put(b"another", b"")
    assert b"another" not in value


class TestEncoding:
    def test_it_never_returns_to_a_listpack(self) -> None:
        limits = EncodingLimits(hash_max_listpack_entries=2, hash_max_listpack_value=4)
        value = HashValue()
        value.put_many([b"a", b"1", b"b", b"2"])
        assert value.encoding(limits) == b"listpack"
        value.put(b"c", b"3")
        value.remove(b"c")
        assert value.encoding(limits) == b"hashtable"
        assert value.encoding(EncodingLimits()) == b"hashtable"
        assert value.copy().encoding(EncodingLimits()) == b"hashtable"

    def test_a_long_field_or_value(self) -> None:
        limits = EncodingLimits(hash_max_listpack_value=4)
        for field, content in ((b"12345", b""), (b"", b"12345")):
            value = HashValue()
            value.put(field, content)
            assert value.encoding(limits) == b"hashtable"
            value = HashValue()
            value.put_many([field, content])
            value.remove(field)
            assert value.encoding(limits) == b"hashtable"

    def test_a_value_that_becomes_longer(self) -> None:
        value = HashValue()
        value.put(b"f", b"1")
        value.put(b"f", b"x" * 65)
        assert value.encoding(DEFAULT_LIMITS) == b"hashtable"

    def test_with_an_expiry(self) -> None:
        value = HashValue()
        value.put(b"f", b"1")
        value.expire_at(b"f", 1)
        assert value.encoding(DEFAULT_LIMITS) == b"listpackex"


class TestRandomAndScan:
    def test_a_compact_one_is_returned_whole(self) -> None:
        value = HashValue()
        value.put_many([b"a", b"1", b"b", b"2"])
        assert value.scan(0, 1, compact=True) == (0, [b"a", b"b"])

    def test_a_scan_under_way_goes_on_when_the_hash_shrinks(self) -> None:
        value = HashValue()
        for number in range(100):
            value.put(b"%d" % number, b"")
        cursor, seen = value.scan(0, 40, compact=False)
        for number in range(100):
            if number % 10:
                value.remove(b"%d" % number)
        while cursor:
            cursor, found = value.scan(cursor, 4, compact=True)
            seen += found
        assert {b"%d" % number for number in range(0, 100, 10)} <= set(seen)

    def test_samples(self) -> None:
        for size in (1, 5, 500):
            value = HashValue()
            for number in range(size):
                value.put(b"%d" % number, b"")
            assert value.random_member() in value
            assert len(set(value.random_sample(3))) == min(3, size)
            assert value.random_sample(size + 1) == list(value)
            assert len(value.random_choices(700)) == 700
            assert set(value.random_choices(3)) <= set(value)
            assert len(set(value.random_sample(size // 2))) == size // 2
            assert {value.random_member() for _ in range(5)} <= set(value)
        assert HashValue().random_choices(3) == []
        assert HashValue().random_sample(3) == []

    def test_each_member_is_drawn(self) -> None:
        value = HashValue()
        value.put_many([b"a", b"", b"b", b"", b"c", b""])
        drawn = Counter(value.random_member() for _ in range(3000))
        assert min(drawn[name] for name in (b"a", b"b", b"c")) > 800
