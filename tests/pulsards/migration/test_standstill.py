"""MIGRATE within transactions and scripts, over the network: to a real server, and as a real server does it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from threading import Event, Thread
from typing import Any

import hiredis
import pytest

from anystore.pulsards.migration import driver, standstill
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer, run_server, valkey_binary

Client = EngineClient | RealClient
MOVE = "return redis.pcall('MIGRATE', unpack(ARGV))"


@pytest.fixture(scope="module")
def target() -> Iterator[RealServer]:
    with run_server(valkey_binary()) as server:
        yield server


@pytest.fixture
def here() -> EngineClient:
    """A client of pulsards, which can connect to others."""
    client = EngineClient()
    migrations = client.engine.migrations
    migrations.drive, migrations.drive_at_once = lambda migration: None, standstill.stand_still
    return client


@pytest.fixture
def there(target: RealServer) -> Iterator[RealClient]:
    client = RealClient(target.port)
    client.execute("FLUSHALL")
    yield client
    client.close()


def by_transaction(client: Client, *call: str | int) -> Any:
    assert client.execute("MULTI") == b"OK"
    assert client.execute("MIGRATE", *call) == b"QUEUED"
    assert client.execute("GET", "left") == b"QUEUED"
    reply, left = client.execute("EXEC")
    assert left == b"x"
    return reply


def by_script(client: Client, *call: str | int) -> Any:
    return client.execute("EVAL", MOVE, 0, *call)


WAYS = pytest.mark.parametrize("way", [by_transaction, by_script])


@WAYS
def test_as_a_real_server(
    way: Callable[..., Any],
    here: EngineClient,
    there: RealClient,
    valkey: RealServer,
    redis_server: RealServer | None,
    target: RealServer,
) -> None:
    """What is replied, what has gone, and what has come."""
    seen: dict[str, list[Any]] = {}
    clients: dict[str, Client] = {"pulsards": here, "valkey": RealClient(valkey.port)}
    if redis_server is not None:
        clients["redis"] = RealClient(redis_server.port)
    to = ("127.0.0.1", target.port)
    for name, client in clients.items():
        client.execute("FLUSHALL")
        there.execute("FLUSHALL")
        for call in (
            ("SET", "left", "x"),
            ("SET", "a", "1"),
            ("RPUSH", "l", "x", "y"),
            ("ZADD", "z", 1, "m"),
        ):
            client.execute(*call)
        seen[name] = [
            way(client, *to, "gone", 0, 5000),
            way(client, *to, "a", 0, 5000, "COPY"),
            way(client, *to, "a", 0, 5000),
            way(client, *to, "a", 0, 5000, "REPLACE"),
            way(client, *to, "", 0, 5000, "KEYS", "l", "a", "z"),
            way(client, *to, "left", 99, 5000),
            way(client, *to, "left", 0, 5000, "AUTH", "wrong"),
            way(client, "127.0.0.1", 1, "left", 0, 5000),
            way(client, "127.0.0.1", "x", "left", 0, 5000),
            client.execute("DBSIZE"),
            there.execute("GET", "a"),
            there.execute("LRANGE", "l", 0, -1),
            there.execute("ZSCORE", "z", "m"),
            there.execute("DBSIZE"),
        ]
        client.close()
    for name, replies in seen.items():
        assert replies == seen["pulsards"], name
    assert seen["pulsards"][2][1].startswith("ERR Target instance replied with error: BUSYKEY")
    assert seen["pulsards"][7] == ("error", "IOERR error or timeout writing to target instance")


@WAYS
def test_a_server_that_does_not_answer(way: Callable[..., Any], here: EngineClient) -> None:
    here.execute("SET", "left", "x")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reply = way(here, "127.0.0.1", silent.getsockname()[1], "left", 0, 1000)
    assert reply == ("error", "IOERR error or timeout reading to target instance")
    assert here.execute("GET", "left") == b"x"


def answers(answer: Callable[[], bytes]) -> int:
    """A port where somebody takes every command, and answers it with that."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        reader = hiredis.Reader()
        with connection:
            while data := connection.recv(65536):
                reader.feed(data)
                while reader.gets():
                    connection.sendall(answer())

    def listen() -> None:
        with listener, suppress(OSError):
            serve(listener.accept()[0])

    Thread(target=listen, daemon=True).start()
    return int(listener.getsockname()[1])


