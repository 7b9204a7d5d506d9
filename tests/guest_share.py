#!/usr/bin/env python3
"""Shared folders in a real guest: what either side writes the other reads, the
calls programs make are what they are on a disk, and nothing of the host is
reached but the folder.

    guest_share.py LULL

SHARE_STEPS says how many random operations are compared with a model; 200
without it. Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import hashlib
import json
import os
import random
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, start  # noqa: E402

MIB = 1 << 20
STEPS = int(os.environ.get("SHARE_STEPS", "200"))
# The guest may rely on what it heard for so long (src/dev/fuse/attr.c).
VALID_S = 0.15


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def contents(guest, folder):
    """Large files both ways."""
    data = os.urandom(20 * MIB + 12345)
    (folder / "big").write_bytes(data)
    check(sha256(data) in guest.output("sha256sum /mnt/a/big"),
          "the guest reads a large file as something else")
    guest.output("dd if=/dev/urandom of=/tmp/r bs=64k count=40 2>/dev/null")
    expected = guest.output("sha256sum </tmp/r").split()[0]
    for block in ("5000", "64k", "1M"):
        guest.output(f"dd if=/tmp/r of=/mnt/a/{block} bs={block} conv=fsync"
                     " 2>/dev/null")
        check(sha256((folder / block).read_bytes()) == expected,
              f"the host reads something else, blocks {block}")
    guest.output("cd /mnt/a && rm big 5000 64k && mv 1M sub && cmp sub /tmp/r;"
                 " rm sub; cd /")
    check(os.listdir(folder) == [], "files were not removed")


def names(guest, folder):
    guest.output("cd /mnt/a && mkdir -p d/e/f && echo text >d/e/f/file")
    guest.output("mv d/e/f/file g && mv d/e h && [ ! -e d/e ] && ls h/f")
    guest.output("ln g d/hard && [ $(stat -c %h g) = 2 ] && rm g &&"
                 " grep -q text d/hard")
    guest.output("ln -s d/hard soft && grep -q text soft && readlink soft")
    # Unlinked while open; appended to; replaced by rename.
    guest.output("exec 5>gone 6<gone; rm gone; echo left >&5;"
                 " grep -q left <&6; rc=$?; exec 5>&- 6<&-; [ $rc = 0 ]")
    guest.output("echo 1 >log; echo 2 >>log; [ $(wc -l <log) = 2 ]")
    guest.output("echo new >next; mv next log; grep -q new log")
    guest.output("mkfifo pipe; (echo through >pipe &); grep -q through pipe")
    guest.output("chmod 600 log; [ $(stat -c %a log) = 600 ]")
    guest.output("touch -d '2001-02-03 04:05:06' log soft;"
                 " truncate -s 1M log; [ $(stat -c %s log) = 1048576 ]")
    guest.output("chown 12:34 log; chmod 4755 log; mknod dev c 1 3 ||"
                 " [ ! -e dev ]; cd /")
    status = os.stat(folder / "log")
    check(status.st_uid == os.geteuid(), "the host's file has another owner")
    check(stat.S_IMODE(status.st_mode) == 0o755, "a program for everybody")
    check(not (folder / "dev").exists(), "the guest made a device")
    guest.output("rm -r /mnt/a/d /mnt/a/h /mnt/a/log /mnt/a/pipe /mnt/a/soft")


def inside(guest, folder):
    """Links out of the folder end in the guest."""
    os.symlink("/etc/hostname", folder / "abs")
    os.symlink("../" * 20 + "etc/hostname", folder / "rel")
    os.symlink("/proc/self/root", folder / "root")
    (folder.parent / "secret").write_text("secret\n")
    os.symlink("../secret", folder / "up")
    for link in ("abs", "rel", "root/etc/hostname"):
        check(guest.output(f"cat /mnt/a/{link}") == "lull",
              f"{link} is not the guest's own")
    for path in ("up", "../secret", "../../secret", "root/../secret"):
        check(guest.run(f"cat /mnt/a/{path}")[0] != 0, f"{path} was read")
    guest.output("echo hello >/mnt/a/up; grep -q hello /mnt/secret")
    check((folder.parent / "secret").read_text() == "secret\n",
          "a file beside the folder was written to")
    for name in ("abs", "rel", "root", "up"):
        os.unlink(folder / name)


def changes_of_the_host(guest, folder):
    (folder / "seen").write_text("one\n")
    check(guest.output("cat /mnt/a/seen") == "one", "a new file is not seen")
    (folder / "tmp").write_text("another one\n")
    os.rename(folder / "tmp", folder / "seen")
    time.sleep(VALID_S)
    check(guest.output("cat /mnt/a/seen") == "another one", "what was "
          "renamed over a file is not seen")
    with open(folder / "seen", "a") as file:
        file.write("more\n")
    time.sleep(VALID_S)
    check(guest.output("tail -n 1 /mnt/a/seen") == "more", "what was "
          "appended is not seen")
    os.unlink(folder / "seen")
    time.sleep(VALID_S)
    check(guest.run("cat /mnt/a/seen")[0] != 0, "a removed file is seen")


def many_files(guest, folder):
    for i in range(5000):
        (folder / f"file-{i}").write_bytes(b"")
    check(guest.output("ls /mnt/a | sort -u | wc -l") == "5000",
          "not every one of 5000 files is listed once")
    guest.output("ls -l /mnt/a/file-77* | grep -c file- | grep -qx 11")
    guest.output("rm /mnt/a/file-7*")
    left = os.listdir(folder)
    check(len(left) == 5000 - 111, f"{len(left)} files are left of 4889")
    for name in left:
        (folder / name).unlink()


def tree(guest, folder):
    """A tree of small files through tar, in and out."""
    source = folder.parent / "source"
    made = random.Random(1)
    for i in range(100):
        path = source / f"d{i % 17}" / f"e{i % 5}" / f"f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.randbytes(made.randrange(9000)))
    os.symlink("d1/e1", source / "link")
    subprocess.run(["tar", "cf", str(folder / "in.tar"), "-C", str(source),
                    "."], check=True)
    guest.output("cd /mnt/a && mkdir t && tar xf in.tar -C t && rm in.tar &&"
                 " tar cf out.tar t && rm -r t; cd /")
    subprocess.run(["tar", "xf", str(folder / "out.tar"), "-C", str(folder)],
                   check=True)
    done = subprocess.run(["diff", "-r", str(source), str(folder / "t")],
                          capture_output=True, text=True)
    check(done.returncode == 0, f"the trees differ: {done.stdout[:300]}")
    (folder / "out.tar").unlink()
    subprocess.run(["rm", "-r", str(folder / "t")], check=True)


def read_only(guest, folder):
    (folder / "kept").write_text("kept\n")
    check(guest.output("cat /mnt/b/kept") == "kept", "no second share")
    for command in ("echo x >/mnt/b/kept", "rm /mnt/b/kept",
                    "mkdir /mnt/b/new", "chmod 777 /mnt/b/kept",
                    "mv /mnt/b/kept /mnt/b/x", "touch /mnt/b/x"):
        check(guest.run(command)[0] != 0, f"not read-only: {command}")
    check((folder / "kept").read_text() == "kept\n" and
          os.listdir(folder) == ["kept"], "the read-only share changed")


def random_steps(guest, folder):
    """Reads, writes, truncations and maps of one file by a program in the
    guest, which compares with what it remembers (bench/guest/share.c);
    afterwards the host's file is compared with that."""
    done = guest.run(f"lullbench share /mnt/a/random {STEPS} 12345")
    check(done[0] == 0, f"random operations: {done[1]}")
    expected = done[1].split()[-1]
    data = (folder / "random").read_bytes()
    check(f"{checksum(data):016x}" == expected, "after random operations the "
          "host has something else")
    (folder / "random").unlink()


