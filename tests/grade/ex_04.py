"""Exercises of step 4: what a limit counts, twenty processes, a frozen cgroup, two ways past a limit. The tasks: book/exercises/04.md"""

import os
import re
import signal

import harness
from exercise import Exercise


def top():
    return harness.cgroup2_mount()


def own_group(g, name):
    """A cgroup below the top, of the grader's own."""
    path = f"{top()}/grade-{os.getpid()}-{name}"
    if not os.path.isdir(path):
        os.mkdir(path)
    g.kept.setdefault("groups", []).append(path)
    return path


def drop_groups(g):
    """Ends and removes the grader's own cgroups."""
    for path in g.kept.pop("groups", []):
        if not os.path.isdir(path):
            continue
        write(path, "cgroup.kill", "1")
        for folder, _, _ in sorted(os.walk(path), reverse=True):
            harness.wait_for(lambda f=folder: gone(f), f"the end of {folder}")


def gone(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def write(path, file, text):
    with open(f"{path}/{file}", "w", encoding="utf-8") as out:
        out.write(text)


def container_group(p):
    def group():
        for child in harness.read(f"/proc/{p.pid}/task/{p.pid}/children").split():
            found = re.search(r"^0::(/.*boxstep-.*)$", harness.read(f"/proc/{child}/cgroup"), re.M)
            if found:
                return int(child), top() + found[1]
        return None

    return harness.wait_for(group, "the container's cgroup")


# ---- 4.1 -----------------------------------------------------------------------------------------


class Events(Exercise):
    def right(self):
        text = self.starter()
        for name, answer in (("cached_max", "yes"), ("cached_oom_kill", "no"), ("anonymous_max", "yes"),
                             ("anonymous_oom_kill", "yes")):
            text = text.replace(f"{name} =", f"{name} = {answer}")
        return text


events = Events(
    "4.1", "Cache against anonymous memory", "step04", kind="observe", file="answers.txt", needs="root cgroup2",
    template="""# A container may use 24 MiB:  step04 --memory 24m --rootfs build/rootfs …
# Once it reads a file of 64 MiB from a disk, once a process in it touches @NUMBER@ MiB of memory of its own.
# Look at the lines max and oom_kill of memory.events afterwards: do they count up? yes or no
cached_max =
cached_oom_kill =
anonymous_max =
anonymous_oom_kill =
""",
    hints={
        "max": "max counts the times that the limit was hit and something had to be taken back, whatever came of it.",
        "kill": "What can be read from the disk again can be given up; what exists nowhere else cannot.",
    },
    wrong={"max": [("cached_max = yes", "cached_max = no")], "kill": [("cached_oom_kill = no", "cached_oom_kill = yes")]},
    seconds=90,
)


def counted(g, command, *options):
    script = f"{command}; cat /sys/fs/cgroup/memory.events"
    r = harness.run([g.program(), "--memory", "24m", *options, "--rootfs", harness.ROOTFS, "--", "/bin/sh", "-c", script])
    found = dict(line.split() for line in r.lines if len(line.split()) == 2)
    g.must("max" in found, r.out + r.err)
    return ["yes" if int(found[name]) else "no" for name in ("max", "oom_kill")]


def cached(g):
    """A file of a disk of its own, which nobody has read yet."""
    harness.run(["modprobe", "loop"])
    disk, data = g.tmp + "/disk", g.tmp + "/data"
    with open(disk, "wb") as file:
        file.truncate(100 << 20)
    os.mkdir(data)
    mount = ["mount", "-o", "loop", disk, data]
    g.must(harness.run(["mkfs.ext4", "-q", disk]).status == 0 and harness.run(mount).status == 0, "no disk to read")
    try:
        with open(data + "/file", "wb") as file:
            file.write(b"x" * (64 << 20))
        harness.run(["umount", data])
        harness.run(mount)
        return counted(g, "cat /data/file >/dev/null", "--bind", data + ":/data")
    finally:
        harness.run(["umount", data])


@events.check("the limit is hit by both", 5)
def _(g):
    g.kept["cached"], g.kept["anonymous"] = cached(g), counted(g, "probe hog 64m")
    g.predicted("cached_max", g.kept["cached"][0], "max")
    g.predicted("anonymous_max", g.kept["anonymous"][0], "max")


@events.check("and who is killed", 5)
def _(g):
    g.predicted("cached_oom_kill", g.kept["cached"][1], "kill")
    g.predicted("anonymous_oom_kill", g.kept["anonymous"][1], "kill")


# ---- 4.2 -----------------------------------------------------------------------------------------

PIDS = 20

pids = Exercise(
    "4.2", "Twenty processes and no more", "box", file="box.c", needs="root cgroup2",
    hints={
        "parent": "The limit is on the parent: it holds for everybody below it, and your box is only one of them.",
        "none": "More could fork than the number allows: nothing in the box says what its limit is.",
        "controller": "A file of the box is missing: a cgroup has the controllers that its parent hands down.",
        "kept": "The box is still there, or was never one of its own below the parent.",
    },
    wrong={
        "parent": [('write_file(box, "pids.max", number)', 'write_file(parent, "pids.max", number)')],
        "none": [('||\n\t    write_file(box, "pids.max", number) < 0', "|| !number")],
        "controller": [('write_file(parent, "cgroup.subtree_control", "+pids") < 0 || ', "")],
    },
    seconds=90,
)


@pids.check("the box forks up to its limit, and then gets EAGAIN", 4)
def _(g):
    try:
        parent = own_group(g, "pids")
        number = PIDS + g.random.randint(0, 9)
        r = harness.run([g.program(), parent, str(number), harness.PROBE, "fork", "60", "exit", "0"])
        g.must_not("ENOENT" in r.err, r.err, "controller")
        limit = harness.read(parent + "/pids.max").strip() if os.path.exists(parent + "/pids.max") else "max"
        g.must(limit == "max", f"pids.max of the parent is {limit}", "parent")
        g.must("EAGAIN" in r.out, r.out + r.err, "none")
        g.must(os.listdir(parent) and not [f for f in os.scandir(parent) if f.is_dir()], "a cgroup is left", "kept")
    finally:
        drop_groups(g)


@pids.check("a neighbour below the same parent is not held to it", 6)
def _(g):
    try:
        parent = own_group(g, "beside")
        p = harness.start([g.program(), parent, "5", harness.PROBE, "fork", "9", "catch", "1"])
        p.read_until("ready")
        g.must(harness.read(parent + "/pids.max").strip() == "max", "pids.max of the parent", "parent")
        boxes = [entry.path for entry in os.scandir(parent) if entry.is_dir()]
        g.must(len(boxes) == 1 and harness.read(boxes[0] + "/pids.max").strip() == "5", str(boxes), "none")
        g.must(int(harness.read(boxes[0] + "/pids.current")) == 5, "nobody is in the box", "kept")
    finally:
        drop_groups(g)


# ---- 4.3 -----------------------------------------------------------------------------------------

remove = Exercise(
    "4.3", "Remove a cgroup that is frozen and has others in it", "step04", refill="step04-cgroups/cgroup.c",
    cut=["kill_all", "remove_nested"], needs="root cgroup2", stub="return 0;",
    hints={
        "sleep": "Somebody is still alive in it: waiting ends nobody, least of all who is frozen. A cgroup has a file "
                 "that ends all below it at once.",
        "nested": "It is empty of processes and still there: a cgroup with cgroups below it cannot be removed.",
    },
    wrong={
        "sleep": [("\tif (cgroup_kill(cgroup) < 0)\n\t\treturn -1;\n",
                   "\tfor (int tries = 0; tries < 20 && cgroup_populated(cgroup) == 1; tries++)\n\t\tusleep(10000);\n")],
        "nested": [("\twhile (result == 0 && (first_child(fd, name) || depth > 0)) {\n",
                    "\twhile (result != 0 && (first_child(fd, name) || depth > 0)) {\n")],
    },
    seconds=90,
)


@remove.check("whoever else is in it ends with it, frozen or not, and nothing is left", 10)
def _(g):
    for frozen in (False, True):
        p = harness.start([g.program(), "--rootfs", harness.ROOTFS, "--no-init", "--", "/bin/probe", "catch", "1"])
        p.read_until("ready")
        first, group = container_group(p)
        g.kept["groups"] = [group]
        os.makedirs(group + "/one/two")
        guest = harness.start([harness.PROBE, "catch", "1"])
        guest.read_until("ready")
        write(group + "/one/two", "cgroup.procs", str(guest.pid))
        if frozen:
            write(group, "cgroup.freeze", "1")
            harness.wait_for(lambda: "frozen 1" in harness.read(group + "/cgroup.events"), "the freezing")
        os.kill(first, 9)
        try:
            p.wait(15)
            g.must_not(guest.alive(), "a process that was put into it is alive", "sleep")
            g.must_not(os.path.isdir(group), f"{group} is still there", "nested")
        finally:
            drop_groups(g)


# ---- 4.4 -----------------------------------------------------------------------------------------

early = Exercise(
    "4.4", "A cgroup namespace made too early", "weak", kind="break", file="out.sh", needs="root cgroup2",
    weak={"weak": ("tests/grade/templates/4.4-weak.c", [])},
    hints={
        "stays": "The process is still in its box: where does /proc/self/cgroup say that it is, seen from the root of "
                 "this namespace, and what else is below that root?",
        "lifted": "The limit was changed and the process stayed; the task is to leave the box.",
    },
    wrong={"stays": [('echo $$ >"$1/cgroup.procs"', "cat /proc/self/cgroup")],
           "lifted": [('echo $$ >"$1/cgroup.procs"', 'echo max >"$1$(cut -d: -f3 /proc/self/cgroup)/pids.max"')]},
    seconds=90,
)


@early.check("the process is out of its box, as the host sees it", 10)
def _(g):
    try:
        parent = own_group(g, "early")
        write(top(), "cgroup.subtree_control", "+pids")
        write(parent, "cgroup.subtree_control", "+pids")
        os.makedirs(parent + "/box")
        place = g.tmp + "/cgroup"
        os.mkdir(place)
        write(parent + "/box", "pids.max", "5")
        # from the root of the hierarchy: the only cgroup that may have processes and hand down controllers
        p = harness.start([g.program("weak"), parent + "/box", place, g.submission, harness.PROBE],
                          prepare=lambda: write(top(), "cgroup.procs", "0"))
        p.read_until("ready")
        mine = re.search(r"^0::(.*)$", harness.read(f"/proc/{p.pid}/cgroup"), re.M)[1]
        g.must(harness.read(parent + "/box/pids.max").strip() == "5", "pids.max of the box has changed", "lifted")
        g.must_not(mine.endswith("/box"), f"{mine}\n{p.err}", "stays")
    finally:
        drop_groups(g)


# ---- 4.5 -----------------------------------------------------------------------------------------

outrun = Exercise(
    "4.5", "Outrun memory.max", "step04", kind="break", file="outrun.sh", needs="root cgroup2",
    hints={
        "outside": "The command ran beside the container, not in it: its process or mount namespace is another.",
        "inside": "The command was killed, or counted: whoever enters the cgroup as well is held to its limit.",
    },
    wrong={"outside": [('exec nsenter --target "$pid" --all "$@"', 'exec chroot "/proc/$pid/root" "$@"')],
           "inside": [('exec nsenter', 'echo $$ >"/sys/fs/cgroup$(sed -n s/^0:://p "/proc/$pid/cgroup")/cgroup.procs"\nexec nsenter')]},
    seconds=90,
)


@outrun.check("a command in its namespaces uses more than its limit, and lives", 10)
def _(g):
    p = harness.start([g.program(), "--memory", "24m", "--rootfs", harness.ROOTFS, "--no-init", "--", "/bin/probe", "catch", "1"])
    p.read_until("ready")
    first, group = container_group(p)
    try:
        r = harness.run(["/bin/sh", g.submission, str(first), "/bin/probe", "hog", "64m", "ns"])
        killed = "oom_kill 0" not in harness.read(group + "/memory.events")
        there = [os.readlink(f"/proc/{first}/ns/{kind}") for kind in ("pid", "mnt")]
    finally:
        os.kill(first, signal.SIGKILL)
        p.wait(30)
    g.must_not(killed or r.status == 137, r.out + r.err, "inside")
    for link in there:
        g.must(link in r.out, f"not in {link}: {r.out}{r.err}", "outside")
