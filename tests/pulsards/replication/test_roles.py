"""Two servers, one following the other, with a wire between them that is cut wherever it pleases the test."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from anystore.pulsards.clock import ManualClock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from anystore.pulsards.persistence.rdb import Entry, FileReader, FileWriter, FunctionSource, RdbError
from anystore.pulsards.replication.link import LinkError
from tests.pulsards.peers import EngineClient
from tests.pulsards.replication.wires import Pair, Wire, contents, run_due

LIBRARY = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
READ_ONLY = ("error", "READONLY You can't write against a read only replica.")


def fill(client: EngineClient) -> None:
    """Something of every type, in two databases, with times to live."""
    for command in (
        ("SET", "text", "value"),
        ("SET", "fleeting", "x", "PX", "60000"),
        ("RPUSH", "list", "a", "b", "c"),
        ("SADD", "set", "1", "2", "3"),
        ("HSET", "hash", "f", "v", "g", "w"),
        ("ZADD", "sorted", "1", "a", "2.5", "b"),
        ("XADD", "stream", "1-1", "k", "v"),
        ("XGROUP", "CREATE", "stream", "group", "0"),
        ("XREADGROUP", "GROUP", "group", "me", "STREAMS", "stream", ">"),
        ("PFADD", "hll", "a", "b"),
        ("FUNCTION", "LOAD", LIBRARY),
        ("SELECT", "3"),
        ("SET", "elsewhere", "x"),
        ("SELECT", "0"),
    ):
        reply = client.execute(*command)
        assert not isinstance(reply, tuple), reply


def work(client: EngineClient, number: int) -> None:
    """A few changes, among them a transaction, a script, and one in another database."""
    for command in (
        ("INCR", "counter"),
        ("RPUSH", "list", f"item {number}"),
        ("SET", f"key {number % 7}", "x" * (number % 50), "PX", "90000"),
        ("EVAL", "redis.call('SET', KEYS[1], ARGV[1]); redis.call('INCR', 'scripts')", "1", "s", number),
        ("MULTI",),
        ("INCR", "transactions"),
        ("SELECT", str(number % 3)),
        ("INCR", "elsewhere"),
        ("EXEC",),
        ("SELECT", "0"),
        ("SPOP", "set"),
    ):
        client.send(*command)
        client.receive()


@pytest.fixture
def pair() -> Pair:
    return Pair()


def offsets(*clients: EngineClient) -> set[tuple[bytes, int]]:
    parts = [client.engine.replication.history for client in clients]
    return {(part.id, part.offset) for part in parts}


class TestFollowing:
    def test_everything_comes_and_what_changes_afterwards(self, pair: Pair) -> None:
        fill(pair.primary)
        pair.replica.execute("SET", "mine", "goes")
        pair.follow()
        assert contents(pair.replica) == contents(pair.primary)
        for number in range(10):
            work(pair.primary, number)
        pair.wire.pump()
        assert contents(pair.replica) == contents(pair.primary)
        assert len(offsets(pair.primary, pair.replica)) == 1
        assert pair.replica.execute("ROLE")[:4] == [b"slave", b"127.0.0.1", 6379, b"connected"]
        hello = pair.replica.execute("HELLO")
        assert hello[hello.index(b"role") + 1] == b"replica"

    def test_nothing_is_counted_while_nobody_follows(self, pair: Pair) -> None:
        pair.primary.execute("SET", "a", "1")
        assert pair.primary.engine.replication.history.offset == 0
        assert not pair.primary.engine.attentive

    @pytest.mark.parametrize("piece", [1, 7, 100])
    def test_in_pieces_of_any_size(self, piece: int) -> None:
        pair = Pair()
        fill(pair.primary)
        pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
        pair.wire.open()
        pair.wire.pump(piece=piece)
        work(pair.primary, 1)
        pair.wire.pump(piece=piece)
        assert contents(pair.replica) == contents(pair.primary)

    def test_without_marks_the_size_is_said_before(self) -> None:
        pair = Pair(repl_diskless_sync="no")
        fill(pair.primary)
        pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
        pair.wire.open()
        pair.wire.pump(limit=20)
        work(pair.primary, 1)
        pair.wire.pump()
        assert contents(pair.replica) == contents(pair.primary)

    def test_what_changes_while_the_image_is_under_way(self, pair: Pair) -> None:
        for number in range(3000):
            pair.primary.execute("SET", f"key:{number}", "x" * 100)
        pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
        pair.wire.open()
        number = 0
        while not pair.wire.following.connected:
            pair.wire.pump(limit=5_000)
            number += 1
            pair.primary.execute("SET", f"key:{number * 97 % 3000}", f"new {number}")
            pair.primary.execute("DEL", f"key:{number * 31 % 3000}")
            assert number < 100
        assert number > 5
        pair.wire.pump()
        assert contents(pair.replica) == contents(pair.primary)

    def test_promise_the_former_data_are_there_until_the_image_is_whole(self, pair: Pair) -> None:
        fill(pair.primary)
        pair.replica.execute("SET", "mine", "stays")
        pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
        pair.wire.open()
        pair.wire.pump(limit=300)
        pair.wire.cut()
        assert pair.replica.execute("GET", "mine") == b"stays"
        assert pair.replica.execute("KEYS", "*") == [b"mine"]
        pair.follow()
        assert pair.replica.execute("GET", "mine") is None

    def test_who_watches_a_key_of_the_former_data_loses(self, pair: Pair) -> None:
        pair.primary.execute("SET", "a", "theirs")
        pair.replica.execute("WATCH", "a", "b")
        pair.follow()
        pair.replica.execute("MULTI")
        pair.replica.execute("GET", "a")
        assert pair.replica.execute("EXEC") is None

    def test_a_password(self) -> None:
        pair = Pair()
        pair.primary.execute("CONFIG", "SET", "requirepass", "secret")
        pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
        pair.wire.open()
        with pytest.raises(LinkError, match="NOAUTH"):
            pair.wire.pump()
        pair.wire.cut()
        pair.replica.execute("CONFIG", "SET", "masterauth", "wrong")
        pair.wire.open()
        with pytest.raises(LinkError, match="refused the login"):
            pair.wire.pump()
        pair.wire.cut()
        pair.primary.execute("ACL", "SETUSER", "replica", "on", ">theirs", "+psync", "+replconf", "+ping")
        pair.replica.execute("CONFIG", "SET", "masterauth", "theirs", "masteruser", "replica")
        pair.wire.open()
        pair.wire.pump()
        assert b"master_link_status:up" in pair.replica.execute("INFO", "replication")


class TestCuts:
    def test_promise_the_stream_goes_on_wherever_it_was_cut(self) -> None:
        pair = Pair()
        pair.primary.execute("SADD", "set", *range(100))
        pair.follow()
        source = random.Random(4)
        for number in range(120):
            work(pair.primary, number)
            if pair.wire.session is None:
                pair.wire.open()
            pair.wire.pump(limit=source.randrange(700), piece=source.choice([1, 13, 65536]))
            if number % 3:
                pair.wire.cut()
        if pair.wire.session is None:
            pair.wire.open()
        pair.wire.pump()
        assert contents(pair.replica) == contents(pair.primary)
        assert len(offsets(pair.primary, pair.replica)) == 1
        stats = pair.primary.execute("INFO", "stats").decode()
        assert "sync_full:1\r\n" in stats
        assert "sync_partial_err:0\r\n" in stats

    def test_promise_a_transaction_is_whole_or_not_there_cut_at_every_byte(self) -> None:
        pair = Pair()
        pair.follow()
        cut_at = 0
        while True:
            for command in (
                ("MULTI",),
                ("INCR", "a"),
                ("SELECT", "2"),
                ("INCR", "b"),
                ("SELECT", "0"),
                ("EXEC",),
            ):
                pair.primary.execute(*command)
            passed = pair.wire.pump(limit=cut_at)
            pair.wire.cut()
            pair.wire.open()
            pair.wire.pump()
            assert contents(pair.replica) == contents(pair.primary)
            if passed < cut_at:
                break
            cut_at += 1
        assert cut_at > 100
        assert b"sync_full:1\r\n" in pair.primary.execute("INFO", "stats")

    def test_too_much_was_missed(self) -> None:
        pair = Pair(repl_backlog_size="100")
        pair.follow()
        pair.wire.cut()
        pair.primary.execute("SET", "a", "x" * 200)
        pair.wire.open()
        pair.wire.pump()
        assert contents(pair.replica) == contents(pair.primary)
        stats = pair.primary.execute("INFO", "stats")
        assert b"sync_full:2\r\n" in stats
        assert b"sync_partial_err:1\r\n" in stats

    def test_a_stream_that_is_none_ends_the_link(self, pair: Pair) -> None:
        pair.follow()
        with pytest.raises(LinkError):
            pair.wire.following.receive(b"HTTP/1.1 200 OK\r\n")

    def test_promise_an_image_that_is_damaged_is_not_taken(self, pair: Pair) -> None:
        """At each of its bytes: what is there stays, and the next try is as good as the first."""
        pair.replica.execute("SET", "mine", "stays")
        whole = FileWriter()
        parts = [whole.header({}), whole.database(0, 1, 0), whole.entry(b"k", b"v" * 9, None), whole.end()]
        data = b"".join(parts)
        announced = b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC %b 5\r\n$%d\r\n" % (b"1" * 40, len(data))
        for position in range(len(data)):
            damaged = bytearray(data)
            damaged[position] ^= 0x55
            pair.replica.execute("REPLICAOF", "127.0.0.1", str(1000 + position))
            following = pair.replica.engine.replication.following
            assert following is not None
            following.begin("", "")
            with suppress(LinkError, RdbError):
                following.receive(announced + damaged)
            following.lost()
            assert pair.replica.execute("GET", "mine") == b"stays", position

    def test_promise_a_database_that_is_not_here_ends_the_link(self) -> None:
        pair = Pair()
        pair.replica = EngineClient(Engine(Config({"databases": "2"}), pair.clock))
        pair.wire = Wire(pair.replica.engine, pair.primary.engine)
        pair.follow()
        pair.primary.execute("SELECT", "5")
        pair.primary.execute("SET", "a", "1")
        with pytest.raises(LinkError, match="for database 5, which is not here"):
            pair.wire.pump()
        assert pair.replica.execute("DBSIZE") == 0

    def test_promise_who_is_silent_is_let_go_on_either_side(self) -> None:
        pair = Pair(repl_timeout="20")
        pair.follow()
        pair.clock.advance(21)
        run_due(pair.primary.engine)
        run_due(pair.replica.engine)
        assert pair.wire.session is not None
        assert pair.wire.session.closing
        assert pair.wire.following.is_over

    def test_pings_and_acknowledgements_keep_it_up(self) -> None:
        pair = Pair(repl_timeout="20")
        pair.follow()
        for _ in range(100):
            pair.advance(1)
        assert pair.wire.session is not None
        assert len(offsets(pair.primary, pair.replica)) == 1
        assert b"lag=0" in pair.primary.execute("INFO", "replication")


class TestReplicas:
    def test_promise_they_cannot_be_written_to(self, pair: Pair) -> None:
        pair.follow()
        assert pair.replica.execute("SET", "a", "1") == READ_ONLY
        assert pair.replica.execute("EVAL", "return redis.call('SET', 'a', '1')", "0")[1].startswith(
            "READONLY"
        )
        assert pair.replica.execute("EVAL", "#!lua\nreturn 1", "0") == READ_ONLY
        assert pair.replica.execute("EVAL", "#!lua flags=no-writes\nreturn 1", "0") == 1
        pair.replica.execute("MULTI")
        assert pair.replica.execute("SET", "a", "1") == READ_ONLY
        assert pair.replica.execute("EXEC")[1].startswith("EXECABORT")
        assert pair.replica.execute("GET", "a") is None

    def test_unless_they_may(self) -> None:
        pair = Pair()
        pair.follow()
        pair.replica.execute("CONFIG", "SET", "replica-read-only", "no")
        offset = pair.replica.engine.replication.history.offset
        assert pair.replica.execute("SET", "mine", "1") == b"OK"
        assert pair.replica.engine.replication.history.offset == offset

    def test_a_transaction_begun_as_a_primary(self, pair: Pair) -> None:
        pair.replica.execute("MULTI")
        pair.replica.execute("SET", "a", "1")
        other = EngineClient(pair.replica.engine)
        other.execute("REPLICAOF", "127.0.0.1", "6379")
        assert pair.replica.execute("EXEC")[1].startswith(
            "EXECABORT Transaction discarded because of: READONLY"
        )

    def test_whoever_waits_for_a_key_is_told(self, pair: Pair) -> None:
        pair.replica.send("BLPOP", "list", "0")
        EngineClient(pair.replica.engine).execute("REPLICAOF", "127.0.0.1", "6379")
        assert pair.replica.receive()[1].startswith("UNBLOCKED force unblock")

    def test_stale_data_are_served_or_not(self, pair: Pair) -> None:
        pair.primary.execute("SET", "a", "1")
        pair.follow()
        pair.wire.cut()
        assert pair.replica.execute("GET", "a") == b"1"
        pair.replica.execute("CONFIG", "SET", "replica-serve-stale-data", "no")
        down = ("error", "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
        assert pair.replica.execute("GET", "a") == down
        assert pair.replica.execute("EVAL", "return redis.call('GET', 'a')", "0")[0] == "error"
        assert pair.replica.execute("PING") == down  # as in Redis: it has no flag for it
        assert pair.replica.execute("ROLE")[3] == b"connect"
        assert b"master_link_down_since_seconds" in pair.replica.execute("INFO", "replication")
        pair.wire.open()
        pair.wire.pump()
        assert pair.replica.execute("GET", "a") == b"1"

    def test_keys_expire_when_the_primary_says_so(self) -> None:
        pair = Pair()
        pair.primary.execute("SET", "a", "1", "PX", "1000")
        pair.follow()
        pair.wire.cut()
        pair.clock.advance(5)
        run_due(pair.replica.engine)
        assert pair.replica.execute("GET", "a") is None
        assert pair.replica.execute("DBSIZE") == 1
        run_due(pair.primary.engine)
        pair.wire.open()
        pair.wire.pump()
        assert pair.replica.execute("DBSIZE") == 0

    def test_promoted_it_expires_them_itself(self) -> None:
        pair = Pair()
        pair.primary.execute("SET", "a", "1", "PX", "1000")
        pair.follow()
        pair.wire.cut()
        pair.clock.advance(5)
        assert pair.replica.execute("REPLICAOF", "NO", "ONE") == b"OK"
        run_due(pair.replica.engine)
        assert pair.replica.execute("DBSIZE") == 0

    def test_subscribers_and_readers_on_a_replica_hear_of_changes(self, pair: Pair) -> None:
        pair.follow()
        pair.replica.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
        listener = EngineClient(pair.replica.engine)
        listener.execute("SUBSCRIBE", "channel", "__keyevent@0__:set")
        listener.receive()
        tracker = EngineClient(pair.replica.engine)
        tracker.execute("HELLO", "3")
        tracker.execute("CLIENT", "TRACKING", "ON")
        tracker.execute("GET", "a")
        pair.primary.execute("PUBLISH", "channel", "hello")
        pair.primary.execute("SET", "a", "1")
        pair.wire.pump()
        assert listener.receive() == [b"message", b"channel", b"hello"]
        assert listener.receive() == [b"message", b"__keyevent@0__:set", b"a"]
        assert tracker.receive() == ("push", [b"invalidate", [b"a"]])

    def test_clients_show_who_is_who(self, pair: Pair) -> None:
        pair.follow()
        assert b"flags=S " in pair.primary.execute("CLIENT", "LIST", "TYPE", "replica")
        assert b"flags=M " in pair.replica.execute("CLIENT", "LIST", "TYPE", "master")
        assert b"flags=N " in pair.primary.execute("CLIENT", "LIST", "TYPE", "normal")
        assert pair.replica.execute("CLIENT", "KILL", "TYPE", "master") == 1
        assert pair.wire.following.is_over
        assert pair.primary.execute("CLIENT", "KILL", "TYPE", "replica") == 1
        pair.wire.pump()
        assert pair.primary.execute("ROLE")[2] == []

    def test_what_is_too_much_is_for_the_primary_to_evict(self) -> None:
        pair = Pair()
        pair.follow()
        for number in range(100):
            pair.primary.execute("SET", f"key:{number}", "x" * 100)
        pair.wire.pump()
        pair.replica.execute("CONFIG", "SET", "maxmemory", "1000", "maxmemory-policy", "allkeys-random")
        assert pair.replica.execute("GET", "key:1") is not None
        run_due(pair.replica.engine)
        assert pair.replica.execute("DBSIZE") == 100


class TestAcknowledgements:
    def test_wait(self, pair: Pair) -> None:
        pair.follow()
        assert pair.primary.execute("WAIT", "1", "0") == 1  # nothing was written
        pair.primary.execute("SET", "a", "1")
        pair.primary.send("WAIT", "1", "0")
        assert pair.primary.receive() is NotImplemented
        pair.wire.pump()
        assert pair.primary.receive() == 1

    def test_wait_that_ends_with_fewer(self) -> None:
        pair = Pair()
        pair.follow()
        pair.primary.execute("SET", "a", "1")
        pair.primary.send("WAIT", "2", "1000")
        pair.wire.pump()
        assert pair.primary.receive() is NotImplemented
        pair.clock.advance(1.001)
        run_due(pair.primary.engine)
        assert pair.primary.receive() == 1

    def test_wait_where_nobody_may_wait(self, pair: Pair) -> None:
        pair.follow()
        for command in (("MULTI",), ("SET", "a", "1"), ("WAIT", "1", "0")):
            pair.primary.execute(*command)
        assert pair.primary.execute("EXEC") == [b"OK", 1]  # counts what was written before it
        assert pair.replica.execute("WAIT", "1", "0")[1].startswith("ERR WAIT cannot be used with replica")

    def test_waitaof_where_no_replica_has_a_disk(self, pair: Pair) -> None:
        pair.follow()
        pair.primary.execute("SET", "a", "1")
        pair.primary.send("WAITAOF", "0", "1", "500")
        pair.wire.pump()
        assert pair.primary.receive() is NotImplemented
        pair.clock.advance(0.6)
        run_due(pair.primary.engine)
        assert pair.primary.receive() == [0, 0]

    def test_promise_too_few_replicas_to_write(self) -> None:
        pair = Pair(min_replicas_max_lag="10")
        refused = ("error", "NOREPLICAS Not enough good replicas to write.")
        pair.primary.execute("CONFIG", "SET", "min-replicas-to-write", "1")
        assert pair.primary.execute("SET", "a", "1") == refused
        assert pair.primary.execute("GET", "a") is None
        assert pair.primary.execute("EVAL", "return redis.call('SET', 'a', '1')", "0")[1].startswith(
            "NOREPLICAS"
        )
        pair.follow()
        assert b"min_slaves_good_slaves:1" in pair.primary.execute("INFO", "replication")
        assert pair.primary.execute("SET", "a", "1") == b"OK"
        pair.clock.advance(12)
        assert pair.primary.execute("SET", "a", "2") == refused
        pair.wire.pump()
        assert pair.primary.execute("SET", "a", "2") == b"OK"


class TestPromotion:
    def test_back_and_forth_without_sending_everything_again(self) -> None:
        pair = Pair()
        fill(pair.primary)
        pair.follow()
        pair.wire.cut()
        assert pair.replica.execute("REPLICAOF", "NO", "ONE") == b"OK"
        work(pair.replica, 1)
        back = Wire(pair.primary.engine, pair.replica.engine)
        pair.primary.execute("REPLICAOF", "127.0.0.1", "6380")
        back.open()
        back.pump()
        assert contents(pair.primary) == contents(pair.replica)
        assert b"sync_partial_ok:1" in pair.replica.execute("INFO", "stats")
        assert b"sync_full:0" in pair.replica.execute("INFO", "stats")

    def test_who_went_on_alone_needs_everything(self) -> None:
        pair = Pair()
        pair.follow()
        pair.wire.cut()
        pair.replica.execute("REPLICAOF", "NO", "ONE")
        pair.primary.execute("SET", "only", "here")
        back = Wire(pair.primary.engine, pair.replica.engine)
        pair.primary.execute("REPLICAOF", "127.0.0.1", "6380")
        back.open()
        back.pump()
        assert contents(pair.primary) == contents(pair.replica)
        assert b"sync_full:1" in pair.replica.execute("INFO", "stats")

    def test_a_backlog_without_replicas_is_given_up_and_the_history_with_it(self) -> None:
        pair = Pair(repl_backlog_ttl="100")
        pair.follow()
        name = pair.primary.engine.replication.history.id
        pair.wire.cut()
        pair.clock.advance(99)
        run_due(pair.primary.engine)
        assert pair.primary.engine.replication.history.id == name
        pair.clock.advance(2)
        run_due(pair.primary.engine)
        assert pair.primary.engine.replication.history.id != name
        assert not pair.primary.engine.attentive
        pair.primary.execute("SET", "a", "1")
        pair.wire.open()
        pair.wire.pump()
        assert contents(pair.replica) == contents(pair.primary)

    def test_failover(self) -> None:
        pair = Pair()
        pair.follow()
        writer = EngineClient(pair.primary.engine)
        pair.primary.execute("SET", "a", "1")
        assert pair.primary.execute("FAILOVER") == b"OK"
        writer.send("SET", "late", "1")
        assert writer.receive() is NotImplemented
        pair.wire.pump()
        assert b"master_failover_state:failover-in-progress" in pair.primary.execute("INFO", "replication")
        assert pair.primary.execute("ROLE")[0] == b"slave"
        back = Wire(pair.primary.engine, pair.replica.engine)
        back.open()
        back.pump()
        assert pair.replica.execute("ROLE")[0] == b"master"
        assert b"master_failover_state:no-failover" in pair.primary.execute("INFO", "replication")
        assert writer.receive() == READ_ONLY
        pair.replica.execute("SET", "b", "2")
        back.pump()
        assert contents(pair.primary) == contents(pair.replica)
        assert b"sync_full:0" in pair.replica.execute("INFO", "stats")

    def test_what_expires_while_a_replica_is_waited_for_does_not_move_the_end_away(self) -> None:
        pair = Pair()
        pair.follow()
        for number in range(20):
            pair.primary.execute("SET", f"k{number}", "1", "PX", 100 + number)
        assert pair.primary.execute("FAILOVER") == b"OK"
        before = offsets(pair.primary)
        pair.clock.advance(30)
        run_due(pair.primary.engine)
        assert pair.primary.execute("GET", "k1") is None
        assert offsets(pair.primary) == before
        pair.wire.pump()
        assert b"master_failover_state:failover-in-progress" in pair.primary.execute("INFO", "replication")

    def test_failover_that_takes_too_long(self) -> None:
        pair = Pair()
        pair.follow()
        pair.primary.execute("SET", "a", "1")
        assert pair.primary.execute("FAILOVER", "TIMEOUT", "500") == b"OK"
        assert pair.primary.execute("FAILOVER")[1] == "ERR FAILOVER already in progress."
        pair.clock.advance(0.6)
        run_due(pair.primary.engine)
        assert pair.primary.execute("ROLE")[0] == b"master"
        assert pair.primary.execute("SET", "a", "2") == b"OK"

    def test_failover_that_is_given_up(self) -> None:
        pair = Pair()
        pair.follow()
        pair.primary.execute("SET", "a", "1")
        pair.primary.execute("FAILOVER", "TO", "127.0.0.1", "0", "TIMEOUT", "500", "FORCE")
        pair.clock.advance(0.6)
        run_due(pair.primary.engine)
        assert pair.primary.execute("ROLE")[:3] == [b"slave", b"127.0.0.1", 0]
        assert (
            pair.primary.execute("REPLICAOF", "NO", "ONE")[1]
            == "ERR REPLICAOF not allowed while failing over."
        )
        assert pair.primary.execute("FAILOVER", "ABORT") == b"OK"
        assert pair.primary.execute("SET", "a", "2") == b"OK"
        assert pair.primary.execute("FAILOVER", "ABORT")[1] == "ERR No failover in progress."

    def test_psync_failover_of_strangers_is_refused(self, pair: Pair) -> None:
        reply = pair.primary.execute("PSYNC", "x" * 40, "1", "FAILOVER")
        assert reply == ("error", "ERR PSYNC FAILOVER replid must match my replid.")


class TestChains:
    def test_a_replica_hands_the_stream_on_byte_for_byte(self) -> None:
        pair = Pair()
        fill(pair.primary)
        work(pair.primary, 2)  # the stream is for another database than 0 at the end
        pair.follow()
        pair.primary.execute("SELECT", "2")
        pair.primary.execute("SET", "before", "1")
        pair.wire.pump()
        last = EngineClient(Engine(Config(), pair.clock))
        wire = Wire(last.engine, pair.replica.engine, 40001)
        last.execute("REPLICAOF", "127.0.0.1", "6380")
        wire.open()
        wire.pump()
        pair.primary.execute("SET", "after", "1")
        pair.primary.execute("SELECT", "0")
        for number in range(5):
            work(pair.primary, number)
            pair.wire.pump()
            wire.pump()
            if number == 2:
                wire.cut()
                wire.open()
        assert contents(last) == contents(pair.replica) == contents(pair.primary)
        assert len(offsets(pair.primary, pair.replica, last)) == 1
        assert pair.replica.execute("ROLE")[0] == b"slave"
        assert b"connected_slaves:1" in pair.replica.execute("INFO", "replication")

        # The one in the middle goes: the last one follows the first, and needs no image.
        wire.cut()
        last.execute("REPLICAOF", "127.0.0.1", "6379")
        direct = Wire(last.engine, pair.primary.engine, 40002)
        direct.open()
        work(pair.primary, 9)
        direct.pump()
        assert contents(last) == contents(pair.primary)
        assert b"sync_full:1" in pair.primary.execute("INFO", "stats")

    def test_no_replica_of_a_replica_without_a_link(self, pair: Pair) -> None:
        pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
        other = EngineClient(pair.replica.engine)
        assert other.execute("PSYNC", "?", "-1")[1].startswith("NOMASTERLINK")


def test_an_image_and_nothing_after_it() -> None:
    """As redis-cli --rdb asks for it."""
    client = EngineClient(clock=ManualClock())
    client.execute("SET", "a", "1")
    asking = EngineClient(client.engine)
    assert asking.execute("REPLCONF", "rdb-only", "1") == b"OK"
    asking.send("SYNC")
    run_due(client.engine)
    got = asking.session.take_output()
    header, _, image = got.partition(b"\r\n")
    assert header == b"$%d" % len(image)
    assert image.startswith(b"REDIS")
    assert asking.session.closing


@pytest.mark.parametrize(
    ("parts", "keys", "functions"),
    [(None, 1, 1), ("functions", 0, 1), ("", 0, 0), ("functions FUNCTIONS", 0, 1)],
)
def test_an_image_of_a_part(parts: str | None, keys: int, functions: int) -> None:
    client = EngineClient(clock=ManualClock())
    client.execute("SET", "a", "1")
    client.execute(
        "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
    )
    asking = EngineClient(client.engine)
    asking.execute("REPLCONF", "rdb-only", "1")
    if parts is not None:
        asking.execute("REPLCONF", "rdb-filter-only", parts)
    asking.send("SYNC")
    run_due(client.engine)
    image = asking.session.take_output().partition(b"\r\n")[2]
    reader = FileReader()
    events = list(reader.feed(image))
    reader.finish()
    assert sum(isinstance(event, Entry) for event in events) == keys
    assert sum(isinstance(event, FunctionSource) for event in events) == functions


def test_those_who_want_other_parts_get_another_image() -> None:
    client = EngineClient(clock=ManualClock())
    client.execute("CONFIG", "SET", "repl-diskless-sync", "no")
    client.execute("SET", "a", "x" * 100)
    asking = [EngineClient(client.engine) for _ in range(3)]
    for one, parts in zip(asking, (None, "functions", None), strict=True):
        if parts is not None:
            one.execute("REPLCONF", "rdb-filter-only", parts)
        one.send("PSYNC", "?", "-1")
    run_due(client.engine)
    held = [b"xxxx" in one.session.take_output() for one in asking]
    assert held == [True, False, True]


def test_promise_a_replica_that_does_not_read_is_let_go() -> None:
    pair = Pair()
    pair.follow()
    pair.primary.execute("CONFIG", "SET", "client-output-buffer-limit", "replica 1000 0 0")
    session = pair.wire.session
    assert session is not None
    session.hold(1001)  # what its driver says
    assert session.aborted
    assert b"client_output_buffer_limit_disconnections:1" in pair.primary.execute("INFO", "stats")


def test_a_replica_that_falls_behind_while_its_image_is_made_is_let_go() -> None:
    pair = Pair()
    pair.primary.execute("CONFIG", "SET", "client-output-buffer-limit", "replica 1000 0 0")
    pair.replica.execute("REPLICAOF", "127.0.0.1", "6379")
    pair.wire.open()
    pair.wire.pump(limit=150)
    pair.primary.execute("SET", "a", "x" * 2000)
    session = pair.wire.session
    assert session is not None
    assert session.aborted


def test_started_as_a_replica() -> None:
    client = EngineClient(replicaof="10.0.0.1 6379")
    assert client.execute("ROLE") == [b"slave", b"10.0.0.1", 6379, b"connect", -1]
    assert client.execute("CONFIG", "GET", "replicaof") == [b"replicaof", b"10.0.0.1 6379"]
    assert client.execute("REPLICAOF", "10.0.0.1", "6379") == b"OK Already connected to specified master"
    client.execute("REPLICAOF", "NO", "ONE")
    assert client.execute("CONFIG", "GET", "replicaof") == [b"replicaof", b""]


def figures(client: EngineClient, section: str) -> dict[str, str]:
    lines = client.execute("INFO", section).decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def test_bytes_between_servers_are_counted(pair: Pair) -> None:
    fill(pair.primary)
    pair.follow()
    pair.clock.advance(2)
    pair.primary.execute("PING")
    sent = int(figures(pair.primary, "stats")["total_net_repl_output_bytes"])
    received = int(figures(pair.replica, "stats")["total_net_repl_input_bytes"])
    assert sent > 500
    # The answers to the handshake are no part of what is replicated.
    assert 0 < received - sent < 200
    pair.primary.execute("SET", "a", "x" * 10000)
    pair.wire.pump()
    stats = figures(pair.primary, "stats")
    assert int(stats["total_net_repl_output_bytes"]) - sent > 10000
    assert float(stats["instantaneous_output_repl_kbps"]) > 0
    assert float(figures(pair.replica, "stats")["instantaneous_input_repl_kbps"]) > 0
    # What it has not taken when it goes has not been sent.
    session = pair.wire.session
    assert session is not None
    pair.primary.execute("SET", "a", "y" * 10000)
    session.hold(len(session.take_output()))
    before = int(figures(pair.primary, "stats")["total_net_repl_output_bytes"])
    pair.wire.cut()
    assert int(figures(pair.primary, "stats")["total_net_repl_output_bytes"]) == before
    pair.primary.execute("CONFIG", "RESETSTAT")
    assert figures(pair.primary, "stats")["total_net_repl_output_bytes"] == "0"
