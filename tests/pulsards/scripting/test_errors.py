"""Errors of scripts: their words, and the line that they name."""

from __future__ import annotations

from anystore.pulsards.scripting import ScriptRuntime
from tests.pulsards.scripting.script_peers import ScriptPeers, comparable

SCRIPTS = (
    "error('boom')",
    "error('boom', 0)",
    "error('boom', 2)",
    "error('two\\nlines')",
    "error('zero\\0byte')",
    "error(12)",
    "error(nil)",
    "error(true)",
    "error({err = 'CODE text'})",
    "error({err = 'one'})",
    "error({err = 'a\\r\\nb'})",
    "error({err = 5})",
    "error({err = 'E x', source = 'elsewhere', line = 99})",
    "error(redis.error_reply('My error'))",
    "local function f() error('in f') end\nf()",
    "local function f() error('for the caller', 2) end\n\nf()",
    "local t = nil\nreturn t.x",
    "local t = {}\nreturn t.x.y",
    "return 1 + {}",
    "return {} .. 'x'",
    "return #5",
    "return 1 < 'x'",
    "return ('x'):nosuch()",
    "nosuch()",
    "return nosuch.x",
    "nosuch = 1",
    "local x <const> = 1",
    "x x",
    "return",
    "return )",
    "return 'unfinished",
    "goto = 1",
    "--[[ unfinished",
    "return 0x",
    "for i = 1 do end",
    "return '\\999'",
    "\\27Lua",
    "return redis.call('nosuch')",
    "return redis.call()",
    "return redis.call('get')",
    "return redis.call({})",
    "return redis.call('get', {})",
    "return redis.call('get', nil)",
    "return redis.call('get', true)",
    "return redis.pcall()",
    "return redis.pcall({})",
    "return redis.call('subscribe', 'x')",
    "return redis.call('multi')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('script', 'flush')",
    "return redis.call('config')",
    "return redis.call('config', 'nosuch')",
    "return redis.call('')",
    "redis.call('set', 's', 'x')\nreturn redis.call('incr', 's')",
    "redis.call('set', 's', 'x')\nlocal f = redis.call\n\nreturn f('incr', 's')",
    "local call = redis.call\nlocal function f(k)\n  return call('incr', k)\nend\nreturn f('s')",
    "local function f(g, k)\n  local r = g('incr', k)\n  return r\nend\nreturn f(redis.call, 's')",
    "local f = function()\n return redis.call('lpush', 's', 1) end\n return f()",
    "return redis.call('lpush', 's', 1)",
    "return redis.pcall('lpush', 's', 1)",
    "local e = redis.pcall('lpush', 's', 1)\nreturn e",
    "local e = redis.pcall('lpush', 's', 1)\nerror(e)",
    "local ok, e = pcall(redis.call, 'lpush', 's', 1)\nreturn {tostring(ok), e}",
    "local ok, e = pcall(function() return redis.call('lpush', 's', 1) end)\nerror(e)",
    "local ok, e = xpcall(function() redis.call('lpush', 's', 1) end, function(e) return e.err .. '!' end)\n"
    "return e",
    "local ok, e = xpcall(function() local x = nil; x() end, function(e) return e .. '!' end) return e",
    "local ok, e = xpcall(function() error('x') end, function(e) error('y') end) return e",
    "return ('x'):gsub('.', function() redis.call('nosuch') end)",
    "return ('x'):gsub('.', function() error('x') end)",
    "return table.sort({3, 2, 1}, function(a, b) return a.x < b.x end)",
    "return table.sort({3, 2, 1}, function(a, b) return redis.call('nosuch') end)",
    "local f = coroutine.wrap(function() redis.call('nosuch') end)\nf()",
    "local f = coroutine.wrap(function() error('in there') end)\nf()",
    "local f = coroutine.wrap(function() string.rep() end)\nreturn f()",
    "local c = coroutine.create(function() redis.call('nosuch') end)\n"
    "local ok, e = coroutine.resume(c) return {tostring(ok), e.err, coroutine.status(c)}",
    "local c = coroutine.create(function() string.rep() end)\nreturn select(2, coroutine.resume(c))",
    "local c = coroutine.create(function() coroutine.yield(1) end)\ncoroutine.resume(c) coroutine.resume(c)\n"
    "return select(2, coroutine.resume(c))",
    "return setmetatable({}, {__index = function(t, k) error('no ' .. k) end}).x",
    "return setmetatable({}, {__index = function(t, k) return redis.call('nosuch') end}).x",
    "local t = setmetatable({}, {__newindex = function() error('closed') end})\nt.x = 1",
    "return cjson.decode('[1')",
    "return cjson.encode({[{}] = 1})",
    "local ok, e = pcall(cjson.decode, '[1') return e",
    "local d = cjson.decode\nlocal r = d('{')\nreturn r",
    "return cmsgpack.unpack('\\193')",
    "return struct.unpack('>I', 'x')",
    "return bit.band('x')",
    "return ('x'):rep({})",
    "local s = 'x'\nreturn s:find('[')",
    "return string.format('%d', 'x')",
    "return tostring()",
    "return loadstring('error(\"inside\")')()",
    "return loadstring('return nosuch', '@elsewhere')()",
    "return loadstring('x = 1', '=named')()",
    "local f, e = loadstring('x x') return e",
    "assert(false)",
    "assert(nil, 'told so')",
    "assert(false, {})",
    "return redis.sha1hex()",
    "return redis.error_reply()",
    "return redis.status_reply(1)",
    "return redis.setresp(4)",
    "return redis.setresp()",
    "return redis.log()",
    "return redis.log('x', 'y')",
    "return redis.log(4, 'y')",
    "return redis.set_repl(4)",
    "return redis.acl_check_cmd('nosuch')",
    "return redis.acl_check_cmd()",
    "return redis.acl_check_cmd({})",
    "local function deep(n) return 1 + deep(n + 1) end return deep(1)",
    "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
)


