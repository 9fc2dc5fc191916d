"""Every row of the table against what a running Valkey and Redis say of the same command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import anystore.spec
from anystore.spec import (
    Argument,
    CommandSpec,
    IndexSearch,
    KeyNumber,
    KeyRange,
    KeySpec,
    KeywordSearch,
    lookup,
    lookup_arguments,
    specs,
)
from tests.pulsards.peers import EngineClient
from tests.servers import SERVERS, RealServer
from tests.spec.differences import allowed
from tests.spec.wire import Wire, text

DATA = Path(__file__).parent / "data"
TABLE = Path(anystore.spec.__file__).parent / "commands.json"

ONLY_REDIS_8 = {"xackdel", "xdelex"}


def search(spec: KeySpec) -> dict[str, Any]:
    """A key specification as COMMAND INFO has it."""
    begin, find = spec.begin_search, spec.find_keys
    row: dict[str, Any] = {"flags": sorted(spec.flags)}
    if spec.notes is not None:
        row["notes"] = spec.notes
    if isinstance(begin, IndexSearch):
        row["begin_search"] = {"type": "index", "spec": {"index": begin.index}}
    elif isinstance(begin, KeywordSearch):
        said = {"keyword": begin.keyword, "startfrom": begin.startfrom}
        row["begin_search"] = {"type": "keyword", "spec": said}
    else:
        row["begin_search"] = {"type": "unknown", "spec": {}}
    if isinstance(find, KeyRange):
        said = {"lastkey": find.lastkey, "keystep": find.keystep, "limit": find.limit}
        row["find_keys"] = {"type": "range", "spec": said}
    elif isinstance(find, KeyNumber):
        said = {"keynumidx": find.keynumidx, "firstkey": find.firstkey, "keystep": find.keystep}
        row["find_keys"] = {"type": "keynum", "spec": said}
    else:
        row["find_keys"] = {"type": "unknown", "spec": {}}
    return row


def servers_key_specs(info: list[Any]) -> list[dict[str, Any]]:
    return [{**spec, "flags": sorted(spec["flags"])} for spec in info[8]]


# What is compared: how a row of ours and one of COMMAND INFO say it.
FIELDS: dict[str, tuple[Callable[[CommandSpec], Any], Callable[[list[Any]], Any]]] = {
    "arity": (lambda spec: spec.arity, lambda info: info[1]),
    "flags": (lambda spec: spec.flags, lambda info: frozenset(info[2])),
    "range": (lambda spec: [spec.first_key, spec.last_key, spec.key_step], lambda info: info[3:6]),
    "categories": (lambda spec: {f"@{name}" for name in spec.categories}, lambda info: set(info[6])),
    "tips": (lambda spec: list(spec.tips), lambda info: info[7]),
    "key_specs": (lambda spec: [search(key_spec) for key_spec in spec.key_specs], servers_key_specs),
    "subcommands": (
        lambda spec: set(spec.subcommands),
        lambda info: {sub[0].split("|")[1] for sub in info[9]},
    ),
}


def information(rows: list[Any]) -> Iterator[list[Any]]:
    for row in rows:
        yield row
        yield from information(row[9])


def differing(port: int, field: str) -> dict[str, tuple[Any, Any]]:
    """Name to (ours, theirs) for every command of the server on `port` where the two differ in `field`."""
    ours, theirs = FIELDS[field]
    found = {}
    with Wire(port) as wire:
        for info in information(text(wire.call(b"COMMAND"))):
            spec = lookup(info[0])
            assert spec is not None, f"the table lacks {info[0]}"
            if ours(spec) != theirs(info):
                found[info[0]] = (ours(spec), theirs(info))
    return found


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("field", FIELDS)
def test_against_servers(ports: dict[str, int], server: str, field: str) -> None:
    found = differing(ports[server], field)
    assert set(found) == allowed(server, field), found


@pytest.mark.parametrize("field", FIELDS)
def test_pulsards_tells_what_the_table_says(field: str) -> None:
    """So that what holds for the table holds for COMMAND INFO."""
    client = EngineClient()
    client.execute("HELLO", 3)
    ours, told = FIELDS[field]
    for info in information(text(client.execute("COMMAND"))):
        row = lookup(info[0])
        assert row is not None
        assert told(info) == ours(row), info[0]


class TestTable:
    def test_names(self) -> None:
        assert sorted(specs()) == sorted((DATA / "names.txt").read_text().split())
        assert list(specs()) == sorted(specs())

    def test_servers_have_nothing_else(self, valkey: RealServer) -> None:
        with Wire(valkey.port) as wire:
            theirs = {info[0] for info in information(text(wire.call(b"COMMAND")))}
        assert set(specs()) - theirs == ONLY_REDIS_8

    def test_one_command_a_line(self) -> None:
        lines = TABLE.read_text(encoding="utf-8").splitlines()
        assert (lines[0], lines[-1]) == ("[", "]")
        rows = [json.loads(line.removesuffix(",")) for line in lines[1:-1]]
        assert [row["name"] for row in rows] == sorted(specs())
        assert not any("summary" in row or "history" in row for row in rows)

    def test_one_summary_a_line(self) -> None:
        lines = (TABLE.parent / "summaries.txt").read_text(encoding="utf-8").splitlines()
        assert [line.partition(": ")[0] for line in lines] == sorted(specs())

    def test_documentation(self, valkey: RealServer) -> None:
        with Wire(valkey.port) as wire:
            docs = text(wire.call(b"COMMAND", b"DOCS"))
        for name, doc in docs.items():
            spec = lookup(name)
            assert spec is not None
            assert spec.group == doc["group"]
            if spec.origin == "valkey":
                assert spec.since == doc["since"]

    def test_subcommands(self) -> None:
        for spec in specs().values():
            for short, child in spec.subcommands.items():
                assert child is lookup(f"{spec.name}|{short}")
                assert child.group == spec.group
                assert not child.is_container

    def test_derived(self) -> None:
        for spec in specs().values():
            assert spec.is_write is ("write" in spec.flags)
            assert spec.is_readonly is ("readonly" in spec.flags)
            assert spec.is_blocking is ("blocking" in spec.flags)
            assert spec.is_container is bool(spec.subcommands)
            assert spec.is_deprecated is ("deprecated" in spec.doc_flags)
            if spec.single_key:
                assert (spec.first_key, spec.last_key, spec.key_step) == (1, 1, 1)
        names = {name for name, spec in specs().items() if spec.single_key}
        assert {"get", "set", "hset", "xadd", "zadd", "geoadd", "lpush"} <= names
        assert not names & {"mget", "object|encoding", "sort", "spublish", "blpop", "eval", "georadius"}

    def test_arguments(self) -> None:
        spec = lookup("set")
        assert spec is not None
        key, value, condition, get, expiration = spec.arguments
        assert key == Argument("key", "key", key_spec_index=0)
        assert value == Argument("value", "string")
        assert condition.optional
        assert [node.token for node in condition.arguments] == ["NX", "XX", "IFEQ"]
        assert (get.token, get.since) == ("GET", "6.2.0")
        assert [node.token for node in expiration.arguments] == ["EX", "PX", "EXAT", "PXAT", "KEEPTTL"]
        assert spec.arguments is spec.arguments

    def test_arguments_of_all(self) -> None:
        def walk(spec: CommandSpec, nodes: tuple[Argument, ...]) -> None:
            for node in nodes:
                assert (node.type in ("oneof", "block")) == bool(node.arguments)
                assert node.key_spec_index is None or node.key_spec_index < len(spec.key_specs)
                assert (node.type == "key") <= (node.key_spec_index is not None)
                walk(spec, node.arguments)

        for spec in specs().values():
            walk(spec, spec.arguments)

    def test_multiple(self) -> None:
        spec = lookup("del")
        assert spec is not None
        assert [(node.name, node.multiple, node.optional) for node in spec.arguments] == [
            ("key", True, False)
        ]

    def test_rows_cannot_change(self) -> None:
        spec = lookup("config")
        assert spec is not None
        with pytest.raises(FrozenInstanceError):
            spec.arity = 1  # type: ignore[misc]
        with pytest.raises(TypeError):
            spec.subcommands["get"] = spec  # type: ignore[index]
        with pytest.raises(TypeError):
            specs()["get"] = spec  # type: ignore[index]


class TestLookup:
    @pytest.mark.parametrize("name", ["get", "GET", "Get", b"get", b"GET", b"gEt"])
    def test_any_case(self, name: str | bytes) -> None:
        assert lookup(name) is specs()["get"]

    @pytest.mark.parametrize("name", ["", "nosuch", b"\xff", "config|nosuch", "get "])
    def test_unknown(self, name: str | bytes) -> None:
        assert lookup(name) is None

    def test_subcommand(self) -> None:
        assert lookup("CONFIG|Get") is specs()["config|get"]
        assert lookup_arguments([b"Config", b"GET", b"save"]) is specs()["config|get"]

    def test_arguments(self) -> None:
        assert lookup_arguments([]) is None
        assert lookup_arguments([b"config"]) is specs()["config"]
        assert lookup_arguments([b"config", b"nosuch"]) is None
        assert lookup_arguments([b"config", b"\xff"]) is None
        assert lookup_arguments([b"get", b"a", b"b"]) is specs()["get"]
        assert lookup_arguments([b"nosuch", b"a"]) is None


class TestLoading:
    def test_import_reads_nothing(self) -> None:
        code = (
            "import pkgutil\n"
            "read = []\n"
            "get_data = pkgutil.get_data\n"
            "pkgutil.get_data = lambda *where: read.append(where) or get_data(*where)\n"
            "import anystore.spec\n"
            "assert not read\n"
            "assert anystore.spec.lookup('get').name == 'get'\n"
            "assert anystore.spec.lookup('nosuch') is None and len(anystore.spec.specs()) == 401\n"
            "assert read == [('anystore.spec', 'commands.json')]\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_first_use_in_many_threads(self) -> None:
        code = (
            "from concurrent.futures import ThreadPoolExecutor\n"
            "from threading import Barrier\n"
            "from anystore.spec import lookup\n"
            "together = Barrier(8)\n"
            "def ask(_): together.wait(); return lookup('zunionstore')\n"
            "with ThreadPoolExecutor(8) as pool:\n"
            "    found = list(pool.map(ask, range(8)))\n"
            "assert found[0] is not None and len(set(map(id, found))) == 1\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_all_names_are_exported(self) -> None:
        assert all(hasattr(anystore.spec, name) for name in anystore.spec.__all__)
        assert list(anystore.spec.__all__) == sorted(anystore.spec.__all__)
