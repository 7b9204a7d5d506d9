"""The network's sections of bench/run: what a user feels of a guest's user
network (libslirp for every engine), Lull and its peers on the same guest.

    echo    a TCP round trip to a program in the guest, through a forwarded
            port: 1000 back to back, and 200 after gaps of 50 ms, in which the
            guest goes idle
    ssh     `ssh root@localhost true`, warm
    stream  a TCP stream from the guest to this host's loopback, and back

Engines run beside each other and take turns in small portions, so that a busy
host hurts them alike.
"""
import contextlib
import re
import socket
import statistics
import subprocess
import time

import vmrun

PATIENCE = 120
GAP_S = 0.05
TURNS = 10
SSH = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o",
       "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "LogLevel=ERROR"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A guest with a forwarded port, and the connection to it."""

    def __init__(self, stack, engine, guest, fail, append, guest_port, cpus):
        self.name, self.fail = engine.name, fail
        self.port = free_port()
        self.vm = stack.enter_context(vmrun.Vm(engine.command(
            kernel=guest / "kernel", initrd=guest / "initrd", cpus=cpus,
            append="console=ttyAMA0 quiet " + append,
            forward=(self.port, guest_port))))
        self.connection = None

    def expect(self, pattern, what):
        if not self.vm.expect(pattern, PATIENCE):
            raise self.fail(f"{self.name}: {what}; its last words:\n"
                            f"{self.vm.text()[-600:]}")

    def connect(self, stack):
        self.connection = stack.enter_context(socket.create_connection(
            ("127.0.0.1", self.port), PATIENCE))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def echo_us(self):
        """The answer is the guest's counter, a line of text."""
        began = time.perf_counter()
        self.connection.send(b"k")
        answer = b""
        while not answer.endswith(b"\n"):
            more = self.connection.recv(64)
            if not more:
                raise self.fail(f"{self.name}: the connection broke")
            answer += more
        return 1e6 * (time.perf_counter() - began)


def quantile(values, share):
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def with_gaps(peer, count):
    """Round trips, and what the process used meanwhile."""
    before, times = peer.vm.cost(), []
    for _ in range(count):
        time.sleep(GAP_S)
        times.append(peer.echo_us())
    after = peer.vm.cost()
    wakes = sum(n - before.switches.get(t, 0)
                for t, n in after.switches.items())
    return times, after.cpu_s - before.cpu_s, after.when - before.when, wakes


