"""Facts about the process and the machine, for INFO: what the system says, and nothing where it says nothing."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import sys
from importlib.machinery import EXTENSION_SUFFIXES

try:
    import resource
except ImportError:  # Windows has no such module
    resource = None  # type: ignore[assignment]

PROCESS_ID = os.getpid
PYTHON_VERSION = platform.python_version()
EXECUTABLE = sys.executable
#: What hands out memory for small objects.
ALLOCATOR = "pymalloc" if os.environ.get("PYTHONMALLOC", "pymalloc").startswith("pymalloc") else "libc"
SYSTEM = f"{platform.system()} {platform.release()} {platform.machine()}"
ARCHITECTURE_BITS = 64 if sys.maxsize > 2**32 else 32


def build() -> str:
    """Which build of the server runs, by the modules that are loaded: `compiled` where any is an extension, else `pure`.

    O(modules), some 100 µs. What is installed beside them does not matter, nor what they were to be.
    """
    suffixes = tuple(EXTENSION_SUFFIXES)
    for name, module in list(sys.modules.items()):
        if name.startswith("anystore.pulsards.") and (module.__file__ or "").endswith(suffixes):
            return "compiled"
    return "pure"


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


def release_memory() -> None:
    """Give memory that is free back to the system, as far as Python and the C library let it. O(objects)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # glibc alone has it
        trim(0)


def system_memory() -> int | None:
    """The memory of the machine, in bytes."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def cpu_seconds() -> dict[str, float]:
    """The processor time used so far, in seconds, by INFO's names."""
    times = os.times()
    found = {
        "used_cpu_sys": times.system,
        "used_cpu_user": times.user,
        "used_cpu_sys_children": times.children_system,
        "used_cpu_user_children": times.children_user,
    }
    if resource is not None and hasattr(resource, "RUSAGE_THREAD"):
        # Asked for by a command, so in the thread that serves.
        usage = resource.getrusage(resource.RUSAGE_THREAD)
        found["used_cpu_sys_main_thread"] = usage.ru_stime
        found["used_cpu_user_main_thread"] = usage.ru_utime
    return found


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
