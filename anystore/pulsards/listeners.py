"""The sockets that a server listens on: opening them, describing them, and what every connection on them gets."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
from collections.abc import Iterable, Iterator
from typing import Any, Final

import anyio

from anystore.pulsards.addresses import Address, host_and_port
from anystore.pulsards.config import Config

#: What stands for all addresses of a family.
_WILDCARDS: Final = {"*": "0.0.0.0", "::*": "::"}
#: The machine does not have this family of addresses at all.
_UNSUPPORTED: Final = frozenset((errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT))


class Listener:
    """One listening socket."""

    def __init__(self, sock: socket.socket, wanted: Address) -> None:
        self.sock = sock
        #: The address that it was opened for.
        self.wanted = wanted
        name: Any = sock.getsockname()
        #: The address as it has come to be: port 0 has become a port.
        self.address = (
            Address(wanted.kind, name[0], name[1])
            if isinstance(name, tuple)
            else Address("unix", str(name), -1)
        )
        #: What is to be cancelled before it is closed, where a task waits for its connections.
        self.scope: anyio.CancelScope | None = None

    def close(self) -> None:
        """Stop listening; a unix socket's file goes."""
        if self.scope is not None:
            self.scope.cancel()
        self.sock.close()
        if self.address.kind == "unix":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address.host)


async def open_listeners(addresses: Iterable[Address], config: Config) -> list[Listener]:
    """Listen on all of these; `OSError` where one cannot be had, and then on none."""
    opened: list[Listener] = []
    try:
        for address in addresses:
            if address.kind == "unix":
                opened.append(_listen_unix(address, config))
                continue
            host = _WILDCARDS.get(address.host, address.host)
            with _as_names():
                found = await anyio.getaddrinfo(
                    host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
            opened += _listen_all(address, found, config)
    except BaseException:
        close_all(opened)
        raise
    return opened


def open_listeners_now(addresses: Iterable[Address], config: Config) -> list[Listener]:
    """`open_listeners` without waiting: hosts have to be given by number, as CONFIG SET does not look up names."""
    opened: list[Listener] = []
    try:
        for address in addresses:
            host = _WILDCARDS.get(address.host, address.host)
            flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
            with _as_names():
                found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=flags)
            opened += _listen_all(address, found, config)
    except BaseException:
        close_all(opened)
        raise
    return opened


@contextlib.contextmanager
def _as_names() -> Iterator[None]:
    """What cannot be a host's name at all is one that nobody has."""
    try:
        yield
    except ValueError as error:
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error


def close_all(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        listener.close()


def _listen_all(address: Address, found: Iterable[Any], config: Config) -> list[Listener]:
    listeners: list[Listener] = []
    try:
        for family, kind, protocol, _, sockaddr in found:
            try:
                listeners.append(Listener(_listen(family, kind, protocol, sockaddr, config), address))
            except OSError as error:
                missing = address.optional and error.errno == errno.EADDRNOTAVAIL
                if not missing and error.errno not in _UNSUPPORTED:
                    raise
    except BaseException:
        close_all(listeners)
        raise
    return listeners


def _listen(family: int, kind: int, protocol: int, sockaddr: Any, config: Config) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        if os.name != "nt":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(sockaddr)
        listener.listen(config.values["tcp-backlog"])
    except BaseException:
        listener.close()
        raise
    return listener


def _listen_unix(address: Address, config: Config) -> Listener:
    path = address.host
    # A socket file that nobody listens on is what a killed server left; anything else is not ours to remove.
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except OSError:
                os.unlink(path)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        sock.bind(path)
        group = config.values["unixsocketgroup"]
        if group:
            try:
                shutil.chown(path, group=group)
            except LookupError:
                raise OSError(errno.EINVAL, f"unixsocketgroup: there is no group {group}") from None
        permissions = config.values["unixsocketperm"]
        if permissions:
            os.chmod(path, permissions)
        sock.listen(config.values["tcp-backlog"])
        return Listener(sock, address)
    except BaseException:
        sock.close()
        raise


def set_up_connection(sock: socket.socket, config: Config) -> None:
    """What every connection of a client gets: no waiting in the socket, no delay, and the directive tcp-keepalive."""
    sock.setblocking(False)
    if sock.family == getattr(socket, "AF_UNIX", None):
        return
    # Some systems refuse options to a connection that its client has left already; reading from it tells.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        interval = config.values["tcp-keepalive"]
        if interval:
            _keep_alive(sock, interval)


def _keep_alive(sock: socket.socket, interval: int) -> None:
    """Ask after so many seconds of silence whether the client is there, then three times in as much time again."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", interval),
        ("TCP_KEEPINTVL", max(1, interval // 3)),
        ("TCP_KEEPCNT", 3),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def shown_peer(address: object, sock: socket.socket) -> str:
    """An address of a connection as CLIENT LIST shows it."""
    if isinstance(address, tuple):
        return host_and_port(address[0], address[1])
    path = sock.getsockname()
    return f"{path if isinstance(path, str) else path.decode()}:0"
