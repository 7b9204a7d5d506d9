#!/usr/bin/env python3
"""Memory that a real guest does not need goes back to the host: what it frees
by itself (free page reporting), and what `lull balloon` asks for.

    guest_balloon.py LULL

Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, start, vmrun  # noqa: E402

FILE_MIB = 80


def lull(*words):
    return subprocess.run([sys.argv[1], *words], capture_output=True,
                          text=True, timeout=PATIENCE)


def balloon_stats(name):
    return json.loads(lull("stat", name, "--json", "--interval",
                           "0").stdout)["balloon"]


def falls_below(vm, limit_mib):
    """Resident memory, once it has: the guest reports every two seconds."""
    end = time.monotonic() + PATIENCE / 4
    while vmrun.resident_mib(vm.pid) > limit_mib and time.monotonic() < end:
        time.sleep(0.2)
    return vmrun.resident_mib(vm.pid)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    name = f"balloon-{os.getpid()}"
    with start(sys.argv[1], 2, ["--name", name]) as vm:
        guest = Guest(vm)
        guest.output("modprobe virtio_balloon")
        guest.output("mount -t tmpfs -o size=400m none /mnt && "
                     f"head -c {FILE_MIB}m /dev/zero >/mnt/file")
        full = vmrun.resident_mib(vm.pid)
        guest.output("rm /mnt/file")
        freed = falls_below(vm, full - FILE_MIB / 2)
        print(f"resident: {full:.0f} MiB with a file of {FILE_MIB} MiB, "
              f"{freed:.0f} MiB after its removal")
        check(freed < full - FILE_MIB / 2, "freed memory did not come back")
        check(balloon_stats(name)["reported_bytes"] > FILE_MIB << 19,
              "nothing was reported")

        had = int(guest.output("awk '/MemFree/ { print $2 }' /proc/meminfo"))
        done = lull("balloon", name, "300M", "--json")
        check(done.returncode == 0, f"lull balloon: {done.stderr}")
        check(json.loads(done.stdout)["actual_bytes"] == 300 << 20,
              done.stdout)
        has = int(guest.output("awk '/MemFree/ { print $2 }' /proc/meminfo"))
        check(had - has > 150 * 1024, f"{had} kB free before, {has} after")
        check(lull("balloon", name, "512M").returncode == 0, "and back")
        guest.output("head -c 50m /dev/zero >/mnt/file")
        check(lull("balloon", name, "513M").returncode == 1, "too much")
        guest.power_off()


if __name__ == "__main__":
    main()
