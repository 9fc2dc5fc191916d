"""The MEMORY commands. What they measure is in tests/pulsards/test_accounting.py."""

from __future__ import annotations

from typing import Any

from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient


def test_arguments(peers: Differential) -> None:
    peers.check(
        [
            *("SET a xxx", "MEMORY USAGE nope", "MEMORY USAGE a SAMPLES", "MEMORY USAGE a SAMPLES x"),
            *("MEMORY USAGE a SAMPLES -1", "MEMORY USAGE a NOPE 1", "MEMORY USAGE", "MEMORY", "MEMORY NOPE"),
            *("MEMORY STATS x", "MEMORY DOCTOR x", "MEMORY PURGE", "MEMORY PURGE x", "MEMORY MALLOC-STATS x"),
            *("CONFIG SET maxmemory-policy x", "CONFIG SET maxmemory -1", "CONFIG SET maxmemory 100%"),
            *(
                "CONFIG SET maxmemory-samples 0",
                "CONFIG SET lfu-log-factor -1",
                "CONFIG SET lfu-decay-time x",
            )[1:],
            *("CONFIG GET maxmemory", "CONFIG GET maxmemory-policy", "CONFIG GET lfu-l*"),
        ]
    )


def test_the_share_of_clients(peers: Differential) -> None:
    name = "maxmemory-clients"
    peers.check(
        [
            *(
                f"CONFIG GET {name}",
                f"CONFIG SET {name} 101%",
                f"CONFIG SET {name} x%",
                f"CONFIG SET {name} 0%",
            ),
            *(f"CONFIG SET {name} 7%", f"CONFIG GET {name}", f"CONFIG SET {name} 1gb", f"CONFIG GET {name}"),
            f"CONFIG SET {name} 0",
        ]
    )


def test_stats(peers: Differential) -> None:
    """Every figure that is here is one of theirs, of the same type."""
    for client in (peers.engine, *peers.servers.values()):
        client.execute("SET", "a", "1", "EX", 100)
    ours = as_dict(peers.engine.execute("MEMORY", "STATS"))
    assert set(as_dict(ours[b"db.0"])) == {b"overhead.hashtable.main", b"overhead.hashtable.expires"}
    for client in peers.servers.values():
        theirs = as_dict(client.execute("MEMORY", "STATS"))
        assert not set(ours) - set(theirs)
        for name, value in ours.items():
            if name != b"db.0":
                assert type(value) is type(theirs[name]), name


def as_dict(reply: Any) -> dict[bytes, Any]:
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def test_stats_add_up() -> None:
    client = EngineClient(maxmemory="100mb")
    for number in range(100):
        client.execute("SET", f"key{number}", "x" * 1000)
    stats = as_dict(client.execute("MEMORY", "STATS"))
    assert stats[b"keys.count"] == 100
    assert 1000 < stats[b"keys.bytes-per-key"] < 1300
    assert stats[b"dataset.bytes"] + stats[b"overhead.total"] == stats[b"total.allocated"]
    assert stats[b"peak.allocated"] == stats[b"total.allocated"]


def test_doctor() -> None:
    client = EngineClient(maxmemory="10mb")
    assert b"so little data" in client.execute("MEMORY", "DOCTOR")
    client.execute("SET", "a", "x" * 6_000_000)
    text = client.execute("MEMORY", "DOCTOR")
    assert b"more than twice what maxmemory allows" in text
    client.execute("CONFIG", "SET", "maxmemory", "10gb")
    assert b"Nothing looks wrong" in client.execute("MEMORY", "DOCTOR")
    client.execute("SET", "b", "x" * 6_000_000)
    client.execute("DEL", "b")
    assert b"Once, much more memory" in client.execute("MEMORY", "DOCTOR")
    other = EngineClient(client.engine)
    other.execute("MULTI")
    other.execute("SET", "a", "x" * 1_000_000)
    assert b"clients' buffers" in client.execute("MEMORY", "DOCTOR")


def test_malloc_stats() -> None:
    assert EngineClient().execute("MEMORY", "MALLOC-STATS").startswith(b"Stats not supported")
