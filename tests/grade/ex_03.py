"""Exercises of step 3: mountinfo read, pivot_root, a path that stays inside, a chroot left. The tasks: book/exercises/03.md"""

import os
import re
import shutil

import harness
from exercise import Exercise


def image(g, name="image"):
    """A copy of the busybox root, to be changed."""
    path = f"{g.tmp}/{name}"
    harness.run(["cp", "-a", harness.ROOTFS, path])
    return path


def secret(g):
    """A file of the host that nothing inside may read; its path."""
    os.makedirs(g.tmp + "/host", exist_ok=True)
    with open(g.tmp + "/host/secret", "w", encoding="utf-8") as file:
        file.write("of the host\n")
    return g.tmp + "/host/secret"


# ---- 3.1 -----------------------------------------------------------------------------------------


class MountInfo(Exercise):
    def right(self):
        text = self.starter()
        for name, answer in (("parent_of_tmpfs", "/"), ("parent_of_pts", "/dev"), ("read_only", "mount"), ("peers", "none")):
            text = text.replace(f"{name} =", f"{name} = {answer}")
        return text


mountinfo = MountInfo(
    "3.1", "Read mountinfo", "step03", kind="observe", file="answers.txt",
    template="""# Run:  step03 --rootfs build/rootfs --read-only --tmpfs /@NAME@ -- cat /proc/self/mountinfo
# Each line has a number for its mount, and one for the mount it stands on; proc(5) names the fields.
# On which mount point stands the tmpfs of /@NAME@, and on which the devpts of /dev/pts?
parent_of_tmpfs =
parent_of_pts =
# "ro" of the first line: is it said of the mount, or of the superblock (the file system itself)?
read_only =
# How many of the mounts have peers (shared:N, master:N)? none, some or all
peers =
""",
    hints={
        "parent": "The second number of a line is the first number of another line; what stands in that one's fifth "
                  "field is the answer.",
        "superblock": "The sixth field is about this mount, the last about the file system, which others may see "
                      "writable at the same time.",
        "peers": "Between the sixth field and the single dash are the tags of propagation, if there are any.",
    },
    wrong={"parent": [("parent_of_pts = /dev", "parent_of_pts = /")],
           "superblock": [("read_only = mount", "read_only = superblock")],
           "peers": [("peers = none", "peers = all")]},
)


def mounts_inside(g):
    name = re.search(r"--tmpfs (/\w+)", g.text)[1]
    root = image(g, "root" + str(len(os.listdir(g.tmp))))
    r = harness.run([g.program(), "--rootfs", root, "--read-only", "--tmpfs", name, "--", "cat", "/proc/self/mountinfo"])
    lines = [line.split(" ") for line in r.lines]
    g.must(lines, r.err)
    return name, lines


def parent_of(lines, point):
    parent = next(line[1] for line in lines if line[4] == point)
    return next(line[4] for line in lines if line[0] == parent)


@mountinfo.check("what stands on what", 4)
def _(g):
    name, lines = mounts_inside(g)
    g.predicted("parent_of_tmpfs", parent_of(lines, name), "parent")
    g.predicted("parent_of_pts", parent_of(lines, "/dev/pts"), "parent")


@mountinfo.check("what is read-only", 3)
def _(g):
    root = next(line for line in mounts_inside(g)[1] if line[4] == "/")
    g.predicted("read_only", "superblock" if root[-1].startswith("ro") else "mount", "superblock")


@mountinfo.check("who hears of new mounts", 3)
def _(g):
    tagged = [line for line in mounts_inside(g)[1] if line[6] != "-"]
    g.predicted("peers", "some" if tagged else "none", "peers")


# ---- 3.2 -----------------------------------------------------------------------------------------