def test_every_error_reads_as_it_does_there(peers: ScriptPeers) -> None:
    peers.command("SET", "s", "x")
    assert peers.disagreements_of_scripts(SCRIPTS) == []


def test_after_a_shebang_lines_are_still_counted_from_the_top(peers: ScriptPeers) -> None:
    scripts = ["#!lua\n" + script for script in SCRIPTS] + [
        "#!lua flags=no-writes\n\n\nredis.call('set', 's', 1)"
    ]
    peers.command("SET", "s", "x")
    assert peers.disagreements_of_scripts(scripts) == []


def test_an_error_is_no_table_with_no_words(peers: ScriptPeers) -> None:
    # Redis 7.0 crashes on these: Valkey alone is asked.
    for script in ("error({})", "error({ok = 'x'})", "error({err = {}})", "error({err = true})"):
        ours, theirs = (peer.execute("EVAL", script, 0) for peer in (peers.engine, peers.servers[0]))
        assert comparable(ours) == comparable(theirs)


def test_an_error_names_its_script(peers: ScriptPeers) -> None:
    reply = peers.engine.execute("EVAL", "return redis.call('nosuch')", 0)
    sha = b"206396248e12c6e742fd7296250433c8d7343b74"
    assert reply == b"-ERR Unknown Redis command called from script script: %b, on @user_script:1.\r\n" % sha


def test_what_a_command_raises_that_is_no_error_reply_ends_the_script_and_goes_on() -> None:
    runtime = ScriptRuntime()
    script = runtime.prepare(b"pcall(redis.call, 'x') pcall(redis.call, 'x') return 1")
    calls = []

    def call(arguments: list[bytes], protocol: int) -> bytes:
        calls.append(arguments)
        raise KeyboardInterrupt

    for _ in range(2):
        try:
            runtime.run(script, [], [], call)
        except KeyboardInterrupt:
            continue
        raise AssertionError("the interrupt was swallowed")
    assert len(calls) == 2
    assert runtime.run(runtime.prepare(b"return 1"), [], [], call) == 1
