"""What the guest is made to compute, and how one sees that it was right."""
import hashlib
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPENSSL_BYTES = 200003  # what guest/openssl.sh takes of the data disk

# Operations of each stressor for each vCPU. "all" goes through the methods one
# after the other in each instance, so that the number must be above theirs.
STRESSORS = [
    ("cpu", 80, "--cpu-method all"),
    ("vm", 2500, "--vm-bytes 16M --vm-method all"),
    ("fork", 100, ""),
    ("pipe", 10000, ""),
    ("timer", 2000, ""),
    ("atomic", 50, ""),
    ("mmap", 3, "--mmap-bytes 8M"),
    ("futex", 1000, ""),
    ("vecmath", 50, ""),
    ("vecwide", 50, ""),
    ("vecshuf", 25, "--vecshuf-method all"),
    ("vecfp", 45, "--vecfp-method all"),
    ("matrix", 1000, "--matrix-size 64 --matrix-method all"),
    ("matrix-3d", 200, "--matrix-3d-size 32 --matrix-3d-method all"),
]
# Python's tests; of decimal those of the module written in C.
PYTHON = ["int", "long", "float", "complex", "math", "cmath", "fractions",
          "struct", "array", "random", "strtod", "pow", "numeric_tower",
          "hashlib", "zlib", "decimal -m test.test_decimal.C*"]


class Wrong(Exception):
    """What is wrong with a check's output."""


class Check:
    """A program without threads computes the same on one vCPU and on four:
    once_a_round has it run on one of the counts, another each round."""

    def __init__(self, name, command, judge=None, patience_s=900,
                 once_a_round=False):
        self.name = name
        self.command = command
        self.judge = judge or (lambda output, cpus: None)
        self.patience_s = patience_s
        self.once_a_round = once_a_round


def stressor(name, operations, options):
    def judge(output, cpus):
        found = re.search(rf"metrc: \[\d+\] {name} +(\d+) ", output)
        done = int(found.group(1)) if found else 0
        if done < operations * cpus:
            raise Wrong(f"{done} operations of {operations * cpus}")

    return Check(f"stress-ng {name}",
                 f"/programs/stress.sh {name} {operations} {options}", judge)


def expect_lines(lines):
    def judge(output, cpus):
        said = set(output.split("\n"))
        for line in lines:
            if line not in said:
                raise Wrong(f"expected: {line}")

    return judge


def known_answers(data):
    """The same digests, computed on this side by two programs."""
    part = data.with_name("part")
    with open(data, "rb") as file:
        part.write_bytes(file.read(OPENSSL_BYTES))
    lines = subprocess.run(
        ["sh", HERE / "guest/digests.sh", part], capture_output=True,
        text=True, check=True).stdout.splitlines()
    for name in ("sha1", "sha256", "sha512"):
        digest = hashlib.new(name, part.read_bytes()).hexdigest()
        if f"{name} {digest}" not in lines:
            raise Wrong(f"openssl and Python differ on this host: {name}")
    return lines


def python(words):
    return Check(f"python test_{words.split()[0]}",
                 f"/programs/python.sh test_{words}",
                 expect_lines(["Tests result: SUCCESS"]), patience_s=1800,
                 once_a_round=True)


def table(data, digest):
    """All checks; data is the file behind the data disk."""
    whole = expect_lines([f"{digest}  -"])
    return [
        *(stressor(*row) for row in STRESSORS),
        Check("sha256sum", "/programs/large.sh", whole),
        Check("openssl digests", "/programs/openssl.sh digests",
              expect_lines(known_answers(data))),
        *(Check(f"openssl {name}", f"/programs/openssl.sh {name}")
          for name in ("tls", "sign", "speed")),
        *(Check(command, f"/programs/compress.sh {command}")
          for command in ("gzip -6", "bzip2", "xz -1 -T0", "zstd -3 -T0")),
        Check("compilers", "/programs/compile.sh"),
        *(python(words) for words in PYTHON),
    ]
