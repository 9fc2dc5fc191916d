"""What a script that is about to run declares of itself: for what has to know before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting.shebang import parse_shebang

if TYPE_CHECKING:
    from anystore.pulsards.engine import Engine
    from anystore.pulsards.registry import CommandEntry


def declared_flags(engine: Engine, entry: CommandEntry, arguments: list[bytes]) -> frozenset[bytes] | None:
    """The flags of the script that EVAL, EVALSHA or FCALL is to run; None where it declares nothing, or is none."""
    if entry.name == b"evalsha":
        script = engine.scripts.find(arguments[1])
        return None if script is None else script.flags
    if entry.name == b"fcall":
        function = engine.libraries.find(arguments[1])
        return None if function is None else frozenset(function.flags)
    if entry.name != b"eval":
        return None
    try:
        return parse_shebang(arguments[1]).flags
    except CommandError:
        return None
