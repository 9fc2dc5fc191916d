from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.commands import streams
from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Command, Differential
from tests.pulsards.peers import EngineClient

_FILL = ["XADD s 1-1 a 1 b 2", "XADD s 1-2 a 3", "XADD s 2-0 c 4", "XADD s 5-7 a 5 b 6", "XADD s 9-9 a 7 b 8"]
_ODD_IDS = [
    *("0", "0-0", "0-1", "1", "1-1", "2-*", "0-*", "1-*", "18446744073709551615-18446744073709551615"),
    *("18446744073709551615", "18446744073709551616", "18446744073709551615-*", "1-18446744073709551616"),
    *(
        "-",
        "+",
        "(1",
        "$",
        ">",
        "",
        "x",
        "1-x",
        "1-",
        "-1",
        "1--1",
        "1-2-3",
        "*-1",
        "**",
        "1-**",
        "1.0",
        "1e3",
    ),
    *("007", "+5", "1-+5", "1-05", "1--0", "1--05", "1--9223372036854775809", "1--9223372036854775808"),
    *("9" * 19, "9" * 20, "9" * 64, "1" * 127, "1-" + "0" * 126, "0" * 127, "0" * 128),
]
_WRONG_REASON = "7.0 finds no ID either, and gives the reason of another refusal"
KNOWN = {
    ("redis", "XADD t 18446744073709551614-* a b"): _WRONG_REASON,
    ("redis", "XADD u 5-* a b"): _WRONG_REASON,
}


