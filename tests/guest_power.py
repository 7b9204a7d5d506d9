#!/usr/bin/env python3
"""The power key in a real guest: `lull stop` lets a guest that listens power
itself off, and does not wait for one that does not.

    guest_power.py LULL

Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, start  # noqa: E402

# What a power manager does, with what the guest has: it waits for the key's
# interrupt.
MANAGER = "(while grep -q ' 0 .*GPIO Key' /proc/interrupts; do sleep 0.1; " \
          "done; poweroff -f) & :"


def stop(lull, listens):
    name = f"power-{os.getpid()}-{int(listens)}"
    with start(lull, 1, ["--name", name]) as vm:
        guest = Guest(vm)
        if listens:
            guest.output("modprobe gpio_keys")
            check("Poweroff" in guest.output("grep GPIO /proc/interrupts"),
                  "the driver found no key")
            guest.output(MANAGER)
        began = time.monotonic()
        done = subprocess.run([lull, "stop", name, "--timeout", str(PATIENCE)],
                              capture_output=True, text=True)
        took = time.monotonic() - began
        check(done.returncode == 0, f"lull stop: {done.stderr}")
        check(vm.wait(PATIENCE) == 0, "lull run failed")
        said = b"reboot: Power down" in vm.output
        check(said == listens, f"powered off by itself: {said}")
        check(took < PATIENCE / 2, "the grace period was waited for")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    stop(sys.argv[1], True)
    stop(sys.argv[1], False)


if __name__ == "__main__":
    main()
