"""Simple commands, which take paths of their own, in runs and one by one: everything is as on the way that all can take."""

from __future__ import annotations

import logging

import hiredis
import pytest

from anystore.pulsards.commands import strings
from anystore.pulsards.registry import CommandEntry
from tests.pulsards.peers import Argument, EngineClient


@pytest.fixture
def client() -> EngineClient:
    return EngineClient()


def pipelined(client: EngineClient, *commands: tuple[Argument, ...]) -> list[object]:
    """The replies to commands that arrive together."""
    client.session.receive(b"".join(map(hiredis.pack_command, commands)))
    client.engine.flush()
    return [client.receive() for _ in commands]


def entry(client: EngineClient, name: bytes) -> CommandEntry:
    return client.engine.commands[name]


def test_a_run_is_counted_and_timed_command_by_command(client: EngineClient) -> None:
    marks = iter((0, 1_000, 4_000, 10_000, 10_000, 20_000))
    client.engine.elapsed_ns = lambda: next(marks)
    assert pipelined(client, ("GET", "a"), ("GET", "b"), ("SET", "a", "1")) == [None, None, b"OK"]
    get, set_ = entry(client, b"get"), entry(client, b"set")
    assert (get.calls, get.elapsed_ns, set_.calls, set_.elapsed_ns) == (2, 4_000, 1, 6_000)
    assert (sum(get.durations), sum(set_.durations)) == (2, 1)
    assert client.session.last_entry is set_


def test_errors_in_a_run_are_counted_and_answered_in_their_place(client: EngineClient) -> None:
    wrong = ("error", "WRONGTYPE Operation against a key holding the wrong kind of value")
    assert pipelined(
        client, ("SET", "a", "1"), ("LPUSH", "a", "x"), ("LPUSH", "b", "x"), ("LPUSH",), ("GET", "a")
    ) == [b"OK", wrong, 1, ("error", "ERR wrong number of arguments for 'lpush' command"), b"1"]
    assert (entry(client, b"lpush").calls, entry(client, b"lpush").failed) == (2, 1)
    assert client.engine.statistics.errors == {b"WRONGTYPE": 1, b"ERR": 1}


