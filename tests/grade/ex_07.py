"""Exercises of step 7: capabilities dropped, a filter of system calls. The tasks: book/exercises/07.md"""

import harness
from exercise import Exercise

ALLOW, OTHER_ARCH = 0x7FFF0000, 0x40000003  # of 32-bit x86, where the numbers are others

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
        "bounding": [("if (!has || (sets->bounding & BIT(i)))", "if (has || (sets->bounding & BIT(i)))")],
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
