"""Values between Lua and the server: a command's arguments and reply, and a script's result.

Source: the page "Redis Lua API reference", section "Data type conversion"; behaviour compared with Valkey 9.1
and Redis 7.0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, isfinite
from typing import Any, Final

from anystore.pulsards.numbers import INT64_MIN, format_double
from anystore.resp.types import (
    NULL_ARRAY,
    BigNumber,
    ErrorReply,
    MapReply,
    PushReply,
    SetReply,
    SimpleString,
    StringsReply,
    VerbatimString,
)

#: Tables nested deeper end in an error where the next one would stand. Redis' own limit is about 8000, that of
#: its VM's stack; here it is what any encoder of replies takes without overrunning Python's, nested maps
#: (four frames each) included.
DEEPEST_RESULT: Final = 150
#: Tables in one result: one that holds another one twice, which holds the next one twice, and so on, has no end
#: otherwise. What comes after the last one, or after one that is nested too deep, is an error where it would stand.
MOST_TABLES: Final = 1 << 21

_LARGEST_INTEGER_TEXT: Final = 2**62
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")


def argument_text(value: Any) -> bytes | None:
    """An argument of redis.call as the command gets it; None for what is neither string nor number."""
    kind = type(value)
    if kind is bytes:
        text: bytes = value
        return text
    if kind is int:
        if -_LARGEST_INTEGER_TEXT <= value <= _LARGEST_INTEGER_TEXT:
            return b"%d" % value
        return format_double(float(value))
    if kind is float:
        if value != value:
            return b"-nan" if copysign(1.0, value) < 0 else b"nan"
        return format_double(value)
    return None


def error_text(message: bytes) -> bytes:
    """An error reply's text in a script's hands: with a code first, whatever the command wrote, and no line end."""
    code, space, text = message.partition(b" ")
    if not space:
        code, text = b"ERR", message
    return code + b" " + text.strip(b"\r\n")


def error_line(message: bytes) -> bytes:
    """An error text of a script as it goes to the client: C's string, on one line."""
    return message.partition(b"\0")[0].rstrip(b"\r\n").translate(_LINE_ENDS)


class ReplyToLua:
    """Makes Lua values of replies. `new_table(items)` makes a Lua table of a list or a dict."""

    def __init__(self, new_table: Callable[[Any], Any]) -> None:
        self._table = new_table

    def __call__(self, reply: Any, protocol: int) -> Any:
        """The reply as a script sees it that reads RESP `protocol` (2 or 3). O(n)."""
        kind = type(reply)
        if kind is bytes or kind is int:
            return reply
        if reply is None or reply is NULL_ARRAY:
            return None if protocol == 3 else False
        if kind is list or kind is StringsReply or kind is tuple or kind is PushReply:
            return self._table([self(item, protocol) for item in reply])
        if kind is SimpleString:
            return self._table({b"ok": bytes(reply)})
        if kind is ErrorReply:
            return self.error(error_text(reply), counted=True)
        if kind is bytearray:
            return bytes(reply)
        return self._newer_type(kind, reply, protocol)

    def error(self, text: bytes, *, counted: bool) -> Any:
        """An error as Lua has it; `counted` marks one that the server's statistics know already."""
        if counted:
            return self._table({b"err": text, b"ignore_error_stats_update": True})
        return self._table({b"err": text})

    def _newer_type(self, kind: type, reply: Any, protocol: int) -> Any:
        """The types of RESP3, which a script that reads RESP2 sees in their older form."""
        if kind is bool:
            return reply if protocol == 3 else int(reply)
        if kind is float:
            return self._table({b"double": reply}) if protocol == 3 else format_double(reply)
        if kind is VerbatimString:
            if protocol == 2:
                return bytes(reply)
            return self._table(
                {b"verbatim_string": self._table({b"string": bytes(reply), b"format": b"txt"})}
            )
        if kind is BigNumber:
            return self._table({b"big_number": bytes(reply)}) if protocol == 3 else bytes(reply)
        if kind is SetReply or kind is set or kind is frozenset:
            items = [self(item, protocol) for item in reply]
            if protocol == 2:
                return self._table(items)
            return self._table({b"set": self._table(dict.fromkeys(items, True))})
        if kind is MapReply or kind is dict:
            return self._map(reply, protocol)
        raise TypeError(f"a command replied {kind.__name__}, which has no form in Lua")

    def _map(self, reply: Any, protocol: int) -> Any:
        pairs = reply.items() if type(reply) is dict else reply
        if protocol == 2:
            return self._table([self(item, protocol) for pair in pairs for item in pair])
        table = {self(key, protocol): self(value, protocol) for key, value in pairs}
        return self._table({b"map": self._table(table)})


