"""The expiry of single fields of a hash (Redis 7.4, Valkey 9.0), alone or together with their values (Redis 8.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Literal, TypeVar

from anystore.redis.commands import arguments
from anystore.redis.commands.base import AbsExpiryT, Argument, Commands, ExpiryT, KeyT, S, ValueT

FieldK = TypeVar("FieldK", bound=ValueT)


class HashExpiryCommands(Commands[S]):
    """The expiry of hash fields.

    Results are lists, a number for each field named. Setting gives 1 if the expiry was set, 0 if the
    condition did not hold, 2 if the field was deleted because the time has passed; asking gives the time,
    or -1 without an expiry. Where there is no such field, or no key, it is -2 for all. The conditions are
    those of `expire`, one of them at most. All are O(N) in the fields named. `hgetex`, `hsetex` and `hgetdel`
    give values, or whether they were set.
    """

    def hexpire(
        self,
        name: KeyT,
        seconds: ExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire in so many seconds. Since 7.4.0. https://valkey.io/commands/hexpire/"""
        span = arguments.seconds("seconds", seconds)
        return self._hash_expire("HEXPIRE", name, span, fields, nx, xx, gt, lt)

    def hpexpire(
        self,
        name: KeyT,
        milliseconds: ExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire in so many milliseconds. Since 7.4.0. https://valkey.io/commands/hpexpire/"""
        span = arguments.milliseconds("milliseconds", milliseconds)
        return self._hash_expire("HPEXPIRE", name, span, fields, nx, xx, gt, lt)

    def hexpireat(
        self,
        name: KeyT,
        unix_time_seconds: AbsExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire at a Unix time in seconds. Since 7.4.0. https://valkey.io/commands/hexpireat/"""
        moment = arguments.unix_seconds("unix_time_seconds", unix_time_seconds)
        return self._hash_expire("HEXPIREAT", name, moment, fields, nx, xx, gt, lt)

    def hpexpireat(
        self,
        name: KeyT,
        unix_time_milliseconds: AbsExpiryT,
        *fields: ValueT,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Awaitable[list[int]]:
        """Let fields expire at a Unix time in milliseconds.

        Since 7.4.0. https://valkey.io/commands/hpexpireat/
        """
        moment = arguments.unix_milliseconds("unix_time_milliseconds", unix_time_milliseconds)
        return self._hash_expire("HPEXPIREAT", name, moment, fields, nx, xx, gt, lt)

    def hpersist(self, name: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """Take the expiry of fields away: 1, or -1 if there was none.

        Since 7.4.0. https://valkey.io/commands/hpersist/
        """
        return self._hash_of_fields("HPERSIST", name, fields)

    def hexpiretime(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """When fields expire, in Unix seconds. Since 7.4.0. https://valkey.io/commands/hexpiretime/"""
        return self._hash_of_fields("HEXPIRETIME", key, fields)

    def hpexpiretime(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """When fields expire, in Unix milliseconds. Since 7.4.0. https://valkey.io/commands/hpexpiretime/"""
        return self._hash_of_fields("HPEXPIRETIME", key, fields)

    def httl(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """Seconds that fields have to live. Since 7.4.0. https://valkey.io/commands/httl/"""
        return self._hash_of_fields("HTTL", key, fields)

    def hpttl(self, key: KeyT, *fields: ValueT) -> Awaitable[list[int]]:
        """Milliseconds that fields have to live. Since 7.4.0. https://valkey.io/commands/hpttl/"""
        return self._hash_of_fields("HPTTL", key, fields)

    def hgetex(
        self,
        name: KeyT,
        *keys: ValueT,
        ex: ExpiryT | None = None,
        px: ExpiryT | None = None,
        exat: AbsExpiryT | None = None,
        pxat: AbsExpiryT | None = None,
        persist: bool = False,
    ) -> Awaitable[list[S | None]]:
        """The values of fields, changing their expiry; None for a missing one.

        One at most of: `ex` seconds, `px` milliseconds, `exat` Unix seconds, `pxat` Unix milliseconds,
        `persist` (no expiry any more). Since Redis 8.0, Valkey 9.0. https://valkey.io/commands/hgetex/
        """
        arguments.some(keys, "HGETEX", "fields")
        arguments.exclusive(ex=ex, px=px, exat=exat, pxat=pxat, persist=persist)
        options = ("PERSIST",) if persist else arguments.expiry(ex, px, exat, pxat)
        return self.execute_command("HGETEX", name, *options, "FIELDS", len(keys), *keys)

    def hsetex(
        self,
        name: KeyT,
        key: ValueT | None = None,
        value: ValueT | None = None,
        mapping: Mapping[FieldK, ValueT] | None = None,
        items: Sequence[ValueT] | None = None,
        ex: ExpiryT | None = None,
        px: ExpiryT | None = None,
        exat: AbsExpiryT | None = None,
        pxat: AbsExpiryT | None = None,
        data_persist_option: Literal["FNX", "FXX"] | None = None,
        keepttl: bool = False,
    ) -> Awaitable[int]:
        """Set fields, given as for `hset`, with one expiry for all; 1, or 0 if none was set.

        `data_persist_option` is "FNX" (only if none of the fields exists) or "FXX" (only if all of them do). One
        at most of: `ex` seconds, `px` milliseconds, `exat` Unix seconds, `pxat` Unix milliseconds, `keepttl` (each
        field keeps the expiry that it has); without, the fields lose it. Since Redis 8.0, Valkey 9.0.
        https://valkey.io/commands/hsetex/
        """
        fields = arguments.fields_and_values("HSETEX", key, value, mapping, items)
        options: list[Argument] = []
        if data_persist_option is not None:
            options.append(arguments.one_of("data_persist_option", data_persist_option, ("FNX", "FXX")))
        arguments.exclusive(ex=ex, px=px, exat=exat, pxat=pxat, keepttl=keepttl)
        options += ("KEEPTTL",) if keepttl else arguments.expiry(ex, px, exat, pxat)
        return self.execute_command("HSETEX", name, *options, "FIELDS", len(fields) // 2, *fields)

    def hgetdel(self, name: KeyT, *keys: ValueT) -> Awaitable[list[S | None]]:
        """The values of fields, deleting them; None for a missing one.

        Since Redis 8.0, Valkey 9.1. https://valkey.io/commands/hgetdel/
        """
        arguments.some(keys, "HGETDEL", "fields")
        return self.execute_command("HGETDEL", name, "FIELDS", len(keys), *keys)

    def _hash_expire(
        self,
        command: str,
        name: KeyT,
        time: int,
        fields: tuple[ValueT, ...],
        nx: bool,
        xx: bool,
        gt: bool,
        lt: bool,
    ) -> Awaitable[list[int]]:
        arguments.some(fields, command, "fields")
        arguments.exclusive(nx=nx, xx=xx, gt=gt, lt=lt)
        condition = arguments.expiry_condition(nx, xx, gt, lt)
        return self.execute_command(command, name, time, *condition, "FIELDS", len(fields), *fields)

    def _hash_of_fields(self, command: str, key: KeyT, fields: tuple[ValueT, ...]) -> Awaitable[list[int]]:
        arguments.some(fields, command, "fields")
        return self.execute_command(command, key, "FIELDS", len(fields), *fields)
