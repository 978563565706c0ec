"""The narration cannot lie: --explain=json beside strace -f of the same run.

For each process of the program, until it becomes the command, the calls told are the calls made:
once each, in order, with the same arguments and the same result, failed ones too. What strace shows
and nobody has to tell is listed in EXEMPT, with the reason.
"""

import socket
import struct

from harness import *

# Calls that have to be told whenever the program makes them.
TOLD = """unshare setns clone3 mount umount2 pivot_root chroot sethostname setdomainname fsopen fsconfig fsmount
    fspick move_mount open_tree mount_setattr mknodat execve capset seccomp prctl setgroups setresuid setresgid
    setuid setgid setreuid setregid bpf""".split()
# Traced too, because something may be told about them: then it has to be true.
ALSO = """close_range write sendto sendmsg mkdir mkdirat rmdir unlinkat fchownat openat clone vfork prlimit64
    execveat sched_setattr sched_setaffinity ioprio_set personality set_mempolicy bind listen connect keyctl symlinkat
    fchown setpriority setsid ioctl nanosleep kill pidfd_send_signal""".split()

EXEMPT = [
    (r"prctl\(PR_(GET|CAPBSET_READ|SET_NAME|SET_PDEATHSIG|SET_DUMPABLE|SET_CHILD_SUBREAPER|SET_VMA)", "asks, or guards the program itself"),
    (r"prctl\(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET", "asks"),
    (r"seccomp\(SECCOMP_GET_", "asks"),
    (r"bpf\(BPF_(PROG_QUERY|PROG_GET|MAP_LOOKUP|LINK_GET|OBJ_GET)", "asks"),
    (r"capset\(\{version=0,", "asks for the version"),
    (r"mknodat\(.*S_IFREG", "makes an empty file as a mount point"),
]
# A control file: a write to one is a kernel call in disguise.
CONTROL = r"^(/proc/|/sys/|/\d+/|/self/|/sys$|.*/cgroup)"
NOT_CONTROL = r"/proc/(\d+|self)/(fd|attr/|comm)"  # attr: labels, told by name when there is an LSM


# ---- strace --------------------------------------------------------------------------------------


def undecorated(text):
    """Without what -y adds to descriptors, outside of strings."""
    parts = re.split(r'("(?:\\.|[^"\\])*")', text)
    return "".join(p if p.startswith('"') else re.sub(r"(?<=[\dDR])<[^<>]*(?:<[^<>]*>)?[^<>]*>", "", p) for p in parts)


def traced(path):
    """{pid: [(text, result, errno, path of the first descriptor)]}, in the order of each process."""
    calls, unfinished = {}, {}
    for line in read(path).splitlines():
        pid, rest = line.split(None, 1)
        if rest.startswith(("+++", "---")):
            continue
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest[: -len("<unfinished ...>")].rstrip()
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = unfinished.pop(pid) + resumed[1]
        found = re.match(r"(.*?)\)\s+= (-?\d+|\?|0x[0-9a-f]+)(.*)$", rest)
        if found:
            error = re.match(r"\s*([A-Z]\w+) \(", undecorated(found[3]))
            first = re.match(r'\w+\((?:-?\d+|AT_FDCWD)<(.*?)>(?=[,)]|$)', found[1] + ")")
            if found[2] == "?":  # killed in the middle of it
                continue
            value = int(found[2], 0)
            calls.setdefault(int(pid), []).append(
                (undecorated(found[1]) + ")", value, error[1] if error else None, first[1] if first else "")
            )
    return calls


def until_command(calls, first):
    """Without the exec that strace began with or, where the program begins anew on a file that cannot
    be written, all before that; and without all that a process does as the command."""
    kept = {}
    children_of_commands = set()
    for pid, list_of in calls.items():
        if pid in children_of_commands:
            continue
        mine = list_of
        if pid == first:
            anew = [n for n, (text, value, _, _) in enumerate(mine) if text.startswith("execveat(") and value == 0]
            mine = mine[anew[0] + 1 if anew else 1 :]
        for number, (text, value, _, _) in enumerate(mine):
            if text.startswith("execve(") and value == 0:
                for later, child, _, _ in mine[number + 1 :]:
                    if re.match(r"(clone3?|vfork|fork)\(", later) and child:
                        children_of_commands.add(child)
                mine = mine[: number + 1]
                break
        kept[pid] = mine
    return {pid: mine for pid, mine in kept.items() if pid not in children_of_commands}


# ---- one form for both ---------------------------------------------------------------------------


def uncommented(text):
    parts = re.split(r'("(?:\\.|[^"\\])*")', text)
    return "".join(p if p.startswith('"') else re.sub(r"\s*/\*.*?\*/", "", p) for p in parts)


