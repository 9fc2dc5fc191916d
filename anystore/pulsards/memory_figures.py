"""The memory of a server at one moment, for INFO and the MEMORY commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from anystore.pulsards import process
from anystore.pulsards.memory_usage import PER_EXPIRY, PER_KEY

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine


class MemoryFigures(NamedTuple):
    """Bytes, by the names that INFO and MEMORY STATS have for them, and the number of keys.

    `used` is what `maxmemory` is held against: the account of the keys while there is a limit, and else the
    memory of the process, for nobody counts then. `startup` is that of the process when the server was made; an
    account begins with nothing. `dataset` is what is used for more than bookkeeping.
    """

    used: int
    peak: int
    resident: int
    startup: int
    clients: int
    overhead: int
    dataset: int
    keys: int


def memory_figures(engine: Engine) -> MemoryFigures:
    """What is known now. O(clients + databases)."""
    keyspace = engine.keyspace
    keys = sum(len(database.data) for database in keyspace.databases)
    expires = sum(len(database.expires) for database in keyspace.databases)
    clients = sum(session.footprint for session in engine.sessions.values())
    resident = process.resident_bytes() or 0
    overhead = keys * PER_KEY + expires * PER_EXPIRY
    if keyspace.accounted:
        used, peak, startup = keyspace.used, keyspace.peak_used, 0
    else:
        used, startup = resident, engine.startup_memory
        peak = max(process.peak_resident_bytes() or 0, resident)
        overhead += startup + clients + engine.scripts.memory_used
    return MemoryFigures(used, peak, resident, startup, clients, overhead, max(0, used - overhead), keys)