def checksum(data):
    """FNV-1a, as bench/guest/share.c has it."""
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


def counters(lull, name):
    done = subprocess.run([lull, "stat", name, "--json", "--interval", "0"],
                          capture_output=True, text=True, timeout=PATIENCE)
    return json.loads(done.stdout)["devices"]["share0"]


def idle(lull, name):
    before = counters(lull, name)
    time.sleep(2)
    after = counters(lull, name)
    check(before == after, f"an idle share is not idle: {before} {after}")
    check(after["broken"] == 0 and after["open"] == 0, f"{after}")
    print(f"share0: {after}")


def not_saved(lull, name, folder):
    done = subprocess.run([lull, "save", name, str(folder.parent / "saved")],
                          capture_output=True, text=True, timeout=PATIENCE)
    check(done.returncode == 1 and "a VM with a shared folder cannot be saved"
          in done.stderr and len(done.stderr.splitlines()) == 1,
          f"lull save: {done.stderr}")
    check(not (folder.parent / "saved").exists(), "lull save left a file")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    name = f"share-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="lull-") as top:
        one, two = Path(top) / "one", Path(top) / "two"
        one.mkdir()
        two.mkdir()
        with start(sys.argv[1], 2, ["--name", name, "--share", f"{one}:first",
                                    "--share", f"{two}:second,ro"]) as vm:
            guest = Guest(vm)
            guest.output("mkdir /mnt/a /mnt/b && mount -t virtiofs first"
                         " /mnt/a && mount -t virtiofs second /mnt/b")
            for part in (contents, names, inside, changes_of_the_host,
                         many_files, tree, random_steps):
                part(guest, one)
            read_only(guest, two)
            not_saved(sys.argv[1], name, one)
            idle(sys.argv[1], name)
            guest.output("umount /mnt/a && mount -t virtiofs first /mnt/a")
            guest.output("echo again >/mnt/a/again")
            guest.power_off()
        check((one / "again").read_text() == "again\n", "nothing after umount")


if __name__ == "__main__":
    main()
