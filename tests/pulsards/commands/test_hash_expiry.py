from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.clock import ManualClock
from tests.pulsards.commands.sequences import sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

#: Redis 7.0 knows none of this, and Valkey has texts of its own for the errors.
ONLY_VALKEY = ["redis"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(clock: ManualClock) -> EngineClient:
    client = EngineClient(clock=clock)
    client.execute("HSET", "h", "a", 1, "b", 2, "c", 3)
    return client


@pytest.fixture
def listener(client: EngineClient) -> EngineClient:
    client.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
    listener = EngineClient(client.engine)
    listener.execute("SUBSCRIBE", "__keyspace@0__:h")
    return listener


def _events(listener: EngineClient) -> list[bytes]:
    events = []
    while (message := listener.receive()) is not NotImplemented:
        events.append(message[2])
    return events


class TestSetting:
    def test_replies(self, peers: Differential) -> None:
        commands = [
            *("HSET h a 1 b 2 c 3", "HEXPIRE h 100 FIELDS 2 a none", "HEXPIRE no 100 FIELDS 2 a b"),
            *(
                "HTTL h FIELDS 3 a b none",
                "HPERSIST h FIELDS 3 a b none",
                "HPERSIST no FIELDS 1 a",
                "HTTL no FIELDS 1 a",
            ),
            *(
                "HEXPIRE h 0 FIELDS 1 c",
                "HPEXPIREAT h 1 FIELDS 2 b none",
                "HGETALL h",
                "hexpire h 9 nx fields 1 a",
            ),
            *(
                "SET s x",
                "HEXPIRE s 9 FIELDS 1 a",
                "HTTL s FIELDS 1 a",
                "HPERSIST s FIELDS 1 a",
                "HEXPIRE h 1",
                "HTTL h",
            ),
            *("HEXPIRE h 0 FIELDS 2 a a", "EXISTS h", "HPEXPIRE h 1 FIELDS 1", "HEXPIRE h x FIELDS 1 a"),
        ]
        peers.check(commands, without=ONLY_VALKEY)

    @pytest.mark.parametrize("current", [None, 33177117420000])
    @pytest.mark.parametrize("condition", ["NX", "XX", "gt", "LT", ""])
    @pytest.mark.parametrize("moment", [33177117410000, 33177117420000, 33177117430000, 1])
    def test_conditions(self, peers: Differential, current: int | None, condition: str, moment: int) -> None:
        commands = ["HSET h a 1 b 2"]
        if current is not None:
            commands.append(f"HPEXPIREAT h {current} FIELDS 1 a")
        words = f"{moment} {condition}".rstrip()
        commands += [f"HPEXPIREAT h {words} FIELDS 2 a none", "HPEXPIRETIME h FIELDS 2 a b"]
        peers.check(commands, without=ONLY_VALKEY)

    @pytest.mark.parametrize(
        ("command", "error"),
        [
            ("HEXPIRE h -1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
            ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "ERR invalid expire time in 'hexpire' command"),
            ("HPEXPIREAT h 70368744177664 FIELDS 1 a", "ERR invalid expire time in 'hpexpireat' command"),
            ("HEXPIRE h 1 FIELDS 0 a", "ERR Parameter `numFields` should be greater than 0"),
            ("HEXPIRE h 1 FIELDS x a", "ERR Parameter `numFields` should be greater than 0"),
            ("HEXPIRE h 1 FIELDS 2 a", "ERR The `numfields` parameter must match the number of arguments"),
            ("HEXPIRE h 1 NX FIELDS 1", "ERR The `numfields` parameter must match the number of arguments"),
            ("HEXPIRE h 1 FOO 1 a", "ERR Mandatory argument FIELDS is missing or not at the right position"),
            (
                "HEXPIRE h 1 NX XX FIELDS 1 a",
                "ERR Mandatory argument FIELDS is missing or not at the right position",
            ),
            ("HTTL h FIELDS 0 a", "ERR Number of fields must be a positive integer"),
            ("HTTL h FIELDS 1 a b", "ERR The `numfields` parameter must match the number of arguments"),
            ("HPERSIST h FOO 1 a", "ERR Mandatory argument FIELDS is missing or not at the right position"),
        ],
    )
    def test_refusals(self, client: EngineClient, command: str, error: str) -> None:
        assert client.execute(*command.split()) == ("error", error)
        assert client.execute(*command.replace(" h ", " no ").split()) == ("error", error)
        assert client.execute("HGETALL", "h") == [b"a", b"1", b"b", b"2", b"c", b"3"]

    def test_what_ends_it(self, peers: Differential) -> None:
        commands = ["HSET h a 1 b 2"]
        for command in (
            "HSET h a 2",
            "HSET h a 2 b 3",
            "HINCRBY h a 1",
            "HINCRBYFLOAT h a 1",
            "HSETNX h a 9",
        ):
            commands += ["HPEXPIREAT h 33177117420000 FIELDS 1 a", command, "HPEXPIRETIME h FIELDS 2 a b"]
        commands += ["HDEL h a", "HSET h a 1", "HPEXPIRETIME h FIELDS 1 a"]
        peers.check(commands, without=ONLY_VALKEY)

    @pytest.mark.parametrize("command", ["COPY h twin", "RENAME h twin", "COPY h twin DB 1", "MOVE h 1"])
    def test_it_goes_along(self, peers: Differential, command: str) -> None:
        commands = [
            "HSET h a 1 b 2",
            "HPEXPIREAT h 33177117420000 FIELDS 1 a",
            command,
            "HPEXPIRETIME h FIELDS 1 a",
        ]
        commands += ["HPEXPIRETIME twin FIELDS 2 a b", "SELECT 1", "HPEXPIRETIME h FIELDS 1 a", "SELECT 0"]
        peers.check(commands, without=ONLY_VALKEY)

    def test_events(self, client: EngineClient, listener: EngineClient) -> None:
        for command, events in (
            ("HEXPIRE h 100 FIELDS 2 a b", [b"hexpire"]),
            ("HEXPIRE h 100 NX FIELDS 2 a b", []),
            ("HPERSIST h FIELDS 2 a c", [b"hpersist"]),
            ("HPERSIST h FIELDS 2 a c", []),
            ("HEXPIRE h 0 FIELDS 2 a none", [b"hdel"]),
            ("HEXPIRE h 0 FIELDS 2 b c", [b"hdel", b"del"]),
            ("HEXPIRE h 9 FIELDS 2 b c", []),
        ):
            client.execute(*command.split())
            assert _events(listener) == events, command


class TestReading:
    def test_seconds_are_rounded_up(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("HPEXPIRE", "h", 1400, "FIELDS", 1, "a")
        assert client.execute("HTTL", "h", "FIELDS", 2, "a", "b") == [2, -1]
        assert client.execute("HPTTL", "h", "FIELDS", 1, "a") == [1400]
        now = clock.time_us() // 1000
        assert client.execute("HPEXPIRETIME", "h", "FIELDS", 1, "a") == [now + 1400]
        assert client.execute("HEXPIRETIME", "h", "FIELDS", 1, "a") == [-(-(now + 1400) // 1000)]

    def test_encoding(self, client: EngineClient) -> None:
        client.execute("HPEXPIRE", "h", 1400, "FIELDS", 1, "a")
        assert client.execute("OBJECT", "ENCODING", "h") == b"listpackex"


class TestExpiring:
    @pytest.mark.parametrize(
        ("command", "reply"),
        [
            ("HGET h a", None),
            ("HMGET h a b", [None, b"2"]),
            ("HGETALL h", [b"b", b"2", b"c", b"3"]),
            ("HKEYS h", [b"b", b"c"]),
            ("HVALS h", [b"2", b"3"]),
            ("HLEN h", 2),
            ("HSTRLEN h a", 0),
            ("HEXISTS h a", 0),
            ("HSCAN h 0", [b"0", [b"b", b"2", b"c", b"3"]]),
            ("HTTL h FIELDS 1 a", [-2]),
            ("HPERSIST h FIELDS 1 a", [-2]),
            ("HEXPIRE h 9 FIELDS 1 a", [-2]),
            ("HDEL h a", 0),
            ("HSET h a 5", 1),
            ("HSET h a 5 d 6", 2),
            ("HSETNX h a 5", 1),
            ("HINCRBY h a 5", 5),
            ("HINCRBYFLOAT h a 5", b"5"),
            ("HRANDFIELD h -1", None),
            ("SORT l BY nosort GET h*->a GET h*->b", [None, b"2"]),
        ],
    )
    def test_gone_for_every_command(
        self, client: EngineClient, clock: ManualClock, listener: EngineClient, command: str, reply: Any
    ) -> None:
        client.execute("RPUSH", "l", "")
        client.execute("HPEXPIRE", "h", 100, "FIELDS", 1, "a")
        clock.advance(0.099)
        assert client.execute("HGET", "h", "a") == b"1"
        clock.advance(0.001)
        _events(listener)
        given = client.execute(*command.split())
        assert given == reply or (command.startswith("HRANDFIELD") and given in ([b"b"], [b"c"]))
        assert _events(listener)[0] == b"hexpired"
        assert client.execute("HPEXPIRETIME", "h", "FIELDS", 1, "a") in ([-1], [-2])

    def test_the_last_field_takes_the_key_along(
        self, client: EngineClient, clock: ManualClock, listener: EngineClient
    ) -> None:
        for command in ("HGET h a", "HGETALL h", "HDEL h a", "HLEN h", "HSET h n 1"):
            client.execute("DEL", "h")
            client.execute("HSET", "h", "a", 1)
            client.execute("HPEXPIRE", "h", 100, "FIELDS", 1, "a")
            clock.advance(0.1)
            _events(listener)
            client.execute(*command.split())
            assert _events(listener)[:2] == [b"hexpired", b"del"], command
            assert client.execute("HLEN", "h") == command.startswith("HSET")

    def test_by_itself(self, client: EngineClient, clock: ManualClock, listener: EngineClient) -> None:
        engine = client.engine
        now = clock.time_us() // 1000
        client.execute("HPEXPIRE", "h", 200, "FIELDS", 1, "a")
        client.execute("HPEXPIRE", "h", 100, "FIELDS", 2, "b", "c")
        assert engine.next_due() == now + 100
        clock.advance(0.1)
        engine.run_due()
        assert engine.next_due() == now + 200
        assert _events(listener) == [b"hexpire", b"hexpire", b"hexpired"]
        clock.advance(0.1)
        engine.run_due()
        assert engine.next_due() is None
        assert _events(listener) == [b"hexpired", b"del"]
        assert client.execute("DBSIZE") == 0

    def test_a_due_moment_that_passed_on(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("HPEXPIRE", "h", 100, "FIELDS", 1, "a")
        client.execute("HPEXPIRE", "h", 500, "FIELDS", 1, "a")
        clock.advance(0.1)
        client.engine.run_due()
        assert client.execute("HPTTL", "h", "FIELDS", 1, "a") == [400]
        clock.advance(0.4)
        client.engine.run_due()
        assert client.execute("HLEN", "h") == 2

    @pytest.mark.parametrize(
        "command", ["DEL h", "SET h x", "RENAME h twin", "MOVE h 1", "FLUSHALL", "HPERSIST h FIELDS 1 a"]
    )
    def test_nothing_is_left_behind(self, client: EngineClient, clock: ManualClock, command: str) -> None:
        client.execute("HPEXPIRE", "h", 100, "FIELDS", 1, "a")
        client.execute(*command.split())
        clock.advance(0.1)
        client.engine.run_due()
        assert client.engine.next_due() is None
        for database in client.engine.keyspace.databases:
            assert not database.fields
        assert client.execute("HEXISTS", "twin", "a") == 0

    def test_many_at_once_a_few_at_a_time(self, client: EngineClient, clock: ManualClock) -> None:
        fields = [b"%d" % number for number in range(1200)]
        client.execute("HSET", "h", *(part for field in fields for part in (field, "v")))
        client.execute("HPEXPIRE", "h", 100, "FIELDS", len(fields), *fields)
        clock.advance(0.1)
        turns = 0
        while client.engine.next_due() is not None:
            client.engine.run_due()
            turns += 1
        assert turns == 3
        assert client.execute("HLEN", "h") == 3

    def test_a_watched_key(self, client: EngineClient, clock: ManualClock) -> None:
        client.execute("HPEXPIRE", "h", 100, "FIELDS", 1, "a")
        client.execute("WATCH", "h")
        clock.advance(0.1)
        client.engine.run_due()
        client.execute("MULTI")
        client.execute("PING")
        assert client.execute("EXEC") is None


_FIELDS = st.sampled_from(["a", "b", "c"])
_MOMENTS = st.sampled_from(["1", "33177117410000", "33177117420000", "33177117430000"])
_CONDITIONS = st.sampled_from(["NX", "XX", "LT"])

_COMMANDS = sequences(
    ("HPEXPIREAT", "h", _MOMENTS, "FIELDS", "2", _FIELDS, _FIELDS),
    ("HPEXPIREAT", "h", _MOMENTS, _CONDITIONS, "FIELDS", "1", _FIELDS),
    ("HPERSIST", "h", "FIELDS", "2", _FIELDS, _FIELDS),
    ("HPEXPIRETIME", "h", "FIELDS", "3", "a", "b", "c"),
    ("HSET", "h", _FIELDS, "1"),
    ("HSET", "h", _FIELDS, "1", _FIELDS, "2"),
    ("HDEL", "h", _FIELDS),
    ("HINCRBY", "h", _FIELDS, "1"),
    ("COPY", "h", "twin", "REPLACE"),
    ("RENAME", "twin", "h"),
    ("HLEN", "h"),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        lasting_peers.check(["FLUSHALL", "HSET h a 1 b 2"])
        lasting_peers.check(commands, without=ONLY_VALKEY)
        lasting_peers.check(
            [
                "EXISTS h",
                "HMGET h a b c",
                "HPEXPIRETIME h FIELDS 3 a b c",
                "HPEXPIRETIME twin FIELDS 3 a b c",
            ],
            without=ONLY_VALKEY,
        )