def flags_sorted(text):
    """A|B and B|A are the same set."""
    return re.sub(r"[A-Z_0-9a-z]+(?:\|[A-Z_0-9a-z]+)+", lambda m: "|".join(sorted(m[0].split("|"))), text)


def canonical(text):
    name = text.split("(")[0]
    if name == "clone3":
        flags = re.search(r"flags=([A-Z_|0-9x]+)", text) or re.search(r"\(([A-Z_|0-9x]+)", text)
        return f"clone3({flags_sorted(flags[1])})"
    if name == "execve":
        return re.sub(r'\],[^"]*$', "])", text)
    if name == "bpf":  # the attribute has dozens of members; those that say what is made
        command = re.match(r"bpf\((\w+)", text)[1]
        named = "prog_type|insn_cnt|target_fd|attach_bpf_fd|attach_type|attach_flags"
        members = re.findall(rf"\b(?:{named})=(?!0\b)[^,}}]+", text)
        return f"bpf({command}, {', '.join(members)})"
    if name == "seccomp":
        return re.sub(r"filter=\w+", "filter=…", flags_sorted(text))
    if name in ("sendto", "sendmsg") and ("nlmsg_type" in text or re.search(r"\b(RTM|NFNL)_", text)):
        return f"netlink({re.search(r'[(](-?[0-9]+)', text)[1]}, {netlink_type(text)})"
    if name == "prctl":
        return re.sub(r"(, (0|NULL))+\)$", ")", text)
    if name == "close_range":
        text = text.replace("4294967295", "-1").replace("~0U", "-1")
    return flags_sorted(text)


# Numbers, because strace cannot tell what a socket of another network namespace is.
NETLINK = {
    0x10: "RTM_NEWLINK", 0x11: "RTM_DELLINK", 0x13: "RTM_SETLINK", 0x14: "RTM_NEWADDR", 0x15: "RTM_DELADDR",
    0x18: "RTM_NEWROUTE", 0x19: "RTM_DELROUTE", 0x1C: "RTM_NEWNEIGH", 0x1D: "RTM_DELNEIGH", 0x58: "RTM_NEWNSID",
}  # fmt: skip


def netlink_type(text):
    """Of the first message; a batch of netfilter's begins with one of its own, which has no body
    beyond four bytes and the number of RTM_NEWLINK."""
    if re.search(r"NFNL_MSG_BATCH_BEGIN|nlmsg_len=20, nlmsg_type=0x10\b", text):
        return "NFNL_MSG_BATCH_BEGIN"
    if "nlmsg_type=" in text and "NLM_F_ACK" not in text:  # a question: who changes something waits for word of it
        return "RTM_GET"
    named = re.search(r"\bRTM_[A-Z]+", text)
    number = re.search(r"nlmsg_type=(0x[0-9a-f]+)", text)
    return named[0] if named else NETLINK.get(int(number[1], 0), "RTM_GET") if number else "?"


def netlink_object(text):
    """The object that a told change names: its last argument."""
    return re.search(r', "([^"]*)"\)$', text)[1]


def unnamed(what, text):
    """The words of a told object which the message, as strace shows it, does not have: as text, as the bytes
    of an address or of a number, or as the interface that strace found for an index."""
    strings = re.findall(r'"((?:\\.|[^"\\])*)"', text)
    held = b"\n".join(string.encode().decode("unicode_escape").encode("latin-1") for string in strings)
    plain = "\n".join([*strings, *re.findall(r"\b\d+\b", text)]).split("\n")
    missing = []
    # "MAP: N for OWNER" are new elements, with the owner as their comment; "MAP: N of OWNER" are old ones,
    # of which a message that removes them has the keys only
    words = re.sub(r": \d+ for ", " ", re.sub(r": \d+ of .*", "", what)).removeprefix("group ")
    for word in words.split():
        forms = [word.encode()]
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                forms.append(socket.inet_pton(family, word))
            except OSError:
                pass
        if word.isdecimal():
            forms.append(struct.pack("=I", int(word)))
        if word not in plain and not any(form in held for form in forms):
            missing.append(word)
    return missing


def is_netlink(text):
    return canonical(text).startswith("netlink(")


def netlink_changes(calls):
    return [text for text, *_ in calls if is_netlink(text) and "RTM_GET" not in canonical(text)]


def control_write(text, path):
    """write("PATH", "VALUE") as it is told; the path as far as both sides can know it: a private
    procfs has no name, a cgroup namespace another root, and self is a number to others."""
    value = re.search(r'"((?:\\.|[^"\\])*)"(?:, \d+)?\)$', text)
    parts = [p for p in path.split("/") if p]
    return f'write("…/{parts[-1]}", "{value[1] if value else ""}")'


