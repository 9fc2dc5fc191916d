"""A reply decoder in Python, for the replies that hiredis cannot give.

It keeps its place between calls: bytes that trickle in are looked at once.

Source: https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import hiredis

from anystore.exceptions import ProtocolError, ResponseError, response_error
from anystore.resp.types import MapReply

__all__ = ("INCOMPLETE", "ReplyDecoder", "decode_strings")

INCOMPLETE: Final[Any] = object()
"""What `ReplyDecoder.next_reply` gives when the next reply has not arrived as a whole."""

LINE_BYTES: Final = 1 << 16
"""How long a line may be. Valkey cuts what it sends in lines far below this."""

_AGGREGATES: Final = b"*~%>|"
_BULKS: Final = b"$=!"

Decode = Callable[[bytes], Any]


class _Frame:
    """An aggregate whose elements are still coming."""

    __slots__ = ("items", "kind", "missing")

    def __init__(self, kind: str, missing: int) -> None:
        self.kind = kind
        self.missing = missing
        self.items: list[Any] = []


class ReplyDecoder:
    """Bytes in, replies out, as `ReplyParser` describes them; attributes are read and dropped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0
        self._stack: list[_Frame] = []

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived. O(bytes)."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    @property
    def within(self) -> bool:
        """Whether a reply has been begun, or bytes are left."""
        return bool(self._stack) or self._position < len(self._buffer)

    def next_reply(self, decode: Decode) -> Any:
        """The next reply, `INCOMPLETE` if it has not arrived as a whole.

        Raises:
            ProtocolError: This is not RESP.
        """
        while True:
            value = self._token(decode)
            if value is INCOMPLETE:
                return INCOMPLETE
            if isinstance(value, _Frame):
                self._stack.append(value)
                if value.missing:
                    continue
                value = None
            value = self._close_frames(value)
            if value is not INCOMPLETE:
                return value

    def _close_frames(self, value: Any) -> Any:
        """Put a value into the aggregate that waits for it; the reply, if that makes it whole."""
        stack = self._stack
        if stack and not stack[-1].missing and value is None:
            value = self._finish(stack.pop())
        while stack and value is not INCOMPLETE:
            frame = stack[-1]
            frame.items.append(value)
            frame.missing -= 1
            if frame.missing:
                return INCOMPLETE
            value = self._finish(stack.pop())
        return value

    def _finish(self, frame: _Frame) -> Any:
        items = frame.items
        if frame.kind == "|":
            return INCOMPLETE
        if frame.kind == ">":
            return hiredis.PushNotification(items)
        if frame.kind == "%":
            pairs = list(zip(items[::2], items[1::2], strict=True))
            try:
                return dict(pairs)
            except TypeError:
                return MapReply(pairs)
        return items

    def _token(self, decode: Decode) -> Any:
        """The next scalar, or the frame of an aggregate that begins here."""
        start = self._position
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            if len(self._buffer) - start > LINE_BYTES:
                raise ProtocolError(f"the server sent a line of more than {LINE_BYTES} bytes")
            return INCOMPLETE
        kind = bytes(self._buffer[start : start + 1])
        line = bytes(memoryview(self._buffer)[start + 1 : end])
        if kind and kind in _BULKS:
            length = _length(kind, line)
            if length < 0:
                self._position = end + 2
                return None
            stop = end + 2 + length
            if len(self._buffer) < stop + 2:
                return INCOMPLETE
            if self._buffer[stop : stop + 2] != b"\r\n":
                raise ProtocolError("the server sent a bulk string that does not end where it should")
            self._position = stop + 2
            return _bulk(kind, bytes(memoryview(self._buffer)[end + 2 : stop]), decode)
        self._position = end + 2
        if kind and kind in _AGGREGATES:
            count = _length(kind, line)
            return None if count < 0 else _Frame(kind.decode(), count * 2 if kind in (b"%", b"|") else count)
        return _scalar(kind, line, decode)


def _length(kind: bytes, line: bytes) -> int:
    try:
        length = int(line)
    except ValueError:
        length = -2
    if length < -1:
        raise ProtocolError(f"the server sent {_shown(kind + line)}, which is not a length")
    return length


def _bulk(kind: bytes, data: bytes, decode: Decode) -> Any:
    if kind == b"!":
        return _error(data)
    return decode(data[4:] if kind == b"=" else data)


def _error(text: bytes) -> ResponseError:
    return response_error(text.decode("utf-8", "replace"))  # as hiredis hands it over


def _scalar(kind: bytes, line: bytes, decode: Decode) -> Any:
    try:
        match kind:
            case b"+" | b"(":
                return decode(line)
            case b"-":
                return _error(line)
            case b":":
                return int(line)
            case b",":
                return float(line)
            case b"#" if line in (b"t", b"f"):
                return line == b"t"
            case b"_" if not line:
                return None
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
    raise ProtocolError(f"the server sent {_shown(kind + line)}, which is not RESP")


def _shown(text: bytes) -> str:
    return repr(text[:40])


def decode_strings(reply: Any, encoding: str, errors: str = "strict") -> Any:
    """The reply with all its strings decoded; the `UnicodeDecodeError` itself if one cannot be. O(its bytes)."""
    try:
        return _decoded(reply, encoding, errors)
    except UnicodeDecodeError as error:
        return error


def _decoded(reply: Any, encoding: str, errors: str) -> Any:
    if isinstance(reply, bytes):
        return reply.decode(encoding, errors)
    if isinstance(reply, MapReply):
        return MapReply(
            (_decoded(key, encoding, errors), _decoded(value, encoding, errors)) for key, value in reply
        )
    if isinstance(reply, list):
        return [_decoded(item, encoding, errors) for item in reply]
    if isinstance(reply, dict):
        return {
            _decoded(key, encoding, errors): _decoded(value, encoding, errors) for key, value in reply.items()
        }
    return reply
