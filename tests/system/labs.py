"""The labs of the book: each says where it may run, is staged, looked at and undone, and leaves the host as it was.

What they print is compared with the book by the group "book"; here it is what they leave.
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


def lab(name, *verbs):
    """Runs a lab with what was built; its programs are in STAGE/bin, as in a build directory of the tests."""
    if not os.path.exists(STAGE + "/boxstep"):
        for path in glob.glob(STAGE + "/bin/*"):
            os.symlink(path, f"{STAGE}/{os.path.basename(path)}")
    return run([script(name), *verbs], env=BUILT, timeout=100)


def needed(name):
    return " ".join("cmd:" + n if n not in ("root", "cgroup2") else n for n in head(name, "needs").split())


def register(name):
    if "cgroup2" in head(name, "needs") or head(name, "label") == "vm-only":
        return  # slow in the VM, where the book's own run stages, looks and undoes it

    @test(f"lab {name}: staged, looked at, undone; nothing is left", needs=f"root {needed(name)}", timeout=150)
    def _():
        for verb in ("stage", "look", "undo"):
            r = lab(name, verb)
            equal(r.status, 0, f"status of {verb}")
            absent(r.err, "waited two minutes")
        check(not os.path.exists(f"{TMP}/lib/labs"), "the lab's directory is still there")


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
