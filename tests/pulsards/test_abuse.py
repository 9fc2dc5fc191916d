"""The server under abuse: it answers as Redis does, or closes that one connection, and goes on serving the others."""

from __future__ import annotations

import gc
import os
import socket
import threading

import anyio
import hiredis
import psutil
import pytest

from anystore.pulsards import PulsarDS
from tests.pulsards.test_server import ask, port_of

pytestmark = pytest.mark.anyio


def descriptors() -> int:
    return psutil.Process().num_fds()


async def read_to_end(stream: anyio.abc.ByteStream) -> bytes:
    data = b""
    try:
        while True:
            data += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return data


class TestBytes:
    @pytest.mark.parametrize(
        ("data", "answer"),
        [
            (b"*1\r\n:1\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
            (b"*1\r\n\rx\r\n", b"-ERR Protocol error: expected '$', got ' '\r\n"),
            (b"*1\r\n\nx\r\n", b"-ERR Protocol error: expected '$', got ' '\r\n"),
            (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
            (b"*1\r\n$600000000\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"PING\r\n*1\r\n$-1\r\n", b"+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
            (b"a" * 1_000_000 + b"\r\n", b"-ERR Protocol error: too big inline request\r\n"),
        ],
        ids=[
            "type",
            "carriage return",
            "line feed",
            "count",
            "length",
            "after a command",
            "1 MB inline line",
        ],
    )
    async def test_malformed_requests_close_that_one_connection(self, data: bytes, answer: bytes) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            port = port_of(server)
            async with await anyio.connect_tcp("127.0.0.1", port) as other:
                assert await ask(other, "PING") == b"PONG"
                async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                    with anyio.fail_after(10):
                        try:
                            await stream.send(data)
                        except anyio.BrokenResourceError:
                            assert len(data) > 100_000  # closed before it had sent all that
                        received = await read_to_end(stream)
                # What a server has not read when it closes may take its last answer along, in TCP.
                assert received == answer or len(data) > 100_000
                assert await ask(other, "PING") == b"PONG"
                with anyio.fail_after(20):
                    while len(server.engine.sessions) > 1:
                        await anyio.lowlevel.checkpoint()

    async def test_one_byte_at_a_time(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                for byte in hiredis.pack_command(("SET", "key", "value")) + b"GET key\r\n":
                    await stream.send(bytes([byte]))
                expected, received = b"+OK\r\n$5\r\nvalue\r\n", b""
                while len(received) < len(expected):
                    received += await stream.receive()
                assert received == expected

    @pytest.mark.parametrize("cut", range(1, 34))
    async def test_truncated_anywhere(self, cut: int) -> None:
        whole = hiredis.pack_command(("SET", "key", "value"))
        async with PulsarDS(bind=()) as server:
            stream = server.connect_stream()
            await stream.send(whole[: cut % len(whole)])
            await stream.aclose()
            assert not server.engine.sessions
            assert await ask(server.connect_stream(), "EXISTS", "key") == 0

    async def test_wrong_arity_and_unknown_commands(self) -> None:
        async with PulsarDS(bind=()) as server:
            stream = server.connect_stream()
            assert str(await ask(stream, "GET")) == "ERR wrong number of arguments for 'get' command"
            assert (
                str(await ask(stream, "GET", "a", "b")) == "ERR wrong number of arguments for 'get' command"
            )
            assert str(await ask(stream, "NOPE", "a")) == (
                "ERR unknown command 'NOPE', with args beginning with: 'a' "
            )
            assert await ask(stream, "PING") == b"PONG"


class TestCrowds:
    async def test_s9_10_000_connections_opened_and_dropped(self) -> None:
        """Nothing is left of them: no descriptor, no session, no thread."""
        async with PulsarDS(bind="127.0.0.1:0") as server:
            port = port_of(server)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                assert await ask(stream, "PING") == b"PONG"
                threads, before = threading.active_count(), descriptors()
                for _ in range(100):
                    sockets = [socket.socket() for _ in range(100)]
                    for number, sock in enumerate(sockets):
                        sock.setblocking(False)
                        sock.connect_ex(("127.0.0.1", port))
                        if number % 3 == 0:
                            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    assert await ask(stream, "PING") == b"PONG"
                    for sock in sockets:
                        sock.close()
                    assert await ask(stream, "PING") == b"PONG"
                with anyio.fail_after(10):
                    while len(server.engine.sessions) > 1:
                        assert await ask(stream, "PING") == b"PONG"
                gc.collect()
                assert descriptors() == before
                assert threading.active_count() <= threads  # those of tests before may end meanwhile

    async def test_maxclients(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0", maxclients=2) as server:
            port = port_of(server)
            async with (
                await anyio.connect_tcp("127.0.0.1", port) as one,
                await anyio.connect_tcp("127.0.0.1", port) as two,
            ):
                assert await ask(one, "PING") == b"PONG"
                assert await ask(two, "PING") == b"PONG"
                async with await anyio.connect_tcp("127.0.0.1", port) as three:
                    assert await read_to_end(three) == b"-ERR max number of clients reached\r\n"
                assert server.engine.statistics.connections_rejected == 1
                assert await ask(one, "PING") == b"PONG"

    async def test_no_descriptor_left(self) -> None:
        """The client over the process' limit is turned away, the server does not spin, and recovers."""
        async with PulsarDS(bind="127.0.0.1:0") as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                assert await ask(stream, "PING") == b"PONG"
                import resource

                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                late = socket.socket()
                late.setblocking(False)
                taken = []
                try:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 40, hard))
                    while True:
                        try:
                            taken.append(os.open(os.devnull, os.O_RDONLY))
                        except OSError:
                            break
                    late.connect_ex(("127.0.0.1", port_of(server)))
                    with anyio.fail_after(10):
                        await anyio.wait_readable(late)
                    assert late.recv(10) == b""
                    assert await ask(stream, "PING") == b"PONG"
                finally:
                    late.close()
                    for descriptor in taken:
                        os.close(descriptor)
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as again:
                    assert await ask(again, "PING") == b"PONG"


class TestClientsThatDoNotRead:
    async def test_a_normal_client_over_its_hard_limit(self) -> None:
        limits = "normal 3000000 0 0"
        async with PulsarDS(bind="127.0.0.1:0", client_output_buffer_limit=limits) as server:
            port = port_of(server)
            async with (
                await anyio.connect_tcp("127.0.0.1", port) as other,
                await anyio.connect_tcp("127.0.0.1", port) as stream,
            ):
                assert await ask(other, "SET", "big", b"x" * 1_000_000) == b"OK"
                await stream.send(b"GET big\r\n" * 30)
                with anyio.fail_after(10):
                    while len(server.engine.sessions) > 1:
                        assert await ask(other, "PING") == b"PONG"
                assert server.engine.statistics.output_limit_disconnections == 1

    async def test_no_limit_for_a_normal_client_by_default(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                assert await ask(stream, "SET", "big", b"x" * 1_000_000) == b"OK"
                await stream.send(b"GET big\r\n" * 30)
                received = 0
                while received < 30 * (1_000_000 + 12):
                    received += len(await stream.receive(2**20))
                assert await ask(stream, "PING") == b"PONG"

    @pytest.mark.parametrize("where", ["socket", "memory"])
    async def test_a_subscriber_over_its_limit(self, where: str) -> None:
        limits = "pubsub 3000000 0 0"
        async with PulsarDS(bind="127.0.0.1:0", client_output_buffer_limit=limits) as server:
            publisher = server.connect_stream()
            slow: anyio.abc.ByteStream
            if where == "socket":
                slow = await anyio.connect_tcp("127.0.0.1", port_of(server))
            else:
                slow = server.connect_stream()
            async with slow:
                await ask(slow, "SUBSCRIBE", "c")
                for _ in range(20):
                    await ask(publisher, "PUBLISH", "c", b"x" * 500_000)
                assert server.engine.statistics.output_limit_disconnections == 1
                assert await ask(publisher, "PUBLISH", "c", "x") == 0
                await read_to_end(slow)

    async def test_the_soft_limit_has_time(self) -> None:
        from anystore.pulsards import ManualClock

        clock = ManualClock()
        limits = "pubsub 0 1000 5"
        async with PulsarDS(bind=(), clock=clock, client_output_buffer_limit=limits) as server:
            publisher, slow = server.connect_stream(), server.connect_stream()
            await ask(slow, "SUBSCRIBE", "c")
            assert await ask(publisher, "PUBLISH", "c", b"x" * 2000) == 1
            clock.advance(4)
            assert await ask(publisher, "PUBLISH", "c", b"x") == 1
            clock.advance(2)
            assert await ask(publisher, "PUBLISH", "c", b"x") == 1
            assert await ask(publisher, "PUBLISH", "c", b"x") == 0

    async def test_the_query_buffer_has_a_limit(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0", client_query_buffer_limit="1mb") as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                with anyio.fail_after(10), pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
                    await stream.send(b"*2\r\n$4\r\nECHO\r\n$100000000\r\n" + b"x" * 5_000_000)
                    await stream.receive()
            assert server.engine.statistics.query_limit_disconnections == 1

    async def test_idle_clients_are_closed_after_timeout(self) -> None:
        from anystore.pulsards import ManualClock

        clock = ManualClock()
        async with PulsarDS(bind=(), clock=clock, timeout=10) as server:
            idle, subscriber = server.connect_stream(), server.connect_stream()
            await ask(idle, "PING")
            await ask(subscriber, "SUBSCRIBE", "c")
            clock.advance(11)
            with pytest.raises(anyio.EndOfStream):
                await idle.receive()
            assert list(server.engine.sessions.values())[0].channels
