"""The arguments that pulsards' COMMAND DOCS tells, against what a running Valkey and Redis tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.pulsards.peers import EngineClient
from tests.servers import RealServer
from tests.spec.wire import Wire, text

# Where the syntax differs from Valkey's on purpose: (reason, commands). Each one must differ.
DIFFERENCES: Final = (
    ("the number of fields belongs to no key", "hgetdel hgetex hsetex hpersist httl hpttl"),
    ("the same, and the moment is a time", "hexpireat hexpiretime hpexpire hpexpireat hpexpiretime"),
    ("Redis 8 can say what becomes of references", "xadd xtrim"),
    ("Redis 8 has more operations", "bitop"),
    ("an end is optional in Valkey only", "bitcount"),
)
# Keywords that Redis 7.0 has not yet, beside those of which the table says since when they are there.
NEWER_THAN_REDIS_7: Final = {
    "zrank": {"WITHSCORE"},
    "zrevrank": {"WITHSCORE"},
    "xadd": {"KEEPREF", "DELREF", "ACKED"},
    "xtrim": {"KEEPREF", "DELREF", "ACKED"},
    "hscan": {"NOVALUES"},
    "zscan": {"NOSCORES"},
    "client|kill": {"YES", "NO"},
    "bitop": {"AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"},  # its operation was a text
}


def commands_of(docs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, row in docs.items():
        yield name, row
        yield from commands_of(row.get("subcommands", {}))


def syntax(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a syntax says, without how it is shown and since when it is there."""
    return [
        {
            **{key: node[key] for key in ("name", "type", "token", "key_spec_index") if key in node},
            "flags": sorted(node.get("flags", [])),
            "arguments": syntax(node.get("arguments", [])),
        }
        for node in nodes
    ]


def keywords(nodes: list[dict[str, Any]], since: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Every keyword, and the version since when it, or what it is part of, is there."""
    for node in nodes:
        version = node.get("since", since)
        if "token" in node:
            yield node["token"], version
        yield from keywords(node.get("arguments", []), version)


def is_newer(version: str | None) -> bool:
    return version is not None and tuple(map(int, version.split("."))) >= (7, 2)


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    client = EngineClient()
    client.execute("HELLO", 3)
    return dict(commands_of(text(client.execute("COMMAND", "DOCS"))))


def docs_of(server: RealServer) -> dict[str, Any]:
    with Wire(server.port) as wire:
        return dict(commands_of(text(wire.call(b"COMMAND", b"DOCS"))))


def test_arguments_are_valkeys(ours: dict[str, Any], valkey: RealServer) -> None:
    differing = {
        name
        for name, row in docs_of(valkey).items()
        if name in ours and syntax(ours[name].get("arguments", [])) != syntax(row.get("arguments", []))
    }
    assert differing == {name for _, names in DIFFERENCES for name in names.split() if name in ours}


def test_keywords_are_those_of_redis_and_newer_ones(
    ours: dict[str, Any], redis_server: RealServer | None
) -> None:
    """By keywords only: many names of arguments were changed in Redis 7.2."""
    if redis_server is None:
        return
    newer = {}
    for name, row in docs_of(redis_server).items():
        if name in ours:
            mine = dict(keywords(ours[name].get("arguments", [])))
            theirs = {token for token, _ in keywords(row.get("arguments", []))}
            assert theirs <= set(mine), name
            unexplained = {
                token for token, since in mine.items() if token not in theirs and not is_newer(since)
            }
            if unexplained:
                newer[name] = unexplained
    assert newer == {name: tokens for name, tokens in NEWER_THAN_REDIS_7.items() if name in ours}
