"""INFO: the sections, and every field of the real servers: it is here, or the table says why not."""

from __future__ import annotations

import re

import pytest

from anystore.pulsards import ManualClock
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

#: Fields of Redis 7.0 and Valkey 9.1 that are not here, by name or by the name's beginning, and why.
LEFT_OUT = {
    # Server
    "redis_git_": "what was built is a Python package: pulsards_version tells which",
    "redis_build_id": "as redis_git_",
    "valkey_": "pulsards is not Valkey",
    "server_mode": "Valkey's name for redis_mode",
    "monotonic_clock": "Python's is what it is",
    "multiplexing_api": "that of the event loop, which the server does not know",
    "atomicvar_api": "there is no C here",
    "gcc_version": "there is no C here: python_version",
    "hz": "nothing here happens so many times a second: timers go off when something is due",
    "configured_hz": "as hz",
    "clients_hz": "as hz",
    "io_thread": "there are no I/O threads",
    # Clients
    "cluster_connections": "cluster mode is off",
    "paused_": "Valkey's; CLIENT PAUSE shows in blocked_clients",
    # Memory
    "allocator_": "Python does not tell what its allocator keeps",
    "rss_overhead_": "as allocator_",
    "mem_fragmentation_": "as allocator_",
    "used_memory_scripts": "a VM does not tell scripts from what they made: used_memory_vm_eval",
    "used_memory_functions": "as used_memory_scripts: used_memory_vm_functions",
    "mem_not_counted_for_evict": "only keys are counted",
    "mem_replicas_repl_buffer": "Valkey's; mem_clients_slaves",
    "mem_cluster_": "cluster mode is off",
    "mem_overhead_db_hashtable_rehashing": "Python's dicts are not rehashed step by step",
    "active_defrag_running": "nothing is defragmented",
    "lazyfreed_objects": "what is freed in slices is not counted one by one: lazyfree_pending_objects",
    # Persistence: images are made by slices, in the same process
    "current_cow_": "nothing is copied on write by a fork",
    "rdb_last_cow_size": "as current_cow_",
    "aof_last_cow_size": "as current_cow_",
    "current_fork_perc": "nothing forks: current_save_keys_processed tells how far a save has come",
    "module_fork_": "there are no modules",
    "slot_migration_": "cluster mode is off",
    # Stats
    "total_net_cluster_": "cluster mode is off",
    "instantaneous_eventloop_": "the event loop is the program's",
    "eventloop_": "the event loop is the program's",
    "expired_stale_perc": "keys go when they are due, so nothing is estimated",
    "expired_keys_with_volatile_items_stale_perc": "as expired_stale_perc",
    "expired_fields": "Valkey's name for expired_subkeys",
    "latest_fork_usec": "nothing forks",
    "total_forks": "nothing forks",
    "slave_expires_tracked_keys": "writable replicas keep what has expired until their primary says otherwise",
    "active_defrag_": "nothing is defragmented",
    "current_active_defrag_time": "nothing is defragmented",
    "total_active_defrag_time": "nothing is defragmented",
    "unexpected_error_replies": "an error in a primary's stream is in the log",
    "dump_payload_sanitizations": "every payload is checked as it is read",
    "reply_buffer_": "reply buffers have no fixed size",
    "acl_access_denied_tls_cert": "Valkey's: nobody logs in by certificate",
    "acl_access_denied_db": "Valkey's: rights do not depend on the database",
    # Replication
    "replicas_waiting_psync": "Valkey's: a replica has one connection",
    # CPU
    "used_active_time_main_thread": "Valkey's; used_cpu_user_main_thread is near",
    # Sections that are Valkey's own
    "tls_": "Valkey's section on its certificates",
    "engine": "Valkey's section on its scripting engines",
    "engines_": "as engine",
    "module": "there are no modules",
    "cluster_": "cluster mode is off: cluster_enabled",
    "listener": "shown for what is listened on",
    "db": "shown for databases with keys",
    "cmdstat_": "shown for commands that were called",
    "latency_percentiles_usec_": "shown for commands that were called",
    "errorstat_": "shown for errors that there were",
}
#: Fields that the real servers here do not have, and where they are from.
ADDED = {
    "pulsards_version": "which pulsards it is",
    "pulsards_build": "whether its hot path is compiled",
    "python_version": "in place of gcc_version",
    "embedded": "whether it is part of a program, and ends with that",
    "server_name": "Valkey's, since 7.2.4",
    "redis_mode": "Redis'",
    "pubsub_clients": "since 7.4",
    "watching_clients": "since 7.4",
    "total_watched_keys": "since 7.4",
    "total_blocking_keys": "since 7.2",
    "total_blocking_keys_on_nokey": "since 7.2",
    "expired_subkeys": "since 7.4",
    "evicted_scripts": "since 7.4",
    "listener": "since 7.2",
    "acl_access_denied_": "since 7.2",
    "client_query_buffer_limit_disconnections": "since 7.2",
    "client_output_buffer_limit_disconnections": "since 7.2",
}


