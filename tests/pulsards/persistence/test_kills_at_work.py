"""Servers that are killed in the very middle of a save, of a rewrite of the log, and of an image on its way to a replica."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from anystore.pulsards.persistence.storage import DRAFT_SUFFIX
from tests.pulsards.peers import RealClient
from tests.pulsards.persistence.killing import KILLS, PATIENCE, Load, ask, found, port_of, serving
from tests.pulsards.replication.loads import info

#: How often in each of the tests here: in the middle of something takes longer than anywhere.
TIMES: Final = max(2, KILLS // 7)
#: So much that an image takes some time: keys, and how many are set at a time.
FILLING: Final = 20_000
_AT_ONCE: Final = 500

pytestmark = pytest.mark.timeout(120 + 60 * TIMES)


def fill(port: int) -> None:
    """What makes images take their time, and is not looked at otherwise."""
    client = RealClient(port, timeout=PATIENCE)
    for first in range(0, FILLING, _AT_ONCE):
        words = [
            word for number in range(first, first + _AT_ONCE) for word in (f"filling:{number}", b"x" * 100)
        ]
        assert client.execute("MSET", *words) == b"OK"
    client.close()


def drafts(folder: Path) -> list[Path]:
    """Files that are being written, and are not what their names say yet."""
    return list(folder.glob(f"**/*{DRAFT_SUFFIX}"))


def after(count: int, load: Load, what: Callable[[], object]) -> Callable[[], bool]:
    """When so many numbers have been acknowledged while something goes on.

    Or after some time: a machine with much to do may have let it come to its end before anybody looked.
    """
    latest = time.monotonic() + PATIENCE / 6

    def is_time() -> bool:
        return len(load.acknowledged) >= count and (bool(what()) or time.monotonic() > latest)

    return is_time


@pytest.mark.parametrize("who", ["command", "rule"])
def test_s15_killed_in_the_middle_of_a_save(who: str, tmp_path: Path) -> None:
    """What there is then is the save before, as a whole; never what the one that was cut short had come to."""
    directory = tmp_path / "data"
    directory.mkdir()
    chance = random.Random()
    begin = b"BGSAVE" if who == "command" else b'CONFIG SET save "1 1"'
    saved: list[int] = []
    load: Load | None = None
    cut, midst = False, 0
    for kill in range(TIMES + 1):
        with serving(directory, "--appendonly", "no", "--save", "100000 1") as (process, client):
            there = found(client)
            # By the rules, there may have been saves since that came to their end.
            assert there[: len(saved)] == saved, f"kill {kill}"
            if load is not None:
                first = load.acknowledged[0]
                rest = there[len(saved) :]
                assert rest == list(range(first, first + len(rest))), f"kill {kill}"
                assert who == "rule" or not cut or not rest, f"kill {kill}"
            assert drafts(directory) == []
            fill(port_of(client))
            assert ask(client, b"SAVE") == [b"OK"]
            saved = there
            load = Load(client, 0 if load is None else load.next)
            is_time = after(chance.randint(1, 100), load, lambda: drafts(directory))
            load.run(process, is_time, begin)
            cut = bool(drafts(directory))
            midst += cut
    assert midst, "none was killed in the middle of it"


def test_s15_killed_in_the_middle_of_a_rewrite(tmp_path: Path) -> None:
    """Every acknowledged write is there, in order and none twice, from what there was before and what was written since."""
    directory = tmp_path / "data"
    directory.mkdir()
    chance = random.Random()
    there: list[int] = []
    load: Load | None = None
    midst = 0
    for kill in range(TIMES + 1):
        with serving(directory, "--appendonly", "yes", "--appendfsync", "always") as (process, client):
            left = found(client)
            assert left[: len(there)] == there
            if load is not None:
                first = load.acknowledged[0]
                new = left[len(there) :]
                assert new == list(range(first, first + len(new))), f"kill {kill}"
                assert len(new) >= len(load.acknowledged), f"kill {kill}"
                assert ask(client, b"EXISTS filling:0 filling:%d" % (FILLING - 1)) == [2]
            assert drafts(directory) == []
            if not kill:
                fill(port_of(client))
            there = left
            load = Load(client, 0 if load is None else load.next)
            is_time = after(chance.randint(1, 100), load, lambda: drafts(directory))
            load.run(process, is_time, b"BGREWRITEAOF")
            midst += bool(drafts(directory))
    assert midst, "none was killed in the middle of it"


class Pair:
    """A primary, and a replica that has asked for everything and gets it."""

    def __init__(self, primary: int, replica: int) -> None:
        self.primary = RealClient(primary, timeout=PATIENCE)
        self.replica = RealClient(replica, timeout=PATIENCE)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self.primary, self.replica):
            client.close()

    def follow(self, port: int) -> None:
        assert self.replica.execute("REPLICAOF", "127.0.0.1", port) == b"OK"

    def is_sending(self) -> bool:
        return info(self.replica).get("master_sync_in_progress") == "1"

    def catch_up(self) -> None:
        """Wait until the replica has what its primary has, to which nobody writes."""
        deadline = time.monotonic() + PATIENCE
        while True:
            ours, theirs = info(self.primary), info(self.replica)
            linked = theirs.get("master_link_status") == "up"
            if linked and ours["master_repl_offset"] == theirs["master_repl_offset"]:
                return
            assert time.monotonic() < deadline, (ours, theirs)
            time.sleep(0.02)


def check_whole(replica: socket.socket) -> None:
    """It has its own data, or all of its primary's: when somebody is killed, the image may just have come to its end."""
    last = FILLING - 1
    assert ask(replica, b"EXISTS mine", b"EXISTS filling:0 filling:%d" % last) in ([1, 0], [0, 2])


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize("victim", ["primary", "replica"])
def test_s15_killed_in_the_middle_of_an_image_for_a_replica(
    victim: str, diskless: str, tmp_path: Path
) -> None:
    """Nothing is lost at the primary, and the replica has its own data or all of the primary's, until it has caught up."""
    chance = random.Random()
    always = ("--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync", diskless)
    ours = tmp_path / "primary"
    ours.mkdir()
    number = 0
    for kill in range(max(1, TIMES // 2)):
        theirs = tmp_path / f"replica {kill}"
        theirs.mkdir()
        with contextlib.ExitStack() as stack:
            primary, client = stack.enter_context(serving(ours, *always))
            replica, other = stack.enter_context(serving(theirs, *always))
            if not kill:
                fill(port_of(client))
            before = found(client)
            assert ask(other, b"SET mine 1") == [b"OK"]
            load = Load(client, number)
            with Pair(port_of(client), port_of(other)) as pair:
                pair.follow(port_of(client))
                doomed = {"primary": primary, "replica": replica}[victim]
                is_time = after(chance.randint(1, 100), load, pair.is_sending)
                load.run(doomed, is_time, goes_on=victim == "replica")
            number = load.next
            # Whoever was killed comes back, and the replica follows it again, from the beginning.
            if victim == "primary":
                check_whole(other)
                primary, client = stack.enter_context(serving(ours, *always))
            else:
                replica, other = stack.enter_context(serving(theirs, *always))
                check_whole(other)
            left = found(client)
            assert left[: len(before) + len(load.acknowledged)] == before + load.acknowledged, f"kill {kill}"
            with Pair(port_of(client), port_of(other)) as pair:
                pair.follow(port_of(client))
                pair.catch_up()
            assert found(other) == left
            assert ask(other, b"EXISTS mine filling:0 filling:%d" % (FILLING - 1)) == [2]
