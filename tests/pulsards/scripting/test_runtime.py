"""The scripts of a server: kept, evicted, stopped, and held to their memory."""

from __future__ import annotations

import gc
import os
import signal
import weakref
from collections.abc import Callable
from hashlib import sha1
from types import FrameType
from typing import Any

import hiredis
import psutil
import pytest

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting import MOST_EVAL_SCRIPTS, Script, ScriptRuntime
from anystore.pulsards.scripting.shebang import parse_shebang
from tests.pulsards.scripting.script_peers import RawEngine, RawServer, comparable
from tests.servers import RealServer


def answer(arguments: list[bytes], protocol: int) -> Any:
    if arguments[0] == b"big":
        return b"x" * int(arguments[1])
    if arguments[0] == b"list":
        return [b"x" * 100] * int(arguments[1])
    if arguments[0] == b"error":
        raise CommandError(b"ERR " + b"e" * int(arguments[1]))
    return b"answer"


def run(runtime: ScriptRuntime, body: str, *arguments: bytes) -> Any:
    return runtime.run(runtime.prepare(body.encode()), [], list(arguments), answer)


def failure(runtime: ScriptRuntime, body: str, *arguments: bytes) -> bytes:
    with pytest.raises(CommandError) as caught:
        run(runtime, body, *arguments)
    return caught.value.message


class TestKeeping:
    def test_a_script_is_known_by_the_sha1_of_its_text_in_any_case(self) -> None:
        runtime = ScriptRuntime()
        script = runtime.load(b"return 1")
        assert script == Script(sha1(b"return 1").hexdigest().encode(), b"return 1", None)
        assert runtime.find(script.sha) is script
        assert runtime.find(script.sha.upper()) is script
        assert runtime.exists([script.sha, b"x", script.sha.upper()]) == [True, False, True]

    def test_a_script_is_compiled_once(self) -> None:
        runtime = ScriptRuntime()
        assert runtime.prepare(b"return 1") is runtime.load(b"return 1") is runtime.prepare(b"return 1")

    def test_no_vm_is_made_before_the_first_script(self) -> None:
        runtime = ScriptRuntime()
        runtime.flush()
        assert runtime.memory_used == 0
        runtime.load(b"return 1")
        assert runtime.memory_used > 0

    def test_what_is_no_lua_is_refused_and_not_kept(self) -> None:
        runtime = ScriptRuntime()
        for keep in (runtime.load, runtime.prepare):
            with pytest.raises(CommandError) as caught:
                keep(b"x x")
            assert caught.value.message == (
                b"ERR Error compiling script (new function): user_script:1: '=' expected near 'x'"
            )
        assert len(runtime) == 0

    def test_flush_forgets_everything(self) -> None:
        runtime = ScriptRuntime()
        script = runtime.load(b"return 1")
        runtime.flush()
        assert runtime.find(script.sha) is None
        assert len(runtime) == 0
        with pytest.raises(RuntimeError, match="forgotten"):
            runtime.run(script, [], [], answer)
        assert run(runtime, "return 1") == 1

    def test_the_scripts_of_eval_that_were_longest_not_run_are_evicted(self) -> None:
        runtime = ScriptRuntime()
        loaded = runtime.load(b"return 'loaded'")
        first, second = runtime.prepare(b"return 1"), runtime.prepare(b"return 2")
        promoted = runtime.prepare(b"return 'promoted'")
        runtime.load(b"return 'promoted'")
        for number in range(MOST_EVAL_SCRIPTS - 2):
            runtime.prepare(b"return 'number %d'" % number)
        assert runtime.evicted == 0
        runtime.run(first, [], [], answer)
        runtime.prepare(b"return 'one more'")
        assert runtime.evicted == 1
        assert runtime.exists([script.sha for script in (loaded, promoted, first, second)]) == [
            True,
            True,
            True,
            False,
        ]
        assert len(runtime) == MOST_EVAL_SCRIPTS + 2

    def test_a_closed_runtime_holds_nothing_and_can_be_used_again(self) -> None:
        runtime = ScriptRuntime()
        run(runtime, "return redis.call('x')")
        runtime.close()
        assert (len(runtime), runtime.memory_used) == (0, 0)
        assert run(runtime, "return 1") == 1

    def test_a_runtime_that_nobody_holds_takes_its_vm_along(self) -> None:
        runtime = ScriptRuntime(
            check_permission=lambda _: True, log=lambda *_: None, should_stop=lambda: False
        )
        run(runtime, "return redis.call('x')")
        gone = weakref.ref(runtime._vm)  # type: ignore[arg-type]
        del runtime
        gc.collect()
        assert gone() is None

    def test_what_a_script_says_of_replication_is_there_to_be_asked(self) -> None:
        runtime = ScriptRuntime()
        assert runtime.replication == 3
        run(runtime, "redis.set_repl(redis.REPL_AOF)")
        assert runtime.replication == 1
        run(runtime, "return 1")
        assert runtime.replication == 3

    def test_permission_is_asked_for(self) -> None:
        asked = []

        def check(arguments: list[bytes]) -> bool | None:
            asked.append(arguments)
            return {b"get": True, b"set": False}.get(arguments[0])

        runtime = ScriptRuntime(check_permission=check)
        script = "return {redis.acl_check_cmd('get', 1), tostring(redis.acl_check_cmd('set'))}"
        assert run(runtime, script) == [1, b"false"]
        assert failure(runtime, "redis.acl_check_cmd('x')").startswith(
            b"ERR Invalid command passed to redis.acl_check_cmd()"
        )
        assert asked == [[b"get", b"1"], [b"set"], [b"x"]]

    def test_a_script_cannot_run_inside_another(self) -> None:
        runtime = ScriptRuntime()
        inner = runtime.prepare(b"return 1")
        outer = runtime.prepare(b"return redis.call('x')")
        with pytest.raises(RuntimeError, match="running already"):
            runtime.run(outer, [], [], lambda *_: runtime.run(inner, [], [], answer))
        assert runtime.running is None


