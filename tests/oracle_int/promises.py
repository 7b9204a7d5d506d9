"""Which instructions there are: what the ID registers promise, and no others.

usage: promises.py ENCODINGS LLVM_MC [step [seed]]

The ID registers are read as a guest reads them. Each field's value names the
features of LLVM's disassembler that it promises; LLVM, told these and no
others, says which words are instructions. Every value of a word's bits 31 to
10 (one in `step`; 1: all) is asked, with the low bits random, and the whole
space of system registers and instructions (all of it up to a step of 81).
"""
import os
import random
import re
import shlex
import shutil
import subprocess
import sys

# Fields: register, lowest bit, and for each value that may be promised LLVM's
# names of what it means. A field with a value that is not here is an error.
# "" where nothing is encoded, or where LLVM 14 has it in Armv8.0 already.
FIELDS = [
    ("ID_AA64PFR0", 0, "EL0", {1: ""}),
    ("ID_AA64PFR0", 4, "EL1", {1: ""}),
    ("ID_AA64PFR0", 8, "EL2", {0: "", 1: "el2vmsa"}),
    ("ID_AA64PFR0", 12, "EL3", {0: "", 1: "el3"}),
    ("ID_AA64PFR0", 16, "FP", {0: "fp-armv8", 1: "fp-armv8 fullfp16"}),
    ("ID_AA64PFR0", 20, "AdvSIMD", {0: "neon", 1: "neon fullfp16"}),
    ("ID_AA64PFR0", 24, "GIC", {0: "", 1: "", 3: ""}),
    ("ID_AA64PFR0", 28, "RAS", {0: "", 1: "ras"}),
    ("ID_AA64PFR0", 32, "SVE", {0: "", 1: "sve"}),
    ("ID_AA64PFR0", 36, "SEL2", {0: "", 1: "sel2"}),
    ("ID_AA64PFR0", 40, "MPAM", {0: "", 1: "mpam"}),
    ("ID_AA64PFR0", 44, "AMU", {0: "", 1: "am"}),
    ("ID_AA64PFR0", 48, "DIT", {0: "", 1: "dit"}),
    ("ID_AA64PFR0", 52, "RME", {0: "", 1: "rme"}),
    ("ID_AA64PFR0", 56, "CSV2", {0: "", 1: "", 2: "specrestrict"}),
    ("ID_AA64PFR0", 60, "CSV3", {0: "", 1: ""}),
    ("ID_AA64PFR1", 0, "BT", {0: "", 1: "bti"}),
    ("ID_AA64PFR1", 4, "SSBS", {0: "", 1: "", 2: "ssbs"}),
    ("ID_AA64PFR1", 8, "MTE", {0: "", 1: "mte", 2: "mte"}),
    ("ID_AA64PFR1", 24, "SME", {0: "", 1: "sme"}),
    ("ID_AA64ISAR0", 4, "AES", {0: "", 2: "aes"}),
    ("ID_AA64ISAR0", 8, "SHA1", {0: "", 1: "sha2"}),
    ("ID_AA64ISAR0", 12, "SHA2", {0: "", 1: "sha2", 2: "sha2 sha3"}),
    ("ID_AA64ISAR0", 16, "CRC32", {0: "", 1: "crc"}),
    ("ID_AA64ISAR0", 20, "Atomic", {0: "", 2: "lse"}),
    ("ID_AA64ISAR0", 24, "TME", {0: "", 1: "tme"}),
    ("ID_AA64ISAR0", 28, "RDM", {0: "", 1: "rdm"}),
    ("ID_AA64ISAR0", 32, "SHA3", {0: "", 1: "sha3"}),
    ("ID_AA64ISAR0", 36, "SM3", {0: "", 1: "sm4"}),
    ("ID_AA64ISAR0", 40, "SM4", {0: "", 1: "sm4"}),
    ("ID_AA64ISAR0", 44, "DP", {0: "", 1: "dotprod"}),
    ("ID_AA64ISAR0", 48, "FHM", {0: "", 1: "fp16fml"}),
    ("ID_AA64ISAR0", 52, "TS", {0: "", 1: "flagm", 2: "flagm altnzcv"}),
    ("ID_AA64ISAR0", 56, "TLB", {0: "", 1: "tlb-rmi", 2: "tlb-rmi"}),
    ("ID_AA64ISAR0", 60, "RNDR", {0: "", 1: "rand"}),
    ("ID_AA64ISAR1", 0, "DPB", {0: "", 1: "ccpp", 2: "ccpp ccdp"}),
    ("ID_AA64ISAR1", 4, "APA", {0: "", 1: "pauth"}),
    ("ID_AA64ISAR1", 8, "API", {0: "", 1: "pauth"}),
    ("ID_AA64ISAR1", 12, "JSCVT", {0: "", 1: "jsconv"}),
    ("ID_AA64ISAR1", 16, "FCMA", {0: "", 1: "complxnum"}),
    ("ID_AA64ISAR1", 20, "LRCPC", {0: "", 1: "rcpc", 2: "rcpc rcpc-immo"}),
    ("ID_AA64ISAR1", 24, "GPA", {0: "", 1: "pauth"}),
    ("ID_AA64ISAR1", 28, "GPI", {0: "", 1: "pauth"}),
    ("ID_AA64ISAR1", 32, "FRINTTS", {0: "", 1: "fptoint"}),
    ("ID_AA64ISAR1", 36, "SB", {0: "", 1: "sb"}),
    ("ID_AA64ISAR1", 40, "SPECRES", {0: "", 1: "predres"}),
    ("ID_AA64ISAR1", 44, "BF16", {0: "", 1: "bf16"}),
    ("ID_AA64ISAR1", 52, "I8MM", {0: "", 1: "i8mm"}),
    ("ID_AA64ISAR1", 56, "XS", {0: "", 1: "xs"}),
    ("ID_AA64ISAR1", 60, "LS64", {0: "", 1: "ls64"}),
    ("ID_AA64ISAR2", 0, "WFxT", {0: "", 2: "wfxt"}),
    ("ID_AA64ISAR2", 16, "MOPS", {0: "", 1: "mops"}),
    ("ID_AA64ISAR2", 20, "BC", {0: "", 1: "hbc"}),
    ("ID_AA64MMFR0", 0, "PARange", {2: ""}),
    ("ID_AA64MMFR0", 4, "ASIDBits", {2: ""}),
    ("ID_AA64MMFR0", 24, "TGran64", {15: ""}),
    ("ID_AA64MMFR1", 0, "HAFDBS", {0: "", 2: ""}),
    ("ID_AA64MMFR1", 8, "VH", {0: "", 1: "vh"}),
    ("ID_AA64MMFR1", 16, "LO", {0: "", 1: "lor"}),
    ("ID_AA64MMFR1", 20, "PAN", {0: "", 1: "pan", 2: "pan pan-rwv"}),
    ("ID_AA64MMFR2", 4, "UAO", {0: "", 1: "uaops"}),
    ("ID_AA64MMFR2", 20, "CCIDX", {0: "", 1: "ccidx"}),
    ("ID_AA64MMFR2", 24, "NV", {0: "", 1: "nv"}),
    ("ID_AA64MMFR2", 60, "E0PD", {0: "", 1: ""}),
    ("ID_AA64DFR0", 0, "DebugVer", {6: ""}),
    ("ID_AA64DFR0", 4, "TraceVer", {0: "", 1: "ete"}),
    ("ID_AA64DFR0", 8, "PMUVer", {0: "", 1: "perfmon"}),
    ("ID_AA64DFR0", 12, "BRPs", {5: ""}),
    ("ID_AA64DFR0", 20, "WRPs", {3: ""}),
    ("ID_AA64DFR0", 28, "CTX_CMPs", {1: ""}),
    ("ID_AA64DFR0", 32, "PMSVer", {0: "", 1: "spe"}),
    ("ID_AA64DFR0", 44, "TraceBuffer", {0: "", 1: "trbe"}),
]

