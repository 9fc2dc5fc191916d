"""Whether a user may run a command with its arguments.

Source: "ACL" in Redis' documentation, sections "Key permissions" and "Selectors"; how several selectors make
one answer: the ACL LOG page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from anystore import spec
from anystore.pulsards import glob
from anystore.pulsards.acl.rules import READ, WRITE, Selector
from anystore.pulsards.acl.users import User

if TYPE_CHECKING:
    from anystore.pulsards.registry import CommandEntry

COMMAND: Final = b"command"
KEY: Final = b"key"
CHANNEL: Final = b"channel"
_RANKS: Final = {COMMAND: 0, KEY: 1, CHANNEL: 2}

#: Where commands name channels: from the first argument on, all of them or one, and whether they are patterns.
_CHANNELS: Final = {
    b"publish": (2, False),
    b"spublish": (2, False),
    b"subscribe": (None, False),
    b"ssubscribe": (None, False),
    b"psubscribe": (None, True),
}
_NEEDED: Final = {"access": READ, "insert": WRITE, "delete": WRITE, "update": WRITE}

#: A key's position among the arguments, and what must be allowed for it.
KeyAccess = tuple[int, int]


class Denial(NamedTuple):
    """Why a command may not be run: `reason` is COMMAND, KEY or CHANNEL, `position` the argument at fault."""

    reason: bytes
    position: int

    def explain(
        self, user: User, entry: CommandEntry, arguments: list[bytes], verbose: bool = False
    ) -> bytes:
        """The refusal in words, without a code; `verbose` names the key or channel."""
        if self.reason == COMMAND:
            return b"User %b has no permissions to run the '%b' command" % (user.name, entry.name)
        if verbose:
            return b"User %b has no permissions to access the '%b' %b" % (
                user.name,
                arguments[self.position],
                self.reason,
            )
        return b"No permissions to access a " + self.reason


def check(user: User, entry: CommandEntry, arguments: list[bytes]) -> Denial | None:
    """Why the user may not run this command; None where it may. O(keys × patterns)."""
    keys: list[KeyAccess] | None = None
    worst: tuple[int, int, Denial] | None = None
    for selector in user.selectors:
        if not selector.all_keys and keys is None:
            keys = key_accesses(entry, arguments)
        denial = _check_selector(selector, entry, arguments, keys or [])
        if denial is None:
            return None
        weight = (_RANKS[denial.reason], denial.position, denial)
        if worst is None or weight > worst:
            worst = weight
    assert worst is not None, "a user has one selector at least"
    return worst[2]


def allows_reading_all_keys(user: User, entry: CommandEntry, arguments: list[bytes]) -> bool:
    """Whether some selector allows this call, and reading every key besides: SORT's BY and GET need that."""
    keys = key_accesses(entry, arguments)
    return any(
        _check_selector(selector, entry, arguments, keys) is None
        and (selector.all_keys or selector.keys.get(b"*", 0) & READ)
        for selector in user.selectors
    )


def allows_channel(channels: set[bytes], name: bytes, is_pattern: bool) -> bool:
    """Whether one of the allowed patterns is this pattern, or matches this channel."""
    if is_pattern:
        return name in channels
    return any(glob.matches(pattern, name) for pattern in channels)


def key_accesses(entry: CommandEntry, arguments: list[bytes]) -> list[KeyAccess]:
    """The positions of a call's keys, each with what is needed to be allowed for it."""
    accesses = []
    for position, flags in spec.flagged_keys(entry.spec, arguments):
        needed = 0
        for flag in flags:
            needed |= _NEEDED.get(flag, 0)
        accesses.append((position, needed))
    return accesses


def _check_selector(
    selector: Selector, entry: CommandEntry, arguments: list[bytes], keys: list[KeyAccess]
) -> Denial | None:
    if not entry.no_auth and not selector.allows_command(entry.name, arguments):
        return Denial(COMMAND, 0)
    if not selector.all_keys:
        for position, needed in keys:
            if not _allows_key(selector, arguments[position], needed):
                return Denial(KEY, position)
    if not selector.all_channels and entry.name in _CHANNELS:
        end, is_pattern = _CHANNELS[entry.name]
        channels = set(selector.channels)
        for position in range(1, len(arguments) if end is None else end):
            if not allows_channel(channels, arguments[position], is_pattern):
                return Denial(CHANNEL, position)
    return None


def _allows_key(selector: Selector, key: bytes, needed: int) -> bool:
    return any(
        access & needed == needed and glob.matches(pattern, key) for pattern, access in selector.keys.items()
    )
