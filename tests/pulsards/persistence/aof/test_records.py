"""Records: read in pieces of any size, cut at every byte, damaged anywhere."""

from __future__ import annotations

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.aof.records import AofError, RecordReader

COMMANDS = [
    [b"SELECT", b"0"],
    [b"SET", b"key", b"value"],
    [b"MULTI"],
    [b"SET", b"", b"\r\n*1\r\n$4\r\nPING"],
    [b"RPUSH", b"list", *(b"%d" % number for number in range(12))],
    [b"EXEC"],
]


def packed(*commands: list[bytes]) -> bytes:
    return b"".join(hiredis.pack_command(tuple(command)) for command in commands)


#: A command whose value is what a log is made of.
HOLDS_RECORDS = [b"SET", b"backup", b"\r\n" + packed(*COMMANDS)]


def read(pieces: list[bytes]) -> tuple[list[list[bytes]], int, bool]:
    """The commands, where the last one ends, and whether something is cut behind it."""
    reader = RecordReader()
    records = [record for piece in pieces for record in reader.feed(piece)]
    last, cut = reader.finish()
    records += last
    ends = [end for end, _ in records]
    assert ends == sorted(ends)
    return [command for _, command in records], reader.offset, cut


def fault_or_end(pieces: list[bytes]) -> int:
    """How far a file can be read."""
    try:
        return read(pieces)[1]
    except AofError as error:
        return error.offset


def at_every(size: int, data: bytes) -> list[bytes]:
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


class TestWhole:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
    def test_in_pieces(self, size: int) -> None:
        data = packed(*COMMANDS)
        assert read(at_every(size, data)) == (COMMANDS, len(data), False)

    def test_each_ends_where_it_ends(self) -> None:
        reader = RecordReader(100)
        ends = [end for end, _ in reader.feed(packed(*COMMANDS))]
        assert ends == [100 + len(packed(*COMMANDS[: count + 1])) for count in range(len(COMMANDS))]

    @pytest.mark.parametrize("size", [1, 5, 10_000])
    def test_annotations(self, size: int) -> None:
        data = (
            b"#TS:1700000000\r\n" + packed(COMMANDS[0]) + b"#other\n#TS:1700000001\r\n" + packed(COMMANDS[1])
        )
        assert read(at_every(size, data)) == (COMMANDS[:2], len(data), False)
        reader = RecordReader()
        reader.feed(data)
        assert reader.timestamp == 1700000001

    def test_lengths_written_otherwise(self) -> None:
        data = b"*2\r\n$03\r\nGET\r\n$001\r\nk\r\n"
        assert read([data]) == ([[b"GET", b"k"]], len(data), False)

    @given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=5), max_size=8), st.integers(1, 60))
    def test_any_commands(self, commands: list[list[bytes]], size: int) -> None:
        data = packed(*commands)
        assert read(at_every(size, data)) == (commands, len(data), False)

    def test_a_long_record_in_many_pieces_is_not_read_again_and_again(self) -> None:
        command = [b"RPUSH", b"k", *(b"%d" % number for number in range(200_000))]
        looks = 0

        class Counting(RecordReader):
            def _record(self, position: int) -> tuple[int, list[bytes] | None]:
                nonlocal looks
                looks += 1
                return super()._record(position)

        reader = Counting()
        records = [
            record for piece in at_every(16384, packed(command, [b"PING"])) for record in reader.feed(piece)
        ]
        records += reader.finish()[0]
        assert [record for _, record in records] == [command, [b"PING"]]
        assert looks < 100


class TestCut:
    @pytest.mark.parametrize("size", [1, 10_000])
    def test_at_every_byte(self, size: int) -> None:
        data = packed(*COMMANDS)
        ends = [len(packed(*COMMANDS[:count])) for count in range(len(COMMANDS) + 1)]
        for length in range(len(data) + 1):
            whole = max(end for end in ends if end <= length)
            commands, offset, cut = read(at_every(size, data[:length]))
            assert (offset, cut) == (whole, whole != length)
            assert commands == COMMANDS[: ends.index(whole)]

    @pytest.mark.parametrize("size", [1, 10_000])
    def test_at_every_byte_of_a_value_that_holds_whole_records(self, size: int) -> None:
        whole, last = packed(*COMMANDS), packed(HOLDS_RECORDS)
        for length in range(1, len(last)):
            assert read(at_every(size, whole + last[:length])) == (COMMANDS, len(whole), True)

    def test_a_length_that_reaches_behind_the_end_is_a_cut_as_in_redis(self) -> None:
        whole = packed([b"SET", b"a", b"b"])
        data = whole + b"*2\r\n$3\r\nGET\r\n$900\r\nk\r\n" + packed(*COMMANDS)
        assert read([data]) == ([[b"SET", b"a", b"b"]], len(whole), True)

    @pytest.mark.parametrize("size", [1, 10_000])
    def test_zero_bytes_are_what_a_power_failure_leaves(self, size: int) -> None:
        whole = packed(*COMMANDS[:2])
        for kept in range(len(packed(COMMANDS[4])) + 1):
            data = whole + packed(COMMANDS[4])[:kept] + bytes(100)
            commands, _, cut = read(at_every(size, data))
            assert cut or kept == 0
            assert commands[:2] == COMMANDS[:2]

    @pytest.mark.parametrize("size", [1, 10_000])
    def test_zero_bytes_with_something_behind_them_are_damage(self, size: int) -> None:
        data = packed(COMMANDS[0]) + bytes(50) + packed(COMMANDS[1])
        with pytest.raises(AofError, match="byte 23") as damaged:
            read(at_every(size, data))
        assert damaged.value.offset == len(packed(COMMANDS[0]))


class TestDamaged:
    @pytest.mark.parametrize("size", [1, 6, 10_000])
    @pytest.mark.parametrize(
        ("record", "reason"),
        [
            (b"SET a b\r\n", "begins with"),
            (b"$3\r\nSET\r\n", "begins with"),
            (b"*0\r\n", "no arguments"),
            (b"*-1\r\n", "no length"),
            (b"*x\r\n", "no length"),
            (b"*" + b"1" * 30 + b"\r\n", "no length"),
            (b"*1\r\n$-1\r\n", "no length"),
            (b"*1\r\n:1\r\n", "before a length"),
            (b"*1\r\n*1\r\n$1\r\na\r\n", "before a length"),
            (b"*1\r\n$4\r\nPING*1\r\n", "does not end"),
            (b"*1\r\n$99999999999\r\nPING\r\n", "proto-max-bulk-len"),
            (b"#" + b"x" * 2000 + b"\n", "annotation"),
        ],
    )
    def test_the_offset_is_named(self, record: bytes, reason: str, size: int) -> None:
        reader = RecordReader()
        before = packed(*COMMANDS)
        records = []
        with pytest.raises(AofError, match=reason) as damaged:
            for piece in at_every(size, before + record + packed(*COMMANDS)):
                records += reader.feed(piece)
            reader.finish()
        assert damaged.value.offset == len(before)
        assert [command for _, command in records] == COMMANDS

    @given(st.binary(max_size=200), st.integers(1, 50))
    def test_any_bytes(self, data: bytes, size: int) -> None:
        assert 0 <= fault_or_end(at_every(size, data)) <= len(data)

    @given(st.data())
    def test_any_change_of_a_good_file(self, draw: st.DataObject) -> None:
        data = bytearray(packed(*COMMANDS))
        for _ in range(draw.draw(st.integers(1, 3))):
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
        assert 0 <= fault_or_end([bytes(data)]) <= len(data)
