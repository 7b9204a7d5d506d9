"""A shell on the console of a running guest, for tests that work in one."""
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import vmrun  # noqa: E402
from guestlib import cache  # noqa: E402

PATIENCE = 240
END = "lull-says"


def home():
    """Where the guest is; without one, the test ends as skipped."""
    if not cache.manifest("debian-standard"):
        print("skipped: no guest; `scripts/guest fetch debian --flavour "
              "standard` obtains it")
        sys.exit(77)
    return cache.guests() / "debian-standard"


def command(lull, cpus, extra):
    folder = home()
    return vmrun.lull_command(
        lull, folder / "kernel", folder / "initrd", cpus=cpus,
        append="console=ttyAMA0 quiet", extra=extra)


def start(lull, cpus, extra):
    """The guest, up to its shell."""
    return vmrun.Vm(command(lull, cpus, extra))


def check(true, what):
    if not true:
        sys.exit(f"{Path(sys.argv[0]).stem}: {what}")


def lull(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True,
                          text=True, timeout=PATIENCE)
    check(done.returncode == 0, f"lull {words[0]}: {done.stderr}")
    return done.stdout


def behind(guest):
    """The guest's time of day, behind the host's."""
    return time.time() - int(guest.output("date +%s")) - 0.5


class Guest:
    """One command at a time, and its last line of output; all that the
    console showed meanwhile is in `said`."""

    def __init__(self, vm):
        self.vm = vm
        self.count = 0
        self.said = ""
        if not vm.expect(vmrun.READY, PATIENCE):
            print(vm.text()[-3000:])
            check(False, "userspace was not reached")

    def run(self, command, patience_s=PATIENCE):
        self.count += 1
        before = len(self.vm.output)
        # The echo of the command has the quotes in it, the answer has not.
        self.vm.send(f"{command}; echo {END}'-'{self.count}=$?\n")
        found = self.vm.expect(rf"{END}-{self.count}=(\d+)".encode(),
                               patience_s)
        self.said = self.vm.output[before:].decode(errors="replace")
        if not found:
            print(self.vm.text()[-3000:])
            check(False, f"no answer to: {command}")
        start = self.vm.output.rfind(b"\n", 0, found.start())
        before = self.vm.output[:start].decode(errors="replace")
        return int(found.group(1)), before.splitlines()[-1].strip() \
            if before else ""

    def output(self, command):
        code, line = self.run(command)
        check(code == 0, f"{command}: exit code {code}: {line}")
        return line

    def power_off(self):
        self.vm.send("poweroff -f\n")
        check(self.vm.wait(PATIENCE) == 0, "no clean end")