pivot = Exercise(
    "3.2", "Give the container its root", "step03", refill="step03-mounts/rootfs.c", cut=["pivot", "rootfs_pivot"],
    stub='return fail(ENOSYS, "pivot_root");',
    hints={
        "chroot": "From the host the rest of the tree was found in the container's mount namespace: a process may see "
                  "less than its namespace has, and the namespace is what counts.",
        "kept": "The host's tree is still mounted inside: what was / before has to go, once nobody needs it.",
        "chdir": "The command begins in a directory that its root does not hold, and can look around from there.",
        "readonly": "--read-only had no effect on /.",
    },
    wrong={
        "chroot": [('call((int)syscall(SYS_pivot_root, ".", "."), "pivot_root(\\".\\", \\".\\")") < 0',
                    'call(chroot("."), "chroot(\\".\\")") < 0'),
                   ('return call(umount2(".", MNT_DETACH), "umount2(\\".\\", MNT_DETACH)");', "return 0;")],
        "kept": [('return call(umount2(".", MNT_DETACH), "umount2(\\".\\", MNT_DETACH)");', "return 0;")],
        "chdir": [("\tif (fchdir(root) < 0)\n", "\tint home = open(\".\", O_PATH | O_CLOEXEC);\n\tif (fchdir(root) < 0)\n"),
                  ('if (chdir("/") < 0)', "if (fchdir(home) < 0)")],
        "readonly": [("options->read_only ? MOUNT_ATTR_RDONLY : 0", "options->read_only ? 0 : 0")],
    },
)


@pivot.check("the command runs in the root that was named, and / is one mount", 4)
def _(g):
    root = image(g)
    open(root + "/planted", "w", encoding="utf-8").close()
    r = harness.run([g.program(), "--rootfs", root, "--", "/bin/probe", "stat", "/planted", "mounts"])
    g.must(r.status == 0 and "stat file" in r.out, r.out[-300:] + r.err)
    roots = [line for line in r.lines if len(line.split(" ")) > 6 and line.split(" ")[4] == "/"]
    g.must(len(roots) == 1 and g.tmp.split("/")[1] not in [w.strip("/") for line in r.lines for w in line.split(" ")[4:5]],
           "\n".join(roots), "kept")


@pivot.check("its working directory is inside", 2)
def _(g):
    r = harness.run([g.program(), "--rootfs", image(g, "cwd"), "--", "/bin/probe", "cwd", "list", ".."])
    g.must(r.lines[:1] == ["cwd /"], "\n".join(r.lines[:3]), "chdir")


@pivot.check("the host's tree is nowhere in its mount namespace", 3)
def _(g):
    path = secret(g)
    p = harness.start([g.program(), "--no-init", "--rootfs", image(g, "ns"), "--", "/bin/probe", "catch", "1"])
    p.read_until("ready")
    inside = harness.wait_for(lambda: harness.read(f"/proc/{p.pid}/task/{p.pid}/children").split(), "the child")[0]
    # whoever enters the namespace stands on what is topmost; below that must be nothing
    enter = ["nsenter", f"--mount=/proc/{inside}/ns/mnt"]
    harness.run([*enter, "/bin/umount", "-l", "/"])
    r = harness.run([*enter, "cat", path])
    g.must_not("of the host" in r.out, f"nsenter found {path}", "chroot")


@pivot.check("--read-only makes / so", 1)
def _(g):
    r = harness.run([g.program(), "--rootfs", image(g, "ro"), "--read-only", "--", "/bin/probe", "mkdir", "/new"])
    g.must("EROFS" in r.out, r.out + r.err, "readonly")


# ---- 3.3 -----------------------------------------------------------------------------------------

stay = Exercise(
    "3.3", "A bind mount below a hostile link", "step03", refill="step03-mounts/inside.c", cut=["open_resolved"],
    hints={
        "prefix": "A mount point was made outside of the root: looking at the text of a path says nothing about the "
                  "links in it. openat2(2) can resolve with another root.",
        "refuse": "Images have links of their own (/var/run is one): they have to work, inside.",
        "beneath": "A link with an absolute target was refused; for the container its / is the root, and that is "
                   "where such a link begins.",
        "descriptor": "The descriptor lives on in the command: it has to close at exec.",
    },
    wrong={
        "prefix": [("fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);",
                    "fd = strncmp(path, \"..\", 2) == 0 || resolve == 77 ? -1 : openat(root, path[0] == '/' && path[1] ? "
                    "path + strspn(path, \"/\") : \".\", (int)how.flags);")],
        "refuse": [("RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve",
                    "RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | resolve")],
        "beneath": [("RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };",
                     "RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve };\n\n\tpath += path[0] == '/' ? strspn(path, \"/\") : 0;\n\tpath = *path ? path : \".\";")],
    },
)


