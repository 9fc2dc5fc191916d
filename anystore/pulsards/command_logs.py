"""The logs of commands that stand out: by their duration, by the size of the request, by that of the reply.

Source: the pages of SLOWLOG, and of Valkey's COMMANDLOG.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anystore.pulsards.redaction import redacted

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

_MAX_ARGUMENTS: Final = 32
_MAX_ARGUMENT: Final = 128
_NEVER: Final = 2**63


class LoggedCommand(NamedTuple):
    """One entry: what SLOWLOG GET shows of it."""

    id: int
    when: int  # seconds since 1970
    measure: int  # microseconds or bytes
    arguments: list[bytes]
    address: str
    client_name: bytes


class CommandLog:
    """A bounded log, newest first, of commands that reach a threshold."""

    def __init__(self) -> None:
        self.entries: deque[LoggedCommand] = deque(maxlen=128)
        self.threshold = _NEVER
        self._next_id = 0

    def configure(self, threshold: int, length: int) -> None:
        """`threshold` in the log's unit, negative switches the log off; `length` entries are kept."""
        self.threshold = threshold if threshold >= 0 else _NEVER
        self.entries = deque(list(self.entries)[:length], maxlen=length)

    @property
    def is_on(self) -> bool:
        """Whether anything is logged."""
        return self.threshold < _NEVER

    def add(self, session: Session, entry: CommandEntry, arguments: list[bytes], measure: int) -> None:
        """Log a command, unless it is one that no log shows.

        Secrets are left out, long commands shortened as Redis does, so that the log stays small.
        """
        if "skip_slowlog" in entry.spec.flags:
            return
        shown = _shorten(redacted(entry.name, arguments, session.engine.config))
        when = session.engine.keyspace.now // 1000
        self.entries.appendleft(
            LoggedCommand(self._next_id, when, measure, shown, session.address, session.name)
        )
        self._next_id += 1


class CommandLogs:
    """All logs of one server."""

    def __init__(self) -> None:
        self.slow = CommandLog()  # nanoseconds as threshold, microseconds as measure
        self.large_request = CommandLog()
        self.large_reply = CommandLog()
        self.by_name: Final = {
            b"slow": self.slow,
            b"large-request": self.large_request,
            b"large-reply": self.large_reply,
        }
        #: Whether the sizes of commands have to be looked at.
        self.sizes = False

    def configure(self, values: dict[str, Any]) -> None:
        """Take the directives over."""
        threshold_us = values["slowlog-log-slower-than"]
        self.slow.configure(max(-1, threshold_us * 1000), values["slowlog-max-len"])
        for name, log in (("request", self.large_request), ("reply", self.large_reply)):
            log.configure(
                values[f"commandlog-{name}-larger-than"], values[f"commandlog-large-{name}-max-len"]
            )
        self.sizes = self.large_request.is_on or self.large_reply.is_on

    def note_sizes(self, session: Session, entry: CommandEntry, arguments: list[bytes], reply: int) -> None:
        """Log a command that a client has run, if it was large; `reply` is in bytes. O(arguments).

        A transaction is not looked at as a whole: EXEC, as Redis marks it, is in no log.
        """
        if reply >= self.large_reply.threshold:
            self.large_reply.add(session, entry, arguments, reply)
        request = request_size(arguments)
        if request >= self.large_request.threshold:
            self.large_request.add(session, entry, arguments, request)


def request_size(arguments: list[bytes]) -> int:
    """The bytes of a command as clients send it. O(N)."""
    lengths = list(map(len, arguments))
    return 3 + len(str(len(lengths))) + sum(5 + len(str(length)) + length for length in lengths)


def log_slow(engine: Engine, session: Session, entry: CommandEntry, arguments: list[bytes], ns: int) -> None:
    """Tell the slow log and the latency monitor of a command that took `ns` nanoseconds."""
    engine.latency.note(b"fast-command" if entry.is_fast else b"command", ns // 1_000_000)
    if ns >= engine.logs.slow.threshold:
        engine.logs.slow.add(session, entry, arguments, ns // 1000)


def _shorten(arguments: list[bytes]) -> list[bytes]:
    kept = arguments
    if len(arguments) > _MAX_ARGUMENTS:
        left_out = len(arguments) - _MAX_ARGUMENTS + 1
        kept = [*arguments[: _MAX_ARGUMENTS - 1], b"... (%d more arguments)" % left_out]
    return [
        argument
        if len(argument) <= _MAX_ARGUMENT
        else argument[:_MAX_ARGUMENT] + b"... (%d more bytes)" % (len(argument) - _MAX_ARGUMENT)
        for argument in kept
    ]
