"""An image that is put into a file, and loaded from there: what is there at each moment, whatever goes wrong."""

from __future__ import annotations

import errno
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from anystore.pulsards import PulsarDS
from anystore.pulsards.persistence.storage import DRAFT_SUFFIX, Storage
from anystore.pulsards.replication.link import LinkError
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.aof.fragile import Crash, FragileStorage
from tests.pulsards.persistence.aof.logged import Logged
from tests.pulsards.persistence.storages import FakeStorage
from tests.pulsards.replication.test_images import Family
from tests.pulsards.replication.test_roles import work
from tests.pulsards.replication.wires import contents
from tests.servers import RealServer

LOADING = ("error", "LOADING Redis is loading the dataset in memory")


class Replica:
    """A replica with data of its own, in memory and in `dump.rdb`, which puts images into files."""

    def __init__(self, storage: Storage) -> None:
        self.family = Family(1)
        self.client = self.family.replicas[0]
        self.engine = self.client.engine
        self.wire = self.family.wires[0]
        self.engine.storage = storage
        assert self.client.execute("CONFIG", "SET", "repl-diskless-load", "disabled") == b"OK"
        self.client.execute("SET", "mine", "mine")
        assert self.client.execute("SAVE") == b"OK"

    def figures(self) -> dict[str, str]:
        lines = self.client.execute("INFO", "persistence").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)


def on_disk(storage: Storage) -> dict[str, object]:
    """What a server that begins with `dump.rdb` has."""
    return contents(Logged(storage, appendonly="no").client)


class TestWhatIsThere:
    def test_promise_the_data_of_before_until_all_has_come_and_then_the_others(self) -> None:
        storage = FakeStorage()
        replica = Replica(storage)
        old = storage.files["dump.rdb"]
        replica.family.ask(0, 30_000)
        assert replica.client.execute("GET", "mine") == b"mine"
        assert (replica.figures()["loading"], replica.figures()["async_loading"]) == ("0", "0")
        assert replica.client.execute("INFO", "replication").count(b"master_sync_in_progress:1") == 1
        assert storage.files["dump.rdb"] == old
        work(replica.family.primary, 1)
        replica.family.finish()
        assert list(storage.files) == ["dump.rdb"]
        assert replica.figures()["rdb_changes_since_last_save"] != "0"
        work(replica.family.primary, 2)
        replica.family.finish()

    def test_nobody_is_answered_while_it_is_loaded_and_nothing_is_lost_that_comes_behind_it(self) -> None:
        replica = Replica(FakeStorage())
        replica.family.ask(0, 30_000)
        work(replica.family.primary, 1)
        following, session = replica.wire.following, replica.wire.session
        assert session is not None
        while not following.loads:
            up = following.take_output()
            if up:
                session.receive(up)
            replica.family.primary.engine.run_due()
            replica.family.primary.engine.flush()
            following.receive(replica.wire.taken(100_000))
        turns = 0
        while following.loads:
            assert replica.client.execute("GET", "mine") == LOADING
            assert not following.connected
            following.load_on()
            turns += 1
        assert turns > 1
        replica.family.finish()

    def test_a_cut_leaves_the_data_of_before_and_no_file(self) -> None:
        storage = FakeStorage()
        replica = Replica(storage)
        old = storage.files["dump.rdb"]
        replica.family.ask(0, 30_000)
        replica.wire.cut()
        assert replica.client.execute("GET", "mine") == b"mine"
        assert storage.files == {"dump.rdb": old}
        replica.wire.open()
        replica.family.finish()

    def test_after_a_restart_it_is_in_the_file(self) -> None:
        storage = FakeStorage()
        replica = Replica(storage)
        replica.family.ask(0)
        replica.family.finish()
        assert on_disk(storage).keys() == contents(replica.client).keys()


class TestWhatGoesWrong:
    def test_promise_where_the_disk_fails_the_data_of_before_are_there(self) -> None:
        step = 0
        while True:
            storage = FakeStorage(error=errno.ENOSPC)
            replica = Replica(storage)
            old = storage.files["dump.rdb"]
            storage.fail_at = len(storage.steps) + step
            try:
                replica.family.ask(0)
                break
            except LinkError as error:
                said = str(error)
            assert "No space left on device" in said
            replica.wire.cut()
            # Once the file has its name, it is whole; until it has been read, all of the old data are in memory, or none.
            theirs = contents(replica.family.primary).keys()
            assert storage.files["dump.rdb"] == old or on_disk(storage).keys() == theirs
            assert replica.client.execute("GET", "mine") == b"mine" or contents(replica.client) == {
                "functions": []
            }
            assert not storage.drafts
            replica.wire.open()
            replica.family.finish()
            step += 1
        assert step > 5

    def test_promise_a_crash_at_any_step_leaves_one_or_the_other(self) -> None:
        step = 0
        while True:
            storage = FragileStorage()
            replica = Replica(storage)
            theirs = contents(replica.family.primary).keys()
            storage.crash_at = storage.steps + step
            try:
                replica.family.ask(0)
                break
            except Crash:
                pass
            for left in (storage.after_death(), storage.after_power_failure()):
                names = {name for name in left.files if not name.endswith(DRAFT_SUFFIX)}
                assert names == {"dump.rdb"}
                found = Logged(left, appendonly="no")
                assert found.execute("GET", "mine") == b"mine" or contents(found.client).keys() == theirs
            step += 1
        assert step > 5

    def test_a_server_that_keeps_nothing_cannot_have_it_so(self) -> None:
        client = EngineClient()
        refusal = client.execute("CONFIG", "SET", "repl-diskless-load", "disabled")
        assert "without dir nothing is kept on disk" in refusal[1]
        assert client.execute("CONFIG", "GET", "repl-diskless-load")[1] == b"swapdb"


@pytest.mark.anyio
async def test_from_a_real_server(valkey: RealServer, tmp_path: Path) -> None:
    primary = RealClient(valkey.port)
    primary.execute("SELECT", 9)
    for start in range(0, 5000, 1000):
        primary.execute("MSET", *(word for n in range(start, start + 1000) for word in (f"stored:{n}", n)))
    (tmp_path / f"dump.rdb.received{DRAFT_SUFFIX}").write_bytes(b"what a crash has left")
    try:
        settings = {"replicaof": f"127.0.0.1 {valkey.port}", "repl_diskless_load": "disabled", "save": ""}
        async with PulsarDS("127.0.0.1:0", dir=str(tmp_path), **settings) as server:
            client = EngineClient(server.engine)
            with anyio.fail_after(60):
                while b"master_link_status:up" not in client.execute("INFO", "replication"):
                    await anyio.lowlevel.checkpoint()
                primary.execute("SET", "stored:last", "one")
                client.execute("SELECT", 9)
                while client.execute("GET", "stored:last") != b"one":
                    await anyio.lowlevel.checkpoint()
            assert client.execute("GET", "stored:4999") == b"4999"
            assert (tmp_path / "dump.rdb").exists()
            assert not list(tmp_path.glob("*" + DRAFT_SUFFIX))
    finally:
        primary.execute("FLUSHDB")
        primary.close()
