from __future__ import annotations

from typing import Any

import pytest

from anystore.pulsards.clock import ManualClock
from tests.pulsards.commands.stream_starts import FILL, GROUP, lines
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient


class TestInfo:
    @pytest.mark.parametrize(
        "arguments",
        lines(
            """
            STREAM s
            STREAM no
            STREAM str
            STREAM s FULL
            STREAM s FULL COUNT 2
            STREAM s FULL COUNT 0
            STREAM s FULL COUNT -1
            STREAM s FULL COUNT x
            STREAM s FULL COUNT
            STREAM s FOO
            STREAM s FULL FOO 1
            STREAM s COUNT 1
            STREAM s FULL COUNT 1 2
            STREAM
            GROUPS s
            GROUPS no
            GROUPS str
            GROUPS
            GROUPS s g
            CONSUMERS s g
            CONSUMERS s no
            CONSUMERS no g
            CONSUMERS str g
            CONSUMERS s
            CONSUMERS s g c
            FOO
            FOO s
            HELP s
            stream no FOO
            STREAM str FOO
            STREAM empty
            STREAM empty FULL
            GROUPS empty
            """
        ),
    )
    def test_arguments(self, peers: Differential, arguments: str) -> None:
        peers.check(
            [*GROUP, "SET str x", "XGROUP CREATECONSUMER s g b", "XGROUP CREATE s f 5-7", "XADD empty 1 a b"]
        )
        peers.check(["XDEL empty 1", "XGROUP CREATE empty g 0", f"XINFO {arguments}"])

    def test_how_much_is_listed(self, peers: Differential) -> None:
        peers.check([*(f"XADD s {number} a b" for number in range(1, 31)), "XGROUP CREATE s g 0"])
        peers.check(
            [
                "XREADGROUP GROUP g c COUNT 14 STREAMS s >",
                "XREADGROUP GROUP g a STREAMS s >",
                "XINFO STREAM s FULL",
            ]
        )
        peers.check([f"XINFO STREAM s FULL COUNT {count}" for count in (1, 12, 15, 0, -1)])

    def test_times(self) -> None:
        clock = ManualClock(1000)
        client = EngineClient(clock=clock)
        for command in [*FILL, "XGROUP CREATE s g 0", "XGROUP CREATECONSUMER s g idle"]:
            _run(client, command)
        clock.advance(1)
        _run(client, "XREADGROUP GROUP g c COUNT 1 STREAMS s >")
        clock.advance(1)
        _run(client, "XREADGROUP GROUP g c STREAMS s 0")
        clock.advance(1)
        _run(client, "XREADGROUP GROUP g n NOACK COUNT 1 STREAMS s >")
        clock.advance(1)
        assert _consumers(client) == {b"c": (2000, 3000), b"idle": (4000, -1), b"n": (1000, -1)}
        _run(client, "XCLAIM s g idle 0 1-1")
        assert _consumers(client) == {b"c": (2000, 3000), b"idle": (0, 0), b"n": (1000, -1)}
        assert _run(client, "XPENDING s g - + 9") == [[b"1-1", b"idle", 0, 3]]
        client.execute("HELLO", 3)
        group = _run(client, "XINFO STREAM s FULL")[b"groups"][0]
        assert group[b"pending"] == [[b"1-1", b"idle", 1004000, 3]]
        assert [consumer[b"pending"] for consumer in group[b"consumers"]] == [[], [[b"1-1", 1004000, 3]], []]
        assert [consumer[b"seen-time"] for consumer in group[b"consumers"]] == [1002000, 1004000, 1003000]
        assert [consumer[b"active-time"] for consumer in group[b"consumers"]] == [1001000, 1004000, -1]

    def test_who_was_active_when(self, valkey: Any, peers: Differential) -> None:
        """The fields that 7.0 lacks, told apart only by whether there is a time."""
        commands = [
            *(
                *FILL,
                "XGROUP CREATE s g 0",
                "XGROUP CREATECONSUMER s g a",
                "XREADGROUP GROUP g b COUNT 1 STREAMS s >",
            ),
            *(
                "XREADGROUP GROUP g c NOACK COUNT 1 STREAMS s >",
                "XREADGROUP GROUP g d STREAMS s 0",
                "XCLAIM s g e 0 1-1 JUSTID",
            ),
            *("XCLAIM s g f 0 9-9", "XAUTOCLAIM s g h 9999 0", "XAUTOCLAIM s g i 0 0"),
        ]
        active = []
        for client in (peers.engine, peers.servers["valkey"]):
            for command in commands:
                client.execute(*command.split())
            replies = client.execute("XINFO", "CONSUMERS", "s", "g")
            found = [reply if isinstance(reply, dict) else _pairs(reply) for reply in replies]
            active.append([(one[b"name"], one[b"inactive"] >= 0) for one in found])
        assert active[0] == active[1]


