from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential

_RANGE_CHECKED = "7.0 lets -2**63 through; Valkey's text is that of later Redis"

KNOWN = {
    ("redis", "LPOS p c RANK -9223372036854775808"): _RANGE_CHECKED,
    ("redis", "LREM l -9223372036854775808 nope"): _RANGE_CHECKED,
    ("valkey", "LSET l 9223372036854775807 x"): "it cuts the index down to 32 bits, which makes it -1",
}


class TestPushing:
    def test_at_both_ends(self, peers: Differential) -> None:
        peers.check(["LPUSH l a b c", "RPUSH l x y", "LPUSH l z", "RPUSH l z", "LRANGE l 0 -1", "LLEN l"])
        peers.check_state()

    def test_only_to_a_list_that_exists(self, peers: Differential) -> None:
        peers.check(
            ["LPUSHX no a", "RPUSHX no a b", "EXISTS no", "RPUSH l a", "LPUSHX l b c", "RPUSHX l d e"]
        )
        peers.check_state()

    def test_to_another_type(self, peers: Differential) -> None:
        peers.check(["SET str x", "LPUSH str a", "RPUSH str a b", "LPUSHX str a", "RPUSHX str a", "LLEN str"])

    def test_arity(self, peers: Differential) -> None:
        peers.check(["LPUSH", "LPUSH l", "RPUSH l", "LPUSHX l", "LLEN", "LLEN a b", "LRANGE l 0", "LSET l 0"])

    def test_events(self, peers: Differential) -> None:
        peers.events(["LPUSH l a b", "RPUSH l c", "LPUSHX l d", "RPUSHX l e", "LPUSHX no d", "RPUSHX no d"])

    def test_keeping_the_time_to_live(self, peers: Differential) -> None:
        peers.check(["RPUSH l a", "EXPIRE l 100", "RPUSH l b", "TTL l", "LPOP l 2", "RPUSH l a", "TTL l"])


class TestPopping:
    def test_one(self, peers: Differential) -> None:
        peers.check(
            ["RPUSH l a b c", "LPOP l", "RPOP l", "LPOP l", "EXISTS l", "LPOP l", "RPOP l", "LPOP no"]
        )

    def test_several(self, peers: Differential) -> None:
        peers.check(["RPUSH l a b c d e f", "LPOP l 2", "RPOP l 2", "LPOP l 0", "RPOP l 99", "EXISTS l"])

    def test_no_list(self, peers: Differential) -> None:
        peers.check(
            ["LPOP no", "RPOP no", "LPOP no 0", "RPOP no 1", "LPOP no -1", "LPOP no x", "LPOP no 1 2"]
        )

    def test_bad_counts_and_types(self, peers: Differential) -> None:
        peers.check(["RPUSH l a b", "LPOP l -1", "RPOP l x", "LPOP l 1.0", "LPOP l 9223372036854775808"])
        peers.check(
            ["SET str x", "LPOP str", "RPOP str 1", "LPOP str 0", "LPOP str -1", "lpop l 1 2", "rPop"]
        )
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["RPUSH l a b c d e", "LPOP l", "RPOP l", "LPOP l 0", "LPOP l 2", "RPOP l", "RPOP l"])

    def test_of_several_keys(self, peers: Differential) -> None:
        peers.check(
            ["RPUSH m 1 2 3 4 5 6", "LMPOP 1 m LEFT", "LMPOP 2 no m RIGHT COUNT 2", "LMPOP 2 no n left"]
        )
        peers.check(["SET str x", "LMPOP 2 str m LEFT", "LMPOP 2 m str right COUNT 99", "EXISTS m"])

    @pytest.mark.parametrize(
        "arguments",
        [
            *("0 m LEFT", "-1 m LEFT", "x m LEFT", "1 m", "2 m LEFT", "1 m UP", "1 m LEFT COUNT"),
            *("1 m LEFT COUNT 0", "1 m LEFT COUNT -1", "1 m LEFT COUNT x", "1 m LEFT COUNT 1 COUNT 1"),
            *("1 m LEFT COUNT 1 FOO", "1 m LEFT FOO 1", "9223372036854775807 m LEFT", "2 str m"),
            *("1 m LEFT COUNT 0 FOO", "1 m LEFT FOO COUNT 0"),
        ],
    )
    def test_of_several_keys_with_bad_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(["RPUSH m a b", "SET str x", f"LMPOP {arguments}", f"BLMPOP 1 {arguments}"])
        peers.check_state()

    def test_events_of_several_keys(self, peers: Differential) -> None:
        peers.events(["RPUSH m a b c", "LMPOP 1 m LEFT", "LMPOP 1 m RIGHT COUNT 5", "LMPOP 1 m RIGHT"])


