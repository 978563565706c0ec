"""The labs of the book: each says where it may run, is staged, looked at and undone, and leaves the host as it was.

What they print is compared with the book by the group "book"; here it is what they leave, also when
they are interrupted. Labs that need the VM run there, and the whole machine is compared.
"""

import glob

from harness import *

LABS = sorted(os.path.basename(path)[:-3] for path in glob.glob(ROOT + "/book/labs/*.sh") if not path.endswith("/lab.sh"))
BUILT = {"BUILD": STAGE, "BOXSTEP_ROOT": TMP + "/lib", "BOXSTEP_RUN": TMP + "/run", "BOXSTEP_NET": TMP + "/run"}


def script(name):
    return f"{ROOT}/book/labs/{name}.sh"


def head(name, word):
    found = re.search(rf'\b{word}="?([^"\n]*?)"?(?: needs=|$)', read(script(name)), re.M)
    return found[1] if found else ""


def build_links():
    """The programs of STAGE/bin also where a build directory has them."""
    if not os.path.exists(STAGE + "/boxstep"):
        for path in glob.glob(STAGE + "/bin/*"):
            os.symlink(path, f"{STAGE}/{os.path.basename(path)}")


def lab(name, *verbs):
    """Runs a lab with what was built."""
    build_links()
    return run([script(name), *verbs], env=BUILT, timeout=100)


def needed(name):
    return " ".join("cmd:" + n if n not in ("root", "cgroup2") else n for n in head(name, "needs").split())


# ---- what a lab may change, beside what leaks.py sees after every test ----

# the kernel counts in these, or sets them itself; and a container's interface brings some for a moment
NOT_SET = re.compile(r"random/|quota/|ns_last_pid|[-/]nr$|-state$|_count$|sample_rate$|net/ipv[46]/(conf|neigh)/")


def settings():
    """All kernel settings that can be read and that somebody has set."""
    found = {}
    for folder, _, names in os.walk("/proc/sys"):
        for path in (f"{folder}/{name}" for name in names):
            short = path[len("/proc/sys/"):]
            try:
                if not NOT_SET.search(short):
                    found[short] = read(path).strip()
            except OSError:
                pass
    return found


def machine():
    """The machine as a lab must leave it: settings, loop devices, keys, files for all, and the clock."""
    if not IN_VM:  # a machine of our own: elsewhere others change it meanwhile
        return {}
    loops = {p: read(p).strip() for p in glob.glob("/sys/block/loop*/loop/backing_file")}
    keys = sorted(line.split()[7:] for line in read("/proc/keys").splitlines() if " user " in line)
    files = {f"{folder}/{name}": "is there" for folder in ("/run", "/dev/shm", "/var/tmp") for name in os.listdir(folder)}
    return {"setting": settings(), "loop": loops, "keys": {"all": keys}, "file": files,
            "clock": {"ahead": time.time() - time.monotonic()}}


def changes(before, after):
    for kind, was in before.items():
        for name in sorted(was.keys() | after[kind].keys()):
            old, new = was.get(name), after[kind].get(name)
            with_a_module = kind == "setting" and old is None
            if old != new and not with_a_module and not (kind == "clock" and abs(old - new) < 1.5):
                yield f"{kind} {name}: {old!r} before, {new!r} after"


def undone(name, before):
    check(not os.path.exists(f"{TMP}/lib/labs"), "the lab's directory is still there")
    equal(list(changes(before, machine())), [], f"what {name} has left")


def interrupt(name, *verbs, after):
    """Ctrl-C, which the terminal sends to all of its foreground, when the lab has printed AFTER."""
    p = start([script(name), *verbs], env=BUILT)
    p.read_until(after, timeout=60)
    os.killpg(p.pid, signal.SIGINT)
    check(p.wait().status in (130, 0), "neither interrupted nor done before that")


def register(name):
    in_vm = "cgroup2" in head(name, "needs") or head(name, "label") == "vm-only"
    needs = f"root {'vm ' if in_vm else ''}{needed(name)}"

    @test(f"lab {name}: staged, looked at, undone; the machine is as before", needs=needs, timeout=150)
    def _():
        build_links()
        before = machine()
        for verb in ("stage", "look", "undo"):
            r = lab(name, verb)
            equal(r.status, 0, f"status of {verb}")
            absent(r.err, "waited two minutes")
        undone(name, before)

    @test(f"lab {name}: Ctrl-C half-way in its stage, and in its look; undone all the same", needs=needs, timeout=150)
    def _():
        build_links()
        before = machine()
        first, later = parts(name)
        interrupt(name, "stage", after=first)
        equal(lab(name, "undo").status, 0)
        undone(name, before)
        interrupt(name, after=later)
        undone(name, before)


def parts(name):
    """What the lab says first while it is staged, and first when it is looked at."""
    said = []
    for verb in ("stage", "look"):
        line = read(script(name)).split(f"\n{verb}() {{")[1].split("\n}")[0]
        found = re.search(r'^\s+(try|echo) "([^"$\\]{4,})', line, re.M)
        said.append(("+ " if found[1] == "try" else "") + found[2])
    return said


for each in LABS:
    register(each)


@test("each lab has a script, a label, a page with a transcript, and a place in the index of symptoms", needs="")
def _():
    index = read(ROOT + "/book/11-debugging.md")
    check(len(LABS) >= 20, f"only {len(LABS)} labs")
    for name in LABS:
        named = re.search(r"^# (book/\S+\.md) shows it", read(script(name)), re.M)
        check(named, f"{name} names no page")
        page = read(f"{ROOT}/{named[1]}")
        label = head(name, "label")
        check(label in ("host-safe", "vm-only"), f"{name}: the label {label!r}")
        contains(page, f"Label: {label}.")
        for verb in ("stage", "look", "undo"):
            contains(page, f"$ book/labs/{name}.sh {verb}")
        contains(index, f"({named[1][5:]})")


@test("a lab for the virtual machine refuses to run elsewhere, and does nothing")
def _():
    if IN_VM:
        skip("this is the virtual machine")
    for name in LABS:
        if head(name, "label") == "vm-only":
            for verbs in (["stage"], ["look"], []):
                r = lab(name, *verbs)
                equal((r.status, r.out), (3, ""))
                contains(r.err, "only in the virtual machine")


@test("a lab is staged once, and looked at only when it is staged")
def _():
    equal(lab("sigterm", "look").status, 3)
    equal(lab("sigterm", "stage").status, 0)
    r = lab("sigterm", "stage")
    equal((r.status, r.out), (3, ""))
    contains(r.err, "undo")
    equal(lab("sigterm", "undo").status, 0)


@test("make reset undoes the labs that are left")
def _():
    for name in ("missing", "loopback", "monitor", "copy-up"):
        equal(lab(name, "stage").status, 0)
    r = run([ROOT + "/tests/reset.sh"], env=BUILT)
    equal(r.status, 0)
    for name in ("missing", "loopback", "monitor", "copy-up"):
        contains(r.out, f"lab {name}")
        check(not os.path.exists(f"{TMP}/lib/labs/{name}"), "its state is still there")
