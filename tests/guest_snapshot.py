#!/usr/bin/env python3
"""A real guest under load, saved, ended and restored again and again: it goes
on in the middle of a command on its console, checks itself all the while, and
its time stands still while it is away, as it does in a pause.

    guest_snapshot.py LULL

CYCLES says how often (3), JSON where to write what was measured. Exit code 77
(skipped, to meson) where no guest has been fetched, or without e2fsprogs.

The load, on four vCPUs: files written, synced and read back from the disk;
digests; floating point; 8 MiB of memory; short sleeps. Each compares with what
it knows, and the numbers of rounds must grow from cycle to cycle.
"""
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import (  # noqa: E402
    PATIENCE, Guest, behind, check, home, lull, start)
import vmrun  # noqa: E402

CYCLES = int(os.environ.get("CYCLES", "3"))
AWAY_S = 3  # in the first cycle, between the end and the restore
PAUSE_S = 1
NAME = f"snapshot-{os.getpid()}"
WORKERS = ("disk", "cpu", "fp", "mem", "timer")

# One line each: the console is a terminal. A worker notes its errors in
# /w/err and its rounds in /w/NAME.
LOAD = """
mkdir -p /w /dev/shm; touch /w/err; mount -t tmpfs none /dev/shm
same() { [ "$2" = "$3" ] || echo "$1: $2 is not $3" >>/w/err; }
round() { read -r n </w/$1; echo $((n+1)) >/w/$1.new; mv /w/$1.new /w/$1; }
disk() { while :; do head -c 1000000 /dev/urandom >/mnt/f; a=$(sha256sum </mnt/f); sync /mnt/f; echo 1 >/proc/sys/vm/drop_caches; same disk "$a" "$(sha256sum </mnt/f)"; round disk; done; }
cpu() { a=$(seq 1 2000 | sha256sum); while :; do same cpu "$a" "$(seq 1 2000 | sha256sum)"; round cpu; done; }
sums() { awk 'BEGIN { for (i = 1; i < 3000; i++) s += sqrt(i) * sin(i); printf "%.17g", s }'; }
fp() { a=$(sums); while :; do same fp "$a" "$(sums)"; round fp; done; }
mem() { head -c 8388608 /dev/urandom >/dev/shm/m; a=$(sha256sum </dev/shm/m); while :; do same mem "$a" "$(sha256sum </dev/shm/m)"; round mem; done; }
now() { read -r u _ </proc/uptime; now=${u%.*}${u#*.}; }
timer() { max=0; while :; do now; t=$now; sleep 0.02; now; d=$((now-t)); [ $d -ge 1 ] || echo "timer: $d" >>/w/err; [ $d -le $max ] || { max=$d; echo $max >/w/max; }; round timer; done; }
for w in disk cpu fp mem timer; do echo 0 >/w/$w; $w & done 2>/dev/null
"""


def make_disk(path):
    with open(path, "wb") as image:
        image.truncate(64 << 20)
    done = subprocess.run(["mkfs.ext4", "-q", "-F", str(path)],
                          capture_output=True, text=True)
    check(done.returncode == 0, f"mkfs.ext4: {done.stderr}")


def load(guest):
    guest.output("modprobe -a crc32c_generic ext4 && "
                 "mount -t ext4 /dev/vda /mnt")
    for line in LOAD.strip().splitlines():
        guest.run(line)


def rounds(guest):
    guest.run("cat /w/err")
    check(": " not in guest.said.split("\n", 1)[-1],
          f"the guest found errors:\n{guest.said}")
    said = guest.output("echo $(cd /w; cat " + " ".join(WORKERS) + ")")
    return [int(word) for word in said.split()]


def uptime(guest):
    return float(guest.output("cat /proc/uptime").split()[0])


