#!/usr/bin/env python3
"""faults.py LULL IDLE4.BIN: a host that misbehaves, and a guest that does not
notice.

The guest is idle4: four vCPUs that tick, send each other interrupts and check
that all arrive. Under each fault it ticks on as often as it should, no wake-up
is lost (no wake by the backstop, and an orderly end), and it stays idle: what
the fault itself makes the host do is counted and paid for, and no more than a
small multiple of it.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import vmrun  # noqa: E402

LULL, IDLE4 = None, None
PATIENCE = 60
SECONDS = 3
VCPUS, TICKS_PER_S = 4, 2


class Faults(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        for name in ("LULL_IDLE", "HVF_WFI_SLEEP"):
            os.environ.pop(name, None)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run4(self, *more):
        return vmrun.Vm(vmrun.lull_command(
            LULL, IDLE4, cpus=VCPUS, memory="128M",
            extra=("--name", "one", *more)))

    def stat(self):
        done = subprocess.run([LULL, "stat", "one", "--json", "--interval",
                               "0"], capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def measure(self, vm):
        """What a few seconds of idling cost, and the counters' change."""
        self.assertTrue(vm.expect(vmrun.READY, PATIENCE), vm.text())
        # The vCPUs have just come up; and a window of ticks has to be whole.
        time.sleep(1)
        before, cost = self.stat(), vm.cost()
        time.sleep(SECONDS)
        after = self.stat()
        result = vm.cost().since(cost)
        seconds = (after["now_ns"] - before["now_ns"]) / 1e9

        def change(*path):
            sums = []
            for stat in (before, after):
                total = 0
                for cpu in stat["cpus"]:
                    for key in path:
                        cpu = cpu[key]
                    total += cpu
                sums.append(total)
            return sums[1] - sums[0]

        # Missing one tick a vCPU is the window's edge, or a host that was
        # busy; a lost wake-up would stop a vCPU for good.
        self.assertGreaterEqual(change("timer_raised"),
                                VCPUS * (TICKS_PER_S * seconds - 2))
        result["wfi"] = change("exits", "wfi")
        result["canceled"] = change("exits", "canceled")
        result["stray"] = change("idle", "wakes", "stray")
        result["after"] = after
        return result

    def ends(self, vm):
        stat = self.stat()
        for cpu in stat["cpus"]:
            self.assertEqual(cpu["idle"]["wakes"]["backstop"], 0)
        vm.send("x")
        self.assertEqual(vm.wait(PATIENCE), 0, vm.text())
        self.assertIn("ticks and SGIs", vm.text())

    def under(self, fault):
        with self.run4("--idle", "park", "--fault", fault) as vm:
            result = self.measure(vm)
            self.ends(vm)
        print(f"{fault}: CPU {result['cpu_percent']:.2f} %, "
              f"{result['wfi']} WFIs, {result['stray']} strays, "
              f"{result['canceled']} cancelled", file=sys.stderr)
        return result

    def idle(self, result):
        """Far from what a guest costs that is let spin: a core and more."""
        self.assertLess(result["cpu_percent"], 20)

    def test_none(self):
        result = self.under("wfi=0")
        self.assertEqual(set(result["after"]["faults"].values()), {0})
        self.idle(result)

    def test_wfi_that_returns(self):
        result = self.under("wfi=50")
        self.assertGreater(result["after"]["faults"]["wfi"], 0)
        self.idle(result)

    def test_strays(self):
        result = self.under("stray=200")
        self.assertGreater(result["stray"], 0)
        # They are absorbed: the guest executes no more WFIs for them.
        self.assertLess(result["wfi"], result["after"]["faults"]["stray"] / 4)
        self.idle(result)

    def test_cancels(self):
        result = self.under("cancel=200")
        self.assertGreater(result["after"]["faults"]["cancel"], 0)
        self.idle(result)

    def test_signals(self):
        result = self.under("eintr=200")
        self.assertGreater(result["after"]["faults"]["eintr"], 0)
        self.assertGreater(result["stray"], 0)
        self.assertLess(result["wfi"], result["after"]["faults"]["eintr"] / 4)
        self.idle(result)

    def test_sleep_that_returns_early_now_and_then(self):
        result = self.under("early=30")
        self.assertGreater(sum(cpu["idle"]["faults_early"]
                               for cpu in result["after"]["cpus"]), 0)
        self.idle(result)

    def test_sleep_that_always_returns_early(self):
        result = self.under("early=100")
        for cpu in result["after"]["cpus"]:
            self.assertEqual(cpu["idle"]["sliced"], 1)
            self.assertEqual(cpu["idle"]["rung_changes"], 1)
            # Left after one window of watching it, not tried again so soon.
            self.assertLess(cpu["idle"]["faults_early"], 200)
        # Slices of 1 ms: paid from the share, some 2 % a vCPU.
        self.assertLess(result["cpu_percent"], 60)

    def test_sleep_that_returns_late(self):
        result = self.under("late=3000")
        self.assertGreater(sum(cpu["idle"]["faults_late"]
                               for cpu in result["after"]["cpus"]), 0)
        self.idle(result)

    def test_all_at_once(self):
        self.idle(self.under(
            "wfi=20,stray=100,cancel=100,eintr=100,early=20,late=100"))

    def test_stopped_process(self):
        with self.run4("--idle", "park") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            for _ in range(5):
                os.kill(vm.pid, signal.SIGSTOP)
                time.sleep(0.3)
                os.kill(vm.pid, signal.SIGCONT)
                time.sleep(0.1)
            self.idle(self.measure(vm))
            self.ends(vm)

    def test_bad_text(self):
        for text, says in {
                "": "valid are", "x=1": "valid are wfi=N", "stray": "stray=N",
                "stray=": "per second", "stray=-1": "0 to 100000",
                "wfi=101": "0 to 100", "early=5x": "early=N",
                "stray=1,": "valid are", "stray=1,,wfi=1": "valid are",
                "late=99999999999999999999": "microseconds"}.items():
            with self.subTest(text=text), self.run4("--fault", text) as vm:
                self.assertEqual(vm.wait(PATIENCE), 1, vm.text())
                self.assertEqual(vm.text().count("\n"), 1, vm.text())
                self.assertIn("--fault", vm.text())
                self.assertIn(says, vm.text())


if __name__ == "__main__":
    LULL, IDLE4 = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
