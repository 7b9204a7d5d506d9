#!/usr/bin/env python3
"""Sockets between a real guest and this host, without a network: bytes each
way, a hundred connections at once each way, half-closed ones, refused ones,
sides that vanish, and a device that sleeps when nobody uses it.

    guest_vsock.py LULL

VSOCK_MIB says how much is sent (16). Exit code 77 (skipped, to meson) where no
guest has been fetched, or there is no compiler for the guest's programs.
"""
import hashlib
import json
import os
import shutil
import socket
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, vmrun  # noqa: E402
from guestlib import cpio, debian  # noqa: E402

MIB = int(os.environ.get("VSOCK_MIB", "16"))
MANY = 100
ECHOES = 500
SOURCE = Path(__file__).resolve().parent / "programs/vsock.c"
TO_HOST, TO_GUEST, ECHO, NOBODY, IN_DIR = 5000, 5001, 5002, 5003, 6000


def initramfs(folder):
    """The guest's own, and behind it one with the program."""
    if not shutil.which(debian.COMPILER):
        print(f"skipped: no {debian.COMPILER}")
        sys.exit(77)
    program = folder / "vsock"
    subprocess.run([debian.COMPILER, "-O2", "-static", "-s", "-o", program,
                    SOURCE], check=True)
    archive = cpio.Archive()
    archive.file("bin/vsock", program.read_bytes(), 0o755)
    archive.write(folder / "more")
    whole = folder / "initrd"
    whole.write_bytes((home() / "initrd").read_bytes() +
                      (folder / "more").read_bytes())
    return whole


