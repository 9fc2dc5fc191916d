"""Users and what they may do, on pulsards and on the real servers beside it.

Where the servers differ, one of the rows below says how and why; everything else has to be the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from anystore.pulsards.engine import Engine
from tests.pulsards.differential import Command, Differential
from tests.pulsards.peers import EngineClient, RealClient

#: Redis 7.0 words its refusals otherwise; 7.2 has said it as pulsards does.
WORDS_OF_7_0 = (
    (r"NOPERM User \S+ has no", "NOPERM this user has no"),
    (
        r"^NOPERM No permissions to access a (key|channel)$",
        r"NOPERM this user has no permissions to access one of the \1s used as arguments",
    ),
    (r"HELLO <proto> AUTH", "HELLO AUTH"),
    (
        r"ACL failure in script: No permissions to access a key",
        "The user executing the script can't access at least one of the keys mentioned in the command arguments",
    ),
    (
        r"ACL failure in script: No permissions to access a channel",
        "The user executing the script can't publish to the channel mentioned in the command",
    ),
    (
        r"ACL failure in script: User \S+ has no permissions to run the '.*' command",
        "The user executing the script can't run this command or subcommand",
    ),
)


def as_7_0(reply: Any) -> Any:
    """Our reply in the words of Redis 7.0."""
    if isinstance(reply, list):
        return [as_7_0(item) for item in reply]
    if isinstance(reply, tuple) and reply[0] == "error":
        text = reply[1]
        for ours, theirs in WORDS_OF_7_0:
            text = re.sub(ours, theirs, text)
        return ("error", text)
    if isinstance(reply, bytes):
        return re.sub(rb"^User \S+ has no permissions", b"This user has no permissions", reply)
    return reply


def without_databases(reply: Any) -> Any:
    """Valkey's reply without the rules about databases, which Redis does not have."""
    if isinstance(reply, dict):
        return {name: without_databases(value) for name, value in reply.items() if name != b"databases"}
    if isinstance(reply, list):
        kept = [without_databases(item) for item in reply]
        if b"databases" in kept:
            position = kept.index(b"databases")
            del kept[position : position + 2]
        return kept
    return reply


def as_valkey(reply: Any) -> Any:
    """Our reply without the flags that say whether RESTORE is to check its input: Valkey takes and forgets them."""
    if isinstance(reply, list):
        return [as_valkey(item) for item in reply if item not in _SANITIZING]
    if isinstance(reply, dict):
        return {name: as_valkey(value) for name, value in reply.items()}
    if isinstance(reply, set):
        return {item for item in reply if item not in _SANITIZING}
    if isinstance(reply, bytes) and reply.startswith(b"user "):
        return reply.replace(b" sanitize-payload", b"").replace(b" skip-sanitize-payload", b"")
    if isinstance(reply, tuple) and reply[0] == "error":
        return (
            "error",
            reply[1].replace("This Redis", "This").replace("a Redis c", "a c").replace("Redis c", "c"),
        )
    return reply


_SANITIZING = (b"sanitize-payload", b"skip-sanitize-payload")


class AclPeers(Differential):
    """pulsards, Valkey and Redis side by side, whose clients can log in as others."""

    def __enter__(self) -> AclPeers:
        self._stack = ExitStack()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stack.close()
        super().__exit__(*exc_info)

    def use(self, engine: Engine) -> None:
        """Have this engine in place of a fresh one."""
        self.engine = EngineClient(engine)

    def reconnect(self) -> None:
        """Have new first clients, as the old ones have been disconnected."""
        for name, client in self.clients().items():
            if isinstance(client, EngineClient):
                self.engine = client
            else:
                self._stack.callback(self.servers[name].close)
                self.servers[name] = client

    def _compare(self, name: str, command: Command, ours: Any, theirs: Any) -> None:
        if name == "redis":
            ours = as_7_0(ours)
        else:
            ours, theirs = as_valkey(ours), without_databases(theirs)
        super()._compare(name, command, ours, theirs)

    def clients(self) -> dict[str, EngineClient | RealClient]:
        """A further client of each server, by the server's name; closed with the others."""
        found: dict[str, EngineClient | RealClient] = {"pulsards": EngineClient(self.engine.engine)}
        for name, client in self.servers.items():
            found[name] = RealClient(client.port)
            self._stack.callback(found[name].close)
        return found

    def everywhere(self, act: Callable[[EngineClient | RealClient], object]) -> None:
        """Do something with the first client of each server."""
        for client in (self.engine, *self.servers.values()):
            act(client)


def is_connected(client: EngineClient | RealClient) -> bool:
    """Whether the server has not hung up on a client."""
    if isinstance(client, EngineClient):
        return not client.session.closing
    try:
        client.execute("PING")
    except (EOFError, ConnectionError):
        return False
    return True
