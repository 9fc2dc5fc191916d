"""What a connection receives without requests: for one that was leased for messages, as subscribers and MONITOR do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

import anyio
from anyio.abc import ByteStream

from anystore.backend import Waiter
from anystore.redis.entries import STREAM_ERRORS, ConnectionLost, Packed
from anystore.redis.outgoing import Outgoing
from anystore.resp.replies import NOT_ENOUGH, ReplyParser
from anystore.streams import RECEIVE_BYTES, DeliveringStream, NowaitStream

__all__ = ("Reception",)

MESSAGES_A_TURN: Final = 500
"""Messages to take before other tasks get their turn: about a millisecond's work."""


class Reception(ABC):
    """The half of a `Connection` that knows no requests; nothing of it is to be mixed with them."""

    _stream: ByteStream
    _nowait: NowaitStream | None
    _source: DeliveringStream | None
    _parser: ReplyParser
    _outgoing: Outgoing
    _lost: BaseException | None
    _new_waiter: Callable[[], Waiter]
    _turn: Callable[[], Any]
    _spawn: Callable[..., Any]
    _listener: Waiter | None
    _listening: bool
    _reading: bool
    _delivered: bool

    @abstractmethod
    def close(self, cause: BaseException | None = None) -> None: ...

    @abstractmethod
    def _begin_delivery(self) -> bool: ...

    @abstractmethod
    def _end_delivery(self) -> None: ...

    @abstractmethod
    async def _read_until(self, waiter: Waiter) -> None: ...

    def listen(self) -> None:
        """Have a task of its own read, from now on until the connection is lost.

        For connections on which messages come unasked, and for streams that cannot be asked without waiting whether
        the peer has closed them.
        """
        if not self._listening:
            self._listening = True
            self._spawn(self._listen)

    async def _listen(self) -> None:
        if self._delivered or self._begin_delivery():
            return
        forever = self._new_waiter()
        if self._reading and self._lost is None:
            # Set by whoever hands the reading on, so that `_reading` stays true, or by `close`.
            self._listener = self._new_waiter()
            await self._listener
        self._reading = True
        try:
            if self._lost is None:
                await self._read_until(forever)
        except STREAM_ERRORS as error:
            self.close(error)
        finally:
            self._reading = False

    def write(self, packed: Packed) -> None:
        """Write a command whose replies `receive` or `receive_each` is to give."""
        if self._lost is not None:
            raise ConnectionLost(self._lost, written=False)
        self._end_delivery()
        self._outgoing.add(packed)
        self._outgoing.flush()

    async def receive(self, decode: bool = False) -> Any:
        """The next reply or message, whatever it is.

        A checkpoint only if it has to wait. Cancelled, it loses nothing.

        Raises:
            ConnectionLost: The connection was lost, or closed while waiting.
            ProtocolError: This is not RESP.
        """
        self._end_delivery()
        while True:
            reply = self._parser.gets(decode)
            if reply is not NOT_ENOUGH:
                return reply
            if self._lost is not None:
                raise ConnectionLost(self._lost, written=True)
            try:
                self._parser.feed(await self._stream.receive())
            except STREAM_ERRORS as error:
                self.close(error)

    async def receive_each(self, take: Callable[[Any], bool]) -> None:
        """Call `take` with each reply or message, strings left as bytes, until it returns False.

        Where the event loop delivers what arrives, `take` is called by it, with no task in between. Cancelled, it loses
        nothing. What `take` raises is raised here.

        Raises:
            ConnectionLost: The connection was lost, or closed while waiting.
            ProtocolError: This is not RESP.
        """
        self._end_delivery()
        while True:
            for _ in range(MESSAGES_A_TURN):
                reply = self._parser.gets(False)
                if reply is NOT_ENOUGH:
                    break
                if not take(reply):
                    return
            else:
                await self._turn()
                continue
            if self._lost is not None:
                raise ConnectionLost(self._lost, written=True)
            if self._source is not None:
                if not await self._have_delivered(self._source, take):
                    return
                continue
            try:
                self._parser.feed(await self._stream.receive())
            except STREAM_ERRORS as error:
                self.close(error)

    async def _have_delivered(self, source: DeliveringStream, take: Callable[[Any], bool]) -> bool:
        """Have messages taken as they arrive, until there is something else to do; False if `take` has enough."""
        done = self._new_waiter()

        def stop(outcome: Exception | bool) -> int:
            source.deliver_to(None)
            if not done.done():
                done.set_result(outcome)
            return RECEIVE_BYTES

        def arrived(data: bytes | OSError) -> int:
            if isinstance(data, OSError) or not data:
                self.close(data if isinstance(data, OSError) else anyio.EndOfStream())
                return stop(True)
            try:
                self._parser.feed(data)
                for _ in range(MESSAGES_A_TURN):
                    reply = self._parser.gets(False)
                    if reply is NOT_ENOUGH:
                        return RECEIVE_BYTES
                    if not take(reply):
                        return stop(False)
            except Exception as error:  # the event loop calls this, and it is the task's
                return stop(error)
            return stop(True)

        if not source.deliver_to(arrived):
            self._source = None
            return True
        self._listener = done  # so that `close` wakes this task
        try:
            self._look_once(arrived)
            outcome = await done
        finally:
            self._listener = None
            source.deliver_to(None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome is not False

    def _look_once(self, arrived: Callable[[bytes], Any]) -> None:
        """Hand over what arrived before there was anybody to deliver it to; close where the peer has closed."""
        assert self._nowait is not None
        try:
            data = self._nowait.receive_nowait()
        except STREAM_ERRORS as error:
            self.close(error)
        else:
            if data is not None:
                arrived(data)
