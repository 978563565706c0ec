"""What a system test stands on: programs to run, things to ask them, and a host that must stay as it was.

A test is a function with a sentence for a name; tests/run.py finds it, calls it in a process of its
own and compares the host before and after (leaks.py). This file needs Python's standard library only.

    from harness import *

    @test("an OOM kill stays inside the cgroup", needs="root cgroup2")
    def _():
        r = run([step(4), "--memory", "64m", "--rootfs", ROOTFS, "--", "/bin/true"])
        equal(r.status, 0)

    @test("PID 1 inside is another number outside", steps=(2, 7))      # once for each program
    def _(s):
        r = run(s.argv("--no-init", cmd=[s.probe, "ids"]))

Paths (plain strings): ROOT the source tree, BUILD the built one, STAGE a copy of what was built that
every user can read, ROOTFS a busybox root, IMAGE an OCI layout "DIR:TAG" of three layers, PROBE the
static probe (also /bin/probe in ROOTFS), TMP an empty directory on a real disk, new for each test.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build")
STAGE = os.environ.get("BOXSTEP_STAGE") or f"/var/tmp/boxstep-test.{os.getpid()}"
os.environ["BOXSTEP_STAGE"] = STAGE
KERNEL = tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
ROOTFS = STAGE + "/rootfs"
IMAGE_DIR = STAGE + "/images/demo"
IMAGE = IMAGE_DIR + ":latest"
PROBE = STAGE + "/bin/probe"
TMP = STAGE + "/tmp"
USER_ID, USER_NAME = 54321, "boxuser"  # the ordinary user; run.py makes it known, with 65536 ids
SUB_FIRST = 2000000000  # the first of that user's subordinate ids

IN_VM = os.environ.get("IN_VM") == "1"
SLOW = 6 if IN_VM else 1  # emulated: every time-out is so much longer
AS_ROOT = os.geteuid() == 0

__all__ = """ROOT BUILD STAGE KERNEL ROOTFS IMAGE IMAGE_DIR PROBE TMP USER_ID USER_NAME SUB_FIRST IN_VM SLOW
    test service for_steps bad run run_as_user start step program equal differs contains absent matches check
    skip wait_for host_changes explain cgroup2_mount AppArmor read json os re shutil signal subprocess
    sys time""".split()


class Failure(AssertionError):
    """A check that did not hold."""


class Skip(Exception):
    """The test cannot run here, and says why."""


# ---- what a test is ------------------------------------------------------------------------------


class Test:
    def __init__(self, name, function, needs, group, timeout, one=None):
        self.name, self.function, self.needs = name, function, needs.split()
        self.group, self.timeout, self.one = group, timeout, one

    def __str__(self):
        return f"{self.group}: {self.name}" + (f" [{self.one.name}]" if self.one else "")

    def call(self):
        self.function(*([self.one] if self.one else []))


collected = []  # every test, in the order of the files
_running = False


def test(name, needs="root", steps=None, timeout=120):
    """Marks a function as a test. NEEDS: words of root, user, cgroup2, nft, net, vm, cpus (two),
    cmd:PROGRAM, kernel:6.13, step:N. What cannot be had natively but in the VM lab is run there. STEPS=(2, 7):
    called once for each of these programs, with its Step."""

    def register(function):
        group = os.path.splitext(os.path.basename(function.__code__.co_filename))[0]
        for one in [Step(n) for n in range(steps[0], steps[1] + 1)] if steps else [None]:
            collected.append(Test(name, function, needs, group, timeout, one))
        return function

    return register


services = {}  # group → the generator that starts what its tests stand on


def service(function):
    """Marks a generator: what all tests of its file stand on. It is run as far as its `yield` before
    the first of them, to its end after the last, by the runner: what it starts is no test's leak."""
    services[os.path.splitext(os.path.basename(function.__code__.co_filename))[0]] = function
    return function


def for_steps(first, last):
    return (first, last)


