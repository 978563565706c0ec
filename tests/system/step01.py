"""Step 1: namespaces created, joined and shown; id maps; exec and why it fails; --explain."""

from harness import *
from oci import reap, subreaper

KINDS = {
    "user": "user",
    "mount": "mnt",
    "uts": "uts",
    "ipc": "ipc",
    "net": "net",
    "cgroup": "cgroup",
}


class Here(dict):
    """The namespaces of the test itself, by kind."""

    def __missing__(self, kind):
        return os.readlink(f"/proc/self/ns/{kind}")


HOST_NS = Here()


def namespaces(r):
    """{kind: link} from the probe's `ns`."""
    equal(r.status, 0)
    return {line.split()[0][3:]: line.split()[1] for line in r.lines if line.startswith("ns_")}


# ---- created -------------------------------------------------------------------------------------


@test("each flag makes its own namespace and leaves the others alone", steps=(1, 7))
def _(s):
    always = own(namespaces(run(s.argv(cmd=[s.probe, "ns"]))))  # what the step makes of itself: pid from 2 on, mnt from 3
    equal(bool(always), s.n > 1, always)
    for flag, kind in KINDS.items():
        mapped = ["--map-root"] if flag == "user" and s.n > 1 else []
        made = namespaces(run(s.argv(f"--{flag}", *mapped, cmd=[s.probe, "ns"], privileged=True)))
        equal(own(made), always | {kind}, f"--{flag}")


def own(made):
    return {kind for kind, link in made.items() if link != HOST_NS[kind] and kind != "pid_for_children"}


@test("after --pid the caller is still in the old PID namespace, and its first child is PID 1")
def _():
    r = run([step(1), "--pid", "--", PROBE, "ns", "run", PROBE, "ids"])
    contains(r.out, "ns_pid " + HOST_NS["pid"])
    contains(r.out, "pid 1\n")


@test("once its PID 1 has ended, a PID namespace takes no process: Cannot fork")
def _():
    r = run([step(1), "--pid", "--", "sh", "-c", "ls / >/dev/null; ls /"])
    differs(r.status, 0)
    contains(r.err, "Cannot fork")
    equal(r.out, "")


@test("--mount is private: a tmpfs mounted inside is not in the host's mountinfo", steps=(1, 7))
def _(s):
    place = TMP if s.n < 3 else "/dev/shm"
    inside = f"mount -t tmpfs inside {place} && grep -c 'tmpfs inside' /proc/self/mountinfo; sleep 0.2"
    p = start(s.argv("--mount", cmd=["/bin/sh", "-c", inside], privileged=True))
    p.read_until("1\n")
    absent(read("/proc/self/mountinfo"), "tmpfs inside")
    equal(p.wait().out, "1\n")
    r = run(s.argv("--mount", cmd=[s.probe, "mounts"]))
    absent(r.out, " shared:")


@test("--hostname names the new UTS namespace, and not the host", steps=(1, 7))
def _(s):
    before = os.uname().nodename
    r = run(s.argv("--uts", "--hostname", "box", cmd=[s.probe, "host"]))
    contains(r.out, "box")
    equal(os.uname().nodename, before)


@test("--sysctl sets what belongs to a new namespace, and the host does not notice", steps=(1, 7))
def _(s):
    keys = ["net/ipv4/ip_default_ttl", "kernel/shmmni"]
    before = [read(f"/proc/sys/{key}") for key in keys]
    words = "--net --ipc --sysctl net.ipv4.ip_default_ttl=33 --sysctl kernel/shmmni=44".split()
    r = run(s.argv(*words, cmd=[s.shell, "-c", "cat /proc/sys/" + " /proc/sys/".join(keys)]))
    equal(r.lines, ["33", "44"])
    equal([read(f"/proc/sys/{key}") for key in keys], before, "on the host")


@test("--sysctl refuses what is the host's", steps=for_steps(1, 7))
def _(s):
    bad("", s.argv("--ipc", "--sysctl", "kernel.panic=1", cmd=["true"]), call="sysctl kernel/panic", names="not one that belongs to a namespace")


@test("--sysctl says who may write a setting that a user namespace does not give", needs="user")
def _():
    for words, key in (("--user --ipc", "kernel/shmmni"), ("--map-root --uts", "kernel/domainname")):
        argv = [step(1), *words.split(), "--sysctl", key + "=9", "--", "true"]
        bad("", argv, call="openat2(", names=[key, "EACCES", "--map-root", "of the host alone"], user=True)


