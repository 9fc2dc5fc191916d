from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_TIME_FIRST = "Valkey looks at the time before it looks for the key; Redis has it the other way round"

_REFUSED = [
    *((option, time) for option in ("EX", "PX", "EXAT", "PXAT") for time in ("0", "-1", "x")),
    *((option, "9223372036854775807") for option in ("EX", "PX", "EXAT")),
    ("EX", "9223372036854775"),
]
_ACCEPTED = [("EXAT", "10"), ("PXAT", "10"), ("EXAT", "9223372036854775"), ("PXAT", "9223372036854775807")]

KNOWN = {
    ("valkey", f"GETEX {key} {option} {time}"): _TIME_FIRST
    for key in ("no", "list")
    for option, time in _REFUSED
}

_TIMES = ["0", "-1", "x", "1.5", "10", "9223372036854775807", "9223372036854775808", "9223372036854775", ""]


class TestSet:
    def test_conditions(self, peers: Differential) -> None:
        peers.check(["SET a 1 XX", "SET a 1 NX", "SET a 2 NX", "SET a 3 xx", "GET a", "SET a 1 NX XX"])
        peers.check(["SET a 4 NX GET", "SET a 5 XX GET", "SET no 1 XX GET", "SET no 1 NX GET", "GET no"])
        peers.check(["RPUSH list a", "SET list x GET", "SET list x NX", "SET list x NX GET", "SET list x XX"])
        peers.check_state()

    @pytest.mark.parametrize("option", ["EX", "PX", "EXAT", "PXAT"])
    @pytest.mark.parametrize("time", _TIMES)
    def test_times(self, peers: Differential, option: str, time: str) -> None:
        peers.check([("SET", "a", "1", option, time), "EXISTS a", ("SET", "a", "1", option, time, "GET")])
        if option.endswith("AT"):
            peers.check(["PEXPIRETIME a"])

    def test_a_time_to_live_kept_or_dropped(self, peers: Differential) -> None:
        peers.check(["SET a 1 EX 100", "TTL a", "SET a 2 KEEPTTL", "TTL a", "SET a 3", "TTL a"])
        peers.check(["SET a 1 EX 10 EX 100", "TTL a", "SET a 1 PXAT 33177117420000", "PEXPIRETIME a"])
        peers.check(["SETEX a 100 x", "TTL a", "PSETEX a 100000 x", "TTL a", "GETSET a y", "TTL a"])

    @pytest.mark.parametrize(
        "options",
        [
            *(
                "FOO",
                "EX",
                "NX EX",
                "EX 10 PX 10",
                "EX 10 KEEPTTL",
                "KEEPTTL EX 10",
                "KEEPTTL PXAT 10",
                "EX EX",
            ),
            *("PERSIST", "EXAT 10 EX 10", "NX NX", "GET GET", "XX NX", "KEEPTTL KEEPTTL", "keepttl get xx"),
        ],
    )
    def test_options_that_do_not_go_together(self, peers: Differential, options: str) -> None:
        peers.check(["SET a 0", f"SET a 1 {options}"])
        peers.check_state()

    def test_events(self, peers: Differential) -> None:
        peers.events(["SET a 1", "SET a 1", "SET a 2 EX 100", "SET a 2 KEEPTTL", "SET a 2 NX", "SETNX a 1"])
        peers.events(
            ["SETNX b 1", "SETEX b 100 x", "PSETEX c 100000 x", "GETSET c 1", "GETSET d 1", "SET q 1 XX"]
        )
        peers.events(["MSET a 1 e 2 e 3", "MSETNX a 1 f 2", "MSETNX g 1 h 2", "SET a 1 GET", "MGET a no"])

    def test_one_expired_is_told_before_it_is_overwritten(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock, notify_keyspace_events="KEA")
        listener = EngineClient(client.engine)
        listener.execute("SUBSCRIBE", "__keyspace@0__:a")
        client.execute("SET", "a", "1", "EX", 10)
        clock.advance(10)
        client.execute("SET", "a", "2", "KEEPTTL")
        assert client.execute("TTL", "a") == -1
        events = []
        while (message := listener.receive()) is not NotImplemented:
            events.append(message[2])
        assert events == [b"set", b"expire", b"expired", b"set"]


class TestSetWithATime:
    @pytest.mark.parametrize("name", ["SETEX", "psetex"])
    @pytest.mark.parametrize("time", _TIMES)
    def test_bounds(self, peers: Differential, name: str, time: str) -> None:
        peers.check([(name, "a", time, "x"), "EXISTS a"])


