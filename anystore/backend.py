"""What anystore needs of the event loop itself; the only module that imports asyncio or trio.

Everything else runs on anyio. Here is what has to be lighter than anyio's own building blocks because every
command pays for it: a waiter (the loop's own future on asyncio, a parked task on trio), a turn of the loop, and
receiving from a socket without registering it anew for each wait.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import socket
import sys
import types
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from threading import get_ident
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakSet

import anyio
from anyio import lowlevel

from anystore.trio_waiter import waiters

__all__ = (
    "Backend",
    "Receiver",
    "Taker",
    "Waiter",
    "checkpoint_if_cancelled",
    "current_backend",
    "current_token",
    "glance_at",
)


class Waiter(Protocol):
    """One value for one task: whoever has the value sets it, one task awaits the waiter itself.

    A task that is cancelled while it waits leaves the waiter `done` and `cancelled`; a value set after that is
    refused by an error, so ask `done()` first. Awaiting a waiter that is done returns at once, without a checkpoint.
    """

    def __await__(self) -> Generator[Any, Any, Any]: ...

    def done(self) -> bool:
        """Whether a value was set, or the waiter was cancelled."""

    def cancelled(self) -> bool:
        """Whether it was given up: by `cancel`, or by the cancellation of the task that waited."""

    def set_result(self, value: Any, /) -> None:
        """Set the value and wake the task that waits, in the next turn of the loop."""

    def result(self) -> Any:
        """The value that was set."""

    def cancel(self) -> Any:
        """Give the waiter up, so that nobody sets its value any more. No effect on one that is done."""


Taker: TypeAlias = Callable[[bytes | OSError], int]
"""Takes what has arrived: bytes, b"" at the end, an error. Returns how much to take from the socket next time."""


class Receiver(Protocol):
    """Waits for bytes of one non-blocking socket, for one task at a time."""

    async def receive(self, max_bytes: int) -> bytes:
        """The next bytes, at most `max_bytes`; b"" when the peer has closed its side.

        Always a checkpoint. When cancelled, nothing is lost: bytes taken from the socket already are the next call's.

        Raises:
            anyio.ClosedResourceError: The receiver was closed, before or while waiting.
            OSError: The connection broke.
        """

    def take(self) -> bytes | None:
        """Bytes that a cancelled `receive` left behind."""

    def deliver_to(self, taker: Taker | None, max_bytes: int) -> bool:
        """Have the event loop itself call `taker` with what arrives, as soon as it does, with no task in between.

        Until it is called with None, or closed: after the end and after an error the taker must do one of these.
        Meanwhile nobody may `receive`. What has arrived before is not delivered: ask `take`, and the socket, first.

        Args:
            taker: Called in the event loop; must not block, nor raise.
            max_bytes: How much to take from the socket the first time.

        Returns:
            False where the event loop has no such thing; then nothing is delivered.
        """

    def interrupt(self) -> None:
        """Make a task that waits in `receive` get `anyio.WouldBlock`, if there is one."""

    def close(self) -> None:
        """Let go of the socket, which must still be open; a task that waits gets `ClosedResourceError`."""


class Backend(Protocol):
    """The running event loop, as far as anystore uses it directly."""

    token: object
    """The event loop's identity, as `current_token` gives it."""
    running: Callable[[], object]
    """The identity of the loop that is running now; None, or `RuntimeError`, if it is of another kind, or none is."""
    waiter: Callable[[], Waiter]
    """Makes a waiter for this loop."""
    time: Callable[[], float]
    """The loop's clock, in seconds, as `anyio.current_time`."""
    task: Callable[[], object]
    """The identity of the task that runs in this loop; ask `running` whether it is this one, as it may not be noticed."""

    thread: int
    """The thread in which this was made; 0 in a process that was forked since, in which no loop runs."""
    stepping: Callable[[], object] | None
    """What tells, of a caller in `thread`, that this is the loop that runs there, by being true; None where it is as
    quick to ask `running`, which is right in any case."""

    turn: Callable[[], Awaitable[Any]]
    """Awaiting what it gives lets every task that can run now run once. A checkpoint."""
    deadline: Callable[[], float]
    """The running task's deadline, as `anyio.current_effective_deadline`: -inf if it is cancelled already."""

    def receiver(self, sock: socket.socket) -> Receiver:
        """A receiver for `sock`, which must be non-blocking."""


