"""Lua scripts, as Redis runs them: compiled once, closed off from Python, without I/O or a clock of their own.

The seam to the rest of the server:

* `ScriptRuntime` holds the scripts of one server. `prepare(body)` is what EVAL needs, `load(body)` SCRIPT LOAD,
  `find(sha)` EVALSHA, `exists` and `flush` SCRIPT EXISTS and FLUSH; each gives a `Script` with its `sha`,
  `body` and `flags` (of the line `#!lua flags=…`; None without one).
* `run(script, keys, arguments, call)` runs one, and returns its result as a value of `anystore.resp.types`.
  `call(arguments, protocol)` is the server's part: it runs one command of the script, with arguments as bytes
  and the RESP version that the script has chosen, and returns the reply or raises `CommandError`. Whether a
  command may run (unknown, not for scripts, a write in a read-only script) is for `call` to say; the texts
  are in `anystore.pulsards.commands.scripting`. A script that fails raises `ScriptError`; `errors` are the
  error replies in a result, for the server's statistics.
* `should_stop()`, given to the runtime, is asked every 100,000 instructions of the VM, and ends the script by
  returning True, past any pcall: for SCRIPT KILL and for answering BUSY. `replication` is what the script has
  said by redis.set_repl. Both wait for the issues that need them.
* `Libraries` holds the libraries of FUNCTION in a VM of their own, made when the first one comes: `load(code)`,
  `delete`, `flush`, `find(name)` for FCALL, and `run(function, keys, arguments, call)` as for scripts.

Choices, measured on a 2-core machine:

* The libraries (cjson, cmsgpack, struct, bit) are Lua, not Python: a call from Lua into Python costs 0.28 µs
  before it does anything, about what `bit.band` takes in Lua; a table handed over costs another 0.1 µs an
  item. In Lua they are held to the memory limit and polled for SCRIPT KILL like the script itself, and no
  object of Python's comes near a script.
* Read-only tables are proxies, since stock Lua has no such thing (Redis patches its Lua): see `lua/core.lua`.
* Scripts that redis.call in tail position keep the line for errors by a patch of their compiled code: see
  `tailcalls.py`.
"""

from __future__ import annotations

from anystore.pulsards.scripting.libraries import Function, Libraries, Library
from anystore.pulsards.scripting.runtime import MOST_EVAL_SCRIPTS, Script, ScriptError, ScriptRuntime
from anystore.pulsards.scripting.vm import MEMORY_LIMIT, POLL_INSTRUCTIONS, Call

__all__ = (
    "MEMORY_LIMIT",
    "MOST_EVAL_SCRIPTS",
    "POLL_INSTRUCTIONS",
    "Call",
    "Function",
    "Libraries",
    "Library",
    "Script",
    "ScriptError",
    "ScriptRuntime",
)
