"""Commands to a server that answers before the writing returns: what it may say, and when it says something else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from anystore import create_store
from anystore.exceptions import ProtocolError, WrongType
from anystore.redis.connection import Connection
from anystore.redis.entries import Baton, ConnectionLost
from anystore.resp.replies import NOT_ENOUGH, ReplyParser

pytestmark = pytest.mark.anyio

PUSH = b">2\r\n+news\r\n:1\r\n"


class Scripted(ByteStream):
    """Answers what it is told to, command by command: bytes, b"" for its end, None for nothing, an error when written to."""

    answers_at_once = True

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self.answers = list(answers)
        self.written: list[bytes] = []
        self.arrived: list[bytes] = []
        self.closed = False
        self._later = anyio.Event()

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.written.append(bytes(data))
        if answer is not None:
            self.arrived.append(answer)
        return len(data)

    def receive_nowait(self, max_bytes: int = 65536) -> bytes | None:
        return self.arrived.pop(0) if self.arrived else None

    def say(self, data: bytes) -> None:
        self.arrived.append(data)
        self._later.set()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await self._later.wait()
        data = self.arrived.pop(0)
        if not data:
            raise anyio.EndOfStream
        return data

    async def wait_send(self) -> None:
        raise AssertionError("everything can be written at once")

    async def send(self, item: bytes) -> None:
        raise AssertionError("it is written without waiting")

    async def send_eof(self) -> None:
        raise AssertionError("nobody ends it")

    def interrupt(self) -> None:
        self._later.set()

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.close()

    @property
    def extra_attributes(self) -> Mapping[Any, Any]:
        return {}


@asynccontextmanager
async def connected(stream: Scripted, **options: Any) -> AsyncIterator[Connection]:
    async with anyio.create_task_group() as group:
        connection = Connection(stream, group.start_soon, ReplyParser("utf-8"), timeout=30, **options)
        yield connection
        connection.close()
        group.cancel_scope.cancel()


async def test_the_answer_is_what_it_gives() -> None:
    async with connected(
        Scripted(b"+OK\r\n", b"-WRONGTYPE no\r\n", b"$1\r\n\xff\r\n", b":3\r\n")
    ) as connection:
        assert connection.exchange(b"a") == "OK"
        assert isinstance(connection.exchange(b"b"), WrongType)
        assert isinstance(connection.exchange(b"c"), UnicodeDecodeError)
        assert connection.exchange(b"d") == 3
        assert connection.statistics().in_flight == 0


async def test_messages_in_front_of_it_and_behind_are_told() -> None:
    pushes: list[Any] = []
    stream = Scripted(PUSH + b":1\r\n", b":2\r\n" + PUSH + PUSH, b":3\r\n")
    async with connected(stream, on_push=pushes.append) as connection:
        assert connection.exchange(b"a") == 1
        assert len(pushes) == 1
        assert await connection.request(b"b") == 2
        with anyio.fail_after(10):
            assert await connection.request(b"c") == 3
        assert len(pushes) == 3


async def test_an_answer_that_comes_later_is_waited_for() -> None:
    stream = Scripted(None, b"+O", b":3\r\n")
    async with connected(stream) as connection:
        for rest, expected in ((b":1\r\n", 1), (b"K\r\n", "OK")):
            baton = connection.exchange(b"a")
            assert baton.__class__ is Baton
            assert connection.statistics().in_flight == 1
            assert connection.exchange(b"b") is NOT_ENOUGH
            stream.say(rest)
            assert await connection.read_for_all(baton.waiter) == expected
        assert connection.exchange(b"c") == 3


async def test_what_is_cancelled_while_its_answer_is_to_come_leaves_it_for_nobody() -> None:
    stream = Scripted(None, b":2\r\n")
    async with connected(stream) as connection:
        baton = connection.exchange(b"a")
        with anyio.move_on_after(0.01):
            await connection.read_for_all(baton.waiter)
        stream.say(b":1\r\n")
        assert await connection.request(b"b") == 2


async def test_one_that_is_cancelled_already_does_nothing() -> None:
    stream = Scripted(b":1\r\n")
    async with connected(stream) as connection:
        with anyio.CancelScope() as scope:
            scope.cancel()
            assert connection.exchange(b"a") is NOT_ENOUGH
            await connection.request(b"a")
        assert scope.cancelled_caught
        assert stream.written == []


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        (b"", True),
        (b"-ERR last words\r\n", None),
        (anyio.BrokenResourceError(), False),
        (anyio.ClosedResourceError(), False),
    ],
)
async def test_a_connection_that_ends(answer: Any, written: bool | None) -> None:
    lost: list[Connection] = []
    stream = Scripted(answer)
    async with connected(stream, on_lost=lost.append) as connection:
        reply = connection.exchange(b"a")
        if written is None:
            assert str(reply) == "ERR last words"
            assert not connection.closed
            return
        assert isinstance(reply, ConnectionLost)
        assert reply.written is written
        assert connection.closed
        assert lost == [connection]
        assert connection.exchange(b"b") is NOT_ENOUGH


@pytest.mark.parametrize("behind", [b"-ERR last words\r\n", b":2\r\n"])
async def test_an_answer_counts_whatever_is_behind_it(behind: bytes) -> None:
    async with connected(Scripted(b":1\r\n" + behind)) as connection:
        assert connection.exchange(b"a") == 1
        assert connection.closed


async def test_what_is_not_resp_is_the_answer() -> None:
    async with connected(Scripted(b"?\r\n")) as connection:
        assert isinstance(connection.exchange(b"a"), ProtocolError)
        assert connection.closed


async def test_a_handler_that_closes_the_connection() -> None:
    async with connected(Scripted(PUSH + b":1\r\n"), on_push=lambda _: connection.close()) as connection:
        reply = connection.exchange(b"a")
        assert isinstance(reply, ConnectionLost)
        assert reply.written


async def test_others_get_their_turn() -> None:
    async with create_store("memory://", decode_responses=True) as store:
        client = store.client()
        ran = anyio.Event()

        async def other() -> None:
            ran.set()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            with anyio.fail_after(30):
                while not ran.is_set():
                    await client.set("key", "value")
        assert await client.get("key") == "value"


async def test_a_client_that_is_killed_by_its_own_command() -> None:
    async with create_store("memory://") as store:
        client = store.client()
        before = await client.client_id()
        assert await client.execute("CLIENT", "KILL", "ID", before, "SKIPME", "no") == 1
        assert await client.client_id() != before
