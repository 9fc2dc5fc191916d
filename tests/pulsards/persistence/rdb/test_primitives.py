from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.rdb import RdbError, RdbReader, RdbWriter
from tests.pulsards.persistence.rdb.values import texts


@given(st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([63, 64, 16383, 16384, 2**32 - 1, 2**32])))
def test_lengths(number: int) -> None:
    writer = RdbWriter()
    writer.length(number)
    reader = RdbReader(bytes(writer.buffer))
    assert reader.length() == number
    assert reader.remaining == 0


@given(texts, st.integers(0, 30_000))
def test_strings(text: bytes, compression: int) -> None:
    writer = RdbWriter(compression)
    writer.string(text)
    writer.blob(text)
    reader = RdbReader(bytes(writer.buffer))
    assert reader.string() == text
    assert reader.string() == text
    assert reader.remaining == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (b"1", 2),
        (b"-128", 2),
        (b"128", 3),
        (b"-32768", 3),
        (b"32768", 5),
        (b"-2147483648", 5),
        (b"2147483648", 11),
    ],
)
def test_numbers_take_as_few_bytes_as_they_need(text: bytes, size: int) -> None:
    writer = RdbWriter()
    writer.string(text)
    assert len(writer.buffer) == size


def test_doubles_and_times() -> None:
    writer = RdbWriter()
    writer.double(1.5)
    writer.milliseconds(1_700_000_000_000)
    reader = RdbReader(bytes(writer.buffer))
    assert reader.double() == 1.5
    assert reader.milliseconds() == 1_700_000_000_000


def test_a_reader_keeps_to_its_part() -> None:
    reader = RdbReader(b"xx\x02abyy", 2, 5)
    assert reader.string() == b"ab"
    for read in (reader.byte, reader.length, reader.string, reader.double):
        with pytest.raises(RdbError):
            read()
    assert reader.position == 5


def test_counts_are_compared_with_what_is_left() -> None:
    assert RdbReader(b"\x02ab").count() == 2
    for data, least in ((b"\x03ab", 1), (b"\x02abc", 2), (b"\x00", 1)):
        with pytest.raises(RdbError):
            RdbReader(data).count(least)
