"""What Redis promises to scripts, point by point; each point is tested at length in the module of its part."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.pulsards.scripting.script_peers import ScriptPeers

#: A point of the contract, and scripts that show it. They end as they do on the real servers, errors included.
CONTRACT: Final = {
    "Lua 5.1": (
        "return {_VERSION, 7 / 2, 7 % -3, math.floor(-0.5), #'\0x'}",
        "local t = {n=1, 2, 3} return {table.maxn(t), #t, unpack(t)}",
        "return {string.format('%5.1f|%q', 3.14159, 'a\\nb'), tostring(1e15), tostring(0.1)}",
        "return loadstring('return 1')() + select('#', 1, nil, nil)",
    ),
    "no globals": ("x = 1", "return x", "function f() end", "_G.redis = nil", "KEYS = nil return 1"),
    "what is not there": (
        *("return os.time()", "return io", "return require('x')", "return dofile", "return debug"),
        *("return loadfile", "return package", "return python", "return print ~= nil"),
    ),
    "cjson": (
        "return cjson.encode({1, 2, {a=true}, cjson.null})",
        "return cjson.decode('{\"a\": [1, 2.5, null, \"x\"]}').a[2] .. ''",
        "return cjson.decode('{')",
        "return cjson.encode({[1]=1, [100]=2})",
    ),
    "cmsgpack": (
        "return cmsgpack.pack({1, 'two', {3}, false})",
        "return {cmsgpack.unpack(cmsgpack.pack(1, 'x', 2.5))}",
        "return cmsgpack.unpack('')",
    ),
    "struct": (
        "return struct.pack('>I2i8s', 258, -1, 'x')",
        "return {struct.unpack('<hb', struct.pack('<hb', -2, 5))}",
        "return struct.pack('?', 1)",
    ),
    "bit": (
        "return {bit.band(12, 10), bit.bnot(0), bit.rshift(-1, 28), bit.bswap(1)}",
        "return bit.tohex(255, -4)",
    ),
    "results": (
        "return {1.9, -1.9, 'x', true, false, {2, {3}}, nil, 'never'}",
        "return {ok='FINE'}",
        "return {err='MY error'}",
        "return {err='no code'}",
        "return {double=1.5}",
        "return {map={a=1}}",
        "return {1, 2, 3, bar='x', 4}",
    ),
    "setresp": (
        "redis.setresp(3) return redis.call('HGETALL', 'h')['map']['f']",
        "redis.setresp(3) return redis.call('ZSCORE', 'z', 'm')",
        "return redis.call('ZSCORE', 'z', 'm')",
        "redis.setresp(3) return {double=2.5}",
        "redis.setresp(3) return type(redis.call('GET', 'no'))",
        "return type(redis.call('GET', 'no'))",
        "redis.setresp(4)",
    ),
    "call and pcall": (
        "return redis.call('LPUSH', 's', 'x')",
        "return redis.pcall('LPUSH', 's', 'x')",
        "return redis.pcall('LPUSH', 's', 'x').err",
        "return redis.call('NOSUCH')",
        "return redis.call('GET')",
        "return redis.call()",
        "return redis.call('SET', 's', {})",
        "redis.call('SET', 'n', 3.0) return redis.call('GET', 'n')",
        "return redis.call('SUBSCRIBE', 'c')",
    ),
    "helpers": (
        "return redis.sha1hex('')",
        "return redis.error_reply('MY words')",
        "return redis.error_reply('-MY words')",
        "return redis.status_reply('FINE')",
        "return {redis.LOG_DEBUG, redis.LOG_WARNING, redis.REPL_ALL, redis.REPL_NONE}",
        "return redis.set_repl(redis.REPL_ALL)",
        "return redis.replicate_commands()",
        "return redis.acl_check_cmd('GET', 'x')",
        "return redis.breakpoint()",
    ),
    "declared": (
        "#!lua flags=no-writes\nreturn redis.call('SET', 's', 'x')",
        "#!lua flags=no-writes\nreturn redis.call('GET', 's')",
        "#!lua flags=nonsense\nreturn 1",
        "#!lua\nreturn 1",
    ),
    "chance": (
        "math.randomseed(7) return tostring(math.random())",
        "math.randomseed(7) return math.random(1000)",
    ),
}


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("point", CONTRACT)
def test_s10_every_point_of_the_contract(peers: ScriptPeers, point: str, protocol: int) -> None:
    peers.command("HELLO", protocol)
    for command in (("SET", "s", "x"), ("HSET", "h", "f", "v"), ("ZADD", "z", "1.5", "m")):
        peers.command(*command)
    assert not peers.disagreements_of_scripts(CONTRACT[point])


WITHOUT_LUA = """
import sys
sys.modules["lupa"] = None
from tests.pulsards.peers import EngineClient
client = EngineClient()
said = "scripts need the Python package lupa"
assert client.execute("SET", "a", "1") == b"OK"
for call in (("EVAL", "return 1", 0), ("SCRIPT", "LOAD", "return 1"), ("FUNCTION", "LOAD", "#!lua name=l\\n")):
    kind, text = client.execute(*call)
    assert kind == "error" and said in text, text
assert client.execute("EVALSHA", "0" * 40, 0)[1].startswith("NOSCRIPT")
assert client.execute("SCRIPT", "FLUSH") == client.execute("FUNCTION", "FLUSH") == b"OK"
assert client.execute("INFO", "everything")
assert client.execute("GET", "a") == b"1"
"""


def test_s10_where_there_is_no_lua_scripts_say_so_and_all_else_works() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_LUA], check=True, timeout=100)
