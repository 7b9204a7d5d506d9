#!/usr/bin/env python3
"""bench_idle.py LULL: `lull bench idle` on a real guest, in short.

A policy that works beside one that hangs; Ctrl-C; a bench that is killed; and
what bad options say. No figure is judged: that is for people. Exit code 77
(skipped, to meson) without a guest; the options are tested all the same.
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
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts"), str(HERE)]

import bench_report  # noqa: E402
from guestlib import cache  # noqa: E402

LULL = None
PATIENCE = 400
GUEST = "debian-cloud"
FIGURES = {
    "boot_wall_s", "boot_cpu_s", "idle_cpu_percent", "wakeups_per_s",
    "wfi_per_s", "late_p50_us", "late_p90_us", "late_p99_us",
    "host_late_p50_us", "kick_p50_us", "kick_p99_us", "echo_p50_us", "echo_max_us",
    "net_p50_us", "net_p99_us", "net_echo_max_us", "compute_s", "handoff_us"}
STATES = {"pending", "poll", "spin", "park_deadline", "park", "sliced",
          "running", "waiting"}


def bench(*words, **more):
    return subprocess.run([LULL, "bench", "idle", *map(str, words)],
                          capture_output=True, text=True, timeout=PATIENCE,
                          **more)


class Folder(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def running(self):
        return subprocess.run([LULL, "list"], capture_output=True, text=True,
                              timeout=PATIENCE).stdout

    def nothing_runs(self):
        end = time.monotonic() + 30
        while "No VM is running" not in self.running():
            self.assertLess(time.monotonic(), end, self.running())
            time.sleep(0.1)


class Options(Folder):
    def refused(self, says, *words, **more):
        done = bench(*words, **more)
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_bad_options(self):
        for words, says in [
                (("--policies", "nap"), ["--policies nap", "park", "score"]),
                (("--policies", "us=3"), ["us=3"]),
                (("--policies", "park,park"), ["twice"]),
                (("--policies", ""), ["--policies"]),
                (("--cpus", "0"), ["--cpus 0", "64"]),
                (("--cpus", "1,,2"), ["--cpus"]),
                (("--seconds", "0"), ["--seconds 0", "3600"]),
                (("--seconds", "soon"), ["soon"]),
                (("--repeat", "0"), ["--repeat 0", "100"]),
                (("--nonsense",), ["--nonsense"]),
                (("stray",), ["stray"]),
                (("--kernel", "/nowhere"), ["--initrd"]),
                (("--kernel", "/nowhere", "--initrd", "/x"), ["/nowhere"]),
                (("--kernel", "/x", "--initrd", "/x", "--guest", "y"),
                 ["--guest"]),
                (("--guest", "a/b"), ["a/b"])]:
            with self.subTest(words=words):
                self.refused(says, *words)

    def test_no_guest(self):
        self.refused(["debian-cloud", "lull guest fetch debian", "--kernel"],
                     env={**os.environ, "XDG_CACHE_HOME": str(self.folder)})

    def test_nowhere_to_write(self):
        kernel = self.folder / "kernel"
        kernel.write_bytes(b"")
        for option in ("--json", "--html"):
            self.refused(["/nowhere/x"], option, "/nowhere/x", "--kernel",
                         kernel, "--initrd", kernel)

    def test_help(self):
        done = bench("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--policies", "--cpus", "--seconds", "--repeat",
                       "--guest", "--kernel", "--initrd", "--net", "--json",
                       "--html"):
            self.assertIn(option, done.stdout)

    def test_a_guest_that_is_none(self):
        """It ends at once; that is said, and is no hang and no success."""
        kernel = self.folder / "kernel"
        kernel.write_bytes(bytes.fromhex(
            "0080b052" "00018072" "020000d4"))  # PSCI SYSTEM_OFF, by HVC
        done = bench("--kernel", kernel, "--initrd", kernel, "--policies",
                     "park", "--repeat", "1", "--seconds", "1", "--json", "-")
        self.assertEqual(done.returncode, 1, done)
        run = json.loads(done.stdout)["runs"][0]
        self.assertEqual(run["outcome"], "failed")
        self.assertIn("the guest has ended", run["reason"])
        self.nothing_runs()


class Guest(Folder):
    def report(self, name="report.json"):
        return json.loads((self.folder / name).read_text())

    def figures_are_there(self, report):
        """The schema, and what is true of any figures."""
        self.assertEqual((report["bench"], report["schema"]), ("idle", 1))
        for key in ("lull", "started", "host", "guest"):
            self.assertTrue(report[key], key)
        for policy in report["policies"]:
            self.assertEqual(set(policy["figures"]), FIGURES)
            for figure in policy["figures"].values():
                self.assertEqual(set(figure), {"median", "min", "max", "runs"})
        for run in report["runs"]:
            self.assertEqual(set(run["figures"]), FIGURES)
            self.assertEqual(set(run["residency"]), STATES)
        for claim in report["claims"]:
            self.assertIn(claim["verdict"],
                          {"holds", "does not hold", "not measured"})

    def worked(self, run, net):
        self.assertEqual(run["outcome"], "ok", run["reason"])
        figures = run["figures"]
        for key, value in figures.items():
            if not key.startswith("net_") or net:
                self.assertGreaterEqual(value, 0, key)
        for name in ("late", "kick"):
            self.assertGreaterEqual(len(run[f"{name}_ns"]), 10)
            self.assertLessEqual(figures[f"{name}_p50_us"],
                                 figures[f"{name}_p99_us"])
        # One way is not longer than there and back.
        self.assertLessEqual(figures["kick_p50_us"], figures["echo_p50_us"])
        self.assertLessEqual(figures["echo_p50_us"], figures["echo_max_us"])
        if net:
            self.assertLessEqual(figures["net_p50_us"],
                                 figures["net_echo_max_us"])
        self.assertAlmostEqual(sum(run["residency"].values()), 1, places=3)
        self.assertGreater(sum(run["idle_length_log2_ns"]), 0)

    def test_one_that_works_beside_one_that_hangs(self):
        done = bench("--policies", "nodeadline,park,halt", "--seconds", "2",
                     "--repeat", "1", "--net",
                     "--json", self.folder / "report.json",
                     "--html", self.folder / "report.html")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.nothing_runs()
        report = self.report()
        self.assertTrue(report["complete"])
        self.figures_are_there(report)
        runs = {run["policy"]: run for run in report["runs"]}
        self.assertEqual(list(runs), ["nodeadline", "park", "halt"])
        self.worked(runs["park"], True)
        self.worked(runs["halt"], True)
        stuck = runs["nodeadline"]
        self.assertEqual(stuck["outcome"], "stuck")
        for text in ("timer was due", "nodeadline", "switched to park",
                     "it went on"):
            self.assertIn(text, stuck["reason"])
        verdicts = {(c["policy"], c["key"]): c["verdict"]
                    for c in report["claims"]}
        self.assertEqual(verdicts["nodeadline", "hang"], "holds")
        self.assertNotEqual(verdicts["park", "kick"], "not measured")
        self.assertEqual(verdicts["park", "boot"], "not measured")
        # The table has a row each, and the reason.
        for text in ("park ", "halt ", "stuck 1 of 1", "timer was due"):
            self.assertIn(text, done.stdout)
        self.assertEqual(done.stderr.count("vCPUs: "), 3, done.stderr)
        self.looked_at(fronts=2, partial=False)

    def test_a_grace_period(self):
        done = bench("--policies", "ladder,us=50", "--seconds", "1",
                     "--repeat", "1", "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        run = report["runs"][0]
        self.worked(run, False)
        # Watched from its first second, not only once it is up.
        self.assertLess(run["moments"][0]["at_s"],
                        run["figures"]["boot_wall_s"] + 1)
        self.assertGreater(run["moments"][-1]["at_s"], 15)
        self.assertEqual(run["moments"][0]["sleeps"], 0)
        verdicts = {c["key"]: c["verdict"] for c in report["claims"]}
        self.assertEqual(verdicts["messages"], "holds")
        # On a host that is busy enough nobody looked at the moment.
        self.assertNotEqual(verdicts["grace"], "does not hold")

    def looked_at(self, fronts, partial):
        if not bench_report.find_browser():
            print("no Chromium here: the report was not looked at")
            return
        probe, _ = bench_report.look(self.folder / "report.html")
        self.assertEqual(probe["wrong"], [])
        self.assertEqual(probe["fronts"], fronts)
        self.assertEqual(probe["partial"], partial)

    def start(self, *more):
        child = subprocess.Popen(
            [LULL, "bench", "idle", "--policies", "park,halt", "--repeat", "2",
             *map(str, more)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        end = time.monotonic() + PATIENCE
        while "bench-" not in self.running():
            self.assertIsNone(child.poll())
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        return child

    def test_interrupted(self):
        child = self.start("--seconds", "300", "--json",
                           self.folder / "report.json", "--html",
                           self.folder / "report.html")
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        table, _ = child.communicate(timeout=PATIENCE)
        self.assertEqual(child.returncode, 130)
        self.nothing_runs()
        report = self.report()
        self.assertFalse(report["complete"])
        self.figures_are_there(report)
        self.assertEqual([run["outcome"] for run in report["runs"]],
                         ["interrupted"])
        self.assertIn("PARTIAL", table)
        self.looked_at(fronts=0, partial=True)

    def test_killed(self):
        """Nobody is left to end the guest: it ends by itself."""
        child = self.start("--seconds", "300")
        child.kill()
        child.communicate(timeout=PATIENCE)
        self.nothing_runs()

    def test_interrupted_after_a_run(self):
        """What was measured before Ctrl-C is in the report."""
        child = self.start("--seconds", "1", "--json", "-")
        while True:
            line = child.stderr.readline()
            self.assertTrue(line)
            if line.startswith("[1/4]"):
                break
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=PATIENCE)
        self.assertEqual(child.returncode, 130)
        report = json.loads(output)
        self.assertFalse(report["complete"])
        self.worked(report["runs"][0], False)
        park = report["policies"][0]
        self.assertEqual(park["ok"], 1)
        self.assertGreater(park["figures"]["boot_wall_s"]["median"], 0)
        self.nothing_runs()


if __name__ == "__main__":
    LULL = sys.argv[1]
    if sys.argv[2:] != ["Options"] and not cache.manifest(GUEST):
        print(f"skipped: no {GUEST} here; `scripts/guest fetch debian`"
              " obtains it")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
