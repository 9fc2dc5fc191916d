"""A data-store client for trio and asyncio, and pulsards, a Redis-compatible server in Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from anystore.dsn import ConnectionString, parse_store_url
from anystore.exceptions import (
    AuthenticationError,
    CommandTimeout,
    ConnectionFailed,
    ImproperlyConfigured,
    InvalidArgument,
    LockError,
    LockNotOwnedError,
    NoSuchStore,
    OutcomeUnknown,
    ProtocolError,
    PubSubError,
    ResponseError,
    StoreError,
    WatchError,
)
from anystore.registry import data_stores, register_store
from anystore.store import RemoteStore, Store, create_store, start_store

if TYPE_CHECKING:
    from anystore.redis.messages import Gap, Message
    from anystore.redis.protocols import Json
    from anystore.redis.script import RedisScript

__version__ = "0.1.0"

__all__ = (
    "AuthenticationError",
    "CommandTimeout",
    "ConnectionFailed",
    "ConnectionString",
    "Gap",
    "ImproperlyConfigured",
    "InvalidArgument",
    "Json",
    "LockError",
    "LockNotOwnedError",
    "Message",
    "NoSuchStore",
    "OutcomeUnknown",
    "ProtocolError",
    "PubSubError",
    "RedisScript",
    "RemoteStore",
    "ResponseError",
    "Store",
    "StoreError",
    "WatchError",
    "__version__",
    "create_store",
    "data_stores",
    "parse_store_url",
    "register_store",
    "start_store",
)


# The client is imported by the first store that needs it; `import anystore` alone stays quick.
_OF_THE_CLIENT: Final = {
    "Gap": "anystore.redis.messages",
    "Json": "anystore.redis.protocols",
    "Message": "anystore.redis.messages",
    "RedisScript": "anystore.redis.script",
}


def __getattr__(name: str) -> Any:
    if name in _OF_THE_CLIENT:
        return getattr(import_module(_OF_THE_CLIENT[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
