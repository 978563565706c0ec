#!/usr/bin/env python3
"""host.py FILE: writes down what the host looks like, the first time; the second time compares.

Mounts, interfaces and routes, nft rules, cgroups, settings, files of /etc, and whether a process of
ours runs. Status 1, and what differs, when the host is not as it was.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE) + "/system")
sys.dont_write_bytecode = True
import leaks  # noqa: E402

OURS = ("nginx", "boxstep", "docker-registry")
scratch = os.path.dirname(os.path.realpath(sys.argv[1])).encode()  # the demo's, in its environment


def of_the_demo(pid):
    """Not of somebody else who runs containers at the same time."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return scratch in file.read() or "nginx" in leaks.lines(f"/proc/{pid}/comm")
    except OSError:
        return False


def processes():
    found = set()
    for name in os.listdir("/proc"):
        comm = " ".join(leaks.lines(f"/proc/{name}/comm")) if name.isdigit() else ""
        if comm.startswith(OURS) and of_the_demo(name):
            found.add(f"{name} {comm}")
    return found


def files():
    """Of the usual state directories; the network's leases are there, and locks, which are no state."""
    walks = [walk for top in leaks.STATE for walk in os.walk(top)]
    return {f"{folder}/{name}" for folder, _, names in walks for name in names if not name.endswith("lock")}


leaks.KINDS["process"] = processes
leaks.KINDS["file"] = files


def counted(state):
    names = {"mount": "mounts", "interface": "interfaces and routes", "nft": "nft rules", "cgroup": "cgroups"}
    return ", ".join(f"{len(state[kind])} {name}" for kind, name in names.items())


def main(path):
    now = leaks.snapshot()
    if not os.path.exists(path):
        with open(path, "w") as file:
            json.dump({kind: sorted(found) for kind, found in now.items()}, file)
        print(counted(now))
        return 0
    with open(path) as file:
        before = {kind: set(found) for kind, found in json.load(file).items()}
    differences = leaks.differences(before, now)
    print(f"{counted(now)}: " + ("as before" if not differences else "not as before"))
    print("".join(f"  {line}\n" for line in differences), end="")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