class Server:
    """Listens on a Unix socket; `answer` is called on a thread for each
    connection."""

    def __init__(self, path, answer):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(MANY)
        self.answer = answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,),
                             daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def join(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(str(path))
    return connection


def read_all(connection):
    pieces = []
    while piece := connection.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def bulk(guest, folder):
    """The same bytes to the guest and back."""
    data = os.urandom(MIB << 20)
    digest = hashlib.sha256(data).hexdigest()
    guest.output(f"(vsock listen {TO_GUEST} </dev/null >/tmp/x) 2>&1 & true")
    guest.output(f"while ! head -c 10 /tmp/x | grep -q listening; "
                 "do sleep 0.1; done")
    began = time.monotonic()
    with join(folder / "to-guest") as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        check(connection.recv(1) == b"", "an end of the guest's")
    there = time.monotonic()
    guest.output("tail -c +11 /tmp/x >/tmp/y; rm /tmp/x")
    check(digest in guest.output("sha256sum /tmp/y"),
          "the guest received something else")

    received = []
    server = Server(folder / "to-host",
                    lambda c: (received.append(read_all(c)), c.close()))
    start = time.monotonic()
    guest.output(f"vsock connect 2 {TO_HOST} </tmp/y")
    back = time.monotonic()
    server.close()
    os.unlink(folder / "to-host")
    check(received == [data], "the host received something else")
    guest.output("rm /tmp/y")
    print(f"to the guest {len(data) / 1e6 / (there - began):.0f} MB/s, "
          f"from it {len(data) / 1e6 / (back - start):.0f} MB/s")


def many_from_guest(guest, folder):
    """Each says its number, ends its side, and hears the answer after that."""
    def brackets(connection):
        connection.sendall(b"[" + read_all(connection) + b"]")
        connection.close()

    server = Server(folder / f"dir/{IN_DIR}", brackets)
    check(guest.output(f"vsock many 2 {IN_DIR} {MANY}") == f"{MANY} answers",
          "connections of the guest's")
    server.close()


def many_from_host(folder):
    connections = [join(folder / "echo") for _ in range(MANY)]
    for i, connection in enumerate(connections):
        connection.sendall(b"%d" % i * 1000)
        connection.shutdown(socket.SHUT_WR)
    for i, connection in enumerate(connections):
        check(read_all(connection) == b"%d" % i * 1000, "another echo")
        connection.close()


def latency(folder):
    times = []
    with join(folder / "echo") as connection:
        for _ in range(ECHOES):
            began = time.monotonic()
            connection.sendall(b"x")
            check(connection.recv(1) == b"x", "another echo")
            times.append(time.monotonic() - began)
    times.sort()
    print(f"echo of a byte: {1e6 * statistics.median(times):.0f} us, "
          f"{1e6 * times[len(times) * 99 // 100]:.0f} us at the 99th "
          "percentile")


def nobody_there(guest, folder):
    for port in TO_HOST, NOBODY:  # a dead socket, and none
        check(guest.run(f"vsock connect 2 {port} </dev/null")[0] != 0,
              f"the guest reached port {port}")
    check(join(folder / "nobody").recv(1) == b"", "the host reached somebody")


def sides_vanish(guest, folder):
    """The host's program goes away while the guest sends, and the guest's
    while the host does."""
    server = Server(folder / "to-host", lambda c: (c.recv(100), c.close()))
    code, line = guest.run(f"head -c 8m /dev/zero | vsock connect 2 {TO_HOST}")
    check(code != 0, "the guest noticed nothing")
    server.close()
    os.unlink(folder / "to-host")
    with join(folder / "echo") as connection:
        connection.sendall(b"x")
        connection.recv(1)
        guest.output("killall vsock")
        try:
            for _ in range(1000):
                connection.sendall(bytes(65536))
            check(False, "the host noticed nothing")
        except OSError:
            pass


def sleeps(vm, folder):
    """With connections open."""
    waiting = [join(folder / "echo") for _ in range(4)]
    for connection in waiting:
        connection.sendall(b"x")
        connection.recv(1)
    time.sleep(1)
    before = vm.cost()
    time.sleep(4)
    after = vm.cost()
    wakes = after.switches[str(vm.pid)] - before.switches[str(vm.pid)]
    print(f"idle with {len(waiting)} connections: {wakes} wake-ups of the I/O "
          "thread in 4 s")
    check(wakes <= 1, "the idle device wakes")  # one for what reads /proc


def counters(lull, name):
    done = subprocess.run([lull, "stat", name, "--json", "--interval", "0"],
                          capture_output=True, text=True, timeout=PATIENCE)
    stats = json.loads(done.stdout)["vsock"]
    print(json.dumps(stats))
    check(stats["from_guest"] >= MANY and stats["from_host"] >= MANY and
          stats["refused"] >= 3 and stats["to_guest_bytes"] > MIB << 20 and
          stats["to_host_bytes"] > MIB << 20, f"counters: {stats}")


def work(guest, vm, folder, name):
    guest.output("ls -l /dev/vsock")
    check(stat.S_IMODE(os.stat(folder / "echo").st_mode) == 0o600,
          "others can connect")
    bulk(guest, folder)
    many_from_guest(guest, folder)
    guest.output(f"vsock echo {ECHO} >/tmp/echo 2>&1 & true")
    guest.output("while ! grep -q listening /tmp/echo; do sleep 0.1; done")
    many_from_host(folder)
    latency(folder)
    sleeps(vm, folder)
    nobody_there(guest, folder)
    sides_vanish(guest, folder)
    counters(sys.argv[1], name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    name = f"vsock-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="lull-") as place:
        folder = Path(place)
        (folder / "dir").mkdir()
        sockets = (f"42,to-host={TO_HOST}:{folder}/to-host,"
                   f"to-guest={TO_GUEST}:{folder}/to-guest,"
                   f"to-guest={ECHO}:{folder}/echo,"
                   f"to-guest={NOBODY}:{folder}/nobody,dir={folder}/dir")
        with vmrun.Vm(vmrun.lull_command(
                sys.argv[1], home() / "kernel", initramfs(folder), cpus=2,
                append="console=ttyAMA0 quiet",
                extra=["--name", name, "--vsock", sockets])) as vm:
            guest = Guest(vm)
            work(guest, vm, folder, name)
            guest.power_off()
        left = sorted(path.name for path in folder.iterdir())
        check("echo" not in left, f"sockets are left behind: {left}")


if __name__ == "__main__":
    main()
