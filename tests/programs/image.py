"""A read-only disk of Debian's arm64 programs that check themselves.

The base guest stays small: what test-guest runs is on a disk of its own, an
ext4 image made without root from the packages below and all they depend on.

    $XDG_CACHE_HOME/lull/programs/disk.img    what is attached as /dev/vda
    .../programs/disk.json                    what it was made from
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "scripts"))

from guestlib import apt, cache, report  # noqa: E402

PACKAGES = [
    "bzip2", "coreutils", "dash", "diffutils", "gcc", "grep", "gzip",
    "libc6-dev", "libpython3.11-testsuite", "openssl", "python3",
    "qemu-guest-agent", "stress-ng", "tcc", "util-linux-extra", "xz-utils",
    "zstd",
]
SUITE = "bookworm"
# Debian's merged /usr: packages still name the old folders.
MERGED = ["bin", "lib", "sbin"]
FOLDERS = ["dev", "proc", "sys", "run", "tmp", "root", "etc", "programs"]
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
                  "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
}


def folder():
    return cache.root() / "programs"


def recipe():
    """Changes whenever the same packages would give another disk."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def current():
    """The disk that is here, or None where it must be made."""
    try:
        facts = json.loads((folder() / "disk.json").read_text())
        if (facts["recipe"] == recipe() and
                (folder() / "disk.img").stat().st_size == facts["bytes"]):
            return folder() / "disk.img"
    except (OSError, ValueError, KeyError):
        pass
    return None


class Apt(apt.Apt):
    def closure(self, packages):
        """Facts of the packages and of all they depend on."""
        said = self._run("apt-get", "-qq", "--print-uris",
                         "--no-install-recommends", "install", *packages)
        names = re.findall(r"(?m)^'[^']+' ([^_ ]+)_\S+\.deb ", said)
        return self.locate(sorted(names))


def unpack(debs, tree):
    for name in MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    for deb in debs:
        source = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb],
                                  stdout=subprocess.PIPE)
        done = subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "--no-same-owner",
             "-C", tree], stdin=source.stdout)
        source.stdout.close()
        if source.wait() != 0 or done.returncode != 0:
            raise report.Failure(report.VERIFY,
                                 f"{deb.name} cannot be unpacked")


def complete(tree):
    """What the packages' own scripts would have done, as far as needed."""
    for name in FOLDERS:
        (tree / name).mkdir(exist_ok=True)
    for path, text in ACCOUNTS.items():
        (tree / path).write_text(text)
    (tree / "etc/adjtime").symlink_to("/run/adjtime")  # hwclock writes it
    if not (tree / "usr/bin/sh").exists():
        (tree / "usr/bin/sh").symlink_to("dash")
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(tree / name, ignore_errors=True)


def pack(tree, target):
    used = sum(p.lstat().st_size for p in tree.rglob("*"))
    # Blocks, inodes and tables: a third more, and some for small disks.
    size_mib = used * 4 // 3 // (1 << 20) + 32
    done = subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E",
         "root_owner=0:0", "-d", tree, target, f"{size_mib}M"],
        env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin"),
        capture_output=True, text=True)
    if done.returncode != 0:
        raise report.Failure(report.CACHE, f"mke2fs: {done.stderr.strip()}")


def build(apt_, plan, target):
    with cache.workspace() as work:
        tree = work / "tree"
        tree.mkdir()
        report.say(f"making {target} of {len(plan)} packages")
        unpack([apt_.debs / facts["deb"] for facts in plan], tree)
        complete(tree)
        pack(tree, work / "disk.img")
        os.replace(work / "disk.img", target)


def fetch():
    """The disk's path; made now where it is absent or another recipe's."""
    with cache.writer():
        disk = current()
        if disk:
            return disk
        folder().mkdir(exist_ok=True)
        cache.room_for(1500 << 20, cache.root())
        apt_ = Apt(SUITE)
        apt_.update()
        plan = apt_.closure(PACKAGES)
        apt_.download(plan)
        disk = folder() / "disk.img"
        build(apt_, plan, disk)
        (folder() / "disk.json").write_text(json.dumps({
            "recipe": recipe(), "bytes": disk.stat().st_size,
            "packages": plan}, indent=2) + "\n")
        apt_.keep_only({f["deb"] for name in cache.names()
                        for f in cache.manifest(name).get("packages", [])})
        return disk
