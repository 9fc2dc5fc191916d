"""Users written down: the `user` lines of a configuration file, and the file that `aclfile` names.

Source: "ACL" in Redis' documentation, section "Use an external ACL file".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards.acl.control import DEFAULT, AccessControl
from anystore.pulsards.acl.rules import UNKNOWN_NAME, RuleError, has_spaces
from anystore.pulsards.acl.users import UnmatchedParenthesis, User, join_selectors
from anystore.pulsards.config import Config
from anystore.pulsards.errors import CommandError
from anystore.pulsards.replacing import replace_file

_NOTHING_CHANGED = b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"


def load_configured_users(control: AccessControl, config: Config) -> None:
    """Make the users that a server starts with: those of its `user` lines, or of its `aclfile`.

    Raises `ImproperlyConfigured`; the message tells no password.
    """
    control.file = config.values["aclfile"]
    if control.file and config.users:
        raise ImproperlyConfigured(
            "users are either in the file that aclfile names or in user lines, not in both"
        )
    _configure_users(control, config.users)
    if control.file:
        try:
            load_users(control, control.file)
        except CommandError as error:
            reason = error.message.removeprefix(b"ERR ").decode("utf-8", "backslashreplace")
            raise ImproperlyConfigured(f"directive 'aclfile': {reason}") from None


def load_users(control: AccessControl, path: str) -> None:
    """Replace the users by those of a file, all or none; `CommandError` lists everything that is wrong with it."""
    name = os.fsencode(path)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        reason = (error.strerror or "unknown error").encode()
        raise CommandError(b"ERR Error loading ACLs, opening file '%b': %b" % (name, reason)) from None
    users, complaints = parse_users(control, text, name)
    if complaints:
        raise CommandError(b"ERR " + b"".join(complaints) + _NOTHING_CHANGED)
    control.replace_all(users)


def save_users(control: AccessControl, path: str) -> None:
    """Write every user to a file, which is replaced at one stroke. Raises `OSError`."""
    replace_file(path, b"".join(line + b"\n" for line in control.describe()))


def parse_users(control: AccessControl, text: bytes, source: bytes) -> tuple[dict[bytes, User], list[bytes]]:
    """The users of a file's text by name, and what is wrong with it, in Redis' words and with the lines."""
    users: dict[bytes, User] = {}
    complaints: list[bytes] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        words = line.strip(b" \t\r\n").split(b" ")
        where = b"%b:%d" % (source, number)
        if words == [b""]:
            continue
        if words[0] != b"user" or len(words) < 2:
            complaints.append(b"%b should start with user keyword followed by the username. " % where)
        elif has_spaces(words[1]):
            complaints.append(b"'%b: username '%b' contains invalid characters. " % (where, words[1]))
        elif words[1] in users:
            complaints.append(b"WARNING: Duplicate user '%b' found on line %d. " % (words[1], number))
        else:
            users[words[1]] = user = User(words[1], control.known, control.all_channels)
            complaints += _apply_all(user, words[2:], where, control.all_channels)
    return users, complaints


def _apply_all(user: User, words: list[bytes], where: bytes, all_channels: bool) -> Iterable[bytes]:
    """Apply the rules of one line; what is wrong with them."""
    try:
        rules = join_selectors(words)
    except UnmatchedParenthesis:
        return [b"%b: Unmatched parenthesis in selector definition." % where]
    complaints = []
    misunderstood = False
    for rule in (word.strip(b"\t\r\n") for word in rules):
        try:
            user.apply(rule, all_channels)
        except RuleError as error:
            if error.reason == UNKNOWN_NAME:
                complaints.append(b"%b: Error in applying operation '%b': %b. " % (where, rule, error.reason))
            elif not misunderstood:
                # What follows a rule that was not understood may be wrong only because of that.
                complaints.append(b"%b: %b. " % (where, error.reason))
                misunderstood = True
    return complaints


def _configure_users(control: AccessControl, lines: Sequence[Sequence[str]]) -> None:
    users: dict[bytes, User] = {}
    for line in lines:
        name, *words = (word.encode("utf-8", "surrogateescape") for word in line)
        shown = name.decode("utf-8", "backslashreplace")
        if has_spaces(name):
            raise ImproperlyConfigured(f"directive 'user': spaces in the name {shown!r}")
        if name in users:
            raise ImproperlyConfigured(f"directive 'user': {shown!r} is there twice")
        users[name] = User(name, control.known, control.all_channels)
        try:
            for rule in join_selectors(words):
                _apply_configured(users[name], rule, control.all_channels)
        except UnmatchedParenthesis:
            raise ImproperlyConfigured(f"directive 'user': {shown!r}: unmatched parenthesis") from None
    if DEFAULT not in users:
        users[DEFAULT] = control.default.copy()  # as requirepass has made it
    control.replace_all(users)


def _apply_configured(user: User, rule: bytes, all_channels: bool) -> None:
    try:
        user.apply(rule, all_channels)
    except RuleError as error:
        name = user.name.decode("utf-8", "backslashreplace")
        shown = (
            "" if rule[:1] in (b">", b"#", b"<", b"!") else f" {rule.decode('utf-8', 'backslashreplace')!r}"
        )
        raise ImproperlyConfigured(
            f"directive 'user': {name!r}: rule{shown}: {error.reason.decode()}"
        ) from None
