"""The commands, one module a group as in Redis' documentation; importing a module registers its commands."""

from __future__ import annotations

from importlib import import_module
from typing import Final

_GROUPS: Final = (
    "acl",
    "append_only",
    "bitfields",
    "bitmaps",
    "blocking_lists",
    "blocking_sorted_sets",
    "client",
    "cluster",
    "command_log",
    "configuration",
    "debug",
    "connection",
    "databases",
    "dump",
    "expiry",
    "functions",
    "geo",
    "geo_search",
    "hash_expiry",
    "hash_getex",
    "hashes",
    "hyperloglog",
    "info",
    "introspection",
    "keys",
    "latency",
    "lcs",
    "lists",
    "lolwut",
    "memory",
    "migrate",
    "modules",
    "monitoring",
    "objects",
    "pausing",
    "pubsub",
    "replica_waits",
    "replication",
    "saving",
    "scan",
    "scripting",
    "set_operations",
    "sets",
    "shutdown",
    "sort",
    "sorted_set_operations",
    "sorted_set_ranges",
    "sorted_sets",
    "stream_claims",
    "stream_deletion",
    "stream_groups",
    "stream_info",
    "stream_reading",
    "streams",
    "strings",
    "tracking",
    "transactions",
)


def load() -> None:
    """Register every command; cheap when that has been done."""
    for group in _GROUPS:
        import_module(f"{__name__}.{group}")
