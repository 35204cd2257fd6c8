"""What Linux lets a process give up: the network, other processes, writing outside of one folder.

For programs that run by themselves: only the standard library is imported. Each step is taken where
the kernel allows it; on other systems none is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal

NEW_USER, NEW_NETWORK, NEW_PROCESSES = 0x10000000, 0x40000000, 0x20000000
NEW_MOUNTS, NEW_IPC = 0x00020000, 0x08000000
MOST_PROCESSES = 64
HIGHEST_NUMBER = 400
"""Of a process, for kernels that count them apart (6.14): Linux takes none below 301."""
MOST_FILES = 128
MOST_ROUNDS = 1000
LARGEST_FILE = 2**24
_BIND, _PRIVATE_BELOW = 0x1000, 0x4000 | 0x40000
_MOUNT_SETATTR, _HERE, _RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_NO_NEW_PRIVILEGES, _DIE_WITH_PARENT, _TAKE_ORPHANS = 38, 1, 36
_CAPABILITIES_3 = 0x20080522


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("descriptor", ctypes.c_uint64),
    )


def leave(folder: str) -> bool:
    """Leave network, processes and files behind: the next fork is alone, and writes in `folder`.

    True where it is without a network.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.prctl(_TAKE_ORPHANS, 1)
        everything = NEW_USER | NEW_NETWORK | NEW_PROCESSES | NEW_MOUNTS | NEW_IPC
        alone = libc.unshare(everything) == 0
        if alone:
            _only_read(libc, folder)
        return bool(alone or libc.unshare(NEW_USER | NEW_NETWORK) == 0)
    except (AttributeError, OSError):  # no Linux
        return False


def _only_read(libc: ctypes.CDLL, folder: str) -> None:
    place = folder.encode()
    libc.mount(None, b"/", None, _PRIVATE_BELOW, None)
    libc.mount(place, place, None, _BIND, None)
    for path, flags, change in (
        (b"/", _RECURSIVE, _Attributes(_READ_ONLY, 0, 0, 0)),
        (place, 0, _Attributes(0, _READ_ONLY, 0, 0)),
    ):
        size = ctypes.sizeof(change)
        libc.syscall(_MOUNT_SETATTR, _HERE, path, flags, ctypes.byref(change), size)
    os.chdir(folder)


def own_processes() -> None:
    """In the first process after `leave`: let /proc show its own processes alone."""
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getpid() == 1 and libc.mount(b"proc", b"/proc", b"proc", 0, None) == 0:
            # Of the superuser no other limit of processes is heeded.
            with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
                file.write(str(HIGHEST_NUMBER))


def end_children(first: int) -> None:
    """End the child `first`, and what has come to this process since its own parents ended."""
    left = [first]
    for _ in range(MOST_ROUNDS):
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        left = _children()
        if not left:
            return


def _children() -> list[int]:
    """Those of this process; none where the kernel does not say."""
    with contextlib.suppress(OSError):
        own = f"/proc/self/task/{os.getpid()}/children"
        with open(own, encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    return []


def give_up_rights() -> None:
    """No capability is left, and none can be had."""
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
        libc.capset(header, (ctypes.c_uint32 * 6)())


def limit(cpu_s: int, memory_bytes: int) -> None:
    """What the process may take; it cannot raise that again. Each child has its own CPU time."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_NPROC, MOST_PROCESSES),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
