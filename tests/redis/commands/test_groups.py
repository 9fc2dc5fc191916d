"""What holds for all groups of command methods together."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import anystore.redis.commands
from anystore.redis.commands import Commands, CoreCommands
from anystore.redis.commands.connection import NOT_SHARED
from anystore.spec import specs
from tests.redis.commands.recorder import Recorder

GROUPS = [
    cls for cls in CoreCommands.__mro__ if issubclass(cls, Commands) and cls not in (CoreCommands, Commands)
]
METHODS = {
    name: method
    for group in GROUPS
    for name, method in vars(group).items()
    if inspect.isfunction(method) and not name.startswith("_")
}

# Commands whose method has another name than theirs: redis-py's, mostly.
OTHER_NAMES = {
    "del": "delete",
    "client|kill": "client_kill_filter",
    "cluster|count-failure-reports": "cluster_count_failure_report",
    "cluster|getkeysinslot": "cluster_get_keys_in_slot",
    "cluster|saveconfig": "cluster_save_config",
    "debug": "debug_object",
}
# What other parts of the client are there for: transactions, subscriptions, MONITOR.
ELSEWHERE = {
    *("multi", "exec", "discard", "watch", "unwatch", "monitor"),
    *("subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"),
}
COMMANDS = {name for name, spec in specs().items() if not spec.is_container}
# Commands without a method, and why; `execute` takes them.
NO_METHOD = {
    **dict.fromkeys((name for name in COMMANDS if name.endswith("|help")), "for a person at a terminal"),
    **dict.fromkeys(("sync", "psync", "replconf", "cluster|syncslots"), "what servers say to each other"),
    "restore-asking": "what servers say to each other",
    **dict.fromkeys(("pfdebug", "pfselftest"), "for tests of the server itself"),
}


# Methods that send nothing, whatever the server.
REFUSED = {
    *("auth", "hello", "select", "reset", "quit", "client_reply"),
    *("client_tracking", "client_tracking_on", "client_tracking_off", "client_caching", "script_debug"),
}
TESTS = Path(__file__).parents[2]


def method_of(command: str) -> str:
    return OTHER_NAMES.get(command, command.replace("|", "_").replace("-", "_"))


@pytest.mark.parametrize("name", sorted(COMMANDS - ELSEWHERE - set(NO_METHOD)))
def test_every_command_has_a_method(name: str) -> None:
    """Whoever adds a command to the table writes a method, or says in `NO_METHOD` why there is none."""
    assert method_of(name) in METHODS


def test_what_has_no_method_is_a_command() -> None:
    assert {*OTHER_NAMES, *ELSEWHERE, *NO_METHOD} <= COMMANDS
    assert [name for name in NO_METHOD if method_of(name) in METHODS] == []


@pytest.mark.parametrize("name", METHODS)
def test_no_method_awaits(name: str) -> None:
    """So that a pipeline can queue what a client carries out."""
    assert not inspect.iscoroutinefunction(METHODS[name])
    assert not inspect.isasyncgenfunction(METHODS[name])


@pytest.mark.parametrize("name", METHODS)
def test_every_docstring_says_where_the_command_is_described(name: str) -> None:
    doc = inspect.getdoc(METHODS[name])
    assert doc
    if name.endswith("_iter") or name == "register_script":
        return
    # What Valkey does not have, Redis describes.
    assert re.search(r"https://(valkey\.io|redis\.io/docs/latest)/commands/[a-z_-]+/", doc), name
    assert "Refused" in doc or "Since " in doc or "Since\n" in doc


def test_private_names_are_used_by_one_group_only() -> None:
    seen: dict[str, type] = {}
    for group in GROUPS:
        for name in vars(group):
            if not name.startswith(("__", "_abc")):
                assert name not in seen, f"{group.__name__} and {seen[name].__name__} both define {name}"
                seen[name] = group


@pytest.mark.parametrize("folder", ["contract", "typing"])
def test_every_method_has_a_case(folder: str) -> None:
    """What each method does on a real server, and what type checkers make of its result, is written down."""
    text = "".join(path.read_text("utf-8") for path in (TESTS / folder).glob("*.py"))
    assert [name for name in METHODS if name not in REFUSED and not re.search(rf"\.{name}\b", text)] == []


def test_refused_commands_exist() -> None:
    for command in NOT_SHARED:
        assert command.lower().replace(" ", "|") in specs()


def test_all_is_a_tuple_of_what_is_there() -> None:
    module: Any = anystore.redis.commands
    assert isinstance(module.__all__, tuple)
    assert all(hasattr(module, name) for name in module.__all__)


def test_a_client_queues_no_scripts() -> None:
    assert Recorder().queued_scripts is None