class LuaToReply:
    """Makes replies of Lua values. `table_type` is the class of Lua's tables in Python's hands."""

    def __init__(self, table_type: type) -> None:
        self._table_type: Any = table_type
        #: The error replies in results, and of each whether it is a command's, which has counted it.
        self.errors: list[tuple[bytes, bool]] = []
        self._tables_left = MOST_TABLES

    def __call__(self, value: Any, protocol: int) -> Any:
        """A script's result as a reply; `protocol` is the RESP version that the script has chosen. O(n)."""
        self._tables_left = MOST_TABLES
        return self._convert(value, protocol, 0)

    def _convert(self, value: Any, protocol: int, depth: int) -> Any:
        kind = type(value)
        if kind is bytes or value is None:
            return value
        if kind is int:
            return value
        if kind is bool:
            if protocol == 3:
                return value
            return 1 if value else None
        if kind is float:
            return int(value) if isfinite(value) and -(2.0**63) <= value < 2.0**63 else INT64_MIN
        if kind is not self._table_type:
            return None  # functions, coroutines, cjson.null
        if depth >= DEEPEST_RESULT or not self._tables_left:
            self._tables_left = 0
            return ErrorReply(b"ERR reached lua stack limit")
        self._tables_left -= 1
        return self._from_table(list(value.items()), protocol, depth + 1)

    def _from_table(self, pairs: list[tuple[Any, Any]], protocol: int, depth: int) -> Any:
        # Lua goes through an array in order: mostly there is nothing but 1, 2, 3 … (True is 1 to Python, too).
        if pairs and type(pairs[0][0]) is int and [key for key, _ in pairs] == list(range(1, len(pairs) + 1)):
            return [
                item if type(item) is bytes else self._convert(item, protocol, depth) for _, item in pairs
            ]
        # True is 1 to a dict of Python's, and is no key that means anything here.
        fields = {key: value for key, value in pairs if key is not True and key is not False}
        if not fields:
            return []
        typed = self._typed(fields, protocol, depth)
        if typed is not None:
            return typed
        items = []
        index = 1
        while index in fields:
            items.append(self._convert(fields[index], protocol, depth))
            index += 1
        return items

    def _typed(self, fields: dict[Any, Any], protocol: int, depth: int) -> Any:
        """A table with a field that names its type: the first of these that holds what it should."""
        if type(text := fields.get(b"err")) is bytes:
            message = error_line(text)
            self.errors.append((message, fields.get(b"ignore_error_stats_update") is True))
            return ErrorReply(message)
        if type(text := fields.get(b"ok")) is bytes:
            return SimpleString(text.partition(b"\0")[0].translate(_LINE_ENDS))
        number: Any = fields.get(b"double")
        if type(number) is float or type(number) is int:
            return float(number)
        if type(digits := fields.get(b"big_number")) is bytes:
            return BigNumber(digits.translate(_LINE_ENDS))
        table: Any = fields.get(b"verbatim_string")
        if type(table) is self._table_type:
            parts = dict(table.items())
            if type(parts.get(b"format")) is bytes and type(parts.get(b"string")) is bytes:
                return VerbatimString(parts[b"string"])
        table = fields.get(b"map")
        if type(table) is self._table_type:
            return MapReply(
                (self._convert(key, protocol, depth), self._convert(value, protocol, depth))
                for key, value in table.items()
            )
        table = fields.get(b"set")
        if type(table) is self._table_type:
            return SetReply(self._convert(key, protocol, depth) for key, _ in table.items())
        return None
