"""Pipelines: commands that are queued and then sent together, by default as a transaction.

A pipeline is one task's, and runs once. Its commands go over the shared connection in one piece, so that nothing of
other tasks comes in between MULTI and EXEC; only one that watches keys has a connection of its own, from `watch` to
the commit.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import anyio

from anystore.exceptions import ExecAbort, OutcomeUnknown, ReadOnly, StoreError, WatchError
from anystore.redis import routing
from anystore.redis.commands import CoreCommands
from anystore.redis.commands.base import Argument, KeyT, S
from anystore.redis.connection import Connection
from anystore.redis.entries import Bundle, ConnectionLost, Packed
from anystore.redis.leased import carry_out
from anystore.redis.queued import COMMANDS_A_TURN, Converter, Queue, Queued
from anystore.resp.decode import decode_strings
from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.redis.store import RedisStore

__all__ = ("Pipeline", "Queued", "run_transaction")

_MULTI: Final = pack_command(("MULTI",))
_EXEC: Final = pack_command(("EXEC",))
_UNWATCH: Final = pack_command(("UNWATCH",))


class Pipeline(CoreCommands[S]):
    """Commands that are sent together; made by `store.pipeline()`.

    ```python
    async with store.pipeline() as pipe:
        pipe.set("visits", 1)
        visits = pipe.incr("visits")
        await pipe.commit()
    print(await visits)
    ```

    Every command method queues and returns a handle (`Queued`), which can be awaited after the commit. Leaving the
    block without a commit sends nothing.

    `await pipe.watch(*keys)` turns to immediate mode: commands are carried out at once, on a connection of the
    pipeline's own, and are awaited like a client's. `multi()` turns back to queueing. The commit raises `WatchError`,
    and nothing is carried out, if somebody changed a key meanwhile.

    A pipeline belongs to the task that uses it first, and runs once; anything else raises `StoreError`.

    Args:
        store: The open store.
        transaction: Whether the commands run as one (MULTI … EXEC), with no other client's in between.
    """

    def __init__(self, store: RedisStore[S], *, transaction: bool = True) -> None:
        store.check_open()
        self.store: RedisStore[S] = store
        self.is_transaction: bool = transaction
        self.queued_scripts: set[str] | None = set()
        self._plain = routing.plain_names() if store.sends_as_given else frozenset[str]()
        backend = store.backend
        self._current_task = backend.task
        self._task: object = None
        self._thread = 0
        self._queue = Queue()
        self._blocks = 0.0
        self._watching: Connection | None = None
        self._explicit = False
        self._entered = False
        self._ran = False

    def __repr__(self) -> str:
        return f"<Pipeline {self.store}, {len(self._queue)} commands>"

    def __len__(self) -> int:
        return len(self._queue)

    def __bool__(self) -> bool:
        return True

    async def __aenter__(self) -> Self:
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._give_up()
        await self.reset()
        self._ran = True

    # Queueing.

    def execute_command(
        self,
        *args: Argument,
        reply: Callable[[Any], Any] | None = None,
        decode: bool = True,
        block: float | None = None,
    ) -> Awaitable[Any]:
        try:
            # Asked in another thread than the task's, asyncio of Python 3.11 names it as well.
            known = self._task is self._current_task() and get_ident() == self._thread and not self._ran
        except RuntimeError:  # from the other kind of event loop
            known = False
        if not known:
            self._check_use()
        if args[0] in self._plain and decode and block is None and (self._watching is None or self._explicit):
            return self._queue.add(pack_command(args), reply)
        return self._special(args, reply, decode, block)

    def _check_use(self) -> None:
        self.store.check_open()
        if self._ran:
            raise StoreError("the pipeline has run; make another one with store.pipeline()")
        task = self._current_task()
        if self._task is None:
            self._task = task
            self._thread = get_ident()
        elif self._task is not task:
            raise StoreError("the pipeline belongs to another task; each task needs a pipeline of its own")

    def _special(
        self, args: Sequence[Any], convert: Converter | None, decode: bool, block: float | None
    ) -> Awaitable[Any]:
        if args[0] not in routing.plain_names():
            args = routing.normalised(args)
            routing.refuse(args)
            if block is None:
                block = routing.block_seconds(args)
        args, hook = self.store.on_the_wire(args)
        packed = pack_command(args)
        if self._watching is not None and not self._explicit:
            return self._at_once(args, packed, convert, hook, decode, block)
        queue = self._queue
        queued = queue.add(packed, convert)
        if hook is not None:
            queue.hooks[len(queue) - 1] = hook
        if not decode:
            queue.undecoded.add(len(queue) - 1)
        if block is not None:
            self._blocks += block or inf
        return queued

    # Watching.

    async def watch(self, *names: KeyT) -> bool:
        """Watch keys, and turn to immediate mode until `multi()` or the commit; True. O(1) for each key.

        Cancelled, some of the keys may be watched; the end of the `async with` block lets go of all.

        Raises:
            StoreError: Commands are queued already, or the pipeline is not used in an `async with` block, which its
                connection needs to come back.
            CommandTimeout, ConnectionFailed: There is no connection for it.

        Since 2.2.0. https://valkey.io/commands/watch/
        """
        self._check_use()
        if self._explicit or self._queue:
            raise StoreError("keys have to be watched before commands are queued")
        if not self._entered:
            raise StoreError("watch() needs a connection of its own: use the pipeline in 'async with'")
        if self._watching is None:
            self._watching = await self.store.pool.acquire()
        args, _ = self.store.on_the_wire(("WATCH", *names))
        await self._at_once(args, pack_command(args))
        return True

    async def unwatch(self) -> bool:
        """Watch no keys any more, and turn back to queueing; True. O(1).

        Cancelled or not, the connection goes back to the pool, or is closed. Since 2.2.0.
        https://valkey.io/commands/unwatch/
        """
        self._check_use()
        await self._stop_watching()
        return True

    def multi(self) -> None:
        """Turn from immediate mode to queueing: what follows is carried out by the commit, as a transaction."""
        self._check_use()
        if self._explicit:
            raise StoreError("multi() was called already")
        if self._queue:
            raise StoreError("multi() comes before the commands that it is for")
        self._explicit = True

    async def _at_once(
        self,
        args: Sequence[Any],
        packed: bytes,
        convert: Converter | None = None,
        hook: Converter | None = None,
        decode: bool = True,
        block: float | None = None,
    ) -> Any:
        connection = self._watching
        if connection is None:
            raise StoreError("the pipeline is not watching any more")
        bundle = Bundle(1, decode=decode)
        failure = await carry_out(self.store, connection, packed, bundle, block)
        if isinstance(failure, ConnectionLost) and failure.written and not routing.is_read_only(args):
            raise OutcomeUnknown(str(failure)) from failure.__cause__
        if failure is not None:
            raise failure
        reply = bundle.replies[0]
        if isinstance(reply, ReadOnly):
            self.store.found_read_only()
        if isinstance(reply, Exception):
            raise reply
        if hook is not None:
            reply = hook(reply)
        return reply if convert is None else convert(reply)

    async def _stop_watching(self) -> None:
        connection, self._watching = self._watching, None
        if connection is not None:
            try:
                await carry_out(self.store, connection, _UNWATCH, Bundle(1), None)
            except BaseException:
                connection.close()  # cancelled before it was sent: it watches still
                raise
            finally:
                self.store.pool.release(connection)

    def _give_up(self) -> None:
        """Close the connection at once: whatever it was doing, nobody waits for it."""
        connection, self._watching = self._watching, None
        if connection is not None:
            connection.close()
            self.store.pool.release(connection)

    async def reset(self) -> None:  # type: ignore[override]  # as in redis-py, not the command RESET
        """Drop what is queued, stop watching, and begin anew, in any task.

        Cancelled, it has done so all the same: a connection that still watches is closed.
        """
        self._queue = Queue()
        self._blocks = 0.0
        self.queued_scripts = set()
        self._explicit = self._ran = False
        self._task = None
        self._thread = 0
        await self._stop_watching()

    aclose = reset

    # Running.

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The same as `commit`, with the name that redis-py gives it."""
        return await self.commit(raise_on_error)

    async def commit(self, raise_on_error: bool = True) -> list[Any]:
        """Send what is queued, and return the results in order. O(bytes).

        Cancelled before anything was written, nothing is carried out; later, all of a transaction or nothing, and any
        part of another pipeline.

        Args:
            raise_on_error: False gives errors of single commands in their places instead of raising the first one.

        Raises:
            WatchError: A watched key was changed, so nothing was carried out.
            ResponseError: The server refused a command. In a transaction the others were carried out, except with
                an error that it finds when it queues the command; then nothing was.
            OutcomeUnknown: The connection was lost, and what was sent may have been carried out.
            ConnectionFailed, CommandTimeout: Trouble on the way.
        """
        self._check_use()
        self._ran = True
        queue, self._queue = self._queue, Queue()
        watches = self._watching is not None
        atomic = self.is_transaction or self._explicit
        if not len(queue) and not (watches and atomic):
            await self._stop_watching()
            return []
        try:
            # Of one reply, EXEC's, hiredis decodes all or nothing, and of what cannot be decoded nothing is left.
            profile = self.store.profile
            mixed = profile.encoding is not None and (atomic or bool(queue.undecoded))
            turn = self.store.backend.turn
            replies = await self._send(queue, atomic, decode=not mixed, turn=turn)
            watches = False
        except WatchError:
            watches = False
            raise
        finally:
            # The pool closes it if a reply is still due on it; where EXEC has not been carried out, it watches still.
            connection, self._watching = self._watching, None
            if connection is not None:
                if watches:
                    connection.close()
                self.store.pool.release(connection)
        decoder = (
            partial(decode_strings, encoding=profile.encoding or "utf-8", errors=profile.errors)
            if mixed
            else None
        )
        failed = await queue.settle(replies, turn, decoder)
        if failed is not None and isinstance(failed[1], ReadOnly):
            self.store.found_read_only()
        if raise_on_error and failed is not None:
            index, error = failed
            error.add_note(f"command {index + 1} of the pipeline: {queue.name(index)}")
            raise error
        return replies

    async def _send(
        self, queue: Queue, atomic: bool, *, decode: bool, turn: Callable[[], Awaitable[Any]]
    ) -> list[Any]:
        """The reply to each queued command."""
        packed = await queue.joined(_MULTI if atomic else b"", _EXEC if atomic else b"", turn)
        bundle = Bundle(len(queue) + 2 if atomic else len(queue), decode=decode, atomic=atomic)
        await self._carry_out(queue, packed, bundle)
        return await replies_of_exec(bundle.replies, turn) if atomic else bundle.replies

    async def _carry_out(self, queue: Queue, packed: Packed, bundle: Bundle) -> None:
        blocks = 0.0 if bundle.atomic else self._blocks
        if self._watching is None and blocks:
            self._watching = await self.store.pool.acquire()
        if self._watching is None:
            await self.store.shared.call_bundle(packed, bundle, lambda: _only_reads(queue))
            return
        failure = await carry_out(self.store, self._watching, packed, bundle, blocks)
        if isinstance(failure, ConnectionLost) and failure.written:
            raise OutcomeUnknown(
                f"{failure}; the server may have carried out the pipeline"
            ) from failure.__cause__
        if failure is not None:
            raise failure


