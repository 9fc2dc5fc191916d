"""The library `cjson` beside that of the real servers."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pulsards.scripting.script_peers import ScriptPeers, protected

EXPRESSIONS = r"""
cjson.x()
cjson.decode('0x1F')
cjson.decode('0x1.8p1')
cjson.decode('-0x10')
cjson.decode('0x')
cjson.decode('0xg')
cjson.decode('1.')
cjson.decode('.5')
cjson.decode('-.5')
cjson.decode('-')
cjson.decode('+1')
cjson.decode('1e')
cjson.decode('1e5')
cjson.decode('1e+')
cjson.decode('01')
cjson.decode('1.5.5')
cjson.decode('nan')
cjson.decode('NaN')
cjson.decode('-nan')
cjson.decode('nan(12)')
cjson.decode('inf')
cjson.decode('-Infinity')
cjson.decode('infin')
cjson.decode('nul')
cjson.decode('nulll')
cjson.decode('tru')
cjson.decode('')
cjson.decode(' ')
cjson.decode('[1,]')
cjson.decode('[1 2]')
cjson.decode('{')
cjson.decode('{"a"}')
cjson.decode('{"a":}')
cjson.decode('{"a":1,}')
cjson.decode('{a:1}')
cjson.decode('{"a":1 "b"}')
cjson.decode('"abc')
cjson.decode('"a\\q"')
cjson.decode('"\\u12"')
cjson.decode('"\\ud800"')
cjson.decode('"\\udc00"')
cjson.decode('"\\ud83d\\ude00"')
cjson.decode('"\\u00e9\\u0000x"')
cjson.decode('1\0 2')
cjson.decode('"a\0"')
cjson.decode('a\0b')
cjson.decode('1 2')
cjson.decode('[1] x')
cjson.decode('@')
cjson.decode('[')
cjson.decode(']')
cjson.decode('[1,2')
cjson.decode(12)
cjson.decode()
cjson.decode(nil)
cjson.decode({})
cjson.decode(1,2)
cjson.decode('{"a" 1}')
cjson.decode('{1:2}')
cjson.decode('{nan:2}')
cjson.decode('{+1:2}')
cjson.decode('{"a":tru}')
cjson.decode('[true,"x" "y"]')
cjson.decode('[true,"x" nan]')
cjson.decode('[true,"x" null]')
cjson.decode('{"a\\x')
cjson.decode('1e400')
cjson.decode('1e-400')
cjson.decode('123456789012345678901234567890')
cjson.decode('-0')
cjson.decode('1x')
cjson.decode('1_')
cjson.decode('0x1p')
cjson.decode('0x.8')
cjson.decode('0X1P-1')
cjson.decode('1E2')
cjson.decode('\239\187\1911')
cjson.encode()
cjson.encode(1,2)
cjson.encode(nil)
cjson.encode(1.5)
cjson.encode(1e15)
cjson.encode(1e100)
cjson.encode(0.1)
cjson.encode(1/3)
cjson.encode(-0.0)
cjson.encode(0/0)
cjson.encode(1/0)
cjson.encode('a"\\/\b\f\n\r\t\127\1\0\255')
cjson.encode({})
cjson.encode({{}})
cjson.encode({1,2,nil,4})
cjson.encode({[1]=1,[20]=2})
cjson.encode({[5]=1})
cjson.encode({[11]=1})
cjson.encode({[1.5]=1})
cjson.encode({[0]=1})
cjson.encode({[-1]=1})
cjson.encode({a=1})
cjson.encode({1,a=2})
cjson.encode({[true]=1})
cjson.encode({[{}]=1})
cjson.encode({f=print2})
cjson.encode({function() end})
cjson.encode(function() end)
cjson.encode(coroutine.create(function() end))
cjson.encode(cjson.null)
cjson.encode({cjson.null,true,false})
cjson.encode({[1/0]=1})
cjson.encode(redis)
cjson.encode(setmetatable({},{__index=function() return 1 end}))
cjson.encode({[2^40]=1})
cjson.encode({[1e300]=1,a=1})
cjson.encode({['1']=1,[1]=2})
(function() local t={} for i=1,1000 do t={t} end return #cjson.encode(t) end)()
(function() local t={} for i=1,1001 do t={t} end return #cjson.encode(t) end)()
cjson.decode(string.rep('[',1001)..string.rep(']',1001))
#cjson.decode(string.rep('[',1000)..string.rep(']',1000))
cjson.decode(string.rep('[',1001))
cjson.decode(string.rep('{"a":',1001))
cjson.encode_sparse_array(1,2,3,4)
cjson.encode_sparse_array('x')
cjson.encode_sparse_array(true,-1)
cjson.encode_sparse_array(true,'x')
cjson.encode_sparse_array({})
cjson.encode_max_depth(0)
cjson.encode_max_depth('x')
cjson.encode_max_depth({})
cjson.encode_max_depth(1,2)
cjson.encode_number_precision(15)
cjson.encode_number_precision(0)
cjson.encode_number_precision(17)
cjson.encode_invalid_numbers('x')
cjson.encode_invalid_numbers({})
cjson.decode_invalid_numbers('null')
cjson.encode_keep_buffer()
cjson.encode_sparse_array()
cjson.encode_max_depth()
cjson.decode_max_depth()
cjson.encode_number_precision()
cjson.encode_invalid_numbers()
cjson.decode_invalid_numbers()
""".strip().splitlines()


def test_every_expression_gives_what_the_real_servers_give(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(map(protected, EXPRESSIONS)) == []


# Options last until they are set otherwise, here as there: each of these sets its own back.
OPTIONS = (
    "cjson.encode_max_depth(100000) local t = {} for i = 1, 9000 do t = {t} end "
    "local ok, e = pcall(cjson.encode, t) cjson.encode_max_depth(1000) return e",
    "cjson.encode_max_depth(100000) local t = {} for i = 1, 9000 do t = {a = t} end "
    "local ok, e = pcall(cjson.encode, t) cjson.encode_max_depth(1000) return e",
    "cjson.decode_max_depth(100000) local ok, e = pcall(cjson.decode, string.rep('[', 9000)) "
    "cjson.decode_max_depth(1000) return e",
    "cjson.decode_max_depth(100000) local ok, e = pcall(cjson.decode, string.rep('{\"a\":', 9000)) "
    "cjson.decode_max_depth(1000) return e",
    "cjson.encode_max_depth(3) local r = {pcall(cjson.encode, {{{}}}), pcall(cjson.encode, {{{{}}}})} "
    "cjson.encode_max_depth(1000) r[1] = tostring(r[1]) return r",
    "cjson.encode_sparse_array(true) local r = cjson.encode({[100] = 2}) cjson.encode_sparse_array(false) "
    "return r",
    "cjson.encode_sparse_array(false, 0) local r = cjson.encode({[1] = 1, [15] = 2}) "
    "cjson.encode_sparse_array(false, 2) return r",
    "cjson.encode_sparse_array(false, 2, 20) local r = cjson.encode({[15] = 2}) "
    "cjson.encode_sparse_array(false, 2, 10) return r",
    "cjson.encode_number_precision(3) local r = cjson.encode(3.14159) cjson.encode_number_precision(14) return r",
    "cjson.encode_invalid_numbers(true) local r = cjson.encode({0/0, 1/0, -1/0}) "
    "cjson.encode_invalid_numbers('null') r = r .. cjson.encode({0/0, 1/0}) "
    "r = r .. tostring(cjson.encode_invalid_numbers()) cjson.encode_invalid_numbers(false) return r",
    "cjson.decode_invalid_numbers(false) local r = {} "
    "for _, s in ipairs{'0x1', '01', 'nan', 'inf', '-inf', '+1', '1', '-0', '0.5', '.5'} do "
    "local ok, e = pcall(cjson.decode, s) r[#r + 1] = tostring(e) end "
    "cjson.decode_invalid_numbers(true) return table.concat(r, '|')",
    "local own = cjson.new() own.encode_number_precision(2) own.x = 1 "
    "return {own.encode(1/3), cjson.encode(1/3), own.x}",
)


def test_options_do_what_they_do_there(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(OPTIONS) == []


def test_an_option_lasts_beyond_its_script_until_script_flush(peers: ScriptPeers) -> None:
    commands = (
        ("EVAL", "return {cjson.encode_sparse_array(true, 3, 4)}", 0),
        ("EVAL", "return cjson.encode({[100] = 1})", 0),
        ("SCRIPT", "FLUSH"),
        ("EVAL", "return {cjson.encode_sparse_array()}", 0),
    )
    assert peers.disagreements(commands) == []


def test_decoded_arrays_can_be_told_from_objects_when_empty(peers: ScriptPeers) -> None:
    # Redis 7.4 has this option, and neither Valkey nor Redis 7.0.
    script = (
        "local before = cjson.encode(cjson.decode('[{},[]]')) cjson.decode_array_with_array_mt(true) "
        "local after = cjson.encode(cjson.decode('[{},[],[1]]')) cjson.decode_array_with_array_mt(false) "
        "return {before, after}"
    )
    assert peers.engine.execute("EVAL", script, 0) == b"*2\r\n$7\r\n[{},{}]\r\n$11\r\n[{},[],[1]]\r\n"


def _one_key(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Objects of one key: the order of more depends on how the VM hashes strings.
    return st.dictionaries(st.text(max_size=5), values, max_size=1)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda values: st.lists(values, max_size=4) | _one_key(values),
    max_leaves=12,
)


@given(value=JSON_VALUES, ascii_only=st.booleans(), spaced=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_documents_come_back_as_they_do_there(
    peers: ScriptPeers, value: Any, ascii_only: bool, spaced: bool
) -> None:
    separators = (" , ", "\n:\t") if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode(errors="surrogatepass")
    scripts = ("return cjson.encode(cjson.decode(ARGV[1]))", "return cjson.decode(ARGV[1])")
    assert peers.disagreements_of_scripts(scripts, 0, text) == []


DAMAGE = st.tuples(st.integers(0, 40), st.binary(max_size=2), st.integers(0, 3))


@given(value=JSON_VALUES, damages=st.lists(DAMAGE, min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damaged_documents_are_refused_in_the_same_words(
    peers: ScriptPeers, value: Any, damages: list[tuple[int, bytes, int]]
) -> None:
    text = json.dumps(value).encode()
    for position, inserted, removed in damages:
        text = text[:position] + inserted + text[position + removed :]
    scripts = ("return cjson.encode(cjson.decode(ARGV[1]))",)
    assert peers.disagreements_of_scripts(scripts, 0, text) == []
