"""Which new clients are let in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anystore.pulsards.addresses import is_local

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine

#: What a client from outside is told while anybody could do anything.
PROTECTED: Final = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. To let others in, give "
    b"the default user a password (requirepass), or, where the network keeps strangers out, set protected-mode to "
    b"no: in the configuration file, by the option --protected-mode no, or by CONFIG SET from this machine.\r\n"
)


def turn_away(engine: Engine, client: str) -> bytes | None:
    """What to tell a new client, known by its address, that is not let in; None for one that is. It is counted."""
    config = engine.config
    if len(engine.sessions) >= config.maxclients:
        refusal = b"-ERR max number of clients reached\r\n"
    elif config.protected_mode and engine.acl.default.no_password and not is_local(client):
        refusal = PROTECTED
    else:
        return None
    engine.statistics.connections_rejected += 1
    return refusal
