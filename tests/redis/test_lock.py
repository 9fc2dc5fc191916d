"""Locks under cancellation and on a failing server; what they do otherwise is in `tests/contract/test_locks.py`."""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anystore import Store, create_store
from anystore.exceptions import (
    CommandTimeout,
    ConnectionFailed,
    LockError,
    LockNotOwnedError,
    OutcomeUnknown,
    ResponseError,
)
from anystore.redis.commands import CoreCommands
from anystore.redis.lock import Lock
from tests.servers import RealServer, run_server, valkey_binary

pytestmark = pytest.mark.anyio

Client = Any


@pytest.fixture
async def store(valkey: RealServer, anyio_backend: Any) -> AsyncIterator[Store[bytes]]:
    async with create_store(valkey.dsn) as store:
        await store.execute("FLUSHALL")
        yield store
        await store.execute("CLIENT", "UNPAUSE")


@pytest.fixture
async def other(valkey: RealServer, store: Store[bytes]) -> AsyncIterator[Client]:
    """A client with connections of its own."""
    async with create_store(valkey.dsn) as second:
        yield second.client()


async def held_up(client: Client) -> None:
    """Wait until the server holds a command back, which it does to writes after CLIENT PAUSE … WRITE."""
    with anyio.fail_after(20):
        while not any("b" in fields["flags"] for fields in await client.client_list()):
            await anyio.lowlevel.checkpoint()


async def gone(client: Client, name: str) -> None:
    """Wait until the key is gone, for some seconds at most: less than its time to live."""
    with anyio.fail_after(8):
        while await client.exists(name):
            await anyio.lowlevel.checkpoint()


async def cancelled_while_held_up(client: Client, call: Callable[[], Awaitable[object]]) -> bool:
    """Start a call on a paused server, cancel it there, let the server go on; whether it was cancelled."""
    scope = anyio.CancelScope()

    async def run() -> None:
        with scope:
            await call()

    await client.client_pause(60_000, all=False)
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await held_up(client)
        scope.cancel()
        await client.client_unpause()
    return scope.cancelled_caught


