"""Step 4: a cgroup for each container: its life, its limits, what it counts, and what the OOM killer did in it."""

from harness import *

STEPS = for_steps(4, 7)
HERE = "/sys/fs/cgroup"  # inside a container, its own cgroup


def of(process):
    """The cgroup of the container that a program in the background runs: its directory on the host."""

    def group():
        for child in read(f"/proc/{process.pid}/task/{process.pid}/children").split():
            for line in read(f"/proc/{child}/cgroup").splitlines():
                if line.startswith("0::/boxstep-") or "/boxstep-" in line:
                    return cgroup2_mount() + line.split("::")[1]
        return None

    return wait_for(group, "the container's cgroup")


def ours():
    return sorted(n for n in os.listdir(cgroup2_mount()) if n.startswith("boxstep-"))


class Group:
    """A cgroup made by the test itself: a parent for others. Removed at the end of the block."""

    def __init__(self, name, *controllers):
        self.name, self.controllers = name, controllers
        self.path = f"{cgroup2_mount()}/{name}"

    def __enter__(self):
        os.mkdir(self.path)
        return self

    def __exit__(self, *_):
        for folder, _, _ in sorted(os.walk(self.path), reverse=True):
            wait_for(lambda f=folder: self.remove(f), f"the removal of {folder}")

    @staticmethod
    def remove(folder):
        try:
            os.rmdir(folder)
        except OSError:
            return False
        return True

    def write(self, file, text):
        with open(f"{self.path}/{file}", "w") as out:
            out.write(str(text))


# ---- life ----------------------------------------------------------------------------------------


@test("the container is born in a cgroup of its own, which is gone with it", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    group = of(p)
    check(os.path.isdir(group), group)
    check(len(read(group + "/cgroup.procs").split()) >= 1, "somebody is in it")
    p.send(signal.SIGTERM)
    equal(p.wait().status, 0)
    check(not os.path.exists(group), "the cgroup is removed")


@test("clone3 puts it there: at no time it is elsewhere", steps=STEPS)
def _(s):
    r, events = explain(s.argv(cmd=["/bin/true"]))
    equal(r.status, 0, r.err)
    calls = [e["call"] for e in events]
    made = next(i for i, c in enumerate(calls) if c.startswith("mkdir(") and "/boxstep-" in c)
    clone = next(i for i, c in enumerate(calls) if c.startswith("clone3("))
    check(made < clone, "made before the clone")
    contains(calls[clone], "CLONE_INTO_CGROUP")
    contains(calls[clone], "CLONE_NEWCGROUP")
    check(not any("cgroup.procs" in c for c in calls), "nobody is moved")
    check(any(c.startswith("rmdir(") and "/boxstep-" in c for c in calls), "its removal is told")


@test("inside, it is the root of all cgroups: the namespace begins at it", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=[s.probe, "read", "/proc/self/cgroup", "list", HERE, "read", HERE + "/cgroup.procs"]))
    equal(r.status, 0)
    contains(r.lines, "0::/")
    contains(r.out, "cgroup.events")
    contains(r.lines, "1")
    absent(r.out, "boxstep-")


@test("--ulimit, --umask and --oom-score-adj are the command's own", steps=STEPS)
def _(s):
    options = "--ulimit nofile=77:99 --ulimit core=0 --umask 027 --oom-score-adj 321".split()
    r = run(s.argv(*options, cmd=[s.probe, "limits"]))
    equal(r.status, 0)
    contains(r.out, "limit nofile 77 99\n")
    contains(r.out, "limit core 0 0\n")
    r = run(s.argv(*options, cmd=["/bin/sh", "-c", "umask; cat /proc/self/oom_score_adj"]))
    equal(r.lines, ["0027", "321"])


@test("a small limit is the command's: what the program itself needs is opened before", steps=STEPS)
def _(s):
    for options in ([], ["--user", "--map-auto"]):
        r = run(s.argv(*options, "--ulimit", "nofile=4", cmd=[s.probe, "limits"]))
        equal((r.status, r.err), (0, ""))
        contains(r.out, "limit nofile 4 4\n")


@test("root inside cannot write it: it is mounted read-only", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=[s.probe, "mkdir", HERE + "/x", "write", HERE + "/cgroup.freeze", "1"]))
    contains(r.out, "EROFS")
    absent(r.out, "= 0")


