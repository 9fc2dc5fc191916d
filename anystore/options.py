"""The options that stores take: names, types, defaults, and how each is written in a connection string.

This is the one table. An option is a field of a class of options, declared with its kind; a store says with
`Store.options_class(scheme)` which class it takes, and a store of your own derives its class from `Options`:

```python
@dataclass(frozen=True, kw_only=True)
class SQLiteOptions(Options):
    journal_mode: str = option(choice("wal", "delete"), "wal", "How the database keeps its journal.")
```

Options come as text, from a connection string, or as values, from `create_store`'s keyword arguments; text is
understood in both places. `read_options` refuses what it does not know or cannot use, naming the option and
what would be right, and never quotes a secret. Pure: no I/O.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, TypeVar

from anystore.exceptions import ImproperlyConfigured

__all__ = (
    "ClientOptions",
    "EmbeddedOptions",
    "Kind",
    "Options",
    "TLSOptions",
    "choice",
    "flag",
    "handed_in",
    "option",
    "option_names",
    "optional",
    "read_options",
    "seconds",
    "size",
    "text",
    "whole",
)

OptionsT = TypeVar("OptionsT", bound="Options")

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?|\.[0-9]{1,15}")
_SIZE: Final = re.compile(r"([0-9]{1,15})(b|k|kb|m|mb|g|gb)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}
_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of option.

    `read` makes the option's value of a text or of a value handed in, and raises ValueError or TypeError for
    what it cannot use. `rule` says what would be right. `write` gives the text that `read` understands, or is
    None for what cannot be written in a connection string. `takes_none` says whether None is a value of its
    own; otherwise a None stands for "not given".
    """

    rule: str
    read: Callable[[Any], Any]
    write: Callable[[Any], str] | None = str
    takes_none: bool = False


def flag() -> Kind:
    """True or false."""

    def read(value: Any) -> bool:
        if isinstance(value, str):
            value = _FLAGS.get(value.lower())
        if not isinstance(value, bool):
            raise TypeError
        return value

    return Kind("true or false", read, lambda value: "true" if value else "false")


def whole(minimum: int, maximum: int | None = None) -> Kind:
    """A whole number within limits, both included."""
    limit = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"

    def read(value: Any) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if type(value) is not int:
            raise TypeError
        if value < minimum or (maximum is not None and value > maximum):
            raise ValueError
        return value

    return Kind(f"a whole number {limit}", read)


def seconds(*, zero: bool = False) -> Kind:
    """A time span in seconds, to the nanosecond; above zero unless `zero` is allowed too."""

    def read(value: Any) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if type(value) not in (int, float):
            raise TypeError
        if not 0 <= value <= 1e9:
            raise ValueError
        rounded = round(float(value), 9)
        if not rounded and not zero:
            raise ValueError
        return rounded

    rule = f"a number of seconds{'' if zero else ' above zero'}, at most 1000000000"
    return Kind(rule, read, lambda value: f"{value:.9f}".rstrip("0").rstrip("."))


def size(minimum: int = 0) -> Kind:
    """Bytes; text may end in kb, mb, gb (powers of 1024) or k, m, g (of 1000), as in redis.conf."""

    def read(value: Any) -> int:
        if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
            value = int(found[1]) * _UNITS[(found[2] or "").lower()]
        if type(value) is not int:
            raise TypeError
        if value < minimum:
            raise ValueError
        return value

    return Kind(f"a number of bytes of at least {minimum}, such as 65536, 64kb or 8mb", read)


def text(rule: str = "a text", check: Callable[[str], object] = str) -> Kind:
    """A text; `check` raises for what cannot be used (by default anything will do)."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        check(value)
        return value

    return Kind(rule, read)


def choice(*values: str) -> Kind:
    """One of some words, in any case of letters."""
    words = {value.lower(): value for value in values}

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        return words[value.lower()]

    return Kind("one of " + ", ".join(values), read)


def optional(kind: Kind) -> Kind:
    """The kind, or None, written `none`."""

    def read(value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        return kind.read(value)

    inner = kind.write
    if inner is None:
        return Kind(f"{kind.rule}, or None", read, None, takes_none=True)
    return Kind(f"{kind.rule}, or none", read, lambda v: "none" if v is None else inner(v), takes_none=True)


def handed_in(rule: str) -> Kind:
    """An object that only a keyword argument can hand in."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            raise TypeError
        return value

    return Kind(f"{rule}, as a keyword argument", read, None)


