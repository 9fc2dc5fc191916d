"""Waiters on trio: in both ways, the one that knows what trio's loop is told, and the one by what trio documents."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from anystore import trio_waiter
from anystore.trio_waiter import waiters


class Value:
    """Something that can be watched going away."""


@pytest.fixture(params=["quick", "parked"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    if request.param == "parked":
        monkeypatch.setattr(trio_waiter, "_message", lambda lowlevel: None)

    def run_it(main: Callable[[Any], Any]) -> Any:
        async def begin() -> Any:
            made = waiters(trio.lowlevel, trio.lowlevel.current_trio_token())
            assert issubclass(made, trio_waiter._QuickWaiter) is (request.param == "quick")
            return await main(made)

        return trio.run(begin)

    return run_it


def test_values_reach_the_tasks_that_wait_for_them(run: Callable[..., Any]) -> None:
    async def main(made: Any) -> None:
        all_of_them = [made() for _ in range(10)]
        got: list[int] = []

        async def wait(waiter: Any) -> None:
            got.append(await waiter)

        async with trio.open_nursery() as nursery:
            for waiter in all_of_them:
                nursery.start_soon(wait, waiter)
            await trio.testing.wait_all_tasks_blocked()
            for number, waiter in enumerate(all_of_them):
                assert not waiter.done()
                waiter.set_result(number)
                with pytest.raises(RuntimeError, match="done already"):
                    waiter.set_result(number)
        assert sorted(got) == list(range(10))
        assert [waiter.result() for waiter in all_of_them] == list(range(10))

    run(main)


def test_of_two_that_wait_the_one_is_cancelled_that_is_meant(run: Callable[..., Any]) -> None:
    async def main(made: Any) -> None:
        first, second = made(), made()
        ends: list[str] = []

        async def wait(waiter: Any, name: str, scope: trio.CancelScope) -> None:
            with scope:
                ends.append(f"{name}: {await waiter}")
            if scope.cancelled_caught:
                ends.append(f"{name}: cancelled")

        async with trio.open_nursery() as nursery:
            scopes = [trio.CancelScope(), trio.CancelScope()]
            nursery.start_soon(wait, first, "first", scopes[0])
            nursery.start_soon(wait, second, "second", scopes[1])
            await trio.testing.wait_all_tasks_blocked()
            scopes[0].cancel()
            assert first.cancelled()
            assert not second.done()
            await trio.testing.wait_all_tasks_blocked()
            second.set_result(1)
        assert ends == ["first: cancelled", "second: 1"]

    run(main)


def test_who_is_cancelled_already_does_not_wait(run: Callable[..., Any]) -> None:
    async def main(made: Any) -> None:
        waiter = made()
        with trio.CancelScope() as scope:
            scope.cancel()
            await waiter
        assert scope.cancelled_caught
        assert waiter.cancelled()

    run(main)


def test_an_interrupt_from_the_keyboard_is_raised(run: Callable[..., Any]) -> None:
    async def main(made: Any) -> None:
        @trio.lowlevel.enable_ki_protection
        async def interrupt() -> None:
            await trio.testing.wait_all_tasks_blocked()
            signal.raise_signal(signal.SIGINT)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt)
            await made()

    # Where the tests run in the background, the signal may be ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(BaseExceptionGroup) as caught:
            run(main)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.group_contains(KeyboardInterrupt)


def test_a_value_is_not_kept_by_what_was_told_to_the_loop(run: Callable[..., Any]) -> None:
    async def main(made: Any) -> None:
        value = Value()
        kept = weakref.ref(value)
        waiter = made()

        async def wait(given: Any) -> None:
            await given

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, waiter)
            await trio.testing.wait_all_tasks_blocked()
            waiter.set_result(value)
        del value, waiter
        gc.collect()
        assert kept() is None

    run(main)


def test_loops_have_classes_of_their_own() -> None:
    async def main() -> Any:
        token = trio.lowlevel.current_trio_token()
        assert waiters(trio.lowlevel, token) is waiters(trio.lowlevel, token)
        return waiters(trio.lowlevel, token)

    first, second = trio.run(main), trio.run(main)
    assert first is not second
    assert first._message is not second._message
