"""The reading side of a connection: whose reply is it that has arrived.

Replies come in the order of the commands, so the FIFO says for whom the next one is. Nothing here waits.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import anyio

from anystore.exceptions import ProtocolError, ResponseError
from anystore.redis.entries import Bundle, Entry
from anystore.redis.outgoing import Part
from anystore.resp.replies import NOT_ENOUGH, PushNotification, ReplyParser
from anystore.streams import RECEIVE_BYTES

__all__ = ("Distribution", "bytes_next")

REPLIES_A_TURN: Final = 1_000
"""Replies to give out before other tasks get their turn: a millisecond's work at most."""
MORE_BYTES: Final = 4 * RECEIVE_BYTES
"""How much is received at once of a large string; more gave nothing."""
_END_BYTES: Final = 1024

_logger = logging.getLogger("anystore.redis")


class Distribution:
    """Gives replies to those that wait for them.

    Args:
        fifo: Those that wait; the oldest is taken out when it has its reply.
        parts: The requests of which not all is written: those of the last entries of the FIFO.
        parser: Makes replies of the bytes that arrive.
        on_push: Called with each out-of-band message; must not block.
        is_lost: Asked after each out-of-band message whether the connection is still there.
    """

    def __init__(
        self,
        fifo: deque[Entry],
        parts: list[Part],
        parser: ReplyParser,
        on_push: Callable[[list[Any]], None] | None,
        is_lost: Callable[[], bool],
    ) -> None:
        self._fifo = fifo
        self._parts = parts
        self._parser = parser
        self._on_push = on_push
        self._is_lost = is_lost

    def take(self, data: bytes | OSError) -> bool:
        """Take what a stream has delivered: bytes, b"" at its end, or its error; then as `give_out`.

        Raises:
            OSError: The stream broke.
            anyio.EndOfStream: It has ended.
        """
        if isinstance(data, OSError):
            raise data
        if not data:
            raise anyio.EndOfStream("the server closed the connection")
        self._parser.feed(data)
        return self.give_out()

    def only(self, data: bytes) -> Any:
        """The reply to a command that is the only one there is, and has no entry in the FIFO; or `NOT_ENOUGH`. O(bytes).

        What is behind the reply is for `give_out`.

        Raises:
            ProtocolError: This is not RESP.
        """
        self._parser.feed(data)
        while True:
            try:
                reply = self._parser.gets()
            except UnicodeDecodeError as error:
                reply = error
            if reply.__class__ is not PushNotification:
                return reply
            self._push(reply)
            if self._is_lost():
                return NOT_ENOUGH

    def give_out(self) -> bool:
        """Give the replies that have arrived to those that wait; True if there may be more of them.

        O(replies), but no more than a millisecond's work.

        Raises:
            ProtocolError: This is not RESP, or nobody has asked for it.
            anyio.BrokenResourceError: The server has said that it will not go on.
        """
        fifo, parts = self._fifo, self._parts
        due = len(fifo) - len(parts)
        if parts and parts[0].__class__ is memoryview:
            due += 1  # begun: a bundle may have its first replies by now, and a command an early refusal
        left = min(due, REPLIES_A_TURN)
        while left > 0:
            entry = fifo[0]
            if isinstance(entry, Bundle):
                left -= 1
                filled = self._fill(entry)
                if not filled:
                    return filled is None
                continue
            given, other = self._give(left) if left > 1 else self._give_one()
            if other is NOT_ENOUGH:
                return False
            left -= given
            if other is not None:
                left -= 1
                self._push(other)
                if self._is_lost():
                    return False
        if len(fifo) < len(parts):
            raise ProtocolError("the server answered a command of which it has not got all")
        if not self._parser.has_data:
            return False
        return len(fifo) > len(parts) or self._take_unasked()

    def _give(self, most: int) -> tuple[int, Any]:
        """Give the next replies to those at the front that are no bundles; how many, and what came instead, if anything.

        All are taken from the parser before the first is given out: so it is one call, and one loop with nothing else in it.
        """
        fifo = self._fifo
        count = 1
        for entry in islice(fifo, 1, most):
            if entry.__class__ is Bundle:
                break
            count += 1
        replies: list[Any] = []
        other = None
        try:
            other = self._parser.gets_into(replies, count)
        except UnicodeDecodeError as error:
            replies.append(error)
        finally:  # those in front of what is not RESP have theirs
            for reply in replies:
                waiter: Any = fifo.popleft()
                if not waiter.done():
                    waiter.set_result(reply)
        return len(replies), other

    def _give_one(self) -> tuple[int, Any]:
        """As `_give`, for one that is alone."""
        try:
            reply = self._parser.gets()
        except UnicodeDecodeError as error:
            reply = error
        if reply is NOT_ENOUGH or reply.__class__ is PushNotification:
            return 0, reply
        waiter: Any = self._fifo.popleft()
        if not waiter.done():
            waiter.set_result(reply)
        return 1, None

    def _take_unasked(self) -> bool:
        reply = self._parser.gets()
        if reply is NOT_ENOUGH:
            return False
        if isinstance(reply, ResponseError):
            # Its last words, of a server that is full, for instance.
            raise anyio.BrokenResourceError(str(reply))
        if reply.__class__ is not PushNotification:
            raise ProtocolError("the server sent a reply that nobody had asked for")
        self._push(reply)
        return True

    def _fill(self, bundle: Bundle) -> bool | None:
        """Give the replies that have arrived to the bundle: True when it is whole, None when a turn is due."""
        replies = bundle.replies
        begun = len(replies)
        most = min(bundle.count, begun + REPLIES_A_TURN)
        while len(replies) < most:
            try:
                other = self._parser.gets_into(replies, most, bundle.decode)
            except UnicodeDecodeError as error:
                replies.append(error)
                continue
            if other is NOT_ENOUGH:
                bundle.forget(begun, len(replies))
                return False
            if other is not None:
                self._push(other)
                if self._is_lost():
                    return False
        if most < bundle.count:
            bundle.forget(begun, most)
            return None
        del self._fifo[0]
        if not bundle.waiter.done():
            bundle.waiter.set_result(None)
        if bundle.left_open:
            raise anyio.BrokenResourceError("the server began a transaction and refused to end it")
        return True

    def _push(self, message: list[Any]) -> None:
        if self._on_push is not None:
            try:
                self._on_push(message)
            except Exception:
                _logger.exception("the handler of out-of-band messages failed")


def bytes_next(data: bytes | OSError) -> int:
    """How much to receive next, after `data`. O(1).

    Much, with fewer calls, only within a large string. What ends elsewhere may be of an array of small things, all of
    which hiredis makes in one go, as many as have arrived: tens of thousands in `MORE_BYTES`, in 2.5 ms.
    """
    if isinstance(data, OSError) or len(data) < RECEIVE_BYTES or b"\r\n" in data[-_END_BYTES:]:
        return RECEIVE_BYTES
    return MORE_BYTES
