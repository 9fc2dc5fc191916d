"""The options that commands which set or read a value share: under which condition, and with which time to live.

They are of SET, GETEX, MSETEX, HSETEX and HGETEX; each has a table of those that it knows.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError, invalid_expire
from anystore.pulsards.numbers import INT64_MAX

NX: Final = 1
XX: Final = 2
GET: Final = 4
KEEPTTL: Final = 8
PERSIST: Final = 16
EX: Final = 32
PX: Final = 64
EXAT: Final = 128
PXAT: Final = 256
IFEQ: Final = 512
FNX: Final = 1024
FXX: Final = 2048
CONDITION: Final = NX | XX | IFEQ
_TIMED: Final = EX | PX | EXAT | PXAT
_EXPIRY: Final = _TIMED | KEEPTTL | PERSIST
_WITH_ARGUMENT: Final = _TIMED | IFEQ

#: What options stand for, and which options each cannot be combined with.
Options = dict[bytes, tuple[int, int]]

_TIMED_OPTIONS: Final = {
    b"ex": (EX, _EXPIRY & ~EX),
    b"px": (PX, _EXPIRY & ~PX),
    b"exat": (EXAT, _EXPIRY & ~EXAT),
    b"pxat": (PXAT, _EXPIRY & ~PXAT),
}
_KEY_OPTIONS: Final = {b"nx": (NX, XX | IFEQ), b"xx": (XX, NX | IFEQ)}
_KEEP_OPTION: Final = {b"keepttl": (KEEPTTL, _EXPIRY & ~KEEPTTL)}

SET_OPTIONS: Final = (
    _TIMED_OPTIONS | _KEY_OPTIONS | _KEEP_OPTION | {b"get": (GET, 0), b"ifeq": (IFEQ, CONDITION)}
)
MSETEX_OPTIONS: Final = _TIMED_OPTIONS | _KEY_OPTIONS | _KEEP_OPTION
GETEX_OPTIONS: Final = _TIMED_OPTIONS | {b"persist": (PERSIST, _EXPIRY & ~PERSIST)}
HSETEX_OPTIONS: Final = MSETEX_OPTIONS | {b"fnx": (FNX, FXX), b"fxx": (FXX, FNX)}


def parse_options(args: list[bytes], position: int, known: Options) -> tuple[int, bytes | None, bytes | None]:
    """The options from `position` on: as flags, the time that one of them gives, and the value of IFEQ. O(N)."""
    flags = 0
    time = compared = None
    end = len(args)
    while position < end:
        option = known.get(args[position].lower())
        if option is None or flags & option[1]:
            raise CommandError(SYNTAX)
        flags |= option[0]
        position += 1
        if option[0] & _WITH_ARGUMENT:
            if position == end:
                raise CommandError(SYNTAX)
            if option[0] == IFEQ:
                compared = args[position]
            else:
                time = args[position]
            position += 1
    return flags, time, compared


def deadline(ctx: Context, args: list[bytes], flags: int, time: bytes) -> int:
    """A time given with EX, PX, EXAT or PXAT, in milliseconds since 1970; it must be positive."""
    return moment(ctx, args[0], flags, time, 1)


def moment(ctx: Context, name: bytes, flags: int, time: bytes, least: int) -> int:
    """The same for the command `name`, where the number must be at least `least`, 0 or 1."""
    when = integer(time)
    if flags & (EX | EXAT):
        when *= 1000
    if least <= when <= INT64_MAX:
        if flags & (EX | PX):
            when += ctx.engine.keyspace.now
        if when <= INT64_MAX:
            return when
    raise invalid_expire(name.lower())
