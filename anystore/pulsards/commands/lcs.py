"""LCS: the longest common subsequence of two strings.

The table of the textbook's dynamic programming is kept as one integer a row, of one bit a column: 1 where
the length does not grow from the column to the left. A row follows from the one above by four operations on
whole integers (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004), and the bits are all that the
way back through the table asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.registry import command

#: A cell of Redis' table, in bytes; its table must not be larger than `proto-max-bulk-len`.
_CELL: Final = 4


class _Options(NamedTuple):
    length: bool
    indexes: bool
    with_lengths: bool
    shortest: int


@command("lcs")
def lcs(ctx: Context, args: list[bytes]) -> Any:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN] → the subsequence. O(N * M / 64). Since 7.0.

    With LEN its length; with IDX a map of `matches` (ranges in both strings, the last first) and `len`.
    """
    first, second = (ctx.db.read(key) for key in args[1:3])
    for value in (first, second):
        if value is not None and not isinstance(value, bytes | bytearray):
            raise CommandError(b"ERR The specified keys must contain string values")
    options = _parse(args)
    one, two = bytes(first or b""), bytes(second or b"")
    if (len(one) + 1) * (len(two) + 1) * _CELL > ctx.engine.config.proto_max_bulk_len:
        raise CommandError(b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    rows = _table(one, two)
    size = len(two) - rows[-1].bit_count()
    if options.indexes:
        return {b"matches": _ranges(_matches(one, two, rows), options), b"len": size}
    if options.length:
        return size
    return bytes([one[i] for i, _ in _matches(one, two, rows)][::-1])


def _parse(args: list[bytes]) -> _Options:
    length = indexes = with_lengths = False
    shortest = 0
    position = 3
    while position < len(args):
        option = args[position].lower()
        position += 1
        if option == b"idx":
            indexes = True
        elif option == b"len":
            length = True
        elif option == b"withmatchlen":
            with_lengths = True
        elif option == b"minmatchlen" and position < len(args):
            shortest = integer(args[position])
            position += 1
        else:
            raise CommandError(SYNTAX)
    if length and indexes:
        raise CommandError(b"ERR If you want both the length and indexes, please just use IDX.")
    return _Options(length, indexes, with_lengths, shortest)


def _table(one: bytes, two: bytes) -> list[int]:
    """A row for each prefix of `one`, the empty one first; column j is bit j, for the j-th byte of `two`."""
    everywhere = (1 << len(two)) - 1
    backwards = two[::-1]
    places: dict[int, int] = {}
    for byte in set(one):
        # Where `two` has this byte, as a number read from its digits: at C speed, unlike a loop.
        places[byte] = int(backwards.translate(_ONLY[byte]) or b"0", 2)
    row = everywhere
    rows = [row]
    for byte in one:
        common = row & places[byte]
        row = (row + common | row - common) & everywhere
        rows.append(row)
    return rows


#: For each byte, a translation that makes it the digit 1 and every other byte the digit 0.
_ONLY: Final = tuple(b"0" * byte + b"1" + b"0" * (255 - byte) for byte in range(256))


def _matches(one: bytes, two: bytes, rows: list[int]) -> Iterator[tuple[int, int]]:
    """The positions in both strings of the bytes of the subsequence, the last first."""
    i, j = len(one), len(two)
    size = (j + 7) >> 3
    while i and j:
        byte = one[i - 1]
        # As bytes, since a bit of an integer is found only by shifting all of it.
        row = rows[i].to_bytes(size, "little")
        while j and byte != two[j - 1] and row[(j - 1) >> 3] >> ((j - 1) & 7) & 1:
            j -= 1
        i -= 1
        if j and byte == two[j - 1]:
            j -= 1
            yield i, j


def _ranges(matches: Iterator[tuple[int, int]], options: _Options) -> list[Any]:
    """Runs of neighbouring matches, as [[start, end], [start, end]] with ends inclusive, and their length."""
    runs: list[list[int]] = []
    for i, j in matches:
        if runs and runs[-1][0] == i + 1 and runs[-1][1] == j + 1:
            runs[-1][0], runs[-1][1] = i, j
            runs[-1][2] += 1
        else:
            runs.append([i, j, 1])
    found = []
    for i, j, size in runs:
        if size >= options.shortest:
            entry: list[Any] = [[i, i + size - 1], [j, j + size - 1]]
            if options.with_lengths:
                entry.append(size)
            found.append(entry)
    return found
