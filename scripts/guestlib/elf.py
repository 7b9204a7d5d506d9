"""As much of ELF64 (little-endian) as building an initramfs needs: a kernel
module's description and a program's needed libraries."""
import struct


class NotElf(Exception):
    pass


def _sections(data):
    if data[:6] != b"\x7fELF\x02\x01":
        raise NotElf
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    entry, count, names = struct.unpack_from("<HHH", data, 0x3A)
    raw = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * entry)
           for i in range(count)]
    strings = raw[names][4]
    for header in raw:
        start = strings + header[0]
        name = data[start:data.index(b"\0", start)].decode()
        yield name, data[header[4]:header[4] + header[5]]


def section(data, name):
    for found, body in _sections(data):
        if found == name:
            return body
    return b""


def module_info(data):
    """The key=value pairs of a kernel module's .modinfo."""
    info = {}
    for item in section(data, ".modinfo").split(b"\0"):
        key, _, value = item.decode(errors="replace").partition("=")
        if key:
            info.setdefault(key, []).append(value)
    return info


def interpreter(data):
    return section(data, ".interp").rstrip(b"\0").decode()


def needed(data):
    """The sonames a dynamically linked file asks for."""
    strings = section(data, ".dynstr")
    dynamic = section(data, ".dynamic")
    wanted = []
    for tag, value in struct.iter_unpack("<QQ", dynamic):
        if tag == 0:
            break
        if tag == 1:
            wanted.append(strings[value:strings.index(b"\0", value)].decode())
    return wanted