class TestGet:
    def test_whole(self, peers: Differential) -> None:
        peers.check(
            ["SET a 1", "GET a", "GET no", "RPUSH list x", "GET list", "GETSET list x", "GETDEL list"]
        )
        peers.check(["GETSET a 2", "GETSET no 3", "GETDEL a", "GETDEL a", "SETNX list 1", "STRLEN list"])
        peers.check(["STRLEN no", "STRLEN a", "GET", "GET a b", "MGET a no list a", "MGET"])
        peers.check_state()

    def test_many(self, peers: Differential) -> None:
        peers.check(["MSET a 1 b 2 a 3", "MGET a b", "MSET a", "MSET a 1 b", "MSETNX c 1 c 2", "GET c"])
        peers.check(["MSETNX d 1 c 2", "EXISTS d", "MSETNX d", "MSETNX d 1 e", "RPUSH list x", "MSET list 1"])
        peers.check_state()

    @pytest.mark.parametrize(("option", "time"), [*_REFUSED, *_ACCEPTED])
    def test_with_a_new_time(self, peers: Differential, option: str, time: str) -> None:
        peers.check(["RPUSH list x", "SET a 1 PXAT 33177117420000"])
        peers.check([f"GETEX {key} {option} {time}" for key in ("a", "no", "list")])
        peers.check(["EXISTS a", "PEXPIRETIME a", "SET a 1", "GETEX a EX 100", "TTL a"])

    @pytest.mark.parametrize(
        "options",
        [
            "FOO",
            "EX",
            "PERSIST EX 10",
            "EX 10 PERSIST",
            "KEEPTTL",
            "NX",
            "GET",
            "PERSIST PERSIST",
            "EX 10 PX 10",
        ],
    )
    def test_options(self, peers: Differential, options: str) -> None:
        peers.check(
            ["SET a 1 PXAT 33177117420000", f"GETEX a {options}", f"GETEX no {options}", "PEXPIRETIME a"]
        )

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["SET a 1", "GETEX a", "GETEX a PERSIST", "GETEX a EX 100", "GETEX a PERSIST", "GETEX no EX 9"]
        )
        peers.events(["GETEX a PXAT 33177117420000", "GETDEL a", "GETDEL a"])


class TestParts:
    @pytest.mark.parametrize(
        "bounds",
        [
            *(
                "0 -1",
                "-3 -1",
                "-1 -3",
                "-100 -100",
                "0 -100",
                "5 100",
                "100 200",
                "2 1",
                "x 1",
                "1 x",
                "0 0",
            ),
            *("9223372036854775807 9223372036854775807", "-9223372036854775808 9223372036854775807"),
            *("-9223372036854775808 -9223372036854775808", "0 9223372036854775808", "-1 0", "3 3"),
        ],
    )
    def test_ranges(self, peers: Differential, bounds: str) -> None:
        peers.check(["SET a abcdefgh", "SET empty x", "SETRANGE b 2 xyz", "RPUSH list x"])
        peers.check([f"GETRANGE {key} {bounds}" for key in ("a", "b", "empty", "no", "list")])
        peers.check([f"SUBSTR a {bounds}"])

    @pytest.mark.parametrize(
        "arguments",
        [
            *("0 abc", "3 x", "10 x", "-1 x", "x x", "536870911 x1", "536870912 x", "9223372036854775807 x"),
            *("9223372036854775808 x", "1 abcdefghijkl"),
        ],
    )
    def test_writing_inside(self, peers: Differential, arguments: str) -> None:
        peers.check(["SET a abcdef", "RPUSH list x"])
        peers.check([f"SETRANGE {key} {arguments}" for key in ("a", "no", "list")])
        peers.check_state()

    def test_writing_nothing(self, peers: Differential) -> None:
        peers.check(["SET a abc", "RPUSH list x"])
        for offset in ("0", "5", "-1", "x", "9223372036854775807"):
            peers.check([("SETRANGE", key, offset, "") for key in ("a", "no", "list")])
        peers.check_state()

    def test_appending(self, peers: Differential) -> None:
        peers.check(
            ["APPEND a 12", "APPEND a 3", "INCR a", "APPEND a x", ("APPEND", "b", ""), "APPEND list x"]
        )
        peers.check(
            ["RPUSH list x", "APPEND list x", "SET c 5 PXAT 33177117420000", "APPEND c 6", "PEXPIRETIME c"]
        )
        peers.check_state()

    def test_too_long(self) -> None:
        client = EngineClient(proto_max_bulk_len="1mb")
        client.execute("SET", "a", "x" * 1_000_000)
        text = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        assert client.execute("APPEND", "a", "x" * 50_000) == ("error", text)
        assert client.execute("SETRANGE", "a", 1_048_576, "x") == ("error", text)
        assert client.execute("STRLEN", "a") == 1_000_000
        assert client.execute("SETRANGE", "a", 1_048_575, "x") == 1_048_576

    def test_a_reply_inside_a_transaction_is_of_its_own_moment(self, peers: Differential) -> None:
        peers.check(["APPEND a x", "MULTI", "GET a", "APPEND a y", "MGET a", "SETRANGE a 0 z", "GETSET a q"])
        peers.check(["EXEC", "GET a"])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["APPEND a x", "APPEND a y", "SETRANGE a 1 x", "SETRANGE b 1 x", ("SETRANGE", "a", "0", "")]
        )


