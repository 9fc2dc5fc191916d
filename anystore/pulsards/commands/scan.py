"""SCAN, and what HSCAN, SSCAN and ZSCAN share with it.

A cursor is the number of members not visited yet, see `anystore.pulsards.datatypes.ScanIndex`: the server
keeps nothing per scan, and whatever is there from the start of a scan to its end is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from anystore.pulsards import glob
from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.keys import type_name
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.numbers import parse_unsigned
from anystore.pulsards.registry import command

_DEFAULT_COUNT: Final = 10


class ScanOptions(NamedTuple):
    """What follows the cursor: `matches` is None where everything does, `type_name` None for every type."""

    step: int
    matches: Callable[[bytes], object] | None
    type_name: bytes | None
    no_values: bool


def parse_cursor(text: bytes) -> int:
    """The cursor of SCAN, HSCAN, SSCAN and ZSCAN; these refuse a bad one before they look at the key."""
    cursor = parse_unsigned(text)
    if cursor is None:
        raise CommandError(b"ERR invalid cursor")
    return cursor


def parse_options(
    args: list[bytes],
    position: int,
    *,
    of_keys: bool = False,
    of_hash: bool = False,
    of_sorted_set: bool = False,
) -> ScanOptions:
    """The options from `position` on: MATCH and COUNT; TYPE `of_keys`; NOVALUES `of_hash`, NOSCORES `of_sorted_set`."""
    count = _DEFAULT_COUNT
    matches = kind = None
    no_values = False
    while position < len(args):
        option = args[position].lower()
        value = args[position + 1] if position + 1 < len(args) else None
        position += 2
        if option == b"count" and value is not None:
            count = integer(value)
            if count < 1:
                raise CommandError(SYNTAX)
        elif option == b"match" and value is not None:
            matches = None if value == b"*" else glob.matcher(value)
        elif option == b"type" and value is not None and of_keys:
            kind = value.lower()
        elif option == b"novalues":
            if not of_hash:
                raise CommandError(b"ERR NOVALUES option can only be used in HSCAN")
            no_values = True
            position -= 1
        elif option == b"noscores":
            if not of_sorted_set:
                raise CommandError(b"ERR NOSCORES option can only be used in ZSCAN")
            no_values = True
            position -= 1
        else:
            raise CommandError(SYNTAX)
    return ScanOptions(count, matches, kind, no_values)


@command("scan")
def scan(ctx: Context, args: list[bytes]) -> list[Any]:
    """SCAN cursor [MATCH pattern] [COUNT n] [TYPE type] → cursor to go on with (0 at the end), and keys.

    O(count), but for the first call, which indexes the keys in O(N). Since 2.8; TYPE since 6.0.
    """
    cursor = parse_cursor(args[1])
    options = parse_options(args, 2, of_keys=True)
    db = ctx.db
    cursor, found = db.scan_index().scan(cursor, options.step)
    if options.matches is not None:
        found = list(filter(options.matches, found))
    if db.expires or options.type_name is not None:
        kind = options.type_name
        found = [
            key
            for key in found
            if (value := db.peek(key)) is not None and (kind is None or type_name(value) == kind)
        ]
    return [b"%d" % cursor, found]