def option(
    kind: Kind, default: Any = MISSING, about: str = "", *, names: tuple[str, ...] = (), secret: bool = False
) -> Any:
    """Declare an option: its kind, its default, what it is about, and other names that are understood.

    A secret shows neither in a `repr` nor in a message.
    """
    metadata = {"kind": kind, "about": about, "names": names, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


def _is_client_name(name: str) -> None:
    if not name.isascii() or not all("!" <= letter <= "~" for letter in name):
        raise ValueError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every store takes, beside database, user and password."""

    namespace: str = option(text(), "", "Prefix of every key and channel that a command names.")
    decode_responses: bool = option(flag(), False, "Give strings in replies as str instead of bytes.")
    encoding: str = option(
        text("the name of a text encoding", "".encode), "utf-8", "How str is turned into bytes and back."
    )
    encoding_errors: str = option(
        text("the name of a codecs error handler", codecs.lookup_error),
        "strict",
        "What is done about bytes that the encoding does not know.",
    )


@dataclass(frozen=True, kw_only=True)
class ClientOptions(Options):
    """What stores with a Redis server behind them take."""

    pool_size: int = option(
        whole(1, 65535),
        50,
        "Most connections of their own for blocking commands, WATCH, MONITOR and subscriptions; "
        "ordinary commands share one more.",
        names=("max_connections",),
    )
    pool_timeout: float | None = option(
        optional(seconds()), 20.0, "How long to wait for one of them to become free, in seconds."
    )
    connect_timeout: float | None = option(
        optional(seconds()),
        5.0,
        "Time limit for opening a connection, handshake included, in seconds.",
        names=("socket_connect_timeout",),
    )
    command_timeout: float | None = option(
        optional(seconds()),
        30.0,
        "Time limit for a command's reply, in seconds; a blocking command's own wait is added to it.",
        names=("socket_timeout",),
    )
    reconnect_attempts: int = option(
        whole(0), 6, "How often to try again to connect before a command fails; 0 is never."
    )
    reconnect_delay: float = option(
        seconds(zero=True), 0.05, "Wait before the first of these attempts, in seconds; it doubles each time."
    )
    reconnect_max_delay: float = option(seconds(zero=True), 2.0, "Longest wait between attempts, in seconds.")
    health_check_interval: float | None = option(
        optional(seconds()),
        30.0,
        "A connection that was idle for longer, in seconds, is tried with PING before it is used.",
    )
    protocol: int = option(whole(2, 3), 3, "RESP version to ask for; servers without RESP3 get 2.")
    client_name: str | None = option(
        optional(text("printable ASCII without blanks", _is_client_name)),
        None,
        "Name of the connections in the server's CLIENT LIST.",
    )
    pubsub_buffer_size: int = option(
        size(1), 8 * 2**20, "Bytes of messages that a subscription keeps for a slow reader."
    )
    pubsub_overflow: str = option(
        choice("drop_oldest", "block", "raise"),
        "drop_oldest",
        "What happens when they are full; each loss is reported to the reader.",
    )
    connect_stream: Callable[[], Any] | None = option(  # noqa: RUF009 - it returns a field, as field() does
        optional(handed_in("an async function that opens an anyio.abc.ByteStream")),
        None,
        "Opens the streams to the server, instead of what the connection string says.",
    )


@dataclass(frozen=True, kw_only=True)
class TLSOptions(ClientOptions):
    """What stores take whose connections are encrypted."""

    ssl_ca_certs: str | None = option(
        optional(text("the path of a file")), None, "Certificates of the authorities to trust, PEM."
    )
    ssl_ca_path: str | None = option(
        optional(text("the path of a folder")), None, "Folder of such certificates, as OpenSSL names them."
    )
    ssl_ca_data: str | None = option(optional(text("a text")), None, "Such certificates themselves, PEM.")
    ssl_certfile: str | None = option(
        optional(text("the path of a file")), None, "The client's own certificate, PEM."
    )
    ssl_keyfile: str | None = option(
        optional(text("the path of a file")), None, "The key of the client's certificate, PEM."
    )
    ssl_keyfile_password: str | None = option(
        optional(text("a text")),
        None,
        "What the key is encrypted with.",
        names=("ssl_password",),
        secret=True,
    )
    ssl_check_hostname: bool = option(
        flag(), True, "Check that the server's certificate is for its host name."
    )
    ssl_cert_reqs: str = option(
        choice("required", "optional", "none"), "required", "Whether the server's certificate is checked."
    )
    ssl_min_version: str = option(choice("TLSv1.2", "TLSv1.3"), "TLSv1.2", "Lowest version of TLS to accept.")
    ssl_context: Any = option(  # noqa: RUF009 - it returns a field, as field() does
        optional(handed_in("an ssl.SSLContext")), None, "Used as it is, instead of all other TLS options."
    )


@dataclass(frozen=True, kw_only=True)
class EmbeddedOptions(ClientOptions):
    """What stores take that may start a pulsards of their own."""

    listen: str | None = option(
        optional(text("an address, such as 127.0.0.1:6410 or unix:/run/store.sock")),
        None,
        "Where the server in this process listens for others, too.",
    )
    dir: str | None = option(
        optional(text("the path of a directory")),
        None,
        "Directory that the server in this process keeps its data in, from one start to the next; without one it keeps "
        "nothing.",
    )


def option_names(cls: type[Options]) -> list[str]:
    """The names of the options of a class, sorted."""
    return sorted(row.name for row in fields(cls))


def read_options(
    cls: type[OptionsT], params: Mapping[str, str], given: Mapping[str, Any]
) -> tuple[OptionsT, dict[str, str]]:
    """The options from a connection string's `params`, overridden by the values `given` to the call.

    Returns them as an instance of `cls`, and those that were given at all as text, by their own names, so
    that they can be written into a connection string. A None among `given` means the default.

    Raises `ImproperlyConfigured` for an option that `cls` does not have or whose value it cannot use.
    """
    rows = {row.name: row for row in fields(cls)}
    names = {other: row.name for row in rows.values() for other in row.metadata["names"]}
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for source in (params, given):
        seen: dict[str, str] = {}
        for written, value in source.items():
            name = names.get(written, written)
            if name not in rows:
                raise ImproperlyConfigured(_unknown(written, cls))
            if name in seen:
                raise ImproperlyConfigured(f"option {written}: is given twice, as {seen[name]} too")
            seen[name] = written
            kind: Kind = rows[name].metadata["kind"]
            if value is None and not kind.takes_none:
                continue
            values[name] = _read(kind, written, value, secret=rows[name].metadata["secret"])
            if kind.write is not None:
                texts[name] = kind.write(values[name])
    return cls(**values), texts


def _unknown(name: str, cls: type[Options]) -> str:
    known = ", ".join(["database", "user", "password", *option_names(cls)])
    return f"option {name}: there is no such option here; there are {known}"


def _read(kind: Kind, name: str, value: Any, *, secret: bool) -> Any:
    try:
        return kind.read(value)
    except (ValueError, TypeError, LookupError):
        shown = _shown(value) if not secret else "the value"
        error = ImproperlyConfigured(f"option {name}: {shown} cannot be used; it must be {kind.rule}")
    # Outside the handler: the cause may quote a secret.
    raise error


def _shown(value: Any) -> str:
    if isinstance(value, str | int | float):
        shown = repr(value)
        return shown if len(shown) <= 60 else f"{shown[:60]}…"
    return f"a value of type {type(value).__name__}"
