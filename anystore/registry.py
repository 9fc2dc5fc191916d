"""Which class stands for which scheme of connection strings; classes are named, and imported on first use."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from anystore.dsn import is_scheme
from anystore.exceptions import ImproperlyConfigured, NoSuchStore

__all__ = ("StoreRegistry", "data_stores", "register_store")

_REDIS: Final = "anystore.redis.store:RedisStore"
_BUILT_IN: Final = {
    "redis": _REDIS,
    "rediss": _REDIS,
    "redis+unix": _REDIS,
    "valkey": _REDIS,
    "valkeys": _REDIS,
    "pulsar": "anystore.embedded:PulsarStore",
    "memory": "anystore.embedded:MemoryStore",
}
_NOT_YET: Final = ("redis+sentinel", "redis+cluster")
_ENTRY_POINTS: Final = "anystore.stores"
_DOTTED_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class StoreRegistry(Mapping[str, str]):
    """Which class stands for which scheme, as `"package.module:Class"`.

    What was registered comes before what installed packages offer in the entry-point group `anystore.stores`.
    These are looked up once, when a scheme is asked for that is not registered, or when all are listed.
    """

    def __init__(self, registered: Mapping[str, str]) -> None:
        self._registered = dict(registered)
        self._offered: dict[str, str] | None = None

    def __getitem__(self, scheme: str) -> str:
        if scheme in self._registered:
            return self._registered[scheme]
        return self._entry_points()[scheme]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._entry_points(), **self._registered})

    def __len__(self) -> int:
        return len({**self._entry_points(), **self._registered})

    def __repr__(self) -> str:
        return f"<StoreRegistry {', '.join(sorted(self))}>"

    def register(self, scheme: str, dotted_name: str) -> None:
        """Let `scheme` stand for the class; see `register_store`."""
        if not isinstance(scheme, str) or not is_scheme(scheme) or scheme != scheme.lower():
            raise ImproperlyConfigured(
                f"store {scheme!r}: a scheme is a letter in lower case followed by such letters, digits, "
                "'+', '-' or '.'"
            )
        if not isinstance(dotted_name, str) or not _DOTTED_NAME.fullmatch(dotted_name):
            raise ImproperlyConfigured(f"store {scheme}: its class is named as 'package.module:Class'")
        self._registered[scheme] = dotted_name

    def load(self, scheme: str) -> Any:
        """What `scheme` stands for, imported on first use.

        Raises `NoSuchStore` for a scheme that nobody registered, `ImproperlyConfigured` for what cannot be
        imported.
        """
        if scheme in _NOT_YET and scheme not in self:
            raise ImproperlyConfigured(f"scheme {scheme}: this version cannot open {scheme}:// stores yet")
        if scheme not in self:
            raise NoSuchStore(f"scheme {scheme}: there is no such store; there are {', '.join(sorted(self))}")
        dotted_name = self[scheme]
        module_name, _, attributes = dotted_name.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
            for attribute in attributes.split("."):
                found = getattr(found, attribute)
        except (ImportError, AttributeError) as error:
            raise ImproperlyConfigured(
                f"scheme {scheme}: {dotted_name} cannot be imported: {error}"
            ) from error
        return found

    def _entry_points(self) -> dict[str, str]:
        if self._offered is None:
            # It takes longer to import than most programs need to open their store.
            from importlib.metadata import entry_points

            self._offered = {point.name: point.value for point in entry_points(group=_ENTRY_POINTS)}
        return self._offered


data_stores: Final = StoreRegistry(_BUILT_IN)
"""The stores that `create_store` can make, by scheme."""


def register_store(name: str, dotted_name: str) -> None:
    """Let connection strings with the scheme `name` stand for the class `"package.module:Class"`.

    The class, a `Store`, is imported when the first such store is made. A name that is registered already,
    a built-in one too, stands for the new class from then on.

    Raises `ImproperlyConfigured` for what cannot be a scheme or the name of a class.
    """
    data_stores.register(name, dotted_name)
