from __future__ import annotations

from math import inf
from typing import Any

import pytest

from anystore.exceptions import InvalidArgument
from anystore.redis.routing import block_seconds, is_read_only, normalised, plain_names, refuse
from anystore.spec import specs


class TestNames:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (("get", "key"), ("GET", "key")),
            ((b"get", b"key"), ("GET", b"key")),
            ((bytearray(b"Get"), 1), ("GET", 1)),
            ((memoryview(b"get"),), ("GET",)),
            (("config get", "save"), ("CONFIG", "GET", "save")),
            ((" ping ",), ("PING",)),
        ],
    )
    def test_normalised(self, given: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
        assert normalised(given) == expected

    @pytest.mark.parametrize("name", ["", "  ", b"", 1, None, ["GET"]])
    def test_what_is_no_name(self, name: Any) -> None:
        with pytest.raises(InvalidArgument, match="the command's name must be a text"):
            normalised((name, "key"))

    def test_plain_ones_need_no_look_at_their_arguments(self) -> None:
        plain = plain_names()
        assert {"GET", "SET", "EVAL", "CONFIG", "ECHO"} <= plain
        assert (
            not {"BLPOP", "XREAD", "WAIT", "MULTI", "WATCH", "SUBSCRIBE", "MONITOR", "CLIENT", "SELECT"}
            & plain
        )
        for name in plain:
            assert block_seconds((name, "x", "1")) is None
            refuse((name, "x"))


class TestRefusing:
    @pytest.mark.parametrize(
        ("command", "hint"),
        [
            (("MULTI",), r"store.pipeline\(\)"),
            (("WATCH", "key"), r"store.transaction\(\)"),
            (("SUBSCRIBE", "channel"), r"store.pubsub\(\)"),
            (("PUNSUBSCRIBE",), r"store.pubsub\(\)"),
            (("MONITOR",), r"store.monitor\(\)"),
            (("SELECT", 1), "database="),
            (("AUTH", "x"), "user="),
            (("CLIENT", "reply", "OFF"), "replies"),
            (("CLIENT", b"TRACKING", "ON"), "connection"),
            (("RESET",), "undo"),
            (("PSYNC", "?", -1), "no replica"),
        ],
    )
    def test_commands_that_change_the_connection(self, command: tuple[Any, ...], hint: str) -> None:
        with pytest.raises(InvalidArgument, match=rf"is not for a connection that tasks share: .*{hint}"):
            refuse(command)

    def test_others_pass(self) -> None:
        for command in (("CLIENT",), ("CLIENT", "LIST"), ("NOSUCH",), ("GET", "MULTI")):
            refuse(command)


class TestBlocking:
    @pytest.mark.parametrize(
        ("command", "seconds"),
        [
            (("BLPOP", "a", "b", 0.5), 0.5),
            (("BLPOP", "a", "0"), inf),
            (("BRPOPLPUSH", "a", "b", b"2"), 2),
            (("BLMOVE", "a", "b", "LEFT", "LEFT", 3), 3),
            (("BLMPOP", 1.5, 1, "a", "LEFT"), 1.5),
            (("BZMPOP", "0", 1, "a", "MIN"), inf),
            (("BZPOPMIN", "a", 4), 4),
            (("WAIT", 1, 1500), 1.5),
            (("WAITAOF", 1, 1, 0), inf),
            (("XREAD", "COUNT", 1, "BLOCK", 250, "STREAMS", "s", "$"), 0.25),
            (("XREAD", "block", 0, "streams", "s", "$"), inf),
            (("XREADGROUP", "GROUP", "g", "c", "BLOCK", b"10", "STREAMS", "s", ">"), 0.01),
            (("XREAD", "STREAMS", "BLOCK", "0"), None),
            (("XREAD", "COUNT", 1, "STREAMS", "s", "0"), None),
            (("GET", "key"), None),
            (("NOSUCH", 1), None),
            # What the server will refuse does not block.
            (("BLPOP",), 0),
            (("BLPOP", "a", "soon"), 0),
            (("BLMPOP",), 0),
            (("XREAD", "BLOCK"), 0),
        ],
    )
    def test_how_long(self, command: tuple[Any, ...], seconds: float | None) -> None:
        assert block_seconds(command) == seconds

    def test_every_blocking_command_of_the_table_is_known(self) -> None:
        for name, spec in specs().items():
            if spec.is_blocking:
                assert block_seconds((name.upper(), 1, "BLOCK", 1)) is not None, name


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("GET", "key"), True),
        ((b"get", b"key"), True),
        (("SET", "key", 1), False),
        (("XREAD", "STREAMS", "s", "0"), True),
        (("OBJECT", "ENCODING", "key"), True),
        (("EVAL", "return 1", 0), False),
        (("EVAL_RO", "return 1", 0), True),
        (("PING",), False),
        (("NOSUCH",), False),
        (("SPOP", "key"), False),
        (("GETDEL", "key"), False),
        (("GET", "\ud800"), True),
    ],
)
def test_read_only(command: tuple[Any, ...], expected: bool) -> None:
    assert is_read_only(command) is expected