class TestCounters:
    def test_how_far_groups_have_read(self, peers: Differential) -> None:
        commands = lines(
            """
            XGROUP CREATE s g $ MKSTREAM
            XADD s 1 a b
            XADD s 2 a b
            XADD s 3 a b
            XGROUP CREATE s h 2
            XREADGROUP GROUP g c COUNT 2 STREAMS s >
            XREADGROUP GROUP h c COUNT 1 STREAMS s >
            XADD s 4 a b
            XREADGROUP GROUP h c NOACK STREAMS s >
            XGROUP SETID s g 1
            XREADGROUP GROUP g c STREAMS s >
            XGROUP CREATE s i 0
            XGROUP CREATE s j 3 ENTRIESREAD 3
            XREADGROUP GROUP j c STREAMS s >
            XGROUP SETID s j 0 ENTRIESREAD 0
            """
        )
        for command in commands:
            peers.check([command])
            ours, *theirs = (_counters(client) for client in (peers.engine, *peers.servers.values()))
            for counters in theirs:
                assert counters == ours, command

    @pytest.mark.parametrize("gone", ["1-1", "1-2", "2-0", "5-7", "9-9", "2-0 1-1", "9-9 5-7", "1-1 1-2 2-0"])
    @pytest.mark.parametrize("start", ["0", "1-1", "1-2", "2-0", "5-7", "9-9", "99"])
    def test_entries_read_past_what_was_removed(self, peers: Differential, start: str, gone: str) -> None:
        peers.check([*FILL, f"XGROUP CREATE s g {start}"], without=["redis"])
        for command in (
            f"XDEL s {gone}",
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
            "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
            "XADD s 100 a b",
            "XREADGROUP GROUP g c STREAMS s >",
            "XTRIM s MAXLEN 1",
        ):
            peers.check([command, "XINFO GROUPS s"], without=["redis"])

    @pytest.mark.parametrize(
        ("commands", "lag"),
        [
            ("XTRIM s MAXLEN 0", 0),
            ("XDEL s 1-1 1-2 2-0 5-7 9-9", 0),
            ("XTRIM s MAXLEN 2", 2),
            ("XDEL s 2-0", None),
            ("XDEL s 1-1", 4),
            ("XDEL s 1-1 1-2", 3),
            ("XREADGROUP GROUP g c COUNT 2 STREAMS s >;XDEL s 1-1", 3),
            ("XREADGROUP GROUP g c COUNT 2 STREAMS s >;XDEL s 5-7", None),
            ("XREADGROUP GROUP g c COUNT 2 STREAMS s >;XDEL s 5-7;XTRIM s MAXLEN 1", 1),
            ("XREADGROUP GROUP g c COUNT 2 STREAMS s >;XTRIM s MAXLEN 1", 1),
            ("XREADGROUP GROUP g c COUNT 2 STREAMS s >;XDEL s 9-9", None),
            ("XREADGROUP GROUP g c STREAMS s >;XDEL s 9-9", 0),
            ("XTRIM s MAXLEN 2;XREADGROUP GROUP g c COUNT 1 STREAMS s >", 1),
            ("XGROUP SETID s g 1-2", None),
            ("XGROUP SETID s g 1-1", 4),
            ("XGROUP SETID s g 99", None),
            ("XGROUP SETID s g $", 0),
        ],
    )
    def test_what_groups_have_not_been_given(self, commands: str, lag: int | None) -> None:
        """As Redis 7.4.4 and 8 count it; 7.0 and Valkey 9.1 take entries that were trimmed for outstanding ones."""
        client = EngineClient()
        for command in [*FILL, "XGROUP CREATE s g 0", *commands.split(";")]:
            _run(client, command)
        assert [counted for _, counted in _counters(client).values()] == [lag]


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _run(client: EngineClient, command: str) -> Any:
    return client.execute(*command.split())


def _consumers(client: EngineClient) -> dict[bytes, tuple[int, int]]:
    found = map(_pairs, client.execute("XINFO", "CONSUMERS", "s", "g"))
    return {one[b"name"]: (one[b"idle"], one[b"inactive"]) for one in found}


def _counters(client: Any) -> dict[bytes, tuple[int | None, int | None]]:
    """What each group has read, and has not."""
    found = (one if isinstance(one, dict) else _pairs(one) for one in client.execute("XINFO", "GROUPS", "s"))
    return {one[b"name"]: (one[b"entries-read"], one[b"lag"]) for one in found}
