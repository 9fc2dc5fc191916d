from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence import crc64 as module
from anystore.pulsards.persistence.crc64 import crc64, crc64_in_python

Crc64 = Callable[..., int]

both = pytest.mark.parametrize("crc64", [crc64, crc64_in_python])


def by_bits(data: bytes) -> int:
    """The definition, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


@both
def test_the_check_value(crc64: Crc64) -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(b"") == 0


@both
@given(data=st.binary(max_size=40))
def test_it_is_the_definition(crc64: Crc64, data: bytes) -> None:
    assert crc64(data) == by_bits(data)


@both
@given(first=st.binary(max_size=40), second=st.binary(max_size=40))
def test_it_goes_on(crc64: Crc64, first: bytes, second: bytes) -> None:
    assert crc64(second, crc64(first)) == crc64(first + second)


@both
@pytest.mark.parametrize("size", [16_383, 16_384, 16_385, 50_001])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_long_data_side_by_side(crc64: Crc64, size: int, kind: type) -> None:
    data = bytes(position * 31 & 255 ^ position >> 8 & 255 for position in range(size))
    parts = [data[start : start + 9999] for start in range(0, size, 9999)]
    crc = 7
    for part in parts:  # each too short for the columns
        crc = crc64(part, crc)
    assert crc64(kind(data), 7) == crc


def test_long_data_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 200
    whole = crc64_in_python(data)
    monkeypatch.setattr(module, "_PIECE", 4096)
    assert crc64_in_python(data) == whole == crc64(data)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anycrc", None)
    assert module._chosen() is crc64_in_python
