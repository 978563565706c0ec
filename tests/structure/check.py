#!/usr/bin/env python3
"""check.py: the rules of the house, so that they stay true. Prints `ok RULE` or `FAIL RULE: what, where`.

Read as text, without a compiler: the layout that clang-format gives (a function's name at the left
margin, its braces alone there) is what makes that reliable, and is itself a rule here.
    check.py            all rules
    check.py WORD…      the rules whose name has a WORD
"""

import glob
import os
import re
import shutil
import statistics
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

LONGEST, MEDIAN, PROGRAM_LINES, WIDTH = 50, 20, 120, 100
TOP = """step01-unshare step02-pidns step03-mounts step04-cgroups step05-overlay step06-net step07-runtime
    tests book Makefile README.md LICENSE SECURITY.md CITATION.cff .ci .clang-format .editorconfig
    .gitignore""".split()
PROGRAMS = [*glob.glob("step0*/step0*.c"), *glob.glob("step0*/boxstep*.c"), *glob.glob("step0*/*/boxstep*.c")]
# A flat table or a switch over options may be longer than a screen.
FLAT = {"tests/probe.c": ["main"]}
# Kernel calls that have to be told: no other way to make them than call() or call_try().
TOLD = """unshare setns mount umount umount2 pivot_root sethostname setdomainname fsopen fsconfig fsmount fspick
    move_mount open_tree mount_setattr clone clone3 execve execveat fexecve execvp execvpe execv
    setgroups setresuid setresgid setuid setgid setreuid setregid capset chroot""".split()
# glibc asks a shared library for these, which a static program cannot load.
NOT_STATIC = "getpwnam getpwuid getgrnam getgrgid getaddrinfo gethostbyname dlopen initgroups".split()

CREATORS = "open openat socket socketpair accept4 pipe2 fopen dup pipe accept".split()
ALWAYS = "socketpair fopen dup pipe accept accept4".split()  # no flags that could come from elsewhere

rules = []


def rule(function):
    rules.append(function)
    return function


# ---- reading C -----------------------------------------------------------------------------------


def c_files(kinds="ch", tests=False):
    patterns = ["step0*/*.[%s]" % kinds, "step0*/*/*.[%s]" % kinds]
    if tests:
        patterns += ["tests/*.[%s]" % kinds, "tests/*/*.[%s]" % kinds]
    return sorted(path for pattern in patterns for path in glob.glob(pattern))


texts = {}


def text_of(path):
    if path not in texts:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts[path] = file.read()
    return texts[path]


def code_of(path):
    """The text with comments and the insides of strings made blank; lines and columns stay."""

    def blank(found):
        part = found[0]
        if part[0] in "\"'":
            return part[0] + re.sub(r"[^\n]", " ", part[1:-1]) + part[0]
        return re.sub(r"[^\n]", " ", part)

    token = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(token, blank, text_of(path), flags=re.S)


def functions(path):
    """(name, first line, number of lines in its body, body)."""
    found = []
    pattern = r"^([a-z_]\w*)\([^;{}]*\)(?:[^;{}]*)\n\{\n(.*?)^\}"
    code = code_of(path)
    for match in re.finditer(pattern, code, re.S | re.M):
        line = code.count("\n", 0, match.start()) + 1
        found.append((match[1], line, match[2].count("\n"), match[2]))
    return found


def line_at(code, position):
    return code.count("\n", 0, position) + 1


def spans(code, names):
    """Where the arguments of calls to NAMES begin and end."""
    found = []
    for match in re.finditer(r"\b(?:%s)\(" % "|".join(names), code):
        depth, at = 1, match.end()
        while depth and at < len(code):
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            at += 1
        found.append((match.start(), at))
    return found


def floor(path):
    match = re.match(r"step(\d\d)-", path)
    return int(match[1]) if match else 0


# ---- the rules -----------------------------------------------------------------------------------


@rule
def a_file_includes_its_own_floor_and_lower_ones_only():
    for path in c_files():
        for match in re.finditer(r'^#include "([^"]+)"', text_of(path), re.M):
            name = match[1]
            if not re.match(r"step\d\d-", name) or not os.path.exists(name):
                yield f"{path}: {name} is not written with its folder"
            elif floor(name) > floor(path):
                yield f"{path}: {name} is a floor above"


@rule
def includes_stand_in_the_order_of_the_floors():
    """The module's own header may come before them all."""
    for path in c_files():
        names = re.findall(r'^#include "(step[^"]+)"', text_of(path), re.M)
        floors = [floor(name) for name in names[names[:1] == [path[:-1] + "h"] :]]
        if floors != sorted(floors):
            yield f"{path}: {' '.join(names)}"


