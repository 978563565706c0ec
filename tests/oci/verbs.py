"""The verbs of boxstep-oci with the flags that its callers send, and what a kill -9 leaves at each of their calls.

Where Debian's runc and crun run here, their answers to the same words are asked for too.
"""

import ctypes
import socket
import stat

from harness import *
from oci import OCI, asked, of_this_process, reap, shell, subreaper

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4


def oci(*words, **options):
    return run([program("boxstep-oci"), *words], **options)


def sleeper(**process):
    return OCI("/bin/sleep", "60", **process)


# ---- the command line ----------------------------------------------------------------------------


@test("--help lists the commands; checkpoint and restore are refused in a sentence, with --help too", needs="")
def _():
    text = oci("--help").out
    for verb in "create start state kill delete run exec ps list pause resume update events features spec".split():
        matches(text, rf"^  {verb} ")
        equal(oci(verb, "--help").status, 0, verb)
    for words in (["checkpoint"], ["checkpoint", "--help"], ["restore", "x"]):
        r = oci(*words)
        equal((r.status, r.out, len(r.err.splitlines())), (1, "", 1))
        contains(r.err, words[0])


@test("options may stand behind the id, but those of exec and ps are the command's own")
def _():
    with sleeper() as box:
        box.created().ok("start")
        run_of = [program("boxstep-oci"), "--root", box.root]
        equal(json.loads(run([*run_of, "ps", "box", "-o", "pid,comm"]).out.splitlines()[1].split()[0]), box.pid)
        equal(run([*run_of, "exec", "box", "/bin/echo", "--tty"]).out, "--tty\n")
        equal(run([*run_of, "kill", "box", "KILL", "--all"]).status, 0)
        box.ended()
        equal(run([*run_of, "delete", "box", "--force"]).status, 0)


@test("an unknown container: status 1 and `does not exist` from every verb, 0 from delete --force")
def _():
    root = TMP + "/oci"
    for words in "state|start|kill|delete|exec X true|ps|pause|resume|update --memory 10m|events --stats".split("|"):
        words = words.split()
        r = oci("--root", root, *(words if "X" in words else [*words, "X"]))
        equal((r.status, r.out), (1, ""), words[0])
        contains(r.err, "container X does not exist")
    r = oci("--root", root, "delete", "--force", "X")
    equal((r.status, r.out, r.err), (0, "", ""))


@test("state, ps, kill and delete print nothing but what they are asked for, and nothing goes to the log")
def _():
    log = ["--log-format=json", "--log", TMP + "/log"]
    with sleeper() as box:
        box.created(globals=log)
        for verb, after in (("start", []), ("pause", []), ("resume", []), ("kill", ["9"])):
            equal(box.ok(verb, after=after, globals=log).out, "", verb)
        box.ended()
        equal(box.ok("kill", "--all", after=["9"], globals=log).out, "", "kill --all of one that has ended")
        group = json.loads(read(box.root + "/box/state.json"))["cgroup"]
        if group:
            os.rmdir(group)  # as by a manager that keeps no empty ones
        equal(box.ok("kill", "--all", after=["9"], globals=log).out, "")
        equal(box.ok("delete", globals=log).out, "")
        equal(read(TMP + "/log"), "")


@test("a container that has ended is `container not running` for what wants one, with status 1")
def _():
    with OCI("/bin/true") as box:
        box.created().ok("start")
        box.ended()
        for verb in ("kill", "start", "pause", "resume", "events", "update"):
            r = box.call(verb)
            equal((r.status, r.out), (1, ""), verb)
            matches(r.err, "container not running|not in the state created")


@test("--regex kills, shows and deletes every container whose id matches, and no other")
def _():
    subreaper()
    boxes = [OCI("/bin/sleep", "60", id=name) for name in ("web-1", "web-2", "db-1")]
    try:
        for box in boxes:
            box.created().ok("start")
        first = boxes[0]
        words = [program("boxstep-oci"), "--root", first.root]
        shown = run([*words, "state", "--regex", "^web-"]).out
        equal(re.findall(r'"id":"([^"]+)"', shown), ["web-1", "web-2"])
        equal(run([*words, "kill", "--regex", "^web-", "KILL"]).status, 0)
        for box in boxes[:2]:
            box.ended()
        equal(run([*words, "delete", "--regex", "^web-"]).status, 0)
        equal(run([*words, "list", "-q"]).out, "db-1\n")
        r = run([*words, "delete", "--regex", "("])
        equal(r.status, 1)
        contains(r.err, "--regex")
    finally:
        for box in boxes:
            box.delete()


