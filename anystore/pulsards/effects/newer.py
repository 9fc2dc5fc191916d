"""What Redis 8.4 and 8.6 tell that is not known here, put into words that are.

A primary tells a command when it has been carried out, so conditions have been met; what Redis remembers of producers that
repeat themselves has no counterpart, and an entry that was not added again is told with `*` for its ID.

Source: the streams that Redis 8.6 sends, and the pages of DELEX, SET, XADD and XCFGSET.
"""

from __future__ import annotations

from typing import Final

_CONDITIONS: Final = frozenset((b"IFNE", b"IFDEQ", b"IFDNE"))
#: Options of XADD in front of the ID, and how many arguments each is.
_OPTIONS: Final = {b"NOMKSTREAM": 1, b"KEEPREF": 1, b"DELREF": 1, b"ACKED": 1, b"LIMIT": 2}
_PRODUCERS: Final = {b"IDMP": 3, b"IDMPAUTO": 2}


def in_known_words(arguments: list[bytes]) -> list[bytes] | None:
    """A command that is unknown here as one that is not; nothing (an empty list) where there is nothing to do.

    None where it cannot be put in other words. O(arguments).
    """
    name = arguments[0].lower() if arguments else b""
    if name == b"delex" and len(arguments) == 2:
        return [b"DEL", arguments[1]]
    return [] if name == b"xcfgset" else None


def without_conditions(arguments: list[bytes]) -> list[bytes]:
    """SET without a condition that is unknown here. O(arguments)."""
    for place in range(3, len(arguments) - 1):
        if arguments[place].upper() in _CONDITIONS:
            return [*arguments[:place], *arguments[place + 2 :]]
    return arguments


def without_producers(arguments: list[bytes]) -> list[bytes]:
    """XADD without who the producer is; nothing (an empty list) where the entry is there already. O(options)."""
    position, begin, end = 2, 0, 0
    while position < len(arguments):
        word = arguments[position].upper()
        if word in _PRODUCERS:
            begin, position = position, position + _PRODUCERS[word]
            end = position
        elif word in (b"MAXLEN", b"MINID"):
            position += 3 if arguments[position + 1 : position + 2] in ([b"~"], [b"="]) else 2
        elif word in _OPTIONS:
            position += _OPTIONS[word]
        else:
            break
    if not begin:
        return arguments
    return [] if arguments[position : position + 1] == [b"*"] else [*arguments[:begin], *arguments[end:]]
