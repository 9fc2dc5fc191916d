"""A server beside a blocking program: its event loop runs in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anystore.pulsards.server import PulsarDS


@contextmanager
def run_in_thread(
    bind: str | Sequence[str] = "127.0.0.1:0", *, backend: str = "asyncio", **options: Any
) -> Iterator[str]:
    """Run a server in a thread for as long as the block lasts; gives its DSN.

    `options` are those of `PulsarDS`; `backend` is "asyncio", "uvloop" or "trio". On leaving, the server stops in
    order and its thread ends. Blocking: call it from ordinary code, not from inside an event loop's task.
    """
    # Here, because it takes its time, and whoever starts a server in any other way does without.
    from anyio.from_thread import start_blocking_portal

    name, backend_options = backend_for(backend)
    with (
        start_blocking_portal(name, backend_options) as portal,
        portal.wrap_async_context_manager(PulsarDS(bind, **options)) as server,
    ):
        yield server.dsn


def backend_for(name: str) -> tuple[str, dict[str, Any]]:
    """anyio's name and options for a backend; `ValueError` for one that is not known."""
    if name == "uvloop":
        return "asyncio", {"use_uvloop": True}
    if name in ("asyncio", "trio"):
        return name, {}
    raise ValueError(f"backend {name!r}: want asyncio, uvloop or trio")
