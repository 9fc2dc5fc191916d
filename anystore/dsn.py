"""Connection strings: parse, format, redact. Pure: no I/O, no look at the registry of stores.

```
scheme://[user[:password]@][host[:port][,host[:port]…]][/database][?option=value[&option=value…]]
scheme+unix://[user[:password]@]/path/of/the.sock[?database=…]
redis+sentinel://[user[:password]@]host[:port],…[/name-of-the-master[/database]][?…]
```

Everything outside letters, digits and `-._~` may be percent-encoded (as UTF-8), and in user, password and
option values `: / ? # [ ] @ & + %` and blanks must be, where they would mean something else. A `+` in the
options is a blank, as in web forms. IPv6 addresses stand in brackets.

`str(parse_store_url(text))` is canonical: scheme and hosts in lower case, addresses in their short form,
options sorted by name, no more percent-encoding than is needed. `user`, `username`, `password`, `database`
and `db` may be given as options too, and end up where they belong.

Messages name the part at fault and never quote what stands where a password may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from types import MappingProxyType
from typing import Any, Final, NoReturn
from urllib.parse import quote, unquote_to_bytes

from anystore.exceptions import ImproperlyConfigured

__all__ = ("PART_NAMES", "ConnectionString", "Host", "is_scheme", "parse_store_url")

Host = tuple[str, int | None]
"""A host name, address or (with a leading slash) path of a unix socket, and the port if one is given."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_ZONE: Final = re.compile(r"[A-Za-z0-9._~-]+")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_OPTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNPRINTABLE: Final = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SECRET_OPTION: Final = re.compile(r"password|secret|token", re.IGNORECASE)