def _only_reads(queue: Queue) -> bool:
    # To look at more of them would hold the loop.
    return len(queue) <= COMMANDS_A_TURN and all(map(routing.is_read_only, queue.commands()))


async def replies_of_exec(replies: list[Any], turn: Callable[[], Awaitable[Any]]) -> list[Any]:
    """The reply to each command of a transaction, of the replies to MULTI, to queueing each of them, and to EXEC."""
    started, done = replies[0], replies[-1]
    if isinstance(started, Exception):
        raise started
    if done is None:
        raise WatchError("a watched key was changed, so nothing was carried out")
    if isinstance(done, ExecAbort):
        # The server tells what it did not like when it queued it, and says of the rest only that there was something.
        for index in range(1, len(replies) - 1):
            if not isinstance(replies[index], Exception):
                replies[index] = ExecAbort(str(done))
            if index % COMMANDS_A_TURN == 0:
                await turn()
        return replies[1:-1]
    if isinstance(done, Exception):
        raise done
    return done if done.__class__ is list else list(done)


async def run_transaction(
    store: RedisStore[S],
    func: Callable[[Pipeline[S]], Awaitable[Any] | Any],
    *keys: KeyT,
    value_from_callable: bool = False,
    watch_delay: float | None = None,
    attempts: int | None = None,
) -> Any:
    """Run `func` on a pipeline that watches `keys`, and commit it; again for as long as somebody else changes them.

    Args:
        store: The open store.
        func: Called, and awaited if that is what it wants, with the pipeline in immediate mode; calls `multi()`
            before what it queues.
        keys: What to watch.
        value_from_callable: Return what `func` returned instead of the results of the commit.
        watch_delay: Seconds to wait before another try.
        attempts: How many tries there are; None without limit.

    Raises:
        WatchError: The last try was lost, too.
        OutcomeUnknown: The connection was lost while the commit was under way.

    Cancelled before the commit, nothing is carried out; during it, all of it may have been, or nothing. No key stays
    watched.
    """
    tries = 0
    while True:
        try:
            async with Pipeline(store) as pipe:
                if keys:
                    await pipe.watch(*keys)
                value = func(pipe)
                # The handle of a queued command has its result after the commit.
                if inspect.isawaitable(value) and not isinstance(value, Queued):
                    value = await value
                results = await pipe.commit()
            return value if value_from_callable else results
        except WatchError:
            tries += 1
            if attempts is not None and tries >= attempts:
                raise
        await anyio.sleep(watch_delay or 0)
