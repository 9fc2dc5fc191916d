"""Everything that has to pass, in one command: `nox`. Single parts: `nox -s lint`, `nox -s tests-3.12 -- -k dsn`, …"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ("3.11", "3.12", "3.13")


def is_there(version: str) -> bool:
    """Whether this Python can be run. Version managers leave commands on PATH that only say they have none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return True
    command = shutil.which(f"python{version}")
    return command is not None and subprocess.run([command, "-c", ""], capture_output=True).returncode == 0


AVAILABLE = [version for version in PYTHONS if is_there(version)]

nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
# A Python that is not there is left out, but not all of them.
nox.options.error_on_missing_interpreters = not AVAILABLE
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "programs", "tests", "fuzz", "docs"]


def group(name: str) -> list[str]:
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers: mypy strictly over the package, pyright over what users see of it."""
    session.install(".[trio,uvloop]", *group("types"), *group("test"))
    session.run("mypy")
    session.run("pyright", "--pythonpath", f"{session.bin}/python")


@nox.session(python=AVAILABLE or PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, examples among them, in several processes; arguments go to pytest."""
    session.install(".[trio,uvloop]", *group("test"))
    # They wait for servers more than they compute: a processor is busy with one process more than there are of them.
    processes = (os.cpu_count() or 1) + 1
    # Many tests are about real time on real servers: one that fails is tried again, and the report says so.
    session.run("pytest", "-n", str(processes), "--dist", "worksteal", "--reruns", "2", *session.posargs)


#: Fails unless what is tested is the compiled build.
IS_COMPILED = 'from anystore.pulsards import session; assert session.__file__.endswith((".so", ".pyd"))'
NODE_PACKAGES = ("ioredis@5", "redis@5", "bullmq@5")


@nox.session
@nox.parametrize("programs", ["programs", "programs-arq"], ids=["most", "arq"])
def programs(session: nox.Session, programs: str) -> None:
    """Programs written for Redis, unmodified, on pulsards: Celery, RQ, BullMQ and others, and other clients."""
    # The benchmarks' peers and plots are tested with the programs.
    more = group("bench") if programs == "programs" else ()
    session.install(".[trio,uvloop]", *group("test"), *group(programs), *more)
    environment = {"ANYSTORE_PROGRAMS": programs}
    if programs == "programs":
        folder = session.create_tmp()
        session.run(
            "npm", "install", "--silent", "--no-fund", "--prefix", folder, *NODE_PACKAGES, external=True
        )
        environment["NODE_PATH"] = f"{folder}/node_modules"
    # Warnings are theirs, not ours, and so are the moments at which they look.
    session.run(
        "pytest", "-n0", "-W", "ignore", "--reruns", "2", "tests/programs", *session.posargs, env=environment
    )


@nox.session
def fuzz(session: nox.Session) -> None:
    """A minute of hostile clients, the same ones each time; arguments go to the fuzzer, `--seconds 3600` among them.

    Without `--seed` it looks for what nobody has seen yet, which is not what a change should have to wait for.
    """
    session.install(".[trio,uvloop]", *group("test"))
    arguments = session.posargs or ["--seed", "1"]
    session.run("python", "-m", "fuzzing", *arguments, env={"PYTHONHASHSEED": "0"})


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation; a warning is an error."""
    session.install(".[trio,uvloop]", *group("docs"))
    session.run(
        "mkdocs", "build", "--strict", "--site-dir", session.create_tmp(), env={"NO_MKDOCS_2_WARNING": "1"}
    )


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Which lines and branches the tests never take."""
    session.install("-e", ".[trio,uvloop]", *group("test"))
    session.run("coverage", "run", "-m", "pytest", "-n0", *session.posargs)
    session.run("coverage", "report", "--show-missing", "--skip-covered")


@nox.session(default=False)
def compiled(session: nox.Session) -> None:
    """The tests on the compiled build of the server's hot path, which takes a C compiler; arguments go to pytest."""
    session.install(*group("test"))
    session.install("--force-reinstall", ".[trio,uvloop]", env={"ANYSTORE_COMPILE": "1"})
    # In a copy of all this that has the compiled modules beside their source, for tests import what lies where they are. Not
    # in the session's own place for temporary files, which the tests would use, too: its name is too long for unix sockets.
    folder = Path(session.virtualenv.location).resolve() / "copy"
    if folder.exists():
        shutil.rmtree(folder)
    hidden = shutil.ignore_patterns(
        ".git", ".nox", ".venv", ".*_cache", "__pycache__", "build", "dist", "site"
    )
    shutil.copytree(Path(__file__).parent, folder, ignore=hidden)
    where = 'import sysconfig; print(sysconfig.get_path("platlib"))'
    installed = Path(str(session.run("python", "-P", "-c", where, silent=True)).strip())
    libraries = [path for path in installed.rglob("*") if path.suffix in (".so", ".pyd")]
    for library in libraries:
        place = library.relative_to(installed)
        if place.parts[0] == "anystore" or place.name.startswith("anystore__mypyc"):
            shutil.copy2(library, folder / place)
    session.chdir(folder)
    session.run("python", "-c", IS_COMPILED)
    session.run("pytest", "-n", "auto", "--dist", "worksteal", "--reruns", "2", *session.posargs)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Servers killed under load and in the middle of saves, rewrites and syncs: what was acknowledged is there.

    How often is the argument, hundreds of times without one.
    """
    session.install(".[trio,uvloop]", *group("test"))
    times = session.posargs[0] if session.posargs else "300"
    folder = "tests/pulsards/persistence"
    tests = (f"{folder}/aof/test_kills.py", f"{folder}/test_kills_at_work.py")
    session.run("pytest", "-n0", *tests, env={"ANYSTORE_KILLS": times})


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The figures beside the peers; arguments go to the benchmarks: parts to measure, `--write` to keep the figures."""
    session.install(".[trio,uvloop]", *group("test"), *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
