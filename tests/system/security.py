"""Step 7, the wall: which capabilities, which system calls and which new rights are left, and what each option changes."""

import shlex
import struct

from harness import *
from harness import Step

SEVEN = Step(7)
DEFAULT = 0x00000000A80425FB
NAMES = """chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
    net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
    sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
    audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read
    perfmon bpf checkpoint_restore""".split()
NEWUSER, NEWNS, SIGCHLD = 0x10000000, 0x00020000, 17
UNIX, INET, NETLINK, ALG, NFC, VSOCK = 1, 2, 16, 38, 39, 40


def bit(name):
    return 1 << NAMES.index(name)


def number(name):
    """Of a system call on this machine, from the project's own table."""
    column = {"x86_64": 1, "aarch64": 4}[os.uname().machine]
    table = read(f"{ROOT}/step07-runtime/security/sys_numbers.h")
    return re.search(rf"ROW\({name}((?:, -?\d+)+)\)", table).group(1).split(", ")[column]


def available():
    """What this host's root has to give: a machine may lack some."""
    lines = dict(line.split(":\t") for line in read("/proc/self/status").splitlines() if ":\t" in line)
    return int(lines["CapBnd"], 16) & int(lines["CapPrm"], 16)


def sets(r):
    equal(r.status, 0, "status")
    found = {}
    for line in r.lines:
        words = line.split()
        if len(words) == 2 and words[0] in "effective permitted inheritable bounding ambient".split():
            found[words[0]] = int(words[1], 16)
        elif len(words) == 2:
            found[words[0]] = words[1]
    return found


def wall(*options, cmd=("/bin/probe", "caps"), **more):
    return run(SEVEN.argv(*options, cmd=list(cmd)), **more)


def ask(options, *calls):
    """What system calls give inside: {"keyctl": "EPERM", …}, "0" or a positive number for success."""
    words = []
    for name, args in calls:
        words += ["call", name if not name.startswith("#") else number(name[1:]), args]
    r = wall(*options, cmd=["/bin/probe", *words])
    equal(r.status, 0, "status")
    return [line.split(" = ")[1].split()[-1] for line in r.lines if " = " in line]


# ---- the default ---------------------------------------------------------------------------------


@test("the default capabilities are docker's fourteen, and none is inheritable or ambient")
def _():
    found = sets(wall())
    for name in ("effective", "permitted", "bounding"):
        equal(found[name], DEFAULT & available(), name)
    equal(found["inheritable"], 0)
    equal(found["ambient"], 0)
    equal(found["no_new_privs"], "1")
    equal(found["seccomp"], "2")


@test("what only an administrator of the host needs is refused by the filter")
def _():
    calls = "keyctl add_key request_key bpf mount umount2 open_tree move_mount fsopen pivot_root setns"
    calls += " unshare swapon reboot kexec_load init_module delete_module acct quotactl settimeofday"
    calls += " clock_settime perf_event_open userfaultfd io_uring_setup open_by_handle_at syslog sethostname"
    for name, answer in zip(calls.split(), ask([], *[(name, "0,0,0,0,0") for name in calls.split()])):
        equal(answer, "EPERM", name)


@test("no new user namespace is had behind the wall, by unshare, clone or clone3")
def _():
    answers = ask([], ("unshare", str(NEWUSER)), ("#clone", f"{NEWUSER | SIGCHLD},0,0,0,0"), ("clone3", "0,88"))
    equal(answers, ["EPERM", "EPERM", "ENOSYS"])


@test("a call that is newer than the profile is not there, so that a C library takes another")
def _():
    equal(ask([], ("999", "")), ["ENOSYS"])


@test("the address families that lead out of the container are refused, the others are not")
def _():
    families = [UNIX, INET, NETLINK, ALG, NFC, VSOCK]
    answers = ask([], *[("#socket", f"{family},{2 if family < ALG else 5},0") for family in families])
    equal(answers[3], "EPERM", "AF_ALG")
    equal(answers[5], "EPERM", "AF_VSOCK")
    for family, answer in zip(families, answers):
        check(family in (ALG, VSOCK) or answer != "EPERM", f"family {family}: {answer}")