def bad(what, argv, call=None, names=None, status=125, needs="root", **options):
    """Bad use: the status, the call named where there is one, the object named, and nothing on stdout;
    that the host is unchanged is asserted after every test. ARGV: a list, or a function that gives
    one. As a statement of a file it registers a test, in a test it checks at once."""

    def body():
        r = run(argv() if callable(argv) else argv, **options)
        equal(r.status, status, "status")
        equal(r.out, "", "stdout")
        for text in (call, *([names] if isinstance(names, str) else names or [])):
            if text is not None:
                contains(r.err, text)
        matches(r.err, r"^(step\d\d|boxstep[-a-z]*): ", "the program's name")
        named = re.search(r"^(?:step\d\d|boxstep[-a-z]*): (\w+\()", r.err, re.M)
        check(not named or named[1].rstrip("(") in (call or ""), f"the message names {named and named[1]}), the test does not")

    if _running:
        return body()
    body.__code__ = body.__code__.replace(co_filename=sys._getframe(1).f_code.co_filename)
    return test("refused: " + what, needs=needs)(body)


class Step:
    """One of the seven programs, and what it needs on its command line."""

    def __init__(self, n):
        self.n, self.name = n, f"step{n:02d}"
        self.probe = "/bin/probe" if n >= 3 else PROBE
        self.shell = "/bin/sh"

    @property
    def path(self):
        return step(self.n)

    def argv(self, *options, cmd, rootfs=None, privileged=False):
        """The program with OPTIONS and CMD, in ROOTFS from step 3 on; without a network of its own
        making, unless the options name one; with all rights at step 7 if PRIVILEGED."""
        words = [self.path, *map(str, options)]
        if self.n >= 3:
            words += ["--rootfs", rootfs or ROOTFS]
        if self.n >= 6 and not any(str(o).startswith("--network") for o in options):
            words += ["--network", "none"]
        if self.n >= 7 and privileged:
            words += ["--privileged"]
        return [*words, "--", *cmd]


    def given(self, *words):
        """The program with WORDS, options and command, as they are; with no network of its own making
        and all rights, as if it were an earlier step."""
        network = ["--network", "none"] if self.n >= 6 else []
        return [self.path, *network, *(["--privileged"] if self.n >= 7 else []), *map(str, words)]


def step(n):
    return program(f"step{n:02d}")


def program(name):
    """The path of a built program; the test is skipped when it has not been built."""
    path = f"{STAGE}/bin/{name}"
    if not os.path.exists(path) and _running:
        raise Skip(f"{name} is not built")
    return path


# ---- asking --------------------------------------------------------------------------------------


