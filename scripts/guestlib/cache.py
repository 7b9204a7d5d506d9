"""The cache of guests: where it is, who may write to it, how a guest gets in.

    $XDG_CACHE_HOME/lull/guests/NAME    a link to the guest's current files
    .../guests/.store/NAME-DIGEST/      those files; never changed once there
    .../lull/debian/                    package lists and packages

A guest is built in a directory of its own and appears under its name by one
rename, so a reader sees the old guest or the new one and never a part of
either. One lock admits one writer.
"""
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import report


def root():
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative values ignored.
    if not base.startswith("/"):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "lull"


def guests():
    return root() / "guests"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def room_for(need, where):
    free = shutil.disk_usage(where).free
    if free < need:
        raise report.Failure(
            report.CACHE,
            f"{where} has {report.size(free)} free, {report.size(need)}"
            " are needed")


@contextmanager
def writer():
    """Hold the cache for writing, and clear what a killed writer left."""
    try:
        guests().mkdir(parents=True, exist_ok=True)
        lock = open(root() / "lock", "w")
    except OSError as error:
        raise report.from_os_error(error, root()) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("waiting for another fetch to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in root().glob("tmp-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def workspace():
    path = Path(tempfile.mkdtemp(prefix="tmp-", dir=root()))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def replace(link, target):
    """Point link at target in one step."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)


def publish(name, work, manifest):
    """Make the files in work the guest called name."""
    files = sorted(p.name for p in work.iterdir())
    manifest["files"] = {
        f: {"sha256": sha256(work / f), "bytes": (work / f).stat().st_size}
        for f in files
    }
    manifest["name"] = name
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (work / "guest.json").write_text(text)
    work.chmod(0o755)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    store = guests() / ".store"
    store.mkdir(exist_ok=True)
    home = store / f"{name}-{digest}"
    if home.exists():
        shutil.rmtree(home)
    os.rename(work, home)
    work.mkdir()  # its owner removes it
    replace(guests() / name, os.path.join(".store", home.name))
    for old in store.glob(f"{name}-????????????"):
        if old != home:
            shutil.rmtree(old, ignore_errors=True)


def manifest(name):
    """The guest's manifest, or None where it is absent or damaged."""
    try:
        with open(guests() / name / "guest.json") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def intact(name, recipe):
    """The manifest of a guest that needs no rebuilding, else None."""
    found = manifest(name)
    if not found or found.get("recipe") != recipe:
        return None
    try:
        for file, facts in found["files"].items():
            if sha256(guests() / name / file) != facts["sha256"]:
                return None
    except (OSError, KeyError):
        return None
    return found


def names():
    if not guests().is_dir():
        return []
    return sorted(p.name for p in guests().iterdir()
                  if not p.name.startswith(".") and manifest(p.name))
