"""One connection to a server, shared by any number of tasks at the same time.

Theory of operation. A request is a packed command that is `_outgoing` and an entry in `_fifo`; replies come in the order
of the entries. There are two roles, and for neither a task of its own where the stream can be used without waiting:

* *Writing.* Whoever finds nothing outgoing flushes it, once all tasks that can run have run: one system call for all
  requests of a turn. A task that is alone does not wait for others. What the socket does not take is written by a
  task in the store's group, so cancelling a request never tears a command.
* *Reading.* Where the event loop calls back with what has arrived (`DeliveringStream`), that is when replies are given
  out, and nobody reads. Elsewhere the first task that waits for a reply reads for all; when its own reply is in, or
  it is cancelled, it hands the reading on to the next one that waits (`Baton`). A lone task reads its own reply, with no
  other one in between.

An entry whose task was cancelled stays in the FIFO: its reply is read and dropped, so no reply can go to another task.
The last `len(_outgoing.parts)` entries of the FIFO are those of which not all is written, always; cancelling one that
was not begun takes it back. When the connection is lost, each entry learns whether the server may have carried it out.

What comes back is a value, whatever it is: an error reply, `CommandTimeout`, `ConnectionLost`. An exception set on a
future whose task is cancelled in the same turn would be reported as never retrieved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, Final, TypeAlias

import anyio
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from anystore.backend import Waiter, current_backend
from anystore.exceptions import CommandTimeout, ProtocolError
from anystore.redis.at_once import AtOnce
from anystore.redis.distribution import Distribution, bytes_next
from anystore.redis.entries import (
    STREAM_ERRORS,
    Baton,
    Bundle,
    ConnectionLost,
    ConnectionStatistics,
    Entry,
    Packed,
    may_have_gone,
    take_back,
    waiter_of,
)
from anystore.redis.lookout import Lookout
from anystore.redis.outgoing import UNSENT_BYTES, Outgoing
from anystore.redis.reception import Reception
from anystore.redis.timekeeper import Timekeeper
from anystore.resp.replies import ReplyParser
from anystore.streams import RECEIVE_BYTES, DeliveringStream, NowaitStream

__all__ = ("Connection", "ConnectionStatistics", "Spawn")

Spawn: TypeAlias = Callable[..., Any]
"""Starts a task in the store's task group."""

IN_FLIGHT: Final = 16_384
"""Requests that may wait for a reply at a time: far more than keep a server busy, and bounded memory."""
HEALTH_SECONDS: Final = 5.0
"""How long the answer to the PING of a health check may take."""
PING: Final = b"*1\r\n$4\r\nPING\r\n"


