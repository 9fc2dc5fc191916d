"""Commands on sets."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT
from anystore.redis.commands.scanning import ScanIterator


class SetCommands(Commands[S]):
    """Commands on sets; a key that does not exist is an empty set."""

    def sadd(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """Add members; how many are new. O(1) for each. Since 1.0.0. https://valkey.io/commands/sadd/"""
        arguments.some(values, "SADD", "members")
        return self.execute_command("SADD", name, *values)

    def scard(self, name: KeyT) -> Awaitable[int]:
        """How many members there are. O(1). Since 1.0.0. https://valkey.io/commands/scard/"""
        return self.execute_command("SCARD", name)

    def sdiff(self, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[set[S]]:
        """The members of the first set that are in none of the others. O(N) in all members.

        Since 1.0.0. https://valkey.io/commands/sdiff/
        """
        return self._set_combined("SDIFF", keys, args)

    def sdiffstore(self, dest: KeyT, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[int]:
        """Write `sdiff` to `dest`; the size of the result. O(N) in all members.

        Since 1.0.0. https://valkey.io/commands/sdiffstore/
        """
        return self._set_stored("SDIFFSTORE", dest, keys, args)

    def sinter(self, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[set[S]]:
        """The members that all sets have. O(N·M), N members of the smallest of M sets.

        Since 1.0.0. https://valkey.io/commands/sinter/
        """
        return self._set_combined("SINTER", keys, args)

    def sintercard(self, numkeys: int, keys: Sequence[KeyT], limit: int = 0) -> Awaitable[int]:
        """How many members all sets have, stopping to count at `limit` (0: never).

        O(N·M), N members of the smallest of M sets. Since 7.0.0. https://valkey.io/commands/sintercard/
        """
        args = arguments.keys_and_count("SINTERCARD", numkeys, keys)
        return self.execute_command("SINTERCARD", *args, "LIMIT", limit)

    def sinterstore(self, dest: KeyT, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[int]:
        """Write `sinter` to `dest`; the size of the result. O(N·M), N members of the smallest of M sets.

        Since 1.0.0. https://valkey.io/commands/sinterstore/
        """
        return self._set_stored("SINTERSTORE", dest, keys, args)

    def sunion(self, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[set[S]]:
        """The members that any of the sets has. O(N) in all members.

        Since 1.0.0. https://valkey.io/commands/sunion/
        """
        return self._set_combined("SUNION", keys, args)

    def sunionstore(self, dest: KeyT, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[int]:
        """Write `sunion` to `dest`; the size of the result. O(N) in all members.

        Since 1.0.0. https://valkey.io/commands/sunionstore/
        """
        return self._set_stored("SUNIONSTORE", dest, keys, args)

    def _set_combined(
        self, command: str, keys: KeyT | Iterable[KeyT], more: tuple[KeyT, ...]
    ) -> Awaitable[set[S]]:
        names = arguments.flatten(keys, more)
        arguments.some(names, command, "keys")
        return self.execute_command(command, *names, reply=replies.as_set)

    def _set_stored(
        self, command: str, dest: KeyT, keys: KeyT | Iterable[KeyT], more: tuple[KeyT, ...]
    ) -> Awaitable[int]:
        names = arguments.flatten(keys, more)
        arguments.some(names, command, "keys")
        return self.execute_command(command, dest, *names)

    def sismember(self, name: KeyT, value: ValueT) -> Awaitable[int]:
        """1 if `value` is a member, else 0. O(1). Since 1.0.0. https://valkey.io/commands/sismember/"""
        return self.execute_command("SISMEMBER", name, value)

    def smembers(self, name: KeyT) -> Awaitable[set[S]]:
        """All members. O(N). Since 1.0.0. https://valkey.io/commands/smembers/"""
        return self.execute_command("SMEMBERS", name, reply=replies.as_set)

    def smismember(
        self, name: KeyT, values: ValueT | Iterable[ValueT], *args: ValueT
    ) -> Awaitable[list[int]]:
        """1 or 0 for each value, as `sismember`. O(1) for each.

        Since 6.2.0. https://valkey.io/commands/smismember/
        """
        members = arguments.flatten(values, args)
        arguments.some(members, "SMISMEMBER", "values")
        return self.execute_command("SMISMEMBER", name, *members)

    def smove(self, src: KeyT, dst: KeyT, value: ValueT) -> Awaitable[bool]:
        """Move a member to another set; False when `src` has no such member. O(1).

        Since 1.0.0. https://valkey.io/commands/smove/
        """
        return self.execute_command("SMOVE", src, dst, value, reply=replies.truth)

    @overload
    def spop(self, name: KeyT, count: None = ...) -> Awaitable[S | None]: ...

    @overload
    def spop(self, name: KeyT, count: int) -> Awaitable[list[S]]: ...

    def spop(self, name: KeyT, count: int | None = None) -> Awaitable[Any]:
        """Take any member; None without one. With `count` a list of so many at most.

        O(N) in the members taken. Since 1.0.0, `count` since 3.2.0. https://valkey.io/commands/spop/
        """
        if count is None:
            return self.execute_command("SPOP", name)
        if count < 0:
            raise InvalidArgument(f"count must not be negative: {count}")
        return self.execute_command("SPOP", name, count, reply=replies.as_list)

    @overload
    def srandmember(self, name: KeyT, number: None = ...) -> Awaitable[S | None]: ...

    @overload
    def srandmember(self, name: KeyT, number: int) -> Awaitable[list[S]]: ...

    def srandmember(self, name: KeyT, number: int | None = None) -> Awaitable[Any]:
        """Any member, which stays; None without one.

        With `number` a list of so many different ones at most; a negative one gives exactly that many, some
        perhaps twice. O(N) in the result. Since 1.0.0, `number` since 2.6.0.
        https://valkey.io/commands/srandmember/
        """
        if number is None:
            return self.execute_command("SRANDMEMBER", name)
        return self.execute_command("SRANDMEMBER", name, number, reply=replies.as_list)

    def srem(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """Remove members; how many there were. O(1) for each. Since 1.0.0. https://valkey.io/commands/srem/"""
        arguments.some(values, "SREM", "members")
        return self.execute_command("SREM", name, *values)

    def sscan(
        self, name: KeyT, cursor: int = 0, match: KeyT | None = None, count: int | None = None
    ) -> Awaitable[tuple[int, list[S]]]:
        """One page of a set: `(next cursor, members)`; the last page's cursor is 0. Arguments as `scan`.

        O(1) for a page. Since 2.8.0. https://valkey.io/commands/sscan/
        """
        args: list[Argument] = arguments.matching(cursor, match, count)
        return self.execute_command("SSCAN", name, *args, reply=replies.scan_page)

    def sscan_iter(self, name: KeyT, match: KeyT | None = None, count: int | None = None) -> ScanIterator[S]:
        """`async for` over the members. O(N), a page at a time."""
        return ScanIterator(lambda cursor: self.sscan(name, cursor, match, count))
