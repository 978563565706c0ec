#!/usr/bin/env python3
"""bench.py: what a start costs: each step beside floor.c, which makes only the calls that are needed,
and beside bubblewrap and crun where they run.

30 rounds; in each every contender runs once, in random order; medians, and ratios to the floor of
the same step. Ratios are what counts: absolute times move from machine to machine. The command is
the static probe, which ends at once. The steps run without their init, which the others lack too.
Then 30 pairs of one step with and without the telling compiled in: what --explain costs when off.
    bench.py [ROUNDS]
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

from copies import copies

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.environ.get("BUILD") or os.path.realpath(HERE + "/../../build")
LIMIT = 1.5  # a start costs at most so many times the floor
ROOTFS, IMAGE = BUILD + "/rootfs", BUILD + "/images/demo:latest"
COMMAND = "/bin/probe"


def measure(argv, env):
    """Milliseconds from fork to reap; None when it does not run here."""
    r = subprocess.run([BUILD + "/bench/stopwatch", *argv], env=env, capture_output=True, text=True, check=False)
    return int(r.stdout.splitlines()[-1].split()[0]) / 1e6 if r.returncode == 0 and r.stdout else None


def step_argv(n, folder):
    program = f"{folder}/step{n:02d}"
    if n == 1:
        return [program, "--uts", "--", BUILD + "/probe"]
    if n == 2:
        return [program, "--no-init", "--", BUILD + "/probe"]
    words = [program, "--no-init"] + (["--network", "none"] if n >= 6 else [])
    if n >= 5:
        return [*words, IMAGE, COMMAND]
    return [*words, "--rootfs", ROOTFS, "--", COMMAND]


def floor_argv(n, folder, scratch, layers):
    command = COMMAND if n >= 3 else BUILD + "/probe"
    return [folder + "/floor", str(n), layers if n >= 5 else ROOTFS, scratch, command]


def layers_of(folder, env):
    """The image's layers as lowerdir takes them, the topmost first; a first run has unpacked them."""
    subprocess.run(step_argv(5, folder), env=env, check=True)
    with open(env["BOXSTEP_ROOT"] + "/images.json") as file:
        chain = json.load(file)["images"][-1]["layers"]
    return ":".join(f"{env['BOXSTEP_ROOT']}/layers/{digest[7:]}/diff" for digest in reversed(chain))


def bubblewrap():
    words = "--unshare-pid --unshare-ipc --unshare-uts --unshare-net --proc /proc --dev /dev --tmpfs /dev/shm"
    return [shutil.which("bwrap") or "/nonexistent", "--bind", ROOTFS, "/", *words.split(), "--", COMMAND]


def crun(scratch):
    """A bundle with private namespaces, without seccomp."""
    program = shutil.which("crun") or "/nonexistent"
    bundle = scratch + "/bundle"
    os.makedirs(bundle)
    if os.path.exists(program):
        subprocess.run([program, "spec"], cwd=bundle, check=True)
        with open(bundle + "/config.json") as file:
            config = json.load(file)
        config["root"] = {"path": ROOTFS, "readonly": False}
        config["process"].update(args=[COMMAND], terminal=False)
        config["linux"].pop("seccomp", None)
        with open(bundle + "/config.json", "w") as file:
            json.dump(config, file)
    return [program, "--cgroup-manager=disabled", f"--root={scratch}/crun", "run", "-b", bundle, "bench"]


def cgroup_parent():
    with open("/proc/self/mountinfo") as file:
        for line in file:
            if " - cgroup2 " in line and os.access(line.split()[4], os.W_OK):
                return line.split()[4]
    return None


def contenders(folder, scratch, env):
    found, layers = {}, layers_of(folder, env)
    for n in range(1, 8):
        if os.path.exists(f"{folder}/step{n:02d}"):
            found[f"floor {n}"] = floor_argv(n, folder, scratch + "/floor", layers)
            found[f"step{n:02d}"] = step_argv(n, folder)
    found["bubblewrap"] = bubblewrap()
    found["crun"] = crun(scratch)
    return found


def race(entries, rounds, env):
    times = {name: [] for name in entries}
    for name in list(entries):  # once for the caches, and to see whether it runs here at all
        if measure(entries[name], env) is None:
            print(f"{name}: does not run here")
            del entries[name]
    for _ in range(rounds):
        for name in random.sample(list(entries), len(entries)):
            time = measure(entries[name], env)
            if time is not None:
                times[name].append(time)
    return {name: statistics.median(list_of) for name, list_of in times.items() if list_of}


def table(medians):
    last = max((int(name[-1]) for name in medians if name.startswith("floor")), default=0)
    over = 0
    print(f"{'':12} {'median':>9}   ratio to the floor")
    for name, time in medians.items():
        floor = medians.get(f"floor {name[-1]}" if name.startswith("step") else f"floor {last}")
        ratio = time / floor if floor and not name.startswith("floor") else None
        over += name.startswith("step") and ratio is not None and ratio > LIMIT
        note = "" if ratio is None else f"   {ratio:5.2f}" + ("" if name.startswith("step") else f"  (of step {last})")
        print(f"{name:12} {time:6.2f} ms{note}")
    print(f"steps above {LIMIT} times their floor: {over}")


def explain_off(rounds, folder, silent, env):
    """Step 3, which makes most of the told calls and no network (whose teardown by the kernel
    disturbs the next run), with and without its telling: in pairs, in turns, the best of each."""
    pair = {"with": step_argv(3, folder), "without": step_argv(3, silent)}
    ratios = []
    for _ in range(rounds):
        best = {}
        for _ in range(10):
            for name in random.sample(list(pair), 2):
                time = measure(pair[name], env)
                if time is None:
                    return
                best[name] = min(time, best.get(name, time))
        ratios.append(best["with"] / best["without"])
    cost = (statistics.median(ratios) - 1) * 100
    print(f"explain off, step03: {cost:+.2f} % (median of {len(ratios)} pairs, the best of 10 each)")


def main(rounds):
    scratch = tempfile.mkdtemp(prefix="boxstep-bench.", dir="/var/tmp")
    os.mkdir(scratch + "/floor")
    # /run is in memory on a host with systemd; where it is not, another place in memory stands for it
    state = tempfile.mkdtemp(prefix="boxstep-bench.", dir="/dev/shm")
    env = {"PATH": os.environ["PATH"], "BOXSTEP_ROOT": scratch + "/store", "BOXSTEP_RUN": state + "/run"}
    env["BOXSTEP_NET"] = state + "/run/net"
    if cgroup_parent():
        env["CGROUP"] = cgroup_parent()
    try:
        folder = copies(BUILD, scratch + "/bin")
        table(race(contenders(folder, scratch, env), rounds, env))
        if os.path.isdir(BUILD + "/silent"):
            explain_off(rounds, folder, copies(BUILD + "/silent", scratch + "/silent"), env)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