class TestCounting:
    @pytest.mark.parametrize(
        "value",
        [
            *(
                "10",
                " 1",
                "1 ",
                "+1",
                "01",
                "-0",
                "",
                "-1",
                "x",
                "1.0",
                "9223372036854775807",
                "-9223372036854775808",
            ),
            *("9223372036854775808", "1e3", "0"),
        ],
    )
    def test_from(self, peers: Differential, value: str) -> None:
        for command in ("INCR a", "DECR a", "INCRBY a 5", "DECRBY a 5", "INCRBY a -9223372036854775808"):
            peers.check([("SET", "a", value), command])
        peers.check_state()

    @pytest.mark.parametrize(
        "amount", ["1", "-1", "x", "", "9223372036854775808", "-9223372036854775808", "1.0", "01"]
    )
    def test_by(self, peers: Differential, amount: str) -> None:
        for name in ("INCRBY", "DECRBY"):
            peers.check([("RPUSH", "list", "x"), "SET a 5", (name, "a", amount), (name, "no", amount)])
            peers.check([(name, "list", amount)])
        peers.check_state()

    @pytest.mark.parametrize(
        "value", ["", "1", "1.5", "3.0e3", "inf", "nan", "x", " 1", "-0", "1e4932", "0.1", "0x10"]
    )
    @pytest.mark.parametrize(
        "amount",
        ["1", "0.1", "-1.5", "1e400", "1e5000", "inf", "-inf", "nan", "x", "", " 1", "1e-20", "0", "-0"],
    )
    def test_floats(self, peers: Differential, value: str, amount: str) -> None:
        peers.check([("SET", "a", value), ("INCRBYFLOAT", "a", amount), "GET a"])

    def test_floats_of_other_keys(self, peers: Differential) -> None:
        peers.check(["INCRBYFLOAT no 1.5", "INCRBYFLOAT zero -0", "RPUSH list x", "INCRBYFLOAT list 1"])
        peers.check(["INCRBYFLOAT list x", "SET a 1 PXAT 33177117420000", "INCRBYFLOAT a 1", "PEXPIRETIME a"])
        peers.check(["INCR a", "PEXPIRETIME a", "APPEND b 1", "APPEND b 2", "INCRBYFLOAT b 0.5"])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["INCR a", "DECR a", "INCRBY a 5", "DECRBY a 5", "INCRBYFLOAT a 1.5", "INCRBYFLOAT b 1", "INCR a"]
        )


_KEYS = st.sampled_from(["a", "b", "number", "long", "no", "list", "hash"])
_VALUES = st.sampled_from(["", "1", "-5", "text", "3.25", "9223372036854775807", b"\0\xff\r\n", "x" * 200])
_NUMBERS = st.sampled_from(
    [*map(str, range(-4, 5)), "99", "x", "", "1.5", "9223372036854775807", "-9223372036854775808"]
)
_WORDS = st.sampled_from(["NX", "xx", "GET", "KEEPTTL", "PERSIST", "FOO"])
_MOMENTS = st.sampled_from(["EXAT", "pxat"])

_COMMANDS = sequences(
    ("SET", _KEYS, _VALUES),
    ("SET", _KEYS, _VALUES, _WORDS),
    ("SET", _KEYS, _VALUES, _WORDS, _WORDS),
    ("SET", _KEYS, _VALUES, _WORDS, _MOMENTS, _NUMBERS),
    ("SETNX", _KEYS, _VALUES),
    ("SETEX", _KEYS, st.sampled_from(["0", "-1", "x"]), _VALUES),
    ("GET", _KEYS),
    ("GETSET", _KEYS, _VALUES),
    ("GETDEL", _KEYS),
    ("GETEX", _KEYS),
    ("GETEX", _KEYS, _WORDS),
    ("GETEX", _KEYS, _MOMENTS, st.sampled_from(["1", "33177117420", "33177117420000"])),
    ("MGET", _KEYS, _KEYS, _KEYS),
    ("MSET", _KEYS, _VALUES, _KEYS, _VALUES),
    ("MSETNX", _KEYS, _VALUES, _KEYS, _VALUES),
    ("APPEND", _KEYS, _VALUES),
    ("STRLEN", _KEYS),
    ("SETRANGE", _KEYS, _NUMBERS.filter(lambda text: len(text) < 4), _VALUES),
    ("GETRANGE", _KEYS, _NUMBERS, _NUMBERS),
    ("INCR", _KEYS),
    ("DECR", _KEYS),
    ("INCRBY", _KEYS, _NUMBERS),
    ("DECRBY", _KEYS, _NUMBERS),
    ("EXPIRETIME", _KEYS),
)
_START = [
    "SET a abc",
    "APPEND a def",
    "SET number 10",
    f"SET long {'y' * 200}",
    "RPUSH list x",
    "HSET hash f v",
]


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        run_sequence(lasting_peers, _START, commands)

    @given(
        commands=sequences(("INCRBYFLOAT", _KEYS, _NUMBERS | st.floats().map(repr)), ("SET", _KEYS, _VALUES))
    )
    def test_sums_of_floats(self, lasting_peers: Differential, commands: list[Any]) -> None:
        # Redis keeps a sum that happens to be whole as text; here it is as good as any other integer.
        run_sequence(lasting_peers, _START, commands, encodings=False)


