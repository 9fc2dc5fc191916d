from __future__ import annotations

import pytest

from tests.pulsards.differential import Differential

_SPACES = "7.0 skips spaces before a number, as C's strtod does"
_HEXADECIMAL = "C's strtod reads hexadecimal numbers; Valkey has left that"
_NEGATIVE_OFFSET = "Valkey 9 counts a negative offset from the end in large sorted sets"

KNOWN = {
    ("redis", "ZRANGEBYSCORE z  1 5"): _SPACES,
    ("redis", "ZCOUNT z 0x1 5"): _HEXADECIMAL,
    ("valkey", "ZRANGEBYSCORE big -inf +inf LIMIT -2 2"): _NEGATIVE_OFFSET,
}

_START = ["ZADD z 1 a 2 b 3 c 4 d 5 e", "ZADD lex 0 a 0 b 0 c 0 d 0 aa", "SET str x"]


@pytest.fixture
def filled(peers: Differential) -> Differential:
    peers.check(_START)
    return peers


class TestByRank:
    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "0 -1",
                "0 -1 WITHSCORES",
                "1 2",
                "-2 -1",
                "3 1",
                "9 10",
                "-9 1",
                "0 9",
                "-1 -9",
                "0 0",
                "-1 0",
            ),
            *("0 -1 REV", "0 1 REV WITHSCORES", "-2 -1 REV", "9 10 REV", "-9 -4 rev", "1 1 REV withscores"),
            *("0 -1 REV REV", "0 1 LIMIT 1 2", "0 1 LIMIT 1 -1", "0 1 LIMIT 1 -2", "0 1 LIMIT x 1", "a b"),
            *("1 x", "1 2 FOO", "x 2 FOO", "1 2 LIMIT", "1 2 LIMIT 1", "1 2 WITHSCORES WITHSCORES", "1.0 2"),
            *("9223372036854775807 -9223372036854775808", "-9223372036854775808 9223372036854775807"),
            "0 9223372036854775808",
        ],
    )
    def test_zrange(self, filled: Differential, arguments: str) -> None:
        filled.check([f"ZRANGE {key} {arguments}" for key in ("z", "no", "str")])
        filled.check([f"ZREVRANGE {key} {arguments}" for key in ("z", "no", "str")])
        if "WITHSCORES" not in arguments.upper():
            filled.check([f"ZRANGESTORE d {key} {arguments}" for key in ("z", "str", "no")])
            filled.check_state()

    @pytest.mark.parametrize("bounds", ["0 0", "-1 -1", "1 3", "5 6", "3 1", "0 -1", "-9 -9", "x 6", "0 x"])
    def test_zremrangebyrank(self, filled: Differential, bounds: str) -> None:
        filled.check([f"ZREMRANGEBYRANK {key} {bounds}" for key in ("z", "no", "str")])
        filled.check_state()

    def test_arity(self, peers: Differential) -> None:
        peers.check(["ZRANGE z 0", "ZREVRANGE z", "ZRANGESTORE d z 0", "ZREMRANGEBYRANK z 0", "ZCOUNT z 0"])
        peers.check(["ZRANGEBYSCORE z 0", "ZREMRANGEBYSCORE z 0 1 2", "ZLEXCOUNT z - + +", "ZRANGEBYLEX z -"])


