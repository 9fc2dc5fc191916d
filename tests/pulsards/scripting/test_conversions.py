"""Values on their way between Lua and the server, in RESP2 and RESP3."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pulsards.scripting.script_peers import ScriptPeers

RESULTS = r"""
nil
true
false
0
3.99
-3.99
1e300
-1e300
2^63
-2^63
2^53
0/0
1/0
-1/0
-0.0
''
'text'
'\0\255\r\n'
{}
{1, 2, 3}
{1, 2, nil, 4}
{nil, 1}
{1, {2, {3, {}}}}
{true, false, nil}
{false, true}
{a = 1}
{[1] = 'x', a = 1}
{[0] = 1}
{[1.5] = 1}
{[true] = 1}
{[1] = 'one', [true] = 'yes'}
{[2] = 'two'}
{'a', [3] = 'c'}
function() end
{function() end, 1}
{1, function() end, 2}
{coroutine.create(function() end)}
cjson.null
{cjson.null, 1}
{ok = 'fine'}
{ok = ''}
{ok = 1}
{ok = true}
{ok = 'a\r\nb'}
{ok = 'a\0b'}
{ok = 'x', 'y'}
{'y', ok = 'x'}
{err = 'ERR broken'}
{err = 'broken'}
{err = '-CODE broken'}
{err = 'a\r\nb'}
{err = 'a\r\n'}
{err = 'a\0b'}
{err = 1}
{err = 'e', ok = 'o'}
{1, {err = 'inner'}, {ok = 'inner'}}
{err = 'E x', source = 'here', line = 3}
{double = 3.25}
{double = 3}
{double = 1/0}
{double = -1/0}
{double = 1e300}
{double = 1e-7}
{double = 'x'}
{double = '3'}
{double = 3.5, ok = 'first'}
{map = {}}
{map = {a = 1}}
{map = {[1] = {2}}}
{map = {a = {map = {b = false}}}}
{map = {[true] = 1}}
{map = {[{ok = 'key'}] = 'value'}}
{map = 1}
{map = 'x', 1}
{set = {}}
{set = {a = true}}
{set = {[1] = false}}
{set = {[{1}] = true}}
{set = 1}
{big_number = '1234567890123456789012345678901234567890'}
{big_number = 123}
{verbatim_string = {format = 'txt', string = 'text'}}
{verbatim_string = {format = 'txt', string = 'a\r\nb\0'}}
{verbatim_string = {string = 'no format'}}
{verbatim_string = {format = 'txt'}}
{verbatim_string = {format = 1, string = 'x'}}
{verbatim_string = 'x'}
{double = 1.5, map = {a = 1}, set = {a = true}}
{map = {a = 1}, set = {b = true}}
setmetatable({}, {__index = function() return 1 end})
setmetatable({1}, {__index = {2, 3}})
setmetatable({}, {__index = {ok = 'not raw'}})
KEYS
ARGV
redis.status_reply('FINE')
redis.error_reply('CODE text')
redis.error_reply('text')
redis.error_reply('-CODE text')
redis.error_reply('CODE text\r\n')
redis.error_reply('My Err')
{redis.error_reply('E 1'), redis.status_reply('S')}
1, 2, 3
""".strip().splitlines()

COMMANDS = r"""
redis.call('set', 'k', 'v')
redis.call('get', 'k')
redis.call('get', 'none')
redis.call('ping')
redis.call('incr', 'n')
redis.call('hgetall', 'h')
redis.call('hget', 'h', 'f')
redis.call('smembers', 's')
redis.call('zscore', 'z', 'm')
redis.call('zscore', 'z', 'none')
redis.call('zrange', 'z', 0, -1, 'withscores')
redis.call('zmscore', 'z', 'm', 'none')
redis.call('config', 'get', 'maxmemory-policy')
redis.call('lrange', 'l', 0, -1)
redis.call('blpop', 'none', 0)
redis.call('lpop', 'none')
redis.call('lpop', 'none', 1)
redis.call('lpos', 'l', 'nothing')
redis.call('exists', 'k')
redis.call('type', 'k')
redis.call('object', 'encoding', 'k')
redis.call('zadd', 'z', 'incr', '0.5', 'm')
redis.call('incrbyfloat', 'f', '0.1')
redis.call('hrandfield', 'h', 1, 'withvalues')
redis.call('hrandfield', 'h')
redis.call('srandmember', 'none')
redis.call('zpopmin', 'none')
redis.call('zrandmember', 'none')
redis.call('zadd', 'z', 'nx', 'incr', 1, 'm')
redis.call('client', 'no-evict', 'on')
redis.call('nosuch')
redis.pcall('nosuch')
redis.call('get')
redis.call('incr', 'k')
redis.pcall('lpush', 'k', 1)
redis.pcall('incr', 'k').err
redis.pcall('incr', 'k').ignore_error_stats_update
{pcall(redis.call, 'incr', 'k')}
type(redis.pcall('get', 'none'))
type(redis.call('hgetall', 'h').map)
type(redis.call('zscore', 'z', 'm'))
type(redis.call('smembers', 's').set)
redis.call('set', 'k', 'v').ok
redis.call('set', 'k', 'v', 'nx')
""".strip().splitlines()

SET_UP = (
    ("HSET", "h", "f", "1"),
    ("SADD", "s", "member"),
    ("ZADD", "z", "1.5", "m"),
    ("RPUSH", "l", "a", "b"),
    ("SET", "k", "v"),
    ("CONFIG", "SET", "maxmemory-policy", "noeviction"),
)


def both_protocols(expressions: list[str]) -> list[str]:
    return [
        *(f"return {expression}" for expression in expressions),
        *(f"redis.setresp(3) return {expression}" for expression in expressions),
        *(f"redis.setresp(3) local r = {expression} redis.setresp(2) return r" for expression in expressions),
    ]


@pytest.mark.parametrize("protocol", [2, 3])
def test_results_become_the_replies_that_they_become_there(peers: ScriptPeers, protocol: int) -> None:
    peers.command("HELLO", protocol)
    disagreements = peers.disagreements_of_scripts(both_protocols(RESULTS), 1, "key", "argument")
    assert disagreements == []


@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_become_the_values_that_they_become_there(peers: ScriptPeers, protocol: int) -> None:
    for command in SET_UP:
        peers.command(*command)
    peers.command("HELLO", protocol)
    shown = [
        f"redis.setresp({seen}) local r = {expression} return {{type(r), r}}"
        for expression in COMMANDS
        for seen in (2, 3)
        if "," in expression
    ]
    assert peers.disagreements_of_scripts([*both_protocols(COMMANDS), *shown]) == []


def test_digits_of_big_numbers_are_not_looked_at(peers: ScriptPeers) -> None:
    scripts = ("return {big_number = 'abc'}", r"return {big_number = '12\r\n3'}")
    assert peers.disagreements_of_scripts(scripts) == []


def test_a_table_nested_beyond_all_measure_ends_in_an_error_reply(peers: ScriptPeers) -> None:
    reply = peers.engine.execute("EVAL", "local t = {} for i = 1, 100000 do t = {t} end return t", 0)
    assert reply.endswith(b"*1\r\n-ERR reached lua stack limit\r\n")
    assert peers.engine.execute("EVAL", "local t = {} t[1] = t return t", 0) == reply


@given(
    number=st.floats() | st.integers(-(2**64), 2**64) | st.integers(-(2**53), 2**53).map(lambda n: n / 1000)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
def test_numbers_are_arguments_and_results_as_they_are_there(peers: ScriptPeers, number: float) -> None:
    scripts = (
        "local n = struct.unpack('>d', ARGV[1]) return redis.call('echo', n)",
        "return struct.unpack('>d', ARGV[1])",
        "local n = struct.unpack('>d', ARGV[1]) return {tostring(n), {double = n}, n}",
    )
    double = struct.pack(">d", math.nan if number != number else number)
    found = peers.disagreements_of_scripts(scripts, 0, double)
    # Redis' search for the shortest digits misses them for one double in some hundreds.
    assert [entry for entry in found if not _equal_digits(entry[1], entry[2])] == []


def _equal_digits(ours: bytes, theirs: list[bytes]) -> bool:
    def numbers(reply: bytes) -> list[float]:
        return [float(line) for line in reply.split(b"\r\n") if line[:1].isdigit() or line[:1] == b"-"]

    return any(numbers(ours) == numbers(reply) and len(ours) <= len(reply) for reply in theirs)


@given(texts=st.lists(st.binary(max_size=20), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_strings_are_bytes_all_the_way(peers: ScriptPeers, texts: list[bytes]) -> None:
    keys = len(texts) // 2
    scripts = (
        "return {KEYS, ARGV}",
        "redis.call('del', 'l') for _, text in ipairs(ARGV) do redis.call('rpush', 'l', text) end "
        "return redis.call('lrange', 'l', 0, -1)",
    )
    assert peers.disagreements_of_scripts(scripts, keys, *texts) == []


@pytest.mark.parametrize("count", [0, 1, 59, 60, 61, 120, 121, 199, 200, 201, 1000, 7000])
def test_any_number_of_keys_arguments_and_command_arguments(peers: ScriptPeers, count: int) -> None:
    arguments = [f"argument {number}" for number in range(count)]
    scripts = (
        "return {#KEYS, #ARGV, KEYS[1], KEYS[#KEYS], ARGV[1], ARGV[#ARGV]}",
        "redis.call('del', 'l') if #ARGV > 0 then redis.call('rpush', 'l', unpack(ARGV)) end "
        "return redis.call('lrange', 'l', 0, -1)",
        "local r = {} for i = 1, #ARGV do r[i] = redis.call('echo', ARGV[i]) end return r",
    )
    for keys in {0, count // 3, count}:
        assert peers.disagreements_of_scripts(scripts, keys, *arguments) == []
