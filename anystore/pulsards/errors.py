"""The error replies of commands: one exception, and the texts that several commands share.

The texts are Redis' own, to the letter: clients match on them.
"""

from __future__ import annotations

from typing import Final


class CommandError(Exception):
    """A command refuses; `message` is the error reply with its code first, as in b"ERR syntax error"."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


WRONG_TYPE: Final = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX: Final = b"ERR syntax error"
NOT_AN_INTEGER: Final = b"ERR value is not an integer or out of range"
NOT_POSITIVE: Final = b"ERR value is out of range, must be positive"
OUT_OF_RANGE: Final = b"ERR value is out of range"
NOT_A_FLOAT: Final = b"ERR value is not a valid float"
NOT_A_SCORE: Final = b"ERR min or max is not a float"
NOT_A_LEX_RANGE: Final = b"ERR min or max not valid string range item"
NO_SUCH_KEY: Final = b"ERR no such key"
INDEX_OUT_OF_RANGE: Final = b"ERR index out of range"
OVERFLOW: Final = b"ERR increment or decrement would overflow"
NO_KEYS: Final = b"ERR numkeys should be greater than 0"
NOT_A_TIMEOUT: Final = b"ERR timeout is not a float or out of range"
NEGATIVE_TIMEOUT: Final = b"ERR timeout is negative"
TIMEOUT_OUT_OF_RANGE: Final = b"ERR timeout is out of range"
TOO_LONG_A_STRING: Final = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"


def wrong_arity(name: bytes) -> CommandError:
    """The refusal of a call with too few or too many arguments; `name` as in b"config|get"."""
    return CommandError(b"ERR wrong number of arguments for '%b' command" % name)


def wrong_subcommand(args: list[bytes]) -> CommandError:
    """The refusal of a subcommand with arguments that its arity lets pass; `args` are the whole call."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (args[1][:128], args[0].upper())
    )


def invalid_expire(name: bytes) -> CommandError:
    """The refusal of a time to live that is not positive or overflows."""
    return CommandError(b"ERR invalid expire time in '%b' command" % name)


def unknown_command(arguments: list[bytes]) -> CommandError:
    """The refusal of a command that there is not; the beginning of what it came with is shown."""
    shown = b""
    for argument in arguments[1:]:
        if len(shown) >= 128:
            break
        shown += b"'%b' " % argument[: 128 - len(shown)]
    return CommandError(
        b"ERR unknown command '%b', with args beginning with: %b"
        % (printable(arguments[0]), shown.replace(b"\r", b" ").replace(b"\n", b" "))
    )


def printable(text: bytes) -> bytes:
    """The beginning of a text, as it can be part of an error reply."""
    return text[:128].replace(b"\r", b" ").replace(b"\n", b" ")
