"""Every exercise: its starter builds and fails, its solution passes, and each wrong solution fails
with the hint that was written for it. And the three commands that hand exercises out."""

import exercise
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
    equal(len({ex.hints[name] for name in ex.wrong}), len(ex.wrong), "hints, one for each wrong solution")
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


# ---- what teachers build on ------------------------------------------------------------------------

# Gradebooks, folders that were handed in and a teacher's own checks name an exercise by its number, and look for
# its file. An entry is never changed or used again; a new exercise gets a new number at the end of its step.
KEPT = {
    "1.1": "answers.txt", "1.2": "namespaces.c", "1.3": "rootless.c", "1.4": "leak.sh",
    "2.1": "answers.txt", "2.2": "init.c", "2.3": "spawn.c", "2.4": "afterlife.c",
    "3.1": "answers.txt", "3.2": "rootfs.c", "3.3": "inside.c", "3.4": "leave.c",
    "4.1": "answers.txt", "4.2": "box.c", "4.3": "cgroup.c", "4.4": "out.sh", "4.5": "outrun.sh",
    "5.1": "answers.txt", "5.2": "layer.c", "5.3": "unpack.c", "5.4": "layer.sh",
    "6.1": "answers.txt", "6.2": "network.c", "6.3": "nat.c", "6.4": "answer.py",
    "7.1": "answers.txt", "7.2": "caps.c", "7.3": "wall.c", "7.4": "leave.sh",
}


@test("an exercise keeps its number and its file, and its page says what it is and what it is worth", needs="")
def _():
    equal({number: ex.file for number, ex in exercises.items()}, KEPT)
    for number, ex in exercises.items():
        page = read(f"{ROOT}/book/exercises/{ex.step:02d}.md")
        contains(page, f"\n## {number} {ex.title}\n\n*{ex.kind.capitalize()}, {ex.points} points")
        contains(page, f"`{ex.file}`")


def asked(ex, seed):
    """What the starter of a class asks."""
    own, exercise.SEED = exercise.SEED, seed
    try:
        return ex.starter()
    finally:
        exercise.SEED = own


@test("classes are asked different things in every exercise of predictions, but for the one whose answers are counts", needs="")
def _():
    for ex in exercises.values():
        if ex.kind == "observe" and ex.id != "2.1":
            check(len({asked(ex, seed) for seed in ("spring", "summer", "winter")}) > 1, f"{ex.id}: the seed changes nothing")


def hand_out(command, number):
    target = f"{TMP}/{command}-{number}"
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


@test("an export has the step, the floors below it, the licence, and nothing above; it builds alone, and its program runs", timeout=300)
def _():
    floors = sorted(name for name in os.listdir(ROOT) if name.startswith("step0"))
    for number in (3, 7):
        target = hand_out("export", str(number))
        equal(sorted(name for name in os.listdir(target) if name.startswith("step")), floors[:number])
        contains(read(target + "/LICENSE"), "MIT")
        r = run(["make", "-s", "-C", target, "all"], env={"BUILD": "", "MAKEFLAGS": ""}, timeout=250)
        equal(r.status, 0, r.err)
        contains(run([f"{target}/build/step{number:02}", "--help"]).out, f"usage: step{number:02} ")


# ---- make grade, as a teacher's script calls it ---------------------------------------------------

ONE = "1.1"  # a file of predictions: nothing to compile


def handed_in(name, seed, words=""):
    """The exercises of a tree that make starter SEED=… made; the one file says what is right for the seed
    WORDS, and is the starter's without any."""
    target = f"{TMP}/{name}"
    r = run(["make", "-s", "-C", ROOT, "starter", "STEP=01", f"SEED={seed}", f"DIR={target}", f"O={BUILD}"])
    equal(r.status, 0)
    if words:
        own, exercise.SEED = exercise.SEED, words
        with open(f"{target}/exercises/{ONE}/answers.txt", "w") as out:
            out.write(exercises[ONE].right())
        exercise.SEED = own
    return target + "/exercises"


def make_grade(folder, *words, **options):
    return run(["make", "-s", "-C", ROOT, "grade", f"ID={ONE}", "READY=1", f"DIR={folder}", f"O={BUILD}", *words], **options)


@test("make grade SEED: what is right for one class is wrong for another; JSON=1 says what was checked, seen and hinted")
def _():
    names = [read(handed_in(seed, seed) + f"/{ONE}/answers.txt") for seed in ("spring", "winter")]
    differs(names[0], names[1])
    for words, right in (("spring", True), ("winter", False)):
        folder = handed_in("graded-" + words, "spring", words)
        r = make_grade(folder, "JSON=1")
        told = json.loads(r.out)
        equal((r.status == 0, told["points"] == told["max"] == 10), (right, right), words)
        one = told["exercises"][0]
        equal((one["id"], one["kind"], one["passed"], len(one["checks"])), (ONE, "observe", right, 3))
        equal(sum(row["points"] for row in one["checks"]), told["points"])
        for row in one["checks"]:
            equal(row["held"], row["hint"] == "", row["checked"])
            equal(row["held"], row["seen"] == "", row["checked"])


