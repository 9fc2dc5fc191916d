from __future__ import annotations

import errno

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.loading import CannotLoad, begin_loading
from anystore.pulsards.persistence.saving import MISCONF, SaveJob
from anystore.pulsards.persistence.snapshot import Snapshot
from tests.pulsards.call_values import commands_of_pulsards, world
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.persistence.images import Recorder, data_of
from tests.pulsards.persistence.storages import FakeStorage
from tests.servers import RealServer, run_server, valkey_binary

NAME = "dump.rdb"
IN_PROGRESS = ("error", "ERR Background save already in progress")


class Server:
    """An engine with a storage in memory, and a driver that does background saves when told to."""

    def __init__(
        self, storage: FakeStorage | None = None, clock: ManualClock | None = None, **settings: str
    ) -> None:
        self.clock = clock or ManualClock()
        self.storage = storage or FakeStorage()
        self.client = EngineClient(clock=self.clock, **({"dir": "/fake", "save": ""} | settings))
        self.engine = self.client.engine
        self.engine.storage = self.storage
        self.saver = self.engine.saver
        self.saver.wake = lambda: None
        self.saver.plan()

    def run_job(self) -> None:
        """What the driver does with a background save."""
        job = self.saver.job
        assert job is not None
        draft = None
        try:
            draft = self.storage.draft(NAME)
            image = job.begin()
            while not image.finished:
                draft.write(image.next_slice(100))
            draft.commit()
            job.succeeded()
        except OSError as error:
            job.failed(error)
        finally:
            job.abandon()
            if draft is not None:
                draft.discard()

    def load(self) -> None:
        loading = begin_loading(self.engine)
        while loading is not None and not loading.finished:
            loading.step()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.engine.run_due()
        self.engine.flush()

    def info(self) -> dict[str, str]:
        lines = self.client.execute("INFO", "persistence").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


def filled(server: Server) -> Server:
    for command in world(commands_of_pulsards()):
        server.client.execute(*command)
    return server


class TestSave:
    def test_what_is_saved_can_be_loaded(self) -> None:
        server = filled(Server())
        assert server.client.execute("SAVE") == b"OK"
        other = Server(server.storage, server.clock)
        other.load()
        assert data_of(other.engine) == data_of(server.engine)
        assert list(server.storage.files) == [NAME]
        assert other.info()["rdb_last_load_keys_loaded"] == str(len(data_of(server.engine)))

    def test_a_server_without_a_directory_says_so(self) -> None:
        client = EngineClient()
        for command in ("SAVE", "BGSAVE"):
            assert client.execute(command) == (
                "error",
                "ERR this server keeps nothing on disk: it was started without the directive dir",
            )
        assert client.execute("LASTSAVE") == client.engine.keyspace.now // 1000

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_where_any_step_fails_the_file_of_before_is_whole(self, error: int) -> None:
        server = filled(Server())
        server.client.execute("SAVE")
        old = server.storage.files[NAME]
        server.client.execute("SET", "new", 1)
        for step in range(100):
            server.storage.steps.clear()
            server.storage.fail_at, server.storage.error = step, error
            reply = server.client.execute("SAVE")
            failed = reply != b"OK"
            assert server.storage.drafts == []
            if not failed:
                break
            assert reply == ("error", "ERR")
            if step < len(server.storage.steps) - 1 or server.storage.steps[-1] != "sync folder":
                assert server.storage.files[NAME] == old
            assert server.engine.keyspace.images == ()
        assert step > 4
        assert server.storage.files[NAME] != old

    def test_it_waits_for_no_other(self) -> None:
        server = Server()
        server.client.execute("BGSAVE")
        assert server.client.execute("SAVE") == IN_PROGRESS

    def test_a_transaction_and_a_script_may_not(self) -> None:
        client = Server().client
        client.execute("MULTI")
        assert client.execute("SAVE") == ("error", "ERR Command not allowed inside a transaction")
        client.execute("DISCARD")
        assert "not allowed from script" in client.execute("EVAL", "return redis.call('SAVE')", 0)[1]


