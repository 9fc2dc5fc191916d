"""Stores: a connection string, the class that it stands for, and the lifetime of what that class opens.

A store of your own derives from `Store` (or `RemoteStore`), covers `ping`, `connect` and `execute`, and is
made known with `register_store` or through the entry-point group `anystore.stores`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, Self, TypeVar, overload

import anyio
from anyio import AsyncContextManagerMixin

from anystore.backend import current_token
from anystore.dsn import PART_NAMES, ConnectionString, Host, parse_store_url
from anystore.exceptions import ImproperlyConfigured, StoreError
from anystore.options import Options, read_options
from anystore.registry import data_stores, register_store

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from anystore.redis.channels import Channels
    from anystore.redis.client import Client
    from anystore.redis.lock import Lock
    from anystore.redis.pipeline import Pipeline
    from anystore.redis.pubsub import PubSub

__all__ = (
    "RemoteStore",
    "Store",
    "create_store",
    "data_stores",
    "register_store",
    "start_store",
)

S = TypeVar("S", bytes, str)

CLOSE_SECONDS: Final = 5.0
"""How long leaving a store may take: more than any orderly close needs, less than people wait."""

_logger = logging.getLogger("anystore.store")


class Store(AsyncContextManagerMixin, ABC, Generic[S]):
    """The base of all stores. Made by `create_store`; opened by `async with`, which closes all it opened.

    Entering starts the store's task group and awaits `connect()`; leaving awaits `close()`, shielded from
    cancellation and for at most `CLOSE_SECONDS`, and cancels the task group. An error raised inside comes out
    as it is, not wrapped in a group. A store that was left may be entered again, in another event loop too.

    The type argument is what strings in replies are: `Store[str]` with `decode_responses`, else bytes.
    """

    options_type: ClassVar[type[Options]] = Options
    """The options that the store takes, unless it overrides `options_class`."""
    options: Options
    """All options, with their defaults, as values."""
    start_server: bool = False
    """Whether `prepare` is to start the server, where the store can do that; `start_store` sets it."""
    default_database: ClassVar[str] = ""
    """What `database` is when neither the connection string nor a keyword argument names one."""

    def __init__(self, url: ConnectionString, options: Options) -> None:
        self._url = url
        self.options = options
        self._token: object = None
        self._task_group: TaskGroup | None = None
        self._closed = False
        self.check_database(self.database)

    @classmethod
    def options_class(cls, scheme: str) -> type[Options]:
        """The class of the options that a connection string with this scheme may carry."""
        return cls.options_type

    # What the connection string says.

    @property
    def name(self) -> str:
        """The scheme of the connection string, such as `redis`."""
        return self._url.scheme

    @property
    def database(self) -> str:
        """The database's name or number, always a str. Can be assigned until the store is opened."""
        return self._url.database or self.default_database

    @database.setter
    def database(self, value: str | int) -> None:
        if self._token is not None:
            raise StoreError(f"{self}: the database can be changed only while the store is not open")
        text = _as_database(value)
        self.check_database(text)
        self._url = replace(self._url, database=text)

    def check_database(self, database: str) -> None:
        """Raise `ImproperlyConfigured` for what cannot be a database here. By default anything can."""

    @property
    def user(self) -> str | None:
        """The user to log in as, None when not given."""
        return self._url.user

    @property
    def password(self) -> str | None:
        """The password to log in with, None when not given."""
        return self._url.password

    @property
    def host(self) -> str:
        """The (first) host, or the path of the unix socket; `""` when the connection string names none."""
        return self._url.hosts[0][0] if self._url.hosts else ""

    @property
    def url(self) -> ConnectionString:
        """The connection string's parts, overridden by what was given to `create_store`."""
        return self._url

    @property
    def dsn(self) -> str:
        """The canonical connection string, password included; `create_store` makes the same store of it."""
        return str(self._url)

    @property
    def dns(self) -> str:
        """The same as `dsn`, by its old name."""
        return self.dsn

    @property
    def urlparams(self) -> Mapping[str, str]:
        """The options that were given, as text."""
        return self._url.params

    @property
    def namespace(self) -> str:
        """The prefix of every key and channel."""
        return self.options.namespace

    @property
    def encoding(self) -> str:
        """How str is turned into bytes and back."""
        return self.options.encoding

    def __str__(self) -> str:
        return self._url.redacted

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url.redacted}>"

    # Lifetime.

    @property
    def is_open(self) -> bool:
        """Whether the store was entered, and neither left nor closed."""
        return self._token is not None and not self._closed

    def check_open(self) -> None:
        """Raise `StoreError` unless the store is open, and was opened by the event loop that is running."""
        if self._token is None or self._closed:
            raise StoreError(f"{self}: the store is not open; use it inside 'async with'")
        if self._token is not current_token():
            raise StoreError(
                f"{self}: the store was opened in another event loop; each loop needs a store of its own"
            )

    @property
    def task_group(self) -> TaskGroup:
        """The group that the store's own tasks live in, while it is open. Raises as `check_open` does."""
        self.check_open()
        assert self._task_group is not None
        return self._task_group

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        if self._token is not None:
            raise StoreError(f"{self}: the store is open already")
        self._token, self._closed = current_token(), False
        inside: Exception | None = None
        in_tasks: BaseExceptionGroup[BaseException] | None = None
        try:
            async with anyio.create_task_group() as self._task_group:
                try:
                    await self.prepare()
                    await self.connect()
                    yield self
                except Exception as error:
                    # Kept from the task group, which would wrap it and copy what it holds.
                    inside = error
                finally:
                    await self._leave(self._task_group)
        except BaseExceptionGroup as group:
            in_tasks = group
        finally:
            self._token = self._task_group = None
        if in_tasks is not None:
            raise _joined(inside, in_tasks)
        if inside is not None:
            raise inside

    async def _leave(self, task_group: TaskGroup) -> None:
        try:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True) as scope:
                await self.close()
            if scope.cancelled_caught:
                _logger.warning("%s: closing took longer than %s s and was given up", self, CLOSE_SECONDS)
        finally:
            self._closed = True
            task_group.cancel_scope.cancel()

    async def prepare(self) -> None:
        """Called when the store is entered, in front of `connect`; by default does nothing.

        For what has to run before there is anything to connect to, such as a server of the store's own.
        """

    @abstractmethod
    async def connect(self) -> None:
        """Open what the store needs. Called when it is entered; raises `ConnectionFailed` when it cannot."""

    async def close(self) -> None:
        """Close everything that the store opened, and refuse further use. Harmless when done twice.

        Leaving the `async with` block calls this, so that calling it is needed only to close earlier. A store
        that opens something overrides it and calls `super().close()`.
        """
        self._closed = True

    @abstractmethod
    async def ping(self) -> bool:
        """True when the store answers."""

    @abstractmethod
    async def execute(self, *args: Any, **options: Any) -> Any:
        """Carry out one command, whatever that is for this kind of store, and return its result."""

    # What a RemoteStore has: here too, so that type checkers find it in what `create_store` returns.

    def client(self) -> Client[S]:
        """A client with typed commands. A `RemoteStore` has it; others raise `StoreError`."""
        raise self._lacks("client()")

    def pipeline(self, transaction: bool = True) -> Pipeline[S]:
        """A pipeline of commands. A `RemoteStore` has it; others raise `StoreError`."""
        raise self._lacks("pipeline()")

    async def transaction(
        self, func: Callable[[Pipeline[S]], Awaitable[Any] | Any], *keys: Any, **options: Any
    ) -> Any:
        """Run `func` on a pipeline that watches `keys`. A `RemoteStore` has it; others raise `StoreError`."""
        raise self._lacks("transaction()")

    def pubsub(self, protocol: Any = None, **options: Any) -> PubSub[S]:
        """A subscriber and publisher. A `RemoteStore` has it; others raise `StoreError`."""
        raise self._lacks("pubsub()")

    def channels(self, protocol: Any = None, namespace: str | None = None) -> Channels[S]:
        """Events on channels. A `RemoteStore` has it; others raise `StoreError`."""
        raise self._lacks("channels()")

    def lock(self, name: str | bytes, **options: Any) -> Lock:
        """A lock that all users of the server see. A `RemoteStore` has it; others raise `StoreError`."""
        raise self._lacks("lock()")

    # Optional hooks.

    async def database_create(self, name: str | None = None, **options: Any) -> None:
        """Create a database, by default `database`. Does nothing where databases need not be created."""

    async def database_all(self) -> list[str]:
        """The names of all databases. Empty where the store does not know."""
        return []

    async def table_all(self) -> list[str]:
        """The names of all tables of the database. Empty where there are no tables."""
        return []

    async def table_index_create(self, table: str, index: str, **options: Any) -> None:
        """Create an index of a table. Does nothing where there are no indices."""

    async def table_index_drop(self, table: str, index: str, **options: Any) -> None:
        """Drop an index of a table. Does nothing where there are no indices."""

    async def table_index_all(self, table: str) -> list[str]:
        """The names of all indices of a table. Empty where there are no indices."""
        return []

    async def flush(self) -> Any:
        """Remove everything in the database. Raises `StoreError` where the store cannot do that."""
        raise self._lacks("flush()")

    def encode_bytes(self, data: bytes) -> Any:
        """Bytes as the store keeps them. By default as they are."""
        return data

    def encode_bool(self, data: Any) -> Any:
        """A truth value as the store keeps it. By default a `bool`."""
        return bool(data)

    def encode_json(self, data: Any) -> Any:
        """A value of JSON as the store keeps it. By default as it is."""
        return data

    def _lacks(self, what: str) -> StoreError:
        return StoreError(f"{self}: {type(self).__name__} has no {what}")


