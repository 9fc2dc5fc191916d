"""What the directives of replication change, each by itself."""

from __future__ import annotations

import errno

import pytest

from tests.pulsards.peers import EngineClient
from tests.pulsards.persistence.storages import FakeStorage
from tests.pulsards.replication.test_roles import figures
from tests.pulsards.replication.wires import Pair, run_due


def paired(replica: dict[str, str] | None = None, **primary: str) -> Pair:
    """Two servers, each with settings of its own, one following the other."""
    pair = Pair(**primary)
    for name, value in (replica or {}).items():
        assert pair.replica.execute("CONFIG", "SET", name, value) == b"OK"
    pair.follow()
    return pair


def test_a_replica_says_where_it_is_to_be_found() -> None:
    pair = paired({"replica-announce-ip": "10.1.2.3", "slave-announce-port": "7777"})
    assert figures(pair.primary, "replication")["slave0"].startswith("ip=10.1.2.3,port=7777,state=online,")
    assert pair.primary.execute("ROLE")[2][0][:2] == [b"10.1.2.3", b"7777"]
    # That is where a failover looks for it.
    assert pair.primary.execute("FAILOVER", "TO", "10.1.2.3", "7777") == b"OK"
    pair.wire.pump()
    assert pair.primary.execute("ROLE")[:3] == [b"slave", b"10.1.2.3", 7777]


def test_a_replica_says_how_it_may_be_promoted() -> None:
    pair = paired({"slave-priority": "7", "replica-announced": "no"})
    found = figures(pair.replica, "replication")
    assert (found["slave_priority"], found["replica_announced"]) == ("7", "0")


def test_signs_of_life_come_as_often_as_wanted() -> None:
    pair = paired(repl_ping_replica_period="3")
    offset = pair.primary.engine.replication.history.offset
    pair.advance(2)
    assert pair.primary.engine.replication.history.offset == offset
    pair.advance(1)
    assert pair.primary.engine.replication.history.offset == offset + len(b"*1\r\n$4\r\nPING\r\n")


def test_how_long_a_replica_counts_that_is_not_heard_of() -> None:
    pair = paired(min_replicas_to_write="1", min_replicas_max_lag="3")
    assert pair.primary.execute("SET", "a", "1") == b"OK"
    pair.wire.session = None  # it says nothing any more
    pair.clock.advance(3)
    run_due(pair.primary.engine)
    assert pair.primary.execute("SET", "a", "2") == b"OK"
    pair.clock.advance(1)
    run_due(pair.primary.engine)
    assert pair.primary.execute("SET", "a", "3") == ("error", "NOREPLICAS Not enough good replicas to write.")
    assert figures(pair.primary, "replication")["min_slaves_good_slaves"] == "0"
    assert pair.primary.execute("CONFIG", "SET", "min-slaves-max-lag", "10") == b"OK"
    assert pair.primary.execute("SET", "a", "4") == b"OK"


def test_silence_is_borne_as_long_as_wanted() -> None:
    pair = paired({"repl-timeout": "5"}, repl_ping_replica_period="1000")
    pair.wire.session = None
    following = pair.replica.engine.replication.following
    assert following is not None
    pair.clock.advance(5)
    run_due(pair.replica.engine)
    assert not following.is_over
    pair.clock.advance(0.1)
    run_due(pair.replica.engine)
    assert following.is_over


def test_a_larger_backlog_takes_effect_at_once() -> None:
    pair = paired(repl_backlog_size="1000")
    assert figures(pair.primary, "replication")["repl_backlog_size"] == "1000"
    shown = figures(pair.primary, "memory")
    assert shown["mem_replication_backlog"] == "1000"
    assert int(shown["mem_total_replication_buffers"]) == 1000 + int(shown["mem_clients_slaves"])
    pair.primary.execute("CONFIG", "SET", "repl-backlog-size", "100kb")
    pair.wire.pump()
    pair.wire.cut()
    pair.primary.execute("SET", "a", "x" * 50_000)
    pair.wire.open()
    pair.wire.pump()
    assert figures(pair.primary, "stats")["sync_partial_ok"] == "1"
    assert pair.replica.execute("STRLEN", "a") == 50_000


def test_a_command_that_fails_on_the_replica_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pair = paired({"replica-read-only": "no"})
    pair.replica.execute("SET", "a", "a text")
    pair.primary.execute("RPUSH", "a", "x")
    pair.primary.execute("SET", "b", "1")
    pair.wire.pump()
    assert pair.replica.execute("GET", "b") == b"1"
    assert any("failed here" in record.getMessage() for record in caplog.records)
    history = pair.primary.engine.replication.history
    assert pair.replica.engine.replication.history.offset == history.offset


def test_promise_a_replica_goes_on_where_its_disk_fails() -> None:
    pair = Pair()
    storage = FakeStorage()
    pair.replica.engine.storage = storage
    pair.replica.execute("CONFIG", "SET", "appendonly", "yes")
    pair.follow()
    append_only = pair.replica.engine.append_only
    rewrite = append_only.begin_rewrite()
    rewrite.open()
    while not rewrite.snapshot.finished:
        rewrite.draft.write(rewrite.snapshot.next_slice(10_000))
    rewrite.commit()
    append_only.finish_rewrite()
    storage.fail_at, storage.error = len(storage.steps), errno.ENOSPC
    pair.primary.execute("SET", "a", "1")
    pair.wire.pump()
    assert append_only.log.problem is not None
    assert pair.replica.execute("GET", "a") == b"1"
    pair.primary.execute("SET", "b", "2")
    pair.advance(2)
    assert append_only.log.problem is None
    log = b"".join(data for name, data in storage.files.items() if ".incr.aof" in name)
    assert log.count(b"$3\r\nSET") == 2


def test_what_can_be_had_one_way_only_says_why() -> None:
    client = EngineClient()
    for name, value in (
        ("dual-channel-replication-enabled", "no"),
        ("propagation-error-behavior", "ignore"),
        ("replica-ignore-disk-write-errors", "yes"),
        ("rdb-del-sync-files", "no"),
        ("repl-disable-tcp-nodelay", "no"),
    ):
        assert client.execute("CONFIG", "GET", name) == [name.encode(), value.encode()]