class TestBackgroundSave:
    def test_it_is_counted_from_its_command_to_its_end(self) -> None:
        server = filled(Server())
        assert server.client.execute("BGSAVE") == b"Background saving started"
        assert server.info()["rdb_bgsave_in_progress"] == "1"
        assert server.info()["rdb_current_bgsave_time_sec"] == "0"
        assert server.client.execute("BGSAVE") == IN_PROGRESS
        server.client.execute("SET", "before", 1)
        server.clock.advance(3)
        server.run_job()
        info = server.info()
        assert info["rdb_bgsave_in_progress"] == "0"
        assert info["rdb_last_bgsave_status"] == "ok"
        assert info["rdb_last_bgsave_time_sec"] == "3"
        assert info["rdb_current_bgsave_time_sec"] == "-1"
        assert info["rdb_changes_since_last_save"] == "0"
        assert info["rdb_saves"] == "1"
        assert (
            int(info["rdb_last_save_time"])
            == server.client.execute("LASTSAVE")
            == server.clock.time_us() // 10**6
        )

    def test_how_far_it_is(self) -> None:
        server = Server()
        server.client.execute("MSET", "a", "x" * 200, "b", "y" * 200)
        server.client.execute("BGSAVE")
        job = server.saver.job
        assert job is not None
        image = job.begin()
        while not image.written:
            image.next_slice(1)
        server.client.execute("SET", "c", 1)
        info = server.info()
        assert info["current_save_keys_total"] == "2"
        assert info["current_save_keys_processed"] == "1"
        job.abandon()
        assert server.info()["current_save_keys_processed"] == "0"

    def test_changes_since_count_from_the_image(self) -> None:
        server = Server()
        server.client.execute("SET", "a", 1)
        server.client.execute("BGSAVE")
        job = server.saver.job
        assert job is not None
        job.begin()
        server.client.execute("SET", "b", 1)
        job.succeeded()
        assert server.info()["rdb_changes_since_last_save"] == "1"

    def test_cancelling(self) -> None:
        server = Server()
        assert server.client.execute("BGSAVE", "CANCEL") == (
            "error",
            "ERR Background saving is currently not in progress or scheduled",
        )
        server.client.execute("BGSAVE")
        job = server.saver.job
        assert job is not None
        job.begin()
        assert server.client.execute("BGSAVE", "cancel") == b"Background saving cancelled"
        assert not job.wanted
        assert server.engine.keyspace.images == ()
        assert server.info()["rdb_last_bgsave_status"] == "ok"

    def test_beside_something_else_it_is_scheduled_or_refused(self) -> None:
        server = Server()
        server.saver.other_job = lambda: b"AOF"
        assert server.client.execute("BGSAVE")[1].startswith("ERR Another child process is active (AOF?)")
        assert server.client.execute("BGSAVE", "SCHEDULE") == b"Background saving scheduled"
        assert server.saver.job is None
        server.saver.other_job = lambda: None
        server.saver.other_job_ended()
        assert server.saver.job is not None
        assert server.client.execute("BGSAVE", "CANCEL") == b"Background saving cancelled"
        server.saver.other_job_ended()
        assert server.saver.job is None

    @pytest.mark.parametrize("words", [("FOO",), ("SCHEDULE", "CANCEL")])
    def test_other_words_are_a_syntax_error(self, words: tuple[str, ...]) -> None:
        assert Server().client.execute("BGSAVE", *words) == ("error", "ERR syntax error")

    def test_the_moment_is_never_within_a_transaction(self) -> None:
        server = Server()
        client = server.client
        for command in (("MULTI",), ("SET", "a", 1), ("BGSAVE",), ("SET", "b", 1)):
            client.execute(*command)
        assert client.execute("EXEC") == [b"OK", b"Background saving started", b"OK"]
        server.run_job()
        other = Server(server.storage)
        other.load()
        assert {key for _, key in data_of(other.engine)} == {b"a", b"b"}

    def test_without_a_driver_there_is_none(self) -> None:
        server = Server()
        server.saver.wake = None
        assert server.client.execute("BGSAVE") == ("error", "ERR Background saving needs a running server")


