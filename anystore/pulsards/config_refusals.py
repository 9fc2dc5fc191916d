"""Directives of Redis and Valkey that pulsards has not, and why: what it says of one that it is given.

A directive of theirs that is neither known nor named here fails a test.

Source: redis.conf of Redis 7.0 and valkey.conf of Valkey 9.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Reasons, each with the directives it is the reason for; a name that ends in * stands for all that begin so.
REFUSALS: Final[Mapping[str, tuple[str, ...]]] = {
    # What would do nothing here.
    "memory is laid out by Python's allocator, which moves nothing": (
        *("activedefrag", "active-defrag-*", "jemalloc-bg-thread"),
    ),
    "keys are removed as they fall due, and not looked for": ("active-expire-effort",),
    "Python's dictionaries grow by themselves": ("activerehashing",),
    "there is no periodic work: a timer runs for what is due next": ("hz", "dynamic-hz"),
    "one thread does everything": ("io-threads", "io-threads-do-reads", "prefetch-batch-max-size"),
    "what is not needed any more goes when nobody holds it": ("lazyfree-lazy-*",),
    "the parts of a log that nothing reads any more are always removed": ("aof-disable-auto-gc",),
    "values are written as fast as they can be": ("rdb-key-save-delay",),
    "there is no logo": ("always-show-logo",),
    "it concerns copies of the process, which pulsards makes none of": ("ignore-warnings",),
    # What is another's task.
    "which processors it runs on is for taskset or a service manager to say": (
        *("server-cpulist", "bio-cpulist", "aof-rewrite-cpulist", "bgsave-cpulist"),
        *("server_cpulist", "bio_cpulist", "aof_rewrite_cpulist", "bgsave_cpulist"),
    ),
    "it is for the system or a service manager to set": (
        "oom-score-adj",
        "oom-score-adj-values",
        "disable-thp",
    ),
    "a service manager takes what is logged to syslog, or Python's logging does": ("syslog-*",),
    "Python reports its crashes itself: PYTHONFAULTHANDLER": ("crash-log-enabled", "crash-memcheck-enabled"),
    "Python seeds its hashes itself: PYTHONHASHSEED": ("hash-seed",),
    "changing the title of a process takes a library of its own": ("set-proc-title", "proc-title-template"),
    # What can be had in one way only.
    "lists are not compressed in memory": ("list-compress-depth",),
    "SORT ALPHA compares bytes": ("locale-collate",),
    "lines of the log have one form; a program sets its own with Python's logging": (
        *("log-format", "log-timestamp-format", "hide-user-data-from-log"),
    ),
    "as many connections are taken as there are": (
        "max-new-connections-per-cycle",
        "max-new-tls-connections-per-cycle",
    ),
    "how long keys are evicted at a time is fixed": ("maxmemory-eviction-tenacity",),
    "HELLO says redis, and INFO says pulsards": ("extended-redis-compatibility",),
    # What is not supported.
    "cluster mode is not available yet": ("cluster-*", "tls-cluster", "slot-migration-*"),
    "modules are not supported": ("loadmodule", "enable-module-command"),
    "a certificate lets its client connect, but does not log it in": ("tls-auth-clients-user",),
    "a certificate that was renewed is read at CONFIG SET tls-cert-file": ("tls-auto-reload-interval",),
    "Python's ssl module has no such setting": ("tls-ciphersuites", "tls-session-*", "tls-dh-params-file"),
    "sockets of that kind are not supported": ("mptcp", "repl-mptcp", "socket-mark-id", "rdma-*"),
}


def why_refused(name: str) -> str | None:
    """Why a directive of Redis or Valkey is not here; None for one that they do not have. O(names in the table)."""
    for reason, names in REFUSALS.items():
        if any(name == known or (known[-1] == "*" and name.startswith(known[:-1])) for known in names):
            return reason
    return None
