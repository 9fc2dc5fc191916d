"""A waiter on trio: a task that is parked, with nothing around it that each request would pay for.

`trio.lowlevel.wait_task_rescheduled` makes a message to trio's loop for each wait, and an outcome for each wake-up, of
classes that are slow to make: a microsecond for the two. What a waiter says to the loop is always the same, and it has
its value itself, so here one message is for all waits of a loop, and nothing comes with a wake-up.

trio is handed in: only `anystore.backend` imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

__all__ = ("waiters",)

_PENDING: Final = object()
_CANCELLED: Final = object()


class _ParkedWaiter:
    """See `anystore.backend.Waiter`. By what trio documents alone."""

    # Of the class, where they are the same for most of an object's life: to make one takes half of the time.
    _value: Any = _PENDING
    _task: Any = None

    _current_task: ClassVar[Any]
    _park: ClassVar[Any]
    _reschedule: ClassVar[Any]
    _aborted: ClassVar[Any]

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


class _QuickWaiter(_ParkedWaiter):
    """Says to the loop itself what `_park` would."""

    _message: ClassVar[Any]
    _fields: ClassVar[dict[str, Any]]

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._value is _PENDING:
            self._task = self._current_task()
            # Read by the loop as soon as it has the message, so the next wait may have it.
            self._fields["abort_func"] = self._abort
            outcome = yield self._message
            self._fields["abort_func"] = None  # which would keep the value
            if outcome is not None:
                outcome.unwrap()  # raises: the task was cancelled, or interrupted from the keyboard
        return self._value

    def set_result(self, value: Any) -> None:
        if self._value is not _PENDING:
            raise RuntimeError("the waiter is done already")
        self._value = value
        task = self._task
        if task is not None:
            self._task = None
            self._reschedule(task, None)


_waiters: WeakKeyDictionary[object, type[_ParkedWaiter]] = WeakKeyDictionary()


def waiters(lowlevel: Any, token: object) -> type[_ParkedWaiter]:
    """What makes waiters for the trio loop with this token, which must be running; `lowlevel` is `trio.lowlevel`.

    A class for each loop, as loops in several threads must not share a message.
    """
    known = _waiters.get(token)
    if known is None:
        bound = {
            "_current_task": staticmethod(lowlevel.current_task),
            "_park": staticmethod(lowlevel.wait_task_rescheduled),
            "_reschedule": staticmethod(lowlevel.reschedule),
            "_aborted": lowlevel.Abort.SUCCEEDED,
        }
        message = _message(lowlevel)
        if message is None:
            known = type("ParkedWaiter", (_ParkedWaiter,), bound)
        else:
            known = type(
                "QuickWaiter", (_QuickWaiter,), {**bound, "_message": message, "_fields": vars(message)}
            )
        _waiters[token] = known
    return known


def _message(lowlevel: Any) -> Any:
    """What trio's loop is told of a task that waits; None if it is not of the kind that is known here."""

    def abort(_raise_cancel: Callable[[], Any]) -> Any:
        raise AssertionError("nobody waits for this")

    parking = lowlevel.wait_task_rescheduled(abort)
    message = parking.send(None)
    parking.close()
    return message if getattr(message, "__dict__", None) == {"abort_func": abort} else None