PART_NAMES: Final = {
    "user": "user",
    "username": "user",
    "password": "password",
    "database": "database",
    "db": "database",
}
"""Names of options that are parts of the connection string of their own, and which part each stands for."""
_NAME_RULE: Final = "must be letters, digits, '_', '-' or '.', and begin with a letter or '_'"
_ENCODE_HINT: Final = "inside user, password, database or an option it has to be percent-encoded"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConnectionString:
    """A connection string's parts, decoded. Equal when the canonical texts are equal, and hashable.

    `user` and `password` are None when not given (or empty), `database` is `""`. `hosts` is empty when the
    text names none; a unix socket is one host that begins with a slash. `params` are the other options,
    sorted by name. `service` is the master's name in `redis+sentinel`, else `""`.

    Making one with a part that no text can express raises `ImproperlyConfigured`. `repr` hides passwords;
    `str` is the whole, usable string, password included: log `.redacted` instead.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    hosts: tuple[Host, ...] = ()
    service: str = ""
    database: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_text("scheme", self.scheme)
        if not is_scheme(self.scheme):
            _refuse("scheme", "must be a letter followed by letters, digits, '+', '-' or '.'")
        put = object.__setattr__
        put(self, "scheme", self.scheme.lower())
        for part in ("user", "password"):
            given = getattr(self, part)
            _check_text(part, "" if given is None else given)
            put(self, part, given or None)
        for part in ("service", "database"):
            _check_text(part, getattr(self, part))
        if self.service and not self.is_sentinel:
            _refuse("service", "a master's name is for redis+sentinel:// only")
        put(self, "hosts", self._checked_hosts())
        put(self, "params", _checked_params(self.params))

    def _checked_hosts(self) -> tuple[Host, ...]:
        if not self.is_unix:
            return tuple(_checked_host(host, port) for host, port in self.hosts)
        if len(self.hosts) != 1 or self.hosts[0][1] is not None or not self.hosts[0][0].startswith("/"):
            _refuse(
                "path", f"{self.scheme}:// needs the path of a socket, as in {self.scheme}:///run/redis.sock"
            )
        path = self.hosts[0][0]
        _check_text("path", path)
        if path == "/" or "\0" in path:
            _refuse("path", "must be the path of a unix socket, without a zero byte")
        return tuple(self.hosts)

    @property
    def is_unix(self) -> bool:
        """Whether the server listens on a unix socket."""
        return self.scheme.endswith("+unix")

    @property
    def is_sentinel(self) -> bool:
        """Whether the hosts are sentinels that know the master called `service`."""
        return self.scheme.endswith("+sentinel")

    @property
    def redacted(self) -> str:
        """The canonical text with `***` for every password: fit for logs. O(length)."""
        return self._format(secret="***")

    def __str__(self) -> str:
        return self._format(secret=None)

    def __repr__(self) -> str:
        return f"ConnectionString({self.redacted!r})"

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, and the text says everything.
        return parse_store_url, (str(self),)

    def _format(self, *, secret: str | None) -> str:
        pieces = [self.scheme, "://"]
        if self.user is not None:
            pieces.append(_encode(self.user))
        if self.password is not None:
            pieces += ":", secret or _encode(self.password)
        if self.user is not None or self.password is not None:
            pieces.append("@")
        params = dict(self.params)
        if self.is_unix:
            pieces.append(_encode(self.hosts[0][0], safe="/"))
            if self.database:
                params["database"] = self.database
        else:
            pieces.append(",".join(_format_host(host, port) for host, port in self.hosts))
            pieces.append(self._format_path())
        if secret is not None:
            params = {name: secret if _SECRET_OPTION.search(name) else params[name] for name in params}
        options = (f"{name}={_encode(params[name], safe='*:/,')}" for name in sorted(params))
        query = "&".join(options)
        return "".join(pieces) + (f"?{query}" if query else "")

    def _format_path(self) -> str:
        database = _encode(self.database, safe="/:")
        if not self.is_sentinel:
            return f"/{database}" if database else ""
        if database:
            return f"/{_encode(self.service)}/{database}"
        return f"/{_encode(self.service)}" if self.service else ""


def is_scheme(text: str) -> bool:
    """Whether a connection string may begin with `text://`."""
    return _SCHEME.fullmatch(text) is not None


def parse_store_url(url: str) -> ConnectionString:
    """The parts of a connection string; see the module for the grammar. O(length).

    Whether there is a store for the scheme, and whether it knows the options, is `create_store`'s business.

    Raises `ImproperlyConfigured`, and nothing else, for what is not a connection string.
    """
    if not isinstance(url, str):
        _refuse("url", f"must be a str, not {type(url).__name__}")
    if found := _UNPRINTABLE.search(url):
        _refuse("url", f"holds a blank or control character at position {found.start()}; {_ENCODE_HINT}")
    _check_text("url", url)
    scheme, mark, rest = url.partition("://")
    if not mark or not is_scheme(scheme):
        _refuse("scheme", "a connection string begins with scheme://, as in redis://127.0.0.1:6379/0")
    if "#" in rest:
        _refuse("url", f"there is no '#' in connection strings; {_ENCODE_HINT}, as %23")
    before_query, _, query = rest.partition("?")
    authority, slash, path = before_query.partition("/")
    user, password, hosts = _split_authority(authority, path, query)
    found_parts, params = _parse_query(query)
    _fill(found_parts, "user", _decode("user", user))
    _fill(found_parts, "password", _decode("password", password))
    scheme = scheme.lower()
    service = ""
    if scheme.endswith("+unix"):
        if hosts:
            _refuse("path", f"a socket's path begins with a slash, as in {scheme}:///run/redis.sock")
        parsed_hosts: tuple[Host, ...] = ((_decode("path", slash + path), None),)
    else:
        parsed_hosts = tuple(map(_parse_host, hosts.split(","))) if hosts else ()
        if scheme.endswith("+sentinel"):
            service, _, path = path.partition("/")
        _fill(found_parts, "database", _decode("database", path))
    return ConnectionString(
        scheme=scheme,
        user=found_parts.get("user"),
        password=found_parts.get("password"),
        hosts=parsed_hosts,
        service=_decode("service", service),
        database=found_parts.get("database", ""),
        params=params,
    )


def _split_authority(authority: str, path: str, query: str) -> tuple[str, str, str]:
    """User, password and hosts, still encoded. What follows them must not hold what may be a part of a password."""
    if "@" in path or "@" in query or authority.count("@") > 1:
        _refuse(
            "user and password",
            "an '@' ends them, once, in front of the host; '@', '/', '?' in them are written %40, %2F, %3F",
        )
    userinfo, _, hosts = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    if ":" in password:
        _refuse("password", "a ':' in a user or password is written %3A")
    return user, password, hosts


def _refuse(part: str, why: str) -> NoReturn:
    raise ImproperlyConfigured(f"connection string: {part}: {why}")


def _check_text(part: str, text: str) -> None:
    if not isinstance(text, str):
        _refuse(part, f"must be a str, not {type(text).__name__}")
    if found := _SURROGATE.search(text):
        _refuse(part, f"holds half a surrogate pair at position {found.start()}, which is not a character")


def _encode(text: str, safe: str = "") -> str:
    return quote(text, safe=safe)


def _decode(part: str, text: str) -> str:
    if found := _BAD_PERCENT.search(text):
        _refuse(
            part, f"the '%' at position {found.start()} of it needs two hexadecimal digits; '%' itself is %25"
        )
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        # The cause would carry the decoded password.
        error = ImproperlyConfigured(f"connection string: {part}: its percent-encoded bytes are not UTF-8")
    raise error


def _fill(parts: dict[str, str], part: str, value: str) -> None:
    """Take the part's value from its own place, unless the options have another one already."""
    if value and parts.setdefault(part, value) != value:
        _refuse(part, "is given twice: in its own place and as an option")


