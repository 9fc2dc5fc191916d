"""Replies out of the bytes that a server sent: RESP2 and RESP3, whole replies only.

hiredis does the work. What it cannot do (maps whose keys cannot be hashed, bulk errors) a parser in Python does over
the same bytes, so that no legal reply costs the connection. A large string goes around it: see `LargeString`.

Source: https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import hiredis

from anystore.exceptions import ProtocolError, response_error
from anystore.resp.decode import INCOMPLETE, ReplyDecoder
from anystore.resp.large import PIECE_BYTES, LargeString

__all__ = ("NOT_ENOUGH", "PushNotification", "ReplyParser")

PushNotification = hiredis.PushNotification
"""The type of an out-of-band message (RESP3 push): a list."""

_BAR: Final = 124  # what begins an attribute

KEPT_BYTES: Final = 1 << 20
"""How far back the parser can go for what hiredis refuses: replies that matter there are far smaller."""


class _NotEnough:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NOT_ENOUGH"


NOT_ENOUGH: Final[Any] = _NotEnough()
"""What `gets` gives when the next reply has not arrived as a whole."""


class ReplyParser:
    """Bytes in, replies out.

    Arrays and sets come as `list`, maps as `dict` (or, with keys that cannot be hashed, as a
    `resp.types.MapReply` of pairs), strings as `bytes` or decoded, big numbers as the string of their digits, errors
    as `ResponseError` values, at any depth, and pushes as `PushNotification`. Attributes are dropped.
    A map in which a key comes twice is not read right by hiredis: the second value becomes that of the key before it.
    Servers send one only for an XREAD, or XREADGROUP, in which a stream is named twice.

    Args:
        encoding: How strings are decoded by `gets(True)`; None leaves all of them as bytes.
        errors: What happens to bytes that the encoding does not allow, as for `bytes.decode`.
    """

    def __init__(self, encoding: str | None = None, errors: str = "strict") -> None:
        self._encoding = encoding
        self._errors = errors
        self._broken: ProtocolError | None = None
        self._instead: ReplyDecoder | LargeString | None = None  # of hiredis, for the reply that is coming
        self._undecodable: UnicodeDecodeError | None = None
        self._restart()

    def _restart(self) -> None:
        """Begin anew with hiredis, at a boundary between replies."""
        reader = hiredis.Reader(
            replyError=response_error,
            encoding=self._encoding,
            errors=self._errors,
            notEnoughData=NOT_ENOUGH,
        )
        self._gets: Callable[[bool], Any] = reader.gets
        self._has_data: Callable[[], bool] = reader.has_data
        self._feed: Callable[[bytes], None] = reader.feed
        # What came since the last boundary that is known, how much that is (-1: more than is kept), and how many
        # replies of it were given out.
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._given = 0

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived. O(bytes)."""
        if self._instead is not None:
            self._instead.feed(data)
            return
        # With nothing kept, this is where a reply begins.
        if not self._kept_bytes and len(data) >= PIECE_BYTES:
            self._instead = LargeString.begun(data)
            if self._instead is not None:
                return
        self._feed(data)
        if self._kept_bytes >= 0:
            self._kept.append(data)
            self._kept_bytes += len(data)
            if self._kept_bytes > KEPT_BYTES:
                self._kept = []
                self._kept_bytes = -1
            # hiredis gives an attribute out as if it were a reply, and every later reply would go to the wrong request.
            # One byte is found at a hundred times the speed of three, and almost always is not there; as an integer, since
            # Python takes what it is to find for one first, and to learn that it is none costs more than the search.
            elif _BAR in data and (b"\r\n|" in data or data.startswith((b"|", b"\n|"))):
                self._start_decoder()

    def gets(self, decode: bool = True) -> Any:
        """The next reply, `NOT_ENOUGH` if it has not arrived as a whole. O(its bytes).

        Args:
            decode: False leaves strings of this reply as bytes. Parts of a reply that an earlier call has seen
                already keep that call's choice.

        Raises:
            ProtocolError: This is not RESP. The parser is of no use any more and raises the same again.
            UnicodeDecodeError: The reply cannot be decoded; it is dropped, and the next call gives the next one.
        """
        if self._instead is not None:
            return self._gets_instead(self._instead, decode)
        try:
            reply = self._gets(decode)
        except UnicodeDecodeError:
            self._given += 1
            raise
        except (hiredis.ProtocolError, TypeError) as error:
            return self._without_hiredis(decode, error)
        if reply is not NOT_ENOUGH:
            self._given += 1
            # Right after a whole reply an empty buffer is a boundary; after NOT_ENOUGH it may be inside an array.
            if not self._has_data():
                self._kept.clear()
                self._kept_bytes = self._given = 0
        return reply

    def gets_into(self, replies: list[Any], count: int, decode: bool = True) -> Any:
        """Append the next replies to `replies` until there are `count`: as `gets` for each, but quicker. O(their bytes).

        Returns:
            None when they are there; otherwise what came instead, `NOT_ENOUGH` or a push, which is not appended.

        Raises:
            ProtocolError, UnicodeDecodeError: As `gets`; the replies before it are appended.
        """
        while len(replies) < count:
            if self._instead is not None:
                reply = self.gets(decode)
            else:
                try:
                    return self._gets_run(replies, count - len(replies), decode)
                except (hiredis.ProtocolError, TypeError) as error:
                    reply = self._without_hiredis(decode, error)
            if reply is NOT_ENOUGH or reply.__class__ is PushNotification:
                return reply
            replies.append(reply)
        return None

    def _gets_run(self, replies: list[Any], count: int, decode: bool) -> Any:
        """The loop of `gets_into`, over `count` replies of hiredis."""
        gets, has_data, append = self._gets, self._has_data, replies.append
        given = 0
        try:
            for _ in range(count):
                reply = gets(decode)
                if reply is NOT_ENOUGH:
                    return reply
                if has_data():
                    given += 1
                else:
                    self._kept.clear()
                    self._kept_bytes = self._given = given = 0
                if reply.__class__ is PushNotification:
                    return reply
                append(reply)
        except UnicodeDecodeError:
            given += 1
            raise
        finally:
            self._given += given
        return None

    @property
    def has_data(self) -> bool:
        """Whether bytes are left that no reply was made of yet: the next `gets` may, or may not, have one."""
        return self._has_data() if self._instead is None else self._instead.within

    def _without_hiredis(self, decode: bool, error: Exception) -> Any:
        if self._broken is None and self._kept_bytes >= 0:
            return self._decode(self._start_decoder(), decode)
        self._broken = self._broken or ProtocolError(f"the server sent what is not RESP: {error}")
        raise self._broken from error

    def _start_decoder(self) -> ReplyDecoder:
        """Take over from hiredis, at the first reply that was not given out yet."""
        self._instead = decoder = ReplyDecoder()
        decoder.feed(b"".join(self._kept))
        for _ in range(self._given):
            decoder.next_reply(bytes)
        return decoder

    def _gets_instead(self, instead: ReplyDecoder | LargeString, decode: bool) -> Any:
        if isinstance(instead, ReplyDecoder):
            return self._decode(instead, decode)
        if not instead.whole:
            return NOT_ENOUGH
        value, rest = instead.taken()
        self._instead = None
        for data in rest:
            self.feed(data)
        return value.decode(self._encoding, self._errors) if decode and self._encoding else value

    def _decode(self, decoder: ReplyDecoder, decode: bool) -> Any:
        if self._broken is not None:
            raise self._broken
        try:
            reply = decoder.next_reply(self._decode_text if decode and self._encoding else bytes)
        except ProtocolError as error:
            self._broken = error
            raise
        if reply is INCOMPLETE:
            return NOT_ENOUGH
        if not decoder.within:
            self._instead = None
            self._restart()
        if self._undecodable is not None:
            undecodable, self._undecodable = self._undecodable, None
            raise undecodable
        return reply

    def _decode_text(self, data: bytes) -> str | bytes:
        try:
            return data.decode(self._encoding or "utf-8", self._errors)
        except UnicodeDecodeError as error:
            # The rest of the reply has to be read all the same, or the next one would begin in its middle.
            self._undecodable = error
            return data