def short(text, limit=1500):
    text = str(text)
    return text if len(text) <= limit else text[: limit // 2] + " […] " + text[-limit // 2 :]


def check(condition, message="does not hold"):
    if not condition:
        raise Failure(message)


def equal(got, wanted, what="value"):
    if got != wanted:
        raise Failure(f"{what}: got {short(repr(got))}, wanted {short(repr(wanted))}{_last()}")


def differs(got, other, what="value"):
    if got == other:
        raise Failure(f"{what}: is {short(repr(got))}, should differ{_last()}")


def contains(text, part, what="text"):
    if part not in text:
        raise Failure(f"{what} lacks {part!r}: {short(repr(text))}{_last()}")


def absent(text, part, what="text"):
    if part in text:
        raise Failure(f"{what} has {part!r}: {short(repr(text))}{_last()}")


def matches(text, pattern, what="text"):
    if not re.search(pattern, text, re.M):
        raise Failure(f"{what} does not match /{pattern}/: {short(repr(text))}{_last()}")


def skip(why):
    raise Skip(why)


def wait_for(condition, what, timeout=10):
    """Until CONDITION() is true; gives its value."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {timeout * SLOW} s for {what}{_last()}")
        time.sleep(0.02)


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


def cgroup2_mount():
    """Where the cgroup2 hierarchy is mounted; the test is skipped without one."""
    for line in read("/proc/self/mountinfo").splitlines():
        if " - cgroup2 " in line:
            return line.split()[4]
    raise Skip("no cgroup2 hierarchy is mounted")


def host_changes(before=None):
    """Without argument what the host looks like now; with one what differs from it, as lines."""
    import leaks

    now = leaks.snapshot()
    return now if before is None else leaks.differences(before, now)


# ---- running -------------------------------------------------------------------------------------


class Result:
    """How a program ended: status (128+n after signal n), out, err, seconds."""

    def __init__(self, argv, status, out, err, seconds):
        self.argv, self.status, self.out, self.err, self.seconds = argv, status, out, err, seconds
        self.lines = out.splitlines()

    def __str__(self):
        words = " ".join(a.replace(STAGE + "/bin/", "") for a in self.argv)
        return f"$ {short(words, 400)}\nstatus {self.status}\nout: {short(self.out)}\nerr: {short(self.err)}"


_last_result = None
_started = []


def _last():
    return "" if _last_result is None else "\n" + str(_last_result)


def environment(user=False, **more):
    home = STAGE + ("/user" if user else "/home")
    env = {
        "PATH": STAGE + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "USER": USER_NAME if user else "root",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "BOXSTEP_ROOT": home + "/store",
        "BOXSTEP_RUN": home + "/run",
        "BOXSTEP_NET": home + "/run/net",
        "XDG_DATA_HOME": home + "/data",
        "XDG_RUNTIME_DIR": home + "/xdg",
    }
    for name in ("LLVM_PROFILE_FILE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "IN_VM"):
        if name in os.environ:
            env[name] = os.environ[name]
    if user and AS_ROOT and "LLVM_PROFILE_FILE" in env:  # counters of its own: the others belong to root
        folder, name = os.path.split(env["LLVM_PROFILE_FILE"])
        env["LLVM_PROFILE_FILE"] = f"{folder}/user-{name}"
    env.update({name: str(value) for name, value in more.items()})
    return env


class Process:
    """A program that runs in the background, with what it has said so far in .out and .err. It is
    stopped at the end of the test: TERM, then KILL."""

    def __init__(self, argv, user=False, env=None, pty=False, cwd=None, stdin=None, fds=(), prepare=None):
        self.argv = [str(word) for word in argv]
        self.began = time.monotonic()
        self.bytes = {"out": b"", "err": b""}
        self.streams = {}
        self.status = None
        self.terminal = None
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=stdin or subprocess.DEVNULL)
        if pty:
            self.terminal, other = os.openpty()
            pipes = dict(stdin=other, stdout=other, stderr=other)

        def before_exec():
            os.setsid()
            if pty:
                import fcntl
                import termios

                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)  # a script's background jobs ignore INT and QUIT
            if user and AS_ROOT:
                os.setgroups([])
                os.setresgid(USER_ID, USER_ID, USER_ID)
                os.setresuid(USER_ID, USER_ID, USER_ID)
            if prepare:
                prepare()

        self.popen = subprocess.Popen(
            self.argv,
            env={**environment(user), **{k: str(v) for k, v in (env or {}).items()}},
            preexec_fn=before_exec,
            cwd=cwd or (STAGE + ("/user" if user and AS_ROOT else "/home")),
            pass_fds=fds,
            **pipes,
        )
        self.pid = self.popen.pid
        if pty:
            os.close(other)
            self.streams[self.terminal] = "out"
        else:
            self.streams[self.popen.stdout.fileno()] = "out"
            self.streams[self.popen.stderr.fileno()] = "err"
        _started.append(self)

    out = property(lambda self: self.bytes["out"].decode(errors="replace"))
    err = property(lambda self: self.bytes["err"].decode(errors="replace"))

    def pump(self, seconds):
        """Takes what the program has written; waits at most SECONDS for it."""
        if not self.streams:
            time.sleep(min(seconds, 0.02))
            return
        ready, _, _ = select.select(list(self.streams), [], [], seconds)
        for fd in ready:
            try:
                data = os.read(fd, 65536)
            except OSError:  # a pty whose other side is gone
                data = b""
            if data:
                self.bytes[self.streams[fd]] += data
            else:
                del self.streams[fd]

    def read_until(self, text, timeout=20):
        """Until TEXT has been said, on stdout or stderr; gives all of that stream."""
        end = time.monotonic() + timeout * SLOW
        while True:
            for stream in (self.out, self.err):
                if text in stream:
                    return stream
            over = not self.streams or time.monotonic() > end
            if over:
                raise Failure(f"never said {text!r}: {self.argv}\nout: {short(self.out)}\nerr: {short(self.err)}")
            self.pump(0.1)

    def write(self, text):
        """TEXT for its stdin. One that does not read it, and has ended by now, is no error of the test."""
        data = text.encode() if isinstance(text, str) else text
        fd = self.terminal if self.terminal is not None else self.popen.stdin.fileno()
        try:
            while data:
                data = data[os.write(fd, data) :]
        except BrokenPipeError:
            pass

    def close_stdin(self):
        self.popen.stdin.close()

    def send(self, number):
        os.kill(self.pid, number)

    def alive(self):
        return self.popen.poll() is None

    def wait(self, timeout=60):
        """The Result, once the program has ended and its output is closed."""
        global _last_result
        end = time.monotonic() + timeout * SLOW
        while self.streams or self.alive():
            self.pump(0.05)
            if self.streams and not self.alive():
                held = time.monotonic() + 2 * SLOW  # a child may hold the pipe: not for ever
                while self.streams and time.monotonic() < held:
                    self.pump(0.05)
                break
            if time.monotonic() > end:
                self.kill()
                raise Failure(f"still running after {timeout * SLOW} s: {self.argv}\nout: {short(self.out)}\nerr: {short(self.err)}")
        code = self.popen.wait()
        self.close()
        _last_result = Result(
            self.argv, code if code >= 0 else 128 - code, self.out, self.err, time.monotonic() - self.began
        )
        return _last_result

    def kill(self):
        for number, seconds in ((signal.SIGTERM, 2 * SLOW), (signal.SIGKILL, 10)):
            if self.alive():
                self.popen.send_signal(number)
                try:
                    self.popen.wait(seconds)
                except subprocess.TimeoutExpired:
                    pass
        self.close()

    def close(self):
        self.streams = {}
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


def start(argv, **options):
    """Runs ARGV in the background. Options: user, env, pty (out is then what the terminal shows),
    cwd, stdin (subprocess.PIPE for write), fds to hand on, prepare (called before the exec)."""
    return Process(argv, **options)


def run(argv, timeout=60, input=None, **options):
    """Runs ARGV to its end; gives its Result. INPUT is text for its stdin. Options as for start()."""
    if input is not None and not options.get("pty"):
        options["stdin"] = subprocess.PIPE
    process = Process(argv, **options)
    if input is not None:
        process.write(input)
        if not options.get("pty"):
            process.close_stdin()
    return process.wait(timeout)


def run_as_user(argv, **options):
    """run() as an ordinary user: no capabilities, no groups, state directories of its own."""
    return run(argv, user=True, **options)


def explain(argv, **options):
    """Runs a program with --explain=json; gives its Result and the told events as dictionaries."""
    path = TMP + "/explain.json"
    r = run([argv[0], "--explain=json", "--explain-to", path, *argv[1:]], **options)
    return r, [json.loads(line) for line in read(path).splitlines()]


class AppArmor:
    """A profile NAME with RULES in the kernel's own AppArmor."""

    def __init__(self, name, rules):
        self.text = f"abi <abi/3.0>,\nprofile {name} flags=(attach_disconnected) {{ {rules} }}\n"

    def _parser(self, what):
        r = run(["apparmor_parser", what, "-K"], input=self.text)
        equal(r.status, 0, r.err)

    def __enter__(self):
        equal(run(["mount", "-t", "securityfs", "securityfs", "/sys/kernel/security"]).status, 0)
        self._parser("-r")

    def __exit__(self, *_):
        self._parser("-R")
        run(["umount", "/sys/kernel/security"])


# ---- for tests/run.py ----------------------------------------------------------------------------


def begin():
    global _running
    _running = True
    _started.clear()  # those of a service are the runner's


def finish():
    for process in reversed(_started):
        if process.alive():
            process.kill()
        else:
            process.close()
