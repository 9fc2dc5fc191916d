from __future__ import annotations

import pytest

from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient


class TestEmptying:
    @pytest.mark.parametrize("mode", ["", "ASYNC", "sync", "FOO", "SYNC ASYNC"])
    def test_one_or_all(self, peers: Differential, mode: str) -> None:
        fill = ["SELECT 0", "SET a 1 EX 100", "RPUSH l x", "SELECT 1", "SET b 1", "SELECT 0"]
        count = ["DBSIZE", "SELECT 1", "DBSIZE", "SCAN 0", "RANDOMKEY", "SELECT 0", "SET a 2", "TTL a"]
        for name in ("FLUSHDB", "FLUSHALL"):
            peers.check([*fill, f"{name} {mode}".rstrip(), *count])

    @pytest.mark.parametrize("name", ["FLUSHDB", "FLUSHALL"])
    def test_nobody_waits_for_the_freeing_by_async(self, name: str) -> None:
        client = EngineClient()
        for mode, left in (("SYNC", 0), ("ASYNC", 3000)):
            client.execute("DEBUG", "POPULATE", 3000)
            held = client.session.db.data
            assert client.execute(name, mode) == b"OK"
            assert client.execute("DBSIZE") == 0
            assert len(held) == (left or 3000)  # what nobody else holds has gone with the last reference
            assert client.engine.leavings.behind == bool(left)
        assert client.engine.next_due() is not None
        while client.engine.leavings.behind:
            client.engine.run_due()
        assert not held

    def test_no_events(self, peers: Differential) -> None:
        peers.events(["SET a 1", "FLUSHDB", "SET a 1", "FLUSHALL"])

    def test_a_scan_begun_before(self) -> None:
        client = EngineClient()
        for number in range(50):
            client.execute("SET", number, "x")
        cursor, _ = client.execute("SCAN", 0)
        client.execute("FLUSHDB")
        client.execute("SET", "new", "x")
        assert client.execute("SCAN", cursor) == [b"0", [b"new"]]

    def test_watched_keys_are_lost(self, peers: Differential) -> None:
        for name in ("FLUSHDB", "FLUSHALL"):
            peers.check(["SET a 1", "WATCH a", name, "MULTI", "SET b 1", "EXEC"])
            peers.check(["FLUSHALL", "WATCH no", name, "MULTI", "SET b 1", "EXEC"])


class TestSwapping:
    def test_everybody_sees_it(self, peers: Differential) -> None:
        peers.check(
            ["SET a 1 PXAT 33177117420000", "SELECT 1", "SET b 2", "SWAPDB 0 1", "GET a", "PEXPIRETIME a"]
        )
        peers.check(["SCAN 0", "SELECT 0", "GET b", "PEXPIRETIME b", "SWAPDB 1 1", "SCAN 0", "GET b"])

    @pytest.mark.parametrize(
        "indexes", ["x 1", "1 x", "1 99", "99 1", "-1 1", "1 99999999999", "1", "0 1 2", "99 x"]
    )
    def test_what_is_no_database(self, peers: Differential, indexes: str) -> None:
        peers.check([f"SWAPDB {indexes}"])

    def test_watched_keys(self, peers: Differential) -> None:
        peers.check(["SET a 1", "WATCH a", "SWAPDB 0 1", "MULTI", "SET b 1", "EXEC", "FLUSHALL"])
        peers.check(["SET a 1", "WATCH no", "SWAPDB 0 1", "MULTI", "SET b 1", "EXEC"])

    def test_times_to_live_go_along(self) -> None:
        client = EngineClient()
        client.execute("SET", "a", "1", "EX", 100)
        client.execute("HSET", "h", "f", "v")
        client.execute("HEXPIRE", "h", 10, "FIELDS", 1, "f")
        due = client.engine.next_due()
        client.execute("SWAPDB", 0, 3)
        assert client.engine.next_due() == due
        assert client.execute("TTL", "a") == -2
        client.execute("SELECT", 3)
        assert client.execute("TTL", "a") == 100
