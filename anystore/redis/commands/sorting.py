"""SORT and SORT_RO, which take lists, sets and sorted sets."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Literal, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S


def _sorting(
    name: KeyT,
    start: int | None,
    num: int | None,
    by: KeyT | None,
    get: KeyT | Iterable[KeyT] | None,
    desc: bool,
    alpha: bool,
) -> tuple[list[Argument], int]:
    """The arguments of SORT, and how many GETs there are."""
    args: list[Argument] = [name]
    if by is not None:
        args += ("BY", by)
    args += arguments.limit(start, num)
    patterns = [] if get is None else arguments.flatten(get)
    for pattern in patterns:
        args += ("GET", pattern)
    if desc:
        args.append("DESC")
    if alpha:
        args.append("ALPHA")
    return args, len(patterns)


class SortCommands(Commands[S]):
    """Sorting (part of Redis' group *generic*)."""

    @overload
    def sort(
        self,
        name: KeyT,
        start: int | None = ...,
        num: int | None = ...,
        by: KeyT | None = ...,
        get: None = ...,
        desc: bool = ...,
        alpha: bool = ...,
        store: None = ...,
        groups: Literal[False] = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def sort(
        self,
        name: KeyT,
        start: int | None = ...,
        num: int | None = ...,
        by: KeyT | None = ...,
        *,
        get: KeyT | Iterable[KeyT],
        desc: bool = ...,
        alpha: bool = ...,
        store: None = ...,
        groups: Literal[False] = ...,
    ) -> Awaitable[list[S | None]]: ...

    @overload
    def sort(
        self,
        name: KeyT,
        start: int | None = ...,
        num: int | None = ...,
        by: KeyT | None = ...,
        get: KeyT | Iterable[KeyT] | None = ...,
        desc: bool = ...,
        alpha: bool = ...,
        *,
        store: KeyT,
        groups: bool = ...,
    ) -> Awaitable[int]: ...

    @overload
    def sort(
        self,
        name: KeyT,
        start: int | None = ...,
        num: int | None = ...,
        by: KeyT | None = ...,
        *,
        get: Iterable[KeyT],
        desc: bool = ...,
        alpha: bool = ...,
        store: None = ...,
        groups: Literal[True],
    ) -> Awaitable[list[tuple[S | None, ...]]]: ...

    def sort(
        self,
        name: KeyT,
        start: int | None = None,
        num: int | None = None,
        by: KeyT | None = None,
        get: KeyT | Iterable[KeyT] | None = None,
        desc: bool = False,
        alpha: bool = False,
        store: KeyT | None = None,
        groups: bool = False,
    ) -> Awaitable[Any]:
        """The elements of a list, set or sorted set in order, or what they lead to.

        Args:
            name: The key.
            start: Skip so many; together with `num`.
            num: Give so many at most.
            by: Sort by the values of these keys, `*` standing for the element; a pattern without `*`
                leaves the order as it is.
            get: Give the values of these keys (`hash_*->field` for a field) instead of the elements, `#`
                for the element itself; None in the result where there is no such key.
            desc: Largest first.
            alpha: Compare as text; otherwise as numbers.
            store: Write the result to this list.
            groups: With several `get`: one tuple for each element.

        Returns:
            A list; of tuples with `groups`; with `store` the length of the list that was written.

        O(N + M·log M) for N elements of which M are returned. Raises `ResponseError` for an element that
        is no number, without `alpha`. Since 1.0.0. https://valkey.io/commands/sort/
        """
        args, gets = _sorting(name, start, num, by, get, desc, alpha)
        if groups and gets < 2:
            raise InvalidArgument("groups needs a get with two patterns or more")
        if store is not None:
            return self.execute_command("SORT", *args, "STORE", store)
        if groups:
            return self.execute_command("SORT", *args, reply=replies.groups_of(gets))
        return self.execute_command("SORT", *args)

    @overload
    def sort_ro(
        self,
        key: KeyT,
        start: int | None = ...,
        num: int | None = ...,
        by: KeyT | None = ...,
        get: None = ...,
        desc: bool = ...,
        alpha: bool = ...,
    ) -> Awaitable[list[S]]: ...

    @overload
    def sort_ro(
        self,
        key: KeyT,
        start: int | None = ...,
        num: int | None = ...,
        by: KeyT | None = ...,
        *,
        get: KeyT | Iterable[KeyT],
        desc: bool = ...,
        alpha: bool = ...,
    ) -> Awaitable[list[S | None]]: ...

    def sort_ro(
        self,
        key: KeyT,
        start: int | None = None,
        num: int | None = None,
        by: KeyT | None = None,
        get: KeyT | Iterable[KeyT] | None = None,
        desc: bool = False,
        alpha: bool = False,
    ) -> Awaitable[Any]:
        """`sort` without `store`, which replicas take too. Since 7.0.0. https://valkey.io/commands/sort_ro/"""
        args, _ = _sorting(key, start, num, by, get, desc, alpha)
        return self.execute_command("SORT_RO", *args)
