"""Fixtures for test suites that need a Redis: installing anystore is enough, pytest finds them by itself.

`pulsards` is for any test, blocking or not; `pulsards_store` is for asynchronous tests run by anyio's pytest
plugin (`@pytest.mark.anyio`), on whichever backend such a test runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from anystore import RemoteStore


@pytest.fixture(scope="session")
def _pulsards_portal() -> Iterator[BlockingPortal]:
    """One thread with an event loop for all the servers of a test run: starting a server then costs no thread."""
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.fixture
def pulsards(_pulsards_portal: BlockingPortal) -> Iterator[str]:
    """The DSN of a server of this test's own, `pulsar://127.0.0.1:PORT`: empty at first, gone after the test.

    It runs in a thread, so blocking clients and asynchronous ones can use it alike.
    """
    from anystore.pulsards import PulsarDS

    with _pulsards_portal.wrap_async_context_manager(PulsarDS("127.0.0.1:0")) as server:
        yield server.dsn


@pytest.fixture
async def pulsards_store(anyio_backend: object) -> AsyncIterator[RemoteStore[bytes]]:
    """An open store on an in-process server of this test's own, without a socket. For `@pytest.mark.anyio` tests."""
    from anystore import create_store

    async with create_store("memory://") as store:
        yield cast("RemoteStore[bytes]", store)
