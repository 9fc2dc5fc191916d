"""The section "replication" of INFO."""

from __future__ import annotations

from collections.abc import Iterator

from anystore.pulsards.engine import Engine
from anystore.pulsards.replication import Following

Fields = Iterator[tuple[str, object]]


def replication(engine: Engine) -> Fields:
    part = engine.replication
    history, backlog = part.history, part.history.backlog
    following = part.following
    yield "role", "master" if following is None else "slave"
    if following is not None:
        yield from _following(engine, following)
    yield from _followers(engine)
    yield "master_failover_state", part.failover.state
    yield "master_replid", history.id.decode()
    yield "master_replid2", history.second_id.decode()
    yield "master_repl_offset", history.offset
    yield "second_repl_offset", history.second_offset
    yield "repl_backlog_active", int(backlog is not None)
    yield "repl_backlog_size", engine.config.values["repl-backlog-size"]
    yield "repl_backlog_first_byte_offset", 0 if backlog is None else backlog.first
    yield "repl_backlog_histlen", 0 if backlog is None else backlog.held


def _followers(engine: Engine) -> Fields:
    part = engine.replication
    yield "connected_slaves", len(part.followers)
    good = part.good_replicas
    if good is not None and part.following is None:
        yield "min_slaves_good_slaves", good
    for number, follower in enumerate(part.followers):
        yield (
            f"slave{number}",
            f"ip={follower.host},port={follower.port},state={follower.state},offset={follower.acked},"
            f"lag={follower.lag(engine.keyspace.now)}",
        )


def _following(engine: Engine, following: Following) -> Fields:
    now = engine.keyspace.now
    values = engine.config.values
    offset = engine.replication.history.offset
    yield "master_host", following.host
    yield "master_port", following.port
    yield "master_link_status", "up" if following.connected else "down"
    yield "master_last_io_seconds_ago", (now - following.heard_at) // 1000 if following.connected else -1
    yield "master_sync_in_progress", int(following.image is not None)
    yield "slave_read_repl_offset", offset + following.pending_bytes
    yield "slave_repl_offset", offset
    if following.image is not None:
        total = following.image_size
        if total is not None:
            yield "master_sync_total_bytes", total
        yield "master_sync_read_bytes", following.image_read
        if total is not None:
            yield "master_sync_left_bytes", total - following.image_read
            yield "master_sync_perc", f"{100 * following.image_read / max(1, total):.2f}"
        yield "master_sync_last_io_seconds_ago", (now - following.heard_at) // 1000
    if not following.connected:
        yield "master_link_down_since_seconds", (now - following.down_since) // 1000
    yield "slave_priority", values["replica-priority"]
    yield "slave_read_only", int(values["replica-read-only"])
    yield "replica_announced", int(values["replica-announced"])
