"""MIGRATE between servers, over the network: pulsards and real ones, in both directions."""

from __future__ import annotations

import socket
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from anystore import create_store
from anystore.pulsards import PulsarDS
from anystore.pulsards.migration import driver
from tests.pulsards.peers import EngineClient
from tests.pulsards.test_server import ask, port_of
from tests.servers import RealServer, run_server, valkey_binary

pytestmark = pytest.mark.anyio


async def connect(port: int) -> anyio.abc.ByteStream:
    return await anyio.connect_tcp("127.0.0.1", port)


async def rest_of(stream: anyio.abc.ByteStream) -> bytes:
    """What still arrives until the other side has closed it."""
    data = b""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            data += await stream.receive()
    return data


async def test_to_a_real_server_and_back(valkey: RealServer) -> None:
    async with PulsarDS(bind="127.0.0.1:0") as server:
        here, there = await connect(port_of(server)), await connect(valkey.port)
        async with here, there:
            await ask(there, "FLUSHALL")
            await ask(here, "ZADD", "z", "1.5", "a")
            await ask(here, "SET", "big", "x" * 3_000_000, "EX", "100")
            moved = await ask(here, "MIGRATE", "127.0.0.1", valkey.port, "", 9, 9000, "KEYS", "z", "big")
            assert moved == b"OK"
            assert await ask(here, "DBSIZE") == 0
            await ask(there, "SELECT", 9)
            assert await ask(there, "ZSCORE", "z", "a") == b"1.5"
            assert await ask(there, "TTL", "big") in range(90, 101)
            assert await ask(there, "STRLEN", "big") == 3_000_000
            back = await ask(there, "MIGRATE", "127.0.0.1", port_of(server), "", 9, 9000, "KEYS", "z", "big")
            assert back == b"OK"
            await ask(here, "SELECT", 9)
            assert await ask(here, "STRLEN", "big") == 3_000_000
            assert await ask(there, "DBSIZE") == 0


async def test_from_memory(valkey: RealServer) -> None:
    async with create_store("memory://", decode_responses=True) as store:
        client = store.client()
        async with await connect(valkey.port) as there:
            await ask(there, "FLUSHALL")
            await client.rpush("list", "a", "b")
            assert await client.migrate("127.0.0.1", valkey.port, "list", 0, 9000) == "OK"
            assert await client.exists("list") == 0
            assert await ask(there, "LRANGE", "list", 0, -1) == [b"a", b"b"]


async def test_with_a_password() -> None:
    with run_server(valkey_binary(), "--requirepass", "secret") as target:
        async with PulsarDS(bind="127.0.0.1:0") as server, await connect(port_of(server)) as here:
            await ask(here, "SET", "k", "v")
            call = ("MIGRATE", "127.0.0.1", target.port, "k", 0, 9000)
            assert "NOAUTH" in str(await ask(here, *call))
            assert "WRONGPASS" in str(await ask(here, *call, "AUTH", "wrong"))
            assert await ask(here, "EXISTS", "k") == 1
            assert await ask(here, *call, "AUTH", "secret") == b"OK"
            assert await ask(here, "EXISTS", "k") == 0


async def test_nobody_there() -> None:
    async with PulsarDS(bind="127.0.0.1:0") as server, await connect(port_of(server)) as here:
        await ask(here, "SET", "k", "v")
        for host, port, doing in (
            ("127.0.0.1", 1, "writing to target instance"),
            ("127.0.0.1", "x", "writing to target instance"),
            ("no.such.host.invalid", 1, "connecting to the client"),
        ):
            reply = await ask(here, "MIGRATE", host, port, "k", 0, 9000)
            assert str(reply) == f"IOERR error or timeout {doing}"
        assert await ask(here, "GET", "k") == b"v"


async def test_a_server_that_does_not_answer_and_others_who_go_on() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, PulsarDS(bind="127.0.0.1:0") as server:
        here, other = await connect(port_of(server)), await connect(port_of(server))
        async with here, other:
            await ask(here, "SET", "k", "v")
            replies: list[object] = []

            async def migrate() -> None:
                replies.append(await ask(here, "MIGRATE", "127.0.0.1", port, "k", 0, 2000))

            async with anyio.create_task_group() as group:
                group.start_soon(migrate)
                while not server.engine.migrations.moving:
                    await anyio.lowlevel.checkpoint()
                assert await ask(other, "GET", "k") == b"v"
                assert not replies
            assert str(replies[0]) == "IOERR error or timeout reading to target instance"
            assert await ask(here, "GET", "k") == b"v"


