"""Memory of this process: pages that the C allocator keeps, and the most it ever held."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEEP_BYTES = 1 << 30


def keep_pages() -> bool:
    """Tell glibc to serve and keep blocks of up to 1 GiB itself; False where the C library is another.

    Large short-lived tensors otherwise cost a page fault for every 4 KiB, every step.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEEP_BYTES) and mallopt(M_TRIM_THRESHOLD, KEEP_BYTES))


def peak_mib() -> float | None:
    """The most memory that this process has had resident, in MiB; None on Windows, which does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (1024 if sys.platform.startswith("linux") else 1 << 20)  # KiB, but bytes on macOS
