"""An initramfs: a cpio archive in the "newc" format, gzip-compressed.

Everything belongs to 0:0 and has no time stamp, whoever builds it, so that the
same input gives the same bytes. Device nodes need no privilege here: in the
archive they are only numbers.
"""
import gzip
import os
import stat


class Archive:
    def __init__(self):
        self._members = {}

    def directory(self, path, mode=0o755):
        if path and path not in self._members:
            self.directory(os.path.dirname(path))
            self._members[path] = (stat.S_IFDIR | mode, b"", 0, 0)

    def _add(self, path, *member):
        self.directory(os.path.dirname(path))
        self._members[path] = member

    def file(self, path, data, mode=0o644):
        self._add(path, stat.S_IFREG | mode, data, 0, 0)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode(), 0, 0)

    def device(self, path, major, minor, mode=0o600):
        self._add(path, stat.S_IFCHR | mode, b"", major, minor)

    def __contains__(self, path):
        return path in self._members

    def copy(self):
        other = Archive()
        other._members = dict(self._members)
        return other

    def write(self, target):
        with open(target, "wb") as raw, gzip.GzipFile(
                "", "wb", compresslevel=7, fileobj=raw, mtime=0) as out:
            number = 0
            for path, member in self._members.items():
                number += 1
                _write_member(out, number, path, *member)
            _write_member(out, 0, "TRAILER!!!", 0, b"", 0, 0)


def _write_member(out, number, path, mode, data, major, minor):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, major, minor,
              len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    out.write(head + bytes(-len(head) % 4))
    out.write(data + bytes(-len(data) % 4))
