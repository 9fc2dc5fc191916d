"""The multiplexed connection by itself, with a test in the server's place: what is written when, who gets what."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import uvloop
from anyio.abc import ByteStream

from anystore import create_store
from anystore.exceptions import CommandTimeout, ProtocolError, WrongType
from anystore.redis import connection as module
from anystore.redis import distribution
from anystore.redis.connection import Connection
from anystore.redis.entries import Bundle, ConnectionLost
from anystore.resp.replies import ReplyParser
from anystore.streams import SocketByteStream

pytestmark = pytest.mark.anyio


class Peer:
    """The server's end."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock

    async def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            await anyio.wait_readable(self.sock)
            data += self.sock.recv(size - len(data))
        return data

    def write(self, data: bytes) -> None:
        assert self.sock.send(data) == len(data)


class Blind(ByteStream):
    """The same stream without what makes it usable without waiting."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def connected(
    wrap: Callable[[SocketByteStream], Any] = lambda stream: stream,
    encoding: str | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Connection, Peer]]:
    ours, theirs = socket.socketpair()
    with theirs:
        async with anyio.create_task_group() as group:
            connection = Connection(
                wrap(SocketByteStream(ours)), group.start_soon, ReplyParser(encoding), **options
            )
            try:
                yield connection, Peer(theirs)
            finally:
                connection.close()
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()


class Requests:
    """Requests under way, and what came of them, by name."""

    def __init__(self, group: anyio.abc.TaskGroup, connection: Connection) -> None:
        self.outcomes: dict[str, Any] = {}
        self._done: dict[str, anyio.Event] = {}
        self.scopes: dict[str, anyio.CancelScope] = {}
        self._group = group
        self._connection = connection

    async def begin(self, *names: str, bundle: Bundle | None = None) -> None:
        for name in names:
            self.scopes[name] = anyio.CancelScope()
            self._done[name] = anyio.Event()
            self._group.start_soon(self._run, name, bundle)
        await anyio.wait_all_tasks_blocked()

    async def _run(self, name: str, bundle: Bundle | None) -> None:
        with self.scopes[name]:
            self.outcomes[name] = await self._connection.request(name.encode(), bundle)
            self._done[name].set()

    async def done(self, *names: str) -> None:
        """Wait for these requests."""
        with anyio.fail_after(10):
            for name in names:
                await self._done[name].wait()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self.scopes[name].cancel()
        await anyio.wait_all_tasks_blocked()


class TestReplies:
    @pytest.mark.parametrize("wrap", [lambda stream: stream, Blind], ids=["nowait", "blind"])
    async def test_in_order_whoever_reads(self, wrap: Any) -> None:
        async with connected(wrap) as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a", "b", "c")
            assert sorted((await peer.read(3)).decode()) == ["a", "b", "c"]
            await requests.cancel("a")
            await requests.begin("d")
            await peer.read(1)
            peer.write(b":1\r\n:2\r\n:3\r\n:4\r\n")
            await requests.done("b", "c", "d")
            assert sorted(requests.outcomes) == ["b", "c", "d"]
            assert sorted(requests.outcomes.values()) in ([1, 2, 4], [1, 3, 4], [2, 3, 4])
            assert requests.outcomes["d"] == 4
            assert connection.statistics().in_flight == 0

    async def test_errors_and_what_cannot_be_decoded_are_values(self) -> None:
        async with connected(encoding="utf-8") as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            await requests.begin("b")
            await requests.begin("c")
            await requests.begin("d", bundle=Bundle(1))
            peer.write(b"-WRONGTYPE x\r\n$1\r\n\xff\r\n+ok\r\n$1\r\n\xff\r\n")
            await requests.done("a", "b", "c", "d")
            assert isinstance(requests.outcomes["a"], WrongType)
            assert isinstance(requests.outcomes["b"], UnicodeDecodeError)
            assert requests.outcomes["c"] == "ok"

    async def test_bundles(self) -> None:
        async with connected(encoding="utf-8") as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            first, second = Bundle(2, decode=False), Bundle(1)
            await requests.begin("a", bundle=first)
            await requests.begin("b", bundle=second)
            peer.write(b"+1\r\n")
            await anyio.wait_all_tasks_blocked()
            assert requests.outcomes == {}
            peer.write(b"+2\r\n$1\r\n\xff\r\n")
            await requests.done("a", "b")
            assert requests.outcomes == {"a": None, "b": None}
            assert first.replies == [b"1", b"2"]
            assert isinstance(second.replies[0], UnicodeDecodeError)

    async def test_many_at_once_leave_turns_to_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(distribution, "REPLIES_A_TURN", 3)
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            names = [chr(ord("a") + number) for number in range(10)]
            await requests.begin(*names)
            bundle = Bundle(10)
            await requests.begin("z", bundle=bundle)
            peer.write(b"".join(b":%d\r\n" % number for number in range(20)))
            await requests.done(*names, "z")
            assert sorted(requests.outcomes[name] for name in names) == list(range(10))
            assert bundle.replies == list(range(10, 20))

    async def test_a_reader_that_is_cancelled_between_two_turns_hands_on_what_it_had(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(distribution, "REPLIES_A_TURN", 1)
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            await requests.begin("b")
            await requests.begin("c")
            peer.write(b":1\r\n:2\r\n:3\r\n")
            for _ in range(4):
                await anyio.lowlevel.checkpoint()
                requests.scopes["a"].cancel()
                requests.scopes["b"].cancel()
            await requests.done("c")
            assert requests.outcomes["c"] == 3


class TestPushes:
    async def test_they_go_to_their_handler_wherever_they_come(self) -> None:
        heard: list[Any] = []
        async with connected(on_push=heard.append) as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            bundle = Bundle(2)
            await requests.begin("b", bundle=bundle)
            peer.write(b">1\r\n:1\r\n:10\r\n>1\r\n:2\r\n:11\r\n>1\r\n:3\r\n:12\r\n>1\r\n:4\r\n>1\r\n:5")
            await requests.done("a", "b")
            assert requests.outcomes == {"a": 10, "b": None}
            assert bundle.replies == [11, 12]
            assert heard == [[1], [2], [3], [4]]
            # What has come while nobody was reading is heard by the next one.
            peer.write(b"\r\n")
            await requests.begin("c")
            assert heard[-1] == [5]
            peer.write(b":13\r\n")
            await requests.done("c")
            assert requests.outcomes["c"] == 13

    async def test_a_task_listens_when_asked_to(self) -> None:
        heard: list[Any] = []
        async with connected(on_push=heard.append) as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            connection.listen()
            connection.listen()
            await anyio.wait_all_tasks_blocked()
            peer.write(b":1\r\n>1\r\n:2\r\n")
            await requests.done("a")
            assert requests.outcomes == {"a": 1}
            assert heard == [[2]]
            peer.write(b">1\r\n:3\r\n")
            await requests.begin("b")
            peer.write(b":4\r\n")
            await requests.done("b")
            assert (heard, requests.outcomes["b"]) == ([[2], [3]], 4)
            await requests.begin("c")
            peer.sock.close()
            await requests.done("c")
            assert connection.closed

    async def test_without_a_handler_they_are_dropped(self) -> None:
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            peer.write(b">1\r\n:1\r\n:2\r\n")
            await requests.done("a")
            assert requests.outcomes == {"a": 2}

    async def test_a_handler_that_fails_costs_nobody_a_reply(self, caplog: pytest.LogCaptureFixture) -> None:
        def fail(message: list[Any]) -> None:
            raise KeyError(message)

        async with connected(on_push=fail) as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            peer.write(b">1\r\n:1\r\n:2\r\n")
            await requests.done("a")
            assert requests.outcomes == {"a": 2}
        assert "handler of out-of-band messages failed" in caplog.text

    @pytest.mark.parametrize("bundled", [False, True])
    async def test_a_handler_may_close_the_connection(self, bundled: bool) -> None:
        async with connected(on_push=lambda message: connection.close()) as (connection, peer):
            async with anyio.create_task_group() as group:
                requests = Requests(group, connection)
                await requests.begin("a", bundle=Bundle(2) if bundled else None)
                peer.write(b">1\r\n:1\r\n:2\r\n:3\r\n")
                await requests.done("a")
                assert isinstance(requests.outcomes["a"], ConnectionLost)


class TestLoss:
    async def test_each_request_learns_whether_it_may_have_been_carried_out(self) -> None:
        lost: list[Connection] = []
        async with connected(on_lost=lost.append) as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            await requests.begin("b", bundle=Bundle(2))
            peer.sock.close()
            await requests.done("a", "b")
            assert [requests.outcomes[name].written for name in "ab"] == [True, True]
            assert lost == [connection]
            assert connection.closed
            late = await connection.request(b"c")
            assert isinstance(late, ConnectionLost)
            assert not late.written

    async def test_what_was_written_in_part(self) -> None:
        """A command whose end the server never saw was not carried out, nor was a transaction; of a pipeline, perhaps."""
        for bundle, written in ((None, False), (Bundle(2, atomic=True), False), (Bundle(2), True)):
            async with connected() as (connection, peer), anyio.create_task_group() as group:
                outcomes: list[Any] = []

                async def send(packed: bytes, bundle: Bundle | None) -> None:
                    outcomes.append(await connection.request(packed, bundle))  # noqa: B023

                group.start_soon(send, b"x" * 20_000_000, bundle)
                await anyio.wait_all_tasks_blocked()
                assert connection.statistics().unsent == 1
                peer.sock.close()
                while not outcomes:
                    await anyio.lowlevel.checkpoint()
                assert outcomes[0].written is written

    async def test_what_comes_behind_it_was_not_written(self) -> None:
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            large = "x" * 3_000_000
            await requests.begin(large)
            await requests.begin("a")
            assert connection.statistics().unsent == 2
            peer.sock.close()
            await requests.done("a")
            assert not requests.outcomes["a"].written

    async def test_cancelling_what_was_begun_does_not_tear_it(self) -> None:
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            large = "x" * 3_000_000
            await requests.begin(large)
            await requests.begin("a", "b")
            await requests.cancel(large)
            # Not begun, so it is taken back.
            await requests.cancel("a")
            assert await peer.read(3_000_001) == b"x" * 3_000_000 + b"b"
            peer.write(b":1\r\n:2\r\n")
            await requests.done("b")
            assert requests.outcomes == {"b": 2}

    async def test_unasked_replies(self) -> None:
        for words, error in ((b":1\r\n", ProtocolError), (b"-ERR max number of clients reached\r\n", None)):
            async with connected() as (connection, peer):
                peer.write(words)
                outcome = await connection.request(b"a")
                assert isinstance(outcome, ConnectionLost)
                assert not outcome.written
                if error is None:
                    assert "max number of clients" in str(outcome)
                else:
                    assert isinstance(outcome.__cause__, error)

    async def test_an_answer_to_what_was_not_sent(self) -> None:
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            large = "x" * 3_000_000
            await requests.begin(large)
            await requests.begin("a")
            peer.write(b"-ERR Protocol error: invalid bulk length\r\n:1\r\n")
            await requests.done(large, "a")
            assert "invalid bulk length" in str(requests.outcomes[large])
            assert isinstance(requests.outcomes["a"], (ConnectionLost, ProtocolError))
            assert connection.closed

    async def test_garbage_is_the_first_ones_and_a_loss_for_the_others(self) -> None:
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            await requests.begin("b")
            peer.write(b"?\r\n")
            await requests.done("a", "b")
            assert isinstance(requests.outcomes["a"], ProtocolError)
            assert isinstance(requests.outcomes["b"], ConnectionLost)

    async def test_closing_wakes_everybody(self) -> None:
        async with connected() as (connection, _), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a", "b")
            connection.close()
            connection.close()
            await requests.done("a", "b")
            assert all(isinstance(outcome, ConnectionLost) for outcome in requests.outcomes.values())
            assert str(requests.outcomes["a"]) == "the connection was lost"

    async def test_a_blind_stream_that_breaks_while_it_is_written(self) -> None:
        async with connected(Blind) as (connection, peer), anyio.create_task_group() as group:
            connection.listen()
            requests = Requests(group, connection)
            large = "x" * 3_000_000
            await requests.begin(large)
            await requests.begin("a")
            peer.sock.close()
            await requests.done(large, "a")
            assert requests.outcomes[large].written
            assert not requests.outcomes["a"].written


class TestRoom:
    async def test_those_that_wait_for_room_read_if_nobody_else_does(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "IN_FLIGHT", 2)
        async with connected() as (connection, peer), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a")
            await requests.begin("b")
            await requests.begin("c")
            await requests.begin("d")
            # The reading goes from a to c by way of nobody else, and when c is cancelled to d.
            await requests.cancel("b")
            await requests.cancel("a")
            await requests.cancel("c")
            peer.write(b":1\r\n:2\r\n")
            assert await peer.read(3) == b"abd"
            peer.write(b":4\r\n")
            await requests.done("d")
            assert requests.outcomes == {"d": 4}

    async def test_closing_ends_the_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "IN_FLIGHT", 1)
        async with connected() as (connection, _), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            await requests.begin("a", "b")
            connection.close()
            await requests.done("a", "b")
            assert not requests.outcomes["b"].written or not requests.outcomes["a"].written


class TestTime:
    async def test_a_request_that_was_not_written_is_taken_back(self) -> None:
        async with connected(timeout=0.6) as (connection, _), anyio.create_task_group() as group:
            requests = Requests(group, connection)
            large = "x" * 3_000_000
            await requests.begin(large)
            await requests.begin("a")
            await requests.done(large, "a")
            assert [type(requests.outcomes[name]) for name in (large, "a")] == [
                CommandTimeout,
                CommandTimeout,
            ]
            assert connection.closed

    async def test_a_check_that_is_not_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "HEALTH_SECONDS", 0.02)
        async with connected(idle_limit=0) as (connection, _):
            await anyio.sleep(0.01)
            outcome = await connection.request(b"a")
            assert isinstance(outcome, ConnectionLost)
            assert not outcome.written
            assert "PING" in str(outcome)

    async def test_is_alive(self) -> None:
        for wrap in (lambda stream: stream, Blind):
            async with (
                connected(wrap, idle_limit=100) as (connection, peer),
                anyio.create_task_group() as group,
            ):
                assert connection.is_blind is (wrap is Blind)
                if wrap is Blind:

                    async def pong() -> None:
                        await peer.read(len(module.PING))
                        peer.write(b"+PONG\r\n")

                    group.start_soon(pong)
                assert await connection.is_alive()
                assert connection.reusable
                peer.sock.close()
                assert not await connection.is_alive()
                assert not connection.reusable


class TestMessages:
    async def test_write_and_receive(self) -> None:
        async with connected(encoding="utf-8") as (connection, peer):
            connection.write(b"MONITOR")
            assert await peer.read(7) == b"MONITOR"
            peer.write(b"+OK\r\n+line\r\n")
            assert await connection.receive() == b"OK"
            assert await connection.receive(decode=True) == "line"
            peer.sock.close()
            with pytest.raises(ConnectionLost):
                await connection.receive()
            with pytest.raises(ConnectionLost):
                connection.write(b"x")


def cancelled_natively(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            first = asyncio.ensure_future(connection.request(b"a"))
            second = asyncio.ensure_future(connection.request(b"b"))
            third = asyncio.ensure_future(connection.request(b"c"))
            await asyncio.sleep(0.01)
            await peer.read(3)
            # In one turn: the first is cancelled, hands the reading to the second, which is cancelled as well.
            first.cancel()
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.sleep(0.01)
            peer.write(b":1\r\n:2\r\n:3\r\n")
            assert await asyncio.wait_for(third, 1) == 3
            assert first.cancelled()
            assert second.cancelled()
            assert await asyncio.wait_for(_answered(connection, peer), 1) == 4

    run(main())


async def _answered(connection: Connection, peer: Peer) -> Any:
    request = asyncio.ensure_future(connection.request(b"d"))
    await peer.read(1)
    peer.write(b":4\r\n")
    return await request


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_asyncios_own_way_to_cancel(run: Callable[[Any], Any]) -> None:
    """It reaches a task whose waiter is done already, which anyio's does not."""
    cancelled_natively(run)


