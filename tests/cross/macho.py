#!/usr/bin/env python3
"""What was linked for macOS, read as far as it can be without running it.

usage: macho.py TBD HEADERS ENTITLEMENTS LULL DYLIB

That the program needs Apple's framework and the system library and nothing
else; that TBD lists what it takes from the framework, no more and no less;
that our headers declare each of these functions for the macOS version that the
program asks for; that our own library exports every function of the headers.
"""
import plistlib
import re
import struct
import sys
from pathlib import Path

MAGIC_64 = 0xfeedfacf
CPU_ARM64 = 0x0100000c
EXECUTE, DYLIB = 2, 6
PIE = 0x200000
LC_SYMTAB, LC_LOAD_DYLIB, LC_ID_DYLIB = 0x2, 0xc, 0xd
LC_CODE_SIGNATURE, LC_BUILD_VERSION = 0x1d, 0x32
PLATFORM_MACOS = 1
STAB, TYPE, EXTERNAL, SECTION = 0xe0, 0x0e, 0x01, 0x0e

FRAMEWORK = ("/System/Library/Frameworks/Hypervisor.framework/Versions/A/"
             "Hypervisor")
OBJECTS = {"_os_retain", "_os_release"}
OURS = {"_lull_hv_vcpu_warm"}  # lull/hv_warm.h
LINKER = {"___dso_handle", "__mh_dylib_header"}  # in every library
SYSTEM = "/usr/lib/libSystem.B.dylib"

failed = 0


def check(holds, what, why=""):
    global failed
    print(f"{'ok' if holds else 'not ok'}: {what}"
          + ("" if holds else f": {why}"))
    failed += not holds


def version(number):
    return number >> 16, number >> 8 & 0xff


def text_at(data, offset):
    return data[offset:data.index(b"\0", offset)].decode()


class Macho:
    def __init__(self, path):
        self.data = Path(path).read_bytes()
        magic, self.cpu, _, self.kind, count, _, self.flags, _ = \
            struct.unpack_from("<8I", self.data)
        if magic != MAGIC_64:
            sys.exit(f"{path}: not a 64-bit Mach-O file")
        self.libraries = []
        self.name = None
        self.platform = self.minimum = None
        self.signed = False
        self.undefined = {}  # name: the library it comes from
        self.exported = set()
        at = 32
        for _ in range(count):
            command, size = struct.unpack_from("<2I", self.data, at)
            self._command(command & 0x7fffffff, at)
            at += size
        for name, ordinal in self._undefined:
            known = 0 < ordinal <= len(self.libraries)
            self.undefined[name] = self.libraries[ordinal - 1] if known else ""

    def _command(self, command, at):
        if command in (LC_LOAD_DYLIB, LC_ID_DYLIB):
            offset, = struct.unpack_from("<I", self.data, at + 8)
            name = text_at(self.data, at + offset)
            if command == LC_ID_DYLIB:
                self.name = name
            else:
                self.libraries.append(name)
        elif command == LC_BUILD_VERSION:
            self.platform, minimum = struct.unpack_from("<2I", self.data,
                                                        at + 8)
            self.minimum = version(minimum)
        elif command == LC_CODE_SIGNATURE:
            self.signed = True
        elif command == LC_SYMTAB:
            self._symbols(*struct.unpack_from("<4I", self.data, at + 8))

    def _symbols(self, table, count, strings, _):
        self._undefined = []
        for i in range(count):
            offset, kind, _, desc, _ = struct.unpack_from(
                "<IBBHQ", self.data, table + 16 * i)
            if kind & STAB or not kind & EXTERNAL:
                continue
            name = text_at(self.data, strings + offset)
            if kind & TYPE == SECTION:
                self.exported.add(name)
            elif kind & TYPE == 0:
                self._undefined.append((name, desc >> 8))


def declared(folder):
    """The framework's functions of our headers: name to macOS version."""
    found = {}
    for path in sorted(Path(folder).glob("Hypervisor/*.h")):
        for text in re.findall(r"^OS_EXPORT\b[^;]*;", path.read_text(), re.M):
            name = re.search(r"\b(hv_\w+)\(", text).group(1)
            since = re.search(r"API_AVAILABLE\(macos\((\d+)\.(\d+)\)", text)
            found["_" + name] = (int(since.group(1)), int(since.group(2)))
    return found


def check_program(lull, tbd, functions):
    check(lull.cpu == CPU_ARM64 and lull.kind == EXECUTE and lull.flags & PIE,
          "lull is a position-independent program for arm64")
    check(lull.platform == PLATFORM_MACOS, "and for macOS")
    check(lull.signed, "it has room for a signature")
    check(sorted(lull.libraries) == sorted([FRAMEWORK, SYSTEM]),
          "it needs the framework and the system library",
          str(lull.libraries))
    listed = set(re.findall(r"- (_hv_\w+)", Path(tbd).read_text()))
    used = {n for n, origin in lull.undefined.items() if origin == FRAMEWORK}
    check(used == listed and used, "the list of functions is what it uses",
          f"{tbd} lacks {sorted(used - listed)}, has for nothing"
          f" {sorted(listed - used)}")
    late = {n for n in used
            if functions.get(n, (999, 0)) > (lull.minimum or (0, 0))}
    check(not late, "macOS %d.%d has them all" % lull.minimum, sorted(late))


def check_library(library, functions):
    check(library.cpu == CPU_ARM64 and library.kind == DYLIB,
          "libhypervisor is a library for arm64")
    check(library.libraries == [SYSTEM], "it needs the system library alone",
          str(library.libraries))
    names = {n for n in library.exported if n.startswith("_hv_")}
    check(names == set(functions) and names,
          f"it exports the {len(functions)} functions of the headers",
          f"not the same: {sorted(names ^ set(functions))}")
    others = library.exported - names - OBJECTS - OURS - LINKER
    check(not others, "and nothing else", str(sorted(others)))


def main():
    tbd, headers, entitlements, program, dylib = sys.argv[1:]
    functions = declared(headers)
    check_program(Macho(program), tbd, functions)
    check_library(Macho(dylib), functions)
    with open(entitlements, "rb") as file:
        asked = plistlib.load(file)
    check(asked == {"com.apple.security.hypervisor": True},
          "the signature will ask for the hypervisor and nothing else",
          str(asked))
    return failed != 0


sys.exit(main())
