"""What scripts can reach, and what they cannot."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting import ScriptRuntime
from tests.pulsards.scripting.script_peers import ScriptPeers

SCRIPTS = (
    "x = 1",
    "_G.x = 1",
    "_G['x'] = 1",
    "rawset(_G, 'x', 1)",
    "redis.x = 1",
    "redis.call = nil",
    "rawset(redis, 'call', 1)",
    "string.x = 1",
    "string.rep = 1",
    "cjson.encode = 1",
    "math.random = 1",
    "getmetatable(_G).__index = nil",
    "getmetatable('').__index = nil",
    "getmetatable('').__index.rep = nil",
    "rawset(getmetatable(''), '__index', nil)",
    "setmetatable(_G, {})",
    "setmetatable(redis, {})",
    "setmetatable(getmetatable(_G), {})",
    "table.insert(_G, 1)",
    "table.insert(redis, 'x')",
    "table.insert(table, 1, 'x')",
    "KEYS = {}",
    "ARGV = nil",
    "KEYS[1] = 'mine' ARGV.x = 1 return {KEYS[1], ARGV.x}",
    "local t = setmetatable({}, {__index = _G}) return t.tostring(1)",
    "return type(getmetatable(_G))",
    "return type(getmetatable(_G).__index)",
    "return getmetatable(redis)",
    "return getmetatable(string)",
    "return getmetatable(cjson.null)",
    "return rawequal(getmetatable('').__index, string)",
    "return _G == _G._G",
    "return rawget(_G, 'redis') == redis",
    "return rawget(_G, 'nosuch')",
    "return rawget(redis, 'nosuch')",
    "return type(rawget(redis, 'call'))",
    "return {#redis, #_G, #string}",
    "return {next({}), type(next(redis)), type(next(_G))}",
    "local n = 0 for k in pairs(string) do n = n + 1 end return n",
    "local n = 0 for k in pairs(table) do n = n + 1 end return n",
    "local n = 0 for k in pairs(math) do n = n + 1 end return n",
    "local n = 0 for k in pairs(coroutine) do n = n + 1 end return n",
    "local n = 0 for k in pairs(struct) do n = n + 1 end return n",
    "local n = 0 for k in pairs(cmsgpack) do n = n + 1 end return n",
    "local n = 0 for k in next, bit do n = n + 1 end return n",
    "return ipairs(redis) ~= nil",
    "return {unpack(redis)}",
    "return {table.concat(redis), table.getn(redis), table.maxn(redis)}",
    "return table.remove(redis)",
    "return tostring(redis):match('^table: ') ~= nil",
    "return print",
    "return dofile",
    "return loadfile",
    "return require",
    "return module",
    "return package",
    "return io",
    "return debug",
    "return getfenv",
    "return setfenv",
    "return newproxy",
    "return python",
    "return os.time",
    "return os.execute",
    "return type(os.clock())",
    "return _VERSION",
    "return loadstring('return x')()",
    "return loadstring('y = 1')()",
    "return loadstring('return KEYS')()",
    "return select(2, loadstring(string.dump(function() return 1 end)))",
    "return (load(function() return nil end))",
    "local pieces = {'return ', '1', ' + 1'} return load(function() return table.remove(pieces, 1) end)()",
    "return select(2, load(function() return 'x x' end, '=chunk'))",
    "return coroutine.wrap(function() return x end)()",
    "return tostring(cjson.null)",
    "return type(cjson.null)",
    "return cjson.null == cjson.decode('null')",
    "redis.call = function() end",
    "local t = {} for k in pairs(t) do end return next(t)",
    "return {pcall(next, {}, 'nosuch')}",
    "return table.foreach(string, function(k) if k == 'rep' then return k end end)",
    "return #string.dump(function() end) > 0",
    "return {pcall(string.dump, redis.call)}",
    "return {pcall(string.dump, string.find)}",
    "return collectgarbage('count') > 0",
    "return collectgarbage('stop')",
    "return collectgarbage('restart')",
    "return collectgarbage('nosuch')",
    "return gcinfo() > 0",
)

RANDOM = (
    "math.randomseed(42) local t = {} for i = 1, 20 do t[i] = tostring(math.random()) end return t",
    "math.randomseed(0) local t = {} for i = 1, 20 do t[i] = math.random(100) end return t",
    "math.randomseed(-7) local t = {} for i = 1, 20 do t[i] = math.random(-5, 5) end return t",
    "math.randomseed(2^31) return math.random(2^31 - 1)",
    "math.randomseed('12') return math.random('3', '9')",
    "math.randomseed(1.9) return math.random(1.9, 3.9)",
    "return {math.random(1), math.random(3, 3)}",
)


def test_every_attempt_ends_as_it_does_there(peers: ScriptPeers) -> None:
    found = peers.disagreements_of_scripts(SCRIPTS, 1, "key")
    assert [entry for entry in found if entry[0] != ("EVAL", "return os.execute", 1, "key")] == []


def test_random_numbers_are_the_same_from_the_same_seed(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(RANDOM) == []


def test_without_a_seed_random_numbers_begin_as_on_every_server_and_go_on() -> None:
    runtime = ScriptRuntime()
    script = runtime.prepare(b"return math.floor(math.random() * 1e9)")
    assert [runtime.run(script, [], [], _refuse) for _ in range(2)] == [396464773, 840485369]


def test_the_api_says_which_server_this_is() -> None:
    runtime = ScriptRuntime()
    script = runtime.prepare(b"return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM, server == redis}")
    assert runtime.run(script, [], [], _refuse) == [b"7.4.0", 0x070400, 1]


def test_constants_are_those_of_redis(peers: ScriptPeers) -> None:
    names = "LOG_DEBUG LOG_VERBOSE LOG_NOTICE LOG_WARNING REPL_NONE REPL_AOF REPL_SLAVE REPL_REPLICA REPL_ALL"
    assert peers.disagreements_of_scripts([f"return redis.{name}" for name in names.split()]) == []


def test_what_is_left_of_older_apis_does_what_it_does_there(peers: ScriptPeers) -> None:
    scripts = (
        "return redis.replicate_commands()",
        "return redis.breakpoint()",
        "return redis.debug('x')",
        "return redis.set_repl(redis.REPL_ALL)",
        "return redis.log(redis.LOG_DEBUG, 'x', 1, {})",
        "return redis.acl_check_cmd('get', 'x')",
        "return redis.acl_check_cmd('CONFIG', 'get')",
        "return redis.sha1hex('')",
        "return redis.sha1hex('text')",
        "return redis.sha1hex(1)",
        "return redis.sha1hex(nil)",
        "return redis.sha1hex({})",
        "return redis.setresp('3')",
    )
    assert peers.disagreements_of_scripts(scripts) == []


def test_nothing_that_one_script_does_to_globals_is_seen_by_the_next() -> None:
    runtime = ScriptRuntime()
    attempts = (
        b"rawset(redis, 'call', 1)",
        b"table.insert(_G, 'x')",
        b"KEYS[1] = 'left behind'",
        b"collectgarbage('stop')",
        b"getmetatable('').__index = nil",
    )
    for attempt in attempts:
        with suppress(CommandError):
            runtime.run(runtime.prepare(attempt), [], [], _refuse)
    script = runtime.prepare(b"return {type(redis.call), tostring(rawget(_G, 1)), #KEYS, ('x'):rep(2)}")
    assert runtime.run(script, [], [], _refuse) == [b"function", b"nil", 0, b"xx"]


REACHING = """
local seen, found = {}, {}
local function look(value, path)
  local kind = type(value)
  if kind == 'userdata' and value ~= cjson.null then found[#found + 1] = path end
  if kind ~= 'table' or seen[value] then return end
  seen[value] = true
  for k, v in pairs(value) do look(k, path .. '.key') look(v, path .. '.' .. tostring(k)) end
  look(getmetatable(value), path .. '.metatable')
end
look(_G, '_G')
look(getmetatable(''), 'strings')
for _, provoke in ipairs{
  function() redis.call('x') end, function() redis.call({}) end, function() redis.sha1hex() end,
  function() redis.acl_check_cmd('x') end, function() cjson.decode('{') end, function() string.rep() end,
} do
  look({pcall(provoke)}, 'pcall')
  look({xpcall(provoke, function(e) look(e, 'handler') return e end)}, 'xpcall')
  look({coroutine.resume(coroutine.create(provoke))}, 'resume')
  look({pcall(coroutine.wrap(provoke))}, 'wrap')
end
look({redis.pcall('x'), redis.pcall()}, 'pcall')
return found
"""


def test_no_object_of_pythons_is_within_reach() -> None:
    runtime = ScriptRuntime()
    assert runtime.run(runtime.prepare(REACHING.encode()), [b"k"], [b"a"], _refuse) == []


def test_scripts_log_under_the_servers_name(peers: ScriptPeers, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="anystore.pulsards"):
        for level in range(4):
            peers.engine.execute("EVAL", "redis.log(tonumber(ARGV[1]), 'said', ARGV[1], {})", 0, level)
    levels = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert levels == [
        ("DEBUG", "said 0"),
        ("DEBUG", "said 1"),
        ("INFO", "said 2"),
        ("WARNING", "said 3"),
    ]


def _refuse(arguments: list[bytes], protocol: int) -> bytes:
    raise CommandError(b"ERR no command " + arguments[0])
