"""Run a guest under Lull or QEMU, talk to its console, and read what the
process costs from /proc. The demo, the benchmarks and the boot tests use it.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READY = rb"LULL-GUEST-READY nproc=(\d+) uptime=([\d.]+)"

sys.path.insert(0, str(ROOT / "scripts"))


def lull_command(lull, kernel, initrd=None, append="", cpus=1, memory="512M",
                 idle=None, forward=None, extra=()):
    """`forward`: a port of the host's, and the guest's for it."""
    command = [str(lull), "run", "--kernel", str(kernel), "--cpus",
               str(cpus), "--memory", memory, "--console", "stdio",
               "--no-reboot"]
    if initrd:
        command += ["--initrd", str(initrd)]
    if append:
        command += ["--append", append]
    if idle:
        command += ["--idle", idle]
    if forward:
        command += ["--net", "user,forward=tcp:127.0.0.1:{}-:{}".format(
            *forward)]
    return command + list(extra)


def qemu_command(qemu, kernel, initrd=None, append="", cpus=1, memory="512M",
                 cpu="cortex-a57", forward=None, extra=()):
    """The fair peer: plain `-cpu max` computes pointer authentication the
    slow way."""
    command = [qemu, "-M", "virt,gic-version=3", "-cpu", cpu, "-smp",
               str(cpus), "-m", memory, "-display", "none", "-monitor",
               "none", "-serial", "stdio", "-nic", "none", "-no-reboot",
               "-kernel", str(kernel)]
    if forward:
        command += ["-netdev", "user,id=n,hostfwd=tcp:127.0.0.1:{}-:{}".format(
            *forward), "-device", "virtio-net-device,netdev=n"]
    if initrd:
        command += ["-initrd", str(initrd)]
    if append:
        command += ["-append", append]
    return command + list(extra)


def find_qemu():
    return shutil.which("qemu-system-aarch64")


def qemu_version(qemu):
    text = subprocess.run([qemu, "--version"], capture_output=True,
                          text=True).stdout
    found = re.search(r"version (\S+)", text)
    return found.group(1) if found else "unknown"


class Cost:
    """What a process has used so far."""

    def __init__(self, pid):
        self.when = time.monotonic()
        # A process's CPU clock, nanoseconds, threads that ended included.
        self.cpu_s = time.clock_gettime(~pid << 3 | 2)
        self.switches = {}
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                text = (task / "status").read_text()
            except OSError:
                continue
            found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text,
                              re.MULTILINE)
            self.switches[task.name] = int(found.group(1))

    def since(self, before):
        """CPU in percent of one core, and wake-ups a second."""
        seconds = self.when - before.when
        wakes = sum(count - before.switches.get(task, 0)
                    for task, count in self.switches.items())
        return {
            "seconds": seconds,
            "cpu_percent": 100 * (self.cpu_s - before.cpu_s) / seconds,
            "wakeups_per_s": wakes / seconds,
        }


def resident_mib(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


class Vm:
    """One running guest. Use it in a with statement: it is ended there."""

    def __init__(self, command, echo=False):
        self.command = command
        self.echo = echo
        self.output = b""
        self.exit_code = None
        self.cpu_s = None
        self.wall_s = None
        self.max_rss_mib = None
        self._news = threading.Condition()
        self._closed = False
        self.started = time.monotonic()
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.pid = self._child.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _read(self):
        while data := os.read(self._child.stdout.fileno(), 65536):
            if self.echo:
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
            with self._news:
                self.output += data
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def text(self):
        return self.output.decode(errors="replace")

    def until(self, test, timeout):
        """What test finds in the output, None when the output ends or the
        time is over first."""
        end = time.monotonic() + timeout
        with self._news:
            while not (found := test(self.output)):
                left = end - time.monotonic()
                if left <= 0 or self._closed:
                    return None
                self._news.wait(left)
        return found

    def expect(self, pattern, timeout):
        return self.until(re.compile(pattern).search, timeout)

    def send(self, text):
        self._child.stdin.write(text.encode())
        self._child.stdin.flush()

    def cost(self):
        return Cost(self.pid)

    def wait(self, timeout):
        """The exit code, or None when it still runs after the time given."""
        end = time.monotonic() + timeout
        pause = 0.001
        while self.exit_code is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.wall_s = time.monotonic() - self.started
                self.cpu_s = usage.ru_utime + usage.ru_stime
                self.max_rss_mib = usage.ru_maxrss / 1024
                self.exit_code = os.waitstatus_to_exitcode(status)
                self._child.returncode = self.exit_code
                self._reader.join(5)
            elif time.monotonic() > end:
                return None
            else:
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
        return self.exit_code

    def kill(self):
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGTERM)
            if self.wait(3) is None:
                os.kill(self.pid, signal.SIGKILL)
                self.wait(10)
        self._child.stdin.close()
        self._child.stdout.close()
