from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential

_NO_HSCAN_OPTION = "NOVALUES came with 7.4, and the error text with it"
_CURSOR = "7.0 takes any cursor that strtoul takes"

KNOWN = {
    ("redis", "SSCAN s 0 NOVALUES"): _NO_HSCAN_OPTION,
    ("redis", "SSCAN s -1"): _CURSOR,
}


class TestChanging:
    def test_adding(self, peers: Differential) -> None:
        peers.check(["SADD s a b c a", "SADD s a", "SADD s d", "SCARD s", "SADD", "SADD s", "SCARD no"])
        peers.check(["SET str x", "SADD str a", "SADD str a b", "SCARD str"])
        peers.check_state()

    def test_removing(self, peers: Differential) -> None:
        peers.check(
            ["SADD s a b c d", "SREM s a nope", "SREM s nope", "SREM s b", "SREM no a", "SREM s c d e"]
        )
        peers.check(["EXISTS s", "SET str x", "SREM str a", "SREM str a b"])
        peers.check_state()

    def test_moving(self, peers: Differential) -> None:
        peers.check(
            ["SADD s a b c", "SADD t b", "SMOVE s t a", "SMOVE s t b", "SMOVE s t nope", "SMOVE s u c"]
        )
        peers.check(["EXISTS s", "SMOVE s t a", "SMOVE t t a", "SMOVE t t nope"])
        peers.check_state()

    def test_moving_with_wrong_types(self, peers: Differential) -> None:
        peers.check(["SADD s a", "SET str x", "SMOVE str s a", "SMOVE s str a", "SMOVE s str nope"])
        peers.check(["SMOVE no str a", "SMOVE no s a", "SMOVE str no a"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["SADD s a b c", "SADD s a", "SREM s nope", "SREM s a", "SMOVE s t b", "SMOVE s t nope"])
        peers.events(["SADD s b", "SMOVE s t b", "SMOVE s t c", "SMOVE t t c", "SREM t b c"])
        commands = ["SADD s a b c", "SPOP s 0", "SPOP s 2", "SPOP s", "SPOP s", "SADD s a b", "SPOP s 5"]
        peers.events(commands, replies=False)

    @pytest.mark.parametrize(
        "command",
        [
            *(
                "SADD s a",
                "SADD s z",
                "SREM s nope",
                "SREM s a",
                "SMOVE s t nope",
                "SMOVE s t b",
                "SMOVE s s a",
            ),
            *("SMOVE t s a", "SMOVE t s z", "SPOP s 0", "SPOP s", "SPOP s 9", "SMEMBERS s", "SRANDMEMBER s"),
        ],
    )
    def test_what_counts_as_a_change(self, peers: Differential, command: str) -> None:
        peers.check(["SADD s a b", "SADD t a z", "WATCH s"])
        for client in (peers.engine, *peers.servers.values()):
            client.execute(*command.split())
        peers.check(["MULTI", "PING", "EXEC"])


class TestReading:
    def test_members(self, peers: Differential) -> None:
        peers.check(["SADD s a b", "SMEMBERS s", "SMEMBERS no", "SET str x", "SMEMBERS str", "SMEMBERS"])
        peers.check(
            ["SISMEMBER s a", "SISMEMBER s z", "SISMEMBER no a", "SISMEMBER str a", "SISMEMBER s a b"]
        )
        peers.check(["SMISMEMBER s a z b a", "SMISMEMBER no a b", "SMISMEMBER str a", "SMISMEMBER s"])

    def test_integers_are_in_order(self, peers: Differential) -> None:
        peers.check(["SADD i 30 -1 2 0 9223372036854775807 -9223372036854775808"])
        replies = [client.execute("SMEMBERS", "i") for client in (peers.engine, *peers.servers.values())]
        assert all(list(reply) == list(replies[0]) for reply in replies)
        peers.check(["SADD i x", "SMEMBERS i", "SREM i x", "SMEMBERS i"])

    def test_encodings(self, peers: Differential) -> None:
        for commands in (
            [("SADD", "i", *range(512)), ("SADD", "i", 512)],
            [("SADD", "l", *range(127)), ("SADD", "l", "x"), ("SADD", "l", "y")],
            [("SADD", "w", "x" * 64), ("SADD", "w", "x" * 65), ("SREM", "w", "x" * 65)],
            [("SADD", "n", 1, 2), ("SADD", "n", "01"), ("SREM", "n", "01")],
        ):
            for command in commands:
                peers.check([command, ("OBJECT", "ENCODING", command[1])], without=["redis"])


class TestScanning:
    def test_a_small_set_at_once(self, peers: Differential) -> None:
        peers.check(["SADD s a b c aa ab", "SSCAN s 0", "SSCAN s 0 MATCH a*", "SSCAN s 0 COUNT 10"])
        # 7.0 keeps such a set as a hash table, and goes by the count.
        peers.check(["SSCAN s 0 COUNT 1", "SSCAN s 5", "SSCAN s 18446744073709551615"], without=["redis"])
        peers.check(["SADD i 1 2 3", "SSCAN i 0 COUNT 1", "SSCAN i 0 match 2 count 1"])

    @pytest.mark.parametrize(
        "arguments",
        [
            *("0 COUNT 0", "0 COUNT x", "0 COUNT", "0 MATCH", "0 FOO", "0 TYPE set", "0 NOVALUES", "x", "-1"),
            *("18446744073709551616", "0 COUNT 5 COUNT x", "0 MATCH a COUNT"),
        ],
    )
    def test_bad_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(["SADD s a", "SET str x", f"SSCAN s {arguments}"])
        if arguments not in ("0 NOVALUES", "-1"):
            peers.check([f"SSCAN no {arguments}", f"SSCAN str {arguments}"])

    @pytest.mark.parametrize("count", [1, 7, 10, 500])
    def test_a_large_set_step_by_step(self, peers: Differential, count: int) -> None:
        members = {b"member:%d" % number for number in range(400)}
        peers.engine.execute("SADD", "s", *members)
        cursor, found, steps = b"0", [], 0
        while True:
            cursor, some = peers.engine.execute("SSCAN", "s", cursor, "COUNT", count)
            found += some
            steps += 1
            if cursor == b"0":
                break
        assert sorted(found) == sorted(members)
        assert steps == -(-400 // count)


class TestChance:
    def test_arguments_and_types(self, peers: Differential) -> None:
        peers.check(["SADD one a", "SET str x"])
        for command in ("SPOP", "SRANDMEMBER"):
            peers.check([f"{command} {key}" for key in ("no", "str")])
            peers.check(
                [f"{command} {key} {count}" for key in ("no", "str") for count in ("0", "1", "x", "-1")]
            )
            peers.check([f"{command} one x", f"{command} one 1 2", f"{command} one 0", command])
        peers.check(["SRANDMEMBER one", "SRANDMEMBER one -3", "SRANDMEMBER no -1"])
        peers.check(["SRANDMEMBER one 1", "SRANDMEMBER one 5"], without=["redis"])  # a set in 7.0's RESP3
        peers.check(["SRANDMEMBER one -9223372036854775808"], without=["redis"])  # no limit in 7.0
        peers.check(["SPOP one -1", "SPOP one 9223372036854775808", "SPOP one 5", "EXISTS one", "SPOP one 5"])
        peers.check(["SADD one a", "SPOP one", "EXISTS one"])

    def test_shapes_of_counted_replies(self, peers: Differential) -> None:
        def shape(reply: Any) -> Any:
            return type(reply), len(reply)

        for command in ("SRANDMEMBER s 2", "SRANDMEMBER s 9", "SRANDMEMBER s -9", "SPOP s 2", "SPOP s 9"):
            peers.check(["DEL s", "SADD s a b c"])
            ours = peers.engine.execute(*command.split())
            theirs = peers.servers["valkey"].execute(*command.split())
            assert shape(ours) == shape(theirs)
            peers.check(["SCARD s"], without=["redis"])

    @pytest.mark.parametrize("size", [3, 40, 2000])
    def test_every_member_gets_its_turn(self, peers: Differential, size: int) -> None:
        members = {b"%d" % number for number in range(size)}
        peers.engine.execute("SADD", "s", *members)
        assert set(peers.engine.execute("SRANDMEMBER", "s", -20 * size)) == members
        different = peers.engine.execute("SRANDMEMBER", "s", size - 1)
        assert len(set(different)) == len(different) == size - 1
        assert {peers.engine.execute("SRANDMEMBER", "s") for _ in range(20 * min(size, 40))} <= members
        popped: list[bytes] = []
        while peers.engine.execute("EXISTS", "s"):
            popped += peers.engine.execute("SPOP", "s", max(size // 5, 1))
            if peers.engine.execute("EXISTS", "s"):
                popped.append(peers.engine.execute("SPOP", "s"))
        assert sorted(popped) == sorted(members)

    def test_a_repetition_without_end_is_refused(self, peers: Differential) -> None:
        peers.engine.execute("SADD", "s", "a")
        reply = peers.engine.execute("SRANDMEMBER", "s", "-9223372036854775807")
        assert reply == ("error", "ERR value is out of range")


_KEYS = st.sampled_from(["s", "t", "i", "one", "no", "str", "list", "zset"])
_MEMBERS = st.sampled_from(["a", "b", "c", "1", "2", "-1", "01", ""])
_COUNTS = st.sampled_from(["0", "x", "-1", "1.0", ""])

_COMMANDS = sequences(
    ("SADD", _KEYS, _MEMBERS),
    ("SADD", _KEYS, _MEMBERS, _MEMBERS, _MEMBERS),
    ("SREM", _KEYS, _MEMBERS),
    ("SREM", _KEYS, _MEMBERS, _MEMBERS, _MEMBERS),
    ("SMOVE", _KEYS, _KEYS, _MEMBERS),
    ("SCARD", _KEYS),
    ("SISMEMBER", _KEYS, _MEMBERS),
    ("SMISMEMBER", _KEYS, _MEMBERS, _MEMBERS),
    ("SMEMBERS", _KEYS),
    ("SPOP", _KEYS, _COUNTS),
    ("SPOP", _KEYS, "99"),
    ("SRANDMEMBER", _KEYS, st.sampled_from(["0", "x", "1.0", ""])),
    ("SSCAN", _KEYS, "0"),
    ("SSCAN", _KEYS, "0", "MATCH", _MEMBERS, "COUNT", st.sampled_from(["50", "0", "x"])),
    ("SINTER", _KEYS, _KEYS),
    ("SUNION", _KEYS, _KEYS, _KEYS),
    ("SDIFF", _KEYS, _KEYS, _KEYS),
    ("SINTERSTORE", _KEYS, _KEYS, _KEYS),
    ("SUNIONSTORE", _KEYS, _KEYS, _KEYS),
    ("SDIFFSTORE", _KEYS, _KEYS, _KEYS),
    ("SINTERCARD", st.sampled_from(["0", "1", "2", "3", "x"]), _KEYS, _KEYS),
    ("SINTERCARD", "2", _KEYS, _KEYS, "LIMIT", st.sampled_from(["0", "1", "2", "-1", "x"])),
)
_START = ["SADD s a b c 1", "SADD t b c d", "SADD i 1 2 3", "SADD one 1", "SET str x"]
_START += ["RPUSH list a", "ZADD zset 1 a"]


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, _START, commands)
