"""The library `bit` beside that of the real servers."""

from __future__ import annotations

import math
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pulsards.scripting.script_peers import ScriptPeers, protected

EXPRESSIONS = r"""
bit.band()
bit.band(1)
bit.band(7,3,2)
bit.band('x')
bit.band('7',3)
bit.bor(2^31,1)
bit.bxor(2^32,1)
bit.tobit(2^33+5)
bit.tobit(1.5)
bit.tobit(2.5)
bit.tobit(-1.5)
bit.tobit(2^52)
bit.tobit(2^53+2)
bit.tobit(1e300)
bit.tobit(0/0)
bit.tobit(1/0)
bit.bnot(0)
bit.lshift(1,31)
bit.lshift(1,32)
bit.lshift(1,-1)
bit.rshift(-1,1)
bit.rshift(-1,0)
bit.arshift(-8,1)
bit.arshift(8,33)
bit.rol(0x12345678,12)
bit.ror(0x12345678,12)
bit.rol(1,0)
bit.ror(1,32)
bit.bswap(0x12345678)
bit.tohex(255)
bit.tohex(255,4)
bit.tohex(255,-4)
bit.tohex(255,20)
bit.tohex(-1)
bit.tohex(255,0)
bit.tohex()
bit.lshift(1)
bit.lshift(1,'x')
bit.bnot()
bit.tohex(1,'x')
bit.tohex(1,nil)
bit.tobit(2^51+0.5)
bit.tobit(-2^51-3)
bit.tobit(2^54+4)
""".strip().splitlines()


def test_every_expression_gives_what_the_real_servers_give(peers: ScriptPeers) -> None:
    assert peers.disagreements_of_scripts(map(protected, EXPRESSIONS)) == []


# One NaN: Lua code cannot make one with a given payload.
FLOATS = st.floats(allow_nan=False) | st.just(math.nan)
CALLS = st.sampled_from(
    [
        "band(a, b, c)",
        "bor(a, b, c)",
        "bxor(a, b, c)",
        "bnot(a)",
        "tobit(a)",
        "bswap(a)",
        "tohex(a)",
        "tohex(a, b)",
        "band(a)",
        "lshift(a, b)",
        "rshift(a, b)",
        "arshift(a, b)",
        "rol(a, b)",
        "ror(a, b)",
    ]
)
NUMBERS = st.integers(-(2**33), 2**33) | st.integers(-40, 40) | st.integers(-(2**54), 2**54) | FLOATS


@given(call=CALLS, numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=500)
def test_any_operation_on_any_numbers_gives_what_it_gives_there(
    peers: ScriptPeers, call: str, numbers: tuple[float, float, float]
) -> None:
    script = f"local a, b, c = struct.unpack('>ddd', ARGV[1]) return bit.{call}"
    assert peers.disagreements_of_scripts((script,), 0, struct.pack(">ddd", *numbers)) == []
