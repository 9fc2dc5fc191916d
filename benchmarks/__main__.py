"""All figures, or those of some parts: `python -m benchmarks [PART ...] [--write] [--rounds N] [--small]`.

All of it takes some 20 minutes on a quiet machine, less with fewer rounds. `--compiled PYTHON` measures the compiled build,
too, which is installed for that Python; it is the part `compiled`.

With `--write` the figures are kept in `benchmarks/figures`, and README.md, docs/performance.md and its plots are made anew
from all that is kept, after each part: what has been measured is not lost when a later part fails or is stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
import traceback
from types import ModuleType

from benchmarks import (
    client,
    compiled,
    complexity,
    documents,
    growth,
    latency,
    pauses,
    persistence,
    replication,
    resources,
    server,
)

PARTS: dict[str, ModuleType] = {
    "client": client,
    "server": server,
    "resources": resources,
    "growth": growth,
    "latency": latency,
    "pauses": pauses,
    "persistence": persistence,
    "replication": replication,
    "complexity": complexity,
    "compiled": compiled,
}


def measure(
    part: str, *, small: bool, write: bool, rounds: int | None = None, python: str | None = None
) -> float:
    """Run a part, `rounds` times at most, and print its tables; the seconds that it took.

    `python` has the compiled build, for the part that measures that.
    """
    module = PARTS[part]
    sizes = module.SMALL if small else module.FULL
    if rounds is not None and hasattr(sizes, "rounds"):
        sizes = dataclasses.replace(sizes, rounds=min(rounds, sizes.rounds))
    if python is not None and hasattr(sizes, "python"):
        sizes = dataclasses.replace(sizes, python=python)
    begun = time.monotonic()
    reports = module.run(sizes)
    seconds = time.monotonic() - begun
    print(*(report.table() for report in reports), sep="\n\n", end="\n\n", flush=True)
    if write:
        documents.keep(part, reports, seconds)
        documents.write()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument(
        "--write", action="store_true", help="keep the figures, and put them into the documents"
    )
    parser.add_argument("--rounds", type=int, help="rounds at most, where there are several")
    parser.add_argument(
        "--compiled", metavar="PYTHON", help="the Python of an environment that has the compiled build"
    )
    parser.add_argument("--small", action="store_true", help="only so much that everything happens once")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if arguments.small and arguments.write:
        parser.error("figures of --small mean nothing, so they are not to be written")
    # Told to end, it stops the servers that it has started, as it does whatever else happens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("there is a round at least")
    parts = arguments.parts or [part for part in PARTS if part != "compiled" or arguments.compiled]
    if arguments.compiled is None:
        if "compiled" in parts:
            parser.error("whose compiled build? --compiled PYTHON says it")
    elif not compiled.is_compiled(arguments.compiled):
        parser.error(f"what is installed for {arguments.compiled} is not the compiled build")
    failed = []
    for part in parts:
        print(f"{part} …", file=sys.stderr, flush=True)
        try:
            seconds = measure(
                part,
                small=arguments.small,
                write=arguments.write,
                rounds=arguments.rounds,
                python=arguments.compiled,
            )
        except Exception:
            traceback.print_exc()
            failed.append(part)
        else:
            print(f"{part}: {seconds:.0f} s", file=sys.stderr, flush=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
