"""How a task that is alone waits for its answer: first with open eyes, then asleep."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from anystore.backend import Waiter

__all__ = ("Lookout",)

LOOK_SECONDS: Final = 0.0003
"""How long the event loop is kept turning for an answer."""
LOOK_AGAIN: Final = 32
"""After so many requests it is tried again, where an answer was not there in time."""


class Lookout:
    """Keeps the event loop turning for the answer of a lone request, for a moment.

    A server on the same machine has answered before a process would have fallen asleep and been woken up again. Where
    an answer is not there that soon, as from another machine, this is done once in many requests only.
    """

    __slots__ = ("_after", "_turn")

    def __init__(self, turn: Callable[[], Any]) -> None:
        self._turn = turn
        self._after = 0  # so many requests

    async def watch(self, waiter: Waiter) -> None:
        """Let other tasks run, and the loop receive, until `waiter` is done or a moment has passed. Can be cancelled."""
        if self._after:
            self._after -= 1
            return
        until = monotonic() + LOOK_SECONDS
        while not waiter.done():
            if monotonic() > until:
                self._after = LOOK_AGAIN
                return
            await self._turn()