@rule
def a_module_is_one_c_and_one_h():
    """A large one may have a part in NAME_part.c; the commands of a program share commands.h."""
    for path in c_files("c"):
        folder, name = os.path.split(path)
        headers = [f"{folder}/{name[:-2]}.h", f"{folder}/{name.split('_')[0]}.h"]
        if path in PROGRAMS or any(map(os.path.exists, headers)):
            continue
        if f'#include "{folder}/commands.h"' not in text_of(path):
            yield f"{path} has no header"
    for path in c_files("h"):
        guard = os.path.basename(path)[:-2].upper().replace("-", "_") + "_H"
        if not re.search(rf"^#ifndef (BOXSTEP_\w*{guard})\n#define \1$", text_of(path), re.M):
            yield f"{path} is not guarded by BOXSTEP_…{guard}"


@rule
def a_program_lists_tables_and_no_option():
    for path in glob.glob("step0*/step0*.c"):
        if "struct option_row" in code_of(path):
            yield f"{path} has an option of its own"


@rule
def a_step_s_program_fits_120_lines():
    for path in glob.glob("step0*/step0*.c"):
        lines = text_of(path).count("\n")
        if lines > PROGRAM_LINES:
            yield f"{path} has {lines}"


@rule
def only_programs_exit():
    for path in c_files("c"):
        if path in PROGRAMS:
            continue
        code = code_of(path)
        for match in re.finditer(r"(?<![\w.>])(exit|abort|err|errx)\(", code):
            yield f"{path}:{line_at(code, match.start())}: {match[1]}"


@rule
def a_function_fits_a_screen():
    for path in c_files("c", tests=True):
        if path.startswith("tests/unit/"):
            continue
        for name, line, length, _ in functions(path):
            if length > LONGEST and name not in FLAT.get(path, []):
                yield f"{path}:{line}: {name} has {length} lines, the most is {LONGEST}"


@rule
def the_median_function_is_below_20_lines():
    for folder in sorted({os.path.dirname(path) for path in c_files("c")}):
        lengths = [f[2] for path in glob.glob(folder + "/*.c") for f in functions(path)]
        if len(lengths) > 4 and statistics.median(lengths) >= MEDIAN:
            yield f"{folder}: {statistics.median(lengths)}"


@rule
def a_file_begins_with_what_it_teaches():
    for path in c_files(tests=True):
        head = re.match(r"/\*\n(.*?)\n ?\*/", text_of(path), re.S)
        if not head:
            yield f"{path} has no head comment"
            continue
        lines = head[1].count("\n") + 1
        if lines < 2:
            yield f"{path}: a head of {lines} line"
        if path.startswith("step") and "book/" not in head[1]:
            yield f"{path}: the head names no chapter"


@rule
def narration_is_a_quarter_at_most():
    for path in c_files("c"):
        code = code_of(path)
        told = sum(code.count("\n", a, b) + 1 for a, b in spans(code, ["stage"]))
        if told * 4 > code.count("\n"):
            yield f"{path}: {told} of {code.count(chr(10))} lines"


@rule
def every_kernel_call_is_told():
    names = "|".join(TOLD)
    for path in c_files("c"):
        code = code_of(path)
        told = spans(code, ["call", "call_try"])
        in_call = " ".join(code[a:b] for a, b in told)
        wrapped = [body for name, _, length, body in functions(path) if length <= 16 and f"{name}(" in in_call]
        for match in re.finditer(rf"(?<![\w.>])(?:({names})\(|syscall\(SYS_({names})\b)", code):
            inside = any(a < match.start() < b for a, b in told)
            line = code[code.rfind("\n", 0, match.start()) + 1 : match.start()]
            wrapper = match[2] and any(match[0] in body for body in wrapped)
            here = text_of(path)[match.start() : match.start() + 600].partition("\n}\n")[0]
            afterwards = re.search(rf'\bcall\(\w+, "{match[1] or match[2]}\(', here)
            if not inside and not wrapper and not afterwards and line.strip() not in ("", "int", "long"):
                yield f"{path}:{line_at(code, match.start())}: {match[1] or match[2]} outside of call()"


@rule
def descriptors_are_close_on_exec():
    for path in c_files("c"):
        code = code_of(path)
        for start, end in spans(code, CREATORS):
            words, name = text_of(path)[start:end], code[start : code.index("(", start)]
            if re.search(r"[\w.>]$", code[:start]):
                continue
            literal = re.search(r"\b(O_RDONLY|O_WRONLY|O_RDWR|O_PATH)\b", words) or name in ALWAYS
            if literal and "CLOEXEC" not in words and not re.search(r'"[rwa+]*e"', words):
                yield f"{path}:{line_at(code, start)}: {' '.join(words.split())}"


@rule
def the_run_path_needs_no_shared_library():
    names = "|".join(NOT_STATIC)
    for path in c_files("c"):
        if "/registry/" in path:
            continue
        code = code_of(path)
        for match in re.finditer(rf"(?<![\w.>])({names})\(", code):
            yield f"{path}:{line_at(code, match.start())}: {match[1]}"


def tracked():
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except FileNotFoundError:  # a tree without git, or a copy that is no clone
        names = []
    names = names or [name for name in glob.glob("**/*", recursive=True) if not name.startswith("build/")]
    return [name for name in names if os.path.isfile(name) and not os.path.islink(name)]


