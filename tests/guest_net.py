#!/usr/bin/env python3
"""The network that another process is (`--net unix:PATH`), with a real guest
and a small host of our own on the other side of the socket.

    guest_net.py LULL

It answers ARP and echo requests; sends what is no frame; goes away, and comes
back. Exit code 77 (skipped, to meson) without a guest.
"""
import os
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from guest_shell import PATIENCE, Guest, check, home, start  # noqa: E402

PEER_MAC = bytes.fromhex("020000000001")
ADDRESS, GUEST_ADDRESS = "192.168.7.1", "192.168.7.2"


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def arp_reply(frame):
    sender, guest = frame[22:28], frame[28:32]
    return (sender + PEER_MAC + b"\x08\x06" + frame[14:20] + b"\x00\x02"
            + PEER_MAC + frame[38:42] + sender + guest)


def echo_reply(frame):
    """The same back: the IPv4 checksum does not change with the order."""
    length = struct.unpack(">H", frame[16:18])[0]
    payload = b"\x00\x00\x00\x00" + frame[38:14 + length]
    even = payload + b"\x00" * (len(payload) % 2)
    payload = payload[:2] + struct.pack(">H", checksum(even)) + payload[4:]
    return (frame[6:12] + PEER_MAC + frame[12:26] + frame[30:34]
            + frame[26:30] + payload)


class Peer:
    """A host at ADDRESS, for one connection."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.path, self.connection, self.pings = path, None, 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        self.connection, _ = self.listener.accept()
        stream = self.connection.makefile("rb")
        while len(head := stream.read(4)) == 4:
            self.take(stream.read(struct.unpack(">I", head)[0]))

    def take(self, frame):
        wanted = socket.inet_aton(ADDRESS)
        if frame[12:14] == b"\x08\x06" and frame[38:42] == wanted:
            self.put(arp_reply(frame))
        elif frame[12:14] == b"\x08\x00" and frame[23] == 1 \
                and frame[30:34] == wanted:
            self.pings += 1
            self.put(echo_reply(frame))

    def put(self, frame):
        self.connection.sendall(struct.pack(">I", len(frame)) + frame)

    def go(self):
        """Nobody listens any more, and the connection ends."""
        self.listener.close()
        os.unlink(self.path)
        self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.thread.join(PATIENCE)


def carrier(guest, value):
    end = time.monotonic() + 30
    while guest.output("cat /sys/class/net/eth0/carrier") != value:
        check(time.monotonic() < end, f"the carrier is not {value}")
        time.sleep(0.1)


def ping(guest, peer, size=56):
    before = peer.pings
    code, line = guest.run(f"ping -c 1 -W 10 -s {size} {ADDRESS}")
    check(code == 0, f"ping -s {size}: {line}")
    check(peer.pings >= before + 1, "somebody else answered")


def work(guest, path, peer):
    guest.output("ifconfig lo up; modprobe -a af_packet 2>/dev/null; "
                 f"ifconfig eth0 {GUEST_ADDRESS} netmask 255.255.255.0 up")
    carrier(guest, "1")
    ping(guest, peer)
    ping(guest, peer, 1472)
    peer.go()
    carrier(guest, "0")
    check(guest.run(f"ping -c 1 -W 1 {ADDRESS}")[0] != 0, "who answered?")
    peer = Peer(path)
    carrier(guest, "1")
    ping(guest, peer)
    # No frame: the connection ends, and is made again at once.
    peer.listener.listen(1)
    peer.connection.sendall(b"\xff" * 64)
    peer.thread.join(PATIENCE)
    peer.listener.close()
    os.unlink(path)
    peer = Peer(path)
    carrier(guest, "1")
    ping(guest, peer)
    peer.go()


def refused(lull, path):
    with start(lull, 1, ["--net", f"unix:{path}"]) as vm:
        check(vm.wait(PATIENCE) == 1, "it began without a network")
        check("has to listen there first" in vm.text(), vm.text())
        check(len(vm.text().splitlines()) == 1, vm.text())


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    home()
    folder = tempfile.mkdtemp(prefix="lull-")
    path = f"{folder}/net"
    try:
        refused(sys.argv[1], path)
        peer = Peer(path)
        with start(sys.argv[1], 1, ["--net", f"unix:{path}"]) as vm:
            guest = Guest(vm)
            work(guest, path, peer)
            guest.power_off()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
