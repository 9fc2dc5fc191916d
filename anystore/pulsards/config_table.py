"""The table of directives: each with its type, its default, and whether it can be changed while the server runs.

A directive that is not in the table is refused, by CONFIG SET, by a file and on the command line alike.

Source: redis.conf of Redis 7.4.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards import notifications
from anystore.pulsards.config_types import (
    OUTPUT_LIMITS,
    Directive,
    event_classes,
    hosts,
    integer,
    no_append_only,
    nothing_saved,
    output_limits,
    parse_memory,
    show_output_limits,
    show_yes_no,
    yes_no,
)

DIRECTIVES: Final = (
    Directive("databases", 16, integer(1, 2**31 - 1), mutable=False),
    Directive("requirepass", "", str),
    Directive("bind", ("127.0.0.1",), hosts, " ".join, mutable=False),
    Directive("port", 6410, integer(0, 65535), mutable=False),
    Directive("unixsocket", "", str, mutable=False),
    Directive("maxclients", 10000, integer(1, 2**32 - 1)),
    Directive("timeout", 0, integer(0, 2**31 - 1)),
    Directive("save", "", nothing_saved),
    Directive("appendonly", False, no_append_only, show_yes_no),
    Directive("proto-max-bulk-len", 512 * 1024 * 1024, parse_memory),
    Directive("client-query-buffer-limit", 2**30, parse_memory),
    Directive("client-output-buffer-limit", OUTPUT_LIMITS, output_limits, show_output_limits),
    Directive("slowlog-log-slower-than", 10000, integer(-1, 2**63 - 1)),
    Directive("slowlog-max-len", 128, integer(0, 2**63 - 1)),
    Directive("notify-keyspace-events", 0, event_classes, notifications.format_classes),
    Directive("hash-max-listpack-entries", 512, integer(0, 2**63 - 1)),
    Directive("hash-max-listpack-value", 64, integer(0, 2**63 - 1)),
    Directive("set-max-intset-entries", 512, integer(0, 2**63 - 1)),
    Directive("set-max-listpack-entries", 128, integer(0, 2**63 - 1)),
    Directive("set-max-listpack-value", 64, integer(0, 2**63 - 1)),
    Directive("zset-max-listpack-entries", 128, integer(0, 2**63 - 1)),
    Directive("zset-max-listpack-value", 64, integer(0, 2**63 - 1)),
    Directive("list-max-listpack-size", -2, integer(-(2**31), 2**31 - 1)),
    Directive("stream-node-max-bytes", 4096, parse_memory),
    Directive("stream-node-max-entries", 100, integer(0, 2**63 - 1)),
    Directive("hll-sparse-max-bytes", 3000, parse_memory),
    Directive("activerehashing", True, yes_no, show_yes_no),
)
