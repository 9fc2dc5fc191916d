"""Calls that pulsards and one real server both know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from anystore import spec
from anystore.spec import Argument
from tests.pulsards.call_values import NOT_CALLED, NOT_IN_PULSARDS
from tests.pulsards.peers import RealClient
from tests.pulsards.trial import Trial

SUBSCRIBE: Final = {
    b"subscribe",
    b"unsubscribe",
    b"psubscribe",
    b"punsubscribe",
    b"ssubscribe",
    b"sunsubscribe",
}
#: After these a client is in another mode, or the servers are right to differ.
CHANGE_MODE: Final = {b"multi", b"exec", b"discard", b"reset", b"watch", b"select", b"spop"} | SUBSCRIBE


class Side:
    """A trial, and of which calls its examples are made."""

    def __init__(self, server: str, port: int, protocol: int) -> None:
        self.trial = Trial(server, RealClient(port), protocol)
        self.commands = [
            name
            for name in self.trial.commands
            if not any(fnmatchcase(name, pattern) for patterns in NOT_CALLED for pattern in patterns.split())
        ]
        self.without = {*NOT_IN_PULSARDS, ("xadd", "*"), *self._unknown_tokens()}

    def _unknown_tokens(self) -> Iterator[tuple[str, str]]:
        """Keywords that are newer than the server."""
        with_docs = self.trial.real
        with_docs.execute("HELLO", 3)
        for name in self.commands:
            row = spec.lookup(name)
            docs = with_docs.execute("COMMAND", "DOCS", name)
            if row is not None and docs:
                [shown_row] = docs.values()
                theirs = set(tokens_of_docs(shown_row.get(b"arguments", [])))
                yield from ((name, token) for token in set(tokens_of(row.arguments)) - theirs)


def tokens_of(nodes: Sequence[Argument]) -> Iterator[str]:
    for node in nodes:
        if node.token is not None:
            yield node.token
        yield from tokens_of(node.arguments)


def tokens_of_docs(nodes: list[dict[bytes, Any]]) -> Iterator[str]:
    for node in nodes:
        if b"token" in node:
            yield node[b"token"].decode()
        yield from tokens_of_docs(node.get(b"arguments", []))
