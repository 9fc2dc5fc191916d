from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.context import ScriptContext
from tests.pulsards.commands.sequences import run_sequence, sequences
from tests.pulsards.differential import Differential
from tests.pulsards.peers import EngineClient

FILL = [
    "RPUSH numbers 3 10 1 2",
    "RPUSH letters b c a",
    "SADD set 3 1 2",
    "SADD words banana apple cherry",
    "ZADD zset 3 a 1 c 2 b",
    "MSET w_a 3 w_b 1 w_1 9 w_2 7 w_3 8",
    "HSET h_a f 3 g x",
    "HSET h_b f 1",
    "HSET h_c f 2 g z",
    "SET str x",
]


class TestOrder:
    @pytest.mark.parametrize("key", ["numbers", "letters", "set", "words", "zset", "no", "str", "h_a"])
    @pytest.mark.parametrize(
        "options",
        [
            *(
                "",
                "DESC",
                "ALPHA",
                "ALPHA DESC",
                "desc asc",
                "BY w_*",
                "BY w_* DESC",
                "BY h_*->f",
                "BY h_*",
                "by *",
            ),
            *("BY h_*->f desc LIMIT 1 1", "BY no_*", "BY no_* DESC", "BY h_*->none", "BY w_*->f"),
        ],
    )
    def test_options(self, peers: Differential, key: str, options: str) -> None:
        peers.check([*FILL, f"SORT {key} {options}".rstrip(), f"SORT_RO {key} {options}".rstrip()])

    @pytest.mark.parametrize("key", ["numbers", "letters", "no", "str"])
    @pytest.mark.parametrize(
        "options",
        [
            "BY w_* ALPHA",
            "BY w_* ALPHA DESC",
            "BY no_* ALPHA",
            "BY h_*-> ALPHA",
            "BY * ALPHA DESC",
            "BY w_* BY nosort",
        ],
    )
    def test_equals_stay_as_they_were(self, peers: Differential, key: str, options: str) -> None:
        # Of lists: the order in which sets are walked is another in each server.
        peers.check([*FILL, f"SORT {key} {options}"])

    @pytest.mark.parametrize("key", ["numbers", "zset", "no"])
    @pytest.mark.parametrize(
        "options", ["BY nosort", "BY nosort DESC", "BY nosort LIMIT 1 2", "BY x desc LIMIT 0 2"]
    )
    def test_as_it_is_kept(self, peers: Differential, key: str, options: str) -> None:
        peers.check([*FILL, f"SORT {key} {options}", f"SORT {key} {options} STORE out", "LRANGE out 0 -1"])

    @pytest.mark.parametrize(
        "options", ["BY nosort", "BY nosort DESC", "BY nosort LIMIT 1 1", "BY nosort ALPHA"]
    )
    def test_a_set_is_stored_in_order(self, peers: Differential, options: str) -> None:
        peers.check([*FILL, f"SORT words {options} STORE out", "LRANGE out 0 -1"])
        peers.check([f"SORT set {options} STORE out", "LRANGE out 0 -1", "SORT set BY nosort"])

    def test_a_script_gets_a_set_in_order(self) -> None:
        client = EngineClient()
        client.execute("SADD", "words", "banana", "apple", "cherry")
        engine = client.engine
        reply = engine.call(
            ScriptContext(client.session), engine.commands[b"sort"], [b"sort", b"words", b"by", b"x"]
        )
        assert reply == [b"apple", b"banana", b"cherry"]

    @pytest.mark.parametrize(
        "limit",
        [
            "0 2",
            "1 2",
            "-1 2",
            "0 0",
            "0 -5",
            "10 2",
            "3 1",
            "9223372036854775807 9223372036854775807",
            "1 99",
        ],
    )
    def test_limits(self, peers: Differential, limit: str) -> None:
        peers.check([*FILL, f"SORT numbers LIMIT {limit}", f"SORT letters BY w_* LIMIT {limit} DESC GET #"])
        peers.check(
            [f"SORT numbers BY nosort DESC LIMIT {limit}", f"SORT zset ALPHA LIMIT {limit} STORE out"]
        )
        peers.check_state(encodings=False)

    @pytest.mark.parametrize(
        "options",
        ["FOO", "BY", "GET", "STORE", "LIMIT", "LIMIT 1", "LIMIT x 2", "LIMIT 1 x", "ASC FOO", "LIMIT 0 1.5"],
    )
    def test_bad_options(self, peers: Differential, options: str) -> None:
        peers.check([*FILL, *(f"SORT {key} {options}" for key in ("numbers", "no", "str"))])
        peers.check(["SORT_RO numbers STORE out", "SORT_RO no STORE out", "SORT", "SORT_RO"])


