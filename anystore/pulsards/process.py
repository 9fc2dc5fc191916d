"""Facts about the process and the machine, for INFO: what the system says, and nothing where it says nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import sys

try:
    import resource
except ImportError:  # Windows has no such module
    resource = None  # type: ignore[assignment]

PROCESS_ID = os.getpid
PYTHON_VERSION = platform.python_version()
SYSTEM = f"{platform.system()} {platform.release()} {platform.machine()}"
ARCHITECTURE_BITS = 64 if sys.maxsize > 2**32 else 32


def resident_bytes() -> int | None:
    """The memory that the process occupies, in bytes."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak_resident_bytes()


def peak_resident_bytes() -> int | None:
    """The most memory that the process has occupied so far, in bytes."""
    if resource is None:
        return None
    # macOS counts in bytes, everybody else in KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_seconds() -> dict[str, float]:
    """The processor time used so far, in seconds, by INFO's names."""
    times = os.times()
    return {
        "used_cpu_sys": times.system,
        "used_cpu_user": times.user,
        "used_cpu_sys_children": times.children_system,
        "used_cpu_user_children": times.children_user,
    }


def allow_open_files(count: int) -> None:
    """Let the process have so many files and sockets open at once, or as many as the system lets it have."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