class TestReading:
    @pytest.mark.parametrize(
        "bounds",
        [
            *("0 -1", "-3 -2", "5 1", "100 200", "-100 2", "2 100", "1 1", "-1 -1", "0 0", "-1 0", "-1 -3"),
            *("9223372036854775807 -9223372036854775808", "-9223372036854775808 9223372036854775807"),
            *("a 1", "1 1.0", "0 9223372036854775808", "0x0 1", "01 1", "+1 2", "-0 1"),
        ],
    )
    def test_ranges(self, peers: Differential, bounds: str) -> None:
        peers.check(
            ["RPUSH l a b c d e", "SET str x", *(f"LRANGE {key} {bounds}" for key in ("l", "no", "str"))]
        )

    def test_ranges_of_a_long_list(self, peers: Differential) -> None:
        peers.check([("RPUSH", "l", *range(1000))])
        for start in (0, 3, 70, 400, 499, 500, 930, 999, -3, -100, -999):
            peers.check(
                [f"LRANGE l {start} {stop}" for stop in (0, 5, 80, 480, 501, 998, -1, -2, -300, -600)]
            )

    @pytest.mark.parametrize("index", ["0", "4", "5", "-1", "-5", "-6", "x", "1.5", "9223372036854775807"])
    def test_one_element(self, peers: Differential, index: str) -> None:
        peers.check(
            ["RPUSH l a b c d e", "SET str x", *(f"LINDEX {key} {index}" for key in ("l", "no", "str"))]
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "c",
                "c RANK 2",
                "c RANK -1",
                "c RANK 9",
                "c RANK -9",
                "c RANK 0",
                "c RANK x",
                "c RANK",
                "nope",
            ),
            *("c COUNT 0", "c COUNT 2", "c COUNT -1", "c COUNT x", "nope COUNT 1", "c RANK -1 COUNT 2"),
            *("c RANK 2 COUNT 2", "c MAXLEN 0", "c MAXLEN 3", "c MAXLEN 2", "c MAXLEN -1", "c maxlen x"),
            *("c MAXLEN 3 COUNT 0 RANK -1", "c rank 1 rank 2", "c FOO 1", "c FOO", "c RANK 1 FOO"),
            *("c RANK -9223372036854775808", "c RANK 9223372036854775807 COUNT 0"),
        ],
    )
    def test_positions(self, peers: Differential, arguments: str) -> None:
        peers.check(["RPUSH p a b c 1 2 3 c c", "SET str x"])
        peers.check([f"LPOS p {arguments}"])
        if "-9223372036854775808" not in arguments:
            peers.check([f"LPOS no {arguments}", f"LPOS str {arguments}"])