@test("personality may be asked for and set to 32 bits, but protections are not switched off by it")
def _():
    kinds = [0xFFFFFFFF, 0, 8, 0x20000, 0x20008, 0x0040000, 0x0400000]
    answers = ask([], *[("#personality", str(kind)) for kind in kinds])
    for kind, answer in zip(kinds, answers):
        check((answer == "EPERM") == (kind in (0x0040000, 0x0400000)), f"{kind:#x}: {answer}")


@test("ptrace is allowed: the kernel asks for the rights itself")
def _():
    equal(ask([], ("ptrace", "0,0,0,0")), ["0"])


# ---- capabilities --------------------------------------------------------------------------------


@test("--cap-drop ALL leaves nothing, and --cap-add gives back what is named")
def _():
    equal(sets(wall("--cap-drop", "ALL"))["effective"], 0)
    equal(sets(wall("--cap-drop=all"))["bounding"], 0)
    found = sets(wall("--cap-drop", "ALL", "--cap-add", "chown", "--cap-add", "CAP_Net_Raw"))
    equal(found["effective"], bit("chown") | bit("net_raw"))
    equal(found["bounding"], bit("chown") | bit("net_raw"))


@test("--cap-add ALL gives what the host has, less what is dropped")
def _():
    found = sets(wall("--cap-add", "ALL", "--cap-drop", "mknod"))
    equal(found["effective"], available() & ~bit("mknod"))
    equal(found["seccomp"], "2", "and the filter stays")


@test("root without CAP_CHOWN cannot chown")
def _():
    r = wall("--cap-drop", "chown", cmd=["/bin/chown", "1", "/tmp"])
    differs(r.status, 0)
    contains(r.err, "permitted")


@test("a capability opens the calls that need it")
def _():
    equal(ask([], ("mount", "0,0,0,0,0")), ["EPERM"])
    answers = ask(["--cap-add", "sys_admin"], ("mount", "0,0,0,0,0"), ("clone3", "0,0"), ("unshare", str(NEWNS)))
    check(answers[0] in ("EFAULT", "EINVAL"), f"mount: {answers[0]}")
    equal(answers[1:], ["EINVAL", "0"])
    check(ask(["--cap-add", "syslog"], ("syslog", "10,0,0"))[0] != "EPERM", "syslog")


@test("--privileged has no wall: all capabilities, no filter, new privileges, nothing of /proc and /sys covered or read-only")
def _():
    mounts = [line.split() for line in wall("--privileged", cmd=["/bin/cat", "/proc/self/mountinfo"]).lines]
    equal([(words[4], words[5].split(",")[0]) for words in mounts if re.match("/(proc|sys)(?!/fs/cgroup)(/|$)", words[4])], [("/proc", "rw"), ("/sys", "rw")])
    found = sets(wall("--privileged"))
    equal(found["effective"], available())
    equal(found["bounding"], available())
    equal(found["inheritable"], 0)
    equal(found["seccomp"], "0")
    equal(found["no_new_privs"], "0")


@test("a user namespace has capabilities of its own, and the wall takes them away too", needs="user")
def _():
    r = run_as_user(SEVEN.argv("--user", "--map-root", cmd=["/bin/probe", "caps"]))
    found = sets(r)
    equal(found["effective"], DEFAULT)
    equal(found["bounding"], DEFAULT)
    equal(found["seccomp"], "2")


@test("without a cgroup no device rules can be in force: CAP_MKNOD goes, but not where all devices are allowed")
def _():
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh"]
    argv = lambda *options: [*hidden, *SEVEN.argv(*options, cmd=["/bin/probe", "caps"])]
    equal(sets(run(argv()))["bounding"], DEFAULT & available() & ~bit("mknod"))
    equal(sets(run(argv("--privileged")))["bounding"], available())


@test("a label of a security module that is not on is refused by the module's name")
def _():
    for option, module, on in (("--apparmor", "AppArmor", "/sys/module/apparmor"), ("--selinux", "SELinux", "/sys/fs/selinux/enforce")):
        if not os.path.exists(on):
            bad("a label", SEVEN.argv(option, "some:label", cmd=["/bin/true"]), names=["some:label", module + " is not on"])
    bad("a name that would be cut off", SEVEN.argv("--apparmor", "x" * 501, cmd=["/bin/true"]), names=["AppArmor profile xxx", "ENAMETOOLONG"])


