#!/usr/bin/env python3
"""command.py LULL IDLE4.BIN: the command as scripts and people meet it.

Exit codes, one clear line for every bad option or file, pipes, a terminal that
is given back, the commands that find a running VM. The guest is idle4, which
powers off at the first byte on its UART.
"""
import fcntl
import gzip
import json
import os
import pty
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

LULL, IDLE4 = None, None
PATIENCE = 60


def image_header(size):
    """An arm64 Image's header that claims `size` bytes of memory."""
    return struct.pack("<IIQQQQQQII", 0x14000010, 0, 0, size, 0xa, 0, 0, 0,
                       0x644d5241, 0)


class Command(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, content, name="file"):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def call(self, *words):
        return subprocess.run([LULL, *map(str, words)], capture_output=True,
                              stdin=subprocess.DEVNULL, text=True,
                              timeout=PATIENCE)

    def idle4(self, *more):
        return vmrun.Vm(vmrun.lull_command(
            LULL, IDLE4, cpus=4, memory="128M", extra=more))


class BadInput(Command):
    """Everything here ends with code 1 and one line that names the culprit."""

    def refused(self, says, *words):
        done = self.call("run", *words)
        self.assertEqual(done.returncode, 1, (done.stdout, done.stderr))
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(says, lines[0])
        self.assertFalse(list(self.folder.rglob("*.sock")))

    def refused_kernel(self, content):
        path = self.file(content, "the-kernel")
        self.refused("the-kernel", "--kernel", path)

    def test_options(self):
        self.refused("--kernel")
        self.refused("--nonsense", "--nonsense")
        for option, values in {
                "--cpus": ["0", "65", "-1", "4x", "99999999999999999999", ""],
                "--memory": ["0", "1", "-5", "1Q", "99999999T", ""],
                "--idle": ["nap", "park,share=2000", "park,depth=3"],
                "--gic": ["v2"],
                "--vsock": ["", "2", "three", "3,to-host=1", "3,dir=",
                            "3,to-guest=1:/no-such/socket"],
                "--port": ["", "a", "=none", "a b=none", ".a=none",
                           "a=stdio"],
                "--name": ["../x", "", "a b", "x" * 65]}.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.refused(option, "--kernel", IDLE4, option, value)

    def test_console(self):
        self.refused("nowhere", "--kernel", IDLE4, "--console", "nowhere")
        for share in "/tmp", "/no-such:tag", "/tmp:a/b", f"{IDLE4}:tag":
            self.refused("--share " + share.split(":")[0], "--kernel", IDLE4,
                         "--share", share)
        self.refused("another share has the tag t", "--kernel", IDLE4,
                     "--share", "/tmp:t", "--share", "/:t,ro")
        self.refused(str(self.folder), "--kernel", IDLE4, "--console",
                     f"file:{self.folder}")

    def test_more_memory_than_there_is(self):
        self.refused("memory", "--kernel", IDLE4, "--memory", "1000000G")

    def test_missing_files(self):
        self.refused("no-such", "--kernel", self.folder / "no-such")
        self.refused("no-such", "--kernel", IDLE4, "--initrd",
                     self.folder / "no-such")
        self.refused(self.folder.name, "--kernel", self.folder)

    def test_empty_kernel(self):
        self.refused_kernel(b"")

    def test_kernel_larger_than_memory(self):
        self.refused_kernel(image_header(1 << 62) + bytes(4096))
        self.refused_kernel(image_header(600 << 20) + bytes(4096))

    def test_kernel_of_another_architecture(self):
        elf = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9))
        elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1,
                           0, 0, 0)
        self.refused_kernel(bytes(elf) + bytes(4096))

    def test_elf_that_points_anywhere(self):
        head = b"\x7fELF\x02\x01\x01" + bytes(9)
        head += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 64, 0, 0, 64, 56,
                            1, 0, 0, 0)
        for offset, address, filled, size in [
                (0, 0x40000000, 1 << 60, 1 << 60),
                (1 << 63, 0x40000000, 4096, 4096),
                (0, 0xffffffffffffff00, 4096, 4096),
                (0, 0x40000000, 16, 1 << 50), (0, 0, 16, 16)]:
            with self.subTest(offset=offset, address=address, size=size):
                self.refused_kernel(head + struct.pack(
                    "<IIQQQQQQ", 1, 7, offset, address, address, filled,
                    size, 1) + bytes(4096))

    def test_truncated_gzip(self):
        whole = gzip.compress(os.urandom(100000))
        self.refused_kernel(whole[:5000])

    def test_initrd_without_room(self):
        big = self.folder / "big"
        with open(big, "wb") as file:
            file.truncate(200 << 20)
        self.refused("big", "--kernel", IDLE4, "--initrd", big, "--memory",
                     "128M")

    def test_name_in_use(self):
        with self.idle4("--name", "twin") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            done = self.call("run", "--kernel", IDLE4, "--name", "twin")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("twin", done.stderr)

    def test_unknown_command(self):
        for words in [(), ("fly",), ("stat", "nobody"), ("stop", "nobody"),
                      ("stop",)]:
            with self.subTest(words=words):
                done = self.call(*words)
                self.assertEqual(done.returncode, 1)
                self.assertNotEqual(done.stderr, "")


