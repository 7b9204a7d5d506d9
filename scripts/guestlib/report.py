"""What the user sees: progress lines, and errors of one clear line.

Every failure is raised as Failure with an exit code that says which kind it
was, so that a script can tell "no network" from "no room".
"""
import errno
import sys

USAGE = 1  # a bad option, an unknown distribution or flavour
NETWORK = 2  # the mirror cannot be reached or does not have the file
CACHE = 3  # the cache cannot be written, or the disk is full
VERIFY = 4  # what arrived is not what was signed

quiet = False


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def say(text):
    if not quiet:
        print(f"lull: {text}", file=sys.stderr, flush=True)


def size(count):
    return f"{count / 1e6:.1f} MB"


def from_os_error(error, where):
    """Name the usual reasons why a file cannot be written."""
    path = error.filename or where
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(CACHE, f"the disk that holds {where} is full")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Failure(CACHE, f"cannot write to {path}: {error.strerror}")
    return Failure(CACHE, f"{path}: {error.strerror}")
