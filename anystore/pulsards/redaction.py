"""Commands as they may be shown: passwords are in none of the logs, and MONITOR does not see them.

Source: Redis' slow log and MONITOR, which show `(redacted)` in the same places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from anystore.pulsards.config import Config

_HIDDEN: Final = b"(redacted)"


def redacted(name: bytes, arguments: list[bytes], config: Config) -> list[bytes]:
    """The arguments of a call of the command `name` (its full name, as in b"config|set"), nothing secret among them."""
    if name == b"auth":
        return [arguments[0], *[_HIDDEN] * (len(arguments) - 1)]
    if name == b"hello":
        return _hide_credentials(arguments)
    if name == b"migrate":
        return _hide_login(arguments)
    if name in (b"acl|setuser", b"acl|deluser"):
        return [*arguments[:2], *[_HIDDEN] * (len(arguments) - 2)]
    if name == b"config|set":
        return _hide_settings(arguments, config)
    return arguments


def _hide_credentials(arguments: list[bytes]) -> list[bytes]:
    """HELLO … AUTH user password."""
    for position in range(2, len(arguments) - 2):
        if arguments[position].upper() == b"AUTH":
            return [*arguments[: position + 1], _HIDDEN, _HIDDEN, *arguments[position + 3 :]]
    return arguments


def _hide_login(arguments: list[bytes]) -> list[bytes]:
    """MIGRATE … AUTH password | AUTH2 user password."""
    shown = list(arguments)
    position = 6
    while position < len(shown):
        word = shown[position].upper()
        if word == b"KEYS":
            break
        secrets = 1 if word == b"AUTH" else 2 if word == b"AUTH2" else 0
        for _ in range(secrets):
            position += 1
            if position < len(shown):
                shown[position] = _HIDDEN
        position += 1
    return shown


def _hide_settings(arguments: list[bytes], config: Config) -> list[bytes]:
    shown = list(arguments)
    for position in range(2, len(arguments) - 1, 2):
        directive = config.directives.get(arguments[position].decode("latin-1").lower())
        if directive is not None and directive.secret:
            shown[position + 1] = _HIDDEN
    return shown
