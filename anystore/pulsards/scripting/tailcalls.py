"""Calls of the server's functions in tail position, made ordinary calls in compiled scripts.

In Redis `redis.call` and its like are C functions: `return redis.call(…)` leaves the script's own frame on
the stack, and an error names its line. Here they are Lua functions, for which a call in tail position
replaces the frame. So `keep_frames` rewrites the compiled code: a tail call becomes a call followed by the
return that the compiler wrote behind it anyway. It does so only where the called function is the server's own:
it comes from a global, which scripts cannot set, from a field of one, from what such a function returned
(`coroutine.wrap(f)()`), or is a method that strings have. What a script defines itself keeps its proper tail
calls, and loops on them without end if it likes.

Source: Lua 5.1's `lopcodes.h`, `ldump.c`, `lparser.c`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

_HEADER: Final = b"\x1bLua\x51\x00"
_MOVE, _GETUPVAL, _GETGLOBAL, _GETTABLE, _SELF, _CALL, _TAILCALL, _CLOSURE = 0, 4, 5, 6, 11, 28, 29, 36
# Instructions whose A is a register that they set.
_SETS_A: Final = frozenset(
    (_MOVE, 1, 2, 3, _GETUPVAL, _GETGLOBAL, _GETTABLE, 10, _SELF, *range(12, 22), 27, _CALL, _CLOSURE, 37)
)
_BOOLEAN, _NUMBER, _STRING = 1, 3, 4
_STRING_METHODS: Final = frozenset(
    b"byte dump find format gmatch gsub len lower match rep reverse sub upper".split()
)


@dataclass(slots=True)
class _Function:
    """A compiled function: its instructions, where they stand in the dump, and where it was made."""

    code: tuple[int, ...]
    offset: int
    parent: _Function | None
    #: The constants that are strings, by number.
    names: dict[int, bytes] = field(default_factory=dict)
    #: What each upvalue is at the place where the closure is made: (is a local of the parent, its number).
    upvalues: list[tuple[bool, int]] = field(default_factory=list)
    made_at: int = 0
    children: list[_Function] = field(default_factory=list)


class _Dump:
    """A reader of `string.dump`'s format, for the machine that wrote it."""

    def __init__(self, data: bytes) -> None:
        order = "<" if data[6] == 1 else ">"
        self.data = data
        self.position = 12
        self.order = order
        self.size_t = struct.Struct(order + ("Q" if data[8] == 8 else "I"))
        self.number_size = data[10]

    def integer(self) -> int:
        value = int.from_bytes(
            self.data[self.position : self.position + 4], "little" if self.order == "<" else "big"
        )
        self.position += 4
        return value

    def string(self) -> bytes:
        (length,) = self.size_t.unpack_from(self.data, self.position)
        start = self.position + self.size_t.size
        self.position = start + length
        return self.data[start : max(start, self.position - 1)]  # without C's zero

    def function(self, parent: _Function | None) -> _Function:
        self.string()
        self.position += 4 + 4 + 4  # two line numbers; upvalues, parameters, varargs, stack size
        count = self.integer()
        function = _Function(
            struct.unpack_from(f"{self.order}{count}I", self.data, self.position), self.position, parent
        )
        self.position += 4 * count
        function.names = self.constants()
        function.children = [self.function(function) for _ in range(self.integer())]
        self.skip_debug_information()
        return function

    def constants(self) -> dict[int, bytes]:
        names = {}
        for number in range(self.integer()):
            kind = self.data[self.position]
            self.position += 1
            if kind == _BOOLEAN:
                self.position += 1
            elif kind == _NUMBER:
                self.position += self.number_size
            elif kind == _STRING:
                names[number] = self.string()
        return names

    def skip_debug_information(self) -> None:
        lines = self.integer()
        self.position += 4 * lines
        for _ in range(self.integer()):
            self.string()
            self.position += 8
        for _ in range(self.integer()):
            self.string()


def keep_frames(dump: bytes) -> bytes | None:
    """The compiled script with its tail calls of the server's functions made plain; None if there are none.

    `dump` is what `string.dump` gave, of this machine. O(n) in its length, but for long functions full of
    such calls.
    """
    if not dump.startswith(_HEADER) or dump[7] != 4 or dump[9] != 4:
        return None  # another Lua, or another width of int or instruction: leave it alone
    reader = _Dump(dump)
    patched: dict[int, int] = {}
    _visit(reader.function(None), patched)
    if not patched:
        return None
    code = bytearray(dump)
    for offset, instruction in patched.items():
        struct.pack_into(reader.order + "I", code, offset, instruction)
    return bytes(code)


def _visit(function: _Function, patched: dict[int, int]) -> None:
    _note_closures(function)
    for index, instruction in enumerate(function.code):
        if instruction & 0x3F == _TAILCALL and _is_global(function, index, instruction >> 6 & 0xFF):
            patched[function.offset + 4 * index] = instruction & ~0x3F | _CALL
    for child in function.children:
        _visit(child, patched)


def _note_closures(function: _Function) -> None:
    """Where each inner function is made, and of what: each CLOSURE is followed by a line per upvalue."""
    for index, instruction in enumerate(function.code):
        if instruction & 0x3F == _CLOSURE:
            child = function.children[instruction >> 14]
            child.made_at = index
            lines = takewhile(_may_be_upvalue, function.code[index + 1 :])
            child.upvalues = [(line & 0x3F == _MOVE, line >> 23) for line in lines]


def _may_be_upvalue(line: int) -> bool:
    return line & 0x3F in (_MOVE, _GETUPVAL)


def _is_global(function: _Function, index: int, register: int) -> bool:
    """Whether what a register holds before an instruction is the server's: see the module.

    Follows locals and upvalues to where they were last set in the text. A wrong guess costs little: a line
    missing in an error, or a frame kept where it could have been dropped.
    """
    while index > 0:
        index -= 1
        instruction = function.code[index]
        operation = instruction & 0x3F
        if instruction >> 6 & 0xFF != register or operation not in _SETS_A:
            continue
        if operation == _GETGLOBAL:
            return True
        if operation == _SELF:
            return function.names.get((instruction >> 14 & 0x1FF) - 256) in _STRING_METHODS
        if operation in (_GETTABLE, _MOVE):
            register = instruction >> 23
        elif operation == _GETUPVAL:
            function, index, register = _upvalue_origin(function, instruction >> 23)
        elif operation != _CALL:
            return False
    return False


def _upvalue_origin(function: _Function, number: int) -> tuple[_Function, int, int]:
    """The local that an upvalue is: its function, where the closure on it is made, and its register."""
    while True:
        is_local, number = function.upvalues[number]
        assert function.parent is not None, "the outermost function has no upvalues"
        index, function = function.made_at, function.parent
        if is_local:
            return function, index, number
