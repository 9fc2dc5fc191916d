from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pulsards.differential import Differential
from tests.servers import RealServer


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    """pulsards, Valkey and Redis side by side; the module's KNOWN says where they are meant to differ."""
    known = getattr(request.module, "KNOWN", {})
    with Differential(valkey, redis_server, request.param, known) as differential:
        yield differential


@pytest.fixture(scope="module", params=[2, 3], ids=["resp2", "resp3"])
def lasting_peers(
    request: pytest.FixtureRequest, valkey: RealServer, redis_server: RealServer | None
) -> Iterator[Differential]:
    """The same for tests of many examples, which share the connections and flush between examples."""
    known = getattr(request.module, "KNOWN", {})
    with Differential(valkey, redis_server, request.param, known) as differential:
        yield differential
