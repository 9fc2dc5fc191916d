"""What clients send: RESP arrays of bulk strings, and inline commands typed by hand.

Two ways through one parser. Whole, well-formed commands go through hiredis at C speed. Whatever else arrives (a
command cut in two, inline commands, malformed bytes, a client that has not logged in) goes through the strict
incremental parser below, which remembers how far it came, so trickled bytes are not read twice, and which knows
Redis' limits and error texts.

Source: the "Redis serialization protocol specification", sections "Sending commands" and "Inline commands".
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Final

import hiredis

#: Redis' PROTO_INLINE_MAX_SIZE: an inline command, or a length line, without an end by then is refused.
MAX_INLINE: Final = 64 * 1024
#: Redis' default for `proto-max-bulk-len`.
MAX_BULK: Final = 512 * 1024 * 1024
#: The number of arguments a length line may announce (Redis: INT_MAX).
MAX_ARGUMENTS: Final = 2**31 - 1
#: What a client may announce before it has logged in.
MAX_ARGUMENTS_UNAUTHENTICATED: Final = 10
MAX_BULK_UNAUTHENTICATED: Final = 16384

_ASTERISK: Final = 42
_DOLLAR: Final = 36
_RETURN: Final = 13
# What begins the other types that hiredis makes a string of.
_PLUS: Final = 43
_EQUALS: Final = 61
_PARENTHESIS: Final = 40
_PARTIAL: Final = object()
#: hiredis makes a list of all the arguments that are announced before it has seen one of them: with 2**31, that takes
#: more memory than there is. So whatever announces a million or more, be it in the midst of a value, is left to the
#: parser below.
_ANNOUNCES_MANY: Final = re.compile(rb"\*\d{7}")
#: So many commands are announced to hiredis by what may stand in the midst of a value, at most.
_MANY: Final = 100_000


class RequestParser:
    """Turns received bytes into commands, each a list of `bytes` with the command's name first.

    `error` is set, once and for good, when the bytes cannot be understood: the commands before the fault
    are still returned, the connection is to be closed after an answer with that text.
    """

    __slots__ = (
        "_arguments",
        "_buffer",
        "_bulk",
        "_held",
        "_missing",
        "_reader",
        "_searched",
        "_starred",
        "error",
        "max_bulk",
        "partial",
        "strict",
    )

    def __init__(self, max_bulk: int = MAX_BULK) -> None:
        self.max_bulk = max_bulk
        #: True until the client has logged in: the tighter limits hold then.
        self.strict = False
        self.error: bytes | None = None
        #: Whether a command has been begun and not ended.
        self.partial = False
        self._reader = hiredis.Reader(notEnoughData=_PARTIAL)
        self._starred = False  # whether there was a `*` in arguments that came together, the last time
        self._buffer = bytearray()
        self._arguments: list[bytes] = []
        self._held = 0  # bytes of these
        self._missing = 0  # arguments of the current command still to come
        self._bulk = -1  # length of the argument being read; -1 when its length line is still to come
        self._searched = 0  # bytes of the buffer already known to hold no line end

    @property
    def buffered(self) -> int:
        """Bytes received that do not make a whole command yet, and eight for the place of each argument in its list."""
        return len(self._buffer) + self._held + 8 * len(self._arguments)

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Take received bytes and return the commands they complete. Linear in the size of `data`."""
        command = self.single(data)
        return self.feed_others(data) if command is None else [command]

    def feed_others(self, data: bytes) -> list[list[bytes]]:
        """`feed`, for bytes of which `single` has said that they are not one command."""
        if not data or self.error is not None:
            return []
        if self.strict:
            return self._feed_strictly(data)
        if not self.partial:
            if data[0] == _ASTERISK and data.find(b"\r\n*") >= 0 and len(data) <= self.max_bulk:
                commands = self._many(data)
                if commands is not None:
                    return commands
            return self._feed_strictly(data)
        commands = self._feed_strictly(data, one=True)
        if not commands or not self._buffer:
            return commands
        rest = bytes(self._buffer)
        self._buffer.clear()
        self.partial = False
        return commands + self.feed(rest)

    def single(self, data: bytes) -> list[bytes] | None:
        """The command that received bytes are; None where they are not just one: they are for `feed_others` then.

        One small command is what a client sends that does not pipeline: there is no call more than needed here. Linear in
        the size of `data`.
        """
        if self.partial or self.strict or self.error is not None or len(data) > self.max_bulk:
            return None
        try:
            if data[0] != _ASTERISK or data.find(b"\r\n*") >= 0:
                return None
            if data[2] != _RETURN and data[3] != _RETURN and data.find(b"\n", 2, 9) < 0:
                return None
            reader = self._reader
            reader.feed(data)
            reply: list[bytes] = reader.gets()
            # As in `_are_whole`; joining fails for a command that is not whole, too.
            text = b"".join(reply)
            if (
                reply
                and not reader.has_data()
                and (
                    not (_PLUS in data or _EQUALS in data or _PARENTHESIS in data)
                    or data.count(b"$") - text.count(b"$") == len(reply)
                )
            ):
                return reply
        except (hiredis.ProtocolError, IndexError, TypeError):
            pass
        self._reader = hiredis.Reader(notEnoughData=_PARTIAL)
        return None

    def _many(self, data: bytes) -> list[list[bytes]] | None:
        """The commands in `data`, through hiredis whatever can be; None if that is nothing."""
        commands = self._whole(data) if data.endswith(b"\r\n") else None
        if commands is None:
            # Much at once ends within a command most of the time, and then the commands before it are whole.
            cut = data.rfind(b"\r\n*") + 2
            commands = self._whole(data[:cut])
            if commands is not None:
                commands += self._feed_strictly(data[cut:])
        return commands

    def _whole(self, data: bytes) -> list[list[bytes]] | None:
        """The commands in `data`, which begins with `*`; None if that is not whole commands and nothing else."""
        if _ANNOUNCES_MANY.search(data) is not None:
            return None
        stars = data.count(b"*")
        tried = 0
        if not self._starred and stars <= _MANY:
            # One for each command, and none in its arguments, is the rule; a byte is counted in half the time of three.
            commands = self._read(data, stars, stars)
            if commands is not None:
                return commands
            tried = stars
        count = data.count(b"\r\n*") + 1
        commands = None if count == tried else self._read(data, count, stars)
        self._starred = commands is not None and count != stars
        return commands

    def _read(self, data: bytes, count: int, stars: int) -> list[list[bytes]] | None:
        """The commands in `data`, which has so many `*`, if it is `count` commands and nothing else."""
        reader = self._reader
        try:
            # As one array of commands: hiredis makes it in one call, not in one for each.
            reader.feed(b"*%d\r\n" % count)
            reader.feed(data)
            commands: list[list[bytes]] = reader.gets()
            if _are_whole(commands, stars - count, data) and not reader.has_data():
                return commands
        except (hiredis.ProtocolError, TypeError):
            pass
        self._reader = hiredis.Reader(notEnoughData=_PARTIAL)
        return None

    def _feed_strictly(self, data: bytes, one: bool = False) -> list[list[bytes]]:
        """The incremental parser; with `one`, it leaves in the buffer what is behind the first command that it ends."""
        self._buffer += data
        commands: list[list[bytes]] = []
        position = 0
        while self.error is None and not (one and commands):
            if not self._missing:
                following = self._begin(position, commands)
            elif self._bulk < 0:
                following = self._length(position)
            else:
                following = self._argument(position)
                if following >= 0 and not self._missing:
                    commands.append(self._arguments)
                    self._arguments = []
                    self._held = 0
            if following < 0:
                break
            position = following
        if self.error is not None:
            self._buffer.clear()
            self._arguments = []
            self._held = 0
        elif position:
            del self._buffer[:position]
        self.partial = bool(self._buffer or self._missing)
        return commands

    def _line_end(self, position: int, end: bytes, complaint: bytes) -> int:
        """The index of the line end from `position` on, or -1: more is needed, or it is too long already."""
        found = self._buffer.find(end, max(position, position + self._searched))
        if found >= 0:
            self._searched = 0
            return found
        self._searched = max(0, len(self._buffer) - position)
        if self._searched > MAX_INLINE:
            self.error = b"Protocol error: " + complaint
        return -1

    def _begin(self, position: int, commands: list[list[bytes]]) -> int:
        """Read the first line of a command: `*count`, or a whole inline command."""
        buffer = self._buffer
        if position >= len(buffer):
            return -1
        if buffer[position] != _ASTERISK:
            return self._inline(position, commands)
        end = self._line_end(position, b"\r", b"too big mbulk count string")
        if end < 0 or end + 1 >= len(buffer):
            return -1
        count = _parse_length(buffer[position + 1 : end])
        if count is None or count > MAX_ARGUMENTS:
            self.error = b"Protocol error: invalid multibulk length"
            return -1
        if self.strict and count > MAX_ARGUMENTS_UNAUTHENTICATED:
            self.error = b"Protocol error: unauthenticated multibulk length"
            return -1
        self._missing = max(0, count)
        return end + 2

    def _inline(self, position: int, commands: list[list[bytes]]) -> int:
        end = self._line_end(position, b"\n", b"too big inline request")
        if end < 0:
            return -1
        line = bytes(self._buffer[position:end]).removesuffix(b"\r")
        if len(line) > MAX_INLINE:
            self.error = b"Protocol error: too big inline request"
            return -1
        arguments = split_arguments(line)
        if arguments is None:
            self.error = b"Protocol error: unbalanced quotes in request"
            return -1
        if arguments:
            commands.append(arguments)
        return end + 1

    def _length(self, position: int) -> int:
        """Read the length line of an argument."""
        buffer = self._buffer
        end = self._line_end(position, b"\r", b"too big bulk count string")
        if end < 0 or end + 1 >= len(buffer):
            return -1
        if buffer[position] != _DOLLAR:
            # As Redis shows it; a line that is to end in one piece has no end of its own in it.
            shown = bytes(buffer[position : position + 1]).replace(b"\r", b" ").replace(b"\n", b" ")
            self.error = b"Protocol error: expected '$', got '%b'" % shown
            return -1
        length = _parse_length(buffer[position + 1 : end])
        if length is None or length < 0 or length > self.max_bulk:
            self.error = b"Protocol error: invalid bulk length"
            return -1
        if self.strict and length > MAX_BULK_UNAUTHENTICATED:
            self.error = b"Protocol error: unauthenticated bulk length"
            return -1
        self._bulk = length
        return end + 2

    def _argument(self, position: int) -> int:
        end = position + self._bulk
        # The two bytes after an argument are skipped unread, as Redis does.
        if len(self._buffer) < end + 2:
            return -1
        with memoryview(self._buffer) as view:
            self._arguments.append(bytes(view[position:end]))
            self._held += end - position
        self._bulk = -1
        self._missing -= 1
        return end + 2


