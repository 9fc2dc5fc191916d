from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.commands.hyperloglog import check_counts
from anystore.pulsards.errors import CommandError
from tests.pulsards.commands.sequences import sequences
from tests.pulsards.differential import Command, Differential
from tests.pulsards.peers import EngineClient

_EMPTY = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80\x7f\xff"


class TestAdding:
    def test_the_bytes_are_those_of_redis(self, peers: Differential) -> None:
        """From the first element until the value is dense, and beyond."""
        number = 0
        for size in [*[1] * 30, *[3] * 30, *[10] * 50, *[40] * 50, *[300] * 3]:
            elements = [f"e{number + place}" for place in range(size)]
            number += size
            peers.check([("PFADD", "h", *elements), "GET h", "PFDEBUG ENCODING h"])
        peers.check(
            ["PFCOUNT h", "GET h", "PFADD h e1 e2 e3", "PFADD h e1", "STRLEN h", "PFADD h new", "PFCOUNT h"]
        )

    @pytest.mark.parametrize("limit", [0, 16, 18, 19, 25, 100, 1000, 15000])
    def test_how_long_a_sparse_value_may_be(self, peers: Differential, limit: int) -> None:
        peers.check([f"CONFIG SET hll-sparse-max-bytes {limit}"])
        try:
            for start in range(0, 3000, 100):
                peers.check([("PFADD", "h", *range(start, start + 100)), "GET h"])
            peers.check(["DEL h", "PFADD h", "GET h", "PFADD h a", "GET h", "PFADD h b c", "GET h"])
        finally:
            peers.check(["CONFIG SET hll-sparse-max-bytes 3000"])

    @pytest.mark.parametrize("seed", range(5))
    def test_runs_that_are_joined(self, peers: Differential, seed: int) -> None:
        """Values made so that elements fall where there is something already, or beside it."""
        chance = random.Random(seed)
        for _ in range(40):
            peers.check(
                [
                    ("SET", "h", _random_value(chance)),
                    ("PFADD", "h", *(f"{chance.random()}" for _ in range(3))),
                ]
            )
            peers.check(["GET h", "PFCOUNT h", "GET h", "PFDEBUG DECODE h"])

    def test_elements(self, peers: Differential) -> None:
        elements = [bytes(range(size)) for size in range(20)] + [b"", b"\x00", b"\xff" * 100, b"x" * 5000]
        for element in elements:
            peers.check([("PFADD", "h", element), "GET h"])

    def test_nothing(self, peers: Differential) -> None:
        peers.check(
            [
                "PFADD h",
                "GET h",
                "PFADD h",
                "PFCOUNT h",
                "GET h",
                "PFCOUNT no",
                "PFADD",
                "PFCOUNT",
                "EXISTS no",
            ]
        )
        assert peers.engine.execute("PFADD", "n") == 1
        assert peers.engine.execute("GET", "n") == _EMPTY

    def test_other_values(self, peers: Differential) -> None:
        peers.check(
            ["RPUSH l a", "SET s text", "SET n 12345678901234567890", "SET e 5", ("SET", "m", b"HYLL")]
        )
        for key in ("l", "s", "n", "e", "m"):
            peers.check(
                [f"PFADD {key} a", f"PFADD {key}", f"PFCOUNT {key}", f"PFCOUNT h {key}", f"PFMERGE d {key}"]
            )
            peers.check([f"PFMERGE {key} h", f"PFDEBUG GETREG {key}", f"PFDEBUG ENCODING {key}", "EXISTS d"])
        peers.check_state()

    def test_the_time_to_live_goes_on(self, peers: Differential) -> None:
        peers.check(
            ["PFADD h a", "EXPIRE h 100", "PFADD h b", "TTL h", "PFCOUNT h", "TTL h", "PFMERGE h h", "TTL h"]
        )
        peers.check(["PFDEBUG TODENSE h", "TTL h"])

    def test_events(self, peers: Differential) -> None:
        peers.events(
            [
                "PFADD h",
                "PFADD h a",
                "PFADD h a",
                "PFCOUNT h",
                "PFCOUNT h",
                "PFMERGE d h",
                "PFMERGE d",
                "PFMERGE d d",
            ]
        )
        peers.events(["PFDEBUG TODENSE h", "PFADD h b", "PFCOUNT no", "PFCOUNT no h", "PFMERGE e no"])

    @pytest.mark.parametrize(
        "command", ["PFADD h a", "PFADD h b", "PFCOUNT h", "PFCOUNT h h", "PFMERGE h", "PFMERGE d h"]
    )
    def test_what_counts_as_a_change(self, peers: Differential, command: str) -> None:
        peers.check(
            [
                "PFADD h a",
                "WATCH h",
                command,
                "MULTI",
                "PING",
                "EXEC",
                "WATCH h",
                "PFCOUNT h",
                "MULTI",
                "PING",
                "EXEC",
            ]
        )

    def test_encodings(self, peers: Differential) -> None:
        commands = [
            "PFADD h a",
            "OBJECT ENCODING h",
            "PFCOUNT h",
            "OBJECT ENCODING h",
            "COPY h c",
            "PFADD c b",
            "GET h",
            "GET c",
        ]
        peers.check([*commands, "TYPE h", "APPEND c x", "PFCOUNT c", "SETRANGE h 0 X", "PFCOUNT h"])


