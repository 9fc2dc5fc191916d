"""The task that opens the connection to the primary, and opens it again when it has gone."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskStatus

from anystore.pulsards import tls
from anystore.pulsards.engine import Engine
from anystore.pulsards.giving_way import give_way
from anystore.pulsards.listeners import shown_peer
from anystore.pulsards.persistence.rdb import RdbError
from anystore.pulsards.replication.following import Following
from anystore.pulsards.replication.link import LinkError
from anystore.streams import open_tcp, open_tls

logger = logging.getLogger("anystore.pulsards")

#: How long to wait before a primary is tried again, in seconds: at first, and at most.
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 2.0
#: Bytes that are taken at a time: to carry out what they say holds up everybody else.
_PIECE: Final = 16 * 1024
_GONE: Final = (
    OSError,
    TimeoutError,
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)


async def follow_primaries(
    engine: Engine, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Keep the link to whatever primary the engine follows; runs until it is cancelled.

    While none is followed it sleeps. A link that has gone is opened again after a while, which grows as long as it
    does not come up. Cancelled, it closes the connection.
    """
    replication = engine.replication
    changed = anyio.Event()

    def change() -> None:
        changed.set()

    replication.on_change = change
    delay = _FIRST_DELAY
    try:
        task_status.started()
        while True:
            changed = anyio.Event()
            following = replication.following
            if following is None:
                await changed.wait()
                continue
            came_up = await _keep_link(engine, following)
            engine.start_turn()
            following.lost()
            engine.flush()
            delay = _FIRST_DELAY if came_up else min(2 * delay, _LONGEST_DELAY)
            if replication.following is following:
                with anyio.move_on_after(delay):
                    await changed.wait()
    finally:
        replication.on_change = _nobody
        if replication.following is not None:
            replication.following.lost()


async def _keep_link(engine: Engine, following: Following) -> bool:
    """Open a connection and serve it until it ends; whether the stream came to run."""
    following.connecting()
    try:
        async with _connection(engine, following) as stream:
            return await _serve_link(engine, following, stream)
    except (LinkError, RdbError) as error:
        logger.warning("following %s:%d: %s", following.host, following.port, error)
    except _GONE as error:
        logger.warning("no link to %s:%d: %s", following.host, following.port, error or type(error).__name__)
    return False


@asynccontextmanager
async def _connection(engine: Engine, following: Following) -> AsyncIterator[ByteStream]:
    """A connection to the primary, closed in any case."""
    values = engine.config.values
    with anyio.fail_after(values["repl-timeout"]):
        stream: ByteStream = await open_tcp(following.host, following.port, values["bind-source-addr"])
        try:
            peer, own = _addresses(stream)
            if values["tls-replication"]:
                stream = await open_tls(stream, tls.client_context(engine.config), following.host)
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise
    try:
        following.begin(peer, own)
        yield stream
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await anyio.aclose_forcefully(stream)


def _addresses(stream: ByteStream) -> tuple[str, str]:
    sock = stream.extra(SocketAttribute.raw_socket)
    return shown_peer(sock.getpeername(), sock), shown_peer(sock.getsockname(), sock)


async def _serve_link(engine: Engine, following: Following, stream: ByteStream) -> bool:
    """Read and write until the link ends, by either side; whether the stream came to run."""
    came_up = False
    output = anyio.Event()

    def wake() -> None:
        output.set()

    async def send_output() -> None:
        # A task of its own, so that what is due to be said is said while nothing comes.
        nonlocal output
        with suppress(*_GONE):  # reading tells, too
            while not following.is_over:
                output = anyio.Event()
                data = following.take_output()
                if data:
                    await stream.send(data)
                    engine.statistics.bytes_sent += len(data)
                else:
                    await output.wait()
        group.cancel_scope.cancel()

    following.wake = wake
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        try:
            group.start_soon(send_output)
            while True:
                data = await stream.receive(_PIECE)
                engine.statistics.bytes_received += len(data)
                if following.is_over:
                    # Another primary counts since this was asked for: what came from this one is nobody's any more.
                    group.cancel_scope.cancel()
                    break
                try:
                    following.receive(data)
                finally:
                    engine.flush()
                if len(data) == _PIECE:
                    await give_way()  # there is more
                while following.loads and not following.is_over:
                    try:
                        following.load_on()
                    finally:
                        engine.flush()
                    await give_way()
                came_up = came_up or following.connected
                wake()
        except (LinkError, RdbError, *_GONE) as error:
            failure = error
            group.cancel_scope.cancel()
    if failure is not None and not came_up:
        raise failure
    if failure is not None and not following.is_over:
        logger.warning(
            "the link to %s:%d has gone: %s",
            *(following.host, following.port, str(failure) or type(failure).__name__),
        )
    return came_up


def _nobody() -> None:
    """The driver has gone."""
