"""A guest of Alpine's netboot files, for machines without apt.

    MIRROR/latest-stable/releases/aarch64/latest-releases.yaml
    .../alpine-netboot-VERSION-aarch64.tar.gz, its SHA-512 in that list

The archive holds boot/{vmlinuz,initramfs,modloop}-FLAVOUR. The list is trusted
as far as https is: Alpine's signature needs gpg, which a Mac has not.
"""
import hashlib
import http.client
import re
import tarfile
import urllib.error
import urllib.request

from . import cache, report

MIRROR = "https://dl-cdn.alpinelinux.org/alpine"
FLAVOURS = ("virt", "lts")
FILES = {"vmlinuz": "kernel", "initramfs": "initrd", "modloop": "modloop"}


def _open(url):
    try:
        return urllib.request.urlopen(url, timeout=30)
    except urllib.error.HTTPError as error:
        raise report.Failure(
            report.NETWORK, f"{url}: {error.code} {error.reason}") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise report.Failure(
            report.NETWORK, f"cannot reach {url}: {reason}") from None


def _newest(folder):
    """The netboot entry of the list: a few `key: value` lines."""
    with _open(f"{folder}/latest-releases.yaml") as answer:
        text = answer.read(1 << 20).decode(errors="replace")
    for entry in re.split(r"(?m)^-\s*$", text):
        fields = dict(re.findall(r"(?m)^\s+(\w+):\s*\"?([^\"\n]*?)\"?\s*$",
                                 entry))
        if fields.get("flavor") == "alpine-netboot":
            break
    else:
        raise report.Failure(report.NETWORK,
                             f"{folder} lists no netboot archive")
    if (not re.fullmatch(r"[\w.+-]+\.tar\.gz", fields.get("file", "")) or
            not re.fullmatch(r"[0-9a-f]{128}", fields.get("sha512", ""))):
        raise report.Failure(report.VERIFY,
                             f"the list in {folder} cannot be understood")
    return fields


def _resumable(url, have):
    """The answer, and whether it goes on behind the `have` bytes here."""
    if not have:
        return _open(url), False
    try:
        answer = _open(urllib.request.Request(
            url, headers={"Range": f"bytes={have}-"}))
    except report.Failure:  # 416: what is here is no part of it
        return _open(url), False
    return answer, answer.status == 206


def _receive(url, answer, out, digest, have):
    """Read the answer to its end, saying how far it is."""
    total = have + int(answer.headers.get("Content-Length") or 0)
    report.say(f"fetching {url}, {report.size(total)}"
               + (f", {report.size(have)} of it here already" if have else ""))
    cache.room_for(2 * total - have, cache.root())
    arrived, told = have, have * 10 // total if total else 0
    while True:
        try:
            piece = answer.read(1 << 20)
        except (OSError, http.client.HTTPException) as error:
            raise report.Failure(
                report.NETWORK, f"{url}: stopped arriving: {error}; what came "
                "is kept: the same command goes on from there") from None
        if not piece:
            break
        digest.update(piece)
        out.write(piece)
        arrived += len(piece)
        if total and arrived * 10 // total > told:
            told = arrived * 10 // total
            report.say(f"  {told * 10} %")
    if arrived < total:
        raise report.Failure(report.NETWORK,
                             f"{url}: {arrived} of {total} bytes arrived; they"
                             " are kept: the same command goes on from there")


def _download(url, target, sha512):
    """Into a file that outlives a broken connection, named by what it is to
    become; from there to the target."""
    partial = cache.root() / "partial" / sha512[:32]
    digest = hashlib.sha512()
    partial.parent.mkdir(exist_ok=True)
    have = partial.stat().st_size if partial.exists() else 0
    answer, resumed = _resumable(url, have)
    with answer, open(partial, "r+b" if resumed else "wb") as out:
        while resumed and (piece := out.read(1 << 20)):
            digest.update(piece)
        try:
            _receive(url, answer, out, digest, have if resumed else 0)
        except (OSError, report.Failure) as error:
            out.flush()
            full = isinstance(error, OSError)  # then make room
            if full or partial.stat().st_size == 0:
                partial.unlink()
            raise
    if digest.hexdigest() != sha512:
        partial.unlink()
        raise report.Failure(report.VERIFY,
                             f"{url} does not have the checksum of the list")
    partial.rename(target)


def _unpack(archive, flavour, work):
    wanted = {f"{name}-{flavour}": target for name, target in FILES.items()}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for item in tar:
                target = wanted.pop(item.name.rpartition("/")[2], None)
                if target and item.isfile():
                    with open(work / target, "wb") as out:
                        source = tar.extractfile(item)
                        while piece := source.read(1 << 20):
                            out.write(piece)
    except (tarfile.TarError, EOFError) as error:
        raise report.Failure(report.VERIFY,
                             f"{archive.name}: {error}") from None
    if wanted:
        raise report.Failure(report.VERIFY,
                             f"{archive.name} has no {min(wanted)}")


def fetch(flavour, address, refresh):
    if flavour not in FLAVOURS:
        raise report.Failure(
            report.USAGE,
            f"no flavour {flavour!r} of alpine: use {' or '.join(FLAVOURS)}")
    name = f"alpine-{flavour}"
    base = (address or MIRROR).rstrip("/")
    folder = f"{base}/latest-stable/releases/aarch64"
    with cache.writer():
        current = None if refresh else cache.intact(name, "netboot")
        if current:
            report.say(f"{name} {current['version']} is already here"
                       " (--refresh looks for a newer one)")
            return name
        report.say(f"reading the list of releases of {base}")
        newest = _newest(folder)
        with cache.workspace() as space:
            archive = space / newest["file"]
            work = space / "guest"
            work.mkdir()
            _download(f"{folder}/{newest['file']}", archive,
                      newest["sha512"])
            _unpack(archive, flavour, work)
            cache.publish(name, work, {
                "distribution": "alpine", "flavour": flavour,
                "version": newest.get("version", ""), "recipe": "netboot",
                "release": newest.get("version", ""),
                "append": "console=ttyAMA0", "packages": [],
            })
    return name
