"""What the contract is held against: every server that claims to be one, in both protocols, on every backend.

A case is written once, as a function of an open `client` (or `store`), and runs for each of `TARGETS` and each
backend. To add a server, add a `Target`. A case for what came after Redis 7.0 says so with
`@pytest.mark.since("7.4.0")`, and is left out for servers that are older: left out, not skipped, so that a
server that should be there and is not fails.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anystore import Store, create_store
from anystore.pulsards import PulsarDS
from anystore.pulsards.commands import load as load_commands
from anystore.pulsards.registry import registered
from anystore.redis.client import Client
from anystore.spec import specs
from tests.servers import redis_binary

Version = tuple[int, ...]


@dataclass(frozen=True)
class Target:
    """A server, and how to speak with it.

    `served` gives its DSN for as long as the block lasts; `version` is the Redis version whose commands it has,
    `lacks` are those of them that it does not have (yet).
    """

    name: str
    served: Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[str]]
    version: Version
    protocol: int
    lacks: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return f"{self.name}-resp{self.protocol}"


def _real(fixture: str) -> Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[str]]:
    """A real server, one for the whole session, by TCP."""

    @asynccontextmanager
    async def serve(request: pytest.FixtureRequest) -> AsyncIterator[str]:
        yield request.getfixturevalue(fixture).dsn

    return serve


@asynccontextmanager
async def _memory(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        # By name, so that cases can open several stores on it.
        yield f"memory://{Path(folder).name}?dir={folder}"


@asynccontextmanager
async def _tcp(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with PulsarDS("127.0.0.1:0", dir=folder) as server:
            yield server.dsn


@asynccontextmanager
async def _unix(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="as") as folder:
        async with PulsarDS(f"unix:{folder}/s", dir=f"{folder}/data"):
            yield f"redis+unix://{folder}/s?database=0"


def _version_of(binary: str) -> Version:
    words = subprocess.run([binary, "--version"], capture_output=True, check=True, text=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", words)
    assert found is not None, f"{binary} --version says {words!r}"
    return tuple(int(part) for part in found.groups())


PULSARDS = (7, 4, 0)
# What pulsards does not have yet is left to the cases' marker `needs`, and joins in when it comes.
load_commands()
PULSARDS_LACKS = frozenset(specs()) - frozenset(registered())
# Valkey 9.1 has all of Redis 7.4 that this client has methods for.
VALKEY = (7, 4, 99)
# What came with Redis 8 is not in the real servers here.
REDIS_8 = frozenset(("xackdel", "xdelex"))
# What Redis 7.0 lacks of what Valkey 9.1 has: Valkey's own, and what both got after they had parted.
AFTER_REDIS_7 = REDIS_8 | {
    "commandlog|get",
    "client|capa",
    "cluster|flushslot",
    "delifeq",
    "hgetdel",
    "hgetex",
    "hsetex",
    "msetex",
    "script|show",
}


def _targets() -> list[Target]:
    targets = [Target("valkey", _real("valkey"), VALKEY, protocol, REDIS_8) for protocol in (3, 2)]
    targets += [Target("tcp", _tcp, PULSARDS, protocol, PULSARDS_LACKS) for protocol in (3, 2)]
    targets += [Target("unix", _unix, PULSARDS, 3, PULSARDS_LACKS)]
    targets += [Target("memory", _memory, PULSARDS, protocol, PULSARDS_LACKS) for protocol in (3, 2)]
    binary = redis_binary()
    if binary is not None:
        version = _version_of(binary)
        targets += [
            Target("redis", _real("redis_server"), version, protocol, AFTER_REDIS_7) for protocol in (3, 2)
        ]
    return targets


TARGETS = _targets()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "since(version): the Redis version that brought what the case is about"
    )
    config.addinivalue_line(
        "markers", "needs(*commands): commands that the case is about, where some server lacks them"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {item for item in items if _is_not_for_its_target(item)}
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in left_out]


def _is_not_for_its_target(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    target = callspec.params.get("target") if callspec is not None else None
    if not isinstance(target, Target):
        return False
    since = item.get_closest_marker("since")
    too_new = since is not None and tuple(int(part) for part in since.args[0].split(".")) > target.version
    return too_new or any(target.lacks & {*needs.args} for needs in item.iter_markers("needs"))


@pytest.fixture(params=[pytest.param(target, id=target.id) for target in TARGETS])
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


@pytest.fixture
async def dsn(target: Target, request: pytest.FixtureRequest, anyio_backend: Any) -> AsyncIterator[str]:
    async with target.served(request) as dsn:
        yield dsn


@pytest.fixture
async def store(target: Target, dsn: str) -> AsyncIterator[Store[bytes]]:
    """An open store on an empty server."""
    async with create_store(dsn, protocol=target.protocol) as store:
        await store.execute("FLUSHALL")
        yield store


@pytest.fixture
def client(store: Store[bytes]) -> Client[bytes]:
    return store.client()


@pytest.fixture
async def text_client(target: Target, dsn: str, store: Store[bytes]) -> AsyncIterator[Client[str]]:
    """A client of a second store on the same server, whose strings are `str`."""
    async with create_store(dsn, protocol=target.protocol, decode_responses=True) as second:
        yield second.client()
