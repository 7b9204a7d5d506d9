"""Where Debian is fetched from: the mirrors this host already uses.

A machine behind a proxy or with a local mirror has that written in its apt
configuration, so that is what is read; Debian's own address is used where the
host has none (Ubuntu, say).
"""
import re
from pathlib import Path

DEFAULT = "http://deb.debian.org/debian"
DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = Path("/etc/apt")


def _one_line(text):
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s", line)
        if found:
            yield found.group(1)


def _deb822(text):
    for stanza in re.split(r"\n\s*\n", text):
        lines = [l for l in stanza.splitlines() if not l.startswith("#")]
        fields = {}
        for line in lines:
            key, colon, value = line.partition(":")
            if colon and not line[0].isspace():
                fields[key.lower()] = value.split()
        if "no" in fields.get("enabled", []):
            continue
        if "deb" in fields.get("types", []):
            yield from fields.get("uris", [])


def _host_uris():
    parts = SOURCES / "sources.list.d"
    for path in [SOURCES / "sources.list", *sorted(parts.glob("*"))]:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            yield from _one_line(text)
        elif path.suffix == ".sources":
            yield from _deb822(text)


def find():
    """The (main, security) addresses, without a trailing slash."""
    main = security = None
    for uri in _host_uris():
        uri = uri.rstrip("/")
        if not uri.startswith(("http:", "https:", "file:", "copy:")):
            continue
        if uri.endswith("/debian-security"):
            security = security or uri
        elif uri.endswith("/debian"):
            main = main or uri
    return main or DEFAULT, security or DEFAULT_SECURITY