@test("run --config, --keep and --detach; the keyring is a new one unless --no-new-keyring says otherwise")
def _():
    with OCI(*shell("exit 3")) as box:
        box.write()
        os.rename(box.bundle + "/config.json", box.bundle + "/other.json")
        r = box.call("run", "--bundle", box.bundle, "--config", "other.json", "--keep")
        equal(r.status, 3)
        equal(box.status, "stopped")
        box.ok("delete")
        equal(box.call("run", "--bundle", box.bundle, "--config", box.bundle + "/other.json").status, 3, "an absolute path")
    with sleeper() as box:
        box.write()
        null = os.open("/dev/null", os.O_RDWR)
        words = box.argv("run", "--detach", "--bundle", box.bundle, "--pid-file", box.bundle + "/pid")
        equal(subprocess.run(words, stdin=null, stdout=null, stderr=null, timeout=60, check=False).returncode, 0)
        equal(box.status, "running")
        check(box.pid in map(int, of_this_process()), "it is the caller's child")
    id = f"keys-{os.getpid()}"  # what is there shows for a moment after its end, and those of others
    with OCI("/bin/sleep", "60", id=id) as box:
        absent(box.created("--no-new-keyring").ok("start").out, "boxstep." + id)
        absent(box.ok("exec", after=["/bin/cat", "/proc/keys"]).out, "boxstep." + id, "nor has exec one of its own")
    with OCI(*shell("cat /proc/keys"), id=id) as box:
        absent(box.run("--no-new-keyring").out, "boxstep." + id)
        if "boxstep." + id not in box.run().out:
            skip("this kernel shows no keys")


@test("kill with the signal 0 asks whether the container is there")
def _():
    with sleeper() as box:
        box.created().ok("start")
        equal(box.ok("kill", after=["0"]).out, "")
        contains(box.call("kill", "--explain", after=["0"]).err, ", 0, NULL, 0)")
        equal(box.status, "running")
        box.ok("kill", after=["KILL"])
        box.ended()
        r = box.call("kill", after=["0"])
        equal((r.status, r.out), (1, ""))
        contains(r.err, "container not running")


@test("update refuses what resctrl would do, with one sentence")
def _():
    for flag in ("--l3-cache-schema", "--mem-bw-schema"):
        r = oci("--root", TMP, "update", flag, "L3:0=7", "box")
        equal((r.status, r.out, len(r.err.splitlines())), (1, "", 1))
        contains(r.err, f"{flag}: this runtime does not manage resctrl")


@test("exec -t has a terminal where its caller has none")
def _():
    with sleeper() as box:
        box.created().ok("start")
        r = box.call("exec", "--tty", after=shell("tty; read x; echo $? $x"), input="word\n")
        equal(r.status, 0, r.err)
        contains(r.out, "/dev/pts/0\n")
        contains(r.out, "0 word\n")
        r = box.call("exec", "--tty", after=["/bin/sh", "-c", "tty"])
        equal((r.status, r.out), (0, "/dev/pts/0\n"), r.err)


@test("exec with another user, group, capability and variable, and in a cgroup below")
def _():
    with sleeper(user={"uid": 0, "gid": 7}) as box:
        box.created().ok("start")

        def told(*words, command=("/bin/probe", "ids", "caps")):
            r = box.call("exec", *words, after=command)
            equal((r.status, r.err), (0, ""), " ".join(words))
            return r.out

        out = told("--user", "12:34", "--additional-gids", "56")
        matches(out, "^uid 12 ")
        matches(out, "^gid 34 ")
        matches(out, "^groups 56$")
        matches(told("--user", "12"), "^uid 12 12 12\ngid 7 ")
        differs(told("--cap", "CAP_NET_RAW"), told(), "capabilities")
        equal(told("--env", "PATH=/x", "--env", "A=1", command=("/bin/probe", "env")).count("PATH="), 1)
        for bad_user in ("4294967296", "-1", "1:x", "2147483648", "1:2147483648"):
            r = box.call("exec", "--user", bad_user, after=["/bin/true"])
            equal(r.status, 255, bad_user)
        equal(box.call("exec", "--additional-gids", "2147483648", after=["/bin/true"]).status, 255)
        contains(box.call("exec", "--cwd", "tmp", after=["/bin/true"]).err, "process.cwd: an absolute path is needed")
        state = json.loads(read(box.root + "/box/state.json"))
        if state["cgroup"]:
            os.mkdir(state["cgroup"] + "/below")
            where = told("--cgroup", "below", command=("/bin/cat", "/proc/self/cgroup"))
            matches(where, r"^0::.*/below$")
            equal(box.call("exec", "--cgroup", "../..", after=["/bin/true"]).status, 255)


