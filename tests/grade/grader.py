#!/usr/bin/env python3
"""The grader: `make grade`, `make starter` and `make export` are this program.

    grader.py grade [--step N] [--json] [--format gradescope|autolab] [--dir DIR] [ID…]
    grader.py starter --step N DIR      a tree with the step's exercises in DIR/exercises
    grader.py export --step N DIR       the step and the floors that it links, as a folder of its own
    grader.py list                      every exercise with its points

A starter's tree holds one folder an exercise, exercises/ID/, with the one file to work on; the rest of
the tree is as it always was, so no exercise needs the solution of another. Each is built and run by
itself, in mount, network, UTS and IPC namespaces of its own when the grader is root: what a wrong
solution leaves there ends with them, and is told as a leak. SEED=… gives a class its own names and
numbers; GRADE_EXTRA=DIR adds the exercises and checks in DIR/*.py.
"""

import argparse
import ctypes
import fcntl
import glob
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.dirname(HERE) + "/system", os.path.dirname(HERE)]

import exercise  # noqa: E402
import harness  # noqa: E402
import leaks  # noqa: E402
from exercise import Fault, Grading, Missed, exercises  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)


def load():
    """All exercises, and what the teacher adds."""
    if exercises:
        return exercises
    extra = os.environ.get("GRADE_EXTRA")
    for folder in [HERE] + ([extra] if extra else []):
        pattern = "ex_*.py" if folder == HERE else "*.py"
        for path in sorted(glob.glob(f"{folder}/{pattern}")):
            name = os.path.splitext(os.path.basename(path))[0]
            spec = importlib.util.spec_from_file_location(f"{name}_of_{os.path.basename(folder)}", path)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return exercises


# ---- grading one exercise ------------------------------------------------------------------------


def apart():
    """Namespaces of this process's own, and its orphans come to it: what is left is its own."""
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    os.environ["BOXSTEP_RUNNER"] = str(os.getpid())
    if not harness.AS_ROOT:
        return
    if libc.unshare(0x00020000 | 0x40000000 | 0x04000000 | 0x08000000) < 0:  # NEWNS NEWNET NEWUTS NEWIPC
        raise OSError(ctypes.get_errno(), "unshare")
    libc.mount(None, b"/", None, ctypes.c_ulong(0x4000 | 0x40000), None)  # MS_REC | MS_PRIVATE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running


def one_check(grading, function):
    """(held, what was seen, hint's name)"""
    try:
        function(grading)
        return True, "", None
    except Missed as missed:
        return False, missed.saw, missed.hint
    except harness.Skip:
        raise
    except harness.Failure as failure:
        return False, str(failure), None
    except Exception:
        return False, traceback.format_exc(limit=3), None


def all_checks(ex, folder, tmp, report, first_only):
    """In a process of its own: each check's outcome, a line of JSON each."""
    harness.begin()
    grading = Grading(ex, folder, tmp)
    for number, (_, _, function) in enumerate(ex.checks):
        outcome = one_check(grading, function)
        for process in reversed(harness._started):
            try:
                if process.alive():
                    process.send(signal.SIGKILL)
                process.kill()
            except BrokenPipeError:  # what was written to it had no reader
                pass
        harness._started.clear()
        os.write(report, (json.dumps([number, *outcome]) + "\n").encode())
        if first_only and not outcome[0]:
            break
    os._exit(0)