class TestConditionsOnTheValue:
    """Valkey's; Redis 7.0 knows none of it."""

    def test_set(self, peers: Differential) -> None:
        commands = [
            *("SET k v", "SET k w IFEQ v", "SET k w IFEQ v", "SET k x ifeq w GET", "SET k x IFEQ w GET"),
            *("SET none x IFEQ v", "SET none x IFEQ v GET", "EXISTS none", "SET k y IFEQ x EX 100", "TTL k"),
            *(
                "SET k y IFEQ x NX",
                "SET k y NX IFEQ x",
                "SET k y XX IFEQ x",
                "SET k y IFEQ",
                "SET k y IFEQ y IFEQ y",
            ),
            *("SET k y GET KEEPTTL IFEQ y", "TTL k", "LPUSH l 1", "SET l y IFEQ x", "SET l y IFEQ x GET"),
            *("APPEND k z", "SET k a IFEQ yz"),
        ]
        peers.check(commands, without=["redis"])

    def test_delifeq(self, peers: Differential) -> None:
        commands = [
            *(
                "SET k v",
                "DELIFEQ k x",
                "DELIFEQ k v",
                "DELIFEQ k v",
                "LPUSH l 1",
                "DELIFEQ l 1",
                "DELIFEQ k",
            ),
            *("SET n 12", "DELIFEQ n 012", "APPEND n 3", "DELIFEQ n 123", "EXISTS n"),
        ]
        peers.check(commands, without=["redis"])

    def test_events(self, peers: Differential) -> None:
        commands = ["SET k v", "DELIFEQ k x", "SET k w IFEQ v", "SET k w IFEQ v", "DELIFEQ k w"]
        commands += ["MSETEX 2 a 1 b 2 EX 100", "MSETEX 2 a 1 c 1 NX", "MSETEX 1 a 1 KEEPTTL"]
        if "redis" in peers.servers:
            peers.servers.pop("redis").close()
        peers.events(commands)


def test_msetex(peers: Differential) -> None:
    commands = [
        *("MSETEX 2 a 1 b 2 EX 100", "TTL a", "MSETEX 1 a 2 KEEPTTL", "TTL a", "MSETEX 2 a 1 q 2 NX"),
        *("MSETEX 2 a 1 q 2 XX", "MSETEX 2 q 1 r 2 NX", "MSETEX 1 a 3", "TTL a", "MGET a b q r"),
        *("HSET h f 1", "MSETEX 1 h 1", "TYPE h", "MSETEX 2 new 1 new 2 NX", "GET new"),
        *(
            "MSETEX 0 a 1",
            "MSETEX x a 1",
            "MSETEX 2 a 1",
            "MSETEX 1 a",
            "MSETEX 1 a 1 b 2",
            "MSETEX 1 a 1 NX XX",
        ),
        *("MSETEX 1 a 1 EX 1 PX 1", "MSETEX 1 a 1 EX 0", "MSETEX -1 a 1", "MSETEX 99999999999 a 1"),
        *(
            "MSETEX 1 a 1 FOO",
            "MSETEX 1 a 1 EX",
            "MSETEX 1 a 1 EX x",
            "MSETEX 1 a 1 NX EX 0",
            "MSETEX 1 a 1 xx xx",
        ),
        *(
            "MSETEX 1 a 1 PERSIST",
            "MSETEX 1 a 1 IFEQ x",
            "MSETEX 1 a 1 GET",
            "MSETEX 1 a 1 EXAT 1",
            "EXISTS a",
        ),
        *("COMMAND GETKEYS MSETEX 2 a 1 b 2 NX", "MSETEX 1 b 1 PXAT 33177117420000", "PEXPIRETIME b"),
    ]
    peers.check(commands, without=["redis"])
