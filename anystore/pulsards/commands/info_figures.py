"""What stands in the sections of INFO.

Each figure is measured or counted; what pulsards has nothing of is left out, but for what clients look for to
learn just that (no replicas, not loading).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from anystore.pulsards import process
from anystore.pulsards.database import Database
from anystore.pulsards.engine import Engine
from anystore.pulsards.identity import PULSARDS_VERSION, REDIS_VERSION, SERVER_NAME
from anystore.pulsards.memory_figures import memory_figures

Fields = Iterator[tuple[str, object]]

#: Keys whose times to live are looked at to tell the average.
_AVERAGED: Final = 100


def server(engine: Engine) -> Fields:
    now = engine.keyspace.now
    uptime = (now - engine.statistics.started_at) // 1000
    yield "redis_version", REDIS_VERSION.decode()
    yield "server_name", SERVER_NAME.decode()
    yield "pulsards_version", PULSARDS_VERSION.decode()
    yield "pulsards_build", process.build()
    yield "redis_mode", "standalone"
    yield "embedded", int(engine.stopper is None)
    yield "os", process.SYSTEM
    yield "arch_bits", process.ARCHITECTURE_BITS
    yield "python_version", process.PYTHON_VERSION
    yield "process_id", process.PROCESS_ID()
    yield "process_supervised", "no"
    yield "run_id", engine.run_id.decode()
    yield "tcp_port", engine.port
    yield "server_time_usec", engine.clock.time_us()
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // 86400
    if engine.ending.deadline is not None:
        yield "shutdown_in_milliseconds", max(0, engine.ending.deadline - now)
    yield "lru_clock", now // 1000 % 2**24
    yield "executable", process.EXECUTABLE
    yield "config_file", engine.config.file
    yield "availability_zone", engine.config.values["availability-zone"]
    for number, listener in enumerate(engine.listening):
        yield f"listener{number}", listener


def clients(engine: Engine) -> Fields:
    sessions = engine.sessions.values()
    waiters = [session.waiter for session in sessions if session.waiter is not None]
    databases = engine.keyspace.databases
    blocking = [waiter for database in databases for queue in database.blocked.values() for waiter in queue]
    yield "connected_clients", len(engine.sessions)
    yield "maxclients", engine.config.maxclients
    yield "client_recent_max_input_buffer", max((item.parser.buffered for item in sessions), default=0)
    yield "client_recent_max_output_buffer", max((item.unsent_bytes for item in sessions), default=0)
    yield "blocked_clients", len(waiters)
    yield "tracking_clients", engine.tracking.clients
    yield "pubsub_clients", sum(session.subscriptions > 0 for session in sessions)
    yield "watching_clients", sum(bool(session.watching) for session in sessions)
    yield "clients_in_timeout_table", sum(waiter.deadline is not None for waiter in waiters)
    yield "total_watched_keys", sum(len(database.watchers) for database in databases)
    yield "total_blocking_keys", sum(len(database.blocked) for database in databases)
    yield "total_blocking_keys_on_nokey", sum(waiter.without_key for waiter in blocking)


def memory(engine: Engine) -> Fields:
    figures = memory_figures(engine)
    eviction, libraries = engine.eviction, engine.libraries
    yield from _sized("used_memory", figures.used)
    yield from _sized("used_memory_rss", figures.resident)
    yield from _sized("used_memory_peak", figures.peak)
    yield "used_memory_peak_perc", _percent(figures.used, figures.peak)
    yield "used_memory_overhead", figures.overhead
    yield "used_memory_startup", figures.startup
    yield "used_memory_dataset", figures.dataset
    yield "used_memory_dataset_perc", _percent(figures.dataset, figures.used - figures.startup)
    machine = process.system_memory()
    if machine is not None:
        yield from _sized("total_system_memory", machine)
    yield from _sized("used_memory_lua", figures.scripts)
    yield "used_memory_vm_eval", figures.scripts
    yield "number_of_cached_scripts", len(engine.scripts)
    yield "number_of_functions", libraries.function_count
    yield "number_of_libraries", len(libraries)
    yield "used_memory_vm_functions", figures.functions
    yield from _sized("used_memory_vm_total", figures.scripts + figures.functions)
    yield from _sized("maxmemory", eviction.limit)
    yield "maxmemory_policy", eviction.policy
    yield "mem_replication_backlog", figures.backlog
    yield "mem_total_replication_buffers", figures.backlog + figures.replicas
    yield "mem_clients_slaves", figures.replicas
    yield "mem_clients_normal", figures.clients
    yield "mem_aof_buffer", figures.log_buffer
    yield "mem_allocator", process.ALLOCATOR
    yield "lazyfree_pending_objects", engine.leavings.left


def _sized(name: str, size: int) -> Fields:
    yield name, size
    yield f"{name}_human", _human(size)


def _human(size: int) -> str:
    for unit, factor in (("T", 2**40), ("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if size >= factor:
            return f"{size / factor:.2f}{unit}"
    return f"{size}B"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.2f}%"


def persistence(engine: Engine) -> Fields:
    saver, loading = engine.saver, engine.loading
    job = saver.job
    snapshot = None if job is None else job.snapshot
    yield "loading", int(loading is not None)
    following = engine.replication.following
    yield "async_loading", int(following is not None and following.loads_beside)
    if loading is not None:
        yield "loading_start_time", loading.started_at
        yield "loading_total_bytes", loading.total
        yield "loading_loaded_bytes", loading.loaded
        yield "loading_loaded_perc", f"{100 * loading.share:.2f}"
        yield "loading_eta_seconds", loading.seconds_left
    yield "current_save_keys_processed", 0 if snapshot is None else snapshot.written
    yield "current_save_keys_total", 0 if snapshot is None else snapshot.total
    yield "rdb_changes_since_last_save", saver.changes
    yield "rdb_bgsave_in_progress", int(job is not None)
    yield "rdb_last_save_time", saver.last_save
    yield "rdb_last_bgsave_status", "ok" if saver.succeeded else "err"
    yield "rdb_last_bgsave_time_sec", int(saver.last_seconds)
    yield "rdb_current_bgsave_time_sec", -1 if job is None else (engine.keyspace.now - job.begun_at) // 1000
    yield "rdb_saves", saver.saves
    yield "rdb_last_load_keys_expired", saver.keys_expired
    yield "rdb_last_load_keys_loaded", saver.keys_loaded
    yield from engine.append_only.figures()


def stats(engine: Engine) -> Fields:
    statistics, keyspace, broker = engine.statistics, engine.keyspace, engine.broker
    rates = statistics.rates(keyspace.now)
    yield "total_connections_received", statistics.connections_received
    yield "total_commands_processed", statistics.commands_processed
    yield "instantaneous_ops_per_sec", round(rates.commands)
    yield "total_net_input_bytes", statistics.bytes_received
    yield "total_net_output_bytes", statistics.bytes_sent
    yield "total_net_repl_input_bytes", statistics.bytes_from_primary
    yield "total_net_repl_output_bytes", engine.replication.followers.bytes_sent
    yield "instantaneous_input_kbps", f"{rates.received / 1024:.2f}"
    yield "instantaneous_output_kbps", f"{rates.sent / 1024:.2f}"
    yield "instantaneous_input_repl_kbps", f"{rates.received_from_primary / 1024:.2f}"
    yield "instantaneous_output_repl_kbps", f"{rates.sent_to_replicas / 1024:.2f}"
    yield "rejected_connections", statistics.connections_rejected
    yield "sync_full", engine.replication.full_syncs
    yield "sync_partial_ok", engine.replication.partial_syncs
    yield "sync_partial_err", engine.replication.partial_refused
    yield "expired_subkeys", keyspace.expired_fields
    yield "expired_keys", keyspace.expired
    yield "expired_time_cap_reached_count", statistics.expiries_cut_short
    yield "expire_cycle_cpu_milliseconds", statistics.expiry_ns // 1_000_000
    yield "evicted_keys", keyspace.evicted
    yield "evicted_clients", statistics.clients_evicted
    yield "evicted_scripts", engine.scripts.evicted
    yield "total_eviction_exceeded_time", engine.eviction.exceeded_ms
    yield "current_eviction_exceeded_time", engine.eviction.exceeding_ms
    yield "keyspace_hits", keyspace.hits
    yield "keyspace_misses", keyspace.misses
    yield "pubsub_channels", len(broker.channels)
    yield "pubsub_patterns", len(broker.patterns)
    yield "pubsubshard_channels", len(broker.shard_channels)
    yield "migrate_cached_sockets", engine.migrations.kept
    yield "tracking_total_keys", engine.tracking.key_count
    yield "tracking_total_items", engine.tracking.items
    yield "tracking_total_prefixes", engine.tracking.prefix_count
    yield "total_error_replies", statistics.error_replies
    yield "total_reads_processed", statistics.reads
    yield "total_writes_processed", statistics.writes
    yield "client_query_buffer_limit_disconnections", statistics.query_limit_disconnections
    yield "client_output_buffer_limit_disconnections", statistics.output_limit_disconnections
    for reason, name in ((b"auth", "auth"), (b"command", "cmd"), (b"key", "key"), (b"channel", "channel")):
        yield f"acl_access_denied_{name}", engine.acl.log.refused[reason]


def cpu(engine: Engine) -> Fields:
    for name, seconds in process.cpu_seconds().items():
        yield name, f"{seconds:.6f}"


def keyspace(engine: Engine) -> Fields:
    for database in engine.keyspace.databases:
        if database.data:
            yield (
                f"db{database.index}",
                f"keys={len(database.data)},expires={len(database.expires)},"
                f"avg_ttl={_average_ttl(database)},subexpiry={len(database.fields)}",
            )


def _average_ttl(database: Database) -> int:
    """The milliseconds that keys have left to live on average, by a hundred of them; 0 without any. O(1)."""
    expires = database.expires
    if len(expires) <= _AVERAGED:
        some = list(expires.values())
    else:
        some = [expires[key] for key in database.sample_keys(_AVERAGED, True)]
    left = [when - database.keyspace.now for when in some]
    return max(0, sum(left) // len(left)) if left else 0
