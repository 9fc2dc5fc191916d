from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.servers import RealServer, redis_binary, run_server, valkey_binary

# How long one example takes says more about the machine than about the code. A run of all checks tries the same
# examples each time, so that it says something about the change it runs on; `ANYSTORE_EXPLORE=1` looks for new ones.
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("ANYSTORE_EXPLORE") else "house")

# Programs need packages of their own: `nox -s programs` installs them and says which.
collect_ignore = {
    "programs": ["programs/test_arq.py"],
    "programs-arq": [f"programs/test_{name}.py" for name in ("clients", "queues", "watchers", "web")],
}.get(os.environ.get("ANYSTORE_PROGRAMS", ""), ["programs"])

BACKENDS = [
    pytest.param(("asyncio", {}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", {}), id="trio"),
]
# uvloop has no build for Windows; everywhere else a missing one is a broken set-up, and the tests fail.
if importlib.util.find_spec("uvloop") is None:
    raise RuntimeError("uvloop is not installed: install the 'test' dependency group")


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="session")
def valkey() -> Iterator[RealServer]:
    """One Valkey 9.1 for the whole run; tests flush what they use."""
    with run_server(valkey_binary()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RealServer | None]:
    """Redis itself where it is on PATH, else None: it joins in, Valkey is what is required."""
    binary = redis_binary()
    if binary is None:
        yield None
        return
    with run_server(binary) as server:
        yield server