def fields(text: bytes) -> dict[str, str]:
    lines = text.decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def sections(text: bytes) -> list[str]:
    return re.findall(r"^# (.*)\r$", text.decode(), re.MULTILINE)


def explained(name: str, table: dict[str, str]) -> bool:
    return any(name == known or name.startswith(known) for known in table)


def test_every_field_of_the_real_servers(peers: Differential) -> None:
    ours = fields(peers.engine.execute("INFO", "everything"))
    for name, client in peers.servers.items():
        theirs = fields(client.execute("INFO", "everything"))
        missing = [field for field in theirs if field not in ours and not explained(field, LEFT_OUT)]
        assert not missing, name
    theirs = fields(b"".join(client.execute("INFO", "everything") for client in peers.servers.values()))
    missing = [field for field in theirs if field not in ours]
    reasons = {name for name, why in LEFT_OUT.items() if not why.startswith("shown for")}
    if "redis" in peers.servers:
        assert [name for name in reasons if not any(field.startswith(name) for field in missing)] == []
    added = [field for field in ours if field not in theirs and not explained(field, {**ADDED, **LEFT_OUT})]
    assert not added


@pytest.mark.parametrize(
    "call",
    [
        *("", "all", "everything", "default", "modules", "ALL server", "commandstats server", "latencystats"),
        *("all modules", "default commandstats", "errorstats", "nope", "nope server", "sentinel"),
    ],
)
def test_sections(peers: Differential, call: str) -> None:
    command = ("INFO", *call.split())
    ours = peers.engine.execute(*command)
    if "redis" in peers.servers:
        theirs = peers.servers["redis"].execute(*command)
        assert sections(ours) == sections(theirs)
        assert ours[-2:] == theirs[-2:]
        assert ours.count(b"\r\n\r\n") == theirs.count(b"\r\n\r\n")