@test("exec --ignore-paused waits in a paused container until it is resumed")
def _():
    with OCI("/bin/sleep", "60") as box:
        if not json.loads(read(box.created().root + "/box/state.json"))["cgroup"]:
            skip("no writable cgroup2 here")
        box.ok("pause")
        contains(box.call("start").err, "container box is paused")
        box.ok("resume")
        box.ok("start")
        box.ok("pause")
        r = box.call("exec", after=["/bin/true"])
        equal(r.status, 255)
        contains(r.err, "cannot exec in a paused container")
        p = start([*box.argv("exec", "--ignore-paused"), "/bin/echo", "through"])
        group = json.loads(read(box.root + "/box/state.json"))["cgroup"]
        wait_for(lambda: len(read(group + "/cgroup.procs").split()) > 1, "the process in the frozen cgroup")
        check(p.alive(), "it waits")
        box.ok("resume")
        equal((p.wait().status, p.out), (0, "through\n"))


@test("--no-pivot warns, and its container sees nothing of the host all the same")
def _():
    r = asked("ids").run("--no-pivot")
    equal(r.status, 0)
    matches(r.err, r"--no-pivot: .*CAP_SYS_CHROOT")
    for words, call in (([], "pivot_root("), (["--no-pivot"], "chroot(")):
        contains(OCI("/bin/true").run("--explain", *words).err, call)
    out = OCI("/bin/cat", "/proc/self/mountinfo").run("--no-pivot").out
    equal(sorted(line.split()[4] for line in out.splitlines()), ["/", "/dev", "/dev/pts", "/proc"])


@test("--no-pivot leaves no whole procfs of the host behind, by which a user namespace inside could mount one: also of two", needs="root")
def _():
    # user_namespaces(7): a procfs may be mounted where another is visible as a whole
    with OCI(*shell("unshare -Urmpf mount -t proc proc /srv"), user={"uid": 1000, "gid": 1000}) as box:
        box.linux["maskedPaths"] = ["/proc/keys"]
        box.write()
        for words in ([], ["--no-pivot"]):
            twice = ["unshare", "-m", "sh", "-ec", 'mount -t proc proc /proc; exec "$@"', "sh"]
            r = run([*twice, *box.argv("run", "--bundle", box.bundle, *words)])
            equal(r.status, 1, r.err)
            contains(r.err, "permission denied")


@test("features names what the specification lists, and nothing that is refused", needs="")
def _():
    f = json.loads(oci("features").out)
    equal((f["ociVersionMin"], len(f["hooks"])), ("1.0.0", 6))
    check({"rro", "ridmap", "tmpcopyup", "rslave"} <= set(f["mountOptions"]), "mount options")
    system = f["linux"]
    equal(len(system["namespaces"]), 8)
    check({"CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"} <= set(system["capabilities"]), "capabilities")
    equal(system["cgroup"]["v1"], False)
    check({"SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO"} <= set(system["seccomp"]["actions"]), "actions")
    equal(len(system["seccomp"]["operators"]), 7)
    check(set(system["seccomp"]["supportedFlags"]) <= set(system["seccomp"]["knownFlags"]), "flags")
    equal(system["intelRdt"]["enabled"], False)