def attend(pid, receive, seconds):
    """The lines that the process says, and whether it ended in time."""
    data, late = b"", False

    def too_long(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        while part := os.read(receive, 65536):
            data += part
        os.waitpid(pid, 0)
    except TimeoutError:
        late = True
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    finally:
        signal.alarm(0)
    return [json.loads(line) for line in data.decode().splitlines()], late


def linger(before, seconds, cgroups):
    """What is left on the host, once it had time to go; orphans are reaped. CGROUPS are everybody's, so
    they are looked at where the exercise is about them; the default state directories are never ours."""
    end = time.monotonic() + seconds * harness.SLOW
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        left = [item for item in leaks.differences(before, leaks.snapshot())
                if (cgroups or not item.startswith("cgroup")) and not re.match(f"file \\w+: ({'|'.join(leaks.STATE)})", item)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def clean(before, cgroups):
    """Ends and removes what is left, so that it does not count twice."""
    for _ in range(3):
        for item in leaks.processes() - before["process"]:
            try:
                os.kill(int(item.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not linger(before, 0.3 / harness.SLOW, cgroups):
            return
    for folder in sorted(leaks.cgroups() - before["cgroup"], reverse=True):
        try:
            os.rmdir(folder)
        except OSError:
            pass
    for item in sorted(leaks.files() - before["file"], reverse=True):
        if os.path.isfile(item):
            os.unlink(item)


def warden(ex, folder, tmp, report, first_only):
    """Between the grader and the checks: its namespaces end with it."""
    apart()
    before = leaks.snapshot()
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        try:
            all_checks(ex, folder, tmp, send, first_only)
        finally:
            os._exit(1)
    os.close(send)
    lines, late = attend(pid, receive, ex.seconds * harness.SLOW)
    cgroups = "cgroup2" in ex.needs
    left = linger(before, 2, cgroups)
    if left:
        clean(before, cgroups)
    os.write(report, json.dumps([lines, late, left]).encode())
    os._exit(0)


def watched(ex, folder, tmp, first_only):
    receive, send = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(receive)
            warden(ex, folder, tmp, send, first_only)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        os._exit(1)
    os.close(send)
    data = b""
    while part := os.read(receive, 65536):
        data += part
    os.close(receive)
    os.waitpid(pid, 0)
    if not data:
        raise Fault(f"{ex.id}: the grader's own process died")
    return json.loads(data)


def grade_text(ex, text, build, first_only=False):
    """Builds TEXT in the folder BUILD and checks it. A dictionary for people and programs. FIRST_ONLY:
    nothing is checked after the first that failed."""
    try:
        ex.build(text, build)
        failed = None
    except Missed as missed:
        failed = missed
    if failed:
        rows = [result_row("it builds", 0, ex.points, False, failed.saw, failed.hint, ex)]
        return summary(ex, rows)
    folder = tempfile.mkdtemp(prefix="grade-", dir=harness.STAGE)
    try:
        os.chmod(folder, 0o755)
        for name in os.listdir(build):
            if not name.endswith((".o", ".of")):
                shutil.copy(f"{build}/{name}", folder)
        os.mkdir(folder + "/tmp")
        os.chmod(folder + "/tmp", 0o1777)
        lines, late, left = watched(ex, folder, folder + "/tmp", first_only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return summary(ex, rows_of(ex, text, lines, late, left))


def rows_of(ex, text, lines, late, left):
    rows, unwritten = [], text == ex.starter()
    for number, held, saw, hint in lines:
        title, points, _ = ex.checks[number]
        hint = "empty" if unwritten and not held else hint
        rows.append(result_row(title, points if held else 0, points, held, saw, hint, ex))
    for title, points, _ in ex.checks[len(lines):]:
        rows.append(result_row(title, 0, points, False, f"not done after {ex.seconds} s" if late else "the check died",
                               "empty" if unwritten else "time", ex))
    saw, hint = "\n".join(left[:8]), "leak"
    for name, pattern in getattr(ex, "leaks", {}).items():
        hint = name if re.search(pattern, saw) else hint
    rows.append(result_row("the host is as it was", 0, 0, not left, saw, hint if left else None, ex))
    return rows


def result_row(title, got, points, held, saw, hint, ex):
    return {"checked": title, "points": got, "max": points, "held": held, "seen": saw, "hint_id": hint,
            "hint": ex.hints[hint] if hint else ""}


def summary(ex, rows):
    held = all(row["held"] for row in rows)
    leaked = any(not row["held"] and row["checked"] == "the host is as it was" for row in rows)
    points = sum(row["points"] for row in rows)
    if leaked:  # a leak costs half of what was earned
        points //= 2
    return {"id": ex.id, "title": ex.title, "kind": ex.kind, "points": points, "max": ex.points, "passed": held,
            "checks": rows}


# ---- the commands --------------------------------------------------------------------------------


def chosen(options):
    names = load()
    step = int(options.step) if options.step else None
    found = [ex for ex in names.values() if (step is None or ex.step == step)
             and (not options.ids or ex.id in options.ids)]
    return sorted(found, key=lambda ex: [int(n) for n in ex.id.split(".")])


def runner():
    """tests/run.py as a module: its stage, its host, its needs."""
    words, sys.argv = sys.argv, ["run.py"]
    import run

    sys.argv = words
    return run


def command_grade(options):
    top = os.path.abspath(options.dir or "exercises")
    here = [ex for ex in chosen(options) if os.path.exists(f"{top}/{ex.id}/{ex.file}")]
    if not here:
        sys.exit(f"nothing to grade in {top}: make starter STEP=01 DIR=… hands out a tree; make grade there")
    seed = f"{top}/SEED"
    if os.path.exists(seed):
        exercise.SEED = exercise.read(seed).strip()
    run = runner()
    results = []
    run.stage()
    try:
        run.own_host()
        for ex in here:
            missing = [lack[0] for lack in map(run.lacking, ex.needs) if lack]
            if missing:
                results.append({"id": ex.id, "title": ex.title, "kind": ex.kind, "points": 0, "max": ex.points,
                                "passed": False, "checks": [], "not_graded": missing[0]})
            else:
                text = exercise.read(f"{top}/{ex.id}/{ex.file}")
                results.append(grade_text(ex, text, f"{harness.BUILD}/grade/{ex.id}/submission"))
            if not options.json and options.format != "gradescope":
                say(results[-1])
    finally:
        shutil.rmtree(harness.STAGE, ignore_errors=True)
    finish(results, options)
    return 0 if all(r["passed"] for r in results) else 1


def say(r):
    print(f"{r['id']} {r['title']} ({r['kind']}): {r['points']} of {r['max']}")
    if "not_graded" in r:
        print(f"    not graded here: {r['not_graded']}; in the virtual machine: make vm RUN=\"make grade\"")
    told = set()
    for row in r["checks"]:
        print(f"    {'ok  ' if row['held'] else 'FAIL'} {row['checked']} ({row['points']} of {row['max']})")
        if row["seen"]:
            print("         seen: " + row["seen"].replace("\n", "\n         "))
        if row["hint"] and row["hint"] not in told:
            print("         hint: " + row["hint"])
            told.add(row["hint"])


def gradescope(r):
    """What a results.json says of one exercise: a test for each check, or one of no points that says why there is none."""
    name = f"{r['id']} {r['title']}"
    if "not_graded" in r:
        return [{"name": name, "score": 0, "max_score": 0, "output": "Not graded here: " + r["not_graded"]}]
    return [{"name": f"{name}: {row['checked']}", "score": row["points"], "max_score": row["max"],
             "status": "passed" if row["held"] else "failed",
             "output": "\n".join(filter(None, [row["seen"], row["hint"] and "Hint: " + row["hint"]]))}
            for row in r["checks"]]


def finish(results, options):
    got, most = sum(r["points"] for r in results), sum(r["max"] for r in results)
    form = options.format or ("json" if options.json else "")
    if form == "json":
        print(json.dumps({"points": got, "max": most, "exercises": results}, indent=2, ensure_ascii=False))
    elif form == "gradescope":
        print(json.dumps({"score": got, "tests": [row for r in results for row in gradescope(r)]},
                         indent=2, ensure_ascii=False))
    elif form == "autolab":
        # its lines so far are what the student reads, the last one is the autoresult; what has no score is marked by hand
        print(json.dumps({"scores": {r["id"]: r["points"] for r in results if "not_graded" not in r}}))
    else:
        print(f"{got} of {most} points")


def tree_files():
    """The files of the tree, but for what the students of a graded course must not have."""
    command = ["git", "-C", harness.ROOT, "ls-files", "-co", "--exclude-standard"]
    names = []
    if shutil.which("git"):
        names = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    if not names:  # no clone, or no git
        for folder, folders, files in os.walk(harness.ROOT):
            folders[:] = [f for f in folders if f not in (".git", "build", "exercises") or folder.endswith("book")]
            names += [os.path.relpath(f"{folder}/{f}", harness.ROOT) for f in files]
    return [n for n in names if not n.startswith(("tests/grade/solutions/", "exercises/"))]


def copy(names, target):
    for name in names:
        source = f"{harness.ROOT}/{name}"
        if not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(f"{target}/{name}"), exist_ok=True)
        shutil.copy2(source, f"{target}/{name}", follow_symlinks=False)


def new_folder(path):
    if os.path.isdir(path) and os.listdir(path):
        sys.exit(f"{path} is not empty; name a new folder with DIR=…")
    os.makedirs(path, exist_ok=True)
    return os.path.abspath(path)


def command_starter(options):
    target = new_folder(options.target)
    copy(tree_files(), target)
    os.makedirs(target + "/exercises")
    with open(target + "/exercises/SEED", "w", encoding="utf-8") as out:
        out.write(exercise.SEED + "\n")
    for ex in chosen(options):
        os.makedirs(f"{target}/exercises/{ex.id}")
        with open(f"{target}/exercises/{ex.id}/{ex.file}", "w", encoding="utf-8") as out:
            out.write(ex.starter())
        print(f"exercises/{ex.id}/{ex.file}: {ex.title} ({ex.kind}, {ex.points} points)")
    print(f"the tasks: {target}/book/exercises; work in {target}/exercises, then: make grade")
    return 0


def command_export(options):
    """One step: its folder and those below, and the Makefile, which builds what it finds."""
    target, step = new_folder(options.target), int(options.step)
    wanted = [n for n in tree_files() if re.match(r"step(\d\d)-", n) and int(n[4:6]) <= step]
    if step < 7:
        copy(wanted + ["Makefile", "LICENSE"], target)
    else:  # the seventh program without the engine's rooms
        copy([n for n in wanted if not re.match("step07-runtime/(engine|oci|registry|observe)/", n)]
             + ["Makefile", "LICENSE"], target)
    copy(["tests/probe.c", "tests/rootfs.sh"], target)
    with open(target + "/README.md", "w", encoding="utf-8") as out:
        out.write(f"# Step {step} of boxstep\n\nOne step and the floors that it stands on, MIT licence.\n"
                  f"`make all rootfs` builds `build/step{step:02d}` and a root of busybox to run it in; "
                  f"`build/step{step:02d} --help` says how.\n")
    print(f"step {step} with what it stands on: {target}; there: make all rootfs")
    return 0


def command_list(options):
    for ex in chosen(options):
        print(f"{ex.id}  {ex.points:3}  {ex.kind:8} {ex.title}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["grade", "starter", "export", "list"])
    parser.add_argument("--step")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--format", choices=["gradescope", "autolab"])
    parser.add_argument("--dir", help="where the exercises are (exercises)")
    parser.add_argument("ids", nargs="*")
    options = parser.parse_intermixed_args()
    if options.command in ("starter", "export"):
        if len(options.ids) != 1 or (options.command == "export" and not options.step):
            sys.exit(f"make {options.command} STEP=03 DIR=…")
        options.target, options.ids = options.ids[0], []
    return globals()["command_" + options.command](options)


if __name__ == "__main__":
    sys.exit(main())
