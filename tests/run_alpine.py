#!/usr/bin/env python3
"""scripts/run-alpine.sh against a server of our own with Alpine's layout, in
which Debian's kernel and the reference initrd stand for Alpine's; and `lull run
GUEST`, `lull ssh`, `lull console`.

    run_alpine.py LULL

Exit code 77 (skipped, to meson) where no guest has been fetched.
"""
import functools
import hashlib
import http.server
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, vmrun  # noqa: E402
from guest_ssh import free_port  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "latest-stable/releases/aarch64"
VERSION = "3.99.1"
ARCHIVE = f"alpine-netboot-{VERSION}-aarch64.tar.gz"
LULL = None


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def make_mirror(www):
    release = www / "alpine" / RELEASE
    release.mkdir(parents=True)
    boot = www.parent / "boot"
    boot.mkdir()
    shutil.copy(home() / "kernel", boot / "vmlinuz-virt")
    shutil.copy(home() / "initrd", boot / "initramfs-virt")
    (boot / "modloop-virt").write_bytes(b"modloop")
    with tarfile.open(release / ARCHIVE, "w:gz", compresslevel=1) as tar:
        tar.add(boot, "boot")
    digest = hashlib.sha512((release / ARCHIVE).read_bytes()).hexdigest()
    (release / "latest-releases.yaml").write_text(
        f"---\n-\n  flavor: alpine-netboot\n  version: {VERSION}\n"
        f"  file: {ARCHIVE}\n  sha512: {digest}\n")


def serve(folder):
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/alpine"


def lull(*words, **more):
    return subprocess.run([LULL, *words], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE, **more)


def alpine(folder, mirror):
    env = {"ALPINE_MIRROR": mirror, "SSH_KEY": "ssh-ed25519 AAAA x@y",
           "SSH_PORT": str(free_port()), "HVF_WFI_SLEEP": "50", "LULL": LULL}
    os.environ.update(env)
    script = str(ROOT / "scripts/run-alpine.sh")
    with vmrun.Vm([script, "--name", "alpine"]) as vm:
        guest = Guest(vm)
        check(b"HVF_WFI_SLEEP=50" in vm.output, "which policy is in force?")
        guest.output("cat /proc/cmdline")
        line = vm.text()
        for word in (f"alpine_repo={mirror}/v3.99/main", "ip=dhcp",
                     f"netboot-{VERSION}/modloop-virt",
                     'ssh_key="ssh-ed25519 AAAA x@y"'):
            check(word in line, f"not on the command line: {word}")
        settings = json.loads(lull("stat", "alpine", "--json", "--interval",
                                   "0").stdout)["settings"]
        check(settings["idle"] == {"value": "ladder,us=50",
                                   "source": "HVF_WFI_SLEEP"}, settings)
        check(env["SSH_PORT"] in settings["net"]["value"], settings)
        check(int(guest.output("cat /sys/block/vda/size")) == 16 << 20,
              "no disk of 8 GiB")
        guest.power_off()
    disk = folder / "data/lull/alpine-virt.img"
    check(disk.stat().st_blocks < 1000, "the new disk is not sparse")
    os.environ.pop("HVF_WFI_SLEEP")
    # fetched once: without the server it starts as well
    os.environ["ALPINE_MIRROR"] = "http://127.0.0.1:1/alpine"
    with vmrun.Vm([script, "--name", "alpine", "--append", "quiet"]) as vm:
        Guest(vm).power_off()


def known_guest(folder):
    """The guest by its name; ssh finds its port, a console is joined."""
    console = folder / "console"
    port = free_port()
    command = [LULL, "run", "debian-standard", "--console", f"unix:{console}",
               "--net", f"user,forward=tcp:127.0.0.1:{port}-:22"]
    with vmrun.Vm(command) as vm:
        check(vm.expect(rb"debian-standard.img: a new disk", PATIENCE),
              vm.text())
        join_console()
        name = lull("ssh", "debian-standard", "hostname")
        if shutil.which("ssh"):
            check(name.stdout.strip() == "lull", name.stderr)
        check(lull("stop", "debian-standard", "--timeout", "0").returncode
              == 0, "lull stop")
        check(vm.wait(PATIENCE) == 0, vm.text())
    check(lull("ssh", "debian-standard").returncode == 1, "ssh to nobody")


def join_console():
    """On a terminal: what the guest says and hears, and Ctrl-A x leaves."""
    pid, terminal = pty.fork()
    if pid == 0:
        while True:  # the VM may not be up yet
            done = subprocess.run([LULL, "console", "debian-standard"])
            if done.returncode == 0:
                os._exit(0)
    seen = b""
    os.write(terminal, b"\n")
    asked = False
    while not re.search(rb"joined-2", seen):
        seen += os.read(terminal, 4096)
        if not asked and b"LULL-GUEST-SSH" in seen:
            os.write(terminal, b"echo joined-$((1+1))\n")
            asked = True
    os.write(terminal, b"\x01x")
    check(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen)
    os.close(terminal)


def main():
    global LULL
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    LULL = sys.argv[1]
    guests = home()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_mirror(folder / "www")
        cache = folder / "cache/lull/guests"
        cache.mkdir(parents=True)
        (cache / "debian-standard").symlink_to(guests.resolve())
        os.environ.update(XDG_CACHE_HOME=str(folder / "cache"),
                          XDG_DATA_HOME=str(folder / "data"))
        known_guest(folder)
        alpine(folder, serve(folder / "www"))


if __name__ == "__main__":
    main()
