"""The documentation is true: its Python is run, and what it says that comes out does come out.

The blocks of a page run one after the other in one namespace, with an open `store` and its `client`. A comment behind
an expression that is a Python literal is what its value has to be.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

import anystore
import anystore.pulsards
from anystore import Store, create_store
from anystore.redis.commands import CoreCommands
from tests.servers import RealServer

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"  # (.+)$")
PAGES = sorted(
    [path for path in (ROOT / "docs").rglob("*.md") if BLOCK.search(path.read_text("utf-8"))]
    + [ROOT / "README.md"]
)


def blocks(path: Path) -> Iterator[tuple[int, str]]:
    """The Python of a page, each block with the number of its first line."""
    text = path.read_text("utf-8")
    for found in BLOCK.finditer(text):
        lines = found[2].splitlines()
        yield text.count("\n", 0, found.start(2)), "\n".join(line.removeprefix(found[1]) for line in lines)


class Checks(ast.NodeTransformer):
    """Turns `expression  # literal` into a call that compares the two."""

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines()

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        found = COMMENT.search(self.lines[node.lineno - 1]) if node.lineno == node.end_lineno else None
        if found is None or isinstance(node.value, ast.Constant):
            return node
        try:
            expected = ast.parse(found[1], mode="eval").body
            ast.literal_eval(expected)
        except (SyntaxError, ValueError):
            return node
        call = ast.Call(
            ast.Name("__expect__", ast.Load()), [node.value, expected, ast.Constant(found[1])], []
        )
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(call), node))


def expect(value: Any, expected: Any, text: str) -> None:
    assert value == expected, f"the page says {text}, it is {value!r}"


async def run_block(path: Path, line: int, source: str, namespace: dict[str, Any]) -> None:
    tree = Checks(source).visit(ast.parse(source))
    ast.increment_lineno(tree, line)
    code = compile(tree, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, namespace)
    else:
        # What runs an event loop of its own cannot do so in ours.
        await anyio.to_thread.run_sync(exec, code, namespace)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_python_does_what_it_says(path: Path, valkey: RealServer) -> None:
    async def run() -> None:
        module = ModuleType("page")
        sys.modules["page"] = module
        store: Store[bytes]
        async with create_store("memory://") as store:
            namespace = vars(module)
            namespace.update(__expect__=expect, store=store, client=store.client())
            for line, source in blocks(path):
                await run_block(path, line, source.replace("redis://localhost:6379/0", valkey.dsn), namespace)

    anyio.run(run)
    sys.modules.pop("page", None)


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs" / "hooks" / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestGeneratedParts:
    @pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
    def test_every_mark_is_filled(self, path: Path, generated: ModuleType) -> None:
        assert "<!-- generated" not in generated.on_page_markdown(path.read_text("utf-8"))

    def test_the_layers_are_those_of_the_code(self, generated: ModuleType) -> None:
        parts = {path.stem for path in (ROOT / "anystore").iterdir() if path.suffix == ".py" or path.is_dir()}
        drawn = {part for layer in generated.LAYERS for part in layer}
        assert parts - {"__init__", "__pycache__"} == drawn
        height = {part: number for number, layer in enumerate(generated.LAYERS) for part in layer}
        for part, others in generated.imports_at_start().items():
            assert [other for other in others if height[other] > height[part]] == []
        assert not {"pulsards", "embedded"} & generated.imports_at_start()["redis"]


class TestNothingIsLeftOut:
    def test_of_what_is_public(self) -> None:
        reference = "".join(path.read_text("utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
        documented = set(re.findall(r"^::: (\S+)", reference, re.MULTILINE))
        for package in (anystore, anystore.pulsards):
            for name in set(package.__all__) - {"__version__", "data_stores"}:
                found = getattr(package, name)
                places = {f"{package.__name__}.{name}", found.__module__, f"{found.__module__}.{name}"}
                assert places & documented, f"{package.__name__}.{name} is not in docs/api"

    def test_of_the_commands(self) -> None:
        page = (ROOT / "docs" / "api" / "commands.md").read_text("utf-8")
        assert [
            group.__name__ for group in CoreCommands.__bases__ if f".{group.__name__}\n" not in page
        ] == []

    def test_of_the_dependencies(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
        groups += [rows for name, rows in project["dependency-groups"].items() if name != "release"]
        names = {re.split(r"[\[<>=;]", row)[0] for rows in groups for row in rows}
        contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
        assert sorted(name for name in names if f"`{name}`" not in contributing) == []


NOT_YET = {
    "snapshots": ("has", "save"),
    "the append-only file": ("has", "bgrewriteaof"),
    "cluster mode": ("setting", "cluster-node-timeout"),
}


def test_what_the_readme_calls_not_yet_is_not_there(generated: ModuleType) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    listed = re.search(r"^Not yet, .* In pulsards: (.*?)\.$", text, re.MULTILINE)
    assert listed is not None
    for what in listed[1].split(", "):
        kind, name = NOT_YET[what]
        assert generated.GENERATORS[kind](name) == "–", f"{what}: it is there, take it off the README's list"