class TestD17CancellationReleases:
    """Whatever is cancelled, the key is gone at once."""

    @pytest.mark.parametrize("renew", [False, True])
    async def test_the_block(self, store: Store[bytes], other: Client, renew: bool) -> None:
        lock = store.client().lock("l", timeout=60, renew=renew)
        with anyio.CancelScope() as scope:
            async with lock:
                assert await other.exists("l") == 1
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert lock.token is None
        await gone(other, "l")

    async def test_the_way_out_of_the_block(self, store: Store[bytes], other: Client) -> None:
        lock = store.client().lock("l", timeout=60)
        with anyio.CancelScope() as scope:
            async with lock:
                scope.cancel()
        assert lock.token is None
        await gone(other, "l")

    async def test_an_attempt_that_the_server_carries_out_later(
        self, store: Store[bytes], other: Client
    ) -> None:
        lock = store.client().lock("l", timeout=60)
        assert await cancelled_while_held_up(other, lock.acquire)
        assert lock.token is None
        await gone(other, "l")

    async def test_a_fenced_attempt(self, store: Store[bytes], other: Client) -> None:
        lock = store.client().lock("l", timeout=60, fencing=True)
        assert await cancelled_while_held_up(other, lock.acquire)
        await gone(other, "l")

    async def test_waiting_for_another_holder(self, store: Store[bytes], other: Client) -> None:
        async with other.lock("l", timeout=60):
            with anyio.move_on_after(0.02) as scope:
                await store.client().lock("l", timeout=60, sleep=0.005).acquire()
            assert scope.cancelled_caught
            assert await other.exists("l") == 1
        await gone(other, "l")

    async def test_a_release(self, store: Store[bytes], other: Client) -> None:
        lock = store.client().lock("l", timeout=60)
        assert await lock.acquire()
        assert await cancelled_while_held_up(other, lock.release)
        assert lock.token is None
        await gone(other, "l")

    async def test_on_a_server_that_does_not_answer_the_wait_has_an_end(
        self, store: Store[bytes], other: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        lock = store.client().lock("l", timeout=60, release_timeout=0.05)
        assert await lock.acquire()
        await other.client_pause(60_000, all=False)
        with anyio.move_on_after(0.01) as scope, anyio.fail_after(20):
            await lock.release()
        assert scope.cancelled_caught
        assert lock.token is not None  # the server has not answered, so that it can be tried again
        assert "may stay until its time is up" in caplog.text
        await other.client_unpause()
        await gone(other, "l")

    async def test_two_holders_never_overlap(self, valkey: RealServer, store: Store[bytes]) -> None:
        chance = random.Random(17)
        holders = 0
        turns = 0

        async def work(client: Client) -> None:
            nonlocal holders, turns
            for _ in range(20):
                with anyio.move_on_after(chance.uniform(0, 0.02)):
                    async with client.lock("l", timeout=60, sleep=0.001):
                        holders += 1
                        try:
                            assert holders == 1
                            turns += 1
                            await anyio.sleep(chance.uniform(0, 0.002))
                        finally:
                            holders -= 1

        async with create_store(valkey.dsn) as second, anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(work, (store if number % 2 else second).client())
        assert turns
        assert await store.client().exists("l") == 0


class TestD18Renewal:
    async def test_keeps_the_lock_beyond_its_time(self, store: Store[bytes], other: Client) -> None:
        async with store.client().lock("l", timeout=1.5, renew=True) as lock:
            await anyio.sleep(2)
            assert await other.get("l") == lock.token
        await gone(other, "l")

    async def test_ends_with_a_release_within_the_block(self, store: Store[bytes]) -> None:
        lock = store.client().lock("l", timeout=0.3, renew=True, raise_on_release_error=False)
        async with lock:
            await lock.release()
            await anyio.sleep(0.15)
        assert lock.lost is False

    async def test_a_server_that_stops_answering_costs_the_lock_before_its_time_is_up(
        self, anyio_backend: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        timeout = 1.5

        async def hold(client: Client) -> None:
            async with client.lock("l", timeout=timeout, renew=True, release_timeout=0.05):
                server.process.send_signal(signal.SIGSTOP)
                await anyio.sleep_forever()

        with run_server(valkey_binary()) as server:
            try:
                async with create_store(server.dsn) as store:
                    began = anyio.current_time()
                    with (
                        anyio.fail_after(10),
                        pytest.raises(LockNotOwnedError, match="lost within its block"),
                    ):
                        await hold(store.client())
                    # The block ended before the server could have let somebody else in.
                    assert anyio.current_time() - began < timeout + 0.05 + 1.5
                    assert "was lost while it was held" in caplog.text
            finally:
                server.process.send_signal(signal.SIGCONT)


class Scripted(CoreCommands[bytes]):
    """A client whose server answers, or fails, as it is told."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        self.on_sent: dict[int, anyio.Event] = {}

    async def execute_command(  # type: ignore[override]
        self, *args: Any, reply: Callable[[Any], Any] | None = None, **options: Any
    ) -> Any:
        self.sent.append(args[0])
        if event := self.on_sent.get(len(self.sent)):
            event.set()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if reply is None or answer is None else reply(answer)


class TestTroubleOnTheWay:
    @pytest.mark.parametrize(
        "error", [OutcomeUnknown("lost"), ConnectionFailed("lost"), CommandTimeout("late")]
    )
    async def test_an_attempt_that_failed_is_taken_back(self, error: Exception) -> None:
        client = Scripted(error, 1)
        lock = Lock(client, "l", timeout=60)
        with pytest.raises(type(error)):
            await lock.acquire()
        assert client.sent == ["SET", "EVALSHA"]
        assert lock.token is None

    async def test_an_attempt_that_the_server_refused_needs_nothing_taken_back(self) -> None:
        client = Scripted(ResponseError("READONLY You can't write against a read only replica."))
        with pytest.raises(ResponseError):
            await Lock(client, "l").acquire()
        assert client.sent == ["SET"]

    @pytest.mark.parametrize("second", [0, 1])
    async def test_a_release_with_no_answer_is_asked_for_again(self, second: int) -> None:
        client = Scripted(b"OK", OutcomeUnknown("lost"), second)
        lock = Lock(client, "l")
        assert await lock.acquire()
        assert await lock.release() is True
        assert lock.token is None

    async def test_the_token_is_kept_until_the_server_has_answered(self) -> None:
        client = Scripted(b"OK", ConnectionFailed("down"), 1)
        lock = Lock(client, "l")
        assert await lock.acquire()
        with pytest.raises(ConnectionFailed):
            await lock.release()
        assert lock.token is not None
        assert await lock.release() is True
        assert lock.token is None

    async def test_the_blocks_own_error_comes_first(self, caplog: pytest.LogCaptureFixture) -> None:
        client = Scripted(b"OK", ConnectionFailed("down"))
        with pytest.raises(ZeroDivisionError):
            async with Lock(client, "l"):
                raise ZeroDivisionError
        assert "may stay until its time is up: down" in caplog.text

    async def test_a_renewal_that_failed_is_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        client = Scripted(b"OK", ConnectionFailed("down"), 1, 1)
        async with Lock(client, "l", timeout=2.4, sleep=0.001, renew=True) as lock:
            client.on_sent[3] = renewed = anyio.Event()
            with anyio.fail_after(20):
                await renewed.wait()
            assert lock.lost is False
        assert "is tried again: down" in caplog.text

    async def test_a_lost_lock_is_only_logged_where_asked_for(self, caplog: pytest.LogCaptureFixture) -> None:
        async with Lock(Scripted(b"OK", 0), "l", raise_on_release_error=False):
            pass
        assert "had expired" in caplog.text

    async def test_a_block_that_is_not_entered(self) -> None:
        with pytest.raises(LockError, match="could not be acquired"):
            async with Lock(Scripted(None), "l", blocking=False):
                pass
