#!/usr/bin/env python3
"""A monitor made to misbehave: its main thread, stopped where it waits, is
made to call the kernel: to open files, run a program, reach the network.

    sandbox.py LULL IDLE4.BIN

Exit code 77 (skipped, to meson) on a host that is no x86-64 Linux, or where
nothing contains the process: a sanitizer's build, a kernel without Landlock or
seccomp.
"""
import ctypes
import errno
import json
import os
import platform
import shutil
import signal
import socket
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

OPEN, SOCKET, FORK, EXECVE = 2, 41, 57, 59
IO_URING_SETUP, IO_URING_REGISTER = 425, 427
MKDIR, CHMOD = 83, 90
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS = 9, 12, 13
PTRACE_ATTACH, PTRACE_DETACH = 16, 17


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64."""
    _fields_ = [(name, ctypes.c_int64) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax "
        "rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()]


class Puppet:
    """A process whose main thread waits in the kernel; it calls the kernel
    from the same place for us, and then goes on as if nothing had been."""

    def __init__(self, pid):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long,
                                     ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long

    def __enter__(self):
        self.ptrace(PTRACE_ATTACH)
        os.waitpid(self.pid, 0)
        self.saved = self.registers()
        return self

    def __exit__(self, *_):
        try:
            self.set_registers(self.saved)
            self.ptrace(PTRACE_DETACH)
        except OSError:
            pass  # it is dead, which was the point

    def ptrace(self, request, data=None):
        if self.libc.ptrace(request, self.pid, None, data) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def registers(self):
        registers = Registers()
        self.ptrace(PTRACE_GETREGS, ctypes.byref(registers))
        return registers

    def set_registers(self, registers):
        self.ptrace(PTRACE_SETREGS, ctypes.byref(registers))

    def poke(self, address, data):
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(address)
            memory.write(data)

    def call(self, number, *arguments):
        """The result, or None when it killed the process. A string is put
        where the stack has not grown to."""
        registers = Registers.from_buffer_copy(self.saved)
        words = [0, 0, 0]
        for i, value in enumerate(arguments):
            if isinstance(value, str):
                words[i] = self.saved.rsp - 8192 + 1024 * i
                self.poke(words[i], value.encode() + b"\0")
            else:
                words[i] = value
        registers.rax, registers.orig_rax = number, -1
        registers.rdi, registers.rsi, registers.rdx = words
        registers.rip -= 2  # the SYSCALL it waits in
        self.set_registers(registers)
        self.ptrace(PTRACE_SINGLESTEP)
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            self.ended_by = os.WTERMSIG(status)
            return None
        return self.registers().rax


class Sandbox(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def machine(self, *more):
        vm = vmrun.Vm(vmrun.lull_command(LULL, IDLE4, cpus=4, memory="128M",
                                         extra=("--name", "caught", *more)))
        self.addCleanup(vm.kill)
        return vm

    def stat(self):
        for _ in range(PATIENCE * 10):
            done = subprocess.run([LULL, "stat", "caught", "--json",
                                   "--interval", "0"],
                                  capture_output=True, text=True)
            if done.returncode == 0:
                return json.loads(done.stdout)
            time.sleep(0.1)
        self.fail(done.stderr)

    def in_force(self):
        return self.stat()["settings"]["sandbox"]["value"]

    def test_files(self):
        vm = self.machine()
        if "landlock" not in self.in_force():
            self.skipTest("no Landlock here")
        with Puppet(vm.pid) as puppet:
            for path, flags in ("/etc/passwd", os.O_RDONLY), (
                    IDLE4, os.O_RDWR), ("/proc/self/mem", os.O_RDWR):
                self.assertEqual(puppet.call(OPEN, path, flags),
                                 -errno.EACCES, path)
            self.assertGreaterEqual(puppet.call(OPEN, IDLE4, os.O_RDONLY), 0,
                                    "a reset reads the kernel")
        self.stat()  # it lives, and answers

    def test_programs_and_sockets(self):
        vm = self.machine()
        if "seccomp" not in self.in_force():
            self.skipTest("no seccomp filter here")
        with Puppet(vm.pid) as puppet:
            for family in socket.AF_UNIX, socket.AF_INET:
                self.assertEqual(puppet.call(SOCKET, family, 1, 0),
                                 -errno.EPERM, family)
            self.assertEqual(puppet.call(FORK), -errno.EPERM)
        self.stat()
        with Puppet(vm.pid) as puppet:
            self.assertIsNone(puppet.call(EXECVE, "/bin/true", 0, 0))
            self.assertEqual(puppet.ended_by, signal.SIGSYS)
        vm.exit_code = vm._child.returncode = -signal.SIGSYS  # waited for

    def test_network_of_another_process(self):
        """Its socket is open: no other is needed, nor to be had."""
        path = self.folder / "net"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            vm = self.machine("--net", f"unix:{path}")
            if "seccomp" not in self.in_force():
                self.skipTest("no seccomp filter here")
            with Puppet(vm.pid) as puppet:
                for family in socket.AF_UNIX, socket.AF_INET:
                    self.assertEqual(puppet.call(SOCKET, family, 1, 0),
                                     -errno.EPERM, family)
            self.stat()
            self.assertIsNotNone(self.connector_of(vm))

    def test_rings(self):
        """What a disk's own ring lets through: src/dev/host/disk_ring_test.c.
        Another cannot be had."""
        (self.folder / "disk").write_bytes(bytes(1 << 20))
        vm = self.machine("--disk", str(self.folder / "disk"))
        if "seccomp" not in self.in_force():
            self.skipTest("no seccomp filter here")
        print(self.stat()["settings"]["disk0-aio"])
        with Puppet(vm.pid) as puppet:
            parameters = puppet.saved.rsp - 8192
            puppet.poke(parameters, bytes(256))
            self.assertEqual(puppet.call(IO_URING_SETUP, 8, parameters),
                             -errno.EPERM)
            self.assertEqual(puppet.call(IO_URING_REGISTER, 0, 2, 0),
                             -errno.EPERM)
        self.stat()

    def test_shares(self):
        """What is shared can be opened as it is shared, and nothing beside
        it; nor can a mode be changed by a name, which Landlock does not see."""
        for name in "rw", "ro", "other":
            (self.folder / name).mkdir()
            (self.folder / name / "file").write_text("text")
        vm = self.machine("--share", f"{self.folder}/rw:one",
                          "--share", f"{self.folder}/ro:two,ro")
        if "landlock" not in self.in_force():
            self.skipTest("no Landlock here")
        with Puppet(vm.pid) as puppet:
            for name, flags, good in (("rw/file", os.O_RDWR, True),
                                      ("ro/file", os.O_RDONLY, True),
                                      ("ro/file", os.O_RDWR, False),
                                      ("rw/../other/file", 0, False),
                                      ("other/file", os.O_RDONLY, False)):
                path = f"{self.folder}/{name}"
                self.assertEqual(puppet.call(OPEN, path, flags) >= 0, good,
                                 (name, flags))
            for number in MKDIR, CHMOD:
                self.assertLess(puppet.call(number, f"{self.folder}/other/x",
                                            0o777), 0)
            self.assertEqual(puppet.call(CHMOD, f"{self.folder}/other/file",
                                         0o777), -errno.EPERM)
        self.stat()

    def connector_of(self, vm):
        """Who connects for a machine: no child of its, but of its session,
        and with the same command line."""
        mine = Path(f"/proc/{vm.pid}/cmdline").read_bytes()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if process.name != str(vm.pid) and \
                        (process / "cmdline").read_bytes() == mine:
                    return process
            except OSError:
                pass  # it has just ended
        return None

    def test_connector(self):
        """It connects for a contained machine, and can do less than that."""
        vm = self.machine("--vsock", f"3,to-host=1:{self.folder}/a")
        in_force = self.in_force()
        process = self.connector_of(vm)
        self.assertIsNotNone(process, "there is no connector")
        left = [os.readlink(fd) for fd in (process / "fd").iterdir()]
        self.assertEqual(len(left), 1, left)
        if "seccomp" in in_force:
            status = (process / "status").read_text()
            self.assertIn("Seccomp:\t2", status)
            with Puppet(int(process.name)) as puppet:
                self.assertEqual(puppet.call(SOCKET, socket.AF_INET, 1, 0),
                                 -errno.EPERM)
                self.assertEqual(puppet.call(FORK), -errno.EPERM)
                if "landlock" in in_force:
                    self.assertEqual(puppet.call(OPEN, IDLE4, os.O_RDONLY),
                                     -errno.EACCES)
        vm.kill()
        for _ in range(PATIENCE * 10):
            if not process.exists():
                return
            time.sleep(0.1)
        self.fail("the connector outlives its machine")

    def test_off(self):
        vm = self.machine("--sandbox", "off")
        settings = self.stat()["settings"]["sandbox"]
        self.assertEqual(settings, {"value": "off", "source": "--sandbox"})
        with Puppet(vm.pid) as puppet:
            self.assertGreaterEqual(puppet.call(OPEN, "/etc/passwd", 0), 0,
                                    "then this test shows nothing")

    def test_bad_value(self):
        done = subprocess.run([LULL, "run", "--kernel", IDLE4, "--sandbox",
                               "maybe"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--sandbox maybe: give on or off", done.stderr)


def main():
    global LULL, IDLE4
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    LULL, IDLE4 = sys.argv[1:]
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("no x86-64 Linux: skipped")
        return 77
    ran = unittest.main(argv=sys.argv[:1], exit=False).result
    if not ran.wasSuccessful():
        return 1
    return 77 if len(ran.skipped) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
