"""The cluster group of a server whose cluster mode is off: every command says so."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.context import Context
from anystore.pulsards.errors import CommandError
from anystore.pulsards.registry import command

_DISABLED: Final = b"ERR This instance has cluster support disabled"
_SUBCOMMANDS: Final = (
    *("addslots", "addslotsrange", "bumpepoch", "cancelslotmigrations", "count-failure-reports"),
    *("countkeysinslot", "delslots", "delslotsrange", "failover", "flushslot", "flushslots", "forget"),
    *(
        "getkeysinslot",
        "getslotmigrations",
        "help",
        "info",
        "keyslot",
        "links",
        "meet",
        "migrateslots",
        "myid",
    ),
    *("myshardid", "nodes", "replicas", "replicate", "reset", "saveconfig", "set-config-epoch", "setslot"),
    *("shards", "slaves", "slot-stats", "slots", "syncslots"),
)


@command("asking", "readonly", "readwrite", "clusterscan", *(f"cluster|{name}" for name in _SUBCOMMANDS))
def disabled(ctx: Context, args: list[bytes]) -> Any:
    """CLUSTER … | ASKING | READONLY | READWRITE | CLUSTERSCAN — an error: cluster mode is off. O(1). Since 3.0."""
    raise CommandError(_DISABLED)
