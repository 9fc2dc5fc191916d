from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential

_HEXADECIMAL = "C's strtod reads hexadecimal numbers; Valkey has left that"

KNOWN = {
    ("redis", "ZADD z 0x10 a"): _HEXADECIMAL,
    ("redis", "ZADD z NX 0x10 a"): _HEXADECIMAL,
    ("redis", "ZINCRBY z 0x10 a"): _HEXADECIMAL,
}


class TestAdding:
    @pytest.mark.parametrize(
        "arguments",
        [
            *("1 a", "1.5 a 2 b", "9 a", "1 new", "CH 1 a 5 b 9 d", "ch 5 b", "NX 100 a 7 e", "XX 1.5 a 7 f"),
            *(
                "XX CH 1.25 a 7 f",
                "GT 1 a 2 b",
                "GT CH 10 a 2 b 3 new",
                "LT CH 5 a -200 b 3 new",
                "XX GT 9 a",
            ),
            *("XX LT 9 a", "GT 1 new", "nx ch 9 a 9 new", "GT GT 9 a", "LT 1 a 0 a", "5 x 6 x 7 x", "CH 2 b"),
            *("GT LT 5 a", "GT NX 5 a", "LT NX 5 a", "NX XX 5 a", "NX XX", "NX", "NX 1", "NX XX 5", "GT LT"),
            *("INCR 2 a", "INCR 2 a 3 b", "INCR NX 2 a", "INCR NX 2 new", "INCR XX 2 nope", "INCR XX 2 a"),
            *("INCR GT -2 a", "INCR GT 2 a", "INCR LT 2 a", "INCR LT -2 a", "INCR x a", "INCR 0 a", "INCR"),
            *("x a", "1 a x b", "1 a 2", "1", "nan a", "-nan a", "inf a", "-inf a", "+inf a", "Infinity a"),
            *("1e400 a", "1e-400 a", "1_0 a", ".5 a", "5. a", "1e2 a", "-0 a", "1e20 a", "3.0 a", "+3 a"),
            *("1 nx", "NX 1 nx", "1 INCR", "0x10 a", "NX 0x10 a", "GT 1 a 2", "CH CH CH 3 a", "foo 1 a", ""),
        ],
    )
    def test_with_options(self, peers: Differential, arguments: str) -> None:
        peers.check(["ZADD z 1 a 2 b 3 c", f"ZADD z {arguments}"])
        if "0x" not in arguments:
            peers.check_state()
            peers.check([f"ZADD no {arguments}", "SET str x", f"ZADD str {arguments}"])
            peers.check_state()

    def test_infinities(self, peers: Differential) -> None:
        peers.check(["ZADD z inf a -inf b", "ZADD z INCR -inf a", "ZADD z NX INCR -inf a", "ZINCRBY z inf b"])
        peers.check(["ZADD z GT INCR -inf a", "ZINCRBY z -inf b", "ZINCRBY z inf new", "ZINCRBY z 1 a"])
        peers.check_state()

    def test_incrementing(self, peers: Differential) -> None:
        peers.check(
            ["ZINCRBY z 2 a", "ZINCRBY z 2.5 a", "ZINCRBY z -9 a", "ZINCRBY z 0 a", "ZINCRBY z 0 new"]
        )
        peers.check(["ZINCRBY z x a", "ZINCRBY z nan a", "SET str x", "ZINCRBY str 1 a", "ZINCRBY str x a"])
        peers.check(["ZINCRBY z 0x10 a", "ZINCRBY z 1", "ZINCRBY z 1e308 big"])
        peers.check(["ZINCRBY z 1.7e308 big"])

    @pytest.mark.parametrize(
        "score",
        [
            *("0.1", "3.3333333333333335", "1e-7", "123456789012345680", "1e17", "1e21", "1e20", "12345.678"),
            *(
                "1.7976931348623157e308",
                "5e-324",
                "0.0001",
                "0.30000000000000004",
                "-1.5e-10",
                "4611686018427387904",
            ),
            *("9223372036854775807", "-9223372036854775808", "1e15", "123456.1234567", "100000.5", "-0.001"),
        ],
    )
    def test_how_scores_are_written(self, peers: Differential, score: str) -> None:
        # 7.0 writes 17 digits, whether it takes them or not.
        peers.check([f"ZADD z {score} a", "ZADD z 2 b"])
        peers.check(
            ["ZSCORE z a", "ZMSCORE z a b", "ZRANGE z 0 -1 WITHSCORES", "ZSCAN z 0"], without=["redis"]
        )
        peers.check(["ZINCRBY z 0 a", "ZADD z INCR 0 a", "ZPOPMIN z", "ZPOPMAX z 1"], without=["redis"])

    def test_events(self, peers: Differential) -> None:
        peers.events(["ZADD z 1 a", "ZADD z 1 a", "ZADD z 2 a 3 b", "ZADD z XX 1 new", "ZADD no XX 1 a"])
        peers.events(
            ["ZADD z INCR 1 a", "ZADD z INCR 0 a", "ZADD z INCR NX 1 a", "ZINCRBY z 1 a", "ZINCRBY z 0 a"]
        )
        peers.events(
            ["ZREM z nope", "ZREM z a", "ZREM z b", "ZREM z b", "ZADD z 1 a 2 b 3 c 4 d", "ZPOPMIN z"]
        )
        peers.events(
            ["ZPOPMAX z 0", "ZPOPMAX z 1", "ZMPOP 1 z MIN", "ZMPOP 1 z MAX COUNT 9", "ZMPOP 1 z MAX"]
        )

    @pytest.mark.parametrize(
        "command",
        [
            *(
                "ZADD z 1 a",
                "ZADD z 2 a",
                "ZADD z NX 2 a",
                "ZADD z GT 0 a",
                "ZADD z INCR 0 a",
                "ZINCRBY z 1 a",
            ),
            *("ZREM z nope", "ZREM z a", "ZPOPMIN z 0", "ZPOPMIN z", "ZMPOP 1 z MAX", "ZRANGE z 0 -1"),
            *("ZREMRANGEBYRANK z 9 9", "ZREMRANGEBYSCORE z 1 1", "ZUNIONSTORE z 1 z", "ZRANGESTORE z z 9 9"),
            *("ZDIFFSTORE no 1 no2", "ZRANDMEMBER z", "ZSCORE z a"),
        ],
    )
    def test_what_counts_as_a_change(self, peers: Differential, command: str) -> None:
        peers.check(["ZADD z 1 a 2 b", "WATCH z no"])
        for client in (peers.engine, *peers.servers.values()):
            client.execute(*command.split())
        peers.check(["MULTI", "PING", "EXEC"])


