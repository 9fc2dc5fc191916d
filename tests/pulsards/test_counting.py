"""What the server counts of commands, and of their clients: the same as the real servers count in the same scene."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from anystore.pulsards.engine import Engine
from tests.pulsards.differential import split
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import SERVERS, RealServer

#: (who calls, what); who is named for the first time connects, and "-" before a name sends without waiting for the reply.
Scene = list[tuple[str, str | tuple[str, ...]]]
Peer = EngineClient | RealClient


class Stage:
    """Plays scenes on one server, pulsards or a real one, and says what it has counted then."""

    def __init__(self, server: RealServer | None) -> None:
        self._server = server
        self._engine = Engine()
        self._clients: dict[str, Peer] = {}
        self._observer = self.connect()
        for call in ("FLUSHALL", "FUNCTION FLUSH", "SLOWLOG RESET", "CONFIG SET slowlog-log-slower-than -1"):
            self._observer.execute(*call.split())
        self._observer.execute("CONFIG", "RESETSTAT")

    def connect(self) -> Peer:
        return EngineClient(self._engine) if self._server is None else RealClient(self._server.port)

    def play(self, scene: Scene) -> None:
        for who, call in scene:
            name = who.removeprefix("-")
            if name not in self._clients:
                self._clients[name] = self.connect()
                self._clients[name].execute("CLIENT", "SETNAME", name)
            ids = {f"<{other}>": self._id(other) for other in self._clients} if "<" in str(call) else {}
            words = [ids.get(word, word) if isinstance(word, str) else word for word in split(call)]
            self._clients[name].send(*words)
            if who == name:
                self._clients[name].receive()
            elif self._server is not None:
                self._wait_for(name)

    def _id(self, name: str) -> str:
        lines = self._observer.execute("CLIENT", "LIST").decode().splitlines()
        return next(re.findall(r"id=(\d+)", line)[0] for line in lines if f" name={name} " in line)

    def _wait_for(self, name: str) -> None:
        """Until a client is blocked: it has sent what it is to wait with."""
        while "b" not in self.lines()[name]["flags"]:
            pass

    def info(self, section: str) -> dict[str, str]:
        text = self._observer.execute("INFO", section).decode()
        shown = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {name: re.sub(r"usec=\d+,usec_per_call=[\d.]+,", "", value) for name, value in shown.items()}

    def commands(self) -> dict[str, str]:
        """Calls, rejected and failed ones of each command but those that this looks at things with."""
        looks = (
            "client|list",
            "client|setname",
            "info",
            "config|resetstat",
            "client|id",
            "flushall",
            "slowlog|get",
        )
        shown = self.info("commandstats")
        return {name: value for name, value in shown.items() if name.removeprefix("cmdstat_") not in looks}

    def lines(self) -> dict[str, dict[str, str]]:
        """CLIENT LIST, by the clients' names."""
        lines = self._observer.execute("CLIENT", "LIST").decode().splitlines()
        rows = [dict(field.split("=", 1) for field in line.split(" ")) for line in lines]
        return {row["name"]: row for row in rows if row["name"]}

    def slow_commands(self) -> list[tuple[list[bytes], bytes]]:
        """What is in the slow log, oldest first, and who called it."""
        return [(item[3], item[5]) for item in self._observer.execute("SLOWLOG", "GET", "-1")][::-1]

    def close(self) -> None:
        self._observer.execute("CONFIG", "SET", "slowlog-log-slower-than", "10000")
        for client in (self._observer, *self._clients.values()):
            client.close()


