"""Tells whether somebody still writes a file: for pictures whose bytes do not say where they end."""

import os
import signal
import sys
from pathlib import Path

_HEADS = (b"BM", b"II*\0", b"MM\0*")  # BMP, TIFF of either byte order


def tells_its_end(data: bytes) -> bool:
    """Tell whether a file's bytes show that it is whole; BMP and TIFF may be at full size long before they are filled.

    Example:
        >>> tells_its_end(b"BM" + bytes(60))
        False
    """
    return not data.startswith(_HEADS)


def is_surely_closed(path: Path) -> bool:
    """Tell whether nobody has a file open for writing, as far as the system says so.

    A read lease is granted only where no process has the file open for writing. It is given back at once. Without an
    answer (a share, another system than Linux, a file of another user) it is not sure.

    Source:
        fcntl(2), "Leases".
    """
    if sys.platform != "linux":
        return False
    import fcntl  # no other system has it, or not this part of it

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # a writer that opens it just now breaks the lease: by a signal that nobody minds, not by one that ends us
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
