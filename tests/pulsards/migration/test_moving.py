"""What MIGRATE says and does, without a network: another engine answers."""

from __future__ import annotations

from typing import Any

import pytest

from anystore.exceptions import ProtocolError
from anystore.pulsards.clock import ManualClock
from anystore.pulsards.migration import Migration
from tests.pulsards.peers import EngineClient

CALL = ("MIGRATE", "there", "7000")


class Scene:
    """A server whose migrations are carried out when the test says so, and the one that they go to."""

    def __init__(self, **settings: str) -> None:
        self.clock = ManualClock()
        self.here = EngineClient(clock=self.clock)
        self.engine = self.here.engine
        self.there = EngineClient(clock=self.clock, **settings)
        self.started: list[Migration] = []
        self.engine.migrations.drive = self.started.append
        self.engine.migrations.drive_at_once = lambda engine, migration: ""
        self.units: list[Any] = []

    def client(self) -> EngineClient:
        return EngineClient(self.engine)

    def migrate(self, *words: str) -> Migration:
        """A migration begun: its caller waits."""
        assert self.here.execute(*CALL, *words) is NotImplemented
        return self.started.pop()

    def say(self, migration: Migration) -> bytes:
        """Everything that is to be said next has been, and is answered: the answers, not heard yet."""
        self.engine.start_turn()
        data = migration.next_piece()
        self.there.session.receive(data)
        return self.there.session.take_output()

    def finish(self, migration: Migration, trouble: str = "") -> Any:
        """Carry it out to its end: the caller's reply."""
        if not trouble:
            migration.begin(None)
            while answers := self.say(migration):
                migration.receive(answers)
        self.engine.start_turn()
        migration.end(trouble)
        self.engine.flush()
        return self.here.receive()

    def run(self, *words: str) -> Any:
        return self.finish(self.migrate(*words))


