"""Commands on strings, which are also numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Literal, TypeVar, overload

from anystore.exceptions import InvalidArgument
from anystore.redis.commands import arguments, replies
from anystore.redis.commands.base import AbsExpiryT, Argument, Commands, ExpiryT, KeyT, S, ValueT

KeyK = TypeVar("KeyK", bound=KeyT)


class StringCommands(Commands[S]):
    """Commands on strings."""

    def append(self, key: KeyT, value: ValueT) -> Awaitable[int]:
        """Append to a string, or create it; its new length in bytes. O(1) amortised.

        Since 2.0.0. https://valkey.io/commands/append/
        """
        return self.execute_command("APPEND", key, value)

    def decr(self, name: KeyT, amount: int = 1) -> Awaitable[int]:
        """Take `amount` off a number, 0 if there is none yet; the result. O(1).

        Raises `ResponseError` for a value that is no 64-bit integer, or would leave its range.
        Since 1.0.0. https://valkey.io/commands/decrby/
        """
        return self.execute_command("DECRBY", name, amount)

    def decrby(self, name: KeyT, amount: int = 1) -> Awaitable[int]:
        """The same as `decr`. Since 1.0.0. https://valkey.io/commands/decrby/"""
        return self.execute_command("DECRBY", name, amount)

    def incr(self, name: KeyT, amount: int = 1) -> Awaitable[int]:
        """Add `amount` to a number, 0 if there is none yet; the result. O(1).

        Raises `ResponseError` for a value that is no 64-bit integer, or would leave its range.
        Since 1.0.0. https://valkey.io/commands/incrby/
        """
        return self.execute_command("INCRBY", name, amount)

    def incrby(self, name: KeyT, amount: int = 1) -> Awaitable[int]:
        """The same as `incr`. Since 1.0.0. https://valkey.io/commands/incrby/"""
        return self.execute_command("INCRBY", name, amount)

    def incrbyfloat(self, name: KeyT, amount: float = 1.0) -> Awaitable[float]:
        """Add a fraction to a number, 0 if there is none yet; the result. O(1).

        Raises `ResponseError` for a value that is no number. Since 2.6.0.
        https://valkey.io/commands/incrbyfloat/
        """
        return self.execute_command("INCRBYFLOAT", name, amount, reply=replies.decimal)

    def get(self, name: KeyT) -> Awaitable[S | None]:
        """The value; None when there is no such key. O(1).

        Since 1.0.0. https://valkey.io/commands/get/
        """
        return self.execute_command("GET", name)

    def getdel(self, name: KeyT) -> Awaitable[S | None]:
        """The value, deleting the key; None when there is none. O(1).

        Since 6.2.0. https://valkey.io/commands/getdel/
        """
        return self.execute_command("GETDEL", name)

    def getex(
        self,
        name: KeyT,
        ex: ExpiryT | None = None,
        px: ExpiryT | None = None,
        exat: AbsExpiryT | None = None,
        pxat: AbsExpiryT | None = None,
        persist: bool = False,
    ) -> Awaitable[S | None]:
        """The value, changing its expiry; None when there is no such key. O(1).

        One at most of: `ex` seconds, `px` milliseconds, `exat` Unix seconds, `pxat` Unix milliseconds,
        `persist` (no expiry any more). Since 6.2.0. https://valkey.io/commands/getex/
        """
        arguments.exclusive(ex=ex, px=px, exat=exat, pxat=pxat, persist=persist)
        options = ("PERSIST",) if persist else arguments.expiry(ex, px, exat, pxat)
        return self.execute_command("GETEX", name, *options)

    def getrange(self, key: KeyT, start: int, end: int) -> Awaitable[S]:
        """The bytes from `start` to `end`, both included; negative numbers count from the end.

        Empty without the key. O(N) in the result. Since 2.4.0. https://valkey.io/commands/getrange/
        """
        return self.execute_command("GETRANGE", key, start, end)

    def substr(self, name: KeyT, start: int, end: int = -1) -> Awaitable[S]:
        """The old name of `getrange`. Since 1.0.0. https://valkey.io/commands/substr/"""
        return self.execute_command("SUBSTR", name, start, end)

    def getset(self, name: KeyT, value: ValueT) -> Awaitable[S | None]:
        """Set a value, without expiry, and return the old one; None if there was none. O(1).

        `set(…, get=True)` says the same. Since 1.0.0. https://valkey.io/commands/getset/
        """
        return self.execute_command("GETSET", name, value)

    @overload
    def lcs(
        self,
        key1: KeyT,
        key2: KeyT,
        len: Literal[False] = ...,
        idx: Literal[False] = ...,
        minmatchlen: int = ...,
        withmatchlen: bool = ...,
    ) -> Awaitable[S]: ...

    @overload
    def lcs(
        self,
        key1: KeyT,
        key2: KeyT,
        len: Literal[True],
        idx: Literal[False] = ...,
        minmatchlen: int = ...,
        withmatchlen: bool = ...,
    ) -> Awaitable[int]: ...

    @overload
    def lcs(
        self,
        key1: KeyT,
        key2: KeyT,
        len: Literal[False] = ...,
        *,
        idx: Literal[True],
        minmatchlen: int = ...,
        withmatchlen: bool = ...,
    ) -> Awaitable[replies.LcsMatches]: ...

    def lcs(
        self,
        key1: KeyT,
        key2: KeyT,
        len: bool = False,
        idx: bool = False,
        minmatchlen: int = 0,
        withmatchlen: bool = False,
    ) -> Awaitable[Any]:
        """The longest common subsequence of two strings; of a missing key it is empty. O(N·M).

        `len` asks for its length only; `idx` for the matching ranges, of `minmatchlen` bytes at least and
        `withmatchlen` with their lengths. Since 7.0.0. https://valkey.io/commands/lcs/
        """
        arguments.exclusive(len=len, idx=idx)
        if len:
            return self.execute_command("LCS", key1, key2, "LEN")
        if not idx:
            return self.execute_command("LCS", key1, key2)
        args: list[Argument] = ["IDX"]
        if minmatchlen:
            args += ("MINMATCHLEN", minmatchlen)
        if withmatchlen:
            args.append("WITHMATCHLEN")
        return self.execute_command("LCS", key1, key2, *args, reply=replies.lcs_matches)

    def mget(self, keys: KeyT | Iterable[KeyT], *args: KeyT) -> Awaitable[list[S | None]]:
        """The values of several keys; None for one that is missing or no string. O(N).

        No keys give an empty list. Since 1.0.0. https://valkey.io/commands/mget/
        """
        names = arguments.flatten(keys, args)
        if not names:  # something must be sent all the same, to keep its place in a pipeline
            return self.execute_command("ECHO", "", reply=replies.empty_list)
        return self.execute_command("MGET", *names)

    def mset(self, mapping: Mapping[KeyK, ValueT]) -> Awaitable[bool]:
        """Set several keys in one step, without expiry; True. O(N).

        Since 1.0.1. https://valkey.io/commands/mset/
        """
        return self.execute_command("MSET", *arguments.pairs(mapping, "MSET"), reply=replies.is_ok)

    def msetnx(self, mapping: Mapping[KeyK, ValueT]) -> Awaitable[bool]:
        """Set several keys in one step if none of them exists; False if one does. O(N).

        Since 1.0.1. https://valkey.io/commands/msetnx/
        """
        return self.execute_command("MSETNX", *arguments.pairs(mapping, "MSETNX"), reply=replies.truth)

    def msetex(
        self,
        mapping: Mapping[KeyK, ValueT],
        data_persist_option: Literal["NX", "XX"] | None = None,
        ex: ExpiryT | None = None,
        px: ExpiryT | None = None,
        exat: AbsExpiryT | None = None,
        pxat: AbsExpiryT | None = None,
        keepttl: bool = False,
    ) -> Awaitable[int]:
        """Set several keys in one step, with one expiry for all; 1, or 0 if none was set. O(N).

        `data_persist_option` is "NX" (only if none of the keys exists) or "XX" (only if all of them do). One at
        most of: `ex` seconds, `px` milliseconds, `exat` Unix seconds, `pxat` Unix milliseconds, `keepttl` (each
        key keeps the expiry that it has). Since Valkey 9.1, Redis 8.4. https://valkey.io/commands/msetex/
        """
        args: list[Argument] = [len(mapping), *arguments.pairs(mapping, "MSETEX")]
        if data_persist_option is not None:
            args.append(arguments.one_of("data_persist_option", data_persist_option, ("NX", "XX")))
        arguments.exclusive(ex=ex, px=px, exat=exat, pxat=pxat, keepttl=keepttl)
        args += ("KEEPTTL",) if keepttl else arguments.expiry(ex, px, exat, pxat)
        return self.execute_command("MSETEX", *args)

    def delifeq(self, name: KeyT, value: ValueT) -> Awaitable[int]:
        """Delete a key if it holds this string; 1, or 0 if it does not. O(1).

        Since Valkey 9.0. https://valkey.io/commands/delifeq/
        """
        return self.execute_command("DELIFEQ", name, value)

    @overload
    def set(
        self,
        name: KeyT,
        value: ValueT,
        ex: ExpiryT | None = ...,
        px: ExpiryT | None = ...,
        nx: bool = ...,
        xx: bool = ...,
        keepttl: bool = ...,
        get: Literal[False] = ...,
        exat: AbsExpiryT | None = ...,
        pxat: AbsExpiryT | None = ...,
        ifeq: ValueT | None = ...,
    ) -> Awaitable[bool | None]: ...

    @overload
    def set(
        self,
        name: KeyT,
        value: ValueT,
        ex: ExpiryT | None = ...,
        px: ExpiryT | None = ...,
        nx: bool = ...,
        xx: bool = ...,
        keepttl: bool = ...,
        *,
        get: Literal[True],
        exat: AbsExpiryT | None = ...,
        pxat: AbsExpiryT | None = ...,
        ifeq: ValueT | None = ...,
    ) -> Awaitable[S | None]: ...

    def set(
        self,
        name: KeyT,
        value: ValueT,
        ex: ExpiryT | None = None,
        px: ExpiryT | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        get: bool = False,
        exat: AbsExpiryT | None = None,
        pxat: AbsExpiryT | None = None,
        ifeq: ValueT | None = None,
    ) -> Awaitable[Any]:
        """Set a key to a value, whatever it held.

        Args:
            name: The key.
            value: The value.
            ex: Expire in so many seconds.
            px: Expire in so many milliseconds.
            nx: Only if the key does not exist.
            xx: Only if it exists.
            keepttl: Keep the expiry that it has; otherwise it loses it.
            get: Return the value that it had, which must be a string.
            exat: Expire at this Unix time in seconds.
            pxat: Expire at this Unix time in milliseconds.
            ifeq: Only if the key holds this string (Valkey and pulsards; Redis since 8.4).

        Returns:
            True, or None if `nx`, `xx` or `ifeq` did not hold; with `get` the old value, or None without one.

        O(1). Since 1.0.0; `keepttl` since 6.0.0, `get`, `exat`, `pxat` since 6.2.0, `nx` with `get` since
        7.0.0, `ifeq` since Valkey 8.1. https://valkey.io/commands/set/
        """
        if not (nx or xx or keepttl or get) and ex is px is exat is pxat is ifeq is None:
            # Straight on, as nearly all calls are: to put the arguments together takes a fifth of a pipeline's time.
            return self.execute_command("SET", name, value, reply=replies.ok_or_none)
        args: list[Argument] = [name, value]
        if nx or xx:
            arguments.exclusive(nx=nx, xx=xx, ifeq=ifeq)
            args.append("NX" if nx else "XX")
        elif ifeq is not None:
            args += ("IFEQ", ifeq)
        if get:
            args.append("GET")
        if keepttl or not ex is px is exat is pxat is None:
            arguments.exclusive(ex=ex, px=px, exat=exat, pxat=pxat, keepttl=keepttl)
            args += ("KEEPTTL",) if keepttl else arguments.expiry(ex, px, exat, pxat)
        if get:
            return self.execute_command("SET", *args)
        return self.execute_command("SET", *args, reply=replies.ok_or_none)

    def setex(self, name: KeyT, time: ExpiryT, value: ValueT) -> Awaitable[bool]:
        """Set a key that expires in `time` seconds; True. O(1).

        Since 2.0.0. https://valkey.io/commands/setex/
        """
        span = arguments.seconds("time", time)
        return self.execute_command("SETEX", name, span, value, reply=replies.is_ok)

    def psetex(self, name: KeyT, time_ms: ExpiryT, value: ValueT) -> Awaitable[bool]:
        """Set a key that expires in `time_ms` milliseconds; True. O(1).

        Since 2.6.0. https://valkey.io/commands/psetex/
        """
        span = arguments.milliseconds("time_ms", time_ms)
        return self.execute_command("PSETEX", name, span, value, reply=replies.is_ok)

    def setnx(self, name: KeyT, value: ValueT) -> Awaitable[bool]:
        """Set a key unless it exists: then False. O(1).

        Since 1.0.0. https://valkey.io/commands/setnx/
        """
        return self.execute_command("SETNX", name, value, reply=replies.truth)

    def setrange(self, name: KeyT, offset: int, value: ValueT) -> Awaitable[int]:
        """Write over a string from byte `offset` on, filling a gap with zero bytes; its new length.

        O(1), without copying and with room. Since 2.2.0. https://valkey.io/commands/setrange/
        """
        if offset < 0:
            raise InvalidArgument(f"offset must not be negative: {offset}")
        return self.execute_command("SETRANGE", name, offset, value)

    def strlen(self, name: KeyT) -> Awaitable[int]:
        """The length in bytes; 0 without the key. O(1).

        Since 2.2.0. https://valkey.io/commands/strlen/
        """
        return self.execute_command("STRLEN", name)