@test("spec writes a configuration that runs, once; --rootless one for a user", needs="root user")
def _():
    for user in (False, True):
        bundle = f"{TMP}/bundle-{user}"
        os.makedirs(bundle)
        os.symlink(ROOTFS, bundle + "/rootfs")
        os.chmod(TMP, 0o755)
        os.chmod(bundle, 0o777)
        ask = {"user": user, "cwd": bundle}
        words = ["--rootless"] if user else []
        equal(oci("spec", *words, "--bundle", bundle, **ask).status, 0)
        r = oci("spec", *words, **ask)
        equal(r.status, 1)
        contains(r.err, "config.json")
        os.rename(bundle + "/config.json", bundle + "/first.json")
        os.symlink("nowhere.json", bundle + "/config.json")
        contains(oci("spec", *words, **ask).err, "remove it first")
        os.rename(bundle + "/first.json", bundle + "/config.json")
        with open(bundle + "/config.json") as file:
            config = json.load(file)
        equal(("resources" in config["linux"], "gid=5" in config["mounts"][2]["options"]), (not user, not user))
        check("/proc/kcore" in config["linux"]["maskedPaths"], "maskedPaths")
        check("/proc/sys" in config["linux"]["readonlyPaths"], "readonlyPaths")
        equal((config["process"]["args"], config["process"]["terminal"]), (["sh"], True))
        config["process"].update(args=["/bin/probe", "ids"], terminal=False)
        config["root"]["path"] = ROOTFS
        os.unlink(bundle + "/config.json")
        with open(bundle + "/config.json", "w") as file:
            json.dump(config, file)
        r = oci("--root", f"{TMP if not user else STAGE + '/user/xdg'}/oci", "run", "of-spec", **ask)
        equal(r.status, 0)
        matches(r.out, "^uid 0 0 0$")


@test("in the foreground a container's terminal is shown on the caller's")
def _():
    with OCI(*shell("stty size; read line; echo got $line; exit 4"), terminal=True) as box:
        p = start(box.write().argv("run", "--bundle", box.bundle), pty=True)
        p.read_until(" ")
        equal(box.call("exec", after=shell("test -t 0 || echo none")).out, "none\n", "of exec only with --tty")
        p.write("hello\r")
        equal(p.wait().status, 4)
        contains(p.out, "got hello")


@test("a container that was created can be started at once, before its process has had a turn again")
def _():
    # one processor, and the container's process has it only while nobody else wants it
    with OCI("/bin/sleep", "60") as box:
        box.write()
        cpu = str(min(os.sched_getaffinity(0)))
        made = [*box.argv("create"), "--bundle", box.bundle]
        begun = box.argv("start")
        text = f"chrt -i 0 {' '.join(made)} >/dev/null 2>&1 && exec {' '.join(begun)}"
        for _ in range(10):
            r = run(["taskset", "-c", cpu, "sh", "-c", text])
            equal((r.status, r.err), (0, ""))
            equal(box.status, "running")
            box.delete()


# ---- limits and numbers --------------------------------------------------------------------------


def limited(**resources):
    box = sleeper()
    box.linux["resources"] = resources
    return box.created()


@test("update changes what is named, by flag, file and standard input; the rest stays", needs="root cgroup2")
def _():
    with limited(memory={"limit": 64 << 20}, cpu={"quota": 50000, "period": 100000}, pids={"limit": 20}) as box:
        box.ok("start")
        group = json.loads(read(box.root + "/box/state.json"))["cgroup"]

        def now(file):
            return read(f"{group}/{file}").strip()

        def update(*words, **options):
            r = run([*box.argv("update"), *words], **options)
            equal((r.status, r.out, r.err), (0, "", ""), " ".join(words))

        update("--memory", "50M")
        equal((now("memory.max"), now("pids.max"), now("cpu.max")), (str(50 << 20), "20", "50000 100000"))
        update("--memory-swap", str(80 << 20))
        if os.path.exists(group + "/memory.swap.max"):
            equal(now("memory.swap.max"), str(30 << 20))
        update("--memory-reservation", "33554432", "--pids-limit", "10", "--cpu-quota", "20000")
        equal((now("memory.low"), now("pids.max"), now("cpu.max")), ("33554432", "10", "20000 100000"))
        update("--memory", "-1", "--pids-limit=-1", "--cpu-share", "1024", "--cpu-quota", "-1")
        equal((now("memory.max"), now("pids.max"), now("cpu.weight")), ("max", "max", "100"))
        update("--cpuset-cpus", "0")
        equal(now("cpuset.cpus"), "0")
        update("--resources", "-", input=json.dumps({"pids": {"limit": 33}, "unified": {"memory.high": "30000000"}}))
        equal(now("pids.max"), "33")
        matches(now("memory.high"), r"^(29999104|30000000)$")
        path = TMP + "/resources.json"
        with open(path, "w") as file:
            json.dump({"memory": {"limit": 67108864}}, file)
        update("--resources", path)
        equal((now("memory.max"), now("pids.max")), ("67108864", "33"))
        for words, named in ((["--memory", "x"], "--memory"), (["--l3-cache-schema", "L3:0=f"], "l3-cache-schema"),
                             (["--resources", "/no/such"], "/no/such"), (["--cpu-rt-period", "9"], "realtime")):
            r = run([*box.argv("update"), *words])
            equal((r.status, r.out), (1, ""), named)
            contains(r.err, named)


