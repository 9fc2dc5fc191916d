from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_CHECKED_FIRST = "since 7.2 the arguments are looked at before the key"
_NO_END = "Valkey 9 takes a start alone"

KNOWN = {
    ("redis", "BITCOUNT no x 0"): _CHECKED_FIRST,
    ("redis", "BITCOUNT no 0 0 FOO"): _CHECKED_FIRST,
    ("redis", "BITCOUNT no 0"): _CHECKED_FIRST,
    ("redis", "BITCOUNT list x 0"): _CHECKED_FIRST,
    ("redis", "BITCOUNT list 0 0 FOO"): _CHECKED_FIRST,
    ("redis", "BITCOUNT list 0"): _CHECKED_FIRST,
    ("redis", "BITPOS no 0 x"): _CHECKED_FIRST,
    ("redis", "BITPOS no 1 0 9 FOO"): _CHECKED_FIRST,
    ("redis", "BITPOS no 1 0 x"): _CHECKED_FIRST,
    ("redis", "BITPOS no 1 x"): _CHECKED_FIRST,
    ("redis", "BITPOS no 1 0 9 BIT x"): _CHECKED_FIRST,
    **{("valkey", f"BITCOUNT {key} 0"): _NO_END for key in ("s", "no", "list")},
}


class TestSingleBits:
    @pytest.mark.parametrize(
        "offset", ["0", "7", "8", "100", "-1", "x", "4294967295", "4294967296", "#1", "01"]
    )
    def test_offsets(self, peers: Differential, offset: str) -> None:
        peers.check([("SET", "s", b"\x01\x80"), "RPUSH list x"])
        peers.check([f"GETBIT {key} {offset}" for key in ("s", "no", "list")])
        if len(offset) < 4:
            for bit in ("1", "0", "1"):
                peers.check([f"SETBIT s {offset} {bit}", f"SETBIT no {offset} {bit}"])
            peers.check_state()

    def test_setting_and_clearing(self, peers: Differential) -> None:
        peers.check(["RPUSH list x", "SETBIT list 0 1", "SETBIT list x 1", "SETBIT list 0 2", "SETBIT a 0 x"])
        peers.check(["SETBIT a 0 -1", "SETBIT a 0 01", ("SETBIT", "a", "0", ""), "EXISTS a", "SETBIT a 9 0"])
        peers.check(["SET n 5 PXAT 33177117420000", "SETBIT n 6 1", "GET n", "PEXPIRETIME n", "APPEND n x"])
        peers.check(["SETBIT list 4294967296 1", "SETBIT a 4294967296 1"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["SETBIT b 1 1", "SETBIT b 1 1", "SETBIT b 1 0", "SETBIT b 100 0", "SETBIT c 1 0", "GETBIT d 1"]
        )

    def test_no_further_than_the_longest_string(self) -> None:
        client = EngineClient(proto_max_bulk_len="1mb")
        assert client.execute("SETBIT", "a", 8 * 1024 * 1024 - 1, 1) == 0
        refusal = ("error", "ERR bit offset is not an integer or out of range")
        assert client.execute("SETBIT", "a", 8 * 1024 * 1024, 1) == refusal


_RANGES = [
    *(
        "",
        "0",
        "0 0",
        "0 -1",
        "1 1",
        "0 -5",
        "-1 -5",
        "-100 -50",
        "5 30 BIT",
        "5 30 byte",
        "5 30 FOO",
        "x 30 FOO",
    ),
    *("x 0", "0 x", "1 2 BIT x", "10 5 BIT", "47 47 BIT", "48 100 BIT", "-1 -1 BIT", "0 9223372036854775807"),
    *("0 9223372036854775808", "-9223372036854775808 0", "0 0 FOO", "3 3", "8 15 bit", "9 14 BIT", "7 8 BIT"),
]


class TestCounting:
    @pytest.mark.parametrize("bounds", _RANGES)
    def test_ranges(self, peers: Differential, bounds: str) -> None:
        peers.check(["SET s foobar", "RPUSH list x", f"BITCOUNT s {bounds}".rstrip()])
        if bounds in ("", "0", "0 0", "x 0", "0 0 FOO"):
            peers.check([f"BITCOUNT {key} {bounds}".rstrip() for key in ("no", "list")])

    def test_of_nothing(self, peers: Differential) -> None:
        peers.check([("SET", "empty", ""), "BITCOUNT empty", "BITCOUNT empty 0 -1", "BITCOUNT empty 0 0 BIT"])


class TestFinding:
    @pytest.mark.parametrize("bounds", [*_RANGES, "100", "-1", "2", "1 x FOO", "x"])
    def test_ranges(self, peers: Differential, bounds: str) -> None:
        for text in (b"foobar", b"\xff\xff\xff\xff\xff\xff", b"\0\0\0\0\0\x01", b"\xff\xf0", b"\0", b""):
            peers.check([("SET", "s", text)])
            for bit in ("0", "1"):
                peers.check([f"BITPOS s {bit} {bounds}".rstrip()])

    @pytest.mark.parametrize(
        "arguments",
        ["0", "1", "2", "-1", "x", "0 x", "1 0 9", "1 0 x", "1 0 9 FOO", "1 x", "1 0 9 BIT x", "0 1"],
    )
    def test_where_there_is_no_string(self, peers: Differential, arguments: str) -> None:
        peers.check(["RPUSH list x", f"BITPOS no {arguments}"])
        if "x" not in arguments and "FOO" not in arguments:
            peers.check([f"BITPOS list {arguments}"])


class TestCombining:
    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "AND d s t",
                "or d s t no",
                "XOR d s t u",
                "NOT d s",
                "AND d s no",
                "NOT d s t",
                "NOT d",
                "FOO d s",
            ),
            *(
                "AND d s list",
                "NOT d list",
                "NOT d no",
                "AND e no",
                "OR s s t",
                "XOR s s s",
                "FOO list list",
                "AND d",
            ),
            *("AND d s", "OR d", "OR list s t", "not s s"),
        ],
    )
    def test_operations(self, peers: Differential, arguments: str) -> None:
        peers.check(
            [("SET", "s", b"foobar"), ("SET", "t", b"\0\xff\xf0"), "SETBIT u 77 1", "SET d x EX 1000"]
        )
        peers.check(["RPUSH list x", f"BITOP {arguments}"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["SET a x", "BITOP OR d a no", "BITOP NOT d a", "BITOP AND d no no2", "BITOP AND d no no2"]
        )


_KEYS = st.sampled_from(["s", "t", "u", "no", "list"])
_OFFSETS = st.integers(-1, 80).map(str) | st.sampled_from(["x", "4294967296"])
_BOUNDS = st.integers(-60, 60).map(str)
_UNITS = st.sampled_from(["BIT", "byte"])

_COMMANDS = sequences(
    ("SETBIT", _KEYS, _OFFSETS, st.sampled_from(["0", "1", "2"])),
    ("GETBIT", _KEYS, _OFFSETS),
    ("BITCOUNT", _KEYS),
    ("BITCOUNT", _KEYS, _BOUNDS, _BOUNDS),
    ("BITCOUNT", _KEYS, _BOUNDS, _BOUNDS, _UNITS),
    ("BITPOS", _KEYS, st.sampled_from(["0", "1"])),
    ("BITPOS", _KEYS, st.sampled_from(["0", "1"]), _BOUNDS),
    ("BITPOS", _KEYS, st.sampled_from(["0", "1"]), _BOUNDS, _BOUNDS),
    ("BITPOS", _KEYS, st.sampled_from(["0", "1"]), _BOUNDS, _BOUNDS, _UNITS),
    ("BITOP", st.sampled_from(["AND", "or", "XOR"]), _KEYS, _KEYS, _KEYS, _KEYS),
    ("BITOP", "NOT", _KEYS, _KEYS),
    ("SET", _KEYS, st.binary(max_size=9) | st.sampled_from([b"\xff" * 5, b"\0" * 5, b"\xff\xff\0", b"123"])),
    ("APPEND", _KEYS, st.binary(max_size=3)),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        start: list[Any] = ["SET s foobar", ("SET", "t", b"\0\xff\xf0"), "SETBIT u 33 1", "RPUSH list x"]
        run_sequence(lasting_peers, start, commands)


class TestOperationsOfRedis8:
    """Held against their definition, bit by bit: no server here has them."""

    @pytest.mark.parametrize(
        ("operation", "wanted"),
        [
            ("ONE", lambda first, others: first + sum(others) == 1),
            ("DIFF", lambda first, others: first and not any(others)),
            ("DIFF1", lambda first, others: any(others) and not first),
            ("andor", lambda first, others: first and any(others)),
        ],
    )
    @pytest.mark.parametrize("count", [2, 3, 4])
    def test_bits(self, operation: str, wanted: Callable[[bool, list[bool]], bool], count: int) -> None:
        client = EngineClient()
        strings = [
            bytes((number * step + step) % 251 for number in range(40 + 7 * step))
            for step in range(1, count + 1)
        ]
        for number, text in enumerate(strings):
            client.execute("SET", f"k{number}", text)
        size = max(map(len, strings))
        bits = [[bit == "1" for byte in text.ljust(size, b"\0") for bit in f"{byte:08b}"] for text in strings]
        expected = "".join(
            str(int(wanted(first, list(others)))) for first, *others in zip(*bits, strict=True)
        )
        keys = [f"k{number}" for number in range(count)]
        assert client.execute("BITOP", operation, "to", *keys) == size
        assert client.execute("GET", "to") == int(expected, 2).to_bytes(size, "big")
        assert client.execute("BITOP", operation, "to", "no", "neither") == 0
        assert client.execute("EXISTS", "to") == 0

    def test_refusals(self) -> None:
        client = EngineClient()
        for operation in ("DIFF", "diff1", "ANDOR"):
            text = f"ERR BITOP {operation.upper()} must be called with at least two source keys."
            assert client.execute("BITOP", operation, "to", "k") == ("error", text)
        client.execute("SET", "k", "x")
        assert client.execute("BITOP", "ONE", "to", "k") == 1
        client.execute("LPUSH", "l", 1)
        assert client.execute("BITOP", "ONE", "to", "k", "l")[1].startswith("WRONGTYPE")
