"""Whatever goes wrong, at whichever step: what was acknowledged under `always` is there after a restart, once, in order."""

from __future__ import annotations

import errno
import re
from contextlib import suppress

import pytest

from anystore.pulsards.persistence.aof import LogError
from tests.pulsards.persistence.aof.fragile import Crash, FragileStorage
from tests.pulsards.persistence.aof.logged import Logged, Writer, written

INCREMENT = "appendonlydir/appendonly.aof.1.incr.aof"


def scenario(logged: Logged, writer: Writer) -> None:
    """Writes, a rewrite with writes at each of its steps, and writes."""
    for _ in range(3):
        writer.write()
    with suppress(ConnectionResetError):
        logged.execute("SET", "other", "x" * 100, "EX", 1000)
    try:
        logged.rewrite(writer.write, limit=64)
    except OSError:
        logged.wait(2)
    for _ in range(2):
        writer.write()


def count_steps() -> tuple[int, int]:
    """The step at which the server is up, and the number of all."""
    storage = FragileStorage()
    logged = Logged(storage, appendfsync="always")
    up = storage.steps
    scenario(logged, Writer(logged))
    return up, storage.steps


UP, STEPS = count_steps()


class TestAlways:
    @pytest.mark.parametrize("torn", [0, 7, 10**6])
    def test_a_crash_at_any_step_loses_nothing_that_was_acknowledged(self, torn: int) -> None:
        for step in range(UP, STEPS):
            storage = FragileStorage()
            storage.crash_at, storage.torn = step, torn
            logged = Logged(storage, appendfsync="always")
            writer = Writer(logged)
            with pytest.raises(Crash):
                scenario(logged, writer)
            for left in (storage.after_death(), storage.after_power_failure()):
                found = written(Logged(left, appendfsync="always"))
                assert found[: len(writer.acknowledged)] == writer.acknowledged, f"step {step}"
                # The command that was under way may have been done, and nobody knows: the client least of all.
                assert found in (writer.tried, writer.acknowledged), f"step {step}"

    @pytest.mark.parametrize("keeps_failing", [False, True])
    def test_an_error_at_any_step_loses_nothing_that_was_acknowledged(self, keeps_failing: bool) -> None:
        for step in range(UP, STEPS):
            storage = FragileStorage()
            storage.fail_at, storage.keeps_failing = step, keeps_failing
            logged = Logged(storage, appendfsync="always")
            writer = Writer(logged)
            scenario(logged, writer)
            for left in (storage.after_death(), storage.after_power_failure()):
                found = written(Logged(left, appendfsync="always"))
                assert [number for number in found if number in writer.acknowledged] == writer.acknowledged
                assert set(found) <= set(writer.tried)
            storage.fail_at = -1
            logged.wait(2)
            writer.write()
            assert writer.acknowledged[-1] == writer.tried[-1], f"it does not recover from step {step}"
            logged.wait(3600)
            logged.rewrite(writer.write)
            assert written(Logged(storage.after_power_failure(), appendfsync="always")) == writer.tried

    def test_writes_are_refused_while_the_disk_is_full_and_reads_are_not(self) -> None:
        storage = FragileStorage()
        logged = Logged(storage, appendfsync="always")
        logged.execute("SET", "key", "value")
        storage.error, storage.keeps_failing, storage.fail_at = errno.ENOSPC, True, storage.steps
        with pytest.raises(ConnectionResetError):
            logged.execute("SET", "key", "lost?")
        refusal = ("error", "MISCONF Errors writing to the AOF file: injected")
        assert logged.execute("SET", "key", "refused") == refusal
        assert logged.execute("PING") == refusal
        assert logged.execute("EVAL", "return redis.call('SET', 'key', 'script')", 0)[1].startswith("MISCONF")
        logged.execute("MULTI")
        assert logged.execute("SET", "key", "transaction") == refusal
        assert logged.execute("EXEC")[1].startswith("EXECABORT")
        assert logged.execute("GET", "key") == b"lost?"
        assert "aof_last_write_status:err" in str(logged.execute("INFO", "persistence"))
        storage.fail_at = -1
        logged.wait(1.5)
        assert logged.execute("SET", "key", "done") == b"OK"
        assert "aof_last_write_status:ok" in str(logged.execute("INFO", "persistence"))
        assert Logged(storage.after_power_failure()).execute("GET", "key") == b"done"