@test("update takes a device away from a container that runs, and gives one")
def _():
    with sleeper() as box:
        box.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
        box.linux["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2}]
        box.process["capabilities"] = {s: ["CAP_MKNOD", "CAP_SYS_RAWIO"] for s in ("bounding", "effective", "permitted")}
        box.created().ok("start")
        if not json.loads(read(box.root + "/box/state.json"))["cgroup"]:
            skip("no writable cgroup2 here")
        look = [*box.argv("exec"), "/bin/sh", "-c", "exec 3</dev/x; test -e /proc/self/fd/3"]
        contains(run(look).err, "Operation not permitted")
        rule = {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 2, "access": "r"}]}
        r = box.call("update", "--resources", "-", input=json.dumps(rule))
        equal((r.status, r.err), (0, ""))
        absent(run(look).err, "Operation not permitted")


@test("events --stats prints one object a line in the shape that go-runc reads", needs="root cgroup2")
def _():
    with limited(memory={"limit": 64 << 20}, pids={"limit": 20}) as box:
        box.ok("start")
        r = box.ok("events", "--stats")
        equal(len(r.out.splitlines()), 1)
        check(r.out.startswith('{"type":"stats","id":"box","data":{'), r.out[:80])
        data = json.loads(r.out)["data"]
        check(data["cpu"]["usage"]["total"] > 0, "cpu.usage.total, in ns")
        check({"periods", "throttledPeriods", "throttledTime"} >= set(data["cpu"]["throttling"]), "throttling")
        usage = data["memory"]["usage"]
        equal(usage["limit"], 64 << 20)
        check(0 < usage["usage"] <= usage["limit"], "memory.usage.usage")
        check("failcnt" in usage and "anon" in data["memory"]["raw"], "failcnt, raw")
        equal(data["pids"], {"current": 1, "limit": 20})
        check({"blkio", "hugetlb"} <= set(data), "blkio, hugetlb")


@test("events tells an out-of-memory kill and ends with the container", needs="root cgroup2")
def _():
    with OCI(*shell("mkfifo /tmp/go; read go < /tmp/go; dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 60")) as box:
        box.mount("/tmp")
        box.linux["resources"] = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}
        box.created().ok("start")
        p = start(box.argv("events", "--interval", "1h"))
        p.read_until('"stats"')
        wait_for(lambda: box.call("exec", after=["/bin/sh", "-c", "test -p /tmp/go"]).status == 0, "the fifo")
        equal(box.call("exec", after=["/bin/sh", "-c", "echo go > /tmp/go"]).status, 0)
        p.read_until('"oom"')
        box.ok("kill", after=["KILL"])
        equal(p.wait().status, 0)
        equal(json.loads(p.out.splitlines()[-1]), {"type": "oom", "id": "box"})
        for bad_interval in ("0", "5", "x", "-1s"):
            equal(box.call("events", "--interval", bad_interval).status, 1, bad_interval)


# ---- kill -9 between any two calls ---------------------------------------------------------------

SYSCALL, SETOPTIONS, SYSGOOD, SYSCALL_INFO = 24, 0x4200, 1, 0x420E
# Calls of x86-64 that leave everything outside of the process as it was: read, close, stat, mmap, brk, fstatfs, getpid …
# A kill after one is a kill after the call before it. Elsewhere the numbers mean others, and none is left out.
ASKING = {0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 21, 39, 72, 79, 89, 95, 96, 102, 104, 107, 108, 125, 137, 138, 157, 158,
          186, 217, 218, 228, 262, 267, 269, 273, 302, 318, 334, 434, 439} if os.uname().machine == "x86_64" else set()


def asks(pid):
    """Whether the call at whose entry PID stands is one of those."""
    info = ctypes.create_string_buffer(88)
    libc.ptrace(SYSCALL_INFO, pid, len(info), ctypes.addressof(info))
    return int.from_bytes(info[24:32], sys.byteorder) in ASKING