class TestByScore:
    @pytest.mark.parametrize(
        "bounds",
        [
            *(
                "2 4",
                "(2 4",
                "(2 (4",
                "4 2",
                "2 2",
                "(2 2",
                "2 (2",
                "-inf +inf",
                "(-inf (inf",
                "inf -inf",
                "2.5 9",
            ),
            *("-inf (1", "(5 inf", "x 4", "2 x", "nan 4", "2 nan", "( 5", "((1 5", " 5", "2 ", "1e400 5"),
            *("-1e400 5", "1e-400 5", "(inf inf", "-inf (-inf", "[2 4", "- +"),
        ],
    )
    def test_all_of_them(self, filled: Differential, bounds: str) -> None:
        low, high = bounds.split(" ")
        for key in ("z", "no", "str"):
            filled.check(
                [("ZRANGEBYSCORE", key, low, high), ("ZREVRANGEBYSCORE", key, low, high, "WITHSCORES")]
            )
            filled.check([("ZREVRANGEBYSCORE", key, high, low), ("ZCOUNT", key, low, high)])
            filled.check(
                [("ZRANGE", key, low, high, "BYSCORE"), ("ZRANGE", key, high, low, "BYSCORE", "REV")]
            )
            filled.check([("ZRANGESTORE", "d", key, low, high, "byscore", "rev"), ("ZRANGE", "d", 0, -1)])
            filled.check([("ZREMRANGEBYSCORE", key, low, high)])
        filled.check_state()

    @pytest.mark.parametrize(
        "limit",
        [
            *("0 2", "1 2", "1 -1", "1 -5", "99 2", "0 0", "-1 2", "-9 2", "4 9", "5 1", "x 2", "1 x", "1"),
            *("9223372036854775807 1", "1 9223372036854775807", "-9223372036854775808 -9223372036854775808"),
            *("", "0 1 LIMIT 1 1", "0 2 WITHSCORES", "1 1 REV", "1 1 FOO"),
        ],
    )
    def test_limits(self, filled: Differential, limit: str) -> None:
        for command in (
            *(
                "ZRANGEBYSCORE z 2 5",
                "ZREVRANGEBYSCORE z 5 (2",
                "ZRANGE z 2 5 BYSCORE",
                "ZRANGEBYLEX lex - +",
            ),
            *(
                "ZREVRANGEBYLEX lex (d [a",
                "ZRANGE lex - + BYLEX",
                "ZRANGESTORE d z 1 9 BYSCORE",
                "ZREVRANGE z 0 1",
            ),
        ):
            filled.check([f"{command} LIMIT {limit}".rstrip()])

    def test_options(self, filled: Differential) -> None:
        filled.check(["ZRANGEBYSCORE z 2 4 REV", "ZRANGEBYSCORE z 2 4 BYSCORE", "ZREVRANGEBYSCORE z 4 2 FOO"])
        filled.check(
            ["ZRANGE z 1 2 BYLEX BYSCORE", "ZRANGE z 1 2 BYSCORE BYLEX", "ZRANGE z 1 2 BYSCORE BYSCORE"]
        )
        filled.check(
            ["ZRANGE no 1 2 FOO", "ZRANGE no x y BYSCORE", "ZRANGE str x y BYSCORE", "ZRANGE z x y FOO"]
        )
        filled.check(
            ["ZREVRANGE z 0 1 BYSCORE", "ZREVRANGE z 0 1 BYLEX", "ZREVRANGE z 0 1 WITHSCORES LIMIT 0 1"]
        )

    def test_in_a_large_one(self, peers: Differential) -> None:
        pairs = [part for number in range(3000) for part in (number // 3, f"m{number:04}")]
        peers.check([("ZADD", "big", *pairs)])
        for low, high in ((0, 5), (500, 510), (990, 2000), ("(10", "(12"), ("-inf", "(1")):
            peers.check([("ZRANGEBYSCORE", "big", low, high, "WITHSCORES"), ("ZCOUNT", "big", low, high)])
            peers.check([("ZREVRANGEBYSCORE", "big", high, low, "LIMIT", 2, 5)])
        peers.check(["ZRANGE big 1498 1502 WITHSCORES", "ZREVRANGE big 0 3", "ZRANGE big 2990 -1 REV"])
        peers.check(["ZRANGEBYSCORE big -inf +inf LIMIT 2990 99", "ZRANGEBYSCORE big -inf +inf LIMIT -2 2"])
        peers.check(["ZREMRANGEBYSCORE big 10 900", "ZREMRANGEBYRANK big 5 -5", "ZRANGE big 0 -1 WITHSCORES"])
        peers.check(
            ["ZADD big 7 m0000", "ZRANK big m0000", "ZREM big m0000", "ZPOPMIN big 3", "ZPOPMAX big 3"]
        )

    def test_where_the_servers_differ(self, filled: Differential) -> None:
        filled.check([("ZRANGEBYSCORE", "z", " 1", "5"), "ZCOUNT z 0x1 5"])


class TestByMember:
    @pytest.mark.parametrize(
        "bounds",
        [
            *(
                "- +",
                "+ -",
                "[a [c",
                "(a (c",
                "[a (c",
                "(a [c",
                "[c [a",
                "[a [a",
                "(a (a",
                "- -",
                "+ +",
                "- [b",
            ),
            *(
                "(b +",
                "[ +",
                "( +",
                "- [",
                "- (",
                "[aa [ab",
                "a c",
                "[a c",
                "a [c",
                "-x +",
                "- +x",
                "[zz +",
                "1 2",
            ),
        ],
    )
    def test_all_of_them(self, filled: Differential, bounds: str) -> None:
        low, high = bounds.split(" ")
        for key in ("lex", "no", "str"):
            filled.check([f"ZRANGEBYLEX {key} {low} {high}", f"ZREVRANGEBYLEX {key} {high} {low}"])
            filled.check([f"ZREVRANGEBYLEX {key} {low} {high}", f"ZLEXCOUNT {key} {low} {high}"])
            filled.check([f"ZRANGE {key} {low} {high} BYLEX", f"ZRANGE {key} {high} {low} BYLEX REV"])
            filled.check([f"ZRANGESTORE d {key} {low} {high} BYLEX", "ZRANGE d 0 -1 WITHSCORES"])
            filled.check([f"ZREMRANGEBYLEX {key} {low} {high}"])
        filled.check_state()

    def test_options(self, filled: Differential) -> None:
        filled.check(
            ["ZRANGE lex [a [c BYLEX WITHSCORES", "ZRANGEBYLEX lex - + WITHSCORES", "ZRANGEBYLEX lex - + X"]
        )
        filled.check(["ZRANGEBYLEX lex - + REV", "ZRANGE lex a c BYLEX WITHSCORES", "ZRANGE no a c BYLEX"])
        filled.check(["ZRANGESTORE d lex - + BYLEX WITHSCORES"])

    def test_with_scores_that_differ(self, filled: Differential) -> None:
        filled.check(
            ["ZRANGEBYLEX z - +", "ZRANGEBYLEX z [b [d", "ZREVRANGEBYLEX z [d [b", "ZLEXCOUNT z [b +"]
        )
        filled.check(["ZADD mixed 1 d 2 a 3 c 4 b", "ZRANGEBYLEX mixed [b +", "ZREVRANGEBYLEX mixed + [b"])
        filled.check(["ZRANGEBYLEX mixed - [c", "ZLEXCOUNT mixed (a [c", "ZREVRANGEBYLEX mixed [c -"])


class TestStoring:
    @pytest.mark.parametrize("destination", ["new", "z", "str", "lex"])
    @pytest.mark.parametrize(
        "arguments", ["z 1 2", "z 4 2 BYSCORE REV LIMIT 0 2", "z 9 9", "no 0 1", "str 0 1"]
    )
    def test_destinations(self, filled: Differential, destination: str, arguments: str) -> None:
        filled.check([f"EXPIRE {destination} 100", f"ZRANGESTORE {destination} {arguments}"])
        filled.check_state()

    def test_events(self, filled: Differential) -> None:
        filled.events(
            ["ZRANGESTORE d z 0 1", "ZRANGESTORE d z 9 9", "ZRANGESTORE d z 9 9", "ZRANGESTORE z no 0 1"]
        )
        filled.events(["ZREMRANGEBYLEX lex - (b", "ZREMRANGEBYLEX lex - (b", "ZREMRANGEBYRANK lex 0 0"])
        filled.events(["ZREMRANGEBYSCORE lex 1 2", "ZREMRANGEBYSCORE lex 0 0", "ZREMRANGEBYRANK lex 0 0"])
