"""Commands and options of Redis 8.2, which neither of the servers here has: the replies were read off a Redis 8.2.3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pulsards.commands.stream_starts import FILL, lines
from tests.pulsards.peers import EngineClient

# The group g has got three entries, h two.
_START = [
    *FILL,
    *("XGROUP CREATE s g 0", "XGROUP CREATE s h 0"),
    *("XREADGROUP GROUP g c COUNT 3 STREAMS s >", "XREADGROUP GROUP h c COUNT 2 STREAMS s >"),
]


def run(client: EngineClient, *commands: str) -> list[Any]:
    return [client.execute(*command.split()) for command in commands]


@pytest.fixture
def client() -> EngineClient:
    client = EngineClient()
    run(client, *_START)
    return client


def pending(client: EngineClient, group: str) -> list[str]:
    return [entry[0].decode() for entry in client.execute("XPENDING", "s", group, "-", "+", 99)]


class TestRemoving:
    def test_what_was_delivered_stays_pending(self, client: EngineClient) -> None:
        assert run(client, "XDELEX s IDS 1 1-1", "XDELEX s KEEPREF IDS 3 1-1 2-0 2-0") == [[1], [-1, 1, -1]]
        assert (pending(client, "g"), pending(client, "h")) == (["1-1", "1-2", "2-0"], ["1-1", "1-2"])
        assert client.execute("XLEN", "s") == 3

    def test_or_goes_as_well(self, client: EngineClient) -> None:
        assert run(client, "XDEL s 1-1", "XDELEX s DELREF IDS 3 1-2 1-1 7-7") == [1, [1, -1, -1]]
        assert (pending(client, "g"), pending(client, "h")) == (["2-0"], [])

    def test_or_keeps_the_entry(self, client: EngineClient) -> None:
        assert run(client, "XDELEX s ACKED IDS 4 1-1 2-0 9-9 77") == [[2, 2, 2, 2]]
        assert run(client, "XACK s g 1-1", "XDELEX s ACKED IDS 1 1-1") == [1, [2]]
        assert run(client, "XACK s h 1-1", "XDELEX s ACKED IDS 2 1-1 1-1") == [1, [1, -1]]

    def test_nobody_is_to_be_waited_for_without_groups(self) -> None:
        client = EngineClient()
        run(client, *FILL)
        assert run(client, "XDELEX s ACKED IDS 1 1-1", "XLEN s") == [[1], 4]

    def test_acknowledging_as_well(self, client: EngineClient) -> None:
        assert run(client, "XACKDEL s g IDS 2 1-1 7-7") == [[1, -1]]
        assert (pending(client, "g"), pending(client, "h")) == (["1-2", "2-0"], ["1-1", "1-2"])
        # An entry that is gone already is acknowledged all the same.
        assert run(client, "XACKDEL s g KEEPREF IDS 1 1-2", "XACKDEL s h DELREF IDS 1 1-2") == [[1], [1]]
        assert run(client, "XACKDEL s g ACKED IDS 2 2-0 5-7", "XLEN s") == [[2, -1], 3]
        assert (pending(client, "g"), pending(client, "h")) == ([], ["1-1"])

    def test_acknowledged_by_all(self, client: EngineClient) -> None:
        assert run(client, "XACKDEL s g ACKED IDS 1 1-1", "XACKDEL s h ACKED IDS 1 1-1", "XLEN s") == [
            [2],
            [1],
            4,
        ]

    def test_acknowledged_for_all(self, client: EngineClient) -> None:
        assert run(client, "XACKDEL s g DELREF IDS 1 1-2") == [[1]]
        assert (pending(client, "g"), pending(client, "h")) == (["1-1", "2-0"], ["1-1"])

    @pytest.mark.parametrize(
        ("command", "reply"),
        [
            ("XDELEX s IDS 1", "ERR wrong number of arguments for 'xdelex' command"),
            ("XDELEX s IDS 2 1", "ERR The `numids` parameter must match the number of arguments"),
            ("XDELEX no IDS 3 1 1", "ERR The `numids` parameter must match the number of arguments"),
            ("XDELEX s IDS 0 1", "ERR Number of IDs must be a positive integer"),
            ("XDELEX s IDS x 1", "ERR Number of IDs must be a positive integer"),
            ("XDELEX s ids -1 1", "ERR Number of IDs must be a positive integer"),
            ("XDELEX s IDS 1 x", "ERR Invalid stream ID specified as stream command argument"),
            ("XDELEX s IDS 2 1-1 x", "ERR Invalid stream ID specified as stream command argument"),
            ("XDELEX s FOO IDS 1 1", "ERR syntax error"),
            ("XDELEX no FOO 1 1 1", "ERR syntax error"),
            ("XDELEX s IDS 1 1 2", "ERR syntax error"),
            ("XDELEX s KEEPREF DELREF IDS 1 1", "ERR syntax error"),
            ("XDELEX s DELREF DELREF IDS 1 1", "ERR syntax error"),
            ("XDELEX s KEEPREF 1 2 3", "ERR syntax error"),
            ("XDELEX str FOO IDS 1 1", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("XACKDEL s no FOO 1 1 1", "ERR syntax error"),
            ("XACKDEL s g IDS 1 1-1 2", "ERR syntax error"),
            ("XACKDEL str g IDS 1 1", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ],
    )
    def test_errors(self, client: EngineClient, command: str, reply: str) -> None:
        client.execute("SET", "str", "x")
        assert client.execute(*command.split()) == ("error", reply)
        assert run(client, "XLEN s", "EXISTS no") == [5, 0]

    @pytest.mark.parametrize(
        ("command", "reply"),
        [
            ("XDELEX s IDS 1 1-1 KEEPREF", [1]),
            ("XDELEX s IDS 1 1-1 acked", [2]),
            ("XDELEX s IDS 1 1 IDS 2 2 9-9", [1, 1]),
            ("XDELEX no IDS 2 1 x", [-1, -1]),
            ("XACKDEL s no IDS 2 1 x", [-1, -1]),
            ("XACKDEL no g IDS 1 x", [-1]),
        ],
    )
    def test_odd_calls(self, client: EngineClient, command: str, reply: list[int]) -> None:
        assert client.execute(*command.split()) == reply

    @pytest.mark.parametrize(
        ("command", "told"),
        [
            ("XDELEX s IDS 2 1-1 7-7", True),
            ("XDELEX s IDS 1 7-7", False),
            ("XDELEX s ACKED IDS 1 1-1", False),
            ("XACKDEL s g IDS 1 1-1", True),
            ("XACKDEL s g IDS 1 9-9", False),
            ("XACKDEL s g ACKED IDS 1 2-0", False),
        ],
    )
    def test_who_is_told(self, client: EngineClient, command: str, told: bool) -> None:
        listener = EngineClient(client.engine)
        run(client, "CONFIG SET notify-keyspace-events KEA", "WATCH s")
        listener.execute("SUBSCRIBE", "__keyspace@0__:s")
        client.execute(*command.split())
        expected = [b"message", b"__keyspace@0__:s", b"xdel"] if told else NotImplemented
        assert listener.receive() == expected
        assert run(client, "MULTI", "PING", "EXEC")[-1] == (None if told else [b"PONG"])


class TestTrimming:
    def test_with_what_was_delivered(self, client: EngineClient) -> None:
        assert run(client, "XTRIM s DELREF MAXLEN 3") == [2]
        assert (pending(client, "g"), pending(client, "h")) == (["2-0"], [])
        assert run(client, "XTRIM s MINID 5 DELREF") == [1]
        assert pending(client, "g") == []

    def test_only_what_all_groups_are_done_with(self, client: EngineClient) -> None:
        assert run(client, "XTRIM s MAXLEN 2 ACKED") == [0]
        assert run(client, "XACK s g 1-1", "XACK s h 1-1", "XTRIM s MAXLEN 2 ACKED") == [1, 1, 1]
        assert run(client, "XACK s g 2-0", "XTRIM s MINID 9 ACKED") == [1, 0]
        run(client, "XREADGROUP GROUP h c NOACK COUNT 1 STREAMS s >")
        assert run(client, "XTRIM s MINID 9 acked") == [1]
        assert [entry[0] for entry in client.execute("XRANGE", "s", "-", "+")] == [b"1-2", b"5-7", b"9-9"]
        assert run(client, "XTRIM s MAXLEN 1 KEEPREF", "XLEN s") == [2, 1]
        assert pending(client, "h") == ["1-2"]

    def test_when_adding(self, client: EngineClient) -> None:
        assert run(client, "XADD s DELREF MAXLEN 3 10 a b", "XADD s MAXLEN 3 KEEPREF 11 a b") == [
            b"10-0",
            b"11-0",
        ]
        assert pending(client, "g") == []
        assert run(client, "XADD s ACKED MAXLEN = 1 12 a b", "XLEN s") == [b"12-0", 4]
        assert run(client, "XADD s DELREF 13 a b", "XADD s ACKED NOMKSTREAM 14 a b") == [b"13-0", b"14-0"]

    def test_approximately(self) -> None:
        """Whole runs, where all of one can go. (Redis 8.2.3 removes nothing.)"""
        client = EngineClient()
        run(client, *(f"XADD s {number} a b" for number in range(1, 251)), "XGROUP CREATE s g 0")
        run(
            client,
            "XREADGROUP GROUP g c COUNT 120 NOACK STREAMS s >",
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
        )
        assert run(client, "XTRIM s MAXLEN ~ 10 LIMIT 50 ACKED", "XTRIM s MAXLEN ~ 10 ACKED") == [0, 100]
        assert run(client, "XTRIM s MAXLEN ~ 10 ACKED", "XTRIM s MINID ~ 240 ACKED") == [0, 0]
        assert run(client, "XTRIM s MAXLEN ~ 10 DELREF", "XPENDING s g") == [100, [0, None, None, None]]

    @pytest.mark.parametrize(
        "arguments", lines("DELREF KEEPREF MAXLEN 1\nMAXLEN 1 ACKED ACKED\nMAXLEN 1 DELREF x")
    )
    def test_errors(self, client: EngineClient, arguments: str) -> None:
        assert client.execute("XTRIM", "s", *arguments.split()) == ("error", "ERR syntax error")

    def test_two_policies_make_no_id(self, client: EngineClient) -> None:
        [(kind, text)] = run(client, "XADD s MINID 12 ACKED DELREF 15 a b")
        assert (kind, text) == ("error", "ERR Invalid stream ID specified as stream command argument")
