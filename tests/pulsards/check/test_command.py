"""`pulsards check`, on files that are sound, damaged, or something else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anystore.pulsards.__main__ import main
from anystore.pulsards.check.command import check
from anystore.pulsards.check.contents import shown
from anystore.pulsards.check.progress import ProgressBar
from anystore.pulsards.datatypes import ListValue
from anystore.pulsards.persistence.rdb import FileWriter
from tests.pulsards.persistence.rdb.files import signed_file
from tests.pulsards.persistence.rdb.values import hash_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def sample() -> bytes:
    writer = FileWriter(12)
    expiring = hash_of({b"f": b"1", b"g": b"2"})
    expiring.expire_at(b"g", 1 << 41)
    parts = [
        writer.header({b"redis-ver": b"7.4.0", b"repl-id": b"\xff\n"}),
        writer.function(b"#!lua name=lib\nredis.register_function('f', function() return 1 end)"),
        writer.database(0, 8, 2),
        *(writer.entry(b"k%d" % size, b"x" * size, 1 << 42 if size == 1 else None) for size in range(5)),
        writer.entry(b"list", ListValue([b"element"] * 3), None),
        writer.entry(b"\x00\xff", expiring, 1 << 42),
        writer.database(7, 1, 0),
        writer.entry(b"long name " * 20, ListValue([b"y"]), None),
        writer.end(),
    ]
    return b"".join(parts)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dump.rdb"
    path.write_bytes(sample())
    return path


def said(path: Path) -> tuple[bool, list[str]]:
    out = io.StringIO()
    return check(path, out, io.StringIO()), out.getvalue().replace(str(path), "FILE").splitlines()


class TestSound:
    def test_what_is_in_it(self, file: Path) -> None:
        sound, lines = said(file)
        assert sound
        assert lines == [
            f"FILE: sound, {len(sample()):,} bytes, RDB version 12 of Redis, 8 keys",
            "  redis-ver: 7.4.0",
            "  repl-id: '\\xff\\n'",
            "  library of functions: #!lua name=lib",
            "database 0: 7 keys, 2 with a time to live",
            "  hash    1 key, 23 bytes, 2 elements, 1 with fields that expire",
            "  list    1 key, 43 bytes, 3 elements",
            "  string  5 keys, 35 bytes",
            "database 7: 1 key, 0 with a time to live",
            "  list    1 key, 216 bytes, 1 element",
            "largest keys, by what they take in the file:",
            "  hash    db0 '\\x00\\xff': 2 elements, 23 bytes",
            "  list    db7 " + "long name " * 6 + "… (200 bytes): 1 element, 216 bytes",
            "  list    db0 list: 3 elements, 43 bytes",
            "  string  db0 k4: 9 bytes",
            "  string  db0 k3: 8 bytes",
            "  string  db0 k2: 7 bytes",
        ]

    def test_all_files_of_a_directory(self, file: Path) -> None:
        (file.parent / "other.rdb").write_bytes(signed_file(b"", 80))
        (file.parent / "notes.txt").write_text("nothing")
        sound, lines = said(file.parent)
        assert sound
        assert [line for line in lines if line.startswith("FILE")] == [
            f"FILE/dump.rdb: sound, {len(sample()):,} bytes, RDB version 12 of Redis, 8 keys",
            "FILE/other.rdb: sound, 18 bytes, RDB version 80 of Valkey, 0 keys",
        ]

    def test_what_is_passed_over_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "slots.rdb"
        path.write_bytes(signed_file(b"\xf4\x01\x02\x03\xf4\x02\x02\x03", 12))
        assert said(path)[1][1:] == ["  passed over: the sizes of a cluster's slot (2 times)"]


class TestDamaged:
    def test_cut_short(self, file: Path) -> None:
        data = sample()
        stop = data.index(b"list") + 6
        file.write_bytes(data[:stop])
        sound, lines = said(file)
        assert not sound
        assert lines[0] == f"FILE: damaged at byte {stop} of {stop}: the file is cut short"
        assert lines[1] == "up to there, RDB version 12 of Redis: 5 keys, the last one is k4"
        assert "  string  5 keys, 35 bytes" in lines

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (sample()[:-1] + bytes([sample()[-1] ^ 1]), "check sum"),
            (sample() + b"more", "4 bytes follow the end"),
            (b"REDIS0099", "version 99"),
            (signed_file(b"\x07\x01k\x05"), "module type AAAAAAAAA"),
        ],
    )
    def test_the_reason_is_told(self, file: Path, data: bytes, reason: str) -> None:
        file.write_bytes(data)
        sound, lines = said(file)
        assert not sound
        assert lines[0].startswith("FILE: damaged at byte ")
        assert reason in lines[0]

    def test_one_bad_file_of_a_directory(self, file: Path) -> None:
        (file.parent / "bad.rdb").write_bytes(b"REDIS0010")
        sound, lines = said(file.parent)
        assert not sound
        assert lines[0] == "FILE/bad.rdb: damaged at byte 9 of 9: the file is cut short"
        assert any(line.startswith("FILE/dump.rdb: sound") for line in lines)

    def test_other_files(self, tmp_path: Path) -> None:
        assert said(tmp_path / "none") == (False, ["FILE: cannot be read: No such file or directory"])
        assert said(tmp_path)[1] == ["FILE: there is no file whose name ends in .rdb, .aof or .manifest"]
        path = tmp_path / "notes.txt"
        path.write_text("Hello")
        assert said(path)[1] == [
            "FILE: not a file of data: it begins with neither REDIS nor VALKEY, nor as an append-only file"
        ]


class TestProgress:
    def test_a_bar_on_a_terminal(self) -> None:
        terminal = Terminal()
        bar = ProgressBar(terminal, 1000, worthwhile=1000)
        for done in (0, 1, 500, 501, 1000):
            bar.show(done)
        bar.clear()
        shown = terminal.getvalue().split("\r")
        assert shown[1] == "[" + " " * 40 + "]   0 %"
        assert shown[2] == "[" + "#" * 20 + " " * 20 + "]  50 %"
        assert shown[3] == "[" + "#" * 40 + "] 100 %"
        assert not shown[4].strip()
        assert shown[5] == ""

    @pytest.mark.parametrize(("out", "size"), [(io.StringIO(), 1000), (Terminal(), 999)])
    def test_nothing_elsewhere_or_for_small_files(self, out: io.StringIO, size: int) -> None:
        bar = ProgressBar(out, size, worthwhile=1000)
        bar.show(500)
        bar.clear()
        assert out.getvalue() == ""


class TestTheCommand:
    def test_status_of_several_files(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check", str(file)]) == 0
        assert main(["check", str(file), str(file.parent / "none")]) == 1
        assert "cannot be read" in capsys.readouterr().out

    def test_bad_calls_and_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check"]) == 2
        assert "usage: pulsards check" in capsys.readouterr().err
        assert main(["check", "--help"]) == 0
        assert "usage: pulsards check" in capsys.readouterr().out
        assert main(["check", "--mend", "x"]) == 2
        assert "no option --mend" in capsys.readouterr().err

    def test_as_a_process(self, file: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "anystore.pulsards", "check", str(file)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ": sound, " in done.stdout
        assert done.stderr == ""

    def test_names_of_no_characters(self, tmp_path: Path) -> None:
        manifest = tmp_path / "appendonly.aof.manifest"
        manifest.write_bytes(b"file \xc1.aof seq 1 type i\n")
        done = subprocess.run(
            [sys.executable, "-m", "anystore.pulsards", "check", str(manifest)], capture_output=True
        )
        assert rb"\udcc1.aof: is named by the manifest, and is not there" in done.stdout
        assert (done.returncode, done.stderr) == (1, b"")

    @pytest.mark.parametrize("buffered", [True, False])
    def test_whoever_reads_the_report_may_stop_reading(self, file: Path, buffered: bool) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            process = subprocess.run(
                [
                    sys.executable,
                    *([] if buffered else ["-u"]),
                    "-m",
                    "anystore.pulsards",
                    "check",
                    file.parent,
                ],
                stdout=writer,
                stderr=subprocess.PIPE,
            )
        finally:
            os.close(writer)
        assert (process.returncode, process.stderr) == (1, b"")


def test_texts_are_shown_as_they_are_or_escaped() -> None:
    assert [shown(text) for text in (b"plain", b"two words", b"", b"\xc3\xa4", b"a\x1b[2J")] == [
        "plain",
        "two words",
        "''",
        "'\\xc3\\xa4'",
        "'a\\x1b[2J'",
    ]
