"""What the contract is held against: every server that claims to be one, in both protocols, on every backend.

A case is written once, as a function of an open `client` (or `store`), and runs for each of `TARGETS` and each
backend. To add a server, add a `Target`. A case for what came after Redis 7.0 says so with
`@pytest.mark.since("7.4.0")`, and is left out for servers that are older: left out, not skipped, so that a
server that should be there and is not fails.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from anystore import Store, create_store
from anystore.redis.client import Client
from tests.servers import RealServer, redis_binary

Version = tuple[int, ...]


@dataclass(frozen=True)
class Target:
    """A server, and how to speak with it.

    `fixture` is the session's fixture that gives a `RealServer` or a DSN; `version` is the Redis version whose commands
    it has.
    """

    name: str
    fixture: str
    version: Version
    protocol: int
    unix: bool = False

    @property
    def id(self) -> str:
        return f"{self.name}-resp{self.protocol}"

    def dsn(self, request: pytest.FixtureRequest) -> str:
        server = request.getfixturevalue(self.fixture)
        if isinstance(server, RealServer):
            return f"redis+unix://{server.unixsocket}?database=0" if self.unix else server.dsn
        return str(server)


def _version_of(binary: str) -> Version:
    words = subprocess.run([binary, "--version"], capture_output=True, check=True, text=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", words)
    assert found is not None, f"{binary} --version says {words!r}"
    return tuple(int(part) for part in found.groups())


def _targets() -> list[Target]:
    # What Valkey 9.1 lacks of Redis 7.4 and 8 has a case that knows it; it has all that this client has methods for.
    targets = [Target("valkey", "valkey", (7, 4, 99), protocol) for protocol in (3, 2)]
    binary = redis_binary()
    if binary is not None:
        targets += [Target("redis", "redis_server", _version_of(binary), protocol) for protocol in (3, 2)]
    return targets


TARGETS = _targets()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "since(version): the Redis version that brought what the case is about"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _is_too_new(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_too_new(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("since")
    callspec = getattr(item, "callspec", None)
    target = callspec.params.get("target") if callspec is not None else None
    if marker is None or not isinstance(target, Target):
        return False
    return tuple(int(part) for part in marker.args[0].split(".")) > target.version


@pytest.fixture(params=[pytest.param(target, id=target.id) for target in TARGETS])
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture
def dsn(target: Target, request: pytest.FixtureRequest) -> str:
    return target.dsn(request)


@pytest.fixture
async def store(target: Target, dsn: str, anyio_backend: Any) -> AsyncIterator[Store[bytes]]:
    """An open store on an empty server."""
    async with create_store(dsn, protocol=target.protocol) as store:
        await store.execute("FLUSHALL")
        yield store


@pytest.fixture
def client(store: Store[bytes]) -> Client[bytes]:
    return store.client()


@pytest.fixture
async def text_client(target: Target, dsn: str, store: Store[bytes]) -> AsyncIterator[Client[str]]:
    """A second store on the same server, whose strings are `str`."""
    async with create_store(dsn, protocol=target.protocol, decode_responses=True) as second:
        yield second.client()
