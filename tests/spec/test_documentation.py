"""What pulsards' COMMAND DOCS tells, against what a running Valkey and Redis tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.pulsards.peers import EngineClient
from tests.servers import SERVERS
from tests.spec.differences import NOT_TOLD, allowed
from tests.spec.wire import Wire, text


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


def docs_of(port: int) -> dict[str, Any]:
    with Wire(port) as wire:
        return dict(commands_of(text(wire.call(b"COMMAND", b"DOCS"))))


#: What is compared as it is told; arguments apart.
FIELDS: Final = ("since", "group", "complexity", "doc_flags", "deprecated_since", "replaced_by", "module")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("field", FIELDS)
def test_fields(ours: dict[str, Any], ports: dict[str, int], server: str, field: str) -> None:
    assert differing(ours, docs_of(ports[server]), field) == allowed(server, field)


def differing(ours: dict[str, Any], theirs: dict[str, Any], field: str) -> set[str]:
    return {name for name, row in theirs.items() if ours[name].get(field) != row.get(field)}


@pytest.mark.parametrize("server", SERVERS)
def test_there_is_no_other_field(ours: dict[str, Any], ports: dict[str, int], server: str) -> None:
    """What the servers tell is compared here, or not told, for a reason."""
    told = {field for row in ours.values() for field in row}
    assert told <= {*FIELDS, "arguments", "subcommands", "summary"}
    theirs = {field for row in docs_of(ports[server]).values() for field in row}
    assert theirs - told == set(NOT_TOLD)


def test_each_has_a_summary_which_is_a_sentence_of_our_own(
    ours: dict[str, Any], ports: dict[str, int]
) -> None:
    theirs = [docs_of(ports[server]) for server in SERVERS]
    for name, row in ours.items():
        summary = row["summary"]
        assert summary[0].isupper(), name
        assert summary.endswith("."), name
        assert len(summary) <= 110, name
        assert all(summary != docs[name]["summary"] for docs in theirs if name in docs), name


@pytest.mark.parametrize("server", SERVERS)
def test_arguments(ours: dict[str, Any], ports: dict[str, int], server: str) -> None:
    """Redis' by keywords only: many names of arguments were changed in 7.2."""
    theirs = docs_of(ports[server])
    if server == "valkey":
        assert with_other_syntax(ours, theirs) == allowed("valkey", "arguments")
    else:
        assert unexplained_keywords(ours, theirs) == allowed("redis", "keywords")


def with_other_syntax(ours: dict[str, Any], theirs: dict[str, Any]) -> set[str]:
    return {
        name
        for name, row in theirs.items()
        if syntax(ours[name].get("arguments", [])) != syntax(row.get("arguments", []))
    }


def unexplained_keywords(ours: dict[str, Any], theirs: dict[str, Any]) -> set[str]:
    """Keywords that only pulsards has, and that are not newer than the server."""
    unexplained = set()
    for name, row in theirs.items():
        mine = dict(keywords(ours[name].get("arguments", [])))
        known = {token for token, _ in keywords(row.get("arguments", []))}
        assert known <= set(mine), name
        unexplained |= {
            f"{name}:{token}" for token, since in mine.items() if token not in known and not is_newer(since)
        }
    return unexplained
