"""SORT: the elements of a list, set or sorted set, in order of themselves or of other keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.commands.hashes import read_hash
from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import HashValue, ListValue, SetValue, SortedSetValue
from anystore.pulsards.errors import SYNTAX, WRONG_TYPE, CommandError
from anystore.pulsards.notifications import GENERIC, LIST
from anystore.pulsards.numbers import parse_score
from anystore.pulsards.registry import command

_NOT_A_NUMBER: Final = b"ERR One or more scores can't be converted into double"
_DENIED: Final = b"ERR %b option of SORT denied due to insufficient ACL permissions."
_HEXADECIMAL: Final = re.compile(rb"[+-]?0[xX](?=\.?[0-9a-fA-F])[0-9a-fA-F]*(\.[0-9a-fA-F]*)?([pP][+-]?\d+)?")


class _Request:
    """The options of one SORT."""

    __slots__ = ("alpha", "by", "descending", "limit", "patterns", "target")

    def __init__(self, args: list[bytes], read_only: bool, reads_all: bool) -> None:
        """`reads_all` is whether the user may read every key, as BY and GET need it."""
        self.alpha = self.descending = False
        self.by: bytes | None = None
        self.limit = (0, -1)
        self.patterns: list[bytes] = []
        self.target: bytes | None = None
        position, end = 2, len(args)
        while position < end:
            option = args[position].lower()
            left = end - position - 1
            if option in (b"asc", b"desc"):
                self.descending = option == b"desc"
            elif option == b"alpha":
                self.alpha = True
            elif option == b"limit" and left >= 2:
                self.limit = (integer(args[position + 1]), integer(args[position + 2]))
                position += 2
            elif left and option == b"by":
                self.by = args[position + 1]
                if b"*" in self.by and not reads_all:
                    raise CommandError(_DENIED % b"BY")
                position += 1
            elif left and option == b"get":
                if not reads_all:
                    raise CommandError(_DENIED % b"GET")
                self.patterns.append(args[position + 1])
                position += 1
            elif left and option == b"store" and not read_only:
                self.target = args[position + 1]
                position += 1
            else:
                raise CommandError(SYNTAX)
            position += 1

    @property
    def unsorted(self) -> bool:
        """Whether BY names no other keys, which asks for the order in which the elements are kept."""
        return self.by is not None and b"*" not in self.by


@command("sort", "sort_ro")
def sort(ctx: Context, args: list[bytes]) -> Any:
    """SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination].

    → the elements, or what GET finds for each; with STORE, how many were stored. O(N + M * log(M)).
    SORT_RO, without STORE, since 7.0.
    """
    request = _Request(args, len(args[0]) == 7, ctx.engine.acl.reads_all_keys(ctx.session, args))
    value = ctx.db.read(args[1])
    elements = _elements(ctx, value)
    # A set has no order that could be relied on, so what is stored or seen by a script gets one.
    fixed_order = type(value) is SetValue and (request.target is not None or ctx is not ctx.session)
    if not request.unsorted or fixed_order:
        by = None if request.unsorted else request.by
        elements = _sorted(ctx, elements, by, request.alpha or request.unsorted, request.descending)
    elif request.descending and type(value) is not SetValue:
        elements.reverse()
    elements = _limited(elements, *request.limit)
    if request.patterns:
        lookups = [_lookup(pattern) for pattern in request.patterns]
        found = [lookup(ctx, element) for element in elements for lookup in lookups]
    else:
        found = elements  # type: ignore[assignment]
    if request.target is None:
        return found
    _keep(ctx, request.target, found)
    return len(found)


def _elements(ctx: Context, value: Any) -> list[bytes]:
    kind = type(value)
    if value is None:
        return []
    if kind is ListValue:
        return list(value)
    if kind is SetValue:
        return list(value.members(ctx.engine.config.encoding_limits))
    if kind is SortedSetValue:
        # Redis has it in the form of a large one from here on.
        value.spill()
        return [member for _, member in value.items_slice(0, len(value))]
    raise CommandError(WRONG_TYPE)


def _sorted(
    ctx: Context, elements: list[bytes], by: bytes | None, alpha: bool, descending: bool
) -> list[bytes]:
    if by is None:
        if alpha:
            return sorted(elements, reverse=descending)
        return [
            element
            for _, element in sorted(zip(map(_weight, elements), elements, strict=True), reverse=descending)
        ]
    lookup = _lookup(by)
    found = [lookup(ctx, element) for element in elements]
    if alpha:
        # Elements whose key is not there come first, and stay as they are among themselves.
        keys: list[Any] = [(text is not None, text or b"") for text in found]
    else:
        keys = [
            (0.0 if text is None else _weight(text), element)
            for text, element in zip(found, elements, strict=True)
        ]
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    return [elements[index] for index in order]


def _weight(text: bytes) -> float:
    """The number that an element is sorted by: whatever C's `strtod` reads, up to a zero byte."""
    number = parse_score(text)
    if number is not None:
        return number
    text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    text = text.lstrip(b" \t\n\v\f\r")
    number = parse_score(text)
    if number is None and _HEXADECIMAL.fullmatch(text):
        try:
            number = float.fromhex(text.decode())
        except OverflowError:
            number = None
    if number is None:
        raise CommandError(_NOT_A_NUMBER)
    return number


def _limited(elements: list[bytes], offset: int, count: int) -> list[bytes]:
    offset = max(offset, 0)
    return elements[offset:] if count < 0 else elements[offset : offset + count]


def _lookup(pattern: bytes) -> Callable[[Context, bytes], bytes | None]:
    """What a pattern finds for an element: the element put for its first `*`, in a key, or `key->field`."""
    if pattern == b"#":
        return lambda ctx, element: element
    before, star, after = pattern.partition(b"*")
    if not star:
        return lambda ctx, element: None
    after, arrow, field = after.partition(b"->")
    if arrow and field:
        return lambda ctx, element: _field(ctx, before + element + after, field)
    after += arrow
    return lambda ctx, element: _string(ctx, before + element + after)


def _field(ctx: Context, key: bytes, field: bytes) -> bytes | None:
    if type(ctx.db.peek(key)) is not HashValue:
        return None
    value = read_hash(ctx, key)
    return None if value is None else value.get(field)


def _string(ctx: Context, key: bytes) -> bytes | None:
    value = ctx.db.read(key)
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def _keep(ctx: Context, target: bytes, found: list[bytes | None]) -> None:
    db = ctx.db
    if found:
        db.set_value(target, ListValue([b"" if item is None else item for item in found]))
        db.changed(target, b"sortstore", LIST)
    elif db.remove(target):
        db.changed(target, b"del", GENERIC)
