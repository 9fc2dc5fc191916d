"""The log's end: when bytes get into the file and onto the disk, and what becomes of them when that fails."""

from __future__ import annotations

import errno
import itertools

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.aof.log import AppendLog, Sync
from tests.pulsards.persistence.aof.handles import FakeHandle

UNIT = [(0, [b"SET", b"key", b"value"])]
SELECT = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
SET = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"


class Logged:
    """A log over a file that fails on demand, with a clock moved by hand."""

    def __init__(self, policy: str) -> None:
        self.time = 1_700_000_000_000
        self.problems: list[OSError | None] = []
        self.woken = 0
        self.handle = FakeHandle()
        self.log = AppendLog(lambda: self.time, self._changed, self._wake, policy)
        self.log.open(self.handle)

    def _changed(self) -> None:
        self.problems.append(self.log.problem)

    def _wake(self) -> None:
        self.woken += 1

    def turn(self, *units: list[tuple[int, list[bytes]]]) -> bool:
        for unit in units:
            self.log.append(unit)
        return self.log.end_turn()


class TestWriting:
    def test_a_turn_is_one_write(self) -> None:
        logged = Logged("no")
        assert logged.turn(UNIT, [(3, [b"DEL", b"a"]), (0, [b"DEL", b"b"])], UNIT)
        assert logged.handle.calls == ["write"]
        reader = hiredis.Reader()
        reader.feed(bytes(logged.handle.data))
        commands = list(iter(reader.gets, False))
        assert [command[0] for command in commands] == [
            *(b"SELECT", b"SET", b"MULTI", b"SELECT", b"DEL", b"SELECT", b"DEL", b"EXEC", b"SET")
        ]
        assert logged.log.size == logged.log.written == len(logged.handle.data)

    def test_a_turn_without_changes_is_none(self) -> None:
        logged = Logged("always")
        assert logged.turn()
        assert logged.handle.calls == []

    def test_the_time_stands_before_the_first_unit_of_a_second(self) -> None:
        logged = Logged("no")
        logged.log.timestamps = True
        logged.turn(UNIT, UNIT)
        logged.time += 1000
        logged.turn(UNIT)
        stamps = [b"#TS:1700000000\r\n", b"#TS:1700000001\r\n"]
        assert bytes(logged.handle.data) == stamps[0] + SELECT + SET + SET + stamps[1] + SET

    def test_another_file_begins_with_its_own_select(self) -> None:
        logged = Logged("no")
        logged.turn(UNIT)
        logged.log.append(UNIT)
        second = FakeHandle()
        assert logged.log.take_handle(second)
        assert logged.handle.on_disk == SELECT + SET + SET
        assert logged.handle.closed
        logged.turn(UNIT)
        assert bytes(second.data) == SELECT + SET


class TestAlways:
    def test_one_fsync_for_all_that_ran_in_a_turn(self) -> None:
        logged = Logged("always")
        assert logged.turn(UNIT, UNIT, UNIT)
        assert logged.handle.calls == ["write", "sync"]
        assert logged.log.synced == logged.log.appended == len(logged.handle.on_disk)

    @pytest.mark.parametrize("call", ["write", "sync"])
    def test_what_is_not_on_the_disk_is_not_acknowledged(self, call: str) -> None:
        logged = Logged("always")
        logged.turn(UNIT)
        logged.handle.failing[call] = errno.EIO
        assert not logged.turn(UNIT)
        assert logged.log.problem is not None
        assert len(logged.problems) == 1
        # A turn that only reads may say what it reads; one that finds a key expired may not.
        assert logged.turn()
        assert not logged.turn(UNIT)
        assert logged.turn()
        assert logged.log.next_due() == logged.time + 1000
        logged.time += 1000
        logged.log.run_due()
        assert logged.log.problem is not None
        logged.handle.failing.clear()
        logged.log.run_due()
        assert logged.log.problem is not None, "tried again before its time"
        logged.time += 1000
        logged.log.run_due()
        assert logged.log.problem is None
        assert logged.problems[1:] == [None]
        assert logged.handle.on_disk == SELECT + SET * 3
        assert logged.log.synced == logged.log.appended
        assert logged.log.next_due() is None

    def test_a_torn_write_is_cut_off_before_the_next(self) -> None:
        logged = Logged("always")
        logged.turn(UNIT)
        logged.handle.room = 10
        assert not logged.turn(UNIT)
        assert bytes(logged.handle.data) == SELECT + SET + SET[:10]
        logged.handle.room = None
        logged.time += 1000
        logged.log.run_due()
        assert logged.handle.on_disk == SELECT + SET + SET

    def test_what_an_fsync_lost_is_written_again(self) -> None:
        logged = Logged("always")
        logged.turn(UNIT)
        logged.handle.failing["sync"] = errno.EIO
        logged.turn(UNIT)
        logged.handle.failing.clear()
        logged.handle.calls.clear()
        logged.time += 1000
        logged.log.run_due()
        assert logged.handle.calls == ["truncate", "write", "sync"]

    def test_a_file_that_cannot_be_cut_is_not_written_on(self) -> None:
        logged = Logged("always")
        logged.handle.failing["sync"] = errno.EIO
        logged.turn(UNIT)
        logged.handle.failing = {"truncate": errno.EIO}
        logged.time += 1000
        logged.log.run_due()
        assert logged.log.problem is not None
        assert bytes(logged.handle.data) == SELECT + SET
        logged.handle.failing.clear()
        logged.time += 1000
        logged.log.run_due()
        assert logged.handle.on_disk == SELECT + SET

    def test_nothing_is_synced_during_a_rewrite_if_that_is_wanted(self) -> None:
        logged = Logged("always")
        logged.log.sync_suspended = True
        assert logged.turn(UNIT)
        assert logged.handle.calls == ["write"]


