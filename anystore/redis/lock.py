"""Locks that live in the server, for tasks of any number of processes and machines.

A lock is a key that holds its owner's token. Taking it is `SET … NX` with a time to live; only the token's
owner can extend or release it, which a script checks and does in one step.

What cancellation does: a lock that was perhaps taken, or perhaps not yet released, is released before the
cancellation goes on, shielded, in `release_timeout` seconds at most. The token is dropped only after
the server has answered, so that a release that failed can be tried again.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import anyio
from anyio import AsyncContextManagerMixin

from anystore.exceptions import (
    CommandTimeout,
    ConnectionFailed,
    InvalidArgument,
    LockError,
    LockNotOwnedError,
    OutcomeUnknown,
    StoreError,
)
from anystore.redis.commands.base import Commands, KeyT
from anystore.redis.script import RedisScript

__all__ = ("Lock",)

logger = logging.getLogger(__name__)

_TRUSTED_SHARE: Final = 0.9
"""How much of the time to live a holder relies on: the rest is for noticing in time that it has passed."""

_RELEASE: Final = RedisScript(
    """
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    return redis.call('DEL', KEYS[1])
    """,
    bool,
)
_EXTEND: Final = RedisScript(
    """
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    local left = 0
    if ARGV[3] == 'add' then left = redis.call('PTTL', KEYS[1]) end
    if left < 0 then return 0 end
    return redis.call('PEXPIRE', KEYS[1], left + tonumber(ARGV[2]))
    """,
    bool,
)
_ACQUIRE_FENCED: Final = RedisScript(
    """
    local taken
    if ARGV[2] == '' then
        taken = redis.call('SET', KEYS[1], ARGV[1], 'NX')
    else
        taken = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
    end
    if not taken then return 0 end
    return redis.call('INCR', KEYS[2])
    """,
    int,
)


class Lock(AsyncContextManagerMixin):
    """A lock in the server: `async with client.lock("name", timeout=30): …`.

    One object stands for one owner; tasks that compete have an object each. Leaving the block releases the
    lock whatever happens in it, cancellation included. An error of the block itself comes first: if the
    lock cannot be released then, that is logged.

    Args:
        client: A client, not a pipeline.
        name: The key.
        timeout: Seconds after which the server lets go of the lock by itself; None for never, which leaves
            it locked should its owner die.
        sleep: Seconds between two attempts at a lock that somebody else has.
        blocking: Whether `acquire` waits for its turn; a number is for how many seconds at most, None
            for ever, as True.
        blocking_timeout: The most seconds that `acquire` waits, for `blocking=True`.
        raise_on_release_error: Whether leaving the block raises `LockNotOwnedError` when the lock expired
            in the meantime; otherwise it is logged.
        renew: Renew the lock within its block, every third of `timeout`.
        on_lost: With `renew`: called when the lock is lost, or may be because the server did not
            answer in time. None cancels the block, which then raises `LockNotOwnedError`.
        fencing: Draw a number with the lock, `fence`, greater than all before it: what the lock protects can
            then tell a late writer from the present owner. The counter is the key `name:fence`, which
            stays; in a cluster `name` needs a hash tag (`{jobs}`).
        release_timeout: The most seconds that a release may take that must not be cancelled.

    Raises `LockError` when `sleep` is longer than a number given as `blocking`, `InvalidArgument` for times
    that make no sense.
    """

    def __init__(
        self,
        client: Commands[Any],
        name: KeyT,
        timeout: float | None = None,
        sleep: float = 0.1,
        blocking: bool | float | None = True,
        blocking_timeout: float | None = None,
        raise_on_release_error: bool = True,
        *,
        renew: bool = False,
        on_lost: Callable[[Lock], object] | None = None,
        fencing: bool = False,
        release_timeout: float = 2.0,
    ) -> None:
        if timeout is not None and timeout <= 0:
            raise InvalidArgument(f"timeout must be positive, or None for a lock without end: {timeout!r}")
        if renew and timeout is None:
            raise InvalidArgument("renew needs a timeout: a lock without end has nothing to renew")
        if sleep <= 0:
            raise InvalidArgument(f"sleep must be positive: {sleep!r}")
        self.client = client
        self.name = name
        self.timeout = timeout
        self.sleep = sleep
        self.blocking = blocking
        self.blocking_timeout = blocking_timeout
        self.raise_on_release_error = raise_on_release_error
        self.renew = renew
        self.on_lost = on_lost
        self.fencing = fencing
        self.release_timeout = release_timeout
        self.lost = False
        """Whether the renewal found the lock lost, since it was last acquired."""
        self._token: bytes | None = None
        self._fence: int | None = None
        self._trusted_until = 0.0
        self._given_back: bytes | None = None
        """The token of the last attempt at a release: there is nothing to renew from then on."""
        if not isinstance(blocking, bool) and blocking is not None and 0 < blocking < sleep:
            raise LockError(f"sleep ({sleep} s) is longer than the {blocking} s that blocking allows")

    def __repr__(self) -> str:
        return f"<Lock {self.name!r} {'held' if self._token else 'not held'}>"

    @property
    def token(self) -> bytes | None:
        """What the key holds while this lock has it; None when it does not."""
        return self._token

    @property
    def fence(self) -> int | None:
        """With `fencing`: the number drawn with the lock, from 1 on; None before."""
        return self._fence

    async def acquire(
        self,
        blocking: bool | float | None = None,
        blocking_timeout: float | None = None,
        token: str | bytes | None = None,
    ) -> bool:
        """Take the lock; False when somebody else has it for as long as this waits.

        Args:
            blocking: Instead of the lock's own, if it is not None.
            blocking_timeout: Instead of the lock's own, if it is not None.
            token: What the key is to hold; a random one by default.

        O(1) for each attempt. Cancelled, it releases what the server may have granted. Raises
        `OutcomeUnknown`, `ConnectionFailed` or `CommandTimeout`, having tried to release it as well.
        """
        waits = _seconds_to_wait(
            self.blocking if blocking is None else blocking,
            self.blocking_timeout if blocking_timeout is None else blocking_timeout,
        )
        if token is None:
            token = uuid4().hex
        mark = token.encode() if isinstance(token, str) else token
        give_up_at = anyio.current_time() + waits
        while not await self._attempt(mark):
            left = give_up_at - anyio.current_time()
            if left <= 0:
                return False
            await anyio.sleep(min(self.sleep, left))
        return True

    async def _attempt(self, token: bytes) -> bool:
        began = anyio.current_time()
        try:
            fence = await self._take(token)
        except anyio.get_cancelled_exc_class():
            await self._release_unanswered(token)
            raise
        except (ConnectionFailed, CommandTimeout):
            await self._release_unanswered(token)
            raise
        if not fence:
            return False
        self._token = token
        self._fence = fence if self.fencing else None
        self._given_back = None
        self.lost = False
        self._trust_from(began)
        return True

    async def _take(self, token: bytes) -> int:
        span = None if self.timeout is None else _milliseconds(self.timeout)
        if not self.fencing:
            options = ("NX",) if span is None else ("NX", "PX", span)
            return 1 if await self.client.execute_command("SET", self.name, token, *options) else 0
        return await _ACQUIRE_FENCED(
            self.client, keys=(self.name, self._fence_key()), args=(token, "" if span is None else span)
        )

    def _fence_key(self) -> bytes:
        name = self.name.encode() if isinstance(self.name, str) else bytes(self.name)
        return name + b":fence"

    def _trust_from(self, began: float) -> None:
        """The server has counted down from some time after `began`."""
        if self.timeout is not None:
            self._trusted_until = began + self.timeout * _TRUSTED_SHARE

    async def release(self) -> bool:
        """Give the lock back; True. O(1).

        Cancelled, it still releases the lock before the cancellation goes on. Raises `LockError` when it is
        not held, `LockNotOwnedError` when it has expired. After any other error the token is still there,
        and the release can be tried again.
        """
        token = self._held_token("release")
        try:
            await self._release(token)
        except anyio.get_cancelled_exc_class():
            await self._release_unanswered(token)
            raise
        return True

    async def _release(self, token: bytes) -> None:
        self._given_back = token
        try:
            released = await _RELEASE(self.client, keys=(self.name,), args=(token,))
        except OutcomeUnknown:
            # Asked twice it does no harm: if the token is gone now, it may well be the first time's doing.
            await _RELEASE(self.client, keys=(self.name,), args=(token,))
            released = True
        self._drop(token)
        if not released:
            raise LockNotOwnedError(
                f"the lock {self.name!r} had expired, or was taken over, before its release"
            )

    def _drop(self, token: bytes) -> None:
        if self._token == token:
            self._token = None

    async def _release_unanswered(self, token: bytes) -> None:
        """Release what the server may hold for us, without being cancelled or raising."""
        with anyio.move_on_after(self.release_timeout, shield=True) as scope:
            try:
                await _RELEASE(self.client, keys=(self.name,), args=(token,))
            except StoreError as error:
                logger.warning("the lock %r may stay until its time is up: %s", self.name, error)
            else:
                self._drop(token)
        if scope.cancelled_caught:
            logger.warning("the lock %r may stay until its time is up: the server did not answer", self.name)

    async def extend(self, additional_time: float, replace_ttl: bool = False) -> bool:
        """Add seconds to the time that the lock has left, or replace it by them; True. O(1).

        Raises `LockError` when the lock is not held or has no `timeout`, `LockNotOwnedError` when it has
        expired. Cancelled, it may have been extended.
        """
        token = self._held_token("extend")
        if self.timeout is None:
            raise LockError(f"the lock {self.name!r} has no timeout, so there is nothing to extend")
        if additional_time <= 0:
            raise InvalidArgument(f"additional_time must be positive: {additional_time!r}")
        await self._extend(token, additional_time, "replace" if replace_ttl else "add")
        return True

    async def reacquire(self) -> bool:
        """Let the lock have its whole `timeout` again; True. O(1). Errors as `extend`."""
        token = self._held_token("reacquire")
        if self.timeout is None:
            raise LockError(f"the lock {self.name!r} has no timeout, so there is nothing to renew")
        began = anyio.current_time()
        await self._extend(token, self.timeout, "replace")
        self._trust_from(began)
        return True

    async def _extend(self, token: bytes, seconds: float, how: str) -> None:
        span = _milliseconds(seconds)
        if not await _EXTEND(self.client, keys=(self.name,), args=(token, span, how)):
            raise LockNotOwnedError(f"the lock {self.name!r} has expired, or was taken over")

    async def locked(self) -> bool:
        """Whether anybody has the lock. O(1)."""
        return bool(await self.client.execute_command("EXISTS", self.name))

    async def owned(self) -> bool:
        """Whether this object has it, by what the server says. O(1)."""
        if self._token is None:
            return False
        stored: bytes | None = await self.client.execute_command("GET", self.name, decode=False)
        return stored == self._token

    def _held_token(self, doing: str) -> bytes:
        if self._token is None:
            raise LockError(f"cannot {doing} the lock {self.name!r}: it is not held")
        return self._token

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Lock]:
        if not await self.acquire():
            raise LockError(f"the lock {self.name!r} could not be acquired within the time allowed")
        try:
            if self.renew:
                async with self._renewed():
                    yield self
            else:
                yield self
        except BaseException:
            if self._token is not None:
                await self._release_unanswered(self._token)
            raise
        await self._leave()

    async def _leave(self) -> None:
        """Release after a block that ended well."""
        try:
            await self.release()
        except LockError as error:
            if self.raise_on_release_error:
                raise
            logger.warning("leaving the block of the lock %r: %s", self.name, error)

    @asynccontextmanager
    async def _renewed(self) -> AsyncGenerator[None]:
        """A block in which the lock is renewed. Its errors come out as they are, not in a group."""
        error: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_renewing, group.cancel_scope)
            try:
                yield
            except Exception as caught:
                error = caught
            group.cancel_scope.cancel()
        if error is not None:
            raise error
        if self.lost and self.on_lost is None:
            raise LockNotOwnedError(f"the lock {self.name!r} was lost within its block")

    async def _keep_renewing(self, scope: anyio.CancelScope) -> None:
        token, timeout = self._token, self.timeout
        if token is None or timeout is None:
            return
        renewed = True
        while renewed:
            await anyio.sleep(timeout / 3)
            renewed = self._given_back == token or await self._renew_in_time(token, timeout)
            if self._given_back == token:  # within its block, perhaps while the renewal was on its way
                return
        self.lost = True
        logger.warning("the lock %r was lost while it was held", self.name)
        if self.on_lost is None:
            scope.cancel()
        else:
            self.on_lost(self)

    async def _renew_in_time(self, token: bytes, timeout: float) -> bool:
        """Renew, trying again for as long as the lock is certainly ours; False when it is not any more."""
        with anyio.CancelScope(deadline=self._trusted_until):
            while True:
                began = anyio.current_time()
                try:
                    await self._extend(token, timeout, "replace")
                except LockNotOwnedError:
                    return False
                except StoreError as error:
                    logger.warning("renewing the lock %r failed, and is tried again: %s", self.name, error)
                    await anyio.sleep(self.sleep)
                else:
                    self._trust_from(began)
                    return True
        return False


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _seconds_to_wait(blocking: bool | float | None, blocking_timeout: float | None) -> float:
    """0 for a single attempt, infinity for ever."""
    if blocking is None or blocking is True:
        return float("inf") if blocking_timeout is None else blocking_timeout
    return float(blocking)
