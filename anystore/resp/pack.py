"""A command as the bytes that go out: an array of bulk strings, in RESP2 and RESP3 alike.

Source: https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hiredis

__all__ = ("pack_command",)

_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command


def pack_command(args: Sequence[Any]) -> bytes:
    """The bytes of one command: its name, then its arguments.

    `str` is sent as UTF-8, `int` and `float` as the shortest text that reads back as the same number; bytes-like
    objects as they are, copied once. O(bytes).

    Raises:
        TypeError: An argument is of another type; the message says which one. `bool` and None are refused because
            Redis has no form for them: the caller has to choose one.
    """
    # hiredis packs a tuple of plain types several times as fast as Python can, and says no to anything else, except
    # that it takes a memoryview for contiguous: one with strides would go out as other bytes than it shows.
    for arg in args:
        if arg.__class__ is memoryview:
            break
    else:
        try:
            return _pack(args if args.__class__ is tuple else tuple(args))
        except TypeError:
            pass  # the arguments decide below, one by one, whether and why
    return _pack(tuple([_plain(arg, position, args) for position, arg in enumerate(args)]))


def _plain(arg: Any, position: int, args: Sequence[Any]) -> bytes | str | int | float | memoryview:
    kind = type(arg)
    if kind in (bytes, str, int, float):
        return arg  # type: ignore[no-any-return]
    if isinstance(arg, bool) or arg is None:
        hint = "convert it to bytes, str, int or float first, as Redis has no form for it"
        raise TypeError(f"{_place(position, args)} is {arg!r}: {hint}")
    if isinstance(arg, bytes):
        return bytes(arg)
    if isinstance(arg, str):
        # An enumeration's member is sent as its value, which is what str.encode gives; its str() may be its name.
        return arg.encode()
    if isinstance(arg, int):
        return int(arg)
    if isinstance(arg, float):
        return float(arg)
    if isinstance(arg, memoryview):
        return arg if arg.contiguous else bytes(arg)
    if isinstance(arg, bytearray):
        return bytes(arg)
    raise TypeError(
        f"{_place(position, args)} is of type {kind.__name__}: bytes, str, int, float, bytearray or memoryview can be sent"
    )


def _place(position: int, args: Sequence[Any]) -> str:
    if position == 0:
        return "the command's name"
    name = args[0].decode("utf-8", "replace") if isinstance(args[0], bytes) else str(args[0])
    return f"argument {position} of {name}"


def encode_arguments(args: Sequence[Any], encoding: str = "utf-8", errors: str = "strict") -> list[bytes]:
    """The arguments as the bytes that `pack_command` would send for them, `str` in the encoding given. O(bytes).

    Raises:
        TypeError: As `pack_command`.
        UnicodeEncodeError: The encoding does not know a character.
    """
    encoded = []
    for position, arg in enumerate(args):
        value = arg.encode(encoding, errors) if isinstance(arg, str) else _plain(arg, position, args)
        encoded.append(str(value).encode() if isinstance(value, (int, float)) else bytes(value))  # type: ignore[arg-type]
    return encoded
