"""Settings as text: the redis.conf format, and the command line's `--name value …`.

Source: redis.conf of Redis 7.4, and the page "Redis configuration", sections on the file and on passing
arguments by the command line.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from anystore.exceptions import ImproperlyConfigured
from anystore.resp.requests import split_arguments

#: Files that include each other; Redis stops at nothing there.
_MOST_INCLUDES: Final = 16


class Line(NamedTuple):
    """One directive as it was given: where that was, for errors; its name in lower case; the words that follow it."""

    where: str
    name: str
    words: list[str]


def read_config(path: str, depth: int = 0) -> list[Line]:
    """The directives of a file, those of the files that it includes in their place.

    `include` takes a path, or a pattern for several, which are read in the order of their names; a pattern
    that matches nothing includes nothing. Raises `ImproperlyConfigured`, which names the file and the line.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"configuration file {path}: {error.strerror}") from None
    lines: list[Line] = []
    for line in parse_config(content, path):
        if line.name != "include":
            lines.append(line)
            continue
        if len(line.words) != 1:
            raise ImproperlyConfigured(f"{line.where}: directive 'include': wrong number of arguments")
        if depth == _MOST_INCLUDES:
            raise ImproperlyConfigured(f"{line.where}: files include each other, over {_MOST_INCLUDES} deep")
        for included in _included(line.words[0]):
            lines += read_config(included, depth + 1)
    return lines


def _included(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]


def parse_config(text: bytes, source: str) -> Iterator[Line]:
    """The directives of a file's text; `source` is named in errors, with the line."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        where = f"{source}, line {number}"
        if not stripped or stripped.startswith(b"#"):
            continue
        words = split_arguments(stripped)
        if words is None:
            raise ImproperlyConfigured(f"{where}: unbalanced quotes")
        name, *values = (word.decode("utf-8", "surrogateescape") for word in words)
        if not values:
            raise ImproperlyConfigured(f"{where}: directive {name!r} has no value")
        yield Line(where, name.lower(), values)


def parse_options(words: Sequence[str]) -> list[Line]:
    """The directives of a command line: `--port 6410 --user alice on --user bob off`."""
    lines: list[Line] = []
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            lines.append(Line("command line", name.lower(), [value] if equals else []))
        elif not lines:
            raise ImproperlyConfigured(f"argument {word!r} follows no option; want --name value")
        else:
            lines[-1].words.append(word)
    for line in lines:
        if not line.words:
            raise ImproperlyConfigured(f"option --{line.name} has no value")
    return lines