class Connection(AtOnce, Reception):
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
        self._source = stream if isinstance(stream, DeliveringStream) else None
        self.answers_at_once = getattr(stream, "answers_at_once", False)
        self._was_fair = 0.0
        self._delivered = False  # the stream delivers what arrives, so that nobody has to read
        self._spawn = spawn
        self._parser = parser
        self._on_lost = on_lost
        self._new_waiter = backend.waiter
        self._turn = backend.turn
        self._deadline = backend.deadline
        self._lookout = Lookout(backend.turn)
        self._time = backend.time
        self._idle_limit = inf if idle_limit is None else idle_limit
        self._used = backend.time()
        self._fifo: deque[Entry] = deque()
        self._outgoing = Outgoing(stream, spawn, self.close, self._unclogged)
        self._lost: BaseException | None = None
        self._distribution = Distribution(
            self._fifo, self._outgoing.parts, parser, on_push, lambda: self._lost is not None
        )
        self._for_room: list[Waiter] = []
        self._reading = False  # somebody reads, or was handed the reading
        self._more = False  # the parser has replies that are not given out yet
        self._received = 0
        self._listener: Waiter | None = None
        self._listening = False
        # Silent for too long, or retired: those that wait keep their chance, nobody else comes.
        self._stale = False
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
        alone = not fifo and self._outgoing.company < 2
        if alone:
            if self._deadline() == -inf:
                await checkpoint()
            # Always: what the peer has closed in this very moment must not count as written.
            self._check_end()
            now = self._time()
            if now - self._used > self._idle_limit:
                await self._check_health()
            self._used = now
            if self._lost is not None:
                return ConnectionLost(self._lost, written=False)
            waiter = self._append(bundle)
            self._outgoing.write(packed)
            if self.answers_at_once:
                self._check_end()
                if waiter.done() and waiter.result().__class__ is not Baton:
                    await self.be_fair()
                    return waiter.result()
        else:
            if self._lost is not None:
                return ConnectionLost(self._lost, written=False)
            waiter = self._append(bundle)
            self._outgoing.add(packed)
            # The first of those that come in this turn writes for all of them.
            if len(self._outgoing.parts) == 1 and not self._outgoing.busy:
                await self._gather(waiter)
        if not self._timekeeper.running:
            self._timekeeper.start()
        if not self._reading and not self._begin_delivery() and not self._reading:
            return await self.read_for_all(waiter)
        try:
            if alone and self._delivered:
                await self._lookout.watch(waiter)
            reply = await waiter
        except BaseException:
            self.forsake(waiter)
            raise
        return reply if reply.__class__ is not Baton else await self.read_for_all(reply.waiter)

    def join(self, packed: Packed) -> Waiter | None:
        """Add one packed command to those that are to be written in this turn, if there are any and somebody reads.

        Returns:
            What the reply comes to, or a `Baton` for `read_for_all`; cancelled, the task is to `forsake` it. None where
            nothing was done, and `request` is the way. O(1).
        """
        outgoing, fifo = self._outgoing, self._fifo
        parts = outgoing.parts
        # Once the connection is lost, nothing is outgoing.
        if (
            not parts
            or not self._reading
            or outgoing.clogged
            or len(fifo) >= IN_FLIGHT
            or not self._timekeeper.running
        ):
            return None
        waiter = self._new_waiter()
        fifo.append(waiter)
        # As `outgoing.add`, without the call.
        parts.append(packed)
        outgoing.unsent = unsent = outgoing.unsent + len(packed)
        if unsent > UNSENT_BYTES:
            outgoing.clogged = True
        return waiter

    def _append(self, bundle: Bundle | None) -> Waiter:
        waiter = self._new_waiter()
        if bundle is not None:
            bundle.waiter = waiter
        self._fifo.append(waiter if bundle is None else bundle)
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
                    self.forsake(waiter)
                    raise
                if baton is None:
                    continue
                waiter = baton.waiter
            await self.read_for_all(waiter)

    def _unclogged(self) -> None:
        self._make_room()
        if self._nowait is not None:
            self._nowait.interrupt()  # in case one of those reads, who are to go on now

    def _make_room(self) -> None:
        waiters, self._for_room = self._for_room, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def forsake(self, waiter: Waiter) -> None:
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
        take_back(waiter, self._fifo, self._outgoing.parts)

    # Reading.

    def _begin_delivery(self) -> bool:
        """Have replies given out whenever they arrive. False if somebody has to read, for now or in any case."""
        if self._source is None or self._more or self._lost is not None:
            return False
        if not self._source.deliver_to(self._arrived, RECEIVE_BYTES):
            self._source = None
            return False
        self._reading = self._delivered = True
        self._check_end()  # of what has arrived before the stream tells nothing
        return self._delivered

    def _end_delivery(self) -> None:
        if self._delivered:
            self._reading = self._delivered = False
            if self._source is not None:
                self._source.deliver_to(None)

    def _arrived(self, data: bytes | OSError) -> int:
        """Give out what has arrived; how much to receive next time."""
        try:
            self._more = self._distribution.take(data)
            self._received += 1
        except Exception as error:  # the event loop calls this, and could do nothing about it
            self.close(error)
        if self._more:  # others first: somebody goes on, in one of the next turns
            self._end_delivery()
            self._hand_on()
        elif self._for_room and len(self._fifo) < IN_FLIGHT:
            self._make_room()
        return bytes_next(data)

    async def read_for_all(self, waiter: Waiter) -> Any:
        """Read and give out replies until `waiter` has its own, then hand the reading on."""
        self._reading = True
        try:
            await self._read_until(waiter)
        except STREAM_ERRORS as error:
            self.close(error)
        except BaseException:
            self.forsake(waiter)
            raise
        finally:
            self._hand_on()
        return waiter.result()

    async def _read_until(self, waiter: Waiter) -> None:
        parser, receive, give_out = self._parser, self._stream.receive, self._distribution.give_out
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
                size = bytes_next(data)
                self._received += 1
            self._more = give_out()
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
        if self._fifo or self._for_room:
            self._begin_delivery()
            if self._reading:
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

    def _check_end(self) -> None:
        """Close the connection if the peer has closed it while nobody was reading."""
        if self._lost is not None or self._nowait is None or (self._reading and not self._delivered):
            return
        self._look_once(self._arrived)

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
            self.forsake(waiter)
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
        self._end_delivery()
        fifo, parts = self._fifo, self._outgoing.parts
        unsent = len(fifo) - len(parts)
        for index, entry in enumerate(fifo):
            waiter = waiter_of(entry)
            if not waiter.done():
                written = index < unsent or may_have_gone(entry, parts[index - unsent])
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

    def retire(self) -> None:
        """Be lost to who comes next, and close once those that wait have their replies. Harmless when done twice."""
        if not self.closed:
            self._stale = True
            self._tell_lost()
            self._spawn(self._close_when_answered)

    async def _close_when_answered(self) -> None:
        # The answer to PING comes behind all others. Meanwhile somebody may still come who had the connection already.
        while self._fifo and self._lost is None:
            await self.request(PING)
        self.close()

    def _tell_lost(self) -> None:
        if self._on_lost is not None:
            self._on_lost(self)

    async def _close_stream(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(self._stream)
