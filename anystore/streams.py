"""Opening byte streams to a server: TCP, unix sockets and TLS, each an `anyio.abc.ByteStream`.

In-process streams are not opened here: a store is given a factory for them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

import anyio
from anyio import lowlevel
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

from anystore import backend

__all__ = (
    "DeliveringStream",
    "NowaitStream",
    "SocketByteStream",
    "open_tcp",
    "open_tls",
    "open_unix",
    "tls_context",
)

RECEIVE_BYTES: Final = 65536
"""What one receive takes at most: small enough that parsing it never holds the loop for long."""
HEAD_START: Final = 0.25
"""Seconds that an address has before the next one of the host is tried beside it, as RFC 8305 recommends."""


@runtime_checkable
class NowaitStream(Protocol):
    """A byte stream that can also be written and read without waiting; the client is fastest on these."""

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Write what fits right now; the number of bytes taken, 0 if none can be taken.

        Raises:
            anyio.BrokenResourceError: The connection broke.
            anyio.ClosedResourceError: The stream was closed on this side.
        """

    def receive_nowait(self, max_bytes: int = ...) -> bytes | None:
        """What has arrived, at most `max_bytes`; b"" at the end of the stream, None if nothing is there yet.

        Raises:
            anyio.BrokenResourceError: The connection broke.
            anyio.ClosedResourceError: The stream was closed on this side.
        """

    async def wait_send(self) -> None:
        """Wait until `send_nowait` can take something, or would raise."""

    def interrupt(self) -> None:
        """Make a task that waits in `receive` get `anyio.WouldBlock`, if there is one."""

    def close(self) -> None:
        """Close at once; tasks that wait in it get `ClosedResourceError`. No effect when closed already."""


@runtime_checkable
class DeliveringStream(Protocol):
    """A byte stream that can call whoever wants its bytes, instead of being asked for them."""

    def deliver_to(self, taker: backend.Taker | None, max_bytes: int = ...) -> bool:
        """Have `taker` called with what arrives from now on, or with None nobody; see `backend.Receiver.deliver_to`.

        False if the stream cannot do that in this event loop: then it has to be asked, by `receive`. What has arrived
        before is for `receive_nowait`.
        """