@pytest.fixture(params=SERVERS)
def stages(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[tuple[Stage, Stage]]:
    """pulsards, and a real server."""
    server = valkey if request.param == "valkey" else redis_server
    assert server is not None
    with closing(Stage(None)) as ours, closing(Stage(server)) as theirs:
        yield ours, theirs


#: Redis 7.0 counts a command as soon as it waits; those in the scenes have ended, so all agree.
COUNTED: dict[str, Scene] = {
    "rejected for their arguments' number": [
        ("a", "GET"),
        ("a", "GET a b"),
        ("a", "CONFIG"),
        ("a", "CONFIG GET"),
        ("a", "CONFIG FOO"),
        ("a", "CLIENT KILL"),
        ("a", "XGROUP CREATE"),
        ("a", "FOO"),
        ("a", ("EVAL", "return redis.pcall('get')", "0")),
    ],
    "rejected in a transaction": [
        ("a", "MULTI"),
        ("a", "GET"),
        ("a", "GET a"),
        ("a", "EXEC"),
        ("a", "EXEC x"),
    ],
    "served": [
        ("-a", "BLPOP l 0"),
        ("b", "RPUSH l x"),
        ("-a", "BLMOVE l m LEFT LEFT 0"),
        ("b", "RPUSH l x"),
        ("-a", "BZPOPMIN z 0"),
        ("b", "ZADD z 1 a"),
    ],
    "failed when they were served": [
        ("-a", "BLMOVE l m LEFT LEFT 0"),
        ("b", "SET m x"),
        ("b", "RPUSH l x"),
    ],
    "of scripts": [
        ("a", ("EVAL", "redis.call('get','x') return redis.pcall('incr','y','z')", "0")),
        ("a", ("EVAL", "return redis.call('incr','x')", "0")),
        ("a", ("EVAL", "error('x')", "0")),
    ],
}


@pytest.mark.parametrize("scene", COUNTED.values(), ids=COUNTED)
def test_commands_and_errors(stages: tuple[Stage, Stage], scene: Scene) -> None:
    for stage in stages:
        stage.play(scene)
    ours, theirs = stages
    assert ours.commands() == theirs.commands()
    assert ours.info("errorstats") == theirs.info("errorstats")


def test_those_unblocked_have_not_failed(valkey: RealServer) -> None:
    # To Redis 7.0 they have.
    with closing(Stage(None)) as ours, closing(Stage(valkey)) as theirs:
        for stage in (ours, theirs):
            stage.play([("-a", "BLPOP l 0"), ("b", "CLIENT UNBLOCK <a>"), ("-c", "WAIT 1 0")])
            stage.play([("b", "CLIENT UNBLOCK <c>")])
        assert ours.commands() == theirs.commands()


def test_a_command_that_waits_is_counted_when_it_ends(valkey: RealServer) -> None:
    with closing(Stage(None)) as ours, closing(Stage(valkey)) as theirs:
        for stage in (ours, theirs):
            stage.play([("-a", "BLPOP l 0"), ("-b", "WAIT 1 0"), ("-c", "BLPOP m 0")])
            assert stage.commands() == {}
            stage.play([("d", "RPUSH l x")])
            assert "cmdstat_blpop" in stage.commands()


def test_slow_log_has_a_command_that_waited_when_it_has_ended(stages: tuple[Stage, Stage]) -> None:
    for stage in stages:
        stage.play(
            [
                ("a", "CONFIG SET slowlog-log-slower-than 0"),
                ("-b", "BLPOP l 0"),
                ("a", "SET k v"),
                ("a", "RPUSH l x"),
            ]
        )
    ours, theirs = (
        [call for call in stage.slow_commands() if call[0][0] in (b"BLPOP", b"SET", b"RPUSH")]
        for stage in stages
    )
    assert ours == theirs
    assert ours[-1] == ([b"BLPOP", b"l", b"0"], b"b")


#: Fields of CLIENT LIST that are not here, and why.
FIELDS_LEFT_OUT = {
    "fd": "the driver's, and there is none in the process itself",
    "qbuf-free": "the buffer for what a client sends has no fixed size",
    "argv-mem": "until a command is whole its arguments are in the buffer: qbuf",
    "rbs": "the buffer for replies has no fixed size",
    "rbp": "as rbs",
    "capa": "Valkey's",
    "tot-net-in": "Valkey's, and of Redis 8",
    "tot-net-out": "as tot-net-in",
    "tot-cmds": "as tot-net-in",
}


def test_fields_of_clients(stages: tuple[Stage, Stage]) -> None:
    for stage in stages:
        stage.play([("a", "PING")])
    ours, theirs = (list(stage.lines()["a"]) for stage in stages)
    assert [field for field in theirs if field not in FIELDS_LEFT_OUT] == [
        field for field in ours if field in theirs
    ]
    assert not set(ours) & set(FIELDS_LEFT_OUT)
    assert set(ours) - set(theirs) <= {"watch", "lib-name", "lib-ver"}  # since 7.2 and 7.4


def test_memory_of_what_a_client_has_not_read() -> None:
    observer = EngineClient()
    reader = EngineClient(observer.engine)
    reader.session.hold(5000)
    line = observer.execute("CLIENT", "LIST", "ID", reader.session.id)
    assert b" obl=5000 oll=0 omem=5000 " in line


def test_what_a_client_has_called_last(stages: tuple[Stage, Stage]) -> None:
    for stage in stages:
        stage.play(
            [
                ("script", ("EVAL", "redis.call('get','x') return 1", "0")),
                ("broken-script", ("EVAL", "return redis.call('nope')", "0")),
                (
                    "function",
                    (
                        "FUNCTION",
                        "LOAD",
                        "#!lua name=l\nredis.register_function('f', function() return 1 end)",
                    ),
                ),
                ("function", "FCALL f 0"),
                ("transaction", "MULTI"),
                ("transaction", "GET x"),
                ("transaction", "EXEC"),
                ("queueing", "MULTI"),
                ("queueing", "GET x"),
                ("wrong", "GET"),
                ("unknown", "FOO"),
            ]
        )
    ours, theirs = ({name: row["cmd"] for name, row in stage.lines().items()} for stage in stages)
    assert ours == theirs
    assert ours["script"] == "eval"


def test_a_lost_transaction_watches_nothing_any_more(valkey: RealServer) -> None:
    with closing(Stage(None)) as ours, closing(Stage(valkey)) as theirs:
        for stage in (ours, theirs):
            stage.play(
                [
                    ("a", "WATCH k l m"),
                    ("b", "WATCH l"),
                    ("c", "SET k 1"),
                    ("a", "WATCH n"),
                    ("d", "WATCH k"),
                    ("e", "WATCH k"),
                    ("c", "FLUSHALL"),
                ]
            )
            shown = {name: (row["watch"], row["flags"]) for name, row in stage.lines().items()}
            assert shown == {
                "a": ("0", "d"),
                "b": ("1", "N"),
                "c": ("0", "N"),
                "d": ("1", "d"),  # where all keys go at once nobody is taken off their lists
                "e": ("1", "d"),
            }
            figures = stage.info("clients")
            assert (figures["watching_clients"], figures["total_watched_keys"]) == ("3", "2")


def test_a_transaction_that_will_not_run_keeps_no_commands(stages: tuple[Stage, Stage]) -> None:
    for stage in stages:
        stage.play([("a", "MULTI"), ("a", "NOPE"), ("a", "GET k"), ("b", "WATCH k"), ("c", "SET k 1")])
        stage.play([("b", "MULTI"), ("b", "GET k"), ("b", "GET k")])
        rows = stage.lines()
        assert [(rows[name]["multi"], rows[name]["multi-mem"]) for name in "ab"] == [("0", "0"), ("0", "0")]


@pytest.mark.parametrize(
    "call",
    [
        *("OBJECT ENCODING k", "OBJECT REFCOUNT k", "OBJECT IDLETIME k", "OBJECT FREQ k"),
        *("OBJECT ENCODING no", "OBJECT REFCOUNT no", "OBJECT IDLETIME no", "OBJECT FREQ no"),
        *(
            "GET k",
            "GET no",
            "EXISTS k no k",
            "TYPE no",
            "TTL k",
            "MEMORY USAGE k",
            "DEBUG OBJECT k",
            "TOUCH k no",
        ),
        *(
            "MGET k no",
            "GETEX k",
            "GETDEL no",
            "STRLEN no",
            "COPY no k2",
            "DUMP k",
            "SORT no",
            "LRANGE no 0 1",
        ),
        *(
            "SINTER no k3",
            "ZUNION 2 no no2",
            "XREAD STREAMS no 0",
            "PFCOUNT no",
            "BITCOUNT k",
            "SCAN 0",
            "KEYS *",
        ),
    ],
)
def test_hits_and_misses(stages: tuple[Stage, Stage], call: str) -> None:
    for stage in stages:
        stage.play([("a", "SET k v"), ("a", call)])
    ours, theirs = (
        {name: stage.info("stats")[name] for name in ("keyspace_hits", "keyspace_misses")} for stage in stages
    )
    assert ours == theirs


def test_monitor_shows_what_has_run(stages: tuple[Stage, Stage]) -> None:
    shown = []
    for stage in stages:
        monitor = stage.connect()
        monitor.execute("MONITOR")
        stage.play(
            [
                ("a", "SELECT 2"),
                ("a", "MULTI"),
                ("a", "GET x"),
                ("a", "INCR y"),
                ("a", "EXEC"),
                ("a", ("EVAL", "redis.call('set','x','y') return redis.pcall('get')", "0")),
                ("a", "MULTI"),
                ("a", ("EVAL", "return redis.call('get','x')", "0")),
                ("a", "EXEC"),
                ("a", "SELECT 0"),
                ("-b", "BLPOP l 0"),
                ("a", "RPUSH l x"),
                ("c", "SUBSCRIBE c"),
                ("a", "PING end"),
            ]
        )
        seen = []
        while not seen or not seen[-1].endswith('"PING" "end"'):
            line = monitor.receive().decode()
            if "CLIENT" not in line and "INFO" not in line:
                seen.append(re.sub(r"^[\d.]+ \[(\d+) (lua)?.*?\]", r"[\1 \2]", line))
        shown.append(seen)
        # Its own commands it sees behind their replies.
        assert monitor.execute("PING", "own") == b"own"
        assert monitor.receive().endswith(b'"PING" "own"')
        monitor.close()
    assert shown[0] == shown[1]
