"""The server's settings: one table of directives, each with its type, default and what it takes effect on.

A directive that is not in the table is refused, by CONFIG SET, by a file and on the command line alike.

Source: redis.conf of Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards import glob, notifications
from anystore.pulsards.datatypes import EncodingLimits

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}


@dataclass(frozen=True, slots=True)
class Directive:
    """One setting: how its text is read, how it is shown, and whether it can be changed while running."""

    name: str
    default: Any
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    mutable: bool = True


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("argument couldn't be parsed into an integer") from None
        if not low <= number <= high:
            raise ValueError(f"argument must be between {low} and {high} inclusive")
        return number

    return parse


def parse_memory(text: str) -> int:
    """A size in bytes, with Redis' units: k is 1000, kb is 1024, and so on."""
    digits = text.rstrip("bBkKmMgG")
    unit = text[len(digits) :].lower()
    if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
        raise ValueError("argument must be a memory value")
    return int(digits) * _UNITS[unit]


def _yes_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError("argument must be 'yes' or 'no'")
    return text.lower() == "yes"


def _show_yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(text.split())
    if not hosts:
        raise ValueError("argument must name at least one address")
    return hosts


def _event_classes(text: str) -> int:
    classes = notifications.parse_classes(text)
    if classes is None:
        raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    return classes


def _nothing_saved(text: str) -> str:
    if text:
        raise ValueError("snapshots are not available yet; only an empty value can be set")
    return text


def _no_append_only(text: str) -> bool:
    if _yes_no(text):
        raise ValueError("the append-only file is not available yet; only 'no' can be set")
    return False


OutputLimits = Mapping[str, tuple[int, int, int]]

_OUTPUT_LIMITS: Final[OutputLimits] = {
    "normal": (0, 0, 0),
    "slave": (256 * 2**20, 64 * 2**20, 60),
    "pubsub": (32 * 2**20, 8 * 2**20, 60),
}


def _output_limits(text: str) -> OutputLimits:
    """`class hard soft seconds`, once or more; a class not named keeps its default."""
    words = text.split()
    if not words or len(words) % 4:
        raise ValueError("Wrong number of arguments in buffer limit configuration.")
    limits = dict(_OUTPUT_LIMITS)
    for position in range(0, len(words), 4):
        name, hard, soft, seconds = words[position : position + 4]
        kind = "slave" if name.lower() == "replica" else name.lower()
        if kind not in limits:
            raise ValueError("Invalid client class specified in buffer limit configuration.")
        if not seconds.isdigit():
            raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        limits[kind] = (parse_memory(hard), parse_memory(soft), int(seconds))
    return limits


def _show_output_limits(limits: OutputLimits) -> str:
    return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in limits.items())


_DIRECTIVES: Final = (
    Directive("databases", 16, _integer(1, 2**31 - 1), mutable=False),
    Directive("requirepass", "", str),
    Directive("bind", ("127.0.0.1",), _hosts, " ".join, mutable=False),
    Directive("port", 6410, _integer(0, 65535), mutable=False),
    Directive("unixsocket", "", str, mutable=False),
    Directive("maxclients", 10000, _integer(1, 2**32 - 1)),
    Directive("timeout", 0, _integer(0, 2**31 - 1)),
    Directive("save", "", _nothing_saved),
    Directive("appendonly", False, _no_append_only, _show_yes_no),
    Directive("proto-max-bulk-len", 512 * 1024 * 1024, parse_memory),
    Directive("client-query-buffer-limit", 2**30, parse_memory),
    Directive("client-output-buffer-limit", _OUTPUT_LIMITS, _output_limits, _show_output_limits),
    Directive("slowlog-log-slower-than", 10000, _integer(-1, 2**63 - 1)),
    Directive("slowlog-max-len", 128, _integer(0, 2**63 - 1)),
    Directive("notify-keyspace-events", 0, _event_classes, notifications.format_classes),
    Directive("hash-max-listpack-entries", 512, _integer(0, 2**63 - 1)),
    Directive("hash-max-listpack-value", 64, _integer(0, 2**63 - 1)),
    Directive("set-max-intset-entries", 512, _integer(0, 2**63 - 1)),
    Directive("set-max-listpack-entries", 128, _integer(0, 2**63 - 1)),
    Directive("set-max-listpack-value", 64, _integer(0, 2**63 - 1)),
    Directive("zset-max-listpack-entries", 128, _integer(0, 2**63 - 1)),
    Directive("zset-max-listpack-value", 64, _integer(0, 2**63 - 1)),
    Directive("list-max-listpack-size", -2, _integer(-(2**31), 2**31 - 1)),
    Directive("activerehashing", True, _yes_no, _show_yes_no),
)


class Config:
    """The settings of one server."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """`settings` by directive name, as text; `ImproperlyConfigured` names what cannot be used."""
        #: The file that the settings came from, as INFO shows it; empty where there is none.
        self.file = ""
        self.directives = {directive.name: directive for directive in _DIRECTIVES}
        self.values: dict[str, Any] = {name: item.default for name, item in self.directives.items()}
        self._engine: Engine | None = None
        for name, text in (settings or {}).items():
            directive = self.directives.get(name.lower())
            if directive is None:
                raise ImproperlyConfigured(f"unknown directive {name!r}")
            try:
                self.values[directive.name] = directive.parse(text)
            except ValueError as error:
                raise ImproperlyConfigured(f"directive {name!r}: {error}") from None
        self._derive()

    def _derive(self) -> None:
        """Keep at hand, as plain attributes, what is asked for often."""
        values = self.values
        self.databases: int = values["databases"]
        self.requirepass: str = values["requirepass"]
        self.bind: tuple[str, ...] = values["bind"]
        self.port: int = values["port"]
        self.unixsocket: str = values["unixsocket"]
        self.maxclients: int = values["maxclients"]
        self.proto_max_bulk_len: int = values["proto-max-bulk-len"]
        self.query_buffer_limit: int = values["client-query-buffer-limit"]
        self.output_limits: OutputLimits = values["client-output-buffer-limit"]
        self.encoding_limits = EncodingLimits(
            **{limit.name: values[limit.name.replace("_", "-")] for limit in fields(EncodingLimits)}
        )

    def apply(self, engine: Engine) -> None:
        """Let a server go by these settings, now and after every `set`."""
        self._engine = engine
        engine.idle_timeout = self.values["timeout"] * 1000
        if engine.idle_timeout:
            engine.keyspace.falls_due(engine.keyspace.now + engine.idle_timeout)
        engine.keyspace.notify_classes = self.values["notify-keyspace-events"]
        engine.slowlog.configure(self.values["slowlog-log-slower-than"], self.values["slowlog-max-len"])

    def check(self, name: str, text: str) -> None:
        """Whether a directive can be changed to this; `ValueError` says why not, `KeyError` for an unknown one."""
        directive = self.directives[name]
        if not directive.mutable:
            raise ValueError("can't set immutable config")
        directive.parse(text)

    def update(self, settings: Mapping[str, str]) -> None:
        """Change directives, each of which `check` has let pass, of a running server."""
        for name, text in settings.items():
            self.values[name] = self.directives[name].parse(text)
        self._derive()
        if self._engine is not None:
            self.apply(self._engine)

    def matching(self, pattern: bytes) -> dict[str, str]:
        """The directives whose name matches a glob pattern, with their values as text."""
        matches = glob.matcher(pattern, True)
        return {
            name: directive.show(self.values[name])
            for name, directive in self.directives.items()
            if matches(name.encode())
        }
