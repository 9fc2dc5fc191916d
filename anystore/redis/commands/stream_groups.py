"""Commands on the consumer groups of streams."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Literal, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, stream_replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S
from anystore.redis.commands.replies import is_ok, truth
from anystore.redis.commands.stream_replies import PendingEntry, PendingSummary, StreamEntry
from anystore.redis.commands.streams import (
    RefPolicy,
    StreamIdT,
    block_option,
    block_seconds,
    count_option,
    policy,
    streams_option,
)


def _idle(command: str, milliseconds: int) -> int:
    if milliseconds < 0:
        raise InvalidArgument(f"{command}: the least idle time must not be negative: {milliseconds}")
    return milliseconds


class StreamGroupCommands(Commands[S]):
    """Commands on consumer groups: each entry goes to one consumer, and is pending until it is acknowledged."""

    def xack(self, name: KeyT, groupname: KeyT, *ids: StreamIdT) -> Awaitable[int]:
        """Acknowledge entries; how many were pending. O(1) for each.

        Since 5.0.0. https://valkey.io/commands/xack/
        """
        arguments.some(ids, "XACK", "IDs")
        return self.execute_command("XACK", name, groupname, *ids)

    def xackdel(
        self, name: KeyT, groupname: KeyT, *ids: StreamIdT, ref_policy: RefPolicy = "KEEPREF"
    ) -> Awaitable[list[int]]:
        """Acknowledge entries and remove them from the stream. O(1) for each.

        For each 1, 2 where another group is not done with it (`ACKED`), or -1 where it was not pending.
        Since Redis 8.2.0. https://redis.io/docs/latest/commands/xackdel/
        """
        arguments.some(ids, "XACKDEL", "IDs")
        return self.execute_command("XACKDEL", name, groupname, *policy(ref_policy), "IDS", len(ids), *ids)

    @overload
    def xautoclaim(
        self,
        name: KeyT,
        groupname: KeyT,
        consumername: KeyT,
        min_idle_time: int,
        start_id: StreamIdT = ...,
        count: int | None = ...,
        justid: Literal[False] = ...,
    ) -> Awaitable[tuple[S, list[StreamEntry[S]], list[S]]]: ...

    @overload
    def xautoclaim(
        self,
        name: KeyT,
        groupname: KeyT,
        consumername: KeyT,
        min_idle_time: int,
        start_id: StreamIdT = ...,
        count: int | None = ...,
        *,
        justid: Literal[True],
    ) -> Awaitable[list[S]]: ...

    def xautoclaim(
        self,
        name: KeyT,
        groupname: KeyT,
        consumername: KeyT,
        min_idle_time: int,
        start_id: StreamIdT = "0-0",
        count: int | None = None,
        justid: bool = False,
    ) -> Awaitable[Any]:
        """Give a consumer what has been pending for so many milliseconds, whoever it was for.

        `(ID to go on from, 0-0 at the end; entries; IDs that are no longer in the stream)`, or with `justid`
        the IDs claimed, which then does not count as a delivery. Begins at `start_id`, and claims `count`
        entries at most (None: 100). O(1) if `count` is small. Since 6.2.0.
        https://valkey.io/commands/xautoclaim/
        """
        idle = _idle("XAUTOCLAIM", min_idle_time)
        args: list[Argument] = [name, groupname, consumername, idle, start_id, *count_option(count)]
        if justid:
            args.append("JUSTID")
        return self.execute_command("XAUTOCLAIM", *args, reply=stream_replies.auto_claimed(justid))

    @overload
    def xclaim(
        self,
        name: KeyT,
        groupname: KeyT,
        consumername: KeyT,
        min_idle_time: int,
        message_ids: Sequence[StreamIdT],
        idle: int | None = ...,
        time: int | None = ...,
        retrycount: int | None = ...,
        force: bool = ...,
        justid: Literal[False] = ...,
    ) -> Awaitable[list[StreamEntry[S]]]: ...

    @overload
    def xclaim(
        self,
        name: KeyT,
        groupname: KeyT,
        consumername: KeyT,
        min_idle_time: int,
        message_ids: Sequence[StreamIdT],
        idle: int | None = ...,
        time: int | None = ...,
        retrycount: int | None = ...,
        force: bool = ...,
        *,
        justid: Literal[True],
    ) -> Awaitable[list[S]]: ...

    def xclaim(
        self,
        name: KeyT,
        groupname: KeyT,
        consumername: KeyT,
        min_idle_time: int,
        message_ids: Sequence[StreamIdT],
        idle: int | None = None,
        time: int | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: bool = False,
    ) -> Awaitable[Any]:
        """Give entries to a consumer that have been pending for so many milliseconds; those it got.

        Args:
            name: The key.
            groupname: The group.
            consumername: Who is to have them; created where there is none.
            min_idle_time: In milliseconds.
            message_ids: Which ones.
            idle: Milliseconds since their last delivery as it is to be counted (None: 0), or …
            time: … its Unix time in milliseconds.
            retrycount: How many deliveries there were (None: one more).
            force: Take entries that are pending for nobody, too.
            justid: Give the IDs only, and count no delivery.

        O(log N) for each. Since 5.0.0. https://valkey.io/commands/xclaim/
        """
        if isinstance(message_ids, (str, bytes, memoryview)):
            raise InvalidArgument("XCLAIM: message_ids must be a sequence of IDs")
        arguments.some(message_ids, "XCLAIM", "message_ids")
        arguments.exclusive(idle=idle, time=time)
        args: list[Argument] = [name, groupname, consumername, _idle("XCLAIM", min_idle_time), *message_ids]
        for word, value in (("IDLE", idle), ("TIME", time), ("RETRYCOUNT", retrycount)):
            if value is not None:
                args += (word, value)
        args += [word for word, given in (("FORCE", force), ("JUSTID", justid)) if given]
        return self.execute_command("XCLAIM", *args, reply=stream_replies.ids_or_entries(justid))

    def xgroup_create(
        self,
        name: KeyT,
        groupname: KeyT,
        id: StreamIdT = "$",
        mkstream: bool = False,
        entries_read: int | None = None,
    ) -> Awaitable[bool]:
        """Create a group that reads what comes after `id` (`$`: after what there is now). O(1).

        `mkstream` creates the stream where there is none; `entries_read` is how many entries there were up
        to `id`, where that is known. `ResponseError` with the code BUSYGROUP where there is a group of this
        name. Since 5.0.0, `entries_read` since 7.0.0. https://valkey.io/commands/xgroup-create/
        """
        make = ("MKSTREAM",) if mkstream else ()
        read = () if entries_read is None else ("ENTRIESREAD", entries_read)
        return self.execute_command("XGROUP", "CREATE", name, groupname, id, *make, *read, reply=is_ok)

    def xgroup_createconsumer(self, name: KeyT, groupname: KeyT, consumername: KeyT) -> Awaitable[int]:
        """Create a consumer, which reading does by itself; 0 where there is one. O(1).

        Since 6.2.0. https://valkey.io/commands/xgroup-createconsumer/
        """
        return self.execute_command("XGROUP", "CREATECONSUMER", name, groupname, consumername)

    def xgroup_delconsumer(self, name: KeyT, groupname: KeyT, consumername: KeyT) -> Awaitable[int]:
        """Remove a consumer; how many entries were pending for it, which nobody can claim any more. O(1).

        Since 5.0.0. https://valkey.io/commands/xgroup-delconsumer/
        """
        return self.execute_command("XGROUP", "DELCONSUMER", name, groupname, consumername)

    def xgroup_destroy(self, name: KeyT, groupname: KeyT) -> Awaitable[bool]:
        """Remove a group with all that is pending; whether there was one. O(N) in the entries pending.

        Since 5.0.0. https://valkey.io/commands/xgroup-destroy/
        """
        return self.execute_command("XGROUP", "DESTROY", name, groupname, reply=truth)

    def xgroup_setid(
        self, name: KeyT, groupname: KeyT, id: StreamIdT, entries_read: int | None = None
    ) -> Awaitable[bool]:
        """Let a group read on after another ID. Arguments as for `xgroup_create`. O(1).

        Since 5.0.0, `entries_read` since 7.0.0. https://valkey.io/commands/xgroup-setid/
        """
        read = () if entries_read is None else ("ENTRIESREAD", entries_read)
        return self.execute_command("XGROUP", "SETID", name, groupname, id, *read, reply=is_ok)

    def xinfo_consumers(self, name: KeyT, groupname: KeyT) -> Awaitable[list[dict[str, Any]]]:
        """The consumers of a group: `name`, `pending`, `idle`, `inactive` (since 7.2.0). O(N).

        Since 5.0.0. https://valkey.io/commands/xinfo-consumers/
        """
        return self.execute_command("XINFO", "CONSUMERS", name, groupname, reply=stream_replies.maps)

    def xinfo_groups(self, name: KeyT) -> Awaitable[list[dict[str, Any]]]:
        """The groups of a stream: `name`, `consumers`, `pending`, `last-delivered-id` … O(N).

        Since 5.0.0, `entries-read` and `lag` since 7.0.0. https://valkey.io/commands/xinfo-groups/
        """
        return self.execute_command("XINFO", "GROUPS", name, reply=stream_replies.maps)

    def xpending(self, name: KeyT, groupname: KeyT) -> Awaitable[PendingSummary[S]]:
        """How much is pending in a group, and for whom. O(N) in the consumers.

        Since 5.0.0. https://valkey.io/commands/xpending/
        """
        return self.execute_command("XPENDING", name, groupname, reply=stream_replies.pending_summary)

    def xpending_range(
        self,
        name: KeyT,
        groupname: KeyT,
        min: StreamIdT,
        max: StreamIdT,
        count: int,
        consumername: KeyT | None = None,
        idle: int | None = None,
    ) -> Awaitable[list[PendingEntry[S]]]:
        """What is pending in a group, from ID `min` to `max` and `count` entries at most.

        Only what is for `consumername`, and has been pending for `idle` milliseconds. O(N) in the result.
        Since 5.0.0, `idle` since 6.2.0. https://valkey.io/commands/xpending/
        """
        if count < 0:
            raise InvalidArgument(f"count must not be negative: {count}")
        args: list[Argument] = [name, groupname]
        if idle is not None:
            args += ("IDLE", _idle("XPENDING", idle))
        args += (min, max, count)
        if consumername is not None:
            args.append(consumername)
        return self.execute_command("XPENDING", *args, reply=stream_replies.pending_entries)

    def xreadgroup(
        self,
        groupname: KeyT,
        consumername: KeyT,
        streams: Mapping[Any, StreamIdT],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
    ) -> Awaitable[list[tuple[S, list[StreamEntry[S]]]]]:
        """Entries for a consumer of a group: `(stream, entries)` for each stream.

        Args:
            groupname: The group, which every stream must have.
            consumername: Who reads; created where there is none.
            streams: By stream `>` for new entries, or an ID for what comes after it and is pending for the
                consumer already.
            count: So many of each stream at most.
            block: Wait for new entries where there are none yet, so many milliseconds, 0 for ever; `[]`
                when the time is up.
            noack: The entries count as acknowledged.

        O(N) in the result. `ResponseError` with the code NOGROUP where there is no such stream or group, also
        when it goes while this waits. Cancelled while waiting, an entry delivered just then stays pending.
        Since 5.0.0. https://valkey.io/commands/xreadgroup/
        """
        args: list[Argument] = ["GROUP", groupname, consumername]
        args += (*count_option(count), *block_option(block))
        if noack:
            args.append("NOACK")
        args += streams_option("XREADGROUP", streams)
        return self.execute_command(
            "XREADGROUP", *args, reply=stream_replies.streams, block=block_seconds(block)
        )
