#!/usr/bin/env python3
"""Fetching guests when things go wrong, and Alpine's files from a server here.

No test here leaves the machine: mirrors are ports of 127.0.0.1. What is
checked is the promise of `lull guest`: one clear line, an exit code that says
what kind of failure it was, nothing half-written left behind.
"""
import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from guestlib import cpio, mirror, report  # noqa: E402

USAGE, NETWORK, CACHE, VERIFY = 1, 2, 3, 4
RELEASE = "latest-stable/releases/aarch64"
ARCHIVE = "alpine-netboot-3.99.1-aarch64.tar.gz"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Breaking(Quiet):
    """Serves parts of files, and breaks the first answer off."""
    asked = []

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix != ".gz":
            return super().do_GET()
        content = path.read_bytes()
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        begin = int(wanted[6:-1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        end = len(content) if wanted else len(content) // 2
        self.wfile.write(content[begin:end])
        self.close_connection = True


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="lull-fetch-"))
        self.cache = self.folder / "cache"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def guest(self, *words, cache=None):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts/guest", *words],
            env=dict(os.environ, XDG_CACHE_HOME=str(cache or self.cache)),
            capture_output=True, text=True, timeout=100)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def refused(self, code, words, *arguments, **where):
        done = self.guest(*arguments, **where)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr.splitlines()[-1])
        self.assertEqual(done.stdout, "")
        return done

    def guests(self):
        return sorted(p.name for p in (self.cache / "lull").rglob("*")
                      if p.name.startswith(("tmp-", "alpine-", "debian-")))


class Arguments(Fetch):
    def test_bad_names(self):
        self.refused(USAGE, "no guest 'plan9'", "fetch", "plan9")
        self.refused(USAGE, "no flavour 'rt'", "fetch", "debian",
                     "--flavour", "rt")
        self.refused(USAGE, "no flavour 'x'", "fetch", "alpine",
                     "--flavour", "x")
        self.refused(USAGE, "required", "fetch")
        self.refused(USAGE, "no guest 'debian-cloud'", "path",
                     "debian-cloud")

    def test_empty_list(self):
        done = self.guest("list", "--json")
        self.assertEqual(json.loads(done.stdout), [])

    def test_injected_mirror(self):
        self.refused(USAGE, "cannot be given to apt", "fetch", "debian",
                     "--mirror", "http://127.0.0.1:1/x main\ndeb http://y")

    def test_cache_that_is_no_folder(self):
        self.folder.joinpath("file").write_text("")
        self.refused(CACHE, "file", "fetch", "alpine",
                     cache=self.folder / "file")

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_cache_without_permission(self):
        self.folder.chmod(0o555)
        self.refused(CACHE, "cannot write", "fetch", "alpine")
        self.folder.chmod(0o755)


@unittest.skipUnless(shutil.which("apt-get"), "no apt here")
class Debian(Fetch):
    def test_no_network(self):
        self.refused(NETWORK, "cannot connect", "fetch", "debian",
                     "--mirror", "http://127.0.0.1:1/debian")
        self.assertEqual(self.guests(), [])


