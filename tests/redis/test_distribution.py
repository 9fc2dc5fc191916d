"""Whose reply is it: entries of all kinds in a row, whatever comes for them, however it is cut."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from anystore.exceptions import ProtocolError, ResponseError
from anystore.redis.distribution import Distribution
from anystore.redis.entries import Bundle
from anystore.resp.replies import ReplyParser


class Told:
    """Tells what it is given, in the order of the telling."""

    def __init__(self, name: str, log: list[Any], done: bool = False) -> None:
        self.name = name
        self._log = log
        self._done = done

    def done(self) -> bool:
        return self._done

    def set_result(self, value: Any) -> None:
        assert not self._done
        self._done = True
        self._log.append((self.name, value))


class Case:
    """Entries `a`, `b` … in a row; `*` is one that was cancelled, `2` a bundle of two whose strings stay bytes."""

    def __init__(self, entries: str) -> None:
        self.log: list[Any] = []
        self.fifo: deque[Any] = deque()
        self.bundles: list[Bundle] = []
        self.parser = ReplyParser("utf-8")
        self.lost = False
        self.distribution = Distribution(
            self.fifo, [], self.parser, lambda push: self.log.append(list(push)), lambda: self.lost
        )
        for name in entries:
            if name == "2":
                bundle = Bundle(2, decode=False)
                bundle.waiter = Told(name, self.log)  # type: ignore[assignment]
                self.bundles.append(bundle)
                self.fifo.append(bundle)
            else:
                self.fifo.append(Told(name, self.log, done=name == "*"))

    def take(self, data: bytes) -> None:
        more = self.distribution.take(data)
        while more:
            more = self.distribution.give_out()


DATA = b"+1\r\n>1\r\n+new\r\n$-1\r\n*2\r\n:5\r\n:6\r\n+x\r\n+y\r\n-ERR no\r\n>1\r\n+more\r\n+gone\r\n:9\r\n"


@pytest.mark.parametrize("cut", range(len(DATA)))
def test_the_order_is_that_of_the_bytes_wherever_they_are_cut(cut: int) -> None:
    case = Case("abc2d*e")
    if cut:
        case.take(DATA[:cut])
    case.take(DATA[cut:])
    assert [entry for entry in case.log if entry[0] != "d"] == [
        ("a", "1"),
        ["new"],
        ("b", None),
        ("c", [5, 6]),
        ("2", None),
        ["more"],
        ("e", 9),
    ]
    assert case.bundles[0].replies == [b"x", b"y"]
    (refused,) = [value for name, value in [entry for entry in case.log if len(entry) == 2] if name == "d"]
    assert isinstance(refused, ResponseError)
    assert not case.fifo
    assert not case.parser.has_data


def test_what_cannot_be_decoded_is_the_reply_of_one() -> None:
    case = Case("abcd")
    case.take(b"+1\r\n$1\r\n\xff\r\n$1\r\n\xfe\r\n:4\r\n")
    first, second, third, last = case.log
    assert (first, last) == (("a", "1"), ("d", 4))
    assert [name for name, error in (second, third) if isinstance(error, UnicodeDecodeError)] == ["b", "c"]


def test_those_in_front_of_what_is_not_resp_have_their_replies() -> None:
    case = Case("abcd")
    with pytest.raises(ProtocolError):
        case.take(b":1\r\n:2\r\n!what\r\n:4\r\n")
    assert case.log == [("a", 1), ("b", 2)]
    assert [entry.name for entry in case.fifo] == ["c", "d"]


def test_a_map_that_hiredis_cannot_make_does_not_disturb_its_neighbours() -> None:
    case = Case("abcd")
    case.take(b":1\r\n%1\r\n*1\r\n:2\r\n:3\r\n:4\r\n+5\r\n")
    assert [case.log[0], *case.log[2:]] == [("a", 1), ("c", 4), ("d", "5")]


def test_after_a_message_that_closed_the_connection_nobody_gets_anything() -> None:
    case = Case("abc")
    case.distribution._on_push = lambda push: setattr(case, "lost", True)
    assert not case.distribution.take(b":1\r\n>1\r\n:0\r\n:2\r\n:3\r\n")
    assert case.log == [("a", 1)]
