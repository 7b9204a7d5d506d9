"""The section `many` of bench/run: 20 idle guests at once, each with 2 vCPUs,
256 MiB, a network and an ssh server: what all of them cost together, and
whether each still answers.

Engines are measured one after the other: 20 guests of both would not leave
either the cores that it is measured on. Memory is in proportion (PSS): a page
that processes share counts once, over all of them. What is left when the
guests' own memory is taken away is the monitor's.
"""
import contextlib
import json
import re
import statistics
import subprocess
import time
from pathlib import Path

import net
import vmrun

PATIENCE = 240
AT_ONCE = 3  # that boot: they do so no faster than there are cores
MEMORY = "256M"
KIB = 1 / 1024


def memory(pid, ram_kib):
    """In MiB: in proportion, resident, and in proportion the guest's own,
    which is in mappings of at least its size."""
    pss = rss = own = size = 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        found = re.match(r"(Size|Rss|Pss):\s+(\d+)", line)
        if not found:
            continue
        value = int(found[2])
        if found[1] == "Size":
            size = value
        elif found[1] == "Rss":
            rss += value
        else:
            pss += value
            own += value if size >= ram_kib else 0
    return pss * KIB, rss * KIB, own * KIB


def start(stack, engine, guest, count, fail):
    """All of them, with sshd running, and their ports."""
    vms, ports = [], []

    def wait_for(vm):
        if not vm.expect(rb"LULL-GUEST-SSH", PATIENCE):
            raise fail(f"{engine.name}: no sshd; the guest's last words:\n"
                       f"{vm.text()[-600:]}")

    for i in range(count):
        ports.append(net.free_port())
        vms.append(stack.enter_context(vmrun.Vm(engine.command(
            kernel=guest / "kernel", initrd=guest / "initrd", cpus=2,
            memory=MEMORY, append="console=ttyAMA0 quiet lull.idle lull.ssh",
            forward=(ports[-1], 22)))))
        if i >= AT_ONCE - 1:
            wait_for(vms[i - AT_ONCE + 1])
    for vm in vms:
        wait_for(vm)
    return vms, ports


def answers(ports):
    """Seconds that each takes to answer ssh, one after the other."""
    times = []
    for port in ports:
        began = time.monotonic()
        done = subprocess.run(
            [*net.SSH, "-o", f"ConnectTimeout={PATIENCE}", "-p", str(port),
             "root@127.0.0.1", "hostname"], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip() == "lull":
            times.append(time.monotonic() - began)
    return times


def fallen_back(engine, vms):
    """How many vCPUs of ours sleep in another way than they should: an
    overloaded host can look like a sleep that does not work (docs/idle.md,
    the ladder), and what they then cost is no idle guest's."""
    count = 0
    for vm in vms:
        done = subprocess.run(
            [engine.program, "stat", f"vm-{vm.pid}", "--json", "--interval",
             "0"], capture_output=True, text=True)
        if done.returncode == 0:
            count += sum(cpu["idle"]["rung"] != "word"
                         for cpu in json.loads(done.stdout)["cpus"])
    return count


def figures(costs, sizes, times):
    return {
        "many_guests": len(costs),
        "many_cpu_percent": sum(c["cpu_percent"] for c in costs),
        "many_wakeups_per_s": sum(c["wakeups_per_s"] for c in costs),
        "many_pss_mib": sum(s[0] for s in sizes),
        "many_pss_mib_each": statistics.mean(s[0] for s in sizes),
        "many_rss_mib_each": statistics.mean(s[1] for s in sizes),
        "many_guest_mib_each": statistics.mean(s[2] for s in sizes),
        "many_monitor_mib_each": statistics.mean(s[0] - s[2] for s in sizes),
        "many_ssh_answers": len(times),
        "many_ssh_median_s": statistics.median(times),
        "many_ssh_worst_s": max(times),
    }


def one(engine, guest, options, at_rest, fail):
    with contextlib.ExitStack() as stack:
        vms, ports = start(stack, engine, guest, options.guests, fail)
        costs = at_rest(vms, options, options.settle_seconds)
        sizes = [memory(vm.pid, int(MEMORY[:-1]) << 10) for vm in vms]
        back = fallen_back(engine, vms) if engine.lull else None
        times = answers(ports)
    if len(times) < len(ports):
        raise fail(f"{engine.name}: {len(times)} of {len(ports)} guests "
                   "answer ssh")
    result = figures(costs, sizes, times)
    if engine.lull:
        result["many_vcpus_fallen_back"] = back
    return result


def many(engines, guest, options, at_rest, fail):
    return {engine.name: one(engine, guest, options, at_rest, fail)
            for engine in engines}
