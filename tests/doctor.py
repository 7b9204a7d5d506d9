#!/usr/bin/env python3
"""doctor.py LULL MOODS.BIN: every verdict of `lull doctor`, provoked.

Guests in the mood (tests/guests/moods.c) that the case wants, under Lull and
under real QEMUs: Debian's with TCG, and those with HVF that
scripts/rebuild-qemu.sh has built, where they are there. The verdict has to be
right each time, however busy the machine is: nothing here is a time. But a host
can be so busy that the guest does not get into its mood; --further is for that.

    --rounds N     all cases N times over (1)
    --further N    a wrong verdict costs N looks that have to be right (0: it
                   is a failure)
    --load N       N processes that compute, meanwhile (0)
    --seconds S    the window of each look (1.5)
    --only TEXT    only cases whose name contains it
"""
import argparse
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import vmrun  # noqa: E402
from guestlib import cache  # noqa: E402

PATIENCE = 60
CODES = {"healthy": 0, "vcpu-never-started": 10, "guest-busy": 11,
         "wfi-returns": 12, "timer-storm": 13, "kick-storm": 14,
         "not-a-vcpu": 15}
# Moods of the guest that keep to one vCPU.
ALONE = "bytsp"


class Failed(Exception):
    pass


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, name):
        self.file.write(json.dumps({"execute": name}) + "\n")
        self.file.flush()
        # Not parsed: a flood is to cost the VM, not us.
        while '"return"' not in (self.file.readline() or '"return"')[:100]:
            pass


class Busy:
    """Threads that do something again and again until the end."""

    def __init__(self, *work):
        self.over = False
        self.threads = [threading.Thread(target=self._run, args=(one,))
                        for one in work]
        for thread in self.threads:
            thread.start()

    def _run(self, work):
        while not self.over:
            try:
                work()
            except (OSError, ValueError):
                return

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


