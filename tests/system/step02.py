"""Step 2: clone3, PID 1 and its number outside, /proc, the init, signals."""

from harness import *
from oci import reap, subreaper

STEPS = for_steps(2, 7)


def children(pid):
    return [int(word) for word in read(f"/proc/{pid}/task/{pid}/children").split()]


def inner(p):
    """The host's number of the container's PID 1."""
    return wait_for(lambda: children(p.pid), "the child of the program")[0]


def nspid(pid):
    return re.search(r"^NSpid:\s*(.*)$", read(f"/proc/{pid}/status"), re.M).group(1).split()


def ended(pid):
    """Gone, or a zombie that only waits for whoever inherited it."""
    try:
        return "State:\tZ" in read(f"/proc/{pid}/status")
    except (FileNotFoundError, ProcessLookupError):
        return True


# ---- PID 1 ---------------------------------------------------------------------------------------


@test("without an init the command is PID 1 inside and has another number outside", steps=STEPS)
def _(s):
    p = start(s.argv("--no-init", cmd=[s.probe, "ids", "catch", "1"]))
    p.read_until("ready")
    contains(p.out, "pid 1\n")
    equal(nspid(inner(p))[-1], "1")
    differs(os.readlink(f"/proc/{inner(p)}/ns/pid"), os.readlink("/proc/self/ns/pid"))


@test("with the init the command is the second process", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=[s.probe, "ids", "pids"]))
    contains(r.out, "pid 2\n")
    contains(r.out, "ppid 1\n")


@test("/proc is fresh: it shows the namespace's processes alone", steps=STEPS)
def _(s):
    r = run(s.argv("--no-init", cmd=[s.probe, "pids"]))
    equal(re.findall(r"^process (\d+)", r.out, re.M), ["1"])


@test("PID 1 drops a signal that it has no handler for, and keeps running", steps=STEPS)
def _(s):
    r = run(s.argv("--no-init", cmd=["/bin/sh", "-c", "kill -TERM $$; echo alive"]))
    equal((r.status, r.out), (0, "alive\n"))


@test("when PID 1 dies everything dies", steps=STEPS)
def _(s):
    p = start(s.argv("--no-init", cmd=["/bin/sh", "-c", f"{s.probe} fork 3 & {s.probe} fork 2 & sleep 0.5; echo up; sleep 100"]))
    p.read_until("up")
    first = inner(p)
    everybody = [first] + descendants(first)
    check(len(everybody) >= 6, everybody)
    os.kill(first, signal.SIGKILL)
    equal(p.wait().status, 137)
    for pid in everybody:
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), f"the end of {pid}")


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


@test("when the program is killed with SIGKILL the container goes too", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=[s.probe, "catch", "9"]))
    p.read_until("ready")
    everybody = descendants(p.pid)
    p.send(signal.SIGKILL)
    p.wait()
    for pid in everybody:
        wait_for(lambda: ended(pid), f"the end of {pid}")
    # what a killed program could not take away, the next one does
    equal(run(s.argv(cmd=["/bin/true"])).status, 0)


@test("in a PID namespace that is shared the command goes with the program too", steps=STEPS)
def _(s):
    subreaper()  # PID 1 does not end before every process of its namespace is reaped by its parent
    other = start(s.argv("--no-init", cmd=[s.probe, "catch", "1"]))
    other.read_until("ready")
    for mode in ("host", f"container:{inner(other)}"):
        p = start(s.argv("--pid", mode, cmd=[s.probe, "catch", "9"]))
        p.read_until("ready")
        everybody = descendants(p.pid)
        check(len(everybody) >= 2, everybody)
        p.send(signal.SIGKILL)
        p.wait()
        for pid in everybody:
            wait_for(lambda: ended(pid), f"the end of {pid}, {mode}")
            reap(pid)
    equal(run(s.argv(cmd=["/bin/true"])).status, 0)


# ---- the init ------------------------------------------------------------------------------------


@test("the init reaps orphans; without it they stay as zombies", steps=STEPS)
def _(s):
    script = f"{s.probe} orphans 20 >/dev/null; sleep 0.5; grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l; true"
    equal(run(s.argv(cmd=["/bin/sh", "-c", script])).out.strip(), "0")


@test("without an init orphans of a PID 1 that does not wait are zombies", steps=STEPS)
def _(s):
    p = start(s.argv("--no-init", cmd=[s.probe, "orphans", "5", "catch", "1"]))
    p.read_until("ready")
    first = inner(p)
    states = lambda: [re.search(r"State:\s+(\w)", read(f"/proc/{pid}/status")).group(1) for pid in children(first)]
    wait_for(lambda: states().count("Z") >= 1, "zombies")


@test("a signal to the program reaches the command, with the init and without", steps=STEPS)
def _(s):
    for options in ([], ["--no-init"]):
        p = start(s.argv(*options, cmd=[s.probe, "catch", "2"]))
        p.read_until("ready")
        p.send(signal.SIGUSR1)
        p.read_until("signal 10")
        p.send(signal.SIGTERM)
        p.read_until("signal 15")
        equal(p.wait().status, 0)


@test("a terminal that is gone ends the command of a program that leads its session", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=["/bin/sh", "-c", "echo ready; exec sleep 100"]), pty=True)
    p.read_until("ready")
    p.close()  # a hangup: the kernel tells the leader of the session alone
    equal(p.wait().status, 129)


