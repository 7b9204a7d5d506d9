#!/usr/bin/env python3
"""Channels with names between a real guest and this host, and a console that
has a size.

    guest_ports.py LULL

Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import fcntl
import hashlib
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, vmrun  # noqa: E402

BYTES = 1 << 20


def stats(lull, name):
    done = subprocess.run([lull, "stat", name, "--json", "--interval", "0"],
                          capture_output=True, text=True, timeout=PATIENCE)
    return json.loads(done.stdout)


def names(guest):
    """What udev would do."""
    guest.output("mkdir -p /dev/virtio-ports")
    guest.output("for port in /sys/class/virtio-ports/vport*; do read -r name "
                 "<$port/name && ln -s /dev/${port##*/} "
                 "/dev/virtio-ports/$name; done")
    check(guest.output("echo $(ls /dev/virtio-ports)") ==
          "log org.example.agent", "the names of the ports")


def join(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(str(path))
    return connection


def agent(guest, path):
    """Programs at both ends: bytes both ways, and the end when one goes."""
    port = "/dev/virtio-ports/org.example.agent"
    data = os.urandom(BYTES)
    with join(path) as connection:
        guest.output(f"(head -c {BYTES} <{port} >/tmp/x; "
                     "echo done >/tmp/done) & true")
        connection.sendall(data)
        guest.output("while [ ! -e /tmp/done ]; do sleep 0.1; done")
        check(hashlib.sha256(data).hexdigest() in
              guest.output("sha256sum /tmp/x"),
              "the guest received something else")
        guest.output(f"cat /tmp/x >{port} & true")
        received = b""
        while len(received) < BYTES:
            received += connection.recv(65536)
        check(received == data, "the host received something else")
    # Nobody is there now: the guest's reader comes to the end.
    check(guest.run(f"timeout 60 cat {port}")[0] == 0, "the end of a channel")


def early(guest, path):
    """What the host says before the guest's program is there is kept."""
    with join(path) as connection:
        connection.sendall(b"early\n")
        time.sleep(0.5)
        check(guest.output("head -n 1 </dev/virtio-ports/org.example.agent")
              == "early", "what came early is lost")


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", rows, columns, 0, 0))


def size_becomes(guest, expected):
    end = time.monotonic() + PATIENCE / 4
    while (seen := guest.output("stty size </dev/hvc0")) != expected:
        check(time.monotonic() < end, f"the size is {seen}, not {expected}")
        time.sleep(0.2)


def sizes(guest, lull, name):
    """`lull console` on a terminal, which is then made larger."""
    ours, theirs = pty.openpty()
    set_size(ours, 100, 30)
    with subprocess.Popen([lull, "console", name], stdin=theirs, stdout=theirs,
                          stderr=subprocess.DEVNULL) as client:
        size_becomes(guest, "30 100")
        set_size(ours, 132, 50)
        client.send_signal(signal.SIGWINCH)  # it is no session's terminal
        size_becomes(guest, "50 132")
        os.write(ours, b"\x01x")
        check(client.wait(PATIENCE) == 0, "lull console did not leave")
    os.close(ours)
    os.close(theirs)


def work(guest, folder, name):
    names(guest)
    agent(guest, folder / "agent")
    early(guest, folder / "agent")
    guest.output("echo written >/dev/virtio-ports/log")
    sizes(guest, sys.argv[1], name)
    seen = stats(sys.argv[1], name)["ports"]
    check(seen["log"]["out_bytes"] == len("written\n") and
          seen["org.example.agent"]["in_bytes"] == BYTES + len("early\n"),
          f"counters: {seen}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    name = f"ports-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="lull-") as place:
        folder = Path(place)
        with vmrun.Vm(vmrun.lull_command(
                sys.argv[1], home() / "kernel", home() / "initrd", cpus=2,
                append="console=ttyAMA0 quiet",
                extra=["--name", name,
                       "--virtio-console", f"unix:{folder}/console",
                       "--port", f"org.example.agent=unix:{folder}/agent",
                       "--port", f"log=file:{folder}/log"])) as vm:
            guest = Guest(vm)
            work(guest, folder, name)
            guest.power_off()
        check((folder / "log").read_text() == "written\n", "the log")


if __name__ == "__main__":
    main()
