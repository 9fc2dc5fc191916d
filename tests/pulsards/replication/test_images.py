"""Several replicas that need everything: who gets which image, and when."""

from __future__ import annotations

import random

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from tests.pulsards.peers import EngineClient
from tests.pulsards.replication.test_roles import fill, work
from tests.pulsards.replication.wires import Wire, contents, run_due


class Family:
    """A primary with some data, and replicas that have not asked yet."""

    def __init__(self, count: int, **settings: str) -> None:
        self.clock = ManualClock()
        config = {name.replace("_", "-"): value for name, value in settings.items()}
        self.primary = EngineClient(Engine(Config(config), self.clock))
        fill(self.primary)
        self.primary.execute("SET", "large", random.Random(1).randbytes(100_000))
        self.replicas = [EngineClient(Engine(Config(), self.clock)) for _ in range(count)]
        self.wires = [
            Wire(client.engine, self.primary.engine, 40_000 + number)
            for number, client in enumerate(self.replicas)
        ]

    def ask(self, number: int, limit: int | None = None) -> None:
        """One replica begins to follow, and gets at most so many bytes."""
        self.replicas[number].execute("REPLICAOF", "127.0.0.1", "6379")
        self.wires[number].open()
        self.wires[number].pump(limit)

    def finish(self) -> None:
        for _ in range(3):
            for wire in self.wires:
                wire.pump()
        for client in self.replicas:
            assert contents(client) == contents(self.primary)
            assert client.execute("INFO", "replication").count(b"master_link_status:up") == 1

    def states(self) -> list[str]:
        return [follower.state for follower in self.primary.engine.replication.followers]

    def images(self) -> int:
        """How many are being made."""
        return len(self.primary.engine.keyspace.images)


class TestByMark:
    def test_who_asks_within_the_delay_gets_the_same_image(self) -> None:
        family = Family(3, repl_diskless_sync_delay="5")
        family.ask(0)
        work(family.primary, 1)
        family.clock.advance(3)
        family.ask(1)
        assert family.states() == ["wait_bgsave", "wait_bgsave"]
        assert family.images() == 0
        family.clock.advance(2)
        family.primary.engine.start_turn()
        family.primary.engine.replication.images.run_due()
        assert family.images() == 1
        assert family.states() == ["send_bulk", "send_bulk"]
        family.ask(2)
        assert family.states()[2] == "wait_bgsave"
        work(family.primary, 2)
        family.clock.advance(5)
        family.finish()
        assert family.primary.engine.replication.full_syncs == 3

    def test_enough_of_them_do_not_wait(self) -> None:
        family = Family(2, repl_diskless_sync_delay="5", repl_diskless_sync_max_replicas="2")
        family.ask(0)
        assert family.states() == ["wait_bgsave"]
        family.ask(1)
        # The first one's bytes are on their way still; the second one has all of them.
        assert family.states() == ["send_bulk", "online"]
        assert family.images() == 0
        family.finish()

    def test_without_a_delay_nobody_waits(self) -> None:
        family = Family(2)
        family.ask(0, 200)
        family.ask(1, 200)
        assert family.states() == ["send_bulk", "send_bulk"]
        family.finish()

    def test_the_slowest_sets_the_pace_and_is_let_go_in_time(self) -> None:
        family = Family(2, repl_diskless_sync_delay="1", repl_timeout="60", repl_ping_replica_period="1000")
        family.ask(0)
        family.ask(1)
        family.clock.advance(1)
        family.primary.engine.start_turn()
        family.primary.engine.replication.images.run_due()
        slow = family.wires[1].session
        assert slow is not None
        slow.hold(2**21)
        run_due(family.primary.engine)
        assert family.images() == 1
        for _ in range(7):
            family.clock.advance(10)
            run_due(family.primary.engine)
        assert slow.closing
        family.wires[1].cut()
        family.wires[0].pump()
        assert contents(family.replicas[0]) == contents(family.primary)
        assert family.states() == ["online"]

    def test_one_that_goes_while_it_waits(self) -> None:
        family = Family(2, repl_diskless_sync_delay="5")
        family.ask(0)
        family.ask(1)
        family.wires[0].cut()
        family.clock.advance(5)
        run_due(family.primary.engine)
        assert family.states() == ["send_bulk"]
        family.wires[1].cut()
        assert family.images() == 0
        assert family.primary.engine.replication.images.next_due() is None


