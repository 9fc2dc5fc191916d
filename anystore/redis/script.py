"""Lua scripts as objects that load themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from anystore.exceptions import NoScript

if TYPE_CHECKING:
    from anystore.redis.commands.base import Argument, Commands, KeyT, ValueT

__all__ = ("RedisScript", "RegisteredScript")

T = TypeVar("T")


class RedisScript(Generic[T]):
    """A Lua script, called as `await script(client, keys=…, args=…)`.

    It is called by its SHA-1; a server that does not know it (any more) is sent the text, once. In a
    pipeline, where nobody can look at an answer half-way, the first call sends the text and later ones the
    SHA-1. One object serves any number of clients.

    Args:
        script: The text.
        reply: Makes the result of what the script returns, as RESP2 or RESP3 carry it; it also gives the
            result its type. None leaves it as it is.
    """

    @overload
    def __init__(self: RedisScript[Any], script: str | bytes, reply: None = None) -> None: ...

    @overload
    def __init__(self, script: str | bytes, reply: Callable[[Any], T]) -> None: ...

    def __init__(self, script: str | bytes, reply: Callable[[Any], Any] | None = None) -> None:
        self.script = script
        text = script.encode() if isinstance(script, str) else script
        # The protocol names scripts by SHA-1; nothing about it is a matter of security.
        self.sha = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        self._reply = _as_it_is if reply is None else reply

    def __repr__(self) -> str:
        return f"<RedisScript {self.sha}>"

    def __call__(
        self, client: Commands[Any], keys: Iterable[KeyT] = (), args: Iterable[ValueT] = ()
    ) -> Awaitable[T]:
        """Run the script on a client, or queue it in a pipeline.

        Args:
            client: A client or a pipeline.
            keys: Every key that the script uses, its `KEYS`.
            args: What else it is to know, its `ARGV`.

        Returns:
            What an awaited command or, in a pipeline, a queued one gives.

        Takes what the script takes. Raises `ResponseError` for what the script raises, or when it does not
        compile. Cancelled, it may run to its end on the server, its result dropped. Since 2.6.0.
        https://valkey.io/commands/evalsha/
        """
        names = list(keys)
        words: tuple[Argument, ...] = (len(names), *names, *args)
        queued = client.queued_scripts
        if queued is None:
            return self._run(client, words)
        known = self.sha in queued
        queued.add(self.sha)
        return client.execute_command(
            *(self._by_name(words) if known else self._in_full(words)), reply=self._reply
        )

    def _by_name(self, words: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return ("EVALSHA", self.sha, *words)

    def _in_full(self, words: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return ("EVAL", self.script, *words)

    async def _run(self, client: Commands[Any], words: tuple[Argument, ...]) -> T:
        try:
            return await client.execute_command(*self._by_name(words), reply=self._reply)
        except NoScript:
            # EVAL loads it as SCRIPT LOAD would, in the same step: no flush can come in between, and a
            # cluster sends both to the node that has the keys.
            return await client.execute_command(*self._in_full(words), reply=self._reply)


def _as_it_is(reply: Any) -> Any:
    return reply


class RegisteredScript:
    """A script with the client that it runs on, as `client.register_script` gives it (redis-py's form)."""

    def __init__(self, client: Commands[Any], script: str | bytes) -> None:
        self.registered_client = client
        self._script: RedisScript[Any] = RedisScript(script)

    @property
    def script(self) -> str | bytes:
        """The text."""
        return self._script.script

    @property
    def sha(self) -> str:
        """Its SHA-1 in hexadecimal."""
        return self._script.sha

    def __call__(
        self,
        keys: Iterable[KeyT] | None = None,
        args: Iterable[ValueT] | None = None,
        client: Commands[Any] | None = None,
    ) -> Awaitable[Any]:
        """`RedisScript.__call__` on this client, or on another client or a pipeline."""
        return self._script(client or self.registered_client, keys or (), args or ())
