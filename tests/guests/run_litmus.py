#!/usr/bin/env python3
"""run_litmus.py LULL IMAGE CPUS [RUNS]: the litmus tests, each made RUNS
times (LITMUS_RUNS, or 20000). Their outcomes are printed; the guest judges
them.
"""
import os
import sys

sys.dont_write_bytecode = True

import run_guest  # noqa: E402

SHORT = "20000"
# A long run says how far it is; it may take a day.
LONG_PATIENCE = 24 * 3600


def main():
    lull, image, cpus = sys.argv[1:4]
    given = sys.argv[4:] or [os.environ.get("LITMUS_RUNS", "")]
    runs = int(given[0] or SHORT)
    patience = run_guest.PATIENCE
    if runs > int(SHORT):
        patience = LONG_PATIENCE
    name, vm = run_guest.start(lull, image, cpus)
    with vm:
        if not vm.expect(rb"how many runs\?", run_guest.PATIENCE):
            run_guest.give_up(lull, name, vm)
        vm.send(f"{runs}\n")
        code = vm.wait(patience)
        if code is None:
            run_guest.give_up(lull, name, vm)
        print(vm.text())
        sys.exit(run_guest.judge(vm.text(), code))


if __name__ == "__main__":
    main()
