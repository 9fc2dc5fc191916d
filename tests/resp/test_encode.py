"""The server's replies, read back by a client's parser."""

from __future__ import annotations

import math
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.resp.encode import encode_reply
from anystore.resp.types import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    AttributedReply,
    BigNumber,
    ErrorReply,
    MapReply,
    PushReply,
    SetReply,
    SimpleString,
    StringsReply,
    VerbatimString,
)

scalars = st.none() | st.binary(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.booleans()
replies = st.recursive(
    scalars | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def read_back(data: bytes) -> Any:
    reader = hiredis.Reader(notEnoughData=NotImplemented)
    reader.feed(data)
    reply = reader.gets()
    assert reader.gets() is NotImplemented
    return reply


class TestRoundTrip:
    @given(replies)
    def test_resp3_keeps_values_and_types(self, value: Any) -> None:
        assert read_back(encode_reply(value, 3)) == value

    @given(st.lists(scalars, max_size=5))
    def test_resp2_arrays(self, items: list[Any]) -> None:
        expected = [int(item) if isinstance(item, bool) else item for item in items]
        assert read_back(encode_reply(items, 2)) == expected

    @given(st.floats(allow_nan=False))
    def test_doubles_read_back_the_same(self, value: float) -> None:
        assert read_back(encode_reply(value, 3)) == value
        assert float(read_back(encode_reply(value, 2))) == value


@pytest.mark.parametrize(
    ("value", "resp2", "resp3"),
    [
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (SimpleString(b"RESET"), b"+RESET\r\n", b"+RESET\r\n"),
        (5, b":5\r\n", b":5\r\n"),
        (-5, b":-5\r\n", b":-5\r\n"),
        (5000, b":5000\r\n", b":5000\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (3.0, b"$1\r\n3\r\n", b",3\r\n"),
        (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
        (-math.inf, b"$4\r\n-inf\r\n", b",-inf\r\n"),
        (bytearray(b"ab"), b"$2\r\nab\r\n", b"$2\r\nab\r\n"),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        (MapReply([(1, 2), (1, 3)]), b"*4\r\n:1\r\n:2\r\n:1\r\n:3\r\n", b"%2\r\n:1\r\n:2\r\n:1\r\n:3\r\n"),
        (StringsReply([]), b"*0\r\n", b"*0\r\n"),
        (StringsReply([b"a", b"bc"]), b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n", b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n"),
        (
            [StringsReply([b"a"]), StringsReply()],
            b"*2\r\n*1\r\n$1\r\na\r\n*0\r\n",
            b"*2\r\n*1\r\n$1\r\na\r\n*0\r\n",
        ),
        (
            StringsReply([b"a", b"", b"b"]),
            b"*3\r\n$1\r\na\r\n$0\r\n\r\n$1\r\nb\r\n",
            b"*3\r\n$1\r\na\r\n$0\r\n\r\n$1\r\nb\r\n",
        ),
        (SetReply([b"a"]), b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        (frozenset([1]), b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
        (PushReply([b"a"]), b"*1\r\n$1\r\na\r\n", b">1\r\n$1\r\na\r\n"),
        (VerbatimString(b"ab"), b"$2\r\nab\r\n", b"=6\r\ntxt:ab\r\n"),
        (AttributedReply({b"a": [1]}, b"b"), b"$1\r\nb\r\n", b"|1\r\n$1\r\na\r\n*1\r\n:1\r\n$1\r\nb\r\n"),
        (
            BigNumber(b"99999999999999999999"),
            b"$20\r\n99999999999999999999\r\n",
            b"(99999999999999999999\r\n",
        ),
        (ErrorReply(b"ERR a\r\nb"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
        ([None, [NULL_ARRAY]], b"*2\r\n$-1\r\n*1\r\n*-1\r\n", b"*2\r\n_\r\n*1\r\n_\r\n"),
        ((1, b"a"), b"*2\r\n:1\r\n$1\r\na\r\n", b"*2\r\n:1\r\n$1\r\na\r\n"),
        (NO_REPLY, b"", b""),
    ],
)
def test_every_type(value: Any, resp2: bytes, resp3: bytes) -> None:
    assert encode_reply(value, 2) == resp2
    assert encode_reply(value, 3) == resp3
