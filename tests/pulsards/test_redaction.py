"""Passwords stay out of the slow log and out of MONITOR, in the places where Valkey and Redis hide them."""

from __future__ import annotations

import pytest

from anystore.pulsards.config import Config
from anystore.pulsards.redaction import redacted
from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

COMMANDS = (
    ("AUTH", "x"),
    ("auth", "user", "password"),
    ("HELLO", "2", "AUTH", "user", "password", "SETNAME", "me"),
    ("HELLO", "2", "auth", "user"),
    ("ACL", "SETUSER", "somebody", "on", ">password"),
    ("CONFIG", "SET", "requirepass", "", "timeout", "0"),
    ("CONFIG", "SET", "tls-key-file-pass", "x", "nope", "x"),
    ("CONFIG", "SET", "nope", "x"),
    ("ACL", "DELUSER", "somebody"),
    ("MIGRATE", "127.0.0.1", "1", "k", "0", "10", "COPY", "AUTH", "password"),
    ("MIGRATE", "127.0.0.1", "1", "", "0", "10", "auth2", "me", "password", "KEYS", "auth", "k"),
    ("GET", "password"),
    ("PING",),
)


def seen(
    client: EngineClient | RealClient, monitor: EngineClient | RealClient
) -> tuple[list[bytes], list[list[bytes]]]:
    """What MONITOR and the slow log show of the commands."""
    monitor.execute("MONITOR")
    client.execute("CONFIG", "SET", "slowlog-log-slower-than", "0")
    client.execute("SLOWLOG", "RESET")
    for command in COMMANDS:
        client.execute(*command)
    client.execute("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    lines = []
    while not lines or b"PING" not in lines[-1]:
        lines.append(monitor.receive().partition(b"] ")[2])
    return lines, [entry[3] for entry in client.execute("SLOWLOG", "GET", "99") if entry[3][0] != b"SLOWLOG"]


def test_what_is_hidden(valkey: RealServer, redis_server: RealServer | None) -> None:
    engine = EngineClient()
    lines, entries = seen(engine, EngineClient(engine.engine))
    for server in (valkey, redis_server):
        if server is None:
            continue
        client, monitor = RealClient(server.port), RealClient(server.port)
        theirs = seen(client, monitor)
        client.close()
        monitor.close()
        assert theirs[0] == lines
        if server is valkey:  # Redis 7.0 shows who is deleted, and settings after one that it does not know
            # The last one is what switched the log off, which Valkey takes in.
            assert [entry for entry in theirs[1] if b"slowlog-log-slower-than" not in entry] == [
                entry for entry in entries if b"slowlog-log-slower-than" not in entry
            ]
    shown = b"".join(lines) + b"".join(part for entry in entries for part in entry)
    assert shown.count(b"password") == 2  # GET password, on both lists


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (b"auth", [b"AUTH", b"secret", b"secret", b"secret"]),
        (b"hello", [b"b840", b"3", b"SETNAME", b"x", b"AUTH", b"secret", b"secret"]),
        (b"config|set", [b"CONFIG", b"SET", b"timeout", b"1", b"RequirePass", b"secret"]),
        (b"acl|setuser", [b"acl", b"setuser", b"secret"]),
    ],
)
def test_nothing_secret_is_left(name: bytes, arguments: list[bytes]) -> None:
    shown = redacted(name, arguments, Config())
    assert b"secret" not in shown
    assert len(shown) == len(arguments)
    assert shown[0] == arguments[0]