class TestReading:
    def test_scores(self, peers: Differential) -> None:
        peers.check(["ZADD z 1 a 2.5 b inf c", "ZSCORE z a", "ZSCORE z b", "ZSCORE z nope", "ZSCORE no a"])
        peers.check(
            ["ZMSCORE z a nope b c", "ZMSCORE no a b", "ZCARD z", "ZCARD no", "SET str x", "ZCARD str"]
        )
        peers.check(["ZSCORE str a", "ZMSCORE str a", "ZMSCORE z", "ZSCORE z", "ZSCORE z a b", "ZCARD z z"])

    @pytest.mark.parametrize("command", ["ZRANK", "ZREVRANK"])
    def test_ranks(self, peers: Differential, command: str) -> None:
        peers.check(["ZADD z 1 a 2.5 b 2.5 bb inf c", "SET str x", f"{command} z"])
        peers.check(
            [f"{command} {key} {member}" for key in ("z", "no", "str") for member in ("a", "bb", "x")]
        )
        arguments = ["z a WITHSCORE", "z bb withscore", "z nope WITHSCORE", "no a WITHSCORE", "z a FOO"]
        arguments += [
            "no a FOO",
            "str a FOO",
            "str a WITHSCORE",
            "z a WITHSCORES",
            "z a WITHSCORE x",
            "z a b c",
        ]
        peers.check([f"{command} {some}" for some in arguments], without=["redis"])  # since 7.2

    def test_ranks_in_a_large_one(self, peers: Differential) -> None:
        pairs = [part for number in range(3000) for part in (number % 50, f"m{number}")]
        peers.check([("ZADD", "z", *pairs)])
        peers.check([f"{command} z m{n}" for n in (0, 7, 1500, 2999) for command in ("ZRANK", "ZREVRANK")])

    def test_encodings(self, peers: Differential) -> None:
        many = [part for number in range(128) for part in (number, number)]
        for command in (
            *(
                ("ZADD", "z", *many),
                ("ZADD", "z", 1, "one"),
                ("ZREM", "z", "one"),
                ("ZADD", "w", 1, "x" * 64),
            ),
            *(("ZADD", "w", 1, "x" * 65), ("ZREM", "w", "x" * 65)),
        ):
            peers.check([command, ("OBJECT", "ENCODING", command[1])])


