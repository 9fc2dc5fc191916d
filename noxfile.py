"""Everything that has to pass, in one command: `nox`. Single parts: `nox -s lint`, `nox -s tests-3.12 -- -k dsn`, …"""

from __future__ import annotations

import shutil
import subprocess
import sys

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
    # Many tests are about real time on real servers: one that fails is tried again, and the report says so.
    session.run("pytest", "-n", "auto", "--dist", "worksteal", "--reruns", "2", *session.posargs)


NODE_PACKAGES = ("ioredis@5", "redis@5", "bullmq@5")


@nox.session
@nox.parametrize("programs", ["programs", "programs-arq"], ids=["most", "arq"])
def programs(session: nox.Session, programs: str) -> None:
    """Programs written for Redis, unmodified, on pulsards: Celery, RQ, BullMQ and others, and other clients."""
    session.install(".[trio,uvloop]", *group("test"), *group(programs))
    environment = {"ANYSTORE_PROGRAMS": programs}
    if programs == "programs":
        folder = session.create_tmp()
        session.run(
            "npm", "install", "--silent", "--no-fund", "--prefix", folder, *NODE_PACKAGES, external=True
        )
        environment["NODE_PATH"] = f"{folder}/node_modules"
    # Warnings are theirs, not ours.
    session.run("pytest", "-n0", "-W", "ignore", "tests/programs", *session.posargs, env=environment)


@nox.session
def fuzz(session: nox.Session) -> None:
    """A minute of hostile clients; arguments go to the fuzzer, `--seconds 3600` among them."""
    session.install(".[trio,uvloop]", *group("test"))
    session.run("python", "-m", "fuzzing", *session.posargs)


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
def kills(session: nox.Session) -> None:
    """A server killed under load, hundreds of times: what it has acknowledged is there. How often is the argument."""
    session.install(".[trio,uvloop]", *group("test"))
    times = session.posargs[0] if session.posargs else "300"
    test = "tests/pulsards/persistence/aof/test_kills.py"
    session.run("pytest", "-n0", test, env={"ANYSTORE_KILLS": times})


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The figures beside the peers; arguments go to the benchmarks."""
    session.install(".[trio,uvloop]", *group("test"), *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
