"""What a client does around its commands: see `commands/` for the commands themselves."""

from __future__ import annotations

import encodings
from pkgutil import iter_modules
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anystore import create_store
from anystore.exceptions import (
    CommandTimeout,
    ConnectionFailed,
    ImproperlyConfigured,
    InvalidArgument,
    ResponseError,
    StoreError,
)
from anystore.redis.client import Client
from anystore.redis.pipeline import Pipeline
from tests.redis.scripted import GREETING, ScriptedServer, connected_to
from tests.redis.test_faults import store_at
from tests.servers import RealServer

pytestmark = pytest.mark.anyio


class TestAsWithRedisPy:
    """What stands in programs that were written for redis-py, where a client has all that here the store has."""

    async def test_pipelines_and_transactions(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            r = store.client()
            async with r.pipeline(transaction=False) as pipe:
                pipe.set("key", 1)
                pipe.incr("key")
                assert await pipe.execute() == [True, 2]

            async def double(pipe: Pipeline[bytes]) -> int:
                value = int(await pipe.get("key") or 0)
                pipe.multi()
                pipe.set("key", 2 * value)
                return value

            assert await r.transaction(double, "key", value_from_callable=True) == 2
            assert await r.transaction(double, "key", watch_delay=0.01) == [True]
            assert await r.get("key") == b"8"

    async def test_subscriptions_and_monitor(self, valkey: RealServer) -> None:
        seen: list[bytes] = []
        async with store_at(valkey.dsn) as store, store.client().pubsub() as pubsub:
            r = store.client()
            await pubsub.subscribe(news=lambda message: seen.append(message["data"]))
            await r.publish("news", "hello")
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: pubsub.run(poll_timeout=0.5))
                with anyio.fail_after(20):
                    while not seen:
                        await anyio.lowlevel.checkpoint()
                await pubsub.unsubscribe()
            assert seen == [b"hello"]
            async with r.monitor() as monitor:
                await r.get("key")
                assert (await monitor.next_command())["command"] == "GET key"


