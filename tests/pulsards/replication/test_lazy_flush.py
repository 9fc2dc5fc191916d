"""`replica-lazy-flush`: what becomes of a replica's data when those of its primary take their place."""

from __future__ import annotations

import weakref
from itertools import count, pairwise

import pytest

from anystore.pulsards.clock import ManualClock, SystemClock
from anystore.pulsards.config import Config
from anystore.pulsards.datatypes import ListValue
from anystore.pulsards.engine import Engine
from anystore.pulsards.leavings import Leavings
from anystore.pulsards.persistence.rdb import FileWriter
from anystore.pulsards.persistence.snapshot import Snapshot
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.replication.test_images import Family
from tests.pulsards.replication.wires import contents, run_due
from tests.servers import RealServer

MODES = pytest.mark.parametrize("mode", ["swapdb", "flush-before-load"])


def with_data(mode: str, lazily: str) -> tuple[Family, EngineClient, list[weakref.ref[ListValue]]]:
    """A replica that has many keys, and is about to get everything anew."""
    family = Family(1)
    replica = family.replicas[0]
    replica.execute("CONFIG", "SET", "repl-diskless-load", mode, "replica-lazy-flush", lazily)
    values = [ListValue([b"x"]) for _ in range(25_000)]
    for number, value in enumerate(values):
        replica.engine.keyspace.databases[number % 3].set_value(b"old%d" % number, value)
    replica.execute("EXPIRE", "old0", 1000)
    return family, replica, [weakref.ref(value) for value in values]


def left(values: list[weakref.ref[ListValue]]) -> int:
    return sum(value() is not None for value in values)


@MODES
def test_without_it_they_go_at_once(mode: str) -> None:
    family, replica, values = with_data(mode, "no")
    family.ask(0)
    assert left(values) == 0
    assert not replica.engine.leavings.behind
    family.finish()


@MODES
def test_with_it_they_go_in_slices(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, replica, values = with_data(mode, "yes")
    seen: list[int] = []
    free_some = Leavings.free_some

    def watched(self: Leavings) -> None:
        due = replica.engine.next_due()
        assert due is not None
        assert due <= replica.engine.keyspace.now
        seen.append(left(values))
        assert b"old1" not in replica.engine.keyspace.databases[1].data
        free_some(self)

    monkeypatch.setattr(Leavings, "free_some", watched)
    family.ask(0)
    family.finish()
    run_due(replica.engine)
    seen.append(left(values))
    assert not replica.engine.leavings.behind
    assert (seen[0], seen[-1]) == (25_000, 0)
    assert max(before - after for before, after in pairwise(seen)) <= 10_000
    assert contents(replica) == contents(family.primary)


def test_an_image_that_is_being_written_loses_nothing() -> None:
    family, replica, values = with_data("swapdb", "yes")
    image = Snapshot(replica.engine, FileWriter(), {})
    written = image.next_slice(1000)
    family.ask(0)
    family.finish()
    assert not replica.engine.leavings.behind
    while not image.finished:
        written += image.next_slice(100_000)
    assert written.count(b"old") == len(values)


def test_whoever_drives_the_server_is_told_at_once() -> None:
    engine = Engine(Config(), ManualClock())
    client = EngineClient(engine)
    client.execute("SET", "a", "1")
    engine.announce_due()
    woken: list[bool] = []
    engine.due_watchers[lambda: woken.append(True)] = None
    engine.keyspace.flush_all(engine.leavings)
    engine.flush()
    assert woken
    run_due(engine)
    assert not engine.leavings.behind


def test_a_slice_ends_by_the_clock() -> None:
    times = count(step=400_000)
    leavings = Leavings(lambda: next(times))
    held = {number: [number] for number in range(1000)}
    leavings.take([held, "anything", list(range(150))])
    sizes = []
    while leavings.behind:
        leavings.free_some()
        sizes.append(len(held))
    # Three portions each: of the list, which is gone by the third; the text, and then the keys, hundred by hundred.
    assert sizes == [1000, 800, 500, 200, 0]


@pytest.mark.parametrize("word", ["yes", "no"])
def test_the_directive_as_on_the_real_servers(
    word: str, valkey: RealServer, redis_server: RealServer | None
) -> None:
    ours = EngineClient(Engine(Config(), SystemClock()))
    assert ours.execute("CONFIG", "GET", "replica-lazy-flush") == [b"replica-lazy-flush", b"no"]
    for server in filter(None, (valkey, redis_server)):
        theirs = RealClient(server.port)
        [_, before] = theirs.execute("CONFIG", "GET", "replica-lazy-flush")
        for command in (
            ("CONFIG", "SET", "replica-lazy-flush", word),
            ("CONFIG", "GET", "replica-lazy-flush"),
            ("CONFIG", "SET", "slave-lazy-flush", "x"),
            ("CONFIG", "GET", "slave-lazy-flush"),
        ):
            assert ours.execute(*command) == theirs.execute(*command)
        theirs.execute("CONFIG", "SET", "replica-lazy-flush", before)
        theirs.close()
