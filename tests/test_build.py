"""The optional compiled build: what it is to compile is there, and has the form for it.

mypyc is not needed here. What it refuses, or takes and compiles into something that fails, is told from the source: types
are complete anyway, for mypy is strict about them.
"""

from __future__ import annotations

import ast
import builtins
import collections
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from anystore.pulsards import session
from benchmarks.compiled import is_compiled

ROOT = Path(__file__).parent.parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"][
    "wheel"
]["hooks"]["custom"]
MODULES = HOOK["modules"]
NAMES = {module.removesuffix(".py").replace("/", ".") for module in MODULES}
SOURCES = [
    path
    for folder in ("anystore", "tests", "examples", "benchmarks", "fuzzing")
    for path in (ROOT / folder).rglob("*.py")
]
#: Types whose objects have no room for the attributes that mypyc would put behind them.
NO_BASES = {
    *(
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "memoryview",
        "set",
        "str",
        "tuple",
    ),
    *("Counter", "OrderedDict", "UserDict", "defaultdict", "deque"),
}


def sources_with(pattern: str) -> list[Path]:
    return [path for path in SOURCES if re.search(pattern, path.read_text("utf-8"))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> dict[str, str]:
    """What names stand for that a module imports: the full names of modules, and of what is in them."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
    return found


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """`a.b` with what `a` stands for; the text of what is no name."""
    text = ast.unparse(node)
    first, dot, rest = text.partition(".")
    return names.get(first, first) + dot + rest


def bases(path: Path) -> Iterator[tuple[str, str]]:
    """The classes of a module, each with every base, without its parameters, by its full name."""
    tree = parsed(path)
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                yield node.name, full_name(base.value if isinstance(base, ast.Subscript) else base, names)


def class_of(module: str, name: str) -> ast.ClassDef | None:
    """The class in the source of a compiled module, or None."""
    tree = parsed(ROOT / f"{module.replace('.', '/')}.py")
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def own_name(node: ast.expr) -> str:
    """`name` for `self.name`, or nothing."""
    return node.attr if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self" else ""


def declared(module: str, name: str) -> set[str]:
    """The attributes that a class gives a type: in its body, or in a method."""
    kind = class_of(module, name)
    if kind is None:
        return set()
    in_body = {ast.unparse(node.target) for node in kind.body if isinstance(node, ast.AnnAssign)}
    written = {own_name(node.target) for node in ast.walk(kind) if isinstance(node, ast.AnnAssign)}
    return in_body | written - {""}


def inherited(name: str) -> set[str]:
    """The attributes of a compiled class, by its full name, and of its bases; none of any other class."""
    rest = within_compiled(name)
    module = name.removesuffix(f".{rest}")
    kind = class_of(module, rest) if rest else None
    if kind is None:
        return set()
    written = {
        own_name(node)
        for node in ast.walk(kind)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    found = written - {""} | declared(module, rest)
    for own, base in bases(ROOT / f"{module.replace('.', '/')}.py"):
        if own == rest:
            found |= inherited(base if "." in base else f"{module}.{base}")
    return found


def within_compiled(name: str) -> str:
    """What a full name is within a compiled module, or nothing where it is in none."""
    module, _, rest = name.rpartition(".")
    while module:
        if module in NAMES:
            return rest
        module, _, more = module.rpartition(".")
        rest = f"{more}.{rest}"
    return ""


def test_the_hook_is_there() -> None:
    assert (ROOT / HOOK["path"]).is_file()


def test_every_module_is_listed_once() -> None:
    assert len(MODULES) == len(set(MODULES))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_is_to_be_compiled_is_there(module: str) -> None:
    assert (ROOT / module).is_file()


@pytest.mark.parametrize("module", MODULES)
class TestForm:
    """What mypyc can compile, each rule for something that has failed, or would as soon as it is run."""

    def test_no_class_is_a_container(self, module: str) -> None:
        """Its attributes would lie where there is no room for them, which ends the process."""
        found = [f"{name}({base})" for name, base in bases(ROOT / module) if base.split(".")[-1] in NO_BASES]
        assert found == [], "let it hold one, or leave the module out of those that are compiled"

    def test_no_class_derives_from_a_container_of_ours(self, module: str) -> None:
        loaded = importlib.import_module(module.removesuffix(".py").replace("/", "."))
        kinds = tuple(getattr(builtins, name, None) or getattr(collections, name) for name in NO_BASES)
        # A NamedTuple is a tuple for mypyc, too, which knows it.
        found = [
            name
            for name, kind in vars(loaded).items()
            if isinstance(kind, type)
            and kind.__module__ == loaded.__name__
            and issubclass(kind, kinds)
            and not hasattr(kind, "_fields")
        ]
        assert found == []

    def test_classes_stand_in_the_module_itself(self, module: str) -> None:
        functions = [
            node
            for node in ast.walk(parsed(ROOT / module))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        found = [
            node.name
            for function in functions
            for node in ast.walk(function)
            if isinstance(node, ast.ClassDef)
        ]
        assert found == []

    def test_no_object_is_made_past_its_constructor(self, module: str) -> None:
        """`__new__` of a compiled class calls the constructor."""
        found = [
            ast.unparse(node)
            for node in ast.walk(parsed(ROOT / module))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "__new__"
        ]
        assert found == []

    def test_no_class_declares_an_attribute_of_its_base_anew(self, module: str) -> None:
        """The garbage collector would be shown what it holds twice, and then take it for something that others hold, too."""
        own = module.removesuffix(".py").replace("/", ".")
        found = [
            f"{name}.{attribute}"
            for name, base in bases(ROOT / module)
            for attribute in declared(own, name) & inherited(base if "." in base else f"{own}.{base}")
        ]
        assert found == [], "leave the type to the base"


class TestSurroundings:
    """What interpreted modules, tests among them, may not do with compiled ones."""

    def test_no_compiled_class_has_an_interpreted_subclass(self) -> None:
        found = [
            f"{path.relative_to(ROOT)}: {name}({base})"
            for path in sources_with(r"class \w+\(")
            if path.relative_to(ROOT).as_posix() not in MODULES
            for name, base in bases(path)
            if within_compiled(base)
        ]
        assert found == []

    def test_nothing_is_replaced_that_compiled_code_does_not_look_up(self) -> None:
        """It calls its functions and methods directly, and has constants that are `Final` within itself."""
        found = [
            f"{path.relative_to(ROOT)}: {name}"
            for path in sources_with(r"monkeypatch\.setattr\(")
            for name in replaced(path)
        ]
        assert found == []


def replaced(path: Path) -> Iterator[str]:
    """What a module replaces by `monkeypatch.setattr` in compiled ones, but for variables that are no `Final`."""
    tree = parsed(path)
    names = imported(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("monkeypatch.setattr")):
            continue
        target, attribute = node.args[:2]
        if isinstance(target, ast.Constant):
            name = str(target.value)
        elif isinstance(attribute, ast.Constant):
            name = f"{full_name(target, names)}.{attribute.value}"
        else:
            continue
        rest = within_compiled(name)
        if rest and rest not in variables(name.removesuffix(f".{rest}")):
            yield name


def variables(module: str) -> set[str]:
    """The names that a module gives values and not for good."""
    tree = parsed(ROOT / f"{module.replace('.', '/')}.py")
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).startswith("Final"):
            found.add(ast.unparse(node.target))
    return found


class TestRules:
    """The rules themselves see what they are for."""

    def test_what_is_within_a_compiled_module(self) -> None:
        assert within_compiled("anystore.pulsards.session.Session") == "Session"
        assert within_compiled("anystore.pulsards.session.Session.receive") == "Session.receive"
        assert within_compiled("anystore.pulsards.reactor.Reactor") == ""
        assert within_compiled("dict") == ""

    def test_what_a_class_declares_and_inherits(self) -> None:
        state = "anystore.pulsards.client_state"
        assert {"queue", "user"} <= declared(state, "ClientState")
        assert {"parser", "name", "db", "engine"} <= inherited(f"{state}.ClientState")
        assert "engine" not in declared(state, "ClientState")
        assert inherited("anystore.pulsards.blocking.Waiter") == set()

    def test_what_is_seen_of_a_module(self, tmp_path: Path) -> None:
        path = tmp_path / "module.py"
        path.write_text(
            "from anystore.pulsards import session\n"
            "from anystore.pulsards.session import Session as S\n"
            "import anystore.pulsards.engine as whole\n"
            "class A(S): ...\n"
            "class B(dict[bytes, int], whole.Engine): ...\n"
            "def test(monkeypatch, chosen):\n"
            "    monkeypatch.setattr(S, 'receive', None)\n"
            "    monkeypatch.setattr(session, '_NO_NAME_OF_ITS', 1)\n"
            "    monkeypatch.setattr('anystore.pulsards.engine.Engine.call', None)\n"
            "    monkeypatch.setattr(chosen, 'receive', None)\n"
        )
        assert list(bases(path)) == [
            ("A", "anystore.pulsards.session.Session"),
            ("B", "dict"),
            ("B", "anystore.pulsards.engine.Engine"),
        ]
        assert list(replaced(path)) == [
            "anystore.pulsards.session.Session.receive",
            "anystore.pulsards.session._NO_NAME_OF_ITS",
            "anystore.pulsards.engine.Engine.call",
        ]


def test_the_build_is_told_from_the_pure_one() -> None:
    assert is_compiled(sys.executable) == session.__file__.endswith((".so", ".pyd"))
