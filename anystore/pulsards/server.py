"""pulsards as a server: an engine, where it listens, and the tasks that serve it."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import quote

import anyio
from anyio import AsyncContextManagerMixin
from anyio.abc import TaskStatus

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards import process, reactor, streams, tls
from anystore.pulsards.addresses import Address, configured_addresses, given_addresses, host_and_port
from anystore.pulsards.clock import Clock
from anystore.pulsards.config import Config, Refused
from anystore.pulsards.debugging.driver import run_debugging
from anystore.pulsards.engine import Engine
from anystore.pulsards.listeners import Listener, close_all, open_listeners, open_listeners_now
from anystore.pulsards.memory import MemoryStream
from anystore.pulsards.migration.driver import run_migrations
from anystore.pulsards.persistence.keeping import load_image, run_saves, save_at_end
from anystore.pulsards.persistence.loading import CannotLoad, StoppedWhileLoading
from anystore.pulsards.persistence.log_keeping import end_log, load_log, run_log
from anystore.pulsards.persistence.storage import DirectoryStorage
from anystore.pulsards.replication.driver import follow_primaries
from anystore.pulsards.timers import run_timers

logger = logging.getLogger("anystore.pulsards")


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
        **directives: str | int | bool | Sequence[str],
    ) -> None:
        """Prepare a server; nothing listens yet.

        `bind` is one address or several: "host:port" (port 0 takes a free one), "[::1]:port", "unix:/path", or
        "tls:host:port" for connections with TLS, which need the directive `tls_cert_file` at least. Without it the
        directives `bind`, `port`, `tls_port` and `unixsocket` decide; an empty sequence listens nowhere, for use by
        `connect_stream` alone. `directives` are settings of redis.conf with underscores for their dashes
        (`requirepass="…"`, `maxclients=100`), one that may be repeated as a list (`user=["alice on …"]`). `clock`
        replaces the machine's clock, in tests.

        Raises `ImproperlyConfigured` for an unknown directive or a value that cannot be used.
        """
        settings = {name.replace("_", "-"): _as_text(value) for name, value in directives.items()}
        if config is None:
            config = Config(settings)
        elif settings:
            raise ImproperlyConfigured("give either config or single directives, not both")
        self.config = config
        #: The addresses to listen on, as given; `addresses` has them as they are while the server runs.
        self._bind_given = bind is not None
        self.bind = configured_addresses(config) if bind is None else given_addresses(bind)
        self._tls: ssl.SSLContext | None = None
        if any(address.kind == "tls" for address in self.bind):
            try:
                self._tls = tls.server_context(config)
            except ValueError as error:
                raise ImproperlyConfigured(str(error)) from None
        self.engine = Engine(config, clock)
        self.engine.startup_memory = process.resident_bytes() or 0
        self.addresses: tuple[str, ...] = ()
        self._running = False
        #: Whether the data in memory are those of the directory: if they could not be loaded, nothing is saved there.
        self._loaded = False
        self._listeners: list[Listener] = []
        self._reactor: reactor.Reactor | None = None
        self._group: anyio.abc.TaskGroup | None = None
        #: Whether SHUTDOWN ends the server; False where it is part of something that could not do without.
        self.obeys_shutdown = True
        self._ended = anyio.Event()

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
        return self._dsn(f":{quote(password, safe='')}@" if password else "")

    def _dsn(self, login: str) -> str:
        address = self._listeners[0].address
        if address.kind == "unix":
            return f"redis+unix://{login}{quote(address.host)}"
        scheme = "rediss" if address.kind == "tls" else "pulsar"
        return f"{scheme}://{login}{host_and_port(address.host, address.port)}"

    def __repr__(self) -> str:
        return f"<PulsarDS {', '.join(self.addresses) or 'not listening'}>"

    async def serve(self, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, reporting the DSN once clients can connect.

        Cancelled, it stops in order: no new connection, queued replies get a last chance to leave, every
        connection and socket is closed, and where data are kept (directive `dir`), by rules for saving (`save`), they
        are saved a last time. Raises `OSError` where an address cannot be listened on or the directory cannot be had
        (`DirectoryInUse` names who has it), `CannotLoad` where what is in it cannot be loaded, `StoppedWhileLoading` where
        SHUTDOWN comes before that is done.
        """
        if self._running:
            raise RuntimeError("this server is running already")
        self._running = True
        self._ended = anyio.Event()
        try:
            self._open_storage()
            self._note(await open_listeners(self.bind, self.config))
            if self._bind_given:
                self._tell_config()
            self.config.add_effect(self._settings_changed)
            try:
                await self._run(task_status)
            finally:
                self.config.remove_effect(self._settings_changed)
                close_all(self._listeners)
        finally:
            self._group = self._reactor = self.engine.stopper = None
            self._note([])
            try:
                await self._close_storage()
            finally:
                self._running = False
                self._ended.set()

    async def _run(self, task_status: TaskStatus[str]) -> None:
        """Serve with everything open; data that are on disk are loaded before it is reported that clients can connect.

        They can before, and are told to wait.
        """
        failure: CannotLoad | None = StoppedWhileLoading("SHUTDOWN came before the data were loaded")
        async with anyio.create_task_group() as group:
            await group.start(run_timers, self.engine)
            await group.start(run_saves, self.engine)
            await group.start(run_log, self.engine)
            await group.start(run_migrations, self.engine)
            await group.start(run_debugging, self.engine)
            self._group = group
            if self.obeys_shutdown:
                self.engine.stopper = group.cancel_scope.cancel
            if reactor.available:
                self._reactor = reactor.Reactor(self.engine)
                group.start_soon(self._reactor.run, [])
            for listener in self._listeners:
                self._serve_listener(listener)
            try:
                await self._load()
            except CannotLoad as error:
                # To come out as it is, and not as part of a group.
                failure = error
                group.cancel_scope.cancel()
            else:
                await group.start(follow_primaries, self.engine)
                failure = None
                task_status.started(self.dsn if self.addresses else "")
        if failure is not None:
            raise failure

    async def _load(self) -> None:
        storage = self.engine.storage
        if storage is not None:
            storage.note_address(self._dsn("") if self._listeners else "")
            if self.config.values["appendonly"]:
                await load_log(self.engine)
            else:
                await load_image(self.engine)
            self._loaded = True

    def _open_storage(self) -> None:
        """Take the directory that the data are kept in, where one is given. Raises `OSError`."""
        self.engine.saver.decided = False
        self.engine.ending.reset()
        self._loaded = False
        path = self.config.values["dir"]
        if path:
            self.engine.storage = DirectoryStorage(path)
            self.config.assume({"dir": self.engine.storage.path})
            self.engine.saver.plan()

    async def _close_storage(self) -> None:
        """Save what is to be saved, unless it was never loaded, and let others have the directory."""
        storage = self.engine.storage
        if storage is None:
            return
        try:
            await end_log(self.engine)
            if self._loaded:
                await save_at_end(self.engine)
        finally:
            self.engine.storage = None
            storage.close()

    async def wait_ended(self) -> None:
        """Wait until a running server has ended, by cancellation or by SHUTDOWN. Cancelled, it just stops waiting."""
        await self._ended.wait()

    def _note(self, listeners: list[Listener]) -> None:
        """Listen on these from now on: that is what the addresses and INFO say."""
        self._listeners = listeners
        self.addresses = tuple(str(listener.address) for listener in listeners)
        ports = [listener.address.port for listener in listeners]
        self.engine.port = next((port for port in ports if port > 0), 0)
        self.engine.listening = tuple(
            f"name={kind},bind={host}" + (f",port={port}" if port > 0 else "")
            for kind, host, port, _ in (listener.address for listener in listeners)
        )

    def _tell_config(self) -> None:
        """Let CONFIG GET show what has been given to the constructor in place of directives."""
        kinds: dict[str, list[Address]] = {"tcp": [], "tls": [], "unix": []}
        for listener in self._listeners:
            kinds[listener.address.kind].append(listener.address)
        hosts = dict.fromkeys(address.host for address in (*kinds["tcp"], *kinds["tls"]))
        self.config.assume(
            {
                "bind": tuple(hosts),
                "port": next((address.port for address in kinds["tcp"]), 0),
                "tls-port": next((address.port for address in kinds["tls"]), 0),
                "unixsocket": next((address.host for address in kinds["unix"]), ""),
            }
        )

    def _serve_listener(self, listener: Listener) -> None:
        """Have a driver take the connections to a listening socket."""
        if listener.address.kind != "tls" and self._reactor is not None:
            self._reactor.add_listener(listener.sock)
            return
        group = self._group
        assert group is not None, "only a server that runs has listeners"
        context = self._tls_context if listener.address.kind == "tls" else None
        listener.scope = scope = anyio.CancelScope()

        async def accept() -> None:
            with scope:
                await streams.serve_listener(self.engine, listener.sock, group, context)

        group.start_soon(accept)

    def _tls_context(self) -> ssl.SSLContext:
        assert self._tls is not None, "a listener for TLS is opened with a context only"
        return self._tls

    # Settings that change while the server runs

    def _settings_changed(self, changed: frozenset[str]) -> None:
        """Go by the directives about listening; `Refused` where that cannot be done, and nothing has changed then."""
        wanted = configured_addresses(self.config)
        uses_tls = any(address.kind == "tls" for address in wanted)
        needed_now = "tls-port" in changed and uses_tls and self._tls is None
        if needed_now or (changed & tls.DIRECTIVES and (uses_tls or self._tls is not None)):
            self._update_tls(min(changed & (tls.DIRECTIVES | {"tls-port"})))
        if "dir" in changed:
            self._move()
        if changed & {"bind", "port", "tls-port"}:
            try:
                self._listen_on(address for address in wanted if address.kind != "unix")
            except OSError as error:
                logger.warning("cannot listen: %s", error)
                if "bind" in changed:
                    raise Refused("bind", "Failed to bind to specified addresses.") from None
                name = min(changed & {"port", "tls-port"})
                raise Refused(name, "Unable to listen on this port. Check server logs.") from None

    def _move(self) -> None:
        """Keep the data in another directory from now on. What is there stays as it is until the next save."""
        path, old = self.config.values["dir"], self.engine.storage
        if self.config.values["appendonly"]:
            raise Refused("dir", "the append-only log stays where it is: set appendonly to no before")
        if old is not None and path and os.path.abspath(path) == old.path:
            self.config.assume({"dir": old.path})
            return
        try:
            new = DirectoryStorage(path) if path else None
        except OSError as error:
            raise Refused("dir", error.strerror or str(error)) from None
        self.engine.saver.abandon()
        self.engine.storage = new
        self.config.assume({"dir": new.path if new is not None else ""})
        self.engine.saver.plan()
        self._loaded = True
        if new is not None:
            new.note_address(self._dsn("") if self._listeners else "")
        if old is not None:
            old.close()

    def _update_tls(self, name: str) -> None:
        try:
            self._tls = tls.server_context(self.config)
        except ValueError as error:
            logger.warning("the TLS settings cannot be used: %s", error)
            raise Refused(name, "Unable to update TLS configuration. Check server logs.") from None

    def _listen_on(self, wanted: Iterable[Address]) -> None:
        """Listen on these TCP addresses, instead of those of before; unix sockets stay."""
        missing = {address[:3]: address for address in wanted}
        places = frozenset(missing)
        kept = []
        for listener in self._listeners:
            there = places & {listener.wanted[:3], listener.address[:3]}
            if there or listener.address.kind == "unix":
                kept.append(listener)
            for place in there:
                missing.pop(place, None)
        opened = open_listeners_now(missing.values(), self.config)
        for listener in self._listeners:
            if listener not in kept:
                if listener.scope is None and self._reactor is not None:
                    self._reactor.remove_listener(listener.sock)
                listener.close()
        self._note([*opened, *kept])
        for listener in opened:
            self._serve_listener(listener)

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


def _as_text(value: str | int | bool | Sequence[str]) -> str | Sequence[str]:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int) else value
