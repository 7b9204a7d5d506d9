#!/usr/bin/env python3
"""Disks in a real guest: what the host wrote the guest reads, what the guest
wrote the host reads, what must not happen is an error in the guest, and so is
what the host fails at. By io_uring where the host has it, and by threads.

    guest_disk.py LULL BROKEN_HOST.SO

The second is a library to be preloaded, with which no sync succeeds and no
io_uring is had.

Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import hashlib
import json
import os
import subprocess
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


def shrink(guest, folder):
    """The host takes the end of an image away: a read error there."""
    for disk in "acde":
        os.truncate(folder / disk, SIZE // 2)
        read = f"dd if=/dev/vd{disk} iflag=direct bs=4k count=1 of=/dev/null"
        check(guest.run(f"{read} skip=4000")[0] != 0,
              f"vd{disk}: the end of the image is gone, and that reads well")
        guest.output(f"{read} skip=20")


def stat(lull, vm):
    done = subprocess.run([lull, "stat", f"vm-{vm.pid}", "--json",
                           "--interval", "0"], capture_output=True, text=True)
    check(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def many_at_once(lull, vm, guest):
    """Sixteen requests at a time, as a program with AIO makes them: not an
    exit for each, nor an interrupt."""
    if guest.run("which lullbench")[0] != 0:
        return
    for disk in "acde":
        device = f"disk{'abcde'.index(disk)}"
        for what in "read", "write":
            before = stat(lull, vm)["devices"][device]
            print(guest.output(
                f"lullbench file /dev/vd{disk} 0.4 {what}4k_d16"))
            after = stat(lull, vm)["devices"][device]
            chains, notifies, interrupts = (
                after[k] - before[k]
                for k in ("chains", "notifies", "interrupts"))
            print(f"vd{disk} {what}: {chains} requests, {notifies} notified, "
                  f"{interrupts} interrupts")
            check(chains >= 32, f"vd{disk}: requests were not made")
            check(notifies < 0.8 * chains,
                  f"vd{disk}: {notifies} notifications for {chains} requests")
            check(interrupts < 0.8 * chains,
                  f"vd{disk}: {interrupts} interrupts for {chains} requests")


def work(lull, vm, data, folder):
    guest = Guest(vm)

    host_to_guest(guest, "vda", data)
    host_to_guest(guest, "vdb", data)
    queues = guest.output("echo $(ls /sys/block/vda/mq)")
    check(queues == "0 1", f"two vCPUs, and these queues: {queues}")
    for disk in "acde":
        guest_to_host(guest, f"vd{disk}", folder / disk)
    many_at_once(lull, vm, guest)
    zero_and_discard(guest, "vda", folder / "a")
    filesystem(guest, "vdc")
    errors(guest)
    check((folder / "b").read_bytes() == data, "vdb changed")
    return guest


def broken_host(lull, library, folder):
    """Threads do what io_uring may not, and say so; unless it was asked for.
    Writes go well, and what makes them lasting does not."""
    os.environ["LD_PRELOAD"] = library
    done = subprocess.run([lull, "run", "--kernel", home() / "kernel", "--disk",
                           f"{folder}/a,aio=io_uring"],
                          capture_output=True, text=True)
    check(done.returncode == 1 and "aio=io_uring: " in done.stderr,
          f"io_uring that there is not: {done.stderr}")
    disks = [f"{folder}/a", f"{folder}/c,cache=none"]
    extra = [word for disk in disks for word in ("--disk", disk)]
    with start(lull, 2, extra) as vm:
        del os.environ["LD_PRELOAD"]
        guest = Guest(vm)
        aio = stat(lull, vm)["settings"]["disk0-aio"]
        check(aio["value"] == "threads" and "no io_uring: " in aio["source"],
              f"not by threads: {aio}")
        for disk in "vda", "vdb":
            write = f"dd if=/dev/zero of=/dev/{disk} bs=4k count=1"
            guest.output(f"{write} oflag=direct")
            check(guest.run(f"{write} conv=fsync")[0] != 0,
                  f"{disk}: a sync that failed on the host went well")
        guest.power_off()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    home()
    data = os.urandom(SIZE)
    # Not /tmp: cache=none should meet a file system that can.
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as name:
        folder = Path(name)
        for disk in "abcde":
            (folder / disk).write_bytes(data)
        disks = [f"{folder}/a", f"{folder}/b,ro", f"{folder}/c,cache=none",
                 f"{folder}/d,aio=threads",
                 f"{folder}/e,cache=none,aio=threads"]
        extra = [word for disk in disks for word in ("--disk", disk)]
        with start(sys.argv[1], 2, extra) as vm:
            guest = work(sys.argv[1], vm, data, folder)
            log = guest.output("echo; dmesg | grep -c 'I/O error.*vd[acde]'"
                               " || true")
            check(log == "0", "the guest saw an I/O error")
            shrink(guest, folder)
            guest.power_off()
        for disk in "ac":
            os.truncate(folder / disk, SIZE)
        broken_host(*sys.argv[1:], folder)


if __name__ == "__main__":
    main()
