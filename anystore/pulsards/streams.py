"""The driver for any byte stream: TLS, platforms without epoll, and streams inside the process."""

from __future__ import annotations

import anyio
from anyio.abc import ByteStream

from anystore.pulsards.engine import Engine


async def serve_stream(
    engine: Engine, stream: ByteStream, address: str = "", local_address: str = ""
) -> None:
    """Serve one connection until it ends or the server closes it; the stream is closed in any case.

    Cancelled, it closes the stream and takes the session out of every list at once.
    """
    session = engine.connect(address, local_address)
    output = anyio.Event()

    def deliver() -> None:
        output.set()

    async def send_output() -> None:
        # A task of its own: a client that does not read must not keep its own commands from being read, nor
        # messages from being queued for it.
        nonlocal output
        while True:
            await output.wait()
            output = anyio.Event()
            if session.has_output() and not session.aborted:
                data = session.take_output()
                session.unsent_bytes = len(data)
                await stream.send(data)
                session.unsent_bytes = 0
                engine.statistics.bytes_sent += len(data)
            if session.closing:
                group.cancel_scope.cancel()

    session.deliver = deliver
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(send_output)
            try:
                async for data in stream:
                    engine.statistics.bytes_received += len(data)
                    session.receive(data)
                    if session.has_output() or session.closing:
                        output.set()
                    engine.flush()
            finally:
                if not session.closing:
                    group.cancel_scope.cancel()
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
        # The client has gone, in the middle of sending or of being sent to: the session ends with it.
        session.closing = True
    finally:
        session.close()
        engine.flush()
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.aclose()
