from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import lowlevel
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSStream
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from anystore import streams
from anystore.streams import NowaitStream, SocketByteStream, open_tcp, open_tls, open_unix, tls_context
from tests.faultproxy import CERTIFICATES, server_tls
from tests.servers import free_port

pytestmark = pytest.mark.anyio

CA = str(CERTIFICATES / "ca.pem")


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[SocketByteStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    with theirs:
        async with SocketByteStream(ours) as stream:
            yield stream, theirs


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    # On a port that nobody gets who connects to something once it is closed.
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield server


class TestSocketByteStream:
    async def test_it_is_a_nowait_stream(self) -> None:
        async with pair() as (stream, _):
            assert isinstance(stream, NowaitStream)

    async def test_bytes_go_both_ways(self) -> None:
        async with pair() as (stream, theirs):
            await stream.send(b"hello")
            assert theirs.recv(10) == b"hello"
            theirs.send(b"world")
            assert await stream.receive() == b"world"
            assert stream.receive_nowait() is None
            theirs.send(b"again")
            assert await stream.receive(2) == b"ag"
            assert stream.receive_nowait() == b"ain"

    async def test_the_end_of_the_stream(self) -> None:
        async with pair() as (stream, theirs):
            theirs.close()
            assert stream.receive_nowait() == b""
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()

    async def test_closing_one_side(self) -> None:
        async with pair() as (stream, theirs):
            await stream.send_eof()
            assert theirs.recv(1) == b""
            theirs.send(b"still")
            assert await stream.receive() == b"still"

    async def test_much_is_sent_as_the_peer_reads_it(self) -> None:
        data = bytes(range(256)) * 20_000
        async with pair() as (stream, theirs), anyio.create_task_group() as group:
            got = bytearray()

            async def read() -> None:
                theirs.setblocking(False)
                while len(got) < len(data):
                    await anyio.wait_readable(theirs)
                    got.extend(theirs.recv(100_000))

            group.start_soon(read)
            await stream.send(data)
        assert got == data

    async def test_one_task_receives_while_another_sends(self) -> None:
        async with pair() as (stream, theirs), anyio.create_task_group() as group:

            async def receive() -> None:
                assert await stream.receive() == b"pong"

            group.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            await stream.send(b"ping")
            assert theirs.recv(10) == b"ping"
            theirs.send(b"pong")

    async def test_two_tasks_may_not_do_the_same(self) -> None:
        async with pair() as (stream, _), anyio.create_task_group() as group:
            group.start_soon(stream.receive)
            group.start_soon(stream.send, b"x" * 50_000_000)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(anyio.BusyResourceError):
                await stream.receive()
            with pytest.raises(anyio.BusyResourceError):
                await stream.send(b"x")
            group.cancel_scope.cancel()

    async def test_send_nowait_takes_what_fits(self) -> None:
        async with pair() as (stream, theirs):
            data = b"x" * 50_000_000
            sent = stream.send_nowait(data)
            assert 0 < sent < len(data)
            while stream.send_nowait(data):
                pass
            with anyio.move_on_after(0.01) as scope:
                await stream.wait_send()
            assert scope.cancelled_caught
            theirs.recv(10_000_000)
            await stream.wait_send()

    async def test_a_cancelled_receive_loses_nothing(self) -> None:
        async with pair() as (stream, theirs):
            with anyio.CancelScope() as scope:
                theirs.send(b"x")
                scope.cancel()
                await stream.receive()
            assert scope.cancelled_caught
            assert await stream.receive() == b"x"

    async def test_what_a_cancelled_receive_left_is_there_at_once(self) -> None:
        """As asyncio's own way to cancel leaves it: the bytes are out of the socket, the task will not take them."""
        async with pair() as (stream, theirs), anyio.create_task_group() as group:
            for _ in range(10):

                async def receive(scope: anyio.CancelScope) -> None:
                    with scope:
                        await stream.receive()
                        theirs.send(b"x")

                scope = anyio.CancelScope()
                group.start_soon(receive, scope)
                await anyio.wait_all_tasks_blocked()
                theirs.send(b"x")
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
                assert stream.receive_nowait() == b"x"

    async def test_receive_and_send_are_checkpoints(self) -> None:
        async with pair() as (stream, theirs):
            ran = []

            async def other() -> None:
                ran.append(1)

            async with anyio.create_task_group() as group:
                theirs.send(b"x")
                group.start_soon(other)
                await stream.receive()
                for _ in range(3):
                    await stream.send(b"y")
                assert ran == [1]

    async def test_after_closing(self) -> None:
        async with pair() as (stream, theirs):
            await stream.aclose()
            await stream.aclose()
            assert theirs.recv(1) == b""
            for call in (lambda: stream.send_nowait(b"x"), stream.receive_nowait):
                with pytest.raises(anyio.ClosedResourceError):
                    call()
            with pytest.raises(anyio.ClosedResourceError):
                await stream.receive()
            with pytest.raises(anyio.ClosedResourceError):
                await stream.send(b"x")

    async def test_closing_while_a_task_waits(self) -> None:
        async with pair() as (stream, _), anyio.create_task_group() as group:

            async def close() -> None:
                await anyio.wait_all_tasks_blocked()
                stream.close()

            group.start_soon(close)
            with pytest.raises(anyio.ClosedResourceError):
                await stream.receive()

    async def test_closing_while_a_task_waits_to_send(self) -> None:
        async with pair() as (stream, _), anyio.create_task_group() as group:
            while stream.send_nowait(b"x" * 1_000_000):
                continue

            async def close() -> None:
                await anyio.wait_all_tasks_blocked()
                stream.close()

            group.start_soon(close)
            with anyio.fail_after(10), pytest.raises(anyio.ClosedResourceError):
                await stream.wait_send()

    async def test_interrupting_a_receive_leaves_a_task_that_waits_to_send(self) -> None:
        async with pair() as (stream, theirs), anyio.create_task_group() as group:
            while stream.send_nowait(b"x" * 1_000_000):
                continue
            group.start_soon(stream.wait_send)
            await anyio.wait_all_tasks_blocked()
            stream.interrupt()
            await anyio.wait_all_tasks_blocked()
            theirs.recv(10_000_000)

    async def test_interrupting_a_receive(self) -> None:
        async with pair() as (stream, theirs), anyio.create_task_group() as group:

            async def interrupt() -> None:
                await anyio.wait_all_tasks_blocked()
                stream.interrupt()

            group.start_soon(interrupt)
            with pytest.raises(anyio.WouldBlock):
                await stream.receive()
            theirs.send(b"x")
            assert await stream.receive() == b"x"

    async def test_a_broken_connection(self, listener: socket.socket) -> None:
        async with await open_tcp("127.0.0.1", listener.getsockname()[1]) as stream:
            theirs, _ = listener.accept()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            theirs.close()
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()
            with pytest.raises(anyio.BrokenResourceError):
                while True:
                    stream.send_nowait(b"x")

    async def test_a_reset_is_seen_without_waiting(self, listener: socket.socket) -> None:
        async with await open_tcp("127.0.0.1", listener.getsockname()[1]) as stream:
            theirs, _ = listener.accept()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            theirs.close()
            with pytest.raises(anyio.BrokenResourceError):
                stream.receive_nowait()


class TestOpening:
    async def test_tcp(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        async with await open_tcp("localhost", port) as stream:
            sock = stream.extra(SocketAttribute.raw_socket)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert stream.extra(SocketAttribute.remote_port) == port
            assert stream.extra(SocketAttribute.local_port) == sock.getsockname()[1]
            assert stream.extra(SocketAttribute.family) == sock.family
            assert stream.extra(SocketAttribute.local_address) == sock.getsockname()
            assert stream.extra(SocketAttribute.remote_address)[1] == port

    async def test_from_an_address(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        async with await open_tcp("127.0.0.1", port, "127.0.0.1") as stream:
            assert stream.extra(SocketAttribute.local_address)[0] == "127.0.0.1"
        with pytest.raises(OSError):  # noqa: PT011 - the text is the platform's
            await open_tcp("127.0.0.1", port, "192.0.2.1")

    async def test_nobody_there(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await open_tcp("127.0.0.1", port)

    async def test_an_unknown_host(self) -> None:
        with pytest.raises(OSError):  # noqa: PT011 - the resolver's text is the platform's
            await open_tcp("no-such-host.invalid", 1)

    @pytest.mark.parametrize(
        "host", ["x" * 300, "a..b", "\udcff", "x" * 64 + ".y", "\0", "\xe4" * 70, "-\udcff"]
    )
    async def test_what_can_be_no_name_is_an_unknown_host(self, listener: socket.socket, host: str) -> None:
        with pytest.raises(OSError):  # noqa: PT011 - the resolver's text is the platform's
            await open_tcp(host, 1)
        with pytest.raises(OSError):  # noqa: PT011
            await open_tcp("127.0.0.1", listener.getsockname()[1], host)

    async def test_the_next_address_where_the_first_does_not_answer(
        self, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = listener.getsockname()[1]

        async def two(host: str, port: int, **options: object) -> list[object]:
            found = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*found, ("127.0.0.1", 1)), (*found, ("127.0.0.1", port))]

        monkeypatch.setattr(anyio, "getaddrinfo", two)
        async with await open_tcp("host", port) as stream:
            assert stream.extra(SocketAttribute.remote_port) == port
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await open_tcp("host", port)

    @pytest.mark.parametrize("cancelled", [False, True])
    async def test_the_next_address_where_the_first_says_nothing(
        self, listener: socket.socket, monkeypatch: pytest.MonkeyPatch, cancelled: bool
    ) -> None:
        """As with a network that has IPv6 by name only: the limit of time for connecting is for all addresses."""
        silent = ("192.0.2.1", 1)
        loopback = ("127.0.0.1", listener.getsockname()[1])
        asked = []

        async def found(host: str, port: int, **options: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (silent, loopback)]

        connect = streams._connect

        async def connect_or_not(sock: socket.socket, address: object) -> SocketByteStream:
            asked.append(address)
            if address == silent:
                try:
                    await anyio.sleep_forever()
                finally:
                    sock.close()
            if cancelled:
                scope.cancel()
            return await connect(sock, address)

        monkeypatch.setattr(anyio, "getaddrinfo", found)
        monkeypatch.setattr(streams, "_connect", connect_or_not)
        with anyio.fail_after(20) as scope:
            async with await open_tcp("host", 1) as stream:
                assert stream.extra(SocketAttribute.remote_address) == loopback
        assert scope.cancelled_caught is cancelled
        assert asked == [silent, loopback]

    async def test_unix(self, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            async with await open_unix(path) as stream:
                theirs, _ = server.accept()
                with theirs:
                    await stream.send(b"x")
                    assert theirs.recv(1) == b"x"
        with pytest.raises(FileNotFoundError):
            await open_unix(str(tmp_path / "other"))

    async def test_cancelled_while_connecting(self, listener: socket.socket) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await open_tcp("127.0.0.1", listener.getsockname()[1])
        assert scope.cancelled_caught


@asynccontextmanager
async def tls_echo(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that sends back what it gets, over TLS."""

    async def serve(client: anyio.abc.SocketStream) -> None:
        async with client:
            try:
                stream = await TLSStream.wrap(client, server_side=True, ssl_context=context)
                async for data in stream:
                    await stream.send(data)
            except (ssl.SSLError, anyio.BrokenResourceError):
                await lowlevel.checkpoint()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


class TestTLS:
    async def test_bytes_go_through(self) -> None:
        async with tls_echo(server_tls()) as port:
            stream = await open_tls(await open_tcp("127.0.0.1", port), tls_context(ca_file=CA), "localhost")
            async with stream:
                data = b"x" * 200_000
                await stream.send(data)
                got = b""
                while len(got) < len(data):
                    got += await stream.receive()
                assert got == data

    async def test_the_host_name_is_checked_by_default(self) -> None:
        async with tls_echo(server_tls()) as port:
            with pytest.raises(ssl.SSLCertVerificationError, match="example"):
                await open_tls(await open_tcp("127.0.0.1", port), tls_context(ca_file=CA), "example.org")
            context = tls_context(ca_file=CA, check_hostname=False)
            async with await open_tls(await open_tcp("127.0.0.1", port), context, "example.org"):
                pass

    async def test_an_unknown_authority_is_refused_unless_told_otherwise(self) -> None:
        async with tls_echo(server_tls()) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                await open_tls(await open_tcp("127.0.0.1", port), tls_context(), "localhost")
            async with await open_tls(
                await open_tcp("127.0.0.1", port), tls_context(verify="none"), "localhost"
            ):
                pass

    async def test_the_clients_own_certificate(self) -> None:
        server = server_tls()
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(CA)
        context = tls_context(
            ca_file=CA, cert_file=str(CERTIFICATES / "client.pem"), key_file=str(CERTIFICATES / "client.key")
        )
        async with tls_echo(server) as port:
            async with await open_tls(await open_tcp("127.0.0.1", port), context, "localhost") as stream:
                await stream.send(b"x")
                assert await stream.receive() == b"x"

    async def test_whatever_is_checked_needs_the_right_name(self) -> None:
        """Also where the certificate is optional, as servers call it, since every server has one."""
        async with tls_echo(server_tls()) as port:
            context = tls_context(ca_file=CA, verify="optional")
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await open_tls(await open_tcp("127.0.0.1", port), context, "example.org")
            async with await open_tls(await open_tcp("127.0.0.1", port), context, "localhost"):
                pass

    async def test_no_tls_there(self, listener: socket.socket) -> None:
        stream = await open_tcp("127.0.0.1", listener.getsockname()[1])
        theirs, _ = listener.accept()
        with theirs:
            theirs.send(b"-ERR what\r\n")
            with pytest.raises(ssl.SSLError):
                await open_tls(stream, tls_context(), "localhost")
        with pytest.raises(anyio.ClosedResourceError):
            stream.send_nowait(b"x")

    async def test_cancelled_in_the_handshake_it_closes_the_stream(self, listener: socket.socket) -> None:
        stream = await open_tcp("127.0.0.1", listener.getsockname()[1])
        with anyio.move_on_after(0.01) as scope:
            await open_tls(stream, tls_context(), "localhost")
        assert scope.cancelled_caught
        with pytest.raises(anyio.ClosedResourceError):
            stream.send_nowait(b"x")


class TestTLSContext:
    def test_the_oldest_version(self) -> None:
        assert tls_context().minimum_version == ssl.TLSVersion.TLSv1_2
        context = tls_context(minimum_version=ssl.TLSVersion.TLSv1_3)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3

    def test_modes(self) -> None:
        assert tls_context().verify_mode == ssl.CERT_REQUIRED
        assert tls_context().check_hostname
        assert tls_context(verify="optional").verify_mode == ssl.CERT_OPTIONAL
        assert tls_context(verify="optional").check_hostname
        assert not tls_context(verify="optional", check_hostname=False).check_hostname
        assert tls_context(verify="none").verify_mode == ssl.CERT_NONE
        assert not tls_context(verify="none").check_hostname

    @pytest.mark.parametrize(
        "authorities",
        [{"ca_file": "/no/such/file"}, {"ca_file": "\0"}, {"ca_data": "none"}, {"ca_data": "é"}],
    )
    def test_authorities_that_are_none(self, authorities: dict[str, str]) -> None:
        with pytest.raises(OSError, match="the authorities to trust cannot be loaded"):
            tls_context(**authorities)

    @pytest.mark.parametrize("cert_file", ["/no/such/file", "\0", CA])
    def test_a_certificate_that_is_none(self, cert_file: str) -> None:
        with pytest.raises(OSError, match="the client's own certificate and key cannot be loaded"):
            tls_context(cert_file=cert_file, key_file=str(CERTIFICATES / "client.key"))

    def test_a_key_without_its_password(self, tmp_path: Path) -> None:
        # In a process of its own, as OpenSSL would ask for the password on the terminal.
        key = load_pem_private_key((CERTIFICATES / "client.key").read_bytes(), None)
        sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
        (tmp_path / "client.key").write_bytes(sealed)
        files = {"cert_file": str(CERTIFICATES / "client.pem"), "key_file": str(tmp_path / "client.key")}
        tls_context(**files, key_password="open sesame")
        code = f"from anystore.streams import tls_context; tls_context(**{files!r})"
        answer = subprocess.run(
            [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        assert "the client's own certificate and key cannot be loaded" in answer.stderr
        assert "pass phrase" not in answer.stderr
