"""One connection to a server, shared by any number of tasks at the same time.

Theory of operation. A request is a packed command in `_outgoing` and an entry in `_fifo`; replies come in the order
of the entries. There are two roles, and for neither a task of its own where the stream can be used without waiting:

* *Writing.* Whoever finds `_outgoing` empty flushes it, once all tasks that can run have run: one system call for all
  requests of a turn. A task that is alone does not wait for others. What the socket does not take is written by a
  task in the store's group, so cancelling a request never tears a command.
* *Reading.* The first task that waits for a reply reads for all; when its own reply is in, or it is cancelled, it hands
  the reading on to the next one that waits (`_Baton`). A lone task reads its own reply, with no other one in between.

An entry whose task was cancelled stays in the FIFO: its reply is read and dropped, so no reply can go to another task.
The last `len(_outgoing)` entries of the FIFO are those of which not all is written, always; cancelling one that was not
begun takes it back. When the connection is lost, each entry learns whether the server may have carried it out.

What comes back is a value, whatever it is: an error reply, `CommandTimeout`, `ConnectionLost`. An exception set on a
future whose task is cancelled in the same turn would be reported as never retrieved.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any, Final, TypeAlias

import anyio
from anyio import current_effective_deadline
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint

from anystore.backend import Waiter, current_backend
from anystore.exceptions import CommandTimeout, ConnectionFailed, ProtocolError
from anystore.resp.replies import NOT_ENOUGH, PushNotification, ReplyParser
from anystore.streams import NowaitStream

__all__ = ("Bundle", "Connection", "ConnectionLost", "ConnectionStatistics", "Packed", "Spawn")

Spawn: TypeAlias = Callable[..., Any]
"""Starts a task in the store's task group."""
Packed: TypeAlias = bytes | bytearray
"""Commands as they go over the wire."""

IN_FLIGHT: Final = 16_384
"""Requests that may wait for a reply at a time: far more than keep a server busy, and bounded memory."""
UNSENT_BYTES: Final = 4 << 20
"""What may wait to be written before further requests have to wait, too."""
JOINED_BYTES: Final = 256 << 10
"""How much is joined into one write: beyond that copying costs more than a system call."""
REPLIES_A_TURN: Final = 2_000
"""Replies to give out before other tasks get their turn: about a millisecond's work."""
TICKS: Final = 8
"""How many looks at the FIFO are taken within a time limit: it is kept to within an eighth."""

HEALTH_SECONDS: Final = 5.0
"""How long the answer to the PING of a health check may take."""
PING: Final = b"*1\r\n$4\r\nPING\r\n"

STREAM_ERRORS: Final = (
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    ProtocolError,
    OSError,
)

_logger = logging.getLogger("anystore.redis")


class ConnectionLost(ConnectionFailed):
    """The connection was lost before the reply; `written` says whether the server may have got the request."""

    def __init__(self, cause: BaseException | None, *, written: bool) -> None:
        told = str(cause) or type(cause).__name__
        super().__init__(
            "the connection to the server was lost" if cause is None else f"connection lost: {told}"
        )
        self.written = written
        self.__cause__ = cause


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """What `Connection.statistics` gives."""

    in_flight: int
    """Requests without their reply yet, those of cancelled tasks included."""
    unsent: int
    """Requests of which not all is written yet."""
    closed: bool
    """Whether the connection was closed or lost."""