def killed_after(argv, calls):
    """Runs ARGV and kills it after so many of its own calls that matter. False: it ended by itself before."""
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        libc.ptrace(0, 0, 0, 0)
        os.execv(argv[0], argv)
    os.waitpid(pid, 0)  # the trap of execve
    libc.ptrace(SETOPTIONS, pid, 0, SYSGOOD)
    entry, matters, deliver = True, False, 0
    while True:
        libc.ptrace(SYSCALL, pid, 0, deliver)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return False
        number = os.WSTOPSIG(status)
        deliver = 0 if number in (signal.SIGTRAP, signal.SIGTRAP | 0x80) else number
        if number != signal.SIGTRAP | 0x80:
            continue
        if entry:
            matters = not asks(pid)
        elif matters:
            calls -= 1
        entry = not entry
        if entry and matters and calls == 0:
            os.kill(pid, signal.SIGKILL)
            while os.WIFSTOPPED(os.waitpid(pid, 0)[1]):
                pass
            return True


def each_call(verb, prepare, *words, globals=()):
    """VERB is killed after each of its calls; what is left can be listed and goes with delete --force."""
    subreaper()
    box = sleeper()
    mount = cgroup2_mount()
    top = f"boxstep-verbs-{os.getpid()}"
    box.linux["cgroupsPath"] = f"/{top}/deep/box"
    box.write()
    calls, going = 0, True
    while going:
        calls += 1
        prepare(box)
        going = killed_after(box.argv(verb, *words, globals=globals), calls)
        after = f"{verb} killed after {calls} calls"
        r = oci("--root", box.root, "list", "--format", "json")
        equal((r.status, r.err), (0, ""), "list, " + after)
        check(box.call("state").status in (0, 1), "state, " + after)
        if verb == "start":  # it has no way to hang, whatever the first one came to
            box.call("start", timeout=20)
        r = box.call("delete", "--force", timeout=30)
        equal((r.status, r.out, r.err), (0, "", ""), "delete --force, " + after)
        wait_for(lambda: not of_this_process(), "the end of its processes, " + after)
        equal(os.listdir(box.root) if os.path.isdir(box.root) else [], [], after)
        check(not os.path.exists(f"{mount}/{top}"), "its cgroups are gone, " + after)
    check(calls > 10, f"{verb} makes only {calls} calls?")


@test("kill -9 after any call of create leaves what list, state and delete --force cope with", timeout=400)
def _():
    each_call("create", lambda box: None, "--bundle", TMP + "/bundle-box")


@test("kill -9 after any call of create leaves no process where no cgroup tells of it", timeout=400)
def _():
    each_call("create", lambda box: None, "--bundle", TMP + "/bundle-box", globals=("--cgroup-manager", "disabled"))


@test("kill -9 after any call of start: the state is told right, and a second start does not hang", timeout=400)
def _():
    each_call("start", lambda box: box.created())


@test("kill -9 after any call of delete: the next delete --force finishes it", timeout=400)
def _():
    each_call("delete", lambda box: box.created().ok("start"), "--force")


# ---- beside the others ---------------------------------------------------------------------------


@test("runc answers the same words with the same status and the strings that callers match", needs="root cmd:runc")
def _():
    ours, theirs = program("boxstep-oci"), shutil.which("runc")
    for words in (["state", "X"], ["kill", "X"], ["delete", "X"], ["delete", "--force", "X"], ["start", "X"], ["pause", "X"],
                  ["resume", "X"], ["ps", "X"], ["update", "--memory", "10m", "X"], ["events", "--stats", "X"]):
        a, b = (run([which, "--root", f"{TMP}/{os.path.basename(which)}", *words]) for which in (ours, theirs))
        equal(a.status, b.status, " ".join(words))
        equal("does not exist" in a.err, "does not exist" in b.err, " ".join(words))


# ---- what a service manager gives ----------------------------------------------------------------


class Manager:
    """The socket of NOTIFY_SOCKET, and what came."""

    def __init__(self, name=None):
        self.name = name or TMP + "/manager"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if self.name[0] == "@" else self.name)
        self.env = {"NOTIFY_SOCKET": self.name}

    def words(self):
        """Everything up to the barrier, whose descriptor is closed: so its sender goes on."""
        self.socket.settimeout(30)
        heard = []
        while "BARRIER=1" not in heard:
            text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            heard.append(text.decode())
            for fd in fds:
                os.close(fd)
        return heard

    def nothing(self):
        self.socket.setblocking(False)
        try:
            return self.socket.recv(4096)
        except BlockingIOError:
            return b""


def says(*texts, **more):
    return OCI("/bin/probe", *[word for text in texts for word in ("notify", text)], "sleep", "300", **more)


