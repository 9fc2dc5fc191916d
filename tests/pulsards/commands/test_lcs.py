from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

_OPTIONS = [
    "",
    "LEN",
    "IDX",
    "idx withmatchlen",
    "IDX MINMATCHLEN 2",
    "IDX MINMATCHLEN -5 WITHMATCHLEN",
    "IDX MINMATCHLEN 99",
    "WITHMATCHLEN",
    "LEN MINMATCHLEN 1",
]
_BAD_OPTIONS = ["IDX LEN", "FOO", "MINMATCHLEN", "IDX MINMATCHLEN x", "LEN IDX FOO"]


@pytest.mark.parametrize("options", [*_OPTIONS, *_BAD_OPTIONS])
def test_options(peers: Differential, options: str) -> None:
    peers.check(["SET a ohmytext", "SET b mynewtext", "APPEND c x", "RPUSH list x", ("SET", "empty", "")])
    for keys in ("a b", "b a", "a a", "a c", "a no", "no a", "no no", "a empty", "a list", "list no"):
        peers.check([f"LCS {keys} {options}".rstrip()])


@given(
    first=st.text("abc", max_size=40).map(str.encode) | st.binary(max_size=20),
    second=st.text("abc", max_size=40).map(str.encode) | st.binary(max_size=20),
)
def test_the_same_of_all_the_longest(lasting_peers: Differential, first: bytes, second: bytes) -> None:
    lasting_peers.check([("SET", "a", first), ("SET", "b", second), "LCS a b", "LCS a b IDX WITHMATCHLEN"])


def test_long_strings(peers: Differential) -> None:
    peers.check(
        [("SET", "a", "abcdefghij" * 300), ("SET", "b", "jihgfedcba" * 250), "LCS a b", "LCS b a LEN"]
    )


def test_no_more_memory_than_redis_would_take() -> None:
    client = EngineClient(proto_max_bulk_len="1mb")
    client.execute("MSET", "a", "x" * 1000, "b", "y" * 300)
    client.execute("APPEND", "b", "x")
    assert client.execute("LCS", "a", "no", "LEN") == 0
    assert client.execute("LCS", "a", "b") == (
        "error",
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
    )
