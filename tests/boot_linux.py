#!/usr/bin/env python3
"""Boot Debian's kernel under Lull: one case a run, chosen by the arguments.

    boot_linux.py LULL FLAVOUR CPUS MEMORY [INITRD]

Userspace must be reached, with the number of processors asked for, and the
guest must power itself off cleanly: exit code 0 and no complaint of the kernel.
Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import vmrun  # noqa: E402
from guestlib import cache  # noqa: E402

# Generous, for sanitizers and crowded machines: a hang is what it is for.
PATIENCE = 240
TROUBLE = rb"(?i)Oops|Call trace|BUG:|rcu.*stall|soft lockup|Kernel panic" \
          rb"|Unable to handle|Internal error|WARNING: CPU"


def fail(vm, what):
    print(vm.text()[-4000:])
    print(f"boot_linux: {what}")
    sys.exit(1)


def boot(lull, flavour, cpus, memory, initrd="initrd-min", extra=()):
    name = f"debian-{flavour}"
    if not cache.manifest(name):
        print(f"skipped: no {name} here; `scripts/guest fetch debian --flavour"
              f" {flavour}` obtains it")
        sys.exit(77)
    home = cache.guests() / name
    with vmrun.Vm(vmrun.lull_command(
            lull, home / "kernel", home / initrd, cpus=cpus, memory=memory,
            append="console=ttyAMA0 lull.poweroff", extra=extra)) as vm:
        ready = vm.expect(vmrun.READY, PATIENCE)
        if not ready:
            fail(vm, "userspace was not reached")
        at = vm.cost()
        code = vm.wait(PATIENCE)
        if code != 0:
            fail(vm, f"exit code {code} (None: it did not power off)")
        if int(ready.group(1)) != int(cpus):
            fail(vm, f"nproc={ready.group(1).decode()}, expected {cpus}")
        trouble = re.search(TROUBLE, vm.output)
        if trouble:
            fail(vm, f"the kernel complains: {trouble.group().decode()}")
        return at.when - vm.started, at.cpu_s, vm


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    wall, cpu, _ = boot(*sys.argv[1:])
    print(f"userspace after {wall:.2f} s, {cpu:.2f} s of CPU")


if __name__ == "__main__":
    main()
