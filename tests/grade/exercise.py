"""What an exercise is: a file that the student writes, the checks of it, and the hints.

An exercise file (ex_NN.py) makes Exercise objects and gives each its checks:

    show = Exercise("1.2", "Show another process", refill="step01-unshare/namespaces.c", cut=["look"],
                    program="step01", hints={"self": "…"}, wrong={"self": [("old text", "new text")]})

    @show.check("the inodes are those of the planted process", 6)
    def _(g):
        g.must(…, "what was seen", "self")

Kinds: *refill*, the named functions are cut out of a real source, whose answer is in the tree; *extend*,
a template is filled in, the answer is in solutions/, which no starter has; *observe*, a file of
predictions; *break*, a script or program that has to reach its aim on a weakened build.
What stands in place of a cut function (STUB) is one text for all of them, or a dictionary by name.
A function's mark is its name at the left margin, with its braces alone there: the layout that
clang-format gives every source, so that no mark has to stand in the code and none can go stale.
A wrong solution is a list of replacements in the right one, each of which must fit exactly once; its
name is the name of the hint that it has to get.
"""

import hashlib
import os
import random
import re
import shlex
import shutil
import subprocess
import textwrap

import harness

HERE = os.path.dirname(os.path.realpath(__file__))
SEED = os.environ.get("SEED", "")
exercises = {}  # by id, which never changes

# link order of the archives below a program, and its libraries; as in the Makefile
FLOORS = {f"step{n:02d}": [f"step{k:02d}" for k in range(n, 0, -1)] for n in range(1, 7)}
FLOORS["step07"] = ["step07", "security", *FLOORS["step06"]]
FLOORS["boxstep-unpack"] = FLOORS["step05"]
MAIN = {"boxstep-unpack": "step05-overlay/boxstep_unpack.c", "step01": "step01-unshare/step01.c",
        "step02": "step02-pidns/step02.c", "step03": "step03-mounts/step03.c",
        "step04": "step04-cgroups/step04.c", "step05": "step05-overlay/step05.c",
        "step06": "step06-net/step06.c", "step07": "step07-runtime/step07.c"}
LIBS = {"boxstep-unpack": ["-larchive", "-lcrypto", "-ljson-c"], "step05": ["-ljson-c"],
        "step06": ["-ljson-c"], "step07": ["-ljson-c"]}
LENIENT = ["-Wno-unused-function", "-Wno-unused-parameter", "-Wno-unused-variable", "-Wno-error"]
COMMON = {
    "empty": "Nothing has been written yet: begin with the file named in the task.",
    "compile": "It does not compile; the compiler's first message is usually the one that counts.",
    "time": "It did not end in time: somebody waits for what never comes.",
    "leak": "Something is left on the host after the run; whoever makes it has to see it go, on every way out.",
}


class Missed(Exception):
    def __init__(self, saw, hint=None):
        super().__init__(saw)
        self.saw, self.hint = saw, hint


class Fault(Exception):
    """A mistake in an exercise file, not in a solution."""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def replaced(text, pairs, where):
    for old, new in pairs:
        if text.count(old) != 1:
            raise Fault(f"{where}: {text.count(old)} places have {old!r}, one was expected")
        text = text.replace(old, new)
    return text


def body_of(text, name, where):
    """(first, last) position of what is between the braces of function NAME."""
    found = re.search(rf"^{name}\([^;{{}}]*\)\n\{{\n(.*?)^\}}", text, re.S | re.M)
    if not found:
        raise Fault(f"{where}: there is no function {name}")
    return found.span(1)


