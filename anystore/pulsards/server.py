"""pulsards as a server: an engine, where it listens, and the tasks that serve it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

import anyio
from anyio import AsyncContextManagerMixin
from anyio.abc import TaskStatus

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards import reactor, streams
from anystore.pulsards.clock import Clock
from anystore.pulsards.config import Config
from anystore.pulsards.engine import Engine
from anystore.pulsards.memory import MemoryStream
from anystore.pulsards.timers import run_timers

logger = logging.getLogger("anystore.pulsards")

#: Redis' default for `tcp-backlog`.
_BACKLOG = 511


class PulsarDS(AsyncContextManagerMixin):
    """A Redis-compatible server that lives in a task group.

    Either spawned in a group of yours, `dsn = await group.start(PulsarDS(bind="127.0.0.1:0").serve)`, until that
    group is cancelled; or with a group of its own, `async with PulsarDS(bind="127.0.0.1:0") as server`. Its data
    belong to the object, not to an event loop: entered again, later or in another loop, it goes on with them.
    """

    def __init__(
        self,
        bind: str | Sequence[str] | None = None,
        *,
        config: Config | None = None,
        clock: Clock | None = None,
        **directives: str | int | bool,
    ) -> None:
        """Prepare a server; nothing listens yet.

        `bind` is one address or several: "host:port" (port 0 takes a free one), "[::1]:port" or "unix:/path".
        Without it the directives `bind`, `port` and `unixsocket` decide; an empty sequence listens nowhere, for
        use by `connect_stream` alone. `directives` are settings of redis.conf with underscores for their dashes
        (`requirepass="…"`, `maxclients=100`). `clock` replaces the machine's clock, in tests.

        Raises `ImproperlyConfigured` for an unknown directive or a value that cannot be used.
        """
        settings = {name.replace("_", "-"): _as_text(value) for name, value in directives.items()}
        if config is None:
            config = Config(settings)
        elif settings:
            raise ImproperlyConfigured("give either config or single directives, not both")
        self.config = config
        #: The addresses to listen on, as given; `addresses` has them as they are while the server runs.
        self.bind = _addresses(config) if bind is None else [bind] if isinstance(bind, str) else list(bind)
        for address in self.bind:
            _split_address(address)
        self.engine = Engine(config, clock)
        self.addresses: tuple[str, ...] = ()
        self._running = False

    @property
    def clock(self) -> Clock:
        """The clock that the server goes by."""
        return self.engine.clock

    @property
    def dsn(self) -> str:
        """The connection string of the first address listened on; it carries the password where there is one.

        Raises `RuntimeError` while the server does not listen.
        """
        if not self.addresses:
            raise RuntimeError("the server does not listen: enter it, or start its serve(), first")
        password = self.config.requirepass
        login = f":{quote(password, safe='')}@" if password else ""
        address = self.addresses[0]
        if address.startswith("unix:"):
            return f"redis+unix://{login}{quote(address.removeprefix('unix:'))}"
        return f"pulsar://{login}{address}"

    def __repr__(self) -> str:
        return f"<PulsarDS {', '.join(self.addresses) or 'not listening'}>"

    async def serve(self, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, reporting the DSN once clients can connect.

        Cancelled, it stops in order: no new connection, queued replies get a last chance to leave, every
        connection and socket is closed. Raises `OSError` where an address cannot be listened on.
        """
        if self._running:
            raise RuntimeError("this server is running already")
        self._running = True
        try:
            async with AsyncExitStack() as stack:
                listeners = await self._listen(stack)
                async with anyio.create_task_group() as group:
                    await group.start(run_timers, self.engine)
                    if reactor.available:
                        group.start_soon(reactor.Reactor(self.engine).run, listeners)
                    else:
                        for listener in listeners:
                            group.start_soon(self._serve_streams, listener)
                    task_status.started(self.dsn if self.addresses else "")
        finally:
            self._running = False
            self.addresses = ()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        # What cannot be listened on, and what is raised in the block, comes out as it is: outside of the group, which
        # would wrap it.
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            try:
                await group.start(self.serve)
                yield self
            except Exception as error:
                failure = error
            finally:
                group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def connect_stream(self) -> MemoryStream:
        """A connection from inside the process. The server must be running."""
        if not self._running:
            raise RuntimeError("the server is not running: enter it, or start its serve(), first")
        return MemoryStream(self.engine)

    async def _listen(self, stack: AsyncExitStack) -> list[socket.socket]:
        listeners: list[socket.socket] = []
        shown: list[str] = []
        for address in self.bind:
            for listener in await _open_listeners(address):
                stack.callback(_close_listener, listener)
                listeners.append(listener)
                shown.append(_show_listener(listener))
        self.addresses = tuple(shown)
        ports = (_split_address(address)[1] for address in shown)
        self.engine.port = next((port for port in ports if port > 0), 0)
        return listeners

    async def _serve_streams(self, listener: socket.socket) -> None:
        """The stream driver's accept loop, where there is no epoll."""
        async with await anyio.abc.SocketListener.from_socket(listener.dup()) as accepting:

            async def handle(stream: anyio.abc.SocketStream) -> None:
                await streams.serve_stream(self.engine, stream, str(stream), str(listener.getsockname()))

            await accepting.serve(handle)


def _as_text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _addresses(config: Config) -> list[str]:
    """Where the directives `bind`, `port` and `unixsocket` say to listen."""
    addresses = []
    if config.port:
        for host in config.bind:
            addresses.append(f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}")
    if config.unixsocket:
        addresses.append(f"unix:{config.unixsocket}")
    return addresses


def _split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port"; for "unix:/path" the path and -1."""
    if address.startswith("unix:"):
        return address.removeprefix("unix:"), -1
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ImproperlyConfigured(f"bind address {address!r}: want host:port, [ipv6]:port or unix:/path")
    return host.removeprefix("[").removesuffix("]"), int(port)


async def _open_listeners(address: str) -> list[socket.socket]:
    host, port = _split_address(address)
    if port < 0:
        return [_listen_unix(host)]
    found = await anyio.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    with contextlib.ExitStack() as opened:
        for family, kind, protocol, _, sockaddr in found:
            listener = opened.enter_context(socket.socket(family, kind, protocol))
            listener.setblocking(False)
            if os.name != "nt":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(sockaddr)
            listener.listen(_BACKLOG)
            listeners.append(listener)
        opened.pop_all()
    return listeners


def _listen_unix(path: str) -> socket.socket:
    # A socket file that nobody listens on is what a killed server left; anything else is not ours to remove.
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except OSError:
                os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.setblocking(False)
        listener.bind(path)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _close_listener(listener: socket.socket) -> None:
    path = listener.getsockname() if listener.family == getattr(socket, "AF_UNIX", None) else None
    listener.close()
    if path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _show_listener(listener: socket.socket) -> str:
    name: Any = listener.getsockname()
    if isinstance(name, tuple):
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
    return f"unix:{name}"
