from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.fcall("f", 1, "k", 2), "FCALL", "f", 1, "k", 2),
        sends(lambda c: c.fcall_ro("f", 0), "FCALL_RO", "f", 0),
        sends(lambda c: c.function_load("code"), "FUNCTION", "LOAD", "code"),
        sends(lambda c: c.function_load(b"code", True), "FUNCTION", "LOAD", "REPLACE", b"code"),
        sends(lambda c: c.function_delete("lib"), "FUNCTION", "DELETE", "lib"),
        sends(lambda c: c.function_flush(), "FUNCTION", "FLUSH", "SYNC"),
        sends(lambda c: c.function_flush("async"), "FUNCTION", "FLUSH", "ASYNC"),
        sends(lambda c: c.function_list(), "FUNCTION", "LIST", "LIBRARYNAME", "*"),
        sends(lambda c: c.function_list(None, withcode=True), "FUNCTION", "LIST", "WITHCODE"),
        sends(lambda c: c.function_stats(), "FUNCTION", "STATS"),
        sends(lambda c: c.function_kill(), "FUNCTION", "KILL"),
        sends(lambda c: c.function_dump(), "FUNCTION", "DUMP", decode=False),
        sends(lambda c: c.function_restore(b"p"), "FUNCTION", "RESTORE", b"p", "APPEND"),
        sends(lambda c: c.function_restore(b"p", "flush"), "FUNCTION", "RESTORE", b"p", "FLUSH"),
        sends(lambda c: c.function_restore(b"p", None), "FUNCTION", "RESTORE", b"p"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.fcall("f", 2, "k"), "numkeys is 2, but 1 keys and arguments"),
        (lambda c: c.fcall_ro("f", -1), "numkeys is -1"),
        (lambda c: c.function_flush("LATER"), "mode must be one of SYNC, ASYNC"),
        (lambda c: c.function_restore(b"p", "KEEP"), "policy must be one of"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_both_protocols_give_the_same() -> None:
    functions2 = [[b"name", b"f", b"description", None, b"flags", [b"no-writes"]]]
    functions3 = [{b"name": b"f", b"description": None, b"flags": {b"no-writes"}}]
    listed = results(
        lambda c: c.function_list(),
        [[b"library_name", b"l", b"engine", b"LUA", b"functions", functions2]],
        [{b"library_name": b"l", b"engine": b"LUA", b"functions": functions3}],
    )
    function = {"name": b"f", "description": None, "flags": {"no-writes"}}
    assert listed == [[{"library_name": b"l", "engine": "LUA", "functions": [function]}]] * 2
    stats = results(
        lambda c: c.function_stats(),
        [b"running_script", None, b"engines", [b"LUA", [b"libraries_count", 1, b"functions_count", 2]]],
        {b"running_script": [b"name", b"f"], b"engines": {b"LUA": {b"libraries_count": 1}}},
    )
    assert stats == [
        {"running_script": None, "engines": {"LUA": {"libraries_count": 1, "functions_count": 2}}},
        {"running_script": {"name": b"f"}, "engines": {"LUA": {"libraries_count": 1}}},
    ]
    assert results(lambda c: c.function_load("x"), b"l", "l") == ["l", "l"]
    assert results(lambda c: c.function_kill(), b"OK") == [True]