class Exercise:
    def __init__(self, id, title, program, refill=None, cut=(), stub="errno = ENOSYS;\nreturn -1;", file=None,
                 template=None, weak=None, needs="root", hints=None, wrong=None, seconds=60, kind=None):
        self.id, self.title, self.program, self.needs = id, title, program, needs.split()
        self.refill, self.cut, self.stub = refill, list(cut), stub
        self.file = file or (os.path.basename(refill) if refill else None)
        self.kind = kind or ("refill" if refill else "extend")
        self.template, self.weak = template, weak or {}
        self.hints, self.wrong, self.seconds = {**COMMON, **(hints or {})}, wrong or {}, seconds
        self.checks, self.weight = [], 0
        exercises[id] = self

    step = property(lambda self: int(self.id.split(".")[0]))
    points = property(lambda self: sum(points for _, points, _ in self.checks))

    def check(self, title, points):
        def register(function):
            self.checks.append((title, points, function))
            return function

        return register

    # ---- the texts ----

    def random(self, seed=None):
        return random.Random(f"{SEED if seed is None else seed}/{self.id}")

    def fill(self, text):
        """The names and numbers of a class, in a template: @NAME@ is the exercise's own word."""
        r = self.random()
        word = "".join(r.choice("bcdfghklmnprstvz") + r.choice("aeiou") for _ in range(3))
        return text.replace("@NAME@", word).replace("@NUMBER@", str(r.randint(21, 89)))

    def right(self):
        if self.refill:
            return read(f"{harness.ROOT}/{self.refill}")
        return self.fill(read(f"{HERE}/solutions/{self.id}-{self.file}"))

    def starter(self):
        if not self.refill:
            return self.fill(self.template or read(f"{HERE}/templates/{self.id}-{self.file}"))
        text = self.right()
        for name in self.cut:
            first, last = body_of(text, name, self.refill)
            task = f"/* exercise {self.id}, {self.title}: the task is in book/exercises/{self.step:02d}.md */\n"
            stub = self.stub if isinstance(self.stub, str) else self.stub[name]
            text = text[:first] + textwrap.indent(task + stub + "\n", "\t") + text[last:]
        return text

    def answer_lines(self):
        """The lines that no hint may have."""
        text, start = self.right(), self.starter()
        lines = {line.strip() for line in text.splitlines()} - {line.strip() for line in start.splitlines()}
        return {line for line in lines if len(line) > 11}

    def variants(self):
        """name → text: the starter, the solution, and the wrong ones by the hint each has to get."""
        found = {"starter": self.starter(), "solution": self.right()}
        for name, pairs in self.wrong.items():
            found[name] = replaced(self.right(), pairs, f"{self.id} {name}")
        return found

    # ---- building ----

    def build(self, text, folder):
        """The program with TEXT in place of the source, and the weakened ones, in FOLDER."""
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/{self.file}"
        if not os.path.exists(path) or read(path) != text:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        for name, (source, pairs) in self.weak.items():
            self.build_weak(name, source, pairs, folder)
        if not self.file.endswith(".c"):
            return
        compile_in(folder, path, self.program, self.refill)

    def build_weak(self, name, source, pairs, folder):
        """The weakened program NAME: built once for all who hand something in, and copied to FOLDER."""
        common = os.path.dirname(folder) + "/weak"
        os.makedirs(common, exist_ok=True)
        weak = f"{common}/weak-{os.path.basename(source)}"
        changed = replaced(read(f"{harness.ROOT}/{source}"), pairs, f"{self.id} weak")
        if not os.path.exists(weak) or read(weak) != changed:
            with open(weak, "w", encoding="utf-8") as out:
                out.write(changed)
        compile_in(common, weak, name, None if source.startswith("tests/") else source)
        shutil.copy2(f"{common}/{name}", f"{folder}/{name}")


def flags():
    return shlex.split(read(harness.BUILD + "/.flags"))


def compile_in(folder, path, program, source):
    """PATH compiled and linked as PROGRAM: in place of the module SOURCE, or by itself (SOURCE None)."""
    output = f"{folder}/{program}"
    floors = FLOORS.get(program, [])
    parts = [f"{harness.BUILD}/{floor}.a" for floor in floors] if source else []
    if source and source != MAIN[program]:
        parts.insert(0, f"{harness.BUILD}/obj/{MAIN[program][:-2]}.o")
    mark = hashlib.sha256(" ".join(map(str, [os.path.getmtime(p) for p in parts] + flags())).encode()
                          + read(path).encode()).hexdigest()
    if os.path.exists(output) and os.path.exists(output + ".of") and read(output + ".of") == mark:
        return
    libexec = ['-DLIBEXECDIR="/usr/local/libexec/boxstep"'] if path.endswith("exec.c") else []
    if source:
        words = [*flags(), *LENIENT, *libexec, "-c", "-o", path + ".o", path]
        run(words)
        # first, so that nothing asks the archive for the module that it replaces
        link = [w for w in flags() if w != "-static" or not program.startswith("boxstep-")]
        run([*link, "-o", output, path + ".o", *parts, *LIBS.get(program, []), "-lm"])
    else:
        run([*flags(), *LENIENT, "-o", output, path, "-lm"])
    with open(output + ".of", "w", encoding="utf-8") as out:
        out.write(mark)


def run(words):
    r = subprocess.run(words, cwd=harness.ROOT, capture_output=True, text=True, check=False)
    if r.returncode:
        raise Missed(r.stderr.strip()[:1500], "compile")


class Grading:
    """What a check asks. DIR has the student's file and the programs built with it."""

    def __init__(self, exercise, folder, tmp):
        self.exercise, self.dir, self.tmp = exercise, folder, tmp
        self.text = read(f"{folder}/{exercise.file}")
        self.random = exercise.random()
        self.kept = {}

    def program(self, name=None):
        name = name or self.exercise.program
        own = f"{self.dir}/{name}"
        return own if os.access(own, os.X_OK) else harness.program(name)

    @property
    def submission(self):
        return f"{self.dir}/{self.exercise.file}"

    def must(self, condition, saw, hint=None):
        if not condition:
            raise Missed(str(saw), hint)

    def must_not(self, condition, saw, hint=None):
        self.must(not condition, saw, hint)

    @property
    def answers(self):
        """Lines `name = answer` of an observe exercise."""
        found = {}
        for line in self.text.splitlines():
            name, equal, answer = line.partition("=")
            if equal and not line.startswith("#"):
                found[name.strip()] = " ".join(answer.lower().replace(",", " ").split())
        return found

    def predicted(self, name, truth, hint):
        """The answer NAME against what has just been seen."""
        given = self.answers.get(name, "")
        self.must(given, f"{name} has no answer", "empty")
        self.must(given == str(truth).lower(), f"{name}: it is not {given}", hint)
