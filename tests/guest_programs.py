#!/usr/bin/env python3
"""Programs of Debian's that check themselves, inside the guest, on one and on
several vCPUs: `make test-guest`.

    guest_programs.py [LULL] [--cpus 1,2,4] [--rounds 1] [--only REGEX]
                      [--json FILE] [--qemu]

A round is one boot for each number of vCPUs, and every check in it. A failed
check is shown with what it printed; the run goes on. --qemu runs the same on
QEMU, to see whether a failure is Lull's. The last line counts; exit code 1
when anything failed.
"""
import argparse
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "programs")]

import boot_linux  # noqa: E402
import checks  # noqa: E402
import guest_shell  # noqa: E402
import image  # noqa: E402
import vmrun  # noqa: E402
from guestlib import report  # noqa: E402

ROOT = HERE.parent
DATA_MIB = 64
MEMORY = "1G"
# The vCPU that has the instructions we promise: LSE, AES, DotProd.
QEMU_CPU = "neoverse-n1"
# Typed at the initramfs's shell: the scripts come on the second disk.
UNPACK = ("mkdir /programs; for d in /sys/block/vd*; do"
          " if grep -q disk1 $d/serial; then"
          " tar -xf /dev/${d##*/} -C /programs; fi; done")

# By path: busybox would take its own applets for programs on the disk.
INSIDE = "chroot /mnt /usr/bin/env -i PATH=/usr/bin HOME=/root /bin/sh"


def write_scripts(path):
    with tarfile.open(path, "w") as tar:
        for script in sorted((HERE / "programs/guest").iterdir()):
            body = script.read_bytes()
            member = tarfile.TarInfo(script.name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))


def write_data(path):
    """Random bytes, of which the digest is known; another seed each time."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(DATA_MIB):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def command(options, cpus, disks):
    home = guest_shell.home()
    settings = dict(cpus=cpus, memory=MEMORY,
                    append="console=ttyAMA0 quiet")
    files = (home / "kernel", home / "initrd")
    extra = []
    if options.qemu:
        for i, disk in enumerate(disks):
            extra += ["-drive", f"file={disk},format=raw,if=none,id=d{i},"
                      "readonly=on",
                      "-device", f"virtio-blk-device,drive=d{i},serial=disk{i}"]
        return vmrun.qemu_command(vmrun.find_qemu(), *files, cpu=QEMU_CPU,
                                  extra=extra, **settings)
    for disk in disks:
        extra += ["--disk", f"{disk},ro"]
    return vmrun.lull_command(options.lull, *files, extra=extra, **settings)


class Run:
    """The results, and what is told about them while they come in."""

    def __init__(self, options):
        self.options = options
        self.results = []

    def note(self, check, cpus, number, seconds, wrong):
        self.results.append({
            "check": check, "cpus": cpus, "round": number,
            "seconds": round(seconds, 3), "passed": wrong is None,
            "wrong": wrong})
        print(f"{'ok' if wrong is None else 'FAILED':<7}{cpus} vCPU"
              f"  {check:<24}{seconds:8.1f} s"
              f"{'' if wrong is None else '  ' + wrong}", flush=True)

    def failed(self):
        return sum(not result["passed"] for result in self.results)

    def print_table(self):
        counts = self.options.cpus
        print("\n" + " " * 24 + "".join(f"{f'{n} vCPU':>20}" for n in counts))
        for name in dict.fromkeys(r["check"] for r in self.results):
            line = f"{name:<24}"
            for cpus in counts:
                mine = [r for r in self.results
                        if r["check"] == name and r["cpus"] == cpus]
                good = sum(r["passed"] for r in mine)
                mean = sum(r["seconds"] for r in mine) / max(len(mine), 1)
                line += f"{f'{good}/{len(mine)}':>10}{mean:8.1f} s"
            print(line)

    def write_json(self):
        peer = vmrun.qemu_version(vmrun.find_qemu()) if self.options.qemu \
            else None
        Path(self.options.json).write_text(json.dumps({
            "monitor": f"qemu {peer}" if peer else "lull",
            "rounds": self.options.rounds, "failed": self.failed(),
            "results": self.results}, indent=2) + "\n")


def run_check(run, guest, check, cpus, number):
    started = time.monotonic()
    wrong = None
    code = guest.run(f"{INSIDE} {check.command} 2>&1",
                     patience_s=check.patience_s)[0]
    output = guest.said.replace("\r", "")
    if code != 0:
        wrong = f"exit code {code}"
    else:
        try:
            check.judge(output, cpus)
        except checks.Wrong as error:
            wrong = str(error)
    run.note(check.name, cpus, number, time.monotonic() - started, wrong)
    if wrong:
        print(output[-6000:], flush=True)


def judge_kernel(guest):
    guest.run("dmesg")
    trouble = re.search(boot_linux.TROUBLE, guest.said.encode())
    return trouble and trouble.group().decode()


def run_guest(run, table, disks, cpus, number):
    """One boot, all checks. A guest that hangs ends this boot, not the run."""
    started = time.monotonic()
    wrong = None
    with vmrun.Vm(command(run.options, cpus, disks)) as vm:
        try:
            guest = guest_shell.Guest(vm)
            guest.output(UNPACK)
            guest.output("sh /programs/setup.sh")
            for check in table:
                run_check(run, guest, check, cpus, number)
            wrong = judge_kernel(guest)
            guest.power_off()
        except SystemExit as error:  # what guest_shell ends with
            wrong = str(error)
    run.note("kernel and power-off", cpus, number,
             time.monotonic() - started, wrong)


def run_rounds(run, folder, disk):
    digest = write_data(folder / "data")
    write_scripts(folder / "scripts.tar")
    table = [check for check in checks.table(folder / "data", digest)
             if re.search(run.options.only, check.name)]
    disks = [disk, folder / "scripts.tar", folder / "data"]
    for number in range(1, run.options.rounds + 1):
        for cpus in run.options.cpus:
            print(f"round {number} of {run.options.rounds},"
                  f" {cpus} vCPU", flush=True)
            turn = run.options.cpus[(number - 1) % len(run.options.cpus)]
            mine = [check for check in table
                    if cpus == turn or not check.once_a_round]
            run_guest(run, mine, disks, cpus, number)
            if run.options.json:
                run.write_json()


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lull", nargs="?",
                        default=ROOT / "build/src/cli/lull")
    parser.add_argument("--cpus", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--qemu", action="store_true")
    options = parser.parse_args()
    try:
        options.cpus = [int(word) for word in options.cpus.split(",")]
    except ValueError:
        parser.error(f"--cpus {options.cpus}: numbers with commas between")
    return options


def main():
    options = parse()
    try:
        disk = image.fetch()
    except report.Failure as failure:
        sys.exit(f"guest_programs: {failure}")
    run = Run(options)
    with tempfile.TemporaryDirectory() as name:
        run_rounds(run, Path(name), disk)
    run.print_table()
    failed = run.failed()
    print(f"{len(run.results) - failed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
