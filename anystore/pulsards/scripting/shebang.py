"""The first line of a script: `#!lua flags=no-writes,allow-oom`.

A script without one runs in the manner of before Redis 7.0: what it may do shows with each command it calls.
Source: the pages of EVAL and of scripting; since 7.0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from anystore.pulsards.errors import CommandError
from anystore.resp.requests import split_arguments

#: What a script may declare of itself, in the order in which it is shown.
FLAGS: Final = (b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys")


class Shebang(NamedTuple):
    """What a script's text says of it: the flags (None where there is no such line) and the Lua that follows."""

    flags: frozenset[bytes] | None
    code: bytes


def parse_shebang(body: bytes) -> Shebang:
    """Split a script's text into the flags of its first line and the code; the line's end stays, for counting.

    Raises `CommandError` for a line that names another engine, an unknown flag or an unknown option. O(n) in
    the line's length.
    """
    if not body.startswith(b"#!"):
        return Shebang(None, body)
    line, newline, _ = body.partition(b"\n")
    if not newline:
        raise CommandError(b"ERR Invalid script shebang")
    parts = split_arguments(line)
    if not parts:
        raise CommandError(b"ERR Invalid engine in script shebang")
    if parts[0] != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: %b" % parts[0])
    flags: set[bytes] = set()
    for part in parts[1:]:
        if not part.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: %b" % part)
        for flag in part[6:].split(b",") if part != b"flags=" else ():
            if flag not in FLAGS:
                raise CommandError(b"ERR Unexpected flag in script shebang: %b" % flag)
            flags.add(flag)
    return Shebang(frozenset(flags), body[len(line) :])
