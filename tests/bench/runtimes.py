#!/usr/bin/env python3
"""runtimes.py: boxstep-oci beside Debian's crun and runc and the floor, on the same bundle.

30 rounds; in each every contender does every operation once, in random order; medians and ratios.
The bundle is the one that `boxstep-oci spec` writes, with the static probe, which ends at once, as
its command; with the usual engines' seccomp profile written whole into it, and without. State is in
memory, as /run is. boxstep-oci runs from a read-only mount too, where it has nothing to seal.
Then what a run takes besides time: the largest process, the system calls, and,
in the virtual machine, the smallest memory limit under which the command still runs.
    runtimes.py [--rounds N] [--markdown FILE]    FILE: its table, between two marks, is replaced
    runtimes.py --memory                          only the last, as JSON (runs in the machine)
"""

import argparse
import glob
import json
import os
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from copies import copies

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.environ.get("BUILD") or os.path.realpath(HERE + "/../../build")
ROOTFS, CGROUPS = BUILD + "/rootfs", "/sys/fs/cgroup"
OPERATIONS = ("run", "create+start+delete", "exec")
# The kernel takes a network namespace apart after its last process, in a thread of its own: without
# a pause each start would wait for the end of the one before, whosever that was.
PAUSE = 0.01
BEGIN, END = "<!-- bench: runtimes -->", "<!-- end bench -->"
READ_ONLY = "boxstep-oci on a read-only mount"


def own_mounts():
    """A mount namespace for this process and its children: for the read-only mount, and because crun and
    runc refuse a host whose cgroup2 is not at /sys/fs/cgroup."""
    if os.environ.pop("BENCH_HAS_MOUNTS", None):
        return
    kind = subprocess.run(["stat", "-fc", "%T", CGROUPS], capture_output=True, text=True, check=True).stdout
    script = 'exec "$@"' if kind == "cgroup2fs\n" else f'mount -t cgroup2 cgroup2 {CGROUPS} && exec "$@"'
    os.environ["BENCH_HAS_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-m", "sh", "-ec", script, "sh", sys.executable, *sys.argv])


