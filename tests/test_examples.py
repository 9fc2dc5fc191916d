"""Every example runs, as a program and on each event loop, on pulsards and on a real server, with the same answers."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import anyio
import pytest

from anystore import (
    ConnectionFailed,
    ImproperlyConfigured,
    StoreError,
    create_store,
    data_stores,
    register_store,
)
from examples import asyncio_program, chat, quickstart, sqlite_store, trio_program, web_cache
from tests.servers import RealServer, redis_binary

pytestmark = pytest.mark.timeout(300)  # whole programs, of which the longest computes for seconds

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_example(name: str, *arguments: str, typed: str = "") -> str:
    """Run an example as somebody would who read its first lines; what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(params=["memory", "pulsar", "valkey", *(["redis_server"] if redis_binary() else [])])
def url(request: pytest.FixtureRequest) -> str:
    if request.param in ("memory", "pulsar"):
        return f"{request.param}://"
    server: RealServer = request.getfixturevalue(request.param)
    return server.dsn


@pytest.fixture(scope="module")
def expected() -> quickstart.Answers:
    """The answers, found without any store."""
    counts: Counter[str] = Counter()
    index: defaultdict[str, set[int]] = defaultdict(set)
    lengths: dict[str, Counter[str]] = {}
    chapter: Counter[str] | None = None
    novel = ""
    for number, line in enumerate(quickstart.TEXT.read_text("utf-8").splitlines(), 1):
        if line in quickstart.NOVELS:
            novel = {"S": "Sense and Sensibility", "P": "Pride and Prejudice"}[line[0]]
        elif re.fullmatch(r"(?i)chapter \d+", line):
            chapter = lengths.setdefault(f"{novel}, {line.lower()}", Counter())
        elif chapter is not None and line.strip() != "THE END":
            found = re.findall(r"[a-z]+(?:'[a-z]+)*", line.lower())
            chapter.update(found)
            counts.update(found)
            for word in found:
                index[word].add(number)
    ranked = sorted(counts, key=lambda word: (counts[word], word), reverse=True)
    title, words = max(lengths.items(), key=lambda item: item[1].total())
    return quickstart.Answers(
        words=counts.total(),
        different_words=len(counts),
        top_words=[(word, float(counts[word])) for word in ranked[:5]],
        long_words=[word for word in ranked if len(word) >= 8][:5],
        lines_with_both={
            (one, other): sorted(index[one] & index[other])
            for one, other in [("pride", "vanity"), ("fine", "eyes"), ("truth", "universally")]
        },
        longest_chapter={"title": title, "words": str(words.total()), "different": str(len(words))},
    )


class TestQuickstart:
    def test_the_text_is_what_it_is_said_to_be(self) -> None:
        about = (EXAMPLES / "data" / "README.md").read_text("utf-8")
        text = quickstart.TEXT.read_bytes()
        assert f"{len(text):,} bytes" in about
        assert f"{len(text.splitlines()):,} lines" in about
        assert f"{len(list(quickstart.chapters(text.decode())))} chapters" in about
        assert len(text) > 1_000_000

    def test_the_answers_are_right(self, url: str, expected: quickstart.Answers) -> None:
        assert anyio.run(quickstart.run, url) == expected

    @pytest.mark.anyio
    async def test_on_every_event_loop(self, anyio_backend: Any, expected: quickstart.Answers) -> None:
        assert await quickstart.run() == expected

    def test_it_prints_the_same_on_a_real_server(self, valkey: RealServer) -> None:
        own, real = run_example("quickstart.py"), run_example("quickstart.py", valkey.dsn)
        assert own.startswith("pulsards ")
        assert real.startswith("valkey 9.")
        # What differs is who answered, and how fast.
        differing = re.compile(r"^(pulsards|valkey) .*$| in .* a second", re.MULTILINE)
        assert differing.sub("", own) == differing.sub("", real)
        assert "111 of 111 chapters" in own

    def test_it_leaves_nothing_behind(self, valkey: RealServer) -> None:
        async def count() -> int:
            async with create_store(valkey.dsn) as store:
                await store.flush()  # what other tests left may expire meanwhile
                before = await store.client().dbsize()
                await quickstart.run(valkey.dsn)
                return await store.client().dbsize() - before

        assert anyio.run(count) == 0


