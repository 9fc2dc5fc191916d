"""The debugger without a server: what a script meets there, with words that are there already."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from anystore.pulsards.scripting import ScriptError, ScriptRuntime
from anystore.pulsards.scripting.debugger import Debugger, DebugVM, Endless
from anystore.pulsards.scripting.reply_text import reply_text
from anystore.resp.types import (
    NULL_ARRAY,
    BigNumber,
    ErrorReply,
    MapReply,
    SetReply,
    SimpleString,
    VerbatimString,
)


class Written:
    """A client whose words are known beforehand, and what it is shown."""

    def __init__(self, *words: str) -> None:
        self._words = [word.encode().split(b" ") for word in words]
        self.lines: list[bytes] = []

    def write(self, lines: list[bytes]) -> None:
        self.lines += lines

    def read(self) -> list[bytes] | bytes | None:
        return self._words.pop(0) if self._words else None

    def has_gone(self) -> bool:
        return False


class Time:
    """A clock that goes on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


def debug(script: str, client: Written, limit_ms: int = 50, **settings: Any) -> Any:
    """Run a script for this client, whose commands are answered with themselves."""
    debugger = Debugger(script.encode(), client, Time(), limit_ms)
    runtime = ScriptRuntime(make_vm=partial(DebugVM, debugger), **settings)
    prepared = runtime.prepare(script.encode())
    reply = runtime.run(prepared, [], [], debugger.traced(lambda arguments, protocol: arguments))
    client.write(debugger.log)
    return reply


def test_a_client_that_has_gone_is_shown_nothing_more() -> None:
    client = Written("s")
    assert debug("local a = 1\nlocal b = 2\nreturn a + b", client) == 3
    assert [line for line in client.lines if line.startswith(b"*")] == [
        b"* Stopped at 1, stop reason = step over",
        b"* Stopped at 2, stop reason = step over",
    ]


def test_a_script_without_end_whose_client_has_gone_is_ended_past_any_pcall() -> None:
    with pytest.raises(Endless):
        debug("while true do pcall(function() while true do end end) end", Written())


@pytest.mark.parametrize(
    "loop",
    [
        "while true do end",
        "repeat local s = ('x'):rep(10) until false",
        "local function f() return f() end f()",
    ],
)
def test_a_script_without_end_stops(loop: str) -> None:
    client = Written("c", "a")
    with pytest.raises(ScriptError, match="script aborted for user request"):
        debug(f"local a = 1\n{loop}", client)
    assert b"* Stopped at 2, stop reason = timeout reached, infinite loop?" in client.lines


@pytest.mark.parametrize(
    "code", ["(function() while true do end end)()", "pcall(function() while true do end end)"]
)
def test_code_of_the_clients_can_be_ended(code: str) -> None:
    polls = iter([False, False, True, True, True])
    with pytest.raises(ScriptError, match="killed"):
        debug("return 1", Written(f"e {code}"), should_stop=lambda: next(polls))


def test_code_of_the_clients_ends_with_the_client_and_the_script_goes_on() -> None:
    class Leaving(Written):
        def has_gone(self) -> bool:
            return True

    client = Leaving("e pcall(function() while true do end end)")
    assert debug("local a = 1\nreturn a", client) == 1


def test_code_of_the_clients_has_no_more_memory_than_a_script() -> None:
    client = Written(
        "e (function() local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end end)()", "c"
    )
    assert debug("return 1", client, memory_limit=16 << 20) == 1
    assert b"<error> not enough memory" in client.lines


def test_what_is_no_words_ends_the_script() -> None:
    class Confused(Written):
        def read(self) -> bytes:
            return b"protocol error"

    with pytest.raises(ScriptError, match="protocol error"):
        debug("return 1", Confused())


def test_what_a_client_raises_ends_the_script() -> None:
    class Broken(Written):
        def read(self) -> bytes:
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        debug("return pcall(function() end)", Broken())


def test_breakpoints_hold_in_coroutines() -> None:
    client = Written("b 2", "c", "p", "c")
    debug("local f = coroutine.wrap(function(a)\nreturn a\nend)\nreturn f(7)", client)
    assert client.lines[-2:] == [b"->#2   return a", b"<value> a = 7"]


@pytest.mark.parametrize(
    ("reply", "protocol", "text"),
    [
        (b'a"\\\0\n\r\t\a\b\xff', 2, rb'"a\"\\\x00\n\r\t\a\b\xff"'),
        (None, 2, b"NULL"),
        (None, 3, b"(null)"),
        (NULL_ARRAY, 2, b"NULL"),
        (-7, 2, b"-7"),
        (SimpleString(b"OK"), 2, b'"+OK"'),
        (ErrorReply(b"ERR x"), 2, b'"-ERR x"'),
        ([1, [b"a", None], []], 2, b'[1,["a",NULL],[]]'),
        (SetReply([b"a", 1]), 3, b'~("a",1)'),
        (MapReply([(b"a", 1), (b"b", [2])]), 3, b'{"a" => 1,"b" => [2]}'),
        (True, 3, b"#true"),
        (False, 3, b"#false"),
        (1.5, 3, b"(double) 1.5"),
        ([BigNumber(b"1"), VerbatimString(b"x"), 2], 3, b"[,,2]"),
    ],
)
def test_replies_on_one_line(reply: Any, protocol: int, text: bytes) -> None:
    assert reply_text(reply, protocol) == text
