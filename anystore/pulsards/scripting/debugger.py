"""The debugger of scripts, without I/O: when a script stops, and what the words of its client do there.

A `Debugger` is asked at every line by the VM whether to stop (see ``lua/debugger.lua``). At a stop it reads words from a
`Console` and does them, or tells the VM what to show, until one of them lets the script go on.

Source: the page "Debugging Lua scripts in Redis", and what ``redis-cli --ldb`` gets from Redis 7.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from anystore.pulsards.errors import CommandError
from anystore.pulsards.scripting.natives import guarded
from anystore.pulsards.scripting.reply_text import reply_text
from anystore.pulsards.scripting.vm import Call, LuaVM
from anystore.resp.types import ErrorReply

_MOST_BREAKPOINTS: Final = 64
#: How much is shown of a value or a reply, in bytes, and the least that can be asked for.
_SHOWN: Final = 256
_LEAST_SHOWN: Final = 60
#: Arguments of a command that are shown.
_SHOWN_ARGUMENTS: Final = 10
#: After so long without a stop, a script that is to run on stops by itself where `busy-reply-threshold` is 0, in ms.
_DEFAULT_LIMIT: Final = 5000
_CONTEXT: Final = 5
_INTEGER: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,17})")
_LEADING_INTEGER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]{1,9})")
_UNKNOWN: Final = b"<error> Unknown Redis Lua debugger command or wrong number of arguments."
_HINT: Final = b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."

_HELP: Final = (
    (b"[h]elp", b"Show this help."),
    (b"[s]tep", b"Run current line and stop again."),
    (b"[n]ext", b"Alias for step."),
    (b"[c]ontinue", b"Run till next breakpoint."),
    (b"[l]ist", b"List source code around current line."),
    (b"[l]ist [line]", b"List source code around [line]."),
    (b"", b"line = 0 means: current position."),
    (b"[l]ist [line] [ctx]", b"In this form [ctx] specifies how many lines"),
    (b"", b"to show before/after [line]."),
    (b"[w]hole", b"List all source code. Alias for 'list 1 1000000'."),
    (b"[p]rint", b"Show all the local variables."),
    (b"[p]rint <var>", b"Show the value of the specified variable."),
    (b"", b"Can also show global vars KEYS and ARGV."),
    (b"[b]reak", b"Show all breakpoints."),
    (b"[b]reak <line>", b"Add a breakpoint to the specified line."),
    (b"[b]reak -<line>", b"Remove breakpoint from the specified line."),
    (b"[b]reak 0", b"Remove all breakpoints."),
    (b"[t]race", b"Show a backtrace."),
    (b"[e]val <code>", b"Execute some Lua code (in a different callframe)."),
    (b"[r]edis <cmd>", b"Execute a Redis command."),
    (b"[m]axlen [len]", b"Trim logged Redis replies and Lua var dumps to len."),
    (b"", b"Specifying zero as <len> means unlimited."),
    (b"[a]bort", b"Stop the execution of the script. In sync"),
    (b"", b"mode dataset changes will be retained."),
    None,
    b"Debugger functions you can call from Lua scripts:",
    (b"redis.debug()", b"Produce logs in the debugger console."),
    (b"redis.breakpoint()", b"Stop execution like if there was a breakpoint in the"),
    (b"", b"next line of code."),
)


class Endless(Exception):
    """A script runs for too long, and its client has gone."""


class Console(Protocol):
    """Where a debugger's client is. Whatever it raises ends the script."""

    def write(self, lines: list[bytes]) -> None:
        """Show these lines."""

    def read(self) -> list[bytes] | bytes | None:
        """Wait for the next words; text where they are none, which the script ends with, None once the client has gone."""

    def has_gone(self) -> bool:
        """Whether there is nobody any more to read from, once what waits has been read."""


