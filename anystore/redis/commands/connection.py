"""Commands about connections: the client's own, and those of all clients."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NoReturn, Unpack

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies, server_texts
from anystore.redis.commands.base import Commands, S, ValueT
from anystore.redis.commands.client_filters import ClientFilters, OtherFilters, filter_arguments

_OF_STORE: Final = "say so when the store is created, and every connection of it will"
NOT_SHARED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AUTH": f"user and password belong to the store: {_OF_STORE} authenticate: create_store(url, user=…)",
        "HELLO": f"the protocol belongs to the store: {_OF_STORE} speak it: create_store(url, protocol=…)",
        "SELECT": f"the database belongs to the store: {_OF_STORE} use it: create_store(url, database=…)",
        "RESET": "it would undo what the store has set up on the connection",
        "QUIT": "leave the store's `async with`, which closes its connections",
        "CLIENT REPLY": "commands would wait for replies that the server does not send",
        "CLIENT TRACKING": "invalidation messages need a connection that somebody reads them from",
        "CLIENT CACHING": "it goes with CLIENT TRACKING, which a shared connection does not do",
        "SCRIPT DEBUG": "a debugger takes the connection for itself: use redis-cli --ldb",
    }
)
"""Commands that would change a connection under all others that use it, and what is right instead."""


def refuse(command: str) -> NoReturn:
    """Raise `InvalidArgument` for a command in `NOT_SHARED`."""
    raise InvalidArgument(f"{command} is not for a connection that tasks share: {NOT_SHARED[command]}")


class ConnectionCommands(Commands[S]):
    """Commands about connections.

    Tasks share a connection, so commands that would change it under the others are refused, each with a
    hint at the right way: `auth`, `hello`, `select`, `reset`, `quit`, `client_reply`, `client_tracking`.
    `client_id`, `client_info` and their like speak of whichever connection the command went out on.
    """

    def auth(self, password: str, username: str | None = None) -> NoReturn:
        """Refused: create the store with `user` and `password`. https://valkey.io/commands/auth/"""
        refuse("AUTH")

    def hello(self, *args: ValueT) -> NoReturn:
        """Refused: create the store with `protocol`. https://valkey.io/commands/hello/"""
        refuse("HELLO")

    def select(self, index: int) -> NoReturn:
        """Refused: create a store for the other database. https://valkey.io/commands/select/"""
        refuse("SELECT")

    def reset(self) -> NoReturn:
        """Refused: it would undo the store's own settings. https://valkey.io/commands/reset/"""
        refuse("RESET")

    def quit(self) -> NoReturn:
        """Refused: leave the store's `async with`. https://valkey.io/commands/quit/"""
        refuse("QUIT")

    def client_reply(self, reply: str) -> NoReturn:
        """Refused: replies would be missed. https://valkey.io/commands/client-reply/"""
        refuse("CLIENT REPLY")

    def client_tracking(self, on: bool = True, *args: ValueT, **kwargs: Any) -> NoReturn:
        """Refused: nobody would read the messages. https://valkey.io/commands/client-tracking/"""
        refuse("CLIENT TRACKING")

    def client_caching(self, mode: str) -> NoReturn:
        """Refused: it goes with CLIENT TRACKING. https://valkey.io/commands/client-caching/"""
        refuse("CLIENT CACHING")

    client_tracking_on = client_tracking
    client_tracking_off = client_tracking

    def ping(self) -> Awaitable[bool]:
        """Ask for a sign of life; True. O(1). Since 1.0.0. https://valkey.io/commands/ping/"""
        return self.execute_command("PING", reply=replies.is_pong)

    def echo(self, value: ValueT) -> Awaitable[S]:
        """Have something sent back. O(1). Since 1.0.0. https://valkey.io/commands/echo/"""
        return self.execute_command("ECHO", value)

    def client_getname(self) -> Awaitable[str | None]:
        """The name of the connection; None without one. O(1).

        Since 2.6.9. https://valkey.io/commands/client-getname/
        """
        return self.execute_command("CLIENT", "GETNAME", reply=replies.text_or_none)

    def client_setname(self, name: str) -> Awaitable[bool]:
        """Name the connection, until it is lost; True. `create_store(…, client_name=…)` names them all.

        O(1). Since 2.6.9. https://valkey.io/commands/client-setname/
        """
        return self.execute_command("CLIENT", "SETNAME", name, reply=replies.is_ok)

    def client_setinfo(self, attr: str, value: str) -> Awaitable[bool]:
        """Tell the server of the library: `LIB-NAME` or `LIB-VER`; True. O(1).

        Since 7.2.0. https://valkey.io/commands/client-setinfo/
        """
        return self.execute_command("CLIENT", "SETINFO", attr, value, reply=replies.is_ok)

    def client_id(self) -> Awaitable[int]:
        """The connection's number. O(1). Since 5.0.0. https://valkey.io/commands/client-id/"""
        return self.execute_command("CLIENT", "ID")

    def client_info(self) -> Awaitable[dict[str, str | int]]:
        """The connection's line of `client_list`, numbers as `int`. O(1).

        Since 6.2.0. https://valkey.io/commands/client-info/
        """
        return self.execute_command("CLIENT", "INFO", reply=server_texts.client_info)

    def client_list(
        self,
        _type: str | None = None,
        client_id: Sequence[int | str] = (),
        **filters: Unpack[ClientFilters],
    ) -> Awaitable[list[dict[str, str]]]:
        """All connections of the server, or those that every filter fits, a `dict` of text each. O(N).

        `_type` is `normal`, `master`, `replica` or `pubsub`; `client_id` names some of them; `filters` are those of
        `ClientFilters`, which are younger. Since 2.4.0, both since 6.2.0, together with others since Valkey 8.1.
        https://valkey.io/commands/client-list/
        """
        args = filter_arguments({"type": _type})
        if client_id:
            args += ("ID", *client_id)
        args += filter_arguments(dict(filters))
        return self.execute_command("CLIENT", "LIST", *args, reply=server_texts.client_list)

    def client_kill(self, address: str) -> Awaitable[bool]:
        """Close the connection from `ip:port`; True. Raises `ResponseError` if there is none. O(N).

        Since 2.4.0. https://valkey.io/commands/client-kill/
        """
        return self.execute_command("CLIENT", "KILL", address, reply=replies.is_ok)

    def client_kill_filter(
        self,
        _id: str | int | None = None,
        _type: str | None = None,
        addr: str | None = None,
        skipme: bool | None = None,
        laddr: str | None = None,
        user: str | None = None,
        maxage: int | None = None,
        **filters: Unpack[OtherFilters],
    ) -> Awaitable[int]:
        """Close all connections that every filter fits; how many that were.

        Args:
            _id: The connection's number.
            _type: `normal`, `master`, `slave`, `replica` or `pubsub`.
            addr: `ip:port` at the client's side.
            skipme: False closes the connection that asks, too.
            laddr: `ip:port` at the server's side.
            user: The user that it is authenticated as.
            maxage: Older than so many seconds.
            filters: The others of `ClientFilters`.

        O(N). Since 2.8.12, `laddr` since 6.2.0, `maxage` since 7.4.0, `filters` since Valkey 9.0.
        https://valkey.io/commands/client-kill/
        """
        given = {"id": _id, "type": _type, "addr": addr, "skipme": skipme, "laddr": laddr, "user": user}
        args = filter_arguments({**given, "maxage": maxage, **filters})
        arguments.some(args, "CLIENT KILL", "filters")
        return self.execute_command("CLIENT", "KILL", *args)

    def client_getredir(self) -> Awaitable[int]:
        """Which connection invalidation messages go to; -1 without tracking, 0 for itself. O(1).

        Since 6.0.0. https://valkey.io/commands/client-getredir/
        """
        return self.execute_command("CLIENT", "GETREDIR")

    def client_trackinginfo(self) -> Awaitable[dict[str, Any]]:
        """The state of tracking: `flags` (list of text), `redirect`, `prefixes` (list of text). O(1).

        Since 6.2.0. https://valkey.io/commands/client-trackinginfo/
        """
        return self.execute_command("CLIENT", "TRACKINGINFO", reply=server_texts.tracking_info)

    def client_unblock(self, client_id: int, error: bool = False) -> Awaitable[bool]:
        """End another connection's wait as if its time were up; False when it does not wait.

        With `error` it raises `Unblocked` there. O(log N). Since 5.0.0. https://valkey.io/commands/client-unblock/
        """
        args = ("ERROR",) if error else ()
        return self.execute_command("CLIENT", "UNBLOCK", int(client_id), *args, reply=replies.truth)

    def client_pause(self, timeout: int, all: bool = True) -> Awaitable[bool]:
        """Let all clients wait for so many milliseconds, or, without `all`, those that write; True. O(1).

        Since 3.0.0, without `all` since 6.2.0. https://valkey.io/commands/client-pause/
        """
        if isinstance(timeout, bool) or not isinstance(timeout, int):
            raise InvalidArgument(f"timeout must be a whole number of milliseconds, not {timeout!r}")
        mode = () if all else ("WRITE",)
        return self.execute_command("CLIENT", "PAUSE", timeout, *mode, reply=replies.is_ok)

    def client_unpause(self) -> Awaitable[bool]:
        """End `client_pause`; True. O(N) in the clients that wait.

        Since 6.2.0. https://valkey.io/commands/client-unpause/
        """
        return self.execute_command("CLIENT", "UNPAUSE", reply=replies.is_ok)

    def client_no_evict(self, mode: str) -> Awaitable[bool]:
        """Exempt the connection from client eviction: `ON` or `OFF`; True. O(1).

        Since 7.0.0. https://valkey.io/commands/client-no-evict/
        """
        word = arguments.one_of("mode", mode, ("ON", "OFF"))
        return self.execute_command("CLIENT", "NO-EVICT", word, reply=replies.is_ok)

    def client_no_touch(self, mode: str) -> Awaitable[bool]:
        """Let the connection's commands not count as access for eviction: `ON` or `OFF`; True. O(1).

        Since 7.2.0. https://valkey.io/commands/client-no-touch/
        """
        word = arguments.one_of("mode", mode, ("ON", "OFF"))
        return self.execute_command("CLIENT", "NO-TOUCH", word, reply=replies.is_ok)

    def client_capa(self, *capabilities: str) -> Awaitable[bool]:
        """Tell the server what the client understands (`redirect`), on the connection that tasks share; True. O(N).

        Since Valkey 8.0. https://valkey.io/commands/client-capa/
        """
        arguments.some(capabilities, "CLIENT CAPA", "capabilities")
        return self.execute_command("CLIENT", "CAPA", *capabilities, reply=replies.is_ok)

    def client_import_source(self, mode: str) -> Awaitable[bool]:
        """Mark the connection as one that imports data, so that nothing it writes is expired: `ON` or `OFF`; True. O(1).

        Raises `ResponseError` unless the server's `import-mode` is on. Since Valkey 8.1.
        https://valkey.io/commands/client-import-source/
        """
        word = arguments.one_of("mode", mode, ("ON", "OFF"))
        return self.execute_command("CLIENT", "IMPORT-SOURCE", word, reply=replies.is_ok)