def _parse_length(text: bytearray) -> int | None:
    """A decimal number as Redis' string2ll takes it: no sign but a minus, no spaces, no leading zeros."""
    digits = text[1:] if text[:1] == b"-" else text
    if not digits.isdigit() or len(digits) > 19 or (digits[0] == 48 and len(text) > 1):
        return None
    return int(text)


_ESCAPES: Final = {110: 10, 114: 13, 116: 9, 98: 8, 97: 7}  # \n \r \t \b \a
_SPACES: Final = b" \n\r\t\v\f\0"


def _are_whole(commands: list[list[bytes]], stars: int, data: bytes) -> bool:
    """Whether what hiredis read in `data` is commands, with so many `*` in their arguments; `TypeError` says no, too.

    hiredis reads replies, so it lets pass what no request may hold: other types, nested arrays, nulls, and empty
    arrays, which are no commands. Linear in the size of `data`.
    """
    # Joining fails for whatever is no string, and for what is no array of them. Then there is a `*` for each command
    # beside those inside of the arguments, and a `$` for each argument; which need not be counted where no byte is there
    # by which another type begins that hiredis makes a string of.
    text = b"".join(chain.from_iterable(commands))
    return (
        (text.count(b"*") == stars if stars else _ASTERISK not in text)
        and all(commands)
        and (
            not (_PLUS in data or _EQUALS in data or _PARENTHESIS in data)
            or data.count(b"$") - text.count(b"$") == sum(map(len, commands))
        )
    )