@test("--apparmor puts the command under that profile", needs="vm cmd:apparmor_parser")
def _():
    with AppArmor("boxstep_wall", "file, signal, unix, network, ptrace, capability,"):
        r = wall("--apparmor", "boxstep_wall", cmd=["/bin/cat", "/proc/self/attr/current"])
        equal((r.status, r.out), (0, "boxstep_wall (enforce)\n"), r.err)


# ---- the filter and no_new_privs -----------------------------------------------------------------


@test("--seccomp unconfined puts no filter on, and leaves the rest of the wall")
def _():
    found = sets(wall("--seccomp", "unconfined"))
    equal(found["seccomp"], "0")
    equal(found["no_new_privs"], "1")
    equal(found["effective"], DEFAULT & available())
    check(ask(["--seccomp", "unconfined"], ("keyctl", "0,-3,0"))[0] != "EPERM", "keyctl")


@test("--no-new-privileges=false leaves no_new_privs off, and the filter on")
def _():
    found = sets(wall("--no-new-privileges=false"))
    equal(found["no_new_privs"], "0")
    equal(found["seccomp"], "2")
    equal(found["effective"], DEFAULT & available())
    equal(ask(["--no-new-privileges=false"], ("keyctl", "0,-3,0")), ["EPERM"])


def profile(**more):
    path = f"{TMP}/profile.json"
    with open(path, "w") as out:
        json.dump({"defaultAction": "SCMP_ACT_ALLOW", **more}, out)
    return path


def rule(action, *names, **more):
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **more}


@test("--seccomp FILE: each action does what it says")
def _():
    path = profile(syscalls=[rule("ERRNO", "mkdir", "mkdirat", errnoRet=28)])
    r = wall("--seccomp", path, cmd=["/bin/probe", "mkdir", "/tmp/x"])
    contains(r.out, "ENOSPC")
    call = ["/bin/probe", "call", "keyctl", "0,-3,0"]
    for action in ("KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"):
        r = wall("--seccomp", profile(syscalls=[rule(action, "keyctl")]), cmd=call)
        equal(r.status, 128 + 31, action)
    r = wall("--seccomp", profile(syscalls=[rule("TRACE", "keyctl")]), cmd=call)
    contains(r.out, "ENOSYS", "a tracer that is not there")
    equal(wall("--seccomp", profile(syscalls=[rule("LOG", "keyctl")]), cmd=call).status, 0)


@test("--seccomp FILE: arguments are compared in all of their 64 bits")
def _():
    big = 0x100000005
    arg = {"index": 0, "value": big, "op": "SCMP_CMP_EQ"}
    path = profile(syscalls=[rule("ERRNO", "keyctl", errnoRet=77, args=[arg])])
    answers = ask(["--seccomp", path], ("keyctl", str(big)), ("keyctl", "5"), ("keyctl", str(big + (1 << 33))))
    equal(answers[0], "EBADFD")
    differs(answers[1], "EBADFD")
    differs(answers[2], "EBADFD")


@test("a profile of the engines' own format is decided for the capabilities of the container")
def _():
    path = profile(
        syscalls=[
            rule("ERRNO", "keyctl", errnoRet=77, includes={"caps": ["CAP_CHOWN"]}),
            rule("ERRNO", "add_key", errnoRet=77, excludes={"caps": ["CAP_CHOWN"]}),
        ],
    )
    equal(ask(["--seccomp", path], ("keyctl", "0,-3,0"))[0], "EBADFD")
    differs(ask(["--seccomp", path], ("add_key", ""))[0], "EBADFD")
    equal(ask(["--seccomp", path, "--cap-drop", "chown"], ("add_key", ""))[0], "EBADFD")


# ---- an ordinary user, and what a setuid program may do -------------------------------------------


def setuid_probe():
    path = f"{TMP}/probe"
    shutil.copy(PROBE, path)
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)
    return ["--run-as", "1000:1000", "--bind", f"{path}:/tmp/probe"]


@test("an ordinary user inside has no capability, and the bounding set is as small as root's")
def _():
    found = sets(wall("--run-as", "1000:1000"))
    for name in ("effective", "permitted", "inheritable", "ambient"):
        equal(found[name], 0, name)
    equal(found["bounding"], DEFAULT & available())


