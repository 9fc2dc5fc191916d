from __future__ import annotations

from typing import Any

import anyio
import pytest

from anystore.exceptions import InvalidArgument, LockError, LockNotOwnedError

pytestmark = pytest.mark.anyio


async def test_acquire_and_release(client: Any) -> None:
    lock = client.lock("l")
    assert (lock.name, lock.token, await lock.locked(), await lock.owned()) == ("l", None, False, False)
    assert await lock.acquire() is True
    assert lock.token
    assert await client.get("l") == lock.token
    assert await client.ttl("l") == -1
    assert (await lock.locked(), await lock.owned()) == (True, True)
    assert await lock.release() is True
    assert (lock.token, await client.get("l"), await lock.locked()) == (None, None, False)
    with pytest.raises(LockError, match="cannot release the lock 'l': it is not held"):
        await lock.release()


async def test_competing_locks(client: Any, text_client: Any) -> None:
    first, second = client.lock("l", blocking=False), text_client.lock("l", blocking=False)
    assert await first.acquire() is True
    assert await second.acquire() is False
    assert (await second.locked(), await second.owned()) == (True, False)
    assert await first.release() is True
    assert await second.acquire() is True
    assert await second.owned() is True
    assert await first.acquire() is False
    assert await second.release() is True


async def test_timeout(client: Any) -> None:
    lock = client.lock("l", timeout=9.5)
    assert await lock.acquire() is True
    assert 8000 < await client.pttl("l") <= 9500
    assert await lock.extend(10) is True
    assert 18_000 < await client.pttl("l") <= 19_500
    assert await lock.extend(5, replace_ttl=True) is True
    assert 4000 < await client.pttl("l") <= 5000
    assert await lock.reacquire() is True
    assert 8000 < await client.pttl("l") <= 9500
    assert await lock.release() is True


async def test_blocking(client: Any) -> None:
    holder = client.lock("l")
    assert await holder.acquire() is True
    # For so many seconds, and to the very end of them.
    began = anyio.current_time()
    assert await client.lock("l", blocking=0.05, sleep=0.02).acquire() is False
    assert await client.lock("l", sleep=0.02).acquire(blocking_timeout=0.05) is False
    # uvloop tells the time in whole milliseconds.
    assert 0.1 - 0.002 <= anyio.current_time() - began < 5
    assert await client.lock("l", blocking_timeout=0.01).acquire() is False
    with pytest.raises(LockError, match="could not be acquired"):
        async with client.lock("l", blocking=False):
            raise AssertionError("the lock is held by somebody else")
    waiter = client.lock("l", sleep=0.005)
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.acquire)
        await holder.release()
    assert await waiter.owned() is True
    assert await waiter.acquire(blocking=False) is False


async def test_block(client: Any) -> None:
    lock = client.lock("l", timeout=10)
    async with lock as entered:
        assert entered is lock
        assert await lock.owned() is True
    assert await lock.locked() is False
    async with lock:  # again
        assert await client.lock("l").acquire(blocking=False) is False
    assert await lock.locked() is False
    with pytest.raises(ZeroDivisionError):
        async with lock:
            raise ZeroDivisionError
    assert await lock.locked() is False


async def test_an_error_after_a_release_within_the_block(client: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.lock("l") as lock:
            await lock.release()
            raise ZeroDivisionError


async def test_a_lock_that_somebody_took_over(client: Any) -> None:
    lock = client.lock("l", timeout=10)
    assert await lock.acquire(token="mine") is True
    assert lock.token == b"mine"
    await client.set("l", "theirs")
    for call in (lock.extend(1), lock.reacquire()):
        with pytest.raises(LockNotOwnedError):
            await call
    assert lock.token == b"mine"
    with pytest.raises(LockNotOwnedError):
        await lock.release()
    assert lock.token is None
    assert await client.get("l") == b"theirs"
    await client.delete("l")
    with pytest.raises(LockNotOwnedError):
        async with lock:
            await client.delete("l")
    async with client.lock("l", raise_on_release_error=False):
        await client.delete("l")


async def test_fencing(client: Any) -> None:
    first, second = client.lock("l", fencing=True), client.lock("l", timeout=10, fencing=True)
    assert first.fence is None
    async with first:
        assert first.fence == 1
        assert await second.acquire(blocking=False) is False
    async with second:
        assert second.fence == 2
        assert 9000 < await client.pttl("l") <= 10_000
    assert await client.get("l:fence") == b"2"


async def test_misuse(client: Any) -> None:
    with pytest.raises(LockError, match=r"sleep \(2 s\) is longer than the 1 s"):
        client.lock("l", blocking=1, sleep=2)
    for options in ({"timeout": 0}, {"timeout": -1}, {"renew": True}, {"sleep": 0}):
        with pytest.raises(InvalidArgument):
            client.lock("l", **options)
    lock = client.lock("l")
    for call in (lock.extend(1), lock.reacquire()):
        with pytest.raises(LockError, match="not held"):
            await call
    async with lock:
        for call in (lock.extend(1), lock.reacquire()):
            with pytest.raises(LockError, match="has no timeout"):
                await call
    lasting = client.lock("l", timeout=1)
    async with lasting:
        with pytest.raises(InvalidArgument, match="additional_time"):
            await lasting.extend(0)
    with pytest.raises(LockError, match="not held"):
        async with lasting:
            await lasting.release()
    assert repr(lasting) == "<Lock 'l' not held>"


async def test_a_lock_that_is_lost_cancels_its_block(client: Any) -> None:
    lock = client.lock("l", timeout=0.3, renew=True)

    async def hold() -> None:
        async with lock:
            await client.set("l", "theirs")
            await anyio.sleep_forever()

    with anyio.fail_after(20):
        with pytest.raises(LockNotOwnedError, match="lost within its block"):
            await hold()
    assert lock.lost is True
    assert await client.get("l") == b"theirs"


async def test_a_lock_that_is_lost_is_reported(client: Any) -> None:
    lost = anyio.Event()
    lock = client.lock("l", timeout=0.3, renew=True, on_lost=lambda lock: lost.set())

    async def hold() -> None:
        async with lock:
            await client.delete("l")
            with anyio.fail_after(20):
                await lost.wait()
            assert lock.lost is True

    with pytest.raises(LockNotOwnedError, match="before its release"):
        await hold()
    assert await lock.acquire() is True
    assert lock.lost is False


async def test_errors_come_out_of_a_renewed_block_as_they_are(client: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.lock("l", timeout=1, renew=True):
            raise ZeroDivisionError
    assert await client.exists("l") == 0