@test("a signal that the caller ignores is not passed on", steps=STEPS)
def _(s):
    p = start(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *s.argv(cmd=[s.probe, "catch", "2"])])
    p.read_until("ready")
    p.send(signal.SIGHUP)
    p.send(signal.SIGUSR1)
    p.read_until("signal 10")
    p.send(signal.SIGTERM)
    r = p.wait()
    equal(r.status, 0)
    absent(r.lines, "signal 1")


@test("a command that a signal ends gives 128 and its number", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=["/bin/sh", "-c", "echo ready; exec sleep 100"]))
    p.read_until("ready")
    p.send(signal.SIGTERM)
    equal(p.wait().status, 143)


@test("a reader of the command's stdout sees end of file when the command has closed it", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=["/bin/sh", "-c", "exec >/dev/null 2>&1 </dev/null; exec sleep 2"]))
    began = time.monotonic()
    holders = lambda: [fd for fd in os.listdir(f"/proc/{inner(p)}/fd")]
    wait_for(lambda: holders() == [], "an init without descriptors")
    p.send(signal.SIGTERM)
    p.wait()


@test("a signal that was ignored outside acts inside", steps=STEPS)
def _(s):
    argv = s.argv(cmd=["/bin/sh", "-c", "trap 'echo got; exit 0' QUIT; kill -QUIT $$; echo lost"])
    equal(run(["sh", "-c", 'trap "" QUIT; exec "$@"', "sh", *argv]).out, "got\n")


# ---- shared PID namespaces -----------------------------------------------------------------------


@test("--pid host keeps the host's numbers", steps=STEPS)
def _(s):
    r = run(s.argv("--pid", "host", "--no-init", cmd=[s.probe, "ns"]))
    contains(r.out, "pid " + os.readlink("/proc/self/ns/pid"))


@test("--pid container:PID shares the namespace of another", steps=STEPS)
def _(s):
    p = start(s.argv("--no-init", cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    r = run(s.argv("--pid", f"container:{inner(p)}", "--no-init", cmd=[s.probe, "ids", "ns"]))
    contains(r.out, os.readlink(f"/proc/{inner(p)}/ns/pid"))
    contains(r.out, "pid 2\n")
    r = run(s.argv("--pid", "container:4194304", "--no-init", cmd=["true"]))
    check(r.err.endswith("No such process\n"), f"{r.err!r}: who is not there needs no other hint")


# ---- users ---------------------------------------------------------------------------------------


@test("an ordinary user is root in a user namespace, and PID 1", needs="user", steps=STEPS)
def _(s):
    r = run_as_user(s.argv("--user", "--map-root", "--no-init", cmd=[s.probe, "ids"]))
    equal(r.status, 0)
    contains(r.out, "pid 1\n")
    contains(r.out, "uid 0 0 0")


@test("the maps seen from the host are those that were asked for", steps=STEPS)
def _(s):
    p = start(s.argv("--user", "--map-auto", "--no-init", cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    inside, outside, count = read(f"/proc/{inner(p)}/uid_map").split()
    equal(inside, "0")
    check(int(outside) >= 65536, outside)
    equal(os.stat(f"/proc/{inner(p)}").st_uid, int(outside))


@test("a time namespace has its offsets, for root and for a user", steps=STEPS)
def _(s):
    for go in (run, run_as_user):
        options = ["--time", "--boottime", "3000000"] + (["--user", "--map-root"] if go is run_as_user else [])
        r = go(s.argv(*options, cmd=[s.probe, "clocks"]))
        equal(r.status, 0)
        check(any(float(n) > 3000000 for n in re.findall(r"[\d.]{4,}", r.out)), r.out)


@test("where exec does not enter a time namespace (before Linux 6.3) the process does so itself", needs="vm", steps=STEPS)
def _(s):
    for options in ([], ["--user", "--map-root"]):
        r = run(s.argv("--time", "--boottime", "3000000", "--no-init", *options, cmd=["/bin/cat", "/proc/uptime"]))
        equal(r.status, 0)
        check(float(r.out.split()[0]) > 3000000, r.out)


@test("on a terminal one line says which number it has outside", steps=STEPS)
def _(s):
    p = start(s.argv("--no-init", cmd=["/bin/sh", "-c", "sleep 0.3; echo done"]), pty=True)
    r = p.wait()
    number = re.search(r"is 1 inside, (\d+) outside; look: ps -fp (\d+)", r.out)
    check(number and number.group(1) == number.group(2), r.out)


@test("two at once do not see each other", steps=STEPS)
def _(s):
    both = [start(s.argv("--no-init", cmd=[s.probe, "pids", "catch", "1"])) for _ in range(2)]
    for p in both:
        p.read_until("ready")
    differs(os.readlink(f"/proc/{inner(both[0])}/ns/pid"), os.readlink(f"/proc/{inner(both[1])}/ns/pid"))


# ---- bad use -------------------------------------------------------------------------------------

bad("a PID mode that is none", lambda: [step(2), "--pid", "mine", "true"], call="--pid", names="mine")
bad("a PID namespace of nobody", lambda: [step(2), "--pid", "container:4194304", "true"], call="pidfd_open", names="4194304")
bad("no command", lambda: [step(2)], call="COMMAND")


@test("an ordinary user without a user namespace is told what to add", needs="user", steps=STEPS)
def _(s):
    r = run_as_user(s.argv(cmd=["/bin/true"]))
    equal((r.status, r.out), (125, ""))
    contains(r.err, "--user --map-root")
