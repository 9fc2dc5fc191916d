"""The edge between Lua and Python: values that commands return, and exceptions at any place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import hiredis
import pytest
from lupa import lua51

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting import ScriptRuntime, replies
from anystore.pulsards.scripting.replies import DEEPEST_RESULT, error_text
from anystore.pulsards.scripting.vm import LuaVM, _no_attributes
from anystore.resp.types import (
    NULL_ARRAY,
    BigNumber,
    ErrorReply,
    MapReply,
    PushReply,
    SetReply,
    SimpleString,
    VerbatimString,
)
from tests.pulsards.peers import EngineClient

#: What a command returns, and what a script hands back of it under RESP2 and RESP3.
REPLIES = (
    (b"text", b"text", b"text"),
    (bytearray(b"text"), b"text", b"text"),
    (7, 7, 7),
    (None, None, None),
    (NULL_ARRAY, None, None),
    (True, 1, True),
    (False, 0, False),
    (2.5, b"2.5", 2.5),
    (SimpleString(b"OK"), SimpleString(b"OK"), SimpleString(b"OK")),
    ([1, [b"x", None, b"y"]], [1, [b"x", None, b"y"]], [1, [b"x"]]),
    ((1, 2), [1, 2], [1, 2]),
    (PushReply([b"kind", 1]), [b"kind", 1], [b"kind", 1]),
    (VerbatimString(b"words"), b"words", VerbatimString(b"words")),
    (BigNumber(b"123"), b"123", BigNumber(b"123")),
    (SetReply([b"m"]), [b"m"], SetReply([b"m"])),
    (frozenset((b"m",)), [b"m"], SetReply([b"m"])),
    ({b"k": 1.5}, [b"k", b"1.5"], MapReply([(b"k", 1.5)])),
    (MapReply([(b"k", None)]), [b"k", None], MapReply()),
    ([ErrorReply(b"WORD text")], [ErrorReply(b"WORD text")], [ErrorReply(b"WORD text")]),
)


@pytest.mark.parametrize(("reply", "older", "newer"), REPLIES)
def test_every_kind_of_reply_passes_through_a_script(reply: Any, older: Any, newer: Any) -> None:
    runtime = ScriptRuntime()
    for body, expected in (
        (b"return redis.call('x')", older),
        (b"redis.setresp(3) return redis.call('x')", newer),
    ):
        result = runtime.run(runtime.prepare(body), [], [], lambda *_: reply)
        assert result == expected
        assert type(result) is type(expected)


def test_the_chosen_protocol_reaches_the_command() -> None:
    runtime = ScriptRuntime()
    seen = []

    def call(arguments: list[bytes], protocol: int) -> int:
        seen.append(protocol)
        return 1

    runtime.run(
        runtime.prepare(b"redis.call('x') redis.setresp(3) redis.call('x') redis.setresp(2) redis.call('x')"),
        [],
        [],
        call,
    )
    runtime.run(runtime.prepare(b"redis.call('x')"), [], [], call)
    assert seen == [2, 3, 2, 2]


def test_an_error_reply_is_as_good_as_a_raised_one() -> None:
    runtime = ScriptRuntime()
    script = runtime.prepare(b"return {pcall(redis.call, 'x'), redis.pcall('x').err}")
    result = runtime.run(script, [], [], lambda *_: ErrorReply(b"WORD text"))
    assert result == [None, b"WORD text"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"WORD text", b"WORD text"),
        (b"WORD", b"ERR WORD"),
        (b"WORD \r\ntext\r\n", b"WORD text"),
    ],
)
def test_errors_get_a_code(message: bytes, text: bytes) -> None:
    assert error_text(message) == text


def test_a_reply_that_has_no_form_in_lua_is_a_bug_that_shows() -> None:
    runtime = ScriptRuntime()
    with pytest.raises(TypeError, match="replied object, which has no form in Lua"):
        runtime.run(runtime.prepare(b"return redis.call('x')"), [], [], lambda *_: object())


def test_results_are_as_deep_as_encoders_take() -> None:
    runtime = ScriptRuntime()
    result = runtime.run(runtime.prepare(b"local t = {} t[1] = t return t"), [], [], lambda *_: 1)
    depth = 0
    while type(result) is list:
        (result,) = result
        depth += 1
    assert (depth, result) == (DEEPEST_RESULT, ErrorReply(b"ERR reached lua stack limit"))


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "script",
    [
        "local t = {map = {}} t.map[t] = t return t",
        "local t = {map = {}} t.map.x = t return t",
        "local t = {set = {}} t.set[t] = true return t",
        "local t = {} t[1] = t return t",
        "local t = {} t[1] = t t[2] = t return t",
        "local t = {} for i = 1, 200000 do t = {t} end return t",
    ],
)
def test_a_table_without_a_bottom_ends_nothing_but_its_script(script: str, protocol: int) -> None:
    """The fuzzer found that maps took more of Python's stack than lists, and those that branch all of the time."""
    client = EngineClient()
    client.execute("HELLO", protocol)
    # As it is: a map that is a key of a map is nothing that Python could hold.
    reply = client.session.answer(hiredis.pack_command(("EVAL", f"redis.setresp({protocol}) {script}", 0)))
    assert b"lua stack limit" in reply
    assert client.execute("PING") == b"PONG"