def test_the_time_limit_is_for_each_answer_as_on_a_real_server(
    here: EngineClient, valkey: RealServer, redis_server: RealServer | None
) -> None:
    """All answers together take longer than the limit."""
    clients: dict[str, Client] = {"pulsards": here, "valkey": RealClient(valkey.port)}
    if redis_server is not None:
        clients["redis"] = RealClient(redis_server.port)
    keys = [f"key{number}" for number in range(4)]
    replies: dict[str, Any] = {}

    def slowly() -> bytes:
        Event().wait(1.2)
        return b"+OK\r\n"

    def move(name: str, client: Client) -> None:
        client.execute("FLUSHALL")
        client.execute("MSET", "left", "x", *(word for key in keys for word in (key, "1")))
        port = answers(slowly)  # a database is selected, too: five of them
        replies[name] = [
            by_transaction(client, "127.0.0.1", port, "", 0, 5000, "KEYS", *keys),
            client.execute("DBSIZE"),
        ]
        client.close()

    threads = [Thread(target=move, args=peer) for peer in clients.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert replies == {name: [b"OK", 1] for name in clients}


@WAYS
def test_an_answer_that_trickles_in_has_no_more_time_than_another(
    way: Callable[..., Any], here: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 s pass between any two looks at the clock: the first half of the answer is in time, the rest would not be."""
    monkeypatch.setattr(standstill, "monotonic", count(step=200).__next__)
    here.execute("MSET", "left", "x", "a", "1")
    port = answers(lambda: b"+O")
    reply = way(here, "127.0.0.1", port, "a", 0, 300_000)
    assert reply == ("error", "IOERR error or timeout reading to target instance")
    assert here.execute("GET", "a") == b"1"


@WAYS
def test_a_name_that_nobody_has(way: Callable[..., Any], here: EngineClient) -> None:
    here.execute("SET", "left", "x")
    reply = way(here, "no.such.host.invalid", 1, "left", 0, 9000)
    assert reply == ("error", "IOERR error or timeout connecting to the client")


@WAYS
def test_a_name_that_is_looked_up_for_ever(
    way: Callable[..., Any], here: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver knows no time limit; the server does."""
    ended = Event()

    def look_up(host: str, port: int, **options: Any) -> Any:
        if options.get("flags"):
            raise socket.gaierror
        ended.wait()
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    here.execute("SET", "left", "x")
    reply = way(here, "somewhere", 1, "left", 0, 20)
    ended.set()
    assert reply == ("error", "IOERR error or timeout connecting to the client")


@WAYS
def test_a_name(way: Callable[..., Any], here: EngineClient, there: RealClient, target: RealServer) -> None:
    here.execute("SET", "left", "x")
    here.execute("SET", "a", "1")
    assert way(here, "localhost", target.port, "a", 0, 9000) == b"OK"
    assert there.execute("GET", "a") == b"1"


@WAYS
def test_what_is_large(
    way: Callable[..., Any], here: EngineClient, there: RealClient, target: RealServer
) -> None:
    here.execute("SET", "left", "x")
    keys = [f"key{number}" for number in range(300)]
    for key in keys:
        here.execute("SET", key, "x" * 20_000)
    here.execute("SET", "big", "y" * 5_000_000, "EX", "100")
    assert way(here, "127.0.0.1", target.port, "", 0, 60_000, "KEYS", *keys, "big") == b"OK"
    assert here.execute("DBSIZE") == 1
    assert there.execute("DBSIZE") == 301
    assert there.execute("TTL", "big") in range(60, 101)


def test_a_script_moves_keys_of_the_database_that_it_has_selected(
    here: EngineClient, there: RealClient, target: RealServer
) -> None:
    here.execute("SELECT", 5)
    here.execute("SET", "a", "5")
    here.execute("SELECT", 0)
    script = "redis.call('SELECT', 5) return redis.call('MIGRATE', unpack(ARGV))"
    assert here.execute("EVAL", script, 0, "127.0.0.1", target.port, "a", 0, 9000) == b"OK"
    assert there.execute("GET", "a") == b"5"


@WAYS
def test_copies_of_the_data_are_told_of_all_that_has_gone(
    way: Callable[..., Any], here: EngineClient, there: RealClient, target: RealServer
) -> None:
    here.execute("SET", "left", "x")
    keys = [f"key{number}" for number in range(200)]
    here.execute("MSET", *(word for key in keys for word in (key, "1")))
    there.execute("SET", "key7", "taken")
    told: list[Any] = []
    here.engine.propagation.add_sink(lambda unit: told.extend(unit))
    reply = way(here, "127.0.0.1", target.port, "", 0, 9000, "KEYS", *keys)
    assert reply[1].startswith("ERR Target instance replied with error: BUSYKEY")
    assert told == [(0, [b"DEL", *(key.encode() for key in keys if key != "key7")])]


def test_a_primary_that_says_it_is_not_obeyed(here: EngineClient, target: RealServer) -> None:
    here.execute("SET", "a", "1")
    call = [b"MIGRATE", b"127.0.0.1", b"%d" % target.port, b"a", b"0", b"9000"]
    assert b"MIGRATE is for clients" in here.engine.apply(0, call)
    assert here.execute("GET", "a") == b"1"


def test_who_drives_a_server_can_do_it() -> None:
    assert driver.stand_still is standstill.stand_still