class TestFailing:
    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_at_whatever_step_the_old_file_stays_and_writes_are_refused(self, error: int) -> None:
        clean = filled(Server(save="3600 1"))
        clean.client.execute("BGSAVE")
        clean.run_job()
        steps = len(clean.storage.steps)
        assert steps > 5
        for step in range(steps - 1):
            storage = FakeStorage(step, error)
            storage.files[NAME] = b"old"
            server = filled(Server(storage, save="3600 1"))
            server.client.execute("BGSAVE")
            server.run_job()
            assert storage.files == {NAME: b"old"}
            assert server.info()["rdb_last_bgsave_status"] == "err"
            assert server.client.execute("SET", "a", 1) == ("error", MISCONF.decode())
            assert server.client.execute("DBSIZE") > 1
            server.client.execute("BGSAVE")
            server.run_job()
            assert storage.files[NAME] != b"old"
            assert server.client.execute("SET", "a", 1) == b"OK"

    def failed(self, **settings: str) -> Server:
        server = Server(FakeStorage(0), **({"save": "3600 1"} | settings))
        server.client.execute("BGSAVE")
        server.run_job()
        return server

    def test_what_is_refused(self) -> None:
        client = self.failed().client
        refused = ("error", MISCONF.decode())
        for command in (("SET", "a", 1), ("PING",), ("DEL", "a"), ("FLUSHALL",)):
            assert client.execute(*command) == refused
        assert client.execute("GET", "a") is None
        assert client.execute("INFO", "server")
        client.execute("MULTI")
        client.execute("GET", "a")
        assert client.execute("EXEC") == [None]

    def test_a_transaction_begun_before_is_refused(self) -> None:
        server = Server(FakeStorage(0), save="3600 1")
        server.client.execute("MULTI")
        server.client.execute("SET", "a", 1)
        other = EngineClient(server.engine)
        other.execute("BGSAVE")
        server.run_job()
        assert server.client.execute("EXEC")[1].startswith(
            "EXECABORT Transaction discarded because of: MISCONF"
        )
        assert other.execute("EXISTS", "a") == 0

    def test_scripts_may_read(self) -> None:
        client = self.failed().client
        assert client.execute("EVAL", "return redis.call('GET', KEYS[1])", 1, "a") is None
        error = client.execute("EVAL", "return redis.call('SET', KEYS[1], 1)", 1, "a")
        assert error[1].startswith("MISCONF ")

    def test_unless_that_is_not_wanted(self) -> None:
        client = self.failed(stop_writes_on_bgsave_error="no").client
        assert client.execute("SET", "a", 1) == b"OK"
        server = self.failed()
        server.client.execute("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        assert server.client.execute("SET", "a", 1) == b"OK"
        server.client.execute("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
        assert server.client.execute("SET", "a", 1)[0] == "error"
        server.client.execute("CONFIG", "SET", "save", "")
        assert server.client.execute("SET", "a", 1) == b"OK"

    def test_save_lets_writes_through_again(self) -> None:
        server = self.failed()
        assert server.client.execute("SAVE") == b"OK"
        assert server.client.execute("SET", "a", 1) == b"OK"


class TestRules:
    @pytest.fixture
    def server(self) -> Server:
        return Server(save="60 3 10 100")

    def test_seconds_and_changes_both_have_to_be(self, server: Server) -> None:
        server.client.execute("MSET", "a", 1, "b", 2)
        server.pass_time(120)
        assert server.saver.job is None
        server.client.execute("SET", "c", 3)
        server.pass_time(2)
        assert server.saver.job is not None
        server.run_job()
        assert server.info()["rdb_changes_since_last_save"] == "0"

    def test_time_is_counted_from_the_last_save(self, server: Server) -> None:
        server.client.execute("MSET", "a", 1, "b", 2, "c", 3)
        server.pass_time(50)
        assert server.saver.job is None
        server.client.execute("SAVE")
        server.client.execute("MSET", "a", 1, "b", 2, "c", 3)
        server.pass_time(50)
        assert server.saver.job is None
        server.pass_time(11)
        assert server.saver.job is not None

    def test_a_rule_is_due_without_any_further_command(self, server: Server) -> None:
        server.pass_time(5)
        server.client.execute("MSET", "a", 1, "b", 2, "c", 3)
        for _ in range(200):
            due = server.engine.next_due()
            if due is None or server.saver.job is not None:
                break
            server.pass_time(max(0, due - server.engine.keyspace.now) / 1000)
        assert server.saver.job is not None
        assert 60 <= server.clock.time_us() / 1e6 - server.saver.last_save < 62

    def test_who_is_at_rest_is_not_woken(self, server: Server) -> None:
        server.client.execute("GET", "a")
        for _ in range(5):
            if (due := server.engine.next_due()) is not None:
                server.pass_time((due - server.engine.keyspace.now) / 1000)
        assert server.engine.next_due() is None
        server.client.execute("SET", "a", 1)  # one change: no rule has enough
        for _ in range(5):
            if (due := server.engine.next_due()) is not None:
                server.pass_time((due - server.engine.keyspace.now) / 1000)
        assert server.engine.next_due() is None

    def test_after_a_failure_it_waits_five_seconds(self, server: Server) -> None:
        server.storage.fail_at = 0
        server.client.execute("MSET", "a", 1, "b", 2, "c", 3)
        server.pass_time(61)
        server.run_job()
        assert server.info()["rdb_last_bgsave_status"] == "err"
        server.pass_time(3)
        assert server.saver.job is None
        server.pass_time(2.1)
        assert server.saver.job is not None

    def test_they_can_be_changed(self, server: Server) -> None:
        assert server.client.execute("CONFIG", "GET", "save") == [b"save", b"60 3 10 100"]
        assert server.client.execute("CONFIG", "SET", "save", "x")[1].endswith("Invalid save parameters")
        assert server.client.execute("CONFIG", "SET", "save", "1 1") == b"OK"
        server.client.execute("SET", "a", 1)
        server.pass_time(1)
        server.pass_time(1)
        assert server.saver.job is not None
        server.run_job()
        assert server.client.execute("CONFIG", "SET", "save", "") == b"OK"
        server.client.execute("SET", "a", 1)
        server.pass_time(100)
        assert server.saver.job is None

    def test_flushall_is_on_disk_at_once(self, server: Server) -> None:
        server.client.execute("SET", "a", 1)
        server.client.execute("BGSAVE")
        job = server.saver.job
        assert job is not None
        job.begin()
        server.client.execute("FLUSHALL")
        assert not job.wanted
        other = Server(server.storage)
        other.load()
        assert data_of(other.engine) == {}
        assert other.saver.mark is not None

    def test_flushall_that_cannot_be_saved_is_done_all_the_same(self, server: Server) -> None:
        server.client.execute("SET", "a", 1)
        server.storage.fail_at = 0
        assert server.client.execute("FLUSHALL") == b"OK"
        assert server.client.execute("DBSIZE") == 0


class TestShutdown:
    def stopped(self, server: Server, *words: str) -> tuple[object, bool]:
        ended: list[bool] = []
        server.engine.stopper = lambda: ended.append(True)
        return server.client.execute("SHUTDOWN", *words), bool(ended)

    @pytest.mark.parametrize(
        ("rules", "words", "saved"),
        [
            ("60 1", (), True),
            ("60 1", ("NOSAVE",), False),
            ("60 1", ("SAVE",), True),
            ("", (), False),
            ("", ("SAVE",), True),
            ("", ("NOSAVE",), False),
        ],
    )
    def test_it_saves_by_the_rules_or_as_told(self, rules: str, words: tuple[str, ...], saved: bool) -> None:
        server = Server(save=rules)
        server.client.execute("SET", "a", 1)
        assert self.stopped(server, *words) == (NotImplemented, True)
        assert (NAME in server.storage.files) is saved
        assert server.saver.decided

    def test_where_saving_fails_the_server_goes_on(self) -> None:
        server = Server(FakeStorage(0), save="60 1")
        assert self.stopped(server) == (("error", "ERR Errors trying to SHUTDOWN. Check logs."), False)
        server.storage.fail_at = 0
        server.storage.steps.clear()
        assert self.stopped(server, "FORCE") == (NotImplemented, True)

    def test_a_background_save_is_given_up(self) -> None:
        server = Server(save="60 1")
        server.client.execute("BGSAVE")
        job = server.saver.job
        assert isinstance(job, SaveJob)
        job.begin()
        self.stopped(server)
        assert not job.wanted
        assert NAME in server.storage.files


class TestLoading:
    def test_nearly_everything_is_refused_meanwhile(self) -> None:
        server = filled(Server())
        server.client.execute("SAVE")
        other = Server(server.storage, server.clock)
        loading = begin_loading(other.engine)
        assert loading is not None
        for command in (("GET", "a"), ("SET", "a", 1), ("PING",), ("BGSAVE",)):
            assert other.client.execute(*command) == (
                "error",
                "LOADING Redis is loading the dataset in memory",
            )
        info = other.info()
        assert info["loading"] == "1"
        assert int(info["loading_total_bytes"]) == len(server.storage.files[NAME])
        assert info["loading_loaded_bytes"] == "0"
        while not loading.finished:
            loading.step()
        assert other.client.execute("PING") == b"PONG"
        assert other.info()["loading"] == "0"

    def test_there_may_be_nothing_to_load(self) -> None:
        server = Server()
        assert begin_loading(server.engine) is None

    def test_what_is_in_memory_already_is_not_loaded(self) -> None:
        server = filled(Server())
        server.client.execute("SAVE")
        assert begin_loading(server.engine) is None
        server.storage.files[NAME] = bytes(server.storage.files[NAME] + b"")
        server.storage.changes += 1
        loading = begin_loading(server.engine)
        assert loading is not None
        loading.cancel()

    @pytest.mark.parametrize("cut", [0, 5, 9, 30, -1, -9])
    def test_a_file_that_is_cut_short_is_refused_with_nothing_loaded(self, cut: int) -> None:
        server = filled(Server())
        server.client.execute("SAVE")
        server.storage.files[NAME] = server.storage.files[NAME][:cut]
        other = Server(server.storage, server.clock)
        other.client.execute("SET", "a", 1)
        with pytest.raises(CannotLoad, match=r"^dump\.rdb in /fake cannot be loaded: "):
            other.load()
        assert data_of(other.engine) == {}
        assert other.engine.loading is None
        assert other.client.execute("PING") == b"PONG"

    def test_a_disk_that_cannot_be_read(self) -> None:
        server = filled(Server())
        server.client.execute("SAVE")
        for step in range(2):
            storage = FakeStorage(step, errno.EIO)
            storage.files = dict(server.storage.files)
            other = Server(storage)
            with pytest.raises(CannotLoad, match=r"dump\.rdb in /fake"):
                other.load()
            assert data_of(other.engine) == {}

    def test_progress_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server(rdbcompression="no")
        for number in range(3000):
            server.client.execute("SET", f"key{number}", "x" * 60)
        server.client.execute("SAVE")
        other = Server(server.storage)
        loading = begin_loading(other.engine)
        assert loading is not None
        caplog.set_level("INFO", "anystore.pulsards")
        while not loading.finished:
            other.clock.advance(1.5)
            loading.step()
        texts = [record.getMessage() for record in caplog.records]
        assert any(text.startswith("loading dump.rdb in /fake: ") and "%" in text for text in texts)
        assert texts[-1].startswith("loaded dump.rdb in /fake in ")


def test_an_engine_has_a_saver_that_does_nothing() -> None:
    engine = Engine()
    assert engine.saver.watch_from > engine.keyspace.now
    assert engine.next_due() is None
    assert engine.saver.abandon() is False


class TestReload:
    def test_data_are_what_they_were(self) -> None:
        server = filled(Server())
        before = data_of(server.engine)
        assert server.client.execute("DEBUG", "RELOAD") == b"OK"
        assert data_of(server.engine) == before
        assert server.info()["loading"] == "0"

    def test_without_saving_first(self) -> None:
        client = Server().client
        client.execute("SET", "a", 1)
        client.execute("SAVE")
        client.execute("SET", "a", 2)
        client.execute("SET", "b", 2)
        assert client.execute("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == b"OK"
        assert client.execute("MGET", "a", "b") == [b"1", b"2"]
        assert client.execute("DEBUG", "RELOAD", "NOSAVE") == b"OK"
        assert client.execute("MGET", "a", "b") == [b"1", None]

    def test_what_cannot_be(self) -> None:
        client = Server().client
        failed = ("error", "ERR Error trying to load the RDB dump, check server logs.")
        assert client.execute("DEBUG", "RELOAD", "NOSAVE") == failed
        assert client.execute("DEBUG", "RELOAD", "X") == (
            "error",
            "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
        )
        client.execute("SET", "a", 1)
        assert client.execute("DEBUG", "RELOAD", "NOFLUSH") == failed
        assert client.execute("PING") == b"PONG"
        assert (
            EngineClient().execute("DEBUG", "RELOAD")[1].startswith("ERR this server keeps nothing on disk")
        )

    def test_an_image_that_is_being_taken_is_not_of_it(self) -> None:
        server = filled(Server())
        recorder, before = Recorder(), data_of(server.engine)
        image = Snapshot(server.engine, recorder, {})
        server.client.execute("SET", "new", 1)
        server.client.execute("DEBUG", "RELOAD")
        while not image.finished:
            image.next_slice(1000)
        assert recorder.data == before


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_real_servers_say_the_same(
    protocol: int, valkey: RealServer, redis_server: RealServer | None
) -> None:
    server = Server(FakeStorage())
    client = server.client
    commands = [
        text.split("_")
        for text in (
            *("BGSAVE_FOO", "BGSAVE_SCHEDULE_CANCEL", "SAVE_X", "LASTSAVE_X", "DEBUG_RELOAD_X", "SHUTDOWN_X"),
            *("SHUTDOWN_SAVE_NOSAVE", "SHUTDOWN_ABORT", "SHUTDOWN_ABORT_NOW", "MULTI", "SAVE", "EXEC"),
            *("CONFIG_SET_save_x", "CONFIG_SET_save_1", "CONFIG_SET_save_1 1 1", "CONFIG_SET_save_0 1"),
            *("CONFIG_SET_save_1 -1", "CONFIG_SET_save_60 0", "CONFIG_GET_save", "CONFIG_SET_save_"),
            *("CONFIG_GET_save", "CONFIG_SET_dir_/x", "CONFIG_SET_dbfilename_x", "CONFIG_SET_rdbchecksum_no"),
            *("CONFIG_SET_rdbcompression_x", "CONFIG_SET_stop-writes-on-bgsave-error_x"),
            *("CONFIG_SET_shutdown-on-sigterm_now save force", "CONFIG_GET_shutdown-on-sigterm"),
            *("CONFIG_SET_shutdown-on-sigterm_save nosave", "CONFIG_SET_shutdown-on-sigint_DEFAULT now"),
            *("CONFIG_GET_shutdown-on-sigint", "SAVE", "BGSAVE", "BGSAVE", "SAVE", "BGSAVE_SCHEDULE"),
            *("MULTI", "BGSAVE", "EXEC"),
        )
    ]
    client.execute("HELLO", protocol)
    ours = [client.execute(*command) for command in commands]
    for peer in filter(None, (valkey, redis_server)):
        with run_server(valkey_binary() if peer is valkey else peer.process.args[0]) as alone:  # type: ignore[index]
            real = RealClient(alone.port)
            real.execute("HELLO", protocol)
            # A save that goes on until we have seen that it does: with a key that takes it a while.
            real.run([("SET", f"key{number}", "x") for number in range(500)])
            real.execute("CONFIG", "SET", "rdb-key-save-delay", 10000)
            theirs = [real.execute(*command) for command in commands]
            real.close()
        for command, mine, other in zip(commands, ours, theirs, strict=True):
            # Valkey names the command that may not be in a transaction.
            if other == ("error", "ERR Command 'save' not allowed inside a transaction"):
                other = ("error", "ERR Command not allowed inside a transaction")
            assert mine == other, command
