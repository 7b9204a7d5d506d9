#!/usr/bin/env python3
"""The network of a real guest: an address by DHCP, ssh from the host through
a forwarded port, bytes both ways, and a network that sleeps when nobody uses
it.

    guest_ssh.py LULL [IDLE-POLICY]

Exit code 77 (skipped, to meson) where no guest has been fetched, there is no
ssh here, or this Lull has no user network.
"""
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, start  # noqa: E402

BYTES = 4 << 20
SCRIPT = """
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
echo nameserver $dns > /etc/resolv.conf
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ssh(port, command, stdin=b""):
    done = subprocess.run(
        ["ssh", "-p", str(port), "-F", "none", "-o", "BatchMode=yes", "-o",
         "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         "-o", "LogLevel=ERROR", "root@127.0.0.1", command],
        input=stdin, capture_output=True, timeout=PATIENCE)
    check(done.returncode == 0, f"ssh {command}: exit code {done.returncode}:"
                                f" {done.stderr.decode(errors='replace')}")
    return done.stdout


def bring_up(guest):
    guest.output("modprobe -a af_packet; echo")
    for line in SCRIPT.strip().splitlines():
        guest.output(f"echo '{line}' >> /tmp/dhcp")
    guest.output("sed -i '1i #!/bin/sh' /tmp/dhcp; chmod +x /tmp/dhcp")
    guest.output("mkdir -p /dev/pts; mount -t devpts devpts /dev/pts")
    guest.output("ifconfig lo up; ifconfig eth0 up")
    code, line = guest.run("udhcpc -i eth0 -n -q -s /tmp/dhcp 2>&1")
    check(code == 0, f"no address by DHCP: {line}")
    check("10.0.2.15" in guest.output("ifconfig eth0 | grep 'inet addr'"),
          "another address than 10.0.2.15")
    guest.output("dropbear -R -B")


def both_ways(port):
    data = os.urandom(BYTES)
    digest = hashlib.sha256(data).hexdigest()
    began = time.monotonic()
    check(digest in ssh(port, "tee /tmp/x | sha256sum", data).decode(),
          "the guest received something else")
    there = time.monotonic()
    check(ssh(port, "cat /tmp/x") == data, "the host received something else")
    back = time.monotonic()
    print(f"to the guest {BYTES / 1e6 / (there - began):.1f} MB/s, from it "
          f"{BYTES / 1e6 / (back - there):.1f} MB/s, encrypted")


def answers(port):
    """A command on a connection of its own, warm: the best of five."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        check(ssh(port, "hostname").strip() == b"lull", "another host")
        times.append(time.monotonic() - began)
    print(f"ssh true: {min(times):.3f} s at best of {len(times)}")


def sleeps(vm, port):
    """One connection is open and quiet, the others are closed, and what
    lingers has gone: nothing of ours wakes by itself. The guest's own timers,
    on the other thread, may."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as held:
        check(held.recv(3) == b"SSH", "no ssh banner")
        time.sleep(22)
        measure_sleep(vm)


def measure_sleep(vm):
    before = vm.cost()
    time.sleep(8)
    after = vm.cost()
    cost = after.since(before)
    loop = str(vm.pid)
    wakes = (after.switches[loop] - before.switches[loop]) / cost["seconds"]
    print(f"idle: {cost['wakeups_per_s']:.1f} wake-ups/s, {wakes:.1f} of the "
          f"I/O thread; {cost['cpu_percent']:.2f} % of a core")
    check(wakes < 1, "the idle network wakes")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    home()
    if not shutil.which("ssh"):
        print("skipped: no ssh here")
        sys.exit(77)
    port = free_port()
    extra = ["--net", f"user,forward=tcp:127.0.0.1:{port}-:22"]
    if len(sys.argv) > 2:
        extra += ["--idle", sys.argv[2]]
    with start(sys.argv[1], 1, extra) as vm:
        if vm.expect(rb"built without libslirp|LULL-GUEST-READY", PATIENCE) \
                and b"without libslirp" in vm.output:
            print("skipped: no libslirp")
            sys.exit(77)
        guest = Guest(vm)
        bring_up(guest)
        answers(port)
        both_ways(port)
        sleeps(vm, port)
        guest.power_off()
        found = re.search(rb"Call trace|BUG:|WARNING: CPU", vm.output)
        check(not found, "the kernel complains")


if __name__ == "__main__":
    main()
