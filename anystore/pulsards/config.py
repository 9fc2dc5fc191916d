"""The server's settings: the values of the directives of `config_table`, and what they take effect on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards import glob
from anystore.pulsards.config_table import DIRECTIVES
from anystore.pulsards.config_types import OutputLimits
from anystore.pulsards.datatypes import EncodingLimits

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine


class Config:
    """The settings of one server."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """`settings` by directive name, as text; `ImproperlyConfigured` names what cannot be used."""
        #: The file that the settings came from, as INFO shows it; empty where there is none.
        self.file = ""
        self.directives = {directive.name: directive for directive in DIRECTIVES}
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
