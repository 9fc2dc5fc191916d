"""What files say of where their data are in a history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.place import Place, place_in_annotation, place_in_fields

ID = b"a1" * 20


@given(st.integers(0, 10**19 - 1), st.integers(0, 1000))
def test_what_is_written_is_read(offset: int, selected: int) -> None:
    place = Place(ID, offset, selected)
    assert place_in_fields({b"redis-ver": b"7.4.0", **place.fields()}) == place
    assert place_in_annotation(place.annotation().removesuffix(b"\r\n")) == place


@pytest.mark.parametrize(
    "line",
    [
        b"#TS:1700000000",
        b"#REPL:",
        b"#REPL:" + ID + b":1",
        b"#REPL:" + ID + b":1:0:0",
        b"#REPL:" + ID[1:] + b":1:0",
        b"#REPL:" + ID + b":-1:0",
        b"#REPL:" + ID + b":1:-1",
        b"#REPL:" + ID + b":" + b"1" * 20 + b":0",
        ID + b":1:0",
    ],
)
def test_what_says_nothing(line: bytes) -> None:
    assert place_in_annotation(line) is None


def test_fields_that_say_nothing() -> None:
    # Redis writes -1 where it does not know.
    assert place_in_fields({}) is None
    assert place_in_fields({b"repl-id": ID, b"repl-offset": b"1", b"repl-stream-db": b"-1"}) is None
    assert place_in_fields({b"repl-id": ID, b"repl-stream-db": b"0"}) is None
