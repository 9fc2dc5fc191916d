"""Commands to a server that has carried them out when the writing returns: one in the same process.

Where its answer is there at once, which is so for all but a few, nobody has to wait, so there is no waiter for it, no place
in the FIFO, and no role to take.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Final

import anyio

from anystore.backend import Waiter
from anystore.exceptions import ProtocolError
from anystore.redis.distribution import Distribution
from anystore.redis.entries import STREAM_ERRORS, Baton, Bundle, ConnectionLost, Entry, Packed
from anystore.redis.outgoing import Outgoing
from anystore.redis.timekeeper import Timekeeper
from anystore.resp.replies import NOT_ENOUGH, ReplyParser
from anystore.streams import NowaitStream

__all__ = ("AtOnce",)

HELD_SECONDS: Final = 0.0005
"""How long a task may go on without a turn for others, of a stream that has each answer at once."""


class AtOnce(ABC):
    """What a `Connection` does with a stream that answers at once."""

    answers_at_once: bool
    _nowait: NowaitStream | None
    _fifo: deque[Entry]
    _outgoing: Outgoing
    _distribution: Distribution
    _parser: ReplyParser
    _timekeeper: Timekeeper
    _lost: BaseException | None
    _reading: bool
    _more: bool
    _received: int
    _deadline: Callable[[], float]
    _turn: Callable[[], Any]
    _was_fair: float

    @abstractmethod
    def close(self, cause: BaseException | None = None) -> None: ...

    @abstractmethod
    def _append(self, bundle: Bundle | None) -> Waiter: ...

    def exchange(self, packed: Packed) -> Any:
        """Have one command carried out, if the stream answers at once and the task is alone with it. O(bytes).

        Returns:
            What comes back, as `request` gives it; a `Baton` for `read_for_all` if it is not there yet; `NOT_ENOUGH` where
            nothing was done, and `request` is the way.
        """
        outgoing, stream = self._outgoing, self._nowait
        if (
            stream is None
            or self._fifo
            or outgoing.company > 1
            or self._reading
            or self._more
            or self._lost is not None
            or self._deadline() == -inf
        ):
            return NOT_ENOUGH
        try:
            stream.send_nowait(packed)
        except STREAM_ERRORS as error:
            self.close(error)
            return ConnectionLost(self._lost, written=False)
        reply: Any = NOT_ENOUGH
        try:
            data = stream.receive_nowait()
            if data:
                self._received += 1
                reply = self._distribution.only(data)
                if reply is not NOT_ENOUGH and self._parser.has_data:
                    self._more = self._distribution.give_out()
            elif data is not None:
                raise anyio.EndOfStream("the server closed the connection")
        except Exception as error:
            self.close(error)
            if reply is NOT_ENOUGH and isinstance(error, ProtocolError):
                return error  # what is not RESP is the answer, as far as anybody can tell
        if reply is not NOT_ENOUGH:
            return reply
        if self._lost is not None:
            return ConnectionLost(self._lost, written=True)
        waiter = self._append(None)
        if not self._timekeeper.running:
            self._timekeeper.start()
        return Baton(waiter)

    async def be_fair(self) -> None:
        """Let other tasks run if `is_turn_due`."""
        if self.is_turn_due():
            await self.take_turn()

    def is_turn_due(self) -> bool:
        """Whether other tasks have had no turn for a while: where nothing ever waits, nothing else would give them one."""
        return monotonic() - self._was_fair > HELD_SECONDS

    async def take_turn(self) -> None:
        """Let other tasks run."""
        await self._turn()
        self._was_fair = monotonic()
