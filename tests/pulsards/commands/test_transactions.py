"""MULTI, EXEC, WATCH, and pub/sub, held against the real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anystore.pulsards import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

NOT_AS_VALKEY = {
    ("valkey", "MULTI"): "Valkey 9 refuses it before the command runs, which breaks the transaction",
    ("valkey", "WATCH a"): "Valkey 9 refuses it before the command runs, which breaks the transaction",
}


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    with Differential(valkey, redis_server, request.param) as differential:
        yield differential


class TestTransactions:
    def test_what_is_queued_runs_at_exec(self, peers: Differential) -> None:
        peers.check(
            [
                *("MULTI", "SET a 1", "INCR a", "LPUSH a x", "GET a", "EXEC", "GET a"),
                *("MULTI", "EXEC", "EXEC", "DISCARD", "MULTI", "SET a 5", "DISCARD", "GET a"),
                *("MULTI", "PING", "PING a b", "ECHO x", "SELECT 99", "EXEC"),
            ]
        )

    def test_errors_while_queueing_abort(self, peers: Differential) -> None:
        peers.check(
            [
                *("MULTI", "SET a 1", "NOSUCH", "EXEC", "GET a", "MULTI", "GET", "EXEC", "MULTI", "SET a"),
                *("DISCARD", "MULTI", "CONFIG NOPE", "EXEC", "MULTI", "SUBSCRIBE c", "DISCARD"),
            ]
        )

    def test_nesting_and_watching_inside(self, peers: Differential) -> None:
        peers.check(["MULTI", "MULTI", "WATCH a", "SET a 1", "EXEC"], without=["valkey"])

    def test_blocking_commands_do_not_block_inside(self, peers: Differential) -> None:
        peers.check(
            ["MULTI", "BLPOP nope 0", "BLMOVE nope q LEFT LEFT 0", "BZPOPMIN nope 0", "WAIT 0 0", "EXEC"]
        )

    @pytest.mark.parametrize(
        "change",
        [
            *(
                "SET k 2",
                "DEL k",
                "EXPIRE k 100",
                "APPEND k x",
                "RENAME k other",
                "RENAME other k",
                "FLUSHDB",
            ),
            *("FLUSHALL", "SWAPDB 0 1", "COPY other k REPLACE", "GET k", "GETEX k", "PERSIST k", "TOUCH k"),
            *("SETRANGE k 0 x", "SORT list STORE k", "RESTORE k 0 x", "GETDEL k", "MOVE k 5", "EXPIRE k -1"),
            *("SET unrelated 1", "LPUSH list 5", "DEL nope", "BITOP NOT k other", "MSETNX k 1", "SETNX k 1"),
        ],
    )
    def test_watched_keys(self, peers: Differential, change: str, valkey: RealServer) -> None:
        """Whatever changes a watched key makes EXEC answer null, and nothing else does."""
        prepared = ["SET k 1", "SET other 1", "RPUSH list 1", "WATCH k"]
        peers.check(prepared)
        for name, client in (("pulsards", peers.engine), *peers.servers.items()):
            if name == "pulsards":
                EngineClient(peers.engine.engine).execute(*change.split())
            else:
                other = RealClient(client.port)
                other.execute(*change.split())
                other.close()
        peers.check(["MULTI", "PING", "EXEC"])

    def test_watching_a_key_that_is_not_there(self, peers: Differential) -> None:
        peers.check(["WATCH nope", "SET nope 1", "MULTI", "PING", "EXEC", "MULTI", "PING", "EXEC"])
        peers.check(["WATCH k", "SET k 1", "UNWATCH", "MULTI", "PING", "EXEC"])
        peers.check(["WATCH k", "MULTI", "SET k 2", "EXEC", "GET k"])

    def test_a_watched_key_that_expires(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "k", "1", "EX", 10)
        client.execute("WATCH", "k")
        clock.advance(11)
        client.execute("MULTI")
        client.execute("PING")
        assert client.execute("EXEC") is None

    def test_a_client_that_goes_leaves_no_watch(self) -> None:
        client = EngineClient()
        client.execute("WATCH", "k")
        client.close()
        assert not client.engine.keyspace.databases[0].watchers

    def test_events_inside(self, peers: Differential) -> None:
        peers.events(["MULTI", "SET a 1", "DEL a", "EXEC"])


class TestPubSub:
    def test_confirmations(self, peers: Differential) -> None:
        for command, replies in (
            ("SUBSCRIBE a", 1),
            ("SUBSCRIBE a b", 2),
            ("PSUBSCRIBE a*", 1),
            ("SSUBSCRIBE s", 1),
            ("UNSUBSCRIBE b", 1),
            ("UNSUBSCRIBE nope", 1),
            ("UNSUBSCRIBE", 1),
            ("PING", 1),
            ("PING x", 1),
            ("PUNSUBSCRIBE", 1),
            ("SUNSUBSCRIBE", 1),
            ("SUNSUBSCRIBE", 1),
            ("PUNSUBSCRIBE", 1),
            ("GET a", 1),
        ):
            answers = {}
            for name, client in (("pulsards", peers.engine), *peers.servers.items()):
                client.send(*command.split())
                answers[name] = [client.receive() for _ in range(replies)]
            for name, answer in answers.items():
                assert answer == answers["pulsards"], (name, command)

    def test_what_a_subscribed_client_may_do(self, peers: Differential) -> None:
        peers.check(
            ["SUBSCRIBE a", "GET a", "SET a 1", "PUBLISH x y", "MULTI", "CLIENT ID X", "PUBSUB CHANNELS"]
        )

    def test_messages(self, peers: Differential) -> None:
        for client in (peers.engine, *peers.servers.values()):
            other: EngineClient | RealClient
            if isinstance(client, EngineClient):
                other = EngineClient(client.engine)
            else:
                other = RealClient(client.port)
            client.execute("SUBSCRIBE", "news")
            client.execute("PSUBSCRIBE", "n*")
            client.execute("SSUBSCRIBE", "shard")
            assert other.execute("PUBLISH", "news", b"\x00\r\n") == 2
            assert other.execute("PUBLISH", "other", "x") == 0
            assert other.execute("SPUBLISH", "shard", "x") == 1
            plain = [client.receive() for _ in range(3)]
            messages = [message[1] if message[0] == "push" else message for message in plain]
            assert messages == [
                [b"message", b"news", b"\x00\r\n"],
                [b"pmessage", b"n*", b"news", b"\x00\r\n"],
                [b"smessage", b"shard", b"x"],
            ]
            assert other.execute("PUBSUB", "NUMSUB", "news", "nope") == [b"news", 1, b"nope", 0]
            assert other.execute("PUBSUB", "CHANNELS") == [b"news"]
            assert other.execute("PUBSUB", "CHANNELS", "x*") == []
            assert other.execute("PUBSUB", "NUMPAT") == 1
            assert other.execute("PUBSUB", "SHARDCHANNELS") == [b"shard"]
            assert other.execute("PUBSUB", "SHARDNUMSUB", "shard") == [b"shard", 1]
            other.close()

    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize(
        "commands",
        [
            ["SUBSCRIBE c", "PUBLISH c x"],
            ["PSUBSCRIBE *", "PUBLISH c x"],
            ["SSUBSCRIBE c", "SPUBLISH c x"],
            ["SUBSCRIBE c", "EVAL return{redis.call('PUBLISH','c','x')} 0"],
            ["SUBSCRIBE c", "MULTI", "PUBLISH c x", "PING", "EXEC"],
            ["MULTI", "SUBSCRIBE c", "PUBLISH c x", "PING", "EXEC"],
            ["MULTI", "SUBSCRIBE c d", "PUBLISH c x", "UNSUBSCRIBE c", "EXEC"],
            ["MULTI", "SSUBSCRIBE c", "EXEC"],
            ["MULTI", "UNSUBSCRIBE", "PUNSUBSCRIBE p", "SUNSUBSCRIBE", "EXEC"],
        ],
    )
    def test_what_a_client_sends_itself_comes_after_the_reply(
        self, valkey: RealServer, protocol: int, commands: list[str]
    ) -> None:
        """As since Redis 7.2: before that it came inside EXEC's array and shifted every later reply."""
        ours, theirs = EngineClient(), RealClient(valkey.port)
        replies = []
        for client in (ours, theirs):
            client.execute("HELLO", protocol)
            for command in (*commands, "PING"):
                client.send(*command.split())
            received = [client.receive()]
            while received[-1] not in (b"PONG", [b"pong", b""]):
                received.append(client.receive())
            replies.append(received)
        theirs.close()
        assert replies[0] == replies[1]

    def test_a_client_that_goes_leaves_no_subscription(self) -> None:
        client = EngineClient()
        for command in ("SUBSCRIBE c", "PSUBSCRIBE p", "SSUBSCRIBE s"):
            client.execute(*command.split())
        client.close()
        broker = client.engine.broker
        assert not broker.channels
        assert not broker.patterns
        assert not broker.shard_channels