class Case:
    """One guest, one mood, one verdict."""

    def __init__(self, where, mood, verdict, qmp=False, extra=(), flood=None,
                 says="", note="", environment=None, name=""):
        self.where, self.mood, self.verdict = where, mood, verdict
        self.qmp, self.extra, self.flood = qmp, list(extra), flood
        self.says, self.note = says, note
        self.environment = environment or {}
        self.name = " ".join(filter(None, [
            where, f"mood {mood}" if mood else "held", name,
            "asked by QMP" if qmp else ""]))

    def binary(self):
        if self.where == "lull":
            return OPTIONS.lull
        if self.where == "tcg":
            return vmrun.find_qemu()
        return variant(self.where)

    def command(self, folder):
        cpus = 1 if self.mood and self.mood in ALONE else 2
        if self.where == "lull":
            return vmrun.lull_command(
                self.binary(), OPTIONS.moods, cpus=cpus, memory="128M",
                extra=["--name", "one", *self.extra])
        sockets = [f"unix:{folder}/qmp{n},server=on,wait=off" for n in (0, 1)]
        extra = ["-qmp", sockets[0], "-qmp", sockets[1], *self.extra]
        if not (self.qmp or self.flood):
            extra = self.extra
        if self.where == "tcg":
            return vmrun.qemu_command(self.binary(), OPTIONS.moods, cpus=cpus,
                                      memory="128M", extra=extra)
        return vmrun.qemu_command(self.binary(), OPTIONS.moods, cpus=cpus,
                                  memory="128M", cpu="host",
                                  extra=["-accel", "hvf", *extra])

    def doctor(self, vm, folder, *more):
        words = [OPTIONS.lull, "doctor", "--seconds", str(OPTIONS.seconds)]
        if self.where == "lull":
            words += ["one"]
        else:
            words += ["--pid", str(vm.pid)]
        if self.qmp:
            words += ["--qmp", f"{folder}/qmp0"]
        return subprocess.run([*words, *more], capture_output=True, text=True,
                              timeout=PATIENCE)

    def get_busy(self, vm, folder):
        """What the case's host side does meanwhile."""
        if self.flood == "console":
            # More at a time than the guest takes: a sender that is starved by a
            # busy host must not be what the flood is limited by.
            return Busy(lambda: vm.send("x" * 4096))
        if self.flood == "control":
            path = (folder / "lull" / "one.sock" if self.where == "lull" else
                    folder / "qmp1")
            command = ("x-lull-stats" if self.where == "lull" else
                       "query-qmp-schema")
            # QEMU's socket takes one client, Lull's takes several.
            clients = [Qmp(path)
                       for _ in range(2 if self.where == "lull" else 1)]
            return Busy(*[lambda one=one: one.ask(command)
                          for one in clients])
        return Busy()

    def settle(self, vm):
        """Bring the guest into its mood, for as long as CPU time tells."""
        if not self.mood:
            time.sleep(1)
            return
        if not vm.expect(b"MOODS", PATIENCE):
            raise Failed(f"no guest:\n{vm.text()}")
        vm.send(self.mood)
        if not vm.expect(b"mood .\r?\n", PATIENCE):
            raise Failed(f"the guest does not answer:\n{vm.text()}")
        # Its first moments, with a start of the second vCPU, are no mood.
        time.sleep(0.3)

    def look(self, vm, folder):
        busy = self.get_busy(vm, folder)
        try:
            time.sleep(0.2)
            return self.doctor(vm, folder, "--json")
        finally:
            busy.end()

    def run(self):
        folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        os.environ.update(self.environment)
        try:
            with vmrun.Vm(self.command(folder)) as vm:
                for name in self.environment:
                    del os.environ[name]
                self.settle(vm)
                self.judge(self.look(vm, folder), vm)
        except BrokenPipeError:
            raise Failed("the guest has ended") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def judge(self, done, vm):
        if done.returncode not in CODES.values() or done.stderr:
            raise Failed(f"exit code {done.returncode}: {done.stderr}")
        report = json.loads(done.stdout)
        verdict = report["verdict"]
        if verdict["name"] != self.verdict:
            raise Failed(f"{verdict['name']}, not {self.verdict}:\n"
                         f"{done.stdout}")
        if done.returncode != CODES[self.verdict]:
            raise Failed(f"exit code {done.returncode}")
        said = " ".join([*verdict["evidence"], verdict["remedy"] or ""])
        if self.says not in said:
            raise Failed(f"does not say {self.says}:\n{done.stdout}")
        if self.note not in " ".join(verdict["notes"]):
            raise Failed(f"does not note {self.note}:\n{done.stdout}")
        if report["process"]["pid"] != vm.pid:
            raise Failed(f"process {report['process']['pid']}")