@test("in a user namespace it is delegated: groups inside, but not the limits of its own", steps=STEPS)
def _(s):
    r = run(s.argv("--user", "--map-auto", cmd=[s.probe, "mkdir", HERE + "/x", "write", HERE + "/cgroup.procs", "0",
                                               "write", HERE + "/x/cgroup.procs", "0", "write", HERE + "/cgroup.max.depth", "1"]))
    equal(r.out.count("= 0"), 1, "mkdir")
    absent(r.out, "EROFS")
    matches(r.out, r"write = -1 E(ACCES|PERM)\s*$", "a file of the cgroup itself that limits it")


@test("nested cgroups and a process left in one of them go away with it", steps=STEPS)
def _(s):
    deep = HERE + "/a" + "/b" * 20
    script = f"mkdir -p {deep} {HERE}/c/d && sleep 1000 & sleep 0.3; echo 2 > {deep}/cgroup.procs; echo made"
    r = run(s.argv("--user", "--map-auto", cmd=["/bin/sh", "-c", script]))
    equal((r.status, r.out), (0, "made\n"))


@test("frozen, it does nothing; killed while frozen, it ends and is removed", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=[s.probe, "catch", "100"]))
    p.read_until("ready")
    group = of(p)
    with open(group + "/cgroup.freeze", "w") as file:
        file.write("1")
    wait_for(lambda: "frozen 1" in read(group + "/cgroup.events"), "frozen")
    p.send(signal.SIGUSR1)
    time.sleep(0.2)
    p.pump(0)
    equal(len(p.out.split()), 2, "words said: ready and a pid")
    with open(group + "/cgroup.kill", "w") as file:
        file.write("1")
    equal(p.wait().status, 137)
    check(not os.path.exists(group), "the cgroup is removed")


@test("cgroup.kill by hand ends all, and is not called out of memory", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=[s.probe, "fork", "3", "sleep", "1000"]))
    group = of(p)
    wait_for(lambda: len(read(group + "/cgroup.procs").split()) >= 4, "four processes")
    with open(group + "/cgroup.kill", "w") as file:
        file.write("1")
    r = p.wait()
    equal(r.status, 137)
    absent(r.err, "memory")


