"""A TCP proxy that does to a connection what networks do: delays it, cuts it, splits it up, swallows bytes.

```python
async with FaultProxy(valkey.port) as proxy:
    async with create_store(proxy.dsn) as store:
        proxy.down.cut_after = 0          # the next reply is lost, and with it the connection
```
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import anyio
from anyio import AsyncContextManagerMixin
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from tests.servers import free_port

CERTIFICATES = Path(__file__).parent / "certificates"

GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


@dataclass
class Faults:
    """What happens to the bytes of one direction; can be changed at any time."""

    delay: float = 0.0
    """Seconds that each piece of data is late."""
    chunk: int | None = None
    """Most bytes that are passed on at a time."""
    cut_after: int | None = None
    """Bytes that still pass; the connection on which the next one arrives is cut, and this is None again, or `then`."""
    then: list[int] = field(default_factory=list)
    """What `cut_after` is after each cut, the next one first, so that no byte passes in between."""
    swallow: bool = False
    """Whether bytes are read and dropped."""


@dataclass(eq=False)
class Link:
    """A connection through the proxy."""

    client: ByteStream
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    gone: anyio.Event = field(default_factory=anyio.Event)
    up_bytes: int = 0
    down_bytes: int = 0

    def cut(self) -> None:
        self.scope.cancel()


class FaultProxy(AsyncContextManagerMixin):
    """Listens on a free port of the loopback, and passes on to `port`; `tls` is what clients have to speak to it."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.target = port
        self.tls = tls
        self.port = 0
        self.up = Faults()
        self.down = Faults()
        self.accepted = 0
        self.refusing = False
        self.accept_delay = 0.0
        self.links: set[Link] = set()
        self._gate = anyio.Event()
        self._gate.set()

    @property
    def dsn(self) -> str:
        return f"{'redis' if self.tls is None else 'rediss'}://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=free_port()) as listener,
            anyio.create_task_group() as group,
        ):
            self.port = listener.extra(SocketAttribute.local_port)
            group.start_soon(listener.serve, self._serve)
            yield self
            group.cancel_scope.cancel()

    async def cut(self) -> None:
        """Cut all connections; when it returns both sides can know it."""
        for link in list(self.links):
            link.cut()
            await link.gone.wait()

    def pause(self) -> None:
        """Pass nothing on, and do not finish accepting either, until `resume`: as if the server had been stopped."""
        self._gate = anyio.Event()

    def resume(self) -> None:
        self._gate.set()

    async def _serve(self, client: SocketStream) -> None:
        self.accepted += 1
        async with AsyncExitStack() as stack:
            # Closed before anybody hears that the link is gone.
            stack.callback(self._forget, link := Link(client))
            await stack.enter_async_context(client)
            with suppress(*GONE), link.scope:
                if not self.refusing:
                    await self._accept(link)

    def _forget(self, link: Link) -> None:
        self.links.discard(link)
        link.gone.set()

    async def _accept(self, link: Link) -> None:
        await anyio.sleep(self.accept_delay)
        await self._gate.wait()
        if self.tls is not None:
            link.client = await TLSStream.wrap(
                link.client, server_side=True, ssl_context=self.tls, standard_compatible=False
            )
        async with await anyio.connect_tcp("127.0.0.1", self.target) as server:
            self.links.add(link)
            async with anyio.create_task_group() as group:
                group.start_soon(self._pump, link, link.client, server, self.up)
                group.start_soon(self._pump, link, server, link.client, self.down)

    async def _pump(self, link: Link, source: ByteStream, sink: ByteStream, faults: Faults) -> None:
        with suppress(*GONE):
            async for data in source:
                await self._gate.wait()
                if faults.delay:
                    await anyio.sleep(faults.delay)
                if faults.swallow:
                    continue
                if faults.cut_after is not None and len(data) > faults.cut_after:
                    data = data[: faults.cut_after]
                    faults.cut_after = faults.then.pop(0) if faults.then else None
                    await self._pass_on(link, data, sink, faults)
                    break
                if faults.cut_after is not None:
                    faults.cut_after -= len(data)
                await self._pass_on(link, data, sink, faults)
        link.cut()

    async def _pass_on(self, link: Link, data: bytes, sink: ByteStream, faults: Faults) -> None:
        if faults is self.up:
            link.up_bytes += len(data)
        else:
            link.down_bytes += len(data)
        size = faults.chunk or max(len(data), 1)
        for start in range(0, len(data), size):
            await sink.send(data[start : start + size])


def server_tls() -> ssl.SSLContext:
    """The proxy's side of TLS: a certificate for localhost, signed by the tests' own authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    return context