@test("start waits until the command has said READY=1, and tells that and its pid, nothing else of what it said")
def _():
    for name in (None, "@boxstep-test-manager"):
        manager = Manager(name)
        with says("MAINPID=1\nSTATUS=ours", "EXTEND_TIMEOUT_USEC=1", "READY=10", "READY=1\nFDSTORE=1\nMAINPID=1") as box:
            box.created(env=manager.env)
            equal(manager.nothing(), b"")
            p = start(box.argv("start"), env=manager.env)
            heard = manager.words()
            equal(heard, [f"MAINPID={box.pid}\nREADY=1", "BARRIER=1"])
            equal(p.wait().status, 0)
            equal(box.status, "running")
            r = box.call("exec", after=["/bin/sh", "-c", "echo $NOTIFY_SOCKET"], env=manager.env)
            equal(r.out, "\n", "the variable of a process that enters")
        equal(manager.nothing(), b"")
        manager.socket.close()


@test("run tells it too, in the foreground and detached; one that ends without a word is no error")
def _():
    manager = Manager()
    box = says("READY=1").write()
    p = start(box.argv("run", "--bundle", box.bundle), env=manager.env)
    matches(manager.words()[0], r"^MAINPID=\d+\nREADY=1$")
    box.ok("kill", after=["KILL"])
    equal(p.wait().status, 137)
    with says("READY=1", id="behind") as box:
        box.write()
        r = start(box.argv("run", "--detach", "--bundle", box.bundle), env=manager.env)
        matches(manager.words()[0], r"^MAINPID=\d+\nREADY=1$")
        wait_for(lambda: (r.pump(0.05), r.popen.poll() is not None)[1], "run --detach")
        equal(r.popen.returncode, 0)
    with OCI("/bin/true", id="mute") as mute:
        r = mute.run(env=manager.env)
        equal((r.status, r.err), (0, ""))
        mute.created(env=manager.env)
        mute.ok("start", env=manager.env)
        equal(manager.nothing(), b"")


@test("a start that waits for READY=1 keeps nobody else waiting, and ends with the container")
def _():
    manager = Manager()
    for end in (["kill", "KILL"], ["delete", "--force"]):
        with OCI("/bin/sleep", "300") as box:
            box.created(env=manager.env)
            p = start(box.argv("start"), env=manager.env)
            wait_for(lambda: box.status == "running", "the command")
            equal(box.call("exec", after=["/bin/true"]).status, 0)
            box.ok(end[0], after=end[1:])
            equal(p.wait().status, 0)


@test("a manager that is not there any more is named, and the command runs without; a name too long for one is an error")
def _():
    gone = Manager(TMP + "/gone")  # the name stays, and nobody listens: ECONNREFUSED
    gone.socket.close()
    for name, word in (("/nowhere/socket", "ENOENT"), (gone.name, "ECONNREFUSED")):
        env = {"NOTIFY_SOCKET": name}
        with OCI("/bin/true") as box:
            r = box.run(env=env)
            equal(r.status, 0, r.err)
            matches(r.err, rf"NOTIFY_SOCKET.*{word}")
        with OCI("/bin/sleep", "300") as box:
            box.created(env=env)
            r = box.call("start", env=env)
            equal(r.status, 0, r.err)
            matches(r.err, rf"NOTIFY_SOCKET.*{word}")
            equal(box.status, "running")
    with OCI("/bin/sleep", "300") as box:
        env = {"NOTIFY_SOCKET": "x" * 200}
        box.created(env=env)
        r = box.call("start", env=env)
        equal(r.status, 1)
        matches(r.err, "NOTIFY_SOCKET.*ENAMETOOLONG")
        equal(box.status, "created")


def listening(pid=None, names="web"):
    """As the manager sets it between fork and exec: the pid is that of who will be the runtime."""
    return ["sh", "-c", f'LISTEN_PID={pid or "$$"} LISTEN_FDS=2 LISTEN_FDNAMES={names} exec "$@"', "sh"]


@test("exec and run take the same numbers for --preserve-fds: 0 to 1024")
def _():
    with sleeper() as box:
        box.created().ok("start")
        for number, status in (("0", 0), ("2", 0), ("1025", 1), ("-1", 1), ("x", 1)):
            r = run([*box.argv("exec", "--preserve-fds", number), "true"])
            equal(r.status, status, number)
            if status:
                contains(r.err, f"--preserve-fds {number}: not a whole number from 0 to 1024")


