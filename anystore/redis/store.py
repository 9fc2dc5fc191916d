"""The store with a Redis or Valkey server behind it."""

from __future__ import annotations

import ssl
import string
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from anyio.abc import ByteStream

from anystore.backend import Backend, current_backend
from anystore.dsn import ConnectionString, Host
from anystore.exceptions import ImproperlyConfigured, StoreError
from anystore.options import ClientOptions, Options, TLSOptions
from anystore.redis.client import Client
from anystore.redis.commands.base import S
from anystore.redis.connection import Connection, ConnectionStatistics
from anystore.redis.handshake import Opener, Profile
from anystore.redis.namespace import Namespace
from anystore.redis.pool import Pool, PoolStatistics
from anystore.redis.shared import SharedConnection
from anystore.resp.pack import encode_arguments
from anystore.store import RemoteStore
from anystore.streams import open_tcp, open_tls, open_unix, tls_context

if TYPE_CHECKING:
    from anystore.redis.channels import Channels
    from anystore.redis.link import Link
    from anystore.redis.lock import Lock
    from anystore.redis.monitor import Monitor
    from anystore.redis.pipeline import Pipeline
    from anystore.redis.pubsub import PubSub

__all__ = ("RedisStore", "StoreStatistics")

_DIGITS: Final = 9
"""Of a database's number: more than any server has, and what every one can read."""
_WORDS: Final = string.ascii_letters + string.digits + string.punctuation + " "


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What `RedisStore.statistics` gives."""

    shared: ConnectionStatistics
    """The connection of all ordinary commands."""
    pool: PoolStatistics
    """The connections that one task has for itself."""


class _NotOpen:
    """Stands for the connections of a store that has none, so that using them need not be asked about first."""

    def __init__(self, store: RedisStore[Any]) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        self._store.check_open()
        raise StoreError(f"{self._store}: the store is not connected yet")


class RedisStore(RemoteStore[S]):
    """A store on a Redis or Valkey server: `redis`, `valkey`, with TLS `rediss`, `valkeys`, and `redis+unix`.

    For other stores that speak the protocol: derive from it and override `connect_stream`.
    """

    default_database: ClassVar[str] = "0"
    default_address: ClassVar[Host] = ("localhost", 6379)
    options: ClientOptions

    def __init__(self, url: ConnectionString, options: Options) -> None:
        super().__init__(url, options)
        if isinstance(options, TLSOptions) and options.ssl_keyfile and not options.ssl_certfile:
            raise ImproperlyConfigured("option ssl_keyfile: the key is of no use without its ssl_certfile")
        self.shared = cast(SharedConnection, _NotOpen(self))
        self.pool = cast(Pool, _NotOpen(self))
        self.opener = cast(Opener, _NotOpen(self))
        self.backend = cast(Backend, _NotOpen(self))
        self.link: Link | None = None
        """The connection that subscribers share, while there are any."""
        self.names = _namespace(self.namespace, self.encoding)
        """What prefixes keys and channels; None without a namespace."""
        self.sends_as_given = self.names is None and self.encoding.lower() in ("utf-8", "utf8")
        """Whether commands can be packed as they are given."""

    @classmethod
    def options_class(cls, scheme: str) -> type[Options]:
        return TLSOptions if scheme in ("rediss", "valkeys") else ClientOptions

    def check_database(self, database: str) -> None:
        if not (database.isascii() and database.isdigit() and len(database) <= _DIGITS):
            raise ImproperlyConfigured(f"database {database[:60]!r}: must be a number, such as 0")

    @property
    def profile(self) -> Profile:
        """What the store's connections have in common."""
        return self.opener.profile

    # Lifetime.

    async def connect(self) -> None:
        """Open the shared connection. Called when the store is entered.

        Raises:
            ConnectionFailed: The server could not be reached, after all attempts that the options allow.
            AuthenticationError: It does not accept the user and password.
        """
        await self.shared.connection()

    async def prepare(self) -> None:
        await super().prepare()
        group = self.task_group
        self.backend = current_backend()
        self.link = None
        self.opener = Opener(self._make_profile(), self.connect_stream, group.start_soon)
        self.shared = SharedConnection(self.opener, group.start_soon, self.found_read_only)
        self.pool = Pool(
            self.open_connection, limit=self.options.pool_size, timeout=self.options.pool_timeout
        )

    async def close(self) -> None:
        if isinstance(self.pool, Pool):  # otherwise it was never connected, or is closed already
            self.pool.close()
            self.shared.close()
            for name in ("shared", "pool", "opener", "backend"):
                setattr(self, name, _NotOpen(self))
        await super().close()

    def _make_profile(self) -> Profile:
        options = self.options
        host, port = self.address
        return Profile(
            address=host if port is None else f"{host}:{port}",
            user=self.user,
            # A user without a password is one that the server lets in with any.
            password=self.password if self.user is None else self.password or "",
            database=int(self.database),
            protocol=options.protocol,
            client_name=options.client_name,
            encoding=options.encoding if options.decode_responses else None,
            errors=options.encoding_errors,
            connect_timeout=options.connect_timeout,
            command_timeout=options.command_timeout,
            health_check_interval=options.health_check_interval,
            attempts=options.reconnect_attempts,
            delay=options.reconnect_delay,
            max_delay=options.reconnect_max_delay,
        )

    async def connect_stream(self) -> ByteStream:
        """Open a stream to the server: what the option of this name gives, or what the connection string says.

        Raises:
            OSError: The server cannot be reached.
        """
        if self.options.connect_stream is not None:
            return cast(ByteStream, await self.options.connect_stream())
        host, port = self.address
        if port is None:
            return await open_unix(host)
        if not isinstance(self.options, TLSOptions):
            return await open_tcp(host, port)
        context = _tls_context(self.options)  # anew each time, as files may have been replaced
        return await open_tls(await open_tcp(host, port), context, host)

    async def open_connection(self) -> Connection:
        """Open a connection of its own, outside of the pool's count; close it yourself."""
        return await self.opener.open_persistently(
            lambda: True, idle_limit=self.options.health_check_interval
        )

    def found_read_only(self) -> None:
        """A server has refused a write because it is a replica: what comes next looks anew who is behind the address.

        After a fail-over the old primary may keep its clients' connections, and its address lead to the new one by now.
        """
        if self.shared.retire():
            self.pool.close_idle()

    # Commands.

    def on_the_wire(self, args: Sequence[Any]) -> tuple[Sequence[Any], Callable[[Any], Any] | None]:
        """A command's arguments as they are sent, and what its reply has to go through, if anything. O(bytes)."""
        if not self.sends_as_given:
            args = encode_arguments(args, self.encoding)
        if self.names is None:
            return args, None
        return self.names.outgoing(list(args)), self.names.reply_hook(args)

    def client(self) -> Client[S]:
        """A client with typed commands, on the store's connections."""
        return Client(self)

    async def execute(self, *args: Any, **options: Any) -> Any:
        """Carry out any command, and return the server's reply: see `Client.execute`."""
        return await self.client().execute(*args)

    def pipeline(self, transaction: bool = True) -> Pipeline[S]:
        """Commands that are sent together, by default as a transaction: see `Pipeline`."""
        from anystore.redis.pipeline import Pipeline

        return Pipeline(self, transaction=transaction)

    async def transaction(
        self, func: Callable[[Pipeline[S]], Awaitable[Any] | Any], *keys: Any, **options: Any
    ) -> Any:
        from anystore.redis.pipeline import run_transaction

        return await run_transaction(self, func, *keys, **options)

    def monitor(self) -> Monitor:
        """Every command that the server is given, by whomever: see `Monitor`."""
        from anystore.redis.monitor import Monitor

        return Monitor(self)

    def pubsub(self, protocol: Any = None, **options: Any) -> PubSub[S]:
        """A subscriber and publisher: see `PubSub`, for the `options` too."""
        from anystore.redis.pubsub import PubSub

        return PubSub(self, protocol, **options)

    def channels(self, protocol: Any = None, namespace: str | None = None) -> Channels[S]:
        """Callbacks for events on channels; `namespace` is a prefix of their names. See `Channels`."""
        from anystore.redis.channels import Channels

        return Channels(self.pubsub(protocol), namespace=namespace)

    def lock(self, name: str | bytes, **options: Any) -> Lock:
        """A lock that all users of the server see: see `Lock`."""
        from anystore.redis.lock import Lock

        return Lock(self.client(), name, **options)

    async def ping(self) -> bool:
        """True when the server answers. Cancelled, nothing is left behind."""
        return await self.client().ping()

    async def flush(self) -> bool:
        """Remove all keys of the database; of the namespace, if there is one. O(N) in the keys.

        Cancelled, all, some or none of them are gone.
        """
        return await self.client().flushdb()

    def statistics(self) -> StoreStatistics:
        """Counters of the store's connections at this moment. O(1)."""
        return StoreStatistics(self.shared.statistics(), self.pool.statistics())


