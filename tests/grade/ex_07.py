"""Exercises of step 7: the order of it all, capabilities dropped, a filter of system calls, a descriptor that
leads out. The tasks: book/exercises/07.md"""

import json
import os

import harness
from exercise import Exercise

ALLOW, OTHER_ARCH = 0x7FFF0000, 0x40000003  # of 32-bit x86, where the numbers are others

# ---- 7.1 -----------------------------------------------------------------------------------------

RECORDS = {  # how the record of a call begins, in the order that the solution gives; the truth is what is told
    "clone3": "clone3(", "private": 'mount("none", "/"', "proc": 'fsopen("proc"', "pivot": "pivot_root(", "umount": "umount2(",
    "bounding": "prctl(PR_CAPBSET_DROP", "setresuid": "setresuid(", "capset": "capset(", "nnp": "prctl(PR_SET_NO_NEW_PRIVS",
    "seccomp": "seccomp(SECCOMP_SET_MODE_FILTER", "close_range": "close_range(", "execve": "execve("}

ORDER = """# step07 --explain=json --network none --rootfs build/rootfs -- true   told twelve things, and the
# wind has shuffled them. In which order did it do them? Answer with the words on the left, one blank between.
#
@RECORDS@
#
order =
"""


class Order(Exercise):
    def fill(self, text):
        shuffled = self.random().sample(list(RECORDS), len(RECORDS))
        return text.replace("@RECORDS@", "\n".join(f"#   {name:12} {RECORDS[name]}…" for name in shuffled))

    def right(self):
        return self.starter().replace("order =", "order = " + " ".join(RECORDS))


order = Order(
    "7.1", "In which order", "step07", kind="observe", file="answers.txt", template=ORDER,
    hints={
        "root": "The process that gets the new root has to be there first; and what is mounted by way of the host's tree "
                "is mounted while that is still reachable.",
        "rights": "Each right is used before it is given up: taking from the bounding set needs CAP_SETPCAP, becoming "
                  "another user CAP_SETUID, and a filter without CAP_SYS_ADMIN needs a promise first.",
        "words": "Not the twelve words, each once.",
    },
    wrong={"root": [("proc pivot umount", "pivot umount proc")], "rights": [("bounding setresuid capset", "capset setresuid bounding")],
           "words": [("close_range execve", "close_range exec")]},
)


def told(g):
    """The words in the order in which the program tells of them: the first record of each."""
    if "told" not in g.kept:
        path = g.tmp + "/told"
        r = harness.run([g.program(), "--explain=json", "--explain-to", path, "--network", "none", "--rootfs", harness.ROOTFS,
                         "--", "/bin/true"])
        g.must(r.status == 0, r.err)
        calls = [json.loads(line)["call"] for line in harness.read(path).splitlines()]
        first = {name: next(i for i, call in enumerate(calls) if call.startswith(begin)) for name, begin in RECORDS.items()}
        g.kept["told"] = sorted(first, key=first.get)
    return g.kept["told"]


def in_order(g, names, hint):
    given = g.answers.get("order", "").split()
    g.must(given, "order has no answer", "empty")
    g.must(sorted(given) == sorted(RECORDS), " ".join(given), "words")
    said, truth = ([name for name in some if name in names] for some in (given, told(g)))
    g.must(said == truth, "not so: " + ", ".join(said), hint)


@order.check("a process, and a root for it", 5)
def _(g):
    in_order(g, ("clone3", "private", "proc", "pivot", "umount", "execve"), "root")


@order.check("rights taken away", 5)
def _(g):
    in_order(g, list(RECORDS)[3:], "rights")


# ---- 7.2 -----------------------------------------------------------------------------------------

drop = Exercise(
    "7.2", "Drop capabilities, so that they stay dropped", "step07", refill="step07-runtime/security/caps.c",
    cut=["caps_drop_bounding", "caps_set"], stub="return sets ? 0 : -1;",
    hints={
        "effective": "What is not effective and still permitted can be taken back by one call; the command has to lose "
                     "both.",
        "setpcap": "The bounding set was refused: dropping from it takes a right of its own, which was gone by then.",
        "bounding": "The bounding set still has what was to go, so a set-user-id program or a file capability brings it "
                    "back.",
        "inheritable": "Something is inheritable; containers that had that were a security hole of their own.",
    },
    wrong={
        "effective": [("data[i].permitted = (uint32_t)(sets->permitted >> 32 * i);",
                       "struct __user_cap_data_struct now[2];\n\t\tsyscall(SYS_capget, &header, now);\n"
                       "\t\tdata[i].permitted = now[i].permitted;")],
        "setpcap": [("\tchar number[16];\n", "\tchar number[16];\n\n\tif (caps_set(sets) < 0)\n\t\treturn -1;\n")],
        "bounding": [("\t\tif (sets->bounding & BIT(i))\n", "\t\tif (cap_name(i))\n")],
        "inheritable": [("(uint32_t)(sets->inheritable >> 32 * i)", "(uint32_t)(sets->permitted >> 32 * i)")],
    },
)


def caps_of(g, *options):
    r = harness.run([g.program(), "--network", "none", *options, "--rootfs", harness.ROOTFS, "--", "/bin/probe", "caps", "read",
                     "/proc/1/status"])
    g.must_not("PR_CAPBSET_DROP" in r.err, r.err, "setpcap")
    g.must(r.status == 0, r.err)
    return {line.split()[0]: line.split()[1] for line in r.lines if len(line.split()) == 2}


