from __future__ import annotations

import math
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
import sniffio
from anyio import lowlevel
from anyio.abc import TaskStatus

from anystore.backend import (
    Receiver,
    Waiter,
    checkpoint_if_cancelled,
    current_backend,
    current_token,
    glance_at,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class TestWaiter:
    async def test_a_value_set_before_is_there_at_once(self) -> None:
        waiter = current_backend().waiter()
        assert not waiter.done()
        waiter.set_result(5)
        assert waiter.done()
        assert not waiter.cancelled()
        assert await waiter == 5
        assert waiter.result() == 5

    async def test_a_value_set_later_wakes_the_task(self) -> None:
        waiter = current_backend().waiter()
        got = []

        async def wait() -> None:
            got.append(await waiter)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            waiter.set_result("x")
            assert got == []
        assert got == ["x"]

    async def test_cancelling_the_task_leaves_it_cancelled(self) -> None:
        waiter = current_backend().waiter()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await waiter
        assert scope.cancelled_caught
        assert waiter.done()
        assert waiter.cancelled()

    async def test_a_deadline_is_honoured(self) -> None:
        with anyio.move_on_after(0.01) as scope:
            await current_backend().waiter()
        assert scope.cancelled_caught

    async def test_a_value_wins_over_a_cancellation_that_comes_after_it(self) -> None:
        waiter = current_backend().waiter()
        outcome: list[Any] = []

        async def wait(scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
            task_status.started()
            with scope:
                outcome.append(await waiter)

        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            await group.start(wait, scope)
            await anyio.wait_all_tasks_blocked()
            waiter.set_result(1)
            scope.cancel()
        # On trio the value is delivered, on asyncio the cancellation is; the waiter has its value either way.
        assert waiter.result() == 1
        assert not waiter.cancelled()

    async def test_giving_up(self) -> None:
        waiter = current_backend().waiter()
        waiter.cancel()
        assert waiter.done()
        assert waiter.cancelled()
        waiter = current_backend().waiter()
        waiter.set_result(1)
        waiter.cancel()
        assert not waiter.cancelled()

    async def test_setting_twice_is_refused(self) -> None:
        waiter: Waiter = current_backend().waiter()
        waiter.set_result(1)
        with pytest.raises(Exception, match=r"done|invalid state"):
            waiter.set_result(2)


class TestLoop:
    async def test_the_token_is_the_loop(self) -> None:
        backend = current_backend()
        assert current_token() is backend.token is backend.running()
        tokens = []

        def other() -> None:
            async def tell() -> None:
                tokens.append(current_token())

            anyio.run(tell)

        await anyio.to_thread.run_sync(other)
        assert tokens[0] is not backend.token

    async def test_tasks_have_identities(self) -> None:
        backend = current_backend()
        tasks = [backend.task()]

        async def tell() -> None:
            tasks.append(backend.task())

        async with anyio.create_task_group() as group:
            group.start_soon(tell)
        assert tasks[0] is backend.task()
        assert tasks[0] is not tasks[1]

    async def test_time_is_the_loops(self) -> None:
        assert current_backend().time() == pytest.approx(anyio.current_time(), abs=1)

    async def test_in_a_turn_others_run(self) -> None:
        ran = []

        async def other() -> None:
            ran.append(1)

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            for _ in range(3):
                await current_backend().turn()
            assert ran == [1]

    async def test_a_turn_is_a_checkpoint(self) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                await current_backend().turn()
        assert scope.cancelled_caught

    async def test_the_deadline_is_anyios(self) -> None:
        backend = current_backend()
        assert backend.deadline() == math.inf
        with anyio.fail_after(1000):
            await backend.turn()
            assert backend.deadline() == anyio.current_effective_deadline() < math.inf
        with anyio.CancelScope() as scope:
            scope.cancel()
            assert backend.deadline() == -math.inf
            await backend.turn()
        assert scope.cancelled_caught

    async def test_checkpoint_if_cancelled(self) -> None:
        await checkpoint_if_cancelled()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await checkpoint_if_cancelled()
        assert scope.cancelled_caught


def test_without_a_loop() -> None:
    with pytest.raises(RuntimeError):
        current_token()
    with pytest.raises(RuntimeError):
        current_backend()


class TestGlance:
    def test_nothing_then_something(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        glance = glance_at(ours)
        assert not glance()
        theirs.send(b"x")
        assert glance()
        assert glance()
        ours.recv(1)
        assert not glance()

    def test_the_end_is_something(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        glance = glance_at(ours)
        theirs.close()
        assert glance()

    def test_a_reset_is_something(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
            with ours:
                glance = glance_at(ours)
                assert not glance()
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                theirs.close()
                assert glance()
                with pytest.raises(ConnectionResetError):
                    ours.recv(1)

    def test_where_there_is_no_poll(
        self, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(select, "poll")
        assert glance_at(pair[0])()


class TestReceiver:
    async def test_receiving(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        receiver = current_backend().receiver(ours)
        for text in (b"one", b"two"):
            theirs.send(text)
            assert await receiver.receive(10) == text
        theirs.send(b"abc")
        assert await receiver.receive(2) == b"ab"
        assert await receiver.receive(2) == b"c"
        theirs.close()
        assert await receiver.receive(10) == b""
        receiver.close()

    async def test_bytes_that_nobody_waits_for_stay_and_cost_nothing(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = pair
        receiver = current_backend().receiver(ours)
        theirs.send(b"one")
        assert await receiver.receive(10) == b"one"
        theirs.send(b"two")
        for _ in range(3):
            await lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert await receiver.receive(10) == b"two"
        receiver.close()

    async def test_a_cancelled_receive_loses_nothing(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        receiver = current_backend().receiver(ours)
        got = b""
        for turns in range(20):
            theirs.send(b"%d;" % turns)

            async def receive(scope: anyio.CancelScope) -> None:
                nonlocal got
                with scope:
                    got += await receiver.receive(100)

            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(receive, scope)
                for _ in range(turns % 5):
                    await lowlevel.checkpoint()
                scope.cancel()
            got += receiver.take() or b""
        theirs.close()
        while data := await receiver.receive(100):
            got += data
        assert got == b"".join(b"%d;" % turn for turn in range(20))
        receiver.close()

    async def test_interrupting(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        receiver = current_backend().receiver(ours)
        receiver.interrupt()
        async with anyio.create_task_group() as group:

            async def interrupt() -> None:
                await anyio.wait_all_tasks_blocked()
                receiver.interrupt()

            group.start_soon(interrupt)
            with pytest.raises(anyio.WouldBlock):
                await receiver.receive(10)
        theirs.send(b"x")
        assert await receiver.receive(10) == b"x"
        receiver.close()

    async def test_closing(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, _ = pair
        receiver = current_backend().receiver(ours)
        async with anyio.create_task_group() as group:

            async def close() -> None:
                await anyio.wait_all_tasks_blocked()
                receiver.close()

            group.start_soon(close)
            with pytest.raises(anyio.ClosedResourceError):
                await receiver.receive(10)
        with pytest.raises(anyio.ClosedResourceError):
            await receiver.receive(10)
        receiver.close()

    async def test_what_came_in_front_of_a_reset_and_the_reset(self) -> None:
        """Not every event loop says a second time that there is something to receive."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
        ours.setblocking(False)
        with ours:
            receiver = current_backend().receiver(ours)
            theirs.send(b"one")
            assert await receiver.receive(10) == b"one"
            theirs.send(b"two")
            theirs.close()
            ours.send(b"to nobody")
            with anyio.fail_after(10):
                assert await receiver.receive(2) == b"tw"
                assert await receiver.receive(2) == b"o"
                with suppress(ConnectionResetError):
                    assert await receiver.receive(2) == b""
            receiver.close()

    async def test_a_broken_connection_is_an_oserror(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
        ours.setblocking(False)
        with ours:
            receiver = current_backend().receiver(ours)
            # With the linger time zero, closing resets the connection.
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            theirs.close()
            with pytest.raises(OSError, match="reset"):
                await receiver.receive(10)
            receiver.close()

    async def test_nothing_is_lost_while_there_is_always_more(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """The loop may say that there is something while what came before is still on its way to the task."""
        ours, theirs = pair
        sent = bytes(number % 251 for number in range(50_000))
        receiver = current_backend().receiver(ours)

        async def send() -> None:
            await anyio.wait_all_tasks_blocked()
            theirs.sendall(sent)

        got = b""
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            with anyio.fail_after(20):
                while len(got) < len(sent):
                    got += await receiver.receive(100)
        assert got == sent
        receiver.close()


class TestDelivery:
    """Where the event loop cannot deliver (trio), it says so; that is all there is to see there."""

    async def test_what_arrives_is_delivered_until_told_otherwise(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = pair
        receiver = current_backend().receiver(ours)
        arrived: list[bytes | OSError] = []
        came = anyio.Event()

        def take(data: bytes | OSError) -> int:
            arrived.append(data)
            came.set()
            return 3

        if not receiver.deliver_to(take, 2):
            assert sniffio.current_async_library() == "trio"
            return
        theirs.send(b"abcdefg")
        while sum(map(len, arrived)) < 7:  # type: ignore[arg-type]
            came = anyio.Event()
            await came.wait()
        assert arrived == [b"ab", b"cde", b"fg"]
        receiver.deliver_to(None, 2)
        theirs.send(b"later")
        assert await receiver.receive(10) == b"later"
        assert len(arrived) == 3
        receiver.close()

    async def test_the_end_and_a_reset_are_delivered(self) -> None:
        for reset in (False, True):
            listening = socket.create_server(("127.0.0.1", 0))
            ours = socket.create_connection(listening.getsockname())
            theirs, _ = listening.accept()
            listening.close()
            ours.setblocking(False)
            receiver = current_backend().receiver(ours)
            arrived: list[bytes | OSError] = []
            ended = anyio.Event()

            def take(
                data: bytes | OSError,
                arrived: list[bytes | OSError] = arrived,
                receiver: Receiver = receiver,
                ended: anyio.Event = ended,
            ) -> int:
                arrived.append(data)
                if not data or isinstance(data, OSError):
                    receiver.close()
                    ended.set()
                return 100

            if reset:
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.send(b"last words")
            theirs.close()
            if receiver.deliver_to(take, 100):
                await ended.wait()
                assert arrived[0] == b"last words"
                assert isinstance(arrived[-1], OSError) if reset else arrived[-1] == b""
            ours.close()
