"""The library `cmsgpack` beside that of the real servers."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pulsards.scripting.script_peers import ScriptPeers, protected

EXPRESSIONS = r"""
cmsgpack.pack()
cmsgpack.pack(1.5,0.1,0/0,1/0,-1/0,-0.0,1e300,2^64)
cmsgpack.pack(nil,true,false,print2)
cmsgpack.pack(function() end)
cmsgpack.pack({})
cmsgpack.pack({1,2,3})
cmsgpack.pack({1,2,nil,4})
cmsgpack.pack({a=1})
cmsgpack.pack({[1]=1,[3]=2})
cmsgpack.pack({[1.5]=1})
cmsgpack.pack({[2^31]=1})
cmsgpack.pack({{{{{{{{{{{{{{{{{{{1}}}}}}}}}}}}}}}}}}})
(function() local t={} t.t=t return cmsgpack.pack(t) end)()
(function() local t={} for i=1,16 do t[i]=i end return cmsgpack.pack(t) end)()
#cmsgpack.pack((function() local t={} for i=1,70000 do t[i]=i end return t end)())
cmsgpack.unpack()
cmsgpack.unpack({})
cmsgpack.unpack(12)
cmsgpack.unpack('')
cmsgpack.unpack('\193')
cmsgpack.unpack('\204')
cmsgpack.unpack('\217\5ab')
cmsgpack.unpack('\145')
cmsgpack.unpack('\1\2\3')
cmsgpack.unpack('\207\255\255\255\255\255\255\255\255')
cmsgpack.unpack('\207\127\255\255\255\255\255\255\255')
cmsgpack.unpack('\211\128\0\0\0\0\0\0\0')
cmsgpack.unpack('\206\255\255\255\255\210\255\255\255\255\209\255\0\208\128\205\255\255')
cmsgpack.unpack('\202\63\128\0\0\203\63\240\0\0\0\0\0\0\202\127\192\0\0\202\255\128\0\0')
cmsgpack.unpack('\129\192\1')
cmsgpack.unpack('\129\203\127\248\0\0\0\0\0\0\1')
cmsgpack.unpack('\192\194\195')
cjson.encode(cmsgpack.unpack('\147\1\192\3'))
cmsgpack.unpack_one('\1\2')
cmsgpack.unpack_one('\1\2',1)
cmsgpack.unpack_one('\1\2',2)
cmsgpack.unpack_one('\1\2',3)
cmsgpack.unpack_one('\1\2',-1)
cmsgpack.unpack_one('\1\2','x')
cmsgpack.unpack_one()
cmsgpack.unpack_limit('\1\2\3',2)
cmsgpack.unpack_limit('\1\2\3',2,1)
cmsgpack.unpack_limit('\1\2\3',0)
cmsgpack.unpack_limit('\1\2\3',0,1)
cmsgpack.unpack_limit('\1\2\3')
cmsgpack.unpack_limit('\1\2\3',-1)
cmsgpack.unpack_limit('\1')
cmsgpack.unpack(('\145'):rep(9000))
cmsgpack.unpack(('\129\1'):rep(9000))
select('#',cmsgpack.unpack(('\1'):rep(7900)))
cmsgpack.unpack(('\1'):rep(9000))
cmsgpack.unpack('\212')
cmsgpack.unpack('\219\255\255\255\255')
cmsgpack.unpack('\221\255\255\255\255')
cmsgpack.unpack('\199\1\1')
cmsgpack.unpack('\196\1a')
""".strip().splitlines()


def test_every_expression_gives_what_the_real_servers_give(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(map(protected, EXPRESSIONS)) == []


SCRIPTS = (
    "return cmsgpack.pack(1,-1,127,128,255,256,65535,65536,4294967295,4294967296,2^53,2^63,-2^63)",
    "return cmsgpack.pack(-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-4294967296,-4294967297)",
    "return cmsgpack.pack('',('x'):rep(31),('x'):rep(32))",
    "return {#cmsgpack.pack(('x'):rep(256)),#cmsgpack.pack(('x'):rep(65536))}",
    "return {cmsgpack.unpack(cmsgpack.pack(('x'):rep(70000), {1, {2, {3}}}))}",
    "return {cmsgpack._NAME, cmsgpack._VERSION, cmsgpack._COPYRIGHT, cmsgpack._DESCRIPTION}",
)


def test_every_size_has_its_own_form(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(SCRIPTS) == []


# One NaN: Lua code cannot make one with a given payload.
FLOATS = st.floats(allow_nan=False) | st.just(math.nan)


def _shallow(value: Any) -> st.SearchStrategy[Any]:
    return st.lists(value, max_size=5) | st.lists(value, min_size=16, max_size=20)


@given(
    values=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | st.binary(max_size=40),
            _shallow,
            max_leaves=20,
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_values_come_back_as_they_do_there(peers: ScriptPeers, values: list[Any]) -> None:
    packed = b"".join(map(pack, values))
    scripts = ("return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))", "return {cmsgpack.unpack(ARGV[1])}")
    assert peers.disagreements_of_scripts(scripts, 0, packed) == []


@given(data=st.binary(max_size=24))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_bytes_are_read_or_refused_as_they_are_there(peers: ScriptPeers, data: bytes) -> None:
    scripts = (
        "return cmsgpack.pack(pcall(cmsgpack.unpack, ARGV[1]))",
        "return cmsgpack.pack(pcall(cmsgpack.unpack_limit, ARGV[1], 2, 1))",
        "return cmsgpack.pack(cmsgpack.unpack_one(ARGV[1]))",
    )
    assert peers.disagreements_of_scripts(scripts, 0, data) == []


def pack(value: Any) -> bytes:
    """A value in MessagePack, in the longest forms, which the libraries never write themselves."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value) if value < 2**63 else b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return b"\xdb" + struct.pack(">I", len(value)) + value
    return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))