def current_token() -> object:
    """The identity of the running event loop: equal for all its tasks, different for any other loop.

    Raises:
        RuntimeError: No event loop is running in this thread.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return lowlevel.current_token().native_token


def current_backend() -> Backend:
    """The running event loop's side of this module.

    Raises:
        RuntimeError: No event loop is running in this thread.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _TrioBackend(lowlevel.current_token().native_token)
    return _AsyncioBackend(loop)


async def checkpoint_if_cancelled() -> None:
    """Raise the backend's cancellation if the task's scope is cancelled already; otherwise do nothing."""
    if anyio.current_effective_deadline() == -math.inf:
        await lowlevel.checkpoint()


if sys.version_info >= (3, 12):

    def _current_task(_loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
        return asyncio.current_task

else:  # there it is written in Python, and takes as long as queueing half a command

    def _current_task(loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
        tasks: Any = asyncio.tasks
        return partial(tasks._current_tasks.get, loop)


_LOOPS_WITHOUT_READERS: Final = (getattr(asyncio, "ProactorEventLoop", ()),)
"""Windows' default loop has no `add_reader`; anyio waits for its sockets in a thread."""


_backends: WeakSet[_AsyncioBackend] = WeakSet()


def _forked() -> None:
    for backend in _backends:
        backend.thread = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _AsyncioBackend:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.token: object = loop
        self.running: Callable[[], object] = asyncio._get_running_loop
        self.waiter: Callable[[], Waiter] = loop.create_future
        self.time: Callable[[], float] = loop.time
        self.task: Callable[[], object] = _current_task(loop)
        self.thread = get_ident()
        self.stepping: Callable[[], object] | None = self.task if sys.version_info < (3, 12) else None
        _backends.add(self)
        self.turn: Callable[[], Awaitable[Any]] = types.coroutine(_turn)
        self.deadline: Callable[[], float] = _deadline()
        self._loop = loop

    def receiver(self, sock: socket.socket) -> Receiver:
        if isinstance(self._loop, _LOOPS_WITHOUT_READERS):
            return _WaitingReceiver(sock, self.turn)
        return _AsyncioReceiver(self._loop, sock)


def _turn() -> Generator[None, None, None]:
    # What asyncio.sleep(0) comes to, without two coroutines.
    yield


def _deadline() -> Callable[[], float]:
    # Asked before each request; half the time of it is anyio's to find out that this is asyncio.
    loops = sys.modules.get("anyio._backends._asyncio")
    found: Callable[[], float] | None = getattr(
        getattr(loops, "AsyncIOBackend", None), "current_effective_deadline", None
    )
    return found or anyio.current_effective_deadline


def glance_at(sock: socket.socket) -> Callable[[], object]:
    """A function that tells whether there may be bytes of `sock`, its end, or an error; the socket must not be closed.

    To receive in vain costs several times as much. Where the system has no `poll`, there always may be something.
    """
    if not hasattr(select, "poll"):
        return lambda: True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)


_DELIVERIES: Final = 4
"""How often in a row bytes of one socket are delivered where it has to be emptied, before others get their turn."""


class _AsyncioReceiver:
    """Stays registered with the loop's selector between waits, and receives in the selector's callback.

    Registering costs a system call each way, and level-triggered readiness seen by a callback that leaves the bytes
    in the socket is seen again before the task has run. When bytes come and nobody waits, it lets go of the socket:
    the bytes stay in the kernel, which slows the peer down, and the loop does not spin.

    uvloop calls back only once for a connection that was reset, even if there are still bytes to receive, and never
    again. So there the socket is looked at in front of each wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._calls_once = type(loop).__module__.partition(".")[0] == "uvloop"
        self._sock = sock
        self._glance = glance_at(sock)
        self._fileno = sock.fileno()
        self._future: asyncio.Future[None] | None = None
        self._outcome: bytes | OSError | None = None
        self._max_bytes = 0
        self._taker: Taker | None = None
        self._registered = False
        self._closed = False

    async def receive(self, max_bytes: int) -> bytes:
        # A future that is set in the turn in which the cancellation comes would win.
        await checkpoint_if_cancelled()
        self._max_bytes = max_bytes
        if self._calls_once and self._outcome is None and not self._closed and self._glance():
            self._receive_now()
        future = self._future = self._loop.create_future()
        try:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._outcome is not None:
                await asyncio.sleep(0)
            else:
                if not self._registered:
                    self._register()
                await future
        finally:
            self._future = None
        if self._closed:
            raise anyio.ClosedResourceError
        outcome, self._outcome = self._outcome, None
        if outcome is None:
            raise anyio.WouldBlock
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    def take(self) -> bytes | None:
        if isinstance(self._outcome, bytes):
            outcome, self._outcome = self._outcome, None
            return outcome
        return None

    def deliver_to(self, taker: Taker | None, max_bytes: int) -> bool:
        self._taker = taker
        self._max_bytes = max_bytes
        if taker is not None and not self._registered and not self._closed:
            self._register()
        return True

    def interrupt(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def close(self) -> None:
        self._closed = True
        self._taker = None
        self._unregister()
        self.interrupt()

    def _register(self) -> None:
        self._loop.add_reader(self._fileno, self._readable)
        self._registered = True

    def _unregister(self) -> None:
        if self._registered:
            self._registered = False
            self._loop.remove_reader(self._fileno)

    def _readable(self) -> None:
        if self._taker is not None:
            self._deliver()
            return
        future = self._future
        if future is None or future.done() or self._outcome is not None:
            # What has been received and not been fetched yet must not be replaced.
            self._unregister()
            return
        self._receive_now()
        if self._outcome is not None:
            future.set_result(None)

    def _deliver(self) -> None:
        data: bytes | OSError
        for _ in range(_DELIVERIES):
            try:
                data = self._sock.recv(self._max_bytes)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                data = error
            taker = self._taker
            if taker is None:
                return
            self._max_bytes = taker(data)
            if not self._calls_once or self._taker is None or not self._glance():
                return
        self._loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        if self._taker is not None:
            self._deliver()

    def _receive_now(self) -> None:
        try:
            self._outcome = self._sock.recv(self._max_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._outcome = error


class _TrioBackend:
    def __init__(self, token: object) -> None:
        from trio import current_effective_deadline, current_time, lowlevel

        self.token = token
        self.running: Callable[[], object] = lowlevel.current_trio_token
        self.waiter: Callable[[], Waiter] = waiters(lowlevel, token)
        self.time: Callable[[], float] = current_time
        self.task: Callable[[], object] = lowlevel.current_task
        self.thread = get_ident()
        self.stepping: Callable[[], object] | None = None
        self.turn: Callable[[], Awaitable[Any]] = lowlevel.checkpoint
        self.deadline: Callable[[], float] = current_effective_deadline

    def receiver(self, sock: socket.socket) -> Receiver:
        return _WaitingReceiver(sock, self.turn)


_LOOKS: Final = 8
"""Turns of the loop in which to look for bytes before waiting for them: a few dozen microseconds."""
_MISSES: Final = 4
"""How often in a row looking may be in vain before it is left off, but for every so many calls."""
_LOOK_AGAIN: Final = 64


class _WaitingReceiver:
    """Asks anyio to wait for each receive; on trio there is nothing lighter.

    A server nearby answers sooner than a process falls asleep and is woken up again, and that costs both of them. So
    it looks for the bytes in the next few turns first, for as long as that is rewarded: with a server far away it
    waits at once.
    """

    def __init__(self, sock: socket.socket, turn: Callable[[], Awaitable[Any]]) -> None:
        self._sock = sock
        self._glance = glance_at(sock)
        self._turn = turn
        self._interrupted = False
        self._closed = False
        self._misses = 0

    async def _look(self, max_bytes: int) -> bytes | None:
        for _ in range(_LOOKS):
            await self._turn()
            if self._closed or self._interrupted:
                break
            if not self._glance():
                continue
            try:
                data = self._sock.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                continue
            self._misses = 0
            return data
        self._misses += 1
        return None

    async def receive(self, max_bytes: int) -> bytes:
        self._interrupted = False
        if self._misses < _MISSES or self._misses % _LOOK_AGAIN == 0:
            data = await self._look(max_bytes)
            if data is not None:
                return data
            if self._interrupted and not self._closed:
                raise anyio.WouldBlock
        else:
            self._misses += 1
        while not self._closed:
            try:
                await anyio.wait_readable(self._sock)
                return self._sock.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                continue
            except anyio.ClosedResourceError:
                if self._interrupted and not self._closed:
                    raise anyio.WouldBlock from None
                raise
        raise anyio.ClosedResourceError

    def take(self) -> bytes | None:
        return None

    def deliver_to(self, taker: Taker | None, max_bytes: int) -> bool:
        return False

    def interrupt(self) -> None:
        # The socket stays open: this only wakes those that wait for it.
        self._interrupted = True
        anyio.notify_closing(self._sock)

    def close(self) -> None:
        self._closed = True
        anyio.notify_closing(self._sock)
