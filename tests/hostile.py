#!/usr/bin/env python3
"""A guest that programs every device at random (guests/hostile.c), with every
device there is: the machine lives, answers, and ends when it is told to.

    hostile.py LULL HOSTILE.BIN

HOSTILE_SECONDS says for how long; 8 without it.
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

LULL, HOSTILE = None, None
PATIENCE = 60
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "8"))


class Hostile(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="lull-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def devices(self):
        image = self.folder / "disk"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        for name in "share", "share2":
            (self.folder / name).mkdir()
        return ["--share", f"{self.folder}/share:one",
                "--share", f"{self.folder}/share2:two,ro",
                "--disk", str(image), "--disk", f"{image}2,ro",
                "--virtio-console", "file:/dev/null",
                "--port", "a=file:/dev/null", "--port", "b=none",
                "--vsock", f"3,dir={self.folder},"
                f"to-guest=1:{self.folder}/to-guest"]

    def machine(self, *more):
        (self.folder / "disk2").write_bytes(bytes(1 << 20))
        return vmrun.Vm(vmrun.lull_command(
            LULL, HOSTILE, cpus=4, memory="128M",
            extra=("--name", "hostile", *self.devices(), *more)))

    def stat(self):
        done = subprocess.run(
            [LULL, "stat", "hostile", "--json", "--interval", "0"],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def virtio(self):
        return {name: counts for name, counts in self.stat()["devices"].items()
                if "notifies" in counts}

    def test_machine_lives(self):
        net = ["--net", "user"] if self.has_network() else []
        with self.machine(*net) as vm:
            self.assertTrue(vm.expect(rb"hostile", PATIENCE), vm.text())
            before = self.virtio()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(min(2, SECONDS / 2))
                self.assertEqual(self.stat()["status"], "running")
            after = self.virtio()
            for name, counts in after.items():
                self.assertGreater(counts["notifies"],
                                   before[name]["notifies"], name)
                self.assertGreater(counts["broken"], 0, name)
            done = subprocess.run([LULL, "stop", "hostile", "--timeout", "0"],
                                  capture_output=True, text=True,
                                  timeout=PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(vm.wait(PATIENCE), 0, vm.text())
            print(json.dumps(after))

    def has_network(self):
        done = subprocess.run([LULL, "run", "--kernel", HOSTILE, "--net",
                               "user,forward=no"], capture_output=True,
                              text=True, timeout=PATIENCE)
        return "without libslirp" not in done.stderr


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    LULL, HOSTILE = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
