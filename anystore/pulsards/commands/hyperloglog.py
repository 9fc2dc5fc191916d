"""HyperLogLogs: adding, counting and merging.

They are strings, and readable as such; see `anystore.pulsards.datatypes.hyperloglog`.

Source: the pages of the "hyperloglog" group of Redis' commands; semantics of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from anystore.pulsards.context import Context
from anystore.pulsards.datatypes import hyperloglog
from anystore.pulsards.datatypes.hyperloglog import CorruptHyperLogLogError
from anystore.pulsards.errors import CommandError
from anystore.pulsards.notifications import STRING
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString

_NOT_ONE: Final = b"WRONGTYPE Key is not a valid HyperLogLog string value."
_CORRUPT: Final = b"INVALIDOBJ Corrupted HLL object detected"

# PFSELFTEST: how many elements are counted, checked at each power of ten on the way.
_TESTED: Final = 1_000


def _read(ctx: Context, key: bytes) -> bytes | bytearray | None:
    """The value of a key, refused where it is no HyperLogLog."""
    return _checked(ctx.db.read_string(key))


def _checked(value: bytes | bytearray | None) -> bytes | bytearray | None:
    if value is not None and not hyperloglog.is_hyperloglog(value):
        raise CommandError(_NOT_ONE)
    return value


def _limit(ctx: Context) -> int:
    return ctx.engine.config.encoding_limits.hll_sparse_max_bytes


@command("pfadd")
def pfadd(ctx: Context, args: list[bytes]) -> int:
    """PFADD key [element …] → 1 where the count may be another one now, or the key is new, else 0. O(N)."""
    db, key = ctx.db, args[1]
    old = _checked(db.modify_string(key))
    value = hyperloglog.create() if old is None else bytearray(old)
    try:
        changed = hyperloglog.add(value, args[2:], _limit(ctx))
    except CorruptHyperLogLogError:
        raise CommandError(_CORRUPT) from None
    if not changed and old is not None:
        return 0
    hyperloglog.outdate(value)
    db.set_value(key, value, keep_expiry=True)
    db.changed(key, b"pfadd", STRING)
    return 1


@command("pfcount")
def pfcount(ctx: Context, args: list[bytes]) -> int:
    """PFCOUNT key [key …] → about how many different elements all of them have. O(N), each a millisecond or so.

    The count of a single key is kept in its value, and costs O(1) until that changes.
    """
    try:
        if len(args) == 2:
            return _count(ctx, args[1])
        values = [value for key in args[1:] if (value := _read(ctx, key)) is not None]
        return _signed(hyperloglog.estimate(hyperloglog.union(values)))
    except CorruptHyperLogLogError:
        raise CommandError(_CORRUPT) from None


def _count(ctx: Context, key: bytes) -> int:
    value = _read(ctx, key)
    if value is None:
        return 0
    count = hyperloglog.cached_count(value)
    if count is None:
        count = hyperloglog.estimate(hyperloglog.read_registers(value))
        copy = bytearray(value)
        hyperloglog.cache_count(copy, count)
        ctx.db.set_value(key, copy, keep_expiry=True)
        ctx.db.touch(key)
    return _signed(count)


def _signed(count: int) -> int:
    """A count as 64 bits with a sign have it, which only an impossible one makes a difference to."""
    return count - (1 << 64) if count >> 63 else count


@command("pfmerge")
def pfmerge(ctx: Context, args: list[bytes]) -> Any:
    """PFMERGE destkey [sourcekey …] → OK: the union of all of them, the destination's own included. O(N)."""
    db, key = ctx.db, args[1]
    values = [value for name in args[1:] if (value := _read(ctx, name)) is not None]
    old = _checked(db.modify_string(key))
    value = hyperloglog.create() if old is None else bytearray(old)
    try:
        registers = hyperloglog.union(values)
        if all(map(hyperloglog.is_sparse, values)):
            hyperloglog.raise_registers(value, registers, _limit(ctx))
        else:
            hyperloglog.make_dense(value)
            hyperloglog.write_dense(value, registers)
    except CorruptHyperLogLogError:
        raise CommandError(_CORRUPT) from None
    hyperloglog.outdate(value)
    db.set_value(key, value, keep_expiry=True)
    db.changed(key, b"pfadd", STRING)
    return OK


# For those who look inside


@command("pfdebug")
def pfdebug(ctx: Context, args: list[bytes]) -> Any:
    """PFDEBUG GETREG|DECODE|ENCODING|TODENSE key → what is in a value; GETREG makes it dense, too."""
    subcommand, key = args[1].lower(), args[2]
    value = _checked(ctx.db.modify_string(key))
    if value is None:
        raise CommandError(b"ERR The specified key does not exist")
    sparse = hyperloglog.is_sparse(value)
    if subcommand == b"encoding":
        return SimpleString(b"sparse" if sparse else b"dense")
    if subcommand == b"decode":
        if not sparse:
            raise CommandError(b"ERR HLL encoding is not sparse")
        return hyperloglog.describe(value)
    if subcommand not in (b"getreg", b"todense"):
        raise CommandError(b"ERR Unknown PFDEBUG subcommand '%b'" % args[1])
    try:
        value = _to_dense(ctx, key, value)
    except CorruptHyperLogLogError:
        raise CommandError(_CORRUPT) from None
    return int(sparse) if subcommand == b"todense" else list(hyperloglog.read_registers(value))


def _to_dense(ctx: Context, key: bytes, value: bytes | bytearray) -> bytes | bytearray:
    if not hyperloglog.is_sparse(value):
        return value
    copy = bytearray(value)
    hyperloglog.make_dense(copy)
    ctx.db.set_value(key, copy, keep_expiry=True)
    ctx.db.count_change()
    return copy


@command("pfselftest")
def pfselftest(ctx: Context, args: list[bytes]) -> Any:
    """PFSELFTEST → OK, or what is wrong: counts of known sets are right, in both forms. Some 30 milliseconds."""
    check_counts(hyperloglog.estimate, _limit(ctx))
    return OK


def check_counts(estimate: Callable[[bytes | bytearray], int], limit: int) -> None:
    """Count known sets by `estimate`, which is given registers, and raise `CommandError` where it is wrong.

    `limit` is the most bytes of a sparse value. O(elements), of which there are some thousands.
    """
    sparse, dense = hyperloglog.create(), hyperloglog.create()
    hyperloglog.make_dense(dense)
    checkpoint = 1
    for number in range(1, _TESTED + 1):
        for value in (sparse, dense):
            hyperloglog.add(value, [b"%d" % number], limit)
        if number == checkpoint:
            checkpoint *= 10
            counts = [estimate(hyperloglog.read_registers(value)) for value in (sparse, dense)]
            if counts[0] != counts[1]:
                raise CommandError(b"ERR TESTFAILED dense/sparse disagree")
            if abs(counts[0] - number) > number * 0.05:
                raise CommandError(b"ERR TESTFAILED Too big error. card:%d is %d" % (number, counts[0]))
