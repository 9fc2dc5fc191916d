"""What MIGRATE refuses before it says anything to anybody, compared with real servers."""

from __future__ import annotations

import pytest

from tests.pulsards.peers import EngineClient, RealClient
from tests.servers import RealServer

CALLS = (
    "",
    "h",
    "h 1 k 0",
    "h 1 missing 0 100",
    "h x missing 0 100",
    "h 1 missing x 100",
    "h 1 missing 0 x",
    "h 1 missing x y",
    "h 1 missing 0 -1 COPY replace",
    "h 1 missing 0 1 AUTH",
    "h 1 missing 0 1 AUTH2",
    "h 1 missing 0 1 AUTH2 user",
    "h 1 missing 0 1 AUTH2 user password",
    "h 1 missing 0 1 AUTH2 user password COPY AUTH x",
    "h 1 missing 0 1 KEYS a",
    "h 1 missing 0 1 nonsense",
    "h 1 missing x 1 nonsense",
    "h 1 EMPTY 0 1",
    "h 1 EMPTY 0 1 KEYS",
    "h 1 EMPTY 0 1 KEYS a b",
    "h 1 EMPTY 0 1 AUTH KEYS KEYS a b",
)


@pytest.mark.parametrize("text", CALLS)
def test_as_real_servers(text: str, valkey: RealServer, redis_server: RealServer | None) -> None:
    call = ["MIGRATE", *("" if word == "EMPTY" else word for word in text.split())]
    ours = EngineClient()
    for server in filter(None, (valkey, redis_server)):
        client = RealClient(server.port)
        client.execute("FLUSHALL")
        assert client.execute(*call) == ours.execute(*call)
        client.close()
