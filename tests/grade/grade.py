"""Every exercise: its starter builds and fails, its solution passes, and each wrong solution fails
with the hint that was written for it. And the three commands that hand exercises out."""

import grader
from exercise import exercises
from harness import *


def folder(ex, name):
    return f"{BUILD}/grade/{ex.id}/{name}"


def build_all(ex):
    """Before a VM is booted: there a compiler would be slow."""
    for name, text in ex.variants().items():
        ex.build(text, folder(ex, name))


def first_hint(graded):
    return next((row["hint_id"] for row in graded["checks"] if not row["held"]), None)


def what(name, graded):
    rows = [row for row in graded["checks"] if not row["held"]]
    return f"{name}: {graded['points']} of {graded['max']}: " + "; ".join(
        f"{row['checked']}: {row['seen']} [{row['hint_id']}]" for row in rows)


def prove(ex):
    for name, text in ex.variants().items():
        graded = grader.grade_text(ex, text, folder(ex, name), first_only=name != "solution")
        if name == "solution":
            check(graded["passed"] and graded["points"] == graded["max"] > 0, what(name, graded))
            continue
        check(not graded["passed"] and graded["points"] < graded["max"], what(name, graded))
        check(first_hint(graded) == ("empty" if name == "starter" else name), what(name, graded))


def hints_tell_nothing(ex):
    for line in ex.answer_lines():
        for name, hint in ex.hints.items():
            absent(hint, line, f"hint {name}")


def register(ex):
    def body():
        hints_tell_nothing(ex)
        prove(ex)

    test(f"{ex.id} {ex.title}: starter fails, solution passes, each wrong one has its hint",
         needs=" ".join(ex.needs), timeout=240)(body)
    import harness

    harness.collected[-1].prepare = lambda: build_all(ex)


for one in grader.load().values():
    register(one)


def hand_out(command, number):
    target = f"{TMP}/{command}"
    r = run([f"{ROOT}/tests/grade/grader.py", command, "--step", number, target], cwd=ROOT)
    equal(r.status, 0, command)
    return target


@test("a starter has a file for each exercise of its step, the whole source, and no solutions")
def _():
    target = hand_out("starter", "3")
    wanted = {one.id: one.starter() for one in exercises.values() if one.step == 3}
    for number, text in wanted.items():
        equal(read(f"{target}/exercises/{number}/{exercises[number].file}"), text, number)
    equal(sorted(os.listdir(target + "/exercises")), sorted([*wanted, "SEED"]))
    check(os.path.exists(target + "/step03-mounts/rootfs.c") and os.path.exists(target + "/Makefile"), "the tree")
    check(not os.path.exists(target + "/tests/grade/solutions"), "the solutions are in it")


@test("an export has the step, the floors below it, the licence, and nothing above")
def _():
    target = hand_out("export", "3")
    equal(sorted(name for name in os.listdir(target) if name.startswith("step")), ["step01-unshare", "step02-pidns", "step03-mounts"])
    contains(read(target + "/LICENSE"), "MIT")
    r = run(["make", "-C", target, "-n", "all"], env={"BUILD": ""})
    equal(r.status, 0)
    contains(r.out, "-o build/step03 ")
