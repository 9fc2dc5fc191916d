"""The promises that the project makes: each has a test that carries its name. Some that belong nowhere else are here.

A promise is named by a letter and a number: A to F for what a client must not do to its users, S for what a server in a
program must not. Tests name theirs (`test_b7_…`, `TestD17…`), or their docstrings do.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from anystore.redis.commands import CoreCommands

TESTS: Final = Path(__file__).parent

#: What each promise is about.
PROMISES: Final = {
    "A1": "a reply goes to who asked, or to nobody",
    "A2": "cancellation is delivered at once",
    "A3": "a cancelled pop takes nothing",
    "A4": "nothing is sent twice that may have been carried out",
    "A5": "a pipeline owns its commands",
    "B6": "whatever fails, a place in the pool comes back",
    "B7": "no lock is held over the network, and who comes first is served first",
    "B8": "a full pool makes wait",
    "B9": "a restart costs what was in flight, and nothing later",
    "B10": "a wait that was asked for is not cut short",
    "B11": "a blocking call delays nobody else",
    "B12": "one reads for all",
    "B13": "no request can end the client",
    "B14": "idle means idle",
    "C15": "subscriptions come back",
    "C16": "what is lost is told",
    "D17": "a lock is released whatever is cancelled",
    "D18": "a lock is renewed, and its loss is told",
    "E19": "leaving a store leaves nothing behind",
    "E20": "the wrong event loop is one clear error",
    "E21": "every task is a child of the store",
    "E22": "a connection that went stale is replaced unnoticed",
    "F23": "nothing holds the event loop for long",
    "F24": "types are exact, for bytes and for str",
    "F25": "a namespace is complete",
    "S1": "the same program on a server of its own and on a real one",
    "S2": "an idle server does nothing",
    "S3": "scripts leave nothing behind",
    "S4": "public names stay",
    "S5": "pure Python always works",
    "S6": "the protocol itself is spoken within the process",
    "S7": "a cancelled wait loses nothing",
    "S8": "commands that wait do as on real servers, with several clients",
    "S9": "connections come and go by thousands",
    "S10": "scripts have Redis' contract",
    "S11": "what is shared is said by the name, and nothing else is",
    "S12": "data belong to no event loop",
    "S13": "time can be moved by hand",
    "S14": "what is embedded can be looked at from outside",
    "S15": "a killed server has its data again",
    "S16": "real files and payloads are read and written, and hostile ones refused",
    "S17": "a directory has one server, and who comes second is told",
    "S18": "a fresh server for each test, at once",
    "S19": "what frameworks ask for at the start is there",
    "S20": "made-up calls do as on real servers",
    "S21": "memory has a limit, and an embedded server says that it is one",
}


def names_of_tests() -> Iterator[str]:
    """Each promise that a test names."""
    for path in TESTS.rglob("test_*.py"):
        if path == Path(__file__):
            text = "\n".join(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
            yield from (name.upper() for name in re.findall(r"^test_([a-fs]\d+)_", text, re.MULTILINE))
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield from re.findall(r"^Test([A-FS]\d+)[A-Z]", node.name)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield from (name.upper() for name in re.findall(r"^test_([a-fs]\d+)_", node.name))
            elif not isinstance(node, ast.Module):
                continue
            yield from re.findall(r"\b([A-FS]\d+)\b", ast.get_docstring(node) or "")


def test_every_promise_has_a_test_that_names_it() -> None:
    named = set(names_of_tests())
    assert [promise for promise in PROMISES if promise not in named] == []


#: By module. A name can be added; one that is taken away from here breaks somebody's program.
PUBLIC: Final = {
    "anystore": (
        *("AuthenticationError", "CommandTimeout", "ConnectionFailed", "ConnectionString", "Gap"),
        *("ImproperlyConfigured", "InvalidArgument", "Json", "LockError", "LockNotOwnedError", "Message"),
        *("NoSuchStore", "OutcomeUnknown", "ProtocolError", "PubSubError", "RedisScript", "RemoteStore"),
        *("ResponseError", "Store", "StoreError", "WatchError", "__version__", "create_store", "data_stores"),
        *("parse_store_url", "register_store", "start_store"),
    ),
    "anystore.pulsards": (
        *("CannotLoad", "Clock", "DirectoryInUse", "ManualClock", "PulsarDS", "SystemClock", "run_in_thread"),
    ),
}


@pytest.mark.parametrize("module", PUBLIC)
def test_s4_public_names_stay(module: str) -> None:
    there = import_module(module)
    assert set(PUBLIC[module]) <= set(there.__all__)
    assert all(hasattr(there, name) for name in PUBLIC[module])


def test_s4_so_do_the_fixtures_and_the_schemes() -> None:
    plugin, registry = import_module("anystore.pytest_plugin"), import_module("anystore.registry")
    assert hasattr(plugin, "pulsards")
    assert hasattr(plugin, "pulsards_store")
    assert {"memory", "pulsar", "redis", "rediss", "valkey"} <= set(registry.data_stores)


WITHOUT_ACCELERATORS: Final = """
import sys
for name in ("anycrc", "uvloop", "trio", "lupa"):
    sys.modules[name] = None
import anyio
import anystore

async def main(directory):
    url = f"memory://?dir={directory}"
    async with anystore.create_store(url) as store:
        client = store.client()
        await client.rpush("list", *range(1000))
        payload = await client.dump("list")
        await client.restore("copy", 0, payload)
        await client.save()
    async with anystore.create_store(url) as store:
        assert await store.client().llen("copy") == 1000

anyio.run(main, sys.argv[1])
"""


def test_s5_without_anything_that_is_only_faster(tmp_path: Path) -> None:
    """Check sums, dumps, files, the server in the process: all of it without what may have no wheel for a platform."""
    subprocess.run([sys.executable, "-c", WITHOUT_ACCELERATORS, str(tmp_path)], check=True, timeout=100)


def test_f24_every_commands_type_is_pinned_for_bytes_and_for_str() -> None:
    """What the type checkers say of these lines is seen by `nox -s types`; that no command is without one, here."""
    pinned: dict[str, set[str]] = {}
    of_text: set[str] = set()
    for path in (TESTS / "typing").glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.AsyncFunctionDef):
                continue
            of = {kind for kind in ("bytes", "str") if f"[{kind}]" in ast.unparse(function.args)}
            for node in ast.walk(function):
                for name in methods_in(node):
                    pinned.setdefault(name, set()).update(of)
                    if "bytes" in ast.unparse(node.args[1] if isinstance(node, ast.Call) else node):
                        of_text.add(name)
    for name, method in inspect.getmembers(CoreCommands, inspect.isfunction):
        if name.startswith("_") or name == "execute_command" or "NoReturn" in str(method.__annotations__):
            continue
        assert pinned.get(name), name
        assert name not in of_text or pinned[name] == {"bytes", "str"}, name


def methods_in(node: ast.AST) -> Iterator[str]:
    """The methods whose results a statement pins: within `assert_type`, or gone through by `async for`."""
    if isinstance(node, ast.AsyncFor):
        looked_at: ast.AST = node.iter
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "assert_type":
        looked_at = node.args[0]
    else:
        return
    yield from (inner.attr for inner in ast.walk(looked_at) if isinstance(inner, ast.Attribute))