class TestWhatMoves:
    @pytest.mark.parametrize(
        ("make", "read"),
        [
            (("SET", "k", "v"), ("GET", "k")),
            (("RPUSH", "k", "a", "b"), ("LRANGE", "k", "0", "-1")),
            (("HSET", "k", "f", "v"), ("HGETALL", "k")),
            (("ZADD", "k", "1", "m"), ("ZRANGE", "k", "0", "-1", "WITHSCORES")),
            (("XADD", "k", "1-1", "f", "v"), ("XRANGE", "k", "-", "+")),
            (("PFADD", "k", "m"), ("PFCOUNT", "k")),
        ],
        ids=lambda words: words[0],
    )
    def test_a_value_of_each_type(self, make: tuple[str, ...], read: tuple[str, ...]) -> None:
        scene = Scene()
        scene.here.execute(*make)
        value = scene.here.execute(*read)
        assert scene.run("k", "0", "100") == b"OK"
        assert scene.here.execute("EXISTS", "k") == 0
        assert scene.there.execute(*read) == value

    def test_with_what_it_has_to_live(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v", "PX", "1500")
        assert scene.run("k", "2", "100") == b"OK"
        scene.there.execute("SELECT", "2")
        assert scene.there.execute("PTTL", "k") == 1500

    def test_with_the_fields_that_expire(self) -> None:
        scene = Scene()
        scene.here.execute("HSET", "k", "f", "1", "g", "2")
        scene.here.execute("HPEXPIRE", "k", "500", "FIELDS", "1", "f")
        assert scene.run("k", "0", "100") == b"OK"
        assert scene.there.execute("HPTTL", "k", "FIELDS", "2", "f", "g") == [500, -1]

    def test_a_copy_stays(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        assert scene.run("k", "0", "100", "COPY") == b"OK"
        assert scene.here.execute("GET", "k") == scene.there.execute("GET", "k") == b"v"

    def test_one_that_is_there_is_replaced_only_when_that_is_said(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "new")
        scene.there.execute("SET", "k", "old")
        refusal = "ERR Target instance replied with error: BUSYKEY Target key name already exists."
        assert scene.run("k", "0", "100") == ("error", refusal)
        assert scene.here.execute("GET", "k") == b"new"
        assert scene.run("k", "0", "100", "REPLACE") == b"OK"
        assert (scene.here.execute("GET", "k"), scene.there.execute("GET", "k")) == (None, b"new")

    def test_of_several_keys_those_that_were_refused_stay(self) -> None:
        scene = Scene()
        for key in "abc":
            scene.here.execute("SET", key, "new")
        scene.there.execute("SET", "b", "old")
        kind, _ = scene.run("", "0", "100", "KEYS", "a", "missing", "b", "c", "a")
        assert kind == "error"
        assert scene.here.execute("KEYS", "*") == [b"b"]
        assert scene.there.execute("MGET", "a", "b", "c") == [b"new", b"old", b"new"]

    def test_many_keys_are_said_in_pieces(self) -> None:
        scene = Scene()
        keys = [f"k{number}" for number in range(300)]
        for key in keys:
            scene.here.execute("SET", key, "v")
        migration = scene.migrate("", "0", "100", "KEYS", *keys)
        migration.begin(None)
        pieces = 0
        while answers := scene.say(migration):
            pieces += 1
            assert migration.awaited <= 128
            migration.receive(answers[:7])
            migration.receive(answers[7:])
        assert pieces == 3
        migration.end()
        assert (scene.here.execute("DBSIZE"), scene.there.execute("DBSIZE")) == (b"OK", 300)
        assert scene.here.receive() == 0

    def test_one_that_expires_on_the_way_moves_no_more(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v", "PX", "10")
        migration = scene.migrate("k", "0", "100")
        scene.clock.advance(1)
        assert scene.finish(migration) == b"OK"
        assert scene.there.execute("DBSIZE") == scene.here.execute("DBSIZE") == 0


class TestLogin:
    def test_by_password_and_by_user(self) -> None:
        scene = Scene(requirepass="secret")
        for words in (("AUTH", "secret"), ("AUTH2", "default", "secret")):
            scene.here.execute("SET", "k", "v")
            assert scene.run("k", "0", "100", "REPLACE", *words) == b"OK"

    def test_refused_nothing_else_is_said(self) -> None:
        scene = Scene(requirepass="secret")
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "0", "100", "AUTH", "wrong")
        kind, text = scene.finish(migration)
        assert kind == "error"
        assert text.startswith("ERR Target instance replied with error: WRONGPASS ")
        assert scene.here.execute("GET", "k") == b"v"
        assert migration.selected is None  # such a connection is not kept

    def test_a_database_that_is_refused_takes_no_key_away(self) -> None:
        """What was said behind SELECT has come somewhere else."""
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "99", "100")
        kind, text = scene.finish(migration)
        assert (kind, text) == (
            "error",
            "ERR Target instance replied with error: ERR DB index is out of range",
        )
        assert scene.here.execute("GET", "k") == b"v"
        assert migration.selected is None

    def test_a_connection_that_has_logged_in_and_selected_says_nothing_of_that(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "3", "100", "AUTH", "secret")
        migration.begin(3)
        assert migration.next_piece().startswith(b"*4\r\n$7\r\nRESTORE\r\n")
        migration.receive(b"+OK\r\n")
        assert migration.selected == 3


class TestWhileItGoesOn:
    def test_readers_are_answered_and_writers_of_its_keys_wait(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        other, writer = scene.client(), scene.client()
        migration = scene.migrate("k", "0", "100")
        assert other.execute("GET", "k") == b"v"
        assert other.execute("SET", "another", "1") == b"OK"
        assert writer.execute("APPEND", "k", "!") is NotImplemented
        assert scene.finish(migration) == b"OK"
        assert writer.receive() == 1
        assert scene.there.execute("GET", "k") == b"v"
        assert other.execute("GET", "k") == b"!"

    @pytest.mark.parametrize(
        "call",
        [
            ("FLUSHALL",),
            ("SWAPDB", "0", "1"),
            ("COPY", "another", "k", "REPLACE"),
            ("EVAL", "return redis.call('del', 'k')", "0"),
            ("MIGRATE", "there", "7000", "k", "0", "100"),
        ],
        ids=lambda words: words[0],
    )
    def test_what_might_change_them_waits(self, call: tuple[str, ...]) -> None:
        scene = Scene()
        scene.here.execute("MSET", "k", "v", "another", "w")
        writer = scene.client()
        migration = scene.migrate("k", "0", "100")
        assert writer.execute(*call) is NotImplemented
        assert scene.finish(migration) == b"OK"
        assert writer.receive() is not NotImplemented

    @pytest.mark.parametrize(
        "call", [("PUBLISH", "k", "m"), ("SPUBLISH", "k", "m")], ids=lambda words: words[0]
    )
    def test_messages_do_not_wait(self, call: tuple[str, ...]) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "0", "100")
        assert scene.client().execute(*call) == 0
        assert scene.finish(migration) == b"OK"

    def test_a_transaction_waits_as_a_whole(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        writer = scene.client()
        for call in (("MULTI",), ("SET", "other", "1"), ("INCR", "k")):
            writer.execute(*call)
        migration = scene.migrate("k", "0", "100")
        assert writer.execute("EXEC") is NotImplemented
        assert scene.finish(migration) == b"OK"
        assert writer.receive() == [b"OK", 1]

    def test_who_waits_to_write_them_waits_on(self) -> None:
        scene = Scene()
        scene.here.execute("RPUSH", "k", "1")
        waiter, pusher = scene.client(), scene.client()
        assert waiter.execute("BLMOVE", "source", "k", "LEFT", "RIGHT", "0") is NotImplemented
        migration = scene.migrate("k", "0", "100")
        assert pusher.execute("RPUSH", "source", "2") == 1
        assert waiter.receive() is NotImplemented
        assert scene.finish(migration) == b"OK"
        assert waiter.receive() == b"2"
        assert scene.there.execute("LRANGE", "k", "0", "-1") == [b"1"]
        assert pusher.execute("LRANGE", "k", "0", "-1") == [b"2"]

    def test_its_own_client_waits_and_cannot_be_unblocked(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        other = scene.client()
        migration = scene.migrate("k", "0", "100")
        assert other.execute("CLIENT", "UNBLOCK", str(scene.here.session.id)) == 0
        assert scene.finish(migration) == b"OK"

    def test_without_its_client_it_goes_on(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        other = scene.client()
        migration = scene.migrate("k", "0", "100")
        scene.here.close()
        scene.finish(migration)
        assert other.execute("EXISTS", "k") == 0
        assert scene.there.execute("GET", "k") == b"v"

    def test_a_pause_of_clients_outlasts_it(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        other, writer = scene.client(), scene.client()
        migration = scene.migrate("k", "0", "100")
        assert writer.execute("INCR", "k") is NotImplemented
        other.execute("CLIENT", "PAUSE", "1000", "WRITE")
        assert scene.finish(migration) == b"OK"
        assert writer.receive() is NotImplemented
        other.execute("CLIENT", "UNPAUSE")
        assert writer.receive() == 1


class TestTrouble:
    def test_keys_that_have_not_arrived_stay(self) -> None:
        scene = Scene()
        for key in "ab":
            scene.here.execute("SET", key, "v")
        migration = scene.migrate("", "0", "100", "KEYS", "a", "b")
        migration.begin(0)
        answers = scene.say(migration)
        migration.receive(answers[:5])  # to the first
        reply = scene.finish(migration, "reading to target instance")
        assert reply == ("error", "IOERR error or timeout reading to target instance")
        assert scene.here.execute("KEYS", "*") == [b"b"]

    def test_what_the_other_side_refused_counts_more_than_how_it_ended(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "0", "100")
        migration.begin(0)
        migration.next_piece()
        migration.receive(b"-OOM no room\r\n")
        reply = scene.finish(migration, "reading to target instance")
        assert reply == ("error", "ERR Target instance replied with error: OOM no room")

    @pytest.mark.parametrize("answer", [b"+OK\r\n+OK\r\n", b"what\r\n"])
    def test_an_answer_that_is_none(self, answer: bytes) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "0", "100")
        migration.begin(0)
        migration.next_piece()
        with pytest.raises(ProtocolError):
            migration.receive(answer)

    def test_keys_of_a_server_that_follows_another_by_now_are_not_touched(self) -> None:
        scene = Scene()
        scene.here.execute("SET", "k", "v")
        migration = scene.migrate("k", "0", "100")
        other = scene.client()
        other.execute("REPLICAOF", "127.0.0.1", "1")
        kind, text = scene.finish(migration)
        assert (kind, text.partition(" ")[0]) == ("error", "UNBLOCKED")
        other.execute("REPLICAOF", "NO", "ONE")
        assert other.execute("GET", "k") == b"v"

    def test_an_engine_that_nobody_drives_says_so(self) -> None:
        client = EngineClient()
        client.execute("SET", "k", "v")
        kind, text = client.execute(*CALL, "k", "0", "100")
        assert kind == "error"
        assert "can connect to others" in text


class TestWhoIsTold:
    def test_copies_of_the_data_are_told_what_has_gone(self) -> None:
        scene = Scene()
        scene.engine.propagation.add_sink(scene.units.append)
        scene.here.execute("MSET", "a", "1", "b", "2")
        scene.units.clear()
        scene.run("", "0", "100", "KEYS", "a", "b")
        assert scene.units == [[(0, [b"DEL", b"a", b"b"])]]

    def test_a_copy_is_nobodys_business(self) -> None:
        scene = Scene()
        scene.engine.propagation.add_sink(scene.units.append)
        scene.here.execute("SET", "a", "1")
        scene.units.clear()
        scene.run("a", "0", "100", "COPY")
        assert scene.units == []

    def test_events_and_watchers(self) -> None:
        scene = Scene()
        scene.here.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
        scene.here.execute("SET", "a", "1")
        listener, watcher = scene.client(), scene.client()
        listener.execute("PSUBSCRIBE", "__keyevent@0__:*")
        watcher.execute("WATCH", "a")
        scene.run("a", "0", "100")
        assert listener.receive() == [b"pmessage", b"__keyevent@0__:*", b"__keyevent@0__:del", b"a"]
        watcher.execute("MULTI")
        assert watcher.execute("EXEC") is None