class TestChangingInside:
    def test_replacing(self, peers: Differential) -> None:
        peers.check(["RPUSH l a b c", "LSET l 0 A", "LSET l -1 C", "LSET l 3 x", "LSET l -4 x", "LSET l x x"])
        peers.check(["LSET l 9223372036854775807 x"])
        for client in peers.servers.values():
            client.execute("LSET", "l", "-1", "C")
        peers.check(["SET str x", "LSET no 0 x", "LSET no x x", "LSET str 0 x", "LSET str x x"])
        peers.check_state()

    def test_inserting(self, peers: Differential) -> None:
        peers.check(["RPUSH l a b a", "LINSERT l before a 1", "LINSERT l AFTER a 2", "LINSERT l After b 3"])
        peers.check(["LINSERT l BEFORE nope x", "LINSERT no BEFORE a x", "EXISTS no", "LINSERT l beside a x"])
        peers.check(["SET str x", "LINSERT str BEFORE a x", "LINSERT no beside a x", "LINSERT l AFTER a 9"])
        peers.check_state()

    @pytest.mark.parametrize("count", ["0", "1", "2", "9", "-1", "-2", "-9", "x", "1.0"])
    def test_removing(self, peers: Differential, count: str) -> None:
        peers.check(["RPUSH l a b a c a d a", "SET str x", f"LREM l {count} a", f"LREM l {count} nope"])
        peers.check([f"LREM no {count} a", f"LREM str {count} a", f"LREM l {count} b"])
        peers.check_state()

    def test_the_least_count(self, peers: Differential) -> None:
        peers.check(["RPUSH l a", "LREM l -9223372036854775807 nope", "LREM l -9223372036854775808 nope"])

    @pytest.mark.parametrize("bounds", ["0 -1", "1 -2", "2 1", "5 9", "-3 -2", "-9 9", "0 0", "x 1", "1 x"])
    def test_trimming(self, peers: Differential, bounds: str) -> None:
        peers.check(
            ["RPUSH l a b c d e", "SET str x", *(f"LTRIM {key} {bounds}" for key in ("l", "no", "str"))]
        )
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["RPUSH l a b a c", "LSET l 0 x", "LINSERT l AFTER b y", "LINSERT l AFTER no y"])
        peers.events(
            ["LREM l 1 no", "LREM l 1 y", "LTRIM l 0 -1", "LTRIM l 0 1", "LTRIM l 5 1", "LTRIM l 0 1"]
        )
        peers.events(["RPUSH l a a", "LREM l 0 a", "LSET l 0 a", "LINSERT l AFTER b y"])


