"""What a test may leave behind: nothing. The state of the host that the harness compares.

A snapshot is a dictionary of kind → set of lines; differences() names what came and what went.
Things vanish a little after their owner (a network namespace is torn down asynchronously), so the
runner looks again for a while before it calls something a leak.
"""

import os
import re
import socket
import struct
import subprocess

SYSCTLS = """net/ipv4/ip_forward net/ipv4/conf/all/forwarding net/ipv4/conf/all/route_localnet
    net/ipv4/conf/default/route_localnet net/ipv4/conf/default/forwarding
    net/ipv6/conf/all/forwarding net/ipv6/conf/default/forwarding net/bridge/bridge-nf-call-iptables
    kernel/hostname kernel/domainname kernel/core_pattern""".split()
FILES = "/etc/hosts /etc/resolv.conf /etc/hostname /etc/passwd /etc/group".split()
STATE = "/run/boxstep /var/lib/boxstep".split()
SCRATCH = "/tmp /var/tmp /dev/shm".split()
watched = []  # those of them that are the runner's own: nobody else can leave a file there
ours = set()  # the directories there that the tests themselves use
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
    """The nft rule set, without numbers that count. It is listed again only when it was changed: a list
    takes ten times as long as all else here together."""
    generation = generation_of_rules()
    if not generation:
        return set()
    if generation not in listed:
        listed.clear()
        listed[generation] = rule_set()
    return listed[generation]


listed = {}  # the last list, by its generation


def generation_of_rules():
    """The number that the kernel gives a rule set with each change (NFT_MSG_GETGEN in
    linux/netfilter/nf_tables.h), with the network namespace; None without nftables or rights."""
    header = struct.pack("=IHHIIBBH", 20, 10 << 8 | 16, 1, 0, 0, 0, 0, 0)  # NLM_F_REQUEST, AF_UNSPEC
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 12) as s:  # NETLINK_NETFILTER
            s.settimeout(60)
            s.send(header)
            answer = s.recv(65536)
    except OSError:
        return None
    size, kind = struct.unpack_from("=HH", answer, 20)
    if struct.unpack_from("=H", answer, 4)[0] != 10 << 8 | 15 or kind != 1:  # NFT_MSG_NEWGEN, NFTA_GEN_ID
        return None
    return os.readlink("/proc/self/ns/net"), answer[24 : 20 + size]


def rule_set():
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
    """Cgroups are seen by everybody: one that names or holds a living process which is not ours is not
    ours."""
    tops = cgroup2_mounts()
    found = {folder for top in tops for folder, _, _ in os.walk(top)} - set(tops)
    parent = parents() if found else {}
    return {folder for folder in found if not foreign(folder, parent)}


def foreign(folder, parent):
    top = runner()
    named = re.findall(r"-(\d+)", folder) + lines(folder + "/cgroup.procs")
    return any(pid in parent and top not in (pid, *ancestors(pid, parent)) for pid in map(int, named))


def runner():
    return int(os.environ.get("BOXSTEP_RUNNER", os.getpid()))


def parents():
    """Of every process, zombies included, the one above it."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                line = file.read(4096)
        except OSError:
            continue
        found[int(name)] = int(line.rpartition(b")")[2].split()[1])  # before the last ")" is a name: anything
    return found


def ancestors(pid, parent):
    while (pid := parent.get(pid, 0)) > 1:
        yield pid


def processes():
    """The descendants of the runner, zombies included; orphans come back to it (a subreaper)."""
    top, parent, found = runner(), parents(), set()
    for pid in parent:
        above = [pid, *ancestors(pid, parent)]
        if top in above[1:] and pid != os.getpid() and beside.isdisjoint(above):
            comm = " ".join(lines(f"/proc/{pid}/comm"))
            words = " ".join(lines(f"/proc/{pid}/cmdline")).replace("\0", " ").strip()
            found.add(f"{pid} {comm} ({words[:120]})")
    return found


def files():
    """Files where nothing may be left: the places for everybody's temporary files, whatever they are;
    the default state directories, which no test should touch; and what the private run directories
    still hold. Of these two, locks and empty directories are no state."""
    found = scratch_files()
    stage = os.environ.get("BOXSTEP_STAGE", "/nonexistent")
    for top in STATE:
        if os.path.lexists(top):
            found.add(top)
    for top in [*STATE, stage + "/home/run", stage + "/user/run"]:
        for folder, _, names in os.walk(top):
            found |= {f"{folder}/{name}" for name in names if not name.endswith("lock")}
    return found


def scratch_files():
    """What is below the watched directories, without what leads to our own or is in it."""
    found = set()
    for top in watched:
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if f"{folder}/{name}" not in ours]
            found |= {f"{folder}/{name}" for name in [*folders, *names]}
    return {path for path in found if not any(kept.startswith(path + "/") for kept in ours)}


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
    "file": files,
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
