"""Servers that end and start again from their files, and go on with the stream where they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.aof import LogFolder
from anystore.pulsards.persistence.loading import begin_loading
from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.storages import FakeStorage
from tests.pulsards.replication.test_roles import fill, work
from tests.pulsards.replication.wires import Wire, contents, run_due


class Place:
    """A server that is started and stopped, and its directory."""

    def __init__(self, clock: ManualClock, kind: str, **settings: str) -> None:
        self._clock = clock
        self.storage = FakeStorage()
        self._log = kind == "log"
        self._settings = {name.replace("_", "-"): value for name, value in settings.items()}
        self.start()

    def start(self) -> None:
        """From what the directory holds."""
        switch = "yes" if self._log else "no"
        config = Config({"dir": "/fake", "save": "", "appendonly": switch} | self._settings)
        self.client = EngineClient(Engine(config, self._clock))
        self.engine = self.client.engine
        self.engine.storage = self.storage
        if not self._log:
            loading = begin_loading(self.engine)
            while loading is not None and not loading.finished:
                loading.step()
            return
        append_only = self.engine.append_only
        folder = LogFolder(self.storage, "appendonlydir", "appendonly.aof")
        manifest = folder.load_manifest()
        for _ in append_only.create(folder) if manifest is None else append_only.load(folder, manifest):
            pass

    def stop(self) -> None:
        """In order: everything is on disk then."""
        self.engine.start_turn()
        if self._log:
            self.rewrite()
            self.engine.append_only.note_place()
            self.engine.append_only.stop()
        else:
            self.engine.saver.save()

    def rewrite(self) -> None:
        """What a driver does, where the log is to be begun anew."""
        append_only = self.engine.append_only
        if not append_only.wants_rewrite:
            return
        rewrite = append_only.begin_rewrite()
        rewrite.open()
        while not rewrite.snapshot.finished:
            rewrite.draft.write(rewrite.snapshot.next_slice(10000))
        rewrite.commit()
        append_only.finish_rewrite()

    def stats(self, name: str) -> str:
        """One of the figures of INFO."""
        lines = self.client.execute("INFO", "stats").decode().split("\r\n")
        return next(line.removeprefix(f"{name}:") for line in lines if line.startswith(f"{name}:"))


class Couple:
    """A primary and its replica, which both have files."""

    def __init__(self, kind: str) -> None:
        self.clock = ManualClock()
        self.primary = Place(self.clock, kind)
        self.replica = Place(self.clock, kind, replicaof="127.0.0.1 6379")
        fill(self.primary.client)
        self.connect()

    def connect(self) -> None:
        self.wire = Wire(self.replica.engine, self.primary.engine)
        self.wire.open()
        self.wire.pump()

    def assert_same(self) -> None:
        assert contents(self.replica.client) == contents(self.primary.client)
        ours, theirs = (side.engine.replication.history for side in (self.primary, self.replica))
        assert (ours.id, ours.offset) == (theirs.id, theirs.offset)

    def syncs(self) -> tuple[str, str]:
        """Of the primary since it was started: whole ones, and such that went on."""
        return self.primary.stats("sync_full"), self.primary.stats("sync_partial_ok")


@pytest.fixture(params=["image", "log"])
def couple(request: pytest.FixtureRequest) -> Couple:
    return Couple(request.param)


def test_promise_a_replica_goes_on_after_a_restart(couple: Couple) -> None:
    # So that the stream is for another database than 0 where it is left.
    for command in (("SELECT", "3"), ("SET", "three", "3")):
        couple.primary.client.execute(*command)
    couple.wire.pump()
    couple.wire.cut()
    couple.replica.stop()
    couple.primary.client.execute("SET", "three", "4")
    couple.primary.client.execute("SELECT", "0")
    work(couple.primary.client, 1)
    couple.replica.start()
    assert b"slave" in couple.replica.client.execute("ROLE")
    couple.connect()
    couple.assert_same()
    assert couple.syncs() == ("1", "1")


def test_promise_a_replica_goes_on_with_a_primary_that_was_restarted(couple: Couple) -> None:
    work(couple.primary.client, 1)
    couple.wire.pump()
    couple.wire.cut()
    couple.primary.stop()
    name = couple.primary.engine.replication.history.id
    couple.primary.start()
    work(couple.primary.client, 2)
    couple.connect()
    couple.assert_same()
    assert couple.syncs() == ("0", "1")
    # Under a name of its own: what comes of the old one elsewhere is nothing that it knows.
    history = couple.primary.engine.replication.history
    assert history.id != name
    assert history.second_id == name


def test_both_were_restarted(couple: Couple) -> None:
    work(couple.primary.client, 1)
    couple.wire.pump()
    couple.wire.cut()
    for side in (couple.replica, couple.primary):
        side.stop()
        side.start()
    couple.connect()
    work(couple.primary.client, 2)
    couple.wire.pump()
    couple.assert_same()
    assert couple.syncs() == ("0", "1")


def test_promise_a_replica_that_has_more_than_its_restarted_primary_gets_everything(couple: Couple) -> None:
    couple.primary.stop()
    # What it has done since is on the replica, and was on no disk here.
    files = dict(couple.primary.storage.files)
    couple.primary.client.execute("SET", "lost", "1")
    couple.wire.pump()
    couple.wire.cut()
    couple.primary.storage.files = files
    couple.primary.start()
    couple.connect()
    couple.assert_same()
    assert couple.replica.client.execute("GET", "lost") is None
    assert couple.syncs() == ("1", "0")


def test_promise_keys_that_expire_while_the_primary_is_away_go_on_the_replica_too(couple: Couple) -> None:
    # A log does not say when a consumer was seen.
    couple.primary.client.execute("DEL", "stream")
    couple.wire.pump()
    couple.wire.cut()
    couple.primary.stop()
    couple.clock.advance(61)
    couple.primary.start()
    run_due(couple.primary.engine)
    couple.connect()
    couple.assert_same()
    assert couple.syncs() == ("0", "1")
    assert couple.replica.client.execute("DBSIZE") == couple.primary.client.execute("DBSIZE")


def test_a_replica_keeps_what_is_past_until_it_is_told(couple: Couple) -> None:
    couple.wire.cut()
    couple.replica.stop()
    couple.clock.advance(61)
    couple.replica.start()
    assert b"fleeting" in couple.replica.engine.keyspace.databases[0].data
    assert couple.replica.client.execute("GET", "fleeting") is None
    run_due(couple.primary.engine)
    couple.connect()
    couple.assert_same()
    assert b"fleeting" not in couple.replica.engine.keyspace.databases[0].data


def test_a_log_that_was_not_ended_in_order_says_nothing() -> None:
    couple = Couple("log")
    couple.replica.rewrite()
    couple.wire.cut()
    couple.replica.stop()
    couple.replica.start()
    couple.connect()
    work(couple.primary.client, 1)
    couple.wire.pump()
    couple.wire.cut()
    # No stop: the line of the stop before is there, and commands behind it.
    assert couple.replica.engine.append_only.log.flush()
    log = next(data for name, data in couple.replica.storage.files.items() if ".incr.aof" in name)
    assert b"#REPL:" in log
    couple.replica.start()
    assert not couple.replica.engine.replication.has_history
    couple.connect()
    couple.assert_same()
    assert couple.syncs() == ("2", "1")


@pytest.mark.parametrize("damage", [lambda log: log + b"*1\r\n$4\r\nPI", lambda log: log[:-3]])
def test_a_log_whose_end_is_missing_says_nothing(damage: Callable[[bytes], bytes]) -> None:
    couple = Couple("log")
    couple.wire.cut()
    couple.replica.stop()
    files = couple.replica.storage.files
    name = max(name for name in files if ".incr.aof" in name)
    files[name] = damage(files[name])
    couple.replica.start()
    assert not couple.replica.engine.replication.has_history


def test_what_nobody_has_counted_is_no_history() -> None:
    alone = Place(ManualClock(), "image")
    fill(alone.client)
    alone.stop()
    assert b"repl-id" not in alone.storage.files["dump.rdb"]
    alone.start()
    assert not alone.engine.replication.has_history


def test_a_history_is_given_up_where_no_replica_comes_back() -> None:
    couple = Couple("image")
    couple.wire.cut()
    couple.primary.stop()
    couple.primary.start()
    assert couple.primary.engine.replication.has_history
    couple.clock.advance(3601)
    run_due(couple.primary.engine)
    assert not couple.primary.engine.replication.has_history


def test_a_place_in_a_database_that_is_not_here_any_more_is_none() -> None:
    couple = Couple("image")
    for command in (("SELECT", "9"), ("SET", "nine", "9"), ("DEL", "nine")):
        couple.primary.client.execute(*command)
    couple.wire.pump()
    couple.wire.cut()
    couple.replica.stop()
    fewer = Place(couple.clock, "image", replicaof="127.0.0.1 6379", databases="4")
    fewer.storage = couple.replica.storage
    fewer.start()
    assert not fewer.engine.replication.has_history


def test_reloading_does_not_change_the_history(couple: Couple) -> None:
    before = couple.primary.engine.replication.history.id
    for words in (("DEBUG", "RELOAD"), ("DEBUG", "LOADAOF")):
        couple.primary.client.execute(*words)
    work(couple.primary.client, 1)
    couple.wire.pump()
    couple.assert_same()
    assert couple.primary.engine.replication.history.id == before
    assert couple.syncs() == ("1", "0")
