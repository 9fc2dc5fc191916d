"""What RDB files have around their values. Source: Valkey's `rdb.h`, and the files that real servers write."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

#: Five or six letters, and the version in what is left of nine bytes.
MAGIC_BYTES: Final = 9
REDIS_MAGIC: Final = b"REDIS"
VALKEY_MAGIC: Final = b"VALKEY"
#: How an RDB file begins: Redis' own, and Valkey's from version 9 on.
MAGICS: Final = (REDIS_MAGIC, VALKEY_MAGIC)

#: The last version of Redis' numbering that is understood (8.10); Valkey's own begins at 80.
LAST_REDIS_VERSION: Final = 15
FIRST_VERSION_WITH_CHECKSUM: Final = 5


class Opcode(IntEnum):
    """The byte in front of whatever is not a value."""

    #: In Redis from version 13 on, what modules keep of the key that follows; in Valkey, slots that are imported.
    KEY_METADATA_OR_SLOT_IMPORT = 243
    SLOT_INFO = 244
    FUNCTION = 245
    FUNCTION_PRE_GA = 246
    MODULE_AUX = 247
    IDLE = 248
    FREQUENCY = 249
    AUX = 250
    SIZES = 251
    EXPIRES_MILLISECONDS = 252
    EXPIRES_SECONDS = 253
    DATABASE = 254
    END = 255


class ModulePart(IntEnum):
    """What comes next in a module's own data."""

    END = 0
    SIGNED = 1
    UNSIGNED = 2
    FLOAT = 3
    DOUBLE = 4
    STRING = 5


_MODULE_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def module_name(number: int) -> str:
    """The name of a module's type: nine letters of six bits, above ten bits of version."""
    return "".join(_MODULE_LETTERS[number >> 10 + 6 * place & 63] for place in range(8, -1, -1))
