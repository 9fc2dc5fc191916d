from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.resp.pack import encode_arguments, pack_command
from anystore.resp.requests import RequestParser


class Colour(str, Enum):  # noqa: UP042 - StrEnum is another type, whose str() is its value
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Name(bytes):
    pass


class Ratio(float):
    pass


ARGUMENTS = st.one_of(
    st.binary(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(),
    st.floats(),
    st.binary().map(bytearray),
    st.binary().map(memoryview),
)


def sent(argument: Any) -> bytes:
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, float):
        return repr(argument).encode()
    if isinstance(argument, int):
        return str(argument).encode()
    return bytes(argument)


class TestPackCommand:
    @given(st.lists(ARGUMENTS, min_size=1))
    def test_the_server_reads_what_the_client_meant(self, arguments: list[Any]) -> None:
        parser = RequestParser()
        assert parser.feed(pack_command(arguments)) == [[sent(argument) for argument in arguments]]

    @given(st.lists(ARGUMENTS, min_size=1))
    def test_encoded_arguments_are_the_same_bytes(self, arguments: list[Any]) -> None:
        assert pack_command(encode_arguments(arguments)) == pack_command(arguments)

    @pytest.mark.parametrize(
        ("argument", "expected"),
        [
            (1.5, b"1.5"),
            (5.0, b"5.0"),
            (1e100, b"1e+100"),
            (float("inf"), b"inf"),
            (-(10**30), b"-1" + b"0" * 30),
            (Colour.RED, b"red"),
            (Level.HIGH, b"3"),
            (Name(b"x"), b"x"),
            ("é", "é".encode()),
            (bytearray(b"ab"), b"ab"),
            (memoryview(b"abcdef")[2:4], b"cd"),
            (memoryview(b"abcdef")[::2], b"ace"),
            (memoryview(b"abcd").cast("H"), b"abcd"),
        ],
    )
    def test_values(self, argument: Any, expected: bytes) -> None:
        assert pack_command(("X", argument)) == b"*2\r\n$1\r\nX\r\n$%d\r\n%b\r\n" % (len(expected), expected)
        assert encode_arguments([argument]) == [expected]

    def test_unusual_types_together(self) -> None:
        arguments = [
            "X",
            Colour.RED,
            Level.HIGH,
            Name(b"x"),
            Ratio(1.5),
            bytearray(b"y"),
            memoryview(b"abc")[::-1],
        ]
        assert pack_command(arguments).split(b"\r\n")[2::2] == [
            b"X",
            b"red",
            b"3",
            b"x",
            b"1.5",
            b"y",
            b"cba",
        ]

    @pytest.mark.parametrize("argument", [None, True, False])
    def test_what_redis_has_no_form_for_is_refused(self, argument: Any) -> None:
        with pytest.raises(
            TypeError, match=rf"argument 2 of SET is {argument}: convert it to bytes, str, int or float"
        ):
            pack_command(("SET", "key", argument))

    def test_other_types_are_refused_by_name(self) -> None:
        with pytest.raises(TypeError, match="argument 1 of GET is of type list"):
            pack_command((b"GET", [1]))
        with pytest.raises(TypeError, match="the command's name is of type dict"):
            pack_command(({},))

    def test_a_value_is_not_quoted_in_the_error(self) -> None:
        with pytest.raises(TypeError) as caught:
            pack_command(("AUTH", ["secret"]))
        assert "secret" not in str(caught.value)

    def test_other_encodings(self) -> None:
        assert encode_arguments(["é", b"\xe9", 1], "latin-1") == [b"\xe9", b"\xe9", b"1"]
        with pytest.raises(UnicodeEncodeError):
            encode_arguments(["é"], "ascii")
        assert encode_arguments(["é"], "ascii", "replace") == [b"?"]