@functools.cache
def variant(name):
    """A QEMU that scripts/rebuild-qemu.sh built, if it is there and its
    framework is still where it was."""
    path = cache.root() / "qemu" / "10.2.2" / "bin" / f"qemu-{name}"
    try:
        subprocess.run([path, "-version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return str(path)


NAMED = ["-name", "one,debug-threads=on"]
CASES = [
    Case("lull", "w", "healthy"),
    Case("lull", "b", "guest-busy", says="no WFI that had to wait"),
    Case("lull", "y", "guest-busy"),
    Case("lull", "w", "wfi-returns", extra=["--idle", "spin"],
         says="idle policy spin (from --idle)", name="--idle spin"),
    Case("lull", "w", "wfi-returns", extra=["--fault", "wfi=100"],
         says="--fault", name="--fault"),
    # Such a WFI does not leave the engine: there is nothing to count.
    Case("lull", "p", "guest-busy", says="no WFI that had to wait"),
    Case("lull", "t", "timer-storm"),
    Case("lull", "k", "kick-storm"),
    Case("lull", "s", "kick-storm", says="sends itself"),
    Case("lull", "u", "kick-storm", flood="console"),
    Case("lull", "n", "vcpu-never-started", says="vCPU 1 "),
    Case("lull", "w", "not-a-vcpu", flood="control", name="flood"),
    Case("lull", "w", "wfi-returns", environment={"HVF_WFI_SLEEP": "0"},
         says="from HVF_WFI_SLEEP", name="HVF_WFI_SLEEP=0"),

    Case("tcg", "w", "healthy"),
    Case("tcg", "b", "guest-busy"),
    Case("tcg", "y", "guest-busy"),
    Case("tcg", "t", "timer-storm"),
    Case("tcg", "k", "kick-storm"),
    Case("tcg", "u", "kick-storm", flood="console"),
    Case("tcg", "n", "vcpu-never-started", says="vCPU 1 "),
    Case("tcg", "", "vcpu-never-started", extra=["-S"], says="-S"),
    Case("tcg", "w", "not-a-vcpu", flood="control", name="flood"),
    Case("tcg", "w", "healthy", environment={"HVF_WFI_SLEEP": "100"},
         note="HVF_WFI_SLEEP=100 is set in the process and read by nobody",
         name="HVF_WFI_SLEEP=100"),

    Case("tcg", "t", "timer-storm", extra=NAMED, name="named"),
    Case("tcg", "k", "kick-storm", extra=NAMED, name="named"),
    Case("tcg", "w", "not-a-vcpu", extra=NAMED, flood="control",
         name="flood named"),

    Case("tcg", "w", "healthy", qmp=True),
    Case("tcg", "b", "guest-busy", qmp=True),
    Case("tcg", "y", "guest-busy", qmp=True),
    Case("tcg", "p", "wfi-returns", qmp=True, says="pending"),
    Case("tcg", "t", "timer-storm", qmp=True),
    Case("tcg", "k", "kick-storm", qmp=True),
    Case("tcg", "n", "vcpu-never-started", qmp=True, says="vCPU 1 "),
    Case("tcg", "", "vcpu-never-started", qmp=True, extra=["-S"], says="-S"),
    Case("tcg", "w", "not-a-vcpu", qmp=True, flood="control", name="flood"),

    # WFI in the form of QEMU 11.0, and repaired.
    Case("11.0-form", "w", "wfi-returns", qmp=True, says="looks found"),
    Case("11.0-form", "b", "guest-busy", qmp=True),
    Case("upstream-repair", "w", "healthy", qmp=True),
    Case("ours", "w", "healthy", qmp=True),
    Case("ours", "t", "timer-storm"),
    Case("ours", "k", "kick-storm"),
]


class Load:
    def __init__(self, processes):
        self.children = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(processes)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("lull")
    parser.add_argument("moods")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--further", type=int, default=0)
    parser.add_argument("--load", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--only", default="")
    return parser.parse_args()


def look(case, told):
    try:
        case.run()
        return True
    except Failed as failed:
        print(f"{told}: {case.name}: {failed}", flush=True)
        return False


def right(case, told):
    return look(case, told) or OPTIONS.further > 0 and all(
        [look(case, told) for _ in range(OPTIONS.further)])


def main():
    for name in ("LULL_IDLE", "HVF_WFI_SLEEP"):
        os.environ.pop(name, None)
    chosen = [case for case in CASES if OPTIONS.only in case.name]
    skipped = {case.where for case in chosen if not case.binary()}
    chosen = [case for case in chosen if case.where not in skipped]
    rights = dict.fromkeys((case.name for case in chosen), 0)
    with Load(OPTIONS.load):
        for round in range(OPTIONS.rounds):
            for case in chosen:
                rights[case.name] += right(case, f"round {round + 1}")
    for case in chosen:
        print(f"{case.name}: {case.verdict} {rights[case.name]} of "
              f"{OPTIONS.rounds}")
    for where in sorted(skipped):
        print(f"skipped: no QEMU {where} (scripts/rebuild-qemu.sh --variant "
              "all builds them; Debian's package is qemu-system-arm)")
    wrong = OPTIONS.rounds * len(chosen) - sum(rights.values())
    print(f"{sum(rights.values())} right, {wrong} wrong")
    sys.exit(1 if wrong or not chosen else 0)


if __name__ == "__main__":
    OPTIONS = options()
    main()