class TestCounting:
    @pytest.mark.parametrize("size", [1, 2, 10, 100, 999, 1000, 3000, 20_000, 100_000])
    def test_counts(self, peers: Differential, size: int) -> None:
        for start in range(0, size, 5000):
            peers.check([("PFADD", "h", *range(start, min(size, start + 5000)))])
        peers.check(["PFCOUNT h", "PFCOUNT h no", "GET h"])

    def test_unions(self, peers: Differential) -> None:
        peers.check(
            [("PFADD", "a", *range(100)), ("PFADD", "b", *range(50, 300)), ("PFADD", "c", *range(10_000))]
        )
        peers.check(
            ["PFCOUNT a b", "PFCOUNT a b c", "PFCOUNT c b a no", "PFCOUNT a a", "GET a", "GET b", "GET c"]
        )

    def test_the_count_that_a_value_carries(self, peers: Differential) -> None:
        value = b"HYLL\x01\x00\x00\x00" + (12345).to_bytes(8, "little") + b"\x7f\xff"
        peers.check([("SET", "h", value), "PFCOUNT h", "PFCOUNT h no", "PFADD h a", "PFCOUNT h"])
        huge = b"HYLL\x01\x00\x00\x00" + b"\xff" * 7 + b"\x7f" + b"\x7f\xff"
        peers.check(
            [("SET", "h", huge), "PFCOUNT h", ("SET", "h", huge[:15] + b"\xff" + huge[16:]), "PFCOUNT h"]
        )


