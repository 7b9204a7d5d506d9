#!/usr/bin/env python3
"""SSH into a guest under every idle policy, and what it takes: a table.

    ssh_policies.py LULL [POLICY...]     (all ten; `make test-ssh`)

For each: the time to an ssh server, a login that runs `true` (the best and
the worst of several) right then, and again once policies that begin with a
grace period sleep, unless SETTLE=0 in the environment says not to wait. Every
login has to work; `nodeadline` does what it can, a guest under it may hang.
Exit code 77 (skipped, to meson) without a guest, an ssh or libslirp.
"""
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, check, home, vmrun  # noqa: E402
from guest_ssh import free_port  # noqa: E402

POLICIES = ["park", "halt", "haltpoll", "pselect", "spin", "sleep", "rate",
            "ladder", "score", "nodeadline"]
MAY_HANG = {"nodeadline"}
SETTLE_S = float(os.environ.get("SETTLE", 16))
LOGINS = 5
COLUMNS = ["server s", "login s", "worst", "later s", "worst"]


class Hangs(Exception):
    pass


def login_s(port, patience_s):
    began = time.monotonic()
    try:
        done = subprocess.run(
            ["ssh", "-p", str(port), "-F", "none", "-o", "BatchMode=yes", "-o",
             "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "LogLevel=ERROR", "root@127.0.0.1", "true"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=patience_s)
    except subprocess.TimeoutExpired:
        raise Hangs("no answer to ssh") from None
    if done.returncode != 0:
        raise Hangs(f"ssh: {done.stderr.decode(errors='replace')}")
    return time.monotonic() - began


def logins(port, patience_s):
    login_s(port, patience_s)  # the first is cold
    times = [login_s(port, patience_s) for _ in range(LOGINS)]
    return [min(times), max(times)]


def under(lull, policy):
    folder, port = home(), free_port()
    patience_s = 20 if policy in MAY_HANG else PATIENCE
    with vmrun.Vm(vmrun.lull_command(
            lull, folder / "kernel", folder / "initrd", idle=policy,
            append="console=ttyAMA0 quiet lull.ssh lull.idle",
            forward=(port, 22))) as vm:
        if not vm.expect(rb"LULL-GUEST-SSH", patience_s):
            if b"without libslirp" in vm.output:
                print("skipped: no libslirp")
                sys.exit(77)
            raise Hangs(f"no ssh server: {vm.text()[-300:]}")
        row = [time.monotonic() - vm.started] + logins(port, patience_s)
        if SETTLE_S:
            time.sleep(SETTLE_S)
            row += logins(port, patience_s)
        return row


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    home()
    if not shutil.which("ssh"):
        print("skipped: no ssh here")
        sys.exit(77)
    columns = COLUMNS if SETTLE_S else COLUMNS[:3]
    print(f"{'policy':<12}" + "".join(f"{c:>10}" for c in columns))
    failed = []
    for policy in sys.argv[2:] or POLICIES:
        try:
            row = under(sys.argv[1], policy)
            print(f"{policy:<12}" + "".join(f"{v:>10.3f}" for v in row),
                  flush=True)
        except Hangs as why:
            print(f"{policy:<12} {why}", flush=True)
            if policy.split(",")[0] not in MAY_HANG:
                failed.append(policy)
    check(not failed, f"no ssh under {', '.join(failed)}")


if __name__ == "__main__":
    main()