class _Baton:
    """What a waiting task gets instead of its reply when it is to read for all; its reply goes to `waiter`."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter


class Bundle:
    """A request that is more than one command, or whose reply is not decoded as usual.

    Args:
        count: How many replies belong to it.
        decode: Whether their strings are decoded.
        atomic: Whether nothing of it is carried out before all of it has arrived, as with MULTI … EXEC.
    """

    __slots__ = ("atomic", "begun", "count", "decode", "replies", "waiter")
    waiter: Waiter

    def __init__(self, count: int, *, decode: bool = True, atomic: bool = False) -> None:
        self.count = count
        self.decode = decode
        self.atomic = atomic
        self.begun = False
        self.replies: list[Any] = []


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
        self._timeout = timeout
        self._on_push = on_push
        self._on_lost = on_lost
        self._new_waiter = backend.waiter
        self._turn = backend.turn
        self._time = backend.time
        self._used = backend.time()
        self._idle_limit = inf if idle_limit is None else idle_limit
        self._fifo: deque[Waiter | Bundle] = deque()
        self._outgoing: list[bytes | bytearray | memoryview] = []
        self._company = 0  # requests in the last write
        self._lost: BaseException | None = None
        self._hindered = False  # lost, or too much is waiting to be written
        self._for_room: list[Waiter] = []
        self._reading = False  # somebody reads, or was handed the reading
        self._more = False  # the parser has replies that are not given out yet
        self._received = 0
        self._listener: Waiter | None = None
        self._listening = False
        self._writing = False  # the writer task has what is outgoing
        self._writer: Waiter | None = None  # where the writer task waits
        self._has_writer = False
        self._watched = timeout is None
        self._noted: deque[_Note] = deque()
        self._stale = False

    @property
    def closed(self) -> bool:
        """Whether it was closed, lost, or is not to be used for further requests."""
        return self._lost is not None or self._stale

    def statistics(self) -> ConnectionStatistics:
        """Counters of this moment. O(1)."""
        return ConnectionStatistics(len(self._fifo), len(self._outgoing), self.closed)

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
        if self._hindered or len(fifo) >= IN_FLIGHT:
            await self._wait_until_possible()
        if not fifo and self._company < 2:
            if current_effective_deadline() == -inf:
                await checkpoint()
            if self._nowait is not None:
                self._check_end()
            now = self._time()
            if now - self._used > self._idle_limit:
                await self._check_health(now)
            self._used = now
            if self._lost is not None:
                return ConnectionLost(self._lost, written=False)
            waiter = self._append(packed, bundle)
            self._flush()
        else:
            if self._lost is not None:
                return ConnectionLost(self._lost, written=False)
            waiter = self._append(packed, bundle)
            # The first of those that come in this turn writes for all of them.
            if len(self._outgoing) == 1 and not self._writing:
                await self._gather(waiter)
        if not self._watched:
            self._watch()
        if not self._reading:
            return await self._read_for_all(waiter)
        try:
            reply = await waiter
        except BaseException:
            self._forsake(waiter)
            raise
        if reply.__class__ is _Baton:
            return await self._read_for_all(reply.waiter)
        return reply

    def _append(self, packed: Packed, bundle: Bundle | None) -> Waiter:
        waiter = self._new_waiter()
        if bundle is None:
            self._fifo.append(waiter)
        else:
            bundle.waiter = waiter
            self._fifo.append(bundle)
        self._outgoing.append(packed)
        if self._writing and sum(map(len, self._outgoing)) > UNSENT_BYTES:
            self._hindered = True
        return waiter

    async def _wait_until_possible(self) -> None:
        while self._lost is None and (self._hindered or len(self._fifo) >= IN_FLIGHT):
            waiter = self._new_waiter()
            self._for_room.append(waiter)
            await waiter

    def _make_room(self) -> None:
        waiters, self._for_room = self._for_room, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _forsake(self, waiter: Waiter) -> None:
        """The task that waited was cancelled: take its request back if it can be, else leave a tombstone."""
        if not waiter.done():
            waiter.cancel()
        elif not waiter.cancelled() and waiter.result().__class__ is _Baton:
            waiter.result().waiter.cancel()
            self._reading = False
            self._hand_on()
        self._take_back(waiter)

    def _take_back(self, waiter: Waiter) -> None:
        """Drop a request of which nothing was written yet."""
        first = len(self._fifo) - len(self._outgoing)
        for index, packed in enumerate(self._outgoing):
            entry = self._fifo[first + index]
            if _waiter_of(entry) is waiter and not isinstance(packed, memoryview):
                del self._fifo[first + index], self._outgoing[index]
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
            self._reading = False
            if self._fifo or self._listener is not None:
                self._hand_on()
        return waiter.result()

    async def _read_until(self, waiter: Waiter) -> None:
        parser, receive = self._parser, self._stream.receive
        while not waiter.done():
            if self._more:
                await self._turn()
            else:
                try:
                    parser.feed(await receive())
                except anyio.WouldBlock:  # interrupted: a time limit has passed
                    continue
                self._received += 1
            self._more = self._give_out()

    def _hand_on(self) -> None:
        """Find somebody to read for those that still wait."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self._reading = True
            listener.set_result(None)
            return
        for index, entry in enumerate(self._fifo):
            waiter = _waiter_of(entry)
            if not waiter.done():
                successor = self._new_waiter()
                if isinstance(entry, Bundle):
                    entry.waiter = successor
                else:
                    self._fifo[index] = successor
                    for note in self._noted:
                        if note.entry is waiter:
                            note.entry = successor
                self._reading = True
                waiter.set_result(_Baton(successor))
                return

    def _give_out(self) -> bool:
        """Give the replies that have arrived to those that wait; True if there may be more of them."""
        fifo, gets = self._fifo, self._parser.gets
        for _ in range(REPLIES_A_TURN):
            entry: Any = fifo[0] if fifo else None
            if entry.__class__ is Bundle:
                filled = self._fill(entry)
                if not filled:
                    return filled is None
                continue
            if entry is None and not self._parser.has_data:
                return False
            try:
                reply = gets()
            except UnicodeDecodeError as error:
                reply = error
            if reply is NOT_ENOUGH:
                return False
            if reply.__class__ is PushNotification:
                self._push(reply)
                continue
            if entry is None:
                raise ProtocolError("the server sent a reply that nobody had asked for")
            del fifo[0]
            if not entry.done():
                entry.set_result(reply)
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
                continue
            replies.append(reply)
            if len(replies) == bundle.count:
                del self._fifo[0]
                if not bundle.waiter.done():
                    bundle.waiter.set_result(None)
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

    async def _check_health(self, now: float) -> None:
        """Close the connection if the server does not answer PING in time; any answer will do, an error, too."""
        self._used = now
        with anyio.move_on_after(HEALTH_SECONDS) as scope:
            await self.request(PING)
        if scope.cancelled_caught:
            self.close(TimeoutError(f"no answer to PING in {HEALTH_SECONDS} seconds"))

    async def is_alive(self) -> bool:
        """Whether the connection can be used after it was idle: the peer has not closed it, or it answers PING."""
        self._check_end()
        now = self._time()
        if self._lost is None and (self._nowait is None or now - self._used > self._idle_limit):
            await self._check_health(now)
        self._used = now
        return not self.closed

    @property
    def reusable(self) -> bool:
        """Whether it can go to somebody else: it is open, and no reply is due."""
        return not (self.closed or self._fifo or self._outgoing or self._parser.has_data)

    @property
    def is_blind(self) -> bool:
        """Whether only reading can tell that the peer has closed it: see `listen`."""
        return self._nowait is None

    # Writing.

    async def _gather(self, waiter: Waiter) -> None:
        """Let the others of this turn come, then write for all."""
        try:
            await self._turn()
            if len(self._outgoing) < self._company:
                await self._turn()
        except BaseException:
            self._forsake(waiter)
            self._flush()
            raise
        self._flush()

    def _flush(self) -> None:
        """Write what is outgoing, as far as that is possible without waiting."""
        if self._writing or self._lost is not None or not self._outgoing:
            return
        self._company = len(self._outgoing)
        if self._nowait is None:
            self._summon_writer()
            return
        try:
            if not self._write_nowait(self._nowait):
                self._summon_writer()
        except STREAM_ERRORS as error:
            self.close(error)

    def _write_nowait(self, stream: NowaitStream) -> bool:
        outgoing = self._outgoing
        while outgoing:
            count, data = self._next_write()
            sent = stream.send_nowait(data)
            if sent < len(data):
                self._written(sent)
                return False
            del outgoing[:count]
        return True

    def _next_write(self) -> tuple[int, bytes | bytearray | memoryview]:
        """How many of what is outgoing go out in one write, and their bytes."""
        outgoing = self._outgoing
        if len(outgoing) == 1:
            return 1, outgoing[0]
        if sum(map(len, outgoing)) <= JOINED_BYTES:
            return len(outgoing), b"".join(outgoing)
        size = count = 0
        for packed in outgoing:
            size += len(packed)
            if size > JOINED_BYTES:
                break
            count += 1
        return (count, b"".join(outgoing[:count])) if count > 1 else (1, outgoing[0])

    def _written(self, size: int) -> None:
        """Of what is outgoing, the first `size` bytes went out, the next one did not."""
        outgoing = self._outgoing
        count = 0
        for packed in outgoing:
            if size < len(packed):
                break
            size -= len(packed)
            count += 1
        del outgoing[:count]
        if size:
            outgoing[0] = memoryview(outgoing[0])[size:]
            if self._fifo:
                entry = self._fifo[len(self._fifo) - len(outgoing)]
                if isinstance(entry, Bundle):
                    entry.begun = True

    def _summon_writer(self) -> None:
        """Have the writer's task write what is outgoing."""
        self._writing = True
        if not self._has_writer:
            self._has_writer = True
            self._spawn(self._write_on)
        elif self._writer is not None:
            writer, self._writer = self._writer, None
            writer.set_result(None)

    async def _write_on(self) -> None:
        try:
            while self._lost is None:
                if self._outgoing:
                    await self._write_some()
                    if self._hindered and self._lost is None:
                        self._hindered = sum(map(len, self._outgoing)) > UNSENT_BYTES
                        self._make_room()
                else:
                    self._writing = False
                    self._writer = self._new_waiter()
                    await self._writer
        except STREAM_ERRORS as error:
            self.close(error)

    async def _write_some(self) -> None:
        if self._nowait is not None:
            await self._nowait.wait_send()
            self._write_nowait(self._nowait)
            return
        count, data = self._next_write()
        # Once it is with the stream, nobody can tell how much of it went out.
        for index in range(count):
            self._outgoing[index] = memoryview(b"")
        await self._stream.send(bytes(data))
        del self._outgoing[:count]

    # Time limits.

    def _watch(self) -> None:
        self._watched = True
        self._spawn(self._keep_time)

    async def _keep_time(self) -> None:
        """Time out requests whose reply is overdue, for as long as there are requests.

        A timer per command would cost more than the command. So the newest entry of the FIFO is noted a few times
        within the time limit; one that is still there after the time limit is overdue, and so is all before it.
        """
        timeout, noted = self._timeout, self._noted
        assert timeout is not None
        while self._fifo and self._lost is None:
            now = anyio.current_time()
            newest = self._fifo[-1]
            if not noted or noted[-1].entry is not newest:
                noted.append(_Note(now + timeout, newest, self._received))
            await anyio.sleep_until(min(noted[0].deadline, now + timeout / TICKS))
            now = anyio.current_time()
            while noted and noted[0].deadline <= now:
                self._time_out(noted.popleft())
        noted.clear()
        self._watched = False
        if self._stale:
            self.close()

    def _time_out(self, note: _Note) -> None:
        if note.entry not in self._fifo:
            return
        for waiter in [_waiter_of(entry) for entry in self._until(note.entry)]:
            if not waiter.done():
                waiter.set_result(
                    CommandTimeout(f"no reply within the time limit of {self._timeout} seconds")
                )
            self._take_back(waiter)
        # Not a byte since: the peer may be gone without a word. Whoever comes next gets another connection; those that
        # wait here keep their chance.
        if note.received == self._received and not self._stale:
            self._stale = True
            self._tell_lost()
        if all(_waiter_of(entry).done() for entry in self._fifo):
            self.close()
        elif self._nowait is not None:
            self._nowait.interrupt()

    def _until(self, last: Waiter | Bundle) -> Iterator[Waiter | Bundle]:
        for entry in self._fifo:
            yield entry
            if entry is last:
                return

    # The end.

    def close(self, cause: BaseException | None = None) -> None:
        """Close the connection; whoever waits learns that it is lost, and by what `cause`. Harmless when done twice."""
        if self._lost is not None:
            return
        self._lost = cause or anyio.ClosedResourceError("the connection was closed")
        self._hindered = True
        fifo, outgoing = self._fifo, self._outgoing
        unsent = len(fifo) - len(outgoing)
        for index, entry in enumerate(fifo):
            waiter = _waiter_of(entry)
            if not waiter.done():
                written = index < unsent or self._may_have_gone(entry, outgoing[index - unsent])
                # What is not RESP is the answer to the first of them, as far as anybody can tell.
                garbled = index == 0 and isinstance(cause, ProtocolError)
                waiter.set_result(cause if garbled else ConnectionLost(cause, written=written))
        fifo.clear()
        outgoing.clear()
        self._make_room()
        for parked in (self._listener, self._writer):
            if parked is not None and not parked.done():
                parked.set_result(None)
        if self._nowait is not None:
            self._nowait.close()
        else:
            self._spawn(self._close_stream)
        if not self._stale:
            self._tell_lost()

    def _may_have_gone(self, entry: Waiter | Bundle, packed: bytes | bytearray | memoryview) -> bool:
        """Whether the server may have carried out something of a request that was not written as a whole.

        It cannot with a command whose end it never saw. An empty rest is one that was left to a stream that does not
        say how far it came.
        """
        if isinstance(packed, memoryview) and not packed:
            return True
        return isinstance(entry, Bundle) and entry.begun and not entry.atomic

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
        self._outgoing.append(packed)
        self._flush()

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


class _Note:
    """An entry of the FIFO that is overdue at `deadline`, and how often something had been received by then."""

    __slots__ = ("deadline", "entry", "received")

    def __init__(self, deadline: float, entry: Waiter | Bundle, received: int) -> None:
        self.deadline = deadline
        self.entry = entry
        self.received = received


def _waiter_of(entry: Waiter | Bundle) -> Waiter:
    return entry.waiter if isinstance(entry, Bundle) else entry
