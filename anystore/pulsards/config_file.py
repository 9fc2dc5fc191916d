"""Settings as text: the redis.conf format, and the command line's `--name value …`.

Source: redis.conf of Redis 7.4, and the page "Redis configuration", sections on the file and on passing
arguments by the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anystore.exceptions import ImproperlyConfigured
from anystore.resp.requests import split_arguments

Settings = dict[str, str]


def parse_config(text: bytes, source: str) -> Settings:
    """The directives of a file by name; `source` is named in errors, with the line. The last of a name wins."""
    settings: Settings = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(b"#"):
            continue
        words = split_arguments(stripped)
        if words is None:
            raise ImproperlyConfigured(f"{source}, line {number}: unbalanced quotes")
        try:
            name, *values = (word.decode() for word in words)
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{source}, line {number}: not valid UTF-8") from None
        if not values:
            raise ImproperlyConfigured(f"{source}, line {number}: directive {name!r} has no value")
        _put(settings, name.lower(), values)
    return settings


def parse_options(words: Sequence[str]) -> Settings:
    """The directives of a command line: `--port 6410 --save 60 1 --save 300 10`."""
    settings: Settings = {}
    name: str | None = None
    values: list[str] = []

    def finish() -> None:
        if name is not None:
            if not values:
                raise ImproperlyConfigured(f"option --{name} has no value")
            _put(settings, name, values)

    for word in words:
        if word.startswith("--"):
            finish()
            option, equals, value = word[2:].partition("=")
            name, values = option.lower(), [value] if equals else []
        elif name is None:
            raise ImproperlyConfigured(f"argument {word!r} follows no option; want --name value")
        else:
            values.append(word)
    finish()
    return settings


def _put(settings: Settings, name: str, values: Iterable[str]) -> None:
    settings[name] = " ".join(values)
