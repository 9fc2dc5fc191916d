"""Commands about the server: its data as a whole, persistence, replication, settings, state."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from datetime import datetime
from typing import Any

from anystore.exceptions import ConnectionFailed, InvalidArgument, StoreError
from anystore.redis.commands import arguments, replies, server_texts
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT


class ShuttingDown(Awaitable[None]):
    """SHUTDOWN's result: the server answers by closing the connection."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Awaitable[Any]) -> None:
        self._answer = answer

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield from self._answer.__await__()
        except ConnectionFailed:
            return
        raise StoreError("the server answered SHUTDOWN, so that it did not shut down")


class ServerCommands(Commands[S]):
    """Commands about the server."""

    def bgrewriteaof(self) -> Awaitable[bool]:
        """Rewrite the append-only file in the background; True. O(1).

        Since 1.0.0. https://valkey.io/commands/bgrewriteaof/
        """
        return self.execute_command("BGREWRITEAOF", reply=replies.done)

    def bgsave(self, schedule: bool = True) -> Awaitable[bool]:
        """Save to disk in the background; True. `schedule` waits for a rewrite under way. O(1).

        Since 1.0.0, `schedule` since 3.2.2. https://valkey.io/commands/bgsave/
        """
        args = ("SCHEDULE",) if schedule else ()
        return self.execute_command("BGSAVE", *args, reply=replies.done)

    def save(self) -> Awaitable[bool]:
        """Save to disk while everybody waits; True. O(N) in all keys.

        Since 1.0.0. https://valkey.io/commands/save/
        """
        return self.execute_command("SAVE", reply=replies.is_ok)

    def lastsave(self) -> Awaitable[datetime]:
        """When the server last saved: a naive `datetime` in local time. O(1).

        Since 1.0.0. https://valkey.io/commands/lastsave/
        """
        return self.execute_command("LASTSAVE", reply=replies.local_datetime)

    def config_get(self, pattern: KeyT = "*", *args: KeyT) -> Awaitable[dict[str, str]]:
        """The settings whose names match any of the glob patterns, as text. O(N) in all settings.

        Since 2.0.0, several patterns since 7.0.0. https://valkey.io/commands/config-get/
        """
        return self.execute_command("CONFIG", "GET", pattern, *args, reply=replies.settings)

    def config_set(self, name: KeyT, value: ValueT, *args: ValueT) -> Awaitable[bool]:
        """Change settings, all or none; True. `args` are further names and values. O(N).

        Raises `ResponseError` for an unknown name or a value that does not fit. Since 2.0.0, several since
        7.0.0. https://valkey.io/commands/config-set/
        """
        if len(args) % 2:
            raise InvalidArgument(
                "args must alternate between names and values, and the last value is missing"
            )
        return self.execute_command("CONFIG", "SET", name, value, *args, reply=replies.is_ok)

    def config_resetstat(self) -> Awaitable[bool]:
        """Set the counters of `info` back to 0; True. O(1).

        Since 2.0.0. https://valkey.io/commands/config-resetstat/
        """
        return self.execute_command("CONFIG", "RESETSTAT", reply=replies.is_ok)

    def config_rewrite(self) -> Awaitable[bool]:
        """Write the settings to the configuration file; True. O(N).

        Raises `ResponseError` for a server that was started without one. Since 2.8.0.
        https://valkey.io/commands/config-rewrite/
        """
        return self.execute_command("CONFIG", "REWRITE", reply=replies.is_ok)

    def dbsize(self) -> Awaitable[int]:
        """How many keys the database has. O(1). Since 1.0.0. https://valkey.io/commands/dbsize/"""
        return self.execute_command("DBSIZE")

    def debug_object(self, key: KeyT) -> Awaitable[dict[str, Any]]:
        """How a value is stored: `encoding`, `serializedlength`, `lru` …; for debugging only. O(N).

        Raises `ResponseError` when there is no such key, or where DEBUG is switched off. Since 1.0.0.
        https://valkey.io/commands/debug/
        """
        return self.execute_command("DEBUG", "OBJECT", key, reply=server_texts.debug_object)

    def failover(self, *args: ValueT) -> Awaitable[bool]:
        """Hand the primary's role to a replica; True once it has begun. O(1).

        `args` as the server has them: `TO host port [FORCE]`, `ABORT`, `TIMEOUT milliseconds`. Since 6.2.0.
        https://valkey.io/commands/failover/
        """
        return self.execute_command("FAILOVER", *args, reply=replies.is_ok)

    def flushall(self, asynchronous: bool = False) -> Awaitable[bool]:
        """Delete all keys of all databases, in the background if `asynchronous`; True. O(N).

        Since 1.0.0. https://valkey.io/commands/flushall/
        """
        args = ("ASYNC",) if asynchronous else ()
        return self.execute_command("FLUSHALL", *args, reply=replies.is_ok)

    def flushdb(self, asynchronous: bool = False) -> Awaitable[bool]:
        """Delete all keys of the database, in the background if `asynchronous`; True. O(N).

        Since 1.0.0. https://valkey.io/commands/flushdb/
        """
        args = ("ASYNC",) if asynchronous else ()
        return self.execute_command("FLUSHDB", *args, reply=replies.is_ok)

    def info(self, section: str | None = None, *args: str) -> Awaitable[dict[str, Any]]:
        """The server's state, all sections or those named, in one `dict`.

        Numbers are `int` or `float`, what the server writes as `a=1,b=2` is a `dict`. O(1). Since 1.0.0,
        several sections since 7.0.0. https://valkey.io/commands/info/
        """
        sections = args if section is None else (section, *args)
        return self.execute_command("INFO", *sections, reply=server_texts.info)

    def lolwut(self, *version_numbers: str | float) -> Awaitable[str]:
        """A piece of generative art and the server's version. Since 5.0.0. https://valkey.io/commands/lolwut/"""
        args: tuple[Argument, ...] = ("VERSION", *version_numbers) if version_numbers else ()
        return self.execute_command("LOLWUT", *args, reply=replies.text)

    def replicaof(self, *args: ValueT) -> Awaitable[bool]:
        """Make the server a replica of `host, port`, or a primary by `"NO", "ONE"`; True. O(1).

        Since 5.0.0. https://valkey.io/commands/replicaof/
        """
        if len(args) != 2:
            raise InvalidArgument('REPLICAOF takes host and port, or "NO" and "ONE"')
        return self.execute_command("REPLICAOF", *args, reply=replies.done)

    def slaveof(self, host: str | None = None, port: int | None = None) -> Awaitable[bool]:
        """The old name of `replicaof`; without arguments a primary. Since 1.0.0.

        https://valkey.io/commands/slaveof/
        """
        if (host is None) != (port is None):
            raise InvalidArgument("host and port must be given together, or neither")
        args: tuple[Argument, ...] = ("NO", "ONE") if host is None or port is None else (host, port)
        return self.execute_command("SLAVEOF", *args, reply=replies.done)

    def role(self) -> Awaitable[list[Any]]:
        """What the server is: `master`, offset and replicas, or `slave` and its primary … . O(1).

        Since 2.8.12. https://valkey.io/commands/role/
        """
        return self.execute_command("ROLE")

    def shutdown(
        self,
        save: bool = False,
        nosave: bool = False,
        now: bool = False,
        force: bool = False,
        safe: bool = False,
        failover: bool = False,
    ) -> Awaitable[None]:
        """Stop the server; returns once the connection is closed. Not for pipelines.

        Args:
            save: Save first, even without save points.
            nosave: Do not save, even with some.
            now: Do not wait for replicas that lag behind.
            force: Ignore what would prevent it, such as a failure to save.
            safe: Not while the server has slots of a cluster.
            failover: Hand the slots to a replica first; only in a cluster.

        O(N) when it saves. Raises `ResponseError` when the server refuses. Since 1.0.0, `now` and `force`
        since 7.0.0, `safe` and `failover` since Valkey 9.1. https://valkey.io/commands/shutdown/
        """
        arguments.exclusive(save=save, nosave=nosave)
        words = ("SAVE", "NOSAVE", "NOW", "FORCE", "SAFE", "FAILOVER")
        given = (save, nosave, now, force, safe, failover)
        args = [word for word, wanted in zip(words, given, strict=True) if wanted]
        return ShuttingDown(self.execute_command("SHUTDOWN", *args))

    def shutdown_abort(self) -> Awaitable[bool]:
        """Stop a shutdown that waits for its replicas; True. Raises `ResponseError` when there is none.

        O(1). Since 7.0.0. https://valkey.io/commands/shutdown/
        """
        return self.execute_command("SHUTDOWN", "ABORT", reply=replies.is_ok)

    def swapdb(self, first: int, second: int) -> Awaitable[bool]:
        """Swap two databases for all clients; True. O(N) in the clients that watch or wait.

        Since 4.0.0. https://valkey.io/commands/swapdb/
        """
        return self.execute_command("SWAPDB", first, second, reply=replies.is_ok)

    def time(self) -> Awaitable[tuple[int, int]]:
        """The server's clock: Unix seconds, and microseconds of the present one. O(1).

        Since 2.6.0. https://valkey.io/commands/time/
        """
        return self.execute_command("TIME", reply=replies.seconds_and_microseconds)
