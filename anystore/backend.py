"""What anystore needs of the event loop itself; the only module that imports asyncio or trio.

Everything else runs on anyio. Here is what has to be lighter than anyio's own building blocks because every
command pays for it: a waiter (the loop's own future on asyncio, a parked task on trio), a turn of the loop, and
receiving from a socket without registering it anew for each wait.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Generator
from typing import Any, ClassVar, Final, Protocol

import anyio
from anyio import lowlevel

__all__ = ("Backend", "Receiver", "Waiter", "checkpoint_if_cancelled", "current_backend", "current_token")


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
    """The identity of the running task."""

    async def turn(self) -> None:
        """Let every task that can run now run once. A checkpoint."""

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


_LOOPS_WITHOUT_READERS: Final = (getattr(asyncio, "ProactorEventLoop", ()),)
"""Windows' default loop has no `add_reader`; anyio waits for its sockets in a thread."""


class _AsyncioBackend:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.token: object = loop
        self.running: Callable[[], object] = asyncio._get_running_loop
        self.waiter: Callable[[], Waiter] = loop.create_future
        self.time: Callable[[], float] = loop.time
        self.task: Callable[[], object] = asyncio.current_task
        self._loop = loop

    async def turn(self) -> None:
        await asyncio.sleep(0)

    def receiver(self, sock: socket.socket) -> Receiver:
        if isinstance(self._loop, _LOOPS_WITHOUT_READERS):
            return _WaitingReceiver(sock)
        return _AsyncioReceiver(self._loop, sock)


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
        self._fileno = sock.fileno()
        self._future: asyncio.Future[None] | None = None
        self._outcome: bytes | OSError | None = None
        self._max_bytes = 0
        self._registered = False
        self._closed = False

    async def receive(self, max_bytes: int) -> bytes:
        # A future that is set in the turn in which the cancellation comes would win.
        await checkpoint_if_cancelled()
        self._max_bytes = max_bytes
        if self._calls_once and self._outcome is None and not self._closed:
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

    def interrupt(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def close(self) -> None:
        self._closed = True
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
        future = self._future
        if future is None or future.done() or self._outcome is not None:
            # What has been received and not been fetched yet must not be replaced.
            self._unregister()
            return
        self._receive_now()
        if self._outcome is not None:
            future.set_result(None)

    def _receive_now(self) -> None:
        try:
            self._outcome = self._sock.recv(self._max_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._outcome = error


class _TrioBackend:
    def __init__(self, token: object) -> None:
        from trio import current_time, lowlevel

        self.token = token
        self.running: Callable[[], object] = lowlevel.current_trio_token
        self.waiter: Callable[[], Waiter] = _TrioWaiter
        self.time: Callable[[], float] = current_time
        self.task: Callable[[], object] = lowlevel.current_task
        self.turn = lowlevel.checkpoint
        _TrioWaiter.bind(lowlevel)

    def receiver(self, sock: socket.socket) -> Receiver:
        return _WaitingReceiver(sock)


_PENDING: Final = object()
_CANCELLED: Final = object()


class _TrioWaiter:
    __slots__ = ("_task", "_value")

    # Bound when the first trio loop is met: trio is optional, and an import statement in here would be run per command.
    _current_task: ClassVar[Any]
    _park: ClassVar[Any]
    _reschedule: ClassVar[Any]
    _aborted: ClassVar[Any]

    @classmethod
    def bind(cls, lowlevel: Any) -> None:
        cls._current_task = staticmethod(lowlevel.current_task)
        cls._park = staticmethod(lowlevel.wait_task_rescheduled)
        cls._reschedule = staticmethod(lowlevel.reschedule)
        cls._aborted = lowlevel.Abort.SUCCEEDED

    def __init__(self) -> None:
        self._value: Any = _PENDING
        self._task: Any = None

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._value is _PENDING:
            self._task = self._current_task()
            yield from self._park(self._abort).__await__()
        return self._value

    def _abort(self, _raise_cancel: Callable[[], Any]) -> Any:
        self._task = None
        self._value = _CANCELLED
        return self._aborted

    def done(self) -> bool:
        return self._value is not _PENDING

    def cancelled(self) -> bool:
        return self._value is _CANCELLED

    def set_result(self, value: Any) -> None:
        if self._value is not _PENDING:
            raise RuntimeError("the waiter is done already")
        self._value = value
        if self._task is not None:
            self._reschedule(self._task)
            self._task = None

    def result(self) -> Any:
        return self._value

    def cancel(self) -> None:
        if self._value is _PENDING:
            self._value = _CANCELLED


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

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._interrupted = False
        self._closed = False
        self._misses = 0

    async def _look(self, max_bytes: int) -> bytes | None:
        for _ in range(_LOOKS):
            await lowlevel.checkpoint()
            if self._closed or self._interrupted:
                break
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

    def interrupt(self) -> None:
        # The socket stays open: this only wakes those that wait for it.
        self._interrupted = True
        anyio.notify_closing(self._sock)

    def close(self) -> None:
        self._closed = True
        anyio.notify_closing(self._sock)
