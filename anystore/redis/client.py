"""The client: every command of the server as a method, on the connections of a store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from anystore.exceptions import ConnectionFailed, OutcomeUnknown, ReadOnly
from anystore.redis import routing
from anystore.redis.commands import CoreCommands
from anystore.redis.commands.base import Argument, KeyT, S
from anystore.redis.entries import Bundle, ConnectionLost
from anystore.redis.leased import carry_out
from anystore.redis.lock import Lock
from anystore.resp.pack import pack_command

if TYPE_CHECKING:
    from anystore.redis.monitor import Monitor
    from anystore.redis.pipeline import Pipeline
    from anystore.redis.protocols import MessageProtocol
    from anystore.redis.pubsub import PubSub
    from anystore.redis.store import RedisStore

__all__ = ("Client",)


class Client(CoreCommands[S]):
    """Typed commands on a store's connections; made by `store.client()`, at no cost, as often as you like.

    Ordinary commands of all tasks share one connection; a blocking one borrows a connection from the store's pool for
    as long as it waits. Any number of tasks may use one client at the same time.
    """

    def __init__(self, store: RedisStore[S]) -> None:
        self.store: RedisStore[S] = store
        self._plain = routing.plain_names() if store.sends_as_given else frozenset()

    def __repr__(self) -> str:
        return f"<Client {self.store}>"

    def execute_command(
        self,
        *args: Argument,
        reply: Callable[[Any], Any] | None = None,
        decode: bool = True,
        block: float | None = None,
    ) -> Awaitable[Any]:
        if args[0] in self._plain and decode and block is None:
            return self.store.shared.call(args, reply)
        return self._special(args, reply, decode, block)

    async def execute(self, *args: Argument) -> Any:
        """Carry out any command, given as its name and arguments, and return the server's reply.

        The name may be in any case, and hold a subcommand ("config get"). What the reply looks like is the server's
        matter, and differs between RESP2 and RESP3 for some commands. Cancelled before it is sent, it is not carried out;
        later, it may have been, and its reply goes to nobody.

        Raises:
            InvalidArgument: The command would change the connection under the tasks that share it.
            ResponseError: The server refused it.
        """
        return await self.execute_command(*routing.normalised(args))

    def lock(
        self,
        name: KeyT,
        timeout: float | None = None,
        sleep: float = 0.1,
        blocking: bool | float | None = True,
        blocking_timeout: float | None = None,
        raise_on_release_error: bool = True,
        *,
        renew: bool = False,
        on_lost: Callable[[Lock], object] | None = None,
        fencing: bool = False,
        release_timeout: float = 2.0,
    ) -> Lock:
        """A lock that all users of the server see, not acquired yet: see `Lock` for the arguments."""
        return Lock(
            self,
            name,
            timeout,
            sleep,
            blocking,
            blocking_timeout,
            raise_on_release_error,
            renew=renew,
            on_lost=on_lost,
            fencing=fencing,
            release_timeout=release_timeout,
        )

    # What the store has, too; here for code that was written for redis-py.

    def pipeline(self, transaction: bool = True) -> Pipeline[S]:
        """Commands that are sent together, by default as a transaction; the same as `store.pipeline`."""
        return self.store.pipeline(transaction)

    async def transaction(
        self,
        func: Callable[[Pipeline[S]], Awaitable[Any] | Any],
        *watches: KeyT,
        value_from_callable: bool = False,
        watch_delay: float | None = None,
        attempts: int | None = None,
    ) -> Any:
        """Run `func` on a pipeline that watches keys, again while somebody else changes them; as `store.transaction`.

        Args:
            func: Called with the pipeline, and awaited if that is what it wants; calls `multi()` before what it queues.
            watches: What to watch.
            value_from_callable: Return what `func` returned instead of the results of the commit.
            watch_delay: Seconds to wait before another try.
            attempts: How many tries there are; None without limit.

        Returns:
            The results of the commit, a list with one for each command queued.

        Raises:
            WatchError: The last try was lost, too.
            OutcomeUnknown: The connection was lost while the commit was under way.

        Cancelled before the commit, nothing is carried out; during it, all of it may have been, or nothing. No key stays
        watched, and the connection goes back to the pool, or is closed.
        """
        return await self.store.transaction(
            func,
            *watches,
            value_from_callable=value_from_callable,
            watch_delay=watch_delay,
            attempts=attempts,
        )

    def pubsub(self, protocol: MessageProtocol | None = None, **options: Any) -> PubSub[S]:
        """A subscriber and publisher; the same as `store.pubsub`."""
        return self.store.pubsub(protocol, **options)

    def monitor(self) -> Monitor:
        """Every command that the server is given, by whomever; the same as `store.monitor`."""
        return self.store.monitor()

    async def _special(
        self,
        args: Sequence[Any],
        convert: Callable[[Any], Any] | None,
        decode: bool,
        block: float | None,
    ) -> Any:
        store = self.store
        store.check_open()
        if block is None and args[0] not in routing.plain_names():
            args = routing.normalised(args)
            routing.refuse(args)
            block = routing.block_seconds(args)
        args, hook = store.on_the_wire(args)
        if block is not None:
            reply = await self._on_its_own(args, decode, block)
        elif decode:
            reply = await store.shared.call(args)
        else:
            reply = await store.shared.call_bytes(args)
        if hook is not None:
            reply = hook(reply)
        return reply if convert is None else convert(reply)

    async def _on_its_own(self, args: Sequence[Any], decode: bool, block: float) -> Any:
        """Carry out a command that may block on the server, on a connection of its own.

        Cancelled while it waits, or out of time, the connection is closed: that ends the command on the server, too.
        """
        packed = pack_command(args)
        attempts = self.store.profile.attempts
        while True:
            bundle = Bundle(1, decode=decode)
            async with self.store.pool.lease() as connection:
                failure = await carry_out(self.store, connection, packed, bundle, block)
            if not isinstance(failure, ConnectionLost):
                break
            if failure.written:
                error = ConnectionFailed if routing.is_read_only(args) else OutcomeUnknown
                raise error(
                    f"{failure}; the command may have been waiting on the server"
                ) from failure.__cause__
            if not attempts:
                break
            attempts -= 1
        reply = bundle.replies[0] if failure is None else failure
        if isinstance(reply, ReadOnly):
            self.store.found_read_only()
        if isinstance(reply, Exception):
            raise reply
        return reply
