"""Python values that stand for the RESP types which Python has no type of its own for.

How the rest maps, both ways: simple and bulk strings are `bytes` (or `str` when the client decodes),
integers `int`, doubles `float`, booleans `bool`, nulls `None`, arrays `list`, maps `dict`.

Source: RESP3 specification, https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
"""

from __future__ import annotations

from typing import Any, Final


class SimpleString(bytes):
    """A reply sent as `+text`: a status, such as OK. Must hold neither CR nor LF."""

    __slots__ = ()


class ErrorReply(bytes):
    """A reply sent as `-CODE text`, as a value: errors inside EXEC's array, or from `redis.pcall`."""

    __slots__ = ()


class BigNumber(bytes):
    """An integer beyond 64 bits, as decimal digits; RESP2 clients see a bulk string."""

    __slots__ = ()


class VerbatimString(bytes):
    """Text for people (INFO, LATENCY DOCTOR …); RESP2 clients see a bulk string. The format is `txt`."""

    __slots__ = ()


class StringsReply(list[bytes]):
    """An array of which whoever made it knows that it holds bulk strings alone, so that nobody needs to look."""

    __slots__ = ()


class SetReply(list[Any]):
    """An unordered collection; RESP2 clients see an array. A list, so that members need not be hashable."""

    __slots__ = ()


class MapReply(list[tuple[Any, Any]]):
    """A map as pairs, for keys that cannot be hashed or may repeat; RESP2 clients see a flat array."""

    __slots__ = ()


class PushReply(list[Any]):
    """An out-of-band message; RESP2 clients see an array."""

    __slots__ = ()


class AttributedReply:
    """A reply with what is said about it beside; RESP2 clients see the reply alone."""

    __slots__ = ("attributes", "reply")

    def __init__(self, attributes: dict[bytes, Any], reply: Any) -> None:
        self.attributes = attributes
        self.reply = reply


class _NullArray:
    """RESP2's `*-1`; RESP3 has one null only."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"


class _NoReply:
    """The command writes its own replies, later or not at all (SUBSCRIBE, a parked BLPOP, CLIENT REPLY OFF)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_REPLY"


NULL_ARRAY: Final = _NullArray()
NO_REPLY: Final = _NoReply()
OK: Final = SimpleString(b"OK")
QUEUED: Final = SimpleString(b"QUEUED")
PONG: Final = SimpleString(b"PONG")
