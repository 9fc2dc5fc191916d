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
    account begins with nothing. `clients` and `replicas` are their buffers, `backlog` that of replication, `log_buffer` what
    is still to go to the append-only file; `scripts` and `functions` are what Lua holds in the VM of each. `dataset` is
    what is used for more than bookkeeping.
    """

    used: int
    peak: int
    resident: int
    startup: int
    clients: int
    replicas: int
    backlog: int
    log_buffer: int
    scripts: int
    functions: int
    overhead: int
    dataset: int
    keys: int


def memory_figures(engine: Engine) -> MemoryFigures:
    """What is known now. O(clients + databases)."""
    keyspace = engine.keyspace
    keys = sum(len(database.data) for database in keyspace.databases)
    expires = sum(len(database.expires) for database in keyspace.databases)
    clients = replicas = 0
    for session in engine.sessions.values():
        if session.follower is not None and session.follower.attached:
            replicas += session.footprint
        else:
            clients += session.footprint
    backlog = engine.replication.history.backlog
    parts = (
        *(clients, replicas, 0 if backlog is None else backlog.size, engine.append_only.log.waiting),
        *(engine.scripts.memory_used, engine.libraries.memory_used),
    )
    resident = process.resident_bytes() or 0
    overhead = keys * PER_KEY + expires * PER_EXPIRY
    if keyspace.accounted:
        used, peak, startup = keyspace.used, keyspace.peak_used, 0
    else:
        used, startup = resident, engine.startup_memory
        peak = max(process.peak_resident_bytes() or 0, resident)
        overhead += startup + sum(parts)
    return MemoryFigures(used, peak, resident, startup, *parts, overhead, max(0, used - overhead), keys)
