"""The fuzzer notices what it is there for. What it has found is tested where the fault was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import islice
from random import Random

import hiredis
import psutil
import pytest

from anystore.pulsards.persistence.crc64 import crc64
from anystore.pulsards.persistence.rdb.payload import PayloadMismatch, load_payload
from anystore.pulsards.persistence.rdb.primitives import RdbError
from fuzzing import server as under_test
from fuzzing.__main__ import KINDS, play
from fuzzing.attacks import ATTACKS, Attack
from fuzzing.calls import made_up
from fuzzing.connection import Closed
from fuzzing.files import faulty_image, image
from fuzzing.server import Fault, ServerUnderTest
from fuzzing.streams import faulty, requests, serialised
from tests.pulsards.peers import EngineClient


@pytest.fixture(scope="module")
def server() -> Iterator[ServerUnderTest]:
    with ServerUnderTest() as running:
        yield running


class TestWhatItNotices:
    def test_a_server_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ServerUnderTest() as stopped:
            monkeypatch.setattr(under_test, "HANGS_AFTER", 1.0)
            psutil.Process(stopped.process_id).suspend()
            with pytest.raises(Fault, match="it hangs"):
                stopped.check()

    def test_a_call_that_takes_long(self, server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        server.settle()
        monkeypatch.setattr(under_test, "LONGEST", 0.05)
        loop = "local n = 0 for i = 1, 50000000 do n = n + i end return n"
        with pytest.raises(Fault, match=r"a loop: 'EVAL'.* of computing"):
            play(Attack("a loop", lambda: [("EVAL", loop, 0)]), server)

    def test_memory(self, server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(under_test, "MOST_MEMORY", 2**20)
        with pytest.raises(Fault, match="it holds"):
            server.check()

    def test_a_server_that_is_gone(self) -> None:
        with ServerUnderTest() as running:
            running.check()
            process = psutil.Process(running.process_id)
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
            with pytest.raises(Fault, match="it is gone"):
                running.check()
            with pytest.raises(Fault, match="nobody in"):
                running.connect()

    def test_who_is_closed_is_told_from_a_fault(self, server: ServerUnderTest) -> None:
        client = server.connect()
        client.send_bytes(b"*1\r\n:1\r\n")
        server.check()
        with pytest.raises(Closed):
            while True:
                client.received()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_kind_does_its_work(name: str) -> None:
    kind = KINDS[name]
    with ServerUnderTest(*kind.directives, keeps=kind.keeps, guarded=kind.guarded) as running:
        assert sum(islice(kind.run(running, Random(3)), 5)) >= 5


def test_who_kills_the_bystander_does_not_hide_a_fault() -> None:
    with ServerUnderTest(keeps=True, guarded=True) as running:
        client = running.connect()
        for call in (
            ("CLIENT", "KILL", "SKIPME", "yes"),
            ("ACL", "SETUSER", "default", "-@all"),
            ("CLIENT", "KILL", "USER", "bystander"),
        ):
            running.suffer(client, call)
        with pytest.raises(Fault, match=r"nobody in|it is gone"):
            process = psutil.Process(running.process_id)
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
            running.check()


def test_broken_images_have_a_checksum_that_is_right() -> None:
    with ServerUnderTest(keeps=True) as running:
        running.control("SET", "key", "value")
        data = image(running)
    found = [faulty_image(Random(seed), data) for seed in range(100)]
    assert sum(crc64(made[:-8]).to_bytes(8, "little") == made[-8:] for made in found) > 60
    assert len(set(found)) > 60


class TestWhatItSends:
    def test_the_same_seed_sends_the_same(self) -> None:
        first, second = (list(islice(made_up(Random(7)), 500)) for _ in range(2))
        assert first == second
        one, two = (list(islice(requests(Random(7)), 20)) for _ in range(2))
        assert one == two

    def test_nothing_that_ends_the_server(self) -> None:
        names = {call[0].lower() for call in islice(made_up(Random(1)), 5000)}
        assert {b"set", b"zadd", b"xadd", b"eval"} <= names
        assert not names & {b"shutdown", b"debug", b"monitor"}

    def test_faults_are_in_all_bytes(self) -> None:
        data = hiredis.pack_command(("SET", "key", "value"))
        found = {faulty(Random(seed), data) for seed in range(100)}
        assert len(found) > 60

    def test_broken_values_have_a_checksum_that_is_right(self) -> None:
        client = EngineClient()
        client.execute("RPUSH", "l", *range(20))
        dumped = client.execute("DUMP", "l")
        refused = 0
        for seed in range(50):
            try:
                load_payload(serialised(Random(seed), dumped))
            except PayloadMismatch:
                raise
            except RdbError:
                refused += 1
        assert 10 < refused < 50

    def test_names_are_there_once(self) -> None:
        names = [attack.name for attack in ATTACKS]
        assert len(names) == len(set(names))


#: The others take the better part of a minute: `python -m fuzzing` plays them all.
@pytest.mark.parametrize(
    "attack",
    [
        attack
        for attack in ATTACKS
        if attack.name
        in ("counts", "the last ids", "hyperloglogs", "places", "a long transaction", "hosts that are none")
    ],
    ids=lambda attack: attack.name,
)
def test_attacks_do_no_harm(server: ServerUnderTest, attack: Attack) -> None:
    assert play(attack, server) > 10
