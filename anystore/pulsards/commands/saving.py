"""SAVE, BGSAVE and LASTSAVE: the data to disk, as one file."""

from __future__ import annotations

from typing import Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString

_STARTED: Final = SimpleString(b"Background saving started")
_SCHEDULED: Final = SimpleString(b"Background saving scheduled")
_CANCELLED: Final = SimpleString(b"Background saving cancelled")


@command("save")
def save(ctx: Context, args: list[bytes]) -> SimpleString:
    """SAVE → OK once all data are on disk; nobody is served meanwhile. O(N) in all keys. Since 1.0."""
    ctx.engine.saver.save()
    return OK


@command("bgsave")
def bgsave(ctx: Context, args: list[bytes]) -> SimpleString:
    """BGSAVE [SCHEDULE | CANCEL] → a status; all data are saved while the server goes on. O(1), and O(N) in slices.

    What is saved is one moment, no later than the next turn of the loop, and never within a transaction or a script.
    SCHEDULE (since 3.2.2) waits for something else that is being written; CANCEL is Valkey's, since 8.1.
    """
    word = args[1].lower() if len(args) == 2 else b""
    if len(args) > 2 or word not in (b"", b"schedule", b"cancel"):
        raise CommandError(SYNTAX)
    saver = ctx.engine.saver
    if word == b"cancel":
        if not saver.abandon():
            raise CommandError(b"ERR Background saving is currently not in progress or scheduled")
        return _CANCELLED
    other = saver.other_job()
    if other is None or saver.job is not None:
        saver.begin()
        return _STARTED
    saver.storage()
    if word == b"schedule":
        saver.schedule()
        return _SCHEDULED
    raise CommandError(
        b"ERR Another child process is active (%b?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a "
        b"BGSAVE whenever possible." % other
    )


@command("lastsave")
def lastsave(ctx: Context, args: list[bytes]) -> int:
    """LASTSAVE → when data were last saved, in seconds since 1970; at first, when the server started. O(1). Since 1.0."""
    return ctx.engine.saver.last_save
