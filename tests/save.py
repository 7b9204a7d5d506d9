#!/usr/bin/env python3
"""save.py LULL IDLE4.BIN: `lull save` and `lull run --restore` as scripts and
people meet them.

The file is whole or not there, a file that is not what it should be is refused
with one line, and the VM goes on whatever happens. The guest is idle4, which
powers off at the first byte on its UART.
"""
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import vmrun  # noqa: E402

LULL, IDLE4 = None, None
PATIENCE = 60


def tool(*words):
    return subprocess.run(words, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


class Saving(unittest.TestCase):
    def setUp(self):
        # Short: the path of a Unix socket has to fit into 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        self.snapshot = self.folder / "snapshot"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *words):
        return subprocess.run([LULL, *map(str, words)], capture_output=True,
                              stdin=subprocess.DEVNULL, text=True,
                              timeout=PATIENCE)

    def done(self, *words):
        done = self.call(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def start(self, *more, name="one"):
        vm = vmrun.Vm(vmrun.lull_command(
            LULL, IDLE4, cpus=4, memory="64M", extra=("--name", name, *more)))
        self.addCleanup(vm.kill)
        self.await_state("running", name)
        return vm

    def restore(self, *more):
        vm = vmrun.Vm([LULL, "run", "--restore", str(self.snapshot),
                       *map(str, more)])
        self.addCleanup(vm.kill)
        return vm

    def state(self, name="one"):
        listed = json.loads(self.done("list", "--json"))
        return {vm["name"]: vm["status"] for vm in listed}.get(name)

    def await_state(self, state, name="one"):
        end = time.monotonic() + PATIENCE
        while self.state(name) != state:
            self.assertLess(time.monotonic(), end, f"{name} is not {state}")
            time.sleep(0.02)

    def ends(self, vm):
        """The guest is there: it answers to a byte."""
        vm.send("x")
        self.assertEqual(vm.wait(PATIENCE), 0, vm.text())

    def refused(self, says, *more):
        done = self.call("run", "--restore", self.snapshot, *more)
        self.assertEqual(done.returncode, 1, (done.stdout, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"^lull run: .*\n$")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(says, done.stderr)

    def saved(self, *more):
        vm = self.start(*more)
        self.done("save", "one", self.snapshot, "--stop")
        self.assertEqual(vm.wait(PATIENCE), 0, vm.text())
        return self.snapshot.read_bytes()


class RoundTrip(Saving):
    def test_ends_here_and_goes_on_there(self):
        self.saved()
        self.assertEqual(self.snapshot.stat().st_mode & 0o777, 0o600)
        vm = self.restore()
        self.await_state("running")
        self.ends(vm)

    def test_goes_on_here_and_there(self):
        here = self.start()
        self.done("save", "one", self.snapshot)
        self.assertEqual(self.state(), "running")
        there = self.restore("--name", "two")
        self.await_state("running", "two")
        self.ends(here)
        self.ends(there)

    def test_a_restored_one_is_saved_again(self):
        self.saved()
        for _ in range(3):
            vm = self.restore()
            self.await_state("running")
            self.done("save", "one", self.snapshot, "--stop")
            self.assertEqual(vm.wait(PATIENCE), 0)
        self.ends(self.restore())

    def test_a_paused_one_stays_paused(self):
        vm = self.start()
        self.done("pause", "one")
        self.done("save", "one", self.snapshot)
        self.assertEqual(self.state(), "paused")
        self.done("resume", "one")
        self.ends(vm)

    def test_json(self):
        self.start()
        said = json.loads(self.done("save", "one", self.snapshot, "--json"))
        self.assertEqual(said["bytes"], self.snapshot.stat().st_size)
        self.assertEqual(said["memory_bytes"], 64 << 20)
        self.assertLess(said["bytes"], 1 << 20)  # little of it was used
        self.assertFalse(said["ended"])

    def test_it_resets_when_restored(self):
        self.saved()
        vm = self.restore()
        self.await_state("running")
        count = len(vm.output)
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "lull/one.sock"))
            control.sendall(b'{"execute":"qmp_capabilities"}'
                            b'{"execute":"system_reset"}')
            self.assertTrue(vm.until(lambda out: len(out) > count, PATIENCE))
        self.ends(vm)


class Refused(Saving):
    def test_truncated_anywhere(self):
        whole = self.saved()
        lengths = {0, 1, 15, 16, 39, 40, 41, len(whole) - 1, len(whole) - 24}
        lengths |= {random.randrange(len(whole)) for _ in range(8)}
        for length in sorted(lengths):
            self.snapshot.write_bytes(whole[:length])
            self.refused("snapshot" if length < 16 else "truncated")

    def test_damaged_anywhere(self):
        whole = self.saved()
        for _ in range(10):
            bit = random.randrange(8 * len(whole))
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            self.snapshot.write_bytes(damaged)
            self.refused(str(self.snapshot) if bit < 128 else "--restore")

    def test_foreign(self):
        for content in (b"", b"\x7fELF" + bytes(100), bytes(4096)):
            self.snapshot.write_bytes(content)
            self.refused("this is no snapshot")
        self.snapshot.unlink()
        self.refused("No such file")
        self.snapshot.mkdir()
        self.refused("not a file")

    def test_another_version_or_more_than_a_file(self):
        whole = self.saved()
        header = whole[:8] + struct.pack("<I", 2)
        self.snapshot.write_bytes(
            header + struct.pack("<I", zlib.crc32(header)) + whole[16:])
        self.refused("of version 2")
        self.snapshot.write_bytes(whole + b"\0")
        self.refused("behind its end")

    def test_another_machine(self):
        self.saved()
        self.refused("--cpus", "--cpus", "2")
        self.refused("--memory", "--memory", "64M")
        self.refused("--kernel", "--kernel", IDLE4)
        self.refused("a network", "--net", "user")
        self.refused("a console", "--virtio-console", "none")
        self.refused("the snapshot has its guest", "debian")

    def test_the_name_is_taken(self):
        vm = self.start()
        self.done("save", "one", self.snapshot)
        self.refused("--name one")
        self.ends(vm)


class Disks(Saving):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.write_bytes(bytes(1 << 20))

    def test_as_it_was(self):
        os.chdir(self.folder)
        self.saved("--disk", "disk")  # which is found from anywhere
        os.chdir("/")
        self.ends(self.restore())

    def test_written_to_since(self):
        self.saved("--disk", str(self.disk))
        shutil.copyfile(self.disk, self.folder / "copy")
        self.disk.write_bytes(bytes(1 << 20))
        self.refused("was written to since")
        self.ends(self.restore("--disk", self.folder / "copy"))

    def test_another(self):
        self.saved("--disk", str(self.disk))
        other = self.folder / "other"
        other.write_bytes(bytes(2 << 20))
        self.refused("2097152 bytes", "--disk", other)
        self.refused("was writable", "--disk",
                     f"{self.disk},ro")
        self.refused("nothing in slot 4", "--disk", self.disk, "--disk", other)

    def test_a_note_for_who_goes_on_writing(self):
        self.start("--disk", str(self.disk))
        done = self.call("save", "one", self.snapshot)
        self.assertEqual(done.returncode, 0)
        self.assertIn("may write to its disks", done.stderr)


class Failing(Saving):
    def left(self):
        return [path.name for path in self.folder.iterdir()
                if path.name.startswith("snapshot")]

    def test_nobody_there(self):
        done = self.call("save", "nobody", self.snapshot)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.left(), [])

    def test_no_place_for_the_file(self):
        vm = self.start()
        for path in (self.folder, self.folder / "no/where"):
            done = self.call("save", "one", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(path), done.stderr)
        self.ends(vm)

    def test_ctrl_c(self):
        """While the VM, which is stopped, has not answered yet."""
        vm = self.start()
        self.snapshot.write_bytes(b"what was there before")
        os.kill(vm.pid, signal.SIGSTOP)
        saver = subprocess.Popen([LULL, "save", "one", str(self.snapshot)],
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        # It is greeted by nobody, so it can wait for that only: let it.
        time.sleep(0.3)
        saver.send_signal(signal.SIGINT)
        saver.communicate(timeout=PATIENCE)
        os.kill(vm.pid, signal.SIGCONT)
        self.assertIn(saver.returncode, (130, -signal.SIGINT))
        self.assertEqual(self.left(), ["snapshot"])
        self.assertEqual(self.snapshot.read_bytes(), b"what was there before")
        self.await_state("running")
        self.ends(vm)

    def test_a_full_disk(self):
        small = self.folder / "small"
        small.mkdir()
        if tool("mount", "-t", "tmpfs", "-o", "size=16k", "none",
                str(small)).returncode != 0:
            self.skipTest("not root: no file system to fill")
        try:
            vm = self.start()
            done = self.call("save", "one", small / "snapshot")
            self.assertEqual(done.returncode, 1)
            self.assertIn("No space left", done.stderr)
            self.assertEqual(list(small.iterdir()), [])
            self.assertEqual(self.state(), "running")
            self.ends(vm)
        finally:
            tool("umount", "-l", str(small))


class Client:
    """One that speaks the protocol, as far as it likes."""

    def __init__(self, folder):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(folder / "lull/one.sock"))
        self.socket.settimeout(PATIENCE)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, fds=(), **arguments):
        text = json.dumps({"execute": command, "arguments": arguments}).encode()
        socket.send_fds(self.socket, [text], fds)
        while "event" in (answer := json.loads(self.lines.readline())):
            pass
        return answer

    def save(self, action, fds=()):
        return self.ask("x-lull-save", fds, action=action)

    def close(self):
        self.lines.close()
        self.socket.close()


