"""Connection, CLIENT, CONFIG, DEBUG and MONITOR, held against the real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anystore.pulsards import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient, RealClient
from tests.pulsards.scenes import play
from tests.servers import RealServer

NOT_AS_VALKEY = {
    ("valkey", "CLIENT KILL ID x"): "Valkey words the refusal otherwise",
    ("valkey", "CLIENT KILL MAXAGE x"): "Valkey words the refusal otherwise",
    ("valkey", "CLIENT KILL MAXAGE 0"): "Valkey words the refusal otherwise",
    ("valkey", "CLIENT LIST ID x"): "Valkey takes filters together",
}


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    with Differential(valkey, redis_server, request.param) as differential:
        yield differential


class TestConnection:
    def test_ping_echo_select(self, peers: Differential) -> None:
        peers.check(
            [
                *(
                    "PING",
                    "PING hello",
                    "PING a b",
                    "ECHO hello",
                    "ECHO",
                    "SELECT 3",
                    "SELECT 16",
                    "SELECT -1",
                ),
                *("SELECT x", "SELECT", ("ECHO", b"\x00\r\n\xff"), "PiNg", "QUIT"),
            ]
        )

    def test_hello(self, peers: Differential) -> None:
        peers.check(
            [
                *(
                    "HELLO 4",
                    "HELLO x",
                    "HELLO 2 NOPE",
                    "HELLO 2 AUTH a",
                    "HELLO 2 AUTH a b",
                    "HELLO 3 SETNAME",
                ),
                ("HELLO", "2", "SETNAME", "a b"),
            ]
        )

    def test_hello_says_who_it_is(self) -> None:
        client = EngineClient()
        reply = client.execute("HELLO", "3", "SETNAME", "me")
        assert reply[b"server"] == b"redis"
        assert reply[b"version"] == b"7.4.0"
        assert reply[b"proto"] == 3
        assert client.execute("CLIENT", "GETNAME") == b"me"

    def test_auth_without_a_password_set(self, peers: Differential) -> None:
        peers.check(["AUTH x", "AUTH default x", "AUTH nobody x", "AUTH a b c", "AUTH"])

    def test_auth(self) -> None:
        client = EngineClient(requirepass="secret")
        refused = ("error", "NOAUTH Authentication required.")
        assert client.execute("GET", "a") == refused
        assert client.execute("NOSUCH")[1].startswith("ERR unknown command")
        assert client.execute("PING") == refused
        assert client.execute("HELLO", "3")[1].startswith("NOAUTH HELLO must be called")
        assert client.execute("AUTH", "wrong")[1].startswith("WRONGPASS")
        assert client.execute("HELLO", "3", "AUTH", "default", "wrong")[1].startswith("WRONGPASS")
        assert client.execute("HELLO", "3", "AUTH", "default", "secret")[b"proto"] == 3
        assert client.execute("PING") == b"PONG"
        assert client.execute("RESET") == b"RESET"
        assert client.execute("GET", "a") == refused
        assert client.execute("AUTH", "secret") == b"OK"

    def test_reset(self, peers: Differential) -> None:
        peers.check(["MULTI", "SET a 1", "RESET", "EXEC", "GET a", "SUBSCRIBE c", "RESET", "ECHO free"])


class TestClient:
    def test_names(self, peers: Differential) -> None:
        peers.check(
            [
                *("CLIENT GETNAME", "CLIENT SETNAME me", "CLIENT GETNAME", ("CLIENT", "SETNAME", "a b")),
                *(("CLIENT", "SETNAME", ""), "CLIENT GETNAME", "CLIENT", "CLIENT NOPE", "CLIENT SETNAME"),
            ]
        )

    def test_setinfo(self, peers: Differential) -> None:
        commands = [
            *("CLIENT SETINFO LIB-NAME anystore", "CLIENT SETINFO lib-ver 1.0", "CLIENT SETINFO NOPE x"),
            ("CLIENT", "SETINFO", "lib-name", "a b"),
        ]
        peers.check(commands, without=["redis"])  # since 7.2

    def test_kill_and_list_arguments(self, peers: Differential) -> None:
        peers.known = NOT_AS_VALKEY
        peers.check(
            [
                *("CLIENT KILL nobody:1", "CLIENT KILL ID 999999999", "CLIENT KILL ID 0", "CLIENT KILL ID x"),
                *(
                    "CLIENT KILL ADDR nobody:1 SKIPME yes",
                    "CLIENT KILL ADDR x SKIPME maybe",
                    "CLIENT KILL A B C",
                ),
                *("CLIENT KILL NOPE x", "CLIENT KILL TYPE nope", "CLIENT KILL USER nobody"),
                *("CLIENT LIST ID x", "CLIENT LIST TYPE nope", "CLIENT LIST TYPE"),
                *("CLIENT UNBLOCK 999999999", "CLIENT UNBLOCK x", "CLIENT UNBLOCK 1 NOPE"),
                *("CLIENT REPLY NOPE", "CLIENT NO-EVICT maybe", "CLIENT NO-EVICT on", "CLIENT NO-EVICT off"),
            ]
        )

    def test_the_list_shows_every_client(self) -> None:
        one = EngineClient()
        two = EngineClient(one.engine)
        two.execute("CLIENT", "SETNAME", "two")
        two.execute("SUBSCRIBE", "c")
        three = EngineClient(one.engine)
        three.execute("MULTI")
        three.execute("GET", "a")
        lines = one.execute("CLIENT", "LIST").decode().splitlines()
        rows = [dict(field.split("=", 1) for field in line.split(" ")) for line in lines]
        assert [row["id"] for row in rows] == ["1", "2", "3"]
        assert rows[0]["cmd"] == "client|list"
        assert rows[1]["name"] == "two"
        assert rows[1]["flags"] == "P"
        assert rows[1]["sub"] == "1"
        assert rows[2]["flags"] == "x"
        assert rows[2]["multi"] == "1"
        assert one.execute("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines() == [lines[1]]
        assert one.execute("CLIENT", "LIST", "ID", 3, 99).decode().splitlines() == [lines[2]]
        assert one.execute("CLIENT", "INFO").startswith(b"id=1 ")
        assert one.execute("CLIENT", "ID") == 1

    def test_kill_filters(self) -> None:
        one = EngineClient()
        two, three = EngineClient(one.engine), EngineClient(one.engine)
        assert one.execute("CLIENT", "KILL", "ID", 2) == 1
        assert two.session.aborted
        assert not three.session.aborted
        assert one.execute("CLIENT", "KILL", "LADDR", "127.0.0.1:6379", "USER", "default") == 2
        assert one.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 3
        assert one.session.closing  # after its reply
        assert not one.session.aborted

    def test_kill_by_age(self) -> None:
        clock = ManualClock()
        old = EngineClient(clock=clock)
        clock.advance(100)
        new = EngineClient(old.engine)
        assert new.execute("CLIENT", "KILL", "MAXAGE", 50) == 1
        assert old.session.aborted

    def test_reply_modes(self, peers: Differential) -> None:
        for client in (peers.engine, *peers.servers.values()):
            for command in ("CLIENT REPLY SKIP", "ECHO unheard", "ECHO heard"):
                client.send(*command.split())
            assert client.receive() == b"heard"
            for command in ("CLIENT REPLY OFF", "ECHO a", "SET a 1", "CLIENT REPLY ON", "GET a"):
                client.send(*command.split())
            assert client.receive() == b"OK"
            assert client.receive() == b"1"

    @pytest.mark.parametrize("speak", ["PING", "HELLO 3"], ids=["resp2", "resp3"])
    def test_skipped_replies(self, valkey: RealServer, redis_server: RealServer | None, speak: str) -> None:
        # The one that is skipped may come later, of a command that waits, or is a confirmation, which is sent nevertheless.
        play(
            [
                *(("a", speak), ("b", "PING")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "BLPOP l 0"), ("b", "RPUSH l x"), ("a", "PING")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "BLPOP l 0"), ("a", "ECHO x"), ("b", "RPUSH l x")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "SSUBSCRIBE c"), ("a", "PING")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "SUNSUBSCRIBE"), ("a", "PING")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "SUNSUBSCRIBE"), ("a", "SELECT 1"), ("a", "NOPE")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "NOPE"), ("a", "SELECT 0")),
                *(("a", "CLIENT REPLY OFF"), ("a", "BLPOP l 0"), ("b", "RPUSH l x"), ("a", "PING")),
                *(("a", "SUBSCRIBE c"), ("b", "PUBLISH c x"), ("a", "UNSUBSCRIBE"), ("a", "CLIENT REPLY ON")),
                *(("a", "CLIENT REPLY SKIP"), ("a", "RESET"), ("a", "PING")),
                *(("a", "CLIENT REPLY OFF"), ("a", "RESET"), ("a", "PING")),
            ],
            valkey,
            redis_server,
        )

    def test_unblock(self) -> None:
        one = EngineClient()
        waiting = EngineClient(one.engine)
        waiting.send("BLPOP", "q", "0")
        assert one.execute("CLIENT", "UNBLOCK", 2) == 1
        assert waiting.receive() is None
        waiting.send("BLPOP", "q", "0")
        assert one.execute("CLIENT", "UNBLOCK", 2, "ERROR") == 1
        assert waiting.receive() == ("error", "UNBLOCKED client unblocked via CLIENT UNBLOCK")
        assert one.execute("CLIENT", "UNBLOCK", 2) == 0

    def test_what_arrives_while_blocked_runs_afterwards(self) -> None:
        one = EngineClient()
        waiting = EngineClient(one.engine)
        waiting.send("BLPOP", "q", "0")
        waiting.send("ECHO", "after")
        waiting.send("BLPOP", "r", "0")
        waiting.send("ECHO", "last")
        assert waiting.receive() is NotImplemented
        one.execute("RPUSH", "q", "x")
        assert waiting.receive() == [b"q", b"x"]
        assert waiting.receive() == b"after"
        assert waiting.receive() is NotImplemented
        one.execute("RPUSH", "r", "y")
        assert waiting.receive() == [b"r", b"y"]
        assert waiting.receive() == b"last"

    def test_no_touch_is_for_what_transactions_and_scripts_run_too(self, valkey: RealServer) -> None:
        script, by_name = "return redis.call(ARGV[1], 'k')", "return redis.call(ARGV[1], KEYS[1])"
        idle_after: list[list[int]] = []
        for one, two in (
            ((ours := EngineClient()), EngineClient(ours.engine)),
            (RealClient(valkey.port), RealClient(valkey.port)),
        ):
            one.execute("SET", "k", "v")
            payload = one.execute("DUMP", "k")
            two.execute("CLIENT", "NO-TOUCH", "ON")
            idle_after.append([])
            for calls in (
                [("GET", "k")],
                [("MULTI",), ("GET", "k"), ("STRLEN", "k"), ("EXEC",)],
                [("MULTI",), ("TOUCH", "k"), ("EXEC",)],
                [("EVAL", script, 0, "GET")],
                [("EVAL", script, 0, "TOUCH")],
                [("EVAL", by_name, 1, "k", "GET")],
                [("EVAL", by_name, 1, "k", "TOUCH")],
                [("MULTI",), ("EVAL", script, 0, "GET"), ("EXEC",)],
                [("SET", "k", "w")],
                [("TOUCH", "k")],
            ):
                one.execute("RESTORE", "k", 0, payload, "REPLACE", "IDLETIME", 1000)
                for call in calls:
                    two.execute(*call)
                idle_after[-1].append(one.execute("OBJECT", "IDLETIME", "k") // 10)
            one.execute("DEL", "k")
            one.close()
            two.close()
        assert idle_after[0] == idle_after[1]
        assert idle_after[0] == [100, 100, 0, 100, 0, 100, 0, 100, 100, 0]

    def test_no_touch_leaves_the_time_of_access(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("SET", "a", "1")
        clock.advance(10)
        client.execute("CLIENT", "NO-TOUCH", "on")
        client.execute("GET", "a")
        assert client.execute("OBJECT", "IDLETIME", "a") == 10
        client.execute("TOUCH", "a")
        assert client.execute("OBJECT", "IDLETIME", "a") == 0
        clock.advance(5)
        client.execute("CLIENT", "NO-TOUCH", "off")
        client.execute("GET", "a")
        assert client.execute("OBJECT", "IDLETIME", "a") == 0


class TestConfig:
    def test_errors(self, peers: Differential) -> None:
        peers.check(
            [
                *(
                    "CONFIG SET nope 1",
                    "CONFIG SET databases 3",
                    "CONFIG SET timeout x",
                    "CONFIG SET timeout -1",
                ),
                *(
                    "CONFIG SET timeout 1 timeout 2",
                    "CONFIG SET timeout",
                    "CONFIG",
                    "CONFIG NOPE",
                    "CONFIG GET",
                ),
                *("CONFIG SET notify-keyspace-events QQ", "CONFIG SET slowlog-log-slower-than x"),
                *("CONFIG SET client-output-buffer-limit x", "CONFIG GET nope", "CONFIG GET tim?out"),
                "CONFIG SET timeout 0 maxclients x",
            ]
        )

    def test_values(self, peers: Differential) -> None:
        peers.check(
            [
                *(
                    "CONFIG GET save",
                    "CONFIG GET appendonly",
                    "CONFIG GET databases",
                    "CONFIG GET requirepass",
                ),
                *(
                    "CONFIG GET slowlog-max*",
                    "CONFIG GET proto-max-bulk-len",
                    "CONFIG GET client-query-buffer-limit",
                ),
                *("CONFIG SET notify-keyspace-events KEA", "CONFIG GET notify-keyspace-events"),
                *("CONFIG SET notify-keyspace-events Elg", "CONFIG GET notify-keyspace-events"),
                ("CONFIG", "SET", "notify-keyspace-events", ""),
                *("CONFIG SET timeout 100 tcp-keepalive 300", "CONFIG SET timeout 0"),
            ][:-2]
        )

    def test_all_or_nothing(self) -> None:
        client = EngineClient()
        reply = client.execute("CONFIG", "SET", "timeout", "5", "maxclients", "x")
        assert reply[0] == "error"
        assert client.execute("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
        assert client.execute("CONFIG", "SET", "timeout", "5", "maxclients", "9") == b"OK"
        assert client.execute("CONFIG", "GET", "timeout") == [b"timeout", b"5"]

    def test_resetstat(self) -> None:
        client = EngineClient()
        client.execute("GET", "a")
        assert b"keyspace_misses:1" in client.execute("INFO", "stats")
        client.execute("CONFIG", "RESETSTAT")
        assert b"keyspace_misses:0" in client.execute("INFO", "stats")
        assert b"cmdstat_get" not in client.execute("INFO", "commandstats")

    def test_a_server_that_keeps_nothing_keeps_no_log(self) -> None:
        client = EngineClient()
        assert "keeps nothing on disk" in client.execute("CONFIG", "SET", "appendonly", "yes")[1]
        assert client.execute("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
        assert "keeps nothing on disk" in client.execute("BGREWRITEAOF")[1]


class TestLooking:
    def test_monitor(self) -> None:
        watching = EngineClient(clock=ManualClock())
        assert watching.execute("MONITOR") == b"OK"
        other = EngineClient(watching.engine)
        other.execute("SELECT", 3)
        other.execute("SET", "k", b'a"\\\r\n\x00\xff')
        other.execute("CONFIG", "GET", "timeout")  # an administrator's command: not shown
        assert watching.receive() == b'1700000000.000000 [3 127.0.0.1:50000] "SELECT" "3"'
        line = b'1700000000.000000 [3 127.0.0.1:50000] "SET" "k" "a\\"\\\\\\r\\n\\x00\\xff"'
        assert watching.receive() == line
        watching.session.close()
        assert not watching.engine.monitors

    def test_slowlog(self, peers: Differential) -> None:
        client = EngineClient(slowlog_log_slower_than="0", slowlog_max_len="3")
        for number in range(5):
            client.execute("ECHO", number)
        assert client.execute("SLOWLOG", "LEN") == 3
        client.execute("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        newest = client.execute("SLOWLOG", "GET", 1)[0]
        assert newest[3] in ([b"SLOWLOG", b"LEN"], [b"CONFIG", b"SET", b"slowlog-log-slower-than", b"-1"])
        assert client.execute("SLOWLOG", "RESET") == b"OK"
        assert client.execute("SLOWLOG", "GET") == []
        peers.check(["SLOWLOG GET x", "SLOWLOG GET -2", "SLOWLOG", "SLOWLOG NOPE"])
        peers.check(["SLOWLOG GET 1 2"], without=["valkey"])  # which names the subcommand in capitals

    def test_slowlog_shortens(self) -> None:
        client = EngineClient(slowlog_log_slower_than="0")
        client.execute("MGET", *[f"key:{number}" for number in range(100)])
        client.execute("ECHO", "x" * 1000)
        entries = client.execute("SLOWLOG", "GET")
        assert entries[0][3][1] == b"x" * 128 + b"... (872 more bytes)"
        assert len(entries[1][3]) == 32
        assert entries[1][3][-1] == b"... (70 more arguments)"

    def test_where_the_server_is(self, peers: Differential) -> None:
        told = {}
        ours = peers.engine
        for name, client in (("pulsards", ours), ("valkey", peers.servers["valkey"])):
            before = client.execute("HELLO", "3")
            client.execute("CONFIG", "SET", "availability-zone", "north 1")
            text = client.execute("INFO", "server").decode()
            after = client.execute("HELLO", "3")
            client.execute("CONFIG", "SET", "availability-zone", "")
            assert b"availability_zone" not in before
            told[name] = (after[b"availability_zone"], "availability_zone:north 1\r\n" in text)
        assert told["pulsards"] == told["valkey"] == (b"north 1", True)

    def test_debug(self, peers: Differential) -> None:
        peers.check(
            [
                *(
                    f"DEBUG PROTOCOL {kind}"
                    for kind in ("string", "integer", "double", "null", "array", "set")
                ),
                *(f"DEBUG PROTOCOL {kind}" for kind in ("map", "bignum", "true", "false")),
                ("DEBUG", "ERROR", "MINE my own error"),
                *("DEBUG OBJECT nope", "DEBUG SET-ACTIVE-EXPIRE 1"),
                *("WAIT 0 0", "WAIT x 0", "WAIT 1 -1", "WAIT 1 x"),
            ]
        )

    def test_active_expiry_can_be_switched_off(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        client.execute("SET", "a", "1", "EX", 10)
        clock.advance(20)
        client.engine.run_due()
        assert client.engine.next_due() is None
        assert client.execute("DBSIZE") == 1
        assert client.execute("GET", "a") is None
        assert client.execute("DBSIZE") == 0
