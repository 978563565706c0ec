#!/usr/bin/env python3
"""Runs the tests: unit, system, what only the VM lab can show, the rules of the house, the book.

    tests/run.py                      everything
    tests/run.py step03 unit          groups: the names of the files in tests/{system,hostile,oci,fuzz,grade},
                                      unit, structure, book
    tests/run.py -k WORD              only tests whose name has WORD (several: all of them)
    tests/run.py --list               what there is
    tests/run.py --no-vm              what needs the VM lab is skipped
    MUST_WORK=1                       a skipped test is a failed one

One line a test; at the end exactly `N passed, N failed, N skipped`. Status 1 when something failed.
As root the tests run in mount, network, UTS and IPC namespaces of their own, which are the "host" of
the programs under test: whatever these do, the machine keeps its mounts, addresses and name.
"""

import argparse
import ctypes
import fcntl
import glob
import importlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE + "/system"]
sys.dont_write_bytecode = True
os.environ["BOXSTEP_RUNNER"] = str(os.getpid())

import harness  # noqa: E402
import leaks  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)
MUST_WORK = os.environ.get("MUST_WORK") == "1"
counts = {"passed": 0, "failed": 0, "skipped": 0}
runners = []  # what works beside the tests here: the VM lab, and those that can be alone
beside = {}  # pid → what else runs beside the tests, and is not theirs to be waited for
COUNTERS = "/var/lib/counters"
ALONE = ("booksite",)  # touches no mount, cgroup or network: a runner of its own works beside the others
MARK = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}


def result(name, outcome, detail="", seconds=0.0, where=""):
    """Counts and prints one test. For another runner the line is data."""
    if options.inside:
        print(json.dumps([name, outcome, detail, seconds]), flush=True)
        return
    if outcome == "skipped" and MUST_WORK:
        outcome, detail = "failed", "skipped, which MUST_WORK forbids: " + detail
    counts[outcome] += 1
    tail = f"  ({seconds:.1f} s{where})" if outcome == "passed" else ""
    first = f": {detail}" if outcome == "skipped" else ""
    print(f"{MARK[outcome]} {name}{first}{tail}", flush=True)
    if outcome == "failed":
        print("     " + detail.rstrip().replace("\n", "\n     "), flush=True)


def wanted(group, name):
    if options.inside:
        return True  # what is run there was chosen outside
    if options.groups and group not in options.groups:
        return False
    return all(word.lower() in name.lower() for word in options.word)


# ---- the host of the tests -----------------------------------------------------------------------


def own_host():
    """Namespaces of the runner's own, and lo in them. An orphan of a test comes back to the runner."""
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    if not harness.AS_ROOT or os.environ.get("ON_HOST") == "1":
        return
    if libc.unshare(0x00020000 | 0x40000000 | 0x04000000 | 0x08000000) < 0:  # NEWNS NEWNET NEWUTS NEWIPC
        sys.exit(f"tests/run.py: unshare: {os.strerror(ctypes.get_errno())}")
    mount(None, "/", None, 0x4000 | 0x40000)  # MS_REC | MS_PRIVATE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running
    for path in leaks.STATE:  # what others do there now is not seen here
        if os.path.isdir(path):
            mount("tmpfs", path, "tmpfs", 0)
    add_user()


def own_scratch(place):
    """An empty file system on PLACE, where anybody may write, so that every file there is ours. What
    the tests themselves have there stays, where it was."""
    if not harness.AS_ROOT or os.environ.get("ON_HOST") == "1" or not os.path.isdir(place):
        return
    used = [harness.STAGE, harness.ROOT, harness.BUILD, os.environ.get("VM_DIR", "")]
    used += [os.path.dirname(os.environ.get("LLVM_PROFILE_FILE", "")), os.environ.get("TMPDIR", "")]
    kept = {path: os.open(path, os.O_PATH) for path in used if path.startswith(place + "/") and os.path.isdir(path)}
    mount("tmpfs", place, "tmpfs", 0, "mode=1777")
    for path in sorted(kept):  # what is inside of another one is there with it
        if not any(path.startswith(other + "/") for other in kept):
            os.makedirs(path)
            mount(f"/proc/self/fd/{kept[path]}", path, None, 0x1000 | 0x4000)  # MS_BIND MS_REC
            leaks.ours.add(path)
        os.close(kept[path])
    leaks.watched.append(place)


