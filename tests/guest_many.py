#!/usr/bin/env python3
"""Four idle guests at once, each with a network and an ssh server: all of them
answer, and none costs what a busy one does. `bench/run --only many` is the
same with twenty, measured.

    guest_many.py LULL

Exit code 77 (skipped, to meson) where no guest has been fetched, there is no
ssh here, or this Lull has no user network.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from guest_shell import check, home, vmrun  # noqa: E402

GUESTS = 4


def has_network(lull):
    done = subprocess.run([lull, "run", "--kernel", "/dev/null", "--net",
                           "user,forward=no"], capture_output=True, text=True)
    return "without libslirp" not in done.stderr


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    if not shutil.which("ssh") or not has_network(sys.argv[1]):
        print("skipped: no ssh, or no user network")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="lull-") as folder:
        out = Path(folder) / "out.json"
        done = subprocess.run(
            [vmrun.ROOT / "bench/run", "--lull", sys.argv[1], "--no-peers",
             "--only", "many", "--guests", str(GUESTS), "--flavour",
             "standard", "--settle-seconds", "2", "--idle-seconds", "3",
             "--json", out], timeout=400)
        check(done.returncode == 0, "the bench failed")
        figures = json.loads(out.read_text())["engines"]["lull"]
    check(figures["many_ssh_answers"] == GUESTS, f"{figures}")
    # One that spins takes whatever a core has to give; four, all of them.
    share = figures["many_cpu_percent"] / (100 * os.cpu_count())
    check(share < 0.5, f"idle guests take {100 * share:.0f} % of the host")


if __name__ == "__main__":
    main()
