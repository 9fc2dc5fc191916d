"""Users, and what each of them may do: access control lists.

What the server says of users, rules and commands is `str`; bytes of names and patterns that are not UTF-8 show
as `\\xNN`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, TypedDict

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import Argument, Commands, KeyT, S, ValueT
from anystore.redis.commands.server_texts import client_info


class AclUser(TypedDict):
    """ACL GETUSER: a user's state, passwords (as SHA-256) and rules.

    `categories` and `commands` are rules such as `+@read` and `-get`, in the order in which they apply, each among
    its own kind. Of `selectors` each is a `dict` of texts, as the server has them.
    """

    enabled: bool
    flags: list[str]
    passwords: list[str]
    categories: list[str]
    commands: list[str]
    keys: list[str]
    channels: list[str]
    selectors: list[dict[str, str]]


class AclCommands(Commands[S]):
    """Commands about users. All but `acl_cat`, `acl_genpass` and `acl_whoami` are for administrators."""

    def acl_cat(self, category: str | None = None) -> Awaitable[list[str]]:
        """The categories of commands, or the commands of one. O(1), or O(N) in all commands.

        Raises `ResponseError` for an unknown category. Since 6.0.0. https://valkey.io/commands/acl-cat/
        """
        args = () if category is None else (category,)
        return self.execute_command("ACL", "CAT", *args, reply=replies.texts)

    def acl_deluser(self, *username: KeyT) -> Awaitable[int]:
        """Delete users and disconnect their clients; how many there were. O(N) in all clients.

        Raises `ResponseError` for the user `default`. Since 6.0.0. https://valkey.io/commands/acl-deluser/
        """
        arguments.some(username, "ACL DELUSER", "users")
        return self.execute_command("ACL", "DELUSER", *username)

    def acl_dryrun(self, username: KeyT, *args: ValueT) -> Awaitable[str]:
        """Whether a user may run a command, which is not run: `"OK"`, or why not. O(1).

        Raises `ResponseError` for an unknown user or command. Since 7.0.0. https://valkey.io/commands/acl-dryrun/
        """
        arguments.some(args, "ACL DRYRUN", "command's words")
        return self.execute_command("ACL", "DRYRUN", username, *args, reply=replies.text)

    def acl_genpass(self, bits: int | None = None) -> Awaitable[str]:
        """Random bits for a password, 256 unless told otherwise, in hexadecimal. O(1).

        Since 6.0.0. https://valkey.io/commands/acl-genpass/
        """
        if bits is not None and (type(bits) is not int or not 0 < bits <= 4096):
            raise InvalidArgument(f"bits must be a whole number from 1 to 4096, not {bits!r}")
        args = () if bits is None else (bits,)
        return self.execute_command("ACL", "GENPASS", *args, reply=replies.text)

    def acl_getuser(self, username: KeyT) -> Awaitable[AclUser | None]:
        """What a user may do; None when there is no such user. O(N) in the user's rules.

        Since 6.0.0, `selectors` since 7.0.0. https://valkey.io/commands/acl-getuser/
        """
        return self.execute_command("ACL", "GETUSER", username, reply=_user)

    def acl_list(self) -> Awaitable[list[str]]:
        """Every user in the words of the configuration file: `user default on nopass …`. O(N).

        Since 6.0.0. https://valkey.io/commands/acl-list/
        """
        return self.execute_command("ACL", "LIST", reply=replies.texts)

    def acl_load(self) -> Awaitable[bool]:
        """Read the users anew from the server's ACL file, all of it or nothing; True. O(N).

        Raises `ResponseError`, which lists what is wrong, and for a server without such a file. Since 6.0.0.
        https://valkey.io/commands/acl-load/
        """
        return self.execute_command("ACL", "LOAD", reply=replies.is_ok)

    def acl_log(self, count: int | None = None) -> Awaitable[list[dict[str, Any]]]:
        """What was refused, newest first, the last 10 unless told otherwise. O(N) in the entries.

        Of each: `count`, `reason`, `context`, `object`, `username`, `age-seconds` (a float), `client-info` (a `dict`
        as from `client_info`), and since 7.2.0 `entry-id` and two timestamps in milliseconds. Since 6.0.0.
        https://valkey.io/commands/acl-log/
        """
        if count is not None and type(count) is not int:
            raise InvalidArgument(f"count must be a whole number, not {count!r}")
        args = () if count is None else (count,)
        return self.execute_command("ACL", "LOG", *args, reply=_log)

    def acl_log_reset(self) -> Awaitable[bool]:
        """Empty the log of what was refused; True. O(N). Since 6.0.0. https://valkey.io/commands/acl-log/"""
        return self.execute_command("ACL", "LOG", "RESET", reply=replies.is_ok)

    def acl_save(self) -> Awaitable[bool]:
        """Write the users to the server's ACL file; True. O(N).

        Raises `ResponseError` for a server without such a file. Since 6.0.0. https://valkey.io/commands/acl-save/
        """
        return self.execute_command("ACL", "SAVE", reply=replies.is_ok)

    def acl_setuser(
        self,
        username: KeyT,
        enabled: bool = False,
        nopass: bool = False,
        passwords: KeyT | Iterable[KeyT] | None = None,
        hashed_passwords: KeyT | Iterable[KeyT] | None = None,
        categories: Iterable[KeyT] | None = None,
        commands: Iterable[KeyT] | None = None,
        keys: Iterable[KeyT] | None = None,
        channels: Iterable[KeyT] | None = None,
        selectors: Iterable[tuple[KeyT, KeyT]] | None = None,
        reset: bool = False,
        reset_keys: bool = False,
        reset_channels: bool = False,
        reset_passwords: bool = False,
    ) -> Awaitable[bool]:
        """Make a user, or change one; True. O(N) in the rules. All of them take effect, or none.

        Args:
            enabled: Whether the user can log in; who is logged in stays so.
            nopass: Any password will do. Not together with passwords.
            passwords: One or several, `+` in front to add it, `-` to take it away.
            hashed_passwords: The same, for passwords given as their SHA-256 in hexadecimal.
            categories: `+read` or `+@read` to allow all commands of a category, `-read` to take them away.
            commands: `+get` or `+config|get`, and `-get`.
            keys: Patterns of keys, with `~`, `%R~` or `%W~` in front, or nothing, which means `~`.
            channels: Patterns of channels.
            selectors: Further rights, each of a command (`+get`) and a pattern of keys.
            reset: Take away what there is before the other rules apply.
            reset_keys: The same, for patterns of keys.
            reset_channels: The same, for patterns of channels.
            reset_passwords: The same, for passwords.

        Raises `InvalidArgument` for one without its sign, `ResponseError` for what the server does not know.
        Since 6.0.0, `selectors` since 7.0.0. https://valkey.io/commands/acl-setuser/
        """
        if nopass and (passwords or hashed_passwords):
            raise InvalidArgument("nopass cannot be combined with passwords or hashed_passwords")
        rules: list[Argument] = [
            word
            for word, given in (
                ("reset", reset),
                ("resetkeys", reset_keys),
                ("resetchannels", reset_channels),
                ("resetpass", reset_passwords),
            )
            if given
        ]
        rules.append("on" if enabled else "off")
        rules += _signed("passwords", _one_or_more(passwords), {b"+": b">", b"-": b"<"})
        rules += _signed("hashed_passwords", _one_or_more(hashed_passwords), {b"+": b"#", b"-": b"!"})
        if nopass:
            rules.append("nopass")
        rules += _rights(categories, commands, keys, channels, selectors)
        return self.execute_command("ACL", "SETUSER", username, *rules, reply=replies.is_ok)

    def acl_users(self) -> Awaitable[list[str]]:
        """The names of all users. O(N). Since 6.0.0. https://valkey.io/commands/acl-users/"""
        return self.execute_command("ACL", "USERS", reply=replies.texts)

    def acl_whoami(self) -> Awaitable[str]:
        """The user of the connection. O(1). Since 6.0.0. https://valkey.io/commands/acl-whoami/"""
        return self.execute_command("ACL", "WHOAMI", reply=replies.text)