class Running(Command):
    def test_pipes_and_power_off(self):
        with self.idle4() as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            vm.send("x")
            self.assertEqual(vm.wait(PATIENCE), 0, vm.text())

    def test_interrupt(self):
        with self.idle4() as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            os.kill(vm.pid, signal.SIGINT)
            self.assertEqual(vm.wait(PATIENCE), 130, vm.text())
        self.assertFalse(list(self.folder.rglob("*.sock")))

    def test_stat_list_pause_stop(self):
        with self.idle4("--name", "one", "--idle", "halt") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            done = self.call("stat", "one", "--json", "--interval", "0")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIsInstance(json.loads(done.stdout), dict)
            self.assertIn("halt", done.stdout)
            self.assertIn("one", self.call("list").stdout)
            self.assertEqual(len(json.loads(
                self.call("list", "--json").stdout)), 1)
            self.assertEqual(self.call("pause", "one").returncode, 0)
            before = vm.cost()
            self.assertEqual(self.call("resume", "one").returncode, 0)
            self.assertGreaterEqual(vm.cost().cpu_s, before.cpu_s)
            done = self.call("stop", "one", "--timeout", "0.1")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(vm.wait(PATIENCE), 0)

    def test_stat_says_where_the_time_went(self):
        with self.idle4("--name", "one", "--append", "x=y") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            stat = json.loads(self.call("stat", "one", "--json").stdout)
            for cpu in stat["interval"]["cpus"]:
                self.assertAlmostEqual(sum(cpu["states_percent"].values()),
                                       100, delta=0.1)
            self.assertEqual(stat["settings"]["append"],
                             {"value": "x=y", "source": "--append"})
            # LULL may be what starts it, beside it.
            program = os.path.join(os.path.dirname(LULL), "lull")
            self.assertTrue(os.path.samefile(stat["program"], program))
            stat = json.loads(self.call("stat", "one", "--json", "--interval",
                                        "0").stdout)
            self.assertGreater(
                stat["interval"]["histograms"]["idle_length"]["count"], 0)
            shown = self.call("stat", "one", "--interval", "0").stdout
            for text in ("append=x=y (--append)", "idle_length", "park_",
                         "sleep: word word word word"):
                self.assertIn(text, shown)

    def test_stat_watch(self):
        self.assertEqual(self.call("stat", "--watch", "--interval",
                                   "0").returncode, 1)
        with self.idle4("--name", "one") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            child = subprocess.Popen(
                [LULL, "stat", "--watch", "--json", "--interval", "0.1"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            times = [json.loads(child.stdout.readline())["now_ns"]
                     for _ in range(3)]
            self.assertEqual(times, sorted(set(times)))
            vm.send("x")
            self.assertEqual(vm.wait(PATIENCE), 0)
            err = child.communicate(timeout=PATIENCE)[1]
            self.assertEqual(child.returncode, 1)
            self.assertIn("has ended", err)

    def test_socket_is_private(self):
        with self.idle4("--name", "shy") as vm:
            self.assertTrue(vm.expect(vmrun.READY, PATIENCE))
            socket = next(self.folder.rglob("shy*"))
            self.assertEqual(socket.stat().st_mode & 0o777, 0o600)
            self.assertEqual(socket.parent.stat().st_mode & 0o77, 0)


class Terminal(Command):
    """lull run on a pseudo-terminal."""

    def setUp(self):
        super().setUp()
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen(
            vmrun.lull_command(LULL, IDLE4, cpus=4, memory="128M"),
            stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.output = b""
        self.read_until(b"LULL-GUEST-READY")

    def tearDown(self):
        self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)
        super().tearDown()

    def read_until(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.output:
            ready, _, _ = select.select([self.master], [], [], 1)
            if ready:
                self.output += os.read(self.master, 4096)
            self.assertLess(time.monotonic(), end, self.output)

    def ended(self, *codes):
        self.assertIn(self.child.wait(PATIENCE), codes)
        self.assertEqual(termios.tcgetattr(self.slave), self.before)

    def test_raw_mode_and_back(self):
        mode = termios.tcgetattr(self.slave)[3]
        self.assertFalse(mode & (termios.ICANON | termios.ECHO))
        os.write(self.master, b"x")
        self.read_until(b"ticks and SGIs")
        self.ended(0)

    def test_escape_key(self):
        os.write(self.master, b"\x01x")
        self.ended(0)

    def test_killed_by_a_signal(self):
        self.child.send_signal(signal.SIGTERM)
        self.ended(143, -signal.SIGTERM)


if __name__ == "__main__":
    LULL, IDLE4 = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