class TestEverySecond:
    def test_it_is_synced_a_second_after_the_last_time(self) -> None:
        logged = Logged("everysec")
        assert logged.log.seconds_to_sync() is None
        assert logged.turn(UNIT)
        assert logged.handle.calls == ["write"]
        assert logged.woken == 1
        assert logged.log.seconds_to_sync() == 0
        sync = logged.log.begin_sync()
        logged.time += 100
        sync.handle.sync()
        logged.log.end_sync(sync, None)
        assert logged.log.synced == logged.log.written
        assert logged.log.seconds_to_sync() is None
        logged.turn(UNIT)
        assert logged.log.seconds_to_sync() == 0.9

    def test_a_write_waits_for_a_running_fsync_but_two_seconds_at_most(self) -> None:
        logged = Logged("everysec")
        logged.turn(UNIT)
        sync = logged.log.begin_sync()
        assert logged.turn(UNIT)
        assert logged.log.waiting == len(SET)
        assert logged.log.next_due() == logged.time + 2000
        logged.time += 1999
        logged.turn(UNIT)
        assert logged.log.waiting == 2 * len(SET)
        logged.time += 1
        logged.log.run_due()
        assert logged.log.waiting == 0
        assert logged.log.figures.delayed_syncs == 1
        sync.handle.sync()
        logged.log.end_sync(sync, None)
        assert logged.log.synced == len(SELECT + SET)
        assert logged.log.written == len(SELECT + SET * 3)

    def test_what_has_waited_is_written_when_the_fsync_ends(self) -> None:
        logged = Logged("everysec")
        logged.turn(UNIT)
        sync = logged.log.begin_sync()
        logged.turn(UNIT)
        logged.log.end_sync(sync, None)
        assert logged.log.waiting == 0
        assert logged.log.next_due() is None

    def test_an_fsync_that_fails_has_everything_since_the_last_good_one_written_again(self) -> None:
        logged = Logged("everysec")
        logged.turn(UNIT)
        good = logged.log.begin_sync()
        good.handle.sync()
        logged.log.end_sync(good, None)
        logged.turn(UNIT)
        bad = logged.log.begin_sync()
        logged.time += 2500
        logged.turn(UNIT)
        logged.time += 2500
        logged.turn(UNIT)
        logged.log.end_sync(bad, OSError(errno.EIO, "fsync"))
        assert logged.log.problem is not None
        assert logged.log.seconds_to_sync() is None
        logged.time += 1000
        logged.log.run_due()
        assert logged.log.problem is None
        assert logged.handle.on_disk == SELECT + SET * 4
        assert logged.handle.calls[-3:] == ["truncate", "write", "sync"]

    def test_the_outcome_of_an_fsync_of_bytes_that_are_gone_is_of_no_interest(self) -> None:
        logged = Logged("everysec")
        logged.turn(UNIT)
        sync = logged.log.begin_sync()
        logged.handle.failing["sync"] = errno.EIO
        assert not logged.log.flush()
        logged.log.end_sync(sync, None)
        assert logged.log.synced == 0
        logged.handle.failing.clear()
        logged.time += 1000
        logged.log.run_due()
        assert logged.handle.on_disk == SELECT + SET

    def test_a_file_is_closed_only_after_its_fsync(self) -> None:
        logged = Logged("everysec")
        logged.turn(UNIT)
        sync = logged.log.begin_sync()
        logged.log.close()
        assert not logged.handle.closed
        logged.log.end_sync(sync, None)
        assert logged.handle.closed


def end(logged: Logged, sync: Sync) -> None:
    """What a thread does, and its outcome."""
    error = None
    try:
        sync.handle.sync()
    except OSError as failure:
        error = failure
    logged.log.end_sync(sync, error)


@given(st.sampled_from(["always", "everysec", "no"]), st.data())
def test_whatever_fails_nothing_is_lost_or_written_twice(policy: str, draw: st.DataObject) -> None:
    """Once all is well again the file holds every unit, once, in order; what counts as synced has been on the disk."""
    logged = Logged(policy)
    numbers = itertools.count()
    expected = []
    acknowledged = 0
    sync = None
    for _ in range(draw.draw(st.integers(1, 25))):
        step = draw.draw(st.sampled_from(["turn", "fail", "full", "heal", "time", "begin", "end", "flush"]))
        if step == "turn":
            command = [b"ECHO", b"%d" % next(numbers)]
            expected.append(hiredis.pack_command(tuple(command)))
            if logged.turn([(0, command)]) and policy == "always":
                acknowledged = len(expected)
                assert logged.handle.on_disk == SELECT + b"".join(expected)
        elif step == "fail":
            logged.handle.failing[draw.draw(st.sampled_from(["write", "sync", "truncate"]))] = errno.EIO
        elif step == "full":
            logged.handle.room = draw.draw(st.integers(0, 40))
        elif step == "heal":
            logged.handle.failing.clear()
            logged.handle.room = None
        elif step == "time":
            logged.time += draw.draw(st.integers(1, 3000))
            logged.log.run_due()
        elif step == "begin" and logged.log.seconds_to_sync() is not None and sync is None:
            sync = logged.log.begin_sync()
        elif step == "end" and sync is not None:
            end(logged, sync)
            sync = None
        elif step == "flush":
            logged.log.flush()
    logged.handle.failing.clear()
    logged.handle.room = None
    if sync is not None:
        end(logged, sync)
    logged.time += 1000
    logged.log.run_due()
    assert logged.log.flush()
    assert logged.handle.on_disk == (SELECT if expected else b"") + b"".join(expected)
    assert logged.log.synced == logged.log.appended == len(logged.handle.on_disk)
    assert acknowledged <= len(expected)