class Debugger:
    """The state of one session: where the script is, where it is to stop, and what the client has not been shown yet."""

    def __init__(self, source: bytes, console: Console, elapsed_ns: Callable[[], int], limit_ms: int) -> None:
        """`source` is the script's text. `limit_ms`: a script that runs for so long stops by itself; 0 is five seconds."""
        self._lines = source.rstrip(b"\r\n").split(b"\n") if source.rstrip(b"\r\n") else []
        self._console = console
        self._elapsed_ns = elapsed_ns
        self._limit_ns = (limit_ms or _DEFAULT_LIMIT) * 1_000_000
        self._since = elapsed_ns()
        #: What is to be shown at the next stop, or at the end.
        self.log: list[bytes] = []
        self._line = 0
        self._stepping = True
        #: redis.breakpoint() was called.
        self._at_next = False
        self._breakpoints: list[int] = []
        self._shown = _SHOWN
        self._hinted = False
        self._gone = False

    # What happens in the script

    def say(self, line: bytes) -> None:
        """Show a line at the next occasion."""
        self.log.append(line)

    def show(self, line: bytes) -> None:
        """Show a line with a value, which is cut where the client wants that."""
        if self._shown and len(line) > self._shown:
            self.log.append(line[: self._shown] + b" ...")
            if not self._hinted:
                self._hinted = True
                self.log.append(_HINT)
        else:
            self.log.append(line)

    def debug(self, text: bytes) -> None:
        """redis.debug() was called."""
        self.say(b"<debug> line %d: %b" % (self._line, text))

    def set_breakpoint(self) -> None:
        """redis.breakpoint() was called: stop at the next line."""
        self._at_next = True

    def note_failure(self, text: bytes) -> None:
        """The script has called a function of the server with what it does not take."""
        if self._stepping:
            self.say(b"<error> " + text.removeprefix(b"ERR "))

    def traced(self, call: Call) -> Call:
        """`call`, which runs commands, so that commands and replies are shown while the client steps."""

        def run(arguments: list[bytes], protocol: int) -> Any:
            if not self._stepping:
                return call(arguments, protocol)
            shown = arguments[:_SHOWN_ARGUMENTS]
            if len(arguments) > len(shown):
                shown = [*shown, b"... (%d more)" % (len(arguments) - len(shown) - 1)]
            self.say(b"<redis> " + b" ".join(shown))
            try:
                reply = call(arguments, protocol)
            except CommandError as error:
                code, _, text = error.message.partition(b" ")
                self.say(b"<error> " + (text if code == b"ERR" else b"-" + error.message))
                raise
            if type(reply) is ErrorReply:
                self.say(b"<error> -" + reply)
            self.show(b"<reply> " + reply_text(reply, protocol))
            return reply

        return run

    # Stopping: what these return, the VM does, and asks for more; None lets the script go on

    def stop(self, event: bytes, line: int) -> tuple[bytes, Any] | None:
        """The script is about to run a line, or (`event` b"count") has run for a while: perhaps it stops here."""
        self._line = line
        at_breakpoint = line in self._breakpoints or self._at_next
        timed_out = False
        if event == b"count" and not self._stepping and not at_breakpoint:
            timed_out = self._elapsed_ns() - self._since >= self._limit_ns
        if not (self._stepping or at_breakpoint or timed_out):
            return None
        reason = b"step over"
        if at_breakpoint:
            reason = b"redis.breakpoint() called" if self._at_next else b"break point"
        elif timed_out:
            reason = b"timeout reached, infinite loop?"
            if self._gone:
                raise Endless("the script goes on and on, and nobody is there to say how long")
        self._stepping = self._at_next = False
        self.say(b"* Stopped at %d, stop reason = %b" % (line, reason))
        self.say_line(line)
        return self.next()

    def next(self) -> tuple[bytes, Any] | None:
        """Do what the client says, up to what the VM has to do."""
        while True:
            self._flush()
            words = None if self._gone else self._console.read()
            if words is None:
                self._gone = True
                self._breakpoints.clear()
                break
            if isinstance(words, bytes):
                return b"raise", words
            name = words[0].lower()
            if name in (b"s", b"step", b"n", b"next"):
                self._stepping = True
                break
            if name in (b"c", b"continue"):
                break
            todo = self._todo(name, words)
            if todo is not None:
                return todo
        self._since = self._elapsed_ns()
        return None

    def _flush(self) -> None:
        lines, self.log = self.log, []
        if not self._gone:
            self._console.write(lines)

    def _todo(self, name: bytes, words: list[bytes]) -> tuple[bytes, Any] | None:
        """What the VM has to do for these words; None where they are done."""
        match name:
            case b"a" | b"abort":
                return b"raise", b"script aborted for user request"
            case b"p" | b"print":
                return (b"print", words[1]) if len(words) == 2 else (b"print_all", None)
            case b"t" | b"trace":
                return b"trace", None
            case b"e" | b"eval":
                return b"eval", b" ".join(words[1:])
            case b"r" | b"redis" if len(words) > 1:
                self._stepping = True  # so that it is shown
                return b"call", words[1:]
            case b"h" | b"help":
                self._help()
            case b"l" | b"list":
                self._list(words)
            case b"w" | b"whole":
                self._list_around(1, len(self._lines))
            case b"b" | b"break":
                self._break(words)
            case b"m" | b"maxlen":
                self._maxlen(words)
            case _:
                self.say(_UNKNOWN)
        return None

    def called(self) -> None:
        """The command that the client has asked for is done."""
        self._stepping = False

    def has_gone(self) -> bool:
        """Whether the client has gone."""
        return self._console.has_gone()

    # The words that need no VM

    def _help(self) -> None:
        self.say(b"Redis Lua debugger help:")
        for row in _HELP:
            if row is None:
                self.say(b"")
            else:
                self.say(row if isinstance(row, bytes) else row[0].ljust(21) + row[1])

    def say_line(self, number: int) -> None:
        """Show a line of the script, with marks where it is the present one or one to stop at."""
        inside = 1 <= number <= len(self._lines)
        text = self._lines[number - 1] if inside else b"<out of range source code line>"
        arrow = b"->" if number == self._line else b"  "
        mark = b"#" if number in self._breakpoints else b" "
        self.say(arrow + mark + b"%-3d " % number + text)

    def _list(self, words: list[bytes]) -> None:
        around = _leading_integer(words[1]) if len(words) > 1 else 0
        context = _leading_integer(words[2]) if len(words) > 2 else _CONTEXT
        self._list_around(around if around > 0 else self._line, context)

    def _list_around(self, around: int, context: int) -> None:
        first, last = max(around - context, 1), min(around + context, len(self._lines))
        for number in range(first, last + 1):
            self.say_line(number)

    def _break(self, words: list[bytes]) -> None:
        if len(words) == 1:
            if not self._breakpoints:
                self.say(b"No breakpoints set. Use 'b <line>' to add one.")
                return
            self.say(b"%d breakpoints set:" % len(self._breakpoints))
            for number in self._breakpoints:
                self.say_line(number)
        for word in words[1:]:
            self._change_breakpoint(word)

    def _change_breakpoint(self, word: bytes) -> None:
        if _INTEGER.fullmatch(word) is None or word == b"-0":
            self.say(b"Invalid argument:'%b'" % word)
            return
        number = int(word)
        if number == 0:
            self._breakpoints.clear()
            self.say(b"All breakpoints removed.")
        elif number < 0:
            if -number in self._breakpoints:
                self._breakpoints.remove(-number)
                self.say(b"Breakpoint removed.")
            else:
                self.say(b"No breakpoint in the specified line.")
        elif len(self._breakpoints) == _MOST_BREAKPOINTS:
            self.say(b"Too many breakpoints set.")
        elif number > len(self._lines) or number in self._breakpoints:
            self.say(b"Wrong line number.")
        else:
            self._breakpoints.append(number)
            self._list_around(number, 1)

    def _maxlen(self, words: list[bytes]) -> None:
        if len(words) == 2:
            wanted = _leading_integer(words[1])
            self._hinted = True  # the client knows
            self._shown = max(wanted, _LEAST_SHOWN) if wanted else 0
        if self._shown:
            self.say(b"<value> replies are truncated at %d bytes." % self._shown)
        else:
            self.say(b"<value> replies are unlimited.")