class TestShebang:
    @pytest.mark.parametrize(
        ("body", "flags", "code"),
        [
            (b"return 1", None, b"return 1"),
            (b"#!lua\nreturn 1", frozenset(), b"\nreturn 1"),
            (b"#!lua flags=\nreturn 1", frozenset(), b"\nreturn 1"),
            (b"#!lua flags=no-writes\n", frozenset((b"no-writes",)), b"\n"),
            (b"#!lua  flags=allow-oom,no-writes  \r\n", frozenset((b"allow-oom", b"no-writes")), b"\n"),
            (
                b"#!lua flags=allow-stale flags=no-cluster\n",
                frozenset((b"allow-stale", b"no-cluster")),
                b"\n",
            ),
            (b"#!lua 'flags=allow-cross-slot-keys'\nx", frozenset((b"allow-cross-slot-keys",)), b"\nx"),
        ],
    )
    def test_flags_and_code(self, body: bytes, flags: frozenset[bytes] | None, code: bytes) -> None:
        assert parse_shebang(body) == (flags, code)

    def test_a_script_says_what_it_declares(self) -> None:
        runtime = ScriptRuntime()
        assert runtime.load(b"#!lua flags=no-writes\nreturn 1").declares(b"no-writes")
        assert not runtime.load(b"#!lua\nreturn 1").declares(b"no-writes")
        assert not runtime.load(b"return 1").declares(b"no-writes")