def made(calls):
    """What has to be told, of the calls of one process."""
    found = []
    for text, value, error, path in calls:
        text = uncommented(text)
        name = text.split("(")[0]
        if any(re.match(pattern, text) for pattern, _ in EXEMPT):
            continue
        if name == "write" and re.match(CONTROL, path) and not re.search(NOT_CONTROL, path):
            size = re.search(r", (\d+)\)$", text)
            whole = value is not None and size and value == int(size[1])
            found.append((control_write(text, path), None if whole else value, error))
        elif is_netlink(text):
            if "RTM_GET" not in canonical(text):
                found.append((canonical(text), value, None))
        elif name in TOLD:
            found.append((canonical(text), value if name != "execve" or error else None, error))
    return found


def told(events):
    found, more = [], []
    for event in events:
        text, error = uncommented(event["call"]), event.get("errno")
        name = text.split("(")[0]
        value = event["result"]
        if name == "write":
            path = re.match(r'write\("(.*?)", "', text)
            entry = (control_write(text, path[1]), None if error is None else value, error)
        elif is_netlink(text):  # an error is the kernel's answer, a second message: this one was sent
            entry = (canonical(text), None if error else value, None)
        else:
            entry = (canonical(text), value if name != "execve" or error else None, error)
        (found if name in TOLD or name == "write" or is_netlink(text) else more).append(entry)
    return found, more


# ---- the comparison ------------------------------------------------------------------------------


def aligned(said, did):
    """The first place where two lists differ, with what stands around it."""
    for number in range(max(len(said), len(did))):
        one = said[number] if number < len(said) else None
        other = did[number] if number < len(did) else None
        if one and other and one[0] == other[0] and one[0].startswith("netlink(") and one[1] is None:
            continue  # refused: how many bytes the refused message had is not told
        if one != other:
            around = "\n".join(f"    both {entry}" for entry in said[max(0, number - 2) : number])
            return f"{around}\n    told {one}\n    made {other}"
    return None


def compare(argv, status=0, **options):
    trace, story = TMP + "/strace", TMP + "/explain.json"
    names = ",".join("?" + name for name in TOLD + ALSO)
    strace = ["strace", "-f", "-yy", "-s", "4096", "-o", trace, "-e", "trace=" + names, "-e", "signal=none"]
    words = [argv[0], "--explain=json", "--explain-to", story, *argv[1:]]
    r = run([*strace, "--", *words], timeout=60, **options)
    equal(r.status, status, "status")
    events = [json.loads(line) for line in read(story).splitlines()]
    check(events, "nothing was told")
    for event in events:
        for key in ("who", "stage", "call", "result", "why", "check", "where"):
            check(key in event, f"{key} is missing in {event}")
    calls = traced(trace)
    first = int(read(trace).split(None, 1)[0])
    calls = until_command(calls, first)
    tellers = {event["who"] for event in events}
    check(tellers <= set(calls), f"told by {tellers - set(calls)}, which are no processes of the program")
    for pid in sorted(calls):
        said, more = told([event for event in events if event["who"] == pid])
        difference = aligned(said, made(calls[pid]))
        check(not difference, f"process {pid}:\n{difference}")
        changes = [event["call"] for event in events if event["who"] == pid and is_netlink(event["call"])]
        for text, message in zip(changes, netlink_changes(calls[pid]), strict=True):
            check(not unnamed(netlink_object(text), message), f"process {pid}: told {text}, the message is {message}")
        everything = [canonical(uncommented(text)) for text, _, _, _ in calls[pid]]
        for text, _, _ in more:
            if text.split("(")[0] in ALSO:
                check(text in everything, f"process {pid}: told {text}, strace shows no such call")
            else:
                check(False, f"process {pid}: told {text}, which this test does not trace")
    return r


NEEDS = "root cmd:strace"


@test("the comparison sees what is missing, twice, in another order, or different", needs=NEEDS)
def _():
    r = run([step(1), "--uts", "--hostname", "box", "--explain=json", "--explain-to", TMP + "/story", "--", "true"])
    equal(r.status, 0)
    said, _more = told([json.loads(line) for line in read(TMP + "/story").splitlines()])
    address = 'sendto(3, [{nlmsg_len=40, nlmsg_type=0x14}, "\\x02\\x16\\x0a\\xd4\\x02\\xd0\\x65\\x74\\x68\\x30"], 40, 0, NULL, 0)'
    equal([unnamed(what, address) for what in ("10.212.2.208", "eth0", "10.212.2.209", "group 7", "eth1: 1 for eth0")],
          [[], [], ["10.212.2.209"], ["7"], ["eth1"]])  # fmt: skip
    equal(len(said), 3, "unshare, sethostname, execve")
    check(aligned(said, said) is None)
    one, two, three = said
    for other in ([one, three], [one, two, two, three], [two, one, three], [one, (two[0], -1, "EPERM"), three]):
        check(aligned(other, said) is not None, f"{other} passes for {said}")