class RemoteStore(Store[S]):
    """A store with a server behind it."""

    default_address: ClassVar[Host] = ("localhost", None)
    """Where the server is when the connection string does not say."""

    def __init__(self, url: ConnectionString, options: Options) -> None:
        if len(url.hosts) > 1:
            raise ImproperlyConfigured(f"hosts: {url.scheme}:// takes one host, not {len(url.hosts)}")
        super().__init__(url, options)

    @property
    def address(self) -> Host:
        """Host and port of the server, defaults filled in; a unix socket's path, and None."""
        if not self._url.hosts:
            return self.default_address
        host, port = self._url.hosts[0]
        if port is None and not self._url.is_unix:
            port = self.default_address[1]
        return host, port

    @abstractmethod
    def client(self) -> Client[S]:
        """A client with typed commands, on the store's connections."""

    @abstractmethod
    def pipeline(self, transaction: bool = True) -> Pipeline[S]:
        """A pipeline: commands that are sent together, by default as a transaction."""

    @abstractmethod
    async def transaction(
        self, func: Callable[[Pipeline[S]], Awaitable[Any] | Any], *keys: Any, **options: Any
    ) -> Any:
        """Run `func` on a pipeline that watches `keys`, again for as long as somebody else changes them."""

    @abstractmethod
    def pubsub(self, protocol: Any = None, **options: Any) -> PubSub[S]:
        """A subscriber and publisher; `protocol` encodes and decodes the messages."""

    @abstractmethod
    def channels(self, protocol: Any = None, namespace: str | None = None) -> Channels[S]:
        """Events on channels; `namespace` is a prefix of the channels' names."""

    @abstractmethod
    def lock(self, name: str | bytes, **options: Any) -> Lock:
        """A lock that all users of the server see."""


