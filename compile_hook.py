"""The optional build of the server's hot path in C, by mypyc: `ANYSTORE_COMPILE=1 pip install .` has it made.

Without that variable this does nothing, and the wheel is the pure Python that it is otherwise. The source is the same;
the modules that are compiled are listed in `pyproject.toml`. It takes a C compiler and Python's headers.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def is_wanted() -> bool:
    """Whether whoever builds asks for compiled modules."""
    return os.environ.get("ANYSTORE_COMPILE", "") not in ("", "0")


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled modules to a wheel, beside their source."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beyond hatchling."""
        return list(self.config["compile-requires"]) if is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless it is not wanted. An editable install stays pure: its source is there to be changed."""
        if not is_wanted() or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for built in self._compile(Path(self._folder.name)):
            path, relative = built
            build_data["force_include"][path] = relative

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written: what it was made of can go."""
        if is_wanted() and version != "editable":
            self._folder.cleanup()

    def _compile(self, folder: Path) -> list[tuple[str, str]]:
        """Compile the modules; each file that came of it, with its place in the wheel."""
        from mypyc.build import mypycify
        from setuptools import Distribution

        # What the sources import from elsewhere need not be there: mypyc takes it as untyped.
        options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
        extensions = mypycify(
            [*options, *self.config["modules"]],
            opt_level="3",
            debug_level="0",
            multi_file=True,
            target_dir=str(folder / "c"),
            group_name="anystore",
        )
        distribution = Distribution({"name": "anystore-pulsards", "ext_modules": extensions})
        command: Any = distribution.get_command_obj("build_ext")
        command.build_lib = str(folder / "lib")
        command.build_temp = str(folder / "temp")
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
        library = folder / "lib"
        return [
            (str(path), str(path.relative_to(library)))
            for path in sorted(library.rglob("*"))
            if path.is_file()
        ]
