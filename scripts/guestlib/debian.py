"""A guest of Debian's arm64 packages: a kernel and two initramfs.

initrd-min is busybox and our init. initrd adds the kernel modules of the
devices a guest may be given, an ssh server, cyclictest, and the programs of
bench/guest where a cross compiler is at hand to build them.
"""
import fnmatch
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from . import apt, cache, cpio, elf, report

KERNELS = {"cloud": "linux-image-cloud-arm64",
           "standard": "linux-image-arm64"}
BUSYBOX = "busybox-static"
USERLAND = ["dropbear-bin", "rt-tests", "libc6", "libcrypt1", "libtomcrypt1",
            "libtommath1", "libgmp10", "zlib1g", "libnuma1"]
PROGRAMS = {"usr/sbin/dropbear", "usr/bin/dropbearkey", "usr/bin/dbclient",
            "usr/bin/cyclictest"}
# The devices of the virt machine that Debian builds as modules, and the
# filesystems one puts on a disk or shares with the host.
MODULES = ["virtio_mmio", "virtio_pci", "virtio_blk", "virtio_net",
           "virtio_console", "virtio_rng", "virtio_balloon", "ext4",
           "crc32c_generic", "virtiofs", "9p", "9pnet_virtio", "vsock",
           "vmw_vsock_virtio_transport", "gpio_keys"]
ACCOUNTS = {
    "etc/passwd": "root::0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shells": "/bin/sh\n",
    "etc/hostname": "lull\n",
    "etc/hosts": "127.0.0.1 localhost lull\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
COMPILER = "aarch64-linux-gnu-gcc"
HERE = Path(__file__).resolve().parent
INIT = HERE / "init.sh"
BENCH = HERE.parent.parent / "bench" / "guest"


def recipe():
    """Changes whenever the same packages would give another guest."""
    digest = hashlib.sha256()
    inputs = [*sorted(HERE.glob("*.py")), INIT, *sorted(BENCH.glob("*.[ch]"))]
    for path in inputs:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(b"cc" if shutil.which(COMPILER) else b"")
    return digest.hexdigest()


def _members(deb, patterns):
    """Files and links of a package whose paths match, as {path: member}."""
    child = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)],
                             stdout=subprocess.PIPE)
    found = {}
    with tarfile.open(fileobj=child.stdout, mode="r|") as tar:
        for item in tar:
            path = item.name.removeprefix("./")
            if not any(fnmatch.fnmatch(path, p) for p in patterns):
                continue
            if item.isfile():
                found[path] = tar.extractfile(item).read()
            elif item.issym():
                found[path] = item.linkname
    child.stdout.close()
    if child.wait() != 0:
        raise report.Failure(report.VERIFY, f"{deb} cannot be unpacked")
    return found


def _applets(busybox):
    """The names busybox answers to: one run of strings inside it."""
    start = busybox.find(b"[\0[[\0")
    names = busybox[start:busybox.find(b"\0\0", start)].decode().split("\0")
    if start < 0 or not {"sh", "mount", "insmod", "poweroff"} <= set(names):
        raise report.Failure(report.VERIFY, "busybox has no list of applets")
    return names


def _base(apt_, facts):
    """The archive both initramfs start from."""
    files = _members(apt_.debs / facts["deb"], ["bin/busybox"])
    busybox = files["bin/busybox"]
    archive = cpio.Archive()
    for folder in ("dev", "proc", "sys", "run", "sbin", "mnt"):
        archive.directory(folder)
    archive.directory("root", 0o700)
    archive.directory("tmp", 0o1777)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3, 0o666)
    archive.file("init", INIT.read_bytes(), 0o755)
    archive.file("bin/busybox", busybox, 0o755)
    for name in _applets(busybox):
        if name != "busybox":
            archive.link(f"bin/{name}", "busybox")
    for path, text in ACCOUNTS.items():
        archive.file(path, text.encode())
    return archive


def _add_modules(archive, members, release):
    """The wanted modules, what they depend on, and modprobe's tables."""
    top = f"lib/modules/{release}/"
    modules = {}
    for path, data in members.items():
        if ".ko" not in path:
            continue
        if path.endswith(".xz"):
            path, data = path[:-3], lzma.decompress(data)
        name = os.path.basename(path)[:-3].replace("-", "_")
        modules[name] = (path, data, elf.module_info(data))
    chosen = {}

    def take(name):
        name = name.replace("-", "_")
        if name in modules and name not in chosen:
            chosen[name] = None
            depends = [d.replace("-", "_")
                       for d in modules[name][2]["depends"][0].split(",") if d]
            for other in depends:
                take(other)
            chosen[name] = depends

    for name in MODULES:
        take(name)

    def closure(name):
        for other in chosen[name]:
            yield other
            yield from closure(other)

    table, aliases = "", ""
    for name in chosen:
        path, data, info = modules[name]
        archive.file(path, data)
        depends = list(dict.fromkeys(closure(name)))
        table += f"{path.removeprefix(top)}:"
        table += "".join(f" {modules[d][0].removeprefix(top)}"
                         for d in depends) + "\n"
        for alias in info.get("alias", []):
            aliases += f"alias {alias} {name}\n"
    archive.file(top + "modules.dep", table.encode())
    archive.file(top + "modules.alias", aliases.encode())