class TestMerging:
    @pytest.mark.parametrize(
        "sizes", [(10, 10), (300, 700), (1000, 1200), (5, 5000), (5000, 5), (0, 10), (2000, 1)]
    )
    def test_two(self, peers: Differential, sizes: tuple[int, int]) -> None:
        for key, size in zip("ab", sizes, strict=True):
            peers.check([("PFADD", key, *(f"{key}{number}" for number in range(size)))])
        peers.check(
            [
                "PFMERGE d a b",
                "GET d",
                "PFCOUNT d",
                "PFMERGE a b",
                "GET a",
                "PFMERGE b b",
                "GET b",
                "PFMERGE d d a",
            ]
        )
        peers.check(["GET d", "PFDEBUG ENCODING d", "PFMERGE e", "GET e", "PFMERGE f no", "GET f", "PFMERGE"])

    @pytest.mark.parametrize("seed", range(8))
    def test_values_with_long_runs(self, peers: Differential, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            peers.check(
                [
                    ("SET", "a", _random_value(chance)),
                    ("SET", "b", _random_value(chance)),
                    "PFMERGE a b",
                    "GET a",
                ]
            )

    def test_errors_change_nothing(self, peers: Differential) -> None:
        peers.check(
            [
                "PFADD a x",
                "SET s text",
                "PFMERGE a s",
                "PFMERGE s a",
                "PFMERGE new a s",
                "EXISTS new",
                "GET a",
            ]
        )


class TestLookingInside:
    def test_registers(self, peers: Differential) -> None:
        peers.check(
            [
                "PFADD h a b c",
                "PFDEBUG DECODE h",
                "PFDEBUG ENCODING h",
                "PFDEBUG GETREG h",
                "PFDEBUG ENCODING h",
            ]
        )
        peers.check(
            ["GET h", "PFDEBUG DECODE h", "PFDEBUG TODENSE h", "PFDEBUG GETREG h", "PFADD h d", "GET h"]
        )
        peers.check(["PFADD i a", "PFDEBUG TODENSE i", "PFDEBUG todense i", "GET i"])

    def test_arguments(self, peers: Differential) -> None:
        peers.check(
            [
                "PFADD h a",
                "PFDEBUG FOO h",
                "PFDEBUG FOO no",
                "PFDEBUG GETREG no",
                "PFDEBUG ENCODING",
                "PFDEBUG",
            ]
        )
        peers.check(["PFDEBUG getreg", "PFSELFTEST x"])

    def test_the_self_test(self) -> None:
        assert EngineClient().execute("PFSELFTEST") == b"OK"
        with pytest.raises(CommandError, match=r"TESTFAILED Too big error\. card:1 is 99"):
            check_counts(lambda registers: 99, 3000)
        counts = iter(range(99))
        with pytest.raises(CommandError, match="TESTFAILED dense/sparse disagree"):
            check_counts(lambda registers: next(counts), 3000)


def _random_value(chance: random.Random) -> bytes:
    """A sparse value of short and long runs in no sensible order."""
    left = 16384
    runs = bytearray()
    short = chance.random()
    while left:
        if chance.random() < 0.5:
            size = min(chance.randint(1, 4), left)
            runs.append(0x80 | chance.choice([0, 0, 1, 2, 31]) << 2 | size - 1)
        elif chance.random() < short:
            size = min(chance.choice([1, 2, 10, 64]), left)
            runs.append(size - 1)
        else:
            size = min(chance.choice([1, 65, 300, 2000]), left)
            runs += bytes((0x40 | size - 1 >> 8, size - 1 & 255))
        left -= size
        if len(runs) > 2500:
            runs += bytes((0x40 | left - 1 >> 8, left - 1 & 255)) if left else b""
            break
    return b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80" + bytes(runs)


def _corrupt_values() -> Iterator[tuple[str, bytes]]:
    head = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80"
    yield "no registers", head
    yield "too few", head + b"\x7f\xfe"
    yield "too many", head + b"\x7f\xff\x00"
    yield "ends in a run", head + b"\x7f\xfe\x40"
    yield "values beyond the end", head + b"\x7f\xfe\x83"
    yield "half", head + b"\x60\x00"
    yield "dense and too short", b"HYLL\x00" + bytes(12300 - 2)
    yield "dense and too long", b"HYLL\x00" + bytes(12300)
    yield "unknown form", b"HYLL\x02" + bytes(11) + b"\x7f\xff"
    yield "another magic", b"HYLM\x01" + bytes(11) + b"\x7f\xff"
    yield "short", b"HYLL\x01"


class TestHostileValues:
    @pytest.mark.parametrize(("what", "value"), list(_corrupt_values()))
    def test_they_are_refused(self, peers: Differential, what: str, value: bytes) -> None:
        peers.check(
            [
                ("SET", "h", value),
                "PFCOUNT h",
                "PFCOUNT h no",
                "PFMERGE d h",
                "PFMERGE h no",
                "PFDEBUG ENCODING h",
            ]
        )
        peers.check(
            [("SET", "h", value), "PFDEBUG DECODE h", "PFDEBUG TODENSE h", "PFDEBUG GETREG h", "EXISTS d"]
        )

    def test_elements_added_to_too_few_registers(self, peers: Differential) -> None:
        """Refused where the register is not there."""
        head = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80"
        for runs in (b"\x60\x00", b"\x40\x00", b"\x00" * 200, b"\xff" * 1000):
            for number in range(20):
                peers.check([("SET", "h", head + runs), f"PFADD h e{number}", "GET h"])

    @pytest.mark.parametrize("byte", [0x00, 0xFF, 0x55, 0xAA, 0x33, 0xCC])
    def test_registers_that_no_element_leads_to(self, peers: Differential, byte: int) -> None:
        value = b"HYLL\x00\x00\x00\x00" + bytes(7) + b"\x80" + bytes([byte]) * 12288
        peers.check(
            [("SET", "h", value), "PFCOUNT h", "GET h", "PFADD h a", "PFMERGE h no", "GET h", "PFCOUNT h no"]
        )

    @given(data=st.data())
    def test_any_bytes(self, lasting_peers: Differential, data: st.DataObject) -> None:
        runs = data.draw(st.binary(max_size=40))
        total = data.draw(st.booleans())
        value = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80" + (runs if total else runs + b"\x7f\xff")
        lasting_peers.check(
            [("SET", "h", value), "PFCOUNT h", "PFCOUNT h h", "PFMERGE d h", "PFDEBUG TODENSE h"]
        )


_KEYS = st.sampled_from(["h", "i", "j", "str", "list"])
_ELEMENTS = st.integers(0, 400).map(str)

_COMMANDS = sequences(
    ("PFADD", _KEYS, _ELEMENTS),
    ("PFADD", _KEYS, _ELEMENTS, _ELEMENTS, _ELEMENTS, _ELEMENTS, _ELEMENTS, _ELEMENTS),
    ("PFADD", _KEYS),
    ("PFCOUNT", _KEYS),
    ("PFCOUNT", _KEYS, _KEYS, _KEYS),
    ("PFMERGE", _KEYS, _KEYS),
    ("PFMERGE", _KEYS, _KEYS, _KEYS),
    ("PFDEBUG", "TODENSE", _KEYS),
    ("PFDEBUG", "ENCODING", _KEYS),
    ("GET", _KEYS),
    ("COPY", _KEYS, _KEYS),
    ("GETDEL", _KEYS),
)


class TestSequences:
    @given(commands=_COMMANDS)
    def test_any_commands_do_the_same(self, lasting_peers: Differential, commands: list[Command]) -> None:
        lasting_peers.check(["FLUSHALL", "SET str x", "RPUSH list x", *commands])
        lasting_peers.check_state()
