"""The writing side of a connection, on a stream that takes what it is told to take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from anystore.redis import outgoing as module
from anystore.redis.outgoing import Outgoing

pytestmark = pytest.mark.anyio


class FakeStream(ByteStream):
    """Takes as many bytes at a time as `room` says; None is everything, an exception is raised."""

    def __init__(self, *room: int | Exception | None) -> None:
        self.room = list(room)
        self.written = b""
        self.writes = 0
        self.waits = 0
        self.free = anyio.Event()

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        self.writes += 1
        room = self.room.pop(0) if self.room else None
        if isinstance(room, Exception):
            raise room
        taken = len(data) if room is None else min(room, len(data))
        self.written += bytes(data[:taken])
        return taken

    def receive_nowait(self, max_bytes: int = 65536) -> bytes | None:
        return None

    async def wait_send(self) -> None:
        self.waits += 1
        await self.free.wait()

    def interrupt(self) -> None:
        return None

    def close(self) -> None:
        return None

    async def receive(self, max_bytes: int = 65536) -> bytes:
        raise AssertionError("nobody reads here")

    async def send(self, item: bytes) -> None:
        raise AssertionError("it can be written without waiting")

    async def send_eof(self) -> None:
        raise AssertionError("nobody does that")

    async def aclose(self) -> None:
        return None


class Watched(Outgoing):
    """With a record of what it told."""

    def __init__(self, stream: ByteStream, group: anyio.abc.TaskGroup) -> None:
        self.errors: list[BaseException] = []
        self.eased = 0
        super().__init__(stream, group.start_soon, self.errors.append, self._count_eased)

    def _count_eased(self) -> None:
        self.eased += 1


@asynccontextmanager
async def writing(stream: ByteStream) -> AsyncIterator[Watched]:
    async with anyio.create_task_group() as group:
        outgoing = Watched(stream, group)
        yield outgoing
        outgoing.close()
        group.cancel_scope.cancel()


def add(outgoing: Outgoing, *parts: bytes) -> None:
    for part in parts:
        outgoing.add(part)


async def test_what_gathers_goes_out_in_one_write() -> None:
    stream = FakeStream()
    async with writing(stream) as outgoing:
        outgoing.flush()
        add(outgoing, b"one", b"two", b"three")
        outgoing.flush()
        assert (stream.written, stream.writes, outgoing.company) == (b"onetwothree", 1, 3)
        assert outgoing.parts == []


async def test_what_does_not_fit_is_written_by_a_task() -> None:
    stream = FakeStream(4, 1, 0, 100)
    async with writing(stream) as outgoing:
        add(outgoing, b"one", b"two", b"three")
        outgoing.flush()
        assert stream.written == b"onet"
        assert [bytes(part) for part in outgoing.parts] == [b"wo", b"three"]
        assert isinstance(outgoing.parts[0], memoryview)
        assert not isinstance(outgoing.parts[1], memoryview)
        assert outgoing.busy
        add(outgoing, b"four")
        outgoing.flush()
        assert stream.written == b"onet"
        stream.free.set()
        await anyio.wait_all_tasks_blocked()
        assert stream.written == b"onetwothreefour"
        assert not outgoing.busy
        # The same task does it again.
        stream.room = [0, 100]
        add(outgoing, b"five")
        outgoing.flush()
        await anyio.wait_all_tasks_blocked()
        assert stream.written == b"onetwothreefourfive"
        assert stream.waits == 4


async def test_a_part_that_fits_exactly() -> None:
    stream = FakeStream(6, 0)
    async with writing(stream) as outgoing:
        add(outgoing, b"one", b"two", b"three")
        outgoing.flush()
        assert outgoing.parts == [b"three"]
        assert not isinstance(outgoing.parts[0], memoryview)


async def test_large_parts_are_not_copied_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOINED_BYTES", 10)
    stream = FakeStream()
    async with writing(stream) as outgoing:
        add(outgoing, b"1234", b"5678", b"9" * 20, b"a" * 9)
        outgoing.flush()
        assert stream.written == b"12345678" + b"9" * 20 + b"a" * 9
        assert stream.writes == 3


async def test_too_much_is_told_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSENT_BYTES", 10)
    stream = FakeStream(0)
    async with writing(stream) as outgoing:
        add(outgoing, b"x" * 8)
        assert not outgoing.clogged
        add(outgoing, b"x" * 8)
        assert outgoing.clogged
        outgoing.flush()
        assert outgoing.clogged
        stream.room = [7]
        stream.free.set()
        await anyio.wait_all_tasks_blocked()
        assert not outgoing.clogged
        assert outgoing.eased == 1
        add(outgoing, b"x" * 11)
        outgoing.flush()
        assert not outgoing.clogged
        assert outgoing.eased == 2


@pytest.mark.parametrize("late", [False, True])
async def test_a_stream_that_fails(late: bool) -> None:
    error = anyio.BrokenResourceError("gone")
    stream = FakeStream(*([0] if late else []), error)
    async with writing(stream) as outgoing:
        add(outgoing, b"one")
        outgoing.flush()
        stream.free.set()
        await anyio.wait_all_tasks_blocked()
        assert outgoing.errors == [error]


async def test_closing_ends_its_task() -> None:
    for parked in (True, False):
        stream: Any = FakeStream(0)
        async with anyio.create_task_group() as group:
            outgoing = Watched(stream, group)
            add(outgoing, b"one")
            outgoing.flush()
            if parked:
                stream.free.set()
            await anyio.wait_all_tasks_blocked()
            outgoing.close()
            stream.free.set()
        assert stream.written == (b"one" if parked else b"")
