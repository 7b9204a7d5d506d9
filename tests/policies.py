#!/usr/bin/env python3
"""policies.py LULL IDLE4.BIN: idle policies chosen, named and switched.

Which of --idle, LULL_IDLE and HVF_WFI_SLEEP wins, what a bad one says, and
what a running guest makes of a change of policy.
"""
import json
import os
import shutil
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
NAMES = ("park", "halt", "haltpoll", "pselect", "spin", "nodeadline", "sleep",
         "rate", "ladder", "score")


class Policies(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        for name in ("LULL_IDLE", "HVF_WFI_SLEEP"):
            os.environ.pop(name, None)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *words):
        return subprocess.run([LULL, *map(str, words)], capture_output=True,
                              stdin=subprocess.DEVNULL, text=True,
                              timeout=PATIENCE)

    def idle4(self, *more, **environment):
        os.environ.update(environment)
        try:
            return vmrun.Vm(vmrun.lull_command(
                LULL, IDLE4, cpus=4, memory="128M",
                extra=("--name", "one", *more)))
        finally:
            for name in environment:
                del os.environ[name]

    def stat(self):
        done = self.call("stat", "one", "--json", "--interval", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def ends(self, vm):
        """The guest is alive: at its next tick after a byte it powers off."""
        vm.send("x")
        self.assertEqual(vm.wait(PATIENCE), 0, vm.text())

    def switch(self, policy):
        done = self.call("idle", "one", policy)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    # Who wins.

    def in_force(self, policy, source, *more, **environment):
        with self.idle4(*more, **environment) as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE), vm.text())
            stat = self.stat()
            self.assertEqual(stat["settings"]["idle"],
                             {"value": policy, "source": source})
            self.assertEqual(stat["policy"], policy)
            shown = self.call("stat", "one", "--interval", "0").stdout
            self.assertIn(f"idle policy {policy} ({source})", shown)

    def test_default(self):
        self.in_force("park,share=2", "default")
        self.in_force("park,share=2", "default", LULL_IDLE="",
                      HVF_WFI_SLEEP="")

    def test_hvf_wfi_sleep(self):
        self.in_force("ladder,us=50", "HVF_WFI_SLEEP", HVF_WFI_SLEEP="50")
        self.in_force("spin", "HVF_WFI_SLEEP", HVF_WFI_SLEEP="0")

    def test_lull_idle_before_it(self):
        self.in_force("halt", "LULL_IDLE", LULL_IDLE="halt",
                      HVF_WFI_SLEEP="50")

    def test_the_option_before_both(self):
        self.in_force("haltpoll", "--idle", "--idle", "haltpoll",
                      LULL_IDLE="nonsense", HVF_WFI_SLEEP="-1")

    # What a bad one says.

    def refused(self, says, **environment):
        with self.idle4(**environment) as vm:
            self.assertEqual(vm.wait(PATIENCE), 1, vm.text())
            lines = vm.text().splitlines()
            self.assertEqual(len(lines), 1, lines)
            for text in says:
                self.assertIn(text, lines[0])

    def test_malformed(self):
        for value in ("x", "-1", "1.5", "100us", "1000001", " 5", "0x10",
                      "99999999999999999999999"):
            with self.subTest(value=value):
                self.refused(["HVF_WFI_SLEEP", value, "1 to 1000000", "0",
                              "ladder", "spin"], HVF_WFI_SLEEP=value)
        self.refused(["LULL_IDLE", "nap", *NAMES], LULL_IDLE="nap",
                     HVF_WFI_SLEEP="50")
        self.refused(["LULL_IDLE", "us", "microseconds"],
                     LULL_IDLE="ladder,us=0")

    # Switching.

    def test_switch_through_all(self):
        with self.idle4() as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            for name in NAMES:
                shown = self.switch(name)
                self.assertTrue(shown.startswith(name))
                stat = self.stat()
                self.assertEqual(stat["settings"]["idle"],
                                 {"value": shown, "source": "lull idle"})
            self.assertEqual(self.switch("park,share=5"), "park,share=5")
            self.ends(vm)

    def test_switch_refused(self):
        with self.idle4("--idle", "halt") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            done = self.call("idle", "one", "nap")
            self.assertEqual(done.returncode, 1)
            for name in NAMES:
                self.assertIn(name, done.stderr)
            self.assertEqual(self.stat()["policy"], "halt")
            self.assertEqual(self.call("idle", "two", "halt").returncode, 1)
            self.assertEqual(self.call("idle", "one").returncode, 1)
            self.ends(vm)

    def ticks(self):
        return sum(cpu["timer_raised"] for cpu in self.stat()["cpus"])

    def test_nodeadline_hangs_until_switched(self):
        with self.idle4("--idle", "nodeadline") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            before, end = -1, time.monotonic() + PATIENCE
            # Whatever was under way comes to rest, and stays there.
            while before != self.ticks():
                self.assertLess(time.monotonic(), end, "it does not hang")
                before = self.ticks()
                time.sleep(2)
            self.switch("halt")
            while self.ticks() == before:
                self.assertLess(time.monotonic(), end, "it hangs on")
            self.ends(vm)

    def test_ladder_says_when_it_begins(self):
        with self.idle4(HVF_WFI_SLEEP="100") as vm:
            self.assertTrue(vm.expect(
                "HVF: WFI adaptive sleep: max 100 \u03bcs \\(activates after "
                "15s, requires sustained idle\\)".encode(), PATIENCE))
            started = time.monotonic()
            self.assertTrue(vm.expect(
                "HVF: WFI sleep NOW ACTIVE \\(adaptive: 10 -> 100 \u03bcs\\)"
                .encode(), PATIENCE))
            self.assertGreater(time.monotonic() - started, 10)
            self.switch("spin")
            self.switch("ladder")
            time.sleep(2)
            self.ends(vm)
            self.assertEqual(vm.text().count("NOW ACTIVE"), 1)
            self.assertEqual(vm.text().count("adaptive sleep: max"), 1)

    def test_paused_costs_nothing_even_when_spinning(self):
        with self.idle4("--idle", "spin") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            spinning = self.cost(vm)
            self.assertEqual(self.call("pause", "one").returncode, 0)
            self.assertLess(self.cost(vm), spinning / 10)

    def cost(self, vm):
        before = vm.cost()
        time.sleep(1)
        return vm.cost().since(before)["cpu_percent"]


if __name__ == "__main__":
    LULL, IDLE4 = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
