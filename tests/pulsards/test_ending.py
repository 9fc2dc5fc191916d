"""SHUTDOWN: who is waited for, what is held back meanwhile, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.storages import FakeStorage
from tests.pulsards.replication.wires import Pair, run_due

FAILED = ("error", "ERR Errors trying to SHUTDOWN. Check logs.")


class Ended:
    """A primary whose replica lacks what was written last, and whether the primary has been stopped."""

    def __init__(self, **settings: str) -> None:
        self.pair = Pair(**settings)
        self.pair.follow()
        self.primary = self.pair.primary
        self.engine = self.primary.engine
        self.stops = 0
        self.engine.stopper = self._stop
        self.writer = EngineClient(self.engine)
        self.writer.execute("SET", "a", "1")

    def _stop(self) -> None:
        self.stops += 1

    def info(self, name: str) -> str | None:
        text = self.writer.execute("INFO", "server").decode()
        return next(
            (line[len(name) + 1 :] for line in text.split("\r\n") if line.startswith(f"{name}:")), None
        )


@pytest.fixture
def ended() -> Ended:
    return Ended()


def shut_down(client: EngineClient, *words: str) -> Any:
    return client.execute("SHUTDOWN", *words)


def test_promise_replicas_get_what_was_acknowledged(ended: Ended) -> None:
    assert shut_down(ended.primary) is NotImplemented
    assert ended.stops == 0
    assert ended.info("shutdown_in_milliseconds") == "10000"
    ended.pair.wire.pump()
    assert ended.stops == 1
    assert ended.pair.replica.execute("GET", "a") == b"1"
    history = ended.engine.replication.history
    assert ended.pair.replica.engine.replication.history.offset == history.offset


def test_writes_are_held_back_and_reads_are_not(ended: Ended) -> None:
    shut_down(ended.primary)
    assert ended.writer.execute("GET", "a") == b"1"
    assert ended.writer.execute("SET", "a", "2") is NotImplemented
    offset = ended.engine.replication.history.offset
    ended.pair.advance(11)  # nothing is said for the sake of being said
    assert ended.stops == 1
    assert ended.engine.replication.history.offset == offset
    # Not even when it is over: it would be nowhere.
    assert ended.writer.receive() is NotImplemented
    assert ended.pair.replica.execute("GET", "a") == b"1"


def test_it_is_bounded(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    ended.pair.wire.session = None  # what is on its way does not arrive
    shut_down(ended.primary)
    ended.pair.clock.advance(9.9)
    run_due(ended.engine)
    assert ended.stops == 0
    assert ended.info("shutdown_in_milliseconds") == "100"
    ended.pair.clock.advance(0.1)
    run_due(ended.engine)
    assert ended.stops == 1
    assert any("is waited for no longer" in record.getMessage() for record in caplog.records)


def test_a_replica_that_goes_is_not_waited_for(ended: Ended) -> None:
    shut_down(ended.primary)
    ended.pair.wire.cut()
    assert ended.stops == 1


@pytest.mark.parametrize(
    ("settings", "words"), [({}, ("NOW",)), ({"shutdown_timeout": "0"}, ()), ({}, ("NOSAVE", "NOW", "FORCE"))]
)
def test_nobody_is_waited_for(settings: dict[str, str], words: tuple[str, ...]) -> None:
    ended = Ended(**settings)
    assert shut_down(ended.primary, *words) is NotImplemented
    assert ended.stops == 1


def test_a_second_one(ended: Ended) -> None:
    shut_down(ended.primary)
    assert shut_down(EngineClient(ended.engine), "SAVE") is NotImplemented
    assert ended.stops == 0
    assert shut_down(EngineClient(ended.engine), "NOW") is NotImplemented
    assert ended.stops == 1


def test_abort(ended: Ended) -> None:
    assert shut_down(ended.writer, "ABORT") == ("error", "ERR No shutdown in progress.")
    shut_down(ended.primary)
    held = EngineClient(ended.engine)
    assert held.execute("SET", "a", "2") is NotImplemented
    assert shut_down(ended.writer, "ABORT") == b"OK"
    assert ended.primary.receive() == FAILED
    assert held.receive() == b"OK"
    assert ended.info("shutdown_in_milliseconds") is None
    ended.pair.advance(20)
    assert ended.stops == 0
    assert shut_down(ended.writer, "ABORT") == ("error", "ERR No shutdown in progress.")


def test_nothing_else_ends_the_wait(ended: Ended) -> None:
    number = ended.primary.execute("CLIENT", "ID")
    shut_down(ended.primary)
    assert ended.writer.execute("CLIENT", "UNBLOCK", number) == 0
    assert ended.writer.execute("CLIENT", "UNPAUSE") == b"OK"
    assert ended.writer.execute("SET", "a", "2") is NotImplemented
    ended.primary.close()
    ended.pair.wire.pump()
    assert ended.stops == 1


def test_where_saving_fails_in_the_end_the_server_goes_on() -> None:
    ended = Ended(save="60 1")
    ended.engine.storage = FakeStorage(0)
    shut_down(ended.primary)
    held = EngineClient(ended.engine)
    held.execute("SET", "a", "2")
    ended.pair.wire.pump()
    assert ended.stops == 0
    assert ended.primary.receive() == FAILED
    assert held.receive() == b"OK"
    assert shut_down(ended.primary) is NotImplemented
    ended.pair.wire.pump()
    assert ended.stops == 1
    assert "dump.rdb" in ended.engine.storage.files


def test_a_pause_that_clients_ask_for_is_another_one(ended: Ended) -> None:
    shut_down(ended.primary)
    ended.writer.execute("CLIENT", "PAUSE", "5000", "ALL")
    held = EngineClient(ended.engine)
    assert held.execute("GET", "a") is NotImplemented
    ended.pair.clock.advance(5)
    run_due(ended.engine)
    assert held.receive() == b"1"
    assert held.execute("SET", "a", "2") is NotImplemented
    assert ended.stops == 0
