"""Which FP, SIMD and crypto words are allocated: ours against LLVM's.

usage: decode_check.py FP_DECODES LLVM_MC [words per class [seed]]

LLVM's disassembler is told the features that our ID registers show. Words are
random within every encoding class, most of them unallocated.
"""
import os
import random
import re
import shlex
import shutil
import subprocess
import sys

FEATURES = "+v8a,+fp-armv8,+neon,+aes,+sha2,+dotprod"

# Fixed bits, and x for any.
CLASSES = """
x0x11110xx1xxxxxxxxx10xxxxxxxxxx
00011110xx1xxxxxx10000xxxxxxxxxx
00011110xx1xxxxxxx1000xxxxxxxxxx
00011110xx1xxxxxxxx100xxxxxxxxxx
00011110xx1xxxxxxxxx01xxxxxxxxxx
00011110xx1xxxxxxxxx11xxxxxxxxxx
00011111xxxxxxxxxxxxxxxxxxxxxxxx
x0x11110xx0xxxxxxxxxxxxxxxxxxxxx
x0011110xx1xxxxx000000xxxxxxxxxx
x0x1111xxxxxxxxxxxxxxxxxxxxxxxxx
0x001110xx10100xxxxx10xxxxxxxxxx
0101111000xxxxxxxxxx00xxxxxxxxxx
01x1111000101000xxxx10xxxxxxxxxx
01x11110xx10000xxxxx10xxxxxxxxxx
01x11110xx11000xxxxx10xxxxxxxxxx
01x11110xx1xxxxxxxxx00xxxxxxxxxx
01x11110xx1xxxxxxxxxx1xxxxxxxxxx
01x11110xx0xxxxxxxxxxxxxxxxxxxxx
01x111110xxxxxxxxxxxx1xxxxxxxxxx
01x11111xxxxxxxxxxxxx0xxxxxxxxxx
0x00111000xxxxxx0xxx00xxxxxxxxxx
0x001110xx0xxxxx0xxx10xxxxxxxxxx
0x10111000xxxxxx0xxxx0xxxxxxxxxx
0xx0111000xxxxxxxxxxx1xxxxxxxxxx
0xx01110xx0xxxxx1xxxx1xxxxxxxxxx
0xx01110xx0xxxxxxxxxxxxxxxxxxxxx
0xx01110xx10000xxxxx10xxxxxxxxxx
0xx01110xx11000xxxxx10xxxxxxxxxx
0xx01110xx1xxxxxxxxx10xxxxxxxxxx
0xx01110xx1xxxxxxxxx00xxxxxxxxxx
0xx01110xx1xxxxxxxxxx1xxxxxxxxxx
0xx0111100000xxxxxxxx1xxxxxxxxxx
0xx011110xxxxxxxxxxxx1xxxxxxxxxx
0xx01111xxxxxxxxxxxxx0xxxxxxxxxx
1xx0111xxxxxxxxxxxxxxxxxxxxxxxxx
xxxx111xxxxxxxxxxxxxxxxxxxxxxxxx
""".split()


def words(per_class, seed):
    rng = random.Random(seed)
    found = set()
    for bits in CLASSES:
        fixed = int(bits.replace("x", "0"), 2)
        free = int(bits.replace("1", "0").replace("x", "1"), 2)
        for _ in range(per_class):
            found.add(fixed | rng.getrandbits(32) & free)
    return sorted(found)


def theirs(llvm_mc, ws):
    """The line numbers, from 1, of the words that LLVM calls invalid."""
    lines = (" ".join("0x%02x" % b for b in w.to_bytes(4, "little"))
             for w in ws)
    run = subprocess.run(
        [llvm_mc, "--disassemble", "-triple=aarch64", "-mattr=" + FEATURES],
        input="\n".join(lines), capture_output=True, text=True, check=True)
    return {int(n) for n in re.findall(
        r"<stdin>:(\d+):\d+: warning: (?:invalid|potentially)", run.stderr)}


def main():
    fp_decodes, llvm_mc = sys.argv[1:3]
    per_class = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    if not shutil.which(llvm_mc):
        print("skipped: llvm-mc is not installed")
        return 77
    ws = words(per_class, seed)
    invalid = theirs(llvm_mc, ws)
    ours = subprocess.run(
        shlex.split(os.environ.get("MESON_EXE_WRAPPER", "")) + [fp_decodes],
        input="\n".join("%x" % w for w in ws),
        capture_output=True, text=True, check=True).stdout.split()
    bad = [w for i, w in enumerate(ws)
           if (i + 1 not in invalid) != (ours[i] == "1")]
    for w in bad[:20]:
        print("%08x: LLVM and we disagree" % w)
    print("%d words, %d allocated, %d disagreements"
          % (len(ws), ours.count("1"), len(bad)))
    return 1 if bad or ours.count("1") == 0 else 0


sys.exit(main())
