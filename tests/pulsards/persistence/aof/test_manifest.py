"""The manifest: what is written reads back, and what could be misread is refused with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystore.pulsards.persistence.aof.manifest import LARGEST, Manifest, ManifestError, Part, parse_manifest

WHOLE = b"""\
file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.incr.aof seq 1 type h
file appendonly.aof.4.incr.aof seq 4 type i
file appendonly.aof.5.incr.aof seq 5 type i
"""

names = st.text(
    st.characters(exclude_characters="/\\\0\n\r", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and name == name.strip())


class TestParsing:
    def test_a_whole_one(self) -> None:
        manifest = parse_manifest(WHOLE)
        assert manifest.base == Part("appendonly.aof.2.base.rdb", 2)
        assert [part.number for part in manifest.increments] == [4, 5]
        assert [part.name for part in manifest.history] == ["appendonly.aof.1.incr.aof"]
        assert [part.number for part in manifest.parts] == [2, 4, 5]
        assert manifest.format() == WHOLE

    def test_comments_quotes_other_spaces_and_words_of_later_versions(self) -> None:
        text = b'# a comment\n \tFILE "a \\x41\\"b" seq 7 newer x type i offset 3 \r\n'
        assert parse_manifest(text) == Manifest(increments=(Part('a A"b', 7),))

    @pytest.mark.parametrize(
        ("data", "line", "reason"),
        [
            (b"", 0, "empty"),
            (b"#" * (LARGEST + 1), 0, "over"),
            (b"file a seq 1 type b", 1, "cut short"),
            (b"file a seq 1 type b\n\n", 2, "want file"),
            (b"file a seq 1 type\n", 1, "want file"),
            (b"file a seq 1 typ b\n", 1, "want file"),
            (b"file a seq 1 type b\nfile b seq 2 type b\n", 2, "a base file already"),
            (b"file a seq 1 type i\nfile a seq 2 type i\n", 2, "there already"),
            (b"file a seq 2 type i\nfile b seq 2 type i\n", 2, "do not rise"),
            (b"file a seq 1 type i file b\n", 1, "twice"),
            (b"file a seq 1 type x\n", 1, "type 'x'"),
            (b"file a seq 1 type base\n", 1, "type 'base'"),
            (b"file a seq 0 type i\n", 1, "seq '0'"),
            (b"file a seq -1 type i\n", 1, "seq '-1'"),
            (b"file a seq 1x type i\n", 1, "seq '1x'"),
            (b"file a seq 99999999999999999999 type i\n", 1, "want a number"),
            (b"file ../a seq 1 type i\n", 1, "without a path"),
            (b"file /etc/passwd seq 1 type i\n", 1, "without a path"),
            (b"file .. seq 1 type i\n", 1, "without a path"),
            (b'file "" seq 1 type i\n', 1, "without a path"),
            (b'file "a\\x00b" seq 1 type i\n', 1, "without a path"),
            (b'file "a seq 1 type i\n', 1, "quotes"),
            (b"file " + b"a" * 1024 + b" seq 1 type i\n", 1, "more than 1023"),
        ],
    )
    def test_what_is_refused(self, data: bytes, line: int, reason: str) -> None:
        with pytest.raises(ManifestError, match=reason) as refused:
            parse_manifest(data)
        assert refused.value.line == line

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        try:
            manifest = parse_manifest(data)
        except ManifestError:
            return
        assert all("/" not in part.name for part in (*manifest.parts, *manifest.history))

    @given(st.lists(names, unique=True, min_size=1, max_size=6), st.integers(0, 3), st.booleans())
    def test_what_is_written_reads_back(self, chosen: list[str], outdated: int, based: bool) -> None:
        parts = [Part(name, number) for number, name in enumerate(chosen, 1)]
        base = parts.pop() if based else None
        manifest = Manifest(base, tuple(parts[outdated:]), tuple(parts[:outdated]))
        assert parse_manifest(manifest.format()) == manifest


class TestChanges:
    def test_a_rewrite_leaves_only_what_came_after_it(self) -> None:
        manifest = parse_manifest(WHOLE)
        new = manifest.next_increment("appendonly.aof")
        assert new == Part("appendonly.aof.6.incr.aof", 6)
        grown = manifest.with_increment(new)
        assert grown.increments[-1] == new
        base = grown.next_base("appendonly.aof")
        assert base == Part("appendonly.aof.3.base.rdb", 3)
        after = grown.with_base(base, new)
        assert after.parts == (base, new)
        assert [part.number for part in after.history] == [1, 2, 4, 5]
        assert after.without_history() == Manifest(base, (new,))
        assert grown.with_base(base, None).without_history() == Manifest(base)

    def test_a_new_log_begins_with_number_one(self) -> None:
        assert Manifest().next_increment("log").name == "log.1.incr.aof"
        assert Manifest().next_base("log").name == "log.1.base.rdb"
