"""What a test may leave behind: nothing. The state of the host that the harness compares.

A snapshot is a dictionary of kind → set of lines; differences() names what came and what went.
Things vanish a little after their owner (a network namespace is torn down asynchronously), so the
runner looks again for a while before it calls something a leak.
"""

import os
import re
import subprocess

SYSCTLS = """net/ipv4/ip_forward net/ipv4/conf/all/forwarding net/ipv4/conf/all/route_localnet
    net/ipv4/conf/default/route_localnet net/ipv4/conf/default/forwarding
    net/ipv6/conf/all/forwarding net/ipv6/conf/default/forwarding net/bridge/bridge-nf-call-iptables
    kernel/hostname kernel/domainname kernel/core_pattern""".split()
FILES = "/etc/hosts /etc/resolv.conf /etc/hostname /etc/passwd /etc/group".split()
STATE = "/run/boxstep /var/lib/boxstep".split()
beside = set()  # processes that run beside the tests: their children come and go as they like


def lines(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def mounts():
    found = set()
    for line in lines("/proc/self/mountinfo"):
        left, right = line.split(" - ", 1)
        _, _, device, root, where, *_ = left.split()
        found.add(f"{where} ({root} of {right.split()[0]} {device})")
    return found


def interfaces():
    names = {line.split(":")[0].strip() for line in lines("/proc/net/dev")[2:]}
    return names | {"route " + " ".join(line.split()[:4]) for line in lines("/proc/net/route")[1:]}


def rules():
    """The nft rule set, without numbers that count."""
    try:
        listing = subprocess.run(
            ["nft", "-s", "list", "ruleset"], capture_output=True, text=True, timeout=60
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return set()
    found, table = set(), ""
    for line in listing.splitlines():
        if line.startswith("table"):
            table = line.rstrip(" {")
            found.add(table)
        elif line.strip("} \t"):
            found.add(f"{table}: {line.strip()}")
    return found


def cgroup2_mounts():
    found = []
    for line in lines("/proc/self/mountinfo"):
        if " - cgroup2 " in line:
            found.append(line.split()[4])
    return found


def cgroups():
    """Cgroups are seen by everybody: one that names a living process which is not ours is not ours."""
    return {folder for top in cgroup2_mounts() for folder, _, _ in os.walk(top) if not foreign(folder)}


def foreign(folder):
    top = int(os.environ.get("BOXSTEP_RUNNER", os.getpid()))
    for word in re.findall(r"-(\d+)", folder):
        if os.path.exists(f"/proc/{word}") and top not in ancestors(int(word)) and int(word) != top:
            return True
    return False


def ancestors(pid):
    while pid > 1:
        for line in lines(f"/proc/{pid}/status"):
            if line.startswith("PPid:"):
                pid = int(line.split()[1])
                break
        else:
            return
        yield pid


def processes(top=None):
    """The descendants of the runner, zombies included; orphans come back to it (a subreaper)."""
    top = top or int(os.environ.get("BOXSTEP_RUNNER", os.getpid()))
    found = set()
    for name in os.listdir("/proc"):
        above = [int(name), *ancestors(int(name))] if name.isdigit() else []
        if top in above[1:] and int(name) != os.getpid() and beside.isdisjoint(above):
            comm = " ".join(lines(f"/proc/{name}/comm"))
            words = " ".join(lines(f"/proc/{name}/cmdline")).replace("\0", " ").strip()
            found.add(f"{name} {comm} ({words[:120]})")
    return found


def state_files():
    """Files of the default state directories, which no test should touch, and what the private run
    directories still hold. Locks and empty directories are no state."""
    found = set()
    stage = os.environ.get("BOXSTEP_STAGE", "/nonexistent")
    for top in STATE:
        if os.path.lexists(top):
            found.add(top)
    for top in [*STATE, stage + "/home/run", stage + "/user/run"]:
        for folder, _, names in os.walk(top):
            found |= {f"{folder}/{name}" for name in names if not name.endswith("lock")}
    return found


def sysctls():
    return {f"{name} = {' '.join(lines('/proc/sys/' + name))}" for name in SYSCTLS}


def host_files():
    found = set()
    for path in FILES:
        try:
            status = os.stat(path)
            found.add(f"{path} size {status.st_size} changed {status.st_mtime_ns}")
        except OSError:
            pass
    return found


KINDS = {
    "mount": mounts,
    "interface": interfaces,
    "nft": rules,
    "cgroup": cgroups,
    "process": processes,
    "file": state_files,
    "sysctl": sysctls,
    "host file": host_files,
}


def snapshot():
    return {kind: look() for kind, look in KINDS.items()}


def differences(before, after):
    found = []
    for kind in KINDS:
        found += [f"{kind} left: {item}" for item in sorted(after[kind] - before[kind])]
        if kind not in ("cgroup", "process"):  # others' and ours end when they like
            found += [f"{kind} gone: {item}" for item in sorted(before[kind] - after[kind])]
    return found
