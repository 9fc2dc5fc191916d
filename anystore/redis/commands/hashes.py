"""Commands on hashes. The expiry of single fields is in `hash_expiry`."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Commands, KeyT, S, ValueT
from anystore.redis.commands.scanning import ScanIterator

FieldK = TypeVar("FieldK", bound=ValueT)


class HashCommands(Commands[S]):
    """Commands on hashes."""

    def hdel(self, name: KeyT, *keys: ValueT) -> Awaitable[int]:
        """Delete fields; how many of them existed. O(N) in the fields named.

        Since 2.0.0. https://valkey.io/commands/hdel/
        """
        arguments.some(keys, "HDEL", "fields")
        return self.execute_command("HDEL", name, *keys)

    def hexists(self, name: KeyT, key: ValueT) -> Awaitable[bool]:
        """Whether the field exists. O(1). Since 2.0.0. https://valkey.io/commands/hexists/"""
        return self.execute_command("HEXISTS", name, key, reply=replies.truth)

    def hget(self, name: KeyT, key: ValueT) -> Awaitable[S | None]:
        """The value of a field; None without it. O(1). Since 2.0.0. https://valkey.io/commands/hget/"""
        return self.execute_command("HGET", name, key)

    def hgetall(self, name: KeyT) -> Awaitable[dict[S, S]]:
        """All fields with their values; empty without the key. O(N).

        Since 2.0.0. https://valkey.io/commands/hgetall/
        """
        return self.execute_command("HGETALL", name, reply=replies.as_map)

    def hincrby(self, name: KeyT, key: ValueT, amount: int = 1) -> Awaitable[int]:
        """Add to the number in a field, 0 if there is none yet; the result. O(1).

        Raises `ResponseError` for a value that is no 64-bit integer, or would leave its range.
        Since 2.0.0. https://valkey.io/commands/hincrby/
        """
        return self.execute_command("HINCRBY", name, key, amount)

    def hincrbyfloat(self, name: KeyT, key: ValueT, amount: float = 1.0) -> Awaitable[float]:
        """Add a fraction to the number in a field, 0 if there is none yet; the result. O(1).

        Raises `ResponseError` for a value that is no number. Since 2.6.0.
        https://valkey.io/commands/hincrbyfloat/
        """
        return self.execute_command("HINCRBYFLOAT", name, key, amount, reply=replies.decimal)

    def hkeys(self, name: KeyT) -> Awaitable[list[S]]:
        """All fields. O(N). Since 2.0.0. https://valkey.io/commands/hkeys/"""
        return self.execute_command("HKEYS", name)

    def hlen(self, name: KeyT) -> Awaitable[int]:
        """How many fields there are. O(1). Since 2.0.0. https://valkey.io/commands/hlen/"""
        return self.execute_command("HLEN", name)

    def hmget(self, name: KeyT, keys: ValueT | Iterable[ValueT], *args: ValueT) -> Awaitable[list[S | None]]:
        """The values of several fields; None for a missing one. O(N) in the fields named.

        Since 2.0.0. https://valkey.io/commands/hmget/
        """
        fields = arguments.flatten(keys, args)
        arguments.some(fields, "HMGET", "fields")
        return self.execute_command("HMGET", name, *fields)

    def hmset(self, name: KeyT, mapping: Mapping[FieldK, ValueT]) -> Awaitable[bool]:
        """Set several fields; True. `hset` does the same and counts. O(N).

        Since 2.0.0. https://valkey.io/commands/hmset/
        """
        fields = arguments.pairs(mapping, "HMSET")
        return self.execute_command("HMSET", name, *fields, reply=replies.is_ok)

    @overload
    def hrandfield(
        self, key: KeyT, count: None = ..., withvalues: Literal[False] = ...
    ) -> Awaitable[S | None]: ...

    @overload
    def hrandfield(self, key: KeyT, count: int, withvalues: Literal[False] = ...) -> Awaitable[list[S]]: ...

    @overload
    def hrandfield(
        self, key: KeyT, count: int, withvalues: Literal[True]
    ) -> Awaitable[list[tuple[S, S]]]: ...

    def hrandfield(self, key: KeyT, count: int | None = None, withvalues: bool = False) -> Awaitable[Any]:
        """Any field; None without the key.

        With `count` a list of so many different fields, or all; a negative one gives exactly that many,
        some perhaps twice. `withvalues` gives `(field, value)` each. O(N) in the result. Since 6.2.0.
        https://valkey.io/commands/hrandfield/
        """
        if count is None:
            if withvalues:
                raise InvalidArgument("withvalues needs a count")
            return self.execute_command("HRANDFIELD", key)
        if withvalues:
            return self.execute_command("HRANDFIELD", key, count, "WITHVALUES", reply=replies.pair_list)
        return self.execute_command("HRANDFIELD", key, count)

    def hset(
        self,
        name: KeyT,
        key: ValueT | None = None,
        value: ValueT | None = None,
        mapping: Mapping[FieldK, ValueT] | None = None,
        items: Sequence[ValueT] | None = None,
    ) -> Awaitable[int]:
        """Set fields; how many of them are new. O(N) in the fields named.

        Args:
            name: The key.
            key: One field, with `value`.
            value: Its value.
            mapping: Further fields and values.
            items: Further fields and values, alternating.

        Since 2.0.0, several fields since 4.0.0. https://valkey.io/commands/hset/
        """
        args = arguments.fields_and_values("HSET", key, value, mapping, items)
        return self.execute_command("HSET", name, *args)

    def hsetnx(self, name: KeyT, key: ValueT, value: ValueT) -> Awaitable[int]:
        """Set a field unless it exists: 1 if it was set, else 0. O(1).

        Since 2.0.0. https://valkey.io/commands/hsetnx/
        """
        return self.execute_command("HSETNX", name, key, value)

    def hstrlen(self, name: KeyT, key: ValueT) -> Awaitable[int]:
        """The length of a field's value in bytes; 0 without it. O(1).

        Since 3.2.0. https://valkey.io/commands/hstrlen/
        """
        return self.execute_command("HSTRLEN", name, key)

    def hvals(self, name: KeyT) -> Awaitable[list[S]]:
        """All values. O(N). Since 2.0.0. https://valkey.io/commands/hvals/"""
        return self.execute_command("HVALS", name)

    @overload
    def hscan(
        self,
        name: KeyT,
        cursor: int = ...,
        match: KeyT | None = ...,
        count: int | None = ...,
        no_values: Literal[False] | None = ...,
    ) -> Awaitable[tuple[int, dict[S, S]]]: ...

    @overload
    def hscan(
        self,
        name: KeyT,
        cursor: int = ...,
        match: KeyT | None = ...,
        count: int | None = ...,
        *,
        no_values: Literal[True],
    ) -> Awaitable[tuple[int, list[S]]]: ...

    def hscan(
        self,
        name: KeyT,
        cursor: int = 0,
        match: KeyT | None = None,
        count: int | None = None,
        no_values: bool | None = None,
    ) -> Awaitable[Any]:
        """One page of a hash: `(next cursor, {field: value})`; the last page's cursor is 0.

        Arguments as `scan`, `match` for the field; with `no_values` the page is a list of fields. O(1) for
        a page. Since 2.8.0, `no_values` since 7.4.0. https://valkey.io/commands/hscan/
        """
        if no_values:
            args = arguments.matching(cursor, match, count, ("NOVALUES",))
            return self.execute_command("HSCAN", name, *args, reply=replies.scan_page)
        args = arguments.matching(cursor, match, count)
        return self.execute_command("HSCAN", name, *args, reply=replies.scan_map_page)

    @overload
    def hscan_iter(
        self,
        name: KeyT,
        match: KeyT | None = ...,
        count: int | None = ...,
        no_values: Literal[False] | None = ...,
    ) -> ScanIterator[tuple[S, S]]: ...

    @overload
    def hscan_iter(
        self, name: KeyT, match: KeyT | None = ..., count: int | None = ..., *, no_values: Literal[True]
    ) -> ScanIterator[S]: ...

    def hscan_iter(
        self,
        name: KeyT,
        match: KeyT | None = None,
        count: int | None = None,
        no_values: bool | None = None,
    ) -> ScanIterator[Any]:
        """`async for` over `(field, value)`, or with `no_values` over fields. O(N), a page at a time."""
        if no_values:
            return ScanIterator(lambda cursor: self.hscan(name, cursor, match, count, no_values=True))
        args = arguments.matching(0, match, count)[1:]
        return ScanIterator(
            lambda cursor: self.execute_command("HSCAN", name, cursor, *args, reply=replies.scan_pair_page)
        )
