"""pulsards as a server: how it starts, serves, stands idle and stops, on every backend."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import anyio
import hiredis
import psutil
import pytest

from anystore import create_store
from anystore.exceptions import ImproperlyConfigured, ResponseError
from anystore.pulsards import ManualClock, PulsarDS, run_in_thread
from anystore.pulsards.memory import MemoryStream
from anystore.pulsards.streams import serve_stream
from anystore.streams import NowaitStream
from tests.pulsards.counting_clock import CountingClock

pytestmark = pytest.mark.anyio


def port_of(server: PulsarDS) -> int:
    return int(server.addresses[0].rpartition(":")[2])


async def ask(stream: anyio.abc.ByteStream, *arguments: str | bytes | int) -> object:
    """Send one command and read its reply."""
    await stream.send(hiredis.pack_command(arguments))
    reader = hiredis.Reader(notEnoughData=NotImplemented)
    while (reply := reader.gets()) is NotImplemented:
        reader.feed(await stream.receive())
    return reply


class TestLifetime:
    async def test_spawned_in_a_task_group(self) -> None:
        async with anyio.create_task_group() as group:
            dsn = await group.start(PulsarDS(bind="127.0.0.1:0").serve)
            assert dsn.startswith("pulsar://127.0.0.1:")
            async with await anyio.connect_tcp("127.0.0.1", int(dsn.rpartition(":")[2])) as stream:
                assert await ask(stream, "PING") == b"PONG"
            group.cancel_scope.cancel()

    async def test_with_a_task_group_of_its_own(self) -> None:
        server = PulsarDS(bind="127.0.0.1:0")
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = server.dsn
        async with server:
            port = port_of(server)
            assert server.dsn == f"pulsar://127.0.0.1:{port}"
            assert repr(server) == f"<PulsarDS 127.0.0.1:{port}>"
            stream = await anyio.connect_tcp("127.0.0.1", port)
        # Leaving it closed the connection, and nobody listens any more.
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.aclose()
        with pytest.raises(OSError, match=r".*"):
            await anyio.connect_tcp("127.0.0.1", port)

    async def test_an_error_in_the_block_comes_out_as_it_is(self) -> None:
        with pytest.raises(ZeroDivisionError):
            async with PulsarDS(bind=()):
                raise ZeroDivisionError

    async def test_cancelled_from_outside(self) -> None:
        with anyio.CancelScope() as scope:
            async with PulsarDS(bind="127.0.0.1:0") as server:
                scope.deadline = anyio.current_time() + 0.05
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert server.addresses == ()

    async def test_several_addresses(self) -> None:
        with tempfile.TemporaryDirectory(prefix="as") as folder:
            path = f"{folder}/s"
            async with PulsarDS(bind=["127.0.0.1:0", f"unix:{path}", "[::1]:0"]) as server:
                assert len(server.addresses) == 3
                assert server.addresses[1] == f"unix:{path}"
                async with await anyio.connect_unix(path) as stream:
                    assert await ask(stream, "SET", "a", "1") == b"OK"
                async with await anyio.connect_tcp(
                    "::1", int(server.addresses[2].rpartition(":")[2])
                ) as stream:
                    assert await ask(stream, "GET", "a") == b"1"
            assert not os.path.exists(path)

    async def test_a_dead_servers_socket_file_is_replaced_and_a_live_ones_is_not(self) -> None:
        with tempfile.TemporaryDirectory(prefix="as") as folder:
            path = f"{folder}/s"
            left_behind = socket.socket(socket.AF_UNIX)
            left_behind.bind(path)
            left_behind.close()
            async with PulsarDS(bind=f"unix:{path}"):
                with pytest.raises(OSError, match="in use"):
                    async with PulsarDS(bind=f"unix:{path}"):
                        raise AssertionError("two servers on one socket")
                async with await anyio.connect_unix(path) as stream:
                    assert await ask(stream, "PING") == b"PONG"

    async def test_a_taken_port_is_reported_as_it_is(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            with pytest.raises(OSError, match="in use"):
                async with PulsarDS(bind=server.addresses[0]):
                    raise AssertionError("two servers on one port")

    async def test_not_twice_at_once(self) -> None:
        async with PulsarDS(bind=()) as server:
            with pytest.raises(RuntimeError, match="running already"):
                await server.serve()

    @pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":-1"])
    def test_bad_addresses_are_named(self, bind: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="want host:port"):
            PulsarDS(bind=bind)

    def test_unknown_directives_are_named(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="unknown directive 'no-such-thing'"):
            PulsarDS(no_such_thing=1)
        with pytest.raises(ImproperlyConfigured, match="'maxclients': argument couldn't be parsed"):
            PulsarDS(maxclients="many")

    async def test_password(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0", requirepass="p@ss:w/rd") as server:
            assert server.dsn == f"pulsar://:p%40ss%3Aw%2Frd@127.0.0.1:{port_of(server)}"
            assert "p@ss" not in repr(server)
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                assert str(await ask(stream, "GET", "a")).startswith("NOAUTH")
                assert await ask(stream, "AUTH", "p@ss:w/rd") == b"OK"
                assert await ask(stream, "GET", "a") is None

    async def test_orderly_stop_delivers_what_is_queued(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            stream = await anyio.connect_tcp("127.0.0.1", port_of(server))
            await stream.send(b"PING\r\n" * 1000)
            assert await stream.receive(1) == b"+"
        received = 1
        with pytest.raises(anyio.EndOfStream):
            while True:
                received += len(await stream.receive())
        assert received == 7 * 1000
        await stream.aclose()


class TestShutdown:
    async def test_every_connection_ends(self) -> None:
        async with anyio.create_task_group() as group:
            server = PulsarDS(bind="127.0.0.1:0")
            await group.start(server.serve)
            port = port_of(server)
            other = await anyio.connect_tcp("127.0.0.1", port)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(hiredis.pack_command(("PING",)) + hiredis.pack_command(("SHUTDOWN",)))
                assert await stream.receive() == b"+PONG\r\n"
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            with pytest.raises(anyio.EndOfStream):
                await other.receive()
            await other.aclose()
            await server.wait_ended()
            assert server.addresses == ()
            assert server.engine.stopper is None
        # Serving has returned, and nobody was cancelled.
        assert not group.cancel_scope.cancel_called

    async def test_within_a_block(self) -> None:
        async with PulsarDS(bind="127.0.0.1:0") as server:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                await stream.send(hiredis.pack_command(("SHUTDOWN", "NOSAVE")))
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            await server.wait_ended()
            with pytest.raises(RuntimeError, match="does not listen"):
                _ = server.dsn

    async def test_refused_where_a_program_depends_on_it(self) -> None:
        async with create_store("memory://") as store:
            with pytest.raises(ResponseError, match="This server is part of a program"):
                await store.execute("SHUTDOWN")
            assert await store.ping()


class TestEmbedded:
    async def test_s6_the_protocol_over_a_memory_stream(self) -> None:
        async with PulsarDS(bind=()) as server:
            stream = server.connect_stream()
            assert isinstance(stream, anyio.abc.ByteStream)
            assert await ask(stream, "SET", "a", "1") == b"OK"
            assert await ask(server.connect_stream(), "GET", "a") == b"1"
            assert await ask(stream, "QUIT") == b"OK"
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            with pytest.raises(anyio.BrokenResourceError):
                await stream.send(b"PING\r\n")
            await stream.aclose()
            with pytest.raises(anyio.ClosedResourceError):
                await stream.receive()

    def test_no_connection_to_a_server_that_does_not_run(self) -> None:
        with pytest.raises(RuntimeError, match="not running"):
            PulsarDS(bind=()).connect_stream()

    async def test_s7_a_cancelled_wait_eats_no_element(self) -> None:
        async with PulsarDS(bind=()) as server:
            waiting = server.connect_stream()
            with anyio.move_on_after(0.01):
                await ask(waiting, "BLPOP", "q", 0)
            await waiting.aclose()
            other = server.connect_stream()
            assert await ask(other, "RPUSH", "q", "x") == 1
            assert await ask(other, "LLEN", "q") == 1

    async def test_cancelled_while_receiving_nothing_is_lost(self) -> None:
        async with PulsarDS(bind=()) as server:
            stream = server.connect_stream()
            await stream.send(b"PING\r\n")
            with anyio.CancelScope() as scope:
                scope.cancel()
                await stream.receive()
            assert await stream.receive() == b"+PONG\r\n"

    async def test_memory_and_socket_see_each_other(self) -> None:
        """S14's ground: a server in the process can be looked at through a socket, too."""
        async with PulsarDS(bind="127.0.0.1:0") as server:
            inside = server.connect_stream()
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as outside:
                assert await ask(outside, "SUBSCRIBE", "c") == [b"subscribe", b"c", 1]
                assert await ask(inside, "PUBLISH", "c", "hello") == 1
                with anyio.fail_after(20):
                    assert await outside.receive() == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n"

    def test_s12_data_belong_to_the_server_not_to_a_loop(self) -> None:
        server = PulsarDS(bind=())

        async def write() -> None:
            async with server:
                await ask(server.connect_stream(), "SET", "a", "kept")

        async def read() -> object:
            async with server:
                return await ask(server.connect_stream(), "GET", "a")

        anyio.run(write, backend="asyncio")
        assert anyio.run(read, backend="trio") == b"kept"
        assert anyio.run(read, backend="asyncio", backend_options={"use_uvloop": True}) == b"kept"


