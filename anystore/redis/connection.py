"""One connection to a server, shared by any number of tasks at the same time.

Theory of operation. A request is a packed command that is `_outgoing` and an entry in `_fifo`; replies come in the order
of the entries. There are two roles, and for neither a task of its own where the stream can be used without waiting:

* *Writing.* Whoever finds nothing outgoing flushes it, once all tasks that can run have run: one system call for all
  requests of a turn. A task that is alone does not wait for others. What the socket does not take is written by a
  task in the store's group, so cancelling a request never tears a command.
* *Reading.* The first task that waits for a reply reads for all; when its own reply is in, or it is cancelled, it hands
  the reading on to the next one that waits (`Baton`). A lone task reads its own reply, with no other one in between.

An entry whose task was cancelled stays in the FIFO: its reply is read and dropped, so no reply can go to another task.
The last `len(_outgoing.parts)` entries of the FIFO are those of which not all is written, always; cancelling one that
was not begun takes it back. When the connection is lost, each entry learns whether the server may have carried it out.

What comes back is a value, whatever it is: an error reply, `CommandTimeout`, `ConnectionLost`. An exception set on a
future whose task is cancelled in the same turn would be reported as never retrieved.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Final, TypeAlias

import anyio
from anyio import current_effective_deadline
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from anystore.backend import Waiter, current_backend
from anystore.exceptions import CommandTimeout, ProtocolError, ResponseError
from anystore.redis.entries import STREAM_ERRORS, Baton, Bundle, ConnectionLost, Entry, Packed, waiter_of
from anystore.redis.outgoing import Outgoing, Part
from anystore.redis.timekeeper import Timekeeper
from anystore.resp.replies import NOT_ENOUGH, PushNotification, ReplyParser
from anystore.streams import RECEIVE_BYTES, NowaitStream

__all__ = ("Connection", "ConnectionStatistics", "Spawn")

Spawn: TypeAlias = Callable[..., Any]
"""Starts a task in the store's task group."""

IN_FLIGHT: Final = 16_384
"""Requests that may wait for a reply at a time: far more than keep a server busy, and bounded memory."""
MORE_BYTES: Final = 4 * RECEIVE_BYTES
"""How much is received at once of a large reply; more gave nothing."""
REPLIES_A_TURN: Final = 2_000
"""Replies to give out before other tasks get their turn: about a millisecond's work."""
HEALTH_SECONDS: Final = 5.0
"""How long the answer to the PING of a health check may take."""
PING: Final = b"*1\r\n$4\r\nPING\r\n"

_logger = logging.getLogger("anystore.redis")


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """What `Connection.statistics` gives."""

    in_flight: int
    """Requests without their reply yet, those of cancelled tasks included."""
    unsent: int
    """Requests of which not all is written yet."""
    closed: bool
    """Whether the connection was closed or lost."""


