"""Runs of simple commands, which take a path of their own: everything is as if each had come by itself."""

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
