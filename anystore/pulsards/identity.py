"""What the server says it is.

Clients switch features on by the server's name and version, so HELLO and INFO name Redis and the version whose
commands are here; INFO adds `server_name:pulsards` and `pulsards_version` for people.
"""

from __future__ import annotations

from typing import Final

from anystore import __version__

REDIS_NAME: Final = b"redis"
REDIS_VERSION: Final = b"7.4.0"
SERVER_NAME: Final = b"pulsards"
PULSARDS_VERSION: Final = __version__.encode()
