#!/usr/bin/env python3
"""idle4.py LULL IMAGE: four vCPUs come up, tick, message each other, end."""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import vmrun  # noqa: E402


def main():
    lull, image = sys.argv[1:]
    with vmrun.Vm(vmrun.lull_command(lull, image, cpus=4,
                                     memory="128M")) as vm:
        ready = vm.expect(vmrun.READY, 60)
        if not ready or ready.group(1) != b"4":
            sys.exit(f"not all vCPUs came up:\n{vm.text()}")
        vm.send("x")
        code = vm.wait(60)
        if code != 0 or "ticks and SGIs" not in vm.text():
            sys.exit(f"exit code {code}:\n{vm.text()}")


if __name__ == "__main__":
    main()
