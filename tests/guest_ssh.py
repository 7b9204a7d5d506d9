#!/usr/bin/env python3
"""The network of a real guest: an address by DHCP and IPv6's by router
advertisement, this host's loopback by both, names by a server of our own, ssh
from the host through a forwarded port, bytes both ways, and a network that
sleeps when nobody uses it.

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
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, command, home, vmrun  # noqa: E402

BYTES = 4 << 20
NAME, NAMED = "guest.lull.test", "192.0.2.7"
NAME_SERVER = "127.77.0.53"
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


class NameServer:
    """It knows NAME. A server has port 53, so without root's rights there is
    none; and `command` shows its address to the machine alone, in a mount
    namespace."""

    def __init__(self, folder):
        self.folder, self.socket = folder, None
        if os.getuid() != 0 or subprocess.run(
                ["unshare", "-m", "true"], capture_output=True).returncode:
            return
        try:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((NAME_SERVER, 53))
        except OSError:
            self.socket = None
            return
        (self.folder / "resolv.conf").write_text(
            f"nameserver {NAME_SERVER}\n")
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, whom = self.socket.recvfrom(512)
            self.socket.sendto(self.answer(query), whom)

    def answer(self, query):
        end = query.index(b"\0", 12) + 5
        asked = query[12:end]
        wanted = b"".join(bytes([len(w)]) + w.encode()
                          for w in NAME.split(".")) + b"\0\0\1\0\1"
        if asked != wanted:
            return query[:2] + struct.pack(">5H", 0x8180, 1, 0, 0, 0) + asked
        return (query[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, 0) + asked
                + b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4)
                + socket.inet_aton(NAMED))

    def command(self, command):
        if not self.socket:
            print("no name server: it needs root and mount namespaces")
            return command
        return ["unshare", "-m", "sh", "-c",
                'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                str(self.folder / "resolv.conf"), *command]

    def asked_by(self, guest):
        if self.socket:
            guest.output(f"nslookup {NAME}")
            check(NAMED in guest.said, f"no name: {guest.said}")


def fetches(guest, family, address, from_guest):
    """A line from a server on this host's loopback, by the gateway."""
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError as why:
        print(f"no {address} here: {why}")
        return
    with server:
        def serve():
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nfrom the host\n")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        line = guest.output(f"wget -q -O - http://{from_guest}:{port}/")
        check(line == "from the host", f"{from_guest}: {line}")


def both_families(guest):
    fetches(guest, socket.AF_INET, "127.0.0.1", "10.0.2.2")
    guest.output("i=0; until ifconfig eth0 | grep -q 'inet6 addr: fec0::' || "
                 "[ $i = 100 ]; do sleep 0.1; i=$((i + 1)); done; "
                 "ping6 -c 1 -W 10 fec0::2")
    fetches(guest, socket.AF_INET6, "::1", "[fec0::2]")


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
        time.sleep(12)
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
    with tempfile.TemporaryDirectory(prefix="lull-") as folder:
        work(NameServer(Path(folder)))


def work(names):
    port = free_port()
    extra = ["--net", f"user,forward=tcp:127.0.0.1:{port}-:22"]
    if len(sys.argv) > 2:
        extra += ["--idle", sys.argv[2]]
    with vmrun.Vm(names.command(
            command(sys.argv[1], 1, extra))) as vm:
        if vm.expect(rb"built without libslirp|LULL-GUEST-READY", PATIENCE) \
                and b"without libslirp" in vm.output:
            print("skipped: no libslirp")
            sys.exit(77)
        guest = Guest(vm)
        bring_up(guest)
        names.asked_by(guest)
        both_families(guest)
        answers(port)
        both_ways(port)
        sleeps(vm, port)
        guest.power_off()
        found = re.search(rb"Call trace|BUG:|WARNING: CPU", vm.output)
        check(not found, "the kernel complains")


if __name__ == "__main__":
    main()