def _rights(
    categories: Iterable[KeyT] | None,
    commands: Iterable[KeyT] | None,
    keys: Iterable[KeyT] | None,
    channels: Iterable[KeyT] | None,
    selectors: Iterable[tuple[KeyT, KeyT]] | None,
) -> list[bytes]:
    rules = _signed("categories", categories or (), {b"+": b"+@", b"-": b"-@"}, b"@")
    rules += _signed("commands", commands or (), {b"+": b"+", b"-": b"-"})
    rules += [_key_rule(key) for key in keys or ()]
    rules += [b"&" + _bytes(channel) for channel in channels or ()]
    for command, key in selectors or ():
        [rule] = _signed("selectors", [command], {b"+": b"+", b"-": b"-"})
        rules.append(b"(%b %b)" % (rule, _key_rule(key)))
    return rules


def _bytes(value: KeyT) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _one_or_more(values: KeyT | Iterable[KeyT] | None) -> Iterable[KeyT]:
    if values is None:
        return ()
    if isinstance(values, (bytes, str, memoryview)):
        one: Any = values  # checkers see a memoryview as an Iterable of something, too
        return [one]
    return values


def _signed(
    name: str, values: Iterable[KeyT], marks: dict[bytes, bytes], optional: bytes = b""
) -> list[bytes]:
    """Each value with the server's mark in place of its sign; `optional` may follow the sign already."""
    rules = []
    for number, value in enumerate(map(_bytes, values)):
        mark = marks.get(value[:1])
        if mark is None:
            # By its number: it may be a password.
            raise InvalidArgument(f'{name}: number {number} must begin with "+" to add or "-" to take away')
        rules.append(mark + value[1:].removeprefix(optional))
    return rules


def _key_rule(key: KeyT) -> bytes:
    pattern = _bytes(key)
    return pattern if pattern.startswith((b"%", b"~")) else b"~" + pattern


def _user(reply: Any) -> AclUser | None:
    if reply is None:
        return None
    fields = replies.text_map(reply)
    rules = replies.text(fields["commands"]).split(" ")
    flags = replies.texts(fields["flags"])
    return {
        "enabled": "on" in flags,
        "flags": flags,
        "passwords": replies.texts(fields["passwords"]),
        "categories": [rule for rule in rules if "@" in rule],
        "commands": [rule for rule in rules if "@" not in rule],
        "keys": _words(fields["keys"]),
        "channels": _words(fields["channels"]),
        "selectors": [
            {name: replies.text(value) for name, value in replies.text_map(selector).items()}
            for selector in fields.get("selectors", ())
        ],
    }


def _words(reply: Any) -> list[str]:
    """Patterns, which servers before 7.0 give one by one, and without their sign."""
    return replies.text(reply).split() if isinstance(reply, (bytes, str)) else replies.texts(reply)


def _log(reply: Any) -> list[dict[str, Any]]:
    return [_entry(replies.text_map(entry)) for entry in reply]


def _entry(fields: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "client-info":
            shown[name] = client_info(value)
        elif name == "age-seconds":
            shown[name] = float(value)
        else:
            shown[name] = replies.text(value) if isinstance(value, (bytes, str)) else value
    return shown
