#!/usr/bin/env python3
"""QEMU's own guest agent, Debian's package, in a guest that was paused: it is
told what time it is, and the guest's clock is right again.

    guest_agent.py [LULL]

Part of `make test-guest`, as the agent is on the disk of programs.
"""
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "programs")]

import guest_programs  # noqa: E402
import guest_shell  # noqa: E402
import image  # noqa: E402
from guest_shell import PATIENCE, behind, check, lull  # noqa: E402
from guestlib import report  # noqa: E402

AWAY_S = 5
PORT = "org.qemu.guest_agent.0"
NAME = f"agent-{os.getpid()}"
# The agent tells the clock chip as well, by hwclock.
AGENT = ("for p in /sys/class/virtio-ports/vport*; do"
         f" if grep -q {PORT} $p/name; then"
         " chroot /mnt /usr/sbin/qemu-ga --daemonize --statedir /run"
         " --pidfile /run/agent.pid --logfile /run/agent.log"
         " --method virtio-serial --path /dev/${p##*/}; fi; done")


def told(program):
    return json.loads(lull(program, "stat", NAME, "--json"))["guest_agent"]


def paused(program, guest):
    before = told(program)
    lull(program, "pause", NAME)
    time.sleep(AWAY_S)
    lull(program, "resume", NAME)
    end = time.monotonic() + PATIENCE
    while abs(late := behind(guest)) > 0.6 * AWAY_S:
        check(time.monotonic() < end, f"{late:.1f} s off, {told(program)}")
    after = told(program)
    check(after["answers"] > before["answers"] and not after["refused"],
          f"the agent: {after}")
    print(f"paused for {AWAY_S} s, and {late:+.1f} s off: {after}")


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(
        HERE.parent / "build/src/cli/lull")
    try:
        disk = image.fetch()
    except report.Failure as failure:
        sys.exit(f"guest_agent: {failure}")
    with tempfile.TemporaryDirectory() as name:
        scripts = Path(name) / "scripts.tar"
        guest_programs.write_scripts(scripts)
        with guest_shell.start(program, 2, [
                "--name", NAME, "--disk", f"{disk},ro", "--disk",
                f"{scripts},ro", "--port", f"{PORT}=agent"]) as vm:
            guest = guest_shell.Guest(vm)
            guest.output(guest_programs.UNPACK)
            guest.output("sh /programs/setup.sh")
            guest.output(AGENT)
            paused(program, guest)
            paused(program, guest)
            guest.power_off()


if __name__ == "__main__":
    main()
