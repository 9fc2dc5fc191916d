"""Settings as text: files in the redis.conf format, includes, and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from anystore.exceptions import ImproperlyConfigured
from anystore.pulsards.config_file import Line, parse_config, parse_options, read_config


class TestLines:
    def test_what_there_may_be(self) -> None:
        text = b"""
# a comment
  Timeout   5
user alice on >"p w" 'x y' "\\x41"

requirepass "\xff"
"""
        assert list(parse_config(text, "f")) == [
            Line("f, line 3", "timeout", ["5"]),
            Line("f, line 4", "user", ["alice", "on", ">p w", "x y", "A"]),
            Line("f, line 6", "requirepass", ["\udcff"]),
        ]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            (b'a 1\nrequirepass "x', "f, line 2: unbalanced quotes"),
            (b"timeout", "f, line 1: directive 'timeout' has no value"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(self, text: bytes, complaint: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=complaint):
            list(parse_config(text, "f"))


class TestIncludes:
    def test_their_lines_stand_in_their_place(self, tmp_path: Path) -> None:
        for name, text in (
            ("b", "timeout 2\n"),
            ("a", "timeout 1\ninclude {}/c.conf\n"),
            ("c", "maxclients 3\n"),
        ):
            (tmp_path / f"{name}.conf").write_text(text.format(tmp_path))
        main = tmp_path / "main"
        main.write_text(f"port 1\ninclude {tmp_path}/[ab].conf\ninclude {tmp_path}/none*.conf\nport 2\n")
        assert [(line.name, line.words) for line in read_config(str(main))] == [
            ("port", ["1"]),
            ("timeout", ["1"]),
            ("maxclients", ["3"]),
            ("timeout", ["2"]),
            ("port", ["2"]),
        ]

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        main = tmp_path / "main"
        main.write_text(f"include {tmp_path}/no.conf\n")
        with pytest.raises(ImproperlyConfigured, match=r"configuration file .*no\.conf: No such file"):
            read_config(str(main))
        with pytest.raises(ImproperlyConfigured, match="No such file"):
            read_config(str(tmp_path / "other"))

    def test_wrong_ones(self, tmp_path: Path) -> None:
        main = tmp_path / "main"
        main.write_text("include a b\n")
        with pytest.raises(ImproperlyConfigured, match="main, line 1: directive 'include': wrong number"):
            read_config(str(main))
        main.write_text(f"include {main}\n")
        with pytest.raises(ImproperlyConfigured, match="files include each other"):
            read_config(str(main))


class TestCommandLine:
    def test_what_there_may_be(self) -> None:
        words = ["--port", "1", "--Bind", "::1", "127.0.0.1", "--requirepass=--x", "--save", ""]
        assert [(line.name, line.words) for line in parse_options(words)] == [
            ("port", ["1"]),
            ("bind", ["::1", "127.0.0.1"]),
            ("requirepass", ["--x"]),
            ("save", [""]),
        ]

    def test_what_is_wrong_is_named(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="argument 'x' follows no option"):
            parse_options(["x"])
        with pytest.raises(ImproperlyConfigured, match="option --port has no value"):
            parse_options(["--bind", "::1", "--port"])