class TestScanning:
    def test_a_small_one_at_once(self, peers: Differential) -> None:
        peers.check(["ZADD z 1 a 2.5 b -inf c 5 aa", "ZSCAN z 0", "ZSCAN z 0 MATCH a*", "ZSCAN z 0 COUNT 1"])
        peers.check(["SET str x", "ZSCAN no 0", "ZSCAN no x", "ZSCAN no 0 FOO", "ZSCAN str 0", "ZSCAN z x"])
        peers.check(["ZSCAN z 0 COUNT 0", "ZSCAN z 0 COUNT x", "ZSCAN z 0 FOO", "ZSCAN z 0 MATCH", "ZSCAN z"])

    def test_a_large_one_step_by_step(self, peers: Differential) -> None:
        scores = {b"member:%d" % number: number for number in range(400)}
        peers.engine.execute("ZADD", "z", *[part for pair in scores.items() for part in reversed(pair)])
        cursor, found = b"0", {}
        while True:
            cursor, some = peers.engine.execute("ZSCAN", "z", cursor, "COUNT", 17)
            found |= dict(zip(some[::2], map(int, some[1::2]), strict=True))
            if cursor == b"0":
                break
        assert found == scores


class TestRemoving:
    def test_members(self, peers: Differential) -> None:
        peers.check(["ZADD z 1 a 2 b 3 c", "ZREM z a nope", "ZREM no a", "SET str x", "ZREM str a", "ZREM z"])
        peers.check(["ZREM z b c d", "EXISTS z"])

    @pytest.mark.parametrize("command", ["ZPOPMIN", "ZPOPMAX"])
    @pytest.mark.parametrize(
        "count", ["", " 1", " 2", " 99", " 0", " -1", " x", " 1 2", " 9223372036854775808"]
    )
    def test_at_the_ends(self, peers: Differential, command: str, count: str) -> None:
        peers.check(["ZADD z 1 a 2 b 2 bb 3 c", "SET str x"])
        peers.check([f"{command} {key}{count}" for key in ("z", "z", "no", "str")])
        peers.check_state()

    def test_of_several_keys(self, peers: Differential) -> None:
        peers.check(
            ["ZADD z 1 a 2 b 3 c 4 d", "ZMPOP 1 z MIN", "ZMPOP 2 no z max COUNT 2", "ZMPOP 2 no n MIN"]
        )
        peers.check(["SET str x", "ZMPOP 2 str z MIN", "ZMPOP 2 z str MIN COUNT 99", "EXISTS z"])

    @pytest.mark.parametrize(
        "arguments",
        [
            *("0 m MIN", "-1 m MIN", "x m MIN", "1 m", "2 m MIN", "1 m UP", "1 m LEFT", "1 m MIN COUNT"),
            *("1 m MIN COUNT 0", "1 m MIN COUNT -1", "1 m MIN COUNT x", "1 m MIN COUNT 1 COUNT 1"),
            *("1 m MIN COUNT 1 FOO", "1 m MIN FOO 1", "9223372036854775807 m MIN", "2 str m"),
        ],
    )
    def test_of_several_keys_with_bad_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(["ZADD m 1 a 2 b", "SET str x", f"ZMPOP {arguments}", f"BZMPOP 1 {arguments}"])
        peers.check_state()