class TestEverySecond:
    def test_the_death_of_the_process_loses_nothing_and_a_power_failure_what_was_not_synced(self) -> None:
        storage = FragileStorage()
        logged = Logged(storage)
        writer = Writer(logged)
        writer.write()
        logged.sync()
        writer.write()
        assert written(Logged(storage.after_death())) == [0, 1]
        assert written(Logged(storage.after_power_failure())) == [0]

    @pytest.mark.parametrize("keeps_failing", [False, True])
    def test_an_error_at_any_step_loses_nothing_in_the_end(self, keeps_failing: bool) -> None:
        for step in range(UP, STEPS):
            storage = FragileStorage()
            storage.fail_at, storage.keeps_failing = step, keeps_failing
            logged = Logged(storage)
            writer = Writer(logged)
            scenario(logged, writer)
            logged.sync()
            storage.fail_at = -1
            logged.wait(3)
            writer.write()
            logged.wait(1)
            logged.sync()
            assert written(Logged(storage.after_power_failure())) == writer.tried == writer.acknowledged


class TestTornEnds:
    def test_s15_a_record_torn_at_any_byte_is_cut_off_with_a_message(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        storage = FragileStorage()
        logged = Logged(storage, appendfsync="always")
        writer = Writer(logged)
        writer.write()
        writer.write()
        whole = len(storage.files[INCREMENT])
        writer.write()
        data = bytes(storage.files[INCREMENT])
        for length in range(whole, len(data)):
            torn = FragileStorage({**storage.after_death().durable, INCREMENT: data[:length]})
            caplog.clear()
            restarted = Logged(torn, appendfsync="always")
            assert written(restarted) == [0, 1]
            assert len(torn.files[INCREMENT]) == whole
            assert len(torn.durable[INCREMENT]) == whole
            messages = [record.message for record in caplog.records if "cut off" in record.message]
            assert len(messages) == (length != whole)
            restarted.execute("SET", "after", "the cut")
            assert Logged(torn.after_power_failure()).execute("GET", "after") == b"the cut"

    def test_it_is_refused_where_that_is_wanted(self) -> None:
        storage = FragileStorage()
        Writer(Logged(storage, appendfsync="always")).write()
        del storage.files[INCREMENT][-1:]
        before = bytes(storage.files[INCREMENT])
        with pytest.raises(LogError, match=r"0 of .* are whole.*aof-load-truncated to yes"):
            Logged(storage.after_death(), aof_load_truncated="no")
        assert bytes(storage.files[INCREMENT]) == before

    def test_a_corrupt_middle_is_refused_with_the_offset_and_a_way_out(self) -> None:
        storage = FragileStorage()
        writer = Writer(Logged(storage, appendfsync="always"))
        writer.write()
        at = len(storage.files[INCREMENT])
        writer.write()
        storage.files[INCREMENT][at] = ord("?")
        message = f"{re.escape(INCREMENT)} is damaged at byte {at}: .*pulsards check --fix appendonlydir/appendonly.aof.m"
        with pytest.raises(LogError, match=message):
            Logged(storage.after_death())

    @pytest.mark.parametrize("length", [1, 50])
    def test_a_damaged_base_is_refused_and_cutting_it_is_no_way_out(self, length: int) -> None:
        storage = FragileStorage()
        Writer(Logged(storage, appendfsync="always")).write()
        base = "appendonlydir/appendonly.aof.1.base.rdb"
        del storage.files[base][length:], storage.files[INCREMENT][:]
        with pytest.raises(
            LogError, match=r"in the RDB image: .*from a copy, or the data from a replica"
        ) as refused:
            Logged(storage.after_death())
        assert "--fix" not in str(refused.value)

    def test_more_databases_than_there_are_name_the_directive(self) -> None:
        storage = FragileStorage()
        logged = Logged(storage, appendfsync="always", databases="20")
        logged.execute("SELECT", 19)
        logged.execute("SET", "a", 1)
        with pytest.raises(
            LogError, match=r"no database '19': .*databases says 16.*Set databases higher"
        ) as refused:
            Logged(storage.after_death())
        assert "--fix" not in str(refused.value)

    def test_a_cut_file_with_others_behind_it_is_refused_unless_they_are_empty(self) -> None:
        storage = FragileStorage()
        logged = Logged(storage, appendfsync="always")
        writer = Writer(logged)
        writer.write()
        logged.append_only.begin_rewrite()
        second = "appendonlydir/appendonly.aof.2.incr.aof"
        assert second in storage.files
        del storage.files[INCREMENT][-1:]
        assert written(Logged(storage.after_death())) == []
        writer.write()
        with pytest.raises(LogError, match=r"incr\.aof follows it"):
            Logged(storage.after_death())
