#!/usr/bin/env python3
"""top.py LULL MOODS.BIN: `lull top` with several VMs, on a pseudo-terminal.

The terminal is a small one of our own: it understands what ncurses sends to a
vt100, so that what stands on the screen can be compared, not what was sent.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import vmrun  # noqa: E402

LULL, MOODS = None, None
CURSES = os.environ.get("LULL_HAS_CURSES", "1") == "1"
PATIENCE = 60
# On a screen that may be read half drawn, what is gone has to be waited for.
NO_QUIET = r"\A(?!(?s:.*quiet))"
TOKEN = re.compile(rb"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()].|(\x1bM)|\x1b.|"
                   rb"([\x20-\x7e]+)|([\x00-\x1f])")


class Screen:
    """A vt100 as far as ncurses needs one."""

    def __init__(self, master, columns, lines):
        self.master, self.rest = master, b""
        self.resize(columns, lines)

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.rows = [[" "] * columns for _ in range(lines)]
        self.row = self.column = 0
        self.region = 0, lines - 1
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.rows)

    def put(self, text):
        for char in text:
            if self.row < self.lines and self.column < self.columns:
                self.rows[self.row][self.column] = char
            self.column += 1

    def clear(self, row, start, end):
        if row < self.lines:
            for column in range(start, min(end, self.columns)):
                self.rows[row][column] = " "

    def control(self, numbers, what):
        n = int(numbers[0] or 0) if numbers[0].isdigit() else 0
        if what == b"H":
            self.row = max(n, 1) - 1
            self.column = max(int(numbers[1]), 1) - 1 if numbers[1:] else 0
        elif what == b"r":
            self.region = (max(n, 1) - 1,
                           int(numbers[1]) - 1 if numbers[1:] else
                           self.lines - 1)
            self.row = self.column = 0
        elif what == b"J":
            self.clear(self.row, self.column if n == 0 else 0, self.columns)
            for row in range(self.row + 1 if n == 0 else 0, self.lines):
                self.clear(row, 0, self.columns)
        elif what == b"K":
            if n == 1:
                self.clear(self.row, 0, self.column + 1)
            else:
                self.clear(self.row, self.column, self.columns)
        elif what in b"ABCD":
            step = max(n, 1)
            self.row += {b"A": -step, b"B": step}.get(what, 0)
            self.column += {b"C": step, b"D": -step}.get(what, 0)

    def step(self, by):
        """Down or up a row; at the region's edge what is in it scrolls."""
        first, last = self.region
        blank = [" "] * self.columns
        if by > 0 and self.row == last < self.lines:
            del self.rows[first]
            self.rows.insert(last, blank)
        elif by < 0 and self.row == first and last < self.lines:
            del self.rows[last]
            self.rows.insert(first, blank)
        else:
            self.row += by

    def feed(self, data):
        # What is cut off in the middle waits for its end.
        data = self.rest + data
        cut = data.rfind(b"\x1b")
        keep = cut >= 0 and len(data) - cut < 12 and not re.match(
            rb"\x1b(\[[?\d;]*[A-Za-z]|[()].|[^\[()])", data[cut:])
        self.rest, data = (data[cut:], data[:cut]) if keep else (b"", data)
        for token in TOKEN.finditer(data):
            numbers, what, up, text, char = token.groups()
            if what:
                self.control(numbers.decode().split(";"), what)
            elif up:
                self.step(-1)
            elif text:
                self.put(text.decode())
            elif char == b"\r":
                self.column = 0
            elif char == b"\n":
                self.step(1)
            elif char == b"\b":
                self.column -= 1
            elif char == b"\t":
                self.column = (self.column // 8 + 1) * 8

    def read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.feed(os.read(self.master, 65536))


class Top(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        self.vms = {}

    def tearDown(self):
        for vm in self.vms.values():
            vm.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, mood, cpus):
        vm = vmrun.Vm(vmrun.lull_command(LULL, MOODS, cpus=cpus, memory="128M",
                                         extra=["--name", name]))
        self.vms[name] = vm
        self.assertTrue(vm.expect(b"MOODS", PATIENCE), vm.text())
        vm.send(mood)
        self.assertTrue(vm.expect(b"mood .\r?\n", PATIENCE), vm.text())
        return vm

    def call(self, *words):
        return subprocess.run([LULL, "top", *words], capture_output=True,
                              stdin=subprocess.DEVNULL, text=True,
                              timeout=PATIENCE)


class Tables(Top):
    def test_nobody(self):
        done = self.call("--once", "--interval", "0.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("No VM is running", done.stdout)

    def test_bad_options(self):
        for words in [("--sort", "size"), ("--interval", "0"), ("name",),
                      ("--interval", "x"), ("--nonsense",)]:
            with self.subTest(words=words):
                done = self.call(*words)
                self.assertEqual(done.returncode, 1)
                self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_tables(self):
        self.start("quiet", "w", 2)
        self.start("busy", "b", 1)
        self.start("half", "n", 2)
        # No terminal: one table, as with --once.
        done = self.call()
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("3 VMs, 5 vCPUs", lines[0])
        self.assertEqual(len(lines), 3 + 3 + 5)
        for line in lines:
            self.assertLessEqual(len(line), 80)
        self.assertTrue(lines[3].startswith("busy "), done.stdout)
        self.assertRegex(lines[4], r"^  0 +\[#+[^#]*\] ")
        order = [line.split()[0] for line in self.call(
            "--once", "--sort", "name").stdout.splitlines()[3:]
            if not line.startswith(" ")]
        self.assertEqual(order, ["busy", "half", "quiet"])
        self.assertIn("  1              off", done.stdout)
        data = json.loads(self.call("--json").stdout)
        self.assertEqual(sorted(vm["name"] for vm in data),
                         ["busy", "half", "quiet"])
        by = {vm["name"]: vm for vm in data}
        self.assertGreater(by["busy"]["cpus"][0]["states_percent"]["run"],
                           by["quiet"]["cpus"][0]["states_percent"]["run"])
        self.assertGreater(by["quiet"]["cpus"][0]["wakes_per_s"]["timer"], 0)
        self.assertEqual(by["half"]["cpus"][1]["power"], "off")

    def test_batch(self):
        self.start("quiet", "w", 2)
        child = subprocess.Popen([LULL, "top", "--batch", "--interval", "0.2"],
                                 stdout=subprocess.PIPE, text=True)
        tables = 0
        while tables < 3:
            tables += child.stdout.readline().startswith("lull top: 1 VM")
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(PATIENCE), -signal.SIGINT)
        child.stdout.close()


@unittest.skipUnless(CURSES, "built without ncurses")
class Live(Top):
    def setUp(self):
        super().setUp()
        self.start("quiet", "w", 2)
        self.start("busy", "b", 1)
        self.master, self.slave = pty.openpty()
        self.screen = Screen(self.master, 80, 24)
        self.before = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen(
            [LULL, "top", "--interval", "0.3"], stdin=self.slave,
            stdout=self.slave, stderr=self.slave, start_new_session=True,
            env={**os.environ, "TERM": "vt100"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def tearDown(self):
        self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)
        super().tearDown()

    def shows(self, *patterns):
        """Until the screen matches all of them at the same time."""
        end = time.monotonic() + PATIENCE
        while not all(re.search(one, self.screen.text(), re.MULTILINE)
                      for one in patterns):
            self.assertLess(time.monotonic(), end,
                            f"{patterns}\n{self.screen.text()}")
            self.screen.read(0.1)

    def press(self, key):
        os.write(self.master, key)

    def resize(self, columns, lines):
        self.screen.resize(columns, lines)
        self.child.send_signal(signal.SIGWINCH)

    def quits(self):
        self.press(b"q")
        end = time.monotonic() + PATIENCE
        while self.child.poll() is None:
            self.assertLess(time.monotonic(), end)
            self.screen.read(0.05)
        self.assertEqual(self.child.returncode, 0)
        self.assertEqual(termios.tcgetattr(self.slave), self.before)

    def test_vms_come_and_go(self):
        self.shows(r"^lull top: 2 VMs, 3 vCPUs", r"^busy .*(\n.*)+^quiet ",
                   r"^  0 +\[#+", r"^  1 +\[", r"^ q quits")
        self.start("third", "n", 1)
        self.shows(r"^lull top: 3 VMs", r"^third ")
        self.vms["quiet"].kill()
        self.shows(r"^lull top: 2 VMs, 2 vCPUs", r"^third ", NO_QUIET)
        self.vms["third"].kill()
        self.vms["busy"].kill()
        self.shows(r"No VM is running")
        self.quits()

    def test_keys(self):
        self.shows(r"^busy .*(\n.*)+^quiet ")
        self.press(b"w")
        self.shows("by wake-ups", r"^quiet .*(\n.*)+^busy ")
        self.press(b"n")
        self.shows("by name", r"^busy .*(\n.*)+^quiet ")
        self.press(b"l")
        self.shows("by lateness", r"^quiet .*(\n.*)+^busy ")
        self.press(b"c")
        self.shows("by CPU", r"^busy .*(\n.*)+^quiet ")
        self.press(b"v")
        self.shows(r"^busy .*\nquiet ")
        self.press(b"v")
        self.shows(r"^busy .*\n  0 ")
        self.press(b"?\x1b[")
        self.shows(r"^busy .*\n  0 ")
        self.quits()

    def test_sizes(self):
        self.shows(r"^busy ")
        self.resize(132, 10)
        self.shows(r"^VM, VCPU.{105,}LATE us$", r"^busy ", r"^ q quits")
        # Two of five lines fit: the others by scrolling.
        self.resize(80, 6)
        self.shows(r"^busy ", r"^VM, VCPU", NO_QUIET)
        self.press(b"\x1bOB" * 3)
        self.shows(r"^VM, VCPU.*\n  0 .*\n  1 ")
        self.press(b"\x1bOA" * 9)
        self.shows(r"^busy ")
        for size in [(20, 3), (1, 1), (200, 50), (80, 24)]:
            self.resize(*size)
            self.screen.read(0.3)
            self.assertIsNone(self.child.poll())
        self.shows(r"^lull top: 2 VMs", r"^busy ", r"^ q quits")
        self.quits()

    def test_vm_that_does_not_answer(self):
        self.shows(r"^quiet +idle")
        os.kill(self.vms["quiet"].pid, signal.SIGSTOP)
        try:
            self.shows(r"^quiet +does not answer", r"^busy +idle")
        finally:
            os.kill(self.vms["quiet"].pid, signal.SIGCONT)
        self.shows(r"^quiet +idle")
        self.quits()

    def test_unknown_terminal(self):
        done = subprocess.run(
            [LULL, "top"], stdin=self.slave, stdout=self.slave,
            stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
            env={**os.environ, "TERM": "no-such-terminal"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such-terminal", done.stderr)


if __name__ == "__main__":
    LULL, MOODS = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
