"""SLOWLOG and COMMANDLOG: which commands stand out, and what is kept of them."""

from __future__ import annotations

import hiredis
import pytest

from anystore.pulsards import ManualClock
from anystore.pulsards.command_logs import request_size
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

KNOWN = {
    (
        "valkey",
        "CONFIG GET commandlog-request-larger-than",
    ): "Valkey measures every command unless told otherwise",
}


def test_slowlog_arguments(peers: Differential) -> None:
    peers.check(
        [
            *(
                "SLOWLOG RESET",
                "SLOWLOG LEN",
                "SLOWLOG GET",
                "SLOWLOG GET 5",
                "SLOWLOG GET -1",
                "SLOWLOG GET -2",
            ),
            *("SLOWLOG GET x", "SLOWLOG GET 1 2", "SLOWLOG LEN x", "SLOWLOG", "SLOWLOG NOPE"),
            *("CONFIG GET slowlog-max-len", "CONFIG SET slowlog-log-slower-than -2"),
        ]
    )


def test_commandlog_arguments(peers: Differential) -> None:
    peers.check(
        [
            *(
                "COMMANDLOG",
                "COMMANDLOG NOPE",
                "COMMANDLOG GET",
                "COMMANDLOG GET -2 slow",
                "COMMANDLOG GET x slow",
            ),
            *("COMMANDLOG GET 10 nope", "COMMANDLOG LEN nope", "COMMANDLOG RESET nope", "COMMANDLOG RESET"),
            *(
                "COMMANDLOG RESET slow",
                "COMMANDLOG GET 10 slow",
                "COMMANDLOG LEN slow",
                "COMMANDLOG LEN large-REPLY",
            ),
            *("COMMANDLOG LEN large-request", "COMMANDLOG GET -1 large-reply", "CONFIG GET commandlog-slow*"),
            *("CONFIG GET commandlog-execution*", "CONFIG GET commandlog-request-larger-than"),
        ],
        without=["redis"],  # Valkey's
    )


@pytest.mark.parametrize(
    ("log", "directive"), [("large-request", "request-larger-than"), ("large-reply", "reply-larger-than")]
)
def test_sizes_as_valkey_counts_them(peers: Differential, log: str, directive: str) -> None:
    directive = f"commandlog-{directive}"
    clients = [peers.engine, peers.servers["valkey"]]
    seen = []
    for client in clients:
        client.execute("CONFIG", "SET", directive, "200")
        client.execute("COMMANDLOG", "RESET", log)
        for command in (
            *(("SET", "a", "x" * 150), ("SET", "a", "x" * 170), ("SET", "a", "x" * 171), ("GET", "a")),
            *(
                ("SET", "a", "x" * 300),
                ("GET", "a"),
                ("STRLEN", "a"),
                ("APPEND", "a", "x" * 170),
            ),
            *(
                ("RPUSH", "l", *(["x"] * 100)),
                ("LRANGE", "l", 0, -1),
                ("NOSUCH", "x" * 300),
                ("PING", "x" * 300),
            ),
            ("EVAL", f"return '{'x' * 300}'", "0"),
        ):
            client.execute(*command)
        count = client.execute("COMMANDLOG", "LEN", log)
        entries = client.execute("COMMANDLOG", "GET", "-1", log)
        seen.append([(entry[2], entry[3]) for entry in entries])
        assert count == len(entries)
        assert client.execute("COMMANDLOG", "RESET", log) == b"OK"
        client.execute("CONFIG", "SET", directive, "1048576")
    assert seen[0]
    assert seen[0] == seen[1]


def test_the_size_of_a_request() -> None:
    for command in (("A",), ("GET", "a"), ("SET", "a", "x" * 1000), ("MSET", *map(str, range(200)))):
        assert request_size([word.encode() for word in command]) == len(hiredis.pack_command(command))


class TestSlowLog:
    def test_entries(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock, slowlog_log_slower_than="5000", slowlog_max_len="2")
        client.execute("CLIENT", "SETNAME", "me")
        entry = client.engine.commands[b"get"]
        entry.function = lambda ctx, args: clock.advance(0.006)
        for number in range(3):
            client.execute("GET", f"k{number}")
        entries = client.execute("SLOWLOG", "GET")
        assert [row[:1] + row[2:] for row in entries] == [
            [2, 6000, [b"GET", b"k2"], b"127.0.0.1:50000", b"me"],
            [1, 6000, [b"GET", b"k1"], b"127.0.0.1:50000", b"me"],
        ]
        assert client.execute("COMMANDLOG", "GET", 1, "slow") == entries[:1]
        client.execute("GET", *["k"])
        client.execute("CONFIG", "SET", "slowlog-max-len", "1")
        assert client.execute("SLOWLOG", "LEN") == 1
        client.execute("CONFIG", "SET", "commandlog-execution-slower-than", "-1")
        assert client.execute("CONFIG", "GET", "slowlog-log-slower-than") == [
            b"slowlog-log-slower-than",
            b"-1",
        ]
        client.execute("SLOWLOG", "RESET")
        client.execute("GET", "a")
        assert client.execute("SLOWLOG", "LEN") == 0

    def test_nothing_is_measured_unless_asked_for(self) -> None:
        client = EngineClient()
        assert not client.engine.guarded
        client.execute("CONFIG", "SET", "commandlog-reply-larger-than", "100")
        assert client.engine.guarded
        client.execute("CLIENT", "REPLY", "SKIP")
        client.send("ECHO", "x" * 200)
        assert client.execute("COMMANDLOG", "LEN", "large-reply") == 1
        client.execute("CONFIG", "SET", "commandlog-reply-larger-than", "-1")
        assert not client.engine.guarded

    def test_transactions(self) -> None:
        """Valkey logs the commands in one by the sizes of all before them together; here it is left out."""
        client = EngineClient(commandlog_reply_larger_than="100")
        client.execute("SET", "a", "x" * 200)
        for command in (("MULTI",), ("GET", "a"), ("EXEC",)):
            client.execute(*command)
        assert client.execute("COMMANDLOG", "LEN", "large-reply") == 0

    def test_a_waiting_command(self) -> None:
        client = EngineClient(commandlog_request_larger_than="10")
        client.send("BLPOP", "list", "0")
        other = EngineClient(client.engine)
        assert other.execute("RPUSH", "list", "x") == 1
        assert client.receive() == [b"list", b"x"]
        shown = other.execute("COMMANDLOG", "GET", "-1", "large-request")
        assert [row[3][0] for row in shown] == [b"RPUSH", b"BLPOP"]
