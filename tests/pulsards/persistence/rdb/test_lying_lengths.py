"""Every place of every type's encoding at which a length could stand, and one that lies: no memory for what is not there."""

from __future__ import annotations

import struct
import time
import tracemalloc
from contextlib import suppress
from typing import Final

import pytest

from anystore.pulsards.persistence.aof.records import AofError, RecordReader
from anystore.pulsards.persistence.rdb import RdbError, ValueType, listpack, load_payload
from tests.pulsards.persistence.rdb.files import events_of, signed_file
from tests.pulsards.persistence.rdb.test_files import EVERY_TYPE
from tests.pulsards.persistence.rdb.test_payload import signed
from tests.pulsards.persistence.rdb.test_streams import _stream as stream_body

#: As RDB lengths, of strings that are compressed, and as they stand in listpacks, ziplists and intsets.
LIES: Final = [
    b"\x7f\xff",
    b"\x80\x00\xff\xff\xff",
    b"\x80\x7f\xff\xff\xff",
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xc3\x05\x80\x1f\xff\xff\xff",
    b"\xf0\xff\xff\xff\x7f",
    b"\xff\xff\xff\x7f",
    b"\xef\xff",
    struct.pack("<q", 2**62),
]
#: A stream whose run of entries is a listpack, which the types made by hand have none of.
_STREAM: Final = (ValueType.STREAM_LISTPACKS_2, stream_body()[1:], 10)
#: What a few hundred bytes may take, in bytes and in seconds on a machine that has a lot to do.
MEMORY: Final = 600_000
PATIENCE: Final = 60

TYPES = [*EVERY_TYPE, _STREAM]


@pytest.mark.parametrize(("kind", "body", "version"), TYPES, ids=[f"{kind.name}-{v}" for kind, _, v in TYPES])
def test_s16_a_length_that_lies_costs_no_memory(kind: ValueType, body: bytes, version: int) -> None:
    begun = time.monotonic()
    tracemalloc.start()
    try:
        for place in range(len(body) + 1):
            for lie in LIES:
                # In place of a byte, in place of as many, and between two.
                for rest in {place, place + 1, place + len(lie)}:
                    bad = body[:place] + lie + body[rest:]
                    with suppress(RdbError):
                        load_payload(signed(bytes([kind]) + bad, version))
                    with suppress(RdbError):
                        events_of(signed_file(bytes([kind]) + b"\x01k" + bad, version), 64)
                    _, peak = tracemalloc.get_traced_memory()
                    assert peak < MEMORY, (place, lie, rest)
    finally:
        tracemalloc.stop()
    assert time.monotonic() < begun + PATIENCE * len(body)


@pytest.mark.parametrize("count", [100_000_000, 2**31, 2**62])
def test_s16_counts_in_the_run_of_a_stream(count: int) -> None:
    """They stand as numbers in a listpack: of entries, of removed ones, of fields."""
    numbers = [2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 1, -1, b"w", 4]
    tracemalloc.start()
    try:
        for place, number in enumerate(numbers):
            if isinstance(number, int):
                lying = [*numbers[:place], count, *numbers[place + 1 :]]
                with pytest.raises(RdbError):
                    load_payload(signed(stream_body(*lying)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY


@pytest.mark.parametrize(
    "data",
    [
        b"*2147483647\r\n$1\r\na\r\n",
        b"*99999999999999999999\r\n",
        b"*1\r\n$536870912\r\nabc",
        b"*1\r\n$9223372036854775807\r\nabc",
        b"*1048576\r\n" + b"$0\r\n\r\n" * 100,
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n" + b"x" * 1000,
    ],
)
def test_s16_a_log_whose_counts_lie(data: bytes) -> None:
    reader = RecordReader()
    tracemalloc.start()
    try:
        with suppress(AofError):
            for start in range(0, len(data), 100):
                reader.feed(data[start : start + 100])
            reader.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY


def test_what_a_listpack_says_of_itself() -> None:
    for size in (0, 6, 2**31 - 1, 2**32 - 1):
        with pytest.raises(RdbError):
            listpack.unpack(struct.pack("<IH", size, 2) + b"\x81a\x02\x81b\x02\xff")
