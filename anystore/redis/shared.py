"""The shared connection of a store, for as long as the store lives: opened when needed, replaced when lost.

What was never written is sent again by itself. What may have been carried out is sent again only if it just reads;
otherwise the caller learns it by `OutcomeUnknown`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from typing import Any

from anystore.backend import Waiter, current_backend, current_token
from anystore.exceptions import ConnectionFailed, OutcomeUnknown, ReadOnly, StoreError
from anystore.redis.connection import Connection, ConnectionStatistics, Spawn
from anystore.redis.entries import Baton, Bundle, ConnectionLost, Packed
from anystore.redis.handshake import Opener
from anystore.redis.routing import is_read_only
from anystore.resp.pack import pack_command
from anystore.resp.replies import NOT_ENOUGH

__all__ = ("SharedConnection",)


class SharedConnection:
    """One multiplexed connection for all ordinary commands.

    Args:
        opener: Opens it.
        spawn: Starts a task in the store's group.
        on_read_only: Called when the server has refused a command because it is a replica.
    """

    def __init__(self, opener: Opener, spawn: Spawn, on_read_only: Callable[[], None]) -> None:
        self._opener = opener
        self._spawn = spawn
        self._on_read_only = on_read_only
        backend = current_backend()
        self._new_waiter = backend.waiter
        self._backend = backend
        self._stepping = backend.stepping
        self._running = backend.running
        self._token = backend.token
        self._time = backend.time
        self._opened_at = 0.0
        self._live: Connection | None = None
        self._opening = False
        self._waiting: list[Waiter] = []
        self._closed = False

    async def call(self, args: Sequence[Any], convert: Callable[[Any], Any] | None = None) -> Any:
        """Carry out one command and convert its reply.

        Raises:
            ResponseError: The server refused it.
            ConnectionFailed, OutcomeUnknown, CommandTimeout: Trouble on the way.
            TypeError: An argument cannot be sent.
        """
        packed = pack_command(args)
        stepping = self._stepping
        if stepping is None or get_ident() != self._backend.thread or stepping() is None:
            try:
                here = self._running() is self._token
            except RuntimeError:
                here = False
            if not here:
                raise _elsewhere()
        connection = self._live
        if connection is None:
            connection = await self.connection()
        waiter = connection.join(packed)
        if waiter is None:
            reply = connection.exchange(packed) if connection.answers_at_once else NOT_ENOUGH
            if reply is NOT_ENOUGH:
                reply = await connection.request(packed)
            elif reply.__class__ is Baton:
                reply = await connection.read_for_all(reply.waiter)
            elif connection.is_turn_due():
                await connection.take_turn()
        else:  # here, to go without a coroutine in between
            try:
                reply = await waiter
            except BaseException:
                connection.forsake(waiter)
                raise
            if reply.__class__ is Baton:
                reply = await connection.read_for_all(reply.waiter)
        if isinstance(reply, Exception):
            # A function here would make a cell of `args` for every call.
            reply = await self._again(reply, packed, None, partial(is_read_only, args))
        return reply if convert is None else convert(reply)

    async def call_bytes(self, args: Sequence[Any], convert: Callable[[Any], Any] | None = None) -> Any:
        """As `call`, with the strings of the reply left as bytes."""
        bundle = Bundle(1, decode=False)
        await self.call_bundle(pack_command(args), bundle, lambda: is_read_only(args))
        (reply,) = bundle.replies
        if isinstance(reply, Exception):
            raise self._noticed(reply)
        return reply if convert is None else convert(reply)

    async def call_bundle(self, packed: Packed, bundle: Bundle, read_only: Callable[[], bool]) -> None:
        """Carry out a bundle of commands, whose replies, errors among them, are in the bundle afterwards.

        Args:
            packed: The commands.
            bundle: Takes the replies.
            read_only: Asked, when the connection was lost, whether the commands may be carried out again.
        """
        if current_token() is not self._token:
            raise _elsewhere()
        connection = self._live or await self.connection()
        failure = await connection.request(packed, bundle)
        if failure is not None:
            await self._again(failure, packed, bundle, read_only)

    async def _again(
        self, reply: Any, packed: Packed, bundle: Bundle | None, read_only: Callable[[], bool]
    ) -> Any:
        """Something went wrong: send the command again if that is safe, raise what it was otherwise."""
        attempts = self._opener.profile.attempts
        while isinstance(reply, ConnectionLost):
            if reply.written and not read_only():
                raise OutcomeUnknown(
                    f"{reply}; the server may have carried out the command"
                ) from reply.__cause__
            if attempts < 0:
                raise ConnectionFailed(str(reply)) from reply.__cause__
            attempts -= 1
            if bundle is not None:
                bundle.reset()
            connection = await self.connection()
            reply = await connection.request(packed, bundle)
        if isinstance(reply, Exception):
            raise self._noticed(reply)
        return reply

    def _noticed(self, error: Exception) -> Exception:
        if isinstance(error, ReadOnly):
            self._on_read_only()
        return error

    async def connection(self) -> Connection:
        """The connection; opened, with all attempts that the profile allows, if there is none.

        However many tasks want it, one connection is opened for all, and none of them can cancel that for the others.
        """
        if self._live is not None:
            return self._live
        if self._closed:
            raise StoreError("the store is closed")
        if not self._opening:
            self._opening = True
            self._spawn(self._open)
        waiter = self._new_waiter()
        self._waiting.append(waiter)
        outcome = await waiter
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Connection)
        return outcome

    async def _open(self) -> None:
        outcome: Connection | Exception | None = None
        try:
            outcome = await self._opener.open_persistently(
                self._wanted,
                timeout=self._opener.profile.command_timeout,
                idle_limit=self._opener.profile.health_check_interval,
                on_lost=self._lost,
            )
            if outcome.closed:
                outcome = ConnectionFailed(f"{self._opener.profile.address} closed the connection at once")
            elif self._closed:
                outcome.close()
                outcome = None
            else:
                self._live = outcome
                self._opened_at = self._time()
                if outcome.is_blind:
                    outcome.listen()
        except Exception as error:
            # Whatever it is, it is for those that wanted the connection, and not for the task group.
            outcome = error
        finally:
            self._opening = False
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(_own(outcome))

    def _wanted(self) -> bool:
        return any(not waiter.done() for waiter in self._waiting)

    def _lost(self, connection: Connection) -> None:
        if self._live is connection:
            self._live = None

    def retire(self) -> bool:
        """Have the next command open another connection; whether that is so. What is under way is not disturbed.

        No more often than every `max_delay` seconds.
        """
        if self._live is None or self._time() - self._opened_at < self._opener.profile.max_delay:
            return False
        self._live.retire()
        return True

    def close(self) -> None:
        """Close the connection; whoever waits for a reply gets an error. Harmless when done twice."""
        self._closed = True
        if self._live is not None:
            self._live.close()

    def statistics(self) -> ConnectionStatistics:
        """Counters of the connection; all zero while there is none. O(1)."""
        if self._live is None:
            return ConnectionStatistics(in_flight=0, unsent=0, closed=True)
        return self._live.statistics()


def _own(outcome: Connection | Exception | None) -> Connection | Exception:
    """What one of those that wait gets: tasks that raise the same error would write into each other's traceback."""
    if outcome is None:
        return StoreError("the store is closed")
    if isinstance(outcome, Connection):
        return outcome
    own = copy.copy(outcome)
    own.__cause__ = outcome.__cause__
    return own


def _elsewhere() -> StoreError:
    return StoreError("the store was opened in another event loop; each loop needs a store of its own")
