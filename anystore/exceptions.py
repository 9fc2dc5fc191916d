"""The one tree of errors that anystore raises.

Who is at fault decides the branch: the caller (`ImproperlyConfigured`), the way to the server
(`ConnectionFailed`, `CommandTimeout`, `OutcomeUnknown`), the bytes that arrived (`ProtocolError`), or
the server's own answer (`ResponseError` and its children, chosen by the reply's error code).

```
StoreError
├── ImproperlyConfigured (a ValueError)     a connection string or an option that cannot be used
│   └── NoSuchStore                         no store is registered for the scheme
├── InvalidArgument (a ValueError)          an argument of a command that cannot be right; nothing was sent
├── ConnectionFailed (a ConnectionError)    the server cannot be reached, or went away
│   └── OutcomeUnknown                      … after the command was sent: it may have been carried out
├── CommandTimeout (a TimeoutError)         no reply, or no free connection, within the time limit
├── ProtocolError                           what arrived is not RESP; the connection is closed
├── LockError
│   └── LockNotOwnedError                   the lock expired, or another holder has it
├── PubSubError                             a subscription misused, or told to raise when it loses messages
├── WatchError                              a watched key changed, so the transaction did not run
└── ResponseError                           the server's error reply; by its code …
    ├── AuthenticationError                 NOAUTH, WRONGPASS
    ├── NoPermission                        NOPERM
    └── …                                   see `ERROR_CLASSES`
```
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, ClassVar, Final

__all__ = (
    "ERROR_CLASSES",
    "Ask",
    "AuthenticationError",
    "Busy",
    "BusyGroup",
    "BusyKey",
    "ClusterDown",
    "CommandTimeout",
    "ConnectionFailed",
    "CrossSlot",
    "ExecAbort",
    "ImproperlyConfigured",
    "InvalidArgument",
    "Loading",
    "LockError",
    "LockNotOwnedError",
    "MasterDown",
    "Misconfigured",
    "Moved",
    "NoGroup",
    "NoPermission",
    "NoReplicas",
    "NoScript",
    "NoSuchStore",
    "NotBusy",
    "OutOfMemory",
    "OutcomeUnknown",
    "ProtocolError",
    "PubSubError",
    "ReadOnly",
    "ResponseError",
    "StoreError",
    "TryAgain",
    "Unblocked",
    "Unkillable",
    "UnsupportedProtocol",
    "WatchError",
    "WrongType",
    "response_error",
)


class StoreError(Exception):
    """The root of every error that anystore raises by itself."""


class ImproperlyConfigured(StoreError, ValueError):
    """A connection string or an option cannot be used; the message names the part, never a password."""


class NoSuchStore(ImproperlyConfigured):
    """No store is registered for the scheme of a connection string."""


class InvalidArgument(StoreError, ValueError):
    """An argument of a command, or a combination of them, that cannot be right; nothing was sent."""


class ConnectionFailed(StoreError, ConnectionError):
    """The server cannot be reached or closed the connection.

    A command that raises this, and not `OutcomeUnknown`, was not sent, or only reads.
    """


class OutcomeUnknown(ConnectionFailed):
    """The connection was lost after the command had been sent, and before its reply.

    The server may or may not have carried it out. Commands that only read are sent again instead of
    raising this.
    """


class CommandTimeout(StoreError, TimeoutError):
    """A time limit passed while waiting for a reply, for a connection or for a free place in the pool."""


class ProtocolError(StoreError):
    """The peer sent bytes that are not RESP, or a reply that the request does not allow.

    The connection cannot be trusted any more and is closed.
    """


class LockError(StoreError):
    """A lock could not be acquired, extended or released."""


class LockNotOwnedError(LockError):
    """The lock is not held by this owner (any more): it expired, or another owner has it."""


class PubSubError(StoreError):
    """A subscription cannot do what was asked, or lost messages and was told to raise when it does.

    `lost` is how many messages were lost; 0 when the error is about something else.
    """

    def __init__(self, text: str, *, lost: int = 0) -> None:
        super().__init__(text)
        self.lost = lost


class WatchError(StoreError):
    """A watched key was changed by somebody else, so the transaction was not carried out."""


_classes: Final[dict[str, type[ResponseError]]] = {}
ERROR_CLASSES: Final = MappingProxyType(_classes)
"""Which class stands for which error code; filled by the class definitions of this module."""


class ResponseError(StoreError):
    """The server's error reply.

    `str(error)` is the reply's whole text, `error.code` its first word (`ERR`, `WRONGTYPE`, …) and
    `error.message` what follows it. Deriving with `codes=(…)` makes the class stand for these codes.
    """

    codes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, codes: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for code in codes:
            if code in _classes:
                raise TypeError(f"error code {code} already stands for {_classes[code].__name__}")
        _classes.update(dict.fromkeys(codes, cls))
        cls.codes = codes

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code, _, self.message = text.partition(" ")


class AuthenticationError(ResponseError, codes=("NOAUTH", "WRONGPASS")):
    """The server wants a user and password, or does not accept the ones that it got."""


class NoPermission(ResponseError, codes=("NOPERM", "DENIED")):
    """The access rules forbid this command, key, channel or way of connecting."""


class WrongType(ResponseError, codes=("WRONGTYPE",)):
    """The key holds a value of another type than the command is for."""


class NoScript(ResponseError, codes=("NOSCRIPT",)):
    """The server does not know the script that EVALSHA names."""


class ReadOnly(ResponseError, codes=("READONLY",)):
    """A write was sent to a replica that only reads."""


class Busy(ResponseError, codes=("BUSY",)):
    """A script or function has been running for too long; only SCRIPT KILL and SHUTDOWN NOSAVE are heard."""


class NotBusy(ResponseError, codes=("NOTBUSY",)):
    """There is no running script or function to kill."""


class Unkillable(ResponseError, codes=("UNKILLABLE",)):
    """The running script has already written, so that it cannot be killed."""


class BusyKey(ResponseError, codes=("BUSYKEY",)):
    """RESTORE without REPLACE on a key that exists."""


class BusyGroup(ResponseError, codes=("BUSYGROUP",)):
    """The consumer group exists already."""


class NoGroup(ResponseError, codes=("NOGROUP",)):
    """There is no such consumer group, or no such stream."""


class OutOfMemory(ResponseError, codes=("OOM",)):
    """The server is at its memory limit and its policy allows no (further) eviction."""


class Misconfigured(ResponseError, codes=("MISCONF",)):
    """The server refuses writes because it fails to save them."""


class NoReplicas(ResponseError, codes=("NOREPLICAS",)):
    """Fewer replicas are in touch than the server was told to demand for a write."""


class ExecAbort(ResponseError, codes=("EXECABORT",)):
    """The transaction was dropped because one of its commands could not be queued."""


class Loading(ResponseError, codes=("LOADING",)):
    """The server is still loading its data set."""


class MasterDown(ResponseError, codes=("MASTERDOWN",)):
    """A replica lost its master and was told not to serve old data."""


class Unblocked(ResponseError, codes=("UNBLOCKED",)):
    """A blocking command was ended by CLIENT UNBLOCK … ERROR or by a change of the server's role."""


class UnsupportedProtocol(ResponseError, codes=("NOPROTO",)):
    """HELLO asked for a protocol version that the server does not speak."""


class Moved(ResponseError, codes=("MOVED",)):
    """The key's slot belongs to another node of the cluster."""


class Ask(ResponseError, codes=("ASK",)):
    """The key's slot is being moved, and this command has to go to another node."""


class TryAgain(ResponseError, codes=("TRYAGAIN",)):
    """Some of the keys are already on another node while their slot is being moved."""


class CrossSlot(ResponseError, codes=("CROSSSLOT",)):
    """The keys of one command lie in different slots of the cluster."""


class ClusterDown(ResponseError, codes=("CLUSTERDOWN",)):
    """The cluster does not serve this slot, or nothing at all."""


def response_error(text: bytes | str) -> ResponseError:
    """The error for a server's error reply (without its leading `-`), of the class of its code.

    Bytes that are not UTF-8 show as `\\xNN`. A code that no class stands for gives a plain `ResponseError`;
    no text whatever makes this raise. O(length).
    """
    if not isinstance(text, str):
        text = text.decode("utf-8", "backslashreplace")
    code = text.partition(" ")[0]
    return _classes.get(code, ResponseError)(text)