class TestAdding:
    def test_ids_given(self, peers: Differential) -> None:
        peers.check(
            [
                *_FILL,
                "XADD s 9-9 a b",
                "XADD s 9-8 a b",
                "XADD s 3 a b",
                "XADD s 10 a b",
                "XADD s 10-* a b",
                "XADD s 10-* a b",
                "XADD s 11-* a b",
                "XADD s 3-* a b",
                "XLEN s",
                "XADD new 0-* a b",
                "XADD new 0-* a b",
            ]
        )
        peers.check_state()

    @pytest.mark.parametrize("number", _ODD_IDS)
    def test_odd_ids(self, peers: Differential, number: str) -> None:
        peers.check([("XADD", "new", number, "a", "b"), *_FILL, ("XADD", "s", number, "a", "b"), "XLEN s"])
        peers.check(
            [("XRANGE", "s", number, "+"), ("XRANGE", "s", "-", number), ("XREVRANGE", "s", "+", number)]
        )
        peers.check([("XRANGE", "s", "(" + number, "+"), ("XREVRANGE", "s", "(" + number, "-", "COUNT", "2")])
        peers.check(
            [("XDEL", "s", "1-1", number), ("XTRIM", "s", "MINID", number), "XRANGE s - +", "EXISTS new"]
        )

    @pytest.mark.parametrize("number", [b"1-1\x00rubbish", b" 5", b"5 ", b"7-\t8", b"1- -1", b"\x0b5-\x0c6"])
    def test_bytes_in_ids(self, peers: Differential, number: bytes) -> None:
        peers.check([("XADD", "new", number, "a", "b"), "XRANGE new - +", ("XDEL", "new", number)])

    def test_the_last_id(self, peers: Differential) -> None:
        peers.check(
            [
                "XADD s 18446744073709551615-18446744073709551614 a b",
                "XADD s 18446744073709551615-* a b",
                "XADD s * a b",
                "XADD s 18446744073709551615-* a b",
                "XADD s 1-1 a b",
                "XADD t 18446744073709551614-18446744073709551615 a b",
                "XADD t 18446744073709551614-* a b",
                "XADD t * a b",
                "XADD t * a b",
                "XADD u 5-18446744073709551615 a b",
                "XADD u 5-* a b",
                "XADD u 6-* a b",
            ]
        )
        peers.check_state()

    def test_ids_chosen_by_the_clock(self) -> None:
        clock = ManualClock(1_700_000_000.5)
        client = EngineClient(clock=clock)
        assert client.execute("XADD", "s", "*", "a", "b") == b"1700000000500-0"
        assert client.execute("XADD", "s", "*", "a", "b") == b"1700000000500-1"
        clock.advance(1)
        assert client.execute("XADD", "s", "*", "a", "b") == b"1700000001500-0"
        assert client.execute("XADD", "s", "1800000000000-5", "a", "b") == b"1800000000000-5"
        assert client.execute("XADD", "s", "*", "a", "b") == b"1800000000000-6"

    def test_no_stream_made(self, peers: Differential) -> None:
        peers.check(["XADD s NOMKSTREAM 1 a b", "EXISTS s", "XADD s 1 a b", "XADD s nomkstream 2 a b"])
        peers.check(["XADD s NOMKSTREAM MAXLEN 1 NOMKSTREAM 3 a b", "XADD no NOMKSTREAM 0 a b"])
        peers.check_state()

    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "s *",
                "s * a",
                "s * a b c",
                "s 1 a b c",
                "s",
                "s NOMKSTREAM * a",
                "s NOMKSTREAM NOMKSTREAM NOMKSTREAM",
            ),
            *("s MAXLEN 1 2 3 4", "s MAXLEN ~ 1 20 a", "s MAXLEN x 20 a b", "s MAXLEN -1 20 a b"),
            *("s MAXLEN ~ 20 a b", "s MAXLEN = 2 20 a b", "s MAXLEN 2 MINID 1 20 a b", "s MINID x 20 a b"),
            *(
                "s MAXLEN 2 LIMIT 1 20 a b",
                "s MAXLEN = 2 LIMIT 0 20 a b",
                "s LIMIT 1 20 a b",
                "s LIMIT 0 20 a b",
            ),
            *("s MAXLEN ~ 2 LIMIT -1 20 a b", "s MAXLEN ~ 2 LIMIT x 20 a b", "s MAXLEN ~ 2 LIMIT 1 x a b"),
            *(
                "s MINID ~ 2 MAXLEN 1 20 a b",
                "s MAXLEN 1 MAXLEN 1 20 a b",
                "s MAXLEN 0 20 a b",
                "s MINID 99 20 a b",
            ),
            *("str 1 a b", "str NOMKSTREAM 1 a b", "str 0 a b", "str x a b", "s 0-0 a b c", "s x a b c"),
            *("s MAXLEN * a b c", "s LIMIT * a b", "s MINID * a b c", "s MAXLEN ~ * a b", "s MINID ~ * a b"),
        ],
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        if arguments != "s *":
            peers.check([*_FILL, "SET str x", f"XADD {arguments}"])
            peers.check_state()

    def test_other_fields_and_values(self, peers: Differential) -> None:
        peers.check(
            [
                ("XADD", "s", "1", b"\x00\xff", b"", b"", b"\r\n"),
                ("XADD", "s", "2", "a", "b", "a", "c"),
                ("XADD", "s", "3", b"x" * 5000, b"y" * 70000),
                ("XADD", "s", "4", "9223372036854775807", "-9223372036854775808"),
                "XINFO STREAM s FULL",
            ]
        )
        peers.check_state()

    def test_entries_that_are_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a gigabyte in Redis."""
        monkeypatch.setattr(streams, "_LARGEST_ENTRY", 10)
        client = EngineClient()
        expected = ("error", "ERR Elements are too large to be stored")
        assert client.execute("XADD", "s", "*", "a" * 5, "b" * 6) == expected
        assert client.execute("EXISTS", "s") == 0

    def test_events(self, peers: Differential) -> None:
        peers.events(["XADD s 1 a b", "XADD s MAXLEN 1 2 a b", "XADD s MAXLEN 9 3 a b", "XADD s 1 a b"])
        peers.events(
            ["XADD s MINID 9 4 a b", "XADD no NOMKSTREAM 1 a b", "XADD s 5 a b", "XDEL s 5 6", "XDEL s 6"]
        )
        peers.events(["XTRIM s MAXLEN 0", "XTRIM s MAXLEN 0", "XSETID s 99", "XADD s 100 a b", "DEL s"])


class TestReading:
    @pytest.mark.parametrize("start", ["-", "0", "1", "1-1", "(1-1", "2", "(2", "5-8", "9-9", "(9-9", "+"])
    def test_ranges(self, peers: Differential, start: str) -> None:
        peers.check(_FILL)
        for end in ("+", "9-9", "(9-9", "9", "(9", "5-7", "(5-7", "2", "1-1", "(1-1", "1", "0", "-"):
            peers.check(
                [f"XRANGE s {start} {end}", f"XREVRANGE s {end} {start}", f"XRANGE s {start} {end} COUNT 2"]
            )
            peers.check([f"XREVRANGE s {end} {start} COUNT 2", f"XRANGE no {start} {end}"])

    @pytest.mark.parametrize(
        "arguments",
        [
            *("s - + COUNT 0", "s - + COUNT -1", "s - + COUNT 1 COUNT 3", "s - + COUNT x", "s - + COUNT"),
            *(
                "s - + COUNT 9223372036854775807",
                "s - + FOO",
                "s - + FOO 1",
                "s -",
                "str - +",
                "str - + COUNT 0",
            ),
            *(
                "no - + COUNT 0",
                "str x +",
                "s (18446744073709551615-18446744073709551615 +",
                "s - (0-0",
                "s ( +",
            ),
            *("s (- +", "s (+ +", "s - (-", "s - (+", "s - (", "s (18446744073709551615 +", "s - (0"),
        ],
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check([*_FILL, "SET str x", f"XRANGE {arguments}", f"XREVRANGE {arguments}"])

    def test_ranges_across_nodes(self, peers: Differential) -> None:
        peers.check([f"XADD s {number * 3} f {number}" for number in range(1, 351)])
        for start, end in [
            (0, 999),
            (299, 304),
            (300, 300),
            (301, 302),
            (297, 900),
            (1, 2),
            (1050, 1050),
            (1051, 9999),
        ]:
            peers.check(
                [
                    *(
                        f"XRANGE s {start} {end}",
                        f"XREVRANGE s {end} {start}",
                        f"XRANGE s {start} {end} COUNT 101",
                    ),
                    *(f"XREVRANGE s {end} {start} COUNT 101", f"XRANGE s ({start} ({end} COUNT 1"),
                ]
            )

    def test_lengths(self, peers: Differential) -> None:
        peers.check(["XLEN s", *_FILL, "XLEN s", "SET str x", "XLEN str", "XLEN", "XLEN s s"])


class TestRemoving:
    def test_entries(self, peers: Differential) -> None:
        peers.check(
            [*_FILL, "XDEL s 1-2", "XDEL s 1-2", "XDEL s 1-1 9-9 9-9", "XINFO STREAM s", "XDEL s 2 x"]
        )
        peers.check(
            ["XDEL no 1", "XDEL no x", "SET str x", "XDEL str 1", "XDEL str x", "XDEL s", "XINFO STREAM s"]
        )
        peers.check(
            [
                "XDEL s 2 5-7",
                "EXISTS s",
                "XINFO STREAM s",
                "XADD s 9-9 a b",
                "XADD s 9-10 a b",
                "XINFO STREAM s",
            ]
        )
        peers.check_state()

    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "MAXLEN 3",
                "MAXLEN = 3",
                "MAXLEN 0",
                "MAXLEN 99",
                "MAXLEN ~ 3",
                "MAXLEN ~ 0",
                "MAXLEN ~ 0 LIMIT 3",
            ),
            *(
                "MINID 2",
                "MINID = 2-1",
                "MINID 5-7",
                "MINID 99",
                "MINID ~ 99",
                "MINID ~ 9-9",
                "MINID ~ 99 LIMIT 2",
            ),
            *(
                "MAXLEN",
                "MINID",
                "MAXLEN x",
                "MAXLEN -1",
                "MINID x",
                "MINID -",
                "LIMIT 1",
                "LIMIT 0",
                "MAXLEN 1 LIMIT 1",
            ),
            *(
                "MAXLEN 1 MINID 1",
                "FOO 1",
                "MAXLEN 1 FOO",
                "MAXLEN ~",
                "MAXLEN ~ 1 LIMIT",
                "MAXLEN ~ 1 LIMIT -1",
            ),
            *(
                "LIMIT 1 MAXLEN ~ 1",
                "LIMIT 9 MINID ~ 99",
                "maxlen 2",
                "MAXLEN 9223372036854775807",
                "MINID 0",
            ),
        ],
    )
    def test_trims(self, peers: Differential, arguments: str) -> None:
        peers.check([*_FILL, "SET str x", f"XTRIM s {arguments}", "XINFO STREAM s FULL COUNT 0"])
        peers.check([f"XTRIM no {arguments}", f"XTRIM str {arguments}", "EXISTS no", "XADD s 100 a b"])
        peers.check_state()

    @pytest.mark.parametrize("seed", range(6))
    def test_approximate_trims(self, peers: Differential, seed: int) -> None:
        """Which entries go depends on how many bytes each takes in Redis' own encoding."""
        chance = random.Random(seed)
        commands: list[Command | str] = []
        number = 0
        for _ in range(chance.choice([150, 450])):
            number += chance.choice([1, 1, 1, 200, 70_000, 2**33 << 64, 1 << 64, 5 << 64])
            names = chance.choice([["f"], ["f"], ["f", "g"], ["123", "-5000", "x" * 70]])
            values = [_value(chance) for _ in names]
            fields = [part for pair in zip(names, values, strict=True) for part in pair]
            commands.append(("XADD", "s", f"{number >> 64}-{number & 2**64 - 1}", *fields))
            if chance.random() < 0.1:
                commands.append("XINFO STREAM s")
        size = len(commands)
        for length in (size, size // 2, size // 3, 20, 10, 5, 1, 0):
            commands += [f"XTRIM s MAXLEN ~ {length} LIMIT {size}", "XLEN s", "XINFO STREAM s"]
            commands += [("XADD", "s", "*", "a", "b")] if length == 10 else []
        peers.check([command for command in commands if command[2:3] != ("*",)])
        peers.check_state()

    def test_the_number_of_entries_in_a_node(self, peers: Differential) -> None:
        settings = ["stream-node-max-entries", "stream-node-max-bytes"]
        for entries, size in ((3, 4096), (0, 200), (2, 0), (0, 0), (300, 100_000), (1, 1)):
            values = zip(settings, (entries, size), strict=True)
            peers.check([*(f"CONFIG SET {name} {value}" for name, value in values), "DEL s"])
            peers.check([f"XADD s {number} f {number}" for number in range(1, 250)])
            peers.check(["XINFO STREAM s", "XDEL s 2 3 4 240 241 242", "XADD s 1000 f v", "XINFO STREAM s"])
            peers.check(["XTRIM s MAXLEN ~ 100", "XINFO STREAM s", "XTRIM s MINID ~ 245", "XINFO STREAM s"])
            peers.check(["XTRIM s MAXLEN 3", "XINFO STREAM s FULL"])
        peers.check(["CONFIG SET stream-node-max-entries 100", "CONFIG SET stream-node-max-bytes 4096"])

    def test_removed_entries_keep_their_place(self, peers: Differential) -> None:
        """A run of entries that lost some of them, its last one even, is trimmed as Redis trims it."""
        peers.check([f"XADD s {number} f v" for number in range(1, 211)])
        peers.check(
            ["XDEL s 98 99 100", "XTRIM s MINID ~ 99", "XTRIM s MINID 99", "XINFO STREAM s", "XADD s 500 a b"]
        )
        peers.check(["XTRIM s MINID 101", "XINFO STREAM s", "XTRIM s MAXLEN ~ 11", "XINFO STREAM s"])
        peers.check(
            ["DEL s", "XADD s 1 a b", "XADD s 2 a b", "XDEL s 2", "XTRIM s MINID 2", "XINFO STREAM s"]
        )
        peers.check(
            ["XRANGE s - +", "XREVRANGE s + -", "XREAD STREAMS s 0", "XADD s 3 a b", "XINFO STREAM s FULL"]
        )
        peers.check(["XTRIM s MAXLEN 0", "XINFO STREAM s", "XTRIM s MINID 9", "XINFO STREAM s"])


def _value(chance: random.Random) -> str:
    kind = chance.randrange(4)
    if kind == 0:
        return str(chance.choice([1, -1]) * (1 << chance.randrange(64)))
    if kind == 1:
        return str(chance.randrange(200))
    return "v" * chance.choice([0, 1, 20, 21, 63, 64, 120, 130, 900, 4095, 4096])


class TestCounters:
    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "s 10",
                "s 9-9",
                "s 9-8",
                "s 0-0",
                "s x",
                "s *",
                "s -",
                "s",
                "no 10",
                "str 10",
                "str x",
                "s 10 FOO",
            ),
            *("s 10 ENTRIESADDED 5", "s 10 ENTRIESADDED 4", "s 10 ENTRIESADDED 99 MAXDELETEDID 9"),
            *("s 10 ENTRIESADDED -1", "s 10 ENTRIESADDED x", "s 10 MAXDELETEDID 11", "s 10 MAXDELETEDID x"),
            *("s 10 MAXDELETEDID 0-0", "s 10 ENTRIESADDED", "s 10 MAXDELETEDID", "no 10 MAXDELETEDID 11"),
        ],
    )
    def test_setting_them(self, peers: Differential, arguments: str) -> None:
        peers.check([*_FILL, "SET str x", f"XSETID {arguments}", "XINFO STREAM s", "XADD s 10-1 a b"])
        peers.check_state()

    def test_setting_them_in_an_empty_stream(self, peers: Differential) -> None:
        commands = ["XADD e 3-3 a b", "XDEL e 3-3", "XSETID e 5", "XSETID e 5 ENTRIESADDED 0", "XSETID e 3-3"]
        peers.check(
            [*commands, "XINFO STREAM e", "XSETID e 4 MAXDELETEDID 4", "XINFO STREAM e", "XADD e 4-1 a b"]
        )

    @pytest.mark.parametrize("arguments", ["1", "2 ENTRIESADDED 9 MAXDELETEDID 1", "3-1 maxdeletedid 3-1"])
    def test_setting_them_below_what_was_removed(self, peers: Differential, arguments: str) -> None:
        commands = ["XADD e 3-3 a b", "XDEL e 3-3", f"XSETID e {arguments}", "XINFO STREAM e"]
        peers.check(commands, without=["redis"])  # 7.0 looks only where there are entries

    def test_the_highest_removed_id(self, peers: Differential) -> None:
        peers.check(
            [
                *_FILL,
                "XDEL s 5-7",
                "XSETID s 9-9 MAXDELETEDID 2",
                "XSETID s 5",
                "XSETID s 3-1",
                "XINFO STREAM s",
            ]
        )
        peers.check(
            ["XTRIM s MAXLEN 0", "XSETID s 5-6", "XSETID s 5-7", "XINFO STREAM s", "XADD s 5-8 a b", "XLEN s"]
        )


