"""Commands on streams."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, Literal, TypeAlias, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, stream_replies
from anystore.redis.commands.base import FOREVER, Argument, Commands, KeyT, S, ValueT
from anystore.redis.commands.replies import is_ok
from anystore.redis.commands.stream_replies import StreamEntry

StreamIdT: TypeAlias = bytes | str | int | memoryview
"""The ID of an entry, `milliseconds-sequence`; without the second part it is 0, or the highest at an end of a range."""
RefPolicy: TypeAlias = Literal["KEEPREF", "DELREF", "ACKED"]
"""What becomes of deliveries when entries are removed: `KEEPREF` leaves them pending, `DELREF` removes them,
`ACKED` removes an entry only when all groups are done with it. Since Redis 8.2."""

_POLICIES: Final = ("KEEPREF", "DELREF", "ACKED")


def policy(ref_policy: str | None) -> tuple[Argument, ...]:
    """The policy as an argument, or nothing."""
    return () if ref_policy is None else (arguments.one_of("ref_policy", ref_policy, _POLICIES),)


def trimming(
    maxlen: int | None, minid: StreamIdT | None, approximate: bool, limit: int | None
) -> tuple[Argument, ...]:
    """`MAXLEN|MINID [~] threshold [LIMIT count]`, or nothing."""
    arguments.exclusive(maxlen=maxlen, minid=minid)
    if maxlen is not None and maxlen < 0:
        raise InvalidArgument(f"maxlen must not be negative: {maxlen}")
    threshold: Argument | None = maxlen if minid is None else minid
    if threshold is None:
        if limit is not None:
            raise InvalidArgument("limit needs maxlen or minid")
        return ()
    about = ("~",) if approximate else ()
    most = () if limit is None else ("LIMIT", limit)
    return ("MAXLEN" if minid is None else "MINID", *about, threshold, *most)


def count_option(count: int | None) -> tuple[Argument, ...]:
    """`COUNT count`, or nothing."""
    if count is not None and count < 1:
        raise InvalidArgument(f"count must be at least 1, not {count}")
    return () if count is None else ("COUNT", count)


def block_option(block: int | None) -> tuple[Argument, ...]:
    """`BLOCK milliseconds`, or nothing."""
    if block is None:
        return ()
    if isinstance(block, bool) or not isinstance(block, int) or block < 0:
        raise InvalidArgument(f"block must be a number of milliseconds, 0 to wait for ever, not {block!r}")
    return ("BLOCK", block)


def block_seconds(block: int | None) -> float | None:
    """The `block` for `execute_command`."""
    return None if block is None else block / 1000 or FOREVER


def streams_option(command: str, streams: Mapping[Any, StreamIdT]) -> list[Argument]:
    """`STREAMS key … id …`."""
    arguments.some(streams, command, "streams")
    return ["STREAMS", *streams, *streams.values()]


class StreamCommands(Commands[S]):
    """Commands on streams; those on consumer groups are in `StreamGroupCommands`.

    An entry is `(id, fields)`, the fields as a `dict` (of a field that repeats, the last value).
    """

    @overload
    def xadd(
        self,
        name: KeyT,
        fields: Mapping[Any, ValueT],
        id: StreamIdT = ...,
        maxlen: int | None = ...,
        approximate: bool = ...,
        nomkstream: Literal[False] = ...,
        minid: StreamIdT | None = ...,
        limit: int | None = ...,
        ref_policy: RefPolicy | None = ...,
    ) -> Awaitable[S]: ...

    @overload
    def xadd(
        self,
        name: KeyT,
        fields: Mapping[Any, ValueT],
        id: StreamIdT = ...,
        maxlen: int | None = ...,
        approximate: bool = ...,
        nomkstream: bool = ...,
        minid: StreamIdT | None = ...,
        limit: int | None = ...,
        ref_policy: RefPolicy | None = ...,
    ) -> Awaitable[S | None]: ...

    def xadd(
        self,
        name: KeyT,
        fields: Mapping[Any, ValueT],
        id: StreamIdT = "*",
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: bool = False,
        minid: StreamIdT | None = None,
        limit: int | None = None,
        ref_policy: RefPolicy | None = None,
    ) -> Awaitable[Any]:
        """Add an entry; its ID. O(1), and O(N) for N entries that are trimmed.

        Args:
            name: The key.
            fields: One field at least.
            id: `*` lets the server choose it, `5-*` the second part (since 7.0).
            maxlen: Trim to so many entries (since 5.0.0), or …
            minid: … to those from this ID on (since 6.2.0).
            approximate: Trim only what can be removed cheaply, a hundred entries or so at once.
            nomkstream: Do not create a stream: None where there is none (since 6.2.0).
            limit: With `approximate`, trim no more entries than this (since 6.2.0).
            ref_policy: What becomes of deliveries of trimmed entries.

        Since 5.0.0. https://valkey.io/commands/xadd/
        """
        make = ("NOMKSTREAM",) if nomkstream else ()
        trim = trimming(maxlen, minid, approximate, limit)
        pairs = arguments.pairs(fields, "XADD")
        return self.execute_command("XADD", name, *make, *policy(ref_policy), *trim, id, *pairs)

    def xdel(self, name: KeyT, *ids: StreamIdT) -> Awaitable[int]:
        """Remove entries; how many there were. O(1) for each. Since 5.0.0. https://valkey.io/commands/xdel/"""
        arguments.some(ids, "XDEL", "IDs")
        return self.execute_command("XDEL", name, *ids)

    def xdelex(self, name: KeyT, *ids: StreamIdT, ref_policy: RefPolicy = "KEEPREF") -> Awaitable[list[int]]:
        """Remove entries; 1 for each removed, 2 where a group is not done with it (`ACKED`), -1 for none.

        O(1) for each. Since Redis 8.2.0. https://redis.io/docs/latest/commands/xdelex/
        """
        arguments.some(ids, "XDELEX", "IDs")
        return self.execute_command("XDELEX", name, *policy(ref_policy), "IDS", len(ids), *ids)

    @overload
    def xinfo_stream(self, name: KeyT, full: bool = ..., count: None = ...) -> Awaitable[dict[str, Any]]: ...

    @overload
    def xinfo_stream(self, name: KeyT, full: Literal[True], count: int) -> Awaitable[dict[str, Any]]: ...

    def xinfo_stream(
        self, name: KeyT, full: bool = False, count: int | None = None
    ) -> Awaitable[dict[str, Any]]:
        """What is known of a stream: `length`, `last-generated-id`, `first-entry` … O(1).

        With `full` also its `entries` by ID, its `groups`, their `consumers` and what is pending, up to
        `count` each (None: 10, 0: all); O(N) in these. Since 5.0.0, `full` since 6.0.0.
        https://valkey.io/commands/xinfo-stream/
        """
        if not full:
            if count is not None:
                raise InvalidArgument("count needs full=True")
            return self.execute_command("XINFO", "STREAM", name, reply=stream_replies.stream_info)
        more = () if count is None else ("COUNT", count)
        return self.execute_command(
            "XINFO", "STREAM", name, "FULL", *more, reply=stream_replies.full_stream_info
        )

    def xlen(self, name: KeyT) -> Awaitable[int]:
        """How many entries there are. O(1). Since 5.0.0. https://valkey.io/commands/xlen/"""
        return self.execute_command("XLEN", name)

    def xrange(
        self, name: KeyT, min: StreamIdT = "-", max: StreamIdT = "+", count: int | None = None
    ) -> Awaitable[list[StreamEntry[S]]]:
        """The entries from ID `min` to `max`, both included (excluded with `(` before them, since 6.2.0).

        `count` is how many at most. O(N) in the result. Since 5.0.0. https://valkey.io/commands/xrange/
        """
        return self.execute_command(
            "XRANGE", name, min, max, *count_option(count), reply=stream_replies.entries
        )

    def xrevrange(
        self, name: KeyT, max: StreamIdT = "+", min: StreamIdT = "-", count: int | None = None
    ) -> Awaitable[list[StreamEntry[S]]]:
        """As `xrange`, the last entry first. O(N) in the result.

        Since 5.0.0. https://valkey.io/commands/xrevrange/
        """
        return self.execute_command(
            "XREVRANGE", name, max, min, *count_option(count), reply=stream_replies.entries
        )

    def xread(
        self, streams: Mapping[Any, StreamIdT], count: int | None = None, block: int | None = None
    ) -> Awaitable[list[tuple[S, list[StreamEntry[S]]]]]:
        """Entries after an ID: `(stream, entries)` for each stream that has any.

        Args:
            streams: The ID after which to read by stream; `$` is the last one there is now, `+` the one
                before that (since 7.4.0).
            count: So many of each stream at most.
            block: Wait for entries where there are none yet, so many milliseconds, 0 for ever; `[]` when
                the time is up.

        O(N) in the result. Since 5.0.0. https://valkey.io/commands/xread/
        """
        args: list[Argument] = [*count_option(count), *block_option(block)]
        args += streams_option("XREAD", streams)
        return self.execute_command("XREAD", *args, reply=stream_replies.streams, block=block_seconds(block))

    def xsetid(
        self,
        name: KeyT,
        id: StreamIdT,
        entries_added: int | None = None,
        max_deleted_id: StreamIdT | None = None,
    ) -> Awaitable[bool]:
        """Set the last ID of a stream, how many entries were ever added, and the highest ID removed.

        Servers use it among themselves. O(1). Since 5.0.0, the counters since 7.0.0.
        https://valkey.io/commands/xsetid/
        """
        args: list[Argument] = [name, id]
        if entries_added is not None:
            args += ("ENTRIESADDED", entries_added)
        if max_deleted_id is not None:
            args += ("MAXDELETEDID", max_deleted_id)
        return self.execute_command("XSETID", *args, reply=is_ok)

    def xtrim(
        self,
        name: KeyT,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: StreamIdT | None = None,
        limit: int | None = None,
        ref_policy: RefPolicy | None = None,
    ) -> Awaitable[int]:
        """Remove the first entries, until `maxlen` are left or those from `minid` on; how many they were.

        Arguments as for `xadd`. O(N) in the entries removed. Since 5.0.0, `minid` and `limit` since 6.2.0.
        https://valkey.io/commands/xtrim/
        """
        trim = trimming(maxlen, minid, approximate, limit)
        if not trim:
            raise InvalidArgument("XTRIM needs maxlen or minid")
        return self.execute_command("XTRIM", name, *trim, *policy(ref_policy))