def own_scratch_ends():
    """The files of the stage can be removed again: no mount is on them."""
    for place in leaks.watched:
        libc.umount2(place.encode(), 2)  # MNT_DETACH


def mount(source, target, kind, flags, data=None):
    words = [w.encode() if w else None for w in (source, target, kind)]
    if libc.mount(*words, ctypes.c_ulong(flags), data and data.encode()) < 0:
        sys.exit(f"tests/run.py: mount {target}: {os.strerror(ctypes.get_errno())}")


def add_user():
    """The ordinary user of run_as_user, with subordinate ids, in copies of the files of /etc. In the VM
    these are the copies of the runner that started it: the user is there already, with another home."""
    uid, name = harness.USER_ID, harness.USER_NAME
    home = harness.STAGE + "/user"
    for file, line in (
        ("passwd", f"{name}:x:{uid}:{uid}::{home}:/bin/sh"),
        ("group", f"{name}:x:{uid}:"),
        ("subuid", f"{name}:{harness.SUB_FIRST}:65536"),
        ("subgid", f"{name}:{harness.SUB_FIRST}:65536"),
    ):
        path = "/etc/" + file
        copy = f"{harness.STAGE}/etc-{file}"
        others = [text for text in leaks.lines(path) if not text.startswith(name + ":")]
        text = "\n".join([*others, line]) + "\n"
        with open(copy, "w") as out:
            out.write(text)
        if not os.path.exists(path):
            open(path, "x").close()
        mount(copy, path, None, 0x1000)  # MS_BIND


def stage():
    """What was built, where every user can read it and every program can be run from."""
    top = harness.STAGE
    shutil.rmtree(top, ignore_errors=True)
    os.makedirs(top + "/bin")
    os.chmod(top, 0o755)
    for path in glob.glob(harness.BUILD + "/*"):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            shutil.copy(path, top + "/bin/")
    for name in ("rootfs", "images"):
        if os.path.isdir(f"{harness.BUILD}/{name}"):
            subprocess.run(["cp", "-a", f"{harness.BUILD}/{name}", top], check=True)
    if os.path.isdir(top + "/rootfs/bin"):
        shutil.copy(harness.BUILD + "/probe", top + "/rootfs/bin/probe")
    fresh()


def fresh():
    """New and empty: TMP, and the homes with their state directories. The image stores of the homes
    stay for the run, so that an image is unpacked once; a test that wants its own names another."""
    make("tmp", False)
    for home, user in (("home", False), ("user", True)):
        make(home, user, kept=f"{harness.STAGE}/{home}/store")
        for name in ("store", "run", "xdg"):
            make(f"{home}/{name}", user, kept=name == "store", mode=0o700 if name == "xdg" else 0o755)


def make(name, user, kept=None, mode=0o755):
    """The directory NAME of the stage, empty but for the entry KEPT (True: as it is)."""
    path = f"{harness.STAGE}/{name}"
    os.makedirs(path, exist_ok=True)
    for entry in os.listdir(path) if kept is not True else []:
        if f"{path}/{entry}" != kept:
            remove(f"{path}/{entry}")
    os.chmod(path, mode)
    if user and harness.AS_ROOT:
        os.chown(path, harness.USER_ID, harness.USER_ID)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)


# ---- system tests --------------------------------------------------------------------------------


def collect():
    for folder in ("system", "hostile", "oci", "fuzz", "grade"):
        sys.path.append(f"{HERE}/{folder}")
        for path in sorted(glob.glob(f"{HERE}/{folder}/*.py")):
            with open(path) as file:
                if "from harness import" not in file.read() or path.endswith("harness.py"):
                    continue
            try:
                importlib.import_module(os.path.splitext(os.path.basename(path))[0])
            except Exception:
                result(os.path.relpath(path, HERE), "failed", traceback.format_exc())
    return [t for t in harness.collected if wanted(t.group, str(t))]


