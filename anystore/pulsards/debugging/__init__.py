"""SCRIPT DEBUG: scripts that stop at their lines and wait for what their client says.

Redis forks for that, or stands still. This server does neither: the script's Lua runs in a worker thread, which stands
still where the script stops, and whatever touches data is done in the event loop, one call at a time: `sessions`. Unless
it is asked to debug on the data themselves, it does so on a copy, made in slices: `copying`. The tasks are in `driver`;
what a stop is, and what can be said there, in `anystore.pulsards.scripting.debugger`.
"""

from anystore.pulsards.debugging.sessions import Debugging, DebugSession

__all__ = ("DebugSession", "Debugging")