class TestChance:
    def test_arguments_and_types(self, peers: Differential) -> None:
        peers.check(["ZADD one 1.5 a", "SET str x", "ZRANDMEMBER one", "ZRANDMEMBER no", "ZRANDMEMBER str"])
        for key in ("one", "no", "str"):
            for count in ("0", "1", "5", "-2", "x", "9223372036854775808"):
                peers.check([f"ZRANDMEMBER {key} {count}", f"ZRANDMEMBER {key} {count} withscores"])
                peers.check([f"ZRANDMEMBER {key} {count} FOO", f"ZRANDMEMBER {key} {count} WITHSCORES x"])
        peers.check(["ZRANDMEMBER", "ZRANDMEMBER one -9223372036854775807 WITHSCORES"])
        peers.check(
            ["ZRANDMEMBER one 4611686018427387904 WITHSCORES", "ZRANDMEMBER one -9223372036854775808"]
        )

    @pytest.mark.parametrize("size", [3, 40, 2000])
    def test_every_member_gets_its_turn(self, peers: Differential, size: int) -> None:
        members = {b"%d" % number for number in range(size)}
        peers.engine.execute("ZADD", "z", *[part for member in members for part in (int(member), member)])
        assert set(peers.engine.execute("ZRANDMEMBER", "z", -20 * size)) == members
        different = peers.engine.execute("ZRANDMEMBER", "z", size - 1)
        assert len(set(different)) == len(different) == size - 1
        assert {peers.engine.execute("ZRANDMEMBER", "z") for _ in range(50)} <= members
        assert set(peers.engine.execute("ZRANDMEMBER", "z", size)) == members


_KEYS = st.sampled_from(["z", "y", "set", "one", "no", "str"])
_MEMBERS = st.sampled_from(["a", "b", "c", "aa", "1", ""])
_SCORES = st.sampled_from(["0", "1", "-1", "2.5", "1e3", "inf", "-inf", "x", "nan"])
_GOOD_SCORES = st.sampled_from(["0", "1", "-1", "2.5", "1000", "inf", "-inf"])
_COUNTS = st.sampled_from(["0", "1", "2", "99", "-1", "x"])
_OPTIONS = st.sampled_from(["NX", "XX", "GT", "LT", "CH", "INCR", "ch"])
_RANKS = st.sampled_from([*map(str, range(-4, 5)), "99", "-99", "x"])
_BOUNDS = st.sampled_from(["-inf", "+inf", "0", "(0", "1", "(1", "2.5", "(1000", "x", "(x", ""])
_LEX = st.sampled_from(["-", "+", "[a", "(a", "[b", "(aa", "[", "(", "a", ""])
_NUMBER = st.sampled_from(["1", "2", "3", "0", "x"])
_AGGREGATE = st.sampled_from(["SUM", "min", "MAX", "avg"])