def lacking(need):
    """Why NEED is not met here: (reason, whether the VM lab has it), or None."""
    if need == "root" or need == "net":
        return None if harness.AS_ROOT else ("needs root", True)
    if need == "user":
        return None if users_may() else ("an ordinary user may not make a user namespace here", True)
    if need == "cgroup2":
        return None if controllers() else ("no cgroup v2 controllers here", True)
    if need == "nft":
        return None if nft_works() else ("no nftables here", True)
    if need == "vm":
        return None if harness.IN_VM else ("needs the VM lab", True)
    if need == "cpus":
        return None if os.cpu_count() > 1 or harness.IN_VM else ("needs two processors", True)
    kind, _, what = need.partition(":")
    if kind == "cmd":
        return None if shutil.which(what) else (f"{what} is not installed", False)
    if kind == "kernel":
        here = [int(n) for n in re.findall(r"\d+", os.uname().release)[:2]]
        return None if here >= [int(n) for n in what.split(".")] else (f"needs Linux {what}", False)
    if kind == "step":
        built = os.path.exists(f"{harness.STAGE}/bin/step{int(what):02d}")
        return None if built else (f"step{int(what):02d} is not built", False)
    return (f"unknown need {need!r}", False)


def once(function):
    answers = []

    def ask():
        if not answers:
            answers.append(function())
        return answers[0]

    return ask


