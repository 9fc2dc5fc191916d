"""The hot path: commands that need no second look, in one loop.

It does what `Engine.call` and `encode_reply` do, for the commands that are most of what a server gets, at a fraction
of the cost: a command is looked up once for a run of the same, its calls are counted once a run, and the usual
replies are queued in ready-made pieces. Each command is timed by itself all the same.

What makes a command plain is its row (`CommandEntry.is_plain`): it reads or changes keys, and nothing else. So what
has to be true for this path (see `Session._run`) stays true while it runs, and is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from anystore.pulsards.command_logs import log_slow
from anystore.pulsards.latency import FINE_SHIFT, count_duration
from anystore.resp.encode import BULK_HEADERS, INTEGERS, encode_reply
from anystore.resp.types import OK

if TYPE_CHECKING:
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

_HEADERS: Final = len(BULK_HEADERS)
_NUMBERS: Final = len(INTEGERS)


def run_alone(session: Session, arguments: list[bytes]) -> bytes | None:
    """Run the one command that has come; its reply, encoded, or None where it is not plain: nothing has happened then."""
    engine = session.engine
    entry = engine.commands.get(arguments[0])
    if entry is None or not entry.is_plain or not entry.minimum <= len(arguments) <= entry.maximum:
        return None
    function: Any = entry.function
    if function is None:
        return None
    session.last_entry = entry
    if entry.is_told and engine.propagation.active:
        function = engine.propagation.telling(entry, function)
    try:
        reply = function(session, arguments)
    except Exception as error:
        reply = engine.failure(entry, error)
    begun = engine.turn_mark
    engine.turn_mark = mark = engine.elapsed_ns()
    elapsed = mark - begun
    entry.calls += 1
    entry.elapsed_ns += elapsed
    try:
        entry.durations[elapsed >> FINE_SHIFT] += 1
    except IndexError:
        count_duration(entry, elapsed)
    if elapsed >= engine.slow_ns:
        log_slow(engine, session, entry, arguments, elapsed)
    encoded: bytes
    if reply is OK:
        encoded = b"+OK\r\n"
    elif type(reply) is bytes and len(reply) < _HEADERS:
        encoded = BULK_HEADERS[len(reply)] + reply + b"\r\n"
    elif type(reply) is int and 0 <= reply < _NUMBERS:
        encoded = INTEGERS[reply]
    else:
        encoded = encode_reply(reply, session.protocol)
    if engine.keyspace.ready:
        engine.waiting.serve()
    return encoded


def run_plain(
    session: Session, commands: Iterator[list[bytes]], out: list[bytes], until: int
) -> list[bytes] | None:
    """Run commands, and queue their replies in `out`, up to one that is not plain: that one, or None at the end.

    The first that there is no time for any more, too: `until` is when the turn is to end, by `Engine.elapsed_ns`.
    """
    lookup = session.engine.commands.get
    arguments = next(commands, None)
    while arguments is not None:
        entry = lookup(arguments[0])
        if (
            entry is None
            or not entry.is_plain
            or entry.function is None
            or not entry.minimum <= len(arguments) <= entry.maximum
        ):
            return arguments
        arguments = _run_alike(session, entry, arguments, commands, out, until)
        if session.engine.turn_mark >= until:
            return arguments
    return None


def _run_alike(
    session: Session,
    entry: CommandEntry,
    first: list[bytes],
    commands: Iterator[list[bytes]],
    out: list[bytes],
    until: int,
) -> list[bytes] | None:
    """Run a command, and those behind it that are the same; the first that is not, or None at the end.

    Once it is `until`, it is the next one, whatever it is.
    """
    engine = session.engine
    session.last_entry = entry
    clock, keyspace, slow_ns = engine.elapsed_ns, engine.keyspace, engine.slow_ns
    function: Any = entry.function
    if entry.is_told and engine.propagation.active:
        function = engine.propagation.telling(entry, function)
    durations, fewest, most = entry.durations, entry.minimum, entry.maximum
    name = first[0]
    begun = mark = engine.turn_mark
    calls = 0
    following: list[bytes] | None = None
    for arguments in chain((first,), commands):
        if arguments[0] != name or not fewest <= len(arguments) <= most:
            following = arguments
            break
        try:
            reply = function(session, arguments)
        except Exception as error:
            reply = engine.failure(entry, error)
        calls += 1
        before, mark = mark, clock()
        elapsed = mark - before
        try:
            durations[elapsed >> FINE_SHIFT] += 1
        except IndexError:
            count_duration(entry, elapsed)
            durations = entry.durations
        if elapsed >= slow_ns:
            log_slow(engine, session, entry, arguments, elapsed)
        kind = type(reply)
        if kind is bytes and len(reply) < _HEADERS:
            out.append(BULK_HEADERS[len(reply)])
            out.append(reply)
            out.append(b"\r\n")
        elif kind is int:
            out.append(INTEGERS[reply] if 0 <= reply < _NUMBERS else b":%d\r\n" % reply)
        elif reply is OK:
            out.append(b"+OK\r\n")
        else:
            out.append(encode_reply(reply, session.protocol))
        if keyspace.ready:
            engine.waiting.serve()
        if mark >= until:
            following = next(commands, None)
            break
    entry.calls += calls
    entry.elapsed_ns += mark - begun
    engine.turn_mark = mark
    return following