@drop.check("with --cap-drop ALL the command has none", 6)
def _(g):
    sets = caps_of(g, "--cap-drop", "ALL")
    zero = "0" * 16
    g.must(sets["effective"] == zero, str(sets), "effective")
    g.must(sets["permitted"] == zero, str(sets), "effective")
    # process 1 has not become another program, so it shows what was set and not what exec made of it
    g.must(sets["CapPrm:"] == zero and sets["CapEff:"] == zero, f"process 1 has {sets['CapPrm:']}", "effective")
    g.must(sets["bounding"] == zero, str(sets), "bounding")


@drop.check("the default is the usual fourteen, and nothing is inherited", 4)
def _(g):
    sets = caps_of(g)
    g.must(int(sets["permitted"], 16) & ~0xA80425FB == 0, str(sets), "effective")
    g.must(int(sets["bounding"], 16) & ~0xA80425FB == 0, str(sets), "bounding")
    g.must(sets["inheritable"] == "0" * 16 and sets["CapInh:"] == "0" * 16, str(sets), "inheritable")


# ---- 7.3 -----------------------------------------------------------------------------------------

wall = Exercise(
    "7.3", "A filter of system calls", "wall", file="wall.c",
    hints={
        "arch": "A call got past the filter by another door: the same number is another call in another architecture's "
                "table, and struct seccomp_data says which table it is.",
        "clone3": "clone3 has to look missing, so that the C library goes back to clone; told that it is forbidden, "
                  "it gives up.",
        "open": "keyctl is not refused.",
        "shut": "A call that nobody spoke of is refused too.",
    },
    wrong={
        "arch": [("\tBPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),\n", "\tBPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 1),\n")],
        "clone3": [("SECCOMP_RET_ERRNO | ENOSYS", "SECCOMP_RET_ERRNO | EPERM")],
        "open": [("SYS_keyctl, 0, 1)", "SYS_keyctl, 1, 1)")],
        "shut": [("\tBPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),\n", "\tBPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),\n")],
    },
)


@wall.check("a command runs behind it", 2)
def _(g):
    r = harness.run([g.program(), harness.PROBE, "ids"])
    g.must(r.status == 0 and "pid" in r.out, r.out + r.err, "shut")


@wall.check("keyctl is refused, clone3 is not there", 5)
def _(g):
    r = harness.run([g.program(), harness.PROBE, "call", "keyctl", "0,0,0,0,0", "call", "clone3", "0,0"])
    g.must("EPERM" in (r.lines or [""])[0], r.out + r.err, "open")
    g.must("ENOSYS" in r.lines[1], r.out, "clone3")


def verdict(program, arch, number):
    """What a classic BPF program returns for a system call; None when it goes wrong."""
    at, accumulator = 0, 0
    data = {0: number, 4: arch}
    while at < len(program):
        code, yes, no, k = program[at]
        at += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            accumulator = data.get(k, 0)
        elif code == 0x06:  # BPF_RET | BPF_K
            return k
        elif code == 0x05:  # BPF_JMP | BPF_JA
            at += k
        elif code in (0x15, 0x25, 0x35, 0x45):  # JEQ, JGT, JGE, JSET
            holds = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k, 0x45: accumulator & k}[code]
            at += yes if holds else no
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            accumulator &= k
        else:
            return None
    return None


@wall.check("and not by another architecture's table of numbers either", 3)
def _(g):
    r = harness.run([g.program()])
    program = [tuple(map(int, line.split())) for line in r.lines if line[:1].isdigit()]
    words = r.lines[-1].split()
    g.must(verdict(program, int(words[1]), 0) == ALLOW, r.out, "shut")
    said = [verdict(program, OTHER_ARCH, number) for number in (0, int(words[3]), 288)]
    g.must_not(ALLOW in said or None in said, f"{said} for calls of another architecture", "arch")


# ---- 7.4 -----------------------------------------------------------------------------------------

leaked = Exercise(
    "7.4", "Leave by a descriptor", "step07", kind="break", file="leave.sh",
    weak={"step07": ("step01-unshare/exec.c", [
        ('\treturn call(close_range(first, ~0U, CLOSE_RANGE_CLOEXEC),\n'
         '\t\t    "close_range(%u, 4294967295, CLOSE_RANGE_CLOEXEC)", first);', "\treturn first > 2 ? 0 : -1;")])},
    hints={
        "path": "The name was looked for from the container's root, where the host's files are not; which of the process's "
                "descriptors does not begin there?",
        "dots": "At the root .. leads nowhere, and the root is the container's; only who holds something outside can go on "
                "from it.",
        "nothing": "Nothing was printed: /proc lists what a process holds open.",
    },
    wrong={
        "path": [('cat "$way$1"', 'cat "$1"')],
        "dots": [('cat "$way$1"', 'cat "/../../../..$1"')],
        "nothing": [('cat "$way$1"', ":")],
    },
)


def printed(g, program):
    """What the script prints in a container whose caller has / of the host open."""
    secret = f"{g.random.getrandbits(60):x}"
    with open(g.tmp + "/secret", "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    host = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        r = harness.run([program, "--network", "none", "--rootfs", harness.ROOTFS, "--bind", g.submission + ":/leave.sh", "--",
                         "/bin/sh", "/leave.sh", g.tmp + "/secret"], fds=(host,))
    finally:
        os.close(host)
    return r, secret


@leaked.check("a file of the host is read inside", 10)
def _(g):
    r, secret = printed(g, g.program())
    held = secret in r.out
    g.must(held or "/.." not in r.err, r.err, "dots")
    g.must(held or "No such file" not in r.err, r.err, "path")
    g.must(held, r.out + r.err, "nothing")


@leaked.check("and not behind the real step 7", 0)
def _(g):
    r, secret = printed(g, harness.program("step07"))
    g.must_not(secret in r.out, "the real one let it")