def _as_database(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ImproperlyConfigured(f"option database: must be a str or an int, not {type(value).__name__}")
    return str(value)


def _joined(inside: Exception | None, in_tasks: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that there is, out of all wrappings, or a group of all errors."""
    if inside is not None:
        return BaseExceptionGroup("errors in the block and in the store", [inside, *in_tasks.exceptions])
    error: BaseException = in_tasks
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@overload
def create_store(url: Store[S], **options: Any) -> Store[S]: ...
@overload
def create_store(
    url: str | ConnectionString, *, decode_responses: Literal[True], **options: Any
) -> Store[str]: ...
@overload
def create_store(
    url: str | ConnectionString, *, decode_responses: Literal[False] = ..., **options: Any
) -> Store[bytes]: ...
@overload
def create_store(url: str | ConnectionString, *, decode_responses: bool, **options: Any) -> Store[Any]: ...


def create_store(url: str | ConnectionString | Store[Any], **options: Any) -> Store[Any]:
    """The store that a connection string stands for, not open yet: nothing is connected to.

    Args:
        url: The connection string, or its parts; a `Store` is returned as it is.
        options: What overrides the connection string: `database`, `user`, `password`, and the options that
            the store takes (see `anystore.options`), as values or as text. None is as good as not given,
            except for time limits, where it means no limit. Give `decode_responses` here, not in the
            connection string, for type checkers to know what the replies are.

    Raises:
        NoSuchStore: Nothing is registered for the scheme.
        ImproperlyConfigured: A part of the connection string or an option cannot be used.
    """
    if isinstance(url, Store):
        return url
    parsed = url if isinstance(url, ConnectionString) else parse_store_url(url)
    store_class = data_stores.load(parsed.scheme)
    if not isinstance(store_class, type) or not issubclass(store_class, Store):
        raise ImproperlyConfigured(f"scheme {parsed.scheme}: {data_stores[parsed.scheme]} is not a Store")
    parts: dict[str, Any] = {}
    for name, part in PART_NAMES.items():
        value = options.pop(name, None)
        if value is None:
            continue
        if part in parts:
            raise ImproperlyConfigured(f"option {name}: is given twice, as {part} too")
        parts[part] = _as_database(value) if part == "database" else value
    values, texts = read_options(store_class.options_class(parsed.scheme), parsed.params, options)
    return store_class(replace(parsed, params=texts, **parts), values)


@overload
def start_store(url: Store[S], **options: Any) -> Store[S]: ...
@overload
def start_store(
    url: str | ConnectionString, *, decode_responses: Literal[True], **options: Any
) -> Store[str]: ...
@overload
def start_store(
    url: str | ConnectionString, *, decode_responses: Literal[False] = ..., **options: Any
) -> Store[bytes]: ...
@overload
def start_store(url: str | ConnectionString, *, decode_responses: bool, **options: Any) -> Store[Any]: ...


def start_store(url: str | ConnectionString | Store[Any], **options: Any) -> Store[Any]:
    """As `create_store`, for a store that brings its server along where nobody else runs it.

    Entering a `pulsar://` store whose address is on this machine, and where nobody listens, starts pulsards
    there, in the store's own task group, for as long as the `async with` lasts. `pulsar://` without a host
    takes a free port of 127.0.0.1; `dsn` then says which. For other schemes this is `create_store`.
    """
    store = create_store(url, **options)
    if store is not url:
        store.start_server = True
    return store
