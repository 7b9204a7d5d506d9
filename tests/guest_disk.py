#!/usr/bin/env python3
"""Disks in a real guest: what the host wrote the guest reads, what the guest
wrote the host reads, and what must not happen is an error in the guest.

    guest_disk.py LULL

Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import Guest, check, home, start  # noqa: E402

MIB = 1 << 20
SIZE = 24 * MIB


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def host_to_guest(guest, device, data):
    line = guest.output(f"sha256sum /dev/{device}")
    check(sha256(data) in line, f"{device} reads as something else: {line}")


def guest_to_host(guest, device, path):
    """Random bytes of the guest's, in blocks of different sizes."""
    guest.output("dd if=/dev/urandom of=/tmp/r bs=64k count=64 2>/dev/null")
    expected = guest.output("sha256sum </tmp/r").split()[0]
    for block, seek in (("512", "3"), ("4k", "2049"), ("1M", "13")):
        guest.output(f"dd if=/tmp/r of=/dev/{device} bs={block} seek={seek}"
                     " conv=fsync,notrunc 2>/dev/null")
        at = int(seek) * {"512": 512, "4k": 4096, "1M": MIB}[block]
        with open(path, "rb") as image:
            image.seek(at)
            check(sha256(image.read(4 * MIB)) == expected,
                  f"{device}: the host reads something else, blocks {block}")


def zero_and_discard(guest, device, path):
    """blkdiscard asks for both; the host's file becomes smaller."""
    blocks = os.stat(path).st_blocks
    guest.output(f"blkdiscard -o 0 -l {8 * MIB} /dev/{device}")
    guest.output("sync")
    check(os.stat(path).st_blocks < blocks, "a discard gave nothing back")


def filesystem(guest, device):
    """Only where the guest has the tools."""
    if guest.run("which mke2fs")[0] != 0:
        return
    guest.output(f"mke2fs -q /dev/{device}")
    guest.output("modprobe -a crc32c_generic ext4")
    guest.output(f"mount -t ext4 /dev/{device} /mnt")
    guest.output("cp /tmp/r /mnt/r && umount /mnt")
    guest.output(f"mount -t ext4 /dev/{device} /mnt && cmp /tmp/r /mnt/r")
    guest.output("umount /mnt")


def errors(guest):
    """Past the end, and a write to what is read-only."""
    check(guest.output("cat /sys/block/vdb/ro") == "1", "vdb is not read-only")
    code, _ = guest.run("dd if=/tmp/r of=/dev/vdb bs=4k count=1 conv=fsync")
    check(code != 0, "a read-only disk was written to")
    check(guest.output("echo $(cat /sys/block/vda/serial)") == "disk0",
          "no serial number")


def work(guest, data, folder):
    host_to_guest(guest, "vda", data)
    host_to_guest(guest, "vdb", data)
    guest_to_host(guest, "vda", folder / "a")
    guest_to_host(guest, "vdc", folder / "c")
    zero_and_discard(guest, "vda", folder / "a")
    filesystem(guest, "vdc")
    errors(guest)
    check((folder / "b").read_bytes() == data, "vdb changed")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    data = os.urandom(SIZE)
    # Not /tmp: cache=none should meet a file system that can.
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as name:
        folder = Path(name)
        for disk in "abc":
            (folder / disk).write_bytes(data)
        disks = [f"{folder}/a", f"{folder}/b,ro", f"{folder}/c,cache=none"]
        extra = [word for disk in disks for word in ("--disk", disk)]
        with start(sys.argv[1], 2, extra) as vm:
            guest = Guest(vm)
            work(guest, data, folder)
            guest.power_off()
            found = re.search(rb"I/O error.*vda", vm.output)
            check(not found, "the guest saw an I/O error on vda")


if __name__ == "__main__":
    main()
