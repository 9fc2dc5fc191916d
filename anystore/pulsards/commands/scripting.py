"""The scripting group: EVAL and its kin, and SCRIPT. What scripts are made of is in `anystore.pulsards.scripting`."""

from __future__ import annotations

from typing import Any, Final

from anystore.pulsards.context import Context, ScriptContext
from anystore.pulsards.errors import CommandError
from anystore.pulsards.monitors import feed_monitors
from anystore.pulsards.numbers import parse_integer
from anystore.pulsards.refusals import refusal_in_script
from anystore.pulsards.registry import CommandEntry, command
from anystore.pulsards.scripting import Call, Script, ScriptError
from anystore.resp.types import OK, ErrorReply, SimpleString

NO_SCRIPT: Final = b"NOSCRIPT No matching script. Please use EVAL."

_UNKNOWN: Final = b"ERR Unknown Redis command called from script"
_WRONG_ARITY: Final = b"ERR Wrong number of args calling Redis command from script"
_NOT_ALLOWED: Final = b"ERR This Redis command is not allowed from script"
_READ_ONLY: Final = b"ERR Write commands are not allowed from read-only scripts."
#: Commands that change no key, but what replicas or subscribers see: for read-only scripts, writes.
_MAY_REPLICATE: Final = frozenset((b"pfcount", b"publish", b"spublish"))

_HELP: Final = (
    b"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"DEBUG (YES|SYNC|NO)",
    b"    Debug what this client's next EVAL runs, on a copy of the data or (SYNC) on the data themselves.",
    b"EXISTS <sha1> [<sha1> ...]",
    b"    Tell of each script whether it is known.",
    b"FLUSH [ASYNC|SYNC]",
    b"    Forget every script.",
    b"KILL",
    b"    End the script that is running.",
    b"LOAD <script>",
    b"    Keep a script without running it.",
    b"SHOW <sha1>",
    b"    The text of a script.",
    b"HELP",
    b"    This text.",
)


