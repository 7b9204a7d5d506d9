#!/usr/bin/env python3
"""bench_wake.py LULL: `lull bench wake` measures what it says, and can be
interrupted. No figure is judged: that is for people."""
import json
import signal
import subprocess
import sys
import time
import unittest

LULL = None
PATIENCE = 120


def bench(*words):
    return subprocess.run([LULL, "bench", *words], capture_output=True,
                          text=True, timeout=PATIENCE)


class BenchWake(unittest.TestCase):
    def test_json(self):
        done = bench("wake", "--samples", "10", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertTrue(report["complete"])
        self.assertEqual(report["samples"], 10)
        rows = report["rows"]
        self.assertEqual({row["kind"] for row in rows},
                         {"round trip", "deadline", "kick"})
        self.assertLessEqual({"nanosleep", "pselect", "condvar", "halt",
                              "park"}, {row["how"] for row in rows})
        for row in rows:
            # No sleep ends before its time; and percentiles are ordered.
            self.assertGreaterEqual(row["p50_us"], 0, row)
            self.assertLessEqual(row["p50_us"], row["p90_us"], row)
            self.assertLessEqual(row["p90_us"], row["p99_us"], row)
            self.assertEqual("cpu_percent" in row, row["kind"] == "deadline")

    def test_table(self):
        done = bench("wake", "--samples", "10")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("p50 us", done.stdout.splitlines()[0])
        self.assertGreater(len(done.stdout.splitlines()), 30)

    def test_interrupted(self):
        with subprocess.Popen([LULL, "bench", "wake", "--samples", "2000",
                               "--json"], stdout=subprocess.PIPE) as child:
            time.sleep(1)
            child.send_signal(signal.SIGINT)
            output, _ = child.communicate(timeout=PATIENCE)
        self.assertEqual(child.returncode, 130)
        self.assertFalse(json.loads(output)["complete"])

    def test_bad_options(self):
        for words in [(), ("sleep",), ("wake", "more"),
                      ("wake", "--samples", "9"), ("wake", "--samples", "x"),
                      ("wake", "--nonsense")]:
            done = bench(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    LULL = sys.argv[1]
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