class Bench:
    def __init__(self, scratch, state, rootfs):
        self.scratch, self.state, self.rootfs, self.notes = scratch, state, rootfs, []
        self.folder = copies(BUILD, scratch + "/bin")
        self.read_only = scratch + "/read-only"
        os.mkdir(self.read_only)
        subprocess.run(["mount", "--bind", "-o", "ro", self.folder, self.read_only], check=True)
        self.env = {"PATH": os.environ["PATH"], "CGROUP": CGROUPS}
        self.programs = {"boxstep-oci": self.folder + "/boxstep-oci", "crun": shutil.which("crun"), "runc": shutil.which("runc")}
        self.count = 0
        for profile in (True, False):
            self.bundle(profile)
        for name in [n for n, path in self.programs.items() if not path]:
            self.drop(name, "not installed")
        for name in list(self.programs):
            self.try_out(name)

    def drop(self, name, why):
        del self.programs[name]
        self.notes.append(f"{name}: does not run here: {why}")

    def bundle(self, profile, **changes):
        path = f"{self.scratch}/bundle-{profile}"
        if not os.path.exists(path):
            os.mkdir(path)
            subprocess.run([BUILD + "/boxstep-oci", "spec", "--bundle", path], check=True)
            with open(path + "/config.json", encoding="utf-8") as file:
                config = json.load(file)
            config["ociVersion"] = "1.0.2"  # of a later one crun 1.8.1 says: unknown version
            config["root"] = {"path": self.rootfs, "readonly": False}
            config["process"].update(args=["/bin/probe"], terminal=False)
            config["linux"].pop("seccomp", None)
            if profile:
                text = subprocess.run([BUILD + "/bench/profile"], capture_output=True, check=True).stdout
                config["linux"]["seccomp"] = json.loads(text)
            self.write(path, config)
        if changes:
            with open(path + "/config.json", encoding="utf-8") as file:
                config = json.load(file)
            for key, value in changes.items():
                config[key].update(value)
            path += "-changed"
            os.makedirs(path, exist_ok=True)
            self.write(path, config)
        return path

    @staticmethod
    def write(path, config):
        with open(path + "/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)

    def argv(self, name, *words):
        path = self.read_only + "/boxstep-oci" if name == READ_ONLY else self.programs[name]
        return [path, f"--root={self.state}/{name}", *words]

    def new_id(self):
        self.count += 1
        return f"bench-{os.getpid()}-{self.count}"

    def clock(self, argv, patience=60):
        """(milliseconds, KiB) of a command; None when it fails, or is not done after PATIENCE seconds. Its
        output goes to a file: a pipe would be waited for until the container has closed it too."""
        with open(self.scratch + "/out", "w+", encoding="utf-8") as out:
            process = subprocess.Popen([BUILD + "/bench/stopwatch", *argv], env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
            try:
                status = process.wait(patience)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
            out.seek(0)
            lines = out.read().splitlines()
        self.said = " ".join(lines)[-300:]
        if status != 0 or not lines:
            return None
        nanoseconds, peak = lines[-1].split()
        return int(nanoseconds) / 1e6, int(peak)

    def try_out(self, name):
        if self.run(name, True):
            return
        if name == "crun" and "MEMLOCK" in self.said:
            self.env["LD_PRELOAD"] = BUILD + "/bench/memlock.so"
            self.notes.append("crun may not raise RLIMIT_MEMLOCK here: a setrlimit that leaves it alone is preloaded")
            if self.run(name, True):
                return
        self.drop(name, self.said)

    # ---- the operations ----

    def run(self, name, profile):
        return self.clock(self.argv(name, "run", "--bundle", self.bundle(profile), self.new_id()))

    def floor(self, step):
        return self.clock([self.folder + "/floor", step, self.rootfs, self.scratch, "/bin/probe"])

    def create(self, name, bundle, id_):
        pid_file = self.scratch + "/pid"
        taken = self.clock(self.argv(name, "create", "--bundle", bundle, "--pid-file", pid_file, id_))
        if not taken:
            return None, 0
        with open(pid_file, encoding="ascii") as file:
            return taken, int(file.read())

    def create_start_delete(self, name, profile):
        """The wait for the end of the command, between start and delete, is not counted."""
        id_ = self.new_id()
        created, pid = self.create(name, self.bundle(profile), id_)
        started = created and self.clock(self.argv(name, "start", id_))
        while started and alive(pid):
            time.sleep(0.001)
        deleted = started and self.clock(self.argv(name, "delete", id_))
        if not deleted:
            return None
        return created[0] + started[0] + deleted[0], max(created[1], started[1], deleted[1])

    def exec(self, name, profile):
        id_, bundle = self.new_id(), self.bundle(profile, process={"args": ["/bin/sleep", "1000"]})
        made, _ = self.create(name, bundle, id_)
        try:
            if not made or not self.clock(self.argv(name, "start", id_)):
                return None
            return self.clock(self.argv(name, "exec", id_, "/bin/probe"))
        finally:
            self.clock(self.argv(name, "delete", "--force", id_))

    def race(self, rounds):
        """{(name, operation, profile): [(ms, KiB), …]}"""
        calls = {("floor", "run", None): lambda: self.floor("8"), ("floor", "run", "empty"): lambda: self.floor("9")}
        for name in self.programs:
            for profile in (True, False):
                for operation, function in zip(OPERATIONS, (self.run, self.create_start_delete, self.exec)):
                    calls[name, operation, profile] = lambda f=function, n=name, p=profile: f(n, p)
        for profile in (True, False):
            calls[READ_ONLY, "run", profile] = lambda p=profile: self.run(READ_ONLY, p)
        results = {key: [] for key in calls}
        for _ in range(rounds):
            for key in random.sample(list(calls), len(calls)):
                time.sleep(PAUSE)
                result = calls[key]()
                if result:
                    results[key].append(result)
        return {key: values for key, values in results.items() if values}

    # ---- besides time ----

    def system_calls(self, argv):
        out = self.scratch + "/strace"
        r = subprocess.run(["strace", "-f", "-c", "-o", out, *argv], env=self.env, capture_output=True, check=False)
        if r.returncode != 0:
            return None
        with open(out, encoding="utf-8") as file:
            words = file.read().splitlines()[-1].split()
        return int(words[3])

    def counts(self):
        found = {"floor": self.system_calls([self.folder + "/floor", "8", self.rootfs, self.scratch, "/bin/probe"])}
        for name in self.programs:
            found[name] = self.system_calls(self.argv(name, "run", "--bundle", self.bundle(True), self.new_id()))
        return found

    def smallest_limit(self, name):
        """In KiB, by halving: below it the container is killed, or the runtime gives up, or it reads its own
        file over and over, for minutes."""
        low, high = 0, 64 * 1024
        while high - low > 32:
            middle = (low + high) // 2
            bundle = self.bundle(True, linux={"resources": {"memory": {"limit": middle * 1024, "swap": middle * 1024}}})
            id_ = self.new_id()
            runs = all(self.clock(self.argv(name, "run", "--bundle", bundle, id_), patience=10) for _ in range(3))
            if not runs:
                self.clock(self.argv(name, "delete", "--force", id_))
            low, high = (low, middle) if runs else (middle, high)
        return high


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def limits_in_the_machine():
    """{name: KiB}; {} when there is no machine."""
    machine = os.environ.get("VM_DIR") or os.path.realpath(HERE + "/../../build/vm")
    words = [HERE + "/../vm/run.sh", "-d", machine, "-t", "1800", "--", "env", "BUILD=" + BUILD, os.path.realpath(__file__), "--memory"]
    r = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line for line in r.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if r.returncode == 0 and lines else {}


def median(results, *key):
    return statistics.median(ms for ms, _ in results[key]) if results.get(key) else None


def table(bench, results, calls, limits, rounds):
    floor = median(results, "floor", "run", None)
    filtered = median(results, "floor", "run", "empty")
    yield f"| | profile | median | of the floor | of crun |\n|---|---|---|---|---|\n| the floor | – | {floor:.2f} ms | 1 | – |"
    yield f"| the floor with a filter of one instruction | – | {filtered:.2f} ms | {filtered / floor:.2f} | – |"
    for operation in OPERATIONS:
        for profile in (True, False):
            theirs = median(results, "crun", operation, profile)
            for name in sorted([*bench.programs, READ_ONLY]):
                own = median(results, name, operation, profile)
                if own is None:
                    continue
                of_floor = f"{own / floor:.2f}" if operation == "run" else "–"
                of_crun = f"{own / theirs:.2f}" if theirs and name != "crun" else "–"
                yield f"| {operation}, {name} | {'yes' if profile else 'no'} | {own:.2f} ms | {of_floor} | {of_crun} |"
    yield "\n| a run with the profile | largest process | system calls | smallest memory limit |\n|---|---|---|---|"
    for name in ["floor", *bench.programs]:
        peaks = [kib for _, kib in results.get((name, "run", None if name == "floor" else True), [])]
        peak = f"{statistics.median(peaks) / 1024:.2f} MiB" if peaks else "–"
        limit = f"{limits[name]} KiB" if name in limits else "–"
        yield f"| {name} | {peak} | {calls.get(name) or '–'} | {limit} |"
    size = os.path.getsize(BUILD + "/boxstep-oci")
    yield f"\nMedians of {rounds} rounds in random order, taken {time.strftime('%Y-%m-%d', time.gmtime())} on {machine_name()}."
    yield f"The file `boxstep-oci` has {size / 1e6:.1f} MB with its debugging symbols, and loads nothing else."
    yield from (note + "." for note in bench.notes)


def machine_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    versions = []
    for name in ("crun", "runc"):
        r = subprocess.run([name, "--version"], capture_output=True, text=True, check=False) if shutil.which(name) else None
        versions += [r.stdout.splitlines()[0].replace("version ", "")] if r and r.stdout else []
    what = model[1].strip() if model else platform.machine()
    return f"{os.cpu_count()} processors ({what}), Linux {platform.release()}, load {os.getloadavg()[0]:.1f}, {', '.join(versions)}"


def put(path, text):
    with open(path, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    after = rest.partition(END)[2]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--markdown")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    own_mounts()
    scratch = tempfile.mkdtemp(prefix="boxstep-bench.", dir="/var/tmp")
    state = tempfile.mkdtemp(prefix="boxstep-bench.", dir="/dev/shm")
    try:
        rootfs = ROOTFS
        if options.memory:
            # a page of a file is charged to who reads it first: here to us, not to the container
            rootfs = shutil.copytree(ROOTFS, state + "/rootfs", symlinks=True)
        bench = Bench(scratch, state, rootfs)
        if options.memory:
            print(json.dumps({name: bench.smallest_limit(name) for name in bench.programs}))
            return
        results = bench.race(options.rounds)
        text = "\n".join(table(bench, results, bench.counts(), limits_in_the_machine(), options.rounds))
        print(text)
        if options.markdown:
            put(options.markdown, text)
    finally:
        subprocess.run(["umount", scratch + "/read-only"], check=False)
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)
        for path in glob.glob(f"{CGROUPS}/bench-{os.getpid()}-*"):
            os.rmdir(path)  # crun leaves the one of a start that failed


if __name__ == "__main__":
    main()