class TestOtherCommands:
    def test_types_and_encodings(self, peers: Differential) -> None:
        peers.check(
            [*_FILL, "TYPE s", "OBJECT ENCODING s", "SCAN 0 TYPE stream", "SCAN 0 TYPE hash", "EXISTS s"]
        )
        peers.check(
            [
                "LPUSH s a",
                "GET s",
                "SADD s a",
                "ZADD s 1 a",
                "HSET s a b",
                "APPEND s a",
                "SORT s",
                "GETRANGE s 0 1",
            ]
        )

    def test_copies(self, peers: Differential) -> None:
        peers.check([*_FILL, "XGROUP CREATE s g 0", "XREADGROUP GROUP g c COUNT 2 STREAMS s >", "XDEL s 1-1"])
        peers.check(
            ["COPY s t", "XADD s 10-10 a b", "XACK s g 1-2", "XINFO STREAM t FULL", "XINFO STREAM s FULL"]
        )
        peers.check(
            ["XDEL t 9-9", "XGROUP DELCONSUMER t g c", "XPENDING s g", "XPENDING t g", "XRANGE s - +"]
        )
        peers.check(["RENAME t u", "XINFO STREAM u FULL", "MOVE u 1", "EXISTS u", "COPY s t REPLACE"])
        peers.check_state()

    def test_what_counts_as_a_change(self, peers: Differential) -> None:
        """To who watches the key."""
        start = [
            "XADD w 1 a b",
            "XADD w 2 a b",
            "XGROUP CREATE w g 0",
            "XREADGROUP GROUP g c COUNT 1 STREAMS w >",
        ]
        for command in (
            *(
                "XADD w 5 a b",
                "XADD w 0-1 a b",
                "XDEL w 1",
                "XDEL w 7",
                "XTRIM w MAXLEN 1",
                "XTRIM w MAXLEN 9",
            ),
            *("XSETID w 9", "XGROUP CREATE w h 0", "XGROUP SETID w g 0", "XGROUP DESTROY w g", "XACK w g 1"),
            *("XGROUP CREATECONSUMER w g d", "XGROUP DELCONSUMER w g c", "XREADGROUP GROUP g c STREAMS w >"),
            *("XCLAIM w g d 0 1", "XAUTOCLAIM w g d 0 0", "XGROUP CREATE new g $ MKSTREAM", "XINFO STREAM w"),
        ):
            peers.check(["FLUSHALL", *start, "WATCH w new", command, "MULTI", "PING", "EXEC"])


