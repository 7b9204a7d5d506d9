#!/usr/bin/env python3
"""trace_linux.py LULL: record an idle Debian guest of four vCPUs, and replay.

Under the policy that was recorded, replay must agree with what was measured
within the bound that docs/trace.md states; and it must say of the other
policies what is known of them. Exit code 77 (skipped, to meson) where no guest
has been fetched.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import vmrun  # noqa: E402
from guestlib import cache  # noqa: E402

PATIENCE = 240
SECONDS = 15
# Of what is measured: wake-ups a second, CPU.
WAKES, CPU = 1.5, 2.0


def call(*words):
    done = subprocess.run(words, capture_output=True, text=True,
                          timeout=PATIENCE)
    if done.returncode != 0:
        sys.exit(f"{words}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def compare(policy, what, factor, recorded, replayed):
    print(f"{policy}: {what}: measured {recorded:.2f}, replayed "
          f"{replayed:.2f}")
    if not recorded / factor <= replayed <= recorded * factor:
        sys.exit(f"{policy}: {what}: not within a factor of {factor}")


def run(lull, folder, home):
    costs, trace = folder / "costs.json", folder / "the.trace"
    costs.write_text(call(lull, "bench", "wake", "--samples", "30", "--json"))
    with vmrun.Vm(vmrun.lull_command(
            lull, home / "kernel", home / "initrd", cpus=4, memory="512M",
            append="console=ttyAMA0 quiet lull.idle",
            extra=("--name", "one"))) as vm:
        if not vm.expect(vmrun.READY, PATIENCE):
            sys.exit(f"userspace was not reached\n{vm.text()[-4000:]}")
        time.sleep(3)
        for policy in ("park", "halt"):
            call(lull, "idle", "one", policy)
            call(lull, "trace", "record", "one", "--seconds", str(SECONDS),
                 "-o", str(trace))
            rows = json.loads(call(lull, "replay", str(trace), "--json",
                                   "--costs", str(costs)))
            by = {row["policy"].split(",")[0]: row
                  for row in rows["replayed"]}
            recorded, replayed = rows["recorded"], by[policy]
            if recorded["lost"]:
                sys.exit("records were lost")
            compare(policy, "wakes/s", WAKES, recorded["wakes_per_s"],
                    replayed["wakes_per_s"])
            compare(policy, "CPU %", CPU, recorded["cpu_percent"],
                    replayed["cpu_percent"])
            if by["spin"]["cpu_percent"] < 100 * by["halt"]["cpu_percent"]:
                sys.exit("spin costs no more than halt?")
            print(call(lull, "replay", str(trace), "--costs", str(costs)))


def main():
    if not cache.manifest("debian-cloud"):
        print("skipped: no debian-cloud here; `scripts/guest fetch debian` "
              "obtains it")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="lull-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        run(sys.argv[1], Path(folder), cache.guests() / "debian-cloud")


if __name__ == "__main__":
    main()
