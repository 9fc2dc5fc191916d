"""INFO: sections of fields, each of them measured when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from anystore.pulsards import process
from anystore.pulsards.context import Context
from anystore.pulsards.engine import Engine
from anystore.pulsards.identity import PULSARDS_VERSION, REDIS_VERSION, SERVER_NAME
from anystore.pulsards.registry import CommandEntry, command
from anystore.resp.types import VerbatimString

Fields = Iterator[tuple[str, object]]


def _server(engine: Engine) -> Fields:
    uptime = (engine.keyspace.now - engine.statistics.started_at) // 1000
    yield "redis_version", REDIS_VERSION.decode()
    yield "server_name", SERVER_NAME.decode()
    yield "pulsards_version", PULSARDS_VERSION.decode()
    yield "redis_mode", "standalone"
    yield "os", process.SYSTEM
    yield "arch_bits", process.ARCHITECTURE_BITS
    yield "python_version", process.PYTHON_VERSION
    yield "process_id", process.PROCESS_ID()
    yield "run_id", engine.run_id.decode()
    yield "tcp_port", engine.port
    yield "server_time_usec", engine.clock.time_us()
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // 86400
    yield "config_file", engine.config.file


def _clients(engine: Engine) -> Fields:
    sessions = engine.sessions.values()
    yield "connected_clients", len(engine.sessions)
    yield "maxclients", engine.config.maxclients
    yield "blocked_clients", sum(session.waiter is not None for session in sessions)
    yield "pubsub_clients", sum(session.subscriptions > 0 for session in sessions)
    yield "tracking_clients", engine.tracking.clients
    yield "watching_clients", sum(bool(session.watching) for session in sessions)
    yield "total_watched_keys", sum(len(session.watching) for session in sessions)
    yield "total_blocking_keys", sum(len(database.blocked) for database in engine.keyspace.databases)


def _memory(engine: Engine) -> Fields:
    for name, size in (
        ("used_memory", process.resident_bytes()),
        ("used_memory_rss", process.resident_bytes()),
        ("used_memory_peak", process.peak_resident_bytes()),
    ):
        if size is not None:
            yield name, size
            yield f"{name}_human", _human(size)
    # There is no limit to set yet, so these say what holds.
    yield "maxmemory", 0
    yield "maxmemory_human", "0B"
    yield "maxmemory_policy", "noeviction"


def _human(size: int) -> str:
    for unit, factor in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if size >= factor:
            return f"{size / factor:.2f}{unit}"
    return f"{size}B"


def _stats(engine: Engine) -> Fields:
    statistics, keyspace, broker = engine.statistics, engine.keyspace, engine.broker
    yield "total_connections_received", statistics.connections_received
    yield "total_commands_processed", statistics.commands_processed
    yield "total_net_input_bytes", statistics.bytes_received
    yield "total_net_output_bytes", statistics.bytes_sent
    yield "rejected_connections", statistics.connections_rejected
    yield "expired_keys", keyspace.expired
    yield "keyspace_hits", keyspace.hits
    yield "keyspace_misses", keyspace.misses
    yield "pubsub_channels", len(broker.channels)
    yield "pubsub_patterns", len(broker.patterns)
    yield "pubsubshard_channels", len(broker.shard_channels)
    yield "client_output_buffer_limit_disconnections", statistics.output_limit_disconnections
    yield "client_query_buffer_limit_disconnections", statistics.query_limit_disconnections
    yield "tracking_total_keys", engine.tracking.key_count
    yield "tracking_total_items", engine.tracking.items
    yield "tracking_total_prefixes", engine.tracking.prefix_count
    yield "total_error_replies", statistics.error_replies


def _replication(engine: Engine) -> Fields:
    yield "role", "master"
    yield "connected_slaves", 0
    yield "master_replid", engine.run_id.decode()
    yield "master_repl_offset", 0


def _cpu(engine: Engine) -> Fields:
    for name, seconds in process.cpu_seconds().items():
        yield name, f"{seconds:.6f}"


def _every_entry(engine: Engine) -> Iterator[CommandEntry]:
    for entry in dict.fromkeys(engine.commands.values()):
        yield entry
        yield from entry.subcommands.values()


def _commandstats(engine: Engine) -> Fields:
    for entry in _every_entry(engine):
        if entry.calls or entry.rejected or entry.failed:
            usec = entry.elapsed_ns // 1000
            each = usec / entry.calls if entry.calls else 0.0
            yield (
                f"cmdstat_{entry.name.decode()}",
                f"calls={entry.calls},usec={usec},usec_per_call={each:.2f},"
                f"rejected_calls={entry.rejected},failed_calls={entry.failed}",
            )


def _errorstats(engine: Engine) -> Fields:
    for code, number in sorted(engine.statistics.errors.items()):
        yield f"errorstat_{code.decode('ascii', 'replace')}", f"count={number}"


def _cluster(engine: Engine) -> Fields:
    yield "cluster_enabled", 0


def _keyspace(engine: Engine) -> Fields:
    now = engine.keyspace.now
    for database in engine.keyspace.databases:
        if database.data:
            left = [when - now for when in database.expires.values()]
            average = max(0, sum(left) // len(left)) if left else 0
            yield f"db{database.index}", f"keys={len(database.data)},expires={len(left)},avg_ttl={average}"


_SECTIONS: dict[str, tuple[str, Callable[[Engine], Fields]]] = {
    "server": ("Server", _server),
    "clients": ("Clients", _clients),
    "memory": ("Memory", _memory),
    "stats": ("Stats", _stats),
    "replication": ("Replication", _replication),
    "cpu": ("CPU", _cpu),
    "commandstats": ("Commandstats", _commandstats),
    "errorstats": ("Errorstats", _errorstats),
    "cluster": ("Cluster", _cluster),
    "keyspace": ("Keyspace", _keyspace),
}
_DEFAULT = tuple(name for name in _SECTIONS if name != "commandstats")


@command("info")
def info(ctx: Context, args: list[bytes]) -> Any:
    """INFO [section …] — O(1), but for the sections that list commands, errors and databases."""
    wanted: dict[str, None] = {}
    for name in (argument.lower().decode("utf-8", "replace") for argument in args[1:] or [b"default"]):
        if name in ("all", "everything"):
            wanted.update(dict.fromkeys(_SECTIONS))
        elif name == "default":
            wanted.update(dict.fromkeys(_DEFAULT))
        elif name in _SECTIONS:
            wanted[name] = None
    pieces = []
    for name, (title, fields) in _SECTIONS.items():
        if name in wanted:
            lines = "".join(f"{field}:{value}\r\n" for field, value in fields(ctx.engine))
            pieces.append(f"# {title}\r\n{lines}")
    return VerbatimString("\r\n".join(pieces).encode())