@once
def users_may():
    drop = ["setpriv", "--reuid", str(harness.USER_ID), "--regid", str(harness.USER_ID), "--clear-groups"]
    argv = (drop if harness.AS_ROOT else []) + ["unshare", "-Ur", "true"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@once
def controllers():
    for top in leaks.cgroup2_mounts():
        have = " ".join(leaks.lines(top + "/cgroup.controllers")).split()
        if {"memory", "cpu", "pids"} <= set(have) and os.access(top, os.W_OK):
            return True
    return False


@once
def nft_works():
    argv = ["unshare", "-n", "nft", "add", "table", "ip", "try"]
    return harness.AS_ROOT and subprocess.run(argv, capture_output=True, check=False).returncode == 0


def reason(test):
    """(why it cannot run here, whether it can in the VM); None when it can run here."""
    missing = [lack for lack in map(lacking, test.needs) if lack]
    if test.one and not os.path.exists(f"{harness.STAGE}/bin/{test.one.name}"):
        return (f"{test.one.name} is not built", False)
    if not missing:
        return None
    for_good = [lack for lack in missing if not lack[1]]
    return (for_good or missing)[0][0], not for_good


def in_child(test, report):
    """The body of one test, in a process of its own; tells its outcome into the pipe REPORT."""
    outcome, detail = "passed", ""
    harness.begin()
    try:
        test.call()
    except harness.Skip as why:
        outcome, detail = "skipped", str(why)
    except harness.Failure as failure:
        outcome, detail = "failed", place() + str(failure)
    except BaseException:
        outcome, detail = "failed", traceback.format_exc()
    try:
        harness.finish()
    except Exception:
        detail += traceback.format_exc()
    os.write(report, json.dumps([outcome, detail]).encode())
    os._exit(0)


def place():
    for frame in reversed(traceback.extract_tb(sys.exc_info()[2])):
        if not frame.filename.endswith("harness.py"):
            return f"{os.path.relpath(frame.filename, HERE)}:{frame.lineno}: "
    return ""


def run_test(test):
    began = time.monotonic()
    fresh()
    second_processor("cpus" in test.needs)
    before = leaks.snapshot()
    receive, report = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        in_child(test, report)
    os.close(report)
    outcome, detail = attend(pid, receive, test.timeout * harness.SLOW)
    left = linger(before)
    if left:
        sweep(before)
        outcome, detail = "failed", (detail + "\n" if detail else "") + "\n".join(left)
    result(str(test), outcome, detail, time.monotonic() - began)


def run_tests(tests):
    """The tests in their order, those of a file with a service while that runs."""
    for group, some in itertools.groupby(tests, key=lambda test: test.group):
        if group in harness.services:
            with_service(group, list(some))
        else:
            for test in some:
                run_test(test)
        for runner in runners:
            runner.results()
        if not options.inside:
            book_in_vm()


def second_processor(wanted):
    """That of the VM, which sleeps otherwise (tests/vm/guest.sh)."""
    path = "/sys/devices/system/cpu/cpu1/online"
    if harness.IN_VM and leaks.lines(path) != [str(int(wanted))]:
        with open(path, "w") as file:
            file.write(str(int(wanted)))


def with_service(group, tests):
    fresh()
    before = leaks.snapshot()
    serving = harness.services[group]()
    try:
        next(serving)
    except Exception:
        for test in tests:
            result(str(test), "failed", "its service: " + traceback.format_exc())
    else:
        for test in tests:
            run_test(test)
    next(serving, None)
    left = linger(before)
    if left:
        sweep(before)
        result(f"{group}: its service leaves nothing", "failed", "\n".join(left))


def attend(pid, receive, timeout):
    """Waits for the child that runs a test; kills what hangs."""

    def too_long(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(int(timeout))
    data = b""
    try:
        while part := os.read(receive, 65536):
            data += part
        os.waitpid(pid, 0)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return "failed", f"not done after {timeout} s"
    finally:
        signal.alarm(0)
        os.close(receive)
    return json.loads(data) if data else ("failed", "the test process died")


def linger(before, seconds=4):
    """What is different from BEFORE and stays so."""
    end = time.monotonic() + seconds * harness.SLOW
    while True:
        reap()
        left = leaks.differences(before, leaks.snapshot())
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def reap():
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] in beside:
                beside[ended[0]].returncode = os.waitstatus_to_exitcode(ended[1])
    except ChildProcessError:
        pass


def sweep(before):
    """Kills and removes a leak, so that the next test starts clean: it has been reported."""
    for _ in range(3):
        for item in leaks.processes() - before["process"]:
            try:
                os.kill(int(item.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
        reap()
    for item in sorted(leaks.mounts() - before["mount"], reverse=True):
        libc.umount2(item.split()[0].encode(), 2)
    for path in sorted(leaks.scratch_files() - before["file"], reverse=True):
        remove(path)
    for group in sorted(leaks.cgroups() - before["cgroup"], reverse=True):
        try:
            os.rmdir(group)
        except OSError:
            pass


# ---- other runners, and the VM lab ---------------------------------------------------------------


def start_beside(argv, name):
    """A process that works beside the tests: it, and a file with what it prints. Its temporary files are
    none that a test has left."""
    env = {**os.environ, "TMPDIR": harness.STAGE}
    with open(f"{harness.STAGE}/{name}", "w") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, cwd=harness.ROOT, env=env)
    beside[process.pid] = process
    leaks.beside.add(process.pid)
    return process, open(f"{harness.STAGE}/{name}")


def stop_beside():
    for process in beside.values():
        if process.poll() is None:
            process.terminate()
            process.wait()


class Runner:
    """TESTS in another runner, beside those here: its output goes to a file, results are lines of JSON."""

    where = ""

    def __init__(self, tests, name="runner"):
        self.names = [str(t) for t in tests]
        self.process, self.text, self.said = None, "", []
        self.listing = f"{harness.BUILD}/{name}-tests"
        with open(self.listing, "w") as file:
            file.write("\n".join(self.names))
        self.start(tests, name)

    def start(self, _tests, name):
        argv = ["env", f"BOXSTEP_STAGE={harness.STAGE}/{name}", sys.executable, HERE + "/run.py", "--inside", self.listing]
        self.process, self.output = start_beside(argv, name + "-output")

    def running(self):
        return self.process and self.process.poll() is None

    def results(self):
        """Counts and prints the results that came since the last call."""
        self.text += self.output.read() if self.process else ""
        *whole, self.text = self.text.split("\n")
        for line in whole:
            try:
                name, outcome, detail, seconds = json.loads(line)
            except ValueError:
                self.said.append(line + "\n")
                continue
            if name in self.names:  # what a service leaves is told too, under a name of its own
                self.names.remove(name)
            result(name, outcome, detail, seconds, self.where)

    def finish(self):
        """Waits for the end; a test without a result by then has failed."""
        while self.running():
            self.results()
            time.sleep(0.2)
        self.results()
        for name in self.names if self.process else []:
            why = f"no result came from its runner{self.where} (status {self.process.returncode})\n"
            result(name, "failed", why + "".join(self.said[-20:]))


class Machine(Runner):
    """The VM lab, booted once for its tests. Emulated, it keeps a good half of one processor busy."""

    where = ", VM"

    def start(self, tests, name):
        for t in tests:
            getattr(t, "prepare", lambda: None)()
        vm = os.environ.get("VM_DIR") or harness.ROOT + "/build/vm"
        setup = subprocess.run([f"{HERE}/vm/setup.sh", vm], capture_output=True, text=True, check=False)
        if setup.returncode:
            for test in self.names:
                result(test, "skipped", "no VM: " + (setup.stderr.strip().splitlines() or ["?"])[-1])
            return
        argv = [f"{HERE}/vm/run.sh", "-d", vm, "-t", str(600 + 60 * len(tests)), "-w", harness.ROOT, "--"]
        argv += ["env", "-u", "BOXSTEP_STAGE", f"BUILD={harness.BUILD}", "IN_VM=1", *passed_on()]
        argv += ["python3", "tests/run.py", "--inside", self.listing]
        self.process, self.output = start_beside(argv, name + "-output")


def passed_on():
    """Variables that the tests in the VM need too."""
    found = [f"{name}={os.environ[name]}" for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ]
    if "LLVM_PROFILE_FILE" in os.environ:  # a shared mapping needs a real file system there
        found.append(f"LLVM_PROFILE_FILE={COUNTERS}/%m%c.profraw")
        found.append("KEEP_COUNTERS=" + os.path.dirname(os.environ["LLVM_PROFILE_FILE"]))
    return found


def counters():
    """In the VM: the coverage counters go to the shared tree, beside those of the host."""
    keep = os.environ.get("KEEP_COUNTERS")
    for path in glob.glob(COUNTERS + "/*.profraw") if keep else []:
        shutil.copy(path, f"{keep}/vm-{os.path.basename(path)}")


# ---- unit tests and checks -----------------------------------------------------------------------


def run_units():
    for path in sorted(glob.glob(harness.BUILD + "/unit/test_*")):
        module = os.path.basename(path)[5:]
        if path.endswith(".d") or not wanted("unit", "unit: " + module):
            continue
        env = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP", "TMPDIR": harness.TMP}
        fresh()
        before = leaks.snapshot()
        began = time.monotonic()
        try:
            r = subprocess.run(
                [path], cwd=harness.ROOT, env=env, capture_output=True, text=True, errors="replace", timeout=300
            )
        except subprocess.TimeoutExpired:
            result(f"unit: {module}", "failed", "not done after 300 s")
            continue
        unit_results(module, r, time.monotonic() - began)
        left = linger(before)
        if left:
            sweep(before)
            result(f"unit: {module}: leaves nothing", "failed", "\n".join(left))


def unit_results(module, r, seconds):
    """One result a line of TAP; the lines that follow a failure are its reason."""
    tests = []
    for line in r.stdout.splitlines():
        found = re.match(r"(not )?ok(?: \d+)? (# SKIP|-) ?(.*)$", line)
        if found:
            outcome = "skipped" if found[2] == "# SKIP" else "failed" if found[1] else "passed"
            tests.append([found[3], outcome, ""])
        elif tests and line.startswith("#"):
            tests[-1][2] += line[2:] + "\n"
    planned = re.search(r"^1\.\.(\d+)", r.stdout, re.M)
    if r.returncode < 0 or not planned or len(tests) < int(planned[1]) or (r.returncode and not tests):
        tail = (r.stdout + r.stderr)[-2000:]
        tests.append(["the program", "failed", f"ended with status {r.returncode} before its end\n{tail}"])
    for name, outcome, detail in tests:
        result(f"unit: {module}: {name}", outcome, detail.strip() or r.stderr[-500:], seconds / len(tests))


book = None  # the part of the book's check that needs the VM lab, while it works
BOOK = harness.ROOT + "/book/build/check.py"


def wanted_check(group):
    return wanted(group, group + ": " + " ".join(options.word))  # one program, whatever the words


def book_in_vm():
    """Begins with the transcripts that need the VM lab when the tests in it are through."""
    global book
    busy = any(runner.running() for runner in runners if runner.where)
    if wanted_check("book") and not book and not busy and not options.no_vm:
        book = start_beside([BOOK, "--in-vm"], "book-output")


def run_check(group, *argv):
    """A program that prints `ok NAME`, `FAIL NAME: why` (continued by indented lines), `skip NAME: why`."""
    if wanted_check(group):
        r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=harness.ROOT, check=False)
        check_results(group, r.stdout, r.returncode)


def check_results(group, text, status):
    found = []
    for line in text.splitlines():
        line_of = re.match(r"(ok|FAIL|skip)\s+(.*)$", line)
        if line_of:
            name, _, why = line_of[2].partition(": ")
            found.append([name, {"ok": "passed", "FAIL": "failed", "skip": "skipped"}[line_of[1]], why])
        elif found:
            found[-1][2] += "\n" + line
    if (status != 0) != any(outcome == "failed" for _, outcome, _ in found) or not found:
        found.append(["all", "failed" if status else "passed", text[-3000:]])
    for name, outcome, why in found:
        result(f"{group}: {name}", outcome, why)


# ---- the order of events -------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*")
    parser.add_argument("-k", dest="word", action="append", default=[])
    parser.add_argument("--unit", action="store_true", help="the unit tests alone")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--no-vm", action="store_true")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args()


def inside(tests):
    """For another runner: the tests whose names are in the file."""
    chosen = set(leaks.lines(options.inside))
    if harness.IN_VM:
        os.makedirs(COUNTERS, exist_ok=True)
        os.chmod(COUNTERS, 0o1777)
    able = []
    for test in tests:
        if str(test) in chosen:
            why = reason(test)
            result(str(test), "skipped", "in another runner: " + why[0]) if why else able.append(test)
    for _, some in itertools.groupby(able, key=lambda test: test.group):
        run_tests(list(some))
        counters()  # after each file: a VM that is killed has not run for nothing


def system(tests):
    able, later = [], []
    for test in tests:
        why = reason(test)
        if not why:
            able.append(test)
        elif why[1] and not options.no_vm:
            later.append(test)
        else:
            result(str(test), "skipped", why[0])
    if later:
        runners.append(Machine(later, "vm"))
    alone = [test for test in able if test.group in ALONE]
    if alone and len(alone) < len(able):
        runners.append(Runner(alone))
        able = [test for test in able if test.group not in ALONE]
    run_tests(able)
    for runner in runners:
        runner.finish()


def main():
    tests = [] if options.unit else collect()
    if options.list:
        print("\n".join(str(t) for t in tests))
        return 0
    stage()
    try:
        own_host()
        for place in leaks.SCRATCH:
            own_scratch(place)
        if options.inside:
            inside(tests)
            return 0
        if options.unit or not options.groups or "unit" in options.groups:
            run_units()
        if not options.unit:
            run_check("structure", HERE + "/structure/check.py")
            system(tests)
            book_in_vm()
            if book:
                book[0].wait()  # both put build/rootfs back as they found it
                check_results("book", book[1].read(), book[0].returncode)
            run_check("book", BOOK, "--no-vm")
    finally:
        stop_beside()
        own_scratch_ends()
        shutil.rmtree(harness.STAGE, ignore_errors=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


options = arguments()
if __name__ == "__main__":
    sys.exit(main())
