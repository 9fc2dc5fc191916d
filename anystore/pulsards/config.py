"""The server's settings: the values of the directives of `config_table`, and what they take effect on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards import glob
from anystore.pulsards.config_file import Line
from anystore.pulsards.config_refusals import why_refused
from anystore.pulsards.config_table import DIRECTIVES, REPEATED
from anystore.pulsards.config_types import SAVE_RULES, Directive, OutputLimits, split_words
from anystore.pulsards.datatypes import EncodingLimits
from anystore.pulsards.persistence.aof.folder import LogError
from anystore.pulsards.server_log import set_level

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

_NO_PLACE: Final = "disabled puts a primary's data into a file first, and without dir nothing is kept on disk"

#: What is told of changes: the names of the directives that have changed. `Refused` takes them back.
Effect = Callable[[frozenset[str]], None]


class Refused(Exception):
    """A change of settings that cannot be made: the directive at fault, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason


class Config:
    """The settings of one server."""

    def __init__(
        self,
        settings: Mapping[str, str | Sequence[str]] | None = None,
        lines: Iterable[Line] = (),
        file: str = "",
    ) -> None:
        """Settings by directive name, as text, and the lines of a file or a command line, where the last one counts.

        A directive that can be repeated (`user`, `rename-command`) may have several texts. `file` is the path of
        the file that the lines came from, which CONFIG REWRITE writes to.

        Raises `ImproperlyConfigured`, which names what cannot be used, and the line.
        """
        #: The file that the settings came from, as INFO shows it; empty where there is none.
        self.file = file
        self.directives: dict[str, Directive] = {}
        for directive in DIRECTIVES:
            for name in (directive.name, *directive.aliases):
                self.directives[name] = directive
        self.values: dict[str, Any] = {directive.name: directive.default for directive in DIRECTIVES}
        #: The words of each `user` and `rename-command`, in order.
        self.users: list[list[str]] = []
        self.renames: list[tuple[str, str]] = []
        self._effects: list[Effect] = []
        self._given: set[str] = set()
        for line in (*_lines_of(settings or {}), *lines):
            try:
                self._take(line.name, line.words)
            except ValueError as error:
                about = (
                    f"directive {line.name!r}: {error}" if str(error) else f"unknown directive {line.name!r}"
                )
                raise ImproperlyConfigured(f"{line.where}: {about}" if line.where else about) from None
        self._choose_directory()
        self._derive()

    def _choose_directory(self) -> None:
        """Where data are to be kept, and when they are saved, as far as only one of both was said.

        A directory alone has every change logged there, or saved by Redis' rules where logging was refused; logging or
        rules alone go to the present directory, as with Redis. Without any of them nothing is kept.
        """
        values, given = self.values, self._given
        if not values["dir"]:
            values["dir"] = "." if values["save"] or values["appendonly"] else ""
        elif "save" not in given and "appendonly" not in given:
            values["appendonly"] = True
        elif "save" not in given and not values["appendonly"]:
            values["save"] = SAVE_RULES
        if values["repl-diskless-load"] == "disabled" and not values["dir"]:
            raise ImproperlyConfigured(f"directive 'repl-diskless-load': {_NO_PLACE}")

    def _take(self, name: str, words: list[str]) -> None:
        """Take one line over; an empty `ValueError` for a directive that there is not."""
        if name == "user":
            self.users.append(words)
        elif name == "rename-command":
            if len(words) != 2:
                raise ValueError("wrong number of arguments")
            self.renames.append((words[0], words[1]))
        else:
            directive = self.directives.get(name)
            if directive is None:
                raise ValueError(why_refused(name) or "")
            if len(words) > 1 and not directive.several:
                raise ValueError("wrong number of arguments")
            value = self._parse(directive, " ".join(words))
            if directive.gathers and value and directive.name in self._given:
                value = (*self.values[directive.name], *value)
            self._given.add(directive.name)
            self.values[directive.name] = value

    def _parse(self, directive: Directive, text: str) -> Any:
        value = directive.parse(text)
        return value if directive.combine is None else directive.combine(self.values[directive.name], value)

    def _derive(self) -> None:
        """Keep at hand, as plain attributes, what is asked for often."""
        values = self.values
        self.databases: int = values["databases"]
        self.requirepass: str = values["requirepass"]
        self.bind: tuple[str, ...] = values["bind"]
        self.port: int = values["port"]
        self.unixsocket: str = values["unixsocket"]
        self.maxclients: int = values["maxclients"]
        self.protected_mode: bool = values["protected-mode"]
        self.proto_max_bulk_len: int = values["proto-max-bulk-len"]
        self.query_buffer_limit: int = values["client-query-buffer-limit"]
        self.output_limits: OutputLimits = values["client-output-buffer-limit"]
        #: Whether files and payloads are Valkey's own, where one cannot be read by both.
        self.for_valkey: bool = values["rdb-dialect"] == "valkey"
        self.encoding_limits = EncodingLimits(
            **{limit.name: values[limit.name.replace("_", "-")] for limit in fields(EncodingLimits)}
        )

    # Taking effect

    def add_effect(self, effect: Effect) -> None:
        """Have `effect` told of every change from now on."""
        self._effects.append(effect)

    def remove_effect(self, effect: Effect) -> None:
        """Take an `add_effect` back."""
        self._effects.remove(effect)

    def apply(self, engine: Engine) -> None:
        """Let a server go by these settings, now and after every `update`."""

        def effect(changed: frozenset[str]) -> None:
            if "loglevel" in changed:
                set_level(self.values["loglevel"])
            if "proto-max-bulk-len" in changed:
                for session in engine.sessions.values():
                    session.parser.max_bulk = self.proto_max_bulk_len
            if "requirepass" in changed:
                engine.acl.set_default_password(self.requirepass.encode("utf-8", "surrogateescape"))
            self._apply(engine)
            if "appendonly" in changed:
                self._switch_log(engine)
            if self.values["repl-diskless-load"] == "disabled" and engine.storage is None:
                raise Refused("repl-diskless-load", _NO_PLACE)

        self._apply(engine)
        if self.requirepass:
            effect(frozenset({"requirepass"}))
        self.add_effect(effect)

    def _switch_log(self, engine: Engine) -> None:
        try:
            engine.append_only.switch(self.values["appendonly"])
        except LogError as error:
            raise Refused("appendonly", str(error)) from None
        except OSError as error:
            raise Refused("appendonly", error.strerror or str(error)) from None

    def _apply(self, engine: Engine) -> None:
        values = self.values
        engine.idle_timeout = values["timeout"] * 1000
        if engine.idle_timeout:
            engine.keyspace.falls_due(engine.keyspace.now + engine.idle_timeout)
        engine.keyspace.notify_classes = values["notify-keyspace-events"]
        engine.keyspace.importing = values["import-mode"]
        engine.keyspace.limit_encodings(self.encoding_limits)
        engine.logs.configure(values)
        policy = values["maxmemory-policy"]
        engine.keyspace.count_accesses(
            policy.endswith("lfu"), values["lfu-log-factor"], values["lfu-decay-time"]
        )
        engine.eviction.configure(values["maxmemory"], policy, values["maxmemory-samples"])
        share = values["maxmemory-clients"]
        engine.client_memory.configure(share if share >= 0 else -share * values["maxmemory"] // 100)
        engine.counts_durations = values["latency-tracking"]
        engine.latency.threshold = values["latency-monitor-threshold"]
        engine.busy.threshold = values["busy-reply-threshold"]
        engine.update_slowness()
        engine.tracking.max_keys = values["tracking-table-max-keys"]
        engine.tracking.trim()
        engine.acl.all_channels = values["acl-pubsub-default"] == "allchannels"
        engine.acl.log.resize(values["acllog-max-len"])
        engine.saver.configure(values)
        engine.replication.configure(values)
        engine.append_only.configure(values)

    def update(self, settings: Sequence[tuple[str, str]]) -> None:
        """Change directives of a running server, all or none of them; `Refused` says which cannot be, and why."""
        changed: dict[str, Any] = {}
        before = dict(self.values)
        for name, text in settings:
            directive = self.directives[name]
            try:
                changed[directive.name] = self._parse(directive, text)
            except ValueError as error:
                raise Refused(name, str(error)) from None
        try:
            self._change(changed)
        except Refused:
            self.assume({name: before[name] for name in changed})
            for effect in tuple(self._effects):
                with contextlib.suppress(Refused):
                    effect(frozenset(changed))
            raise

    def assume(self, values: Mapping[str, Any]) -> None:
        """Take values over that are in effect already."""
        self.values.update(values)
        self._derive()

    def _change(self, values: Mapping[str, Any]) -> None:
        self.values.update(values)
        self._derive()
        names = frozenset(values)
        for effect in tuple(self._effects):
            effect(names)

    # Looking at them

    def matching(self, pattern: bytes) -> dict[str, str]:
        """The directives whose name matches a glob pattern, with their values as text.

        A pattern without `*`, `?` and `[` is a name, whatever else is in it.
        """
        if not is_pattern(pattern):
            name = pattern.lower().decode("utf-8", "surrogateescape")
            found = self.directives.get(name)
            return {} if found is None else {name: found.show(self.values[found.name])}
        matches = glob.matcher(pattern, True)
        return {
            name: directive.show(self.values[directive.name])
            for name, directive in self.directives.items()
            if matches(name.encode())
        }


def is_pattern(text: bytes) -> bool:
    """Whether CONFIG GET takes this for a pattern rather than for a name."""
    return any(mark in text for mark in (b"*", b"?", b"["))


def _lines_of(settings: Mapping[str, str | Sequence[str]]) -> Iterable[Line]:
    for given, value in settings.items():
        name = given.lower()
        directive = next((item for item in DIRECTIVES if item.name == name), None)
        for text in [value] if isinstance(value, str) else value:
            if name in REPEATED or (directive is not None and directive.several):
                try:
                    yield Line("", name, split_words(text))
                except ValueError as error:
                    raise ImproperlyConfigured(f"directive {given!r}: {error}") from None
            else:
                yield Line("", name, [text])
