"""The sizes up to which Redis keeps a value in one of its compact encodings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class EncodingLimits:
    """The configuration directives of the same names, with the defaults of Redis 7 and Valkey 9.

    pulsards stores values in Python's containers whatever their size; these limits decide what OBJECT
    ENCODING answers, what DUMP writes, whether HSCAN, SSCAN and ZSCAN reply with everything at once, and what
    an approximate XTRIM removes, as Redis does. What counts are the limits at the time of each write: a value
    notes how large it has been since they were last changed, and `settle` has it keep what came of that.
    """

    hash_max_listpack_entries: int = 512
    hash_max_listpack_value: int = 64
    hll_sparse_max_bytes: int = 3000
    list_max_listpack_size: int = -2
    set_max_intset_entries: int = 512
    set_max_listpack_entries: int = 128
    set_max_listpack_value: int = 64
    stream_node_max_bytes: int = 4096
    stream_node_max_entries: int = 100
    zset_max_listpack_entries: int = 128
    zset_max_listpack_value: int = 64

    @property
    def list_listpack_bytes(self) -> int:
        """The largest listpack of a list, in bytes."""
        fill = self.list_max_listpack_size
        return 4096 << min(-fill, 5) - 1 if fill < 0 else 8192

    @property
    def list_listpack_entries(self) -> int | None:
        """The most elements in a listpack of a list, where the setting counts elements."""
        fill = self.list_max_listpack_size
        return None if fill < 0 else max(fill, 1)


DEFAULT_LIMITS: Final = EncodingLimits()