class TestExecute:
    async def test_names_in_any_form(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            assert await store.execute("set", "key", "value") == b"OK"
            assert await store.execute(b"Get", b"key") == b"value"
            assert await store.client().execute("object encoding", "key") == b"embstr"
            assert await store.client().execute("config get", "maxmemory") == {b"maxmemory": b"0"}

    async def test_replies_are_the_servers_own(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store, store_at(valkey.dsn, protocol=2) as old:
            await store.flush()
            await store.execute("HSET", "hash", "a", 1)
            assert await store.execute("HGETALL", "hash") == {b"a": b"1"}
            assert await old.execute("HGETALL", "hash") == [b"a", b"1"]
            assert await store.execute("GET", "nothing") is None
            assert await store.execute("EXISTS", "hash") == 1

    async def test_what_cannot_be_done_on_a_shared_connection(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            with pytest.raises(InvalidArgument, match="MULTI is not for a connection that tasks share"):
                await store.execute("multi")
            with pytest.raises(InvalidArgument, match="the command's name"):
                await store.execute("")
            with pytest.raises(InvalidArgument, match="a command begins with its name"):
                await store.execute()
            assert await store.ping()

    async def test_unknown_commands_are_the_servers_matter(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            with pytest.raises(ResponseError, match="unknown command"):
                await store.execute("NOSUCH", "x")

    async def test_arguments_that_cannot_be_sent(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            with pytest.raises(TypeError, match="argument 2 of SET is None"):
                await store.execute("SET", "key", None)
            with pytest.raises(TypeError, match="argument 1 of BLPOP is True"):
                await store.execute("BLPOP", True, 1)


class TestClient:
    async def test_it_is_made_at_any_time(self, valkey: RealServer) -> None:
        store = store_at(valkey.dsn)
        client = store.client()
        assert isinstance(client, Client)
        assert valkey.dsn.split("/")[2] in repr(client)
        for _ in range(2):
            async with store:
                assert await client.ping()

    async def test_errors_of_commands_on_their_own_connection(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            await store.client().set("key", 1)
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                await store.client().blpop("key")
            assert store.statistics().pool.idle == 1

    async def test_undecodable_replies(self, valkey: RealServer) -> None:
        async with create_store(valkey.dsn, decode_responses=True) as store:
            client = store.client()
            await client.set("key", b"\xff")
            for call in (client.get("key"), client.execute_command("GET", "key", block=0.1)):
                with pytest.raises(UnicodeDecodeError):
                    await call
            assert await client.execute_command("GET", "key", decode=False) == b"\xff"
            await client.delete("list")
            await client.rpush("list", "é")
            assert await client.blpop("list") == ("list", "é")

    async def test_bytes_with_an_error(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            await store.client().delete("key")
            await store.client().rpush("key", 1)
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                await store.client().execute_command("GET", "key", decode=False)
            assert await store.client().execute_command("LLEN", "key", decode=False, reply=str) == "1"

    async def test_other_encodings(self, valkey: RealServer) -> None:
        async with create_store(valkey.dsn, encoding="latin-1", decode_responses=True) as store:
            client = store.client()
            await client.set("é", "ü")
            assert await client.get("é") == "ü"
            assert await client.execute("get", "é") == "ü"
            with pytest.raises(UnicodeEncodeError):
                await client.get("\u20ac")
        async with create_store(valkey.dsn, encoding="ascii", encoding_errors="replace") as store:
            with pytest.raises(UnicodeEncodeError):
                await store.client().get("é")
        async with store_at(valkey.dsn) as store:
            assert await store.client().get(b"\xe9") == b"\xfc"

    async def test_namespace(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, namespace="ns:") as store, store_at(valkey.dsn) as bare:
            await bare.flush()
            client = store.client()
            await client.set("key", 1)
            await client.rpush("list", 2)
            assert await bare.client().get("ns:key") == b"1"
            assert await client.keys() == [b"key", b"list"] or await client.keys() == [b"list", b"key"]
            assert await client.blpop("list") == (b"list", b"2")
            assert await client.execute("randomkey") == b"key"
            assert await client.dump("key") == await bare.client().dump("ns:key")

    async def test_a_reply_that_never_comes_for_a_blocking_command(self) -> None:
        server = ScriptedServer({**GREETING, "BLPOP": None})
        async with store_at("redis://nowhere", **connected_to(server, command_timeout=0.05)) as store:
            with pytest.raises(CommandTimeout, match=r"no reply within 0.1\d* seconds"):
                await store.client().blpop("list", timeout=0.05)
            assert store.statistics().pool.leased == 0


class TestStore:
    async def test_statistics(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn, pool_size=7) as store:
            found = store.statistics()
            assert (found.pool.limit, found.pool.idle, found.shared.in_flight) == (7, 0, 0)
            assert not found.shared.closed

    async def test_statistics_without_a_connection(self) -> None:
        server = ScriptedServer(GREETING)
        async with store_at("redis://nowhere", **connected_to(server)) as store:
            assert not store.statistics().shared.closed
            store.shared.close()
            assert store.statistics().shared.closed

    async def test_a_connection_of_ones_own(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            connection = await store.open_connection()
            assert await connection.request(b"*1\r\n$4\r\nPING\r\n") == b"PONG"
            connection.write(b"*1\r\n$4\r\nPING\r\n")
            assert await connection.receive(decode=False) == b"PONG"
            assert connection.statistics().in_flight == 0
            connection.close()

    async def test_between_entering_and_connecting(self) -> None:
        server = ScriptedServer(GREETING)
        store = store_at("redis://nowhere", **connected_to(server))
        refused: list[Exception] = []

        async def connect() -> Any:
            try:
                await store.client().get("key")
            except StoreError as error:
                refused.append(error)
            return await server.connect()

        async with store_at("redis://nowhere", connect_stream=connect):
            assert "not open" in str(refused[0])

    def test_a_database_is_a_number(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="database 'x': must be a number, such as 0"):
            store_at("redis://nowhere/x")
        with pytest.raises(ImproperlyConfigured, match=r"database '1{60}': must be a number"):
            store_at("redis://nowhere/" + 5000 * "1")

    def test_a_key_needs_its_certificate(self) -> None:
        with pytest.raises(ImproperlyConfigured, match=r"option ssl_keyfile: .* without its ssl_certfile"):
            store_at("rediss://nowhere?ssl_keyfile=/some/key.pem")

    @pytest.mark.parametrize("encoding", sorted({module.name for module in iter_modules(encodings.__path__)}))
    def test_an_encoding_can_be_used_or_is_refused(self, encoding: str) -> None:
        """Commands are ASCII: with one that writes it otherwise, not a single command could be sent."""
        try:
            store_at("redis://nowhere", encoding=encoding)
        except ImproperlyConfigured as error:
            assert str(error).startswith("option encoding: ")  # noqa: PT017 - most of them are not refused
        else:
            assert "SET EX +inf".encode(encoding) == b"SET EX +inf"

    @pytest.mark.parametrize(
        ("encoding", "namespace"), [("ascii", "é"), ("latin-1", "あ"), ("utf-8", "\udc80")]
    )
    def test_a_namespace_that_cannot_be_written(self, encoding: str, namespace: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=r"namespace: "):
            store_at("redis://nowhere", encoding=encoding, namespace=namespace)

    async def test_closing_while_it_reconnects(self) -> None:
        server = ScriptedServer(GREETING)
        gate = anyio.Event()
        gate.set()

        async def connect() -> Any:
            await gate.wait()
            return await server.connect()

        async with (
            store_at("redis://nowhere", connect_stream=connect) as store,
            anyio.create_task_group() as group,
        ):
            gate = anyio.Event()
            (await store.shared.connection()).close()
            ended: list[Exception] = []

            async def ask() -> None:
                try:
                    await store.execute("ECHO", 1)
                except StoreError as error:
                    ended.append(error)

            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            shared = store.shared
            shared.close()
            gate.set()
            await anyio.wait_all_tasks_blocked()
            assert [str(error) for error in ended] == ["the store is closed"]
            with pytest.raises(StoreError, match="the store is closed"):
                await shared.connection()
            assert server.connections == 2

    async def test_a_server_that_lets_in_and_hangs_up(self) -> None:
        """The tries to send a command again are limited, too."""
        server = ScriptedServer({**GREETING, "ECHO": None})

        def hang_up(request: list[bytes]) -> bytes:
            raise anyio.BrokenResourceError

        server.answers["GET"] = hang_up
        async with store_at("redis://nowhere", **connected_to(server, reconnect_attempts=2)) as store:
            with pytest.raises(ConnectionFailed):
                await store.client().get("key")
            assert server.connections == 4

    async def test_flush(self, valkey: RealServer) -> None:
        async with store_at(valkey.dsn) as store:
            await store.client().set("key", 1)
            assert await store.flush() is True
            assert await store.client().dbsize() == 0

    async def test_one_connection_is_opened_however_many_want_it(self) -> None:
        server = ScriptedServer({**GREETING, "ECHO": lambda request: b"$1\r\n%b\r\n" % request[1]})
        async with store_at("redis://nowhere", **connected_to(server)) as store:
            got: list[Any] = []

            async def echo(number: int) -> None:
                got.append((number, await store.execute("ECHO", number)))

            assert (await store.shared.connection()).close() is None
            async with anyio.create_task_group() as group:
                for number in range(9):
                    group.start_soon(echo, number)
            assert sorted(got) == [(number, b"%d" % number) for number in range(9)]
            assert server.connections == 2
