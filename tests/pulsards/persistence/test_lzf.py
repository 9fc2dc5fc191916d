from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.lzf import compress, decompress

repetitive = st.lists(st.sampled_from([b"a", b"ab", b"hello ", b"\x00" * 9, b"xyz"]), max_size=300).map(
    b"".join
)


@given(st.one_of(st.binary(max_size=100), repetitive))
def test_there_and_back(data: bytes) -> None:
    packed = compress(data)
    if packed is not None:
        assert len(packed) <= len(data) - 4
        assert decompress(packed, len(data)) == data


@pytest.mark.parametrize("size", [30, 264, 265, 266, 267, 300, 9000, 100_000])
def test_runs(size: int) -> None:
    packed = compress(b"x" * size)
    assert packed is not None
    assert len(packed) <= size // 60 + 12
    assert decompress(packed, size) == b"x" * size


@pytest.mark.parametrize("gap", [8188, 8189, 8190, 8191, 8192, 8193, 9000])
def test_the_farthest_reference(gap: int) -> None:
    between = b"".join(b"%05d" % (number * 7919 % 99991) for number in range(2000))[:gap]
    data = b"~needle~" + between + b"~needle~" + b"z" * 200
    packed = compress(data)
    assert packed is not None
    assert decompress(packed, len(data)) == data


def test_what_does_not_shrink() -> None:
    assert compress(bytes(range(256))) is None
    assert compress(b"") is None
    assert compress(b"aaaa") is None


def test_what_redis_writes() -> None:
    assert decompress(b"\x03abca\xe0-\x02\x01bc", 60) == b"abc" * 20


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"\x05ab", 6),  # literals cut short
        (b"\x20\x00", 3),  # a reference before the beginning
        (b"\x00a\x20\x01", 4),  # the same, by one
        (b"\x00a\xe0", 9),  # a length cut short
        (b"\x00a\xe0\x00", 9),  # a distance cut short
        (b"\x00a\x20", 9),
        (b"\x00a\x20\x00", 3),  # longer than announced
        (b"\x00a\x20\x00", 5),  # shorter than announced
        (b"", 1),
        (b"\x00a", 10**12),
    ],
)
def test_damage(data: bytes, size: int) -> None:
    assert decompress(data, size) is None


@given(st.binary(max_size=60), st.integers(0, 3000))
def test_anything_gives_the_announced_size_or_nothing(data: bytes, size: int) -> None:
    found = decompress(data, size)
    assert found is None or len(found) == size