class TestPrograms:
    def test_trio(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        import trio

        results = trio.run(trio_program.main, url)
        assert sorted(results, key=int) == [str(number) for number in range(1, 21)]
        assert all(result.split()[0] == str(int(job) ** 2) for job, result in results.items())
        assert "Marianne puts a job back\n20 jobs done, 0 left" in capsys.readouterr().out

    def test_asyncio(self, url: str) -> None:
        done, total = asyncio.run(asyncio_program.main(url))
        assert 0 < done <= asyncio_program.TRANSFERS
        assert total == 1000

    @pytest.mark.anyio
    async def test_web_cache(self, anyio_backend: Any, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert await web_cache.main(url) == 1
        printed = capsys.readouterr().out
        assert "Good day, Emma. This is visit number 2." in printed
        assert printed.count("Who are you?") == 2

    @pytest.mark.anyio
    async def test_chat(self, anyio_backend: Any, url: str) -> None:
        assert await chat.demonstrate(url) == [
            "Emma has joined",
            "Mr Knightley has joined",
            "Emma: Is not this a fine evening?",
            "Mr Knightley: Very fine.",
            "Mr Knightley has left",
        ]

    def test_chat_in_terminals(self, valkey: RealServer) -> None:
        printed = run_example("chat.py", valkey.dsn, "Jane", typed="hello\ngood-bye\n")
        assert printed.splitlines()[0] == "Jane has joined"
        assert set(printed.splitlines()[1:]) <= {"Jane: hello", "Jane: good-bye"}

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("trio_program.py", "20 jobs done, 0 left; 7² = 49"),
            ("asyncio_program.py", "Altogether 1000, as in the beginning."),
            ("web_cache.py", "Fifty visitors, 1 report made: Report number 1: all is well."),
            ("chat.py", "Mr Knightley: Very fine."),
            ("sqlite_store.py", "1814  Mansfield Park"),
        ],
    )
    def test_as_a_program(self, name: str, line: str) -> None:
        assert line in run_example(name).splitlines()

    def test_the_suite_with_the_fixtures(self) -> None:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                str(EXAMPLES / "test_with_fixtures.py"),
            ],
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert done.returncode == 0, done.stdout
        assert "7 passed" in done.stdout


@pytest.mark.anyio
class TestSQLiteStore:
    @pytest.fixture(autouse=True)
    def registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(data_stores, "_registered", dict(data_stores._registered))
        register_store("sqlite", f"{sqlite_store.__name__}:SQLiteStore")

    async def test_it_keeps_what_it_is_given(self, anyio_backend: Any, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/novels.db?journal_mode=wal"
        async with create_store(url) as store:
            await store.execute("CREATE TABLE novels (title TEXT)")
            await store.execute("INSERT INTO novels VALUES (?)", "Lady Susan")
        async with create_store(url) as store:
            assert await store.ping() is True
            assert await store.execute("SELECT title FROM novels") == [("Lady Susan",)]
            assert await store.execute("PRAGMA journal_mode") == [("wal",)]
            assert await store.database_all() == [f"{tmp_path}/novels.db"]
            await store.flush()
            assert await store.table_all() == []

    async def test_indices(self, anyio_backend: Any) -> None:
        async with create_store("sqlite://") as store:
            await store.execute('CREATE TABLE "a ""b""" (c)')
            await store.table_index_create('a "b"', "i", columns=["c"])
            assert await store.table_index_all('a "b"') == ["i"]
            await store.table_index_drop('a "b"', "i")
            assert await store.table_index_all('a "b"') == []
            assert (store.encode_bool(3), store.encode_json([1]), store.encode_bytes(b"x")) == (
                1,
                "[1]",
                b"x",
            )

    async def test_its_errors_are_those_of_a_store(self, anyio_backend: Any, tmp_path: Path) -> None:
        with pytest.raises(ImproperlyConfigured, match="journal_mode"):
            create_store("sqlite://?journal_mode=odd")
        with pytest.raises(ImproperlyConfigured, match="host"):
            create_store("sqlite://somewhere/a.db")
        with pytest.raises(ConnectionFailed):
            async with create_store(f"sqlite:///{tmp_path}/no/such/folder.db"):
                raise AssertionError("it cannot be opened")
        async with create_store("sqlite://") as store:
            with pytest.raises(StoreError, match="no such table"):
                await store.execute("SELECT * FROM poems")
        with pytest.raises(StoreError, match="not open"):
            await store.execute("SELECT 1")
