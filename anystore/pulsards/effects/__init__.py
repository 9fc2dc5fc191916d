"""What commands come to, as further commands that do the same at any other time and on any other server.

Each module holds the effects of some groups of commands; a command without one is told as it came.
"""

from anystore.pulsards.effects import expiry, hashes, pops, scores, stores, streams, strings, unconditional
from anystore.pulsards.effects.table import Call, Effect, effects

__all__ = ("Call", "Effect", "effects")

#: Imported for the effects that they register.
MODULES = (expiry, hashes, pops, scores, stores, streams, strings, unconditional)
