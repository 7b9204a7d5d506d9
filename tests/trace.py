#!/usr/bin/env python3
"""trace.py LULL IDLE4.BIN TICKS.BIN [-- TEST...]: recordings of running guests,
and replay.

What a recording has is what happened, whatever is done to the VM meanwhile;
damaged files are refused in one line; an export is sound trace-event JSON; a
replay is the same every time and, under the policy that was recorded, near
what was measured.
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import traceevents  # noqa: E402
import sidebyside  # noqa: E402
import vmrun  # noqa: E402

LULL, IDLE4, TICKS = None, None, None
PATIENCE = 60
NAMES = ("park", "halt", "haltpoll", "pselect", "spin", "nodeadline", "sleep",
         "rate", "ladder", "score")


class Case(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        self.trace = self.folder / "the.trace"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *words, code=0):
        done = subprocess.run([LULL, *map(str, words)], capture_output=True,
                              stdin=subprocess.DEVNULL, text=True,
                              cwd=self.folder, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, (words, done.stderr))
        if code == 1:
            self.assertEqual(done.stdout, "")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done

    def run_guest(self, image, *more):
        vm = vmrun.Vm(vmrun.lull_command(
            LULL, image, cpus=4, memory="128M",
            extra=("--name", "one", *more)))
        self.addCleanup(vm.kill)
        self.assertTrue(vm.expect(vmrun.READY, PATIENCE), vm.text())
        return vm

    def recorder(self, *more):
        child = subprocess.Popen(
            [LULL, "trace", "record", "one", "-o", self.trace, *more],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.stderr.close)
        end = time.monotonic() + PATIENCE
        while not self.trace.exists() or self.trace.stat().st_size == 0:
            self.assertLess(time.monotonic(), end, "it does not begin")
            time.sleep(0.01)
        return child

    def interrupt(self, child, code=0):
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(PATIENCE), code)

    def stat(self):
        return json.loads(self.call("trace", "stat", self.trace,
                                    "--json").stdout)

    def counters(self):
        return json.loads(self.call("stat", "one", "--json", "--interval",
                                    "0").stdout)["cpus"]


class Traces(Case):
    # Recording.

    def test_what_is_recorded_is_what_happened(self):
        self.run_guest(IDLE4)
        before = self.counters()
        child = self.recorder()
        time.sleep(4)
        self.interrupt(child)
        after = self.counters()
        stat = self.stat()
        self.assertEqual(self.trace.stat().st_mode & 0o777, 0o600)
        self.assertEqual(stat["name"], "one")
        self.assertEqual(stat["policy"], "park,share=2")
        self.assertEqual(stat["all"]["lost"], 0)
        self.assertIsNotNone(stat["all"]["cpu_percent"])
        all_ticks = all_raised = 0
        for cpu in range(4):
            vcpu = stat["vcpus"][cpu]
            ticks = vcpu["wakes"]["deadline"]
            # A tick can also come while another's kick is dealt with.
            raised = (after[cpu]["timer_raised"] -
                      before[cpu]["timer_raised"])
            self.assertLessEqual(ticks, raised)
            all_ticks += ticks
            all_raised += raised
            self.assertGreaterEqual(vcpu["kicks"], 2)
            self.assertLessEqual(vcpu["kicks"],
                                 after[cpu]["idle"]["kicks"] -
                                 before[cpu]["idle"]["kicks"])
            self.assertGreater(
                vcpu["states"]["park_deadline"]["residency_ns"], 1e9)
        self.assertGreater(all_ticks, all_raised / 3)

        lines = self.call("trace", "show", self.trace).stdout.splitlines()
        self.assertIn("one: 4 vCPUs", lines[0])
        self.assertEqual(len(lines) - 1, stat["records"])
        self.assertTrue(any("kick   irq by vcpu" in l for l in lines))
        times = [float(line.split()[0]) for line in lines[1:]]
        self.assertEqual(times, sorted(times))
        some = self.call("trace", "show", self.trace, "--vcpu", 2, "--from",
                         1, "--to", "2.5").stdout.splitlines()[1:]
        self.assertEqual(some, [
            line for line in lines[1:] if " vcpu 2 " in line.split("  k")[0]
            and line.split()[2] == "2" and 1 <= float(line.split()[0]) <= 2.5])
        self.assertTrue(some)
        self.assertIn("timer late", self.call("trace", "stat",
                                              self.trace).stdout)

    def test_seconds_and_default_file(self):
        self.run_guest(IDLE4)
        self.call("trace", "record", "one", "--seconds", "0.5")
        stat = json.loads(self.call("trace", "stat", "one.trace",
                                    "--json").stdout)
        self.assertGreaterEqual(stat["length_ns"], 5e8)
        child = self.recorder("--seconds", "60")
        self.interrupt(child, 130)
        self.stat()

    def test_one_at_a_time(self):
        self.run_guest(IDLE4)
        child = self.recorder()
        done = self.call("trace", "record", "one", "-o",
                         self.folder / "other", code=1)
        self.assertIn("already", done.stderr)
        child.kill()
        child.wait()
        # What a killed recorder left is no trace; and another may record.
        self.assertIn("cut off", self.call("trace", "stat", self.trace,
                                           code=1).stderr)
        self.call("trace", "record", "one", "--seconds", "0.2", "-o",
                  self.trace)
        self.stat()

    def test_pause_resume_switch_and_reset(self):
        self.run_guest(IDLE4)
        child = self.recorder()
        time.sleep(0.7)
        self.call("pause", "one")
        time.sleep(0.7)
        self.call("resume", "one")
        time.sleep(0.7)
        self.call("idle", "one", "halt")
        time.sleep(0.7)
        self.qmp("system_reset")
        time.sleep(2)
        self.interrupt(child)
        stat = self.stat()
        self.assertGreater(stat["all"]["wake_reasons"]["pause"], 0)
        self.assertGreater(stat["all"]["wake_reasons"]["resume"], 0)
        shown = self.call("trace", "show", self.trace).stdout
        self.assertIn("policy halt", shown)
        self.assertIn("held or off", shown)
        self.assertGreater(stat["all"]["wakes"]["deadline"], 8)
        self.call("replay", self.trace)

    def qmp(self, command):
        import socket
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.folder / "lull/one.sock"))
            for word in ("qmp_capabilities", command):
                s.sendall(json.dumps({"execute": word}).encode() + b"\n")
            heard = b""
            while heard.count(b'"return"') < 2:
                heard += s.recv(4096)

    def test_the_vm_ends_first(self):
        vm = self.run_guest(IDLE4)
        child = self.recorder()
        time.sleep(1)
        vm.send("x")
        self.assertEqual(vm.wait(PATIENCE), 0)
        self.assertEqual(child.wait(PATIENCE), 0)
        self.assertIn("has ended", child.stderr.read())
        stat = self.stat()
        self.assertIsNone(stat["all"]["cpu_percent"])
        self.assertGreater(stat["all"]["wakes"]["deadline"], 0)

    def test_nobody_to_record_and_no_place_to_write(self):
        self.call("trace", "record", "nobody", code=1)
        self.assertIn("no name", self.call("trace", "record", "/x",
                                           code=1).stderr)
        self.run_guest(IDLE4)
        done = self.call("trace", "record", "one", "-o", "/no/such/file",
                         code=1)
        self.assertIn("/no/such/file", done.stderr)
        if Path("/dev/full").exists():
            done = self.call("trace", "record", "one", "--seconds", "0.2",
                             "-o", "/dev/full", code=1)
            self.assertIn("/dev/full", done.stderr)

    # Reading.

    def test_damaged_files(self):
        self.run_guest(IDLE4)
        self.call("trace", "record", "one", "--seconds", "0.7", "-o",
                  self.trace)
        sound = self.trace.read_bytes()
        damaged = self.folder / "damaged"
        for content, says in (
                (b"", "no trace"), (b"x" * 5000, "no trace"),
                (sound[:100], "header"), (sound[:-24], "cut off"),
                (sound[:-7], "cut off"), (sound + b"more", "cut off"),
                (sound[:12] + b"\2" + sound[13:], "version 2"),
                (sound[:8] + b"\1\2\3\4" + sound[12:], "byte order"),
                (sound[:18] + b"\xff\xff" + sound[20:], "header"),
                (sound[:300] + b"\xff" + sound[301:], "checksum")):
            damaged.write_bytes(content)
            for words in (("trace", "show"), ("trace", "stat"),
                          ("trace", "export"), ("replay",)):
                done = self.call(*words, damaged, code=1)
                self.assertIn(str(damaged), done.stderr)
                self.assertIn(says, done.stderr)
        self.call("trace", "show", self.folder / "nothing", code=1)
        self.call("trace", "show", self.folder, code=1)

    def test_bad_options(self):
        for words in (
                ("trace",), ("trace", "show"), ("trace", "dance", "x"),
                ("trace", "show", "x", "y"), ("trace", "show", "x", "--json"),
                ("trace", "stat", "x", "--vcpu", "1"),
                ("trace", "record", "x", "--seconds", "0"),
                ("trace", "record", "x", "--seconds", "-1"),
                ("trace", "record", "x", "--seconds", "1e9"),
                ("trace", "show", "x", "--vcpu", "64"),
                ("trace", "show", "x", "--from", "soon"),
                ("trace", "show", "x", "--nonsense"),
                ("replay",), ("replay", "x", "y"), ("replay", "nothing"),
                ("replay", "x", "--idle", "nap"),
                ("replay", "x", "--idle", "ladder,us=x"),
                ("replay", "x", "--costs", "nothing"),
                ("replay", "x", "--costs", IDLE4),
                ("replay", "x", "--age", "old")):
            self.call(*words, code=1)
        wrong = self.folder / "costs"
        for text in ("{}", '{"rows":[]}', '[]',
                     '{"rows":[{"kind":"deadline","how":"halt"}]}'):
            wrong.write_text(text)
            self.assertIn("bench wake", self.call(
                "replay", "x", "--costs", wrong, code=1).stderr)

    def test_export(self):
        self.run_guest(IDLE4)
        child = self.recorder()
        time.sleep(2)
        self.call("pause", "one")
        self.call("resume", "one")
        time.sleep(0.5)
        self.interrupt(child)
        output = self.folder / "out.json"
        self.call("trace", "export", self.trace, "-o", output)
        text = output.read_text()
        self.assertEqual(self.call("trace", "export", self.trace).stdout, text)
        events = traceevents.check(text)
        names = {e["args"]["name"] for e in events
                 if e["name"] == "thread_name"}
        self.assertLessEqual({f"vcpu {i}" for i in range(4)}, names)
        for track in range(1, 5):
            kinds = {e["name"] for e in events
                     if e["ph"] == "X" and e["tid"] == track}
            self.assertLessEqual({"guest", "park_deadline"}, kinds)
        # The SGIs from vCPU to vCPU, and the pause from the main loop.
        self.assertTrue(any(e["ph"] == "s" and e["tid"] < 5 for e in events))
        self.assertTrue(any(e["ph"] == "s" and e["tid"] == 1001
                            for e in events))

    # Replay.

    def test_replay_is_the_same_every_time(self):
        self.run_guest(TICKS)
        self.call("trace", "record", "one", "--seconds", "1", "-o",
                  self.trace)
        costs = self.folder / "costs.json"
        costs.write_text(self.call("bench", "wake", "--samples", "10",
                                   "--json").stdout)
        for words in ((), ("--json",), ("--age", "100"), ("--costs", costs),
                      ("--costs", "built-in"), ("--costs", "recorded"),
                      ("--idle", "park,share=5,poll", "--idle", "ladder")):
            first = self.call("replay", self.trace, *words).stdout
            for _ in range(3):
                self.assertEqual(
                    self.call("replay", self.trace, *words).stdout, first)
        rows = json.loads(self.call("replay", self.trace, "--json", "--costs",
                                    "built-in").stdout)
        self.assertEqual(tuple(row["policy"].split(",")[0]
                               for row in rows["replayed"]), NAMES)
        by = {row["policy"].split(",")[0]: row for row in rows["replayed"]}
        # What the policies are about, on any host: this one's load is out of
        # the picture.
        self.assertLess(by["park"]["timer_late"]["p50_us"],
                        by["halt"]["timer_late"]["p50_us"] / 3)
        self.assertGreater(by["spin"]["cpu_percent"],
                           10 * by["halt"]["cpu_percent"])
        self.assertEqual(by["spin"]["wakes_per_s"], 0)
        self.assertGreaterEqual(by["pselect"]["cpu_percent"],
                                by["halt"]["cpu_percent"])
        self.assertGreater(by["nodeadline"]["timer_late"]["p99_us"],
                           by["halt"]["timer_late"]["p99_us"])


class Agreement(Case):
    """Replay against measurement, within the bounds that docs/trace.md states.
    The host's costs are those that another recording in the same run shows, so
    that its load is out of the picture: all that is compared are ratios."""

    def record(self, policy):
        self.call("idle", "one", policy)
        self.call("trace", "record", "one", "--seconds", "2", "-o",
                  self.folder / policy)

    def replay(self, recording, policy, costs):
        return json.loads(self.call(
            "replay", self.folder / recording, "--idle", policy, "--costs",
            costs, "--json").stdout)

    def ratios(self, costs_from, recording, policy):
        """Replayed by measured: of wake-ups, of CPU."""
        result = self.replay(recording, policy, costs_from)
        measured = self.replay(policy, policy, "built-in")["recorded"]
        replayed = result["replayed"][0]
        self.assertEqual(measured["lost"], 0)
        return [replayed[key] / measured[key]
                for key in ("wakes_per_s", "cpu_percent")]

    def near(self, what, rounds, wakes, cpu):
        """The middle one of the rounds: a host is busier in one than in the
        next, and replay does not know."""
        for key, bound, ratios in zip(("wake-ups", "CPU"), (wakes, cpu),
                                      zip(*rounds)):
            middle = statistics.median(ratios)
            print(f"{what}: {key}: replayed {middle:.2f} of measured",
                  " ".join(f"{ratio:.2f}" for ratio in ratios))
            self.assertGreater(middle, 1 / bound)
            self.assertLess(middle, bound)

    def test_agreement(self):
        self.run_guest(TICKS)
        costs = self.folder / "costs.json"
        halt, park, across = [], [], []
        for _ in range(3):
            for policy, rounds in (("halt", halt), ("park", park)):
                self.record(policy)
                costs.write_text(self.call(
                    "trace", "stat", self.folder / policy, "--json").stdout)
                self.record(policy)
                rounds.append(self.ratios(costs, policy, policy))
            # And one policy's recording says what the other will be.
            across.append(self.ratios("recorded", "halt", "park"))
        self.near("halt", halt, 1.5, 1.6)
        self.near("park", park, 1.6, 2.5)
        self.near("park, from halt's recording", across, 1.6, 2.5)


if __name__ == "__main__":
    FILES, CHOSEN = sidebyside.split(sys.argv[1:])
    LULL, IDLE4, TICKS = FILES
    sidebyside.main(FILES, CHOSEN)
