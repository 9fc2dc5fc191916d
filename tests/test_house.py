"""The rules of the house that a machine can check: who imports whom, how long modules are, what they show."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "anystore"
MODULES = sorted(PACKAGE.rglob("*.py"))
OURS = [
    path
    for folder in ("anystore", "tests", "examples", "benchmarks", "fuzzing")
    for path in (ROOT / folder).rglob("*.py")
]
TEXTS = [
    *OURS,
    *(path for folder in ("docs", ".ci", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.*")),
    *(path for path in ROOT.iterdir() if path.suffix in {".md", ".toml", ".py", ".yml", ".yaml"}),
]

LONGEST_MODULE = 500
LONGEST_TEST = 800

# Only this module knows the event loop itself.
EVENT_LOOPS = {"asyncio", "trio", "uvloop"}
BACKEND = "anystore.backend"

# The layers, lowest first: a module imports its own layer and those above it in this list, except that the server and
# the client never import each other.
GROUND = {"exceptions", "resp", "spec", "dsn", "options", "registry", "backend", "trio_waiter", "streams"}
SERVER, CLIENT = "anystore.pulsards", "anystore.redis"

# Parts without I/O: no event loop, no socket, no clock of their own.
OUTSIDE_WORLD = {"anyio", "asyncio", "select", "selectors", "socket", "ssl", "time", "trio", "uvloop"}
CLOCK_READINGS = {"now", "today", "utcnow"}
SANS_IO_GROUND = ("anystore.resp", "anystore.spec", "anystore.dsn", "anystore.options", "anystore.exceptions")
# What drives the server: all the rest of pulsards is sans-IO. `clock` is where the machine's clock is read.
DRIVERS = {
    SERVER,
    *(
        f"{SERVER}.{name}"
        for name in [
            "__main__",
            "check.command",
            "clock",
            "giving_way",
            "connections",
            "debugging.driver",
            "listeners",
            "memory",
            "migration.driver",
            "migration.standstill",
            "persistence.keeping",
            "persistence.log_keeping",
            "reactor",
            "replication.driver",
            "server",
            "streams",
            "threads",
            "timers",
            "tls",
        ]
    ),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path): path for path in MODULES}


def is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path: Path) -> Iterator[str]:
    """The full names of all modules that a module imports when it is run, within functions too."""
    stack: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt) and is_for_type_checkers(node):
            stack += node.orelse  # type: ignore[attr-defined]
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in NAMES else node.module
        stack += ast.iter_child_nodes(node)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def is_sans_io(name: str) -> bool:
    if within(name, SERVER):
        return name not in DRIVERS
    # The package itself is where the version is; it is imported in front of every one of its modules anyway.
    return name == "anystore" or any(within(name, ground) for ground in SANS_IO_GROUND)


@pytest.mark.parametrize("name", NAMES)
class TestImports:
    def test_only_the_backend_knows_the_event_loops(self, name: str) -> None:
        found = {imported.split(".")[0] for imported in imports(NAMES[name])}
        assert name == BACKEND or not found & EVENT_LOOPS

    def test_they_go_down_the_layers(self, name: str) -> None:
        found = set(imports(NAMES[name]))
        if within(name, SERVER):
            assert not [other for other in found if within(other, CLIENT)]
        if within(name, CLIENT):
            assert not [other for other in found if within(other, SERVER)]
        if any(within(name, f"anystore.{ground}") for ground in GROUND):
            lower = {f"anystore.{ground}" for ground in GROUND}
            ours = [other for other in found if within(other, "anystore")]
            assert [other for other in ours if not any(within(other, ground) for ground in lower)] == []

    def test_parts_without_io_stay_so(self, name: str) -> None:
        if name == "anystore" or not is_sans_io(name):
            return
        for imported in imports(NAMES[name]):
            assert imported.split(".")[0] not in OUTSIDE_WORLD
            if within(imported, "anystore"):
                assert is_sans_io(imported) or imported == f"{SERVER}.clock", f"{name} imports {imported}"
        tree = ast.parse(NAMES[name].read_text("utf-8"))
        readings = [
            ast.unparse(node.func)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CLOCK_READINGS
            and ast.unparse(node.func.value) in {"datetime", "datetime.datetime", "date", "datetime.date"}
        ]
        assert readings == []


@pytest.mark.parametrize("name", NAMES)
class TestPublicNames:
    def test_all_is_a_tuple_of_names_that_exist(self, name: str) -> None:
        path = NAMES[name]
        tree = ast.parse(path.read_text("utf-8"))
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        if "__all__" not in assigned:
            is_package = path.name == "__init__.py"
            exported = [
                node
                for node in tree.body
                if isinstance(node, ast.ImportFrom) and within(node.module or "", "anystore")
            ]
            assert not (is_package and exported), "a package that re-exports names lists them in __all__"
            return
        module = importlib.import_module(name)
        assert isinstance(module.__all__, tuple)
        assert len(set(module.__all__)) == len(module.__all__)
        assert [missing for missing in module.__all__ if not hasattr(module, missing)] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_too_long(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    longest = LONGEST_MODULE if PACKAGE in path.parents else LONGEST_TEST
    assert lines <= longest, f"{lines} lines: split it by what it holds"


def test_the_types_are_for_users_too() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_nothing_mentions_the_machine_that_it_was_written_on() -> None:
    # Home folders and interpreters of a version manager, whoever's they are. Assembled so as not to match itself.
    pattern = re.compile(
        "|".join(
            ["/ro" + "ot/", "/ho" + "me/[a-z]", "/Us" + "ers/[a-z]", "py" + "env/versions", "/wo" + "rk/"]
        )
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in TEXTS
        if path.suffix not in {".pyc", ".png", ".gz"}
        and (match := pattern.search(path.read_text("utf-8", "replace")))
    ]
    assert found == []


def test_what_ci_runs_is_the_second_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [line for line in readme if line.startswith("python3 -m venv ")]
    assert len(commands) == 2
    assert commands[0].endswith("python examples/quickstart.py")
    assert commands[1].endswith("nox")
    # The pattern that .ci/run finds it by.
    assert [line for line in readme if re.match("python3 -m venv .*nox", line)] == [commands[1]]