def echo(engines, guest, options, fail):
    """All at once: an engine that waits for its turn costs next to nothing."""
    with contextlib.ExitStack() as stack:
        peers = [Peer(stack, e, guest, fail, "lull.run=lullbench,agent", 7,
                      options.echo_cpus) for e in engines]
        for peer in peers:
            peer.expect(rb"@bench ready", "no agent")
            peer.vm.send("net 7\n")
            peer.expect(rb"@bench go", "no network")
            peer.connect(stack)
            for _ in range(100):
                peer.echo_us()
        back = {p.name: [] for p in peers}
        gaps = {p.name: [] for p in peers}
        for _ in range(TURNS):
            for peer in peers:
                back[peer.name] += [peer.echo_us() for _ in
                                    range(options.echoes // TURNS)]
        for _ in range(TURNS):
            for peer in peers:
                gaps[peer.name].append(
                    with_gaps(peer, options.gaps // TURNS))
        return {p.name: figures(back[p.name], gaps[p.name]) for p in peers}


def figures(back, gaps):
    times = [t for portion in gaps for t in portion[0]]
    cpu, wall, wakes = (sum(p[i] for p in gaps) for i in (1, 2, 3))
    return {
        "echo_p50_us": statistics.median(back),
        "echo_p99_us": quantile(back, 0.99),
        "echo_gap_p50_us": statistics.median(times),
        "echo_gap_p99_us": quantile(times, 0.99),
        "echo_gap_cpu_percent": 100 * cpu / wall,
        "echo_gap_cpu_us": 1e6 * cpu / len(times),
        "echo_gap_switches": wakes / len(times),
    }


def ssh_s(peer):
    began = time.perf_counter()
    done = subprocess.run(
        SSH + ["-p", str(peer.port), "root@127.0.0.1", "true"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise peer.fail(f"{peer.name}: ssh: "
                        f"{done.stderr.decode(errors='replace')}")
    return time.perf_counter() - began


def ssh(engines, guest, options, fail):
    with contextlib.ExitStack() as stack:
        peers = [Peer(stack, e, guest, fail, "lull.ssh lull.idle", 22, 1)
                 for e in engines]
        times = {p.name: [] for p in peers}
        cpu = {p.name: 0 for p in peers}
        for peer in peers:
            peer.expect(rb"LULL-GUEST-SSH", "no ssh")
            for _ in range(3):
                ssh_s(peer)
        for _ in range(options.logins):
            for peer in peers:
                before = peer.vm.cost()
                times[peer.name].append(ssh_s(peer))
                cpu[peer.name] += peer.vm.cost().cpu_s - before.cpu_s
        return {name: {"ssh_true_s": statistics.median(t),
                       "ssh_true_best_s": min(t),
                       "ssh_true_cpu_s": cpu[name] / len(t)}
                for name, t in times.items()}


def from_guest(peer, mib):
    """A file of the guest's, which its server hands to the kernel: MB/s, and
    CPU of the process in ms a MiB."""
    before, began, total = peer.vm.cost(), time.perf_counter(), 0
    with socket.create_connection(("127.0.0.1", peer.port),
                                  PATIENCE) as connection:
        connection.sendall(f"GET /{mib} HTTP/1.0\r\n\r\n".encode())
        head = connection.recv(1 << 16)
        while data := connection.recv(1 << 20):
            total += len(data)
    total += len(head) - head.index(b"\r\n\r\n") - 4
    return speed(peer, before, began, total, mib)


def to_guest(peer, mib):
    """The guest says when it has read everything."""
    peer.fetched += 1
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        before, began = peer.vm.cost(), time.perf_counter()
        peer.vm.send("wget -q -O /dev/null http://10.0.2.2:"
                     f"{server.getsockname()[1]}/ && "
                     f"echo got:$(({mib}))-{peer.fetched}\n")
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: "
                               + str(mib << 20).encode() + b"\r\n\r\n")
            block = bytes(1 << 20)
            for _ in range(mib):
                connection.sendall(block)
        peer.expect(f"got:{mib}-{peer.fetched}\r".encode(), "wget failed")
    return speed(peer, before, began, mib << 20, mib)


def speed(peer, before, began, total, mib):
    seconds = time.perf_counter() - began
    if total != mib << 20:
        raise peer.fail(f"{peer.name}: {total} bytes arrived of {mib} MiB")
    cpu = peer.vm.cost().cpu_s - before.cpu_s
    return total / 1e6 / seconds, 1e3 * cpu / mib


def stream(engines, guest, options, fail):
    with contextlib.ExitStack() as stack:
        peers = [Peer(stack, e, guest, fail, "lull.ssh", 7, 1)
                 for e in engines]
        for peer in peers:
            peer.expect(rb"LULL-GUEST-SSH", "no network")
            mib, peer.fetched = options.stream_mib, 0
            peer.vm.send(f"head -c {mib}m /dev/zero >/{mib}; "
                         "httpd -p 7 -h / && echo serves-$((1))\n")
            peer.expect(rb"serves-1", "no server")
        runs = {p.name: ([], []) for p in peers}
        for _ in range(options.rounds):
            for peer in peers:
                runs[peer.name][0].append(from_guest(peer, options.stream_mib))
                runs[peer.name][1].append(to_guest(peer, options.stream_mib))
        return {name: {
            f"stream_{way}_{what}": statistics.median(r[i] for r in both[j])
            for j, way in enumerate(("out", "in"))
            for i, what in enumerate(("mb_per_s", "cpu_ms_per_mib"))}
            for name, both in runs.items()}