def _add_userland(archive, apt_, plan):
    files = {}
    for facts in plan:
        found = _members(apt_.debs / facts["deb"],
                         [*PROGRAMS, "lib/*.so*", "usr/lib/*.so*"])
        files.update(found)
    libraries = {os.path.basename(path): path for path in files
                 if ".so" in path}

    def contents(path):
        for _ in range(8):
            data = files[path]
            if isinstance(data, bytes):
                return data
            path = os.path.normpath(
                data[1:] if data.startswith("/")
                else os.path.join(os.path.dirname(path), data))
        raise report.Failure(report.VERIFY, f"{path}: links in a circle")

    def need(soname):
        target = f"lib/aarch64-linux-gnu/{soname}"
        if target in archive:
            return
        if soname not in libraries:
            raise report.Failure(report.VERIFY,
                                 f"no package of the guest has {soname}")
        data = contents(libraries[soname])
        archive.file(target, data, 0o755)
        for other in elf.needed(data):
            need(other)

    for path in sorted(PROGRAMS & files.keys()):
        data = contents(path)
        archive.file(path.removeprefix("usr/"), data, 0o755)
        for soname in elf.needed(data):
            need(soname)
        loader = elf.interpreter(data).lstrip("/")
        if loader and loader not in archive:
            soname = os.path.basename(loader)
            need(soname)
            archive.link(loader, f"aarch64-linux-gnu/{soname}")
    archive.directory("etc/dropbear", 0o700)


def _add_bench(archive, work):
    """Programs of ours that measure the guest from inside."""
    sources = sorted(BENCH.glob("*.c"))
    if not sources:
        return
    if not shutil.which(COMPILER):
        report.say(f"{COMPILER} is not installed: the guest goes without the"
                   " programs of bench/guest")
        return
    program = work / "lullbench"
    done = subprocess.run(
        [COMPILER, "-O2", "-static", "-pthread", "-s", "-o", str(program),
         *map(str, sources), "-lm"], capture_output=True, text=True)
    if done.returncode != 0:
        raise report.Failure(
            report.CACHE,
            "bench/guest does not compile: " + done.stderr.splitlines()[0])
    archive.file("bench/lullbench", program.read_bytes(), 0o755)
    program.unlink()


def _build(apt_, name, plan, made_of, work):
    kernel, busybox, userland = plan[0], plan[1], plan[2:]
    report.say(f"building {name} from {kernel['package']}")
    members = _members(apt_.debs / kernel["deb"],
                       ["boot/vmlinuz-*", "lib/modules/*.ko*",
                        "usr/lib/modules/*.ko*"])
    images = [p for p in members if p.startswith("boot/vmlinuz-")]
    if len(images) != 1:
        raise report.Failure(report.VERIFY,
                             f"{kernel['deb']} does not hold one kernel")
    release = images[0].removeprefix("boot/vmlinuz-")
    (work / "kernel").write_bytes(members[images[0]])
    archive = _base(apt_, busybox)
    archive.copy().write(work / "initrd-min")
    _add_modules(archive,
                 {p.removeprefix("usr/"): d for p, d in members.items()
                  if isinstance(d, bytes)}, release)
    _add_userland(archive, apt_, userland)
    _add_bench(archive, work)
    archive.write(work / "initrd")
    cache.publish(name, work, {
        "distribution": "debian", "flavour": name.removeprefix("debian-"),
        "release": release, "version": kernel["version"],
        "append": "console=ttyAMA0", "recipe": made_of, "packages": plan,
    })


def _rebuild_offline(apt_, name, made_of):
    """Build again from packages already here; None where one is missing."""
    old = cache.manifest(name)
    if not old or not all(apt_.have(f) for f in old.get("packages", [{}])
                          if f):
        return None
    with cache.workspace() as work:
        _build(apt_, name, old["packages"], made_of, work)
    return cache.manifest(name)


def fetch(flavour, suite, address, refresh):
    if flavour not in KERNELS:
        raise report.Failure(
            report.USAGE,
            f"no flavour {flavour!r} of debian: use"
            f" {' or '.join(sorted(KERNELS))}, or all")
    name = f"debian-{flavour}"
    made_of = recipe()
    with cache.writer():
        current = None if refresh else cache.intact(name, made_of)
        if current:
            report.say(f"{name} {current['version']} is already here"
                       " (--refresh looks for a newer one)")
            return name
        apt_ = apt.Apt(suite, address)
        if not refresh and _rebuild_offline(apt_, name, made_of):
            return name
        cache.room_for(150 << 20, cache.root())
        apt_.update()
        kernel = apt_.newest_kernel(KERNELS[flavour])
        plan = apt_.locate([kernel, BUSYBOX, *USERLAND])
        apt_.download(plan)
        with cache.workspace() as work:
            _build(apt_, name, plan, made_of, work)
        apt_.keep_only({f["deb"] for other in cache.names()
                        for f in cache.manifest(other).get("packages", [])})
    return name
