from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.servers import RealServer, redis8_binary, redis_binary, run_server, valkey_binary

# How long one example takes says more about the machine than about the code. A run of all checks tries the same
# examples each time, so that it says something about the change it runs on; `ANYSTORE_EXPLORE=1` looks for new ones.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("house", derandomize=True, **_UNTIMED)
settings.register_profile("explore", **_UNTIMED)
settings.load_profile("explore" if os.environ.get("ANYSTORE_EXPLORE") else "house")
if not os.environ.get("ANYSTORE_EXPLORE") and hasattr(providers, "_get_local_constants"):
    # Hypothesis mixes in constants of those of our modules that happen to be loaded. Which those are depends on the
    # tests that this process had before, and on any change to any module: not the same examples each time after all.
    providers._get_local_constants = lambda: providers._local_constants

# Programs need packages of their own: `nox -s programs` installs them and says which.
collect_ignore = {
    "programs": ["programs/test_arq.py"],
    "programs-arq": [
        f"programs/test_{name}.py" for name in ("benchmarks", "clients", "queues", "watchers", "web")
    ],
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


@pytest.fixture(scope="session")
def ports(valkey: RealServer, redis_server: RealServer | None) -> dict[str, int]:
    """Where each of `SERVERS` listens."""
    return {"valkey": valkey.port} | ({} if redis_server is None else {"redis": redis_server.port})


@pytest.fixture(scope="session")
def real_servers(valkey: RealServer, redis_server: RealServer | None) -> Iterator[dict[str, RealServer]]:
    """Every real server that is there, Redis 8 among them, by the names of `servers.binaries`."""
    found = {"valkey": valkey} | ({} if redis_server is None else {"redis": redis_server})
    binary = redis8_binary()
    if binary is None:
        yield found
        return
    with run_server(binary) as server:
        yield {**found, "redis8": server}
