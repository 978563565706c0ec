"""Exercises of step 1: namespaces shown, ids mapped, a mount that leaks. The tasks: book/exercises/01.md"""

import os
import re
import resource

import harness
from exercise import Exercise

KINDS = "user cgroup ipc uts net pid time mnt".split()


def inode(pid, kind):
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


def planted(*options):
    """A process in namespaces of its own; its pid."""
    child = harness.start(["unshare", *options, harness.PROBE, "catch", "1"])
    child.read_until("ready")
    return child.pid


# ---- 1.1 -----------------------------------------------------------------------------------------

OBSERVE = """# Predict, then run it: which of the eight links of /proc/self/ns are another inode for a command
# that is run as
#     step01 --@OPTIONS@ -- ls -l /proc/self/ns
# than for your shell? Write `same` or `different` behind each.
"""


def own_kinds(ex):
    return sorted(ex.random().sample(["uts", "ipc", "net", "cgroup", "mount"], 3)) + ["pid"]


class Inodes(Exercise):
    def fill(self, text):
        return text.replace("@OPTIONS@", " --".join(own_kinds(self)))

    def right(self):
        made = {"mnt" if k == "mount" else k for k in own_kinds(self)} - {"pid"}
        return self.starter().replace(" =\n", " = same\n") if not made else "".join(
            f"{k} = {'different' if k in made else 'same'}\n" for k in KINDS)


inodes = Inodes(
    "1.1", "Which inodes differ", "step01", kind="observe", file="answers.txt",
    template=OBSERVE + "".join(f"{k} =\n" for k in KINDS),
    hints={
        "pid": "Look at pid again, and at pid_for_children beside it: unshare(2) says for whom the new one is.",
        "others": "A kind that was not asked for stays shared; one that was asked for is new at once, but for pid.",
    },
    wrong={"pid": [("pid = same", "pid = different")], "others": [("user = same", "user = different")]},
)


def seen_inside(g):
    if "inside" not in g.kept:
        r = harness.run([g.program(), *["--" + k for k in own_kinds(g.exercise)], "--",
                         "readlink", *[f"/proc/self/ns/{k}" for k in KINDS]])
        g.must(r.status == 0, r.err)
        g.kept["inside"] = {line.split(":")[0]: int(re.search(r"\d+", line)[0]) for line in r.lines}
    return g.kept["inside"]


def truth(g, kind):
    return "same" if seen_inside(g)[kind] == inode("self", kind) else "different"


@inodes.check("what happens to the PID namespace of the caller itself", 4)
def _(g):
    g.predicted("pid", truth(g, "pid"), "pid")


@inodes.check("the seven others", 6)
def _(g):
    for kind in KINDS:
        if kind != "pid":
            g.predicted(kind, truth(g, kind), "others")


# ---- 1.2 -----------------------------------------------------------------------------------------

show = Exercise(
    "1.2", "Show the namespaces of another process", "step01",
    refill="step01-unshare/namespaces.c", cut=["look"], stub="*inode = *owner = 0;\nerrno = ENOSYS;\nreturn -1;",
    hints={
        "self": "Asked about one process it speaks of another: whose directory below /proc is opened?",
        "path": "What was printed is the inode of a link in /proc, not of the namespace that it leads to.",
        "owner": "The kernel knows which user namespace owns a namespace; ioctl_ns(2) has the question, and the "
                 "answer is a descriptor.",
        "descriptors": "Each look leaves a descriptor open; a monitor that looks once a second dies of it.",
    },
    wrong={
        "self": [('snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);\n\tif ((fd',
                  'snprintf(path, sizeof path, "/proc/self/ns/%s", name);\n\tif ((fd')],
        "path": [("if (fstat(fd, &status) == 0)", "if (lstat(path, &status) == 0)")],
        "owner": [("*owner = status.st_ino;", "*owner = *inode;")],
        "descriptors": [("\tclose(fd);\n\treturn 0;\n}\n\nstatic const char *\ncompare",
                         "\treturn 0;\n}\n\nstatic const char *\ncompare")],
    },
)


def shown(g, pid, **options):
    r = harness.run([g.program(), "--show", str(pid)], **options)
    return {line.split()[0]: re.split(r"\s{2,}", line) for line in r.lines[1:]}, r


@show.check("of a planted process, the inode of each kind", 5)
def _(g):
    pid = planted("--uts", "--ipc", "--net")
    rows, r = shown(g, pid)
    mine = sum(rows.get(k, ["", "0"])[1] == str(inode("self", k)) for k in ("uts", "ipc", "net"))
    g.must_not(mine == 3, "uts, ipc and net are said to be those of the caller", "self")
    for kind in KINDS:
        g.must(rows.get(kind, ["", "none"])[1] == str(inode(pid, kind)),
               f"{kind}: {rows.get(kind)} instead of {inode(pid, kind)}\n{r.err}", "path")


@show.check("the user namespace that owns each", 3)
def _(g):
    pid = planted("--user", "--map-root-user", "--uts")
    rows, r = shown(g, pid)
    g.must(len(rows) == len(KINDS), r.err, "path")
    g.must(rows["uts"][4] == str(inode(pid, "user")), f"uts: owner {rows['uts'][4]}", "owner")
    g.must(rows["net"][4] == str(inode("self", "user")), f"net: owner {rows['net'][4]}", "owner")


