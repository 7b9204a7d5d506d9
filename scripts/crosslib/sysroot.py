"""A folder with the arm64 libraries that Lull is linked with and runs on.

Not dpkg's multiarch: that would add an architecture to the machine's own
packages. The packages are named one by one, since their closure holds
programs that nobody runs there. libseccomp is not among them: qemu-aarch64
installs no filters, and a lull that has them does not start without.
"""
import os
import shutil
import subprocess

from guestlib import apt, cache, report

SUITE = "bookworm"
PACKAGES = """
    libc6 libc6-dev linux-libc-dev libcrypt1 libcrypt-dev libgcc-s1 libatomic1
    libfdt1 libfdt-dev
    libjansson4 libjansson-dev
    zlib1g zlib1g-dev
    libzstd1 libzstd-dev
    libslirp0 libslirp-dev libglib2.0-0 libglib2.0-dev libpcre2-8-0
    libpcre2-dev libffi8 libffi-dev
    check libsubunit0 libsubunit-dev
    libmpfr6 libmpfr-dev libgmp10 libgmp-dev
""".split()


def _unpack(debs, root):
    for deb in debs:
        done = subprocess.run(["dpkg-deb", "-x", deb, root],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise report.Failure(report.CACHE,
                                 f"{deb}: {done.stderr.strip()}")


def _make_links_relative(root):
    """Absolute ones would lead out of the folder, to the host's files."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                inside = str(root) + os.readlink(path)
                os.unlink(path)
                os.symlink(os.path.relpath(inside, folder), path)


def _constants(root):
    # meson finds ccache by itself only for a compiler that it chose itself.
    return {"sysroot": str(root),
            "launcher": ["ccache"] if shutil.which("ccache") else []}


def make(home):
    root = home / "sysroot"
    recipe = " ".join([SUITE, *PACKAGES]) + "\n"
    stamp = home / "recipe"
    if stamp.is_file() and stamp.read_text() == recipe and root.is_dir():
        return _constants(root)
    packages = apt.Apt(SUITE, base=home / "apt")
    packages.update()
    wanted = packages.locate(PACKAGES)
    packages.download(wanted)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    cache.room_for(150 << 20, home)
    root.mkdir(parents=True)
    _unpack([packages.debs / facts["deb"] for facts in wanted], root)
    _make_links_relative(root)
    shutil.rmtree(packages.base)
    stamp.write_text(recipe)
    return _constants(root)
