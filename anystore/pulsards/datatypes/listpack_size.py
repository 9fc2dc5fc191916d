"""How many bytes elements would take in a listpack, Redis' compact sequence: its sizes decide on encodings."""

from __future__ import annotations

from anystore.pulsards.numbers import parse_integer


def entry_size(item: bytes) -> int:
    """The bytes that an element takes: encoding, content, and the length read backwards. O(1)."""
    size = len(item)
    # Only what lies between these can be a number.
    if b"-" <= item < b":" and size <= 20 and (number := parse_integer(item)) is not None:
        return integer_size(number)
    if size < 64:
        return size + 2
    size += 2 if size < 4096 else 5
    return size + (1 if size <= 127 else 2 if size < 16383 else 3 if size < 2097151 else 4)


def integer_size(number: int) -> int:
    """The bytes that a signed 64-bit integer takes."""
    if 0 <= number <= 127:
        return 2
    if -4096 <= number <= 4095:
        return 3
    bits = (number if number >= 0 else number + 1).bit_length() + 1
    return 2 + (2 if bits <= 16 else 3 if bits <= 24 else 4 if bits <= 32 else 8)