async def test_a_server_that_hangs_up() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def hang_up(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()

    async with listener, PulsarDS(bind="127.0.0.1:0") as server, await connect(port_of(server)) as here:
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, hang_up)
            await ask(here, "SET", "k", "v")
            reply = await ask(here, "MIGRATE", "127.0.0.1", port, "k", 0, 9000)
            assert str(reply) == "IOERR error or timeout reading to target instance"
            assert await ask(here, "GET", "k") == b"v"
            group.cancel_scope.cancel()


async def test_a_connection_is_kept_for_a_while(valkey: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_KEPT_FOR", 0.3)

    async def connections(stream: anyio.abc.ByteStream) -> int:
        info = await ask(stream, "INFO", "stats")
        assert isinstance(info, bytes)
        return int(info.partition(b"total_connections_received:")[2].split()[0])

    async with PulsarDS(bind="127.0.0.1:0") as server:
        here, there = await connect(port_of(server)), await connect(valkey.port)
        async with here, there:
            await ask(there, "FLUSHALL")
            before = await connections(there)
            call = ("MIGRATE", "127.0.0.1", valkey.port, "k", 1, 9000, "REPLACE")
            await ask(here, "SET", "k", "v")
            assert await ask(here, *call) == b"OK"
            assert server.engine.migrations.kept == 1
            with anyio.fail_after(20):
                while server.engine.migrations.kept:  # noqa: ASYNC110 - nothing tells when it has closed it
                    await anyio.sleep(0.01)
            await ask(here, "SET", "k", "v")
            assert await ask(here, *call) == b"OK"
            assert await connections(there) == before + 2


async def test_a_kept_connection_is_used_and_one_that_was_closed_is_opened_anew(valkey: RealServer) -> None:
    async with PulsarDS(bind="127.0.0.1:0") as server:
        here, there = await connect(port_of(server)), await connect(valkey.port)
        async with here, there:
            await ask(there, "FLUSHALL")
            for database in (1, 1, 2):
                await ask(here, "SET", "k", "v")
                call = ("MIGRATE", "127.0.0.1", valkey.port, "k", database, 9000, "REPLACE")
                assert await ask(here, *call) == b"OK"
                assert server.engine.migrations.kept == 1
                if database == 1:
                    # It is closed by the other side; ours is what asks for this.
                    await ask(there, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await ask(there, "SELECT", 2)
            assert await ask(there, "GET", "k") == b"v"


async def test_stopped_under_way() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    server = PulsarDS(bind="127.0.0.1:0")
    async with listener:
        async with server:
            caller = await connect(port_of(server))
            await ask(caller, "SET", "k", "v")
            await caller.send(f"MIGRATE 127.0.0.1 {port} k 0 60000\r\n".encode())
            while not server.engine.migrations.moving:
                await anyio.lowlevel.checkpoint()
        assert not server.engine.migrations.moving
        async with caller:
            assert await rest_of(caller) in (b"", b"-IOERR error or timeout writing to target instance\r\n")
        async with server, await connect(port_of(server)) as here:
            assert await ask(here, "GET", "k") == b"v"


async def test_who_is_given_up_does_not_hear_that_it_is_done() -> None:
    client = EngineClient()
    client.execute("SET", "k", "v")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with anyio.create_task_group() as group:
            await group.start(driver.run_migrations, client.engine)
            port = silent.getsockname()[1]
            assert client.execute("MIGRATE", "127.0.0.1", str(port), "k", "0", "60000") is NotImplemented
            await anyio.wait_readable(silent)  # somebody connects
            group.cancel_scope.cancel()
    assert client.receive() == ("error", "IOERR error or timeout writing to target instance")
    assert client.execute("GET", "k") == b"v"


async def test_two_at_once_to_the_same_place(valkey: RealServer) -> None:
    async with PulsarDS(bind="127.0.0.1:0") as server:
        here, there = await connect(port_of(server)), await connect(valkey.port)
        async with here, there:
            await ask(there, "FLUSHALL")
            await ask(here, "MSET", "a", 1, "b", 2)

            async def move(key: str) -> None:
                async with await connect(port_of(server)) as stream:
                    assert await ask(stream, "MIGRATE", "127.0.0.1", valkey.port, key, 0, 9000) == b"OK"

            async with anyio.create_task_group() as group:
                group.start_soon(move, "a")
                group.start_soon(move, "b")
            assert await ask(there, "MGET", "a", "b") == [b"1", b"2"]
            assert await ask(here, "DBSIZE") == 0