def test_a_failure_of_the_server_itself_ends_nothing(
    client: EngineClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> object:
        raise RuntimeError("made up")

    monkeypatch.setattr(entry(client, b"strlen"), "function", failing)
    with caplog.at_level(logging.ERROR, "anystore.pulsards"):
        first, second, third = pipelined(client, ("SET", "a", "1"), ("STRLEN", "a"), ("GET", "a"))
    assert (first, third) == (b"OK", b"1")
    assert second == ("error", "ERR internal error in 'strlen', see the server's log")
    assert "made up" in caplog.text
    assert strings.strlen is not failing


class TestOneThatComesByItself:
    """What `EngineClient.execute` sends is answered on a path of its own."""

    def test_it_is_counted_and_timed(self, client: EngineClient) -> None:
        marks = iter((0, 1_000, 5_000, 8_000))
        client.engine.elapsed_ns = lambda: next(marks)
        assert (client.execute("SET", "a", "1"), client.execute("GET", "a")) == (b"OK", b"1")
        get, set_ = entry(client, b"get"), entry(client, b"set")
        assert (get.calls, get.elapsed_ns, set_.calls, set_.elapsed_ns) == (1, 3_000, 1, 1_000)
        assert (sum(get.durations), sum(set_.durations)) == (1, 1)
        assert client.engine.turn_mark == 8_000
        assert client.session.last_entry is get

    def test_its_error_is_counted_and_answered(self, client: EngineClient) -> None:
        wrong = ("error", "WRONGTYPE Operation against a key holding the wrong kind of value")
        arity = ("error", "ERR wrong number of arguments for 'lpush' command")
        client.execute("SET", "a", "1")
        assert (client.execute("LPUSH", "a", "x"), client.execute("LPUSH")) == (wrong, arity)
        assert (entry(client, b"lpush").calls, entry(client, b"lpush").failed) == (1, 1)
        assert client.engine.statistics.errors == {b"WRONGTYPE": 1, b"ERR": 1}

    def test_a_slow_one_is_logged(self) -> None:
        client = EngineClient(slowlog_log_slower_than="0")
        client.execute("SET", "a", "1")
        assert [logged.arguments for logged in client.engine.logs.slow.entries] == [[b"SET", b"a", b"1"]]

    def test_who_waits_for_its_key_is_served(self, client: EngineClient) -> None:
        other = EngineClient(client.engine)
        assert other.execute("BLPOP", "list", "0") is NotImplemented
        assert client.execute("RPUSH", "list", "x") == 1
        assert other.receive() == [b"list", b"x"]

    def test_one_that_changes_nothing_of_the_mode_is_answered_behind_what_waits(
        self, client: EngineClient
    ) -> None:
        client.session.push_reply(b"first")
        client.send("GET", "a")
        assert (client.receive(), client.receive()) == (b"first", None)

    @pytest.mark.parametrize("cut", range(1, 35))
    def test_it_may_come_in_pieces(self, client: EngineClient, cut: int) -> None:
        packed = hiredis.pack_command(("SET", "key", "+value"))
        assert client.session.answer(packed[:cut]) + client.session.answer(packed[cut:]) == b"+OK\r\n"
        assert client.execute("GET", "key") == b"+value"

    def test_what_is_to_be_on_disk_before_is_left_to_the_driver(self, client: EngineClient) -> None:
        client.engine.holds_replies = True
        assert client.session.answer(hiredis.pack_command(("CLIENT", "GETNAME"))) == b""
        assert client.session.take_output() == b"$-1\r\n"

    def test_what_a_client_that_leaves_is_told_is_left_to_the_driver(self, client: EngineClient) -> None:
        assert client.session.answer(hiredis.pack_command(("QUIT",))) == b""
        assert client.session.take_output() == b"+OK\r\n"
        assert client.session.answer(hiredis.pack_command(("GET", "a"))) == b""

    @pytest.mark.parametrize("size", [0, 1, 1023, 1024, 70_000])
    def test_replies_of_every_length(self, client: EngineClient, size: int) -> None:
        value = b"v" * size
        assert client.execute("SET", "a", value) == b"OK"
        assert (client.execute("GET", "a"), client.execute("STRLEN", "a")) == (value, size)


def test_other_commands_amid_a_run_take_effect_at_once(client: EngineClient) -> None:
    assert pipelined(
        client,
        ("SET", "a", "1"),
        ("SELECT", "1"),
        ("GET", "a"),
        ("MULTI",),
        ("GET", "a"),
        ("EXEC",),
        ("CLIENT", "REPLY", "SKIP"),
        ("SET", "a", "2"),
        ("GET", "a"),
    )[:-2] == [b"OK", b"OK", None, b"OK", b"QUEUED", [None], b"2"]


def test_a_command_that_waits_keeps_the_rest_of_the_run(client: EngineClient) -> None:
    other = EngineClient(client.engine)
    waited = pipelined(client, ("SET", "a", "1"), ("BLPOP", "list", "0"), ("GET", "a"), ("GET", "b"))
    assert waited[0] == b"OK"
    assert waited[1:] == [NotImplemented] * 3
    assert pipelined(other, ("RPUSH", "list", "x"), ("LLEN", "list")) == [1, 0]
    assert [client.receive() for _ in range(3)] == [[b"list", b"x"], b"1", None]


def test_slow_commands_of_a_run_are_logged_one_by_one() -> None:
    client = EngineClient(slowlog_log_slower_than="0")
    pipelined(client, ("SET", "a", "1"), ("GET", "a"), ("GET", "b"))
    assert [logged.arguments[0] for logged in client.engine.logs.slow.entries] == [b"GET", b"GET", b"SET"]


def test_without_latency_tracking_calls_are_counted_all_the_same() -> None:
    client = EngineClient(latency_tracking="no")
    pipelined(client, ("SET", "a", "1"), ("GET", "a"), ("GET", "b"))
    assert (entry(client, b"get").calls, entry(client, b"get").durations) == (2, [])


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 70_000])
def test_replies_of_every_length(client: EngineClient, size: int) -> None:
    value = b"v" * size
    assert pipelined(client, ("SET", "a", value), ("GET", "a"), ("STRLEN", "a")) == [b"OK", value, size]


def test_many_keys_at_once_are_set_as_one_by_one(client: EngineClient) -> None:
    watcher = EngineClient(client.engine)
    assert pipelined(client, ("MSET", "a", "1", "b", "2", "a", "3"), ("MGET", "a", "b")) == [
        b"OK",
        [b"3", b"2"],
    ]
    assert client.engine.keyspace.dirty == 3
    assert watcher.execute("WATCH", "b") == b"OK"
    assert pipelined(client, ("PEXPIRE", "a", "100000"), ("MSET", "a", "4", "b", "5"), ("PTTL", "a")) == [
        1,
        b"OK",
        -1,
    ]
    assert pipelined(watcher, ("MULTI",), ("GET", "a"), ("EXEC",)) == [b"OK", b"QUEUED", None]
