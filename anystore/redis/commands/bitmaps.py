"""Commands on the bits of strings."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments
from anystore.redis.commands.base import Argument, Commands, KeyT, S

_UNITS: Final = ("BYTE", "BIT")
_OVERFLOWS: Final = ("WRAP", "SAT", "FAIL")


class BitFieldOperation:
    """Several reads and changes of small integers in one string, sent as one command by `execute`.

    A format is `i` or `u` (signed, unsigned) and a width in bits: `u8`, `i5`; up to `i64` and `u63`. An
    offset is in bits, or, as `"#3"`, in widths of the format. The methods return the operation itself, so
    that they can be chained.
    """

    def __init__(self, client: Commands[Any], key: KeyT, default_overflow: str | None = None) -> None:
        self._client = client
        self._key = key
        self._default_overflow = "WRAP" if default_overflow is None else default_overflow
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self._operations: list[Argument] = []
        self._overflow = "WRAP"
        self.overflow(self._default_overflow)

    def overflow(self, overflow: str) -> BitFieldOperation:
        """What later changes do beyond a format's range: `WRAP`, `SAT` (stop at the limit) or `FAIL`."""
        word = arguments.one_of("overflow", overflow, _OVERFLOWS)
        if word != self._overflow:
            self._overflow = word
            self._operations += ("OVERFLOW", word)
        return self

    def incrby(
        self, fmt: str, offset: int | str, increment: int, overflow: str | None = None
    ) -> BitFieldOperation:
        """Add to an integer; the result is its new value, or None when `FAIL` refused it."""
        if overflow is not None:
            self.overflow(overflow)
        self._operations += ("INCRBY", fmt, offset, increment)
        return self

    def get(self, fmt: str, offset: int | str) -> BitFieldOperation:
        """Read an integer."""
        self._operations += ("GET", fmt, offset)
        return self

    def set(self, fmt: str, offset: int | str, value: int) -> BitFieldOperation:
        """Write an integer; the result is its old value, or None when `FAIL` refused it."""
        self._operations += ("SET", fmt, offset, value)
        return self

    @property
    def command(self) -> list[Argument]:
        """The command as it would be sent."""
        return ["BITFIELD", self._key, *self._operations]

    def execute(self) -> Awaitable[list[int | None]]:
        """Send what was gathered, and forget it: one result for each read or change, in order."""
        command = self.command
        self.reset()
        return self._client.execute_command(*command)


class BitmapCommands(Commands[S]):
    """Commands on the bits of strings; the highest bit of a byte has the lowest offset."""

    def bitcount(
        self, key: KeyT, start: int | None = None, end: int | None = None, mode: str | None = None
    ) -> Awaitable[int]:
        """How many bits are set, in all or from `start` to `end`, both included; O(N).

        They count bytes, or bits if `mode` is `BIT`; negative ones from the end. Since 2.6.0, `mode`
        since 7.0.0. https://valkey.io/commands/bitcount/
        """
        if (start is None) != (end is None):
            raise InvalidArgument("start and end must be given together, or neither")
        if start is None or end is None:
            if mode is not None:
                raise InvalidArgument("mode is the unit of start and end: give these too")
            return self.execute_command("BITCOUNT", key)
        unit = () if mode is None else (arguments.one_of("mode", mode, _UNITS),)
        return self.execute_command("BITCOUNT", key, start, end, *unit)

    def bitfield(self, key: KeyT, default_overflow: str | None = None) -> BitFieldOperation:
        """Gather reads and changes of integers in a string; nothing is sent before `execute`.

        `default_overflow` is `WRAP` (also the default), `SAT` or `FAIL`. O(1) for each. Since 3.2.0.
        https://valkey.io/commands/bitfield/
        """
        return BitFieldOperation(self, key, default_overflow)

    def bitfield_ro(
        self,
        key: KeyT,
        encoding: str,
        offset: int | str,
        items: Sequence[tuple[str, int | str]] | None = None,
    ) -> Awaitable[list[int]]:
        """Read integers (see `BitFieldOperation` for formats and offsets), which replicas can do too.

        `items` are further `(encoding, offset)`. O(1) for each. Since 6.0.0.
        https://valkey.io/commands/bitfield_ro/
        """
        args: list[Argument] = ["GET", encoding, offset]
        for another, position in items or ():
            args += ("GET", another, position)
        return self.execute_command("BITFIELD_RO", key, *args)

    def bitop(self, operation: str, dest: KeyT, *keys: KeyT) -> Awaitable[int]:
        """Combine strings bit by bit into `dest`; its length, that of the longest. O(N).

        `operation` is `AND`, `OR`, `XOR`, or `NOT` with a single key; missing keys are all zeros. Redis 8.2 and
        pulsards have `ONE` (bits that one of the keys has alone), `DIFF` (bits of the first key that no other
        has), `DIFF1` (bits of the others that the first has not) and `ANDOR` (bits of the first that another has).
        Since 2.6.0. https://valkey.io/commands/bitop/
        """
        arguments.some(keys, "BITOP", "keys")
        return self.execute_command("BITOP", operation, dest, *keys)

    def bitpos(
        self,
        key: KeyT,
        bit: int,
        start: int | None = None,
        end: int | None = None,
        mode: str | None = None,
    ) -> Awaitable[int]:
        """Where the first bit of this value (0 or 1) is, counted from the string's beginning; -1 for none.

        Looked for from `start` to `end`, both included, in bytes, or bits if `mode` is `BIT`; negative ones
        count from the end. Without `end`, zeros are thought to follow the string. O(N). Since 2.8.7,
        `mode` since 7.0.0. https://valkey.io/commands/bitpos/
        """
        if bit not in (0, 1):
            raise InvalidArgument(f"bit must be 0 or 1, not {bit!r}")
        if start is None and end is not None:
            raise InvalidArgument("end needs a start")
        if end is None and mode is not None:
            raise InvalidArgument("mode is the unit of start and end: give both")
        args = [value for value in (start, end) if value is not None]
        unit = () if mode is None else (arguments.one_of("mode", mode, _UNITS),)
        return self.execute_command("BITPOS", key, int(bit), *args, *unit)

    def getbit(self, name: KeyT, offset: int) -> Awaitable[int]:
        """The bit at `offset`; 0 beyond the end. O(1).

        Since 2.2.0. https://valkey.io/commands/getbit/
        """
        return self.execute_command("GETBIT", name, offset)

    def setbit(self, name: KeyT, offset: int, value: int) -> Awaitable[int]:
        """Set (any true `value`) or clear the bit at `offset`, growing the string; its old value. O(1).

        Since 2.2.0. https://valkey.io/commands/setbit/
        """
        return self.execute_command("SETBIT", name, offset, 1 if value else 0)