def plain(name):
    with open(name, "rb") as file:
        return b"\0" not in file.read(4096)


@rule
def no_word_that_does_not_belong():
    words = [
        "TO" + "DO\\b",
        "FIX" + "ME\\b",
        "/wo" + "rk/(?:main|shared)",
        "\\.\\./sha" + "red\\b",
        "deb\\.deb" + "ian\\.org",
        "py" + "pi\\.org",
        "registry\\.np" + "mjs",
        "proxy\\.gol" + "ang",
        "\\bA" + "I\\b",
        "(?i:anthr" + "opic|\\bcla" + "ude\\b|open" + "ai\\b|chat" + "gpt|language mo" + "del)",
    ]
    pattern = re.compile("|".join(f"(?:{word})" for word in words))
    for name in tracked():
        if not plain(name):
            continue
        for number, line in enumerate(text_of(name).splitlines(), 1):
            found = pattern.search(line)
            if found:
                yield f"{name}:{number}: {found[0]}"


@rule
def lines_end_and_fit():
    for name in tracked():
        # what a fuzzer begins with is as broken as it is meant to be
        if not plain(name) or not text_of(name) or name.startswith("tests/fuzz/corpus/"):
            continue
        if not text_of(name).endswith("\n"):
            yield f"{name}: no newline at its end"
        for number, line in enumerate(text_of(name).split("\n"), 1):
            if line != line.rstrip() and not name.endswith((".md", ".diff", ".patch")):
                yield f"{name}:{number}: blank at the end"
            if re.search(r"\.[ch]$", name) and len(line.expandtabs(8)) > WIDTH:
                yield f"{name}:{number}: wider than {WIDTH} columns"


@rule
def no_mark_of_a_merge_is_left():
    mark = re.compile(r"(?:<{7}|\|{7}|>{7})(?: |$)")
    for name in tracked():
        for number, line in enumerate(text_of(name).split("\n") if plain(name) else [], 1):
            if mark.match(line):
                yield f"{name}:{number}: {line}"


@rule
def nothing_else_at_the_top():
    for name in sorted({name.split("/")[0] for name in tracked()}):
        if name not in TOP:
            yield name


# The runtime's two rooms together, without the table that tests/sys_numbers.c makes: lines that are
# neither empty nor a comment. A room that is read from end to end has to stay under 6,000.
ROOMS, ROOM_LINES = "step07-runtime/oci/*.[ch] step07-runtime/security/*.[ch]".split(), 5999


@rule
def the_rooms_of_the_runtime_are_under_6000_lines():
    files = [path for room in ROOMS for path in glob.glob(room) if not path.endswith("/sys_numbers.h")]
    lines = sum(bool(line.strip()) for path in files for line in code_of(path).splitlines())
    if lines > ROOM_LINES:
        yield f"oci and security have {lines} lines of code, the most is {ROOM_LINES}"


# ---- other people's checkers ---------------------------------------------------------------------


def checker(argv, files, missing_ok=False):
    if not shutil.which(argv[0]):
        yield None, f"{argv[0]} is not installed"
        return
    if files:
        r = subprocess.run([*argv, *files], capture_output=True, text=True, check=False)
        if r.returncode:
            yield from [line for line in (r.stdout + r.stderr).splitlines() if line.strip()][:20]


@rule
def clang_format_has_nothing_to_change():
    yield from checker(["clang-format", "--dry-run", "-Werror"], c_files(tests=True))


@rule
def shellcheck_has_nothing_to_say():
    scripts = [
        name for name in tracked()
        if name.endswith(".sh") or re.match(r"#!(/usr)?/bin/(env )?(ba|da)?sh\b", text_of(name)[:40] if plain(name) else "")
    ]
    yield from checker(["shellcheck", "-x"], scripts)


@rule
def every_python_file_compiles():
    for name in tracked():
        if name.endswith(".py"):
            try:
                compile(text_of(name), name, "exec")
            except SyntaxError as error:
                yield f"{name}: {error}"


@rule
def every_wrong_solution_of_an_exercise_still_fits_the_source():
    """It is made by replacing text of the right one, which is the source as it stands."""
    sys.path[:0] = [os.path.abspath("tests/grade"), os.path.abspath("tests/system")]
    import grader  # here, because it is of the tests and not of this file

    for one in grader.load().values():
        try:
            one.variants()
            for name, (source, pairs) in one.weak.items():
                grader.exercise.replaced(text_of(source), pairs, f"{one.id} {name}")
        except grader.exercise.Fault as fault:
            yield str(fault)


def main(words):
    failed = 0
    for function in rules:
        name = function.__name__.replace("_s_", "'s_").replace("_", " ")
        if words and not any(word in name for word in words):
            continue
        faults = list(function())
        if faults and isinstance(faults[0], tuple):
            print(f"skip {name}: {faults[0][1]}")
        elif faults:
            failed += 1
            print(f"FAIL {name}: {len(faults)}\n  " + "\n  ".join(faults[:40]))
        else:
            print(f"ok {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
