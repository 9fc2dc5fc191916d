from __future__ import annotations

import pytest

from tests.pulsards.differential import Differential

_START = ["SADD a 1 2 3 4", "SADD b 3 4 5 6", "SADD c 4 x", "SADD i 7 8", "SET str x"]


@pytest.fixture
def filled(peers: Differential) -> Differential:
    peers.check(_START)
    return peers


class TestReplies:
    @pytest.mark.parametrize("command", ["SINTER", "SUNION", "SDIFF"])
    @pytest.mark.parametrize(
        "keys",
        [
            *("a", "a b", "b a", "a b c", "a a", "a no", "no a", "no", "no no2", "a i", "c a b", "a b a"),
            *("str", "a str", "str a", "no str", "str no", "a no str"),
        ],
    )
    def test_combinations(self, filled: Differential, command: str, keys: str) -> None:
        filled.check([f"{command} {keys}"])

    def test_arity(self, peers: Differential) -> None:
        peers.check(
            ["SINTER", "SUNION", "SDIFF", "SINTERSTORE a", "SUNIONSTORE a", "SDIFFSTORE", "SINTERCARD 1"]
        )


class TestStoring:
    @pytest.mark.parametrize("command", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
    @pytest.mark.parametrize(
        "keys",
        [
            *("new a b", "a a b", "str a b", "new a no", "a a no", "new no a", "a no", "new i no", "str i"),
            *("str no a", "new a str", "str str a", "str no str", "new a a"),
        ],
    )
    def test_destinations(self, filled: Differential, command: str, keys: str) -> None:
        filled.check(["EXPIRE a 100", f"{command} {keys}"])
        filled.check_state()

    def test_events(self, filled: Differential) -> None:
        filled.events(["SINTERSTORE d a b", "SUNIONSTORE d a b", "SDIFFSTORE d a b", "SINTERSTORE d a no"])
        filled.events(["SINTERSTORE d a no", "SUNIONSTORE str no no", "SDIFFSTORE a a a", "SUNIONSTORE b b"])

    @pytest.mark.parametrize(
        "command", ["SUNIONSTORE d a", "SINTERSTORE d no", "SINTERSTORE no2 no", "SINTER d"]
    )
    def test_what_counts_as_a_change(self, filled: Differential, command: str) -> None:
        filled.check(["SADD d 1 2 3 4", "WATCH d no2", command, "MULTI", "PING", "EXEC"])


class TestCounting:
    @pytest.mark.parametrize(
        "arguments",
        [
            *("2 a b", "2 a b LIMIT 1", "2 a b LIMIT 0", "2 a b LIMIT 9", "2 a b limit 1 limit 2", "1 a"),
            *("3 a b c", "2 a no", "2 a a LIMIT 3", "2 a b LIMIT -1", "2 a b LIMIT x", "2 a b LIMIT"),
            *("2 a b FOO 1", "2 a b FOO", "3 a b", "0 a", "-1 a", "x a", "1 a b", "2 a str", "2 no str"),
            *("2 a str LIMIT -1", "2 a str FOO", "2 a b LIMIT 1 LIMIT", "9223372036854775807 a"),
        ],
    )
    def test_intersections(self, filled: Differential, arguments: str) -> None:
        filled.check([f"SINTERCARD {arguments}"])
