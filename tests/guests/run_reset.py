#!/usr/bin/env python3
"""run_reset.py LULL IMAGE CPUS: a guest that asks what to do when it has made
its checks. It is reset, by HVC and by SMC, and must come up again as it was
loaded; with --no-reboot a reset ends the run with exit code 3; power-off, by
HVC and by SMC, ends it with 0.
"""
import sys

sys.dont_write_bytecode = True

import run_guest  # noqa: E402

# What is sent to it, and how that must end.
RUNS = [("rRo", 0, True), ("O", 0, True), ("r", 3, False), ("R", 3, False)]


def run(lull, image, cpus, orders, want_code, reboot):
    name, vm = run_guest.start(lull, image, cpus, reboot)
    with vm:
        for turn, order in enumerate(orders, 1):
            asked = vm.expect(rb"(?s)(what now\?.*){%d}" % turn,
                              run_guest.PATIENCE)
            if not asked:
                run_guest.give_up(lull, name, vm)
            vm.send(order)
        code = vm.wait(run_guest.PATIENCE)
        if code is None:
            run_guest.give_up(lull, name, vm)
        problem = run_guest.judge(vm.text(), code, want_code)
        if vm.text().count("what now?") != len(orders):
            problem = problem or "it did not start the right number of times"
        if problem:
            sys.exit(f"{vm.text()}\n{orders}: {problem}")
        print(f"{orders}: exit code {code}, as it should be")


def main():
    for orders, want_code, reboot in RUNS:
        run(*sys.argv[1:4], orders, want_code, reboot)


if __name__ == "__main__":
    main()
