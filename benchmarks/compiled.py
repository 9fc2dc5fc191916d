"""The compiled build of pulsards beside Redis and beside the pure one: requests a second, and the processor's time of one.

It is what is installed in an environment of its own, by `ANYSTORE_COMPILE=1 pip install`, whose Python is told by
`--compiled`; without that option, this part is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from benchmarks import resources, server
from benchmarks.report import Report
from benchmarks.running import BACKENDS, installed

#: In the order of the table; `pure` is the one that runs these lines, on asyncio.
SERVERS = ("Redis", *BACKENDS, "pure")
_IS_COMPILED = """
import sys
from anystore.pulsards import session
sys.exit(not session.__file__.endswith((".so", ".pyd")))
"""


@dataclass(frozen=True)
class Sizes(server.Sizes):
    """How many requests there are in a round, and whose Python has the build that is measured."""

    cpu: int = 50_000
    python: str = sys.executable


FULL = Sizes()
SMALL = Sizes(rounds=1, alone=300, pipelined=4800, cpu=3200)


def is_compiled(python: str) -> bool:
    """Whether an environment, named by its Python, has the compiled build; `OSError` where there is no such program."""
    # Started as the servers are: not with what lies in the folder that this happens to run in.
    line, environment = installed(python)
    found = subprocess.run(
        [*line, "-c", _IS_COMPILED], env=environment, stderr=subprocess.DEVNULL, cwd=os.sep, check=False
    )
    return found.returncode == 0


def run(sizes: Sizes) -> list[Report]:
    """Measure both; each server has its turn within each test, as in the parts that measure the pure one."""
    rates = Report("compiled", "compiled, requests a second")
    spent = Report("compiled-cpu", "the processor's time of a request, µs", "")
    places = dict.fromkeys(BACKENDS, sizes.python)
    server.measure_servers(rates, sizes, SERVERS, places)
    names = {"Redis": "Redis", "compiled": "asyncio", "pure": "pure"}
    for pipeline in (1, 16):
        resources.measure_cpu(spent, sizes.rounds, sizes.cpu, names, places, pipeline)
    return [rates, spent]