@test("a setuid program gains nothing behind no_new_privs, and does without it")
def _():
    r = wall(*setuid_probe(), cmd=["/tmp/probe", "ids", "caps"])
    equal(r.status, 0)
    contains(r.out, "uid 1000")
    equal(sets(r)["effective"], 0)
    r = wall("--no-new-privileges=false", *setuid_probe(), cmd=["/tmp/probe", "ids", "caps"])
    equal(sets(r)["effective"], DEFAULT & available(), "setuid gives what the bounding set lets through, no more")


@test("a file with capabilities gives an ordinary user none behind no_new_privs, and what the bounding set has without it")
def _():
    path = f"{TMP}/probe"
    shutil.copy(PROBE, path)
    os.chmod(path, 0o755)
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1, 0, 0, 0))  # chown, effective
    options = ["--run-as", "1000:1000", "--bind", f"{path}:/tmp/probe"]
    equal(sets(wall(*options, cmd=["/tmp/probe", "caps"]))["permitted"], 0)
    equal(sets(wall("--no-new-privileges=false", *options, cmd=["/tmp/probe", "caps"]))["permitted"], 1)


@test("nobody inside can look into the init that is above the command: it is not dumpable (CVE-2019-5736)")
def _():
    r = wall(cmd=["/bin/sh", "-c", "cat /proc/1/comm; readlink /proc/1/exe; cat /proc/1/maps; cat /proc/1/environ"])
    equal(r.out, "step07\n")


# ---- attributes and settings ---------------------------------------------------------------------


@test("--ulimit, --umask and --oom-score-adj are the command's")
def _():
    options = "--ulimit nofile=77:99 --ulimit core=0 --umask 027 --oom-score-adj 321".split()
    r = wall(*options, cmd=["/bin/sh", "-c", "probe limits; umask; cat /proc/self/oom_score_adj"])
    equal(r.status, 0)
    contains(r.out, "limit nofile 77 99\n")
    contains(r.out, "limit core 0 0\n")
    equal(r.lines[-2:], ["0027", "321"])


@test("--sysctl sets what belongs to the container's namespaces, and the host does not notice")
def _():
    keys = ["net/ipv4/ip_default_ttl", "kernel/shmmni", "fs/mqueue/msg_max"]
    before = [read(f"/proc/sys/{key}") for key in keys]
    options = "--sysctl net.ipv4.ip_default_ttl=33 --sysctl kernel.shmmni=44 --sysctl fs/mqueue/msg_max=55".split()
    r = wall(*options, cmd=["/bin/cat", *[f"/proc/sys/{key}" for key in keys]])
    equal(r.lines, ["33", "44", "55"])
    equal([read(f"/proc/sys/{key}") for key in keys], before, "on the host")


# ---- the log -------------------------------------------------------------------------------------


@test("-d prints the monitor's number and returns; it keeps both streams in the log until the command's end", needs="user")
def _():
    script = "trap 'echo bye; exit 4' TERM; echo out; echo err >&2; while :; do sleep 0.1; done"
    for go, home, own in ((run, "home", []), (run_as_user, "user", ["--user", "--map-root"])):
        log = f"{STAGE}/{home}/log.json"
        r = go(SEVEN.argv("-d", "--log", log, *own, cmd=["/bin/sh", "-c", script]))
        equal((r.status, r.err), (0, ""))
        said = lambda: [(line["stream"], line["log"]) for line in map(json.loads, read(log).splitlines())]
        wait_for(lambda: len(said()) == 2, "what the command says")
        equal(sorted(said()), [("stderr", "err\n"), ("stdout", "out\n")])
        os.kill(int(r.out), signal.SIGTERM)
        wait_for(lambda: said()[-1] == ("stdout", "bye\n"), "its last word")
    r = wall("-d", cmd=["/nosuch"])
    equal((r.status, r.out), (127, ""), "a command that is not there is said before it returns")


@test("a reader that goes away ends the command as if it wrote there itself, log or no log")
def _():
    for log in ([], ["--log", f"{TMP}/log.json"]):
        words = " ".join(shlex.quote(word) for word in SEVEN.argv(*log, cmd=["/bin/sh", "-c", "while echo word; do :; done"]))
        r = run(["bash", "-c", words + " | head -n 1; echo ${PIPESTATUS[0]}"])
        equal(r.lines, ["word", "141"])