@test("what kill -9 of the program leaves, the next run removes", steps=STEPS)
def _(s):
    p = start(s.argv(cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    group = of(p)
    p.send(signal.SIGKILL)
    p.wait()
    wait_for(lambda: "populated 0" in read(group + "/cgroup.events"), "the end of the container")
    equal(run(s.argv(cmd=["/bin/true"])).status, 0)
    check(not os.path.exists(group), "swept")


@test("a nested cgroup whose name begins with a dot is removed like any other", steps=STEPS)
def _(s):
    with Group(f"test-dots-{os.getpid()}") as top:  # a parent of its own: what stays here blocks nobody
        deep = HERE + "/.x/..y/z"
        r = run(s.argv("--user", "--map-auto", "--cgroup-parent", top.name, cmd=["/bin/mkdir", "-p", deep]))
        equal((r.status, r.err), (0, ""))
        check(not any(name.startswith("boxstep-") for name in os.listdir(top.path)), os.listdir(top.path))


@test("what cannot be swept is no error of the next run", steps=STEPS, needs="root cmd:strace")
def _(s):
    with Group(f"test-sweep-{os.getpid()}") as top:
        dead = f"{top.path}/boxstep-run-4194304-1"
        os.mkdir(dead)
        argv = s.argv("--cgroup-parent", top.name, cmd=["/bin/echo", "works"])
        r = run(["strace", "-qq", "-o", "/dev/null", "-P", dead, "-e", "inject=rmdir:error=EACCES", *argv])
        equal((r.status, r.out, r.err), (0, "works\n", ""))
        check(os.path.isdir(dead), "it could not be removed")
        equal(run(argv).status, 0)
        check(not os.path.exists(dead), "the next one can")


def outliving(s, *options, image=None):
    """A container whose program was killed with SIGKILL, and the host's number of its PID 1. The kernel takes no
    notice of the program's end once the command has taken another user's rights (prctl(2))."""
    probe = TMP + "/outlive"
    shutil.copy(PROBE, probe)
    os.chown(probe, USER_ID, USER_ID)
    os.chmod(probe, 0o4755)
    words = ["--no-init", "--bind", probe + ":/outlive", *options]
    command = ["/outlive", "catch", "9"]
    p = start(hidden(s.given(*words, image, *command)) if image else s.argv(*words, cmd=command, privileged=True))
    p.read_until("ready")
    first = int(read(f"/proc/{p.pid}/task/{p.pid}/children").split()[0])
    p.send(signal.SIGKILL)
    p.wait()
    return first


def lives(pid):
    return os.path.exists(f"/proc/{pid}") and "State:\tZ" not in read(f"/proc/{pid}/status")


@test("a container that outlives its program is let live by the next run, and its cgroup goes when it has ended", steps=STEPS)
def _(s):
    with Group(f"test-outlive-{os.getpid()}") as top:
        parent = ["--cgroup-parent", top.name]
        first = outliving(s, *parent)
        check(lives(first), "it goes on")
        equal(run(s.argv(*parent, cmd=["/bin/true"])).status, 0)
        check(lives(first), "still")
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not lives(first), "its end")
        equal(run(s.argv(*parent, cmd=["/bin/true"])).status, 0)
        check(not any(name.startswith("boxstep-") for name in os.listdir(top.path)), os.listdir(top.path))


@test("one that outlives its program without a cgroup keeps its root", steps=for_steps(5, 7))
def _(s):
    scratch = os.environ.get("BOXSTEP_ROOT", STAGE + "/home/store") + "/scratch"
    first = outliving(s, image=IMAGE)
    try:
        check(lives(first), "it goes on")
        root = f"/proc/{first}/root"
        with open(root + "/mine", "w") as file:
            file.write("still here")
        equal(run(hidden(s.given(IMAGE, "/bin/true"))).status, 0)
        equal(read(root + "/mine"), "still here")
        equal(len(os.listdir(scratch)), 1)
    finally:
        os.kill(first, signal.SIGKILL)
    wait_for(lambda: not lives(first), "its end")
    equal(run(hidden(s.given(IMAGE, "/bin/true"))).status, 0)
    equal(os.listdir(scratch), [])


@test("a run sweeps neither the cgroups of others nor those of living programs")
def _():
    s = Step4()
    p = start(s.argv(cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    with Group("boxstep-0123456789abcdef"), Group("not-ours"):
        equal(run(s.argv(cmd=["/bin/true"])).status, 0)
        check(os.path.isdir(of(p)), "the one of a living program")
        check(os.path.isdir(cgroup2_mount() + "/boxstep-0123456789abcdef"), "one whose owner is not known")
        check(os.path.isdir(cgroup2_mount() + "/not-ours"), "one of somebody else")
    p.send(signal.SIGTERM)
    p.wait()


@test("two at once have a cgroup each", steps=STEPS)
def _(s):
    both = [start(s.argv(cmd=[s.probe, "catch", "1"])) for _ in range(2)]
    for p in both:
        p.read_until("ready")
    differs(of(both[0]), of(both[1]))
    for p in both:
        p.send(signal.SIGTERM)
    equal([p.wait().status for p in both], [0, 0])


@test("--cgroup-parent is made where it is missing, and removed again", steps=STEPS)
def _(s):
    p = start(s.argv("--cgroup-parent", "/upper/lower", cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    contains(of(p), "/upper/lower/boxstep-")
    p.send(signal.SIGTERM)
    equal(p.wait().status, 0)
    check(not os.path.exists(cgroup2_mount() + "/upper"), "removed")


def Step4():
    from harness import Step

    return Step(4)


# ---- where there is no cgroup v2, or no right to it ------------------------------------------------


def hidden(argv, setup="mount -t tmpfs none /sys/fs/cgroup"):
    """ARGV in a mount namespace in which SETUP has changed /sys/fs/cgroup."""
    return ["unshare", "--mount", "sh", "-c", setup + ' && exec "$@"', "sh", *argv]


@test("without any cgroup2 mount everything but limits works", steps=STEPS)
def _(s):
    r = run(hidden(s.argv(cmd=["/bin/echo", "works"])))
    equal((r.status, r.out, r.err), (0, "works\n", ""))


@test("without any cgroup2 mount a limit gets one sentence", steps=STEPS)
def _(s):
    r = run(hidden(s.argv("--memory", "64m", cmd=["/bin/true"])))
    equal(r.status, 125)
    equal(len(r.err.splitlines()), 1)
    contains(r.err, "memory")
    matches(r.err, r"leave the limit out")


@test("a cgroup2 mount without controllers serves all but limits", steps=STEPS)
def _(s):
    if "memory" in read(cgroup2_mount() + "/cgroup.controllers"):
        return  # all of them are on v2 here: the other half of this file
    fresh = "mount -t cgroup2 none /sys/fs/cgroup"
    r = run(hidden(s.argv("--stats", cmd=["/bin/cat", "/proc/self/cgroup"]), fresh))
    equal(r.status, 0)
    contains(r.lines, "0::/")
    matches(r.err, r"^step0\d: cpu: ")
    for words, controller in (("--memory 64m", "memory"), ("--cpus 1", "cpu"), ("--pids-limit 9", "pids"),
                              ("--cpuset-cpus 0", "cpuset"), ("--io-max 8:0:rbps=1m", "io")):
        r = run(hidden(s.argv(*words.split(), cmd=["/bin/true"]), fresh))
        equal(r.status, 125)
        equal(len(r.err.splitlines()), 1)
        contains(r.err, f"the {controller} controller is on cgroup v1 here")


@test("an ordinary user without a delegated cgroup runs without one", needs="user", steps=STEPS)
def _(s):
    r = run_as_user(s.argv("--user", "--map-root", cmd=["/bin/echo", "works"]))
    equal((r.status, r.out), (0, "works\n"))


@test("an ordinary user's limit is refused in one sentence", needs="user", steps=STEPS)
def _(s):
    r = run_as_user(s.argv("--user", "--map-root", "--memory", "64m", cmd=["/bin/true"]))
    equal(r.status, 125)
    equal(len(r.err.splitlines()), 1)
    matches(r.err, r"Delegate=yes|on cgroup v1 here")


# ---- bad use ---------------------------------------------------------------------------------------


def refused(*options, names=None):
    s = Step4()
    return bad(" ".join(options), lambda: s.argv(*options, cmd=["/bin/true"]), names=names or " ".join(options))


for value in ("64q", "-3", "0", "", "64mm", "1e3", "0x10", " 1", "99999999999g", "max1", "1.5g"):
    refused("--memory", value, names=f"--memory {value}")
for value in ("0", "-0.5", "0.001", "1.", ".5", "1.5.5", "x", "", "1,5", "99999", "1e1"):
    refused("--cpus", value, names=f"--cpus {value}")
for value in ("-3", "0", "1.5", "20k", "", "4294967296"):
    refused("--pids-limit", value, names=f"--pids-limit {value}")
for value in ("0", "10001", "-1", "max"):
    refused("--cpu-weight", value)
    refused("--io-weight", value)
for value in ("1", "262145"):
    refused("--cpu-shares", value)
for value in ("0-", "3-1", "a", ",", "0,", "1,0", "0--1", "", "-1", "99999"):
    refused("--cpuset-cpus", value, names=f"--cpuset-cpus {value}")
for value in ("8:0", "8:0:rbps", "8:0:rbps=", "8:0:xbps=1", "8:0:rbps=0", "8:0:rbps=-5", "rbps=1", ":rbps=1", "8:0:rbps=1,,x", "8:0:"):
    refused("--io-max", value, names=f"--io-max {value}")
bad("--io-max of a file that is no disk", lambda: Step4().argv("--io-max", "/dev/null:rbps=1m", cmd=["/bin/true"]),
    names="/dev/null")
bad("--io-max of a disk that is not there", lambda: Step4().argv("--io-max", "/dev/nosuch:rbps=1m", cmd=["/bin/true"]),
    call="stat(", names="/dev/nosuch")
bad("swap without memory", lambda: Step4().argv("--memory-swap", "64m", cmd=["/bin/true"]), names="memory and swap")
bad("swap below memory", lambda: Step4().argv("--memory", "64m", "--memory-swap", "32m", cmd=["/bin/true"]),
    names="33554432")
for value in ("cgroup.kill=1", "nosuch", "../x.y=1", "memory=1", "=1"):
    refused("--cgroup-conf", value, names=value.split("=")[0])
for value in ("../x", "a/../../b", "./a", "a/."):
    refused("--cgroup-parent", value, names=value)
refused("--memory", names="--memory")


# ---- limits, in the VM lab where they are not native -----------------------------------------------

WRITES = [  # flags, the file, what is in it then
    ("--memory 64m", "memory.max", "67108864"),
    ("--memory max", "memory.max", "max"),
    ("--memory 64m --memory-swap 96m", "memory.swap.max", "33554432"),
    ("--memory 64m --memory-swap -1", "memory.swap.max", "max"),
    ("--memory-reservation 32m", "memory.low", "33554432"),
    ("--oom-group", "memory.oom.group", "1"),
    ("--cpus 0.5", "cpu.max", "50000 100000"),
    ("--cpus 2", "cpu.max", "200000 100000"),
    ("--cpu-weight 50", "cpu.weight", "50"),
    ("--cpu-shares 1024", "cpu.weight", "100"),
    ("--cpuset-cpus 0", "cpuset.cpus", "0"),
    ("--cpuset-mems 0", "cpuset.mems", "0"),
    ("--pids-limit 20", "pids.max", "20"),
    ("--pids-limit -1", "pids.max", "max"),
    ("--io-weight 200", "io.weight", "default 200"),
    ("--cgroup-conf memory.high=8388608", "memory.high", "8388608"),
    ("--cgroup-conf hugetlb.2MB.max=4194304", "hugetlb.2MB.max", "4194304"),
    ("--cpus 1 --cgroup-conf cpu.max.burst=5000", "cpu.max.burst", "5000"),
]


@test("each limit is a number in a file, which the container reads", needs="root cgroup2", steps=(4, 7), timeout=400)
def _(s):
    for flags, file, content in WRITES:
        r = run(s.argv(*flags.split(), cmd=[s.probe, "read", f"{HERE}/{file}"]))
        equal((r.status, r.out.strip()), (0, content), flags)


@test("each limit is one write, told as the write it is, before anybody is in the cgroup", needs="root cgroup2", timeout=400)
def _():
    s = Step4()
    for flags, file, content in WRITES:
        r, events = explain(s.argv(*flags.split(), cmd=["/bin/true"]))
        equal(r.status, 0, flags)
        calls = [e["call"] for e in events]
        writes = [i for i, c in enumerate(calls) if c.startswith("write(") and f"/{file}\"" in c]
        equal(len(writes), 1, f"writes to {file}")
        contains(calls[writes[0]], f'"{content}")')
        check(writes[0] < next(i for i, c in enumerate(calls) if c.startswith("clone3(")), "before the clone")


@test("a limit that the kernel refuses is named with its file, and leaves nothing", needs="root cgroup2")
def _():
    s = Step4()
    bad("a disk that is not there", s.argv("--io-max", "240:77:rbps=1m", cmd=["/bin/true"]), call="write(", names="io.max")
    bad("a CPU that is not there", s.argv("--cpuset-cpus", "4000", cmd=["/bin/true"]), call="write(", names="cpuset.cpus")
    bad("a file that is not there", s.argv("--cgroup-conf", "memory.nosuch=1", cmd=["/bin/true"]), call="write(",
        names="memory.nosuch")
    bad("a value that is none", s.argv("--cgroup-conf", "memory.high=lots", cmd=["/bin/true"]), call="write(",
        names="memory.high")


@test("a process over the limit is killed by the kernel, and PID 1 lives on", needs="root cgroup2", steps=STEPS)
def _(s):
    r = run(s.argv("--memory", "24m", cmd=["/bin/sh", "-c", f"{s.probe} hog 64m; echo lived"]))
    equal((r.status, r.out.splitlines()[-1]), (0, "lived"))
    matches(r.err, rf"^{s.name}: out of memory: the kernel killed 1 process .*PID 1 lived on; limit 24 MiB, peak 2[34]")


@test("without an init it is PID 1 that is killed", needs="root cgroup2", steps=STEPS)
def _(s):
    r = run(s.argv("--no-init", "--memory", "24m", cmd=[s.probe, "hog", "64m"]))
    equal(r.status, 137)
    contains(r.err, "PID 1 was killed")


@test("--oom-group kills all of the container", needs="root cgroup2", steps=STEPS)
def _(s):
    r = run(s.argv("--oom-group", "--memory", "24m", cmd=["/bin/sh", "-c", f"{s.probe} hog 64m; echo lived"]))
    equal(r.status, 137)
    absent(r.out, "lived")
    matches(r.err, r"killed all of this container \(memory.oom.group\); PID 1 was killed; limit 24 MiB")


@test("a SIGKILL by hand is not called out of memory, with a limit set", needs="root cgroup2", steps=STEPS)
def _(s):
    r = run(s.argv("--memory", "64m", cmd=["/bin/sh", "-c", "kill -9 $$"]))
    equal(r.status, 137)
    equal(r.err, "")


@test("an OOM kill stays inside the cgroup", needs="root cgroup2")
def _():
    s = Step4()
    bystander = start(s.argv("--memory", "64m", cmd=[s.probe, "hog", "16m", "catch", "1"]))
    bystander.read_until("ready")
    equal(run(s.argv("--memory", "24m", cmd=[s.probe, "hog", "64m"])).status, 137)
    bystander.send(signal.SIGTERM)
    r = bystander.wait()
    equal(r.status, 0)
    absent(r.err, "out of memory")


@test("a kill by the limit of a parent is said to be one", needs="root cgroup2")
def _():
    s = Step4()
    with Group("upper") as upper:
        upper.write("cgroup.subtree_control", "+memory")
        upper.write("memory.max", 24 << 20)
        r = run(s.argv("--cgroup-parent", "upper", cmd=[s.probe, "hog", "64m"]))
        equal(r.status, 137)
        contains(r.err, "not by its own limit")


@test("page cache counts as memory, is taken back at the limit, and kills nobody", needs="root cgroup2")
def _():
    s = Step4()
    run(["modprobe", "loop"])
    with open(TMP + "/disk", "w") as file:
        file.truncate(100 << 20)
    equal(run(["mkfs.ext4", "-q", TMP + "/disk"]).status, 0)
    os.mkdir(TMP + "/data")
    mount = ["mount", "-o", "loop", TMP + "/disk", TMP + "/data"]
    equal(run(mount).status, 0)
    with open(TMP + "/data/file", "wb") as file:
        file.write(b"x" * (64 << 20))
    run(["umount", TMP + "/data"])  # so that none of it is in memory on somebody else's account
    equal(run(mount).status, 0)
    try:
        script = f"cat /data/file >/dev/null; cat {HERE}/memory.events {HERE}/memory.stat"
        r = run(s.argv("--memory", "24m", "--bind", f"{TMP}/data:/data", "--stats", cmd=["/bin/sh", "-c", script]), timeout=110)
    finally:
        run(["umount", TMP + "/data"])
    equal(r.status, 0)
    found = dict(line.split() for line in r.out.splitlines() if len(line.split()) == 2)
    check(int(found["max"]) > 0, "the limit was hit")
    equal(found["oom_kill"], "0")
    check(int(found["file"]) > int(found["anon"]), "what is counted is the file")
    matches(r.err, r"memory: peak 24 MiB of 24 MiB, limit hit [1-9]\d* times, 0 killed")


@test("a fork over the limit fails, and is counted", needs="root cgroup2", steps=STEPS)
def _(s):
    r = run(s.argv("--pids-limit", "8", "--stats", cmd=[s.probe, "fork", "20", "exit", "0"]))
    contains(r.out, "EAGAIN")
    matches(r.err, r"pids: peak 8 of 8, [1-9]\d* forks refused")


@test("half a CPU is throttled, and it is counted", needs="root cgroup2", steps=STEPS)
def _(s):
    r = run(s.argv("--cpus", "0.5", "--stats", cmd=[s.probe, "burn", "1"]))
    equal(r.status, 0)
    matches(r.err, r"throttled in [1-9]\d* of \d+ periods")
    matches(r.err, r"waited for: cpu \d")


@test("a disk gets its rates, by number and by path", needs="root cgroup2")
def _():
    s = Step4()
    run(["modprobe", "loop"])
    with open(TMP + "/disk", "w") as file:
        file.truncate(1 << 20)
    device = run(["losetup", "-f", "--show", TMP + "/disk"]).out.strip()
    try:
        node = os.stat(device).st_rdev
        number = f"{os.major(node)}:{os.minor(node)}"
        for name in (device, number):
            r = run(s.argv("--io-max", f"{name}:rbps=1m,wiops=100", "--io-max", f"{name}:wbps=max,riops=7",
                           cmd=[s.probe, "read", HERE + "/io.max"]))
            equal((r.status, r.out.strip()), (0, f"{number} rbps=1048576 wbps=max riops=7 wiops=100"))
    finally:
        run(["losetup", "-d", device])


# ---- delegation, in the VM lab ---------------------------------------------------------------------


@test("a parent with processes of its own: they make room for the limit, and come back", needs="root cgroup2")
def _():
    s = Step4()
    with Group("upper") as upper:
        p = start(["sleep", "1000"])
        upper.write("cgroup.procs", p.pid)
        r, events = explain(s.argv("--cgroup-parent", "upper", "--memory", "32m", cmd=[s.probe, "read", HERE + "/memory.max"]))
        equal((r.status, r.out.strip()), (0, "33554432"))
        check(any("boxstep-leaf/cgroup.procs" in e["call"] for e in events), "moved aside")
        equal(read(upper.path + "/cgroup.procs").split(), [str(p.pid)], "back")
        equal([n for n in os.listdir(upper.path) if n.startswith("boxstep")], [])
        # without a limit nobody has to move
        r, events = explain(s.argv("--cgroup-parent", "upper", "--stats", cmd=["/bin/true"]))
        equal(r.status, 0)
        check(not any("boxstep-leaf" in e["call"] for e in events), "nobody moved")
        p.send(signal.SIGKILL)
        p.wait()


@test("a controller that a parent was not given is refused, and nothing stays", needs="root cgroup2")
def _():
    s = Step4()
    with Group("upper") as upper, Group("upper/lower"):
        upper.write("cgroup.subtree_control", "+pids")
        p = start(["sleep", "1000"])
        r = run(s.argv("--cgroup-parent", "upper/lower", "--pids-limit", "5", cmd=[s.probe, "read", HERE + "/pids.max"]))
        equal((r.status, r.out.strip()), (0, "5"))
        p.send(signal.SIGKILL)
        p.wait()
        # an ordinary user in a cgroup of his that was given pids alone
        r = as_user_in(upper.path + "/lower", s.argv("--user", "--map-root", "--memory", "32m", cmd=["/bin/true"]))
        equal(r.status, 125)
        contains(r.err, "the memory controller is not available below")


def as_user_in(group, argv):
    """ARGV as an ordinary user whose cgroup is GROUP, delegated to him."""
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(f"{group}/{name}", USER_ID, USER_ID)
    words = f"echo $$ > {group}/cgroup.procs && exec setpriv --reuid {USER_ID} --regid {USER_ID} --clear-groups"
    return run(["sh", "-c", words + ' -- "$@"', "sh", *argv])


@test("an ordinary user sets limits in a cgroup that was delegated to him", needs="root cgroup2")
def _():
    s = Step4()
    with Group("own") as own:
        r = as_user_in(own.path, s.argv("--user", "--map-root", "--memory", "24m", "--pids-limit", "9", cmd=[
            "/bin/sh", "-c", f"cat {HERE}/memory.max {HERE}/pids.max; {s.probe} hog 64m; echo lived"]))
        equal((r.status, r.out.split()), (0, ["25165824", "9", "lived"]), r.err)
        contains(r.err, "out of memory")


@test("a container cannot lift its own limits, delegated or not", needs="root cgroup2", steps=STEPS)
def _(s):
    for options in ([], ["--user", "--map-auto"]):
        r = run(s.argv("--memory", "32m", *options, cmd=[s.probe, "write", HERE + "/memory.max", "max", "read", HERE + "/memory.max"]))
        matches(r.out, r"write = -1 E(ROFS|ACCES|PERM)")
        contains(r.out, "33554432")
