"""What the documentation takes from the code, so that it cannot say anything else.

A page holds a line such as `<!-- generated: options ClientOptions -->`; here is what takes its place.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from anystore import exceptions, options
from anystore.pulsards import commands
from anystore.pulsards.config import Config
from anystore.pulsards.config_refusals import REFUSALS
from anystore.pulsards.coverage import coverage_of
from anystore.pulsards.registry import CommandEntry, build_table
from anystore.spec import specs

ROOT: Final = Path(__file__).parents[2]
MARKER: Final = re.compile(r"<!-- generated: ([a-z_]+)(?: ([\w.-]+))? -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put what is generated into a page; mkdocs calls this for each."""
    return MARKER.sub(lambda found: GENERATORS[found[1]](*filter(None, [found[2]])), markdown)


def option_table(class_name: str) -> str:
    """The options that a class of options adds to those of its base."""
    cls = getattr(options, class_name)
    inherited = {row.name for base in cls.__bases__ if base is not object for row in fields(base)}
    lines = ["| option | value | default | |", "| --- | --- | --- | --- |"]
    for row in fields(cls):
        if row.name in inherited:
            continue
        kind = row.metadata["kind"]
        names = ", or ".join(f"`{name}`" for name in (row.name, *row.metadata["names"]))
        default = "" if row.default is MISSING else shown(row.default)
        lines.append(f"| {names} | {kind.rule} | {default} | {row.metadata['about']} |")
    return "\n".join(lines)


def shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else "empty"


def directive_table() -> str:
    """The settings of pulsards."""
    lines = ["| directive | default | |", "| --- | --- | --- |"]
    config = Config()
    values = config.matching(b"*")
    for name, directive in sorted(config.directives.items()):
        changeable = "" if directive.mutable else "at the start only"
        lines.append(f"| `{name}` | {shown(values[name])} | {changeable} |")
    return "\n".join(lines)


def refusal_table() -> str:
    """The directives of Redis and Valkey that pulsards has not, and why."""
    lines = ["| directives | why not |", "| --- | --- |"]
    for reason, names in REFUSALS.items():
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {reason} |")
    return "\n".join(lines)


def error_table() -> str:
    """Which error class stands for which of the server's error codes."""
    lines = ["| code | class | |", "| --- | --- | --- |"]
    for code, cls in exceptions.ERROR_CLASSES.items():
        lines.append(f"| `{code}` | `{cls.__name__}` | {(cls.__doc__ or '').splitlines()[0]} |")
    return "\n".join(lines)


def implemented() -> Iterator[CommandEntry]:
    """Every command and subcommand that pulsards has, containers included."""
    commands.load()
    for entry in dict.fromkeys(build_table().values()):
        yield entry
        yield from entry.subcommands.values()


def command_count(group: str) -> str:
    """How many commands of a group pulsards has, or of all groups."""
    counts = Counter(entry.spec.group for entry in implemented())
    return str(counts.total() if group == "total" else counts[group])


def has_command(name: str) -> str:
    """Whether pulsards has a command; a subcommand is named as in client.kill."""
    names = {entry.spec.name for entry in implemented()}
    return "✓" if name.replace(".", "|") in names else "–"


def has_setting(name: str) -> str:
    """Whether pulsards has a directive."""
    return "✓" if name in Config().directives else "–"


def directive_count() -> str:
    return str(len(Config().directives))


def command_list() -> str:
    """The names of pulsards' commands by group."""
    groups: dict[str, list[str]] = {}
    for entry in implemented():
        if not entry.spec.is_container:
            groups.setdefault(entry.spec.group, []).append(entry.spec.name.replace("|", " ").upper())
    lines = ["| group | commands |", "| --- | --- |"]
    lines += [f"| {group} | {', '.join(sorted(names))} |" for group, names in sorted(groups.items())]
    return "\n".join(lines)


def coverage_table() -> str:
    """Every command of the table: since when there is one, and how much of it pulsards has."""
    groups: dict[str, list[str]] = {}
    for row in specs().values():
        if row.is_container:
            continue
        state, what = coverage_of(row)
        since = f"{row.since} (Valkey)" if row.origin == "valkey" else row.since
        name = row.name.replace("|", " ").upper()
        groups.setdefault(row.group, []).append(f"| `{name}` | {since} | {state} | {what} |")
    parts = []
    for group, lines in sorted(groups.items()):
        parts += [
            f"## {group.replace('-', ' ').capitalize()}",
            "",
            "| command | since | | |",
            "| --- | --- | --- | --- |",
        ]
        parts += [*lines, ""]
    return "\n".join(parts)


def coverage_count(state: str) -> str:
    """Of how many commands pulsards has so much; "all" counts every one of the table."""
    rows = [row for row in specs().values() if not row.is_container]
    return str(len(rows) if state == "all" else sum(coverage_of(row)[0] == state for row in rows))


LAYERS: Final = (
    ("exceptions", "dsn", "options", "registry", "spec", "resp", "trio_waiter", "backend", "streams"),
    ("store",),
    ("redis", "pulsards"),
    ("embedded", "pytest_plugin"),
)
"""The parts of the package, lowest first, as docs/architecture.md draws them."""


def part_of(module: str) -> str:
    words = module.split(".")
    return words[1] if len(words) > 1 else ""


def imports_at_start() -> dict[str, set[str]]:
    """Which part imports which, when it is imported itself: not for type checkers, not inside functions."""
    found: dict[str, set[str]] = {}
    parts = {part for layer in LAYERS for part in layer}
    for path in (ROOT / "anystore").rglob("*.py"):
        relative = path.relative_to(ROOT).with_suffix("")
        part = part_of(".".join(relative.parts))
        if part not in parts:
            continue
        imported = found.setdefault(part, set())
        for node in statements(ast.parse(path.read_text("utf-8")).body):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                imported.update(part_of(name) for name in names if name.startswith("anystore."))
    return {
        part: {other for other in others if other in parts and other != part}
        for part, others in found.items()
    }


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from statements(node.body)
            yield from statements(node.orelse)
        else:
            yield node


def import_table() -> str:
    """Which part of the package imports which."""
    found = imports_at_start()
    lines = ["| part | imports |", "| --- | --- |"]
    for layer in reversed(LAYERS):
        for part in layer:
            lines.append(f"| `{part}` | {', '.join(f'`{other}`' for other in sorted(found[part])) or '–'} |")
    return "\n".join(lines)


GENERATORS: Final[dict[str, Callable[..., str]]] = {
    "options": option_table,
    "directives": directive_table,
    "refusals": refusal_table,
    "errors": error_table,
    "command_count": command_count,
    "command_list": command_list,
    "has": has_command,
    "setting": has_setting,
    "directive_count": directive_count,
    "imports": import_table,
    "coverage": coverage_table,
    "coverage_count": coverage_count,
}
