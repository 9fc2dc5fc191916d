"""The filters of CLIENT LIST and CLIENT KILL: which connections are meant."""

from __future__ import annotations

from typing import Any, Final, TypedDict

from anystore.redis.commands import arguments
from anystore.redis.commands.base import Argument

TYPES: Final = ("NORMAL", "MASTER", "PRIMARY", "SLAVE", "REPLICA", "PUBSUB")


class OtherFilters(TypedDict, total=False):
    """The filters of `ClientFilters` that `client_kill_filter` has no parameter of its own for."""

    name: str
    idle: int
    flags: str
    lib_name: str
    lib_ver: str
    db: int
    capa: str
    ip: str
    not_id: int | str
    not_type: str
    not_addr: str
    not_laddr: str
    not_user: str
    not_name: str
    not_flags: str
    not_lib_name: str
    not_lib_ver: str
    not_db: int
    not_capa: str
    not_ip: str


class ClientFilters(OtherFilters, total=False):
    """What connections can be chosen by, all of which has to hold: `addr` and `laddr` (`host:port` at the client's
    and at the server's side), `user`, `maxage` (seconds at least since they connected), and `skipme`, since Redis
    8.0 and Valkey 8.1 for CLIENT LIST, too; since Valkey 9.0 `name`, `idle` (seconds at least), `flags`, `lib_name`,
    `lib_ver`, `db`, `capa`, `ip`, and what begins with `not_`.
    """

    addr: str
    laddr: str
    user: str
    maxage: int
    skipme: bool


def filter_arguments(filters: dict[str, Any]) -> list[Argument]:
    """The filters as arguments, without those that are None. Raises `InvalidArgument`. O(N)."""
    args: list[Argument] = []
    for name, value in filters.items():
        if value is None:
            continue
        if name not in _NAMES:
            raise TypeError(f"there is no filter {name!r} of connections")
        if name in ("type", "not_type"):
            value = arguments.one_of("_type" if name == "type" else name, value, TYPES)
        elif name == "skipme":
            value = "YES" if value else "NO"
        args += (name.upper().replace("_", "-"), value)
    return args


_NAMES: Final = frozenset(("id", "type", *ClientFilters.__annotations__))