class TestStopping:
    LOOPS = (
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function(e) return 1 end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local f = coroutine.wrap(function() while true do pcall(function() while true do end end) end end) f()",
        "local function f() return f() end f()",
        "for i = 1, 1/0 do ('x'):gsub('.', function() pcall(redis.call, 'x') end) end",
        "while true do cjson.decode(cjson.encode({1, 2, {a = {}}})) end",
        "while true do table.sort({3, 2, 1}, function(a, b) return a < b end) end",
        "setmetatable({}, {__index = function() while true do end end}).x = nil "
        "local x = setmetatable({}, {__index = function() while true do end end}).x",
    )

    @pytest.mark.parametrize("loop", LOOPS)
    def test_no_loop_goes_on_once_it_is_to_stop(self, loop: str) -> None:
        runtime = ScriptRuntime(should_stop=lambda: True, instructions=1000)
        message = failure(runtime, "\n" + loop)
        sha = sha1(("\n" + loop).encode()).hexdigest().encode()
        assert message == (
            b"ERR Script killed by user with SCRIPT KILL... script: %b, on @user_script:2." % sha
        )

    def test_a_script_goes_on_as_long_as_it_may(self) -> None:
        answers = iter([False] * 50 + [True] * 1000)
        runtime = ScriptRuntime(should_stop=lambda: next(answers), instructions=1000)
        assert run(runtime, "for i = 1, 10000 do end return 1") == 1
        assert b"killed" in failure(runtime, "while true do end")
        assert run(runtime, "return 2") == 2

    def test_it_is_known_which_script_is_running(self) -> None:
        seen: list[Script | None] = []

        def should_stop() -> bool:
            seen.append(runtime.running)
            return False

        runtime = ScriptRuntime(should_stop=should_stop, instructions=1000)
        script = runtime.prepare(b"for i = 1, 10000 do end")
        runtime.run(script, [], [], answer)
        assert seen
        assert set(seen) == {script}
        assert runtime.running is None

    def test_an_exception_while_polled_ends_the_script_and_goes_on(self) -> None:
        def should_stop() -> bool:
            raise KeyboardInterrupt

        runtime = ScriptRuntime(should_stop=should_stop, instructions=1000)
        with pytest.raises(KeyboardInterrupt):
            run(runtime, "while true do pcall(function() while true do end end) end")
        assert run(runtime, "return 1") == 1

    def test_an_exception_at_any_moment_ends_the_script_and_goes_on(self) -> None:
        # A signal's handler runs wherever Python is, so also between Lua and the code that guards against it.
        def interrupt(signal_number: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        def should_stop() -> bool:
            signal.setitimer(signal.ITIMER_REAL, 1e-6)
            return False

        runtime = ScriptRuntime(should_stop=should_stop, instructions=1000)
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            for loop in self.LOOPS:
                with pytest.raises(KeyboardInterrupt):
                    run(runtime, loop)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def test_the_words_are_those_of_the_real_servers(self, valkey: RealServer) -> None:
        script = "\nwhile true do pcall(function() while true do end end) end"
        busy, killer = RawServer(valkey.port), RawServer(valkey.port)
        threshold = killer.execute("CONFIG", "GET", "busy-reply-threshold").split(b"\r\n")[-2]
        killer.execute("CONFIG", "SET", "busy-reply-threshold", "1")
        busy._socket.sendall(hiredis.pack_command(("EVAL", script, 0)))
        while killer.execute("SCRIPT", "KILL") != b"+OK\r\n":
            continue  # not started yet
        theirs = busy._socket.recv(65536)
        killer.execute("CONFIG", "SET", "busy-reply-threshold", threshold)
        busy.close()
        killer.close()
        runtime = ScriptRuntime(should_stop=lambda: True)
        # Redis says it with three points, as test_busy_script sees.
        ours = b"-%b\r\n" % failure(runtime, script).replace(b"KILL...", b"KILL.")
        assert comparable(ours) == comparable(theirs)


class TestMemory:
    LIMIT = 32 << 20

    @pytest.mark.parametrize(
        "body",
        [
            "local s = 'x' for i = 1, 40 do s = s .. s end",
            "return #string.rep('x', 1e9)",
            "local t = {} for i = 1, 1e9 do t[i] = i end",
            "local t = {} for i = 1, 1e9 do t = {t} end",
            "local t = {} while true do t[#t + 1] = redis.call('big', 1000) .. #t end",
            "local t = {} while true do t[#t + 1] = redis.call('big', 10000000) .. #t end",
            "local t = {} while true do t[#t + 1] = redis.call('list', 10000) end",
            "local t = {} while true do t[#t + 1] = redis.pcall('error', 10000).err .. #t end",
            "local s = cjson.encode(('x'):rep(100000)) local t = {} while true do t[#t + 1] = cjson.decode(s) .. #t end",
            "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
            "local t = {} pcall(function() while true do t[#t + 1] = ('y'):rep(1000) .. #t end end) "
            "return cjson.encode(t)",
            "local t = {} pcall(function() while true do t[#t + 1] = {} end end) "
            "local u = {} for i = 1, 7000 do u[i] = t[i] end return redis.call(unpack(u))",
        ],
    )
    def test_a_script_that_takes_too_much_ends_and_the_next_one_runs(self, body: str) -> None:
        runtime = ScriptRuntime(memory_limit=self.LIMIT)
        assert b"not enough memory" in failure(runtime, body)
        assert run(runtime, "return redis.call('x')") == b"answer"
        assert runtime.memory_used < self.LIMIT

    def test_a_script_can_catch_it_and_go_on_with_less(self) -> None:
        runtime = ScriptRuntime(memory_limit=self.LIMIT)
        script = (
            "local ok, e = pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end end) "
            "collectgarbage() return {tostring(ok), e, redis.call('x')}"
        )
        assert run(runtime, script) == [b"false", b"not enough memory", b"answer"]

    def test_a_result_may_fill_the_memory(self) -> None:
        runtime = ScriptRuntime(memory_limit=self.LIMIT)
        script = "local t = {} pcall(function() while true do t[#t + 1] = {{}} end end) return t"
        result = run(runtime, script)
        assert len(result) > 100_000
        assert result[0] == [[]]

    @pytest.mark.parametrize("size", [1 << 16, 20 << 20, 60 << 20])
    def test_what_the_server_hands_over_always_fits(self, size: int) -> None:
        runtime = ScriptRuntime(memory_limit=self.LIMIT)
        assert run(runtime, f"return #redis.call('big', {size})") == size
        assert run(runtime, "return #ARGV[1]", b"x" * size) == size
        assert run(runtime, "return #ARGV", *[b"x"] * (size // 1000)) == size // 1000
        assert run(runtime, f"return #redis.call('list', {size // 1000})") == size // 1000
        with pytest.raises(CommandError, match="Error compiling script"):
            runtime.prepare(b"x" * size + b"(")

    def test_garbage_is_no_reason_to_give_up(self) -> None:
        runtime = ScriptRuntime(memory_limit=self.LIMIT)
        run(runtime, "local t = {} for i = 1, 100000 do t[i] = {} end")
        script = (
            "for i = 1, 100000 do coroutine.wrap(function() return ('x'):rep(1000) end)() end return 'done'"
        )
        assert run(runtime, script) == b"done"

    @pytest.mark.timeout(600)
    def test_hundred_thousand_scripts_leave_nothing_behind(self) -> None:
        server = RawEngine()
        process = psutil.Process(os.getpid())
        distinct: Callable[[int], str] = "local x = {} return redis.call('get', KEYS[1] .. x)".format

        def evaluate(first: int, last: int) -> None:
            for number in range(first, last):
                server.execute("EVAL", distinct(number), 1, "k")
                server.execute("EVAL", "return {#redis.call('keys', '*'), cjson.encode(ARGV)}", 0, number)

        evaluate(0, 2000)
        grown = []
        for first in range(2000, 50_000, 12_000):
            gc.collect()
            before = process.memory_info().rss
            evaluate(first, first + 12_000)
            gc.collect()
            grown.append(process.memory_info().rss - before)
        # The allocator may take something at any time; what scripts leave behind they leave each time.
        assert min(grown) < 1 << 19
        assert len(server.engine.scripts) == MOST_EVAL_SCRIPTS


HOSTILE = (
    ("local function f() return 1 + f() end return f()", b"stack overflow"),
    ("local s = 'x' local function g() return (s:gsub('.', g)) end return g()", b"C stack overflow"),
    ("local function f() coroutine.wrap(f)() end f()", b"C stack overflow"),
    ("return setmetatable({}, {__index = function(t, k) return t[k + 1] end})[1]", b"C stack overflow"),
    ("return string.find(('a'):rep(1e6), ('a?'):rep(1e6))", b"pattern too complex"),
    ("return ('a'):rep(1e6):match(('a?'):rep(1e6))", b"pattern too complex"),
    ("return ('a'):rep(1e6):gsub(('a?'):rep(1e6), '')", b"pattern too complex"),
    ("return ('a'):rep(1e6):gmatch(('a?'):rep(1e6))", b"pattern too complex"),
    ("return unpack({}, -1, 2147483647)", b"too many results to unpack"),
    ("return unpack({}, -2147483648, 2147483647)", b"too many results to unpack"),
    ("return unpack({}, 0/0, 2147483647)", b"too many results to unpack"),
    ("return unpack({}, -1/0, 2147483647)", b"too many results to unpack"),
    ("return unpack({}, '-1', '2147483647')", b"too many results to unpack"),
    ("return string.format('%99999d', 1)", b"invalid format"),
    ("error(setmetatable({}, {__index = function() error('again') end}))", b"again"),
    ("local t = {} for i = 1, 300 do t[i] = 'local a' .. i end return assert(loadstring(table.concat(t, ' ')))",
     b"more than 200 local variables"),
    ("return assert(loadstring('return ' .. ('('):rep(300)))", b"too many syntax levels"),
    ("return assert(loadstring(string.dump(function() end)))", b"unexpected symbol"),
    ("return assert(loadstring('return ' .. ('a..'):rep(1e5) .. 'a'))", b"too many syntax levels"),
)  # fmt: skip


@pytest.mark.parametrize(("body", "words"), HOSTILE)
def test_hostile_scripts_end_in_an_error(body: str, words: bytes) -> None:
    runtime = ScriptRuntime()
    assert words in failure(runtime, body)
    assert run(runtime, "return 1") == 1


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("local function f() pcall(f) end f() return 1", 1),
        ("return string.find(('a?'):rep(1e6), ('a?'):rep(1e4), 1, true)", 1),
        ("return #('a'):rep(1e5):match('^(a*)')", 100_000),
        ("local f = function(n, f) if n == 0 then return 'done' end return f(n - 1, f) end return f(1e6, f)", b"done"),
        ("local o = {} function o:go(n) if n == 0 then return 'done' end return self:go(n - 1) end return o:go(1e6)",
         b"done"),
        ("return {unpack({1, 2, 3}, -1, 1)}", []),
        ("return {unpack({1, 2, 3}, 2, 3)}", [2, 3]),
        ("return #{unpack({}, 1, 7000)}", 0),
        ("for i = 1, 100000 do coroutine.wrap(function() end)() end return 1", 1),
    ],
)  # fmt: skip
def test_large_is_not_too_large(body: str, result: Any) -> None:
    assert run(ScriptRuntime(), body) == result