def _leading_integer(text: bytes) -> int:
    """The number that a text begins with, as C's atoi has it; 0 where there is none."""
    found = _LEADING_INTEGER.match(text)
    return int(found.group(1)) if found is not None else 0


class DebugVM(LuaVM):
    """A VM for one script, which a debugger watches."""

    additions = ("debugger",)

    def __init__(self, debugger: Debugger, **settings: Any) -> None:
        """`settings` are those of `LuaVM`."""
        self._debugger = debugger
        super().__init__(**settings)
        self.note_failure = debugger.note_failure

    def _natives(self, version: str, instructions: int) -> dict[bytes, Any]:
        debugger = self._debugger

        def for_lua(todo: tuple[bytes, Any] | None) -> Any:
            if todo is None or type(todo[1]) is not list:
                return todo
            with self.unlimited():
                return todo[0], self._lua.table_from(todo[1])

        natives: dict[bytes, Callable[..., Any]] = {
            b"stop": lambda event, line: for_lua(debugger.stop(event, line)),
            b"next": lambda: for_lua(debugger.next()),
            b"say": debugger.say,
            b"say_line": debugger.say_line,
            b"show": debugger.show,
            b"debug": debugger.debug,
            b"called": debugger.called,
            b"has_gone": debugger.has_gone,
            b"set_breakpoint": debugger.set_breakpoint,
            b"note_failure": debugger.note_failure,
        }
        return super()._natives(version, instructions) | {
            name: guarded(self, function) for name, function in natives.items()
        }

    def _build(self, version: str, instructions: int) -> Any:
        server = super()._build(version, instructions)
        server[b"watch_lines"]()
        return server
