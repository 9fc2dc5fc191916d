"""What the typed command methods of every group stand on.

A command method is a plain function: it checks and arranges its arguments and hands them to
`Commands.execute_command`, which a client and a pipeline implement each in its own way. So one definition
serves both: a client's method is awaited at once, a pipeline's returns a handle that can be awaited once
the pipeline has been committed.

**Results** do not depend on the protocol: every method hands over a converter (`replies`) that takes the
RESP2 and the RESP3 shape of the reply alike.

**Cancellation** is the same for all commands: a command cancelled before it was written is not carried
out; one cancelled later may have been, its reply is read and dropped, and the connection stays usable. A
blocking command waits on a connection of its own, which is given up when it is cancelled.

**Errors**, for all commands: `InvalidArgument` before anything is sent, `ResponseError` and its children
for what the server refuses (`WrongType` for a key of another type), `ConnectionFailed`,
`CommandTimeout` and `OutcomeUnknown` for trouble on the way. Docstrings name only what is particular.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeAlias, TypeVar, overload

T = TypeVar("T")
S = TypeVar("S", bytes, str)
"""What strings in replies are: `str` for a client opened with `decode_responses`, else `bytes`."""

KeyT: TypeAlias = bytes | str | memoryview
"""A key, channel or pattern; `str` is sent as UTF-8."""
ValueT: TypeAlias = bytes | str | int | float | memoryview
"""A value, member or field: numbers are sent as their decimal text."""
Argument: TypeAlias = ValueT
"""One argument of a raw command."""
ExpiryT: TypeAlias = int | timedelta
"""A time span: a number in the unit that the argument names, or a `timedelta`."""
AbsExpiryT: TypeAlias = int | datetime
"""A point in time: a Unix time in the unit that the argument names, or a `datetime`."""

FOREVER: Final = math.inf
"""`block` of a command that waits with no limit of its own (its timeout argument is 0)."""


class Commands(ABC, Generic[S]):
    """The seam between command methods and whoever carries them out (a client, a pipeline)."""

    queued_scripts: set[str] | None = None
    """Of a pipeline: the SHA-1s of the scripts that it has queued in full since its last commit, which
    `RedisScript` adds to and the pipeline empties. None for a client, which can look at each answer."""

    @overload
    @abstractmethod
    def execute_command(
        self, *args: Argument, decode: bool = ..., block: float | None = ...
    ) -> Awaitable[Any]: ...

    @overload
    @abstractmethod
    def execute_command(
        self, *args: Argument, reply: Callable[[Any], T], decode: bool = ..., block: float | None = ...
    ) -> Awaitable[T]: ...

    @abstractmethod
    def execute_command(
        self,
        *args: Argument,
        reply: Callable[[Any], Any] | None = None,
        decode: bool = True,
        block: float | None = None,
    ) -> Awaitable[Any]:
        """Send one command, or queue it.

        Args:
            args: The command's name, a subcommand as an argument of its own, and the arguments.
            reply: Converts the server's reply, in the shape of RESP2 or RESP3, to the result; called
                for every reply but an error. None leaves it as it is.
            decode: False keeps strings in the reply as `bytes`, whatever the client does otherwise.
            block: How long the server itself may take to answer, in seconds, `FOREVER` without limit.
                Given, the command waits on a connection of its own and the client's time limit is
                counted from there on; None is a command that does not block.

        Returns:
            A client: an awaitable that sends and waits. A pipeline: a handle, awaitable after the commit.
        """
