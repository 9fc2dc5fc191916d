"""Where in which history a server's data are, as its files say it: so that it can go on from there after a restart.

In an RDB file these are fields in front of the keys, the same as Redis'. In an append-only log it is an annotation, a
line that servers which do not know it pass over; only as the last line of a log, which was ended in order, it counts.

Source: the fields repl-id, repl-offset and repl-stream-db of Redis' RDB files, since 4.0; annotations of Redis 7's log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ID: Final = re.compile(rb"[0-9a-zA-Z]{40}")
_ANNOTATION: Final = b"#REPL:"
#: Digits of the largest offset.
_DIGITS: Final = 19


def is_replication_id(text: bytes) -> bool:
    """Whether this can be the name of a history."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """The name of a history, how many bytes of it are in the data, and which database its stream is for there."""

    id: bytes
    offset: int
    selected: int

    def fields(self) -> dict[bytes, bytes]:
        """It as fields of an RDB file."""
        return {
            b"repl-stream-db": b"%d" % self.selected,
            b"repl-id": self.id,
            b"repl-offset": b"%d" % self.offset,
        }

    def annotation(self) -> bytes:
        """It as a line of an append-only log."""
        return b"%b%b:%d:%d\r\n" % (_ANNOTATION, self.id, self.offset, self.selected)


def place_in_fields(fields: Mapping[bytes, bytes]) -> Place | None:
    """What the fields of an RDB file say; None where they say nothing that can be gone by."""
    return _place(*(fields.get(name, b"") for name in (b"repl-id", b"repl-offset", b"repl-stream-db")))


def place_in_annotation(line: bytes) -> Place | None:
    """What a line of a log says, given without its end; None for any other one."""
    words = line.removeprefix(_ANNOTATION).split(b":")
    return _place(*words) if line.startswith(_ANNOTATION) and len(words) == 3 else None


def _place(id: bytes, offset: bytes, selected: bytes) -> Place | None:
    if not is_replication_id(id) or not _is_number(offset) or not _is_number(selected):
        return None
    return Place(id, int(offset), int(selected))


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _DIGITS
