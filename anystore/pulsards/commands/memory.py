"""The MEMORY commands: what keys take, and what is known of the memory of the whole process."""

from __future__ import annotations

from sys import getsizeof
from typing import Any, Final

from anystore.pulsards import process
from anystore.pulsards.commands.arguments import integer
from anystore.pulsards.context import Context
from anystore.pulsards.errors import SYNTAX, CommandError
from anystore.pulsards.memory_figures import memory_figures
from anystore.pulsards.memory_usage import PER_EXPIRY, PER_KEY, size_of
from anystore.pulsards.registry import command
from anystore.resp.types import OK, SimpleString, VerbatimString

_SAMPLES: Final = 5
_SMALL: Final = 5 * 2**20


@command("memory|usage")
def memory_usage(ctx: Context, args: list[bytes]) -> int | None:
    """MEMORY USAGE key [SAMPLES count] → the bytes that a key and its value take; null without a key. Since 4.0.

    Of a collection `count` elements are looked at, all of them for 0. O(count).
    """
    samples = _SAMPLES
    for position in range(3, len(args), 2):
        if args[position].lower() != b"samples" or position + 1 == len(args):
            raise CommandError(SYNTAX)
        samples = integer(args[position + 1])
        if samples < 0:
            raise CommandError(SYNTAX)
    key = args[2]
    value = ctx.db.peek(key)
    if value is None:
        return None
    expiry = PER_EXPIRY if ctx.db.expiry(key) is not None else 0
    return getsizeof(key) + PER_KEY + expiry + size_of(value, samples)


@command("memory|stats")
def memory_stats(ctx: Context, args: list[bytes]) -> dict[bytes, Any]:
    """MEMORY STATS → figures by name; what pulsards has nothing of is left out. O(1). Since 4.0."""
    engine = ctx.engine
    figures = memory_figures(engine)
    stats: dict[bytes, Any] = {
        b"peak.allocated": figures.peak,
        b"total.allocated": figures.used,
        b"startup.allocated": figures.startup,
        b"replication.backlog": figures.backlog,
        b"clients.slaves": figures.replicas,
        b"clients.normal": figures.clients,
        b"aof.buffer": figures.log_buffer,
        b"lua.caches": figures.scripts,
        b"functions.caches": figures.functions,
    }
    for database in engine.keyspace.databases:
        if database.data:
            stats[b"db.%d" % database.index] = {
                b"overhead.hashtable.main": len(database.data) * PER_KEY,
                b"overhead.hashtable.expires": len(database.expires) * PER_EXPIRY,
            }
    stats |= {
        b"overhead.total": figures.overhead,
        b"keys.count": figures.keys,
        b"keys.bytes-per-key": figures.dataset // figures.keys if figures.keys else 0,
        b"dataset.bytes": figures.dataset,
        b"dataset.percentage": 100 * figures.dataset / max(1, figures.used - figures.startup),
        b"peak.percentage": 100 * figures.used / max(1, figures.peak),
    }
    return stats


@command("memory|doctor")
def memory_doctor(ctx: Context, args: list[bytes]) -> VerbatimString:
    """MEMORY DOCTOR → what looks wrong, in words. O(1). Since 4.0."""
    engine = ctx.engine
    figures = memory_figures(engine)
    if figures.used - figures.startup < _SMALL:
        return VerbatimString(b"There is so little data here that nothing can be said of its memory.\n")
    found = []
    if figures.peak > 1.5 * figures.used:
        found.append(
            b"Once, much more memory was used than now (%d bytes, now %d). The process may keep what it no longer "
            b"needs, which is no harm as long as it is used again." % (figures.peak, figures.used)
        )
    if engine.eviction.limit and figures.resident > 2 * engine.eviction.limit:
        found.append(
            b"The process takes more than twice what maxmemory allows the keys (%d bytes). Python and what else runs "
            b"in the process are not counted there." % figures.resident
        )
    if engine.sessions and figures.clients // len(engine.sessions) > 200 * 1024:
        found.append(
            b"The clients' buffers take more than 200 KB each on average. A client may not read its replies fast "
            b"enough, or send very large commands: CLIENT LIST shows which."
        )
    if figures.scripts > 16 * 2**20:
        found.append(b"Scripts take more than 16 MB. SCRIPT FLUSH forgets those that nobody runs any more.")
    if not found:
        return VerbatimString(b"Nothing looks wrong with the memory of this server.\n")
    return VerbatimString(
        b"This looks worth a thought:\n\n" + b"".join(b" * %b\n\n" % text for text in found)
    )


@command("memory|purge")
def memory_purge(ctx: Context, args: list[bytes]) -> SimpleString:
    """MEMORY PURGE → OK; memory that is free goes back to the system as far as Python lets it. O(N). Since 4.0."""
    process.release_memory()
    return OK


@command("memory|malloc-stats")
def memory_malloc_stats(ctx: Context, args: list[bytes]) -> VerbatimString:
    """MEMORY MALLOC-STATS → what the allocator says of itself: Python's cannot be asked. O(1). Since 4.0."""
    return VerbatimString(b"Stats not supported for the current allocator")


_HELP: Final = (
    b"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DOCTOR",
    b"    What looks wrong, in words.",
    b"MALLOC-STATS",
    b"    What the allocator says of itself.",
    b"PURGE",
    b"    Give free memory back to the system.",
    b"STATS",
    b"    Figures about the memory of the server.",
    b"USAGE <key> [SAMPLES <count>]",
    b"    The bytes that a key and its value take, by so many elements (5; 0 is all).",
    b"HELP",
    b"    This text.",
)


@command("memory|help")
def memory_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """MEMORY HELP → the subcommands. Since 4.0."""
    return [SimpleString(line) for line in _HELP]
