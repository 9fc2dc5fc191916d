"""Commands on keys of any type: expiry, names, copies, sorting, iteration."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import FOREVER, AbsExpiryT, Argument, Commands, ExpiryT, KeyT, S
from anystore.redis.commands.scanning import ScanIterator


class KeyCommands(Commands[S]):
    """Commands on keys of any type (Redis' group *generic*)."""

    def copy(
        self, source: KeyT, destination: KeyT, destination_db: int | None = None, replace: bool = False
    ) -> Awaitable[bool]:
        """Copy a key with its value and expiry, to another database if `destination_db` is given.

        False when `source` does not exist, or `destination` does and `replace` is not set. O(N) in the
        value's size. Since 6.2.0. https://valkey.io/commands/copy/
        """
        args: list[Argument] = [source, destination]
        if destination_db is not None:
            args += ("DB", destination_db)
        if replace:
            args.append("REPLACE")
        return self.execute_command("COPY", *args, reply=replies.truth)

    def delete(self, *names: KeyT) -> Awaitable[int]:
        """Delete keys; how many of them existed. O(N), plus the size of collections.

        Since 1.0.0. https://valkey.io/commands/del/
        """
        arguments.some(names, "DEL", "keys")
        return self.execute_command("DEL", *names)

    def unlink(self, *names: KeyT) -> Awaitable[int]:
        """Delete keys and free their memory in the background; how many existed. O(1) for each key.

        Since 4.0.0. https://valkey.io/commands/unlink/
        """
        arguments.some(names, "UNLINK", "keys")
        return self.execute_command("UNLINK", *names)

    def dump(self, name: KeyT) -> Awaitable[bytes | None]:
        """The value in the server's own binary form, for `restore`; None when there is no such key.

        Always `bytes`. O(N) in the value's size. Since 2.6.0. https://valkey.io/commands/dump/
        """
        return self.execute_command("DUMP", name, decode=False)

    def restore(
        self,
        name: KeyT,
        ttl: ExpiryT,
        value: bytes,
        replace: bool = False,
        absttl: bool = False,
        idletime: int | None = None,
        frequency: int | None = None,
    ) -> Awaitable[bool]:
        """Create a key from what `dump` returned; True.

        Args:
            name: The key; it must not exist, unless `replace` is set.
            ttl: Milliseconds to live, 0 for ever; with `absttl` the Unix time in milliseconds.
            value: What `dump` returned.
            replace: Replace the key if it exists.
            absttl: `ttl` is a point in time.
            idletime: Seconds since the last access, for LRU eviction.
            frequency: Access frequency (0–255), for LFU eviction.

        O(N) in the value's size. Raises `BusyKey` when the key exists, `ResponseError` for a payload that
        is damaged or of a newer server. Since 2.6.0. https://valkey.io/commands/restore/
        """
        arguments.exclusive(idletime=idletime, frequency=frequency)
        args: list[Argument] = [name, arguments.milliseconds("ttl", ttl), value]
        if replace:
            args.append("REPLACE")
        if absttl:
            args.append("ABSTTL")
        if idletime is not None:
            args += ("IDLETIME", idletime)
        if frequency is not None:
            args += ("FREQ", frequency)
        return self.execute_command("RESTORE", *args, reply=replies.is_ok)

    def exists(self, *names: KeyT) -> Awaitable[int]:
        """How many of the keys exist; a key named twice counts twice. O(N).

        Since 1.0.0. https://valkey.io/commands/exists/
        """
        arguments.some(names, "EXISTS", "keys")
        return self.execute_command("EXISTS", *names)

    def expire(
        self,
        name: KeyT,
        time: ExpiryT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """Let a key expire in `time` seconds; a negative time deletes it at once.

        `nx`: only without an expiry, `xx`: only with one, `gt`/`lt`: only if later/earlier than the
        present one (`xx` goes with either). False when the key does not exist or the condition does not
        hold. O(1). Since 1.0.0, conditions since 7.0.0. https://valkey.io/commands/expire/
        """
        condition = arguments.expiry_condition(nx, xx, gt, lt)
        span = arguments.seconds("time", time)
        return self.execute_command("EXPIRE", name, span, *condition, reply=replies.truth)

    def expireat(
        self,
        name: KeyT,
        when: AbsExpiryT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """Let a key expire at a Unix time in seconds, or a `datetime`; the rest as `expire`.

        O(1). Since 1.2.0, conditions since 7.0.0. https://valkey.io/commands/expireat/
        """
        condition = arguments.expiry_condition(nx, xx, gt, lt)
        moment = arguments.unix_seconds("when", when)
        return self.execute_command("EXPIREAT", name, moment, *condition, reply=replies.truth)

    def pexpire(
        self,
        name: KeyT,
        time: ExpiryT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """`expire` with `time` in milliseconds. O(1).

        Since 2.6.0, conditions since 7.0.0. https://valkey.io/commands/pexpire/
        """
        condition = arguments.expiry_condition(nx, xx, gt, lt)
        span = arguments.milliseconds("time", time)
        return self.execute_command("PEXPIRE", name, span, *condition, reply=replies.truth)

    def pexpireat(
        self,
        name: KeyT,
        when: AbsExpiryT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[bool]:
        """`expireat` with a Unix time in milliseconds. O(1).

        Since 2.6.0, conditions since 7.0.0. https://valkey.io/commands/pexpireat/
        """
        condition = arguments.expiry_condition(nx, xx, gt, lt)
        moment = arguments.unix_milliseconds("when", when)
        return self.execute_command("PEXPIREAT", name, moment, *condition, reply=replies.truth)

    def expiretime(self, key: KeyT) -> Awaitable[int]:
        """When a key expires, in Unix seconds; -1 without an expiry, -2 without the key. O(1).

        Since 7.0.0. https://valkey.io/commands/expiretime/
        """
        return self.execute_command("EXPIRETIME", key)

    def pexpiretime(self, key: KeyT) -> Awaitable[int]:
        """When a key expires, in Unix milliseconds; -1 without an expiry, -2 without the key. O(1).

        Since 7.0.0. https://valkey.io/commands/pexpiretime/
        """
        return self.execute_command("PEXPIRETIME", key)

    def ttl(self, name: KeyT) -> Awaitable[int]:
        """Seconds that a key has to live; -1 without an expiry, -2 without the key. O(1).

        Since 1.0.0. https://valkey.io/commands/ttl/
        """
        return self.execute_command("TTL", name)

    def pttl(self, name: KeyT) -> Awaitable[int]:
        """Milliseconds that a key has to live; -1 without an expiry, -2 without the key. O(1).

        Since 2.6.0. https://valkey.io/commands/pttl/
        """
        return self.execute_command("PTTL", name)

    def persist(self, name: KeyT) -> Awaitable[bool]:
        """Take a key's expiry away; False when there was none, or no key. O(1).

        Since 2.2.0. https://valkey.io/commands/persist/
        """
        return self.execute_command("PERSIST", name, reply=replies.truth)

    def keys(self, pattern: KeyT = "*") -> Awaitable[list[S]]:
        """All keys that match a glob pattern. O(N) in all keys of the database: `scan_iter` is kinder.

        Since 1.0.0. https://valkey.io/commands/keys/
        """
        return self.execute_command("KEYS", pattern)

    def migrate(
        self,
        host: str,
        port: int,
        keys: KeyT | Iterable[KeyT],
        destination_db: int,
        timeout: int,
        copy: bool = False,
        replace: bool = False,
        auth: str | None = None,
        username: str | None = None,
    ) -> Awaitable[str]:
        """Move keys to another server in one atomic step: `OK`, or `NOKEY` when none of them exists.

        Args:
            host: Where the other server listens.
            port: Its port.
            keys: One key or several.
            destination_db: Its database.
            timeout: Milliseconds that the transfer may stand still.
            copy: Keep the keys here.
            replace: Replace keys that exist there.
            auth: Its password.
            username: Its user; only with `auth`.

        O(N) in the size of the values. It waits on a connection of its own. Raises `ResponseError` (`IOERR`)
        when the other server does not answer in time: the keys may then be on both. Since 2.6.0. https://valkey.io/commands/migrate/
        """
        names = arguments.flatten(keys)
        arguments.some(names, "MIGRATE", "keys")
        args: list[Argument] = [host, port, "", destination_db, timeout]
        if copy:
            args.append("COPY")
        if replace:
            args.append("REPLACE")
        if username is not None:
            if auth is None:
                raise InvalidArgument("username goes with auth, the password")
            args += ("AUTH2", username, auth)
        elif auth is not None:
            args += ("AUTH", auth)
        return self.execute_command("MIGRATE", *args, "KEYS", *names, reply=replies.text, block=FOREVER)

    def move(self, name: KeyT, db: int) -> Awaitable[bool]:
        """Move a key to another database; False when it does not exist here, or does there. O(1).

        Since 1.0.0. https://valkey.io/commands/move/
        """
        return self.execute_command("MOVE", name, db, reply=replies.truth)

    def object(self, infotype: str, key: KeyT) -> Awaitable[Any]:
        """What the server knows of a key's value; O(1). None when the key does not exist.

        `infotype` is `encoding` (text as the client decodes it), `refcount`, `idletime` (seconds since
        the last access) or `freq` (with an LFU policy); an `int` each. Since 2.2.3.
        https://valkey.io/commands/object/
        """
        allowed = ("ENCODING", "REFCOUNT", "IDLETIME", "FREQ")
        return self.execute_command("OBJECT", arguments.one_of("infotype", infotype, allowed), key)

    def object_encoding(self, key: KeyT) -> Awaitable[str | None]:
        """How the value is stored (`listpack`, `skiplist` …); None when there is no such key. O(1).

        Since 2.2.3. https://valkey.io/commands/object-encoding/
        """
        return self.execute_command("OBJECT", "ENCODING", key, reply=replies.text_or_none)

    def object_refcount(self, key: KeyT) -> Awaitable[int | None]:
        """How many references the value has; None when there is no such key. O(1).

        Since 2.2.3. https://valkey.io/commands/object-refcount/
        """
        return self.execute_command("OBJECT", "REFCOUNT", key)

    def object_idletime(self, key: KeyT) -> Awaitable[int | None]:
        """Seconds since the last access; None when there is no such key. O(1).

        Raises `ResponseError` under an LFU policy. Since 2.2.3. https://valkey.io/commands/object-idletime/
        """
        return self.execute_command("OBJECT", "IDLETIME", key)

    def object_freq(self, key: KeyT) -> Awaitable[int | None]:
        """The access frequency counter (0–255); None when there is no such key. O(1).

        Raises `ResponseError` unless the policy is an LFU one. Since 4.0.0.
        https://valkey.io/commands/object-freq/
        """
        return self.execute_command("OBJECT", "FREQ", key)

    def randomkey(self) -> Awaitable[S | None]:
        """Any key of the database; None when it is empty. O(1).

        Since 1.0.0. https://valkey.io/commands/randomkey/
        """
        return self.execute_command("RANDOMKEY")

    def rename(self, src: KeyT, dst: KeyT) -> Awaitable[bool]:
        """Give a key another name, replacing what has it; True. O(1), plus what freeing the old value takes.

        Raises `ResponseError` when `src` does not exist. Since 1.0.0. https://valkey.io/commands/rename/
        """
        return self.execute_command("RENAME", src, dst, reply=replies.is_ok)

    def renamenx(self, src: KeyT, dst: KeyT) -> Awaitable[bool]:
        """Give a key another name unless that is taken: then False. O(1).

        Raises `ResponseError` when `src` does not exist. Since 1.0.0. https://valkey.io/commands/renamenx/
        """
        return self.execute_command("RENAMENX", src, dst, reply=replies.truth)

    def touch(self, *args: KeyT) -> Awaitable[int]:
        """Count keys as accessed now, for eviction; how many of them exist. O(N).

        Since 3.2.1. https://valkey.io/commands/touch/
        """
        arguments.some(args, "TOUCH", "keys")
        return self.execute_command("TOUCH", *args)

    def type(self, name: KeyT) -> Awaitable[S]:
        """`string`, `list`, `set`, `zset`, `hash`, `stream`, or `none` without the key. O(1).

        Since 1.0.0. https://valkey.io/commands/type/
        """
        return self.execute_command("TYPE", name)

    def wait(self, num_replicas: int, timeout: int) -> Awaitable[int]:
        """Wait until so many replicas have all that this connection wrote; how many have. O(1).

        `timeout` is in milliseconds, 0 for ever. The server looks at the writes of *this connection*:
        as other commands share one, put `wait` behind them in `pipeline(transaction=False)`.
        Since 3.0.0. https://valkey.io/commands/wait/
        """
        _, block = arguments.blocking(timeout / 1000)
        return self.execute_command("WAIT", num_replicas, timeout, block=block)

    def waitaof(self, num_local: int, num_replicas: int, timeout: int) -> Awaitable[list[int]]:
        """Wait until the append-only files of this server (0 or 1) and of so many replicas are synced.

        `[local, replicas]` that are. `timeout` is in milliseconds, 0 for ever; as for `wait`, it is this
        connection's writes that count. O(1). Raises `ResponseError` for `num_local` 1 on a server without
        an append-only file. Since 7.2.0. https://valkey.io/commands/waitaof/
        """
        _, block = arguments.blocking(timeout / 1000)
        return self.execute_command("WAITAOF", num_local, num_replicas, timeout, block=block)

    def scan(
        self, cursor: int = 0, match: KeyT | None = None, count: int | None = None, _type: str | None = None
    ) -> Awaitable[tuple[int, list[S]]]:
        """One page of the database's keys: `(next cursor, keys)`; the last page's cursor is 0.

        Args:
            cursor: 0 to begin, then what the page before gave.
            match: Only keys that match this glob pattern.
            count: How many to look at, roughly (the server's default is 10); pages may be empty.
            _type: Only keys of this type, as `type` names them.

        O(1) for a page. Since 2.8.0. https://valkey.io/commands/scan/
        """
        kind: tuple[Argument, ...] = () if _type is None else ("TYPE", _type)
        args = arguments.matching(cursor, match, count, kind)
        return self.execute_command("SCAN", *args, reply=replies.scan_page)

    def scan_iter(
        self, match: KeyT | None = None, count: int | None = None, _type: str | None = None
    ) -> ScanIterator[S]:
        """`async for` over the database's keys; arguments as `scan`. O(N) in all keys, a page at a time."""
        return ScanIterator(lambda cursor: self.scan(cursor, match, count, _type))
