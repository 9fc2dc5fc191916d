"""Hostile clients against a pulsards in a process of its own: `python -m fuzzing --seconds 60`.

* `server`: the server under test, with limits on its memory, watched from outside.
* `attacks`: what is known to hurt servers, by name; each one that ever did harm is here for good.
* `calls`: made-up calls of every command, with hostile arguments.
* `streams`: made-up bytes: requests and serialised values with faults in them.

Whatever a client sends, the server has to go on, answer every other client within a bounded time of computing, and
stay within its limits of memory; and no command may fail for a reason of its own. `Fault` says which of these broke.
"""
