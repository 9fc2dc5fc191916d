"""What pulsards lacks of the commands in the table, and why; the documentation's list of commands is made from it.

A command that is neither registered nor named in `ABSENT`, or is both, fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anystore.pulsards import commands
from anystore.pulsards.registry import registered
from anystore.spec import CommandSpec

_ONE_NODE: Final = "answers as a server whose cluster mode is off: an error"
_NO_MODULES: Final = "refused: modules are libraries for another program"

#: Commands that pulsards does not know, and why.
ABSENT: Final[Mapping[str, str]] = {}

#: Commands that pulsards knows in part, and what is missing.
PARTIAL: Final[Mapping[str, str]] = {
    "debug": "what tests of clients and of servers use; `DEBUG HELP` has it. `SLEEP` holds the clients, not the process",
    **dict.fromkeys(("module|load", "module|loadex", "module|unload"), _NO_MODULES),
    "replconf": "what Valkey's second channel for images needs: an image is sent in front of the stream",
    "shutdown": "`FAILOVER`, which hands over a cluster's slots, is refused, as by any server without cluster mode",
    **dict.fromkeys(("asking", "readonly", "readwrite", "clusterscan"), _ONE_NODE),
}


def coverage_of(row: CommandSpec) -> tuple[str, str]:
    """How much of a command pulsards has: ("full" | "partial" | "not here", what is missing, or why). O(1)."""
    commands.load()
    if row.name not in registered() and not row.is_container:
        return "not here", ABSENT[row.name]
    if row.name in PARTIAL:
        return "partial", PARTIAL[row.name]
    if row.name.startswith("cluster|"):
        return "partial", _ONE_NODE
    return "full", ""
