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
    queue: list[bytes] = []

    def deliver() -> None:
        if session.has_output():
            data = session.take_output()
            queue.append(data)
            session.hold(session.unsent_bytes + len(data))
        if queue or session.closing:
            output.set()

    async def send_output() -> None:
        # A task of its own: a client that does not read must not keep its own commands from being read, nor
        # messages from being queued for it.
        nonlocal output
        while not session.aborted:
            await output.wait()
            output = anyio.Event()
            while queue and not session.aborted:
                data = b"".join(queue)
                queue.clear()
                await stream.send(data)
                engine.statistics.bytes_sent += len(data)
                session.unsent_bytes -= len(data)
            if session.closing:
                break
        group.cancel_scope.cancel()

    session.deliver = deliver
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(send_output)
            try:
                async for data in stream:
                    engine.statistics.bytes_received += len(data)
                    session.receive(data)
                    deliver()
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