class TestMoving:
    def test_between_lists(self, peers: Differential) -> None:
        peers.check(["RPUSH m 1 2 3 4", "RPOPLPUSH m n", "LMOVE m n left right", "LMOVE m n RIGHT RIGHT"])
        peers.check(["LMOVE m n LEFT LEFT", "EXISTS m", "LMOVE m n LEFT LEFT", "RPOPLPUSH m n"])
        peers.check_state()

    def test_within_a_list(self, peers: Differential) -> None:
        peers.check(
            ["RPUSH m 1 2 3", "RPOPLPUSH m m", "LRANGE m 0 -1", "LMOVE m m LEFT RIGHT", "LRANGE m 0 -1"]
        )
        peers.check(
            ["LMOVE m m LEFT LEFT", "LRANGE m 0 -1", "RPUSH one x", "RPOPLPUSH one one", "LRANGE one 0 -1"]
        )

    def test_wrong_types_and_words(self, peers: Differential) -> None:
        peers.check(["SET str x", "RPUSH m 1 2", "RPOPLPUSH str n", "RPOPLPUSH m str", "RPOPLPUSH no str"])
        peers.check(
            ["LMOVE m n up left", "LMOVE m n left up", "LMOVE no str left up", "LMOVE no str left right"]
        )
        peers.check(["LMOVE m str left right", "LMOVE str m left right", "LMOVE m n left"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["RPUSH m 1 2 3", "RPOPLPUSH m n", "LMOVE m n LEFT RIGHT", "LMOVE m m LEFT RIGHT"])
        peers.events(
            ["RPOPLPUSH m n", "RPOPLPUSH m n", "LMOVE m n LEFT LEFT", "RPUSH o x", "LMOVE o o LEFT LEFT"]
        )


class TestWhatCountsAsAChange:
    """To who watches the key."""

    @pytest.mark.parametrize(
        "command",
        [
            *(
                "LPUSH w x",
                "LPUSHX no x",
                "LPOP w 0",
                "LPOP w",
                "LSET w 0 a",
                "LSET w 9 a",
                "LINSERT w AFTER x y",
            ),
            *(
                "LREM w 0 nope",
                "LREM w 0 a",
                "LTRIM w 0 0",
                "RPOPLPUSH w w",
                "RPOPLPUSH no w",
            ),
            *("LMOVE w v LEFT LEFT", "LMOVE l w LEFT LEFT", "LMPOP 1 w LEFT", "LRANGE w 0 -1", "LLEN w"),
        ],
    )
    def test_each_command(self, peers: Differential, command: str) -> None:
        peers.check(["RPUSH w a b", "RPUSH l z", "WATCH w", command, "MULTI", "PING", "EXEC"])

    def test_a_trim_of_nothing_does(self, peers: Differential) -> None:
        commands = ["RPUSH w a b", "WATCH w", "LTRIM w 0 -1", "MULTI", "PING", "EXEC"]
        peers.check(commands, without=["valkey"])  # whose later releases think otherwise


class TestEncodings:
    def test_a_list_that_grows_and_shrinks(self, peers: Differential) -> None:
        # From the end at which the nodes of a quicklist are shortest: where they are split is its own business.
        commands = [
            "RPUSH l a b c d",
            "RPUSH l e",
            "RPOP l",
            "RPOP l",
            "RPOP l",
            "RPUSH l f g",
            "LTRIM l 0 1",
        ]
        commands += ["LINSERT l BEFORE b x", "LREM l 0 b", f"RPUSH l {'x' * 9000}", "RPOP l", "LSET l 0 y"]
        servers = ["redis"]  # 7.0 knows quicklists only
        peers.check(["CONFIG SET list-max-listpack-size 4"], without=servers)
        try:
            for command in commands:
                peers.check([command, "OBJECT ENCODING l"], without=servers)
        finally:
            peers.check(["CONFIG SET list-max-listpack-size -2"], without=servers)


_KEYS = st.sampled_from(["l", "m", "one", "no", "str", "set", "zset"])
_ELEMENTS = st.sampled_from(["a", "b", "c", "1", ""])
_INDEXES = st.sampled_from([*map(str, range(-5, 6)), "99", "-99", "x", "", "1.5", "9223372036854775807"])
_COUNTS = st.sampled_from(["0", "1", "2", "9", "-1", "x"])
_ENDS = st.sampled_from(["LEFT", "right", "up"])
_TIMEOUTS = st.sampled_from(["x", "-1", "nan", "0x"])

_COMMANDS = sequences(
    ("LPUSH", _KEYS, _ELEMENTS),
    ("RPUSH", _KEYS, _ELEMENTS, _ELEMENTS, _ELEMENTS),
    ("LPUSHX", _KEYS, _ELEMENTS, _ELEMENTS),
    ("RPUSHX", _KEYS, _ELEMENTS),
    ("LPOP", _KEYS),
    ("RPOP", _KEYS),
    ("LPOP", _KEYS, _COUNTS),
    ("RPOP", _KEYS, _COUNTS),
    ("LLEN", _KEYS),
    ("LRANGE", _KEYS, _INDEXES, _INDEXES),
    ("LINDEX", _KEYS, _INDEXES),
    ("LSET", _KEYS, _COUNTS, _ELEMENTS),
    ("LINSERT", _KEYS, st.sampled_from(["BEFORE", "after", "x"]), _ELEMENTS, _ELEMENTS),
    ("LREM", _KEYS, _INDEXES, _ELEMENTS),
    ("LTRIM", _KEYS, _INDEXES, _INDEXES),
    ("LPOS", _KEYS, _ELEMENTS),
    ("LPOS", _KEYS, _ELEMENTS, "RANK", _INDEXES, "COUNT", _COUNTS, "MAXLEN", _COUNTS),
    ("RPOPLPUSH", _KEYS, _KEYS),
    ("LMOVE", _KEYS, _KEYS, _ENDS, _ENDS),
    ("LMPOP", _COUNTS, _KEYS, _KEYS, _ENDS),
    ("LMPOP", _COUNTS, _KEYS, _KEYS, _ENDS, "COUNT", _COUNTS),
    ("BLPOP", "l", _KEYS, _TIMEOUTS),
    ("BRPOPLPUSH", _KEYS, _KEYS, _TIMEOUTS),
    ("BLMOVE", _KEYS, _KEYS, _ENDS, _ENDS, _TIMEOUTS),
    ("BLMPOP", _TIMEOUTS, _COUNTS, _KEYS, _KEYS, _ENDS, "COUNT", _COUNTS),
)
_START = ["RPUSH l a b c b a", "RPUSH m 1 2 3", "RPUSH one x", "SET str x", "SADD set a", "ZADD zset 1 a"]


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, _START, commands)