class SocketByteStream(ByteStream):
    """A byte stream over a non-blocking stream socket, which it owns.

    One task may receive while another sends. A cancelled `receive` loses nothing; a cancelled `send` leaves an
    unknown part of its bytes sent, `send_nowait` says how many.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._receiver = backend.current_backend().receiver(sock)
        self._glance = backend.glance_at(sock)
        self._closed = False
        self._receiving = False
        self._sending = False

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        if self._closed:
            raise anyio.ClosedResourceError
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise anyio.BrokenResourceError from error

    def receive_nowait(self, max_bytes: int = RECEIVE_BYTES) -> bytes | None:
        if self._closed:
            raise anyio.ClosedResourceError
        taken = self._receiver.take()
        if taken is not None:
            return taken
        if not self._glance():
            return None
        try:
            return self._sock.recv(max_bytes)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise anyio.BrokenResourceError from error

    def deliver_to(self, taker: backend.Taker | None, max_bytes: int = RECEIVE_BYTES) -> bool:
        delivers = self._receiver.deliver_to(taker, max_bytes)
        self._receiving = delivers and taker is not None
        return delivers

    async def wait_send(self) -> None:
        while True:
            try:
                return await anyio.wait_writable(self._sock)
            except anyio.ClosedResourceError:
                # `interrupt` may wake whoever waits for the socket, whatever for.
                if self._closed:
                    raise

    def interrupt(self) -> None:
        self._receiver.interrupt()

    async def receive(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        """The next bytes, at most `max_bytes`.

        Raises:
            anyio.EndOfStream: The peer has closed its side.
            anyio.BrokenResourceError: The connection broke.
            anyio.ClosedResourceError: The stream was closed on this side.
            anyio.BusyResourceError: Another task is receiving.
            anyio.WouldBlock: `interrupt` was called meanwhile.
        """
        if self._receiving:
            raise anyio.BusyResourceError("receiving from")
        if self._closed:
            await lowlevel.checkpoint()
            raise anyio.ClosedResourceError
        self._receiving = True
        try:
            data = await self._receiver.receive(max_bytes)
        except OSError as error:
            raise anyio.BrokenResourceError from error
        finally:
            self._receiving = False
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Write all of `item`.

        Raises:
            anyio.BrokenResourceError: The connection broke.
            anyio.ClosedResourceError: The stream was closed on this side.
            anyio.BusyResourceError: Another task is sending.
        """
        if self._sending:
            raise anyio.BusyResourceError("sending to")
        self._sending = True
        try:
            await lowlevel.checkpoint()
            view = memoryview(item)
            while view:
                sent = self.send_nowait(view)
                view = view[sent:]
                if view and not sent:
                    await self.wait_send()
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        """Close this side for writing: the peer reads the end of the stream."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        await lowlevel.checkpoint()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._receiver.close()
            anyio.notify_closing(self._sock)  # for a task in `wait_send`
            self._sock.close()

    async def aclose(self) -> None:
        self.close()
        await lowlevel.checkpoint()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        sock = self._sock
        attributes: dict[Any, Callable[[], Any]] = {
            SocketAttribute.family: lambda: sock.family,
            SocketAttribute.local_address: sock.getsockname,
            SocketAttribute.remote_address: sock.getpeername,
            SocketAttribute.raw_socket: lambda: sock,
        }
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            attributes[SocketAttribute.local_port] = lambda: sock.getsockname()[1]
            attributes[SocketAttribute.remote_port] = lambda: sock.getpeername()[1]
        return attributes


async def open_tcp(host: str, port: int, source: str = "") -> SocketByteStream:
    """Connect by TCP, to the first of the host's addresses that answers; without Nagle's delay, with keep-alive.

    They are tried in the resolver's order. One that says nothing does not hold the next one up for long.
    `source` is the address of this machine to connect from; empty, the system chooses.
    Set a time limit around it. Cancelled, it leaves nothing open.

    Raises:
        OSError: The name is unknown, or no address took the connection.
    """
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # a text that cannot be a host's name is one that nobody has
        raise socket.gaierror(socket.EAI_NONAME, f"no host has the name {host[:100]!r}: {error}") from error
    opening = [
        partial(_connect_tcp, family, kind, protocol, address, source)
        for family, kind, protocol, _, address in found
    ]
    if not opening:
        raise OSError(errno.EHOSTUNREACH, f"no address for {host}")
    return await (opening[0]() if len(opening) == 1 else _first_of(opening))


async def _first_of(opening: Sequence[Callable[[], Awaitable[SocketByteStream]]]) -> SocketByteStream:
    """What is open first; each begins when the one before has failed, or has said nothing for `HEAD_START`."""
    errors: dict[int, OSError] = {}
    opened: SocketByteStream | None = None

    async def attempt(number: int, failed: anyio.Event) -> None:
        nonlocal opened
        try:
            stream = await opening[number]()
        except OSError as error:
            errors[number] = error
            failed.set()
            return
        if opened is None:
            opened = stream
            group.cancel_scope.cancel()
        else:
            stream.close()

    try:
        async with anyio.create_task_group() as group:
            for number in range(len(opening)):
                failed = anyio.Event()
                group.start_soon(attempt, number, failed)
                with anyio.move_on_after(HEAD_START):
                    await failed.wait()
    except BaseException:
        if opened is not None:
            opened.close()
        raise
    if opened is None:
        # The error of the first address is the telling one: it is the address that the resolver prefers.
        raise errors[0]
    return opened


async def _connect_tcp(family: int, kind: int, protocol: int, address: Any, source: str) -> SocketByteStream:
    return await _connect(_tcp_socket(family, kind, protocol, source), address)


def _tcp_socket(family: int, kind: int, protocol: int, source: str) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if source:
            _bind(sock, source)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, source: str) -> None:
    try:
        sock.bind((source, 0))
    except (TypeError, ValueError) as error:  # a text that can be no address
        raise OSError(errno.EADDRNOTAVAIL, f"{source[:100]!r} is no address of this machine") from error


async def open_unix(path: str) -> SocketByteStream:
    """Connect to the unix socket at `path`. Cancelled, it leaves nothing open.

    Raises:
        OSError: There is no such socket, or nobody takes connections there.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this platform has no unix sockets")
    return await _connect(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


async def _connect(sock: socket.socket, address: Any) -> SocketByteStream:
    try:
        await backend.checkpoint_if_cancelled()
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK) and sock.family != getattr(socket, "AF_UNIX", None):
            await anyio.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            await lowlevel.checkpoint()
        if code:
            raise OSError(code, os.strerror(code))
        return SocketByteStream(sock)
    except BaseException:
        sock.close()
        raise


async def open_tls(stream: ByteStream, context: ssl.SSLContext, hostname: str) -> TLSStream:
    """Do the TLS handshake over `stream`, which the result then owns; `hostname` is what the certificate must name.

    Set a time limit around it. On failure or cancellation `stream` is closed.

    Raises:
        OSError: The certificate is not accepted, or the peer speaks no TLS (`ssl.SSLError` is an `OSError`).
        anyio.BrokenResourceError, anyio.EndOfStream: The connection broke.
    """
    try:
        return await TLSStream.wrap(
            stream, server_side=False, hostname=hostname, ssl_context=context, standard_compatible=False
        )
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise


def tls_context(
    *,
    ca_file: str | None = None,
    ca_path: str | None = None,
    ca_data: str | bytes | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    key_password: str | None = None,
    verify: str = "required",
    check_hostname: bool = True,
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """A client's TLS settings: the system's authorities unless told otherwise, the host name checked by default.

    Args:
        ca_file, ca_path, ca_data: Authorities to trust in place of the system's: a PEM file, a folder, PEM text or DER.
        cert_file, key_file, key_password: The client's own certificate and key, for servers that want one.
        verify: "required"; "optional", which comes to the same, as every server has a certificate; or "none", which
            accepts any, whoever it names.
        check_hostname: Whether the certificate has to name the host.
        minimum_version: The oldest protocol version to accept.

    Raises:
        OSError: A file cannot be read or does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file, capath=ca_path, cadata=ca_data)
    except (OSError, TypeError, ValueError) as error:
        raise OSError(f"the authorities to trust cannot be loaded: {error}") from error
    context.minimum_version = minimum_version
    context.check_hostname = check_hostname and verify != "none"
    if verify != "required":
        context.verify_mode = ssl.CERT_OPTIONAL if verify == "optional" else ssl.CERT_NONE
    if cert_file is not None:
        try:
            # Without any password OpenSSL would ask for one on the terminal, and hold the program up.
            context.load_cert_chain(cert_file, key_file, key_password or "")
        except (OSError, ValueError) as error:
            raise OSError(f"the client's own certificate and key cannot be loaded: {error}") from error
    return context
