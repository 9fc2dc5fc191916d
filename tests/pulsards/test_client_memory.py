"""`maxmemory-clients`: the largest clients are closed, save those that are not to be."""

from __future__ import annotations

import hiredis

from anystore.pulsards.engine import Engine
from tests.pulsards.peers import EngineClient


def clients(engine: Engine, count: int) -> list[EngineClient]:
    return [EngineClient(engine) for _ in range(count)]


def begin(client: EngineClient, size: int) -> None:
    """Send a command but for its end."""
    client.session.receive(hiredis.pack_command(("SET", "a", "x" * size))[:-10])
    client.engine.flush()


def test_the_largest_goes() -> None:
    one = EngineClient(maxmemory_clients="10000")
    two, three = clients(one.engine, 2)
    begin(one, 3000)
    begin(two, 5000)
    assert not two.session.closing
    begin(three, 4000)
    assert [client.session.aborted for client in (one, two, three)] == [False, True, False]
    assert b"evicted_clients:1\r\n" in EngineClient(one.engine).execute("INFO", "stats")


def test_what_has_been_answered_does_not_count() -> None:
    one = EngineClient(maxmemory_clients="10000")
    for _ in range(10):
        one.execute("SET", "a", "x" * 9000)
    assert not one.session.closing
    one.execute("SET", "a", "x" * 11000)
    assert not one.session.closing


def test_no_evict() -> None:
    one = EngineClient(maxmemory_clients="10000")
    two = EngineClient(one.engine)
    one.execute("CLIENT", "NO-EVICT", "ON")
    begin(one, 9000)
    begin(two, 2000)
    assert [one.session.aborted, two.session.aborted] == [False, True]


def test_queued_commands_and_unread_replies_count() -> None:
    one = EngineClient(maxmemory_clients="10000")
    two = EngineClient(one.engine)
    one.execute("MULTI")
    for _ in range(9):
        one.execute("SET", "a", "x" * 1000)
    line = two.execute("CLIENT", "LIST", "ID", one.session.id)
    assert b" multi-mem=9036 " in line
    assert b" tot-mem=9036 " in line
    two.session.hold(1500)
    assert [one.session.aborted, two.session.aborted] == [True, False]


def test_the_limit_changes() -> None:
    one = EngineClient()
    two = EngineClient(one.engine)
    two.execute("MULTI")
    two.execute("SET", "a", "x" * 5000)
    one.execute("CONFIG", "SET", "maxmemory", "100000", "maxmemory-clients", "5%")
    assert one.execute("CONFIG", "GET", "maxmemory-clients") == [b"maxmemory-clients", b"5%"]
    assert two.session.aborted
    three = EngineClient(one.engine)
    three.execute("MULTI")
    three.execute("SET", "a", "x" * 4000)
    three.close()
    one.execute("CONFIG", "SET", "maxmemory-clients", "0")
    four = EngineClient(one.engine)
    begin(four, 9000)
    assert not four.session.aborted
    one.execute("CONFIG", "SET", "maxmemory-clients", "1kb")
    assert four.session.aborted
