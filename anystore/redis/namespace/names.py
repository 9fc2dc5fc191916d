"""The names of keys and channels, bare and as the server has them."""

from __future__ import annotations

import re
from typing import Final, TypeVar

Name = TypeVar("Name", bytes, str)

INVALIDATIONS: Final = b"__redis__:invalidate"
"""The channel on which RESP2 clients get the keys that changed."""
KEYEVENT: Final = b"__keyevent@"
"""How the channels begin that name an event; the message is the key."""
_KEYSPACE: Final = b"__keyspace@"
_EVENT: Final = b"__key"

_SPECIAL: Final = re.compile(rb"[*?\[\]\\]")


class Names:
    """Puts a prefix on names and takes it off.

    Args:
        prefix: The bytes that every key and channel begins with, not empty. They are taken as they are, glob
            characters included; no separator is added.
        encoding: How names are decoded where the client decodes replies; `errors` as for `bytes.decode`.
    """

    __slots__ = ("_escaped", "_forms", "prefix")

    def __init__(self, prefix: bytes, encoding: str = "utf-8", errors: str = "surrogateescape") -> None:
        if not prefix:
            raise ValueError("a namespace needs a prefix of one byte or more")
        self.prefix: Final = prefix
        self._escaped: Final = escape(prefix)
        # What decoded names begin with, by what they begin with as bytes.
        self._forms: Final = {form: form.decode(encoding, errors) for form in (prefix, self._escaped)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.prefix!r})"

    def key(self, key: bytes) -> bytes:
        """The server's name of a key."""
        return self.prefix + key

    def strip_key(self, key: Name) -> Name | None:
        """The bare name of a key of the server; None for a foreign one."""
        return self._without(key, self.prefix)

    def key_pattern(self, pattern: bytes) -> bytes:
        """A glob pattern of keys in the server's form: it matches the same keys of this namespace, and no others."""
        return self._escaped + pattern

    def channel(self, channel: bytes) -> bytes:
        """The server's name of a channel. In a keyspace event's, the prefix comes before the key."""
        return _with(channel, self.prefix)

    def strip_channel(self, channel: Name) -> Name | None:
        """The bare name of a channel of the server; None for a foreign one."""
        return self._bare(channel, self.prefix)

    def pattern(self, pattern: bytes) -> bytes:
        """A glob pattern of channels in the server's form.

        One that begins with `__key` and may mean events of both kinds stays as it is: what then comes from others
        has to be dropped.
        """
        return pattern if _is_of_all_events(pattern) else _with(pattern, self._escaped)

    def strip_pattern(self, pattern: Name) -> Name | None:
        """The bare form of a pattern that the server has; None for a foreign one."""
        return pattern if _is_of_all_events(encoded(pattern)) else self._bare(pattern, self._escaped)

    def _bare(self, name: Name, prefix: bytes) -> Name | None:
        raw = encoded(name)
        if _names_no_key(raw):
            return name
        head = _head(raw)
        bare = self._without(name[head:], prefix)
        return None if bare is None else name[:head] + bare

    def _without(self, name: Name, prefix: bytes) -> Name | None:
        if isinstance(name, bytes):
            return name[len(prefix) :] if name.startswith(prefix) else None
        text = self._forms[prefix]
        return name[len(text) :] if name.startswith(text) else None


def escape(text: bytes) -> bytes:
    """The glob pattern that matches `text` and nothing else."""
    return _SPECIAL.sub(rb"\\\g<0>", text)


def encoded(name: bytes | str) -> bytes:
    """A name as bytes, as far as its beginning, which is ASCII where it matters, can tell events apart."""
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")


def _with(name: bytes, prefix: bytes) -> bytes:
    if _names_no_key(name):
        return name
    head = _head(name)
    return name[:head] + prefix + name[head:]


def _names_no_key(channel: bytes) -> bool:
    return channel.startswith(KEYEVENT) or channel == INVALIDATIONS


def _head(channel: bytes) -> int:
    """How much of a channel's name stands before the part that gets the prefix: `__keyspace@0__:`, or nothing."""
    return channel.find(b"__:") + 3 if channel.startswith(_KEYSPACE) and b"__:" in channel else 0


def _is_of_all_events(pattern: bytes) -> bool:
    return pattern.startswith(_EVENT) and not _head(pattern)
