"""Commands on lists."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Final, overload

from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT

_ENDS: Final = ("LEFT", "RIGHT")


def _multi_pop(
    command: str, numkeys: int, keys: tuple[KeyT, ...], direction: str, count: int | None
) -> list[Argument]:
    args = arguments.keys_and_count(command, numkeys, keys)
    args.append(arguments.one_of("direction", direction, _ENDS))
    if count is not None and count != 1:
        args += ("COUNT", count)
    return args


class ListCommands(Commands[S]):
    """Commands on lists; the left end is the head, indexes count from 0, negative ones from the tail.

    Those that begin with `b` wait for an element: `timeout` is in seconds, fractions allowed, 0 for ever;
    their connection is their own meanwhile. Cancelled while the answer is on its way, an element that was
    taken is lost: where that matters use `blmove`, which leaves it in another list.
    """

    def blpop(self, keys: KeyT | Iterable[KeyT], timeout: float | None = 0) -> Awaitable[tuple[S, S] | None]:
        """Take the first element of the first list that has any, waiting for one: `(key, element)`.

        None when the time is up. O(N) in the keys. Since 2.0.0. https://valkey.io/commands/blpop/
        """
        return self._list_blocking_pop("BLPOP", keys, timeout)

    def brpop(self, keys: KeyT | Iterable[KeyT], timeout: float | None = 0) -> Awaitable[tuple[S, S] | None]:
        """`blpop` at the other end. O(N) in the keys. Since 2.0.0. https://valkey.io/commands/brpop/"""
        return self._list_blocking_pop("BRPOP", keys, timeout)

    def _list_blocking_pop(
        self, command: str, keys: KeyT | Iterable[KeyT], timeout: float | None
    ) -> Awaitable[tuple[S, S] | None]:
        names = arguments.flatten(keys)
        arguments.some(names, command, "keys")
        seconds, block = arguments.blocking(timeout)
        return self.execute_command(command, *names, seconds, reply=replies.as_tuple, block=block)

    def brpoplpush(self, src: KeyT, dst: KeyT, timeout: float | None = 0) -> Awaitable[S | None]:
        """Move the last element of `src` to the head of `dst`, waiting for one; None when the time is up.

        `blmove` says the same. O(1). Since 2.2.0. https://valkey.io/commands/brpoplpush/
        """
        seconds, block = arguments.blocking(timeout)
        return self.execute_command("BRPOPLPUSH", src, dst, seconds, block=block)

    def blmove(
        self, first_list: KeyT, second_list: KeyT, timeout: float, src: str = "LEFT", dest: str = "RIGHT"
    ) -> Awaitable[S | None]:
        """`lmove`, waiting for an element; None when the time is up.

        O(1). Since 6.2.0. https://valkey.io/commands/blmove/
        """
        ends = arguments.one_of("src", src, _ENDS), arguments.one_of("dest", dest, _ENDS)
        seconds, block = arguments.blocking(timeout)
        return self.execute_command("BLMOVE", first_list, second_list, *ends, seconds, block=block)

    def blmpop(
        self, timeout: float, numkeys: int, *args: KeyT, direction: str, count: int | None = 1
    ) -> Awaitable[tuple[S, list[S]] | None]:
        """`lmpop`, waiting for an element; None when the time is up.

        O(N + M) for N keys and M elements. Since 7.0.0. https://valkey.io/commands/blmpop/
        """
        seconds, block = arguments.blocking(timeout)
        rest = _multi_pop("BLMPOP", numkeys, args, direction, count)
        return self.execute_command("BLMPOP", seconds, *rest, reply=replies.as_tuple, block=block)

    def lmpop(
        self, num_keys: int, *args: KeyT, direction: str, count: int | None = 1
    ) -> Awaitable[tuple[S, list[S]] | None]:
        """Take elements from the first list that has any: `(key, elements)`; None when all are empty.

        Args:
            num_keys: How many keys there are.
            args: The keys.
            direction: `LEFT` takes from the head, `RIGHT` from the tail.
            count: How many elements at most.

        O(N + M) for N keys and M elements. Since 7.0.0. https://valkey.io/commands/lmpop/
        """
        rest = _multi_pop("LMPOP", num_keys, args, direction, count)
        return self.execute_command("LMPOP", *rest, reply=replies.as_tuple)

    def lindex(self, name: KeyT, index: int) -> Awaitable[S | None]:
        """The element at `index`; None beyond either end. O(N) in the way from the nearer end.

        Since 1.0.0. https://valkey.io/commands/lindex/
        """
        return self.execute_command("LINDEX", name, index)

    def linsert(self, name: KeyT, where: str, refvalue: ValueT, value: ValueT) -> Awaitable[int]:
        """Insert `value` `BEFORE` or `AFTER` the first element that equals `refvalue`; the new length.

        -1 when there is no such element, 0 without the key. O(N) in the elements looked at. Since 2.2.0.
        https://valkey.io/commands/linsert/
        """
        place = arguments.one_of("where", where, ("BEFORE", "AFTER"))
        return self.execute_command("LINSERT", name, place, refvalue, value)

    def llen(self, name: KeyT) -> Awaitable[int]:
        """The length; 0 without the key. O(1). Since 1.0.0. https://valkey.io/commands/llen/"""
        return self.execute_command("LLEN", name)

    def lmove(
        self, first_list: KeyT, second_list: KeyT, src: str = "LEFT", dest: str = "RIGHT"
    ) -> Awaitable[S | None]:
        """Move an element from the `src` end of one list to the `dest` end of another, or of the same.

        The element; None when there was none. O(1). Since 6.2.0. https://valkey.io/commands/lmove/
        """
        ends = arguments.one_of("src", src, _ENDS), arguments.one_of("dest", dest, _ENDS)
        return self.execute_command("LMOVE", first_list, second_list, *ends)

    @overload
    def lpop(self, name: KeyT, count: None = ...) -> Awaitable[S | None]: ...

    @overload
    def lpop(self, name: KeyT, count: int) -> Awaitable[list[S] | None]: ...

    def lpop(self, name: KeyT, count: int | None = None) -> Awaitable[Any]:
        """Take the first element; None without the key.

        With `count` a list of so many at most, and still None without the key. O(N) in the elements taken.
        Since 1.0.0, `count` since 6.2.0. https://valkey.io/commands/lpop/
        """
        if count is None:
            return self.execute_command("LPOP", name)
        return self.execute_command("LPOP", name, count)

    def lpush(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """Insert elements at the head, one after the other; the new length. O(1) for each.

        Since 1.0.0. https://valkey.io/commands/lpush/
        """
        arguments.some(values, "LPUSH", "values")
        return self.execute_command("LPUSH", name, *values)

    def lpushx(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """`lpush` if the list exists; else 0. O(1) for each.

        Since 2.2.0. https://valkey.io/commands/lpushx/
        """
        arguments.some(values, "LPUSHX", "values")
        return self.execute_command("LPUSHX", name, *values)

    def lrange(self, name: KeyT, start: int, end: int) -> Awaitable[list[S]]:
        """The elements from `start` to `end`, both included; empty without the key.

        O(S + N) for N elements, S of the way to the first. Since 1.0.0. https://valkey.io/commands/lrange/
        """
        return self.execute_command("LRANGE", name, start, end)

    def lrem(self, name: KeyT, count: int, value: ValueT) -> Awaitable[int]:
        """Remove elements that equal `value`; how many were.

        `count` of them at most, from the head; from the tail if it is negative; all if it is 0. O(N).
        Since 1.0.0. https://valkey.io/commands/lrem/
        """
        return self.execute_command("LREM", name, count, value)

    def lset(self, name: KeyT, index: int, value: ValueT) -> Awaitable[bool]:
        """Replace the element at `index`; True. O(N) in the way from the nearer end.

        Raises `ResponseError` beyond either end or without the key. Since 1.0.0.
        https://valkey.io/commands/lset/
        """
        return self.execute_command("LSET", name, index, value, reply=replies.is_ok)

    def ltrim(self, name: KeyT, start: int, end: int) -> Awaitable[bool]:
        """Keep only the elements from `start` to `end`, both included; True. O(N) in those removed.

        Since 1.0.0. https://valkey.io/commands/ltrim/
        """
        return self.execute_command("LTRIM", name, start, end, reply=replies.is_ok)

    @overload
    def rpop(self, name: KeyT, count: None = ...) -> Awaitable[S | None]: ...

    @overload
    def rpop(self, name: KeyT, count: int) -> Awaitable[list[S] | None]: ...

    def rpop(self, name: KeyT, count: int | None = None) -> Awaitable[Any]:
        """`lpop` at the other end. O(N) in the elements taken.

        Since 1.0.0, `count` since 6.2.0. https://valkey.io/commands/rpop/
        """
        if count is None:
            return self.execute_command("RPOP", name)
        return self.execute_command("RPOP", name, count)

    def rpoplpush(self, src: KeyT, dst: KeyT) -> Awaitable[S | None]:
        """Move the last element of `src` to the head of `dst`; None when there was none.

        `lmove` says the same. O(1). Since 1.2.0. https://valkey.io/commands/rpoplpush/
        """
        return self.execute_command("RPOPLPUSH", src, dst)

    def rpush(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """Append elements; the new length. O(1) for each. Since 1.0.0. https://valkey.io/commands/rpush/"""
        arguments.some(values, "RPUSH", "values")
        return self.execute_command("RPUSH", name, *values)

    def rpushx(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """`rpush` if the list exists; else 0. O(1) for each.

        Since 2.2.0. https://valkey.io/commands/rpushx/
        """
        arguments.some(values, "RPUSHX", "values")
        return self.execute_command("RPUSHX", name, *values)

    @overload
    def lpos(
        self, name: KeyT, value: ValueT, rank: int | None = ..., count: None = ..., maxlen: int | None = ...
    ) -> Awaitable[int | None]: ...

    @overload
    def lpos(
        self, name: KeyT, value: ValueT, rank: int | None = ..., *, count: int, maxlen: int | None = ...
    ) -> Awaitable[list[int]]: ...

    def lpos(
        self,
        name: KeyT,
        value: ValueT,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
    ) -> Awaitable[Any]:
        """Where the first element that equals `value` is; None if there is none.

        Args:
            name: The key.
            value: The element looked for.
            rank: Begin with this match, 1 the first; negative: from the tail.
            count: Give a list of so many positions at most, 0 for all.
            maxlen: Look at so many elements only, 0 for all.

        O(N). Since 6.0.6. https://valkey.io/commands/lpos/
        """
        args: list[Argument] = []
        if rank is not None:
            args += ("RANK", rank)
        if count is not None:
            args += ("COUNT", count)
        if maxlen is not None:
            args += ("MAXLEN", maxlen)
        return self.execute_command("LPOS", name, value, *args)