# Where LLVM is not asked: mask, value, whether it executes.
EXCEPTIONS = [
    (0xffff0000, 0x00000000, 0),  # UDF: an instruction that is UNDEFINED
    (0xffe0001f, 0xd4400000, 0),  # HLT: UNDEFINED while no debugger halts
    (0xffe0001c, 0xd4a00000, 0),  # DCPS: UNDEFINED outside the Debug state
    (0xffffffff, 0xd6bf03e0, 0),  # DRPS: likewise
    (0xffe0001f, 0xd4000003, 1),  # SMC: without EL3 too it goes to the VMM
]


# What each feature brings, to be assembled: executes if it is promised, and is
# UNDEF if it is not.
INSTRUCTIONS = {
    "fp-armv8": """fadd d0, d1, d2; fmadd s0, s1, s2, s3; fcvt h0, s1;
        fcvt d0, h1; fcvtzs x0, d1; ldr q0, [x1]; fmov x0, v1.d[1]""",
    "neon": """add v0.4s, v1.4s, v2.4s; fmla v0.2d, v1.2d, v2.2d;
        ld4 {v0.16b, v1.16b, v2.16b, v3.16b}, [x1]; tbl v0.8b, {v1.16b}, v2.8b;
        pmull v0.8h, v1.8b, v2.8b; sqrdmulh s0, s1, s2""",
    "fullfp16": """fadd h0, h1, h2; fadd v0.8h, v1.8h, v2.8h; fcmp h0, h1;
        fccmp h0, h1, #0, eq; fcsel h0, h1, h2, eq; fmadd h0, h1, h2, h3;
        scvtf h0, w1; fcvtzs w0, h1; fmov h0, w1; fmov h0, #1.0;
        fmov v0.8h, #1.0; fmla v0.8h, v1.8h, v2.8h; fsqrt h0, h1;
        fmul h0, h1, v2.h[0]; fmaxv h0, v1.8h; faddp h0, v1.2h;
        frecpe h0, h1; fcmeq h0, h1, #0.0; ucvtf v0.4h, v1.4h, #3;
        scvtf h0, x1, #5; frinta v0.4h, v1.4h; fabd h0, h1, h2""",
    "aes": """aese v0.16b, v1.16b; aesd v0.16b, v1.16b; aesmc v0.16b, v1.16b;
        aesimc v0.16b, v1.16b; pmull v0.1q, v1.1d, v2.1d;
        pmull2 v0.1q, v1.2d, v2.2d""",
    "sha2": """sha1c q0, s1, v2.4s; sha1p q0, s1, v2.4s; sha1m q0, s1, v2.4s;
        sha1h s0, s1; sha1su0 v0.4s, v1.4s, v2.4s; sha1su1 v0.4s, v1.4s;
        sha256h q0, q1, v2.4s; sha256h2 q0, q1, v2.4s;
        sha256su0 v0.4s, v1.4s; sha256su1 v0.4s, v1.4s, v2.4s""",
    "sha3": """eor3 v0.16b, v1.16b, v2.16b, v3.16b; rax1 v0.2d, v1.2d, v2.2d;
        xar v0.2d, v1.2d, v2.2d, #3; bcax v0.16b, v1.16b, v2.16b, v3.16b;
        sha512h q0, q1, v2.2d; sha512h2 q0, q1, v2.2d;
        sha512su0 v0.2d, v1.2d; sha512su1 v0.2d, v1.2d, v2.2d""",
    "sm4": """sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s; sm3tt1a v0.4s, v1.4s, v2.s[1];
        sm3partw1 v0.4s, v1.4s, v2.4s; sm4e v0.4s, v1.4s;
        sm4ekey v0.4s, v1.4s, v2.4s""",
    "crc": """crc32b w0, w1, w2; crc32h w0, w1, w2; crc32w w0, w1, w2;
        crc32x w0, w1, x2; crc32cb w0, w1, w2; crc32ch w0, w1, w2;
        crc32cw w0, w1, w2; crc32cx w0, w1, x2""",
    "lse": """cas w0, w1, [x2]; casab w0, w1, [x2]; caslh w0, w1, [x2];
        casal x0, x1, [x2]; casp w0, w1, w2, w3, [x4];
        caspal x0, x1, x2, x3, [x4]; ldadd w0, w1, [x2]; ldclrab w0, w1, [x2];
        ldeorlh w0, w1, [x2]; ldsetal x0, x1, [x2]; ldsmax x0, x1, [x2];
        ldsmin x0, x1, [x2]; ldumax x0, x1, [x2]; ldumin x0, x1, [x2];
        swp x0, x1, [x2]; swpalb w0, w1, [x2]; stadd w0, [x1]""",
    "rdm": """sqrdmlah v0.4s, v1.4s, v2.4s; sqrdmlsh s0, s1, s2;
        sqrdmlah v0.4s, v1.4s, v2.s[1]; sqrdmlsh h0, h1, v2.h[1]""",
    "dotprod": """sdot v0.4s, v1.16b, v2.16b; udot v0.2s, v1.8b, v2.8b;
        sdot v0.4s, v1.16b, v2.4b[1]; udot v0.2s, v1.8b, v2.4b[3]""",
    "fp16fml": """fmlal v0.4s, v1.4h, v2.4h; fmlsl2 v0.2s, v1.2h, v2.2h;
        fmlal v0.4s, v1.4h, v2.h[1]""",
    "flagm": "cfinv; rmif x0, #1, #2; setf8 w0; setf16 w0",
    "altnzcv": "axflag; xaflag",
    "tlb-rmi": """tlbi vmalle1os; tlbi vae1os, x0; tlbi rvae1is, x0;
        tlbi rvale1os, x0""",
    "rand": "mrs x0, rndr; mrs x0, rndrrs",
    "ccpp": "dc cvap, x0",
    "ccdp": "dc cvadp, x0",
    "pauth": """pacia x0, x1; pacdza x0; autib x0, x1; xpaci x0;
        pacga x0, x1, x2; braa x0, x1; blraaz x0; retaa; retab; eretaa;
        ldraa x0, [x1]; ldrab x0, [x1, #8]!""",
    "jsconv": "fjcvtzs w0, d1",
    "complxnum": """fcmla v0.4s, v1.4s, v2.4s, #90; fcadd v0.2d, v1.2d, v2.2d, #270;
        fcmla v0.4s, v1.4s, v2.s[1], #0""",
    "rcpc": "ldaprb w0, [x1]; ldaprh w0, [x1]; ldapr w0, [x1]; ldapr x0, [x1]",
    "rcpc-immo": """ldapurb w0, [x1]; ldapursb x0, [x1, #3]; ldapursh w0, [x1];
        ldapur x0, [x1, #-8]; ldapursw x0, [x1]; stlurb w0, [x1];
        stlurh w0, [x1]; stlur w0, [x1]; stlur x0, [x1]""",
    "fptoint": """frint32z s0, s1; frint64x d0, d1; frint32x v0.4s, v1.4s;
        frint64z v0.2d, v1.2d""",
    "sb": "sb",
    "predres": "cfp rctx, x0; dvp rctx, x0; cpp rctx, x0",
    "bf16": """bfdot v0.4s, v1.8h, v2.8h; bfmmla v0.4s, v1.8h, v2.8h;
        bfmlalb v0.4s, v1.8h, v2.8h; bfcvt h0, s1; bfcvtn v0.4h, v1.4s;
        bfdot v0.4s, v1.8h, v2.2h[1]""",
    "i8mm": """smmla v0.4s, v1.16b, v2.16b; ummla v0.4s, v1.16b, v2.16b;
        usmmla v0.4s, v1.16b, v2.16b; usdot v0.4s, v1.16b, v2.16b;
        sudot v0.4s, v1.16b, v2.4b[1]; usdot v0.4s, v1.16b, v2.4b[1]""",
    "xs": "dsb synxs; tlbi vmalle1nxs",
    "ls64": "ld64b x0, [x8]; st64b x0, [x8]; st64bv x9, x0, [x8]",
    "wfxt": "wfet x0; wfit x0",
    "mops": "cpyfp [x0]!, [x1]!, x2!; setp [x0]!, x1!, x2",
    "hbc": "bc.eq #8",
    "pan": "msr pan, #1; mrs x0, pan; msr pan, x0",
    "pan-rwv": "at s1e1rp, x0; at s1e1wp, x0",
    "uaops": "msr uao, #1; mrs x0, uao",
    "ssbs": "msr ssbs, #1; mrs x0, ssbs",
    "dit": "msr dit, #1; mrs x0, dit",
    "mte": """irg x0, x1; addg x0, x1, #16, #1; subg x0, x1, #16, #1;
        subp x0, x1, x2; subps x0, x1, x2; gmi x0, x1, x2; stg x0, [x1];
        stzg x0, [x1]; st2g x0, [x1]; stgp x0, x1, [x2]; ldg x0, [x1];
        ldgm x0, [x1]; stgm x0, [x1]; stzgm x0, [x1]; msr tco, #1;
        dc gva, x0; dc gzva, x0""",
    "tme": "tstart x0; ttest x0; tcommit; tcancel #1",
    "lor": """ldlar x0, [x1]; ldlarb w0, [x1]; stllr x0, [x1];
        stllrh w0, [x1]""",
    "ras": "mrs x0, erridr_el1; msr disr_el1, x0",
    "sve": """add z0.b, z1.b, z2.b; ptrue p0.b; ld1b {z0.b}, p0/z, [x0];
        rdvl x0, #1; cntd x0; mrs x0, zcr_el1""",
    "sme": "smstart; smstop za; zero {za}",
    "am": "mrs x0, amcr_el0",
    "spe": "mrs x0, pmscr_el1; psb csync",
    "mpam": "mrs x0, mpam1_el1",
    "specrestrict": "mrs x0, scxtnum_el0",
}