class TestFigures:
    def test_rates(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        for _ in range(20):
            for _ in range(10):
                client.execute("PING")
            clock.advance(0.1)
        shown = fields(client.execute("INFO", "stats"))
        assert 90 <= int(shown["instantaneous_ops_per_sec"]) <= 110
        clock.advance(3600)
        assert fields(client.execute("INFO", "stats"))["instantaneous_ops_per_sec"] == "0"

    def test_average_time_to_live(self) -> None:
        client = EngineClient(clock=ManualClock())
        for number in range(1000):
            client.execute("SET", f"k{number}", "x", "EX", 100 if number % 2 else 300)
        client.execute("HSET", "h", "f", "v")
        client.execute("HEXPIRE", "h", 100, "FIELDS", 1, "f")
        shown = fields(client.execute("INFO", "keyspace"))["db0"]
        row = dict(field.split("=") for field in shown.split(","))
        assert (row["keys"], row["expires"], row["subexpiry"]) == ("1001", "1000", "1")
        assert 150_000 < int(row["avg_ttl"]) < 250_000
        client.execute("FLUSHALL")
        client.execute("SET", "a", "x", "EX", 50)
        assert b"avg_ttl=50000," in client.execute("INFO", "keyspace")

    def test_expired_fields_and_keys(self) -> None:
        clock = ManualClock()
        client = EngineClient(clock=clock)
        client.execute("HSET", "h", "f", "v", "g", "v")
        client.execute("HPEXPIRE", "h", 10, "FIELDS", 1, "f")
        client.execute("SET", "a", "x", "PX", 10)
        clock.advance(1)
        client.engine.run_due()
        shown = fields(client.execute("INFO", "stats"))
        assert (shown["expired_keys"], shown["expired_subkeys"]) == ("1", "1")
        client.execute("CONFIG", "RESETSTAT")
        shown = fields(client.execute("INFO", "stats"))
        assert (shown["expired_keys"], shown["expired_subkeys"]) == ("0", "0")

    def test_waiting_clients(self) -> None:
        client = EngineClient()
        others = [EngineClient(client.engine) for _ in range(3)]
        client.execute("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        others[0].execute("BLPOP", "l", 10)
        others[1].execute("BLPOP", "l", "m", 0)
        others[2].execute("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        shown = fields(client.execute("INFO", "clients"))
        assert shown["blocked_clients"] == "3"
        assert shown["clients_in_timeout_table"] == "1"
        assert shown["total_blocking_keys"] == "3"
        assert shown["total_blocking_keys_on_nokey"] == "1"

    def test_memory_with_and_without_a_limit(self) -> None:
        client = EngineClient()
        shown = fields(client.execute("INFO", "memory"))
        assert shown["used_memory"] == shown["used_memory_rss"]
        client.execute("SET", "a", "x" * 1000)
        client.execute("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
        shown = fields(client.execute("INFO", "memory"))
        assert 1000 < int(shown["used_memory"]) < 2000
        assert shown["maxmemory_human"] == "100.00M"
        assert shown["maxmemory_policy"] == "allkeys-lru"
        assert int(shown["used_memory_dataset"]) < int(shown["used_memory"])
        client.execute("DEL", "a")
        shown = fields(client.execute("INFO", "memory"))
        assert shown["used_memory"] == "0"
        assert int(shown["used_memory_peak"]) > 1000

    def test_memory_of_scripts_and_functions(self) -> None:
        client = EngineClient()
        client.execute("EVAL", "return 1", 0)
        before = fields(client.execute("INFO", "memory"))
        assert int(before["used_memory_vm_eval"]) > 10_000
        assert before["used_memory_vm_functions"] == before["number_of_functions"] == "0"
        code = "redis.register_function('f', function() end) redis.register_function('g', function() end)"
        client.execute("FUNCTION", "LOAD", "#!lua name=l\n" + code)
        shown = fields(client.execute("INFO", "memory"))
        assert (shown["number_of_libraries"], shown["number_of_functions"]) == ("1", "2")
        functions = int(shown["used_memory_vm_functions"])
        assert functions > 10_000
        assert int(shown["used_memory_vm_total"]) == functions + int(shown["used_memory_vm_eval"])
        stats = client.execute("MEMORY", "STATS")
        assert stats[stats.index(b"functions.caches") + 1] >= functions

    def test_buffers_of_clients_and_replication(self) -> None:
        client = EngineClient()
        assert fields(client.execute("INFO", "memory"))["mem_replication_backlog"] == "0"
        client.execute("MULTI")
        client.execute("SET", "k", "x" * 5000)
        other = EngineClient(client.engine)
        shown = fields(other.execute("INFO", "memory"))
        assert 5000 < int(shown["mem_clients_normal"]) < 6000
        assert shown["mem_clients_slaves"] == shown["mem_total_replication_buffers"] == "0"

    def test_what_is_freed_in_slices(self) -> None:
        client = EngineClient()
        client.execute("DEBUG", "POPULATE", 1000)
        client.execute("FLUSHALL", "ASYNC")
        assert int(fields(client.execute("INFO", "memory"))["lazyfree_pending_objects"]) >= 1000
        while client.engine.leavings.behind:
            client.engine.leavings.free_some()
        assert fields(client.execute("INFO", "memory"))["lazyfree_pending_objects"] == "0"

    def test_percentiles(self) -> None:
        client = EngineClient()
        for _ in range(100):
            client.execute("GET", "a")
        shown = fields(client.execute("INFO", "latencystats"))
        values = dict(part.split("=") for part in shown["latency_percentiles_usec_get"].split(","))
        assert list(values) == ["p50", "p99", "p99.9"]
        assert 0 < float(values["p50"]) <= float(values["p99"]) <= float(values["p99.9"])
        client.execute("CONFIG", "SET", "latency-tracking-info-percentiles", "50.5 100")
        assert b"latency_percentiles_usec_get:p50.5=" in client.execute("INFO", "latencystats")
        client.execute("CONFIG", "SET", "latency-tracking-info-percentiles", "")
        assert b"latency_percentiles_usec_get:\r\n" in client.execute("INFO", "latencystats")
