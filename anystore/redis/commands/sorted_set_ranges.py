"""Commands on sorted sets that look at a range: by rank, by score, by the members' order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, T, ValueT


def _range(
    name: KeyT,
    start: ValueT,
    end: ValueT,
    desc: bool,
    byscore: bool,
    bylex: bool,
    offset: int | None,
    num: int | None,
) -> list[Argument]:
    arguments.exclusive(byscore=byscore, bylex=bylex)
    page = arguments.limit(offset, num, ("offset", "num"))
    if page and not (byscore or bylex):
        raise InvalidArgument("offset and num need byscore or bylex; ranks say themselves where to begin")
    args: list[Argument] = [name, start, end]
    flags = (("BYSCORE", byscore), ("BYLEX", bylex), ("REV", desc))
    args += [word for word, given in flags if given]
    args += page
    return args


class SortedSetRangeCommands(Commands[S]):
    """Ranges of sorted sets, lowest score first unless said otherwise; equal scores by member.

    Bounds are included. Ranks count from 0, negative ones from the end. Scores are numbers, `"-inf"`,
    `"+inf"`, and `"(1.5"` for a bound that is not included. Bounds by member, for sets whose scores are
    all the same, begin with `[` (included) or `(`; `-` and `+` are the ends. `offset` (or `start`) and
    `num` page through a result: skip, and at most so many, negative for all.
    """

    @overload
    def zrange(
        self,
        name: KeyT,
        start: ValueT,
        end: ValueT,
        desc: bool = ...,
        withscores: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
        byscore: bool = ...,
        bylex: bool = ...,
        offset: int | None = ...,
        num: int | None = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def zrange(
        self,
        name: KeyT,
        start: ValueT,
        end: ValueT,
        desc: bool = ...,
        *,
        withscores: Literal[True],
        byscore: bool = ...,
        bylex: bool = ...,
        offset: int | None = ...,
        num: int | None = ...,
    ) -> Awaitable[list[tuple[S, float]]]: ...

    @overload
    def zrange(
        self,
        name: KeyT,
        start: ValueT,
        end: ValueT,
        desc: bool = ...,
        *,
        withscores: Literal[True],
        score_cast_func: Callable[[float], T],
        byscore: bool = ...,
        bylex: bool = ...,
        offset: int | None = ...,
        num: int | None = ...,
    ) -> Awaitable[list[tuple[S, T]]]: ...

    def zrange(
        self,
        name: KeyT,
        start: ValueT,
        end: ValueT,
        desc: bool = False,
        withscores: bool = False,
        score_cast_func: Callable[[float], Any] = float,
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> Awaitable[Any]:
        """The members of a range.

        Args:
            name: The key.
            start: Where it begins; with `desc` and `byscore` or `bylex` the higher bound.
            end: Where it ends.
            desc: Highest first.
            withscores: Give `(member, score)`; not with `bylex`.
            score_cast_func: Makes something else of each score.
            byscore: `start` and `end` are scores, instead of ranks.
            bylex: They are members.
            offset: Skip so many; with `byscore` or `bylex`, and together with `num`.
            num: Give so many at most.

        O(log N + M) for M members in the result. Since 1.2.0, `byscore`, `bylex`, `desc` and `offset`
        since 6.2.0. https://valkey.io/commands/zrange/
        """
        if bylex and withscores:
            raise InvalidArgument("withscores cannot be combined with bylex")
        args = _range(name, start, end, desc, byscore, bylex, offset, num)
        return self._zset_with_scores("ZRANGE", args, withscores, score_cast_func)

    def zrangestore(
        self,
        dest: KeyT,
        name: KeyT,
        start: ValueT,
        end: ValueT,
        byscore: bool = False,
        bylex: bool = False,
        desc: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> Awaitable[int]:
        """Write a range to `dest`; the size of the result. Arguments as `zrange`.

        O(log N + M). Since 6.2.0. https://valkey.io/commands/zrangestore/
        """
        args = _range(name, start, end, desc, byscore, bylex, offset, num)
        return self.execute_command("ZRANGESTORE", dest, *args)

    def _zset_with_scores(
        self, command: str, args: list[Argument], withscores: bool, cast: Callable[[float], Any]
    ) -> Awaitable[Any]:
        if not withscores:
            return self.execute_command(command, *args)
        convert = replies.scored if cast is float else replies.scored_by(cast)
        return self.execute_command(command, *args, "WITHSCORES", reply=convert)

    @overload
    def zrevrange(
        self,
        name: KeyT,
        start: int,
        end: int,
        withscores: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def zrevrange(
        self, name: KeyT, start: int, end: int, withscores: Literal[True]
    ) -> Awaitable[list[tuple[S, float]]]: ...

    @overload
    def zrevrange(
        self,
        name: KeyT,
        start: int,
        end: int,
        withscores: Literal[True],
        score_cast_func: Callable[[float], T],
    ) -> Awaitable[list[tuple[S, T]]]: ...

    def zrevrange(
        self,
        name: KeyT,
        start: int,
        end: int,
        withscores: bool = False,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """A range by rank, highest first; `zrange(…, desc=True)` says the same.

        O(log N + M). Since 1.2.0. https://valkey.io/commands/zrevrange/
        """
        return self._zset_with_scores("ZREVRANGE", [name, start, end], withscores, score_cast_func)

    @overload
    def zrangebyscore(
        self,
        name: KeyT,
        min: ValueT,
        max: ValueT,
        start: int | None = ...,
        num: int | None = ...,
        withscores: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def zrangebyscore(
        self,
        name: KeyT,
        min: ValueT,
        max: ValueT,
        start: int | None = ...,
        num: int | None = ...,
        *,
        withscores: Literal[True],
    ) -> Awaitable[list[tuple[S, float]]]: ...

    @overload
    def zrangebyscore(
        self,
        name: KeyT,
        min: ValueT,
        max: ValueT,
        start: int | None = ...,
        num: int | None = ...,
        *,
        withscores: Literal[True],
        score_cast_func: Callable[[float], T],
    ) -> Awaitable[list[tuple[S, T]]]: ...

    def zrangebyscore(
        self,
        name: KeyT,
        min: ValueT,
        max: ValueT,
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """A range by score; `zrange(…, byscore=True)` says the same.

        O(log N + M). Since 1.0.5. https://valkey.io/commands/zrangebyscore/
        """
        args: list[Argument] = [name, min, max, *arguments.limit(start, num)]
        return self._zset_with_scores("ZRANGEBYSCORE", args, withscores, score_cast_func)

    @overload
    def zrevrangebyscore(
        self,
        name: KeyT,
        max: ValueT,
        min: ValueT,
        start: int | None = ...,
        num: int | None = ...,
        withscores: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def zrevrangebyscore(
        self,
        name: KeyT,
        max: ValueT,
        min: ValueT,
        start: int | None = ...,
        num: int | None = ...,
        *,
        withscores: Literal[True],
    ) -> Awaitable[list[tuple[S, float]]]: ...

    @overload
    def zrevrangebyscore(
        self,
        name: KeyT,
        max: ValueT,
        min: ValueT,
        start: int | None = ...,
        num: int | None = ...,
        *,
        withscores: Literal[True],
        score_cast_func: Callable[[float], T],
    ) -> Awaitable[list[tuple[S, T]]]: ...

    def zrevrangebyscore(
        self,
        name: KeyT,
        max: ValueT,
        min: ValueT,
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """A range by score, highest first; `zrange(…, byscore=True, desc=True)` says the same.

        O(log N + M). Since 2.2.0. https://valkey.io/commands/zrevrangebyscore/
        """
        args: list[Argument] = [name, max, min, *arguments.limit(start, num)]
        return self._zset_with_scores("ZREVRANGEBYSCORE", args, withscores, score_cast_func)

    def zrangebylex(
        self, name: KeyT, min: ValueT, max: ValueT, start: int | None = None, num: int | None = None
    ) -> Awaitable[list[S]]:
        """A range by member; `zrange(…, bylex=True)` says the same.

        O(log N + M). Since 2.8.9. https://valkey.io/commands/zrangebylex/
        """
        return self.execute_command("ZRANGEBYLEX", name, min, max, *arguments.limit(start, num))

    def zrevrangebylex(
        self, name: KeyT, max: ValueT, min: ValueT, start: int | None = None, num: int | None = None
    ) -> Awaitable[list[S]]:
        """A range by member, highest first; `zrange(…, bylex=True, desc=True)` says the same.

        O(log N + M). Since 2.8.9. https://valkey.io/commands/zrevrangebylex/
        """
        return self.execute_command("ZREVRANGEBYLEX", name, max, min, *arguments.limit(start, num))

    def zcount(self, name: KeyT, min: ValueT, max: ValueT) -> Awaitable[int]:
        """How many members a range by score has. O(log N).

        Since 2.0.0. https://valkey.io/commands/zcount/
        """
        return self.execute_command("ZCOUNT", name, min, max)

    def zlexcount(self, name: KeyT, min: ValueT, max: ValueT) -> Awaitable[int]:
        """How many members a range by member has. O(log N).

        Since 2.8.9. https://valkey.io/commands/zlexcount/
        """
        return self.execute_command("ZLEXCOUNT", name, min, max)

    def zremrangebylex(self, name: KeyT, min: ValueT, max: ValueT) -> Awaitable[int]:
        """Remove a range by member; how many that were. O(log N + M).

        Since 2.8.9. https://valkey.io/commands/zremrangebylex/
        """
        return self.execute_command("ZREMRANGEBYLEX", name, min, max)

    def zremrangebyrank(self, name: KeyT, min: int, max: int) -> Awaitable[int]:
        """Remove a range by rank; how many members that were. O(log N + M).

        Since 2.0.0. https://valkey.io/commands/zremrangebyrank/
        """
        return self.execute_command("ZREMRANGEBYRANK", name, min, max)

    def zremrangebyscore(self, name: KeyT, min: ValueT, max: ValueT) -> Awaitable[int]:
        """Remove a range by score; how many members that were. O(log N + M).

        Since 1.2.0. https://valkey.io/commands/zremrangebyscore/
        """
        return self.execute_command("ZREMRANGEBYSCORE", name, min, max)

    @overload
    def zrank(
        self,
        name: KeyT,
        value: ValueT,
        withscore: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
    ) -> Awaitable[int | None]: ...

    @overload
    def zrank(
        self, name: KeyT, value: ValueT, withscore: Literal[True]
    ) -> Awaitable[tuple[int, float] | None]: ...

    @overload
    def zrank(
        self, name: KeyT, value: ValueT, withscore: Literal[True], score_cast_func: Callable[[float], T]
    ) -> Awaitable[tuple[int, T] | None]: ...

    def zrank(
        self,
        name: KeyT,
        value: ValueT,
        withscore: bool = False,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """The rank of a member, 0 for the lowest score; None without it. `withscore` gives `(rank, score)`.

        O(log N). Since 2.0.0, `withscore` since 7.2.0. https://valkey.io/commands/zrank/
        """
        return self._zset_rank("ZRANK", name, value, withscore, score_cast_func)

    @overload
    def zrevrank(
        self,
        name: KeyT,
        value: ValueT,
        withscore: Literal[False] = ...,
        score_cast_func: Callable[[float], Any] = ...,
    ) -> Awaitable[int | None]: ...

    @overload
    def zrevrank(
        self, name: KeyT, value: ValueT, withscore: Literal[True]
    ) -> Awaitable[tuple[int, float] | None]: ...

    @overload
    def zrevrank(
        self, name: KeyT, value: ValueT, withscore: Literal[True], score_cast_func: Callable[[float], T]
    ) -> Awaitable[tuple[int, T] | None]: ...

    def zrevrank(
        self,
        name: KeyT,
        value: ValueT,
        withscore: bool = False,
        score_cast_func: Callable[[float], Any] = float,
    ) -> Awaitable[Any]:
        """The rank of a member, 0 for the highest score; None without it. `withscore` gives `(rank, score)`.

        O(log N). Since 2.0.0, `withscore` since 7.2.0. https://valkey.io/commands/zrevrank/
        """
        return self._zset_rank("ZREVRANK", name, value, withscore, score_cast_func)

    def _zset_rank(
        self, command: str, name: KeyT, value: ValueT, withscore: bool, cast: Callable[[float], Any]
    ) -> Awaitable[Any]:
        if withscore:
            return self.execute_command(command, name, value, "WITHSCORE", reply=replies.rank_by(cast))
        return self.execute_command(command, name, value)
