"""Logs that are begun, and interrupted at each of their steps: what was on disk before is there, or what came of it.

A rewrite of a log that is there is in `test_faults`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anystore.pulsards.datatypes import ListValue
from tests.pulsards.persistence.aof.fragile import Crash, FragileStorage
from tests.pulsards.persistence.aof.logged import Logged, Writer, written

SAVED = [0, 1, 2]
#: What a primary has in place of these.
THEIRS = 1000
POLICY = {"appendfsync": "always"}


def saved() -> dict[str, bytes]:
    """The files of a server without a log that has saved `SAVED`."""
    storage = FragileStorage()
    logged = Logged(storage, appendonly="no")
    writer = Writer(logged)
    for _ in SAVED:
        writer.write()
    assert logged.execute("SAVE") == b"OK"
    return storage.after_power_failure().durable


class Scene:
    """A server that begins with some files, and what its client was told that was to be kept."""

    def __init__(self, storage: FragileStorage, **settings: str) -> None:
        self.storage = storage
        self.logged = Logged(storage, **settings)
        self.writer = Writer(self.logged)
        for number in written(self.logged):
            assert number == next(self.writer.numbers)
        #: What was acknowledged while there was a log, or was in what it began with.
        self.promised: list[int] = []
        #: Whether the data are those of a primary, and the first number that came behind them.
        self.theirs = False
        self.first = 0

    def write(self) -> None:
        """A write, which is promised where the log is there."""
        before = len(self.writer.acknowledged)
        self.writer.write()
        if self.logged.append_only.state == "on" and len(self.writer.acknowledged) > before:
            self.promised = list(range(self.first, self.writer.acknowledged[-1] + 1))


def switched_on(scene: Scene) -> None:
    """CONFIG SET appendonly yes, and the first rewrite."""
    scene.write()
    assert scene.logged.execute("CONFIG", "SET", "appendonly", "yes") == b"OK"
    scene.write()
    scene.logged.rewrite(scene.write, limit=64)
    scene.write()


def rewritten_without_a_log(scene: Scene) -> None:
    """BGREWRITEAOF of a server with `appendonly no`."""
    scene.write()
    scene.logged.append_only.request_rewrite()
    scene.logged.rewrite(scene.write, limit=64)


def saved_again(scene: Scene) -> None:
    """SAVE, and the save of an orderly stop."""
    scene.write()
    assert scene.logged.execute("SAVE") == b"OK"
    scene.logged.engine.saver.write_all(scene.storage)


def first_start(scene: Scene) -> None:
    """The first start with a log, whose base is made of `dump.rdb`, is over; some writes."""
    scene.write()
    scene.write()


def replaced(scene: Scene) -> None:
    """A full sync with a primary: other data take the place of those that the log tells of, and it is begun anew."""
    scene.write()
    keyspace = scene.logged.engine.keyspace
    keyspace.flush_all()
    keyspace.databases[0].set_value(b"numbers", ListValue([b"%d" % THEIRS]))
    keyspace.databases[0].set_value(b"sum", b"%d" % THEIRS)
    scene.logged.append_only.restart()
    scene.theirs, scene.first = True, len(SAVED) + 1
    scene.promised.clear()
    scene.write()
    scene.logged.rewrite(scene.write, limit=64)
    scene.write()


class Interruptions:
    """A server that crashes at each step of a scenario, from its start on."""

    def __init__(self, torn: int, files: dict[str, bytes], **settings: str) -> None:
        self.torn = torn
        self.files = files
        self.settings = settings

    def run(self, scenario: Callable[[Scene], None], check: Callable[[FragileStorage, Scene], None]) -> int:
        """Look at what each of them leaves; how many there are."""
        step = 0
        while self._interrupted(step, scenario, check):
            step += 1
        return step

    def _interrupted(
        self, step: int, scenario: Callable[[Scene], None], check: Callable[[FragileStorage, Scene], None]
    ) -> bool:
        storage = FragileStorage(self.files)
        storage.crash_at, storage.torn = step, self.torn
        scene = None
        try:
            scene = Scene(storage, **self.settings)
            scenario(scene)
        except Crash:
            for left in (storage.after_death(), storage.after_power_failure()):
                if scene is None:
                    assert written(Logged(left, **POLICY)) == SAVED, f"step {step}"
                else:
                    check(left, scene)
            return True
        return False


def has_all_or_what_was_saved(left: FragileStorage, scene: Scene) -> None:
    """A server with a log begins with all that was promised, in order, or with `dump.rdb` where nothing was."""
    found = goes_on(left)
    assert found == list(range(len(found)))
    assert len(found) >= len(SAVED)
    assert found[: len(scene.promised)] == scene.promised
    # The other way to begin is as good as ever.
    assert written(Logged(FragileStorage(left.durable), appendonly="no")) == SAVED


def has_one_or_the_other(left: FragileStorage, scene: Scene) -> None:
    """All of the data of before, or all of the primary's with what was promised since."""
    found = goes_on(left)
    if scene.theirs and found[0] == THEIRS:
        since = found[1:]
        assert since == list(range(scene.first, scene.first + len(since)))
        assert not scene.promised or scene.promised[-1] in since
    else:
        assert not scene.theirs or not scene.promised
        assert found == list(range(len(found)))
        assert len(found) >= len(SAVED)


def has_an_image(left: FragileStorage, scene: Scene) -> None:
    """The image of before, or the new one."""
    assert written(Logged(left, appendonly="no")) in (SAVED, [*SAVED, len(SAVED)])


def goes_on(left: FragileStorage) -> list[int]:
    """What a server with a log finds; it goes on from there, whatever is left of what was interrupted."""
    storage = FragileStorage(left.durable)
    restarted = Logged(storage, **POLICY)
    found = written(restarted)
    Writer(restarted).write()
    restarted.rewrite()
    again = storage.after_power_failure()
    assert written(Logged(again, **POLICY)) == [*found, 0]
    # Nothing is left beside the log that nothing reads.
    names = [name for name in again.files if name.startswith("appendonlydir/")]
    assert len(names) == 3, names
    return found


@pytest.mark.parametrize(("preamble", "torn"), [("yes", 0), ("yes", 10**6), ("no", 7)])
class TestABeginning:
    def test_of_a_log_that_is_switched_on(self, preamble: str, torn: int) -> None:
        server = Interruptions(torn, saved(), appendonly="no", aof_use_rdb_preamble=preamble, **POLICY)
        assert server.run(switched_on, has_all_or_what_was_saved) > 15

    def test_of_a_base_without_a_log(self, preamble: str, torn: int) -> None:
        server = Interruptions(torn, saved(), appendonly="no", aof_use_rdb_preamble=preamble)
        assert server.run(rewritten_without_a_log, has_all_or_what_was_saved) > 8

    def test_of_a_log_with_a_saved_image(self, preamble: str, torn: int) -> None:
        server = Interruptions(torn, saved(), aof_use_rdb_preamble=preamble, **POLICY)
        assert server.run(first_start, has_all_or_what_was_saved) > 10

    def test_of_a_log_with_the_data_of_a_primary(self, preamble: str, torn: int) -> None:
        server = Interruptions(torn, saved(), aof_use_rdb_preamble=preamble, **POLICY)
        assert server.run(replaced, has_one_or_the_other) > 25


def test_an_image_that_is_saved_is_the_old_one_or_the_new_one() -> None:
    server = Interruptions(7, saved(), appendonly="no")
    assert server.run(saved_again, has_an_image) > 6
