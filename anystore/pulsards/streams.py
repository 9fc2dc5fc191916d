"""The driver for any byte stream: TLS, platforms without epoll, and streams inside the process."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, TaskGroup
from anyio.streams.tls import TLSStream

from anystore.pulsards.admission import turn_away
from anystore.pulsards.connections import TURN_NS
from anystore.pulsards.engine import Engine
from anystore.pulsards.listeners import set_up_connection, shown_peer
from anystore.streams import SocketByteStream

logger = logging.getLogger("anystore.pulsards")

#: A client that has not done its TLS handshake by then is let go, in seconds.
_HANDSHAKE: Final = 10.0
#: Where the process has no descriptor left, accepting waits so long for some connection to end, in seconds.
_OUT_OF_DESCRIPTORS: Final = 0.1


async def serve_listener(
    engine: Engine,
    listener: socket.socket,
    connections: TaskGroup,
    context: Callable[[], ssl.SSLContext] | None = None,
) -> None:
    """Take the connections to a listening socket until cancelled, and serve each in the group `connections`.

    With TLS where there is a `context`, which is asked for each connection, so that settings can change. The socket
    stays the caller's.
    """
    while True:
        try:
            sock, address = listener.accept()
        except (BlockingIOError, InterruptedError):
            await anyio.wait_readable(listener)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                logger.error("connections have to wait: the process has no file descriptor left")
                await anyio.sleep(_OUT_OF_DESCRIPTORS)
            else:
                logger.warning("a connection could not be accepted: %s", error)
                await anyio.lowlevel.checkpoint()
        else:
            connections.start_soon(_serve_socket, engine, sock, address, context)


async def _serve_socket(
    engine: Engine, sock: socket.socket, address: object, context: Callable[[], ssl.SSLContext] | None
) -> None:
    set_up_connection(sock, engine.config)
    peer, own = shown_peer(address, sock), shown_peer(sock.getsockname(), sock)
    refusal = turn_away(engine, peer)
    stream: ByteStream = SocketByteStream(sock)
    if refusal is None:
        secured = stream if context is None else await _secured(stream, context(), peer)
        if secured is not None:
            await serve_stream(engine, secured, peer, own)
        return
    with anyio.CancelScope(shield=True), anyio.move_on_after(1):
        try:
            if context is None:
                await stream.send(refusal)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            logger.debug("a client that was turned away left before it was told")
        finally:
            await stream.aclose()


async def _secured(stream: ByteStream, context: ssl.SSLContext, peer: str) -> ByteStream | None:
    """The stream with TLS over it, or None where the client would not have it; it is closed then."""
    try:
        with anyio.fail_after(_HANDSHAKE):
            return await TLSStream.wrap(
                stream, server_side=True, ssl_context=context, standard_compatible=False
            )
    except (OSError, TimeoutError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        logger.info("%s: no TLS connection: %s", peer, error or type(error).__name__)
        await anyio.aclose_forcefully(stream)
        return None
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


async def _flush_together(engine: Engine) -> None:
    """End the turn once all tasks that can run have run: what their clients are told gets on disk with one fsync."""
    if engine.turn_is_ending:
        return
    engine.turn_is_ending = True
    try:
        await anyio.lowlevel.checkpoint()
    finally:
        engine.turn_is_ending = False
        engine.flush()


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
                engine.statistics.writes += 1
                session.hold(session.unsent_bytes - len(data))
                if session.follower is not None:
                    engine.flush()  # its image may go on
            if session.closing:
                break
        group.cancel_scope.cancel()

    async def end_turn() -> None:
        if engine.holds_replies:
            engine.outbox[session] = None
            await _flush_together(engine)
        else:
            deliver()
            engine.flush()

    session.deliver = deliver
    session.turn_ns = TURN_NS
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(send_output)
            try:
                async for data in stream:
                    engine.statistics.bytes_received += len(data)
                    engine.statistics.reads += 1
                    session.receive(data)
                    await end_turn()
                    while session in engine.unfinished:
                        await anyio.lowlevel.checkpoint()
                        engine.go_on()
                        await end_turn()
            finally:
                if not session.closing:
                    group.cancel_scope.cancel()
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
        # The client has gone, in the middle of sending or of being sent to: the session ends with it.
        session.closing = True
    finally:
        session.close()
        engine.flush()
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.aclose()