@test("FORMAT=gradescope is a results.json: tests with a name, a score out of a max_score, what was seen and the hint")
def _():
    r = make_grade(handed_in("empty", ""), "FORMAT=gradescope")
    told = json.loads(r.out)
    differs(r.status, 0)
    equal(sorted(told), ["score", "tests"])
    equal(told["score"], sum(row["score"] for row in told["tests"]))
    equal(sum(row["max_score"] for row in told["tests"]), 10)
    for row in told["tests"]:
        equal(sorted(row), ["max_score", "name", "output", "score", "status"])
        equal(row["status"], "failed" if row["output"] else "passed")
        check(0 <= row["score"] <= row["max_score"], row)
        contains(row["name"], ONE)
    contains(told["tests"][0]["output"], "Hint: ")


@test("FORMAT=autolab: what the student reads, and as the last line one JSON object with a score for each problem")
def _():
    for name, words, points in (("right", "any", 10), ("wrong", "", 0)):
        r = make_grade(handed_in(name, "any", words), "FORMAT=autolab")
        equal(json.loads(r.lines[-1]), {"scores": {ONE: points}})
        matches(r.lines[0], rf"^{ONE} .*: {points} of 10$")
        equal("hint: " in r.out, not points, r.out)


@test("what could not be graded here has a line without points for Gradescope, and no score for Autolab")
def _():
    extra = TMP + "/extra"
    os.makedirs(extra)
    with open(extra + "/mine.py", "w") as out:
        out.write('from exercise import Exercise\n\nExercise("9.2", "One too many", "step01", kind="observe", file="word.txt", '
                  'template="word =\\n", needs="cmd:no-such-command")\n')
    folder = handed_in("lacking", "any", "any")
    os.makedirs(folder + "/9.2")
    with open(folder + "/9.2/word.txt", "w") as out:
        out.write("word = yes\n")
    options = {"env": {"GRADE_EXTRA": extra}}
    told = json.loads(make_grade(folder, "FORMAT=gradescope", "ID=1.1 9.2", **options).out)
    equal((told["score"], told["tests"][-1]["name"]), (10, "9.2 One too many"))
    equal((told["tests"][-1]["score"], told["tests"][-1]["max_score"]), (0, 0))
    contains(told["tests"][-1]["output"], "no-such-command is not installed")
    lines = make_grade(folder, "FORMAT=autolab", "ID=1.1 9.2", **options).lines
    equal(json.loads(lines[-1]), {"scores": {"1.1": 10}})
    contains("\n".join(lines), "no-such-command is not installed")


@test("GRADE_EXTRA adds a teacher's check to an exercise, and an exercise of the teacher's own")
def _():
    extra = TMP + "/extra"
    os.makedirs(extra)
    with open(extra + "/mine.py", "w") as out:
        out.write('from exercise import Exercise, exercises\n\n@exercises["1.1"].check("it names its author", 5)\n'
                  'def _(g):\n    g.must("author" in g.text, "nobody is named")\n\n'
                  'Exercise("9.1", "One of my own", "step01", kind="observe", file="word.txt", template="word =\\n")\n'
                  '@exercises["9.1"].check("the word", 7)\ndef _(g):\n    g.predicted("word", "yes", "empty")\n')
    folder = handed_in("extended", "", "any")
    os.makedirs(folder + "/9.1")
    with open(folder + "/9.1/word.txt", "w") as out:
        out.write("word = yes\n")
    told = json.loads(make_grade(folder, "JSON=1", "ID=1.1 9.1", env={"GRADE_EXTRA": extra}).out)
    equal([(one["id"], one["max"]) for one in told["exercises"]], [("1.1", 15), ("9.1", 7)])
    equal(told["exercises"][1]["passed"], True)
    added = next(row for row in told["exercises"][0]["checks"] if row["checked"] == "it names its author")
    equal((added["held"], added["seen"]), (False, "nobody is named"))


@test("a check that does not end ends with its exercise's time, and what is left on the host costs half of the points")
def _():
    extra = TMP + "/extra"
    os.makedirs(extra)
    with open(extra + "/mine.py", "w") as out:
        out.write('import subprocess\nimport time\n\nfrom exercise import Exercise, exercises\n\n'
                  'for number, seconds in (("9.1", 1), ("9.2", 20)):\n'
                  '    Exercise(number, "A word", "step01", kind="observe", file="word.txt", template="word =\\n", seconds=seconds)\n\n'
                  '@exercises["9.1"].check("at once", 4)\ndef _(g):\n    pass\n\n'
                  '@exercises["9.1"].check("never", 6)\ndef _(g):\n    time.sleep(1000)\n\n'
                  '@exercises["9.2"].check("it leaves somebody", 8)\ndef _(g):\n    subprocess.Popen(["sleep", "1000"])\n')
    folder = TMP + "/handed-in"
    for number in ("9.1", "9.2"):
        os.makedirs(f"{folder}/{number}")
        with open(f"{folder}/{number}/word.txt", "w") as out:
            out.write("word = any\n")
    late, leaked = json.loads(make_grade(folder, "JSON=1", "ID=9.1 9.2", env={"GRADE_EXTRA": extra}).out)["exercises"]
    equal((late["points"], late["max"], late["passed"]), (4, 10, False))
    equal((late["checks"][1]["seen"], late["checks"][1]["hint_id"]), ("not done after 1 s", "time"))
    equal((leaked["points"], leaked["max"], leaked["passed"]), (4, 8, False))
    last = leaked["checks"][-1]
    equal((last["checked"], last["hint_id"]), ("the host is as it was", "leak"))
    contains(last["seen"], "sleep 1000")