# Nothing of its own at EL1, or registers alone: the system space's sweep.
NO_INSTRUCTIONS = {"el2vmsa", "el3", "sel2", "rme", "ccidx", "nv", "vh", "bti",
                   "ete", "trbe", "perfmon"}
# What LLVM wants besides, to assemble them.
NEEDS = {"fp16fml": ",+fullfp16", "altnzcv": ",+flagm"}
# NOPs where they are not promised.
HINTS = {"psb csync"}


def promised(encodings):
    """LLVM's features, from the ID registers."""
    out = subprocess.run([*encodings, "id"], capture_output=True, text=True,
                         check=True).stdout
    registers = {name: int(value, 16)
                 for name, value in (line.split() for line in
                                     out.splitlines())}
    features, bad = {"v8a"}, 0
    left = dict(registers)
    for register, low, name, values in FIELDS:
        value = registers[register] >> low & 15
        left[register] &= ~(15 << low)
        if value not in values:
            print("%s.%s is %d: what does that promise?"
                  % (register, name, value))
            bad += 1
        features.update(values.get(value, "").split())
    for register, value in left.items():
        if value:
            print("%s has %x in fields that are not known here"
                  % (register, value))
            bad += 1
    return registers, features, bad


def all_features():
    return {feature for field in FIELDS for text in field[3].values()
            for feature in text.split()}


