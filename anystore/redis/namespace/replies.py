"""The names in replies and in out-of-band messages, made bare.

What has not the shape that is known here comes through as it is: errors, nulls, the QUEUED of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from anystore.redis.namespace.names import INVALIDATIONS, KEYEVENT, Names, encoded
from anystore.resp.types import MapReply

Hook = Callable[[Names, Any], Any]

_CHANNEL_KINDS: Final = {b"subscribe", b"unsubscribe", b"ssubscribe", b"sunsubscribe"}
_PATTERN_KINDS: Final = {b"psubscribe", b"punsubscribe"}
_MESSAGE_KINDS: Final = {b"message", b"smessage", b"pmessage"}


def bare_message(names: Names, message: Sequence[Any]) -> list[Any] | None:
    """An out-of-band message with bare names; None if it is about a foreign name."""
    kind = encoded(message[0])
    found = list(message)
    if kind in _MESSAGE_KINDS:
        found[-2:] = _event(names, *message[-2:])
        if found[-2] is None:
            return None
        if kind == b"pmessage":
            found[1] = _pattern(names, found[1])
    elif kind in _CHANNEL_KINDS:
        found[1] = _channel(names, found[1])
    elif kind in _PATTERN_KINDS:
        found[1] = _pattern(names, found[1])
    elif kind == b"invalidate" and found[1] is not None:
        found[1] = own_keys(names, found[1])
        if not found[1]:
            return None
    return found


def _event(names: Names, channel: Any, payload: Any) -> tuple[Any, Any]:
    """A message's channel and payload, with None for the channel if it is about something foreign."""
    raw = encoded(channel)
    if raw.startswith(KEYEVENT):
        bare = names.strip_key(payload)
        return (None, None) if bare is None else (channel, bare)
    if raw == INVALIDATIONS and payload is not None:
        keys = own_keys(names, payload)
        return (channel, keys) if keys else (None, None)
    return names.strip_channel(channel), payload


def _key(names: Names, key: Any) -> Any:
    return _or_same(names.strip_key(key), key) if isinstance(key, bytes | str) else key


def _channel(names: Names, channel: Any) -> Any:
    return _or_same(names.strip_channel(channel), channel) if isinstance(channel, bytes | str) else channel


def _pattern(names: Names, pattern: Any) -> Any:
    return _or_same(names.strip_pattern(pattern), pattern) if isinstance(pattern, bytes | str) else pattern


def _or_same(bare: Any, name: Any) -> Any:
    return name if bare is None else bare


def own_keys(names: Names, reply: Any) -> Any:
    """A list of keys, without the foreign ones."""
    if not isinstance(reply, list):
        return reply
    return [bare for key in reply if (bare := names.strip_key(key)) is not None]


def _own_channels(names: Names, reply: Any) -> Any:
    if not isinstance(reply, list):
        return reply
    return [bare for channel in reply if (bare := names.strip_channel(channel)) is not None]


def _counted_channels(names: Names, reply: Any) -> Any:
    """Channels and how many listen to each: a map, or a flat list."""
    if isinstance(reply, dict):
        return {_channel(names, channel): count for channel, count in reply.items()}
    if not isinstance(reply, list):
        return reply
    return [item if place % 2 else _channel(names, item) for place, item in enumerate(reply)]


def _page(names: Names, reply: Any) -> Any:
    """A cursor and a list of keys."""
    return [reply[0], own_keys(names, reply[1])] if isinstance(reply, list) and len(reply) == 2 else reply


def _from_key(names: Names, reply: Any) -> Any:
    """A key and what was taken from it."""
    return [_key(names, reply[0]), *reply[1:]] if isinstance(reply, list) and reply else reply


def _streams(names: Names, reply: Any) -> Any:
    """Streams and their entries: a map, its pairs, or, in RESP2, a list of lists."""
    if isinstance(reply, dict):
        return {_key(names, key): entries for key, entries in reply.items()}
    if isinstance(reply, MapReply):
        return MapReply((_key(names, key), entries) for key, entries in reply)
    return [_from_key(names, stream) for stream in reply] if isinstance(reply, list) else reply


def _tracking(names: Names, reply: Any) -> Any:
    """CLIENT TRACKINGINFO's prefixes, in a map or in a flat list."""
    if isinstance(reply, dict):
        return {key: own_keys(names, value) if _is_prefixes(key) else value for key, value in reply.items()}
    if not isinstance(reply, list):
        return reply
    found = reply.copy()
    for place in range(1, len(reply), 2):
        if _is_prefixes(reply[place - 1]):
            found[place] = own_keys(names, reply[place])
    return found


def _is_prefixes(key: Any) -> bool:
    return key in (b"prefixes", "prefixes")


HOOKS: Final[Mapping[bytes, Hook]] = {
    b"keys": own_keys,
    b"scan": _page,
    b"clusterscan": _page,
    b"randomkey": _key,
    b"blpop": _from_key,
    b"brpop": _from_key,
    b"bzpopmin": _from_key,
    b"bzpopmax": _from_key,
    b"lmpop": _from_key,
    b"blmpop": _from_key,
    b"zmpop": _from_key,
    b"bzmpop": _from_key,
    b"xread": _streams,
    b"xreadgroup": _streams,
}
"""By command, what to do with its reply."""

SUBCOMMAND_HOOKS: Final[Mapping[bytes, Mapping[bytes, Hook]]] = {
    b"client": {b"trackinginfo": _tracking},
    b"cluster": {b"getkeysinslot": own_keys},
    b"pubsub": {
        b"channels": _own_channels,
        b"shardchannels": _own_channels,
        b"numsub": _counted_channels,
        b"shardnumsub": _counted_channels,
    },
}
"""The same by container and subcommand."""
