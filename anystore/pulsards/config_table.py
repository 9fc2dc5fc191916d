"""The table of directives: each with its type, its default, and whether it can be changed while the server runs.

A directive that is not in the table is refused, by CONFIG SET, by a file and on the command line alike: none is
taken and then ignored. `anystore.pulsards.config_refusals` knows those that Redis has and pulsards has not.

Source: redis.conf of Redis 7.4.
"""

from __future__ import annotations

from typing import Final

from anystore.pulsards import notifications
from anystore.pulsards.config_types import (
    OUTPUT_LIMITS,
    Directive,
    choice,
    event_classes,
    file_name,
    hosts,
    integer,
    log_name,
    memory,
    memory_or_share,
    number,
    octal,
    only,
    output_limits,
    percentages,
    primary,
    save_rules,
    show_memory_or_share,
    show_output_limits,
    show_percentages,
    show_save_rules,
    show_shutdown_words,
    show_yes_no,
    shutdown_words,
    switch,
    text,
    write_memory,
    write_output_limits,
    write_quoted,
    write_save_rules,
    write_text,
    write_words,
    yes_no,
)
from anystore.pulsards.eviction import POLICIES

_INT: Final = 2**31 - 1
_LONG: Final = 2**63 - 1

_LISTENING: Final = (
    Directive("bind", ("127.0.0.1",), hosts, " ".join, several=True),
    number("port", 6410, 0, 65535),
    number("tcp-backlog", 511, 0, _INT, mutable=False),
    text("unixsocket", mutable=False),
    text("unixsocketgroup", mutable=False),
    Directive("unixsocketperm", 0, octal(0o777), "{:o}".format, mutable=False),
    switch("protected-mode", True),
    number("maxclients", 10000, 1, 2**32 - 1),
    number("timeout", 0, 0, _INT),
    number("tcp-keepalive", 300, 0, _INT),
    number("tls-port", 0, 0, 65535),
    text("tls-cert-file"),
    text("tls-key-file"),
    text("tls-key-file-pass", secret=True),
    text("tls-ca-cert-file"),
    text("tls-ca-cert-dir"),
    text("tls-client-cert-file"),
    text("tls-client-key-file"),
    text("tls-client-key-file-pass", secret=True),
    choice("tls-auth-clients", "yes", ("no", "yes", "optional")),
    text("tls-protocols", several=True),
    text("tls-ciphers"),
    switch("tls-prefer-server-ciphers", False),
)
_SECURITY: Final = (
    text("requirepass", secret=True),
    text("aclfile", mutable=False),
    choice("acl-pubsub-default", "resetchannels", ("allchannels", "resetchannels")),
    number("acllog-max-len", 128, 0, _LONG),
    # Redis' default is no; DEBUG is for test suites, which run where the server does.
    choice("enable-debug-command", "local", ("no", "yes", "local"), mutable=False),
    choice("enable-protected-configs", "no", ("no", "yes", "local"), mutable=False),
)
_PROCESS: Final = (
    choice("loglevel", "notice", ("debug", "verbose", "notice", "warning", "nothing")),
    text("logfile", mutable=False),
    text("pidfile", mutable=False),
    text("availability-zone"),  # Valkey's: told by INFO and HELLO, for clients that prefer what is near
    only("daemonize", "no", "pulsards stays in the foreground; let a service manager start it"),
    only("supervised", "no", "pulsards tells no service manager when it is ready"),
)
_DATA: Final = (
    number("databases", 16, 1, _INT, mutable=False),
    Directive(
        "notify-keyspace-events",
        0,
        event_classes,
        notifications.format_classes,
        write=write_quoted(notifications.format_classes),
    ),
    Directive("hash-max-listpack-entries", 512, integer(0, _LONG), aliases=("hash-max-ziplist-entries",)),
    Directive(
        "hash-max-listpack-value",
        64,
        memory(0, _LONG),
        aliases=("hash-max-ziplist-value",),
        write=write_memory,
    ),
    number("set-max-intset-entries", 512, 0, _LONG),
    number("set-max-listpack-entries", 128, 0, _LONG),
    number("set-max-listpack-value", 64, 0, _LONG),
    Directive("zset-max-listpack-entries", 128, integer(0, _LONG), aliases=("zset-max-ziplist-entries",)),
    Directive(
        "zset-max-listpack-value",
        64,
        memory(0, _LONG),
        aliases=("zset-max-ziplist-value",),
        write=write_memory,
    ),
    Directive("list-max-listpack-size", -2, integer(-_INT - 1, _INT), aliases=("list-max-ziplist-size",)),
    Directive("stream-node-max-bytes", 4096, memory(0, _LONG), write=write_memory),
    number("stream-node-max-entries", 100, 0, _LONG),
    Directive("hll-sparse-max-bytes", 3000, memory(0, _LONG), write=write_memory),
)
_MEMORY: Final = (
    switch("import-mode", False),
    Directive("maxmemory", 0, memory(0), write=write_memory),
    choice("maxmemory-policy", "noeviction", POLICIES),
    number("maxmemory-samples", 5, 1, 64),
    Directive("maxmemory-clients", 0, memory_or_share, show_memory_or_share),
    number("lfu-log-factor", 10, 0, _INT),
    number("lfu-decay-time", 1, 0, _INT),
)
_LIMITS: Final = (
    Directive("busy-reply-threshold", 5000, integer(0, _LONG), aliases=("lua-time-limit",)),
    Directive("proto-max-bulk-len", 512 * 2**20, memory(2**20), write=write_memory),
    Directive("client-query-buffer-limit", 2**30, memory(2**20), write=write_memory),
    Directive(
        "client-output-buffer-limit",
        OUTPUT_LIMITS,
        output_limits,
        show_output_limits,
        several=True,
        write=write_output_limits,
        combine=lambda old, new: {**old, **new},
    ),
)
_WATCHING: Final = (
    Directive(
        "slowlog-log-slower-than", 10000, integer(-1, _LONG), aliases=("commandlog-execution-slower-than",)
    ),
    Directive("slowlog-max-len", 128, integer(0, _LONG), aliases=("commandlog-slow-execution-max-len",)),
    # Valkey's, which logs from 1 MB on; measuring every command is left to those who want it.
    number("commandlog-request-larger-than", -1, -1, _LONG),
    number("commandlog-large-request-max-len", 128, 0, _LONG),
    number("commandlog-reply-larger-than", -1, -1, _LONG),
    number("commandlog-large-reply-max-len", 128, 0, _LONG),
    number("latency-monitor-threshold", 0, 0, _LONG),
    switch("latency-tracking", True),
    Directive(
        "latency-tracking-info-percentiles",
        (50.0, 99.0, 99.9),
        percentages,
        show_percentages,
        several=True,
        write=write_quoted(show_percentages),
    ),
    number("tracking-table-max-keys", 1_000_000, 0, _LONG),
)
_KEEPING: Final = (
    # Empty, the server keeps nothing on disk, unless `save` or the like is given: see `Config`.
    Directive("dir", "", str, protected=True, write=write_text),
    Directive("dbfilename", "dump.rdb", file_name, protected=True, write=write_text),
    Directive("save", (), save_rules, show_save_rules, several=True, gathers=True, write=write_save_rules),
    switch("rdbcompression", True),
    switch("rdbchecksum", True, mutable=False),
    # Ours: neither reads what the other writes of fields that expire.
    choice("rdb-dialect", "redis", ("redis", "valkey")),
    only("rdb-version-check", "strict", "a file of a version that is not known is not loaded"),
    only("sanitize-dump-payload", "yes", "every payload is checked"),
    switch("rdb-save-incremental-fsync", True),
    switch("stop-writes-on-bgsave-error", True),
    number("shutdown-timeout", 10, 0, _INT),
    Directive("shutdown-on-sigint", frozenset(), shutdown_words, show_shutdown_words, several=True),
    Directive("shutdown-on-sigterm", frozenset(), shutdown_words, show_shutdown_words, several=True),
    switch("appendonly", False),
    Directive("appendfilename", "appendonly.aof", log_name, mutable=False, write=write_text),
    Directive("appenddirname", "appendonlydir", log_name, mutable=False, write=write_text),
    choice("appendfsync", "everysec", ("everysec", "always", "no")),
    switch("no-appendfsync-on-rewrite", False),
    number("auto-aof-rewrite-percentage", 100, 0, _INT),
    Directive("auto-aof-rewrite-min-size", 64 * 2**20, memory(0, _LONG), write=write_memory),
    switch("aof-load-truncated", True),
    switch("aof-timestamp-enabled", False),
    switch("aof-rewrite-incremental-fsync", True),
    switch("aof-use-rdb-preamble", True),
)
_REPLICATION: Final = (
    Directive(
        *("replicaof", "", primary), mutable=False, aliases=("slaveof",), several=True, write=write_words
    ),
    Directive("masteruser", "", str, aliases=("primaryuser",), write=write_text),
    Directive("masterauth", "", str, aliases=("primaryauth",), secret=True, write=write_text),
    text("bind-source-addr"),
    switch("tls-replication", False),
    Directive("replica-read-only", True, yes_no, show_yes_no, aliases=("slave-read-only",)),
    Directive("replica-serve-stale-data", True, yes_no, show_yes_no, aliases=("slave-serve-stale-data",)),
    Directive("replica-ignore-maxmemory", True, yes_no, show_yes_no, aliases=("slave-ignore-maxmemory",)),
    Directive("replica-priority", 100, integer(0, _INT), aliases=("slave-priority",)),
    Directive("replica-lazy-flush", False, yes_no, show_yes_no, aliases=("slave-lazy-flush",)),
    switch("replica-announced", True),
    Directive("replica-announce-ip", "", str, aliases=("slave-announce-ip",), write=write_text),
    Directive("replica-announce-port", 0, integer(0, 65535), aliases=("slave-announce-port",)),
    Directive("min-replicas-to-write", 0, integer(0, _INT), aliases=("min-slaves-to-write",)),
    Directive("min-replicas-max-lag", 10, integer(0, _INT), aliases=("min-slaves-max-lag",)),
    switch("repl-diskless-sync", True),
    choice("repl-diskless-load", "swapdb", ("disabled", "on-empty-db", "swapdb", "flush-before-load")),
    number("repl-diskless-sync-delay", 0, 0, _INT),
    number("repl-diskless-sync-max-replicas", 0, 0, _INT),
    only("repl-disable-tcp-nodelay", "no", "what is to be sent is sent at once"),
    only("dual-channel-replication-enabled", "no", "image and stream come by one connection"),
    only("rdb-del-sync-files", "no", "no file is made for replicas, so there is none to be removed"),
    only(
        *("propagation-error-behavior", "ignore"),
        "a command of the primary's that fails here is logged, and the server goes on",
    ),
    only(
        *("replica-ignore-disk-write-errors", "yes"),
        "a replica goes on where its disk fails, and writes what is missing as soon as it can",
    ),
    number("repl-timeout", 60, 1, _INT),
    Directive("repl-ping-replica-period", 10, integer(1, _INT), aliases=("repl-ping-slave-period",)),
    Directive("repl-backlog-size", 2**20, memory(1), write=write_memory),
    number("repl-backlog-ttl", 3600, 0, _LONG),
)
_NOT_YET: Final = (only("cluster-enabled", "no", "cluster mode is not available yet"),)

DIRECTIVES: Final = (
    *_LISTENING,
    *_SECURITY,
    *_PROCESS,
    *_DATA,
    *_MEMORY,
    *_LIMITS,
    *_WATCHING,
    *_KEEPING,
    *_REPLICATION,
    *_NOT_YET,
)

#: Directives that may be given several times, and that CONFIG GET does not show.
REPEATED: Final = frozenset({"user", "rename-command", "include"})