class Protocol(Saving):
    def setUp(self):
        super().setUp()
        self.vm = self.start()
        self.client = Client(self.folder)
        self.addCleanup(self.client.close)
        self.file = open(self.snapshot, "wb")
        self.addCleanup(self.file.close)

    def test_a_saver_that_goes_away(self):
        answer = self.client.save("start", [self.file.fileno()])
        self.assertFalse(answer["return"]["done"])
        self.assertEqual(self.state(), "paused")
        self.client.close()
        self.await_state("running")
        self.ends(self.vm)

    def test_what_others_may_not_do_meanwhile(self):
        self.client.save("start", [self.file.fileno()])
        other = Client(self.folder)
        for command in ("cont", "system_reset"):
            self.assertIn("being saved", other.ask(command)["error"]["desc"])
        self.assertIn("already", other.save("start", [self.file.fileno()])
                      ["error"]["desc"])
        self.assertIn("not you", other.save("step")["error"]["desc"])
        self.assertIn("return", other.ask("stop"))
        self.assertTrue(self.client.save("step")["return"]["done"])
        self.client.save("end")
        self.assertEqual(self.state(), "paused")  # as the other one wished
        other.ask("cont")
        other.close()
        self.ends(self.vm)

    def test_without_a_descriptor_or_with_a_bad_one(self):
        self.assertIn("descriptor", self.client.save("start")["error"]["desc"])
        with open("/dev/null", "rb") as null:
            answer = self.client.save("start", [null.fileno()])
        self.assertIn("the snapshot: ", answer["error"]["desc"])
        with open("/dev/full", "wb") as full:
            answer = self.client.save("start", [full.fileno()])
        self.assertIn("No space left", answer["error"]["desc"])
        for action in ("step", "end", "nonsense"):
            self.assertIn("error", self.client.save(action))
        self.assertEqual(self.state(), "running")
        self.ends(self.vm)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    LULL, IDLE4 = (str(Path(path).absolute()) for path in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
