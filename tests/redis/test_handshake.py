from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystore import __version__
from anystore.exceptions import (
    AuthenticationError,
    ConnectionFailed,
    NoPermission,
    ProtocolError,
    ResponseError,
)
from anystore.redis.handshake import Opener, Profile
from tests.faultproxy import CERTIFICATES, FaultProxy, server_tls
from tests.redis.scripted import GREETING, ScriptedServer, connected_to
from tests.redis.test_faults import store_at
from tests.servers import RealServer, free_port, run_server, valkey_binary

pytestmark = pytest.mark.anyio


async def opened(server: ScriptedServer, **options: Any) -> None:
    async with store_at("redis://user:secret@nowhere/3", **connected_to(server, **options)):
        await anyio.wait_all_tasks_blocked()


class TestRealServers:
    @pytest.mark.parametrize("protocol", [2, 3])
    @pytest.mark.parametrize("which", ["valkey", "redis_server"])
    async def test_who_we_are(self, request: pytest.FixtureRequest, which: str, protocol: int) -> None:
        server: RealServer | None = request.getfixturevalue(which)
        if server is None:
            return
        dsn = f"redis://127.0.0.1:{server.port}/5?client_name=me&protocol={protocol}"
        async with store_at(dsn) as store:
            for connection in (
                store.execute("CLIENT", "INFO"),
                store.client().execute_command("CLIENT", "INFO", block=1),
            ):
                info = dict(field.split("=", 1) for field in (await connection).decode().split())
                assert (info["name"], info["db"], info.get("resp", str(protocol))) == (
                    "me",
                    "5",
                    str(protocol),
                )
                # Redis knows CLIENT SETINFO since 7.2.
                if which == "valkey":
                    assert (info["lib-name"], info["lib-ver"]) == ("anystore", __version__)

    @pytest.mark.parametrize("protocol", [2, 3])
    async def test_passwords(self, protocol: int, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with run_server(valkey_binary(), "--requirepass", "s3cret") as server:
            at = f"127.0.0.1:{server.port}/0?protocol={protocol}&reconnect_attempts=0"
            async with store_at(f"redis://:s3cret@{at}") as store:
                assert await store.ping()
                await store.execute("ACL", "SETUSER", "me", "on", ">p%40ss", "+@all", "~*")
            async with store_at(f"redis://me:p%2540ss@{at}") as store:
                assert await store.execute("ACL", "WHOAMI") == b"me"
            for wrong in ("redis://:wr0ng@", "redis://me:wr0ng@"):
                with pytest.raises(AuthenticationError) as caught:
                    async with store_at(wrong + at):
                        raise AssertionError("it is refused")
                assert "wr0ng" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
            if protocol == 3:
                with pytest.raises(AuthenticationError, match="NOAUTH"):
                    async with store_at(f"redis://{at}"):
                        raise AssertionError("it is refused")
        assert "s3cret" not in caplog.text
        assert "wr0ng" not in caplog.text

    async def test_a_database_that_is_not_there(self, valkey: RealServer) -> None:
        with pytest.raises(ResponseError, match="out of range"):
            async with store_at(f"redis://127.0.0.1:{valkey.port}/9999"):
                raise AssertionError("it is refused")

    async def test_a_full_server(self) -> None:
        with run_server(valkey_binary(), "--maxclients", "2") as server:
            async with store_at(server.dsn), store_at(server.dsn):
                with pytest.raises(ConnectionFailed, match=r"max number of clients|could not be connected"):
                    async with store_at(server.dsn, reconnect_attempts=1):
                        raise AssertionError("it is full")

    async def test_nobody_there(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy:
            dsn = f"redis://user:s3cret@127.0.0.1:{proxy.port}/0"
        start = anyio.current_time()
        with pytest.raises(ConnectionFailed, match=r"^127.0.0.1:\d+ could not be connected: .*refused"):
            async with store_at(dsn, reconnect_attempts=3, reconnect_delay=0.02):
                raise AssertionError("nobody is there")
        # 0.02 + 0.04 + 0.08 seconds, scattered.
        assert 0.07 <= anyio.current_time() - start < 5

    async def test_a_server_that_comes_later(self, valkey: RealServer) -> None:
        async with FaultProxy(valkey.port) as proxy:
            proxy.refusing = True

            async def come() -> None:
                while proxy.accepted < 3:
                    await checkpoint()
                proxy.refusing = False

            async with anyio.create_task_group() as group:
                group.start_soon(come)
                async with store_at(proxy.dsn, reconnect_attempts=20) as store:
                    assert await store.ping()

    async def test_tls(self, valkey: RealServer) -> None:
        ca = str(CERTIFICATES / "ca.pem")
        async with FaultProxy(valkey.port, tls=server_tls()) as proxy:
            async with store_at(proxy.dsn, ssl_ca_certs=ca) as store:
                client = store.client()
                await client.set("key", b"x" * 300_000)
                async with anyio.create_task_group() as group:
                    for _ in range(50):
                        group.start_soon(client.get, "key")
                assert await client.get("key") == b"x" * 300_000
                assert await client.blpop("nothing", timeout=0.01) is None
                async with store.pipeline() as pipe:
                    await pipe.watch("key")
                    pipe.multi()
                    pipe.strlen("key")
                    assert await pipe.commit() == [300_000]

    async def test_tls_is_checked(self, valkey: RealServer) -> None:
        start = anyio.current_time()
        async with FaultProxy(valkey.port, tls=server_tls()) as proxy:
            # Trying again would not help, so it does not.
            with pytest.raises(ConnectionFailed, match="certificate verify failed"):
                async with store_at(proxy.dsn, reconnect_delay=30):
                    raise AssertionError("the authority is unknown")
            async with store_at(proxy.dsn, ssl_cert_reqs="none") as store:
                assert await store.ping()
        assert anyio.current_time() - start < 12

    async def test_files_that_cannot_be_loaded(self) -> None:
        """Nothing is connected to, so that nothing stays open."""
        async with FaultProxy(free_port(), tls=server_tls()) as proxy:
            with pytest.raises(ConnectionFailed, match="the authorities to trust cannot be loaded"):
                async with store_at(proxy.dsn, ssl_ca_certs="/no/such/file", reconnect_attempts=1):
                    raise AssertionError("there is no such file")
            assert proxy.accepted == 0

    async def test_unix_sockets(self, valkey: RealServer) -> None:
        async with store_at(f"redis+unix://{valkey.unixsocket}?database=2") as store:
            assert (await store.client().client_info())["db"] == 2
        with pytest.raises(ConnectionFailed, match="could not be connected"):
            async with store_at("redis+unix:///no/such/socket", reconnect_attempts=0):
                raise AssertionError("nobody is there")


class TestOldAndOddServers:
    async def test_everything_in_two_round_trips(self) -> None:
        server = ScriptedServer({**GREETING, "SELECT": b"+OK\r\n"})
        await opened(server, client_name="me")
        assert server.asked == [
            [b"HELLO", b"3", b"AUTH", b"user", b"secret"],
            [b"PING"],
            [b"CLIENT", b"SETINFO", b"LIB-NAME", b"anystore"],
            [b"CLIENT", b"SETINFO", b"LIB-VER", __version__.encode()],
            [b"CLIENT", b"SETNAME", b"me"],
            [b"SELECT", b"3"],
        ]

    @pytest.mark.parametrize("answer", [b"-ERR unknown command 'HELLO'\r\n", b"-NOPROTO unsupported\r\n"])
    async def test_a_server_without_resp3(self, answer: bytes) -> None:
        server = ScriptedServer({"HELLO": answer, "AUTH": b"+OK\r\n", "SELECT": b"+OK\r\n"})
        await opened(server)
        assert server.names() == ["HELLO", "AUTH", "PING", "CLIENT", "CLIENT", "SELECT"]
        assert server.asked[1] == [b"AUTH", b"user", b"secret"]

    async def test_a_server_without_users(self) -> None:
        server = ScriptedServer({"AUTH": b"+OK\r\n", "SELECT": b"+OK\r\n"})
        async with store_at("redis://:secret@nowhere/0", **connected_to(server)):
            assert server.asked[1] == [b"AUTH", b"secret"]

    async def test_a_server_that_wants_no_password(self) -> None:
        server = ScriptedServer({"AUTH": b"-ERR Client sent AUTH, but no password is set\r\n"})
        with pytest.raises(AuthenticationError, match="no password is set"):
            await opened(server)

    @pytest.mark.parametrize(
        "answer",
        [
            b"-ERR unknown command `AUTH`, with args beginning with: `user`, `secret`, \r\n",
            b"-ERR unknown command 'AUTH' 'user' 'secret'\r\n",
            b"-WRONGPASS secret is not it\r\n",
        ],
    )
    @pytest.mark.parametrize("command", ["HELLO", "AUTH"])
    async def test_a_server_that_repeats_the_password(self, command: str, answer: bytes) -> None:
        known = {"HELLO": b"-ERR unknown command `HELLO`, with args beginning with: `secret`, \r\n"}
        server = ScriptedServer(
            {**known, "AUTH": b"-ERR unknown command `AUTH`: secret\r\n", command: answer}
        )
        with pytest.raises(AuthenticationError) as caught:
            await opened(server)
        error: BaseException | None = caught.value
        while error is not None:
            assert "secret" not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__

    async def test_hello_that_is_forbidden(self) -> None:
        server = ScriptedServer({"HELLO": b"-NOPERM no\r\n"})
        with pytest.raises(NoPermission):
            await opened(server)

    async def test_another_refusal(self) -> None:
        server = ScriptedServer({"HELLO": b"-LOADING wait\r\n"})
        with pytest.raises(ResponseError, match="LOADING"):
            await opened(server)
        assert server.connections == 1

    async def test_a_full_server_is_one_to_come_back_to(self) -> None:
        server = ScriptedServer({"HELLO": b"-ERR max number of clients reached\r\n"})
        with pytest.raises(ConnectionFailed, match="max number of clients"):
            await opened(server)
        assert server.connections == 2

    async def test_a_server_that_loads_its_data_is_one_to_come_back_to(self) -> None:
        """B9: it takes connections as soon as it runs, and carries out nothing until it has its data."""
        server = ScriptedServer(
            {
                **GREETING,
                "SELECT": b"+OK\r\n",
                "PING": lambda _: b"+PONG\r\n" if server.connections == 4 else b"-LOADING wait\r\n",
            }
        )
        await opened(server, reconnect_attempts=3)
        assert server.connections == 4
        server.connections = 4
        with pytest.raises(ConnectionFailed, match="LOADING wait"):
            await opened(server, reconnect_attempts=3)
        assert server.connections == 8

    async def test_no_server_of_this_kind(self) -> None:
        server = ScriptedServer({"HELLO": b"HTTP/1.1 400 Bad Request\r\n\r\n"})
        with pytest.raises(ProtocolError, match="not RESP"):
            await opened(server)

    async def test_a_factory_that_fails_in_its_own_way(self) -> None:
        async def fail() -> Any:
            raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            async with store_at("redis://nowhere", connect_stream=fail):
                raise AssertionError("it cannot be connected")

    async def test_what_the_system_said_is_told(self) -> None:
        async def fail() -> Any:
            raise anyio.BrokenResourceError from ConnectionResetError("reset by peer")

        with pytest.raises(ConnectionFailed, match="could not be connected: reset by peer"):
            async with store_at("redis://nowhere", connect_stream=fail, reconnect_attempts=0):
                raise AssertionError("it cannot be connected")

    async def test_a_transaction_that_is_begun_and_not_ended_takes_the_connection_with_it(self) -> None:
        server = ScriptedServer(
            {
                **GREETING,
                "MULTI": b"+OK\r\n",
                "EXEC": b"-NOPERM no\r\n",
                "GET": b"+QUEUED\r\n",
                "PING": b"+PONG\r\n",
            }
        )
        async with store_at("redis://nowhere", **connected_to(server)) as store:
            async with store.pipeline() as pipe:
                pipe.get("key")
                with pytest.raises(NoPermission):
                    await pipe.commit()
            assert await store.ping()
            assert server.connections == 2


class TestProfile:
    def test_pauses_double_up_to_a_limit_and_are_scattered(self) -> None:
        profile = Profile(address="x", delay=0.1, max_delay=1)
        for attempt, longest in enumerate((0.1, 0.2, 0.4, 0.8, 1, 1)):
            pauses = [profile.pause(attempt) for _ in range(50)]
            assert all(longest / 2 <= pause <= longest for pause in pauses)
            assert len(set(pauses)) > 10
        assert profile.pause(10_000) <= 1

    def test_no_password_shows(self) -> None:
        assert "secret" not in repr(Profile(address="x", user="u", password="secret"))

    async def test_trying_ends_when_nobody_wants_it_any_more(self) -> None:
        tries = 0

        async def fail() -> Any:
            nonlocal tries
            tries += 1
            raise OSError("no")

        async with anyio.create_task_group() as group:
            opener = Opener(Profile(address="x", delay=0), fail, group.start_soon)
            with pytest.raises(ConnectionFailed):
                await opener.open_persistently(lambda: tries < 3)
        assert tries == 3
