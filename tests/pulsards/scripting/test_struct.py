"""The library `struct` beside that of the real servers."""

from __future__ import annotations

import math
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pulsards.scripting.script_peers import ScriptPeers, protected

EXPRESSIONS = r"""
struct.pack('i16',1)
struct.pack('i32',-2)
struct.pack('i64',1)
struct.pack('i3',1)
struct.pack('i0',1)
struct.size('i')
struct.size('s')
struct.size('c0')
struct.size('c5')
struct.size('!8bd')
struct.size('!bd')
struct.size('!3bd')
struct.size('!16bd')
struct.size('y')
struct.size()
struct.pack()
struct.pack('b')
struct.pack('b','x')
struct.pack('b','12')
struct.pack('c5','abc')
struct.pack('c3','abcdef')
struct.pack('c0','abcdef')
struct.pack('s','abc')
struct.pack('s','a\0c')
struct.pack('f',1e300)
struct.pack('f',1.5)
struct.pack('>d',1.5)
struct.pack('d',0/0)
struct.pack('>d',1/0)
struct.pack('>f',0/0)
struct.pack('>I',4294967295)
struct.pack('>i',-1)
struct.pack('>l',2^63)
struct.pack('>L',2^64)
struct.pack('>l',1e300)
struct.pack('>l',-1e300)
struct.pack('>h',70000)
struct.pack('>h',1.9)
struct.pack('>h',-1.9)
struct.pack('>L',2^53+2)
struct.pack('>L',0/0)
struct.unpack('i','abc')
struct.unpack('i4','abcd')
struct.unpack('>i4','\255\255\255\254')
struct.unpack('>I4','\255\255\255\254')
struct.unpack('>i8','\255\255\255\255\255\255\255\254')
struct.unpack('>I8','\255\255\255\255\255\255\255\254')
struct.unpack('>i16','\0\1\2\3\4\5\6\7\8\9\1\2\3\4\5\6')
struct.unpack('b','abc',2)
struct.unpack('b','abc',4)
struct.unpack('b','abc',0)
struct.unpack('b','abc',-1)
struct.unpack('bc0','\3abcdef')
struct.unpack('c0','abc')
struct.unpack('bc0','\9abcdef')
struct.unpack('s','abc\0def')
struct.unpack('s','abc')
struct.unpack('c2x c1','abcd')
struct.unpack('d','12345678')
struct.unpack('<f','\0\0\192\63')
struct.unpack('>f','\127\192\0\0')
struct.unpack('>f','\255\192\0\0')
struct.unpack('>d','\0\0\0\0\0\0\0\1')
struct.unpack('!4 b i','\1\0\0\0\2\0\0\0')
struct.unpack('c99999999999999999999','a')
struct.pack('c99999999999','a')
struct.size('c2147483647c2147483647')
struct.size('c99999999999')
struct.pack('ii',1)
struct.pack('<>!x b',1)
struct.unpack('x','')
struct.unpack('','')
struct.pack('')
struct.unpack(1,1)
struct.pack('%',1)
struct.unpack('c0c0','')
struct.unpack('ic0','\255\255\255\255aa')
struct.unpack('b','abc','x')
struct.unpack('b','abc',1.9)
struct.unpack('dc0','\0\0\0\0\0\0\240\63abc')
struct.unpack(('b'):rep(9000),('x'):rep(9000))
select('#',struct.unpack(('b'):rep(7900),('x'):rep(9000)))
struct.pack('T',5)
struct.size('T')
struct.pack('t',5)
struct.pack('!8 b i3 b',1,2,3)
struct.pack('!4 b l',1,2)
struct.pack('!2 b i',1,2)
struct.unpack('!8 b i3 b','123456789')
struct.unpack('i16','1234567890123456')
struct.unpack('>I16','\1\1\1\1\1\1\1\1\2\2\2\2\2\2\2\2')
struct.unpack('i0','')
struct.pack('b',200)
struct.pack('s',12)
struct.pack('c3',123)
struct.pack('b',true)
struct.pack('c3')
struct.pack('bs',1)
struct.unpack('c1c0','3abcdef')
struct.pack('i33',1)
struct.pack('!0b',1)
struct.pack('!64b',1)
struct.pack('b\0b',1)
struct.unpack('b','a',2^53)
""".strip().splitlines()


def test_every_expression_gives_what_the_real_servers_give(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(map(protected, EXPRESSIONS)) == []


# One NaN: Lua code cannot make one with a given payload.
FLOATS = st.floats(allow_nan=False) | st.just(math.nan)
OPTIONS = st.sampled_from(
    [
        "b",
        "B",
        "h",
        "H",
        "l",
        "L",
        "i",
        "I",
        "T",
        "i1",
        "I2",
        "i3",
        "I7",
        "i8",
        "I16",
        "f",
        "d",
        "x",
        "s",
        "c0",
        "c1",
        "c3",
        "c9",
        " ",
        "<",
        ">",
        "!",
        "!1",
        "!2",
        "!4",
        "!8",
        "!16",
        "!3",
        "y",
        "c",
        "i33",
    ]
)
NUMBERS = st.integers(-(2**64), 2**65) | FLOATS


@given(
    options=st.lists(OPTIONS, max_size=6),
    numbers=st.lists(NUMBERS, max_size=6),
    texts=st.lists(st.binary(max_size=10), max_size=3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_format_packs_as_it_does_there(
    peers: ScriptPeers, options: list[str], numbers: list[float], texts: list[bytes]
) -> None:
    # Numbers go in as eight bytes each, or they would be rounded on the way.
    script = """
    local numbers, texts, all = {struct.unpack(('>d'):rep(tonumber(ARGV[2])), ARGV[3])}, {unpack(ARGV, 4)}, {}
    for option in ARGV[1]:gmatch('[%a]%d*') do
      all[#all + 1] = option:find('^[cs]') and (texts[1] or '') or table.remove(numbers, 1) or '7'
      if option:find('^[cs]') then table.remove(texts, 1) end
    end
    return struct.pack(ARGV[1], unpack(all))
    """
    doubles = b"".join(_double(number) for number in numbers)
    arguments = (0, "".join(options), len(numbers), doubles, *texts)
    assert peers.disagreements_of_scripts((script,), *arguments) == []


@given(options=st.lists(OPTIONS, max_size=6), data=st.binary(max_size=60), offset=st.integers(-2, 12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_bytes_unpack_as_they_do_there(
    peers: ScriptPeers, options: list[str], data: bytes, offset: int
) -> None:
    script = """
    local r = {struct.unpack(ARGV[1], ARGV[2], tonumber(ARGV[3]))}
    for i, v in ipairs(r) do r[i] = type(v) == 'number' and ('%.17g'):format(v) or v end
    return r
    """
    commands = ((script), "return struct.size(ARGV[1])")
    assert peers.disagreements_of_scripts(commands, 0, "".join(options), data, offset) == []


def _double(number: float) -> bytes:
    return struct.pack(">d", number)