def split_keys(args: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The keys and the other arguments of EVAL, EVALSHA, FCALL and their like, whose argument 2 counts the keys."""
    count = parse_integer(args[2])
    if count is None:
        raise CommandError(b"ERR value is not an integer or out of range")
    if count > len(args) - 3:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    return args[3 : 3 + count], args[3 + count :]


@command("eval")
def eval_(ctx: Context, args: list[bytes]) -> Any:
    """EVAL script numkeys [key …] [arg …] → what the script returns, at the end of its debugging under SCRIPT DEBUG."""
    return _run_text(ctx, args, read_only=False)


@command("eval_ro")
def eval_ro(ctx: Context, args: list[bytes]) -> Any:
    """EVAL_RO script numkeys [key …] [arg …] → what the script returns, which may not write. Since 7.0."""
    return _run_text(ctx, args, read_only=True)


@command("evalsha")
def evalsha(ctx: Context, args: list[bytes]) -> Any:
    """EVALSHA sha1 numkeys [key …] [arg …] → what the script returns; NOSCRIPT where it is not known."""
    return _run_known(ctx, args, read_only=False)


@command("evalsha_ro")
def evalsha_ro(ctx: Context, args: list[bytes]) -> Any:
    """EVALSHA_RO sha1 numkeys [key …] [arg …] → what the script returns, which may not write. Since 7.0."""
    return _run_known(ctx, args, read_only=True)


def _run_text(ctx: Context, args: list[bytes], *, read_only: bool) -> Any:
    _show_monitors(ctx, args)
    if ctx.session.debug_mode:
        if not ctx.can_block:
            raise CommandError(b"ERR a script cannot be debugged inside a transaction")
        return ctx.engine.debugging.begin(ctx.session, args)
    keys, arguments = split_keys(args)
    script = ctx.engine.scripts.prepare(args[1])
    return _run(ctx, args[0], script, keys, arguments, read_only=read_only)


def _run_known(ctx: Context, args: list[bytes], *, read_only: bool) -> Any:
    _show_monitors(ctx, args)
    if len(args[1]) != 40:
        raise CommandError(NO_SCRIPT)
    if ctx.session.debug_mode:
        raise CommandError(b"ERR Please use EVAL instead of EVALSHA for debugging")
    keys, arguments = split_keys(args)
    script = ctx.engine.scripts.find(args[1])
    if script is None:
        raise CommandError(NO_SCRIPT)
    return _run(ctx, args[0], script, keys, arguments, read_only=read_only)


def _show_monitors(ctx: Context, args: list[bytes]) -> None:
    # Before it runs, so that MONITOR shows a script before the commands of the script.
    if ctx.engine.monitors:
        feed_monitors(ctx.engine, ctx, args)


def _run(
    ctx: Context,
    name: bytes,
    script: Script,
    keys: list[bytes],
    arguments: list[bytes],
    *,
    read_only: bool,
) -> Any:
    may_write = not script.declares(b"no-writes")
    if read_only and may_write and script.flags is not None:
        raise CommandError(b"ERR Can not execute a script with write flag using *_ro command.")
    engine = ctx.engine
    entry = engine.commands[name.lower()]
    allow_oom = script.declares(b"allow-oom")
    call = command_runner(ctx, read_only=read_only or not may_write, allow_oom=allow_oom)
    engine.busy.begin(ctx.session, (), b"SCRIPT")
    try:
        reply = engine.scripts.run(script, keys, arguments, call)
    except ScriptError as error:
        if not error.counted:
            raise
        entry.failed += 1
        return ErrorReply(error.message)
    finally:
        engine.busy.end()
    for message, counted in engine.scripts.errors:
        entry.failed += 1
        if not counted:
            engine.count_error(message)
    return reply


def command_runner(ctx: Context, *, read_only: bool, allow_oom: bool = False) -> Call:
    """What runs the commands of one run of a script for `ctx`: as a caller of its own, with its own database."""
    engine = ctx.engine
    context = ScriptContext(ctx)
    context.allow_oom = allow_oom
    lookup = engine.commands.get
    busy = engine.busy
    engine.script_caller = ctx.session
    user = ctx.session.user
    run = ctx.session.call_without_touching if ctx.session.no_touch else engine.call

    def call(arguments: list[bytes], protocol: int) -> Any:
        entry = lookup(arguments[0])
        if (
            entry is None
            or engine.guarded
            or user.restricted
            or entry.function is None
            or entry.no_script
            or read_only
            or not entry.minimum <= len(arguments) <= entry.maximum
        ):
            entry = _checked_entry(context, arguments, read_only=read_only)
        if entry.writes:
            context.wrote = busy.wrote = True
        context.protocol = protocol
        return run(context, entry, arguments)

    return call


def _checked_entry(context: ScriptContext, arguments: list[bytes], *, read_only: bool) -> CommandEntry:
    """The entry of a command that a script may run now; `CommandError` where it may not."""
    engine = context.engine
    entry = engine.commands.get(arguments[0]) or engine.commands.get(arguments[0].lower())
    if entry is not None and entry.subcommands:
        if len(arguments) > 1:
            entry = entry.subcommands.get(arguments[1].lower())
        elif entry.alone is not None:
            entry = entry.alone
    if entry is None:
        raise _rejection(context, None, _UNKNOWN)
    if entry.function is None or not entry.minimum <= len(arguments) <= entry.maximum:
        raise _rejection(context, entry, _WRONG_ARITY)
    if entry.no_script:
        raise _rejection(context, entry, _NOT_ALLOWED)
    denied = engine.acl.refusal_in_script(context.session, entry, arguments)
    if denied is not None:
        raise _rejection(context, entry, denied)
    if read_only and (entry.writes or entry.name in _MAY_REPLICATE):
        raise _rejection(context, entry, _READ_ONLY)
    refusal = refusal_in_script(engine, context, entry) if engine.guarded else None
    if refusal is not None:
        raise _rejection(context, entry, refusal)
    return entry


def _rejection(context: Context, entry: CommandEntry | None, message: bytes) -> CommandError:
    if entry is not None:
        entry.rejected += 1
    context.engine.count_error(message)
    return CommandError(message)


# SCRIPT


@command("script|load")
def script_load(ctx: Context, args: list[bytes]) -> bytes:
    """SCRIPT LOAD script → the SHA1 that EVALSHA knows it by. O(N) in the script."""
    return ctx.engine.scripts.load(args[2]).sha


@command("script|exists")
def script_exists(ctx: Context, args: list[bytes]) -> list[int]:
    """SCRIPT EXISTS sha1 [sha1 …] → 1 for each known script, else 0. O(1) a script."""
    return [int(known) for known in ctx.engine.scripts.exists(args[2:])]


@command("script|show")
def script_show(ctx: Context, args: list[bytes]) -> bytes:
    """SCRIPT SHOW sha1 → the script's text. Valkey's, since 8.0. O(1)."""
    script = ctx.engine.scripts.find(args[2])
    if script is None:
        raise CommandError(NO_SCRIPT)
    return script.body


@command("script|flush")
def script_flush(ctx: Context, args: list[bytes]) -> SimpleString:
    """SCRIPT FLUSH [ASYNC|SYNC] — O(N) in the scripts, either way."""
    if len(args) > 3 or (len(args) == 3 and args[2].lower() not in (b"sync", b"async")):
        raise CommandError(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    ctx.engine.scripts.flush()
    return OK


@command("script|kill")
def script_kill(ctx: Context, args: list[bytes]) -> SimpleString:
    """SCRIPT KILL — end the script that has run for too long. O(1). See `anystore.pulsards.busy_script`."""
    ctx.engine.busy.kill(b"SCRIPT")
    return OK


@command("script|debug")
def script_debug(ctx: Context, args: list[bytes]) -> SimpleString:
    """SCRIPT DEBUG YES|SYNC|NO — O(1). The client's next EVAL is debugged: see `anystore.pulsards.debugging`."""
    session = ctx.session
    if not ctx.can_block or session.has_output() or session.unsent_bytes:
        raise CommandError(b"ERR SCRIPT DEBUG must be called outside a pipeline")
    mode = args[2].lower()
    if mode not in (b"yes", b"sync", b"no") or len(args) > 3:
        raise CommandError(b"ERR Use SCRIPT DEBUG YES/SYNC/NO")
    session.debug_mode = b"" if mode == b"no" else mode
    return OK


@command("script|help")
def script_help(ctx: Context, args: list[bytes]) -> list[SimpleString]:
    """SCRIPT HELP → the subcommands."""
    return [SimpleString(line) for line in _HELP]