def test_nor_does_one_with_very_many_ways_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_TABLES", 1000)
    client = EngineClient()
    reply = client.execute("EVAL", "local t = {1} for i = 1, 60 do t = {t, t} end return t", 0)
    assert repr(reply).count("lua stack limit") > 0
    assert client.execute("EVAL", "return {{1}, {2}}", 0) == [[1], [2]]


def _interrupt(*_: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("hooks", "body"),
    [
        ({"log": _interrupt}, b"redis.log(1, 'x')"),
        ({"check_permission": _interrupt}, b"redis.acl_check_cmd('x')"),
        ({}, b"redis.call(unpack(ARGV))"),
    ],
)
def test_an_exception_in_any_function_of_the_servers_goes_on_to_the_caller(
    hooks: dict[str, Callable[..., Any]], body: bytes
) -> None:
    runtime = ScriptRuntime(**hooks)
    script = runtime.prepare(b"for i = 1, 3 do pcall(function() %b end) end return 'swallowed'" % body)
    with pytest.raises(KeyboardInterrupt):
        runtime.run(script, [], [b"x"] * 100, _interrupt)
    assert runtime.run(runtime.prepare(b"return 1"), [], [], _interrupt) == 1


def test_without_memory_no_function_of_the_servers_is_run() -> None:
    said: list[bytes] = []
    runtime = ScriptRuntime(memory_limit=8 << 20, log=lambda _, text: said.append(text))
    script = runtime.prepare(
        b"local t local reserve = ('r'):rep(100000) "
        b"pcall(function() while true do t = {t} end end) "
        b"reserve = nil collectgarbage() local ok, message = pcall(redis.log, 1, 'heard') t = nil collectgarbage() "
        b"redis.log(1, 'heard after') return message"
    )
    assert runtime.run(script, [], [], lambda *_: 1) == b"not enough memory"
    assert said == [b"heard after"]


def test_a_script_too_large_to_compile_is_refused() -> None:
    runtime = ScriptRuntime(memory_limit=8 << 20)
    body = b"return {" + b",".join(b"'%d'" % number for number in range(100_000)) + b"}"
    with pytest.raises(CommandError, match=r"Error compiling script .*not enough memory"):
        runtime.prepare(body)
    assert runtime.run(runtime.prepare(b"return 1"), [], [], lambda *_: 1) == 1


def test_outside_a_script_there_are_no_commands_and_no_attributes() -> None:
    with pytest.raises(RuntimeError, match="no script is running"):
        LuaVM().call([b"get"], 2)
    with pytest.raises(AttributeError):
        _no_attributes(object(), b"__class__", False)


@pytest.mark.parametrize("name", ["_define", "_run"])
def test_running_out_of_memory_while_saying_so_is_the_same_error(name: str) -> None:
    runtime = ScriptRuntime()
    script = runtime.prepare(b"return 1")
    vm = runtime._vm
    assert vm is not None
    function = getattr(vm, name)

    def fail(*_: object) -> None:
        raise lua51.LuaMemoryError

    setattr(vm, name, fail)
    with pytest.raises(CommandError, match="not enough memory"):
        runtime.run(script if name == "_run" else runtime.prepare(b"return 2"), [], [], lambda *_: 1)
    setattr(vm, name, function)
    assert runtime.run(runtime.prepare(b"return 2"), [], [], lambda *_: 1) == 2


PLACES = (
    "redis.call('x')",
    "pcall(redis.call, 'x')",
    "xpcall(function() redis.call('x') end, function(e) return e end)",
    "coroutine.resume(coroutine.create(function() redis.call('x') end))",
    "coroutine.wrap(function() pcall(redis.call, 'x') end)()",
    "pcall(coroutine.wrap(function() redis.call('x') end))",
)


@pytest.mark.parametrize("place", PLACES)
def test_an_exception_before_the_first_line_of_a_function_goes_on_to_the_caller(place: str) -> None:
    # As a signal's handler raises one. It must not be seen by the script, either.
    runtime = ScriptRuntime()
    script = runtime.prepare(b"local r = {%b} return type(r[2])" % place.encode())
    calls = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "run_command":
            sys.setprofile(None)
            raise KeyboardInterrupt

    def call(arguments: list[bytes], protocol: int) -> int:
        nonlocal calls
        calls += 1
        return 1

    sys.setprofile(profile)
    try:
        with pytest.raises(KeyboardInterrupt):
            runtime.run(script, [], [], call)
    finally:
        sys.setprofile(None)
    assert calls == 0
    assert runtime.run(script, [], [], call) is not None


def test_without_a_log_what_scripts_say_is_dropped() -> None:
    runtime = ScriptRuntime()
    assert runtime.run(runtime.prepare(b"redis.log(3, 'x') return 1"), [], [], lambda *_: 1) == 1


def test_large_whole_numbers_are_arguments_in_all_their_digits() -> None:
    runtime = ScriptRuntime()
    script = runtime.prepare(b"return redis.call(2^53, 2^62, 2^63, -2^63, 1e19)")
    result = runtime.run(script, [], [], lambda arguments, _: arguments)
    assert result == [
        b"9007199254740992",
        b"4611686018427387904",
        b"9223372036854776000",
        b"-9223372036854776000",
        b"1e+19",
    ]
