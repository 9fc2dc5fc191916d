"""All figures in one run: `python -m benchmarks [--rounds N] [--write]`; with `--write` README and docs get them."""

from __future__ import annotations

import argparse
import platform
import re
from importlib.metadata import version
from pathlib import Path

from benchmarks import client, resources, server
from benchmarks.clients import CLIENTS

ROOT = Path(__file__).parent.parent
_MARKS = re.compile(r"(<!-- figures: begin -->\n).*?(\n<!-- figures: end -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--write", action="store_true", help="put the tables into README.md and docs/performance.md"
    )
    arguments = parser.parse_args()
    clients = client.run(arguments.rounds)
    servers, memory = server.run(arguments.rounds)
    needs = resources.run(max(1, arguments.rounds * 3 // 5))
    names = ", ".join(
        f"{name} {version(name)}" for name in ("redis", "coredis", "valkey-glide", "fakeredis", "hiredis")
    )
    machine = (
        f"Python {platform.python_version()} on {platform.machine()}, two cores; {server.reference_name()}; {names}. "
        f"Medians of {arguments.rounds} rounds in turns, ratios taken in each round, everything on loopback of one machine."
    )
    peers = [name for name in CLIENTS if name != "anystore"]
    client_ratios = clients.ratios("anystore", peers)
    means = server.geometric_means(servers)
    memory_ratios = memory.ratios("memory://", ["fakeredis"])
    short = "\n\n".join((machine, client_ratios, means, memory_ratios))
    whole = "\n\n".join(
        (
            short,
            "The rates behind the ratios:",
            clients.table(CLIENTS),
            servers.table(["Redis", "asyncio", "uvloop", "trio", "fakeredis"]),
            memory.table(["memory://", "fakeredis"]),
            needs.table(["Redis", "pulsards", "fakeredis"]),
        )
    )
    print(whole)
    if arguments.write:
        for path, text in ((ROOT / "README.md", short), (ROOT / "docs" / "performance.md", whole)):
            before = path.read_text("utf-8")
            path.write_text(
                _MARKS.sub(lambda marks, text=text: f"{marks[1]}\n{text}\n{marks[2]}", before), "utf-8"
            )


if __name__ == "__main__":
    main()