@test("LISTEN_FDS: the descriptors are there, after them those of --preserve-fds, and the pid is that inside")
def _():
    box = OCI("/bin/sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $$ $LISTEN_FDNAMES; exec /bin/probe fds").write()
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
    for number, fd in enumerate(fds):
        os.dup2(fd, 40 + number)

    def prepare():
        for number in range(4):
            os.dup2(40 + number, 3 + number)

    def kept(*words):
        r = run([*listening(*words), *box.argv("run", "--bundle", box.bundle, "--preserve-fds", "1")], prepare=prepare, fds=range(3, 7))
        return r.lines[0], sorted(int(line.split()[1]) for line in r.lines[1:] if line.startswith("fd "))

    equal(kept(), ("2 1 1 web", [0, 1, 2, 3, 4, 5]))
    equal(kept(1)[1], [0, 1, 2, 3], "meant for somebody else")


@test("a run whose container was deleted, and made anew by another, leaves the new one alone")
def _():
    with OCI("/bin/probe", "catch", "1") as box:
        first = start(box.write().argv("run", "--bundle", box.bundle, "--pid-file", TMP + "/pid"))
        wait_for(lambda: os.path.exists(TMP + "/pid") and box.status == "running", "the first")
        os.kill(first.pid, signal.SIGSTOP)  # it has not yet seen the end of its container
        box.ok("delete", "--force")
        box.created()
        os.kill(first.pid, signal.SIGCONT)
        r = first.wait()
        equal((r.status, r.err), (137, ""))
        equal(box.status, "created", "the second")
        box.ok("start")
        equal(box.status, "running")


@test("--pidfd-socket of create, run and exec gets a pidfd of the very process, as runc sends it")
def _():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(TMP + "/told")
    listener.listen()
    listener.settimeout(5)
    words = ["--pidfd-socket", TMP + "/told"]

    def told():
        connection, _ = listener.accept()
        with connection:
            _, (fd,), _, _ = socket.recv_fds(connection, 64, 4)
        return fd, int(re.search(r"^Pid:\t(-?\d+)$", read(f"/proc/self/fdinfo/{fd}"), re.M)[1])

    with sleeper() as box:
        box.created(*words)
        first, pid = told()
        equal(pid, box.pid)
        box.ok("start")
        quiet = ["/bin/sh", "-c", "exec sleep 60 >/dev/null 2>&1"]
        box.ok("exec", "--detach", "--pid-file", TMP + "/entered", *words, after=quiet)
        second, pid = told()
        equal(pid, int(read(TMP + "/entered")))
        signal.pidfd_send_signal(second, signal.SIGKILL)
        os.waitpid(pid, 0)  # or the first one's namespace would not end
        signal.pidfd_send_signal(first, signal.SIGKILL)
        box.ended()
        equal(box.call("delete").status, 0)
        box.process["args"] = ["/bin/probe", "fds"]
        r = box.run(*words)
        equal((r.status, re.findall(r"^fd (\d+) ", r.out, re.M)), (0, ["0", "1", "2"]), r.err)
        third, _ = told()
        for fd in (first, second, third):
            os.close(fd)
        listener.close()
        r = box.run(*words)
        equal((r.status, os.listdir(box.root)), (1, []))
        contains(r.err, "--pidfd-socket: ECONNREFUSED")


# ---- what a failed create leaves -----------------------------------------------------------------


@test("a create or exec that fails leaves no pid file, and one that was there as it was")
def _():
    with OCI("/nosuch") as box:
        differs(box.create().status, 0)
        check(not os.path.exists(box.bundle + "/pid"), "an empty pid file")
        with open(box.bundle + "/pid", "w") as file:
            file.write("7")
        differs(box.create().status, 0)
        equal(read(box.bundle + "/pid"), "7")
        box.process["args"] = ["/bin/sleep", "300"]
        box.created().ok("start")
        differs(box.call("exec", "--pid-file", TMP + "/entered", after=["/nosuch"]).status, 0)
        equal(sorted(n for n in os.listdir(TMP) if "entered" in n), [])
        os.mkfifo(TMP + "/fifo")  # a rename would replace it, as it would /dev/null
        for path in ("/nowhere/pid", TMP + "/fifo", TMP, TMP + "/"):
            r = box.call("exec", "--detach", "--pid-file", path, after=["/bin/true"])
            contains(r.err, "--pid-file")
        check(stat.S_ISFIFO(os.stat(TMP + "/fifo").st_mode), "the FIFO was replaced")