@test("what a command wrote before its end comes into the log, however slow that is", needs="root cmd:strace")
def _():
    log = f"{TMP}/log.json"
    open(log, "w").close()
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", log, "-e", "trace=write", "-e", "inject=write:delay_enter=250000"]
    script = "head -c 65536 /dev/zero | tr '\\0' x"
    r = run([*slow, *SEVEN.argv("--log", log, cmd=["/bin/sh", "-c", script])])
    equal((r.status, len(r.out)), (0, 65536))
    equal(sum(len(json.loads(line)["log"]) for line in read(log).splitlines()), 65536)


# ---- told ----------------------------------------------------------------------------------------


@test("rights go in the only order that works: bounding set, user, sets, no_new_privs, filter, exec")
def _():
    r = wall("--explain=json", "--explain-to", f"{TMP}/told", cmd=["/bin/true"])
    equal(r.status, 0)
    told = [json.loads(line)["call"] for line in read(f"{TMP}/told").splitlines()]
    marks = ("prctl(PR_CAPBSET_DROP", "setresuid(", "capset(", "prctl(PR_SET_NO_NEW_PRIVS", "seccomp(")
    found = [next(i for i, call in enumerate(told) if call.startswith(mark)) for mark in marks]
    equal(found, sorted(found), "the order")
    last = [call.split("(")[0] for call in told[found[-1] + 1 :] if call.startswith(("exec", "prctl", "cap", "set"))]
    equal(last, ["execve"], "after the filter")


# ---- refused -------------------------------------------------------------------------------------

for option in ("--cap-add", "--cap-drop"):
    bad(f"{option} of an unknown name", lambda o=option: SEVEN.argv(o, "fly", cmd=["true"]), option, "fly")
bad(
    "a capability that is both added and dropped",
    lambda: SEVEN.argv("--cap-add", "chown", "--cap-drop", "chown", cmd=["true"]),
    "CAP_CHOWN",
    "both",
)
bad("a profile that is not there", lambda: SEVEN.argv("--seccomp", "/no/file", cmd=["true"]), "open", "/no/file")
bad("a profile that is a directory", lambda: SEVEN.argv("--seccomp", "/proc", cmd=["true"]), "/proc")
for key in ("kernel.core_pattern=|/x", "vm.overcommit_memory=1", "kernel.hostname=x", "net/../kernel/core_pattern=x"):
    bad(f"--sysctl {key}", lambda k=key: SEVEN.argv("--sysctl", k, cmd=["true"]), "sysctl", key.split("=")[0][-6:])
bad(
    "a setting of a network that is the host's",
    lambda: SEVEN.argv("--network", "host", "--sysctl", "net.ipv4.ip_forward=1", cmd=["true"]),
    "ip_forward",
    "CLONE_NEWNET",
)
for value in ("nofile", "nofile=2:1", "fun=1", "nofile=1k"):
    bad(f"--ulimit {value}", lambda v=value: SEVEN.argv("--ulimit", v, cmd=["true"]), value.split("=")[0])
bad("--no-new-privileges=maybe", lambda: SEVEN.argv("--no-new-privileges=maybe", cmd=["true"]), "maybe")


@test("refused: profiles with what nobody understands")
def _():
    for more, names in (
        ({"defaultAction": "SCMP_ACT_FLY"}, "SCMP_ACT_FLY"),
        ({"syscalls": [rule("FLY", "read")]}, "syscalls[0]"),
        ({"syscalls": [rule("KILL", "read", args=[{"index": 9, "op": "SCMP_CMP_EQ"}])]}, "index"),
        ({"syscalls": [rule("NOTIFY", "mkdir")]}, "listenerPath"),
        ({"flags": ["SECCOMP_FILTER_FLAG_FLY"]}, "FLAG_FLY"),
    ):
        bad("a profile", SEVEN.argv("--seccomp", profile(**more), cmd=["true"]), "seccomp profile", names)
    with open(f"{TMP}/broken.json", "w") as out:
        out.write("{")
    bad("no JSON", SEVEN.argv("--seccomp", f"{TMP}/broken.json", cmd=["true"]), "seccomp profile", "broken.json")


bad("a log in a directory that is not there", lambda: [step(7), "--log", "/no/such/log", "--rootfs", ROOTFS, "--network", "none", "--", "true"],
    call='open("/no/such/log")', names="has to be there")
