"""`pulsards check` on append-only files, and what it repairs."""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path

import hiredis
import pytest

from anystore.pulsards.__main__ import main
from anystore.pulsards.check.command import check
from anystore.pulsards.check.log import CUT_OFF
from anystore.pulsards.persistence.aof import LogError
from anystore.pulsards.persistence.storage import DirectoryStorage
from tests.pulsards.peers import Argument
from tests.pulsards.persistence.aof.logged import Logged


def packed(*commands: tuple[Argument, ...]) -> bytes:
    return b"".join(map(hiredis.pack_command, commands))


WHOLE = packed(("SELECT", 0), ("SET", "a", 1), ("MULTI",), ("SET", "b", 2), ("INCR", "a"), ("EXEC",))


def said(path: Path, permitted: bool | None = None) -> tuple[bool, str]:
    out = io.StringIO()
    asked: list[str] = []

    def permit(question: str) -> bool:
        asked.append(question)
        return bool(permitted)

    sound = check(path, out, io.StringIO(), None if permitted is None else permit)
    return sound, "\n".join([*asked, out.getvalue()]).replace(str(path), "FILE")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with a log of a base and two increments."""
    storage = DirectoryStorage(str(tmp_path / "data"))
    logged = Logged(storage)
    logged.execute("SET", "old", 1)
    logged.rewrite()
    logged.execute("SET", "key", 1)
    logged.append_only.begin_rewrite()
    logged.execute("INCR", "key")
    logged.append_only.stop()
    storage.close()
    return tmp_path / "data"


def loaded(directory: Path, *keys: str) -> list[bytes | None]:
    storage = DirectoryStorage(str(directory))
    try:
        logged = Logged(storage)
        found: list[bytes | None] = logged.execute("MGET", *keys)
        logged.append_only.stop()
    finally:
        storage.close()
    return found


class TestFiles:
    def test_a_sound_one(self, tmp_path: Path) -> None:
        path = tmp_path / "appendonly.aof"
        path.write_bytes(b"#TS:1700000000\r\n" + WHOLE)
        sound, text = said(path)
        assert sound
        assert text.splitlines() == [
            f"FILE: sound, {len(WHOLE) + 16} bytes, 3 commands",
            "  written until 1700000000 (seconds since 1970)",
            *("  transactions: 1", "  set: 2", "  incr: 1"),
        ]

    @pytest.mark.parametrize("suffix", [".aof", ""])
    def test_one_that_is_cut_short_is_repaired_when_that_is_permitted(
        self, tmp_path: Path, suffix: str
    ) -> None:
        path = tmp_path / f"file{suffix}"
        whole = len(packed(("SELECT", 0), ("SET", "a", 1)))
        for length in range(whole, len(WHOLE)):
            path.write_bytes(WHOLE[:length])
            assert said(path)[0] == (length == whole)
            if length == whole:
                continue
            sound, text = said(path, permitted=False)
            assert not sound
            assert f"FILE: cut short: {whole} of {length} bytes are whole" in text
            assert f"Cut FILE off at byte {whole}? Its last {length - whole} bytes are lost" in text
            assert len(path.read_bytes()) == length
            assert said(path, permitted=True)[0]
            assert path.read_bytes() == WHOLE[:whole]

    def test_a_damaged_one(self, tmp_path: Path) -> None:
        path = tmp_path / "file.aof"
        path.write_bytes(WHOLE + b"SET a b\r\n" + WHOLE)
        sound, text = said(path)
        assert not sound
        assert f"FILE: damaged at byte {len(WHOLE)} of {2 * len(WHOLE) + 9}: want a record" in text
        assert said(path, permitted=True)[0]
        assert path.read_bytes() == WHOLE

    @pytest.mark.parametrize("commands", [[("EXEC",)], [("MULTI",), ("MULTI",)]])
    def test_transactions_that_are_none(self, tmp_path: Path, commands: list[tuple[Argument, ...]]) -> None:
        path = tmp_path / "file.aof"
        path.write_bytes(packed(("SET", "a", 1), *commands))
        assert "damaged" in said(path)[1]
        assert said(path, permitted=True)[0]
        assert path.read_bytes() == packed(("SET", "a", 1))


class TestLogs:
    def test_a_sound_one(self, data: Path) -> None:
        sound, text = said(data)
        assert sound
        assert "FILE/appendonlydir/appendonly.aof.manifest: a log of 3 parts" in text
        assert "an RDB image: 1 keys" in text
        assert "  incr: 1" in text
        assert said(data / "appendonlydir")[0]
        assert said(data / "appendonlydir" / "appendonly.aof.2.base.rdb")[0]

    def test_what_follows_a_damaged_part_is_no_part_any_more(self, data: Path) -> None:
        part = data / "appendonlydir" / "appendonly.aof.2.incr.aof"
        part.write_bytes(part.read_bytes()[:-2])
        with pytest.raises(Exception, match="follows it"):
            loaded(data, "key")
        assert not said(data, permitted=False)[0]
        sound, text = said(data, permitted=True)
        assert sound
        assert "no part of the log" in text
        following = data / "appendonlydir" / f"appendonly.aof.3.incr.aof{CUT_OFF}"
        assert b"INCR" in following.read_bytes()
        assert loaded(data, "key", "old") == [None, b"1"]

    @pytest.mark.parametrize("call", ["replace", "fsync"])
    def test_where_the_disk_breaks_in_between_nothing_is_loaded_with_a_hole(
        self, data: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        part = data / "appendonlydir" / "appendonly.aof.2.incr.aof"
        part.write_bytes(part.read_bytes()[:-2])

        def broken(*args: object) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, broken)
            sound, text = said(data, permitted=True)
        assert not sound
        assert "cannot be read, or repaired: Input/output error" in text
        with pytest.raises(LogError, match="follows it"):
            loaded(data, "key")
        assert said(data, permitted=True)[0]
        assert loaded(data, "key", "old") == [None, b"1"]

    @pytest.mark.parametrize("damage", [("SEX", "key", 1), ("SET", "key"), ("SELECT", "x")])
    @pytest.mark.parametrize("in_transaction", [False, True])
    def test_what_a_server_refuses_is_cut_off(
        self, data: Path, damage: tuple[Argument, ...], in_transaction: bool
    ) -> None:
        part = data / "appendonlydir" / "appendonly.aof.3.incr.aof"
        start = part.stat().st_size
        commands = [("MULTI",), damage, ("EXEC",)] if in_transaction else [damage]
        with part.open("ab") as file:
            file.write(packed(*commands, ("SET", "after", 1)))
        at = start + len(packed(("MULTI",))) * in_transaction
        with pytest.raises(LogError, match=f"is damaged at byte {at}:"):
            loaded(data, "key")
        assert f"damaged at byte {at} of" in said(data)[1]
        sound, text = said(data, permitted=True)
        assert sound
        assert f"cut off at byte {start}" in text
        assert loaded(data, "key", "after") == [b"2", None]

    def test_what_only_later_versions_say_is_sound(self, data: Path) -> None:
        part = data / "appendonlydir" / "appendonly.aof.3.incr.aof"
        with part.open("ab") as file:
            file.write(packed(("DELEX", "key")))
        assert said(data)[0]
        assert loaded(data, "key", "old") == [None, b"1"]

    @pytest.mark.parametrize("length", [1, 3, 5])
    def test_the_first_letters_of_an_image_are_an_image_that_cannot_be_repaired(
        self, data: Path, length: int
    ) -> None:
        part = data / "appendonlydir" / "appendonly.aof.2.base.rdb"
        part.write_bytes(part.read_bytes()[:length])
        sound, text = said(data, permitted=True)
        assert not sound
        assert "an image cannot be cut" in text

    def test_nothing_is_repaired_under_a_running_server(self, data: Path) -> None:
        part = data / "appendonlydir" / "appendonly.aof.3.incr.aof"
        before = part.read_bytes()[:-2]
        part.write_bytes(before)
        storage = DirectoryStorage(str(data))
        sound, text = said(data, permitted=True)
        storage.close()
        assert not sound
        assert "nothing is changed: the directory" in text
        assert part.read_bytes() == before
        assert said(data, permitted=True)[0]

    def test_a_damaged_image_cannot_be_repaired(self, data: Path) -> None:
        part = data / "appendonlydir" / "appendonly.aof.2.base.rdb"
        part.write_bytes(part.read_bytes()[:-1])
        sound, text = said(data, permitted=True)
        assert not sound
        assert "an image cannot be cut" in text

    def test_manifests_that_cannot_be_gone_by(self, data: Path) -> None:
        manifest = data / "appendonlydir" / "appendonly.aof.manifest"
        (data / "appendonlydir" / "appendonly.aof.3.incr.aof").unlink()
        assert "is named by the manifest, and is not there" in said(data)[1]
        manifest.write_bytes(b"file x\n")
        assert "the manifest is damaged: line 1" in said(data)[1]


class TestCommand:
    def test_it_asks_unless_it_is_told_not_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "file.aof"
        for answer, options, status in (
            ("n\n", ["--fix"], 1),
            ("y\n", ["--fix"], 0),
            ("", ["--fix", "--yes"], 0),
        ):
            path.write_bytes(WHOLE[:-1])
            monkeypatch.setattr("sys.stdin", io.StringIO(answer))
            assert main(["check", *options, str(path)]) == status
        assert capsys.readouterr().out.count("[y/N]") == 2
        assert main(["check", str(path)]) == 0

    @pytest.mark.parametrize("words", [["--yes", "x"], ["--fix"], ["--nope", "x"]])
    def test_bad_calls(self, words: list[str]) -> None:
        assert main(["check", *words]) == 2

    def test_a_directory_with_both(self, data: Path) -> None:
        shutil.copy(data / "appendonlydir" / "appendonly.aof.2.base.rdb", data / "dump.rdb")
        sound, text = said(data)
        assert sound
        assert "FILE/dump.rdb: sound" in text
        assert "a log of 3 parts" in text
