#!/usr/bin/env python3
"""run_guest.py LULL IMAGE CPUS: run a self-checking guest and judge it.

It passes when the guest makes checks, all of them hold, and it switches the
machine off. The time limit is generous: a guest that is still there then has
lost a wake-up, or spins; what the machine counted until then is printed.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import vmrun  # noqa: E402

# Seconds; a guest takes about one, ten under a sanitizer on a busy machine.
PATIENCE = 150
TOTALS = re.compile(r"^(\d+) passed, (\d+) failed\s*$", re.MULTILINE)


def start(lull, image, cpus, reboot=False):
    name = f"{Path(image).stem}-{os.getpid()}"
    command = vmrun.lull_command(lull, image, cpus=cpus, memory="128M",
                                 extra=["--name", name])
    if reboot:
        command.remove("--no-reboot")
    return name, vmrun.Vm(command)


def give_up(lull, name, vm):
    """Say what the machine knows about a guest that does not end."""
    stat = subprocess.run([lull, "stat", name, "--json"], timeout=30,
                          capture_output=True, text=True)
    sys.exit(f"{vm.text()}\nnot over after {PATIENCE} s\n"
             f"{stat.stdout}{stat.stderr}")


def judge(text, code, want_code=0):
    """What is wrong with a run, or None."""
    totals = TOTALS.findall(text)
    if code != want_code:
        return f"exit code {code}, not {want_code}"
    if not totals:
        return "it never said how many checks passed"
    for passed, failed in totals:
        if failed != "0" or "not ok" in text:
            return "checks failed"
        if int(passed) == 0:
            return "it checked nothing"
    return None


def main():
    lull, image, cpus = sys.argv[1:4]
    name, vm = start(lull, image, cpus)
    with vm:
        code = vm.wait(PATIENCE)
        if code is None:
            give_up(lull, name, vm)
        print(vm.text())
        sys.exit(judge(vm.text(), code))


if __name__ == "__main__":
    main()
