"""Users: who they are, what they log in with, and what they may do.

Source: "ACL" in Redis' documentation, sections "ACL rules" and "How passwords are stored internally".
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

from anystore.pulsards.acl.rules import SYNTAX, KnownCommands, RuleError, Selector
from anystore.resp.requests import split_arguments
from anystore.resp.types import SetReply

NO_SUCH_PASSWORD: Final = b"The password you are trying to remove from the user does not exist"
NOT_A_HASH: Final = (
    b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
)
_HEX: Final = frozenset(b"0123456789abcdef")


class UnmatchedParenthesis(Exception):
    """A selector without an end; `rule` is where it starts."""

    def __init__(self, rule: bytes) -> None:
        super().__init__(rule)
        self.rule = rule


def hash_password(password: bytes) -> bytes:
    """A password as it is kept: its SHA-256 in hexadecimal."""
    return hashlib.sha256(password).hexdigest().encode()


def join_selectors(rules: list[bytes]) -> list[bytes]:
    """The rules with each selector that is spread over several of them, "(~a" "+get)", made one.

    Raises `UnmatchedParenthesis` where one does not end.
    """
    joined: list[bytes] = []
    parts: list[bytes] = []
    for rule in rules:
        if parts or (rule.startswith(b"(") and not rule.endswith(b")")):
            parts.append(rule)
            # What begins a selector does not end it, even where it is nothing but a parenthesis.
            if len(parts) > 1 and rule.endswith(b")"):
                joined.append(b" ".join(parts))
                parts = []
        else:
            joined.append(rule)
    if parts:
        raise UnmatchedParenthesis(parts[0])
    return joined


class User:
    """One user. Made new, it cannot log in and may do nothing."""

    __slots__ = (
        "_known",
        "enabled",
        "name",
        "no_password",
        "passwords",
        "restricted",
        "sanitizing",
        "selectors",
    )

    def __init__(self, name: bytes, known: KnownCommands, all_channels: bool = False) -> None:
        """`all_channels` is what the directive acl-pubsub-default says."""
        self._known = known
        self.name = name
        self.enabled = False
        #: Any password will do, and new connections need none where this is the default user.
        self.no_password = False
        self.passwords: dict[bytes, None] = {}  # SHA-256 in hexadecimal
        #: b"sanitize-payload", b"skip-sanitize-payload" or empty. RESTORE checks what it gets in any case.
        self.sanitizing = b""
        #: The first is of the rules outside of parentheses.
        self.selectors = [Selector(known, all_channels)]
        #: Whether commands have to be looked at: kept up to date by `update`, read for each command.
        self.restricted = True

    def __repr__(self) -> str:
        return f"<User {self.name!r}>"

    def copy(self) -> User:
        """Another user with the same name, rights and passwords, to try rules on."""
        other = User(self.name, self._known)
        other.take_over(self)
        return other

    def take_over(self, other: User) -> None:
        """Become what another user is, under one's own name."""
        self.enabled = other.enabled
        self.no_password = other.no_password
        self.passwords = dict(other.passwords)
        self.sanitizing = other.sanitizing
        self.selectors = [selector.copy() for selector in other.selectors]
        self.restricted = other.restricted

    @property
    def logged_in_at_once(self) -> bool:
        """Whether connections of this user, if it is the default one, need not log in."""
        return self.no_password and self.enabled

    # Rules

    def apply(self, rule: bytes, all_channels: bool = False) -> None:
        """Apply one rule; `RuleError` where it is none. `all_channels` is what `reset` gives back."""
        word = rule.lower()
        if word in (b"on", b"off"):
            self.enabled = word == b"on"
        elif word in (b"sanitize-payload", b"skip-sanitize-payload"):
            self.sanitizing = word
        elif word in (b"nopass", b"resetpass"):
            self.no_password = word == b"nopass"
            self.passwords.clear()
        elif rule[:1] in (b">", b"#"):
            self.passwords[_hash_of(rule)] = None
            self.no_password = False
        elif rule[:1] in (b"<", b"!"):
            if self.passwords.pop(_hash_of(rule), rule) is not None:
                raise RuleError(NO_SUCH_PASSWORD)
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word == b"reset":
            self.enabled = self.no_password = False
            self.passwords.clear()
            self.sanitizing = b"sanitize-payload"
            self.selectors = [Selector(self._known, all_channels)]
        elif rule[:1] == b"(" and len(rule) > 1 and rule.endswith(b")"):
            self.selectors.append(self._selector(rule[1:-1], all_channels))
        elif rule:
            self.selectors[0].apply(rule)
        self.restricted = not any(selector.unrestricted for selector in self.selectors)

    def _selector(self, text: bytes, all_channels: bool) -> Selector:
        selector = Selector(self._known, all_channels)
        for rule in split_arguments(text) or ():
            if not rule:
                raise RuleError(SYNTAX)
            selector.apply(rule)
        return selector

    # Questions

    def accepts(self, password: bytes) -> bool:
        """Whether one can log in as this user with this password. The time taken tells nothing of how right it is."""
        if not self.enabled:
            return False
        if self.no_password:
            return True
        hashed = hash_password(password)
        matches = [hmac.compare_digest(hashed, known) for known in self.passwords]
        return any(matches)

    def allows_all_channels(self) -> bool:
        return any(selector.all_channels for selector in self.selectors)

    # Descriptions

    def _flags(self) -> list[bytes]:
        flags = [b"on" if self.enabled else b"off"]
        if self.no_password:
            flags.append(b"nopass")
        if self.sanitizing:
            flags.append(self.sanitizing)
        return flags

    def describe(self) -> bytes:
        """The user as rules that make the same one again, as ACL LIST and ACL SAVE have it."""
        return b" ".join(
            [
                *self._flags(),
                *(b"#" + password for password in self.passwords),
                self.selectors[0].describe(),
                *(b"(" + selector.describe() + b")" for selector in self.selectors[1:]),
            ]
        )

    def as_map(self) -> dict[bytes, Any]:
        """What ACL GETUSER shows."""
        return {
            b"flags": SetReply(self._flags()),
            b"passwords": list(self.passwords),
            **self.selectors[0].as_map(),
            b"selectors": [dict(selector.as_map()) for selector in self.selectors[1:]],
        }


def _hash_of(rule: bytes) -> bytes:
    """What a rule about a password (`>` or `<`) or its hash (`#` or `!`) is about."""
    if rule[:1] in (b">", b"<"):
        return hash_password(rule[1:])
    hashed = rule[1:]
    if len(hashed) != 64 or not _HEX.issuperset(hashed):
        raise RuleError(NOT_A_HASH)
    return hashed
