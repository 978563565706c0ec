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