def answers(began):
    """Seconds until the control socket is there and somebody behind it."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    path = (f"{folder}/lull" if folder else f"/tmp/lull-{os.getuid()}") + \
        f"/{NAME}.sock"
    while time.monotonic() < began + PATIENCE:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE)
            try:
                control.connect(path)
                if control.recv(1):
                    return time.monotonic() - began
            except OSError:
                pass
        time.sleep(0.002)
    check(False, "the restored VM does not answer")


def restore(program, snapshot):
    began = time.monotonic()
    vm = vmrun.Vm([program, "run", "--restore", str(snapshot)])
    return vm, answers(began)


def cycle(program, guest, snapshot, number, measured):
    """Saved in the middle of a command, which ends elsewhere."""
    guest.vm.send(f"sleep 0.3; echo back'-'{number}\n")
    time.sleep(random.uniform(0, 0.3))
    resident = vmrun.resident_mib(guest.vm.pid)
    said = json.loads(lull(program, "save", NAME, snapshot, "--stop",
                           "--json"))
    check(guest.vm.wait(PATIENCE) == 0, "the saved VM did not end well")
    before = guest.vm.output
    if number == 0:
        time.sleep(AWAY_S)
    guest.vm, took = restore(program, snapshot)
    guest.vm.output = before + guest.vm.output
    check(guest.vm.expect(rf"back-{number}\b".encode(), PATIENCE),
          "the command on the console was not ended")
    measured.append({"save_s": said["seconds"], "restore_s": took,
                     "file_mib": said["bytes"] / (1 << 20),
                     "resident_mib": resident})


def cycles(program, guest, snapshot):
    measured = []
    before = rounds(guest)
    for number in range(CYCLES):
        cycle(program, guest, snapshot, number, measured)
        lull(program, "pause", NAME)
        time.sleep(random.uniform(0, 0.1))
        lull(program, "resume", NAME)
        now = rounds(guest)
        end = time.monotonic() + PATIENCE
        while not all(a > b for a, b in zip(now, before)):
            check(time.monotonic() < end, f"a worker stands still: {before}, "
                  f"{now} ({' '.join(WORKERS)})")
            time.sleep(0.2)
            now = rounds(guest)
        before = now
        if (number + 1) % 10 == 0:
            print(f"{number + 1} cycles: rounds {now}", flush=True)
    return measured


def time_in_a_pause(program, guest):
    """The guest's clock leaves the pause out of the host's."""
    began, guest_began = time.monotonic(), uptime(guest)
    lull(program, "pause", NAME)
    paused = time.monotonic()
    time.sleep(PAUSE_S)
    paused = time.monotonic() - paused
    lull(program, "resume", NAME)
    passed = uptime(guest) - guest_began
    most = time.monotonic() - began - paused
    check(passed < most + 0.02,  # it says hundredths
          f"paused for {paused:.2f} s, but {passed:.2f} s have passed in the "
          f"guest, of at most {most:.2f}")


def time_of_day(guest):
    """It stood still in the file, and the clock chip has not."""
    late = behind(guest)
    check(late > 0.6 * AWAY_S, f"away for {AWAY_S} s, {late:.1f} s behind")
    guest.output("modprobe -q rtc-pl031; hwclock -s -u")
    late = behind(guest)
    check(abs(late) < 0.6 * AWAY_S, f"set by the clock chip, {late:.1f} s off")


# What the guest's agent does with the two commands that it gets, as far as a
# shell can (tests/guest_agent.py has the real one). In a function: the console
# shows the line when it is typed.
AGENT = """
set_time() { t=${1##*time\\":}; t=${t%%\\}*}; date -s @${t%?????????} >/dev/null; }
agent() { while read -r line; do case $line in *sync*) printf '\\377{"return": 1}\\n' >&0;; *) set_time "$line"; echo '{"return": {}}' >&0;; esac; done; }
for p in /sys/class/virtio-ports/vport*; do read -r n <$p/name; [ $n != org.qemu.guest_agent.0 ] || agent <>/dev/${p##*/} & done
"""


def time_by_the_agent(program, guest):
    """Told what time it is as soon as it listens, and after a pause."""
    for line in AGENT.strip().splitlines():
        guest.run(line)
    lull(program, "pause", NAME)
    time.sleep(AWAY_S)
    lull(program, "resume", NAME)
    end = time.monotonic() + PATIENCE
    while abs(late := behind(guest)) > 0.6 * AWAY_S:
        check(time.monotonic() < end, f"the agent was told, {late:.1f} s off")
    said = json.loads(lull(program, "stat", NAME, "--json"))["guest_agent"]
    check(said["told"] >= 1 and said["answers"] >= 1 and not said["refused"],
          f"the agent: {said}")


def ticks(guest):
    """Timer interrupts on all vCPUs, in a second of the guest's."""
    count = "awk '/arch_timer/ { for (i = 2; i <= 5; i++) s += $i } " \
            "END { print s }' /proc/interrupts"
    return int(guest.output(f"a=$({count}); sleep 1; "
                            f"echo $(($({count}) - a))"))


def stopped_process(guest):
    """Time goes on for a guest whose process stands still: no storm of what
    was missed, and the time of day is right."""
    guest.run("kill $(jobs -p)")
    before, late = ticks(guest), behind(guest)
    os.kill(guest.vm.pid, signal.SIGSTOP)
    time.sleep(AWAY_S)
    os.kill(guest.vm.pid, signal.SIGCONT)
    after = ticks(guest)
    check(after < 10 * before + 1000,
          f"{before} timer interrupts a second before, {after} after")
    late = behind(guest) - late
    check(abs(late) < 0.6 * AWAY_S, f"stopped for {AWAY_S} s: {late:.1f} off")


def kernel_is_content(guest):
    guest.run("dmesg | grep -iE 'rcu.*stall|lockup|hung task|BUG|I/O error|"
              "ext4.*error|unhandled|clocksource.*unstable'")
    check("] " not in guest.said, f"the kernel complains:\n{guest.said}")


def report(measured):
    result = {"cycles": CYCLES}
    for key in measured[0]:
        values = [one[key] for one in measured]
        result[key] = {"median": round(statistics.median(values), 3),
                       "max": round(max(values), 3)}
        print(f"{key:14} median {result[key]['median']:8.3f}   "
              f"max {result[key]['max']:8.3f}")
    if os.environ.get("JSON"):
        Path(os.environ["JSON"]).write_text(json.dumps(result, indent=2))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    if not shutil.which("mkfs.ext4"):
        print("skipped: no e2fsprogs; scripts/bootstrap installs them")
        return 77
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as name:
        disk, snapshot = Path(name) / "disk", Path(name) / "snapshot"
        make_disk(disk)
        guest = Guest(start(sys.argv[1], 4, [
            "--disk", str(disk), "--name", NAME,
            "--port", "org.qemu.guest_agent.0=agent"]))
        try:
            load(guest)
            measured = cycles(sys.argv[1], guest, snapshot)
            gap = int(guest.output("cat /w/max")) / 100
            check(gap < AWAY_S, f"a sleep of 20 ms took {gap} s")
            time_in_a_pause(sys.argv[1], guest)
            time_of_day(guest)
            time_by_the_agent(sys.argv[1], guest)
            stopped_process(guest)
            kernel_is_content(guest)
            guest.run("kill $(jobs -p); umount /mnt")
            guest.power_off()
        finally:
            guest.vm.kill()
        done = subprocess.run(["e2fsck", "-f", "-n", str(disk)],
                              capture_output=True, text=True)
        check(done.returncode == 0, f"fsck:\n{done.stdout}")
    report(measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