_COMMANDS = sequences(
    ("ZADD", _KEYS, _SCORES, _MEMBERS),
    ("ZADD", _KEYS, _GOOD_SCORES, _MEMBERS, _GOOD_SCORES, _MEMBERS),
    ("ZADD", _KEYS, _OPTIONS, _GOOD_SCORES, _MEMBERS),
    ("ZADD", _KEYS, _OPTIONS, _OPTIONS, _GOOD_SCORES, _MEMBERS),
    ("ZINCRBY", _KEYS, _SCORES, _MEMBERS),
    ("ZREM", _KEYS, _MEMBERS, _MEMBERS),
    ("ZCARD", _KEYS),
    ("ZSCORE", _KEYS, _MEMBERS),
    ("ZMSCORE", _KEYS, _MEMBERS, _MEMBERS),
    ("ZRANK", _KEYS, _MEMBERS),
    ("ZREVRANK", _KEYS, _MEMBERS),
    ("ZPOPMIN", _KEYS),
    ("ZPOPMAX", _KEYS, _COUNTS),
    ("ZMPOP", _NUMBER, _KEYS, _KEYS, st.sampled_from(["MIN", "max"]), "COUNT", _COUNTS),
    ("ZSCAN", _KEYS, "0"),
    ("ZRANGE", _KEYS, _RANKS, _RANKS, "WITHSCORES"),
    ("ZRANGE", _KEYS, _RANKS, _RANKS, "REV"),
    ("ZRANGE", _KEYS, _BOUNDS, _BOUNDS, "BYSCORE", "LIMIT", _RANKS, _RANKS),
    ("ZREVRANGE", _KEYS, _RANKS, _RANKS),
    ("ZRANGEBYSCORE", _KEYS, _BOUNDS, _BOUNDS),
    ("ZREVRANGEBYSCORE", _KEYS, _BOUNDS, _BOUNDS, "WITHSCORES", "LIMIT", "1", _RANKS),
    ("ZCOUNT", _KEYS, _BOUNDS, _BOUNDS),
    ("ZREMRANGEBYRANK", _KEYS, _RANKS, _RANKS),
    ("ZREMRANGEBYSCORE", _KEYS, _BOUNDS, _BOUNDS),
    ("ZRANGESTORE", _KEYS, _KEYS, _RANKS, _RANKS),
    ("ZUNION", _NUMBER, _KEYS, _KEYS, "WITHSCORES"),
    ("ZUNION", "2", _KEYS, _KEYS, "WEIGHTS", _GOOD_SCORES, _SCORES, "AGGREGATE", _AGGREGATE, "WITHSCORES"),
    ("ZINTER", "2", _KEYS, _KEYS, "WEIGHTS", _GOOD_SCORES, _SCORES, "AGGREGATE", _AGGREGATE, "WITHSCORES"),
    ("ZDIFF", _NUMBER, _KEYS, _KEYS, _KEYS),
    ("ZINTERCARD", _NUMBER, _KEYS, _KEYS, "LIMIT", _COUNTS),
    ("ZUNIONSTORE", _KEYS, "2", _KEYS, _KEYS, "WEIGHTS", _GOOD_SCORES, _GOOD_SCORES),
    ("ZINTERSTORE", _KEYS, "2", _KEYS, _KEYS, "AGGREGATE", _AGGREGATE),
    ("ZDIFFSTORE", _KEYS, "2", _KEYS, _KEYS),
    ("BZPOPMIN", "z", _KEYS, st.sampled_from(["x", "-1"])),
    ("DEL", _KEYS),
)
_START = ["ZADD z 1 a 2 b 3 c 3 aa", "ZADD y 10 b 20 c -1 1", "ZADD one inf a", "SADD set a b 1", "SET str x"]

_LEX_KEYS = st.sampled_from(["lex", "one", "no", "str"])
_LEX_COMMANDS = sequences(
    ("ZADD", "lex", "0", _MEMBERS),
    ("ZREM", "lex", _MEMBERS),
    ("ZRANGEBYLEX", _LEX_KEYS, _LEX, _LEX),
    ("ZRANGEBYLEX", _LEX_KEYS, _LEX, _LEX, "LIMIT", st.sampled_from(["0", "1", "9", "x"]), _RANKS),
    ("ZREVRANGEBYLEX", _LEX_KEYS, _LEX, _LEX),
    ("ZRANGE", _LEX_KEYS, _LEX, _LEX, "BYLEX", "REV", "LIMIT", st.sampled_from(["0", "1", "9"]), _RANKS),
    ("ZLEXCOUNT", _LEX_KEYS, _LEX, _LEX),
    ("ZREMRANGEBYLEX", _LEX_KEYS, _LEX, _LEX),
    ("ZRANGESTORE", "d", _LEX_KEYS, _LEX, _LEX, "BYLEX"),
)
_LEX_START = ["ZADD lex 0 a 0 aa 0 b 0 c 0 1", "ZADD one 5 a", "SET str x"]


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, _START, commands)

    @given(commands=_LEX_COMMANDS)
    def test_any_lexicographical_commands(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, _LEX_START, commands)
