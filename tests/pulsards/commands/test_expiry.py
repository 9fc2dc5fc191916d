from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_NAMES = ["EXPIRE", "PEXPIRE", "EXPIREAT", "pexpireat"]
_TIMES = [
    *("0", "-1", "1", "x", "", "1.5", "9223372036854775807", "-9223372036854775808", "9223372036854775"),
    *("9223372036854776", "-9223372036854775", "-9223372036854776", "9223372036854775808", "01"),
]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(clock: ManualClock) -> EngineClient:
    return EngineClient(clock=clock, notify_keyspace_events="KEA")


class TestSetting:
    @pytest.mark.parametrize("name", _NAMES)
    @pytest.mark.parametrize("time", _TIMES)
    def test_times(self, peers: Differential, name: str, time: str) -> None:
        if (name, time) == ("PEXPIRE", "1"):
            time = "100000"
        peers.check(["SET a 1", (name, "a", time), "EXISTS a", (name, "no", time), (name, "a", time, "FOO")])
        if name.lower().endswith("at"):
            peers.check(["PEXPIRETIME a", "EXPIRETIME a"])

    @pytest.mark.parametrize("current", ["", "PXAT 33177117420000"])
    @pytest.mark.parametrize("time", ["33177117410000", "33177117420000", "33177117430000", "1"])
    @pytest.mark.parametrize(
        "options",
        [
            *(
                "NX",
                "xx",
                "GT",
                "LT",
                "XX GT",
                "XX LT",
                "NX GT",
                "NX LT",
                "NX XX",
                "GT LT",
                "FOO",
                "NX FOO",
                "NX NX",
            ),
            *("XX XX", "GT gt", "GT XX"),
        ],
    )
    def test_conditions(self, peers: Differential, current: str, time: str, options: str) -> None:
        peers.check([f"SET a 1 {current}".rstrip(), f"PEXPIREAT a {time} {options}", "PEXPIRETIME a"])
        peers.check([f"PEXPIREAT no {time} {options}", f"PEXPIREAT a x {options}"])

    def test_dropping(self, peers: Differential) -> None:
        peers.check(["SET a 1", "PERSIST a", "EXPIRE a 100", "PERSIST a", "TTL a", "PERSIST no", "PERSIST"])
        peers.check(["RPUSH list x", "EXPIRE list 100", "TTL list", "PERSIST list", "TTL list"])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            ["SET a 1", "EXPIRE a 100", "EXPIRE a 100 NX", "PEXPIREAT a 33177117420000", "EXPIRE no 1"]
        )
        peers.events(["PERSIST a", "PERSIST a", "PERSIST no", "PEXPIRE a 100000 XX", "PEXPIRE a 100000 LT"])

    def test_a_time_that_is_past_removes_the_key(self, client: EngineClient) -> None:
        # Valkey calls it "expired" by now.
        listener = EngineClient(client.engine)
        listener.execute("SUBSCRIBE", "__keyspace@0__:a")
        for command in ("EXPIREAT a 0", "PEXPIREAT a 0", "EXPIRE a 0", "PEXPIRE a -1", "GETEX a EXAT 1"):
            client.execute("SET", "a", "1")
            client.execute(*command.split())
            assert client.execute("EXISTS", "a") == 0
            assert [listener.receive()[2] for _ in range(2)] == [b"set", b"del"]


class TestReading:
    def test_without_a_time_to_live(self, peers: Differential) -> None:
        for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
            peers.check(["SET a 1", f"{name} a", f"{name} no", name, f"{name} a b"])

    @pytest.mark.parametrize("left", [1, 400, 499, 500, 501, 999, 1499, 1500, 100_000])
    def test_rounding(self, client: EngineClient, left: int) -> None:
        client.execute("SET", "a", "1", "PX", left)
        assert client.execute("PTTL", "a") == left
        assert client.execute("TTL", "a") == (left + 500) // 1000

    @pytest.mark.parametrize("moment", ["33177117420000", "33177117420499", "33177117420500"])
    def test_rounding_of_moments(self, peers: Differential, moment: str) -> None:
        peers.check(["SET a 1", f"PEXPIREAT a {moment}", "EXPIRETIME a", "PEXPIRETIME a"])


class TestExpiring:
    def test_lazily_at_the_very_millisecond(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("SET", "a", "1", "PX", 100)
        clock.advance(0.099)
        assert client.execute("GET", "a") == b"1"
        clock.advance(0.001)
        assert client.execute("GET", "a") is None
        assert client.execute("TTL", "a") == -2

    @pytest.mark.parametrize(
        "command",
        [
            *(
                "GET a",
                "EXISTS a",
                "TYPE a",
                "TTL a",
                "DEL a",
                "RENAME a b",
                "COPY a b",
                "MOVE a 1",
                "INCR a",
            ),
            *(
                "SET a 1",
                "SCAN 0",
                "RANDOMKEY",
                "EXPIRE a 10",
                "PERSIST a",
                "OBJECT ENCODING a",
                "APPEND a x",
            ),
        ],
    )
    def test_says_so_to_whoever_touches_it(
        self, client: EngineClient, clock: ManualClock, command: str
    ) -> None:
        listener = EngineClient(client.engine)
        client.execute("SET", "a", "1", "EX", 10)
        listener.execute("SUBSCRIBE", "__keyevent@0__:expired")
        clock.advance(10)
        client.execute(*command.split())
        assert listener.receive()[2] == b"a"
        assert listener.receive() is NotImplemented

    def test_by_itself(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("SET", "a", "1", "EX", 10)
        due = client.engine.next_due()
        assert due == clock.time_us() // 1000 + 10_000
        clock.advance(10)
        client.engine.run_due()
        assert client.execute("DBSIZE") == 0
        assert client.engine.next_due() is None

    def test_a_key_that_lives_on(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("SET", "a", "1", "EX", 10)
        client.execute("EXPIRE", "a", 100)
        clock.advance(10)
        client.engine.run_due()
        assert client.execute("TTL", "a") == 90

    def test_a_watched_key(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("SET", "a", "1", "EX", 10)
        client.execute("WATCH", "a")
        clock.advance(10)
        client.execute("MULTI")
        client.execute("SET", "b", "1")
        EngineClient(client.engine).execute("GET", "a")
        assert client.execute("EXEC") is None


_KEYS = st.sampled_from(["a", "list", "no"])
_MOMENTS = st.sampled_from(["1", "33177117410000", "33177117420000", "33177117430000", "x"])
_CONDITIONS = st.sampled_from(["NX", "XX", "GT", "LT"])

_COMMANDS = sequences(
    ("PEXPIREAT", _KEYS, _MOMENTS),
    ("PEXPIREAT", _KEYS, _MOMENTS, _CONDITIONS),
    ("PEXPIREAT", _KEYS, _MOMENTS, _CONDITIONS, _CONDITIONS),
    ("EXPIREAT", _KEYS, st.sampled_from(["33177117410", "33177117420", "0"]), _CONDITIONS),
    ("PERSIST", _KEYS),
    ("PEXPIRETIME", _KEYS),
    ("EXPIRETIME", _KEYS),
    ("SET", _KEYS, "x"),
    ("SET", _KEYS, "x", "KEEPTTL"),
    ("APPEND", _KEYS, "x"),
    ("RPUSH", _KEYS, "x"),
    ("RPOP", _KEYS),
    ("RENAME", _KEYS, _KEYS),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        start = ["SET a 1 PXAT 33177117420000", "RPUSH list x", "PEXPIREAT list 33177117420000"]
        run_sequence(lasting_peers, start, commands)