def split_arguments(line: bytes) -> list[bytes] | None:
    r"""Split a line into arguments as the Redis command line and redis.conf do.

    `"…"` knows the escapes `\n \r \t \b \a \xhh` and a backslash before anything else, `'…'` only `\'`.
    Returns None when quotes are not balanced, or a closing quote is not followed by a space. Linear.
    """
    arguments: list[bytes] = []
    position, length = 0, len(line)
    while True:
        while position < length and line[position] in _SPACES:
            position += 1
        if position >= length:
            return arguments
        current = bytearray()
        while position < length and line[position] not in _SPACES:
            byte = line[position]
            if byte in b"\"'":
                closed = _quoted(line, position + 1, byte, current)
                if closed < 0 or (closed < length and line[closed] not in _SPACES):
                    return None
                position = closed
                break
            current.append(byte)
            position += 1
        arguments.append(bytes(current))


def _quoted(line: bytes, position: int, quote: int, into: bytearray) -> int:
    """Read a quoted piece up to its closing quote; the index behind that, or -1 where there is none."""
    length = len(line)
    while position < length:
        byte = line[position]
        if byte == quote:
            return position + 1
        if byte == 92 and position + 1 < length:  # a backslash
            following = line[position + 1]
            if quote == 39:
                if following == 39:
                    into.append(39)
                    position += 2
                    continue
            elif following == 120 and _is_hex(line[position + 2 : position + 4]):
                into.append(int(line[position + 2 : position + 4], 16))
                position += 4
                continue
            else:
                into.append(_ESCAPES.get(following, following))
                position += 2
                continue
        into.append(byte)
        position += 1
    return -1


def _is_hex(pair: bytes) -> bool:
    return len(pair) == 2 and all(byte in b"0123456789abcdefABCDEF" for byte in pair)
