"""Tests of one file in several processes at once.

For those that mostly wait for guests that idle: their waits add up, and the
host has nothing to do meanwhile.
"""
import subprocess
import sys
import tempfile
import unittest


def names(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from names(test)
        else:
            # Without the module: the child's is called __main__ as well.
            yield test.id().split(".", 1)[1]


def split(arguments):
    """What stands before `--`, and the names of tests behind it."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1:]


def main(arguments, chosen, jobs=4):
    """The tests `chosen`, here; those of a class, or if nothing is chosen all,
    in processes of this script that get `arguments` and each its share of the
    names."""
    if "." in "".join(chosen):
        unittest.main(argv=[sys.argv[0], *chosen])
    every = [name for name in names(
        unittest.defaultTestLoader.loadTestsFromModule(
            sys.modules["__main__"]))
             if not chosen or name.split(".")[0] in chosen]
    children = []
    for first in range(min(jobs, len(every))):
        said = tempfile.TemporaryFile("w+")
        children.append((said, subprocess.Popen(
            [sys.executable, sys.argv[0], *arguments, "--",
             *every[first::jobs]], stdout=said, stderr=said)))
    failed = 0
    for said, child in children:
        failed += child.wait() != 0
        said.seek(0)
        print(said.read(), flush=True)
    sys.exit(1 if failed or not children else 0)
