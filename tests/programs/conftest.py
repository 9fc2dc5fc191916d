from __future__ import annotations

from collections.abc import Iterator

import pytest

from anystore.pulsards import run_in_thread


@pytest.fixture
def url() -> Iterator[str]:
    """A fresh server, by the name that these programs know its kind under."""
    with run_in_thread() as dsn:
        yield dsn.replace("pulsar://", "redis://") + "/0"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
