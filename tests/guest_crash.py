#!/usr/bin/env python3
"""Nothing that a guest was told is on disk is lost: the monitor is killed at a
random moment while the guest writes to ext4 with fsync, again and again; and a
host that has no room left is an error in the guest, not silence.

    guest_crash.py LULL

CRASH_ROUNDS says how often it is killed (2). Exit code 77 (skipped, to meson)
where no guest has been fetched, or without e2fsprogs.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, start  # noqa: E402

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "2"))
MIB = 1 << 20
WRITER = ("i={0}; while echo $i >>/mnt/log && sync /mnt/log; "
          "do echo told-$i; i=$((i+1)); done")


def tool(*words):
    return subprocess.run(words, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


def make_image(path, size):
    with open(path, "wb") as image:
        image.truncate(size)
    done = tool("mkfs.ext4", "-q", "-F", str(path))
    check(done.returncode == 0, f"mkfs.ext4: {done.stderr}")


def mounted(guest):
    guest.output("modprobe -a crc32c_generic ext4")
    guest.output("mount -t ext4 /dev/vda /mnt")


def numbers_told(output):
    return [int(n) for n in re.findall(rb"told-(\d+)\r?\n", output)]


def write_until_killed(lull, image, first, extra):
    """How far the guest was told it had come."""
    with start(lull, 2, ["--disk", f"{image}{extra}"]) as vm:
        guest = Guest(vm)
        mounted(guest)
        vm.send(WRITER.format(first) + "\n")
        check(vm.until(lambda output: len(numbers_told(output)) >= 3,
                       PATIENCE), "the guest does not write")
        time.sleep(random.uniform(0, 1.5))
        os.kill(vm.pid, signal.SIGKILL)
        check(vm.wait(PATIENCE) == -signal.SIGKILL, "it was not killed")
        return numbers_told(vm.output)[-1]


def examine(image, copy, told):
    """On a copy: the journal is replayed, then nothing may be wrong."""
    shutil.copyfile(image, copy)
    tool("e2fsck", "-E", "journal_only", "-y", str(copy))
    done = tool("e2fsck", "-f", "-n", str(copy))
    check(done.returncode == 0, f"fsck after replay:\n{done.stdout}")
    done = tool("debugfs", "-R", "cat /log", str(copy))
    lines = done.stdout.split()
    check(lines[:told] == [str(n) for n in range(1, told + 1)],
          f"told up to {told}, on disk are {len(lines)} lines, the last "
          f"{lines[-3:]}")
    return len(lines)


def crashes(lull, folder):
    image = folder / "disk"
    make_image(image, 64 * MIB)
    count = 0
    for i in range(ROUNDS):
        told = write_until_killed(lull, image, count + 1,
                                  ",cache=none" if i % 2 else "")
        count = examine(image, folder / "copy", told)
        print(f"killed {i + 1} times: told {told}, on disk {count}",
              flush=True)


def no_room(guest, disk):
    """Threads of ours, and io_uring where the host has it."""
    code, _ = guest.run(f"dd if=/dev/zero of=/dev/{disk} bs=1M count=40 "
                        "seek=8 conv=fsync")
    check(code != 0, f"{disk}: a full host went unnoticed")
    check("Input/output error" in guest.said or "I/O error" in guest.said,
          f"{disk}: failed otherwise: {guest.said}")
    guest.output(f"head -c 4096 /dev/{disk} >/dev/null")


def full_host(lull, folder):
    """A file system of the host's with room for a part of the disk."""
    small = folder / "small"
    small.mkdir()
    if tool("mount", "-t", "tmpfs", "-o", "size=12m", "none",
            str(small)).returncode != 0:
        print("not root: a full host was not tried")
        return
    try:
        make_image(small / "disk", 48 * MIB)
        make_image(small / "disk2", 48 * MIB)
        with start(lull, 2, ["--disk", f"{small}/disk,aio=threads",
                             "--disk", f"{small}/disk2,cache=none"]) as vm:
            guest = Guest(vm)
            for disk in "vda", "vdb":
                no_room(guest, disk)
            guest.power_off()
    finally:
        tool("umount", "-l", str(small))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    if not shutil.which("mkfs.ext4") or not shutil.which("debugfs"):
        print("skipped: no e2fsprogs; scripts/bootstrap installs them")
        return 77
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as name:
        crashes(sys.argv[1], Path(name))
        full_host(sys.argv[1], Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
