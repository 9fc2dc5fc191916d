from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.rdb import RdbError
from anystore.pulsards.persistence.rdb.legacy import pack_intset, unpack_intset, unpack_ziplist, unpack_zipmap


def ziplist(*encoded: bytes, far: bool = False) -> bytes:
    """A ziplist of elements that are encoded already; `far` writes the longer form of the sizes before."""
    body = b""
    tail = 10
    before = 0
    for element in encoded:
        size = bytes([before]) if before < 254 and not far else b"\xfe" + struct.pack("<I", before)
        tail = 10 + len(body)
        before = len(size) + len(element)
        body += size + element
    return struct.pack("<IIH", 11 + len(body), tail, len(encoded)) + body + b"\xff"


class TestIntsets:
    @given(st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1))
    def test_there_and_back(self, numbers: set[int]) -> None:
        assert unpack_intset(pack_intset([b"%d" % number for number in numbers])) == [
            b"%d" % number for number in sorted(numbers)
        ]

    @pytest.mark.parametrize(
        ("numbers", "width"),
        [([1, -32768], 2), ([32768], 4), ([-32769], 4), ([2**31 - 1], 4), ([2**31], 8), ([-(2**63)], 8)],
    )
    def test_the_width(self, numbers: list[int], width: int) -> None:
        assert len(pack_intset([b"%d" % number for number in numbers])) == 8 + width * len(numbers)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x02\x00\x00\x00\x00\x00\x00\x00",
            b"\x03\x00\x00\x00\x01\x00\x00\x00abc",
            b"\x02\x00\x00\x00\x02\x00\x00\x00ab",
            b"\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00",
            b"\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00",
        ],
    )
    def test_damage(self, data: bytes) -> None:
        with pytest.raises(RdbError):
            unpack_intset(data)


class TestZiplists:
    @pytest.mark.parametrize("far", [False, True])
    def test_every_encoding(self, far: bool) -> None:
        elements = [
            (b"\x03abc", b"abc"),
            (b"\x41\x00" + b"x" * 256, b"x" * 256),
            (b"\x80\x00\x00\x40\x00" + b"y" * 16384, b"y" * 16384),
            (b"\xf1", b"0"),
            (b"\xfd", b"12"),
            (b"\xfe\xff", b"-1"),
            (b"\xc0\x00\x80", b"-32768"),
            (b"\xf0\xff\xff\x7f", b"8388607"),
            (b"\xd0\x00\x00\x00\x80", b"-2147483648"),
            (b"\xe0" + b"\xff" * 7 + b"\x7f", b"9223372036854775807"),
            (b"\x00", b""),
        ]
        data = ziplist(*[encoded for encoded, _ in elements], far=far)
        assert unpack_ziplist(data) == [element for _, element in elements]
        assert unpack_ziplist(ziplist()) == []

    def test_a_number_of_elements_that_is_not_told(self) -> None:
        data = ziplist(b"\xf1")
        assert unpack_ziplist(data[:8] + b"\xff\xff" + data[10:]) == [b"0"]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            ziplist(b"\xf1")[:-1],
            ziplist(b"\xf1")[:-1] + b"\x00",
            ziplist(b"\xf1", b"\xf2")[:8] + b"\x01\x00" + ziplist(b"\xf1", b"\xf2")[10:],
            ziplist(b"\xf1", b"\xf2")[:4] + b"\x0a" + ziplist(b"\xf1", b"\xf2")[5:],
            ziplist(b"\xf1", b"\xf2")[:12] + b"\x05\xf2\xff",
            ziplist(b"\x05abc"),
            ziplist(b"\x41\x00abc"),
            ziplist(b"\x80\x00\x00\x01\x00abc"),
            ziplist(b"\x80\xff\xff\xff\xff"),
            ziplist(b"\x40"),
            ziplist(b"\x80"),
            ziplist(b"\xc0\x01"),
            ziplist(b"\xe0\x01"),
            ziplist(b"\xff"),
            ziplist(b"\xc1\x01\x01"),
            ziplist(b""),
            struct.pack("<IIH", 13, 10, 1) + b"\xfe\x00\xff",
            struct.pack("<IIH", 13, 10, 1) + b"\xff\x00\xff",
        ],
    )
    def test_damage(self, data: bytes) -> None:
        with pytest.raises(RdbError):
            unpack_ziplist(data)


class TestZipmaps:
    def test_every_form(self) -> None:
        long = b"k" * 300
        data = b"\xff\x01a\x01\x02bxx" + b"\xfe" + struct.pack("<I", 300) + long + b"\x00\x00" + b"\xff"
        assert unpack_zipmap(data) == [b"a", b"b", long, b""]
        assert unpack_zipmap(b"\x00\xff") == []

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x01",
            b"\x01\x01a\xff",
            b"\x02\x01a\x01\x00b\xff",
            b"\x01\x05a\x01\x00b\xff",
            b"\x01\x01a\x01\x09b\xff",
            b"\x01\xfe\x01\x00\xff",
            b"\x01\xff\x01\x00\xff",
            b"\x01\x01a\x01\xff",
        ],
    )
    def test_damage(self, data: bytes) -> None:
        with pytest.raises(RdbError):
            unpack_zipmap(data)