class Connection:
    """A multiplexed connection over `stream`, which it owns.

    Args:
        stream: The connected stream; a `NowaitStream` is written and read by the tasks that use the connection.
        spawn: Starts a task in a task group that outlives the connection.
        parser: Makes replies of the bytes that arrive.
        timeout: How long a reply may take, in seconds; None without limit.
        idle_limit: After how much idleness PING asks whether the server is still there, in seconds; None never.
        on_push: Called with each out-of-band message; must not block.
        on_lost: Called once, when the connection is closed or lost or not to be used any more.
    """

    def __init__(
        self,
        stream: ByteStream,
        spawn: Spawn,
        parser: ReplyParser,
        *,
        timeout: float | None = None,
        idle_limit: float | None = None,
        on_push: Callable[[list[Any]], None] | None = None,
        on_lost: Callable[[Connection], None] | None = None,
    ) -> None:
        backend = current_backend()
        self.protocol = 2
        self._stream = stream
        self._nowait = stream if isinstance(stream, NowaitStream) else None
        self._spawn = spawn
        self._parser = parser
        self._on_push = on_push
        self._on_lost = on_lost
        self._new_waiter = backend.waiter
        self._turn = backend.turn
        self._time = backend.time
        self._used = backend.time()
        self._idle_limit = inf if idle_limit is None else idle_limit
        self._fifo: deque[Entry] = deque()
        self._outgoing = Outgoing(stream, spawn, self.close, self._unclogged)
        self._lost: BaseException | None = None
        self._for_room: list[Waiter] = []
        self._reading = False  # somebody reads, or was handed the reading
        self._more = False  # the parser has replies that are not given out yet
        self._received = 0
        self._listener: Waiter | None = None
        self._listening = False
        self._stale = False  # silent for too long; those that wait keep their chance, nobody else comes
        self._timekeeper = Timekeeper(
            timeout, self._fifo, spawn, lambda: self._received, self._time_out, self._none_left
        )

    @property
    def closed(self) -> bool:
        """Whether it was closed, lost, or is not to be used for further requests."""
        return self._lost is not None or self._stale

    def statistics(self) -> ConnectionStatistics:
        """Counters of this moment. O(1)."""
        return ConnectionStatistics(len(self._fifo), len(self._outgoing.parts), self.closed)

    # Requests.

    async def request(self, packed: Packed, bundle: Bundle | None = None) -> Any:
        """Send one packed command, or a bundle of them, and wait for what comes back.

        Returns:
            The reply; an error reply, an undecodable one, `CommandTimeout` and `ConnectionLost` come as values too.
            A bundle's replies are in the bundle, and the value is None unless something went wrong.

        Cancelled, a request that was not begun to be written is taken back; otherwise its reply is dropped when it
        comes. O(bytes), and a turn of the event loop if other tasks use the connection.
        """
        fifo = self._fifo
        if self._outgoing.clogged or len(fifo) >= IN_FLIGHT:
            await self._wait_until_possible()
        if not fifo and self._outgoing.company < 2:
            if current_effective_deadline() == -inf:
                await checkpoint()
            if self._nowait is not None:
                self._check_end()
            now = self._time()
            if now - self._used > self._idle_limit:
                await self._check_health()
            self._used = now
            if self._lost is not None:
                return ConnectionLost(self._lost, written=False)
            waiter = self._append(packed, bundle)
            self._outgoing.flush()
        else:
            if self._lost is not None:
                return ConnectionLost(self._lost, written=False)
            waiter = self._append(packed, bundle)
            # The first of those that come in this turn writes for all of them.
            if len(self._outgoing.parts) == 1 and not self._outgoing.busy:
                await self._gather(waiter)
        if not self._timekeeper.running:
            self._timekeeper.start()
        if not self._reading:
            return await self._read_for_all(waiter)
        try:
            reply = await waiter
        except BaseException:
            self._forsake(waiter)
            raise
        return reply if reply.__class__ is not Baton else await self._read_for_all(reply.waiter)

    def _append(self, packed: Packed, bundle: Bundle | None) -> Waiter:
        waiter = self._new_waiter()
        if bundle is None:
            self._fifo.append(waiter)
        else:
            bundle.waiter = waiter
            self._fifo.append(bundle)
        self._outgoing.add(packed)
        return waiter

    async def _wait_until_possible(self) -> None:
        """Wait until there is room for another request, reading if nobody else does: tombstones take room, too."""
        while self._lost is None and (self._outgoing.clogged or len(self._fifo) >= IN_FLIGHT):
            waiter = self._new_waiter()
            self._for_room.append(waiter)
            if self._reading:
                try:
                    baton = await waiter
                except BaseException:
                    self._forsake(waiter)
                    raise
                if baton is None:
                    continue
                waiter = baton.waiter
            await self._read_for_all(waiter)

    def _unclogged(self) -> None:
        self._make_room()
        if self._nowait is not None:
            self._nowait.interrupt()  # in case one of those reads, who are to go on now

    def _make_room(self) -> None:
        waiters, self._for_room = self._for_room, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _forsake(self, waiter: Waiter) -> None:
        """The task that waited was cancelled: take its request back if it can be, else leave a tombstone."""
        if not waiter.done():
            waiter.cancel()
        elif not waiter.cancelled() and waiter.result().__class__ is Baton:
            waiter = waiter.result().waiter
            waiter.cancel()
            self._take_back(waiter)
            self._hand_on()
            return
        self._take_back(waiter)

    def _take_back(self, waiter: Waiter) -> None:
        """Drop a request of which nothing was written yet."""
        parts = self._outgoing.parts
        first = len(self._fifo) - len(parts)
        for index, part in enumerate(parts):
            if waiter_of(self._fifo[first + index]) is waiter and not isinstance(part, memoryview):
                del self._fifo[first + index], parts[index]
                break

    # Reading.

    async def _read_for_all(self, waiter: Waiter) -> Any:
        """Read and give out replies until `waiter` has its own, then hand the reading on."""
        self._reading = True
        try:
            await self._read_until(waiter)
        except STREAM_ERRORS as error:
            self.close(error)
        except BaseException:
            self._forsake(waiter)
            raise
        finally:
            self._hand_on()
        return waiter.result()

    async def _read_until(self, waiter: Waiter) -> None:
        parser, receive = self._parser, self._stream.receive
        size = RECEIVE_BYTES
        while not waiter.done():
            if self._more:
                await self._turn()
            else:
                try:
                    data = await receive(size)
                except anyio.WouldBlock:  # interrupted: a time limit has passed
                    continue
                parser.feed(data)
                if len(data) == size:
                    size = MORE_BYTES  # there is much to come, so with fewer calls
                self._received += 1
            self._more = self._give_out()
            if self._for_room and len(self._fifo) < IN_FLIGHT:
                self._make_room()

    def _hand_on(self) -> None:
        """Stop reading, and find somebody to read for those that still wait."""
        self._reading = False
        listener, self._listener = self._listener, None
        if listener is not None and not listener.done():
            self._reading = True
            listener.set_result(None)
            return
        for index, entry in enumerate(self._fifo):
            waiter = waiter_of(entry)
            if not waiter.done():
                successor = self._new_waiter()
                if isinstance(entry, Bundle):
                    entry.waiter = successor
                else:
                    self._fifo[index] = successor
                    self._timekeeper.replaced(waiter, successor)
                self._reading = True
                waiter.set_result(Baton(successor))
                return
        for index, waiter in enumerate(self._for_room):
            if not waiter.done():
                self._for_room[index] = self._new_waiter()
                self._reading = True
                waiter.set_result(Baton(self._for_room[index]))
                return

    def _give_out(self) -> bool:
        """Give the replies that have arrived to those that wait; True if there may be more of them."""
        fifo, parts, gets = self._fifo, self._outgoing.parts, self._parser.gets
        due = len(fifo) - len(parts)
        if parts and parts[0].__class__ is memoryview:
            due += 1  # begun: a bundle may have its first replies by now, and a command an early refusal
        for _ in range(min(due, REPLIES_A_TURN)):
            entry: Any = fifo[0]
            if entry.__class__ is Bundle:
                filled = self._fill(entry)
                if not filled:
                    return filled is None
                continue
            try:
                reply = gets()
            except UnicodeDecodeError as error:
                reply = error
            if reply is NOT_ENOUGH:
                return False
            if reply.__class__ is PushNotification:
                self._push(reply)
                if self._lost is not None:
                    return False
                continue
            del fifo[0]
            if not entry.done():
                entry.set_result(reply)
        if len(fifo) < len(parts):
            raise ProtocolError("the server answered a command of which it has not got all")
        if not self._parser.has_data:
            return False
        return len(fifo) > len(parts) or self._take_unasked()

    def _take_unasked(self) -> bool:
        reply = self._parser.gets()
        if reply is NOT_ENOUGH:
            return False
        if isinstance(reply, ResponseError):
            raise anyio.BrokenResourceError(
                str(reply)
            )  # its last words, of a server that is full, for instance
        if reply.__class__ is not PushNotification:
            raise ProtocolError("the server sent a reply that nobody had asked for")
        self._push(reply)
        return True

    def _fill(self, bundle: Bundle) -> bool | None:
        """Give the replies that have arrived to the bundle: True when it is whole, None when a turn is due."""
        gets, decode, replies = self._parser.gets, bundle.decode, bundle.replies
        for _ in range(REPLIES_A_TURN):
            try:
                reply = gets(decode)
            except UnicodeDecodeError as error:
                reply = error
            if reply is NOT_ENOUGH:
                return False
            if reply.__class__ is PushNotification:
                self._push(reply)
                if self._lost is not None:
                    return False
                continue
            replies.append(reply)
            if len(replies) == bundle.count:
                del self._fifo[0]
                if not bundle.waiter.done():
                    bundle.waiter.set_result(None)
                if bundle.left_open:
                    raise anyio.BrokenResourceError("the server began a transaction and refused to end it")
                return True
        return None

    def _push(self, message: list[Any]) -> None:
        if self._on_push is not None:
            try:
                self._on_push(message)
            except Exception:
                _logger.exception("the handler of out-of-band messages failed")

    def listen(self) -> None:
        """Have a task of its own read, from now on until the connection is lost.

        For connections on which messages come unasked, and for streams that cannot be asked without waiting whether
        the peer has closed them.
        """
        if not self._listening:
            self._listening = True
            self._spawn(self._listen)

    async def _listen(self) -> None:
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

    def _check_end(self) -> None:
        """Close the connection if the peer has closed it while nobody was reading."""
        if self._reading or self._lost is not None or self._nowait is None:
            return
        try:
            data = self._nowait.receive_nowait()
            if data:
                self._parser.feed(data)
                self._more = self._give_out()
            elif data is not None:
                self.close(anyio.EndOfStream("the server closed the connection"))
        except STREAM_ERRORS as error:
            self.close(error)

    async def _check_health(self) -> None:
        """Close the connection if the server does not answer PING in time; any answer will do, an error, too."""
        self._used = inf  # the PING itself needs no check
        with anyio.move_on_after(HEALTH_SECONDS) as scope:
            await self.request(PING)
        if scope.cancelled_caught:
            self.close(TimeoutError(f"no answer to PING in {HEALTH_SECONDS} seconds"))

    async def is_alive(self) -> bool:
        """Whether the connection can be used after it was idle: the peer has not closed it, or it answers PING."""
        self._check_end()
        now = self._time()
        if self._lost is None and (self._nowait is None or now - self._used > self._idle_limit):
            await self._check_health()
        self._used = now
        return not self.closed

    @property
    def reusable(self) -> bool:
        """Whether it can go to somebody else: it is open, and no reply is due."""
        return not (self.closed or self._fifo or self._outgoing.parts or self._parser.has_data)

    @property
    def is_blind(self) -> bool:
        """Whether only reading can tell that the peer has closed it: see `listen`."""
        return self._nowait is None

    # Writing.

    async def _gather(self, waiter: Waiter) -> None:
        """Let the others of this turn come, then write for all."""
        try:
            await self._turn()
            if len(self._outgoing.parts) < self._outgoing.company:
                await self._turn()
        except BaseException:
            self._forsake(waiter)
            self._outgoing.flush()
            raise
        self._outgoing.flush()

    # Time limits.

    def _time_out(self, last: Entry, silent: bool) -> None:
        """What the FIFO holds up to the entry `last` is overdue; `silent` if nothing was received meanwhile."""
        overdue = []
        for entry in self._fifo:
            overdue.append(waiter_of(entry))
            if entry is last:
                break
        for waiter in overdue:
            if not waiter.done():
                limit = self._timekeeper.limit
                waiter.set_result(CommandTimeout(f"no reply within the time limit of {limit} seconds"))
            self._take_back(waiter)
        # The peer may be gone without a word: whoever comes next gets another connection.
        if silent and not self._stale:
            self._stale = True
            self._tell_lost()
        if all(waiter_of(entry).done() for entry in self._fifo) and self._stale:
            self.close()
        elif self._nowait is not None:
            self._nowait.interrupt()

    def _none_left(self) -> None:
        if self._stale:
            self.close()

    # The end.

    def close(self, cause: BaseException | None = None) -> None:
        """Close the connection; whoever waits learns that it is lost, and by what `cause`. Harmless when done twice."""
        if self._lost is not None:
            return
        self._lost = cause or anyio.ClosedResourceError("the connection was closed")
        fifo, parts = self._fifo, self._outgoing.parts
        unsent = len(fifo) - len(parts)
        for index, entry in enumerate(fifo):
            waiter = waiter_of(entry)
            if not waiter.done():
                written = index < unsent or _may_have_gone(entry, parts[index - unsent])
                # What is not RESP is the answer to the first of them, as far as anybody can tell.
                garbled = index == 0 and isinstance(cause, ProtocolError)
                waiter.set_result(cause if garbled else ConnectionLost(cause, written=written))
        fifo.clear()
        self._outgoing.close()
        self._make_room()
        if self._listener is not None and not self._listener.done():
            self._listener.set_result(None)
        if self._nowait is not None:
            self._nowait.close()
        else:
            self._spawn(self._close_stream)
        if not self._stale:
            self._tell_lost()

    def _tell_lost(self) -> None:
        if self._on_lost is not None:
            self._on_lost(self)

    async def _close_stream(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(self._stream)

    # Without requests: for a connection that was leased for messages, as MONITOR sends them.

    def write(self, packed: Packed) -> None:
        """Write a command whose replies `receive` is to give. Not to be mixed with `request`."""
        if self._lost is not None:
            raise ConnectionLost(self._lost, written=False)
        self._outgoing.add(packed)
        self._outgoing.flush()

    async def receive(self, decode: bool = False) -> Any:
        """The next reply or message, whatever it is. Not to be mixed with `request`.

        A checkpoint only if it has to wait. Cancelled, it loses nothing.

        Raises:
            ConnectionLost: The connection was lost, or closed while waiting.
            ProtocolError: This is not RESP.
        """
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


def _may_have_gone(entry: Entry, part: Part) -> bool:
    """Whether the server may have carried out something of a request that was not written as a whole.

    It cannot with a command whose end it never saw.
    """
    return isinstance(part, memoryview) and isinstance(entry, Bundle) and not entry.atomic