@test("step 1 tells what it does", needs=NEEDS)
def _():
    compare([step(1), "--all", "--hostname", "box", "--", "true"])
    compare([step(1), "--user", "--map-root", "--mount", "--", "true"])
    compare([step(1), "--user", "--map-auto", "--", "true"])


@test("step 1 tells of a join", needs=NEEDS)
def _():
    p = start(["unshare", "-unm", "sh", "-c", "echo up; exec sleep 100"])
    p.read_until("up")
    compare([step(1), "--join", p.pid, "--uts", "--net", "--", "true"])


@test("a failed exec is told, with its error", needs=NEEDS, steps=(1, 7))
def _(s):
    r = compare(s.argv(cmd=["/nosuch"]), status=127)
    contains(r.err, "execve")


@test("a run without options is told", needs=NEEDS, steps=(2, 7))
def _(s):
    compare(s.argv(cmd=["/bin/true"]))
    compare(s.argv("--no-init", cmd=["/bin/true"]))


@test("a user namespace is told", needs=NEEDS, steps=(2, 7))
def _(s):
    compare(s.argv("--user", "--map-root", cmd=["/bin/true"]))
    compare(s.argv("--user", "--map-auto", "--hostname", "box", "--uts", cmd=["/bin/true"]))


@test("a time namespace is told", needs=NEEDS, steps=(1, 7))
def _(s):
    compare(s.argv("--time", "--boottime", "1000", cmd=["/bin/true"]))


@test("binds, tmpfs, masks, a read-only root are told", needs=NEEDS, steps=(3, 7))
def _(s):
    os.mkdir(TMP + "/data")
    words = ["--bind", f"{TMP}/data:/srv:ro", "--tmpfs", "/tmp", "--mask", "/etc/hosts", "--read-only"]
    compare(s.argv(*words, cmd=["/bin/true"]))


@test("a missing bind source is told", needs=NEEDS, steps=(3, 7))
def _(s):
    compare(s.argv("--bind", f"{TMP}/nosuch:/srv", cmd=["/bin/true"]), status=125)


@test("limits are told as the writes that they are", needs=NEEDS + " cgroup2", steps=(4, 7))
def _(s):
    words = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "--oom-group"]
    compare(s.argv(*words, cmd=["/bin/true"]))


@test("an image is told, unpacked for the first time and then ready", needs=NEEDS, steps=(5, 7))
def _(s):
    words = ["--network", "none"] if s.n >= 6 else []
    env = {"BOXSTEP_ROOT": TMP + "/store"}
    for _ in range(2):
        compare([s.path, *words, IMAGE, "/bin/true"], env=env)


@test("the bare overlay is told", needs=NEEDS, steps=(5, 7))
def _(s):
    for name in ("upper", "lower"):
        os.mkdir(f"{TMP}/{name}")
    words = ["--network", "none"] if s.n >= 6 else []
    compare([s.path, *words, "--lower", f"{TMP}/lower:{ROOTFS}", "--upper", TMP + "/upper", "--", "/bin/true"])


@test("a network is told", needs=NEEDS + " nft", steps=(6, 7))
def _(s):
    compare(s.argv("--network", "bridge", "--publish", "8099:80", cmd=["/bin/true"]))
    compare(s.argv("--network", "host", cmd=["/bin/true"]))


@test("the wall is told", needs=NEEDS, steps=(7, 7))
def _(s):
    compare(s.argv("--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", cmd=["/bin/true"]))
    compare(s.argv("--privileged", cmd=["/bin/true"]))


@test("--explain=pause waits for Enter at each stage, and goes on", steps=(1, 7))
def _(s):
    p = start(s.argv("--explain=pause", cmd=["/bin/sh", "-c", "echo it runs"]), pty=True)
    stages = 0
    while wait_for(lambda: p.pump(0.1) or p.out.count("Enter goes on") > stages or not p.streams, "a stage") and p.streams:
        stages += 1
        time.sleep(0.1)  # so that one that does not wait is seen to go on
        equal(p.pump(0) or p.out.count("Enter goes on"), stages, "stages until now")
        p.write(b"\n")
    equal(p.wait().status, 0)
    contains(p.out, "it runs")
    check(stages >= 2, f"{stages} stages")