class TestBySize:
    @pytest.mark.parametrize("first_goes", [False, True])
    def test_who_asks_while_it_is_made_gets_it_and_what_has_come_since(self, first_goes: bool) -> None:
        family = Family(2, repl_diskless_sync="no")
        primary = family.primary.engine
        wires = family.wires
        for client, wire in zip(family.replicas, wires, strict=True):
            client.execute("REPLICAOF", "127.0.0.1", "6379")
            wire.open()
        self.introduce(wires[0])
        assert family.states() == ["wait_bgsave"]
        offset = primary.replication.history.offset
        work(family.primary, 1)
        self.introduce(wires[1])
        assert family.images() == 1
        assert family.states() == ["wait_bgsave", "wait_bgsave"]
        assert f"FULLRESYNC {primary.replication.history.id.decode()} {offset}".encode() in self.said
        if first_goes:
            wires[0].cut()
            wires[0].open()
        work(family.primary, 2)
        family.finish()

    def introduce(self, wire: Wire) -> None:
        """Say everything up to PSYNC, and let time stand still for images."""
        session = wire.session
        assert session is not None
        self.said = b""
        while True:
            up = wire.following.take_output()
            if not up:
                return
            session.receive(up)
            wire.primary.flush()
            self.said = session.take_output()
            wire.following.receive(self.said)


class TestLoading:
    """What a replica does with the data that it has while everything comes."""

    LOADING = ("error", "LOADING Redis is loading the dataset in memory")

    def begun(self, mode: str, *before: str) -> tuple[Family, EngineClient]:
        """A replica that has got part of an image."""
        family = Family(1)
        replica = family.replicas[0]
        replica.execute("CONFIG", "SET", "repl-diskless-load", mode)
        for key in before:
            replica.execute("SET", key, "mine")
        family.ask(0, 30_000)
        assert replica.engine.replication.following is not None
        assert replica.engine.replication.following.image is not None
        return family, replica

    def figures(self, client: EngineClient) -> dict[str, str]:
        lines = client.execute("INFO", "persistence").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @pytest.mark.parametrize("mode", ["swapdb", "on-empty-db"])
    def test_promise_what_is_there_is_there_until_all_has_come(self, mode: str) -> None:
        family, replica = self.begun(mode, "a")
        assert replica.execute("GET", "a") == b"mine"
        assert self.figures(replica)["async_loading"] == "1"
        family.wires[0].cut()
        assert replica.execute("GET", "a") == b"mine"
        family.wires[0].open()
        family.finish()
        assert self.figures(replica)["async_loading"] == "0"

    @pytest.mark.parametrize(("mode", "before"), [("flush-before-load", ("a",)), ("on-empty-db", ())])
    def test_only_one_of_them_is_in_memory(self, mode: str, before: tuple[str, ...]) -> None:
        family, replica = self.begun(mode, *before)
        assert replica.execute("GET", "a") == self.LOADING
        assert replica.engine.keyspace.databases[0].data == {}
        found = self.figures(replica)
        assert (found["loading"], found["async_loading"], found["loading_total_bytes"]) == ("1", "0", "0")
        assert int(found["loading_loaded_bytes"]) > 10_000
        family.wires[0].pump()
        assert self.figures(replica)["loading"] == "0"
        family.finish()

    def test_a_cut_leaves_nothing_then(self) -> None:
        family, replica = self.begun("flush-before-load", "a")
        family.wires[0].cut()
        assert replica.execute("GET", "a") is None
        assert not replica.engine.replication.has_history
        family.wires[0].open()
        family.finish()

    def test_who_watches_a_key_that_goes_loses(self) -> None:
        family = Family(1)
        replica = family.replicas[0]
        replica.execute("CONFIG", "SET", "repl-diskless-load", "flush-before-load")
        replica.execute("SET", "a", "mine")
        reader = EngineClient(replica.engine)
        reader.execute("WATCH", "a")
        family.ask(0)
        reader.execute("MULTI")
        reader.execute("GET", "a")
        assert reader.execute("EXEC") is None

    def test_it_shows_that_it_is_there_while_it_takes_an_image(self) -> None:
        family, replica = self.begun("swapdb")
        family.clock.advance(1)
        run_due(replica.engine)
        assert family.wires[0].following.take_output() == b"\n"