@test("--sysctl is for a namespace that is joined, too, and for no other", needs="root")
def _():
    p = start([step(1), "--ipc", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    cat = ["sh", "-c", "cat /proc/sys/kernel/shmmni"]
    equal(run([step(1), "--join", p.pid, "--ipc", "--sysctl", "kernel.shmmni=45", "--", *cat]).lines, ["45"])
    equal(run([step(1), "--join", p.pid, "--ipc", "--", *cat]).lines, ["45"])
    differs(read("/proc/sys/kernel/shmmni").strip(), "45")


@test("what a joined process shares with the host is not set, by --sysctl or --hostname: a host of its own shows it", needs="root")
def _():
    p = start([step(1), "--ipc", "--uts", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    names = lambda: (read("/proc/sys/net/ipv4/ip_default_ttl"), os.uname().nodename)
    before = names()
    join = [step(1), "--join", p.pid]
    bad("", [*join, "--net", "--sysctl", "net.ipv4.ip_default_ttl=33", "--", "true"], call="sysctl net/ipv4/ip_default_ttl", names="shared with the host")
    equal(run([*join, "--uts", "--hostname", "joined", "--", "hostname"]).out, "joined\n")
    equal(run([*join, "--", "hostname"]).out, "joined\n")
    bad("", [step(1), "--join", os.getpid(), "--uts", "--hostname", "evil", "--", "true"], call="--hostname evil", names="rename the host")
    bad("", [*join, "--ipc", "--hostname", "evil", "--", "true"], call="--hostname evil", names="--uts")
    bad("", [*join, "--monotonic", "5", "--", "true"], call="--monotonic", names="joined")
    equal(names(), before, "on the host")


@test("--time adds its offsets to the monotonic and the boot clock", steps=(1, 7))
def _(s):
    here = time.clock_gettime(time.CLOCK_BOOTTIME)
    r = run(s.argv("--time", "--monotonic", "1000000", "--boottime=2000000", cmd=["/bin/sh", "-c", f"{s.probe} clocks"]))
    monotonic, boot = [float(word) for word in re.findall(r"[\d.]{4,}", r.out)[:2]]
    check(1000000 < monotonic < 1000000 + here + 600, f"monotonic {monotonic}")
    check(2000000 < boot < 2000000 + here + 600, f"boot {boot}")


@test("--all makes all eight", steps=(1, 7))
def _(s):
    r = run(s.argv("--all", "--map-root", cmd=[s.probe, "ns", "run", s.probe, "ids"]))
    made = own(namespaces(r))
    equal(made | {"pid"}, {"user", "mnt", "uts", "ipc", "net", "cgroup", "time", "pid"})
    equal("pid" in made, s.n > 1)
    contains(r.out, f"pid {1 if s.n == 1 else 3}\n")  # after unshare a child is 1; after clone3 init and command were before


# ---- ids -----------------------------------------------------------------------------------------


@test("--map-root: 0 inside is the caller outside, and nobody else", needs="user", steps=(1, 7))
def _(s):
    r = run_as_user(s.argv("--user", "--map-root", cmd=["/bin/cat", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"]))
    equal(r.status, 0)
    equal([line.split() for line in r.lines], [["0", str(USER_ID), "1"]] * 2 + [["deny"]])


@test("a map implies a user namespace, and makes the caller root in it", needs="user", steps=(1, 7))
def _(s):
    r = run_as_user(s.argv("--map-root", cmd=[s.probe, "ids"]))
    contains(r.out, "uid 0 0 0")


@test("--map-auto gives an ordinary user itself as 0 and its subordinate range", needs="user", steps=(1, 7))
def _(s):
    r = run_as_user(s.argv("--map-auto", cmd=["/bin/cat", "/proc/self/uid_map"]))
    equal([line.split() for line in r.lines], [["0", str(USER_ID), "1"], ["1", str(SUB_FIRST), "65536"]])


@test("the caller's groups stay behind where they can be given up, which who maps itself cannot", steps=(1, 7))
def _(s):
    groups = lambda option: run(s.argv("--user", option, cmd=["/bin/sh", "-c", "cat /proc/self/setgroups; id -G"]), prepare=lambda: os.setgroups([4, 24]))
    equal(groups("--map-auto").out, "allow\n0\n")
    if s.n > 1:
        equal(groups("--map-root").out, "allow\n0\n")
    else:
        equal(groups("--map-root").lines[0], "deny")


def with_subids(lines, argv):
    """ARGV where /etc/subuid and /etc/subgid have these LINES."""
    with open(TMP + "/subid", "w") as file:
        file.write(lines)
    script = f'mount --bind {TMP}/subid /etc/subuid && mount --bind {TMP}/subid /etc/subgid && exec "$@"'
    return run(["unshare", "--mount", "sh", "-c", script, "sh", *argv])


@test("--map-auto gives root the range that /etc/subuid has for root, as long as it is there", steps=(1, 7))
def _(s):
    r = with_subids("other:1:2\nroot:200000:1000\n", s.argv("--map-auto", cmd=["/bin/cat", "/proc/self/uid_map", "/proc/self/gid_map"]))
    equal([line.split() for line in r.lines], [["0", "200000", "1000"]] * 2)


@test("a line of /etc/subuid without a name is nobody's, a user's without a name neither")
def _():
    nameless = ["setpriv", "--reuid", "64999", "--regid", "64999", "--clear-groups"]
    r = with_subids(":300000:65536\n", [*nameless, step(1), "--map-auto", "true"])
    equal(r.status, 125)
    contains(r.err, "/etc/subuid has no range for uid 64999")


@test("--map-auto gives root a range that is nobody's outside", steps=(1, 7))
def _(s):
    r = run(s.argv("--map-auto", cmd=["/bin/cat", "/proc/self/uid_map"]))
    inside, outside, count = (int(word) for word in r.out.split())
    equal(inside, 0)
    check(outside >= 65536 and count >= 65536, r.out)


# ---- joined and shown ----------------------------------------------------------------------------


@test("--join enters the namespaces of a process, all that differ")
def _():
    p = start([step(1), "--uts", "--ipc", "--net", "--hostname", "joined", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    theirs = {kind: os.readlink(f"/proc/{p.pid}/ns/{kind}") for kind in ("uts", "ipc", "net")}
    r = run([step(1), "--join", p.pid, "--", PROBE, "ns", "host"])
    made = namespaces(r)
    for kind, link in theirs.items():
        equal(made[kind], link, kind)
    equal(made["mnt"], HOST_NS["mnt"])
    contains(r.out, "joined")


@test("a command in a PID namespace that was joined ends with the program, and Ctrl-C is the command's")
def _():
    subreaper()  # PID 1 does not end before every process of its namespace is reaped by its parent
    p = start([step(2), "--no-init", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    inner = read(f"/proc/{p.pid}/task/{p.pid}/children").split()[0]
    join = [step(1), "--join", inner, "--pid", "--mount", "--", PROBE, "catch"]
    joined = start([*join, "9"])
    joined.read_until("ready")
    command = read(f"/proc/{joined.pid}/task/{joined.pid}/children").split()[0]
    joined.send(signal.SIGTERM)
    equal(joined.wait().status, 143)
    wait_for(lambda: not read_or_nothing(f"/proc/{command}/cmdline"), "the end of the command")
    reap(int(command))
    joined = start([*join, "1"], pty=True)
    joined.read_until("ready")
    joined.write("\x03")
    r = joined.wait()
    equal(r.status, 0)
    contains(r.out, "signal 2")


def read_or_nothing(path):
    try:
        return read(path)
    except (FileNotFoundError, ProcessLookupError):
        return ""


@test("--join holds the process before it looks at what stands under its number, and asks whether it is there after", needs="root cmd:strace")
def _():
    p = start([step(1), "--uts", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    words = [step(1), "--join", p.pid, "--", "echo", "joined"]
    trace = TMP + "/trace"
    equal(run(["strace", "-o", trace, *words]).out, "joined\n")
    calls = [line for line in read(trace).splitlines() if f"/proc/{p.pid}/ns/uts" in line or "pidfd" in line]
    looks = [i for i, line in enumerate(calls) if "/ns/uts" in line]
    check("pidfd_open(" in calls[0] and looks, "\n".join(calls))
    matches(calls[looks[-1] + 1], r"^pidfd_send_signal\(\d+, 0, NULL, 0\)")
    r = run(["strace", "-o", trace, "-e", "inject=pidfd_send_signal:error=ESRCH", *words])
    equal((r.status, r.out), (125, ""))
    contains(r.err, f"process {p.pid} has ended")


@test("--join with kinds enters those alone")
def _():
    p = start([step(1), "--uts", "--ipc", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    made = namespaces(run([step(1), "--join", p.pid, "--uts", "--", PROBE, "ns"]))
    equal(made["uts"], os.readlink(f"/proc/{p.pid}/ns/uts"))
    equal(made["ipc"], HOST_NS["ipc"])


@test("a join without the rights for it says whose they are, and whether joining the user namespace first helps", needs="user")
def _():
    def refused(target, *kinds, names):
        bad("a join", [step(1), "--join", target.pid, *kinds, "--", "true"], call="setns(", names=names, user=True)

    theirs, own, nested = [start([*words, PROBE, "catch", "1"], user=user) for words, user in (([], False), ([], True), (["unshare", "-Urn"], True))]
    for p in (theirs, own, nested):
        p.read_until("ready")
    refused(theirs, "--uts", names="be root there, or who made it")
    refused(own, "--uts", names="be root there, or who made it")
    refused(own, "--user", names="in that user namespace already")
    refused(nested, "--net", names="add --user to join that one first")
    equal(run_as_user([step(1), "--join", nested.pid, "--user", "--net", "--", "/bin/sh", "-c", "id -u"]).out, "0\n")


@test("a joined PID namespace holds the command, which is a child", steps=(2, 7))
def _(s):
    p = start(s.argv("--no-init", cmd=[s.probe, "catch", "1"]))
    p.read_until("ready")
    inside = wait_for(lambda: child_of(p.pid), "the child")
    r = run([step(1), "--join", inside, "--pid", "--", PROBE, "ids"])
    contains(r.out, "pid 2\n")


def child_of(pid):
    words = read(f"/proc/{pid}/task/{pid}/children").split()
    return int(words[0]) if words else None


@test("--show names each kind, its inode, and whether it is the caller's")
def _():
    p = start([step(1), "--uts", "--", PROBE, "catch", "1"])
    p.read_until("ready")
    r = run([step(1), "--show", p.pid])
    rows = {line.split()[0]: re.split(r" {2,}", line) for line in r.lines[1:]}
    equal(sorted(rows), ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"])
    for kind, row in rows.items():
        equal(f"{kind}:[{row[1]}]", os.readlink(f"/proc/{p.pid}/ns/{kind}"))
        equal(row[2], "different" if kind == "uts" else "same", kind)
        equal(row[3], beside_first(kind, row[1]), f"{kind} beside PID 1's")
        if kind != "user":
            equal(row[-1], re.search(r"\d+", HOST_NS["user"]).group())
    equal(run([step(1), f"--show={p.pid}"]).out, r.out, "the other spelling")
    own = [line.split() for line in run([step(1), "--show"]).lines[1:]]
    equal([(row[0], row[2]) for row in own], [(kind, "same") for kind in rows], "without a pid: one's own")


def beside_first(kind, inode):
    try:
        link = os.readlink(f"/proc/1/ns/{kind}")
    except PermissionError:  # the first process of a machine that is itself a container may be out of sight
        return "not readable"
    return "same" if link == f"{kind}:[{inode}]" else "different"


# ---- exec ----------------------------------------------------------------------------------------


@test("the status is the command's own, or 128 and the signal's number", steps=(1, 7))
def _(s):
    equal(run(s.argv(cmd=[s.probe, "exit", "42"])).status, 42)
    equal(run(s.argv(cmd=["/bin/sh", "-c", "kill -9 $$"])).status, 137)


@test("127 for a command that is not there, 126 for one that cannot be run", steps=(1, 7))
def _(s):
    r = run(s.argv(cmd=["nosuchcommand"]))
    equal(r.status, 127)
    contains(r.err, 'execve("nosuchcommand")')
    equal(run(s.argv(cmd=["/etc/passwd"])).status, 126)


@test("a path that is too long is refused, and not cut off to that of another program", steps=(1, 7))
def _(s):
    cut = "/" * (4095 - len("bin/true")) + "bin/true"
    for env, word in (({}, cut + "-not"), ({"PATH": cut.removesuffix("/true")}, "true-not")):
        r = run(s.argv(cmd=[word]), env={**os.environ, **env})
        equal(r.status, 126 if "/" in word else 127)
        contains(r.err, "ENAMETOOLONG" if "/" in word else "ENOENT")
    equal(run(s.argv(cmd=[cut])).status, 0)


@test("what execve leaves unexplained is named: interpreter, CR, architecture, noexec, directory", steps=(1, 7))
def _(s):
    bind, place = ([], TMP) if s.n < 3 else (["--bind", TMP + ":/mnt"], "/mnt")

    def made(name, content, mode=0o755):
        with open(f"{TMP}/{name}", "wb") as file:
            file.write(content)
        os.chmod(f"{TMP}/{name}", mode)
        return f"{place}/{name}"

    elf = bytearray(open(PROBE, "rb").read(4096))
    elf[18:20] = (0xF3).to_bytes(2, "little")  # RISC-V
    cases = [
        (made("script", b"#!/no/such/sh\n"), "interpreter /no/such/sh is missing", 126),
        (made("dos", b"#!/bin/sh\r\n"), "CR LF", 126),
        (made("foreign", bytes(elf)), "another architecture", 126),
        (made("text", b"hello\n"), "neither an ELF program nor a script", 126),
        (made("closed", b"#!/bin/sh\n", 0o644), "0644", 126),
        (place, "directory", 126),
    ]
    for path, cause, status in cases:
        r = run(s.argv(*bind, cmd=[path]))
        equal(r.status, status, path)
        contains(r.err, cause)
        contains(r.err, path)
    if s.n < 3:
        tmpfs = f'mount -t tmpfs -o noexec t {TMP} && cp /bin/true {TMP}/t && exec "$@"'
        r = run([step(1), "--mount", "--", "sh", "-c", tmpfs, "-", *s.argv(cmd=[TMP + "/t"])])
    else:
        r = run(s.argv("--bind", f"{ROOTFS}/bin:/mnt:noexec", cmd=["/mnt/probe"]))
    contains(r.err, "noexec")


@test("no descriptor of the program reaches the command", steps=(1, 7))
def _(s):
    r = run(s.argv("--explain=json", "--explain-to", TMP + "/told", cmd=[s.probe, "fds"]))
    equal([line.split()[1] for line in r.lines], ["0", "1", "2"])


# ---- narration -----------------------------------------------------------------------------------


@test("without --explain the only output is the command's own", steps=(1, 7))
def _(s):
    r = run(s.argv(cmd=["/bin/sh", "-c", "echo hello"]))
    equal((r.status, r.out, r.err), (0, "hello\n", ""))


@test("--explain=json has one object a line, with call, result, why, check, where, who, stage", steps=(1, 7))
def _(s):
    r = run(s.argv("--uts", "--explain=json", cmd=["/bin/true"]))
    equal(r.status, 0)
    for line in r.err.splitlines():
        record = json.loads(line)
        for key in ("call", "result", "why", "check", "where", "who", "stage"):
            check(key in record, f"{key} in {line}")
        matches(record["where"], r"^step0\d-\w+/[\w/.]+:\d+$")


@test("a failed call is told with its errno, and named in the error", needs="user")
def _():
    r = run_as_user([step(1), "--explain=json", "--uts", "--", "true"])
    equal(r.status, 125)
    record = json.loads(r.err.splitlines()[0])
    equal((record["call"], record["result"], record["errno"]), ("unshare(CLONE_NEWUTS)", -1, "EPERM"))
    contains(r.err, "add --user --map-root")


@test("--explain=brief tells calls alone, full adds why and where", steps=(1, 7))
def _(s):
    brief = run(s.argv("--uts", "--explain=brief", cmd=["/bin/true"])).err
    full = run(s.argv("--uts", "--explain", cmd=["/bin/true"])).err
    matches(brief, r"unshare\(CLONE_NEWUTS\) = 0" if s.n == 1 else r"clone3\(.*CLONE_NEWUTS.*\) = \d+")
    absent(brief, "look:")
    contains(full, "\nnamespaces: " if s.n == 1 else "\nclone: ")
    contains(full, "look: ls -l /proc/")
    contains(full, "[step01-unshare/namespaces.c:" if s.n == 1 else "[step02-pidns/spawn.c:")


# ---- bad use -------------------------------------------------------------------------------------

bad("an option that does not exist", lambda: [step(1), "--bogus", "true"], call="--bogus")
bad("a value for a flag", lambda: [step(1), "--uts=1", "true"], call="--uts")
bad("an option without its value", lambda: [step(1), "--hostname"], call="--hostname")
bad("no command", lambda: [step(1), "--uts"], call="COMMAND")
bad("a host name without a UTS namespace", lambda: [step(1), "--hostname", "x", "true"], call="--hostname", names="--uts")
bad("a setting of a namespace that is the host's", lambda: [step(1), "--uts", "--sysctl", "kernel.msgmax=1", "true"], call="sysctl kernel/msgmax", names="CLONE_NEWIPC")
bad("a setting without a value", lambda: [step(1), "--uts", "--sysctl", "kernel.msgmax", "true"], call="sysctl", names="KEY=VALUE")
bad("offsets without a time namespace", lambda: [step(1), "--boottime", "5", "true"], call="--boottime")
bad("a pid that is none", lambda: [step(1), "--join", "4x", "true"], call="--join", names="4x")
bad("a process that is not there", lambda: [step(1), "--join", "4194304", "true"], call="pidfd_open", names="4194304")
bad("a process to show that is not there", lambda: [step(1), "--show", "4194303"], call="open(", names="/proc/4194303/ns/user")
bad("a process to show that is another user's", lambda: [step(1), "--show", str(os.getpid())], call="open(", names="another user's", needs="user root", user=True)
bad("a value of --show that is no number", lambda: [step(1), "--show=4x"], call="--show", names="4x")
bad("two processes to show", lambda: [step(1), "--show=1", "2"], call="--show", names="2")
bad("a word to show that is no number", lambda: [step(1), "--show", "4x"], call="--show", names="4x")
bad("a mode of narration that is none", lambda: [step(1), "--explain=loud", "true"], call="--explain", names="loud")
bad("a clock before the beginning", lambda: [step(1), "--time", "--boottime", "-2000000000", "true"], call='write("/proc/self/timens_offsets"', names="-2000000000")
bad(
    "a map without a range of one's own",
    lambda: ["setpriv", "--reuid", "64999", "--regid", "64999", "--clear-groups", step(1), "--map-auto", "true"],
    call="--map-auto",
    names="/etc/subuid",
)


@test("a host without user namespaces is named as the cause", needs="root")
def _():
    # a nested user namespace with a limit of its own is such a host
    r = run(
        [step(1), "--map-root", "--", "sh", "-c", f"echo 0 > /proc/sys/user/max_user_namespaces; {step(1)} --map-root true"]
    )
    equal(r.status, 125)
    contains(r.err, "unshare(CLONE_NEWUSER)")
    contains(r.err, "max_user_namespaces")


@test("a host whose AppArmor takes the rights from a user namespace is named as the cause", needs="vm cmd:apparmor_parser cmd:aa-exec", steps=(1, 7))
def _(s):
    # into such a profile a host as Ubuntu 24.04 puts a program that makes a user namespace
    rules = "file, signal, unix, network, mount, umount, pivot_root, ptrace,\n  deny capability,"
    with AppArmor("boxstep_restricted", rules):
        confined = ["aa-exec", "-p", "boxstep_restricted", "--"]
        r = run_as_user([*confined, *s.argv("--user", "--map-root", cmd=["/bin/true"])])
        equal((r.status, r.out), (125, ""), r.err)
        matches(r.err, r"step0\d: (write|clone3)\(.*: E(ACCES|PERM): .*; AppArmor holds this program to the profile boxstep_restricted")
        if s.n == 1:  # the switch that such a host has, where the kernel of the VM has none
            os.mkdir(TMP + "/kernel")
            for name, value in (("apparmor_restrict_unprivileged_userns", 1), ("unprivileged_userns_clone", 1)):
                with open(f"{TMP}/kernel/{name}", "w") as file:
                    file.write(f"{value}\n")
            script = f'mount --bind {TMP}/kernel /proc/sys/kernel; exec setpriv --reuid={USER_ID} --regid={USER_ID} --clear-groups "$@"'
            r = run(["unshare", "--mount", "sh", "-c", script, "sh", *confined, *s.argv("--user", "--map-root", cmd=["/bin/true"])])
            equal(r.status, 125)
            contains(r.err, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")


# ---- a terminal ----------------------------------------------------------------------------------


@test("Ctrl-C reaches the command once, and its own status comes back", steps=(1, 7))
def _(s):
    catches = "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.1; done"
    for options in ([], ["--no-init"]) if s.n > 1 else ([],):
        p = start(s.argv(*options, cmd=["/bin/sh", "-c", catches]), pty=True)
        p.read_until("on\r\n")
        p.write(b"\x03")
        r = p.wait()
        equal((r.status, r.out.count("caught")), (3, 1), f"with {options}")
