from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pulsards.scripting.script_peers import ScriptPeers
from tests.servers import RealServer


@pytest.fixture
def peers(valkey: RealServer, redis_server: RealServer | None) -> Iterator[ScriptPeers]:
    """pulsards beside Valkey, and Redis where it is installed; all of them empty."""
    both = ScriptPeers(server.port for server in (valkey, redis_server) if server is not None)
    both.command("FLUSHALL")
    both.command("SCRIPT", "FLUSH")
    yield both
    both.close()
