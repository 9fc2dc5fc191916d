from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.rdb import RdbError
from anystore.pulsards.persistence.rdb.listpack import entry, pack, unpack
from tests.pulsards.persistence.rdb.values import texts


@given(st.lists(texts, max_size=10))
def test_there_and_back(elements: list[bytes]) -> None:
    assert unpack(pack(elements)) == elements


def test_more_elements_than_the_head_can_tell() -> None:
    elements = [b"1"] * 70_000
    assert unpack(pack(elements)) == elements


@pytest.mark.parametrize(
    ("element", "size"),
    [
        (b"0", 2),
        (b"127", 2),
        (b"128", 3),
        (b"4095", 3),
        (b"-4096", 3),
        (b"4096", 4),
        (b"-32768", 4),
        (b"32768", 5),
        (b"8388608", 6),
        (b"-2147483649", 10),
        (b"", 2),
        (b"x" * 63, 65),
        (b"x" * 64, 67),
        (b"x" * 4095, 4099),
        (b"x" * 4096, 4103),
        (b"x" * 16377, 16384),
        (b"x" * 16378, 16386),
        (b"x" * 3_000_000, 3_000_009),
    ],
)
def test_sizes(element: bytes, size: int) -> None:
    assert len(entry(element)) == size
    assert unpack(pack([element])) == [element]


GOOD = pack([b"1", b"x" * 130])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\xff",
        GOOD[:-1] + b"\x00",
        GOOD[:4] + b"\x03\x00" + GOOD[6:],  # another number of elements
        GOOD[:7] + b"\x02" + GOOD[8:],  # the length of the first, read backwards
        GOOD[:-2] + b"\x85\xff",  # that of the second
        b"\x08\x00\x00\x00\x01\x00\x05\xff",  # no length to be read backwards
        b"\x09\x00\x00\x00\x01\x00\xf5\x01\xff",  # an encoding that is none
        b"\x09\x00\x00\x00\x01\x00\xf0\x01\xff",  # a length cut short
        b"\x09\x00\x00\x00\x01\x00\xf4\x01\xff",  # an integer cut short
        b"\x08\x00\x00\x00\x01\x00\xc1\xff",
        b"\x08\x00\x00\x00\x01\x00\xe1\xff",
        b"\x0d\x00\x00\x00\x01\x00\xf0\xff\xff\xff\xff\x06\xff",
    ],
)
def test_damage(data: bytes) -> None:
    with pytest.raises(RdbError):
        unpack(data)
