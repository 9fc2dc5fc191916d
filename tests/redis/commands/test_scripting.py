from __future__ import annotations

from typing import Any

import pytest

from tests.redis.commands.recorder import Call, check, check_refused, results, sends


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        sends(lambda c: c.eval("return 1", 1, "k", 2), "EVAL", "return 1", 1, "k", 2),
        sends(lambda c: c.eval_ro("return 1", 0), "EVAL_RO", "return 1", 0),
        sends(lambda c: c.evalsha("abc", 0, "x"), "EVALSHA", "abc", 0, "x"),
        sends(lambda c: c.evalsha_ro("abc", 2, "k", "l"), "EVALSHA_RO", "abc", 2, "k", "l"),
        sends(lambda c: c.script_exists("a", "b"), "SCRIPT", "EXISTS", "a", "b"),
        sends(lambda c: c.script_flush(), "SCRIPT", "FLUSH"),
        sends(lambda c: c.script_flush("async"), "SCRIPT", "FLUSH", "ASYNC"),
        sends(lambda c: c.script_kill(), "SCRIPT", "KILL"),
        sends(lambda c: c.script_load(b"return 1"), "SCRIPT", "LOAD", b"return 1"),
        sends(lambda c: c.script_show("abc"), "SCRIPT", "SHOW", "abc"),
    ],
)
def test_arguments(call: Call, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(call, args, options)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda c: c.eval("return 1", 2, "k"), "numkeys is 2, but 1 keys and arguments"),
        (lambda c: c.evalsha("abc", -1), "numkeys is -1"),
        (lambda c: c.script_exists(), "SCRIPT EXISTS needs"),
        (lambda c: c.script_flush("LATER"), "sync_type must be one of SYNC, ASYNC"),
    ],
)
def test_refusals(call: Call, hint: str) -> None:
    check_refused(call, hint)


def test_results() -> None:
    assert results(lambda c: c.script_exists("a", "b"), [1, 0], [True, False]) == [[True, False]] * 2
    assert results(lambda c: c.script_load("x"), b"abc", "abc") == ["abc", "abc"]
    assert results(lambda c: c.script_flush(), b"OK") == [True]
