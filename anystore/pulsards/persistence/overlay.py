"""What stands in for the keys of a database while they are being listed, a few at a time.

A dict cannot be walked while keys come and go. So that a walk over millions of them can be made in slices, they are left
as they are meanwhile: an `Overlay` takes the place of the dict, with the keys that are new, and those that have gone.
A value that is replaced is replaced behind it, which harms no walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any


class Overlay(dict[bytes, Any]):
    """Looks like the dict `base` with what has changed since; what it holds itself are the keys that are new.

    Each method costs what dict's does, but for being run in Python; those that are not here may not be called.
    """

    __slots__ = ("base", "gone")

    def __init__(self, base: MutableMapping[bytes, Any]) -> None:
        super().__init__()
        self.base = base
        #: Keys of `base` that were removed. One that has come back since is among the new ones.
        self.gone: set[bytes] = set()

    def merge(self) -> MutableMapping[bytes, Any]:
        """The dict with what has changed since, which takes this one's place again. O(changes)."""
        base = self.base
        for key in self.gone:
            del base[key]
        base.update(dict.items(self))
        return base

    def get(self, key: bytes, default: Any = None) -> Any:
        value = dict.get(self, key)
        if value is None:
            return default if key in self.gone else self.base.get(key, default)
        return value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or (key in self.base and key not in self.gone)

    def __getitem__(self, key: bytes) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: Any) -> None:
        if key in self.base and key not in self.gone:
            self.base[key] = value
        else:
            dict.__setitem__(self, key, value)

    def __delitem__(self, key: bytes) -> None:
        if dict.__contains__(self, key):
            dict.__delitem__(self, key)
        elif key in self:
            self.gone.add(key)
        else:
            raise KeyError(key)

    def update(self, pairs: Iterable[tuple[bytes, Any]]) -> None:  # type: ignore[override]
        for key, value in pairs:
            self[key] = value

    def __len__(self) -> int:
        return len(self.base) - len(self.gone) + dict.__len__(self)

    def __iter__(self) -> Iterator[bytes]:
        gone = self.gone
        yield from (key for key in self.base if key not in gone)
        yield from dict.__iter__(self)

    def items(self) -> list[tuple[bytes, Any]]:  # type: ignore[override]
        return [(key, self[key]) for key in self]

    keys = values = pop = popitem = setdefault = clear = copy = None  # type: ignore[assignment]