@show.check("no descriptor stays open", 2)
def _(g):
    few = 8
    pid = planted("--uts")
    rows, r = shown(g, pid, prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few)))
    g.must(rows, r.err, "path")
    g.must(len(rows) == len(KINDS) and "outside" not in r.out.replace("none", ""),
           f"with {few} descriptors allowed: {r.out}{r.err}", "descriptors")


# ---- 1.3 -----------------------------------------------------------------------------------------

rootless = Exercise(
    "1.3", "Map yourself to root, without root", "rootless", file="rootless.c", needs="user",
    hints={
        "order": "The kernel refused a map (EPERM): an ordinary user has to give something up, and before that map "
                 "is written. user_namespaces(7) says which file of /proc/PID.",
        "early": "The child went on while its ids were not mapped: it is nobody then, and cannot become 0.",
        "wide": "One id is yours, so one id can be mapped; whose it is outside is not for you to choose.",
    },
    wrong={
        "order": [('write_file(child, "setgroups", "deny") < 0 || ', ""),
                  ('if (write_file(child, "uid_map", map) < 0)',
                   'if (write_file(child, "uid_map", map) < 0 || write_file(child, "setgroups", "deny") < 0)')],
        "early": [("\treturn let_child_go(go);", "\treturn 0;"),
                  ("\tchar map[64];\n", "\tchar map[64];\n\n\tif (let_child_go(go) < 0)\n\t\treturn -1;\n")],
        "wide": [("\"0 %u 1\\n\", uid", "\"0 %u 2\\n\", uid")],
    },
)


def as_root_inside(g, *words):
    return harness.run([g.program(), *words], user=True)


def why(g, r):
    """The hint for a run that failed, by what the child and the kernel said."""
    for part, hint in (("child: ", "early"), ("gid_map: EPERM", "order"), ("uid_map: EPERM", "wide")):
        g.must_not(part in r.err, r.err, hint)


@rootless.check("root inside is the caller outside", 6)
def _(g):
    r = as_root_inside(g, harness.PROBE, "ids", "read", "/proc/self/uid_map")
    why(g, r)
    g.must("uid 0 0 0" in r.out and "gid 0 0 0" in r.out, r.out + r.err, "early")
    g.must(r.lines[-1].split() == ["0", str(harness.USER_ID if harness.AS_ROOT else os.getuid()), "1"], r.out, "wide")


@rootless.check("its files belong to the caller, seen from the host", 2)
def _(g):
    path = f"{g.tmp}/made"
    r = as_root_inside(g, "/bin/sh", "-c", f"echo > {path}")
    why(g, r)
    g.must(os.path.exists(path) and os.stat(path).st_uid == (harness.USER_ID if harness.AS_ROOT else os.getuid()),
           r.err, "wide")


@rootless.check("groups can no longer be left", 2)
def _(g):
    r = as_root_inside(g, harness.PROBE, "read", "/proc/self/setgroups")
    why(g, r)
    g.must(r.out.strip() == "deny", r.out + r.err, "order")


# ---- 1.4 -----------------------------------------------------------------------------------------

leak = Exercise(
    "1.4", "Leak a mount into the host", "step01", kind="break", file="leak.sh",
    weak={"step01": ("step01-unshare/namespaces.c", [("MS_REC | MS_PRIVATE, NULL),", "MS_REC | MS_SHARED, NULL),")])},
    hints={
        "nothing": "Nothing new is mounted on the host: a mount spreads only to peers, and only from a place that "
                   "both have.",
        "private": "It was mounted, and stayed inside: something in the script took it out of its peer group first.",
        "elsewhere": "Something spread to the host, but not to the place that the task names, or not of its kind.",
    },
    wrong={
        "private": [("mount -t tmpfs", "mount --make-rprivate /\nmount -t tmpfs")],
        "elsewhere": [("mount -t tmpfs leaked \"$1\"", "mount --bind /etc \"$1\"")],
        "nothing": [("mount -t tmpfs leaked \"$1\"", "true")],
    },
)


def leaked(g, program, place):
    """What is mounted on PLACE: (on the host, inside), lines of mountinfo."""
    os.mkdir(place)
    inside = '/bin/sh "$0" "$1" >&2; sed "s/^/inside /" /proc/self/mountinfo | grep " $1 "'
    # this host's mounts are shared here, as systemd has them, in a copy that ends with the check
    host = ('mount --make-rshared /; "$0" --mount -- /bin/sh -c "$1" "$2" "$3"; grep " $3 " /proc/self/mountinfo')
    r = harness.run(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", host, program, inside,
                     g.submission, place])
    return ([line for line in r.lines if not line.startswith("inside")],
            [line for line in r.lines if line.startswith("inside")], r)


@leak.check("a tmpfs that was mounted inside is seen on the host", 10)
def _(g):
    host, inside, r = leaked(g, g.program(), g.tmp + "/place")
    g.must(host or not inside, "\n".join(inside), "private")
    g.must(host, r.err or "nothing is mounted there, inside or outside", "nothing")
    g.must(" - tmpfs " in host[0], host[0], "elsewhere")


@leak.check("and nothing of it when step 1 is as it should be", 0)
def _(g):
    host, _, _ = leaked(g, harness.program("step01"), g.tmp + "/real")
    g.must_not(host, "\n".join(host))