class TestNumbers:
    @pytest.mark.parametrize(
        "text",
        ["x", "1 ", "nan", "1e400", "1_0", "0x", "--1", "1.5.5", "e5", "+", "infinit", "1e-400", " ", "1,5"],
    )
    def test_what_is_none(self, peers: Differential, text: str) -> None:
        peers.check([("RPUSH", "l", "1", text), "SORT l", "SORT l ALPHA", "SORT l STORE out", "EXISTS out"])

    def test_what_is_one(self, peers: Differential) -> None:
        texts = ["1.5", "1.25", "-3", "+7", ".5", "5.", "1e3", "-inf", "inf", "Infinity", "007"]
        # 7.0 goes by an errno that some number before may have left behind.
        peers.check([("RPUSH", "l", *texts), "SORT l", "SORT l DESC"], without=["redis"])

    def test_what_strtod_reads(self) -> None:
        # As Redis up to 7.4; Valkey has another parser by now.
        client = EngineClient()
        client.execute("RPUSH", "l", " 1", "0x10", "", "1e1", "0x1p3", b"5\x009", "\t-2")
        order = [b"\t-2", b"", b" 1", b"5\x009", b"0x1p3", b"1e1", b"0x10"]
        assert client.execute("SORT", "l") == order


class TestPatterns:
    @pytest.mark.parametrize(
        "patterns",
        [
            *(
                "GET #",
                "GET w_*",
                "GET w_* GET #",
                "GET h_*->f GET h_*->g",
                "GET nostar",
                "GET *",
                "GET h_*->none",
            ),
            *(
                "GET h_*",
                "GET w_*->f",
                "GET h_*->",
                "GET #x",
                "GET w_** GET str*",
                "get *_a",
                "GET ##",
                "GET *->f",
            ),
        ],
    )
    def test_lookups(self, peers: Differential, patterns: str) -> None:
        peers.check(
            [*FILL, "SET h_b-> here", "SET a_a y", f"SORT letters ALPHA {patterns}", f"SORT no {patterns}"]
        )
        peers.check([f"SORT letters ALPHA {patterns} STORE out", f"SORT no {patterns} STORE out2"])
        peers.check_state(encodings=False)

    def test_a_value_changed_in_place(self, peers: Differential) -> None:
        peers.check(
            ["RPUSH l a", "APPEND w_a x", "SORT l BY w_* ALPHA GET w_*", "SORT l BY nosort GET w_* STORE o"]
        )
        peers.check(["APPEND w_a y", "LRANGE o 0 -1"])


class TestStoring:
    def test_over_what_was_there(self, peers: Differential) -> None:
        peers.check([*FILL, "SET out x EX 1000", "SORT numbers STORE out", "SORT numbers STORE numbers"])
        peers.check(["SORT no STORE letters", "SORT no STORE no", "SORT numbers LIMIT 9 9 STORE str"])
        peers.check_state(encodings=False)

    def test_events(self, peers: Differential) -> None:
        peers.events([*FILL, "SORT numbers STORE out", "SORT numbers STORE out", "SORT no STORE out"])
        peers.events(["SORT no STORE out", "SORT no", "SORT letters BY q_* GET w_* ALPHA", "SORT str"])


_KEYS = st.sampled_from(["numbers", "letters", "zset", "set", "no", "str", "out"])
_PATTERNS = st.sampled_from(["w_*", "h_*->f", "h_*->g", "#", "*", "x"])
_BOUNDS = st.integers(-2, 5).map(str)
_ORDERS = st.sampled_from(["ASC", "desc"])

_COMMANDS = sequences(
    ("SORT", _KEYS, _ORDERS),
    ("SORT", _KEYS, "ALPHA", _ORDERS),
    ("SORT", _KEYS, "ALPHA", "LIMIT", _BOUNDS, _BOUNDS, "GET", _PATTERNS, "GET", _PATTERNS),
    ("SORT", _KEYS, "BY", st.sampled_from(["w_*", "h_*->f"]), _ORDERS, "LIMIT", _BOUNDS, _BOUNDS),
    ("SORT", _KEYS, "BY", "h_*->f", "GET", "#", "STORE", _KEYS),
    ("SORT", _KEYS, "ALPHA", "STORE", _KEYS),
    ("SORT", _KEYS, "BY", "nosort", _ORDERS, "LIMIT", _BOUNDS, _BOUNDS, "STORE", _KEYS),
    ("RPUSH", _KEYS, st.sampled_from(["1", "5", "a", "b"])),
    ("HSET", st.sampled_from(["h_a", "h_1", "h_2"]), "f", st.integers(0, 9).map(str)),
    ("SET", st.sampled_from(["w_a", "w_b", "w_1"]), st.integers(0, 9).map(str)),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Any]) -> None:
        # SORT leaves sorted sets behind in the larger encoding, an accident of its making.
        run_sequence(lasting_peers, FILL, commands, encodings=False)
