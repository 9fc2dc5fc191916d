"""The scripts of a server: compiled once, kept by their SHA1, run for EVAL and EVALSHA.

Source: the pages of EVAL, EVALSHA and SCRIPT LOAD; eviction as in Redis 7.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting.replies import error_line
from anystore.pulsards.scripting.shebang import parse_shebang
from anystore.pulsards.scripting.tailcalls import keep_frames
from anystore.pulsards.scripting.vm import MEMORY_LIMIT, POLL_INSTRUCTIONS, Call, Failure, LuaVM


class ScriptError(CommandError):
    """A script ended by an error.

    `counted` is True where the error is that of one of its commands, counted when the command failed.
    """

    def __init__(self, message: bytes, *, counted: bool) -> None:
        super().__init__(message)
        self.counted = counted


#: Scripts that only EVAL has brought are forgotten when this many more have been run since.
MOST_EVAL_SCRIPTS: Final = 500


@dataclass(frozen=True, slots=True)
class Script:
    """A script that is compiled.

    `sha` is the SHA1 of `body` in hexadecimal. `flags` are those of its first line, None where it has none
    and so declares nothing of itself.
    """

    sha: bytes
    body: bytes
    flags: frozenset[bytes] | None

    def declares(self, flag: bytes) -> bool:
        """Whether the script's first line has this flag."""
        return self.flags is not None and flag in self.flags


class ScriptRuntime:
    """The scripts of one server, and the VM that they run in, which is made when the first one comes.

    `should_stop` is asked every `instructions` instructions of a running script, and ends it by returning
    True. `check_permission` answers redis.acl_check_cmd: None for a command that there is not. `log` takes
    redis.log's level, 0 (debug) to 3 (warning), and text. `memory_limit` is in bytes.
    """

    def __init__(
        self,
        *,
        should_stop: Callable[[], bool] | None = None,
        check_permission: Callable[[list[bytes]], bool | None] | None = None,
        log: Callable[[int, bytes], None] | None = None,
        version: str = "7.4.0",
        memory_limit: int = MEMORY_LIMIT,
        instructions: int = POLL_INSTRUCTIONS,
        make_vm: Callable[..., LuaVM] = LuaVM,
    ) -> None:
        """`make_vm` makes the VM of what is given here, where it is to be another one."""
        self._new_vm: Callable[[], LuaVM] = lambda: make_vm(
            should_stop=should_stop,
            check_permission=check_permission,
            log=log,
            version=version,
            memory_limit=memory_limit,
            instructions=instructions,
        )
        self._vm: LuaVM | None = None
        self._scripts: dict[bytes, Script] = {}
        #: What may be evicted, the longest unused first.
        self._evictable: dict[bytes, None] = {}
        #: The script that is running, for BUSY and SCRIPT KILL.
        self.running: Script | None = None
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._scripts)

    @property
    def memory_used(self) -> int:
        """Bytes that the VM holds, garbage included; 0 while there is none."""
        return 0 if self._vm is None else self._vm.memory_used()

    @property
    def replication(self) -> int:
        """What the running script, or the last one, has said by redis.set_repl: 1 the AOF, 2 replicas, 3 both."""
        return 3 if self._vm is None else self._vm.replication

    @property
    def errors(self) -> list[tuple[bytes, bool]]:
        """The error replies in the last result, and of each whether it was counted when a command failed with it."""
        return [] if self._vm is None else self._vm.lua_to_reply.errors

    def load(self, body: bytes) -> Script:
        """SCRIPT LOAD: compile a script and keep it until `flush`. `CommandError` if it is no Lua. O(n)."""
        sha = _sha_of(body)
        script = self._scripts.get(sha)
        if script is None:
            script = self._compile(sha, body)
        self._evictable.pop(sha, None)
        return script

    def prepare(self, body: bytes) -> Script:
        """EVAL: the compiled script of this text, kept for a while. `CommandError` if it is no Lua. O(n)."""
        sha = _sha_of(body)
        script = self._scripts.get(sha)
        if script is None:
            script = self._compile(sha, body)
            if len(self._evictable) >= MOST_EVAL_SCRIPTS:
                self._evict(next(iter(self._evictable)))
            self._evictable[sha] = None
        return script

    def find(self, sha: bytes) -> Script | None:
        """The script of this SHA1, in hexadecimal of any case; None if it is not known. O(1)."""
        return self._scripts.get(sha) or self._scripts.get(sha.lower())

    def exists(self, shas: Iterable[bytes]) -> list[bool]:
        """Which of these SHA1s belong to known scripts."""
        return [self.find(sha) is not None for sha in shas]

    def flush(self) -> None:
        """SCRIPT FLUSH: forget every script, and the options of libraries that scripts have set."""
        self._scripts.clear()
        self._evictable.clear()
        if self._vm is not None:
            self._vm.reset()

    def run(self, script: Script, keys: list[bytes], arguments: list[bytes], call: Call) -> Any:
        """Run a script to its end; its result as a reply. `errors` are the errors in it.

        `call(arguments, protocol)` runs one command for it and returns the reply as a value of
        `anystore.resp.types` that suits the RESP version, or raises `CommandError`. Raises `ScriptError` for
        an error that the script did not catch. What else `call` raises ends the script and is raised on.
        """
        vm = self._vm
        if vm is None or self._scripts.get(script.sha) is not script:
            raise RuntimeError("the script has been forgotten since it was prepared")
        self.running = script
        try:
            return vm.run(script.sha, keys, arguments, call)
        except Failure as failure:
            raise ScriptError(_message(script, failure), counted=failure.counted) from None
        finally:
            self.running = None
            if script.sha in self._evictable:
                del self._evictable[script.sha]
                self._evictable[script.sha] = None

    def close(self) -> None:
        """Free the VM. Scripts can be loaded again after that."""
        self._scripts.clear()
        self._evictable.clear()
        self._vm = None

    def _compile(self, sha: bytes, body: bytes) -> Script:
        shebang = parse_shebang(body)
        # Only a call in return position is worth a look into the compiled code.
        patch = keep_frames if b"return" in shebang.code else None
        try:
            self._made_vm().define(sha, shebang.code, patch)
        except Failure as failure:
            raise CommandError(
                b"ERR Error compiling script (new function): " + error_line(failure.text)
            ) from None
        script = self._scripts[sha] = Script(sha, body, shebang.flags)
        return script

    def _made_vm(self) -> LuaVM:
        if self._vm is None:
            self._vm = self._new_vm()
        return self._vm

    def _evict(self, sha: bytes) -> None:
        del self._evictable[sha], self._scripts[sha]
        self._made_vm().remove(sha)
        self.evicted += 1


def _sha_of(body: bytes) -> bytes:
    return sha1(body, usedforsecurity=False).hexdigest().encode()


def _message(script: Script, failure: Failure) -> bytes:
    text = error_line(failure.text)
    if failure.source is not None and failure.line is not None:
        text = b"%b script: %b, on %b:%d." % (text, script.sha, error_line(failure.source), failure.line)
    return text
