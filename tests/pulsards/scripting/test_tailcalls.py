"""Which calls in tail position keep the script's frame."""

from __future__ import annotations

from typing import Any

import pytest

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting import ScriptRuntime
from anystore.pulsards.scripting.tailcalls import keep_frames


def refuse(arguments: list[bytes], protocol: int) -> Any:
    raise CommandError(b"ERR refused")


@pytest.mark.parametrize(
    "body",
    [
        "\nreturn redis.call('x')",
        "local call = redis.call\nreturn call('x')",
        "local r = redis\nreturn r.call('x')",
        "local r = {call = redis.call}\nlocal f = redis.call return f('x')",
        "local call = redis.call\nlocal function f() local g = call return g('x') end\nreturn (f())",
        "local call = redis.call local function f() return (function()\nreturn call('x') end)() end return (f())",
        "local f = function()\nreturn redis['call']('x', redis.sha1hex(''), 1) end f()",
        "return\nredis.call((function() return 'x' end)())",
        "return _G.redis\n.call('x')",
        "local f = coroutine.wrap(function() error({err = 'ERR refused'}) end)\nreturn f()",
        "if true then\nreturn redis.call('x') else return 1 end",
        "local t = {}\nfor i = 1, 3 do return redis.call('x', i) end",
        "return (\nredis.call('x'))",
    ],
)
def test_the_line_of_a_call_of_the_servers_is_kept(body: str) -> None:
    runtime = ScriptRuntime()
    with pytest.raises(CommandError) as caught:
        runtime.run(runtime.prepare(body.encode()), [], [], refuse)
    assert caught.value.message.startswith(b"ERR refused script: ")
    assert caught.value.message.endswith(b", on @user_script:2.")


@pytest.mark.parametrize(
    "body",
    [
        "local function f(n) if n == 0 then return 'done' end return f(n - 1) end return f(1e5)",
        "local t = {} function t.f(n) if n == 0 then return 'done' end return t.f(n - 1) end return t.f(1e5)",
        "local t = {} function t:go(n) if n == 0 then return 'done' end return self:go(n - 1) end return t:go(1e5)",
        "local f, g function f(n) return g(n) end function g(n) if n < 1 then return 'done' end return f(n - 1) end "
        "return f(1e5)",
        "local function f(g, n) if n == 0 then return 'done' end return g(g, n - 1) end return f(f, 1e5)",
    ],
)
def test_a_scripts_own_tail_calls_take_no_stack(body: str) -> None:
    runtime = ScriptRuntime()
    assert runtime.run(runtime.prepare(body.encode()), [], [], refuse) == b"done"


def test_all_results_are_passed_on() -> None:
    runtime = ScriptRuntime()
    script = "local function f() return unpack({1, 2, 3}) end return {f()}"
    assert runtime.run(runtime.prepare(script.encode()), [], [], refuse) == [1, 2, 3]


def test_code_of_another_lua_is_left_alone() -> None:
    assert keep_frames(b"\x1bLua\x52\x00\x01\x04\x08\x04\x08\x00") is None
    assert keep_frames(b"\x1bLua\x51\x00\x01\x08\x08\x04\x08\x00") is None
