"""Walking through a whole collection, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

from anystore.redis.commands.base import T


class ScanIterator(AsyncIterator[T]):
    """`async for` over all that SCAN, SSCAN, HSCAN or ZSCAN finds, fetching a page when it is needed.

    An item that is there from the beginning to the end is given at least once, and possibly twice; one that
    comes or goes meanwhile may be given or not. The loop may be left at any point: nothing is open in
    between. Not for pipelines, where no page arrives before the commit.
    """

    __slots__ = ("_cursor", "_fetch", "_page")

    def __init__(self, fetch: Callable[[int], Awaitable[tuple[int, Iterable[T]]]]) -> None:
        self._fetch = fetch
        self._cursor: int | None = 0
        self._page: Iterator[T] = iter(())

    def __aiter__(self) -> ScanIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._page:
                return item
            if self._cursor is None:
                raise StopAsyncIteration
            cursor, items = await self._fetch(self._cursor)
            self._page = iter(items)
            self._cursor = cursor or None
