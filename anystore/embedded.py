"""Stores that bring their server along: `memory://` always, `pulsar://` where `start_store` finds nobody there.

The server is a task in the store's own group, so it ends with the `async with`; its data belong to no event loop.

`memory://` is a server of the store object's own: what was written is there when the same object is entered again.
`memory://name` is one server for all stores of that name in the process, from the first one until the process ends.
Both are reached without any socket; `listen` lets others in, too. With the option `dir`, a server keeps its data in that
directory, where the next one finds them.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anyio
from anyio.abc import ByteStream, TaskStatus

from anystore.backend import current_token
from anystore.dsn import ConnectionString, Host
from anystore.exceptions import ConnectionFailed, ImproperlyConfigured, StoreError
from anystore.options import EmbeddedOptions, Options
from anystore.redis.commands.base import S
from anystore.redis.store import RedisStore
from anystore.streams import open_tcp

if TYPE_CHECKING:
    from anystore.pulsards import PulsarDS

__all__ = ("MemoryStore", "PulsarStore")

LOOPBACK: Final = "127.0.0.1"
PULSARDS_PORT: Final = 6410


class _Host:
    """A server in this process, run by one of the stores that use it at a time."""

    def __init__(self, server: PulsarDS, settings: tuple[Any, ...]) -> None:
        self.server = server
        server.obeys_shutdown = False  # the stores that use it cannot do without
        self.settings = settings
        self._stores = 0
        self._loop: object = None
        self._turn: anyio.Lock
        self._up: anyio.Event

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run the server until cancelled; while another store does, stand by to take over from it.

        Raises `StoreError` while the server is in use in another event loop, `OSError` where it cannot listen.
        """
        if not self._stores:
            self._loop, self._turn, self._up = current_token(), anyio.Lock(), anyio.Event()
        elif self._loop is not current_token():
            raise StoreError("the server is in use in another event loop")
        self._stores += 1
        try:
            if self._turn.locked():
                task_status.started()
                task_status = anyio.TASK_STATUS_IGNORED
            async with self._turn:
                try:
                    await self.server.serve(task_status=_Up(self._up, task_status))
                finally:
                    self._up = anyio.Event()
        finally:
            self._stores -= 1

    async def connect_stream(self) -> ByteStream:
        """A connection inside the process, as soon as some store runs the server."""
        await self._up.wait()
        return self.server.connect_stream()


class _Up:
    """Tells both the stores that stand by and the one that runs the server that it is up."""

    def __init__(self, up: anyio.Event, task_status: TaskStatus[None]) -> None:
        self._up = up
        self._task_status = task_status

    def started(self, value: object = None) -> None:
        self._up.set()
        self._task_status.started()


_named: Final[dict[str, _Host]] = {}


class EmbeddingStore(RedisStore[S]):
    """What both kinds have in common: a server of the store's own, while it is open."""

    options: EmbeddedOptions

    def __init__(self, url: ConnectionString, options: Options) -> None:
        super().__init__(url, options)
        self._host: _Host | None = None

    @classmethod
    def options_class(cls, scheme: str) -> type[Options]:
        return EmbeddedOptions

    async def run_server(self, host: _Host) -> None:
        """Run or join the server in the store's task group; returns when it can be connected to.

        Raises `ConnectionFailed` where it cannot listen, `StoreError` while another event loop has it.
        """
        try:
            await self.task_group.start(host.run)
        except OSError as error:
            raise ConnectionFailed(f"{self}: the server cannot be started: {error}") from error
        self._host = host

    async def close(self) -> None:
        await super().close()
        self._host = None

    @property
    def server(self) -> PulsarDS:
        """The server in this process. Raises `StoreError` while the store has none."""
        if self._host is None:
            self.check_open()
            raise StoreError(f"{self}: the server is not one that this store started")
        return self._host.server

    def _make_server(self, *bind: str) -> PulsarDS:
        # A store that is only a client does not load the server.
        from anystore.pulsards import PulsarDS

        more: list[str] = self.options.listen.split(",") if self.options.listen else []
        return PulsarDS([*bind, *more], requirepass=self.password or "", dir=self.options.dir or "")


class MemoryStore(EmbeddingStore[S]):
    """A store whose server is in this process and reached without a socket."""

    default_address: ClassVar[Host] = ("memory", None)

    def __init__(self, url: ConnectionString, options: Options) -> None:
        super().__init__(url, options)
        if url.hosts and url.hosts[0][1] is not None:
            raise ImproperlyConfigured("port: memory:// has none; option listen says where others connect")
        self._own: _Host | None = None

    async def prepare(self) -> None:
        await self.run_server(self._found_host())
        await super().prepare()

    async def connect_stream(self) -> ByteStream:
        assert self._host is not None
        return await self._host.connect_stream()

    def _found_host(self) -> _Host:
        host = _named.get(self.host) if self.host else self._own
        settings = (self.password, self.options.listen, self.options.dir)
        if host is None:
            host = _Host(self._make_server(), settings)
            if self.host:
                _named[self.host] = host
            else:
                self._own = host
        elif host.settings != settings:
            raise ImproperlyConfigured(
                f"{self}: this server is there already, with another password, listen or dir"
            )
        return host


class PulsarStore(EmbeddingStore[S]):
    """A store on a pulsards server: somebody else's or, made by `start_store`, its own."""

    default_address: ClassVar[Host] = (LOOPBACK, PULSARDS_PORT)

    def __init__(self, url: ConnectionString, options: Options) -> None:
        super().__init__(url, options)
        self._given_hosts = url.hosts

    async def prepare(self) -> None:
        if self.start_server:
            await self._start_server()
        await super().prepare()

    async def close(self) -> None:
        await super().close()
        self._url = replace(self._url, hosts=self._given_hosts)

    async def _start_server(self) -> None:
        # Without a host any port will do, and is free.
        host, port = self.address if self.url.hosts else (LOOPBACK, 0)
        assert port is not None
        if not is_local(host) or (port and await self._is_taken(host, port)):
            return
        server = self._make_server(_bind_address(host, port))
        try:
            await self.run_server(_Host(server, ()))
        except ConnectionFailed as error:
            # Did somebody else start it in this very moment?
            if getattr(error.__cause__, "errno", None) != errno.EADDRINUSE:
                raise
            return
        shown = server.addresses[0]
        self._url = replace(self._url, hosts=((host, int(shown.rpartition(":")[2])),))

    async def _is_taken(self, host: str, port: int) -> bool:
        with anyio.move_on_after(self.options.connect_timeout):
            try:
                async with await open_tcp(host, port):
                    return True
            except OSError:
                return False
        return True


def is_local(host: str) -> bool:
    """Whether a host's name or address means this machine, without asking anybody."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _bind_address(host: str, port: int) -> str:
    if host == "localhost" and not port:
        # The name stands for two addresses, which would take two ports.
        host = LOOPBACK
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