class TestTime:
    async def test_s13_a_clock_moved_by_hand(self) -> None:
        clock = ManualClock()
        async with PulsarDS(bind=(), clock=clock) as server:
            stream, waiting = server.connect_stream(), server.connect_stream()
            assert await ask(stream, "SET", "a", "1", "EX", 60) == b"OK"
            assert await ask(stream, "TIME") == [b"1700000000", b"0"]
            await waiting.send(hiredis.pack_command(("BLPOP", "q", "30")))
            clock.advance(29.999)
            assert await ask(stream, "TTL", "a") == 30
            clock.advance(0.001)
            with anyio.fail_after(20):
                assert await waiting.receive() == b"*-1\r\n"
            clock.advance(30)
            assert await ask(stream, "DBSIZE") == 0
            assert await ask(stream, "XADD", "s", "*", "f", "v") == b"1700000060000-0"
            assert server.engine.keyspace.expired == 1

    async def test_keys_expire_by_themselves(self) -> None:
        async with PulsarDS(bind=()) as server:
            stream, listening = server.connect_stream(), server.connect_stream()
            await ask(stream, "CONFIG", "SET", "notify-keyspace-events", "Ex")
            await ask(listening, "SUBSCRIBE", "__keyevent@0__:expired")
            await ask(stream, "SET", "later", "1", "PX", 60)
            await ask(stream, "SET", "soon", "1", "PX", 20)
            received = b""
            with anyio.fail_after(20):
                while b"later" not in received:  # both at once, where the machine is slow
                    received += await listening.receive()
            assert b"soon" in received.partition(b"later")[0]

    async def test_a_storm_of_expiries_does_not_hold_the_loop(self) -> None:
        clock = ManualClock()
        async with PulsarDS(bind=(), clock=clock) as server:
            stream = server.connect_stream()
            await stream.send(b"".join(hiredis.pack_command(("SET", i, i, "EX", 10)) for i in range(5000)))
            engine = server.engine
            clock._now_us += 11_000_000  # moved behind the server's back, so that the turns can be counted
            engine.run_due()
            assert 0 < engine.keyspace.expired < 5000
            assert engine.next_due() is not None

    async def test_s2_idle_means_idle(self) -> None:
        """Clients connected, one subscribed, one blocked, a key that expires in an hour: no wake-up at all."""
        clock = CountingClock()
        async with PulsarDS(bind="127.0.0.1:0", clock=clock) as server:
            subscriber, blocked = server.connect_stream(), server.connect_stream()
            await ask(subscriber, "SUBSCRIBE", "c")
            await blocked.send(hiredis.pack_command(("BLPOP", "q", "3600")))
            await ask(server.connect_stream(), "SET", "a", "1", "EX", 3600)
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                assert await ask(stream, "PING") == b"PONG"
                turns = clock.readings
                assert turns >= 4  # what was asked so far took a turn each
                process = psutil.Process()
                before, began = process.cpu_times(), time.monotonic()
                await anyio.sleep(1)
                after, took = process.cpu_times(), time.monotonic() - began
                assert clock.readings == turns
                assert (after.user + after.system) - (before.user + before.system) < 0.05 * took


