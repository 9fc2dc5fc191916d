"""Where a server listens, by directives, arguments and CONFIG SET, and whom it lets in, with both drivers."""

from __future__ import annotations

import errno
import importlib
import os
import socket
import stat
import tempfile
from typing import Any, ClassVar

import anyio
import anyio.abc
import hiredis
import pytest

from anystore import create_store
from anystore.exceptions import ResponseError
from anystore.pulsards import PulsarDS, reactor, streams
from anystore.pulsards.addresses import Address, is_local, parse_address
from anystore.pulsards.config import Config
from anystore.pulsards.listeners import set_up_connection
from tests.servers import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["reactor", "streams"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to serve plain connections: the second is that of systems without epoll."""
    if request.param == "streams":
        monkeypatch.setattr(reactor, "available", False)
    return str(request.param)


def port_of(server: PulsarDS, number: int = 0) -> int:
    return int(server.addresses[number].rpartition(":")[2])


async def ask(port: int, *arguments: str | bytes, host: str = "127.0.0.1") -> Any:
    async with await anyio.connect_tcp(host, port) as stream:
        return await ask_on(stream, *arguments)


async def ask_on(stream: anyio.abc.ByteStream, *arguments: str | bytes) -> Any:
    await stream.send(hiredis.pack_command(arguments))
    reader = hiredis.Reader(notEnoughData=NotImplemented)
    while (reply := reader.gets()) is NotImplemented:
        reader.feed(await stream.receive())
    return reply


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("127.0.0.1:80", Address("tcp", "127.0.0.1", 80)),
            ("[::1]:80", Address("tcp", "::1", 80)),
            ("tls:localhost:80", Address("tls", "localhost", 80)),
            ("tls:[::1]:80", Address("tls", "::1", 80)),
            ("unix:/a:b", Address("unix", "/a:b", -1)),
        ],
    )
    def test_texts(self, text: str, address: Address) -> None:
        assert parse_address(text) == address
        assert str(address) == text

    def test_optional_ones(self) -> None:
        assert parse_address("-[::1]:80") == Address("tcp", "::1", 80, True)

    def test_who_is_local(self) -> None:
        local = ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "/run/s:0", "memory:0", ""]
        assert [
            address for address in [*local, "192.0.2.1:5", "[2001:db8::1]:5"] if is_local(address)
        ] == local

    async def test_all_of_a_family(self) -> None:
        async with PulsarDS(bind="*:0") as four, PulsarDS(bind="::*:0") as six:
            assert four.addresses[0].startswith("0.0.0.0:")
            assert six.addresses[0].startswith("[::]:")
            assert await ask(port_of(four), "PING") == b"PONG"
            assert await ask(port_of(six), "PING", host="::1") == b"PONG"

    async def test_an_address_that_the_machine_does_not_have(self) -> None:
        # Of the range for documentation, which nobody has.
        async with PulsarDS(bind=["-192.0.2.1:0", "127.0.0.1:0"]) as server:
            assert len(server.addresses) == 1
        with pytest.raises(OSError, match="assign"):
            async with PulsarDS(bind=["127.0.0.1:0", "192.0.2.1:0"]):
                raise AssertionError("it listens on an address that is not there")

    async def test_nothing_to_listen_on(self) -> None:
        async with PulsarDS(port=0) as server:
            assert server.addresses == ()

    async def test_config_get_tells_what_was_given_otherwise(self, driver: str) -> None:
        with tempfile.TemporaryDirectory(prefix="as") as folder:
            async with PulsarDS(bind=["127.0.0.1:0", "[::1]:0", f"unix:{folder}/s"]) as server:
                port = port_of(server)
                assert await ask(port, "CONFIG", "GET", "bind") == [b"bind", b"127.0.0.1 ::1"]
                assert await ask(port, "CONFIG", "GET", "port") == [b"port", str(port).encode()]
                assert (await ask(port, "CONFIG", "GET", "unixsocket"))[1] == f"{folder}/s".encode()

    @pytest.mark.parametrize("host", [b"x" * 300, b"a..b", b"\xff", b"no.such.host.invalid", b"-\xff"])
    async def test_config_set_of_what_can_be_no_address(self, host: bytes) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            port = port_of(server)
            reply = await ask(port, "CONFIG", "SET", "bind", host)
            assert "Failed to bind to specified addresses" in str(reply)
            assert await ask(port, "CONFIG", "GET", "bind") == [b"bind", b"127.0.0.1"]

    async def test_permissions_of_a_unix_socket(self) -> None:
        with tempfile.TemporaryDirectory(prefix="as") as folder:
            path = f"{folder}/s"
            async with PulsarDS(port=0, unixsocket=path, unixsocketperm="700") as server:
                assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
                async with create_store(server.dsn + "?database=0") as store:
                    assert await store.client().config_get("unixsocketperm") == {"unixsocketperm": "700"}
                    assert (await store.client().client_info())["addr"] == f"{path}:0"

    async def test_group_of_a_unix_socket(self) -> None:
        grp = importlib.import_module("grp")  # which only some systems have
        # Who may, gives it to another group than it would have; who may not, to one of their own.
        groups = (
            [group for group in grp.getgrall() if group.gr_gid != os.getgid()] if os.getuid() == 0 else []
        )
        wanted = groups[0] if groups else grp.getgrgid(os.getgid())
        with tempfile.TemporaryDirectory(prefix="as") as folder:
            path = f"{folder}/s"
            async with PulsarDS(
                port=0, unixsocket=path, unixsocketgroup=wanted.gr_name, unixsocketperm="770"
            ):
                found = os.stat(path)
                assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (wanted.gr_gid, 0o770)
            with pytest.raises(OSError, match="unixsocketgroup: there is no group no-such-group"):
                async with PulsarDS(port=0, unixsocket=path, unixsocketgroup="no-such-group"):
                    pass


class TestConnections:
    @pytest.mark.parametrize("seconds", ["300", "2", "0"])
    async def test_keep_alive(self, driver: str, seconds: str) -> None:
        seen: list[socket.socket] = []
        async with PulsarDS(bind="127.0.0.1:0", tcp_keepalive=seconds) as server:
            accept = socket.socket.accept

            def remembering(listener: socket.socket) -> tuple[socket.socket, Any]:
                sock, address = accept(listener)
                seen.append(sock)
                return sock, address

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(socket.socket, "accept", remembering)
                async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                    assert await ask_on(stream, "PING") == b"PONG"
                    assert seen[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                    keeps = seen[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                    assert bool(keeps) == (seconds != "0")
                    if keeps:
                        idle = seen[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                        interval = seen[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
                        assert (idle, interval) == (int(seconds), max(1, int(seconds) // 3))

    async def test_no_more_clients_than_there_may_be(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0", maxclients=1) as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                assert await ask_on(stream, "PING") == b"PONG"
                async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as other:
                    assert await other.receive() == b"-ERR max number of clients reached\r\n"
                    with pytest.raises(anyio.EndOfStream):
                        await other.receive()
                assert await ask_on(stream, "CONFIG", "SET", "maxclients", "2") == b"OK"
                assert await ask(port_of(server), "PING") == b"PONG"
            assert server.engine.statistics.connections_rejected == 1


class FlakyListener(socket.socket):
    """Fails to accept a few times, as when descriptors run out."""

    failures: ClassVar[list[int]] = []

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            raise OSError(self.failures.pop(), "cannot accept")
        return super().accept()


async def test_failing_to_accept_does_not_end_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlakyListener, "failures", [errno.EMFILE, errno.ECONNABORTED, errno.EMFILE])
    monkeypatch.setattr(streams, "_OUT_OF_DESCRIPTORS", 0.001)
    server = PulsarDS(bind=())
    with FlakyListener(fileno=socket.create_server(("127.0.0.1", 0)).detach()) as listener:
        listener.setblocking(False)
        async with anyio.create_task_group() as group:
            group.start_soon(streams.serve_listener, server.engine, listener, group)
            assert await ask(listener.getsockname()[1], "PING") == b"PONG"
            group.cancel_scope.cancel()
    assert not FlakyListener.failures


def test_options_refused_to_a_client_that_has_gone() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:  # which has no TCP options
        set_up_connection(sock, Config())
        assert sock.getblocking() is False


@pytest.fixture
def from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients seem to come from somewhere else."""
    for module in (reactor, streams):
        monkeypatch.setattr(module, "shown_peer", lambda address, sock: "192.0.2.1:5")


@pytest.mark.usefixtures("from_outside")
class TestProtectedMode:
    async def test_strangers_are_kept_out_while_anybody_could_do_anything(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                said = b""
                with pytest.raises(anyio.EndOfStream):
                    while True:
                        said += await stream.receive()
                assert said.startswith(
                    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password "
                    b"is set for the default user. In this mode connections are only accepted from the loopback"
                )
                assert said.count(b"\r\n") == 1
            assert server.engine.statistics.connections_rejected == 1

    async def test_a_password_lets_them_in(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0", requirepass="x") as server:
            assert str(await ask(port_of(server), "PING")).startswith("NOAUTH")

    async def test_so_does_the_directive(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0", protected_mode=False) as server:
            assert await ask(port_of(server), "PING") == b"PONG"
            assert "DEBUG command not allowed" in str(await ask(port_of(server), "DEBUG", "OBJECT", "a"))

    async def test_it_can_be_switched(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0", protected_mode=False) as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                assert await ask_on(stream, "CONFIG", "SET", "protected-mode", "yes") == b"OK"
                assert str(await ask(port_of(server), "PING")).startswith("DENIED")
                assert await ask_on(stream, "CONFIG", "SET", "requirepass", "x") == b"OK"
                assert str(await ask(port_of(server), "PING")).startswith("NOAUTH")


class TestWhileItRuns:
    async def test_another_port(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server, create_store(server.dsn) as store:
            before, after = port_of(server), free_port()
            assert await store.client().config_set("port", after) is True
            assert server.addresses == (f"127.0.0.1:{after}",)
            assert server.engine.port == after
            assert await ask(after, "PING") == b"PONG"
            assert await store.ping()  # connections that there are stay
            with pytest.raises(OSError, match=r"."):
                await ask(before, "PING")
            await store.client().config_set("port", 0)
            assert server.addresses == ()
            assert await store.ping()

    async def test_other_addresses(self, driver: str) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server, create_store(server.dsn) as store:
            client, port = store.client(), port_of(server)
            await client.config_set("bind", "127.0.0.1 ::1 -192.0.2.1")
            assert sorted(server.addresses) == [f"127.0.0.1:{port}", f"[::1]:{port}"]
            assert await ask(port, "PING", host="::1") == b"PONG"
            assert await client.config_get("bind") == {"bind": "127.0.0.1 ::1 -192.0.2.1"}
            await client.config_set("bind", "::1")
            assert server.addresses == (f"[::1]:{port}",)
            with pytest.raises(OSError, match=r"."):
                await ask(port, "PING")
            assert await store.ping()

    async def test_what_cannot_be_had_changes_nothing(self, driver: str) -> None:
        async with (
            PulsarDS(bind="127.0.0.1:0") as server,
            PulsarDS(bind="127.0.0.1:0") as other,
            create_store(server.dsn) as store,
        ):
            client, addresses = store.client(), server.addresses
            with pytest.raises(ResponseError, match=r"argument 'port'\) - Unable to listen on this port"):
                await client.config_set("port", port_of(other))
            with pytest.raises(ResponseError, match=r"argument 'bind'\) - Failed to bind"):
                await client.config_set("bind", "192.0.2.1")
            with pytest.raises(ResponseError, match=r"argument 'bind'\) - Failed to bind"):
                await client.config_set("bind", "a-name")
            assert server.addresses == addresses
            assert await client.config_get("port", "bind") == {
                "port": addresses[0].rpartition(":")[2],
                "bind": "127.0.0.1",
            }
            assert await ask(port_of(server), "PING") == b"PONG"

    async def test_a_unix_socket_stays(self, driver: str) -> None:
        with tempfile.TemporaryDirectory(prefix="as") as folder:
            path = f"{folder}/s"
            async with PulsarDS(bind=["127.0.0.1:0", f"unix:{path}"]) as server:
                assert await ask(port_of(server), "CONFIG", "SET", "port", str(free_port())) == b"OK"
                async with await anyio.connect_unix(path) as stream:
                    assert await ask_on(stream, "PING") == b"PONG"
                    assert server.addresses[-1] == f"unix:{path}"
