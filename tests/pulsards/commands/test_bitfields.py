from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential


@pytest.mark.parametrize(
    "operations",
    [
        *(
            "",
            "GET u8 0",
            "SET u8 0 255 GET i8 0",
            "SET i8 0 127 GET u8 0 INCRBY i8 0 1",
            "SET u8 #2 300 GET u8 #2",
        ),
        *(
            "OVERFLOW SAT INCRBY i8 0 -1",
            "OVERFLOW FAIL INCRBY i8 9 127 INCRBY i8 9 127",
            "OVERFLOW FAIL SET u2 99 7",
        ),
        *(
            "OVERFLOW SAT SET u8 #2 300",
            "overflow sat SET u8 #2 -1",
            "OVERFLOW FAIL SET u8 0 -1",
            "SET u8 0 -1",
        ),
        *(
            "SET i64 0 9223372036854775807 INCRBY i64 0 1",
            "OVERFLOW SAT SET i64 0 -9223372036854775808 INCRBY i64 0 -5",
        ),
        *(
            "SET u63 0 9223372036854775807 INCRBY u63 0 1 GET u63 0",
            "GET i64 1 GET u63 5",
            "SET u1 3 1 SET i1 4 1",
        ),
        *(
            "SET u5 3 21 SET i13 9 -1000 GET u5 3 GET i13 9",
            "OVERFLOW SAT SET i13 9 -5000 OVERFLOW WRAP SET i13 9 5000",
        ),
        *(
            "GET u64 0",
            "GET i65 0",
            "GET u0 0",
            "GET i0 0",
            "GET x8 0",
            "GET u 0",
            "GET u+8 0",
            "GET u08 0",
            "GET U8 0",
        ),
        *(
            "GET u8 -1",
            "GET u8 #x",
            "GET u8 #-1",
            "GET u8 x",
            "GET u8 4294967295",
            "GET u8 4294967296",
            "GET u8 #",
        ),
        *(
            "GET u8 #536870911",
            "GET u8 #536870912",
            "SET u8 0",
            "SET u8 0 x",
            "FOO u8 0 x",
            "OVERFLOW",
            "GET",
            "GET u8",
        ),
        *(
            "OVERFLOW FOO",
            "OVERFLOW FAIL",
            "OVERFLOW SAT GET u8 0",
            "SET u8 0 9223372036854775808",
            "SET u8 x x",
        ),
        *(
            "INCRBY u8 0",
            "INCRBY u2 100 1 OVERFLOW FAIL INCRBY u2 102 4",
            "GET u8 0 FOO",
            "SET u2 800 0",
            "SET u2 0 0",
        ),
    ],
)
def test_operations(peers: Differential, operations: str) -> None:
    peers.check([("SET", "s", b"\x12\x34\xff\xff\x80\x01"), "RPUSH list x"])
    for name in ("BITFIELD", "bitfield_ro"):
        peers.check([f"{name} {key} {operations}".rstrip() for key in ("s", "no", "list")])
    peers.check_state()


def test_events(peers: Differential) -> None:
    peers.events(["SET b x", "BITFIELD b GET u8 0", "BITFIELD no GET u8 0", "BITFIELD b SET u8 0 64"])
    peers.events(["BITFIELD b SET u8 0 64", "BITFIELD b INCRBY u8 0 1", "BITFIELD b INCRBY u8 0 0"])
    peers.events(["BITFIELD b OVERFLOW FAIL SET u2 0 5", "BITFIELD c OVERFLOW FAIL SET u2 0 5", "EXISTS c"])
    peers.events(["BITFIELD d SET u2 0 0", "BITFIELD e GET u2 0 SET u2 800 0 INCRBY u2 800 1"])


_KEYS = st.sampled_from(["s", "no", "list"])
_TYPES = st.builds("{}{}".format, st.sampled_from("iu"), st.integers(1, 64))
_OFFSETS = st.integers(0, 70).map(str) | st.integers(0, 4).map("#{}".format)
_NUMBERS = (st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)).map(str)
_OVERFLOWS = st.sampled_from(["WRAP", "sat", "FAIL"])

_COMMANDS = sequences(
    ("BITFIELD", _KEYS, "GET", _TYPES, _OFFSETS),
    ("BITFIELD", _KEYS, "SET", _TYPES, _OFFSETS, _NUMBERS),
    ("BITFIELD", _KEYS, "OVERFLOW", _OVERFLOWS, "SET", _TYPES, _OFFSETS, _NUMBERS),
    ("BITFIELD", _KEYS, "OVERFLOW", _OVERFLOWS, "INCRBY", _TYPES, _OFFSETS, _NUMBERS),
    (
        "BITFIELD",
        _KEYS,
        "SET",
        _TYPES,
        _OFFSETS,
        _NUMBERS,
        "GET",
        _TYPES,
        _OFFSETS,
        "INCRBY",
        _TYPES,
        _OFFSETS,
        "1",
    ),
    ("BITFIELD_RO", _KEYS, "GET", _TYPES, _OFFSETS, "GET", _TYPES, _OFFSETS),
    ("SET", _KEYS, st.binary(max_size=12)),
)


@given(commands=_COMMANDS)
def test_any_commands_do_the_same(lasting_peers: Differential, commands: list[Any]) -> None:
    run_sequence(lasting_peers, ["SET s foobar", "RPUSH list x"], commands)