def attributes(features):
    """Everything else is off: v8a brings some along."""
    off = (all_features() | {"perfmon", "sha3", "sm4"}) - features
    return ",".join(["+" + f for f in sorted(features)] +
                    ["-" + f for f in sorted(off)])


def theirs(llvm_mc, attr, words):
    """For each word: its disassembly, "" when it is none, None when its
    meaning is left open (CONSTRAINED UNPREDICTABLE)."""
    text = "\n".join(" ".join("0x%02x" % b for b in w.to_bytes(4, "little"))
                     for w in words)
    run = subprocess.run([llvm_mc, "--disassemble", "-triple=aarch64",
                          "-mattr=" + attr],
                         input=text, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        sys.exit("llvm-mc: " + run.stderr[-300:])
    invalid = {int(n) for n in re.findall(
        r"<stdin>:(\d+):\d+: warning: invalid", run.stderr)}
    doubtful = {int(n) for n in re.findall(
        r"<stdin>:(\d+):\d+: warning: potentially", run.stderr)}
    lines = iter(line.strip().replace("\t", " ") for line in
                 run.stdout.splitlines()
                 if line.startswith("\t") and not line.startswith("\t."))
    answers = []
    for i in range(1, len(words) + 1):
        if i in invalid:
            answers.append("")
        else:
            line = next(lines)
            answers.append(None if i in doubtful else line)
    if next(lines, None) is not None:
        sys.exit("llvm-mc said more than it was asked")
    return answers


def ours(encodings, words):
    out = subprocess.run([*encodings, "words"],
                         input="\n".join("%x" % w for w in words),
                         capture_output=True, text=True, check=True).stdout
    return [int(v) for v in out.split()]


def compare(name, words, verdicts, answers, should):
    """should(word, text): 0, 1, or None for no opinion."""
    bad, judged, executing = {}, 0, 0
    for word, verdict, text in zip(words, verdicts, answers):
        want = should(word, text)
        executing += verdict == 1
        if want is None:
            continue
        judged += 1
        if verdict != want and not (verdict == 2 and
                                    (want or is_vmms_space(word))):
            bad.setdefault(word >> 12, []).append((word, verdict, text))
    for group in list(bad.values())[:20]:
        word, verdict, text = group[0]
        print("%s: %08x (%s) %s; and %d like it"
              % (name, word, text or "no instruction",
                 ("is UNDEF", "executes", "goes to the VMM")[verdict],
                 len(group) - 1))
    count = sum(len(group) for group in bad.values())
    print("%s: %d words, %d judged, %d execute, %d wrong"
          % (name, len(words), judged, executing, count))
    return count if executing else count + 1


def assemble(llvm_mc, feature, lines):
    """The words of assembler lines."""
    run = subprocess.run(
        [llvm_mc, "--assemble", "--show-encoding", "-triple=aarch64",
         "-mattr=+v8a,+lse,+%s%s" % (feature, NEEDS.get(feature, ""))],
        input="\n".join(lines), capture_output=True, text=True)
    codes = re.findall(r"encoding: \[([^]]*)\]", run.stdout)
    if run.returncode or len(codes) != len(lines):
        sys.exit("llvm-mc cannot assemble %s: %s" % (feature, run.stderr))
    return [int.from_bytes(bytes(int(re.sub(r"^A$|.*'(0x..)'.*", r"\1", b), 16)
                                 for b in code.split(",")), "little")
            for code in codes]


def check_features(encodings, llvm_mc, features):
    """Each instruction of INSTRUCTIONS executes iff its feature is promised."""
    bad = 0
    for feature in sorted(all_features() - NO_INSTRUCTIONS):
        lines = [line.strip() for line in INSTRUCTIONS[feature].split(";")]
        words = assemble(llvm_mc, feature, lines)
        want = int(feature in features)
        for line, word, verdict in zip(lines, words, ours(encodings, words)):
            if line not in HINTS and verdict != want:
                print("%s, %spromised: %s (%08x) %s" % (
                    feature, "" if want else "not ", line, word,
                    ("is UNDEF", "executes", "goes to the VMM")[verdict]))
                bad += 1
    print("features: %d promised, %d not, %d instructions wrong"
          % (len(all_features() & features), len(all_features() - features),
             bad))
    return bad


def kind_words(encodings):
    """Words of every kind that the decoder knows."""
    out = subprocess.run([*encodings, "kinds"], capture_output=True, text=True,
                         check=True).stdout
    return [int(line, 16) for line in out.split()]


def opcode_words(step, seed):
    """Bits 31 to 10 in order, but for the system space."""
    rng = random.Random(seed)
    first = rng.randrange(step)
    return [high << 10 | rng.getrandbits(10)
            for high in range(first, 1 << 22, step)
            if high >> 14 != 0xd5]


def should_opcode(word, text):
    for mask, value, executes in EXCEPTIONS:
        if word & mask == value:
            return executes
    if text is None:
        return None
    return int(text != "")


def system_words(step):
    """The system space: every op0, op1, CRn, CRm, op2, L; with Rt 31 where
    there is no register (op0 0), else 0."""
    words = (0xd5000000 | i << 5 for i in range(0, 1 << 17, step))
    return [w | (31 if w >> 19 & 3 == 0 else 0) for w in words]


# What LLVM names and EL1 has not: a pattern, and the feature of LLVM's without
# which that is so (None: in any case).
ABSENT = [
    # EL2's and EL3's
    (r"_EL(12|2|3)\b", None),
    (r"^tlbi .*(e[23]|s12|ipas2)", None),
    (r"^tlbi alle1", None),
    (r"^at s1(e[23]|2)", None),
    (r" (SP_EL1|SPSR_(abt|fiq|irq|und)|CNTPS_\w+)", None),
    # of the highest exception level: that is the VMM's, not the guest's
    (r" (RMR_EL1|RVBAR_EL1)|^msr CNTFRQ_EL0", None),
    (r" (DSPSR_EL0|DLR_EL0)", None),  # in the Debug state
    (r" (TEECR32_EL1|TEEHBR32_EL1)", None),  # AArch32's
    (r" TRC\w+", "ete"),
    (r" TRB\w+", "trbe"),
    (r" ERX\w+", "ras"),
]

# Breakpoints and watchpoints: ID_AA64DFR0_EL1 counts them, less one.
NUMBERED = [(r" DBGB[VC]R(\d+)_EL1", 12), (r" DBGW[VC]R(\d+)_EL1", 20)]


def system_fields(word):
    return (word >> 19 & 3, word >> 16 & 7, word >> 12 & 15, word >> 8 & 15,
            word >> 5 & 7)


def is_id_space(word):
    """Reads as zero where there is no register, and is so executed."""
    op0, op1, crn, crm, _ = system_fields(word)
    return word >> 21 & 1 and (op0, op1, crn) == (3, 0, 0) and 1 <= crm <= 7


def is_vmms_space(word):
    """What the framework hands to its user: debug registers without a name,
    IMPLEMENTATION DEFINED ones, the PMU's, LORegions."""
    op0, op1, crn, crm, _ = system_fields(word)
    return ((op0, op1) == (2, 0) or (op0 == 3 and crn in (11, 15)) or
            (op0 == 3 and crn == 9 and op1 in (0, 3) and 12 <= crm <= 14) or
            ((op0, op1, crn) == (3, 3, 14) and crm >= 8) or
            ((op0, op1, crn, crm) == (3, 0, 10, 4)))


def should_system(registers, features):
    def should(word, text):
        if is_id_space(word):
            return 1
        # MSR PAN takes bit 0 of the immediate; LLVM wants the others clear
        if word & 0xfffff0ff == 0xd500409f:
            return int("pan" in features)
        for pattern, low in NUMBERED:
            match = re.search(pattern, text)
            if match and int(match[1]) > registers["ID_AA64DFR0"] >> low & 15:
                return 0
        for pattern, feature in ABSENT:
            if feature not in features and re.search(pattern, text):
                return 0
        # a name says that LLVM knows it, a number that it does not
        return int(not re.search(r"^(sysl?) |\bS[0-3]_[0-7]_C", text))
    return should


def main():
    program, llvm_mc = sys.argv[1:3]
    # As meson runs a program that is for another machine.
    encodings = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))
    encodings.append(program)
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 41
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    if not shutil.which(llvm_mc):
        print("skipped: llvm-mc is not installed")
        return 77
    registers, features, bad = promised(encodings)
    attr = attributes(features)
    print("promised: " + " ".join(sorted(features)))
    bad += check_features(encodings, llvm_mc, features)
    words = kind_words(encodings)
    bad += compare("kinds", words, ours(encodings, words),
                   theirs(llvm_mc, attr, words), should_opcode)
    words = opcode_words(step, seed)
    bad += compare("opcodes", words, ours(encodings, words),
                   theirs(llvm_mc, attr, words), should_opcode)
    words = system_words(max(1, step // 41))
    bad += compare("system", words, ours(encodings, words),
                   theirs(llvm_mc, attr, words),
                   should_system(registers, features))
    print("%d failed" % bad)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
