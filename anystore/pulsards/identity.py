"""What the server says it is.

Clients switch features on by the server's name and version, so HELLO and INFO name Redis and the version whose
commands are here; INFO adds `server_name:pulsards`, `pulsards_version` and `pulsards_build` for people.
"""

from __future__ import annotations

from typing import Final

from anystore import __version__

REDIS_NAME: Final = b"redis"
REDIS_VERSION: Final = b"7.4.0"
#: What a replica says: a Valkey sends its own kind of file, the only one for fields that expire, to none that is older.
VALKEY_VERSION: Final = b"9.0.0"
SERVER_NAME: Final = b"pulsards"
PULSARDS_VERSION: Final = __version__.encode()
