"""A lone request looks for its answer for a moment, and where that is in vain seldom."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from anystore.backend import Waiter, current_backend
from anystore.redis import lookout as module
from anystore.redis.lookout import LOOK_AGAIN, Lookout

pytestmark = pytest.mark.anyio


class Loop:
    """Counts turns; after so many of them the answer is there."""

    def __init__(self, waiter: Waiter, answered: int | None = None) -> None:
        self.waiter = waiter
        self.answered = answered
        self.turns = 0

    async def turn(self) -> None:
        self.turns += 1
        if self.turns == self.answered:
            self.waiter.set_result("answer")


async def test_it_looks_until_the_answer_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)
    waiter: Any = current_backend().waiter()
    loop = Loop(waiter, answered=3)
    await Lookout(loop.turn).watch(waiter)
    assert loop.turns == 3
    assert await waiter == "answer"


async def test_it_stops_looking_and_tries_again_after_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(module, "monotonic", lambda: next(clock) * 0.0002)
    waiter = current_backend().waiter()
    loop = Loop(waiter)
    lookout = Lookout(loop.turn)
    await lookout.watch(waiter)
    assert loop.turns == 1
    for _ in range(LOOK_AGAIN):
        await lookout.watch(waiter)
    assert loop.turns == 1
    await lookout.watch(waiter)
    assert loop.turns == 2
    waiter.cancel()


async def test_a_cancelled_task_looks_no_longer() -> None:
    waiter = current_backend().waiter()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Lookout(current_backend().turn).watch(waiter)
    assert scope.cancelled_caught
    waiter.cancel()
