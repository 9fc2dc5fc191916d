"""Keyspace notifications: the classes of events, and the setting's letters for them.

Source: "Redis keyspace notifications", section "Configuration"; `n` since 7.0.
"""

from __future__ import annotations

from typing import Final

KEYSPACE: Final = 1 << 0  # K
KEYEVENT: Final = 1 << 1  # E
GENERIC: Final = 1 << 2  # g
STRING: Final = 1 << 3  # $
LIST: Final = 1 << 4  # l
SET: Final = 1 << 5  # s
HASH: Final = 1 << 6  # h
SORTED_SET: Final = 1 << 7  # z
EXPIRED: Final = 1 << 8  # x
EVICTED: Final = 1 << 9  # e
STREAM: Final = 1 << 10  # t
KEY_MISS: Final = 1 << 11  # m
MODULE: Final = 1 << 13  # d
NEW: Final = 1 << 14  # n
ALL: Final = GENERIC | STRING | LIST | SET | HASH | SORTED_SET | EXPIRED | EVICTED | STREAM | MODULE  # A

_LETTERS: Final = {
    "g": GENERIC,
    "$": STRING,
    "l": LIST,
    "s": SET,
    "h": HASH,
    "z": SORTED_SET,
    "x": EXPIRED,
    "e": EVICTED,
    "t": STREAM,
    "d": MODULE,
}
_ALWAYS_SPELT: Final = {"K": KEYSPACE, "E": KEYEVENT, "m": KEY_MISS, "n": NEW}


def parse_classes(letters: str) -> int | None:
    """The classes that a `notify-keyspace-events` value names, or None for an unknown letter."""
    flags = 0
    for letter in letters:
        if letter == "A":
            flags |= ALL
        elif letter in _LETTERS:
            flags |= _LETTERS[letter]
        elif letter in _ALWAYS_SPELT:
            flags |= _ALWAYS_SPELT[letter]
        else:
            return None
    return flags


def format_classes(flags: int) -> str:
    """The letters for these classes, as CONFIG GET shows them (`A` for all of its classes)."""
    if flags & ALL == ALL:
        letters = "A"
    else:
        letters = "".join(letter for letter, flag in _LETTERS.items() if flags & flag)
    return letters + "".join(letter for letter, flag in _ALWAYS_SPELT.items() if flags & flag)
