"""What the server tells of its process: which build of it runs."""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

import pytest

from anystore.pulsards import process, session
from tests.pulsards.peers import EngineClient


def loaded_from(file: str | None) -> ModuleType:
    module = ModuleType("made up")
    module.__file__ = file
    return module


class TestBuild:
    def test_it_is_told_by_the_modules_that_are_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours = [name for name in sys.modules if name.startswith("anystore.")]
        for name in ours:
            monkeypatch.setitem(sys.modules, name, loaded_from("here/module.py"))
        assert process.build() == "pure"
        # Neither a module without a file, nor an extension of somebody else's.
        monkeypatch.setitem(sys.modules, "anystore.pulsards.of_a_namespace", loaded_from(None))
        monkeypatch.setitem(sys.modules, "elsewhere", loaded_from(f"here/fast{EXTENSION_SUFFIXES[0]}"))
        assert process.build() == "pure"
        place = f"here/session{EXTENSION_SUFFIXES[0]}"
        monkeypatch.setitem(sys.modules, "anystore.pulsards.session", loaded_from(place))
        assert process.build() == "compiled"

    def test_info_says_it(self) -> None:
        is_compiled = not str(session.__file__).endswith(".py")
        expected = "compiled" if is_compiled else "pure"
        assert f"pulsards_build:{expected}\r\n" in EngineClient().execute("INFO", "server").decode()
