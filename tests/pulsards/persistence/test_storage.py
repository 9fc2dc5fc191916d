from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anystore.pulsards.persistence import storage as storage_module
from anystore.pulsards.persistence.storage import DRAFT_SUFFIX, LOCK_NAME, DirectoryInUse, DirectoryStorage


@pytest.fixture
def storage(tmp_path: Path):  # type: ignore[no-untyped-def]
    found = DirectoryStorage(str(tmp_path))
    yield found
    found.close()


class TestTaking:
    def test_the_directory_is_made(self, tmp_path: Path) -> None:
        storage = DirectoryStorage(str(tmp_path / "a" / "b"))
        assert (tmp_path / "a" / "b" / LOCK_NAME).exists()
        assert storage.path == str(tmp_path / "a" / "b")
        storage.close()

    def test_it_is_one_servers_at_a_time(self, storage: DirectoryStorage, tmp_path: Path) -> None:
        storage.note_address("pulsar://127.0.0.1:1234")
        with pytest.raises(DirectoryInUse) as caught:
            DirectoryStorage(str(tmp_path))
        assert str(caught.value) == (
            f"the directory {tmp_path} is in use by the server at pulsar://127.0.0.1:1234 (process {os.getpid()})"
        )
        assert caught.value.directory == str(tmp_path)
        assert caught.value.errno == errno.EBUSY
        storage.close()
        storage.close()
        DirectoryStorage(str(tmp_path)).close()

    def test_it_is_another_process_one_too(self, storage: DirectoryStorage, tmp_path: Path) -> None:
        program = (
            "from anystore.pulsards.persistence.storage import DirectoryStorage\n"
            f"DirectoryStorage({str(tmp_path)!r})"
        )
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=Path.cwd()
        )
        assert run.returncode == 1
        assert (
            f"DirectoryInUse: the directory {tmp_path} is in use by the process {os.getpid()}" in run.stderr
        )

    def test_a_lock_that_a_crash_left_is_nobodys(self, tmp_path: Path) -> None:
        (tmp_path / LOCK_NAME).write_text("the process 1")
        storage = DirectoryStorage(str(tmp_path))
        assert (tmp_path / LOCK_NAME).read_text() == f"the process {os.getpid()}\n"
        storage.close()
        assert (tmp_path / LOCK_NAME).read_text() == ""

    def test_a_file_system_that_locks_nothing_is_not_in_use(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lockless(file: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        with monkeypatch.context() as patch:
            patch.setattr(storage_module, "_lock", lockless)
            with pytest.raises(OSError, match=f"{tmp_path} cannot be locked: No locks available") as caught:
                DirectoryStorage(str(tmp_path))
        assert not isinstance(caught.value, DirectoryInUse)
        DirectoryStorage(str(tmp_path)).close()

    def test_drafts_that_a_crash_left_are_removed(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        for name in ("dump.rdb", "other", f"dump.rdb{DRAFT_SUFFIX}", f"folder/a{DRAFT_SUFFIX}", "folder/a"):
            (tmp_path / name).write_text("x")
        DirectoryStorage(str(tmp_path)).close()
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
            "dump.rdb",
            "folder/a",
            "other",
            LOCK_NAME,
        ]

    def test_a_place_that_is_no_directory_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="exists"):
            DirectoryStorage(str(tmp_path / "file"))

    def test_one_that_cannot_be_written_to_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Whoever runs the tests may be allowed everything, so that modes of files mean nothing.
        def refuse(path: str, *args: object, **more: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

        monkeypatch.setattr(storage_module, "open", refuse, raising=False)
        with pytest.raises(PermissionError):
            DirectoryStorage(str(tmp_path))


class TestReading:
    def test_a_file_is_read_in_pieces(self, storage: DirectoryStorage, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"abcde")
        file = storage.read("f")
        assert file is not None
        assert file.size == 5
        assert [file.read(3), file.read(3), file.read(3)] == [b"abc", b"de", b""]
        file.close()
        file.close()

    def test_one_that_is_not_there_is_none(self, storage: DirectoryStorage) -> None:
        assert storage.read("f") is None
        assert storage.mark("f") is None
        assert storage.names("folder") == []
        storage.remove("f")


class TestDrafts:
    def test_one_takes_its_name_when_it_is_whole(self, storage: DirectoryStorage, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"old")
        before = storage.mark("f")
        draft = storage.draft("f")
        draft.write(b"ne")
        draft.sync()
        draft.write(b"w")
        assert (tmp_path / "f").read_bytes() == b"old"
        assert storage.mark("f") == before
        draft.commit()
        draft.discard()
        assert (tmp_path / "f").read_bytes() == b"new"
        assert storage.mark("f") != before
        assert storage.names() == ["f", LOCK_NAME]

    def test_one_that_is_discarded_leaves_nothing(self, storage: DirectoryStorage) -> None:
        draft = storage.draft("f")
        draft.write(b"new")
        draft.discard()
        draft.discard()
        assert storage.names() == [LOCK_NAME]

    def test_two_of_one_name_know_nothing_of_each_other(
        self, storage: DirectoryStorage, tmp_path: Path
    ) -> None:
        first, second = storage.draft("f"), storage.draft("f")
        first.write(b"first")
        second.write(b"2nd")
        second.commit()
        first.write(b" of all")
        assert (tmp_path / "f").read_bytes() == b"2nd"
        first.commit()
        assert (tmp_path / "f").read_bytes() == b"first of all"
        assert storage.names() == ["f", LOCK_NAME]

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_one_that_is_withdrawn_while_it_is_committed_has_not_taken_its_name(
        self, storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        (tmp_path / "f").write_bytes(b"old")
        draft = storage.draft("f")
        draft.write(b"new")
        plain = getattr(os, step)

        def meanwhile(*args: object) -> None:
            draft.withdraw()
            plain(*args)

        with monkeypatch.context() as patch:
            patch.setattr(storage_module.os, step, meanwhile)
            with pytest.raises(OSError, match=r"anceled|No such file"):
                draft.commit()
        draft.discard()
        assert (tmp_path / "f").read_bytes() == b"old"
        assert storage.names() == ["f", LOCK_NAME]

    def test_withdrawing_comes_too_late_for_one_that_has_its_name(
        self, storage: DirectoryStorage, tmp_path: Path
    ) -> None:
        draft = storage.draft("f")
        draft.write(b"new")
        draft.commit()
        draft.withdraw()
        assert (tmp_path / "f").read_bytes() == b"new"

    def test_what_a_disk_takes_in_part_is_written_on(
        self, storage: DirectoryStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft = storage.draft("f")
        monkeypatch.setattr(draft, "_file", Slow(draft._file))  # type: ignore[attr-defined]
        draft.write(b"abcdefgh")
        draft.commit()
        assert (tmp_path / "f").read_bytes() == b"abcdefgh"

    def test_a_disk_that_takes_nothing_is_full(
        self, storage: DirectoryStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft = storage.draft("f")
        monkeypatch.setattr(draft, "_file", Slow(draft._file, 4))  # type: ignore[attr-defined]
        with pytest.raises(OSError, match="No space left"):
            draft.write(b"abcdefgh")
        draft.discard()
        assert storage.names() == [LOCK_NAME]


class Slow:
    """A file that takes three bytes at a time, `limit` in all."""

    def __init__(self, file, limit: int = 1000) -> None:  # type: ignore[no-untyped-def]
        self._file = file
        self._left = limit

    def write(self, data: bytes) -> int:
        taken = min(3, self._left)
        self._left -= taken
        return self._file.write(bytes(data[:taken]))  # type: ignore[no-any-return]

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._file, name)


class TestAppending:
    def test_a_file_is_written_on(self, storage: DirectoryStorage, tmp_path: Path) -> None:
        file = storage.append("f")
        file.write(b"abc")
        file.close()
        file = storage.append("f")
        assert file.size == 3
        file.write(b"def")
        file.sync()
        assert file.size == 6
        file.truncate(4)
        file.write(b"x")
        assert file.size == 5
        file.close()
        file.close()
        assert (tmp_path / "f").read_bytes() == b"abcdx"

    def test_how_much_of_a_failed_write_is_there_is_known(
        self, storage: DirectoryStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = storage.append("f")
        file.write(b"ab")
        monkeypatch.setattr(file, "_file", Slow(file._file, 4))  # type: ignore[attr-defined]
        with pytest.raises(OSError, match="No space left"):
            file.write(b"cdefgh")
        assert file.size == 6
        file.truncate(2)
        assert file.size == 2
        file.close()


class TestNames:
    def test_folders_files_and_new_names(self, storage: DirectoryStorage, tmp_path: Path) -> None:
        storage.make_folder("folder")
        storage.make_folder("folder")
        for name in ("folder/b", "folder/a"):
            file = storage.append(name)
            file.write(name.encode())
            file.close()
        assert storage.names("folder") == ["a", "b"]
        storage.rename("folder/a", "folder/b")
        assert storage.names("folder") == ["b"]
        assert (tmp_path / "folder" / "b").read_bytes() == b"folder/a"
        storage.remove("folder/b")
        storage.remove("folder/b")
        assert storage.names("folder") == []
        assert repr(storage) == f"<DirectoryStorage {tmp_path}>"
