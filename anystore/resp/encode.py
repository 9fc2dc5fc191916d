"""What a server answers: Python values as RESP2 or RESP3 bytes.

The mapping stands in `anystore.resp.types`. RESP2 has fewer types; what it lacks goes out as its nearest
older form: maps and sets as arrays, doubles and big numbers as bulk strings, booleans as 1 and 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from anystore.resp.doubles import format_double
from anystore.resp.types import (
    NO_REPLY,
    NULL_ARRAY,
    AttributedReply,
    BigNumber,
    ErrorReply,
    MapReply,
    PushReply,
    SetReply,
    SimpleString,
    StringsReply,
    VerbatimString,
)

_ONLY_BYTES: Final = {bytes}
#: The headers of short bulk strings, by length, and small integers, ready to be sent.
BULK_HEADERS: Final = tuple(b"$%d\r\n" % length for length in range(1024))
_SEPARATORS: Final = tuple(b"\r\n" + header for header in BULK_HEADERS)
INTEGERS: Final = tuple(b":%d\r\n" % number for number in range(1024))
_STATUSES: Final = {
    SimpleString(text): b"+" + text + b"\r\n" for text in (b"OK", b"QUEUED", b"PONG", b"none", b"string")
}


def encode_reply(value: Any, protocol: int) -> bytes:
    """One reply as bytes; `protocol` is 2 or 3. Linear in the size of `value`."""
    kind = type(value)
    if kind is bytes:
        return b"$%d\r\n%b\r\n" % (len(value), value)
    if kind is SimpleString:
        return _STATUSES.get(value) or b"+%b\r\n" % value
    if kind is int:
        return INTEGERS[value] if 0 <= value < 1024 else b":%d\r\n" % value
    if value is None:
        return b"$-1\r\n" if protocol == 2 else b"_\r\n"
    if kind is StringsReply or (kind is list and set(map(type, value)) == _ONLY_BYTES):
        return _bulk_array(value) if value else b"*0\r\n"
    pieces: list[bytes] = []
    write_reply(pieces.append, value, protocol)
    return b"".join(pieces)


def _bulk_array(items: list[bytes]) -> bytes:
    """The most common array, of nothing but bulk strings, and at least one of them."""
    size, count = len(items[0]), len(items)
    if len(items[-1]) == size and list(map(len, items)).count(size) == count:
        # All as long as the first one: one header serves to join them, and that is a third of the cost.
        return b"*%d\r\n$%d\r\n%b\r\n" % (count, size, (b"\r\n$%d\r\n" % size).join(items))
    try:
        headers = [_SEPARATORS[len(item)] for item in items]
    except IndexError:
        headers = [b"\r\n$%d\r\n" % len(item) for item in items]
    pieces = [b""] * (2 * count)
    pieces[::2] = headers
    pieces[1::2] = items
    return b"*%d%b\r\n" % (count, b"".join(pieces))


def write_reply(write: Callable[[bytes], object], value: Any, protocol: int) -> None:
    """Hand one reply to `write` piece by piece."""
    kind = type(value)
    if kind is bytes:
        write(b"$%d\r\n%b\r\n" % (len(value), value))
    elif kind is int:
        write(INTEGERS[value] if 0 <= value < 1024 else b":%d\r\n" % value)
    elif value is None:
        write(b"$-1\r\n" if protocol == 2 else b"_\r\n")
    elif kind is list or kind is tuple or kind is StringsReply:
        write(b"*%d\r\n" % len(value))
        _write_items(write, value, protocol)
    else:
        _WRITERS[kind](write, value, protocol)


def _write_items(write: Callable[[bytes], object], items: Any, protocol: int) -> None:
    for item in items:
        if type(item) is bytes:  # most arrays hold nothing else, and a call an item is what costs
            write(b"$%d\r\n%b\r\n" % (len(item), item))
        else:
            write_reply(write, item, protocol)


def _write_double(write: Callable[[bytes], object], value: float, protocol: int) -> None:
    text = format_double(value)
    write(b"$%d\r\n%b\r\n" % (len(text), text) if protocol == 2 else b",%b\r\n" % text)


def _write_boolean(write: Callable[[bytes], object], value: bool, protocol: int) -> None:
    if protocol == 2:
        write(b":1\r\n" if value else b":0\r\n")
    else:
        write(b"#t\r\n" if value else b"#f\r\n")


def _write_bulk(write: Callable[[bytes], object], value: bytearray, protocol: int) -> None:
    write(b"$%d\r\n%b\r\n" % (len(value), bytes(value)))


def _write_status(write: Callable[[bytes], object], value: bytes, protocol: int) -> None:
    write(b"+%b\r\n" % value)


def _write_error(write: Callable[[bytes], object], value: bytes, protocol: int) -> None:
    # A line end inside would end the error early and shift every later reply.
    write(b"-%b\r\n" % value.replace(b"\r", b" ").replace(b"\n", b" "))


def _write_verbatim(write: Callable[[bytes], object], value: bytes, protocol: int) -> None:
    if protocol == 2:
        write(b"$%d\r\n%b\r\n" % (len(value), value))
    else:
        write(b"=%d\r\ntxt:%b\r\n" % (len(value) + 4, value))


def _write_big_number(write: Callable[[bytes], object], value: bytes, protocol: int) -> None:
    write(b"$%d\r\n%b\r\n" % (len(value), value) if protocol == 2 else b"(%b\r\n" % value)


def _write_set(write: Callable[[bytes], object], value: Any, protocol: int) -> None:
    write((b"*%d\r\n" if protocol == 2 else b"~%d\r\n") % len(value))
    _write_items(write, value, protocol)


def _write_push(write: Callable[[bytes], object], value: list[Any], protocol: int) -> None:
    write((b"*%d\r\n" if protocol == 2 else b">%d\r\n") % len(value))
    _write_items(write, value, protocol)


def _write_pairs(write: Callable[[bytes], object], pairs: Any, count: int, protocol: int) -> None:
    if protocol == 2:
        write(b"*%d\r\n" % (2 * count))
    else:
        write(b"%%%d\r\n" % count)
    for pair in pairs:
        _write_items(write, pair, protocol)


def _write_map(write: Callable[[bytes], object], value: MapReply, protocol: int) -> None:
    _write_pairs(write, value, len(value), protocol)


def _write_dict(write: Callable[[bytes], object], value: dict[Any, Any], protocol: int) -> None:
    _write_pairs(write, value.items(), len(value), protocol)


def _write_attributed(write: Callable[[bytes], object], value: AttributedReply, protocol: int) -> None:
    if protocol != 2:
        write(b"|%d\r\n" % len(value.attributes))
        for pair in value.attributes.items():
            _write_items(write, pair, protocol)
    write_reply(write, value.reply, protocol)


def _write_null_array(write: Callable[[bytes], object], value: object, protocol: int) -> None:
    write(b"*-1\r\n" if protocol == 2 else b"_\r\n")


def _write_nothing(write: Callable[[bytes], object], value: object, protocol: int) -> None:
    """The command answers by itself; there is nothing to write here."""


_WRITERS: Final[dict[type, Callable[[Callable[[bytes], object], Any, int], None]]] = {
    float: _write_double,
    bool: _write_boolean,
    bytearray: _write_bulk,
    SimpleString: _write_status,
    ErrorReply: _write_error,
    VerbatimString: _write_verbatim,
    BigNumber: _write_big_number,
    SetReply: _write_set,
    set: _write_set,
    frozenset: _write_set,
    PushReply: _write_push,
    MapReply: _write_map,
    dict: _write_dict,
    AttributedReply: _write_attributed,
    type(NULL_ARRAY): _write_null_array,
    type(NO_REPLY): _write_nothing,
}
