"""Addresses to listen on, as text: "host:port", "[::1]:port", "tls:host:port" and "unix:/path"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from anystore.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from anystore.pulsards.config import Config


class Address(NamedTuple):
    """Where to listen: `kind` is "tcp", "tls" or "unix"; of a unix socket `host` is the path, and `port` is -1.

    `optional`: it does no harm where the machine has no such address.
    """

    kind: str
    host: str
    port: int
    optional: bool = False

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.host}"
        shown = host_and_port(self.host, self.port)
        return f"tls:{shown}" if self.kind == "tls" else shown


def host_and_port(host: str, port: int) -> str:
    """Both as one text; an IPv6 address is put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text: str) -> Address:
    """The address of a text; `ImproperlyConfigured` where it is none. A `-` in front makes it optional."""
    rest = text.removeprefix("-")
    optional = rest != text
    if rest.startswith("unix:"):
        return Address("unix", rest.removeprefix("unix:"), -1, optional)
    kind = "tls" if rest.startswith("tls:") else "tcp"
    host, colon, port = rest.removeprefix("tls:").rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ImproperlyConfigured(
            f"bind address {text!r}: want host:port, [ipv6]:port, tls:host:port or unix:/path"
        )
    return Address(kind, host.removeprefix("[").removesuffix("]"), int(port), optional)


def configured_addresses(config: Config) -> list[Address]:
    """Where the directives `bind`, `port`, `tls-port` and `unixsocket` say to listen."""
    addresses = []
    for kind, port in (("tcp", config.port), ("tls", config.values["tls-port"])):
        if port:
            for given in config.bind:
                host = given.removeprefix("-")
                addresses.append(Address(kind, host, port, host != given))
    if config.unixsocket:
        addresses.append(Address("unix", config.unixsocket, -1))
    return addresses


def given_addresses(bind: str | Sequence[str]) -> list[Address]:
    """The addresses of one text or several."""
    return [parse_address(text) for text in ([bind] if isinstance(bind, str) else bind)]


def is_local(client: str) -> bool:
    """Whether a client, by its address as CLIENT LIST shows it, is on this machine or in this process."""
    return client == "" or client.startswith(("127.", "[::1]:", "/", "memory:"))
