from __future__ import annotations

import pytest

from tests.pulsards.differential import Differential

_START = ["ZADD a 1 x 2 y 3 z", "ZADD b 10 y 20 z 30 w", "SADD s x y q", "SADD i 1 2", "SET str x"]
_START += ["ZADD inf inf a -inf b 0 c", "ZADD inf2 -inf a inf b", "ZADD half 0.5 x 2.5 y", "ZADD one 7 y"]

KNOWN = {
    (
        "redis",
        "ZUNION 1 a WEIGHTS 0x2 WITHSCORES",
    ): "C's strtod reads hexadecimal numbers; Valkey has left that",
}


@pytest.fixture
def filled(peers: Differential) -> Differential:
    peers.check(_START)
    return peers


class TestReplies:
    @pytest.mark.parametrize("command", ["ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD"])
    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "2 a b",
                "2 b a",
                "3 a b s",
                "2 a s",
                "2 s a",
                "2 s i",
                "1 a",
                "1 s",
                "2 a a",
                "2 s s",
                "2 a no",
            ),
            *("2 no a", "1 no", "3 half a one", "4 a b half one", "2 inf inf2", "2 inf inf", "2 inf a"),
            *(
                "0 a",
                "-1 a",
                "x a",
                "2 a",
                "9223372036854775807 a",
                "1 str",
                "2 a str",
                "2 no str",
                "2 str no",
            ),
        ],
    )
    def test_combinations(self, filled: Differential, command: str, arguments: str) -> None:
        filled.check(
            [f"{command} {arguments}", f"{command} {arguments} WITHSCORES", f"{command} {arguments} X"]
        )
        filled.check([f"{command.lower()} {arguments} withscores withscores"])

    @pytest.mark.parametrize("command", ["ZUNION", "ZINTER"])
    @pytest.mark.parametrize(
        "options",
        [
            *("WEIGHTS 2 3", "weights 2 3 aggregate min", "AGGREGATE MAX", "AGGREGATE sum WEIGHTS -1 0.5"),
            *(
                "WEIGHTS 1",
                "WEIGHTS 1 2 3",
                "WEIGHTS 1 x",
                "WEIGHTS nan 1",
                "WEIGHTS",
                "AGGREGATE",
                "AGGREGATE x",
            ),
            *("WEIGHTS inf 0", "WEIGHTS 0 inf AGGREGATE MIN", "WEIGHTS -inf inf", "WEIGHTS 1 2 WEIGHTS 3 4"),
            *(
                "AGGREGATE MIN AGGREGATE MAX",
                "LIMIT 1",
                "AGGREGATE MIN FOO",
                "WEIGHTS 0 0",
                "WEIGHTS 1 2 3 4",
            ),
        ],
    )
    def test_weights_and_aggregates(self, filled: Differential, command: str, options: str) -> None:
        for keys in ("a b", "a s", "s b", "s i", "inf inf2", "a no"):
            filled.check([f"{command} 2 {keys} {options} WITHSCORES", f"{command}STORE d 2 {keys} {options}"])
            filled.check(["ZRANGE d 0 -1 WITHSCORES"])

    def test_what_does_not_go_together(self, filled: Differential) -> None:
        filled.check(
            ["ZDIFF 2 a b WEIGHTS 1 2", "ZDIFF 2 a b AGGREGATE MIN", "ZDIFF 2 a str WEIGHTS", "ZUNION 1"]
        )
        filled.check(["ZUNION 1 str FOO", "ZUNION 2 a str WEIGHTS x y", "ZINTERCARD 2 a b WEIGHTS 1 2"])
        filled.check(["ZUNION 1 a WEIGHTS 0x2 WITHSCORES", "ZUNION", "ZINTERCARD 1", "ZDIFFSTORE d 1"])

    @pytest.mark.parametrize("limit", ["0", "1", "2", "9", "-1", "x", "", "1 LIMIT 2", "1 FOO", "1 LIMIT"])
    def test_counting_with_a_limit(self, filled: Differential, limit: str) -> None:
        for keys in ("2 a b", "2 a s", "2 s s", "2 a str", "2 a no"):
            filled.check([f"ZINTERCARD {keys} LIMIT {limit}".rstrip()])

    def test_large_ones(self, peers: Differential) -> None:
        one = [part for number in range(2500) for part in (number, f"m{number}")]
        other = [part for number in range(1000, 2000) for part in (number / 4, f"m{number}")]
        peers.check([("ZADD", "one", *one), ("ZADD", "other", *other), "SADD some m1 m1500 m7777"])
        for command in ("ZUNION", "ZINTER", "ZDIFF"):
            peers.check([f"{command} 3 one other some WITHSCORES", f"{command} 2 other one WITHSCORES"])
            peers.check([f"{command}STORE d 2 one other", "ZCARD d", "OBJECT ENCODING d", "ZRANGE d 100 120"])


class TestStoring:
    @pytest.mark.parametrize("command", ["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"])
    @pytest.mark.parametrize(
        "arguments",
        [
            *(
                "new 2 a b",
                "a 2 a b",
                "str 2 a b",
                "s 2 a s",
                "new 2 a no",
                "a 2 no b",
                "new 1 no",
                "str 1 no",
            ),
            *(
                "new 2 a str",
                "str 1 str",
                "new 2 a a",
                "new 0 a",
                "new x a",
                "new 2 a",
                "new 2 a b WITHSCORES",
            ),
        ],
    )
    def test_destinations(self, filled: Differential, command: str, arguments: str) -> None:
        filled.check(["EXPIRE a 100", "EXPIRE s 100", f"{command} {arguments}"])
        filled.check_state()

    def test_events(self, filled: Differential) -> None:
        filled.events(
            ["ZUNIONSTORE d 2 a b", "ZINTERSTORE d 2 a b", "ZDIFFSTORE d 2 a b", "ZINTERSTORE d 1 no"]
        )
        filled.events(
            ["ZINTERSTORE d 1 no", "ZUNIONSTORE str 1 no", "ZDIFFSTORE a 2 a a", "ZUNIONSTORE b 1 s"]
        )