def _parse_query(query: str) -> tuple[dict[str, str], dict[str, str]]:
    """The options that are parts of their own, and the others; both decoded."""
    parts: dict[str, str] = {}
    params: dict[str, str] = {}
    for number, piece in enumerate(query.split("&"), 1):
        if not piece:
            continue
        raw_name, equals, raw_value = piece.partition("=")
        name = _decode(f"name of option {number}", raw_name)
        if not _OPTION_NAME.fullmatch(name):
            _refuse(
                f"name of option {number}",
                _NAME_RULE,
            )
        if not equals:
            _refuse(f"option {name}", f"has no value; write {name}=…")
        value = _decode(f"option {name}", raw_value.replace("+", " "))
        into, key = (parts, PART_NAMES[name]) if name in PART_NAMES else (params, name)
        if key in into:
            _refuse(f"option {name}", "is given twice")
        into[key] = value
    return {part: value for part, value in parts.items() if value}, params


def _checked_params(params: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in params.items():
        if not _OPTION_NAME.fullmatch(name):
            _refuse("name of an option", _NAME_RULE)
        if name in PART_NAMES:
            _refuse(f"option {name}", f"is a part of its own: {PART_NAMES[name]}")
        _check_text(f"option {name}", value)
    return MappingProxyType(dict(sorted(params.items())))


def _parse_host(text: str) -> Host:
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            _refuse("host", "an IPv6 address stands in brackets, followed by nothing or :port")
        return _checked_ipv6(_parse_zone(address)), _parse_port(rest[1:]) if rest else None
    host, colon, port = text.partition(":")
    if ":" in port or "[" in text or "]" in text:
        _refuse("host", "an IPv6 address stands in brackets, as in [::1]:6379")
    return _checked_host(host, _parse_port(port) if colon else None)


def _parse_zone(address: str) -> str:
    address, percent, zone = address.partition("%25")
    if "%" in address:
        _refuse("host", "the zone of an IPv6 address is written with %25, as in [fe80::1%25eth0]")
    return f"{address}%{zone}" if percent else address


def _parse_port(text: str) -> int:
    if not _PORT.fullmatch(text):
        _refuse("port", "must be a whole number from 0 to 65535")
    return int(text)


def _checked_host(host: str, port: int | None) -> Host:
    if port is not None and (type(port) is not int or not 0 <= port <= 65535):
        _refuse("port", "must be a whole number from 0 to 65535")
    if ":" in host:
        return _checked_ipv6(host), port
    if not _HOST_NAME.fullmatch(host):
        _refuse(
            "host",
            "must be a name or an address: letters, digits, '-', '_' and '.'"
            " (other alphabets in their xn-- form), IPv6 in brackets",
        )
    return host.lower(), port


def _checked_ipv6(text: str) -> str:
    text, percent, zone = text.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        _refuse("host", "the zone of an IPv6 address is letters, digits, '-', '.', '_' and '~'")
    try:
        address = IPv6Address(text)
    except AddressValueError:
        address = None
    if address is None:
        _refuse("host", "what stands in brackets must be an IPv6 address, as in [::1]")
    # Python 3.13 began to print IPv4-mapped addresses this way; so do we everywhere.
    short = f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else address.compressed
    return f"{short}%{zone}" if percent else short


def _format_host(host: str, port: int | None) -> str:
    text = f"[{host.replace('%', '%25')}]" if ":" in host else host
    return text if port is None else f"{text}:{port}"
