"""What the comparisons with real servers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pulsards.sides import Side
from tests.servers import SERVERS, RealServer


@pytest.fixture(scope="module", params=[f"{server} {protocol}" for server in SERVERS for protocol in (2, 3)])
def side(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Side]:
    """pulsards beside one of the servers, in one of the protocols."""
    name, protocol = request.param.split()
    server = valkey if name == "valkey" else redis_server
    assert server is not None
    found = Side(name, server.port, int(protocol))
    yield found
    found.trial.close()