class Alpine(Fetch):
    def setUp(self):
        super().setUp()
        self.release = self.folder / "www/alpine" / RELEASE
        self.release.mkdir(parents=True)
        boot = self.folder / "boot"
        boot.mkdir()
        for name in ("vmlinuz-virt", "initramfs-virt", "modloop-virt"):
            (boot / name).write_bytes(name.encode() + os.urandom(99999))
        with tarfile.open(self.release / ARCHIVE, "w:gz") as tar:
            tar.add(boot, "boot")
        self.describe()
        self.serve(Quiet)

    def serve(self, kind):
        handler = functools.partial(kind, directory=self.folder / "www")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,),
                         daemon=True).start()
        self.mirror = "http://127.0.0.1:%d/alpine" % self.server.server_port

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        super().tearDown()

    def describe(self, **changes):
        digest = hashlib.sha512((self.release / ARCHIVE).read_bytes())
        fields = {"title": '"Netboot"', "flavor": "alpine-netboot",
                  "version": "3.99.1", "file": ARCHIVE,
                  "sha512": digest.hexdigest(), **changes}
        text = '---\n-\n  title: "Virtual"\n  flavor: alpine-virt\n-\n'
        text += "".join(f"  {k}: {v}\n" for k, v in fields.items())
        (self.release / "latest-releases.yaml").write_text(text)

    def fetch(self, *more):
        return ("fetch", "alpine", "--mirror", self.mirror, *more)

    def test_fetch_twice(self):
        done = self.guest(*self.fetch())
        self.assertEqual(done.returncode, 0, done.stderr)
        home = Path(done.stdout.strip())
        self.assertEqual((home / "kernel").read_bytes()[:12],
                         b"vmlinuz-virt")
        self.assertEqual((home / "initrd").read_bytes()[:14],
                         b"initramfs-virt")
        (self.release / ARCHIVE).unlink()
        again = self.guest(*self.fetch())
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("already here", again.stderr)
        shown = json.loads(self.guest("list", "--json").stdout)
        self.assertEqual([g["name"] for g in shown], ["alpine-virt"])
        path = self.guest("path", "alpine-virt", "kernel").stdout.strip()
        self.assertEqual(path, str(home / "kernel"))

    def test_resumed(self):
        self.server.shutdown()
        self.server.server_close()
        self.serve(Breaking)
        Breaking.asked.clear()
        half = len((self.release / ARCHIVE).read_bytes()) // 2
        self.refused(NETWORK, "goes on from there", *self.fetch())
        self.assertEqual(self.guests(), [])
        done = self.guest(*self.fetch())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(Breaking.asked, [None, f"bytes={half}-"])
        self.assertFalse(list((self.cache / "lull/partial").iterdir()))

    def test_damaged_part_is_fetched_again(self):
        digest = hashlib.sha512((self.release / ARCHIVE).read_bytes())
        part = self.cache / "lull/partial" / digest.hexdigest()[:32]
        part.parent.mkdir(parents=True)
        part.write_bytes(b"x" * 1000)
        self.server.shutdown()
        self.server.server_close()
        self.serve(Breaking)
        self.refused(VERIFY, "checksum", *self.fetch())
        self.assertFalse(part.exists())

    def test_damaged_guest_is_fetched_again(self):
        home = Path(self.guest(*self.fetch()).stdout.strip())
        (home / "kernel").write_bytes(b"vm")
        self.guest(*self.fetch())
        self.assertGreater((home / "kernel").stat().st_size, 2)

    def test_wrong_checksum(self):
        self.describe(sha512="0" * 128)
        self.refused(VERIFY, "checksum", *self.fetch())
        self.assertEqual(self.guests(), [])

    def test_truncated_archive(self):
        archive = self.release / ARCHIVE
        archive.write_bytes(archive.read_bytes()[:-200])
        self.describe()
        self.refused(VERIFY, ARCHIVE, *self.fetch())
        self.assertEqual(self.guests(), [])

    def test_missing_flavour_in_archive(self):
        self.refused(VERIFY, "has no initramfs-lts",
                     *self.fetch("--flavour", "lts"))
        self.assertEqual(self.guests(), [])

    def test_failed_refresh_keeps_the_old_guest(self):
        self.guest(*self.fetch())
        before = self.guests()
        self.describe(sha512="0" * 128)
        self.refused(VERIFY, "checksum", *self.fetch("--refresh"))
        self.assertEqual(self.guests(), before)

    def test_full_disk(self):
        """A small filesystem of its own, where the kernel lets us have one."""
        self.cache.mkdir()
        inside = ("mount -t tmpfs -o size=400k none \"$1\" || exit 99\n"
                  "cd \"$1\" && shift && \"$@\"; code=$?\n"
                  "find . -type f; exit $code")
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", inside, "sh", self.cache,
             sys.executable, ROOT / "scripts/guest", *self.fetch()],
            env=dict(os.environ, XDG_CACHE_HOME=str(self.cache)),
            capture_output=True, text=True, timeout=100)
        if done.returncode in (99, 127) or "unshare" in done.stderr:
            self.skipTest("no mount namespaces here")
        self.assertEqual(done.returncode, CACHE, done.stderr)
        self.assertIn("free", done.stderr.splitlines()[-1])
        self.assertEqual(done.stdout.split(), ["./lull/lock"])

    def test_hostile_file_name(self):
        self.describe(file="../../../evil.tar.gz")
        self.refused(VERIFY, "cannot be understood", *self.fetch())

    def test_not_there(self):
        self.mirror += "/nowhere"
        self.refused(NETWORK, "404", *self.fetch())

    def test_no_network(self):
        self.mirror = "http://127.0.0.1:1/alpine"
        self.refused(NETWORK, "cannot reach", *self.fetch())


class HostSources(unittest.TestCase):
    def find(self, **files):
        with tempfile.TemporaryDirectory() as folder:
            parts = Path(folder) / "sources.list.d"
            parts.mkdir()
            for name, text in files.items():
                (parts / name.replace("_", ".")).write_text(text)
            kept, mirror.SOURCES = mirror.SOURCES, Path(folder)
            try:
                return mirror.find()
            finally:
                mirror.SOURCES = kept

    def test_one_line_format(self):
        self.assertEqual(self.find(a_list=(
            "# deb http://comment/debian x main\n"
            "deb [arch=amd64] http://near/debian/ bookworm main\n"
            "deb http://near/debian-security bookworm-security main\n")),
            ("http://near/debian", "http://near/debian-security"))

    def test_deb822_format(self):
        self.assertEqual(self.find(a_sources=(
            "Types: deb\nURIs: http://off/debian\nEnabled: no\n\n"
            "Types: deb deb-src\n# a comment\nURIs: http://near/debian\n")),
            ("http://near/debian", mirror.DEFAULT_SECURITY))

    def test_other_distribution(self):
        self.assertEqual(
            self.find(a_list="deb http://near/ubuntu jammy main\n"),
            (mirror.DEFAULT, mirror.DEFAULT_SECURITY))


class Errors(unittest.TestCase):
    def test_full_disk_is_named(self):
        failure = report.from_os_error(OSError(28, "No space", "/x/y"), "/x")
        self.assertEqual(failure.code, CACHE)
        self.assertIn("full", str(failure))


@unittest.skipUnless(shutil.which("cpio"), "no cpio here to ask")
class Archive(unittest.TestCase):
    def test_cpio_agrees(self):
        import gzip
        archive = cpio.Archive()
        archive.file("etc/one", b"abc")
        archive.link("bin/sh", "busybox")
        archive.device("dev/console", 5, 1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.gz"
            archive.write(path)
            listed = subprocess.run(
                ["cpio", "-itvn", "--quiet"], capture_output=True,
                input=gzip.decompress(path.read_bytes())).stdout.decode()
        words = [line.split() for line in listed.splitlines()]
        self.assertEqual([w[-1] for w in words],
                         ["etc", "etc/one", "bin", "busybox", "dev",
                          "dev/console"])
        self.assertTrue(all(w[2:4] == ["0", "0"] for w in words))


if __name__ == "__main__":
    unittest.main()
