"""The access control of one server: its users, what follows for the clients when they change, and the log.

Source: "ACL" in Redis' documentation, sections "ACL rules" and "Use an external ACL file".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from anystore.pulsards.acl.log import AUTH, LUA, MULTI, TOP_LEVEL, AclLog
from anystore.pulsards.acl.permissions import (
    CHANNEL,
    COMMAND,
    KEY,
    Denial,
    allows_channel,
    allows_reading_all_keys,
    check,
)
from anystore.pulsards.acl.rules import KnownCommands, RuleError, has_spaces
from anystore.pulsards.acl.users import UnmatchedParenthesis, User, join_selectors
from anystore.pulsards.commands.client import describe as describe_client
from anystore.pulsards.errors import CommandError

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry
    from anystore.pulsards.session import Session

DEFAULT: Final = b"default"


class AccessControl:
    """Every user of a server by name, `default` always among them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.known = KnownCommands(dict.fromkeys(engine.commands.values()))
        self.default = self.all_permitting()
        self.users: dict[bytes, User] = {DEFAULT: self.default}
        self.log = AclLog()
        #: What acl-pubsub-default says of channels.
        self.all_channels = False
        #: Where ACL LOAD and ACL SAVE have the users; empty for none.
        self.file = ""

    def all_permitting(self) -> User:
        """A user of its own, in no list, who may do everything."""
        user = User(DEFAULT, self.known)
        for rule in (b"+@all", b"~*", b"&*", b"on", b"nopass"):
            user.apply(rule)
        return user

    @property
    def login_needed(self) -> bool:
        """Whether a client that has not logged in may do nothing else."""
        return not self.default.logged_in_at_once

    def sorted_users(self) -> list[User]:
        """Every user in the order of their names, bytewise, as the lists show them."""
        return [self.users[name] for name in sorted(self.users)]

    # Changing users

    def set_user(self, name: bytes, rules: Sequence[bytes]) -> None:
        """ACL SETUSER: apply rules to a user, all or none, who is made where there is none.

        Raises `CommandError`, with the rule at fault. Subscribers who may not listen any more are disconnected.
        """
        if has_spaces(name):
            raise CommandError(b"ERR Usernames can't contain spaces or null characters")
        user = self.users.get(name)
        changed = user.copy() if user is not None else self._new_user(name)
        for rule in self._joined(rules):
            try:
                changed.apply(rule, self.all_channels)
            except RuleError as error:
                shown = rule.partition(b"\0")[0]
                raise CommandError(
                    b"ERR Error in ACL SETUSER modifier '%b': %b" % (shown, error.reason)
                ) from None
        if user is None:
            self.users[name] = changed
        else:
            self.replace(user, changed)

    def _new_user(self, name: bytes) -> User:
        return User(name, self.known, self.all_channels)

    @staticmethod
    def _joined(rules: Sequence[bytes]) -> list[bytes]:
        try:
            return join_selectors(list(rules))
        except UnmatchedParenthesis as error:
            raise CommandError(
                b"ERR Unmatched parenthesis in acl selector starting at '%b'." % error.rule
            ) from None

    def replace(self, user: User, changed: User) -> None:
        """Let a user become what another object says, and its clients what follows from that."""
        self._close_listeners(user, changed)
        user.take_over(changed)
        self.update_guards()

    def update_guards(self) -> None:
        """Decide anew which sessions are looked at. O(N) in the sessions."""
        for session in self._engine.sessions.values():
            session.update_guard()

    def delete_users(self, names: Iterable[bytes]) -> int:
        """ACL DELUSER: how many there were; their clients are disconnected."""
        names = list(names)
        if DEFAULT in names:
            raise CommandError(b"ERR The 'default' user cannot be removed")
        found = [user for name in names if (user := self.users.pop(name, None)) is not None]
        for user in found:
            self._disconnect(user)
        return len(found)

    def _disconnect(self, user: User) -> None:
        for session in tuple(self._engine.sessions.values()):
            if session.user is user:
                # Whatever it still has queued to run must not run with the rights it had.
                session.user = self.default
                session.authenticated = False
                session.update_guard()
                session.kill()

    def _close_listeners(self, user: User, changed: User) -> None:
        """Disconnect the user's subscribers who listen to what they may not, once it has become `changed`."""
        if changed.allows_all_channels():
            return
        channels = {channel for selector in changed.selectors for channel in selector.channels}
        if not user.allows_all_channels() and all(
            channel in channels for selector in user.selectors for channel in selector.channels
        ):
            return
        for session in tuple(self._engine.sessions.values()):
            if session.user is user and not _may_listen(session, channels):
                session.kill()

    def set_default_password(self, password: bytes) -> None:
        """What the directive requirepass does: the default user's only password, or none is needed if empty."""
        changed = self.default.copy()
        changed.apply(b"resetpass")
        changed.apply(b">" + password if password else b"nopass")
        self.replace(self.default, changed)

    def replace_all(self, users: Mapping[bytes, User]) -> None:
        """Let these be the users; who is among them no longer is disconnected. `default` is always there."""
        for name in [name for name in self.users if name not in users and name != DEFAULT]:
            self._disconnect(self.users.pop(name))
        for name, user in users.items():
            if name in self.users:
                self.replace(self.users[name], user)
            else:
                self.users[name] = user
        if DEFAULT not in users:
            self.replace(self.default, self.all_permitting())

    # Logging in

    def log_in(self, session: Session, name: bytes, password: bytes, command: bytes) -> None:
        """Make a session a user's; WRONGPASS where the password is not right, noted in the log under `command`."""
        user = self.users.get(name)
        if user is None or not user.accepts(password):
            self._note(session, AUTH, _context(session), command, name)
            raise CommandError(b"WRONGPASS invalid username-password pair or user is disabled.")
        session.user = user
        session.authenticated = True
        session.update_guard()

    def log_out(self, session: Session) -> None:
        """Make a session what it is when its client has just connected."""
        session.user = self.default
        session.authenticated = not self.login_needed
        session.update_guard()

    # Permissions

    def allows(self, user: User, entry: CommandEntry, arguments: list[bytes]) -> bool:
        """Whether a user may run this command; it is not noted in the log."""
        return not user.restricted or check(user, entry, arguments) is None

    def reads_all_keys(self, session: Session, arguments: list[bytes]) -> bool:
        """Whether the command that the session is running, with these arguments, may read whatever key it likes."""
        user, entry = session.user, session.last_entry
        return not user.restricted or (entry is not None and allows_reading_all_keys(user, entry, arguments))

    def refusal(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bytes | None:
        """The error reply to a command, run or queued, that its user may not run, noted; None where it may."""
        denial = self._noted(session, entry, arguments, _context(session))
        return None if denial is None else b"NOPERM " + denial.explain(session.user, entry, arguments)

    def refusal_in_exec(self, session: Session, entry: CommandEntry, arguments: list[bytes]) -> bytes | None:
        """`refusal` of a command whose turn has come in EXEC: it could be queued, so rights have changed since."""
        denial = self._noted(session, entry, arguments, MULTI)
        if denial is None:
            return None
        return (
            b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
            b"This command is no longer allowed for the following reason: " + _REASONS_IN_EXEC[denial.reason]
        )

    def refusal_in_script(
        self, session: Session, entry: CommandEntry, arguments: list[bytes]
    ) -> bytes | None:
        """`refusal` of a command that a script of the session calls."""
        denial = self._noted(session, entry, arguments, LUA)
        if denial is None:
            return None
        return b"ERR ACL failure in script: " + denial.explain(session.user, entry, arguments)

    def _noted(
        self, session: Session, entry: CommandEntry, arguments: list[bytes], context: bytes
    ) -> Denial | None:
        user = session.user
        if not user.restricted:
            return None
        denial = check(user, entry, arguments)
        if denial is not None:
            about = entry.name if denial.reason == COMMAND else arguments[denial.position]
            self._note(session, denial.reason, context, about, user.name)
        return denial

    def _note(self, session: Session, reason: bytes, context: bytes, about: bytes, user: bytes) -> None:
        now = self._engine.keyspace.now
        self.log.add(reason, context, about, user, describe_client(session), now)

    # Descriptions

    def describe(self) -> list[bytes]:
        """The users as ACL LIST, the ACL file and the configuration file have them."""
        return [b"user %b %b" % (user.name, user.describe()) for user in self.sorted_users()]


_REASONS_IN_EXEC: Final = {
    COMMAND: b"no permission to execute the command or subcommand",
    KEY: b"no permission to touch the specified keys",
    CHANNEL: b"no permission to access one of the channels used as arguments",
}


def _context(session: Session) -> bytes:
    return TOP_LEVEL if session.queue is None else MULTI


def _may_listen(session: Session, channels: set[bytes]) -> bool:
    return all(allows_channel(channels, name, True) for name in session.patterns) and all(
        allows_channel(channels, name, False) for name in (*session.channels, *session.shard_channels)
    )