def _namespace(prefix: str, encoding: str) -> Namespace | None:
    """What puts the prefix on names. Raises `ImproperlyConfigured` if the encoding cannot write it, or no command."""
    if not _writes_ascii(encoding):
        raise ImproperlyConfigured(
            f"option encoding: {encoding!r} cannot be used; it must write ASCII, of which commands are made, as it is"
        )
    try:
        return Namespace(prefix.encode(encoding), encoding) if prefix else None
    except UnicodeError as error:
        raise ImproperlyConfigured(
            f"option namespace: {prefix[:60]!r} cannot be written in {encoding}"
        ) from error


def _writes_ascii(encoding: str) -> bool:
    try:
        return _WORDS.encode(encoding) == _WORDS.encode()
    except UnicodeError:
        return False


def _tls_context(options: TLSOptions) -> ssl.SSLContext:
    if options.ssl_context is not None:
        return cast(ssl.SSLContext, options.ssl_context)
    return tls_context(
        ca_file=options.ssl_ca_certs,
        ca_path=options.ssl_ca_path,
        ca_data=options.ssl_ca_data,
        cert_file=options.ssl_certfile,
        key_file=options.ssl_keyfile,
        key_password=options.ssl_keyfile_password,
        verify=options.ssl_cert_reqs,
        check_hostname=options.ssl_check_hostname,
        minimum_version=ssl.TLSVersion.TLSv1_3
        if options.ssl_min_version == "TLSv1.3"
        else ssl.TLSVersion.TLSv1_2,
    )