class TestAnswersAtOnce:
    """`memory://`, where the answer is there when a request has been written."""

    async def test_others_get_their_turn_all_the_same(self) -> None:
        async with create_store("memory://") as store, anyio.create_task_group() as group:
            client = store.client()
            ran = anyio.Event()
            group.start_soon(_set, ran)
            with anyio.fail_after(10):
                while not ran.is_set():
                    assert await client.ping() is True

    async def test_a_cancelled_task_does_nothing_more(self) -> None:
        async with create_store("memory://") as store:
            client = store.client()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await client.set("key", "value")
            assert await client.exists("key") == 0
            with anyio.move_on_after(0.01) as scope:
                while True:
                    await client.incr("count")
            assert scope.cancelled_caught
            count = int(await client.get("count"))
            assert await client.incr("count") == count + 1

    async def test_more_replies_than_are_given_out_in_a_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(distribution, "REPLIES_A_TURN", 3)
        async with create_store("memory://") as store:
            pipe = store.pipeline(transaction=False)
            for number in range(10):
                pipe.set(f"key:{number}", number)
                pipe.get(f"key:{number}")
            results = await pipe.commit()
            assert results[1::2] == [b"%d" % number for number in range(10)]
            assert await store.client().get("key:9") == b"9"


async def _set(event: anyio.Event) -> None:
    event.set()
