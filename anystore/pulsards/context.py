"""What a command sees of whoever calls it: a client's session, or a script running for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from anystore.pulsards.blocking import Attempt, Waiter
from anystore.resp.types import NO_REPLY, NULL_ARRAY

if TYPE_CHECKING:
    from anystore.pulsards.database import Database
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.session import Session


class Context:
    """The caller of a command.

    `engine` is the server, `db` the selected database, `protocol` the RESP version that replies are shaped
    for (2 or 3), `session` the client, `can_block` whether the caller may be parked (a transaction and a
    script may not).
    """

    __slots__ = ("can_block", "db", "engine", "protocol", "session")

    engine: Engine
    db: Database
    protocol: int
    session: Session
    can_block: bool

    def block(
        self,
        keys: Sequence[bytes],
        timeout_ms: int,
        attempt: Attempt,
        timeout_reply: Any = NULL_ARRAY,
        without_key: bool = False,
    ) -> Any:
        """Park the caller until one of `keys` serves it, and return what the command is to return now.

        `attempt(context, key)` is tried when a key has changed and returns the reply, or None to go on
        waiting. `timeout_ms` is in milliseconds, 0 waits for ever. Where the caller may not be parked the
        reply is `timeout_reply` at once, as Redis answers a blocking command inside MULTI. `without_key` is
        for commands that do not wait for a key that goes (XREADGROUP): they are tried then, too.
        """
        if not self.can_block:
            return timeout_reply
        engine = self.engine
        deadline = engine.keyspace.now + timeout_ms if timeout_ms else None
        engine.waiting.park(
            Waiter(self.session, self.db, keys, deadline, attempt, timeout_reply, without_key)
        )
        return NO_REPLY

    def propagate(self, *commands: list[bytes]) -> None:
        """Have the command that runs told to files and replicas as these, instead of as itself; none: not at all.

        Does nothing where nobody is told. What `anystore.pulsards.effects` has for it is not asked for then.
        """
        self.engine.propagation.replace(commands)

    def propagate_as_is(self) -> None:
        """Have the command that runs told as it came, though it has changed nothing that is counted."""
        self.engine.propagation.keep()


class ScriptContext(Context):
    """The caller of a command that a script runs: its own selected database and protocol, never parked."""

    __slots__ = ("allow_oom", "wrote")

    def __init__(self, caller: Context) -> None:
        self.engine = caller.engine
        self.db = caller.db
        self.session = caller.session
        self.protocol = 2  # scripts start with RESP2 replies, until redis.setresp
        self.can_block = False
        #: The script says that it may take memory that there is not, and whether it has changed anything yet.
        self.allow_oom = False
        self.wrote = False
