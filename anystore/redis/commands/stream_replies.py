"""From replies about streams to results; otherwise as `replies`."""

from __future__ import annotations

from typing import Any, Generic, TypeAlias, TypedDict

from anystore.redis.commands.base import S
from anystore.redis.commands.replies import as_map, in_pairs, text, text_map

StreamEntry: TypeAlias = tuple[S, dict[S, S]]
"""An entry's ID and its fields; no fields for one that is pending, but has been removed from the stream."""


class ConsumerPending(TypedDict, Generic[S]):
    """XPENDING: how many entries are pending for a consumer."""

    name: S
    pending: int


class PendingSummary(TypedDict, Generic[S]):
    """XPENDING: how many entries are pending, the lowest and highest of their IDs, and for whom they are."""

    pending: int
    min: S | None
    max: S | None
    consumers: list[ConsumerPending[S]]


class PendingEntry(TypedDict, Generic[S]):
    """XPENDING: an entry that is pending, milliseconds since its last delivery, and how many there were."""

    message_id: S
    consumer: S
    time_since_delivered: int
    times_delivered: int


def entry(reply: Any) -> Any:
    """`(id, fields)`, or None."""
    return None if reply is None else (reply[0], as_map(reply[1]))


def entries(reply: Any) -> Any:
    """Entries in order. One that was claimed and is no more (null, up to Redis 6) is left out."""
    return [entry(item) for item in reply or () if item is not None]


def streams(reply: Any) -> Any:
    """XREAD: `(stream, entries)` each; nothing when the time was up."""
    return [(name, entries(found)) for name, found in in_pairs(reply)] if reply else []


def ids_or_entries(just_ids: bool) -> Any:
    """XCLAIM: entries, or IDs with JUSTID."""
    return list if just_ids else entries


def auto_claimed(just_ids: bool) -> Any:
    """XAUTOCLAIM: `(where to go on, entries, IDs no longer in the stream)`, or with JUSTID the IDs claimed."""

    def convert(reply: Any) -> Any:
        if just_ids:
            return list(reply[1])
        return reply[0], entries(reply[1]), list(reply[2]) if len(reply) > 2 else []

    return convert


def pending_summary(reply: Any) -> Any:
    count, lowest, highest, consumers = reply
    named = [{"name": name, "pending": int(pending)} for name, pending in consumers or ()]
    return {"pending": count, "min": lowest, "max": highest, "consumers": named}


def pending_entries(reply: Any) -> Any:
    names = ("message_id", "consumer", "time_since_delivered", "times_delivered")
    return [dict(zip(names, item, strict=True)) for item in reply]


def maps(reply: Any) -> Any:
    """XINFO GROUPS and CONSUMERS: a `dict` each."""
    return [text_map(item) for item in reply]


def stream_info(reply: Any) -> Any:
    """XINFO STREAM: the first and the last entry as entries."""
    info = text_map(reply)
    for name in ("first-entry", "last-entry"):
        info[name] = entry(info[name])
    return info


def full_stream_info(reply: Any) -> Any:
    """XINFO STREAM FULL: entries by ID, groups and their consumers as a `dict` each."""
    info = text_map(reply)
    info["entries"] = dict(entries(info["entries"]))
    info["groups"] = [_group(group) for group in info["groups"]]
    return info


def _group(reply: Any) -> dict[str, Any]:
    group = _with_pending(reply)
    group["consumers"] = [_with_pending(consumer) for consumer in group["consumers"]]
    return group


def _with_pending(reply: Any) -> dict[str, Any]:
    found = {text(name): value for name, value in in_pairs(reply)}
    found["pending"] = [tuple(item) for item in found["pending"]]
    return found
