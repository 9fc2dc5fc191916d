"""Commands on sorted sets: members, scores, combinations. Ranges are in `sorted_set_ranges`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, T, ValueT
from anystore.redis.commands.scanning import ScanIterator

MemberK = TypeVar("MemberK", bound=ValueT)
KeyK = TypeVar("KeyK", bound=KeyT)

_AGGREGATES: Final = ("SUM", "MIN", "MAX")


def _multi_pop(
    command: str,
    numkeys: int,
    keys: Sequence[KeyT],
    min: bool | None,
    max: bool | None,
    count: int | None,
) -> list[Argument]:
    if bool(min) == bool(max):
        raise InvalidArgument(f"{command} needs min or max, not both")
    args = arguments.keys_and_count(command, numkeys, keys)
    args.append("MIN" if min else "MAX")
    if count is not None and count != 1:
        args += ("COUNT", count)
    return args


def _counted(command: str, keys: KeyT | Iterable[KeyT]) -> list[Argument]:
    names = arguments.flatten(keys)
    arguments.some(names, command, "keys")
    names.insert(0, len(names))
    return names


def _weighted(command: str, keys: Any, aggregate: str | None) -> list[Argument]:
    args = _counted(command, keys)
    if isinstance(keys, Mapping):
        args += ("WEIGHTS", *keys.values())
    if aggregate is not None:
        args += ("AGGREGATE", arguments.one_of("aggregate", aggregate, _AGGREGATES))
    return args


class SortedSetCommands(Commands[S]):
    """Commands on sorted sets; a key that does not exist is an empty one.

    Members with scores are `(member, score)`, the score a `float`, or what `score_cast_func` makes of it.
    Those that begin with `b` wait for a member: `timeout` is in seconds, fractions allowed, 0 for ever;
    their connection is their own meanwhile. Cancelled while the answer is on its way, a member that was
    taken is lost.
    """

    @overload
    def zadd(
        self,
        name: KeyT,
        mapping: Mapping[MemberK, ValueT],
        nx: bool = ...,
        xx: bool = ...,
        ch: bool = ...,
        incr: Literal[False] = ...,
        gt: bool = ...,
        lt: bool = ...,
    ) -> Awaitable[int]: ...

    @overload
    def zadd(
        self,
        name: KeyT,
        mapping: Mapping[MemberK, ValueT],
        nx: bool = ...,
        xx: bool = ...,
        ch: bool = ...,
        *,
        incr: Literal[True],
        gt: bool = ...,
        lt: bool = ...,
    ) -> Awaitable[float | None]: ...

    def zadd(
        self,
        name: KeyT,
        mapping: Mapping[MemberK, ValueT],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        incr: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[Any]:
        """Add members, or give them other scores.

        Args:
            name: The key.
            mapping: Score by member.
            nx: Only add.
            xx: Only change.
            ch: Count the changed ones too.
            incr: Add to the score of the one member in `mapping`.
            gt: Change only to a greater score.
            lt: Change only to a smaller one.

        Returns:
            How many were added; with `incr` the new score, or None when a condition did not hold.

        O(log N) for each. Raises `ResponseError` for a score that is no number. Since 1.2.0, `gt` and `lt`
        since 6.2.0. https://valkey.io/commands/zadd/
        """
        if not mapping:
            raise InvalidArgument("ZADD needs at least one member, and the mapping is empty")
        arguments.exclusive(nx=nx, xx=xx)
        arguments.exclusive(nx=nx, gt=gt, lt=lt)
        if incr and len(mapping) != 1:
            raise InvalidArgument(f"incr is for one member, not {len(mapping)}")
        flags = (("NX", nx), ("XX", xx), ("CH", ch), ("INCR", incr), ("GT", gt), ("LT", lt))
        args: list[Argument] = [word for word, given in flags if given]
        for member, score in mapping.items():
            args += (score, member)
        if incr:
            return self.execute_command("ZADD", name, *args, reply=replies.decimal_or_none)
        return self.execute_command("ZADD", name, *args)

    def zcard(self, name: KeyT) -> Awaitable[int]:
        """How many members there are. O(1). Since 1.2.0. https://valkey.io/commands/zcard/"""
        return self.execute_command("ZCARD", name)

    def zincrby(self, name: KeyT, amount: float, value: ValueT) -> Awaitable[float]:
        """Add to the score of a member, 0 if it is new; the result. O(log N).

        Raises `ResponseError` when the result is not a number (infinities of both signs). Since 1.2.0.
        https://valkey.io/commands/zincrby/
        """
        return self.execute_command("ZINCRBY", name, amount, value, reply=replies.decimal)

    def zscore(self, name: KeyT, value: ValueT) -> Awaitable[float | None]:
        """The score of a member; None without it. O(1). Since 1.2.0. https://valkey.io/commands/zscore/"""
        return self.execute_command("ZSCORE", name, value, reply=replies.decimal_or_none)

    def zmscore(self, key: KeyT, members: Sequence[ValueT]) -> Awaitable[list[float | None]]:
        """The scores of several members; None for a missing one. O(1) for each.

        Since 6.2.0. https://valkey.io/commands/zmscore/
        """
        arguments.some(members, "ZMSCORE", "members")
        return self.execute_command("ZMSCORE", key, *members, reply=replies.decimals_or_none)

    def zrem(self, name: KeyT, *values: ValueT) -> Awaitable[int]:
        """Remove members; how many there were. O(log N) for each.

        Since 1.2.0. https://valkey.io/commands/zrem/
        """
        arguments.some(values, "ZREM", "members")
        return self.execute_command("ZREM", name, *values)

    @overload
    def zdiff(self, keys: KeyT | Iterable[KeyT], withscores: Literal[False] = ...) -> Awaitable[list[S]]: ...

    @overload
    def zdiff(
        self, keys: KeyT | Iterable[KeyT], withscores: Literal[True]
    ) -> Awaitable[list[tuple[S, float]]]: ...

    def zdiff(self, keys: KeyT | Iterable[KeyT], withscores: bool = False) -> Awaitable[Any]:
        """The members of the first sorted set that are in none of the others, in order.

        O(N + R·log R), N members of all and R of the result. Since 6.2.0. https://valkey.io/commands/zdiff/
        """
        args = _counted("ZDIFF", keys)
        if withscores:
            return self.execute_command("ZDIFF", *args, "WITHSCORES", reply=replies.scored)
        return self.execute_command("ZDIFF", *args)

    def zdiffstore(self, dest: KeyT, keys: KeyT | Iterable[KeyT]) -> Awaitable[int]:
        """Write `zdiff` to `dest`; the size of the result.

        O(N + R·log R). Since 6.2.0. https://valkey.io/commands/zdiffstore/
        """
        return self.execute_command("ZDIFFSTORE", dest, *_counted("ZDIFFSTORE", keys))

    @overload
    def zinter(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = ...,
        withscores: Literal[False] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def zinter(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = ...,
        *,
        withscores: Literal[True],
    ) -> Awaitable[list[tuple[S, float]]]: ...

    def zinter(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = None,
        withscores: bool = False,
    ) -> Awaitable[Any]:
        """The members that all (sorted) sets have, in order.

        `keys` may be a mapping of weights, by which scores are multiplied; `aggregate` says what a member
        gets from several scores: `SUM` (the default), `MIN` or `MAX`. A plain set's scores are 1.
        O(N·K + R·log R), N members of the smallest of K sets. Since 6.2.0.
        https://valkey.io/commands/zinter/
        """
        args = _weighted("ZINTER", keys, aggregate)
        if withscores:
            return self.execute_command("ZINTER", *args, "WITHSCORES", reply=replies.scored)
        return self.execute_command("ZINTER", *args)

    def zinterstore(
        self, dest: KeyT, keys: Iterable[KeyT] | Mapping[KeyK, float], aggregate: str | None = None
    ) -> Awaitable[int]:
        """Write `zinter` to `dest`; the size of the result.

        O(N·K + R·log R). Since 2.0.0. https://valkey.io/commands/zinterstore/
        """
        return self.execute_command("ZINTERSTORE", dest, *_weighted("ZINTERSTORE", keys, aggregate))

    def zintercard(self, numkeys: int, keys: Sequence[KeyT], limit: int = 0) -> Awaitable[int]:
        """How many members all (sorted) sets have, stopping to count at `limit` (0: never).

        O(N·K), N members of the smallest of K sets. Since 7.0.0. https://valkey.io/commands/zintercard/
        """
        args = arguments.keys_and_count("ZINTERCARD", numkeys, keys)
        return self.execute_command("ZINTERCARD", *args, "LIMIT", limit)

    @overload
    def zunion(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = ...,
        withscores: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def zunion(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = ...,
        *,
        withscores: Literal[True],
    ) -> Awaitable[list[tuple[S, float]]]: ...

    @overload
    def zunion(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = ...,
        *,
        withscores: Literal[True],
        score_cast_func: Callable[[float], T],
    ) -> Awaitable[list[tuple[S, T]]]: ...

    def zunion(
        self,
        keys: Iterable[KeyT] | Mapping[KeyK, float],
        aggregate: str | None = None,
        withscores: bool = False,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """The members that any of the (sorted) sets has, in order; `keys` and `aggregate` as in `zinter`.

        O(N + R·log R), N members of all and R of the result. Since 6.2.0.
        https://valkey.io/commands/zunion/
        """
        args = _weighted("ZUNION", keys, aggregate)
        if withscores:
            convert = replies.scored_by(score_cast_func)
            return self.execute_command("ZUNION", *args, "WITHSCORES", reply=convert)
        return self.execute_command("ZUNION", *args)

    def zunionstore(
        self, dest: KeyT, keys: Iterable[KeyT] | Mapping[KeyK, float], aggregate: str | None = None
    ) -> Awaitable[int]:
        """Write `zunion` to `dest`; the size of the result.

        O(N + R·log R). Since 2.0.0. https://valkey.io/commands/zunionstore/
        """
        return self.execute_command("ZUNIONSTORE", dest, *_weighted("ZUNIONSTORE", keys, aggregate))

    def zpopmax(self, name: KeyT, count: int | None = None) -> Awaitable[list[tuple[S, float]]]:
        """Take the member with the highest score, or `count` of them at most, highest first.

        A list in any case. O(log N) for each. Since 5.0.0. https://valkey.io/commands/zpopmax/
        """
        return self._zset_pop("ZPOPMAX", name, count)

    def zpopmin(self, name: KeyT, count: int | None = None) -> Awaitable[list[tuple[S, float]]]:
        """Take the member with the lowest score, or `count` of them at most, lowest first.

        A list in any case. O(log N) for each. Since 5.0.0. https://valkey.io/commands/zpopmin/
        """
        return self._zset_pop("ZPOPMIN", name, count)

    def _zset_pop(self, command: str, name: KeyT, count: int | None) -> Awaitable[list[tuple[S, float]]]:
        if count is None:
            return self.execute_command(command, name, reply=replies.scored)
        if count < 0:
            raise InvalidArgument(f"count must not be negative: {count}")
        return self.execute_command(command, name, count, reply=replies.scored)

    def bzpopmax(
        self, keys: KeyT | Iterable[KeyT], timeout: float | None = 0
    ) -> Awaitable[tuple[S, S, float] | None]:
        """Take the highest member of the first sorted set that has any, waiting for one.

        `(key, member, score)`; None when the time is up. O(log N). Since 5.0.0.
        https://valkey.io/commands/bzpopmax/
        """
        return self._zset_blocking_pop("BZPOPMAX", keys, timeout)

    def bzpopmin(
        self, keys: KeyT | Iterable[KeyT], timeout: float | None = 0
    ) -> Awaitable[tuple[S, S, float] | None]:
        """Take the lowest member of the first sorted set that has any, waiting for one.

        `(key, member, score)`; None when the time is up. O(log N). Since 5.0.0.
        https://valkey.io/commands/bzpopmin/
        """
        return self._zset_blocking_pop("BZPOPMIN", keys, timeout)

    def _zset_blocking_pop(
        self, command: str, keys: KeyT | Iterable[KeyT], timeout: float | None
    ) -> Awaitable[tuple[S, S, float] | None]:
        names = arguments.flatten(keys)
        arguments.some(names, command, "keys")
        seconds, block = arguments.blocking(timeout)
        return self.execute_command(command, *names, seconds, reply=replies.key_member_score, block=block)

    def zmpop(
        self,
        num_keys: int,
        keys: Sequence[KeyT],
        min: bool | None = False,
        max: bool | None = False,
        count: int | None = 1,
    ) -> Awaitable[tuple[S, list[tuple[S, float]]] | None]:
        """Take members from the first sorted set that has any: `(key, members)`; None when all are empty.

        Args:
            num_keys: How many keys there are.
            keys: The keys.
            min: Take those with the lowest scores; this or `max`.
            max: Take those with the highest.
            count: How many members at most.

        O(K + M·log N) for K keys and M members. Since 7.0.0. https://valkey.io/commands/zmpop/
        """
        args = _multi_pop("ZMPOP", num_keys, keys, min, max, count)
        return self.execute_command("ZMPOP", *args, reply=replies.key_and_scored)

    def bzmpop(
        self,
        timeout: float,
        numkeys: int,
        keys: Sequence[KeyT],
        min: bool | None = False,
        max: bool | None = False,
        count: int | None = 1,
    ) -> Awaitable[tuple[S, list[tuple[S, float]]] | None]:
        """`zmpop`, waiting for a member; None when the time is up.

        O(K + M·log N) for K keys and M members. Since 7.0.0. https://valkey.io/commands/bzmpop/
        """
        seconds, block = arguments.blocking(timeout)
        args = _multi_pop("BZMPOP", numkeys, keys, min, max, count)
        return self.execute_command("BZMPOP", seconds, *args, reply=replies.key_and_scored, block=block)

    @overload
    def zrandmember(
        self, key: KeyT, count: None = ..., withscores: Literal[False] = ...
    ) -> Awaitable[S | None]: ...

    @overload
    def zrandmember(self, key: KeyT, count: int, withscores: Literal[False] = ...) -> Awaitable[list[S]]: ...

    @overload
    def zrandmember(
        self, key: KeyT, count: int, withscores: Literal[True]
    ) -> Awaitable[list[tuple[S, float]]]: ...

    def zrandmember(self, key: KeyT, count: int | None = None, withscores: bool = False) -> Awaitable[Any]:
        """Any member; None without one.

        With `count` a list of so many different ones at most; a negative one gives exactly that many, some
        perhaps twice. O(N) in the result. Since 6.2.0. https://valkey.io/commands/zrandmember/
        """
        if count is None:
            if withscores:
                raise InvalidArgument("withscores needs a count")
            return self.execute_command("ZRANDMEMBER", key)
        if withscores:
            return self.execute_command("ZRANDMEMBER", key, count, "WITHSCORES", reply=replies.scored)
        return self.execute_command("ZRANDMEMBER", key, count)

    @overload
    def zscan(
        self, name: KeyT, cursor: int = ..., match: KeyT | None = ..., count: int | None = ...
    ) -> Awaitable[tuple[int, list[tuple[S, float]]]]: ...

    @overload
    def zscan(
        self,
        name: KeyT,
        cursor: int = ...,
        match: KeyT | None = ...,
        count: int | None = ...,
        *,
        score_cast_func: Callable[[float], T],
    ) -> Awaitable[tuple[int, list[tuple[S, T]]]]: ...

    def zscan(
        self,
        name: KeyT,
        cursor: int = 0,
        match: KeyT | None = None,
        count: int | None = None,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """One page of a sorted set: `(next cursor, [(member, score), …])`; the last page's cursor is 0.

        Arguments as `scan`; in no order. O(1) for a page. Since 2.8.0. https://valkey.io/commands/zscan/
        """
        args = arguments.matching(cursor, match, count)
        convert = replies.scan_scored_page(score_cast_func)
        return self.execute_command("ZSCAN", name, *args, reply=convert)

    @overload
    def zscan_iter(
        self, name: KeyT, match: KeyT | None = ..., count: int | None = ...
    ) -> ScanIterator[tuple[S, float]]: ...

    @overload
    def zscan_iter(
        self,
        name: KeyT,
        match: KeyT | None = ...,
        count: int | None = ...,
        *,
        score_cast_func: Callable[[float], T],
    ) -> ScanIterator[tuple[S, T]]: ...

    def zscan_iter(
        self,
        name: KeyT,
        match: KeyT | None = None,
        count: int | None = None,
        score_cast_func: Callable[[float], Any] = float,
    ) -> ScanIterator[Any]:
        """`async for` over `(member, score)`, in no order. O(N), a page at a time."""
        return ScanIterator(
            lambda cursor: self.zscan(name, cursor, match, count, score_cast_func=score_cast_func)
        )
