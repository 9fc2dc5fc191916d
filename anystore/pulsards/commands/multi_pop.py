"""The arguments that LMPOP, BLMPOP, ZMPOP and BZMPOP share."""

from __future__ import annotations

from typing import Final, NamedTuple

from anystore.pulsards.commands.arguments import integer_between
from anystore.pulsards.errors import NO_KEYS, SYNTAX, CommandError
from anystore.pulsards.numbers import INT64_MAX

_NO_COUNT: Final = b"ERR count should be greater than 0"


class MultiPop(NamedTuple):
    """`numkeys key [key …] end [COUNT limit]`; `first` is whether it names the first of two ends."""

    keys: list[bytes]
    first: bool
    limit: int


def parse_multi_pop(arguments: list[bytes], ends: tuple[bytes, bytes]) -> MultiPop:
    """From `numkeys` on; `ends` are the two words, in lower case, for where to pop."""
    number = integer_between(arguments[0], 1, INT64_MAX, NO_KEYS)
    if number + 1 >= len(arguments):
        raise CommandError(SYNTAX)
    end = arguments[number + 1].lower()
    if end not in ends:
        raise CommandError(SYNTAX)
    rest = arguments[number + 2 :]
    count = 1
    if rest:
        if len(rest) < 2 or rest[0].lower() != b"count":
            raise CommandError(SYNTAX)
        count = integer_between(rest[1], 1, INT64_MAX, _NO_COUNT)
        if len(rest) > 2:
            raise CommandError(SYNTAX)
    return MultiPop(arguments[1 : number + 1], end == ends[0], count)