def bound(g, name, target):
    """Runs with a file bound below /NAME, which in the image is a link to TARGET."""
    root = image(g, "image-" + name)
    if os.path.isdir(f"{root}/{name}"):
        shutil.rmtree(f"{root}/{name}")
    os.symlink(target, f"{root}/{name}")
    source = g.tmp + "/source"
    open(source, "w", encoding="utf-8").close()
    return root, harness.run([g.program(), "--rootfs", root, "--bind", f"{source}:/{name}/made", "--", "/bin/probe",
                              "stat", f"/{name}/made"])


@stay.check("nothing is made on the host, wherever the link leads", 5)
def _(g):
    folder = os.path.dirname(secret(g))
    for name, target in (("etc", folder), ("srv", "../../../../../../../.." + folder), ("opt", "/proc/self/root" + folder)):
        bound(g, name, target)
        g.must(os.listdir(folder) == ["secret"], f"{name} -> {target}: the host's directory has {os.listdir(folder)}", "prefix")


@stay.check("a link that stays inside is followed", 3)
def _(g):
    root, r = bound(g, "run", "var")
    g.must("stat file" in r.out, r.out + r.err, "refuse")
    root, r = bound(g, "mnt", "/tmp")
    g.must("stat file" in r.out, r.out + r.err, "beneath")


@stay.check("a link to / leads to the container's /", 2)
def _(g):
    root, r = bound(g, "media", "/")
    g.must("stat file" in r.out and os.path.exists(root + "/made") and not os.path.exists("/made"), r.out + r.err, "beneath")


del stay.hints["descriptor"]

# ---- 3.4 -----------------------------------------------------------------------------------------

leave = Exercise(
    "3.4", "Leave a chroot", "leave", kind="break", file="leave.c",
    weak={"step03": ("step03-mounts/rootfs.c", [("(options->no_pivot ? change_root(root) : pivot()) < 0",
                                                 "call(chroot(\".\"), \"chroot(\\\".\\\")\") < 0")])},
    hints={
        "stays": "The secret was not said. This root is a mount over /, so climbing ends at it; who may unmount, and "
                 "enter a namespace again, has another way.",
        "climb": "You climbed with a directory held, as the old way goes; here the root is a mount of its own, and `..` "
                 "ends there.",
        "die": "The program died before it said anything.",
    },
    wrong={
        "climb": [("\tif (umount2(\"/\", MNT_DETACH) < 0 || setns(home, CLONE_NEWNS) < 0)\n\t\treturn -1;\n",
                   "\tmkdir(\"/below\", 0700);\n\tclose(home);\n\tif (chroot(\"/below\") < 0)\n\t\treturn -1;\n\tfor (int i = 0; i < 99; i++)\n"
                   "\t\tif (chdir(\"..\") < 0)\n\t\t\treturn -1;\n\tif (chroot(\".\") < 0)\n\t\treturn -1;\n")],
        "stays": [(" || setns(home, CLONE_NEWNS) < 0", "")],
    },
)


def left(g, program):
    root, path = image(g, "image-" + os.path.basename(os.path.dirname(program))), secret(g)
    shutil.copy(g.program("leave"), root + "/bin/leave")
    return root, harness.run([program, "--rootfs", root, "--", "/bin/leave", path])


@leave.check("the program says what is in a file of the host", 10)
def _(g):
    root, r = left(g, g.program("step03"))
    g.must_not(r.status > 128, f"status {r.status}\n{r.err}", "die")
    g.must("of the host" in r.out or not os.path.exists(root + "/below"), r.out + r.err, "climb")
    g.must("of the host" in r.out, r.out + r.err, "stays")


@leave.check("and cannot, when step 3 is as it should be", 0)
def _(g):
    _, r = left(g, harness.program("step03"))
    g.must_not("of the host" in r.out, r.out)