_KEYS = st.sampled_from(["s", "t", "no", "str"])
_IDS = st.sampled_from(["0", "1", "1-1", "1-2", "2", "5", "5-7", "9-9", "9", "12-3", "30", "x", ""])
_NEW_IDS = st.sampled_from([*(str(number) for number in range(3, 40, 3)), "10-*", "20-*", "x", "*-1"])
_LAST_IDS = st.sampled_from(["40", "50", "x"])  # 7.0 takes some lower ones that it should refuse
_ENDS = st.sampled_from(["-", "+", "(1-1", "(5-7", "1", "2", "5", "9-9", "(9-9", "14", "x"])
_COUNTS = st.sampled_from(["0", "1", "2", "5", "100", "-1", "x"])
_STRATEGIES = st.sampled_from(["MAXLEN", "MINID"])

_COMMANDS = sequences(
    ("XADD", _KEYS, _NEW_IDS, "f", "v"),
    ("XADD", _KEYS, _NEW_IDS, "f", "v", "g", "w"),
    ("XADD", _KEYS, "NOMKSTREAM", _NEW_IDS, "f", "v"),
    ("XADD", _KEYS, _STRATEGIES, _IDS, _NEW_IDS, "f", "v"),
    ("XADD", _KEYS, _STRATEGIES, "~", _COUNTS, "LIMIT", _COUNTS, _NEW_IDS, "f", "v"),
    ("XLEN", _KEYS),
    ("XRANGE", _KEYS, _ENDS, _ENDS),
    ("XREVRANGE", _KEYS, _ENDS, _ENDS, "COUNT", _COUNTS),
    ("XDEL", _KEYS, _IDS),
    ("XDEL", _KEYS, _IDS, _IDS),
    ("XTRIM", _KEYS, _STRATEGIES, _IDS),
    ("XTRIM", _KEYS, _STRATEGIES, "~", _IDS, "LIMIT", _COUNTS),
    ("XSETID", _KEYS, _LAST_IDS),
    ("XSETID", _KEYS, _LAST_IDS, "ENTRIESADDED", _COUNTS, "MAXDELETEDID", _IDS),
    ("XINFO", "STREAM", _KEYS),
    ("XINFO", "STREAM", _KEYS, "FULL"),
    ("XREAD", "COUNT", _COUNTS, "STREAMS", _KEYS, _KEYS, _IDS, _IDS),
    ("COPY", _KEYS, _KEYS),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Command]) -> None:
        start = [*_FILL, "XADD t 1-1 a b", "XADD t 1-2 a b", "SET str x"]
        run_sequence(lasting_peers, start, commands)