class TestStreamDriver:
    """The driver for TLS and for platforms without epoll, over any byte stream."""

    async def test_serves_like_the_reactor(self) -> None:
        server = PulsarDS(bind=())
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as group,
        ):

            async def handle(stream: anyio.abc.SocketStream) -> None:
                await serve_stream(server.engine, stream, "client:1", "server:1")

            group.start_soon(listener.serve, handle)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                assert await ask(stream, "SET", "a", b"x" * 300_000) == b"OK"
                assert await ask(stream, "GET", "a") == b"x" * 300_000
                await ask(stream, "SUBSCRIBE", "c")
                server.engine.broker.publish(b"c", b"hello")
                server.engine.flush()
                assert b"hello" in await stream.receive()
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                assert await ask(stream, "QUIT") == b"OK"
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                other = MemoryStream(server.engine)
                assert await ask(stream, "PING") == b"PONG"
                assert await ask(other, "CLIENT", "KILL", "ADDR", "client:1") == 1
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
                await other.aclose()
            group.cancel_scope.cancel()
        assert not server.engine.sessions


class TestThread:
    @pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
    def test_a_server_for_blocking_programs(self, backend: str) -> None:
        threads = threading.active_count()
        with run_in_thread(backend=backend, maxclients=7) as dsn:
            port = int(dsn.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
                sock.sendall(b"CONFIG GET maxclients\r\n")
                assert sock.recv(100) == b"*2\r\n$10\r\nmaxclients\r\n$1\r\n7\r\n"
        with pytest.raises(OSError, match=r".*"):
            socket.create_connection(("127.0.0.1", port), timeout=60)
        assert threading.active_count() <= threads + 1  # anyio keeps an idle worker thread for a while

    def test_an_unknown_backend_is_named(self) -> None:
        with pytest.raises(ValueError, match="twisted"), run_in_thread(backend="twisted"):
            raise AssertionError("there is no such backend")


def test_a_file_is_never_taken_for_a_dead_servers_socket(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a socket")
    with pytest.raises(OSError, match="in use"), run_in_thread(bind=f"unix:{path}"):
        raise AssertionError("a file was taken for a socket")
    assert path.read_text() == "not a socket"


class TestWithoutWaiting:
    """The in-process stream as the client's core uses it."""

    async def test_what_is_sent_has_run(self) -> None:
        async with PulsarDS(bind=()) as server:
            stream = server.connect_stream()
            assert isinstance(stream, NowaitStream)
            assert stream.receive_nowait() is None
            assert stream.send_nowait(memoryview(b"PING\r\n")) == 6
            assert stream.receive_nowait() == b"+PONG\r\n"
            stream.send_nowait(b"QUIT\r\n")
            assert stream.receive_nowait() == b"+OK\r\n"
            assert stream.receive_nowait() == b""
            with pytest.raises(anyio.BrokenResourceError):
                stream.send_nowait(b"PING\r\n")
            stream.close()
            for use in (lambda: stream.send_nowait(b"x"), stream.receive_nowait):
                with pytest.raises(anyio.ClosedResourceError):
                    use()

    async def test_interrupting_and_closing_wake_who_waits(self) -> None:
        async with PulsarDS(bind=()) as server:
            stream = server.connect_stream()
            stream.interrupt()  # nobody waits: nothing happens
            outcomes: list[type[BaseException]] = []

            async def wait() -> None:
                try:
                    await stream.receive()
                except Exception as error:
                    outcomes.append(type(error))

            for act in (stream.interrupt, stream.close):
                async with anyio.create_task_group() as group:
                    group.start_soon(wait)
                    await anyio.wait_all_tasks_blocked()
                    act()
            assert outcomes == [anyio.WouldBlock, anyio.ClosedResourceError]
            await stream.wait_send()
